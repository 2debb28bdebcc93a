"""Copies that were cut out anew, which `data.twins` misses and the splits therefore don't keep together: those known.

recropped.csv holds pairs found by keypoints (SIFT; a similarity by RANSAC) and judged after alignment: `inliers`, keypoints
of one place, and `similarity`, the correlation of local structure where both show something. One file of each
group was searched, tumour-free ones and meningiomas of unknown patients; so there are more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gcaf_lib.data import splits, twins
from gcaf_lib.data.dataset import Dataset
from gcaf_lib.settings import DataSettings

PATH = Path(__file__).with_name("recropped.csv")
GROUPED = ("twins", "patients")  # splits that keep copies together


def read() -> pd.DataFrame:
    """file, other, mirrored (0 or 1), inliers, similarity: one row a pair."""
    return pd.read_csv(PATH)


def pictures(dataset: Dataset) -> np.ndarray:
    """The picture groups (N,) of the splits, joined by the pairs of `read`."""
    known, row = read(), {file: number for number, file in enumerate(dataset.frame["file"])}
    pairs = pd.DataFrame(
        {side: known[name].map(row) for side, name in (("left", "file"), ("right", "other"))}
    )
    own = splits.read("twins", dataset)[0]["group"].to_numpy()
    return twins.join(own, twins.groups(dataset.frame, pairs))


def exposed(dataset: Dataset) -> pd.DataFrame:
    """protocol, images, with_copy: test images, and those of which training holds such a copy; empty for phantoms."""
    if dataset.banner:
        return pd.DataFrame(columns=["protocol", "images", "with_copy"])
    picture, out = pictures(dataset), []
    asked = [(protocol, [None]) for protocol in GROUPED] + [(splits.FIVEFOLD, list(range(splits.FOLDS)))]
    for protocol, folds in asked:
        images = copied = 0
        for fold in folds:
            data = DataSettings(protocol="patients" if fold is not None else protocol, fold=fold)
            part = splits.load(data, dataset)["part"].to_numpy()
            images += int((part == "test").sum())
            copied += int(np.isin(picture[part == "test"], picture[part == "train"]).sum())
        out.append((protocol, images, copied))
    return pd.DataFrame(out, columns=["protocol", "images", "with_copy"])
