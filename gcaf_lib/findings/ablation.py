"""Rows of Tables 4, 5, 6 and 8: levels, and the difference to the proposed model that the paper's claim is about.

Every number is `evaluation.worth`'s, as on all pages. Intervals are over patients and, with two or more seeds, also over
trainings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from gcaf_lib import settings
from gcaf_lib.data import splits
from gcaf_lib.display import names as naming
from gcaf_lib.evaluation import comparing, folds, intervals, worth
from gcaf_lib.findings import words
from gcaf_lib.paper import published as paper
from gcaf_lib.paper import verdicts
from gcaf_lib.training import experiments

TABLES = {"Table 4": "table-4", "Table 5": "table-5", "Table 6": "table-6", "Table 8": "table-8"}
METRICS = ("accuracy", "macro_f1", "macro_auc", "ece")
ENDS = ("", "_low", "_high")  # behind a name: its value, and the ends of its interval
PICTURE = [f"{name}{end}" for name in ("picture", "picture_difference") for end in ENDS]
ADJUSTED = [f"{name}{end}" for name in ("adjusted", "picture_adjusted") for end in ENDS[1:]]
# two ways to count: columns of the difference, and of the ends of its adjusted interval
COUNTED = {
    "Counting each image": ("difference", "adjusted"),
    "Counting each picture once": ("picture_difference", "picture_adjusted"),
}
WAYS = dict(zip(("", "by picture "), COUNTED.values()))  # the same inside a sentence
SIZES = ("images", "pictures", "groups")
# of what the intervals allow for: standard errors, and the degrees of freedom that tell them
ERRORS = ("difference_error", "difference_freedom", "picture_difference_error", "picture_difference_freedom")
COLUMNS = [
    "row", "metric", "published", "decimals", "unit", "mean", "sd", "n", "folds", "low", "high", "difference",
    "difference_sd", "difference_low", "difference_high", "pairs", *SIZES, *PICTURE, *ADJUSTED, *ERRORS, "reference",
    "published_difference", "step", "verdict",
]  # fmt: skip
PROPOSED, DEFAULT = "the proposed model", "the default"  # what rows are compared with, as `called`
ADJUSTMENT = "the adjustment for the number of rows"  # by Bonferroni (`adjusted_level`)
# Table 4's rows to their fusions, as the settings name them
FUSION_NAMES = {
    row.label: row.overrides.get("model.fusion", "gcaf") for row in experiments.experiment("table-4").rows
}
PLACES = {name: place for place, name in TABLES.items()}


def published(experiment: str, row: str) -> dict[str, paper.Figure]:
    """The paper's figures of one row of an experiment, by metric; empty where the paper has no such row."""
    place = PLACES.get(experiment)
    found = paper.find(place, row.replace(" = ", " ")) if place else []
    return {figure.metric: figure for figure in found}


def proposed(experiment: str) -> list[str]:
    """The rows of an experiment that are the paper's proposed setting (Table 8 has one a hyper-parameter)."""
    default = settings.load("paper")
    return [
        label for label, chosen in experiments.experiment(experiment).settings("paper") if chosen == default
    ]


def called(lines: Any) -> str:
    """What the reference of a line, or of each of a frame, is called: where rows are settings (`name = value`) it is their default."""
    return DEFAULT if any(" = " in row for row in np.atleast_1d(lines["row"])) else PROPOSED


def measure(
    experiment: str,
    found: Mapping[str, Sequence[Any]],
    dataset: Any,
    reference: Sequence[Any] = (),
    metrics: Sequence[str] = METRICS,
    made: Sequence[str] = (),
) -> pd.DataFrame:
    """One line (`COLUMNS`) for each row of an experiment and metric, rows without a record included (n = 0).

    experiment: its name ("table-4"); found: `table_records`, every row of the same seeds; reference: run records of the
    proposed model, with which each row is compared, seed by seed and fold by fold, on the same test images;
    made: (profile, protocol), for the verdict. On a split with folds only seeds that have all of them count.

    All values are fractions. mean, sd, n: over seeds; folds: on record for the seed that has most, 0 on a split
    without. difference: row minus reference, over the `pairs` seeds that both have. reference: whether the row is
    the proposed model itself. published_difference: the paper's figure minus its own for the proposed setting in
    the same table, known to within `step`. picture…: level and difference with each picture weighing 1
    (`worth.by_picture`). images, pictures, groups: what the pairs are compared on (`worth.sizes`). adjusted…, picture_adjusted…: ends of the difference's interval, adjusted by Bonferroni for the
    rows that are compared (`adjusted_level`). verdict: on the difference. Raises `ValueError` where rows are of
    different seeds, or a row and the reference were judged on different test images.
    """
    seeds = _seeds(found)
    if len(set(map(frozenset, seeds.values()))) > 1:
        raise ValueError(f"{experiment}: rows of different seeds ({seeds}): give equal_seeds(found)")
    groups, pictures = splits.clusters(dataset), worth.pictures(dataset)
    base, own_rows = whole(reference), proposed(experiment)
    pairs = [worth.paired(whole(group), base) for group in found.values()]
    strict = adjusted_level(sum(bool(ours) and not _same(ours, base) for ours, _ in pairs))
    theirs = published(experiment, own_rows[0]) if own_rows else {}
    lines = []
    for label in dict.fromkeys(row.label for row in experiments.experiment(experiment).rows):
        known = list(found.get(label, ()))
        records, figures = whole(known), published(experiment, label)
        own = _same(records, base) if records and base else label in own_rows
        tested = [r.rows() for r in worth.paired(records, base)[0]]
        sizes = worth.sizes(np.concatenate(tested) if tested else [], groups, pictures)
        levels = worth.row(records, groups, metrics) if records else {}
        copies = worth.by_picture(records, groups, pictures, metrics)
        differences, wide = (
            worth.difference(records, base, groups, metrics, level=one) for one in (0.95, strict)
        )
        changes, wider = (
            worth.by_picture(records, groups, pictures, metrics, against=base, level=one)
            for one in (0.95, strict)
        )
        for metric in metrics:
            level, gap, copied, change, *adjusted = (
                one.get(metric, NONE) for one in (levels, differences, copies, changes, wide, wider)
            )
            figure, other = figures.get(metric), theirs.get(metric)
            both = figure and other
            line = {
                "row": label,
                "metric": metric,
                "published": figure.fraction if figure else np.nan,
                "decimals": figure.decimals if figure else np.nan,
                "unit": figure.unit if figure else "",
                **dict(zip(("mean", "sd", "n", "low", "high"), level)),
                "folds": folds_known(known),
                **held(gap, "difference"),
                "difference_sd": gap.sd,
                "pairs": gap.n,
                **sizes,
                **held(copied, "picture"),
                **held(change, "picture_difference"),
                **dict(zip(ERRORS, (gap.error, gap.freedom, change.error, change.freedom))),
                **dict(zip(ADJUSTED, (end for one in adjusted for end in (one.low, one.high)))),
                "reference": own,
                "published_difference": figure.fraction - other.fraction if both else np.nan,
                "step": figure.half_step + other.half_step if both else np.nan,
            }
            lines.append(line | {"verdict": _verdict(line, gap.lift, made)})
    return pd.DataFrame(lines, columns=COLUMNS)


NONE = worth.Worth(np.nan, np.nan, 0, np.nan, np.nan)


def adjusted_level(rows: int) -> float:
    """Level of each row's interval with which all rows together are at 95%, by Bonferroni."""
    return 1 - comparing.ALPHA / max(1, rows)


def _same(records: Sequence[Any], base: Sequence[Any]) -> bool:
    """Whether all runs are among those of `base`."""
    return {r.key for r in records} <= {r.key for r in base}


def read(line: Mapping[str, Any], name: str) -> worth.Worth:
    """The value and interval that a table's line holds as `name`, `name_low` and `name_high`."""
    return NONE._replace(value=line[name], low=line[f"{name}_low"], high=line[f"{name}_high"])


def held(one: worth.Worth, name: str) -> dict[str, float]:
    """The value and interval as a table's line holds them: what `read` reads."""
    return dict(zip((f"{name}{end}" for end in ENDS), (one.value, one.low, one.high)))


def table_records(chapter: Any, experiment: str) -> dict[str, list[Any]]:
    """Row to run records of a table, at equal n: `equal_seeds` of `chapter.records`."""
    return equal_seeds(chapter.records(experiment))


def apart_records(chapter: Any, experiment: str) -> dict[str, list[Any]]:
    """`table_records` of a table on patient-disjoint folds; the proposed rows have those of the experiment "patients"."""
    rows = {row.label for row in experiments.experiment(f"{experiment}-patients").rows}
    own = [r for group in chapter.records("patients").values() for r in group]
    own_rows = {row: own for row in proposed(experiment) if row in rows}
    return equal_seeds(chapter.records(f"{experiment}-patients") | own_rows)


def apart(
    chapter: Any, experiment: str, found: Mapping[str, Sequence[Any]], metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """`measure` of a table on patient-disjoint folds: over all five folds, which together test every image once.

    found: of `apart_records`. Rows that the experiment "<name>-patients" doesn't have are left out.
    """
    reference = found.get(proposed(experiment)[0], ())
    frame = measure(
        experiment, found, chapter.dataset, reference, metrics, made=(chapter.profile, "patients")
    )
    rows = {row.label for row in experiments.experiment(f"{experiment}-patients").rows}
    return frame[frame["row"].isin(rows)].reset_index(drop=True)


def compared_with(
    experiment: str, found: Mapping[str, Sequence[Any]], known: Mapping[str, Sequence[Any]], dataset: Any
) -> str:
    """Which seeds of the reference the rows of `apart` are compared with and why these, and what all its seeds would
    change of rows with a stage 0 of their own; empty where all are compared.

    found: of `apart_records`; known: runs of the experiment "patients".
    """
    used = whole(found.get(proposed(experiment)[0], ()))
    every = whole([r for group in known.values() for r in group])
    if not used or _same(every, used):
        return ""
    groups, pictures = splits.clusters(dataset), worth.pictures(dataset)
    one, all_ = (worth.row(some, groups, ["accuracy"])["accuracy"] for some in (used, every))
    copied, all_copied = (
        worth.by_picture(some, groups, pictures, ["accuracy"])["accuracy"] for some in (used, every)
    )
    seeds = sorted({r.seed for r in used})
    changes = (words.signed(100 * (a.value - b.value), 1) for a, b in ((one, all_), (copied, all_copied)))
    alike = len({r.settings.model.backbones for group in found.values() for r in group}) == 1 and all(
        r.settings.model.weights == "in-domain" for r in used
    )
    return (
        f"Compared {words.verb(len(seeds))} {called({'row': proposed(experiment)})}'s seed{'s' * (len(seeds) > 1)} {' and '.join(map(str, seeds))}, {one.value:.1%}: "
        f"{words.verb(len(seeds), 'the one', 'those')} that all rows compared here have on all {splits.FOLDS} folds (other tables' rows may have other seeds). Over its "
        f"{words.plural(all_.n, 'seed')} it scores {all_.value:.1%}: "
        + (
            "these rows start from the same stage 0 as that seed, so what another would do to the differences is not known from it."
            if alike
            else f"against that each difference would change by {' points, by picture by '.join(changes)}."
        )
    )


def runs(*found: Mapping[str, Sequence[Any]]) -> list[Any]:
    """The run records of several tables ({row: records}), each once: what a chapter's strip names."""
    return list({r.key: r for table_ in found for group in table_.values() for r in group}.values())


def whole(records: Sequence[Any]) -> list[Any]:
    """Runs of the seeds that have every fold; on a split without folds, all runs."""
    return [r for one in folds.pool(records) if one.folds in (0, splits.FOLDS) for r in one.parts]


def equal_seeds(found: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Row to its runs of the seeds that every trained row has (all folds of them): rows are compared at equal n.

    Where no seed is common to all, rows without the one that most have are as if never trained. Rows without a seed in
    all its folds keep what they have.
    """
    seeds = _seeds(found)
    counts = Counter(seed for own in seeds.values() for seed in sorted(own))
    most = next((seed for seed, _ in counts.most_common(1)), None)
    common = set().union(*seeds.values()).intersection(*(own for own in seeds.values() if most in own))
    out = {row: list(group) for row, group in found.items()}
    for row, own in seeds.items():
        out[row] = [r for r in whole(out[row]) if r.seed in common] if common <= own else []
    return out


def _seeds(found: Mapping[str, Sequence[Any]]) -> dict[str, set[int]]:
    """Row to the seeds that it was trained with in all folds; rows without one are left out."""
    known = {row: {r.seed for r in whole(group)} for row, group in found.items()}
    return {row: seeds for row, seeds in known.items() if seeds}


def folds_known(records: Sequence[Any]) -> int:
    """Folds on record for the seed that has most of them; 0 on a split without."""
    return max((one.folds for one in folds.pool(records)), default=0)


def _verdict(line: Mapping[str, Any], lift: float, made: Sequence[str]) -> str:
    if line["reference"]:
        return "–"
    # the lift is of this split's test parts, and the paper's figures are of the random one
    lift = lift if tuple(made)[1:] == ("paper",) else 0.0
    theirs, step = line["published_difference"] - lift, line["step"]
    ends = line["difference_low"], line["difference_high"]
    return verdicts.difference(theirs, *ends, step, made, seeds=line["pairs"])


def table(
    frame: pd.DataFrame, first: str = "Row", names: Mapping[str, str] | None = None, theirs: bool = True
) -> pd.DataFrame:
    """Levels for readers: one line a row, n seeds, the paper's figure in square brackets where `theirs`.

    names: what to call rows. No verdict: that is on the differences (`gaps`).
    """
    lines = []
    for row, part in frame.groupby("row", sort=False):
        line: dict[str, Any] = {first: (names or {}).get(row, row), "n": naming.runs_text(part.iloc[0])}
        for k, (_, r) in enumerate(part.iterrows()):
            scale, decimals, unit = shown(r["metric"])
            head = naming.metric_name(r["metric"]) + unit
            printed = (
                f" [{r['published'] * scale:.{r['decimals']:.0f}f}]" if r["decimals"] >= 0 and theirs else ""
            )
            level = words.mean_sd(r["mean"], r["sd"], decimals, scale)
            level = level if r["n"] else "–" if k else naming.ABSENT
            line[head] = words.beside(level + printed, scale * r["picture"], f"{{:.{decimals}f}}".format)
            if not k:
                copied = words.ends(r["picture_low"], r["picture_high"], decimals, scale)
                line["95% interval"] = words.ends(r["low"], r["high"], decimals, scale)
                line["95% interval"] += f", by picture {copied}" * (copied != "–")
        lines.append(line)
    return pd.DataFrame(lines)


def brackets(theirs: bool) -> str:
    """What the caption of `table` says of the paper's figures; "" where they are left out."""
    return ", the paper's figure in square brackets" * theirs


def difference_text(line: pd.Series) -> str:
    """`−0.57 (−1.99 to +0.85)`: the difference to the reference with its interval; on a grouped split by picture too."""
    if not line["pairs"]:
        return "–"
    if line["reference"]:
        return called(line)
    scale, decimals, _ = shown(line["metric"])
    both = (words.shift(read(line, name), decimals, scale) for name, _ in WAYS.values())
    return ", ".join(f"{word}{text}" for word, text in zip(WAYS, both) if text != "–")


def gaps(frame: pd.DataFrame, first: str = "Row", names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """One line a row but the proposed: in accuracy the paper's difference to the proposed, ours (on a grouped split by picture
    too), the verdict on it."""
    lines = [
        {
            first: (names or {}).get(r["row"], r["row"]),
            "The paper (points)": words.signed(100 * r["published_difference"]),
            "Measured": words.shift(read(r, "difference"), 2, 100) if r["pairs"] else naming.ABSENT,
            "By picture": words.shift(read(r, "picture_difference"), 2, 100),
            "sd over seeds": f"{100 * r['difference_sd']:.2f}" if r["pairs"] > 1 else "–",
            "n": naming.runs_text(r),
            "Verdict": r["verdict"],
        }
        for _, r in others(frame).iterrows()
    ]
    table_ = pd.DataFrame(lines)
    return table_ if frame["picture_difference"].notna().any() else table_.drop(columns="By picture")


def gaps_caption(frame: pd.DataFrame) -> str:
    """What stands over `gaps`: minus what, of which images, what its verdict is on, and what is compared."""
    how = ", with its 95% interval; the verdict says where the published difference lies."
    if frame["folds"].any():
        how = f": over all {splits.FOLDS} patient-disjoint folds, with 95% intervals, and by picture (copies count as one); the verdict is on this split."
    return f"Accuracy minus that of {called(frame)}, in points, on the same test images and seeds{how}{rests(frame)}"


def others(frame: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """The lines of one metric that are not the proposed model's own."""
    return frame[(frame["metric"] == metric) & ~frame["reference"].astype(bool)]


def compared(frame: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Those of `others` that are compared by a seed or more."""
    part = others(frame, metric)
    return part[part["pairs"] > 0]


def says(
    frame: pd.DataFrame,
    command: str = "",
    names: Mapping[str, str] | None = None,
    theirs: bool = True,
) -> str:
    """What the differences of `measure` in accuracy say, whatever the outcome: below, above, undecided; the paper's; the seeds.

    command: what trains the rows that are missing. theirs: whether to speak of the paper's differences.
    """
    run, own, count = compared(frame), called(frame), len(others(frame))
    missing = f" `{command}` trains what is missing." if command and len(run) < count else ""
    if run.empty:
        return f"No row but {own}'s has been trained on this split, so nothing is compared.{missing}"
    below, above, undecided = sides(run)
    points = " (in points)" if len(below) + len(above) else ""
    text = (
        f"{len(run)} of {count} other rows {words.verb(len(run), 'has', 'have')} been trained.{missing} Worse in accuracy than {own}, with an interval that excludes 0{points}: {_shifts(below, 'difference', names)}. "
        f"Better: {_shifts(above, 'difference', names)}. Not distinguishable from it: {_named(undecided, names)}."
    )
    text += _by_picture(run, names) + _borderline(run, names) + after_adjustment(run, names)
    printed = run[run["published_difference"].notna()]
    if theirs and len(printed):
        listed_, claims = [], []
        for name, wide in COUNTED.values():
            if printed[name].notna().all():
                inside = printed[beside_paper(printed, name) == 0]
                told = inside[separated(inside, name) & (inside["pairs"] > 1)]
                listed_.append(_named(inside, names))
                claims.append(left(told, name, wide, names))
        within, claimed = ("; by picture: ".join(dict.fromkeys(some)) for some in (listed_, claims))
        text += (
            " The paper prints one of these differences; it lies inside our interval for"
            if len(printed) == 1
            else f" Of the paper's {len(printed)} differences, these lie inside our interval"
        )
        text += f": {within}."
        if within != "none":
            once = (printed["pairs"] == 1).any()
            none, ours = ("has two seeds or more and is", ", of two seeds or more,") if once else ("is", "")
            text += (
                f" None of these {none} distinguishable from 0, so none supports the claim."
                if claimed == "none"
                else f" That supports the claim only where ours{ours} is also distinguishable from 0{f' after {ADJUSTMENT}' * (len(run) > 1)}: {claimed}."
            )
    return text + could_show(run, names, theirs) + false_alarms(run)


def told(
    frame: pd.DataFrame,
    *answers: str,
    command: str = "",
    names: Mapping[str, str] | None = None,
    theirs: bool = True,
) -> str:
    """All that stands under a table: its `ranking`, the answers to what else is asked of it, and what it `says`."""
    said = (ranking(frame, names, theirs), *answers, says(frame, command, names, theirs))
    return "\n\n".join(filter(None, said))


def rests(frame: pd.DataFrame) -> str:
    """` Compared: 2 seeds of 5 folds, 7,023 images (…).`: what a table's differences rest on, behind its caption; "" where
    nothing is compared. frame: of `measure`, whose rows have the same seeds."""
    run = compared(frame)
    return f" Compared: {words.rests(run.iloc[0])}." if len(run) else ""


def visible(lines: Any, name: str = "difference") -> Any:
    """From which true difference on a row's is told from 0 with a power of 80%, by its interval (`intervals.visible`): of a
    line, or of each of a frame. name: as in `separated`."""
    seen = intervals.visible(*(lines[f"{name}_{one}"] for one in ("low", "high", "error", "freedom")))
    return pd.Series(seen, lines.index) if isinstance(lines, pd.DataFrame) else seen


def could_show(run: pd.DataFrame, names: Mapping[str, str] | None = None, theirs: bool = True) -> str:
    """From which true difference on each row's own interval excludes 0 with a power of 80% (`visible`), and for which rows the
    paper's is as large.

    run: lines with pairs; theirs: whether to speak of the paper's differences.
    """
    seen = {word: (100 * visible(run, name)).dropna().sort_values() for word, (name, _) in WAYS.items()}
    said = []
    for word, least in seen.items():
        if len(least):  # one number for rows of unlike widths would be true of none
            ends = " to ".join(dict.fromkeys(f"{value:.2f}" for value in least.iloc[[0, -1]]))
            wide = bool(least.iloc[-1] > 2 * least.iloc[0])
            widest = f" (the widest interval: {_named(run.loc[least.index[-1:]], names)})" * wide
            said.append(f"{word}from {ends} points on{widest}")
    text = f" By its row's interval a true difference is told from 0 with a power of 80% {', '.join(said)}"
    if (run["pairs"] == 1).any():
        text += "; where there is one seed, another training's chance comes on top"
    printed = run[run["published_difference"].notna()]
    if theirs and len(printed):
        large = printed[100 * printed["published_difference"].abs() >= seen[""].reindex(printed.index)]
        text += f". The paper's is as large as its row's for {len(large)} of {len(printed)}: {_named(large, names)}"
    return text + "."


def answer(
    frame: pd.DataFrame, row: str, question: str, names: Mapping[str, str] | None = None, theirs: bool = True
) -> str:
    """A question whether the proposed model is better than a row of `measure`, put and answered by the interval, with what the
    answer rests on and what could have been seen."""
    line = others(frame).set_index("row", drop=False).loc[row]
    if not line["pairs"]:
        return f"**{question}** Not measured: that row has not been trained on this split."
    ways = {word: two for word, two in COUNTED.items() if np.isfinite(line[two[0]])}
    known = {word: read(line, name) for word, (name, _) in ways.items()}
    answers, once = ("yes", "no, it is worse", "not shown"), ""
    if line["pairs"] == 1:
        answers = ("as trained once it is better", "as trained once it is worse", "not shown")
        once = " (one training of each; another may reverse it)"
    before = {word: f", only before {ADJUSTMENT}" * bool(lost(line, *two)) for word, two in ways.items()}
    said = _counted({w: words.change(one, *answers) + before[w] + warned(one) for w, one in known.items()})
    shown = [f"{100 * float(visible(line, name)):.2f}" for name, _ in ways.values()]
    alone = ", by patients alone: another training's chance comes on top" if line["pairs"] == 1 else ""
    text = (
        f"**{question}** {said}{once}. {(names or {}).get(row, row)} minus proposed: "
        f"{words.points(*known.values())}; {words.rests(line)}. With a power of 80% one would see a true difference of "
        f"{' points or more, by picture '.join(shown)}{' points or more' * (len(shown) == 1)}" + alone
    )
    if theirs and np.isfinite(line["published_difference"]):
        text += f"; the paper's is {words.signed(100 * line['published_difference'])}"
    return text + "."


def _counted(told: Mapping[str, str]) -> str:
    """What is told by each way to count, as one sentence where all say the same."""
    said = list(dict.fromkeys(told.values()))
    text = said[0] if len(said) == 1 else ". ".join(f"{word}: {one}" for word, one in told.items())
    return text[0].upper() + text[1:]


def beside_paper(lines: pd.DataFrame, name: str = "difference") -> np.ndarray:
    """Where the paper's difference lies beside an interval of each line, its rounding allowed for: −1 below, 0 inside, 1 above.

    name: as in `separated`. −1: the proposed model's lead is smaller than the paper's.
    """
    theirs, step = lines["published_difference"], lines["step"]
    above = (theirs - step > lines[f"{name}_high"]).astype(int)
    return (above - (theirs + step < lines[f"{name}_low"])).to_numpy()


def ranking(frame: pd.DataFrame, names: Mapping[str, str] | None = None, theirs: bool = True) -> str:
    """Whether the paper's ranking of a table's rows, in which the proposed model is first, is measured too; "" of fewer than two
    other rows that are both trained and in the paper, and without `theirs`.

    frame: of `measure`. First place is judged by the intervals of the differences; the order of the others is not asked. The paper
    ranks no setting among those of another kind, so of settings the question is of the default alone.
    """
    run, own = compared(frame), called(frame)
    run = run[run["published_difference"].notna()]
    if len(run) < 2 or not theirs:
        return ""
    ask = "Does the paper's ranking by accuracy hold"
    if own == DEFAULT:
        ask = "Is the paper's default the best of its settings by accuracy"
    where = "where no known patient is shared" if run["folds"].any() else "on this split"
    once = " (as trained once)" * bool((run["pairs"] == 1).any())
    told, excluded, below, nearest = {}, [], [], []
    for word, (name, wide) in COUNTED.items():
        if run[name].isna().any():
            continue
        told[word] = _first(run, name, wide, once, names)
        excluded.append(str((beside_paper(run, name) < 0).sum()))
        gap = run[name].round(9)  # counts of images: equal ones are equal whatever their floats
        below.append(str((gap < 0).sum()))
        nearest.append(words.end(100 * gap.abs().min(), 2))

    def both(values: Sequence[str], unit: str) -> str:
        first, *other = dict.fromkeys(values)
        return f"{first} {unit}" + "".join(f", by picture {value}" for value in other)

    return (
        f"**{ask} {where}?** {_counted(told)}. Leads as large as the paper's are excluded{once} for {both(excluded, f'of {len(run)}')}, each by its "
        f"own interval. Below {own} by value alone: {both(below, f'of {len(run)} rows')}; the nearest is {both(nearest, 'points away')}. "
        f"This rests on {words.rests(run.iloc[0])}."
    )


def _first(run: pd.DataFrame, name: str, wide: str, once: str, names: Mapping[str, str] | None) -> str:
    """Whether the reference is first of these rows; name, wide: as in `COUNTED`."""
    below, kept, own = run[f"{name}_high"] < 0, separated(run, wide), called(run)
    # that all say so needs no adjustment for their number, that some do needs it
    if below.all():
        place = ", as to its first place" * (own == PROPOSED)
        return f"yes{once}{place}, {own} is better than each of the {len(run)} other rows"
    if (ahead := kept & ~below).any():
        better = f"{_named(run[ahead], names)} {words.verb(ahead.sum())} better than {own}"
        return f"no{once}, {better} (after {ADJUSTMENT})"
    if kept.any():
        return f"in part{once}, {own} is better than {_named(run[kept], names)}, not told so of the rest (after {ADJUSTMENT})"
    return f"not decided (after {ADJUSTMENT}, the intervals of all {len(run)} differences hold 0)"


def false_alarms(run: pd.DataFrame) -> str:
    """How often an interval excludes 0 where the true difference is 0, by the seeds that the lines of a table have."""
    one = int((run["pairs"] == 1).sum())
    if one:
        alone = "all" if one == len(run) else str(one)
        return (
            f" Compared by one seed: {alone} of them; another seed may reverse such a difference, and far more than one such interval in "
            f"twenty excludes 0 where two methods are equal (chapter 15 sets {called(run)} beside itself)."
        )
    text = " Where the true difference is 0, about one interval in twenty still excludes it."
    if (run["pairs"] == 2).any():  # half the distance of two is the standard error of their mean
        text += (
            f" Of two trainings an interval reaches at least {stats.t.ppf(0.975, 1) / 2:.1f} times as far to either side as their differences lie apart "
            "(Student's t, one degree of freedom): short where the two happen to agree, so that its width tells little; a third would tell more."
        )
    return text


def _by_picture(run: pd.DataFrame, names: Mapping[str, str] | None) -> str:
    """Which rows are distinguishable from the reference with each picture weighted equally; empty where no picture is known."""
    known = run[run["picture_difference_low"].notna()]
    told = known[separated(known, "picture_difference")]
    return (
        f" With each picture weighted equally, however many copies it has, distinguishable from it: {_shifts(told, 'picture_difference', names)}."
        if len(known)
        else ""
    )


def _shifts(part: pd.DataFrame, name: str, names: Mapping[str, str] | None) -> str:
    """`concat −1.2 (−2.0 to −0.4); gate …`: one of the two differences of these rows with its interval, or `none`."""
    said = [
        f"{(names or {}).get(r['row'], r['row'])} {words.shift(read(r, name), 2, 100)}"
        for _, r in part.iterrows()
    ]
    return "; ".join(said) or "none"


# Of an interval's width, from 0: a percentile limit of 2,000 draws of a normal has a standard error of 0.06 of its standard
# deviation, which is 0.016 of the width; twice that.
NEAR = 0.03


def near(low: Any, high: Any) -> Any:
    """Whether an end of an interval, or of each of several, is so near 0 that other draws might put it on the other side."""
    return np.minimum(np.abs(low), np.abs(high)) < NEAR * (high - low)


def warned(one: Any) -> str:
    """What stands behind a word that an end `near` 0 decides, and "" behind others."""
    return ", by an end so near 0 that other draws might tell otherwise" * bool(near(one.low, one.high))


def _borderline(run: pd.DataFrame, names: Mapping[str, str] | None) -> str:
    """Which rows have an interval with an end `near` 0."""
    said = []
    for word, (name, _) in WAYS.items():
        close = run[near(run[f"{name}_low"], run[f"{name}_high"])]
        if len(close):
            said.append(word + _shifts(close, name, names))
    return (
        f" An end of these intervals is so near 0 that other draws might tell otherwise: {'; '.join(said)}."
        if said
        else ""
    )


def after_adjustment(run: pd.DataFrame, names: Mapping[str, str] | None = None) -> str:
    """Which rows stay distinguishable once the intervals are adjusted for their number; empty where there is nothing to adjust."""
    told = {word: (run[separated(run, name)], name, wide) for word, (name, wide) in WAYS.items()}
    said = [word + left(*some, names) for word, some in told.items() if len(some[0])]
    if len(run) == 1 or not said:
        return ""
    return (
        f" After {ADJUSTMENT} (Bonferroni: {len(run)} intervals at {100 * adjusted_level(len(run)):.4g}%), these exclude 0: {'; '.join(said)}. "
        "Chapter 15 tests the rows of Tables 4 to 6, adjusted by Holm."
    )


def left(told: pd.DataFrame, name: str, wide: str, names: Mapping[str, str] | None = None) -> str:
    """`concat, gate (only before it: cross)`: rows whose interval excludes 0 after the adjustment for their number, and those
    whose does only before. name, wide: as in `COUNTED`."""
    gone = lost(told, name, wide)
    before = f" (only before it: {_named(told[gone], names)})" if gone.any() else ""
    return _named(told[~gone], names) + before


def lost(lines: Any, name: str, wide: str) -> Any:
    """Whether an interval, of a line or of each of a frame, excludes 0 only before the adjustment; name, wide: as in `COUNTED`."""
    return separated(lines, name) & (lines[f"{wide}_low"] <= 0) & (lines[f"{wide}_high"] >= 0)


def listed(part: pd.DataFrame, names: Mapping[str, str] | None = None, seeds: bool = False) -> str:
    """`concat −1.2 (…); gate …`: the rows of a part of `measure`'s frame with their differences, or `none`.

    seeds: whether to say behind a row that it is compared by one seed.
    """
    known = [
        f"{(names or {}).get(r['row'], r['row'])} {difference_text(r)}{' (one seed)' * (seeds and r['pairs'] == 1)}"
        for _, r in part.iterrows()
    ]
    return "; ".join(known) or "none"


def _named(part: pd.DataFrame, names: Mapping[str, str] | None) -> str:
    return ", ".join((names or {}).get(row, row) for row in part["row"]) or "none"


def separated(lines: Any, name: str = "difference") -> Any:
    """Whether an interval of the difference to the reference excludes 0: of a line, or of each of a frame.

    name: of the interval's columns ("picture_difference", "adjusted", "picture_adjusted").
    """
    return (lines["pairs"] > 0) & ((lines[f"{name}_low"] > 0) | (lines[f"{name}_high"] < 0))


def sides(frame: pd.DataFrame, name: str = "difference") -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Lines whose interval lies below 0, above it, and those that hold it; lines without a run are in none. name: as in `separated`."""
    run = frame[frame["pairs"] > 0]
    told, below = separated(run, name), run[f"{name}_high"] < 0
    return run[told & below], run[told & ~below], run[~told]


def shown(metric: str) -> tuple[int, int, str]:
    """How a metric is shown: times what, with how many decimals, and its unit at the head of a column."""
    return (100, 2, " (%)") if metric in naming.SHARES else (1, 4, "")
