"""Chapters 20 and 21: how well maps point at the tumour's border, as frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, tumours
from gcaf_lib.findings import image_answers, words

TERCILES = ("small", "middle", "large")
SHARES = ("pointing", "tolerant")  # measures that are yes or no of each image


def scores_and_answers(
    scores: pd.DataFrame, records: Sequence[Any], dataset: Any, images: pd.DataFrame, clusters: np.ndarray
) -> pd.DataFrame:
    """`tumours.read`'s scores with what they are compared by: one row an image, run and map.

    Adds label, group, area, size (tercile of all tumours here), seed, right, predicted. Scores of maps that
    know no model are repeated for every run that saw the image, so that each map has the same rows.
    """
    base = scores[scores["run"] == tumours.NO_RUN]
    parts = []
    for r in records:
        own = scores[scores["run"] == r.key]
        seen = base[base["row"].isin(own["row"])].assign(run=r.key)
        told = image_answers.of_run(r, dataset)[["row", "predicted", "label", "right"]]
        parts.append(pd.concat([own, seen]).assign(seed=r.seed).merge(told, on="row", how="left"))
    out = pd.concat(parts, ignore_index=True)
    out["group"], out["area"] = clusters[out["row"]], images["area"].to_numpy()[out["row"]]
    third = np.searchsorted(tercile_limits(out), out["area"])
    out["size"] = pd.Categorical.from_codes(third, TERCILES, ordered=True)
    classes = records[0].settings.data.classes
    out["class"] = [CLASS_NAMES[classes[k]] for k in out["label"]]
    return out


def mean_scores(frame: pd.DataFrame, by: str | None = None, n: int = 2000) -> pd.DataFrame:
    """map, (by,) measure, mean, low, high, n: means with cluster-bootstrap intervals over patient groups."""
    lines = []
    keys = ["map"] if by is None else ["map", by]
    for key, part in frame.groupby(keys, sort=False, observed=True):
        found = clustered.means(part[list(tumours.MEASURES)], part["group"], n)
        for name, one in zip(tumours.MEASURES, found):
            asked = part.loc[part[name].notna(), "group"]
            one = clustered.believed(one, asked) if name in SHARES else clustered.interval_or_none(one)
            lines.append((*key, name, *one, len(part)))
    return pd.DataFrame(lines, columns=[*keys, "measure", "mean", "low", "high", "n"])


def score_differences(frame: pd.DataFrame, first: str, second: str, n: int = 2000) -> pd.DataFrame:
    """measure, difference, low, high of map `first` minus map `second`, image by image, patients drawn whole.

    No interval (NaN) where all images have the same difference.
    """
    index = ["run", "row"]
    a, b = (frame[frame["map"] == m].set_index(index).sort_index() for m in (first, second))
    d = a[list(tumours.MEASURES)] - b[list(tumours.MEASURES)]
    found = clustered.means(d, a["group"], n)
    lines = [(name, *clustered.interval_or_none(one)) for name, one in zip(tumours.MEASURES, found)]
    return pd.DataFrame(lines, columns=["measure", "difference", "low", "high"])


def wide(frame: pd.DataFrame, by: str | None = None, decimals: int = 3) -> pd.DataFrame:
    """A reader's table of `mean_scores`: maps (and `by`) down, measures across."""
    text = frame.assign(text=words.spans(frame, "mean", decimals))
    keys = ["map"] if by is None else ["map", by]
    out = text.pivot(index=keys, columns="measure", values="text")[list(tumours.MEASURES)]
    counts = frame[frame["measure"] == "iou"].set_index(keys)["n"]
    out = out.reindex(counts.index).rename(columns=names.MEASURE_NAMES).rename_axis(columns=None)
    out = out.assign(Images=counts).reset_index()
    out["map"] = out["map"].map(names.map_name)
    return out.rename(columns={"map": "Map", "size": "Tumour", "class": "Class", "right": "Answer"})


def tercile_limits(frame: pd.DataFrame) -> np.ndarray:
    """The two area shares that part `scores_and_answers`'s tumours into thirds."""
    return np.nanquantile(frame.drop_duplicates("row")["area"], [1 / 3, 2 / 3])


class Maps(NamedTuple):
    """What a page looks at: runs with their maps' scores, and the one map that is spoken of.

    names: maps of the runs in their order; chosen: the one that passes the control and points best there, or None;
    kept: run key to its stored maps (n, h, w) by name; images: `tumours.read_images`.
    """

    runs: list[Any]
    scores: pd.DataFrame
    names: list[str]
    chosen: str | None
    kept: dict[str, dict[str, np.ndarray]]
    images: pd.DataFrame

    @property
    def shown(self) -> str:
        return self.chosen or tumours.FUSED
