"""The checks of the audit, two: number of runs, sampling error, settings, and the dataset.

As in `paper.checks`, each yields `Finding`s and types nothing from the paper.
"""

from __future__ import annotations

from collections.abc import Iterator

from gcaf_lib.evaluation import intervals
from gcaf_lib.paper import attainability
from gcaf_lib.paper import published as paper
from gcaf_lib.paper.checks import (
    CONTRADICTION,
    DATA,
    HOLDS,
    INSIDE,
    OPEN,
    RUNS,
    Finding,
    headline_accuracy,
    main_count,
    printed,
)
from gcaf_lib.settings import CLASSES

TABLES = ("Table 4", "Table 5", "Table 6", "Table 8")


# --- single runs, means, sampling error ---


def _accuracies(place: str) -> list[paper.Figure]:
    return paper.find(place, metric="accuracy")


def rival_figures(place: str) -> list[paper.Figure]:
    """The accuracies of a table that are not the main result's."""
    return [f for f in _accuracies(place) if f.value != headline_accuracy().value]


def accuracies() -> Iterator[Finding]:
    """Which accuracies of a table are k of the test images: the plain GRIM test, and its extension to means."""
    n = int(paper.published("§5.1", metric="testing"))
    for place in TABLES:
        rows = _accuracies(place)
        bad = [f for f in rows if not attainability.counts(f.value, f.decimals, n, True)]
        if bad:
            each = [attainability.fewest_runs(f.value, f.decimals, n, True) for f in bad]
            runs = "; ".join(f"{f.row}: {printed(f)} (mean of {r} runs at least)" for f, r in zip(bad, each))
            text = f"{len(rows) - len(bad)} of {len(rows)} rows are k/{n}; these are not: {runs}"
        else:
            text = f"every row is k/{n}"
        yield Finding(
            place,
            f"accuracies, taken to be on the {n} test images; no number of runs is given",
            text,
            RUNS if bad else HOLDS,
            "mean over seeds, with n",
        )
    fewest = common_runs()
    yield Finding(
        ", ".join(TABLES),
        "the rows can be compared with each other",
        f"if every row were the mean of the same number of runs, it would be {fewest} or more"
        if fewest and fewest > 1
        else "single runs explain all of them",
        RUNS if fewest != 1 else HOLDS,
        "the same seeds for every row, compared in pairs",
    )


def common_runs() -> int | None:
    """Smallest number of runs that, used for every row of `TABLES`, makes all accuracies attainable; None beyond 100."""
    n, told = int(paper.published("§5.1", metric="testing")), [f for t in TABLES for f in _accuracies(t)]

    def explains(runs: int) -> bool:
        return all(attainability.proportion(f.value, f.decimals, n, True, runs).attainable for f in told)

    return next(filter(explains, range(1, 101)), None)


def sampling() -> Iterator[Finding]:
    """How many of each table's gaps lie inside the interval of the main accuracy alone."""
    right, n = main_count()
    interval = intervals.wilson(right, n)
    low, high = 100 * interval.low, 100 * interval.high
    yield Finding(
        "§5.4",
        f"accuracy is {printed(headline_accuracy())}, without an interval",
        f"{right} of {n}: 95% Wilson interval {low:.1f} to {high:.1f}%, if images were independent",
        OPEN,
        "cluster bootstrap over patients",
    )
    for place in TABLES:
        others = rival_figures(place)
        inside = [f for f in others if low <= f.value <= high]
        gaps = [round((headline_accuracy().value - f.value) / 100 * n) for f in others]
        yield Finding(
            place,
            f"the proposed setting beats {len(others)} others",
            f"{len(inside)} of {len(others)} lie inside the interval of {printed(headline_accuracy())}; the gaps are "
            f"{min(gaps)} to {max(gaps)} of {n} images",
            INSIDE if 2 * len(inside) > len(others) else OPEN,
            "paired comparison over seeds and patients",
        )
    level = paper.published("§5.7", metric="significance level")
    yield Finding(
        "§5.7",
        f"every improvement is significant in a paired t-test (p < {level:g})",
        "no number of runs, no spread, no statistic and no p-value is given, so it can't be checked",
        OPEN,
        "n, sd, exact p, Nadeau-Bengio, McNemar, Holm",
    )


# --- settings ---


def said() -> Iterator[Finding]:
    """Settings and procedures on which two places of the paper differ."""
    words = {
        "loss.smoothing": "label smoothing ε",
        "loss.balance": "class balance α of the focal loss",
        "search": "how settings were found",
    }
    for topic, rows in paper.disagreements().groupby("topic", sort=False):
        by = rows.groupby("says", sort=False)["place"].agg(" and ".join)
        yield Finding(
            ", ".join(rows.place),
            f"{words.get(topic, topic)}: {rows.says.iloc[0]}",
            "; ".join(f"{places}: {says}" for says, places in by.items()),
            CONTRADICTION,
            rows.default.iloc[0],
        )


def ranges() -> Iterator[Finding]:
    """Ranges that the text says were tried, against the values that Table 8 shows."""
    tried: dict[str, list[float]] = {}
    for f in paper.find("Table 8"):
        parameter, _, value = f.row.rpartition(" ")
        tried.setdefault(parameter, []).append(float(value))
    for metric, parameter in (("loss.gamma", "Focal γ"), ("loss.smoothing", "Label Smoothing ε")):
        low, high = (paper.published("§5.2", "Range tried", f"{metric} ({end})") for end in ("low", "high"))
        outside = [v for v in tried[parameter] if not low <= v <= high]
        text = f"Table 8 tries {', '.join(f'{v:g}' for v in tried[parameter])}"
        if outside:
            text += f": {', '.join(f'{v:g}' for v in outside)} is outside, which a later analysis may be"
        yield Finding(
            "§5.2, Table 8",
            f"{parameter} was tried from {low:g} to {high:g}",
            text,
            OPEN if outside else HOLDS,
            "Table 8's values",
        )


def selection() -> Iterator[Finding]:
    """Settings chosen by validation accuracy: whose accuracy does Table 8 show?"""
    top = headline_accuracy()
    sizes = {part: int(paper.published("§5.1", metric=part)) for part in ("testing", "validation")}
    chosen = [f for f in _accuracies("Table 8") if f.value == top.value]
    fits = {p: attainability.counts(top.value, top.decimals, n, True) for p, n in sizes.items()}
    also = ", which no validation part of this size gives"
    if fits["validation"]:
        also = f"; {fits['validation'][0]} of {sizes['validation']} validation images would print the same"
    yield Finding(
        "§5.2, §5.8",
        "settings were chosen by validation accuracy",
        f"{len(chosen)} rows of Table 8 show {printed(top)}, the test accuracy ({fits['testing'][0]} of "
        f"{sizes['testing']}){also}",
        OPEN if fits["validation"] else CONTRADICTION,
        "nothing is chosen; every setting is shown on both parts",
    )


# --- the dataset ---


def dataset() -> Iterator[Finding]:
    """What the paper says of the images, against the committed tables of the dataset's audit."""
    from gcaf_lib.data import exposure
    from gcaf_lib.data.dataset import DataError
    from gcaf_lib.evaluation import dataset_audit

    data = dataset_audit.published()
    labels = data.frame["label"].to_numpy()
    table = paper.table(2).set_index("Class")["Total"]
    same = all((labels == k).sum() == table[paper.CLASS_LABELS[c]] for k, c in enumerate(CLASSES))
    yield Finding(
        "Table 2",
        f"{table['Total']:,} images, the four classes' totals",
        "the published files have the same totals" if same else "the published files have other totals",
        HOLDS if same else DATA,
        "the published files, by hash",
    )
    said = {s.topic: s for s in paper.SAID}["modality"]
    try:
        facts = dataset_audit.read(data)
        shares = exposure.read(data).set_index(["protocol", "class"]).loc[("paper", "all")]
    except (DataError, OSError) as error:
        yield Finding(said.place, said.says, f"not checked: {error}", OPEN, said.default)
        return
    sources = dataset_audit.source_counts(data.frame, facts)
    archive = sources[list(dataset_audit.SOURCES[:2])].sum(axis=1)
    healthy = CLASSES.index("notumor")
    yield Finding(
        said.place,
        said.says,
        f"{archive.sum():,} of {len(labels):,} files show slices of the figshare archive, whose slices are; of the "
        f"{(labels == healthy).sum():,} no-tumour files {archive.iloc[healthy]} do; T2-weighted and FLAIR images are "
        "among them (seen by eye, modality is not recorded)",
        DATA if archive.iloc[healthy] == 0 else OPEN,
        said.default,
    )
    yield Finding(
        "§5.1",
        "parts of 80:10:10, stratified by class, make the evaluation unbiased",
        f"no grouping by patient or copy is named; in a random split of these files {shares['with_copy']:.0%} of the test images have a copy in training, and "
        f"{shares['with_patient']:.0%} a slice of the same known patient",
        DATA if shares["with_copy"] > 0.01 else HOLDS,
        "beside it, protocol `patients`",
    )
