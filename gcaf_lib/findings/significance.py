"""Chapter 15's tests of the rows of Tables 4, 5 and 6 against the proposed model, row minus proposed, adjusted by Holm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.evaluation import folds, intervals, paired_tests, units, worth
from gcaf_lib.findings import table_rows, words
from gcaf_lib.paper import published_gaps
from gcaf_lib.training import experiments

# what §5.7 may mean
TESTED = {place: name for place, name in table_rows.TABLES.items() if place != "Table 8"}
NAMES = {"t": "Paired t", "corrected": "Corrected t", "mcnemar": "McNemar", "permutation": "Permutation"}
Tables = Mapping[str, Mapping[str, Sequence[Any]]]  # table ("Table 4") to row to its runs
ROUNDING = 1e-9  # of a difference of two means that are equal
ALONE = "Only this row right : only the proposed right (lowest seed)"
_SAME = "What is computed from the paper's own figures holds all the same."
CAVEAT = {  # by profile: what its runs are too small to say (`words.of_profile`)
    "demo": f"These are phantoms and miniature networks: the p-values above say nothing of patients. {_SAME}",
    "cpu": f"These are miniature networks on small images: their gaps and spreads need not be those of the full networks. {_SAME}",
}


def method(records: Sequence[Any]) -> dict[int, paired_tests.Run]:
    """Run records of one row as `comparing` takes them, by seed."""
    return {r.seed: paired_tests.Run(r.rows(), r.labels(), r.probabilities()) for r in records}


def rivals(experiment: str, found: Mapping[str, Sequence[Any]]) -> dict[str, dict[int, paired_tests.Run]]:
    """Rows of an experiment but the proposed model's own, trained or not, in the experiment's order."""
    own = table_rows.proposed(experiment)
    rows = [row.label for row in experiments.experiment(experiment).rows if row.label not in own]
    return {row: method(found.get(row, ())) for row in rows}


def tests(
    found: Tables,
    reference: Sequence[Any],
    groups: np.ndarray,
    test_to_train: float,
    n: int = intervals.PERMUTATIONS,
    pictures: np.ndarray | None = None,
) -> pd.DataFrame:
    """`paired_tests.table` of every rival of Tables 4, 5 and 6 with the proposed model, and what the paper prints.

    found: table ("Table 4") to `chapter.records` of its experiment; reference: records of the proposed model.
    Columns before those of `paired_tests.compare`: place, row, published (the paper's difference as a fraction,
    NaN for a row that it doesn't have), picture (the difference with each picture weighing 1, where pictures
    (N,) of `units.pictures` are given and the split is a grouped one). Holm's adjustment is over the rows of one table.
    """
    base, frames = method(reference), []
    for place, name in TESTED.items():
        records = found.get(place, {})
        frame = paired_tests.table(base, rivals(name, records), groups, test_to_train, n)
        theirs = published_gaps.published(place).set_index("row")["gap"]
        frame.insert(0, "place", place)
        frame.insert(2, "published", [-theirs.get(row, np.nan) for row in frame["row"]])
        copied = [_by_picture(records.get(row, ()), base, groups, pictures, n) for row in frame["row"]]
        frame.insert(3, "picture", [difference for difference, _ in copied])
        frame["picture_p"] = [p for _, p in copied]
        frame["picture_holm"] = intervals.holm(frame["picture_p"])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def fold_tests(found: Tables, groups: np.ndarray, pictures: np.ndarray, **options: Any) -> pd.DataFrame:
    """`tests` of the seeds that have all five folds, each seed's put together; the corrected t, which needs the ratio of test to
    training part, is the plain one."""
    pooled = {}
    for place, rows in found.items():
        pooled[place] = {row: folds.pool(group, splits.FOLDS) for row, group in rows.items()}
    own = pooled["Table 4"][experiments.PROPOSED_FUSION]
    return tests(pooled, own, groups, 0.0, pictures=pictures, **options)


def _by_picture(records, second, groups, pictures, n: int) -> tuple[float, float]:
    """Difference of records and the method `second` with each picture weighing 1, and the p of its permutation by patient;
    NaN where that is not asked."""
    first = method(records)
    seeds = paired_tests.shared(first, second)
    if pictures is None or not seeds or not worth.grouped(records):
        return np.nan, np.nan
    rows = first[seeds[0]].rows
    weight = even_weights(rows, pictures)
    hits = (np.mean([one[s].right for s in seeds], axis=0) for one in (first, second))
    test = intervals.cluster_permutation(*(weight * hit for hit in hits), groups[rows], n)
    return test.difference, test.p


def even_weights(rows: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Weights (n,) of tested rows, 1 in the mean, with which each picture weighs the same."""
    weight = units.picture_weights(rows, pictures)
    return weight / weight.mean()


def tests_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`tests` for readers: the difference in points, then each test's p with Holm's in brackets."""
    lines = []
    for r in frame.itertuples():
        line = {"Table": r.place.removeprefix("Table "), "Row": r.row, "n": r.seeds}
        line["The paper"] = _points(r.published)
        measured = words.beside(_points(r.difference), r.picture, _points)
        line["Measured"] = measured if r.seeds else names.ABSENT
        line[ALONE] = f"{r.only_first:.0f} : {r.only_second:.0f}" if r.seeds else "–"
        for test, name in NAMES.items():
            p, adjusted = getattr(r, f"{test}_p"), getattr(r, f"{test}_holm")
            needs = test in ("t", "corrected") and r.seeds == 1
            line[name] = "needs two runs" if needs else p_pair(p, adjusted)
        if frame["picture_p"].notna().any():
            line["Permutation, by picture"] = p_pair(r.picture_p, r.picture_holm)
        lines.append(line)
    return pd.DataFrame(lines)


def _points(value: float) -> str:
    return words.signed(100 * value)


def p_pair(p: float, adjusted: float) -> str:
    """`0.031 (0.094)`: a p-value, and Holm's."""
    return f"{p_said(p)} ({p_said(adjusted)})" if np.isfinite(p) else "–"


def p_said(p: float) -> str:
    """A p-value to three decimals, or `< 0.001`."""
    return "–" if not np.isfinite(p) else "< 0.001" if p < 0.0005 else f"{p:.3f}"


def verdict_said(frame: pd.DataFrame) -> str:
    """What the tests of `tests` say after Holm's adjustment, one sentence a table, whatever the outcome."""
    out = []
    for place, part in frame.groupby("place", sort=False):
        known = part[part["seeds"] > 0]
        if known.empty:
            out.append(
                f"{place}: no other row has been trained on this split under this profile, so nothing is tested."
            )
            continue
        worse, level = known[known["difference"] < -ROUNDING], (known["difference"].abs() <= ROUNDING).sum()
        text = f"{place}: {len(worse)} of {len(known)} trained rows {words.verb(len(worse))} measured below the proposed model"
        text += f", {level} level with it" if level else ""
        many = known[known["seeds"] > 1]
        for test in NAMES:
            group = many if test in ("t", "corrected") else known
            # McNemar is about one seed's two models: which of them is better is a question to that seed
            way = group["only_first"] - group["only_second"] if test == "mcnemar" else group["difference"]
            hit, back = (
                group[(group[f"{test}_holm"] < paired_tests.ALPHA) & (sign * way > 0)] for sign in (-1, 1)
            )
            if group.empty:
                continue
            text += f"; {NAMES[test]}: {len(hit)} of {len(group)} significantly worse"
            text += f", {len(back)} significantly better" if len(back) else ""
        out.append(text + ("." if len(many) else "; the t-tests need a second run."))
    return "\n".join(f"- {line}" for line in out)


def by_patient_said(frame: pd.DataFrame, sweep: Callable[[str], str]) -> str:
    """What the permutation over patients says of each table on patient-disjoint folds; frame: of `tests` over five folds,
    sweep: `Chapter.sweep`."""
    out = []
    for place, part in frame.groupby("place", sort=False):
        known = part[part["seeds"] > 0]
        if known.empty:
            out.append(
                f"{place}: no other row has been trained on all folds; `{sweep(TESTED[place] + '-patients')}` "
                "does it."
            )
            continue
        said = []
        for words_, test, value in (("", "permutation", "difference"), ("by picture ", "picture", "picture")):
            if known[f"{test}_holm"].isna().all():
                continue  # not asked
            hit = known[known[f"{test}_holm"] < paired_tests.ALPHA]
            worse, better = hit[hit[value] < 0]["row"], hit[hit[value] > 0]["row"]
            said.append(
                f"{words_}{len(worse)} of {len(known)} significantly worse after Holm's adjustment"
                f"{' (' + ', '.join(worse) + ')' if len(worse) else ''}, better: {', '.join(better) or 'none'}"
            )
        once = ", one training of each" if known["seeds"].max() == 1 else ""
        missing = ", ".join(part.loc[part["seeds"] == 0, "row"])
        out.append(
            f"{place}: on {int(known['images'].max()):,} images, these trained models{once}: {'; '.join(said)}."
            + (f" Not trained: {missing}." if missing else "")
        )
    return "\n".join(f"- {line}" for line in out)
