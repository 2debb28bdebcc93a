"""What of a printed classification report can be true: `gcaf audit REPORT`.

    answer = check(report_file.read("report.csv"))
    print(answer.text())

Figures are judged in the order accuracy, recalls, precisions, F1s, kappa, averages, MCC, each beside those before
it. So "can't be true" names a figure and those that it contradicts; which of them is the wrong one, numbers don't say.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from gcaf_lib.paper import attainability, report_file
from gcaf_lib.paper.report_file import Report

_WORDS = {"kappa": "Cohen's kappa", "mcc": "MCC", "f1": "F1"}

NEAREST = "the nearest beside the earlier figures that hold"  # book/tools/check_report_page.js says the same
UNDEFINED = (
    "the precision of a class that is never predicted counts as 0, as scikit-learn has it; "
    "it is another number where zero_division was set"
)


@dataclass(frozen=True)
class Answer:
    """figures: `attainability.check`'s rows (and one for supports that don't add up); errors: `attainability.errors`
    and matrix: `attainability.example` of the figures that can be true together; cut: all figures could be true if
    they had been cut off, not rounded."""

    report: Report
    figures: pd.DataFrame
    errors: pd.DataFrame
    matrix: pd.DataFrame | None
    cut: bool

    @property
    def impossible(self) -> pd.DataFrame:
        """The rows that can't be true."""
        return self.figures[self.figures["attainable"].eq(False)]

    @property
    def undefined(self) -> bool:
        """Whether a precision can't be true where a class may never have been predicted: 0/0 is a convention."""
        zero = any(f.value == 0 and f.metric.startswith(("recall_", "f1_")) for f in self.report.figures)
        return zero and bool(self.impossible["metric"].str.contains("precision").any())

    def to_dict(self) -> dict:
        """The whole answer as plain values, for JSON."""
        rows = self.figures.astype(object).where(self.figures.notna(), None).to_dict("records")
        return {
            "supports": self.report.supports,
            "possible": not len(self.impossible),
            "figures": rows,
            "possible_if_cut": self.cut,
            "errors": self.errors.to_dict("records"),
            "matrix": None if self.matrix is None else self.matrix.to_dict("index"),
            "ignored": list(self.report.ignored),
        }

    def text(self) -> str:
        """The answer for a terminal."""
        n = sum(self.report.supports.values())
        parts = [f"{len(self.report.supports)} classes, {n:,} images, {len(self.report.figures)} figures"]
        bad, open_ = self.impossible, self.figures[self.figures["attainable"].isna()]
        if len(bad):
            parts.append("CAN'T BE TRUE")
            parts += [f"  {name(row['metric'])} {row['shown']}: {reason(row)}" for _, row in bad.iterrows()]
            if self.cut:
                parts.append("  (all could be true if the figures had been cut off, not rounded)")
            if self.undefined:
                parts.append(f"  ({UNDEFINED})")
        elif not len(open_):
            parts.append("All figures can be true together.")
        else:
            parts.append("Nothing here is known to be impossible.")
        if len(open_):
            shown = ", ".join(map(name, open_["metric"]))
            parts.append(f"NOT DECIDED (too many tables): {shown}")
        parts += ["", *self._errors(len(bad) > 0)]
        if self.matrix is not None:
            rest = "the other figures" if len(bad) or len(open_) else "all figures"
            parts += ["", f"A confusion matrix that gives {rest} (rows: true, columns: predicted)"]
            parts.append(self.matrix.to_string())
        if self.report.ignored:
            parts += [
                "",
                f"Not checked, because this check does not know them: {', '.join(self.report.ignored)}",
            ]
        return "\n".join(parts)

    def _errors(self, some_bad: bool) -> list[str]:
        if not len(self.errors):
            return []
        rest = "By the other figures" if some_bad else "By these figures"
        *each, total = self.errors.itertuples(index=False)
        told = ", ".join(f"{row[0]} {how_many(row)} of {row.support}" for row in each)
        return [f"{rest} {how_many(total)} of {total.support} answers must have been wrong: {told}."]


def name(metric: str) -> str:
    """A metric in words: "recall of glioma", "macro F1"."""
    head, _, tail = metric.partition("_")
    if head in ("macro", "weighted"):
        return f"{head} {_WORDS.get(tail, tail)}"
    return f"{_WORDS.get(head, head)} of {tail}" if tail else _WORDS.get(head, head)


def how_many(row) -> str:
    """How many errors: "9", or "9 to 12"."""
    return f"{row.least}" if row.least == row.most else f"{row.least} to {row.most}"


def reason(row: pd.Series) -> str:
    """Why a figure can't be true, and the nearest that can beside those judged before it."""
    if row["conflicts"]:
        text = f"contradicts {', '.join(map(name, row['conflicts'].split(', ')))}"
    elif row["metric"] == "support":
        text = "the supports of the classes add up to another number"
    else:
        text = "no confusion matrix with these supports gives it"
    ends = [row[side] for side in ("below", "above") if pd.notna(row[side])]
    ends = list(dict.fromkeys(printed(v, row["decimals"], row["percent"]) for v in ends))
    if not ends:
        return text
    near = "the nearest that can be" if row["metric"] == "support" else NEAREST
    return f"{text}; {near}: {' and '.join(ends)}"


def printed(value: float, decimals: int, percent: bool) -> str:
    """A value as the report would print it."""
    return f"{report_file.rounded(value, decimals):.{decimals}f}{'%' if percent else ''}"


def check(report: Report) -> Answer:
    """Which figures of a report can be true, how many errors there must have been, and a matrix that shows it."""
    figures = report.figures
    table = attainability.check(report.supports, figures)
    table["decimals"], table["percent"] = [f.decimals for f in figures], [f.percent for f in figures]
    table["shown"] = [printed(f.value, f.decimals, f.percent) for f in figures]
    true = [f for f, fits in zip(figures, table["attainable"]) if fits is True]
    cut = False
    if (table["attainable"] == False).any():  # noqa: E712 (None is another answer)
        problem = attainability.Problem(report.supports)
        cut = attainability.decide(problem, [f._replace(cut=True) for f in figures])[0] is True
    total = sum(report.supports.values())
    if report.total not in (None, total):
        table = pd.concat([_sum(report.total, total), table], ignore_index=True)
    errors, matrix = attainability.errors(report.supports, true), attainability.example(report.supports, true)
    return Answer(report, table, errors, matrix, cut)


def _sum(told: int, total: int) -> pd.DataFrame:
    """The row of a number of images that the supports don't add up to."""
    line = dict(metric="support", published=told, attainable=False, below=total, above=total, alone=False)
    line |= dict(conflicts="", decimals=0, percent=False, shown=f"{told}")
    return pd.DataFrame([line]).astype({"attainable": object})
