"""Whether the proposed model is first of a table's rows, and whether it is better than one of them, said from the intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gcaf_lib.findings import ablation, difference_intervals, row_lists, table_rows, words


def ranking_said(
    frame: pd.DataFrame, names: Mapping[str, str] | None = None, show_published: bool = True
) -> str:
    """Whether the paper's ranking of a table's rows, in which the proposed model is first, is measured too; "" of fewer than two
    other rows that are both trained and in the paper, and without `show_published`.

    frame: of `ablation.measure`. First place is judged by the intervals of the differences; the order of the others is not asked. The paper
    ranks no setting among those of another kind, so of settings the question is of the default alone.
    """
    run, own = ablation.compared(frame), table_rows.called(frame)
    run = run[run["published_difference"].notna()]
    if len(run) < 2 or not show_published:
        return ""
    ask = "Does the paper's ranking by accuracy hold"
    if own == table_rows.DEFAULT:
        ask = "Is the paper's default the best of its settings by accuracy"
    where = "where no known patient is shared" if run["folds"].any() else "on this split"
    once = " (as trained once)" * bool((run["pairs"] == 1).any())
    told, excluded, below, nearest = {}, [], [], []
    for word, (name, wide) in ablation.COUNTED.items():
        if run[name].isna().any():
            continue
        told[word] = _first(run, name, wide, once, names)
        excluded.append(str((difference_intervals.beside_paper(run, name) < 0).sum()))
        gap = run[name].round(9)  # counts of images: equal ones are equal whatever their floats
        below.append(str((gap < 0).sum()))
        nearest.append(words.end(100 * gap.abs().min(), 2))

    def both(values: Sequence[str], unit: str) -> str:
        first, *other = dict.fromkeys(values)
        return f"{first} {unit}" + "".join(f", by picture {value}" for value in other)

    return (
        f"**{ask} {where}?** {_counted(told)}. Leads as large as the paper's are excluded{once} for {both(excluded, f'of {len(run)}')}, each by its "
        f"own interval. Below {own} by value alone: {both(below, f'of {len(run)} rows')}; the nearest is {both(nearest, 'points away')}. "
        f"This rests on {words.basis_said(run.iloc[0])}."
    )


def _first(run: pd.DataFrame, name: str, wide: str, once: str, names: Mapping[str, str] | None) -> str:
    """Whether the reference is first of these rows; name, wide: as in `ablation.COUNTED`."""
    below, kept, own = (
        run[f"{name}_high"] < 0,
        difference_intervals.separated(run, wide),
        table_rows.called(run),
    )
    # that all say so needs no adjustment for their number, that some do needs it
    if below.all():
        place = ", as to its first place" * (own == table_rows.PROPOSED)
        return f"yes{once}{place}, {own} is better than each of the {len(run)} other rows"
    if (ahead := kept & ~below).any():
        better = f"{row_lists.named(run[ahead], names)} {words.verb(ahead.sum())} better than {own}"
        return f"no{once}, {better} (after {ablation.ADJUSTMENT})"
    if kept.any():
        return f"in part{once}, {own} is better than {row_lists.named(run[kept], names)}, not told so of the rest (after {ablation.ADJUSTMENT})"
    return f"not decided (after {ablation.ADJUSTMENT}, the intervals of all {len(run)} differences hold 0)"


def answer(
    frame: pd.DataFrame,
    row: str,
    question: str,
    names: Mapping[str, str] | None = None,
    show_published: bool = True,
) -> str:
    """A question whether the proposed model is better than a row of `ablation.measure`, put and answered by the interval, with what the
    answer rests on and what could have been seen."""
    line = ablation.others(frame).set_index("row", drop=False).loc[row]
    if not line["pairs"]:
        return f"**{question}** Not measured: that row has not been trained on this split."
    ways = {word: two for word, two in ablation.COUNTED.items() if np.isfinite(line[two[0]])}
    known = {word: ablation.worth_of(line, name) for word, (name, _) in ways.items()}
    answers, once = ("yes", "no, it is worse", "not shown"), ""
    if line["pairs"] == 1:
        answers = ("as trained once it is better", "as trained once it is worse", "not shown")
        once = " (one training of each; another may reverse it)"
    before = {
        word: f", only before {ablation.ADJUSTMENT}" * bool(difference_intervals.lost(line, *two))
        for word, two in ways.items()
    }
    said = _counted(
        {
            w: words.by_side(one, *answers) + before[w] + difference_intervals.warned(one)
            for w, one in known.items()
        }
    )
    shown = [f"{100 * float(difference_intervals.detectable(line, name)):.2f}" for name, _ in ways.values()]
    alone = ", by patients alone: another training's chance comes on top" if line["pairs"] == 1 else ""
    text = (
        f"**{question}** {said}{once}. {(names or {}).get(row, row)} minus proposed: "
        f"{words.points(*known.values())}; {words.basis_said(line)}. With a power of 80% one would see a true difference of "
        f"{' points or more, by picture '.join(shown)}{' points or more' * (len(shown) == 1)}" + alone
    )
    if show_published and np.isfinite(line["published_difference"]):
        text += f"; the paper's is {words.signed(100 * line['published_difference'])}"
    return text + "."


def _counted(told: Mapping[str, str]) -> str:
    """What is told by each way to count, as one sentence where all say the same."""
    said = list(dict.fromkeys(told.values()))
    text = said[0] if len(said) == 1 else ". ".join(f"{word}: {one}" for word, one in told.items())
    return text[0].upper() + text[1:]
