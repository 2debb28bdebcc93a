"""What stands under a table: which rows lie below the proposed model, above it or neither, what the paper's differences say beside them, and how much of it may be chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from gcaf_lib.findings import (
    ablation,
    ablation_tables,
    difference_intervals,
    first_place,
    matched,
    row_lists,
    table_rows,
    words,
)
from gcaf_lib.terminal import cut


def summary_said(
    chapter: Any,
    experiment: str,
    frame: pd.DataFrame,
    *answers: str,
    fold_records: Mapping[str, Sequence[Any]] | None = None,
) -> str:
    """All that is said under a table: its `first_place.ranking_said`, the answers to what else is asked of it, and its `differences_said`.

    experiment: the table's name ("table-4"); frame: `ablation.measure`'s of it. fold_records: of `matched.fold_records`, where the frame
    is `ablation.measure_on_folds`'; then it is also said `matched.which_seeds` are compared.
    """
    given = ablation_tables.ROW_NAMES.get(experiment), chapter.show_published
    which_seeds = ""
    if fold_records is not None:
        every = matched.distinct_runs(chapter.records("patients"))
        which_seeds = matched.which_seeds(experiment, fold_records, every, chapter.dataset)
        experiment = f"{experiment}-patients"
    differences = differences_said(frame, chapter.sweep(experiment), *given)
    said = (first_place.ranking_said(frame, *given), *answers, which_seeds, differences)
    return "\n\n".join(filter(None, said))


def differences_said(
    frame: pd.DataFrame,
    command: str = "",
    names: Mapping[str, str] | None = None,
    show_published: bool = True,
) -> str:
    """What the differences of `ablation.measure` in accuracy say, whatever the outcome: below, above, undecided; the paper's; the seeds.

    command: what trains the rows that are missing. show_published: whether to speak of the paper's differences.
    """
    run, own, count = ablation.compared(frame), table_rows.called(frame), len(ablation.others(frame))
    missing = f" `{command}` trains what is missing." if command and len(run) < count else ""
    if run.empty:
        return f"No row but {own}'s has been trained on this split, so nothing is compared.{missing}"
    below, above, undecided = difference_intervals.below_above_undecided(run)
    points = " (in points)" if len(below) + len(above) else ""
    text = (
        f"{len(run)} of {count} other rows {words.verb(len(run), 'has', 'have')} been trained.{missing} Worse in accuracy than {own}, with an interval that excludes 0{points}: {row_lists.shifts(below, 'difference', names)}. "
        f"Better: {row_lists.shifts(above, 'difference', names)}. Not distinguishable from it: {row_lists.named(undecided, names)}."
    )
    text += _by_picture(run, names) + _borderline(run, names) + after_adjustment(run, names)
    printed = run[run["published_difference"].notna()]
    if show_published and len(printed):
        listed_, claims = [], []
        for name, wide in ablation.COUNTED.values():
            if printed[name].notna().all():
                inside = printed[difference_intervals.beside_paper(printed, name) == 0]
                told = inside[difference_intervals.separated(inside, name) & (inside["pairs"] > 1)]
                listed_.append(row_lists.named(inside, names))
                claims.append(row_lists.left(told, name, wide, names))
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
                else f" That supports the claim only where ours{ours} is also distinguishable from 0{f' after {ablation.ADJUSTMENT}' * (len(run) > 1)}: {claimed}."
            )
    return text + visible_said(run, names, show_published) + false_alarms(run)


def _by_picture(run: pd.DataFrame, names: Mapping[str, str] | None) -> str:
    """Which rows are distinguishable from the reference with each picture weighted equally; empty where no picture is known."""
    known = run[run["picture_difference_low"].notna()]
    told = known[difference_intervals.separated(known, "picture_difference")]
    return (
        f" With each picture weighted equally, however many copies it has, distinguishable from it: {row_lists.shifts(told, 'picture_difference', names)}."
        if len(known)
        else ""
    )


def _borderline(run: pd.DataFrame, names: Mapping[str, str] | None) -> str:
    """Which rows have an interval with an end `difference_intervals.near` 0."""
    said = []
    for word, (name, _) in ablation.WAYS.items():
        close = run[difference_intervals.near(run[f"{name}_low"], run[f"{name}_high"])]
        if len(close):
            said.append(word + row_lists.shifts(close, name, names))
    return (
        f" An end of these intervals is so near 0 that other draws might tell otherwise: {'; '.join(said)}."
        if said
        else ""
    )


def after_adjustment(run: pd.DataFrame, names: Mapping[str, str] | None = None) -> str:
    """Which rows stay distinguishable once the intervals are adjusted for their number; empty where there is nothing to adjust."""
    told = {
        word: (run[difference_intervals.separated(run, name)], name, wide)
        for word, (name, wide) in ablation.WAYS.items()
    }
    said = [word + row_lists.left(*some, names) for word, some in told.items() if len(some[0])]
    if len(run) == 1 or not said:
        return ""
    return (
        f" After {ablation.ADJUSTMENT} (Bonferroni: {len(run)} intervals at {100 * ablation.adjusted_level(len(run)):.4g}%), these exclude 0: {'; '.join(said)}. "
        "Chapter 15 tests the rows of Tables 4 to 6, adjusted by Holm."
    )


def visible_said(
    run: pd.DataFrame, names: Mapping[str, str] | None = None, show_published: bool = True
) -> str:
    """From which true difference on each row's own interval excludes 0 with a power of 80% (`difference_intervals.detectable`), and for which rows the
    paper's is as large.

    run: lines with pairs; show_published: whether to speak of the paper's differences.
    """
    seen = {
        word: (100 * difference_intervals.detectable(run, name)).dropna().sort_values()
        for word, (name, _) in ablation.WAYS.items()
    }
    said = []
    for word, least in seen.items():
        if len(least):  # one number for rows of unlike widths would be true of none
            ends = " to ".join(dict.fromkeys(f"{value:.2f}" for value in least.iloc[[0, -1]]))
            wide = bool(least.iloc[-1] > 2 * least.iloc[0])
            widest = f" (the widest interval: {row_lists.named(run.loc[least.index[-1:]], names)})" * wide
            said.append(f"{word}from {ends} points on{widest}")
    text = f" By its row's interval a true difference is told from 0 with a power of 80% {', '.join(said)}"
    if (run["pairs"] == 1).any():
        text += "; where there is one seed, another training's chance comes on top"
    printed = run[run["published_difference"].notna()]
    if show_published and len(printed):
        large = printed[100 * printed["published_difference"].abs() >= seen[""].reindex(printed.index)]
        text += f". The paper's is as large as its row's for {len(large)} of {len(printed)}: {row_lists.named(large, names)}"
    return text + "."


def false_alarms(run: pd.DataFrame) -> str:
    """How often an interval excludes 0 where the true difference is 0, by the seeds that the lines of a table have."""
    one = int((run["pairs"] == 1).sum())
    if one:
        alone = "all" if one == len(run) else str(one)
        return (
            f" Compared by one seed: {alone} of them; another seed may reverse such a difference, and far more than one such interval in "
            f"twenty excludes 0 where two methods are equal (chapter 15 sets {table_rows.called(run)} beside itself)."
        )
    text = " Where the true difference is 0, about one interval in twenty still excludes it."
    if (run["pairs"] == 2).any():  # half the distance of two is the standard error of their mean
        text += (
            f" Of two trainings an interval reaches at least {cut(stats.t.ppf(0.975, 1) / 2, 1)} times as far to either side as their differences lie apart "
            "(Student's t, one degree of freedom): short where the two happen to agree, so that its width tells little; a third would tell more."
        )
    return text
