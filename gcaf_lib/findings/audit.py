"""Chapter 22: the paper's report as whole numbers of images, and its rows beside one interval, as tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gcaf_lib.display import tables
from gcaf_lib.display.attainable import NumberLine
from gcaf_lib.evaluation import intervals
from gcaf_lib.paper import attainability, checks, claims
from gcaf_lib.paper import published as paper
from gcaf_lib.paper.attainability import Reported


def grim() -> pd.DataFrame:
    """How many images the published accuracy and recalls must have right."""
    supports, lines = paper.supports(), []
    for figure in paper.report():
        kind, _, name = figure.metric.partition("_")
        if kind in ("accuracy", "recall"):
            n = supports.get(name, sum(supports.values()))
            found = attainability.counts(figure.value, figure.decimals, n, percent=True)
            right = " or ".join(map(str, found)) or "none"
            lines.append((checks.name(figure.metric), checks.printed(figure), n, right))
    return pd.DataFrame(lines, columns=["Figure", "Published", "Images", "Number right"])


def missing_recall_said(low: float, high: float, top: float) -> str:
    """The recall of pituitary tumours that the rest implies, between low and high, beside the one called the highest, top (%)."""
    n = paper.supports()["pituitary"]
    count = f"{round(low * n)}" + ("" if low == high else f" to {round(high * n)}")
    return (
        f"The recall of pituitary tumours is not published, but the rest fixes it: {count} of {n}, {100 * low:.2f}%, against "
        f"{top:.2f}% for no tumour. "
    ) + (
        "That is more than the recall of the images without a tumour, which the text calls the highest."
        if 100 * low > top
        else "That does not contradict the text, which calls the recall of the images without a tumour the highest."
    )


def report_table(verdicts: pd.DataFrame) -> pd.DataFrame:
    """`attainability.check` of the published report for readers."""
    lines = []
    for figure, row in zip(paper.report(), verdicts.itertuples()):
        others = ", ".join(map(checks.name, filter(None, row.conflicts.split(", "))))
        near = [tables.number(value, figure.decimals) for value in (row.below, row.above)]
        ruled_out = others or ("Table 2's test images alone" if row.attainable is False else "–")
        lines.append((checks.name(row.metric), checks.printed(figure), row.attainable, *near, ruled_out))
    heads = [
        "Figure",
        "Published",
        "Can be",
        "Nearest below, beside the others",
        "Nearest above, beside the others",
        "Ruled out by",
    ]
    return pd.DataFrame(lines, columns=heads)


def report_said(verdicts: pd.DataFrame) -> str:
    """Which published figures can't be true, by themselves or beside others, and whether cutting off digits would explain it."""
    wrong = verdicts[verdicts["attainable"].eq(False)]
    if wrong.empty:
        return f"0 of {len(verdicts)} figures cannot be true: the report is consistent."
    units = wrong["metric"].map({f.metric: 10.0**-f.decimals for f in paper.report()})
    known = wrong.set_index("metric")
    shared = (
        " Cohen's κ and the MCC fail by one argument: with the published accuracy κ is above both figures, and the MCC is never below a positive κ"
        + ("." if known.conflicts["kappa"] else "; κ fails without the accuracy, too.")
        if {"kappa", "mcc"} <= {*known.index}
        and known.conflicts["mcc"] == "accuracy"
        and known.published["kappa"] <= known.published["mcc"]
        else ""
    )
    said = [
        f"{how}: {', '.join(map(checks.name, part['metric']))}"
        for how, part in (
            ("by Table 2's test images alone", wrong[wrong["conflicts"] == ""]),
            ("beside others, of which either side may be wrong", wrong[wrong["conflicts"] != ""]),
        )
        if len(part)
    ]
    near = wrong[["below", "above"]].sub(wrong["published"], axis=0).abs().min(axis=1) / units
    return f"{len(wrong)} of {len(verdicts)} figures cannot be true; {'; '.join(said)}.{shared} " + (
        f"Beside the other figures, the nearest possible values are at least {near.min():.0f} units of the last printed decimal away, so "
        "truncating instead of rounding would not explain it."
        if near.min() > 1
        else "Truncating instead of rounding might explain some of it."
    )


def as_printed(
    report: Mapping[str, Mapping[str, float]], kappa: float, classes: Sequence[str]
) -> list[Reported]:
    """A report as scikit-learn gives it (`output_dict=True`), and κ, rounded as a paper would print them."""
    names = {"precision": "precision", "recall": "recall", "f1-score": "f1"}
    figures = [Reported("accuracy", round(100 * report["accuracy"], 2), 2, percent=True)]
    figures += [
        Reported(f"{m}_{c}", round(report[c][key], 4), 4) for c in classes for key, m in names.items()
    ]
    return [*figures, Reported("kappa", round(kappa, 4), 4)]


def explained_said(verdicts: pd.DataFrame, implied: tuple[float, float], what: str) -> str:
    """Any report's impossible figures, a line each, and what its first figures imply of another (NaN: nothing)."""
    lines = [
        f"- {row.metric} = {row.published:g} cannot be "
        + (f"beside {row.conflicts}" if row.conflicts else "on these supports")
        + f": the nearest values beside the earlier figures that hold are {tables.number(row.below)} and {tables.number(row.above)}."
        for row in verdicts[verdicts["attainable"].eq(False)].itertuples()
    ]
    text, (low, high) = "\n".join(lines) or "All figures can be true together.", implied
    if np.isnan(low):
        return text
    return f"{text}\n\nThe first three figures imply a {what} of {low:.3f}" + (
        f" to {high:.3f}." if low < high else "."
    )


def main_interval() -> intervals.Interval:
    """Wilson's 95% interval of the published accuracy on its test images, taken as independent."""
    return intervals.wilson(*checks.main_count())


def rivals_said(rivals: pd.DataFrame, interval: intervals.Interval, fewest: int | None) -> str:
    """How many rival rows are no single runs, and how many lie inside the main result's interval.

    rivals: `rival_rows`; fewest: runs that all rows must be means of (`claims.common_runs`).
    """
    total = sum(paper.supports().values())
    low, high = 100 * interval.low, 100 * interval.high
    means = (
        f"If all rows are means of equally many runs, these are {fewest} or more. "
        if fewest and fewest > 1
        else ""
    )
    return (
        f"{(rivals['runs'] != 1).sum()} of {len(rivals)} rows cannot be single runs on {total} images. {means}"
        f"{rivals['accuracy'].between(low, high).sum()} of {len(rivals)} rows lie inside the 95% interval of the main result, "
        f"{low:.1f} to {high:.1f}%, which a new sample of {total} images alone could explain. The interval takes images as "
        "independent; slices of one patient are not, so one that resamples patients would be wider. A paired comparison can show smaller "
        "differences between rows on the same images, but for that one needs the predictions."
    )


def impossible_figures() -> list[NumberLine]:
    """The number lines of the main result's impossible figures: precision, F1 and Cohen's κ."""
    supports, told = paper.supports(), {f.metric: f for f in paper.report()}
    precision, recall, f1 = (told[m] for m in ("precision_meningioma", "recall_meningioma", "f1_pituitary"))

    def quotients(top: int, f: paper.Figure) -> tuple[tuple[float, float, str], ...]:
        near = round(top / f.fraction)
        return tuple((100 * top / n, 100 * top / n, f"{top}/{n}") for n in range(near - 2, near + 3))

    found = attainability.counts(recall.value, recall.decimals, supports["meningioma"], True)[0]
    title = f"Precision of meningioma, {found} found (%)"
    out = [NumberLine(title, quotients(found, precision), precision.value, 0.005)]
    implied = attainability.implied(supports, checks.diagonal_figures(), "recall_pituitary")[0]
    found = round(implied * supports["pituitary"])
    out.append(NumberLine(f"F1 of pituitary, {found} found (%)", quotients(2 * found, f1), f1.value, 0.005))
    right, _ = checks.main_count()
    spans = tuple((*checks.kappa(k), f"{k} right") for k in range(right - 2, right + 2))
    out.append(NumberLine("Cohen's κ, errors anywhere", spans, told["kappa"].value, 0.00005))
    return out


def rival_rows() -> pd.DataFrame:
    """place, row, accuracy (%), runs (fewest whose mean it can be) of every rival row of Tables 4, 5, 6 and 8."""
    n = int(paper.published("§5.1", metric="testing"))
    out = [
        (f.place, f.row, f.value, attainability.fewest_runs(f.value, f.decimals, n, True))
        for place in claims.TABLES
        for f in claims.rival_figures(place)
    ]
    return pd.DataFrame(out, columns=["place", "row", "accuracy", "runs"])
