"""The forms in which a classification report is printed, each read into cells: a number, and what it is of."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

from gcaf_lib.data import listed
from gcaf_lib.data.dataset import DataError
from gcaf_lib.paper.confusions import JOINT, PER_CLASS

CELLS = (*PER_CLASS, "support")  # what a class's row holds
_NAMES = {
    "recall": "recall sensitivity sens tpr",
    "precision": "precision prec ppv positive_predictive_value",
    "f1": "f1 f1_score f1score f_score f_measure f1_measure",
    "support": "support n images samples count size number",
    "accuracy": "accuracy acc overall_accuracy micro_f1 micro_recall micro_precision weighted_recall",
    "kappa": "kappa κ cohen_kappa cohens_kappa cohens_κ cohen_kappa_score",
    "mcc": "mcc matthews matthews_corrcoef matthews_correlation_coefficient",
    "macro_recall": "macro_recall balanced_accuracy macro_sensitivity",
    **{name: name for name in JOINT if name not in ("mcc", "macro_recall")},
    "class": "class label name category",
    "metric": "metric measure",
    "value": "value score figure",
}
_KNOWN = {alias: name for name, aliases in _NAMES.items() for alias in aliases.split()}
_WORDS = [  # of figures that a class has, the longest first
    (alias.replace("_", "[-_ ]"), _KNOWN[alias])
    for alias in sorted(_KNOWN, key=len, reverse=True)
    if _KNOWN[alias] in CELLS
]
_OVERALL = ("accuracy", "kappa", "mcc")
_AVERAGES = ("macro", "weighted", "micro", "samples")
_SUMS = set(  # a row whose name holds these words alone is of the whole
    "avg average averaged mean total sum all classes overall unweighted balanced macro weighted micro accuracy "
    "images samples".split()
)
# of ASCII's digits, as the page's script has them; a whole number of more than nine is no number of images
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]{1,9})?", re.I)
WHOLE = re.compile(r"[0-9]{1,9}")
_RULE = re.compile(r"[\s|:+=\-]*")
_EMPTY = ("", "-", "–", "—", "nan", "na", "n/a", "none", "null")
NOTHING = "there is nothing in it: give supports and figures of a classification report"


class ReportError(ValueError):
    """A report that can't be read; the message says where and what to do."""


@dataclass
class Cell:
    """One printed number: where it stands, its metric (of class `of`), its text."""

    place: str
    metric: str
    of: str | None
    text: str


def _plain(text: str) -> str:
    """A name without what differs between papers: "F1-Score (%)" → "f1_score"."""
    text = re.sub(r"\((?!macro|weighted|micro)[^)]*\)|[%'’.()]", "", text.strip().lower())
    return re.sub(r"[\s_\-]+", "_", text).strip("_")


def known_metric(text: str) -> str | None:
    """Our name of a metric in any of its usual spellings, or None."""
    plain = re.sub(r"_(avg|average)", "", _plain(text))
    for mean in _AVERAGES:  # "F1 (macro)" and "macro-averaged F1" both end as macro_f1
        plain = re.sub(rf"^(.*)_{mean}$", rf"{mean}_\1", plain).replace(f"{mean}_averaged", mean)
    if plain in _KNOWN:
        return _KNOWN[plain]
    head, _, tail = plain.partition("_")
    if head in _AVERAGES and tail in _KNOWN:
        return _KNOWN.get(f"{head}_{_KNOWN[tail]}")
    return None


def _demand_once(names: Iterable[str], of: Container[str]) -> None:
    """Raise `ReportError` where two columns have one metric, of those asked for: one would be lost."""
    seen = {}
    for name in names:
        metric = known_metric(name)
        if metric in of and metric in seen:
            raise ReportError(f"two columns are the {metric}: {seen[metric]} and {name}; give one of them")
        seen[metric] = name


def _of_class(text: str, classes: Container[str] = ()) -> tuple[str, str] | None:
    """("recall", "glioma") of "recall_glioma" or "Recall of glioma", or None.

    "f1_score_a" is the F1-score of `a`, unless `classes` has a `score_a` and no `a`.
    """
    found = [(name, re.fullmatch(rf"\s*{word}(?:_| of | )(.+)", text, re.I)) for word, name in _WORDS]
    pairs = [(name, match[1].strip()) for name, match in found if match]
    return next((pair for pair in pairs if pair[1] in classes), pairs[0] if pairs else None)


def _split(text: str) -> list[list[str]]:
    """Rows of cells, without empty lines and rules; whitespace-aligned text is split by what it ends with."""
    lines = [line.rstrip() for line in text.splitlines() if not _RULE.fullmatch(line)]
    if all("|" in line for line in lines):
        return [[c.strip(" *`") for c in line.strip().strip("|").split("|")] for line in lines]
    for mark in ("\t", ";", ","):
        if mark in lines[0]:
            try:
                rows = [row for _, row in listed.cells(text, mark)]
            except DataError as error:
                raise ReportError(str(error)) from None
            return [[c.strip() for c in row] for row in rows if not _RULE.fullmatch("".join(row))]
    head = lines[0].split()
    rows = [head if _KNOWN.get(_plain(head[0])) == "class" else ["", *head]]
    for line in lines[1:]:
        words = line.split()
        first = next((k for k, w in enumerate(words) if k and all(map(_is_value, words[k:]))), len(words))
        first = max(first, len(words) - len(rows[0]) + 1)  # a class may be called 0
        values = words[first:]
        name = " ".join(words[:first])
        if len(values) == 2 and known_metric(name) == "accuracy":
            values = [""] * (len(rows[0]) - 3) + values
        rows.append([name, *values])
    return rows


def _is_value(word: str) -> bool:
    return word.lower() in (*_EMPTY, "%") or bool(NUMBER.fullmatch(word.rstrip("%").replace(",", ".")))


def from_table(text: str) -> tuple[list[Cell], list[str]]:
    rows = _split(text)
    if not rows:
        raise ReportError(NOTHING)
    head, body = rows[0], rows[1:]
    columns = [known_metric(name) for name in head]
    for number, row in enumerate(body, 2):
        if len(row) > len(head):
            raise ReportError(
                f"row {number} ({row[0]}) has {len(row)} cells, but the first row names {len(head)}"
            )
        row += [""] * (len(head) - len(row))
    if "metric" in columns and "value" in columns:
        _demand_once(head, ("metric", "value"))
        metric, value = columns.index("metric"), columns.index("value")
        of = columns.index("class") if "class" in columns else None
        return _from_list([(row[metric], "" if of is None else row[of], row[value]) for row in body])
    first = columns.index("class") if "class" in columns else 0
    _demand_once([h for k, h in enumerate(head) if k != first], CELLS)
    known = {k: name for k, name in enumerate(columns) if k != first and name in CELLS}
    if not known:
        raise ReportError(
            "the first row names no metric: it should read like `class, precision, recall, f1, support` "
            "or `metric, value`"
        )
    ignored = [h for k, h in enumerate(head) if k != first and k not in known and h]
    return _from_rows([(row[first], {known[k]: row[k] for k in known}) for row in body], ignored)


def _from_rows(rows: list[tuple[str, dict[str, str]]], ignored: list[str]) -> tuple[list[Cell], list[str]]:
    """Cells of rows (name, {metric: text}): classes, averages, and figures of the whole."""
    cells = []
    rows = [(n, {m: v for m, v in told.items() if v.strip().lower() not in _EMPTY}) for n, told in rows]
    for name, told in rows:
        row = _row(name)
        if _is_class(name, told, rows):
            cells += [Cell(f"{m} of {name}", m, name, v) for m, v in told.items()]
        elif known_metric(name) in _OVERALL:
            figure = [v for m, v in told.items() if m != "support"]
            cells += [Cell(name, known_metric(name), None, v) for v in dict.fromkeys(figure)]
            if "support" in told and told["support"] not in figure:
                cells.append(Cell(name, "total", None, told["support"]))
        else:
            if row in ("micro", "samples"):
                raise ReportError(
                    f"row `{name}`: its classes are not all there are, or an image has several; "
                    "only reports with one answer an image, over all classes, can be checked"
                )
            for m, v in told.items():
                if metric := _of_row(row, m):
                    cells.append(Cell(name, metric, None, v))
                else:
                    ignored.append(f"{m} of {name}")
    return cells, ignored


def _row(name: str) -> str:
    """What a row is of that is no class's: one of `_AVERAGES`, "all" (a disease too) or "sum"; "" for any other name."""
    named = _plain(name)
    words = set("".join(c if c.isalpha() else " " for c in named).split())  # a footnote's ¹ is no letter
    if re.fullmatch(r"samples(_(avg|average|averaged))?", named):
        return "samples"
    if not words or not words <= _SUMS:
        return ""
    if words == {"all"}:
        return "all"
    # a weighted accuracy is no average of precisions, whatever column it stands in
    said = [mean for mean in ("micro", "macro", "weighted") if mean in words and "accuracy" not in words]
    return said[0] if said else "sum"


def _of_row(row: str, metric: str) -> str | None:
    """The figure that a row of the whole has in a metric's column; None where it is not said how classes were averaged."""
    return "total" if metric == "support" else known_metric(f"{row}_{metric}")


def _is_class(name: str, told: dict[str, str], rows: list[tuple[str, dict[str, str]]]) -> bool:
    """Whether a row is of a class, though it may be called like a figure or a sum: MCC, ACC and ALL are diseases too.

    Such a row is a class's if its figures differ, or its support is not that of all classes.
    """
    overall, row = known_metric(name) in _OVERALL, _row(name)
    if row not in ("", "all"):
        return False
    if not overall and not row:
        return True
    figures = {v for m, v in told.items() if m != "support"}
    sizes = [(n, digits(v.get("support", ""))) for n, v in rows]  # a name may stand there twice
    whole = [(n, s) for n, s in sizes if _row(n) not in ("", "all")]
    totals = {s for n, s in whole if s and known_metric(n) not in _OVERALL}
    others = [s for n, s in sizes if n != name and (n, s) not in whole]
    rest = sum(int(s) for s in others if WHOLE.fullmatch(s))
    support = told.get("support", "")
    size = digits(support)
    part = bool(size) and support not in figures and size not in {*totals, str(rest)}
    if overall:
        return len(figures) > 1 or (len(told) > 2 and part)
    return bool(figures) and part and (bool(totals) or name.isupper())


def _from_list(rows: list[tuple[str, str, str]]) -> tuple[list[Cell], list[str]]:
    """Cells of rows (metric, class or "", text)."""
    cells, ignored = [], []
    pairs = [(known_metric(metric), of) if of else _of_class(metric) for metric, of, _ in rows]
    classes = {pair[1] for pair in pairs if pair and pair[0] == "support"}
    for metric, of, text in rows:
        name = known_metric(metric)
        pair = (name, of) if of else None if name else _of_class(metric, classes)
        if text.strip().lower() in _EMPTY:
            continue
        if name and not of and name not in (*CELLS, "class", "metric", "value"):
            cells.append(Cell(metric, name, None, text))
        elif name == "support" and not of:
            cells.append(Cell(metric, "total", None, text))
        elif pair and pair[0] in CELLS:
            place, row = f"{pair[0]} of {pair[1]}", _row(pair[1])
            if row in ("", "all"):
                cells.append(Cell(place, *pair, text))
            elif figure := _of_row(row, pair[0]):
                cells.append(Cell(place, figure, None, text))
            else:
                ignored.append(place)
        else:
            near = difflib.get_close_matches(_plain(metric), _KNOWN, 1)
            ignored.append(metric + (f" (did you mean {near[0]}?)" if near and not name else ""))
    return cells, ignored


def from_json(text: str) -> tuple[list[Cell], list[str]]:
    try:
        tree = json.loads(
            text, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_named_once
        )
    except json.JSONDecodeError as error:
        raise ReportError(f"line {error.lineno}: not JSON ({error.msg})") from error
    except RecursionError:
        raise ReportError("its JSON is nested too deeply for a report") from None
    if not isinstance(tree, dict) or not tree:
        raise ReportError('JSON has to be an object: {"supports": {…}, "figures": {…}}, or scikit-learn\'s')
    if set(tree) <= {"supports", "figures"}:
        if not all(isinstance(part, dict) for part in tree.values()):
            raise ReportError("`supports` and `figures` have to be objects: a name and a number each")
        rows = [("support", name, _text(v)) for name, v in tree.get("supports", {}).items()]
        return _from_list(rows + [(name, "", _text(v)) for name, v in tree.get("figures", {}).items()])
    rows, ignored = [], []
    for name, value in tree.items():
        if isinstance(value, dict):
            _demand_once(value, CELLS)
            named = {known_metric(m): _text(v) for m, v in value.items()}
            ignored += [f"{m} of {name}" for m in value if known_metric(m) not in CELLS]
            rows.append((name, {m: v for m, v in named.items() if m in CELLS}))
        else:
            rows.append((name, {"f1": _text(value)}))
    return _from_rows(rows, ignored)


def _named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object whose names are all different."""
    names = [name for name, _ in pairs]
    if again := [name for k, name in enumerate(names) if name in names[:k]]:
        raise ReportError(f"`{again[0]}` stands twice in one JSON object: give each name once")
    return dict(pairs)


def _text(value: object) -> str:
    if isinstance(value, str) or value is None:
        return value or ""
    raise ReportError(f"{_json(value)[:40]} stands where a number should")


def _json(value: object) -> str:
    """As a browser writes it: letters as they are, half a surrogate pair by its number."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def digits(text: str) -> str:
    """A whole number's digits, without thousands marks or the zeros behind a decimal point."""
    text = text.strip()
    thousands = re.fullmatch(r"[0-9]{1,3}(?:[., ][0-9]{3})+", text)
    return re.sub(r"[., ]", "", text) if thousands else re.sub(r"\.0*$", "", text)
