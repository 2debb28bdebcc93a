"""The floors by name, and how far the model lies ahead of the better look-up on the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.evaluation import bootstrap, intervals, worth
from gcaf_lib.findings import accuracies

FLOOR_NAMES = {
    "1nn": "1-NN on pixels",
    "1nn-mirror": "1-NN, mirror-aware",
    "size": "file size and mode",
    "border": "image border",
    "masked": "tumour masked out",
}
LOOK_UPS = (FLOOR_NAMES["1nn"], FLOOR_NAMES["1nn-mirror"])
# accuracy minus that of the better look-up on the same images: by file, by picture
AHEAD = (("ahead", "ahead_low", "ahead_high"), ("picture_ahead", "picture_ahead_low", "picture_ahead_high"))
BETTER = ("look_up", "picture_look_up")  # the look-up that `AHEAD` is beside


def look_up(frame: pd.DataFrame, protocol: str) -> pd.Series:
    """Accuracy on a split of the better of `LOOK_UPS`: by file and by picture, each of the one that is better so."""
    own = frame[frame["method"].isin(LOOK_UPS) & (frame["protocol"] == protocol)]
    return pd.concat(
        [
            own.loc[own[three[0]].idxmax(), list(three)]
            for three in (accuracies.SCORES["accuracy"], accuracies.PICTURE_COLUMNS["accuracy"])
        ]
    )


def fallen(frame: pd.DataFrame) -> bool:
    """Whether every look-up's interval on patient-disjoint folds lies below its interval on the random split."""
    score = frame.set_index(["method", "protocol"])
    return all(score.high[name, "patients"] < score.low[name, "paper"] for name in LOOK_UPS)


def ahead(
    records: Sequence[Any],
    protocol: str,
    said: Mapping[tuple[str, str], bootstrap.Answers],
    clusters: np.ndarray,
    pictures: np.ndarray,
) -> dict[str, float | str]:
    """`AHEAD` and `BETTER` of some runs on a split, beside the better of the look-ups whose answers there are known; else nothing."""
    own, place = worth.answers_by_seed(records), splits.FIVEFOLD if protocol == "patients" else protocol
    tested, out = np.concatenate([part.rows for part in own[0]]), {}
    others = {
        floor: [[accuracies.answers_to(one, tested)]]
        for (floor, split), one in said.items()
        if split == place
    }
    for names, better, weights in zip(AHEAD, BETTER, (None, pictures)) if others else ():
        leads = {
            floor: worth.minus(own, other, clusters, pictures=weights)["accuracy"]
            for floor, other in others.items()
        }
        least = min(leads, key=lambda floor: leads[floor].value)
        out |= dict(zip(names, accuracies.value_and_ends(leads[least]))) | {better: FLOOR_NAMES[least]}
    return out


def leads(line: Any) -> list[intervals.Interval]:
    """`AHEAD` of a line of `ladder.scores_by_split`: by file and by picture."""
    return [intervals.Interval(*line[list(three)]) for three in AHEAD]
