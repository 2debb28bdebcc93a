"""What the chapters on trust say in words (9, 17, 18 and 19): sentences that turn on numbers, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.evaluation.worth import Worth
from gcaf_lib.report import rungs, tables, trust_tables
from gcaf_lib.settings import PROTOCOLS

PAPER_NETWORKS = {
    "demo": " These are phantoms: they show the mechanism, not its size in patients.",
    "cpu": " These are miniature networks on small images; how high the paper's networks, under the profile `paper`, stand on "
    "each rung is not measured here. The floors are the same for both.",
}


def where(value: float, low: float, high: float) -> str:
    """Where a value lies beside an interval, ends included: inside, above or below."""
    return "inside" if low <= value <= high else "above" if value > high else "below"


def change(one: Worth, lower: str, higher: str, same: str) -> str:
    """One of three words by whether a difference's interval lies below 0, above 0, or holds it."""
    return lower if one.high < 0 else higher if one.low > 0 else same


def points(one: Worth) -> str:
    """`−1.3 points (−2.6 to +0.1)` of a difference in fractions."""
    return f"{100 * one.value:+.1f} points ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def plural(count: int, word: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count:.0f} {word}{'' if count == 1 else 's'}"


# --- chapter 17 ---


def ladder(frame: pd.DataFrame, published: float | None) -> str:
    """What falls from the random split to patients apart, from `rungs.rungs`. published: the paper's accuracy, or None."""
    score = frame.set_index(["method", "protocol"])
    near = rungs.FLOOR_NAMES["1nn-mirror"]
    random, apart = score.loc[(near, "paper")], score.loc[(near, "patients")]
    text = (
        f"On the random split 1-NN, without a network, is right on {random.accuracy:.1%} of the test images (interval "
        f"{random.low:.1%} to {random.high:.1%}). "
    )
    if published is not None:
        text += (
            f"The paper's {published:.2%} lies {where(published, random.low, random.high)} that interval. "
        )
    text += (
        f"With patients apart it is right on {apart.accuracy:.1%} ({apart.low:.1%} to {apart.high:.1%}): "
        f"{100 * (random.accuracy - apart.accuracy):.1f} points of its score hang on pictures and patients that training has "
        "seen, and a little on the smaller training part of five folds."
    )
    lines = [text]
    if {"paper", "patients"} <= set(frame.loc[frame["kind"] == "model", "protocol"]):
        a, b = score.loc[(rungs.MODEL, "paper")], score.loc[(rungs.MODEL, "patients")]
        drop = 100 * (a.accuracy - b.accuracy)
        lines.append(
            f"The model goes from {a.accuracy:.1%} ({a.low:.1%} to {a.high:.1%}) to {b.accuracy:.1%} ({b.low:.1%} to "
            f"{b.high:.1%}), {abs(drop):.1f} points {'less' if drop > 0 else 'more'}, "
            + (
                "and the intervals do not overlap. "
                if b.high < a.low or a.high < b.low
                else "but the intervals overlap. "
            )
            + f"With patients apart it is {100 * (b.accuracy - apart.accuracy):+.1f} points from 1-NN; on the random split it is "
            f"{100 * (a.accuracy - random.accuracy):+.1f}."
        )
    missing = [p for p in PROTOCOLS if p not in set(frame.loc[frame["kind"] == "model", "protocol"])]
    if missing:
        lines.append(
            f"No run of the model under this profile yet on: {', '.join(missing)}. Its line leaves them out."
        )
    return "\n\n".join(lines)


def by_picture(frame: pd.DataFrame) -> str:
    """What weighing each picture 1 changes with patients apart, for the model where it was run and for 1-NN."""
    said = []
    for method, name in ((rungs.MODEL, "the model"), (rungs.FLOOR_NAMES["1nn-mirror"], "mirror-aware 1-NN")):
        found = frame[(frame["method"] == method) & (frame["protocol"] == "patients")]
        if len(found) and np.isfinite(found.iloc[0]["picture"]):
            r = found.iloc[0]
            said.append(
                f"{name} is right on {r.accuracy:.1%} of the files and {r.picture:.1%} of the pictures "
                f"({r.picture_low:.1%} to {r.picture_high:.1%})"
            )
    if not said:
        return "No score by picture is known here."
    return (
        "*By picture*: a picture that the dataset holds many times is one picture, so each counts as one, with the share of its "
        "copies answered rightly. With patients apart " + "; ".join(said) + "."
    )


def exposure(shares: pd.DataFrame) -> str:
    """What `data.exposure.read` finds on the splits that keep copies together."""
    whole = shares[shares["class"] == "all"].set_index("protocol")
    said = []
    for protocol in [p for p in (*rungs.GROUPED, splits.FIVEFOLD) if p in whole.index]:
        line = shares[(shares["protocol"] == protocol) & (shares["class"] != "all")]
        worst = line.loc[line["with_copy"].idxmax()]
        share = whole.loc[protocol, "with_copy"]
        said.append(
            f"on `{protocol}` it finds no test image with a copy in training"
            if not share
            else f"on `{protocol}` it still finds a copy in training for {share:.1%} of the test images (most often among "
            f"{worst['class']}: {worst['with_copy']:.1%})"
        )
    return (
        "The instrument that made no split says: "
        + "; ".join(said)
        + ". It has errors of its own: it takes some pictures that are only alike for copies, and misses some copies."
    )


def ladder_runs(frame: pd.DataFrame, floors: pd.DataFrame) -> str:
    """Seeds, folds and images behind the model's rungs, and how wide a single split with patients apart would be."""
    runs = "; ".join(
        f"{r.protocol}: {plural(r.seeds, 'seed')}"
        + (f" on {r.folds:.0f} of {splits.FOLDS} folds" if r.protocol == "patients" else "")
        + f", {r.images:,.0f} test images"
        for r in frame[frame["kind"] == "model"].itertuples()
    )
    single = floors[(floors["floor"] == "1nn-mirror") & (floors["protocol"] == "patients")].iloc[0]
    return (
        (f"Runs of the model: {runs}. " if runs else "The model has not been run under this profile. ")
        + "A score of several seeds is their mean; of several folds, that of all folds' answers together; the interval draws all "
        "answers to a patient's images together. A single 80/10/10 split with patients apart is too small to tell much: there "
        f"mirror-aware 1-NN has {rungs.band(single.accuracy, single.low, single.high)} %."
    )


def ladder_end(frame: pd.DataFrame, published: float | None, profile: str) -> str:
    """The model with patients apart beside the paper's figure and beside 1-NN."""
    score = frame.set_index(["method", "protocol"])
    if (rungs.MODEL, "patients") not in score.index:
        return "Without runs on `patients` nothing is concluded about the model itself." + PAPER_NETWORKS.get(
            profile, ""
        )
    b, near = score.loc[(rungs.MODEL, "patients")], score.loc[(rungs.FLOOR_NAMES["1nn-mirror"], "patients")]
    text = f"With patients apart the model measured here has {rungs.band(b.accuracy, b.low, b.high)} %"
    if published is not None:
        text += f"; the published {published:.2%}, of another split and another model, lies {where(published, b.low, b.high)} that interval"
    gap = 100 * (b.accuracy - near.accuracy)
    text += f". That is {gap:+.1f} points from mirror-aware 1-NN: " + (
        "it has learnt something that is not memory."
        if b.low > near.high
        else "better, but the intervals overlap, so the difference may be chance."
        if gap > 0
        else "no better than repeating the label of the nearest picture."
    )
    return text + PAPER_NETWORKS.get(profile, "")


# --- chapter 18 ---


def hints(presence: pd.Series, four: pd.Series, blind: pd.Series, always: float) -> str:
    """What size alone tells of tumour or not and of four classes, and what is left with the tumour masked out.

    Rows of `floors` tables; always: the share of the more frequent of tumour and no tumour.
    """
    return (
        f"From the file's size and mode alone, without opening the image, {presence.accuracy:.1%} of the random split's test files "
        f"are rightly told to hold a tumour or not ({presence.low:.1%} to {presence.high:.1%}; always saying the same would give "
        f"{always:.1%}), and {four.accuracy:.1%} get the right one of four classes. "
        + (
            "Whether there is a tumour can be read off the file's header. "
            if presence.low > max(0.9, always)
            else "That is more than nothing, and no pixel was needed. "
            if presence.low > always
            else "That is no more than always saying the same. "
        )
        + f"With the tumour masked out {blind.accuracy:.1%} of all images are still right with patients apart "
        f"({blind.low:.1%} to {blind.high:.1%}). Part of that is honest anatomy: the view and the place tell "
        "something of the tumour that is expected there. But none of it is the tumour."
    )


def taken_away(gaps: Mapping[tuple[str, str], Worth | None]) -> str:
    """(what, split) to the paired difference without minus with the hint, as a list; None: not both run."""
    lines = []
    for (name, split), one in gaps.items():
        if one is None:
            lines.append(f"{name}, {split}: no pair of runs under this profile, so nothing is said")
            continue
        word = change(one, "a fall", "a rise", "no difference that these images and patients would show")
        lines.append(f"{name}, {split}: {points(one)}, {plural(one.n, 'seed')}: {word}")
    ones = [one for one in gaps.values() if one is not None and one.n == 1]
    return (
        "What changes when the hint is taken away, on the same test images (95 % interval of the difference, patients drawn "
        "whole):\n\n"
        + "\n".join(f"- {line}" for line in lines)
        + "\n\nA fall would mean that the model leaned on the hint. No fall does not mean that it could not: with copies in "
        "training (chapter 17) it has an easier way to be right."
        + (" Where there is one seed, the chance of training is not in the interval." if ones else "")
    )


# --- chapters 9 and 19 ---


def chance(own: float, draws: np.ndarray) -> str:
    """A measured ECE beside those of a perfectly calibrated model, `draws` (n,)."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return (
        f"By chance alone that would be {np.mean(draws):.4f} on average (95 % of draws from {low:.4f} to {high:.4f}); "
        f"measured is {own:.4f}, "
        + ("which a perfectly calibrated model could show." if own <= high else "more than chance explains.")
    )


def excess(one: Worth, published: float) -> str:
    """Whether confidence lies above accuracy, from `worth.row`'s `excess`, and what the paper's ECE leaves open."""
    side = change(one, "under", "over", "")
    return (
        f"On the mean of the test part confidence is {abs(one.value):.1%} {'above' if one.value > 0 else 'below'} accuracy "
        f"(95 % interval of the difference {one.low:+.1%} to {one.high:+.1%}): "
        + (
            f"the model is {side}confident. "
            if side
            else "whether the model claims too much or too little can't be told. "
        )
        + f"The paper's {published:.4f} comes without a sign, so the same can't be told of its model."
    )


def temperature(fitted: Sequence[float], gap: Worth, scaled: float, literal: bool) -> str:
    """Fitted temperatures, what scaling does to the ECE, and why. literal: whether the loss is Equation 14's letter."""
    t = float(np.mean(fitted))
    text = (
        f"With averaged weights the fitted temperature is {tables.mean_sd(fitted)}, and scaling changes the ECE by "
        f"{gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f}) to {scaled:.4f}: "
        f"{change(gap, 'lower', 'higher', 'no difference that this test part shows')}. "
    )
    text += (
        "A temperature below 1 says that the model is too modest: what restrains its confidence (Mixup, the flat focal loss near "
        "certainty, an average that lags) restrains it too much. "
        if t < 1
        else "A temperature above 1 says that the model claims too much, whatever was done to restrain it. "
    )
    if literal:
        text += (
            "Label smoothing needs care here: under the literal reading of Equation 14, which is in use, the loss is least at full "
            "confidence, smoothed labels or not (chapter 5)."
        )
    return text


def scaling(gaps: Mapping[str, Worth], ideal: pd.Series) -> str:
    """What one temperature changes, and how large an ECE (`ideal`: draws) is by chance alone."""
    lines = [
        f"{trust_tables.NAMES[name].split(',')[0]} {one.value:+.4f} ({one.low:+.4f} to {one.high:+.4f}): "
        f"{change(one, 'lower', 'higher', 'not told apart from no change')}"
        for name, one in gaps.items()
    ]
    return (
        "Scaling minus as trained, on the same draws: " + "; ".join(lines) + ". "
        "No calibration error of a finite sample is 0: a *perfectly* calibrated model with the first seed's probabilities would show "
        f"an ECE of {ideal.mean():.4f} (95 % of draws {ideal.quantile(0.025):.4f} to {ideal.quantile(0.975):.4f}) on as many images. "
        "And drawing images twice adds gaps of its own to every bin, so plain percentiles of a bootstrap sit too high; the intervals "
        "of calibration errors here are *basic* ones, which take that out. They are of the truth and need not hold the value beside them, "
        "which sits too high itself; near 0 they are still too short: there, trust the sentence on chance."
    )


def bins(sweep: pd.DataFrame) -> str:
    """How far the ECE depends on its bins, from `trust_tables.bins_sweep`."""
    above = int((sweep["value"] > sweep["high"]).sum())
    return (
        f"From {sweep['value'].min():.4f} to {sweep['value'].max():.4f}, for one model on one test part; {above} of the "
        f"{len(sweep)} values lie above the band. "
        + (
            "The miscalibration is real, whatever the bins. "
            if above == len(sweep)
            else "Whether the model is miscalibrated at all depends on the bins one chooses. "
            if above
            else "None of them shows a miscalibration that chance doesn't explain. "
        )
        + "An ECE without its bins and its sample size can't be compared with another paper's."
    )


def new_patients(random: Mapping[str, Worth], apart: Mapping[str, Worth], scaled: Mapping[str, Worth]) -> str:
    """Confidence minus accuracy and ECE on the random split, with patients apart, and there after scaling."""
    a, b = random["excess"], apart["excess"]
    return (
        f"On the random split confidence minus accuracy is {a.value:+.3f} ({a.low:+.3f} to {a.high:+.3f}); with patients apart "
        f"{b.value:+.3f} ({b.low:+.3f} to {b.high:+.3f})"
        + (
            ": the model is surer than it is right as soon as the patients are new, and the random split hides it. "
            if b.low > 0 and a.value < b.low
            else ". "
        )
        + f"The ECE is {_ece(random)} on the random split and {_ece(apart)} as the mean of the folds; a temperature fitted on patients "
        f"of its own brings it to {_ece(scaled)}. A fold's test part is larger than the random split's, and chance alone makes an ECE "
        "smaller there."
    )


def _ece(found: Mapping[str, Worth]) -> str:
    return trust_tables.span(found["ece"].value, found["ece"].low, found["ece"].high, 3)


def ingredient(what: str, gaps: Mapping[str, Worth]) -> str:
    """One line of a list: what an ingredient does to calibration errors, from `worth.difference` with and without it."""
    if not gaps:
        return f"- **{what}**: no pair of runs on record shows it yet."
    words = [
        f"{name.upper()} {one.value:+.4f} ({one.low:+.4f} to {one.high:+.4f}; "
        f"{change(one, 'better', 'worse', 'no difference beyond the test part’s noise')})"
        for name, one in gaps.items()
    ]
    return f"- **{what}**, {plural(next(iter(gaps.values())).n, 'seed')}: " + ", ".join(words) + "."


def decision(curves: Mapping[str, pd.DataFrame]) -> str:
    """At what share of the thresholds each of `calibration.net_benefit`'s curves beats acting on all and on none."""
    words = []
    for title, frame in curves.items():
        better = frame["model"] > frame[["all", "none"]].max(axis=1)
        words.append(
            f"{title.lower()} {better.mean():.0%}"
            + ("" if better.all() else f" (not from {frame['threshold'][~better].min():.2f})")
        )
    first = next(iter(curves.values()))["threshold"]
    return (
        f"Share of the thresholds from {first.min():.2f} to {first.max():.2f} at which the model beats both: "
        + "; ".join(words)
        + "."
    )
