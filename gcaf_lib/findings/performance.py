"""What run records say about results: metrics over seeds beside the paper's figures."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names, tables
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import calibration_measures, intervals, metrics, worth
from gcaf_lib.findings import words
from gcaf_lib.findings.temperature_scaling import fitted
from gcaf_lib.paper import attainability, checks, registry, verdicts
from gcaf_lib.paper import published as paper

PAPER_PAIR = {"glioma", "meningioma"}  # which Section 5.4 says are confused most


def metrics_over_seeds(records: Sequence[Any], dataset: Any) -> pd.DataFrame:
    """Metrics of the test part over seeds: index metric, columns mean, sd, n, low, high, lift (fractions).

    Intervals are `evaluation.worth`'s, over patients and, with two or more seeds, also over trainings.
    """
    return pd.DataFrame.from_dict(worth.of_runs(records, splits.clusters(dataset)), orient="index").rename(
        columns={"value": "mean"}
    )


def beside_published(
    known: pd.DataFrame, figures: Sequence[paper.Figure], made: Sequence[str] = (), lift: float = 0.0
) -> pd.DataFrame:
    """One row a published figure: the paper's, ours (mean ± sd), the interval, and the scorecard's verdict.

    made: (profile, protocol) of `known`; lift: what chance adds to the paper's ECE, as here on the random split, whose
    figures the paper's are (`worth.Worth`).
    """
    lines, wrong = [], registry.impossible()
    for f in (f for f in figures if f.metric in known.index):
        row = known.loc[f.metric]
        scale, decimals, unit = (100, 2, " (%)") if f.unit == "%" else (1, 4, "")
        added = lift if f.metric == "ece" else 0.0
        verdict = verdicts.level(f.fraction, row["low"], row["high"], f.half_step, made, added, row["n"])
        line = {
            "Metric": names.metric_name(f.metric) + unit,
            "The paper": f"{f.value:.{f.decimals}f}",
            "Measured": words.mean_sd(row["mean"], row["sd"], decimals, scale),
            "95% interval": words.ends(row["low"], row["high"], decimals, scale),
            "Verdict": verdicts.IMPOSSIBLE if (f.place, f.row, f.metric) in wrong else verdict,
        }
        lines.append(line)
    return pd.DataFrame(lines)


def hardest(known: pd.DataFrame, classes: Sequence[str]) -> str:
    """Which class has the smallest area here and in the paper (Section 5.5), of either kind of curve.

    known: of `metrics_over_seeds`.
    """
    said = []
    for kind, word in (("auc", "ROC-AUC"), ("ap", "average precision")):
        ours = {c: known.loc[f"{kind}_{c}", "mean"] for c in classes}
        theirs = {c: paper.find("§5.5", metric=f"{kind}_{c}")[0] for c in classes}
        here, there = min(ours, key=ours.get), min(theirs, key=lambda c: theirs[c].value)
        figure = theirs[there]
        said.append(
            f"By {word} the hardest class here is {CLASS_NAMES[here].lower()} ({ours[here]:.4f}), in the paper "
            f"{CLASS_NAMES[there].lower()} ({figure.value:.{figure.decimals}f})."
        )
    return " ".join(said)


def class_report(records: Sequence[Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Precision, recall, F1 and support of each class and their macro mean: (mean, sd) over seeds."""
    frames = [metrics.report(r.labels(), r.probabilities(), r.settings.data.classes) for r in records]
    rows = pd.concat(frames, keys=range(len(frames))).groupby(level=1, sort=False)
    return rows.mean(), rows.std(ddof=1)


def class_report_text(mean: pd.DataFrame, sd: pd.DataFrame) -> pd.DataFrame:
    """The report in percent, `mean ± sd`, the paper's figure in square brackets where it gives one."""
    printed = {key: f" [{f.value:.{f.decimals}f}]" for key, f in published_report().items()}
    lines = {}
    for row in [r for r in mean.index if r in CLASS_NAMES or r == "macro avg"]:
        cells = {}
        for kind in ("precision", "recall", "f1"):
            text = words.mean_sd(mean.loc[row, kind], sd.loc[row, kind], 2, 100)
            theirs = printed.get((row, kind), "")
            cells[f"{kind.capitalize()} (%)"] = text + theirs
        lines[CLASS_NAMES.get(row, "Macro mean")] = cells | {"Images": round(mean.loc[row, "support"])}
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("Class")


def published_report() -> dict[tuple[str, str], paper.Figure]:
    """The paper's classification report: (class or "macro avg", precision | recall | f1) to figure."""
    out = {}
    for f in paper.find("§5.4"):
        kind, _, name = f.metric.partition("_")
        if kind in ("precision", "recall", "f1"):
            out[name, kind] = f
        elif f.metric == "macro_f1":
            out["macro avg", "f1"] = f
    return out


def accuracy_intervals(records: Sequence[Any], dataset: Any) -> pd.DataFrame:
    """One row a seed: right answers, accuracy, Wilson's interval, and the cluster bootstrap's (percent)."""
    groups = splits.clusters(dataset)
    lines = []
    for r in records:
        right, of = int(r.right().sum()), len(r.right())
        plain = intervals.wilson(right, of)
        grouped = worth.of_runs([r], groups, ["accuracy"])["accuracy"]
        both = (words.ends(one.low, one.high, 2, 100) for one in (plain, grouped))
        lines.append((str(r.seed), right, of, f"{100 * plain.value:.2f}", *both))
    heads = ["Seed", "Right", "Of", "Accuracy (%)", "Wilson 95%", "Cluster bootstrap 95%"]
    return pd.DataFrame(lines, columns=heads)


def errors_by_image(records: Sequence[Any]) -> pd.DataFrame:
    """One row a test image: row in the dataset, label, number of seeds wrong, and the seeds asked.

    Raises `ValueError` where the records don't share their test images.
    """
    rows = records[0].rows()
    if any(not np.array_equal(r.rows(), rows) for r in records):
        raise ValueError("the records have different test parts: compare runs of one split only")
    wrong = sum((~r.right()).astype(int) for r in records)
    return pd.DataFrame({"row": rows, "label": records[0].labels(), "wrong": wrong, "seeds": len(records)})


def confusion(records: Sequence[Any]) -> np.ndarray:
    """The confusion matrix (K, K) of the test part, summed over runs."""
    return sum(metrics.confusion(r.labels(), r.probabilities()) for r in records)


def confused_said(records: Sequence[Any]) -> str:
    """Which two classes are confused most often, and whether errors are the images' or the seeds'."""
    classes = records[0].settings.data.classes
    total = confusion(records)
    wrong, seeds = int(total.sum() - np.trace(total)), words.plural(len(records), "seed")
    text = f"Summed over {seeds}, {wrong:,} of {int(total.sum()):,} answers are wrong."
    if not wrong:
        return text
    pairs = {(i, j): int(total[i, j] + total[j, i]) for i in range(len(classes)) for j in range(i)}
    most = max(pairs.values())
    top = [{classes[k] for k in pair} for pair, count in pairs.items() if count == most]
    said = " and ".join(map(_pair, top))
    text += (
        f" The pair{'s' if len(top) > 1 else ''} most often confused: {said} ({words.plural(most, 'answer')}{' each' if len(top) > 1 else ''}, "
        f"{most / wrong:.0%} of the wrong ones), "
        f"{'as in the paper' if top == [PAPER_PAIR] else f'where the paper names {_pair(PAPER_PAIR)}'}."
    )
    if len(records) == 1:
        return (
            f"{text} This is a single run: which errors are the images' and which the seed's can't be told."
        )
    image = errors_by_image(records)
    ever, often = int((image["wrong"] > 0).sum()), int((image["wrong"] == len(records)).sum())
    chance = len(image) * np.prod([1 - r.right().mean() for r in records])
    return (
        f"{text} Of {len(image):,} test images {ever:,} {words.verb(ever, 'was', 'were')} wrong at least once and {often:,} with every seed; as many errors of each seed on "
        f"images drawn at random would leave {chance:.1f} wrong with every seed. Which of the others are hard and which unlucky can't be told from {seeds}."
    )


def _pair(names: Iterable[str]) -> str:
    return " with ".join(CLASS_NAMES[n].lower() for n in sorted(names))


def published_headline_said(mean: pd.DataFrame) -> str:
    """What the paper's accuracy and recalls say by themselves; mean: our `class_report`."""
    supports, accuracy = paper.supports(), checks.headline_accuracy()
    right, n = checks.main_count()
    interval = intervals.wilson(right, n)
    low, high = attainability.implied(supports, checks.diagonal_figures(), "recall_pituitary")
    best = paper.published("§5.4", metric="recall_notumor")
    ours = mean.loc[[c for c in supports if c in mean.index], "recall"].idxmax()
    return (
        f"The paper's {accuracy.value:.{accuracy.decimals}f}%, if of one run, can only be {right} right answers of {n}. Wilson's interval of that single "
        f"result is {100 * interval.low:.1f} to {100 * interval.high:.1f}%: the accuracy of that model on ever more images of this kind may lie "
        f"anywhere in it if those are independent. Images of one patient are not: where some show one, it is wider, by how much the paper doesn't tell. With the three recalls it gives, the fourth follows: pituitary {100 * low:.2f}%"
        + (f" to {100 * high:.2f}%" if high - low > 5e-5 else "")
        + f", which is {'above' if 100 * low > best else 'not above'} the {best:.2f}% of the no-tumour class that the paper calls the highest. "
        f"Here the highest recall is that of {CLASS_NAMES[ours].lower()}. Whether the published figures can all be true together is asked in chapter 22."
    )


def calibrations(records: Sequence[Any]) -> pd.DataFrame:
    """One row for raw and EMA weights, before and after temperature scaling; mean ± sd over seeds.

    The temperature is fitted on the validation part of the same run and weights, never on test.
    """
    lines = []
    for which, name in (("raw", "raw"), ("ema", "EMA")):
        found = fitted(records, which)
        plain = [(r.labels(), r.probabilities("test", which)) for r in records]
        scaled = [(labels, calibration_measures.scale(p, t)) for (labels, p), t in zip(plain, found)]
        for state, answers, t in (("as trained", plain, [1.0] * len(found)), ("scaled", scaled, found)):
            line = {"Weights": name, "Probabilities": state, "T": _mean_sd(t, 2)}
            for head, measure in _CALIBRATION.items():
                line[head] = _mean_sd([measure(*one) for one in answers], 4)
            lines.append(line)
    return pd.DataFrame(lines)


_CALIBRATION = {
    "ECE": calibration_measures.ece,
    "ECE, equal mass": functools.partial(calibration_measures.ece, equal_mass=True),
    "Class-wise ECE": calibration_measures.classwise_ece,
    "Brier": calibration_measures.brier,
    "NLL": calibration_measures.nll,
}


def _mean_sd(values: Sequence[float], decimals: int) -> str:
    spread = np.std(values, ddof=1) if len(set(values)) > 1 else np.nan
    return words.mean_sd(np.mean(values), spread, decimals)


def raw_beside_ema(records: Sequence[Any], wanted: Sequence[str]) -> pd.DataFrame:
    """The same metrics of the test part with raw and with EMA weights, and their difference over seeds."""
    raw, averaged = (
        pd.DataFrame(
            metrics.summary(r.labels(), r.probabilities("test", which), r.settings.data.classes)
            for r in records
        )
        for which in ("raw", "ema")
    )
    columns = {"Raw weights": raw, "EMA weights": averaged, "EMA − raw": averaged - raw}
    cells = {head: [tables.mean_sd_n(values[m], 4) for m in wanted] for head, values in columns.items()}
    return pd.DataFrame({"Metric": list(map(names.metric_name, wanted)), **cells})


def areas_said(known: pd.DataFrame, labels: np.ndarray, classes: Sequence[str]) -> str:
    """The hardest classes, and what no skill would give; known: `metrics_over_seeds`, labels (n,) of the test part."""
    share = np.bincount(labels, minlength=len(classes)) / len(labels)
    return (
        f"{hardest(known, classes)} A ROC-AUC close to 1 is cheap in one-vs-rest: most of the others are easy negatives. A model without any "
        f"skill would have an average precision equal to the share of the class ({share.min():.2f} to {share.max():.2f} here), against 0.5 "
        "for the ROC-AUC."
    )


def mean_areas_said() -> str:
    """Whether the paper's own means of areas are those of the classes' areas beside them, a line each."""
    return "\n".join(f"- {one.claim}; {one.check}: **{one.verdict}**." for one in checks.averages())
