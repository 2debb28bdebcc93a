"""The gaps between the proposed model and its rivals as the paper prints them, and what they would need.

A gap is the proposed model's accuracy minus the row's, a fraction. One test set has one number of images: how
many gaps it can tell apart depends on how the two methods' errors overlap, which the paper does not give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import intervals, paired_tests
from gcaf_lib.paper import checks, claims
from gcaf_lib.paper import published as paper
from gcaf_lib.terminal import many

COLUMNS = ["place", "row", "gap", "images", "least", "independent", "most", "at_overlap"]


def headline() -> tuple[float, int, int]:
    """The proposed model's published accuracy (fraction), the test images, and those it has right."""
    right, n = checks.main_count()
    return checks.headline_accuracy().fraction, n, right


def rival_gaps(place: str | None = None, overlap: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Every rival row of Tables 4, 5, 6 and 8 (or of one place): place, row, gap, images, p-values (`COLUMNS`).

    least, independent, most: McNemar's mid-p where the two share as few errors as possible, as many as chance
    makes, as many as possible; at_overlap: where the rival makes the share of the proposed model's errors that `overlap`
    has for its table (NaN: none given). Counts are the whole numbers nearest to the printed accuracies.
    """
    top, n, right = headline()
    wrong, lines = n - right, []
    for where in claims.TABLES if place is None else (place,):
        for f in claims.rival_figures(where):
            other = round(f.fraction * n)
            both = None if where not in (overlap or {}) else round(overlap[where] * wrong)
            at = np.nan if both is None else paired_tests.mid_p(n - other - both, wrong - both)
            p = paired_tests.separable(right, other, n)
            lines.append((where, f.row, top - f.fraction, right - other, *p, at))
    return pd.DataFrame(lines, columns=COLUMNS)


def printed_accuracies(place: str | None = None) -> list[float]:
    """Published accuracies (fractions) of Tables 4, 5, 6 and 8 or of one place: the proposed model's once, then each rival's."""
    top, *_ = headline()
    return [top, *(top - rival_gaps(place)["gap"])]


def significant(frame: pd.DataFrame, alpha: float = paired_tests.ALPHA) -> pd.DataFrame:
    """Per table and in all: how many of the paper's gaps McNemar finds whatever the overlap, at chance's, at best.

    wilson: rows outside the 95% Wilson interval of the headline accuracy alone; measured: gaps of tables with an overlap.
    """
    top, n, right = headline()
    interval = intervals.wilson(right, n)
    columns = {"least": "always", "independent": "independent", "at_overlap": "at_overlap", "most": "best"}
    lines = []
    for place, part in [*frame.groupby("place", sort=False), ("all", frame)]:
        line: dict[str, Any] = {"place": place, "gaps": len(part)}
        line["wilson"] = int((top - part["gap"] < interval.low).sum())
        line |= {name: int((part[column] < alpha).sum()) for column, name in columns.items()}
        line["measured"] = int(part["at_overlap"].notna().sum())
        lines.append(line)
    return pd.DataFrame(lines)


def significant_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`significant` for readers."""
    heads = {
        "place": "Table",
        "gaps": "Rivals",
        "wilson": "Outside the headline's Wilson interval",
        "always": "p < 0.05 however errors overlap",
        "independent": "… if errors are independent",
        "at_overlap": "… at the overlap measured here" if frame["measured"].any() else "",
        "best": "… at the most favourable overlap",
    }
    kept = [c for c in heads if heads[c]]
    told = [
        "–" if not r.measured else f"{r.at_overlap}" + (f" of {r.measured}" if r.measured < r.gaps else "")
        for r in frame.itertuples()
    ]
    return frame.assign(at_overlap=told)[kept].rename(columns=heads)


def needed(frame: pd.DataFrame, runs: Sequence[int], test_to_train: float) -> pd.DataFrame:
    """What p < 0.05 asks of each published gap: the largest sd of differences for these numbers of runs (points),
    and, where frame has an sd for it, the runs that the paired and the corrected t-test need with that."""
    lines = []
    for r in frame.itertuples():
        line: dict[str, Any] = {"Table": r.place.removeprefix("Table "), "Row": r.row}
        line["Gap (points)"] = f"{100 * r.gap:.2f}"
        for n in runs:
            line[f"sd at most, {n} runs"] = f"{100 * paired_tests.largest_sd(r.gap, n):.2f}"
        if r.sd > 0:
            plain = paired_tests.runs_needed(r.gap, r.sd)
            corrected = paired_tests.runs_needed(r.gap, r.sd, test_to_train)
            line["sd here"] = f"{100 * r.sd:.2f}"
            line["Runs needed, paired t"] = plain or "> 10,000"
            line["Runs needed, corrected t"] = corrected or "> 10,000, if any"
        lines.append(line)
    return pd.DataFrame(lines)


# --- sentences ---


def claim_said(lines: pd.DataFrame) -> str:
    """What Section 5.7 claims and leaves out; lines: of `rival_gaps`."""
    level = paper.published("§5.7", metric="significance level")
    return (
        f"**What is claimed.** A paired t-test on the accuracies of several experiments, proposed method against baselines, with p < {level:g} for "
        'all. **What is not given:** how many experiments there were, what differed between them ("fixed random seeds" in Section 5.2; splits are not mentioned), their spread, the statistic, '
        "any p-value, and whether it was corrected for the number of tests. The largest and the smallest gap of Tables 4, 5, 6 and 8 are "
        f"{100 * lines['gap'].max():.2f} and {100 * lines['gap'].min():.2f} points."
    )


def _detected(lines: pd.DataFrame, runs: int, sd: str = "sd") -> tuple[int, str]:
    """How many gaps so many runs find with a power of 80%, and from how many points on, kind by kind."""
    least = lines[sd].map(
        {value: intervals.detectable_by_t_test(value, runs) for value in lines[sd].unique()}
    )
    parts = [
        f"{100 * points:.2f} in Table{'s' if part['place'].nunique() > 1 else ''} "
        + " and ".join(place.removeprefix("Table ") for place in part["place"].unique())
        for points, part in lines.groupby(least, sort=True)
    ]
    return int((lines["gap"] >= least).sum()), ", ".join(parts)


def power_said(lines: pd.DataFrame, runs: Sequence[int]) -> str:
    """What so many runs find with a power of 80%, at each gap's spread (`sd`; NaN: none measured) and its upper end."""
    if not (lines["sd"] > 0).all():
        least = "; ".join(f"{intervals.detectable_by_t_test(1.0, n):.2f} with {n} runs" for n in runs)
        return f"In multiples of the standard deviation of the differences, 80% power needs {least}."
    said = []
    for n in runs:
        hits, points = _detected(lines, n)
        said.append(
            f"with {n} runs {hits or 'none'} of the paper's {len(lines)} (those from so many points on: {points})"
        )
    middle = runs[len(runs) // 2]
    return (
        f"Gaps found with a power of at least 80%: {'; '.join(said)}. At the upper end of the spreads' intervals {middle} runs find "
        f"{_detected(lines, middle, 'sd_high')[0] or 'none'} of them. All this is about seeds: the test images, the other kind of chance, are not in this test."
    )


def images_said(counted: pd.DataFrame, shares: pd.DataFrame) -> str:
    """What one test part can tell apart; counted: of `significant`; shares (place, row, share): overlaps of errors measured
    here, may be none."""
    _, n, right = headline()
    whole = counted.iloc[-1]
    needs, best = paired_tests.smallest_gap(right, n), paired_tests.smallest_gap(right, n, 1.0)
    said = (
        f"On {n} images, against {right} right, a rival whose errors are independent must have {needs} fewer images right ({100 * needs / n:.2f} points) for a "
        f"significant difference at 5%; in the most favourable case, where it makes every error of the proposed model, {best} ({100 * best / n:.2f} points). Of the "
        f"paper's {whole['gaps']} gaps {whole['always']} ({whole['always'] / whole['gaps']:.0%}) are significant whatever the overlap, {whole['independent']} if errors "
        f"are independent, and {whole['gaps'] - whole['best']} are not significant at any overlap (mid-p)."
    )
    if len(shares):
        other = shares["place"] == "Table 6"
        kinds = [
            f"{part['share'].mean():.0%} {where} ({many(len(part), 'row')}: {part['share'].min():.0%} to {part['share'].max():.0%}), at which "
            f"{paired_tests.smallest_gap(right, n, part['share'].mean())} images are needed"
            for where, part in (("with the same backbones", shares[~other]), ("with others", shares[other]))
            if len(part)
        ]
        which = "Each gap" if whole["measured"] == whole["gaps"] else f"{whole['measured']} gaps, each"
        said += (
            f" In the runs behind this page a rival makes, of the proposed model's errors, on average {'; '.join(kinds)}. {which} at its table's overlap: "
            f"{whole['at_overlap']} are significant."
        )
    return said + (
        " Images of one patient resemble each other, so the true number of independent images is smaller and all this is on the generous side. Averaging over seeds does "
        "not add test images."
    )


def _needs(lines: pd.DataFrame, test_to_train: float = 0.0) -> list[int | None]:
    """Runs that each gap needs at its own spread (`paired_tests.runs_needed`)."""
    return [paired_tests.runs_needed(r.gap, r.sd, test_to_train) for r in lines.itertuples()]


def _or_more(needs: list[int | None]) -> str:
    return "more runs than anybody makes" if None in needs else f"{max(needs)} runs or more"


def backwards_said(lines: pd.DataFrame, runs: Sequence[int], test_to_train: float) -> str:
    """The claim of Section 5.7 read as one about the spread; lines: with `sd`, measured here (NaN: not)."""
    level, n = paper.published("§5.7", metric="significance level"), headline()[1]
    rivals = lines[lines["place"] == "Table 6"]
    narrow, smallest, middle = rivals["gap"].min(), lines["gap"].min(), runs[len(runs) // 2]
    most = ", ".join(f"{100 * paired_tests.largest_sd(narrow, r):.2f} points with {r} runs" for r in runs)
    said = [
        f"For *all* rows of Table 6, the baselines that Section 5.7 speaks of, the differences may scatter by no more than {most}; for every row of all four tables by no "
        f"more than {100 * paired_tests.largest_sd(smallest, middle):.2f} with {middle}. One test image is {100 / n:.2f} points."
    ]
    if (lines["sd"] > 0).all():
        never = _needs(lines, test_to_train).count(None)
        said.append(
            f"At the spreads measured here, for every printed gap to have p < 0.05 if it is measured exactly as printed (which is a power of about one half), Table 6 takes {_or_more(_needs(rivals))}, all four tables {_or_more(_needs(lines))}. With the corrected test {never} of the {len(lines)} gaps "
            f"{'is' if never == 1 else 'are'} out of reach of any number of runs; its allowance for other splits is a rule of thumb, since these are seeds on one split."
        )
    fewest = claims.common_runs()
    said.append(
        f"The printed accuracies themselves imply repetitions: if every row is a mean of equally many runs on {n} images, there were at least {fewest} (chapter 22). "
        "With as many, the plain t-test finds very small gaps."
    )
    said.append(
        f"Holm's adjustment asks p < {level / len(rivals):.3f} of the smallest of the {len(rivals)} p-values of Table 6. Without it, {len(rivals)} independent comparisons of equal methods find at least one "
        f'"significant" gap in {1 - (1 - level) ** len(rivals):.0%} of studies, and {len(lines)} comparisons in {1 - (1 - level) ** len(lines):.0%}.'
    )
    return "\n\n".join(said)
