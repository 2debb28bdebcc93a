"""DeLong's tests of each class's AUC between the rows of Table 4 and the proposed model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import intervals, paired_tests
from gcaf_lib.findings import p_values, words


def auc_tests(found: p_values.Tables, reference: Sequence[Any]) -> pd.DataFrame:
    """DeLong's tests of each class's AUC in Table 4, first common seed: row, seed, class, first (row), second (proposed),
    p, holm.

    The adjustment runs over all rows and classes of the table. Empty where no row has been trained.
    """
    base, frames = p_values.method(reference), []
    classes = reference[0].settings.data.classes if reference else None
    for row, runs in p_values.rival_runs("table-4", found.get("Table 4", {})).items():
        for seed in paired_tests.common_seeds(runs, base)[:1]:
            frames.append(paired_tests.aucs(runs[seed], base[seed], classes).assign(row=row, seed=seed))
    if not frames:
        return pd.DataFrame(columns=["row", "seed", "class", "first", "second", "p", "holm"])
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(holm=intervals.holm(frame["p"]))


def auc_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`auc_tests` for readers: one line a row, one column a class: difference, p, Holm's p."""
    lines = []
    for row, part in frame.groupby("row", sort=False):
        line = {"Row": row, "Seed": int(part["seed"].iloc[0])}
        for _, r in part.iterrows():
            change = words.signed(r["first"] - r["second"], 4)
            line[CLASS_NAMES.get(r["class"], r["class"])] = (
                f"{change}, p = {p_values.p_pair(r['p'], r['holm'])}"
            )
        lines.append(line)
    return pd.DataFrame(lines or [{"Row": names.ABSENT, "Seed": "–"}])


def auc_verdict_said(frame: pd.DataFrame) -> str:
    """How many AUC differences stand after the adjustment; frame: of `auc_tests`."""
    if frame.empty:
        return "No other row of Table 4 has been trained on this split under this profile yet."
    hits = frame[frame["holm"] < paired_tests.ALPHA]
    favour = f", {(hits['first'] < hits['second']).sum()} of them in favour of the proposed fusion"
    return f"{len(hits)} of {len(frame)} differences stand after the adjustment{favour if len(hits) else ''}."
