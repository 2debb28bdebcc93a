"""Chapters 9 and 19: how far probabilities can be believed, as frames and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import tables
from gcaf_lib.evaluation import calibration, clustered, confidence, intervals, worth
from gcaf_lib.findings import ablation, matched, words
from gcaf_lib.paper import verdicts
from gcaf_lib.training import experiments

NAMES = {
    "accuracy": "Accuracy",
    "picture_accuracy": "Accuracy, by picture",
    "excess": "Confidence − accuracy",
    "picture_excess": "Confidence − accuracy, by picture",
    "ece": "ECE, equal width",
    "mass": "ECE, equal mass",
    "classwise": "Class-wise ECE, equal width",
    "classwise_mass": "Class-wise ECE, equal mass",
    "brier": "Brier score",
    "picture_brier": "Brier score, by picture",
    "nll": "Negative log-likelihood",
    "picture_nll": "Negative log-likelihood, by picture",
}


CARRIED = (  # caption of the measures on the random split and on patient-disjoint folds, around `corrected`
    "Calibration on the random split and on patient-disjoint folds: value and 95% cluster-bootstrap interval over patient groups "
    "and, with two or more seeds, also over trainings. Calibration errors are in fifteen bins, and on patient-disjoint folds "
    "means over the folds, each at the random split's number of test images."
)
HELD = (
    "Scaled: the fitted temperatures held fixed, which makes the intervals too narrow. By picture: copies count as one; not on the "
    "random split, whose training has copies of test images (its accuracy by picture: chapter 17)."
)


def predictions(records: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """labels (n,), probabilities (n, K) and rows (n,) of the test parts, end to end."""
    answers = [worth.answers(r) for r in records]
    rows, labels, probs = (np.concatenate(part) for part in list(zip(*answers))[:3])
    return labels, probs, rows


def calibration_table(states: Mapping[str, Mapping[str, worth.Worth]]) -> pd.DataFrame:
    """Long frame measure, state, value, low, high from `worth.row` of each state, measures as in `NAMES`, NaN where
    a state lacks one."""
    lines = [
        {"measure": name, "state": state, **found.get(name, ablation.NONE)._asdict()}
        for name in NAMES
        if any(name in found for found in states.values())
        for state, found in states.items()
    ]
    return pd.DataFrame(lines, columns=["measure", "state", "value", "low", "high"])


def corrected(frame: pd.DataFrame) -> str:
    """A caption's clause on calibration errors that lie above their own interval; frame: of `calibration_table`."""
    errors = frame[frame["measure"].map(worth.per_fold)].dropna()
    above = int((errors["value"] > errors["high"]).sum())
    return (
        "Their intervals are corrected for the upward bias of such errors and are of the true one: a measured value may lie above its own"
        + (f", as {above} of {len(errors)} here {words.verb(above, 'does', 'do')}." if above else ".")
    )


def wide_calibration(frame: pd.DataFrame, decimals: int = 4) -> pd.DataFrame:
    """A reader's table of `calibration_table`: measures down, states across, `0.0123 (0.0101 to 0.0150)`."""
    text = frame.assign(text=words.spans(frame, "value", decimals))
    out = text.pivot(index="measure", columns="state", values="text")
    out = out.reindex(index=frame["measure"].unique(), columns=frame["state"].unique())
    return out.rename(index=NAMES).rename_axis(index="Measure", columns=None).reset_index()


_LABELS = {"target-probability": "Loss: target-probability", "per-class": "Loss: per-class"}
_TESTED = {"table-5": "", "loss": "", "table-8": ("Mixup", "Focal γ", "Label")}  # to its rows' beginnings


def tested(chapter: Any) -> dict[str, list[Any]]:
    """Records by setting of Mixup, EMA, loss and smoothing, in the experiments' order; none for what wasn't run.

    At equal n experiment by experiment, as in their own chapters: a table with fewer seeds takes none from the others.
    """
    found: dict[str, list[Any]] = {}
    for name, starts in _TESTED.items():
        records = chapter.records(name)
        rows = [row.label for row in experiments.experiment(name).rows if row.label.startswith(starts)]
        equal = matched.equal_seeds({row: records.get(row, []) for row in rows})
        found |= {_LABELS.get(row, row): equal[row] for row in rows}
    return found


EFFECTS = ("ece", "classwise", "brier", "nll")


def differences(
    rows: Mapping[str, Sequence[Any]], runs: Sequence[Any], clusters: np.ndarray
) -> dict[str, dict[str, worth.Worth]]:
    """Setting to its differences (`EFFECTS`) from `runs`, on the seeds (and folds) that both have, both drawn on the same samples.

    rows: label to records. A setting without a record, or whose records are among `runs`, is left out.
    """
    own = {r.key for r in runs}
    return {
        label: worth.difference(records, runs, clusters, EFFECTS)
        for label, records in rows.items()
        if not {r.key for r in records} <= own
    }


def effects(
    rows: Mapping[str, Sequence[Any]],
    clusters: np.ndarray,
    found: Mapping[str, Mapping[str, worth.Worth]],
) -> pd.DataFrame:
    """One row a setting: seeds, T, accuracy, and measures as value with the difference's interval; found: `differences` of the rows.

    A setting without a record says so.
    """
    lines = []
    for label, records in rows.items():
        if not records:
            lines.append({"Setting": label, "Seeds": "no run yet"})
            continue
        mine = worth.row(records, clusters, ("accuracy", "excess", *EFFECTS))
        line = {
            "Setting": label,
            "Seeds": str(mine["accuracy"].n),
            "T": f"{np.mean(fitted(records)):.2f}",
            "Accuracy": f"{mine['accuracy'].value:.4f}",
            "Conf. − acc.": words.signed(mine["excess"].value, 4),
        }
        for name in EFFECTS:
            text = f"{mine[name].value:.4f}" + (" (reference)" if label not in found else "")
            if found.get(label):
                text += f", {words.shift(found[label][name])}"
            line[NAMES[name].replace(", equal width", "")] = text
        lines.append(line)
    return pd.DataFrame(lines).fillna("–")


def ingredients(
    rows: Mapping[str, Sequence[Any]],
    runs: Sequence[Any],
    clusters: np.ndarray,
    found: Mapping[str, Mapping[str, worth.Worth]],
) -> str:
    """What averaging, Mixup, the loss's reading and smoothing change by themselves, and how many intervals `effects` and this
    show, each contrast counted once. Each pair is compared on the seeds that both have.

    found: `differences` of the rows to these runs.
    """
    asked = ("ece", "nll")
    averaged = worth.difference(runs, runs, clusters, asked, which=("ema", "raw"))
    told, more = {"Averaged instead of raw weights, same runs": averaged}, [averaged]
    for what, first, second in (
        ("Mixup, with averaging", "Proposed Model", "With EMA Only"),
        ("Mixup, without averaging", "With Mixup Only", "Without Mixup & EMA"),
        ("The per-class reading instead of the literal one", "Loss: per-class", "Loss: target-probability"),
        ("Label smoothing 0.1 for 0.01", "Label Smoothing ε = 0.1", "Label Smoothing ε = 0.01"),
    ):
        told[what] = worth.difference(rows[first], rows[second], clusters, asked)
        # a pair with the proposed setting is a row of the table, maybe with the other sign
        if first in found and second in found:
            more.append(told[what])
    counted = words.by_chance(pair for one in (*found.values(), *more) for pair in one.items())
    lines = [ingredient(what, one) for what, one in told.items()]
    return "\n".join(lines) + (f"\n\nThe table and this list show {counted}" if counted else "")


def beside_patients(
    runs: Sequence[Any], apart: Sequence[Any], clusters: np.ndarray, pictures: np.ndarray
) -> dict[str, dict[str, worth.Worth]]:
    """`confidence.MEASURES` as trained and scaled, on the random split and, where run, on patient-disjoint folds; there also
    `picture_…`: what is a mean over images, with each picture weighing 1. runs, apart: of the same seeds (`matched.equal_seeds`)."""
    splits = {"random split": runs}
    if apart:
        splits[f"patient-disjoint ({len({r.settings.data.fold for r in apart})} folds)"] = apart
    states = {}
    for name, records in splits.items():
        for state, scaled in ((name, False), (f"{name.partition(' (')[0]}, scaled", True)):
            states[state] = worth.row(records, clusters, confidence.MEASURES, scaled=scaled)
            if worth.grouped(records):
                means = [m for m in confidence.MEASURES if not worth.per_fold(m)]
                copied = worth.row(records, clusters, means, pictures=pictures, scaled=scaled)
                states[state] |= {f"picture_{m}": one for m, one in copied.items()}
    return states


def carries_over(
    states: Mapping[str, Mapping[str, worth.Worth]],
    own: Sequence[float],
    apart: Sequence[Any],
    clusters: np.ndarray,
    pictures: np.ndarray,
) -> str:
    """Whether calibration carries over to new patients; states: `beside_patients` of the runs; own: `fitted` on the random split."""
    if "patient-disjoint, scaled" not in states:
        return (
            "There is no run over the five patient-disjoint folds under this profile yet, so nothing is said here about new "
            "patients. (A single split of them, where one was run, stands on the scorecard.)"
        )
    random, _, strict, scaled = states.values()
    gap = worth.difference(apart, apart, clusters, ("nll",), scaled=(True, False))["nll"]
    moved, copied = (
        by_one_temperature(apart, clusters, float(np.mean(own)), weights) for weights in (None, pictures)
    )
    said = new_patients(random, strict, scaled, (own, fitted(apart)), gap, moved, copied)
    said += f" What is said of the folds rests on {words.rested(apart, clusters, pictures)}."
    return f"{said}\n\n{validation_said(validation_parts(apart, clusters, pictures))}"


def by_one_temperature(
    records: Sequence[Any], clusters: np.ndarray, t: float, pictures: np.ndarray | None = None
) -> tuple[worth.Worth, worth.Worth]:
    """Confidence minus accuracy of the test answers scaled by a temperature from elsewhere, and by how much it changes the NLL;
    pictures: to weigh each picture 1."""
    trained = worth.of_records(records)
    scaled = [[one._replace(probs=calibration.scale(one.probs, t)) for one in parts] for parts in trained]
    asked = ("excess", "nll")
    before, after = (worth.samples(one, clusters, asked, pictures=pictures) for one in (trained, scaled))
    gap = worth.summed("nll", after["nll"] - before["nll"], least=-np.inf)
    return worth.summed("excess", after["excess"]), gap


def validation_parts(records: Sequence[Any], clusters: np.ndarray, pictures: np.ndarray) -> dict[str, Any]:
    """What the folds' temperatures are fitted on: images and groups of each run's validation part; of the different parts their number,
    images (total) and distinct images; mean accuracy there (right) and on test (test), in how many runs it is lower there; and when
    tested those images' accuracy (same) and the others' (other), and the first minus the second, over patients, by file and by picture (apart)."""
    parts = [np.sort(r.rows("validation")) for r in records]
    different = {part.tobytes(): part for part in parts}.values()
    right = [np.mean(r.probabilities("validation").argmax(1) == r.labels("validation")) for r in records]
    tests = [r.right() for r in records]
    rows, tested = (np.concatenate(one) for one in ([r.rows() for r in records], tests))
    inside = np.isin(rows, np.concatenate(parts))
    copied = np.concatenate([worth.picture_weights(r.rows(), pictures) for r in records])
    (same, other), apart = _sides(tested, inside, np.ones(len(rows)), clusters[rows])
    return {
        "images": [len(part) for part in parts],
        "groups": [len(np.unique(clusters[part])) for part in parts],
        "distinct": len(np.unique(np.concatenate(parts))),
        "parts": len(different),
        "total": sum(map(len, different)),
        "lower": int(np.sum(np.array(right) < [one.mean() for one in tests])),
        "right": float(np.mean(right)),
        "test": float(np.mean([one.mean() for one in tests])),
        "same": same,
        "other": other,
        "apart": (apart, _sides(tested, inside, copied, clusters[rows])[1]),
    }


def _sides(
    right: np.ndarray, inside: np.ndarray, weight: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, intervals.Interval]:
    """Weighted shares of right answers inside and outside, and the first minus the second over groups."""
    parts = [np.where(which, one, np.nan) for one in (right * weight, weight) for which in (inside, ~inside)]
    drawn = clustered.mean_draws(np.column_stack(parts), groups)
    shares = np.divide(*np.split(np.nanmean(parts, axis=1), 2))
    return shares, clustered.interval(
        -np.diff(shares)[0], drawn[:, 0] / drawn[:, 2] - drawn[:, 1] / drawn[:, 3]
    )


def validation_said(found: Mapping[str, Any]) -> str:
    """How much such temperatures can be trusted; found: of `validation_parts`."""
    images, groups = (words.extent(sorted(found[name]), "{:,}".format) for name in ("images", "groups"))
    runs, (gap, copied) = len(found["images"]), found["apart"]
    trials = f": these are no {runs} trials, as the parts share images" if runs > 1 else ""
    return (
        "Validation patients are as new to a model as its test patients: newness does not explain why a temperature fits the ones better than the others. "
        f"Each is fitted on {images} images of {groups} groups only, and the {words.plural(found['parts'], 'different part')} {words.verb(found['parts'], 'has', 'have')} {found['distinct']:,} distinct images in all, of {found['total']:,} were they apart. In "
        f"{found['lower']} of {runs} runs the model is right less often on its validation part than on test ({found['right']:.1%} against {found['test']:.1%} on "
        f"average){trials}. When tested, those images score {100 * found['same']:.2f}%, all others {100 * found['other']:.2f}%: over patients "
        f"{words.judged(gap, copied, 'lower', 'higher', verdicts.UNDECIDED)}. *Scaled* holds the temperatures "
        "fixed: the bootstrap draws test patients only, so intervals after scaling are too narrow."
    )


def bins_sweep(labels: np.ndarray, probs: np.ndarray) -> pd.DataFrame:
    """kind, bins, value, low, high: ECE by number and kind of bins, and the middle 95% of what a perfectly
    calibrated model with these probabilities shows."""
    hits, lines = confidence.perfect_labels(probs, 2000) == probs.argmax(1), []
    for kind, mass in (("equal width", False), ("equal mass", True)):
        for bins in (5, 10, 15, 20, 50):
            chance = calibration.ece_of_outcomes(hits, probs.max(1), bins, mass)
            value = calibration.ece(labels, probs, bins, mass)
            lines.append((kind, bins, value, *np.quantile(chance, [0.025, 0.975])))
    return pd.DataFrame(lines, columns=["kind", "bins", "value", "low", "high"])


def fitted(records: Sequence[Any], which: str = "ema") -> list[float]:
    """Each run's temperature, fitted on its own validation part."""
    return [
        calibration.temperature(r.labels("validation"), r.probabilities("validation", which)) for r in records
    ]


def by_temperature(records: Sequence[Any], grid: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Negative log-likelihood at each temperature of `grid` (m,), a curve (m,) a run, on validation and on test."""

    return {
        part: [np.array([_nll(r, t, part) for t in grid]) for r in records] for part in ("validation", "test")
    }


def _nll(record: Any, t: float, part: str = "test") -> float:
    """Negative log-likelihood of a part at the temperature t."""
    return calibration.nll(record.labels(part), calibration.scale(record.probabilities(part), t))


def temperature_cost(
    records: Sequence[Any], found: Sequence[float], grid: np.ndarray, on_test: Sequence[np.ndarray]
) -> str:
    """What it costs on test that the temperature was fitted on validation; found: `fitted`; on_test: `by_temperature`'s curves."""
    costs = [_nll(r, t) - curve.min() for r, t, curve in zip(records, found, on_test)]
    return (
        f"Fitted: {tables.mean_sd(found)}. Best on test, which nobody may use: "
        f"{tables.mean_sd([grid[one.argmin()] for one in on_test])}. The difference costs "
        f"{tables.mean_sd(costs, 4)} of negative log-likelihood."
    )


def chance(own: Sequence[float], draws: np.ndarray) -> str:
    """Measured ECEs (S,) of runs beside those of perfectly calibrated models, `draws` (S, n): their mean, and each by itself."""
    mean, runs = np.mean(draws, axis=0), len(own)
    low, high = np.quantile(mean, [0.025, 0.975])
    who = "a perfectly calibrated model" if runs == 1 else f"the mean of {runs} perfectly calibrated models"
    told = {
        "inside": f"which {who} could show",
        "above": "more than chance explains",
        "below": f"less than {who} nearly ever shows",
    }
    text = (
        f"By chance alone that would be {mean.mean():.4f} on average (95% of draws from {low:.4f} to {high:.4f}), for {who}; "
        f"measured is {np.mean(own):.4f}, {told[words.where(float(np.mean(own)), low, high)]}."
    )
    if runs == 1:
        return text
    lows, highs = np.quantile(draws, [0.025, 0.975], axis=1)
    return (
        f"{text} One by one, {int((np.asarray(own) > highs).sum())} of the {runs} lie above the band of a single such model "
        f"(for the first seed from {lows[0]:.4f} to {highs[0]:.4f})."
    )


def _way(one: worth.Worth) -> str:
    return words.change(one, "lower", "higher", verdicts.UNDECIDED)


def excess(one: worth.Worth, published: float) -> str:
    """Whether confidence lies above accuracy, from `worth.row`'s `excess`, and what the paper's ECE leaves open."""
    told = words.change(
        one,
        "the model is underconfident",
        "the model is overconfident",
        "whether the model claims too much or too little can't be told",
    )
    return (
        f"On average over the test part, confidence minus accuracy is, with its 95% interval, {words.points(one)}: {told}. "
        f"The paper's {published:.4f} comes without a sign, so on which side its model errs is not known."
    )


def fewer_seeds(chapter: Any, runs: Sequence[Any], clusters: np.ndarray) -> worth.Worth | None:
    """By how much scaling changes the ECE of those of the runs whose seeds chapter 19 takes (those with all folds); None
    where these are all, or none."""
    folds = chapter.records("ladder").get("patients", [])
    common = matched.equal_seeds({"random": runs, "folds": folds})["random"]
    if not 0 < len(common) < len(runs):
        return None
    # the same runs on both sides: scaled minus as trained
    return worth.difference(common, common, clusters, ["ece"], scaled=(True, False))["ece"]


def temperature(
    found: Sequence[float],
    gap: worth.Worth,
    scaled: float,
    literal: bool,
    rest: str = "",
    fewer: worth.Worth | None = None,
) -> str:
    """Fitted temperatures, what they say of the model, and what scaling does to the ECE. literal: whether the loss is Equation 14's letter;
    rest: `words.rested` of the runs; fewer: the same change of the seeds that chapter 19 takes, where these are fewer."""
    text = (
        f"With averaged weights the fitted temperature is {tables.mean_sd(found)}, and scaling changes the ECE by "
        f"{words.shift(gap)}, leaving {scaled:.4f}: {_way(gap)}" + (f" ({rest})" if rest else "") + ". "
    )
    if fewer:
        one, all_ = map(_way, (fewer, gap))
        text += (
            f"Of the {words.plural(fewer.n, 'seed')} that chapter 19 takes, the change is {words.shift(fewer)}, {one}"
            + (": the verdict hangs on how many trainings one has. " if one != all_ else ", too. ")
        )
    text += (
        "Intervals of calibration errors hold the truth less often than in 95 of 100 cases (chapter 19 tells how often): a verdict near an "
        "end is weak. "
    )
    if edge := sum(calibration.at_edge(one) for one in found):
        text += (
            f"In {edge} of {len(found)} runs the search ended at its edge (1/{calibration.EDGE} or {calibration.EDGE}): "
            "there no temperature fits, and the number is the edge's. "
        )
    off = words.over_runs(np.subtract(found, 1))  # whether T differs from 1
    if np.isfinite(off.low):
        told = words.change(
            off,
            "below 1: the model is underconfident, and scaling makes its answers surer. Chapter 19 asks which ingredient does it. ",
            "above 1: the model is overconfident, and scaling makes its answers less sure. Chapter 19 asks which ingredient does it. ",
            "on both sides of 1: these temperatures alone don't tell whether the model claims too much or too little. ",
        )
        text += f"The 95% interval of T over the seeds, {1 + off.low:.2f} to {1 + off.high:.2f}, lies {told}"
    if literal:
        text += (
            "Label smoothing needs care here: under the literal reading of Equation 14, which is in use, the loss is least at full "
            "confidence, smoothed labels or not (chapter 5)."
        )
    return text


def scaling(gaps: Mapping[str, worth.Worth], ideal: np.ndarray, seeds: int) -> str:
    """What one temperature changes, and how large an ECE (`ideal` (n,): draws) is by chance alone; seeds: those of chapter 9."""
    low, high = np.quantile(ideal, [0.025, 0.975])
    lines = [f"{NAMES[name].split(',')[0]} {words.shift(one)}: {_way(one)}" for name, one in gaps.items()]
    own = next(iter(gaps.values())).n
    fewer = (
        f"These are the {words.plural(own, 'seed')} that both splits have. Chapter 9 takes all {seeds} of the random split; "
        "where its verdict on the ECE is another one, it rests on more seeds. "
        if own < seeds
        else ""
    )
    return (
        "Scaling minus as trained, on the same draws: " + "; ".join(lines) + f". {fewer}"
        "No calibration error of a finite sample is 0: a *perfectly* calibrated model with the first seed's probabilities would show "
        f"an ECE of {ideal.mean():.4f} (95% of draws {low:.4f} to {high:.4f}) on as many images. "
        "The bootstrap adds the same upward bias once more, so plain percentiles would sit too high; the intervals of calibration errors here are *basic* "
        "bootstrap intervals, which take that out. They are for the true error, so the measured value, which is biased upwards, may lie above its interval. In "
        "simulations (`tests/test_coverage.py`) those of one seed hold the truth in some 85 to 90 of 100 cases in place of 95, near 0 in some 65: there, trust the "
        "comparison with a perfectly calibrated model, which takes images as independent."
    )


def bins(sweep: pd.DataFrame, off: worth.Worth) -> str:
    """How far the ECE depends on its bins, from `bins_sweep`, and what confidence minus accuracy (`off`) says without any."""
    above = int((sweep["value"] > sweep["high"]).sum())
    return (
        f"From {sweep['value'].min():.4f} to {sweep['value'].max():.4f}, for one model on one test part; {above} of the "
        f"{len(sweep)} values lie above the band. "
        + (
            "The miscalibration is real, whatever the bins. "
            if above == len(sweep)
            else "Whether this ECE exceeds chance depends on the bins one chooses. "
            if above
            else "None of them shows a miscalibration that chance doesn't explain. "
        )
        + f"Confidence minus accuracy needs no bins: over all seeds above it is {words.shift(off)}, "
        + words.change(
            off, "below 0 whatever the bins. ", "above 0 whatever the bins. ", f"{verdicts.UNDECIDED}. "
        )
        + "An ECE without its bins and its sample size can't be compared with another paper's."
    )


def new_patients(
    random: Mapping[str, worth.Worth],
    apart: Mapping[str, worth.Worth],
    scaled: Mapping[str, worth.Worth],
    fits: tuple[Sequence[float], Sequence[float]],
    gap: worth.Worth,
    moved: tuple[worth.Worth, worth.Worth],
    copied: tuple[worth.Worth, worth.Worth],
) -> str:
    """Confidence minus accuracy and ECE on the random split, on patient-disjoint folds, and there after scaling.

    fits: temperatures of the random split's runs and of the folds; gap: NLL on the folds, scaled minus as trained; moved:
    `by_one_temperature` of the folds with the random split's mean; copied: the same by picture.
    """
    a, b, c = random["excess"], apart["excess"], scaled["excess"]
    ranges = [words.extent(sorted(some)) for some in fits]
    return (
        words.change(
            moved[0],
            "The random split's temperature does not carry over: scaled by it, the model is less sure on new patients than it is right",
            "The random split's temperature does not carry over: scaled by it, the model is surer on new patients than it is right",
            "As far as can be told here, the random split's temperature carries over: scaled by it, the model is on new patients as sure as it is right",
        )
        + f" (one for all runs, {np.mean(fits[0]):.2f}, the mean of those fitted there; confidence minus accuracy {words.shift(moved[0], 3)}, by picture "
        f"{words.shift(copied[0], 3)}; the NLL changes by {words.shift(moved[1])}, by picture {words.shift(copied[1])}). "
        + words.change(
            c,
            "Scaled by that of its own validation part, the model is less sure on the test folds than it is right",
            "Even scaled by that of its own validation part, the model is surer on the test folds than it is right",
            "Scaled by that of its own validation part, the model is on the test folds as sure as it is right, as far as can be told here",
        )
        + f" (confidence minus accuracy {words.shift(c, 3)}). Fitted are {ranges[0]} on the random split and {ranges[1]} on the folds. There scaling "
        f"changes the NLL by {words.shift(gap)}, {_way(gap)}. "
        f"As trained, on the random split confidence minus accuracy is {words.shift(a, 3)}; on patient-disjoint folds {words.shift(b, 3)}"
        + (
            ": the model is surer than it is right as soon as the patients are new, and the random split hides it. "
            if b.low > 0 and a.value < b.low
            else f", {words.change(b, 'below 0', 'above 0', verdicts.UNDECIDED)}. "
        )
        + f"The ECE is {_ece(random)} on the random split and {_ece(apart)} as the mean of the folds; after scaling by a temperature fitted on validation "
        f"patients, none of them known to be in training or test, it is {_ece(scaled)}. Each fold's ECE is taken at the random split's number of test images, because the "
        "ECE shrinks by chance alone as images are added. As many images of a fold are of fewer patients, which lifts its ECE further: less what the "
        f"bootstrap finds that chance adds, it is {_unlifted(random):.3f} on the random split and {_unlifted(apart):.3f} on the folds ({_unlifted(scaled):.3f} scaled)."
    )


def _ece(found: Mapping[str, worth.Worth]) -> str:
    one = found["ece"]
    return words.span(one.value, one.low, one.high, 3)


def _unlifted(found: Mapping[str, worth.Worth]) -> float:
    return max(0.0, found["ece"].value - found["ece"].lift)


def ingredient(what: str, gaps: Mapping[str, worth.Worth]) -> str:
    """One line of a list: what an ingredient does to calibration errors, from `worth.difference` with and without it."""
    if not gaps:
        return f"- **{what}**: no pair of runs on this split shows it yet."
    said = [
        f"{name.upper()} {words.shift(one)[:-1]}; {words.change(one, 'better', 'worse', verdicts.UNDECIDED)})"
        for name, one in gaps.items()
    ]
    return f"- **{what}**, {words.plural(next(iter(gaps.values())).n, 'seed')}: " + ", ".join(said) + "."
