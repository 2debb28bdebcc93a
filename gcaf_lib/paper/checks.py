"""The checks of the audit, one: which published figures can be true together, and do places agree?

Each check reads `paper.published` and yields `Finding`s. Nothing here is typed from the paper: claims are
put together from its published figures, checks from what was computed. `paper.registry` collects them and
those of `paper.claims`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib.paper import attainability
from gcaf_lib.paper import published as paper
from gcaf_lib.paper.attainability import Reported
from gcaf_lib.settings import CLASSES
from gcaf_lib.terminal import cut

HOLDS, IMPOSSIBLE, CONTRADICTION = "holds", "can't be true", "contradiction"
DATA, RUNS, INSIDE, OPEN = "contradicted by the data", "not one run", "inside the sampling error", "open"
ERRORS = (IMPOSSIBLE, CONTRADICTION, DATA)  # what `gcaf audit --strict` refuses
_MEASURED = "measured, with n, sd and interval; the scorecard marks what can't be true"
_WORDS = {"macro_f1": "macro F1", "macro_auc": "macro ROC-AUC", "macro_ap": "macro AP",
          "kappa": "Cohen's κ", "mcc": "MCC", "ece": "ECE"}  # fmt: skip
_KINDS = {"recall": "recall", "precision": "precision", "f1": "F1", "auc": "ROC-AUC", "ap": "AP"}


class Finding(NamedTuple):
    """One row of the registry: where, what the paper says, what was checked, the verdict, what we do."""

    place: str
    claim: str
    check: str
    verdict: str
    default: str = ""


def name(metric: str) -> str:
    """A metric in words: "recall of meningioma"."""
    kind, _, of = metric.partition("_")
    if of in CLASSES:
        return f"{_KINDS[kind]} of {paper.CLASS_LABELS[of].lower()}"
    return _WORDS.get(metric, metric)


def printed(figure: paper.Figure) -> str:
    """A figure as printed, with its unit."""
    return f"{figure.value:.{figure.decimals}f}" + ("%" if figure.unit == "%" else "")


def reported(figures: Sequence[paper.Figure]) -> list[Reported]:
    """Published figures in the form that `attainability.check` takes."""
    return [Reported(f.metric, f.value, f.decimals, f.unit == "%") for f in figures]


def _nearest(row: dict, f: paper.Figure) -> str:
    """The attainable values on both sides of a figure, at its own decimals."""
    low, high = (printed(f._replace(value=row[side])) for side in ("below", "above"))
    if np.isfinite(row["below"]) and np.isfinite(row["above"]):
        return f"beside the figures before it the nearest values are {low} and {high}"
    return f"beside the figures before it the nearest value is {high if np.isfinite(row['above']) else low}"


def headline_accuracy() -> paper.Figure:
    """The accuracy of the main result."""
    return paper.find("§5.4", paper.PROPOSED, "accuracy")[0]


def main_count() -> tuple[int, int]:
    """How many test images the main result must have right, and of how many."""
    n = sum(paper.supports().values())
    (right,) = attainability.counts(headline_accuracy().value, headline_accuracy().decimals, n, True)
    return right, n


# --- the split ---


def table_2() -> Iterator[Finding]:
    """Sums of rows and columns; shares of the parts, overall and in each class."""
    table = paper.table(2).set_index("Class")
    parts = table.drop(columns="Total")
    rows, columns = parts.sum(axis=1), table.drop("Total").sum()
    sums = (rows == table["Total"]).all() and (columns == table.loc["Total"]).all()
    total = f"{table.loc['Total', 'Total']:,}"
    yield Finding(
        "Table 2",
        f"{total} images in three parts and four classes",
        "every row and column adds up" if sums else "rows or columns don't add up",
        HOLDS if sums else CONTRADICTION,
        "the same numbers (protocol `paper`)",
    )
    known = (paper.published("§5.1", metric=f"{p} share") for p in ("training", "validation", "testing"))
    shares = [share / 100 for share in known]
    off = np.abs(parts.to_numpy() - table[["Total"]].to_numpy() * np.array(shares)).max()
    yield Finding(
        "§5.1",
        f"{':'.join(f'{100 * s:.0f}' for s in shares)}, the ratio of the classes kept",
        f"no cell of Table 2 is more than {off:.1f} images from its share",
        HOLDS if off < 2 else CONTRADICTION,
        "stratified, the same numbers",
    )


# --- the classification report ---


def attained() -> dict[str, dict]:
    """`report_verdicts` by metric."""
    return report_verdicts().set_index("metric").to_dict("index")


def report_verdicts() -> pd.DataFrame:
    """`attainability.check` of the report; where κ's bound rules the MCC out, the accuracy alone is what it contradicts.

    The check drops figures one by one and never meets that shorter reason: it finds others that rule the MCC out as well.
    """
    figures = paper.report()
    frame = attainability.check(paper.supports(), reported(figures))
    shorter = [f.metric for f in figures if _below_kappa(f)]
    frame.loc[frame["metric"].isin(shorter), "conflicts"] = "accuracy"
    return frame


def report(rows: dict[str, dict]) -> Iterator[Finding]:
    """Which figures of Section 5.4 and Table 7 can be true together (the GRIM test); rows: `attained`."""
    supports = paper.supports()
    n = sum(supports.values())
    for f in paper.report():
        row, claim = rows[f.metric], f"{name(f.metric)} is {printed(f)}"
        if row["attainable"] is None:
            yield Finding(f.place, claim, "too many tables to decide", OPEN, _MEASURED)
        elif row["attainable"]:
            kind, _, of = f.metric.partition("_")
            of_n = n if f.metric == "accuracy" else supports.get(of) if kind == "recall" else None
            text = "there are confusion matrices with Table 2's test part that give it"
            if of_n:
                k = attainability.counts(f.value, f.decimals, of_n, f.unit == "%")
                text = f"{' or '.join(map(str, k))} of {of_n} images and nothing else"
            yield Finding(f.place, claim, text, HOLDS, _MEASURED)
        else:
            text = "no confusion matrix with Table 2's test part gives it"
            if row["conflicts"]:
                text = f"contradicts {', '.join(map(name, row['conflicts'].split(', ')))}"
            if f.metric == "kappa":
                text += f": {_kappa_alone()}"
            else:
                text += f": {_mcc_alone() if _below_kappa(f) else _nearest(row, f)}"
            yield Finding(f.place, claim, text, IMPOSSIBLE, _MEASURED)


def kappa(right: int) -> tuple[float, float]:
    """Least and greatest κ of a report with so many right, wherever the errors stand."""
    supports = paper.supports()
    accuracy = Reported("accuracy", round(right / sum(supports.values()), 6), 6)
    return attainability.implied(supports, [accuracy], "kappa")


def _kappa_alone() -> str:
    """κ over every matrix with the published number right, and with one fewer; ends rounded outwards, as `_mcc_alone` does."""
    right, _ = main_count()
    ends = ((k, *kappa(k)) for k in (right - 1, right))
    parts = (f"{k} right give {cut(low, 5)} to {cut(high, 5, up=True)}" for k, low, high in ends)
    return ", ".join(parts) + " wherever the errors stand"


def _below_kappa(f: paper.Figure) -> bool:
    """Whether a figure is an MCC below the least κ that the published accuracy leaves."""
    return f.metric == "mcc" and f.fraction + f.half_step < kappa(main_count()[0])[0]


def _mcc_alone() -> str:
    """MCC by κ: both are (p_o − p_e) over a denominator, MCC's √((1 − Σp²)(1 − Σn²)) ≤ 1 − p_e, κ's."""
    right, _ = main_count()
    return f"MCC is never below a positive κ, and with {right} right κ is at least {cut(kappa(right)[0], 5)}"


def diagonal_figures() -> list[Reported]:
    """Accuracy and recalls of Section 5.4: they fix the whole diagonal."""
    return [f for f in reported(paper.report()) if f.metric.startswith(("accuracy", "recall"))]


def highest_recall() -> Iterator[Finding]:
    """The text names the class of the highest recall; the accuracy implies the recall it leaves out."""
    given = [f for f in paper.report() if f.metric.startswith("recall_")]
    top = max(given, key=lambda f: f.value)
    missing = [c for c in CLASSES if f"recall_{c}" not in {f.metric for f in given}]
    supports = paper.supports()
    for c in missing:
        low, high = attainability.implied(supports, diagonal_figures(), f"recall_{c}")
        least = "" if round(low * supports[c]) == round(high * supports[c]) else "at least "
        text = f"accuracy and the other recalls leave {least}{round(low * supports[c])} of {supports[c]} for "
        text += f"{paper.CLASS_LABELS[c].lower()}: {100 * low:.2f}%"
        wrong = low * 100 > top.value
        yield Finding(
            top.place,
            f"the {name(top.metric)}, {printed(top)}, is the highest",
            text,
            CONTRADICTION if wrong else HOLDS,
            "all four are measured",
        )


def averages() -> Iterator[Finding]:
    """Macro AUC and AP against the mean of the class values that stand beside them."""
    supports = paper.supports()
    weights = np.array([supports[c] for c in CLASSES]) / sum(supports.values())
    for kind in ("auc", "ap"):
        f = paper.find("§5.5", metric=f"macro_{kind}")[0]
        of = [paper.find("§5.5", metric=f"{kind}_{c}")[0] for c in CLASSES]
        values, half, step = np.array([g.value for g in of]), of[0].half_step, f.half_step
        low, high = values.mean() - half, values.mean() + half
        # both intervals are open at the end where the other begins: touching is not meeting
        meets = low < f.value + step - 1e-9 and high > f.value - step + 1e-9
        digits = f.decimals + 1
        text = f"the unweighted mean of the four classes lies between {low:.{digits}f} and {high:.{digits}f}"
        if not meets:
            weighted = values @ weights
            fits = abs(weighted - f.value) < half + step
            text += "; the mean weighted by class size would "
            text += "fit, but is no macro mean" if fits else "not fit either"
            if kind == "auc":
                text += "; the area under an averaged curve, which is called macro too, can be more"
        yield Finding(
            "§5.5",
            f"{name(f.metric)} is {printed(f)}",
            text,
            HOLDS if meets else OPEN if kind == "auc" else CONTRADICTION,
            "macro means the plain mean of the classes",
        )


def repeated() -> Iterator[Finding]:
    """A figure of the proposed model that stands in several places must agree at the coarser rounding."""
    for metric in ("accuracy", "macro_f1", "macro_auc", "kappa", "mcc", "ece"):
        rows = [f for f in paper.find(metric=metric) if f.row in proposed_rows()]
        places = list(dict.fromkeys(f.place for f in rows))
        low = max(f.fraction - f.half_step for f in rows)
        high = min(f.fraction + f.half_step for f in rows)
        agree = low <= high + 1e-12
        yield Finding(
            ", ".join(places),
            f"{name(metric)} is {', '.join(dict.fromkeys(map(printed, rows)))}",
            "one value rounds to all of them" if agree else "no value rounds to all of them",
            HOLDS if agree else CONTRADICTION,
            "compared at the printed decimals",
        )


def proposed_rows() -> set[str]:
    """Rows, in whichever place, that are of the proposed model."""
    rows = {f.row for f in paper.FIGURES}
    return {r for r in rows if r.startswith("Proposed")} | {f.row for f in paper.find("Table 7")}
