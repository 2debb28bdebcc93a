"""Chapter 15's tests of the rows of Tables 4, 5 and 6 against the proposed model, row minus proposed, adjusted by Holm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.evaluation import folds, paired_tests
from gcaf_lib.findings import p_values, words
from gcaf_lib.training import experiments

NAMES = {"t": "Paired t", "corrected": "Corrected t", "mcnemar": "McNemar", "permutation": "Permutation"}
ALONE = "Only this row right : only the proposed right (lowest seed)"
_SAME = "What is computed from the paper's own figures holds all the same."
CAVEAT = {  # by profile: what its runs are too small to say (`words.of_profile`)
    "demo": f"These are phantoms and miniature networks: the p-values above say nothing of patients. {_SAME}",
    "cpu": f"These are miniature networks on small images: their gaps and spreads need not be those of the full networks. {_SAME}",
}


def fold_tests(
    found: p_values.Tables, groups: np.ndarray, pictures: np.ndarray, **options: Any
) -> pd.DataFrame:
    """`p_values.tests` of the seeds that have all five folds, each seed's put together; the corrected t, which needs the ratio of test to
    training part, is the plain one."""
    pooled = {}
    for place, rows in found.items():
        pooled[place] = {row: folds.pool(group, splits.FOLDS) for row, group in rows.items()}
    own = pooled["Table 4"][experiments.PROPOSED_FUSION]
    return p_values.tests(pooled, own, groups, 0.0, pictures=pictures, **options)


def tests_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`p_values.tests` for readers: the difference in points, then each test's p with Holm's in brackets."""
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
            line[name] = "needs two runs" if needs else p_values.p_pair(p, adjusted)
        if frame["picture_p"].notna().any():
            line["Permutation, by picture"] = p_values.p_pair(r.picture_p, r.picture_holm)
        lines.append(line)
    return pd.DataFrame(lines)


def _points(value: float) -> str:
    return words.signed(100 * value)


def verdict_said(frame: pd.DataFrame) -> str:
    """What the tests of `p_values.tests` say after Holm's adjustment, one sentence a table, whatever the outcome."""
    out = []
    for place, part in frame.groupby("place", sort=False):
        known = part[part["seeds"] > 0]
        if known.empty:
            out.append(
                f"{place}: no other row has been trained on this split under this profile, so nothing is tested."
            )
            continue
        worse, level = (
            known[known["difference"] < -p_values.ROUNDING],
            (known["difference"].abs() <= p_values.ROUNDING).sum(),
        )
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
    """What the permutation over patients says of each table on patient-disjoint folds; frame: of `p_values.tests` over five folds,
    sweep: `Chapter.sweep`."""
    out = []
    for place, part in frame.groupby("place", sort=False):
        known = part[part["seeds"] > 0]
        if known.empty:
            out.append(
                f"{place}: no other row has been trained on all folds; `{sweep(p_values.TESTED[place] + '-patients')}` "
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
