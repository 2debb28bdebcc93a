"""A trained model on images from elsewhere: recall by class, confusion and confidence, intervals over cases.

    table = outside.find_copies(outside.read(place))    # `data.outside`
    for found in score(records, table):                 # copies of this dataset's images are left out
        found.recall, found.confusion, found.left_out

Never one pooled accuracy: elsewhere the class and the source of an image are usually the same thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from gcaf_lib.data import medical, preprocess
from gcaf_lib.data.dataset import DataError
from gcaf_lib.evaluation import clustered
from gcaf_lib.machine import cores
from gcaf_lib.training import environment, remaking, runs

RECALL = ("class", "images", "cases", "right", "recall", "low", "high", "confidence", "confidence_wrong")
BLOCK = 256  # images held at a time: 39 MB at 224 pixels


@dataclass(frozen=True)
class Scored:
    """What one run said. table: the images that were asked, with answer and confidence; recall: `RECALL`, a row a class.

    confusion: images by class (rows) and answer (columns, the run's classes); left_out: copies, and images of a class
    that the run doesn't know.
    """

    run: str
    weights: str
    table: pd.DataFrame
    recall: pd.DataFrame
    confusion: pd.DataFrame
    left_out: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        rows = self.recall.astype(object).where(self.recall.notna(), None)
        return {
            "run": self.run,
            "weights": self.weights,
            "left_out": self.left_out,
            "classes": rows.to_dict("records"),
            "confusion": self.confusion.to_dict("index"),
        }


def demand(records: Sequence[runs.Record], which: str = "ema") -> None:
    """Raise `RunError` for a run without a classifier or without sound weights here, before minutes are spent."""
    for record in records:
        record.demand_classifier()
        remaking.demand_weights(record, which)
    environment.open_backend()
    from gcaf_lib.training import train

    for record in records:
        train.load_model(record, which)


def score(
    records: Sequence[runs.Record], table: pd.DataFrame, which: str = "ema", progress: bool = True
) -> list[Scored]:
    """Each run on the images of `table` (`data.outside`) that are no copies and whose class it knows.

    Raises `RunError` for a run without a classifier or without its weights here, `DataError` where no image is left.
    """
    for record in records:
        record.demand_classifier()
    copy = table["copy_of"] != ""
    own = table[~copy].reset_index(drop=True)
    if own.empty:
        raise DataError(
            f"all {len(table):,} images are copies of this dataset's: there is nothing to score a model on"
        )
    out = []
    for record, p in zip(records, probabilities(records, own["path"], which, progress)):
        classes = record.settings.data.classes
        told = answered(own, p, classes)
        asked = told["class"].isin(classes)
        left_out = {"copies": int(copy.sum()), "classes": int((~asked).sum())}
        told = told[asked].reset_index(drop=True)
        out.append(Scored(record.key, which, told, recall(told), confusion(told, classes), left_out))
    return out


def probabilities(
    records: Sequence[runs.Record], paths: Sequence[Any], which: str = "ema", progress: bool = True
) -> list[np.ndarray]:
    """Class probabilities (n, K) of image files by each run, prepared as its own images were (Eqs 1, 2)."""
    from gcaf_lib.training import loop, train

    models = [train.load_model(record, which) for record in records]
    paths, out = list(paths), [[] for _ in records]
    bar = tqdm(total=len(paths), desc="scoring", unit="img", disable=None if progress else True)
    with bar, ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(paths), BLOCK):
            part, ready = paths[start : start + BLOCK], {}
            for parts, record, model in zip(out, records, models):
                chosen = record.settings.data
                key = preprocess.key("", chosen)  # runs that prepare images alike share them
                if key not in ready:
                    ready[key] = np.stack(list(pool.map(lambda p, c=chosen: medical.prepared(p, c), part)))
                parts.append(loop.probabilities(model, ready[key], np.arange(len(part)), 64))
            bar.update(len(part))
    return [np.concatenate(parts) for parts in out]


def answered(table: pd.DataFrame, p: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """A table of images with what probabilities (n, K) come to: answer, the name of a class, and confidence."""
    return table.assign(answer=np.array(classes)[p.argmax(1)], confidence=p.max(1))


def recall(told: pd.DataFrame) -> pd.DataFrame:
    """`RECALL` of told (class, case, answer, confidence), in the order of the classes' names.

    confidence: mean probability of the answer; confidence_wrong: of the wrong ones (NaN where there is none).
    """
    rows = []
    for name, part in told.groupby("class"):
        right = (part["answer"] == name).to_numpy()
        value, low, high = clustered.share(right, part["case"])
        wrong = part.loc[~right, "confidence"].mean()
        rows.append(
            (name, len(part), part["case"].nunique(), int(right.sum()), value, low, high,
             part["confidence"].mean(), wrong)
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(RECALL))


def confusion(told: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Images by class (rows, those there are) and answer (columns: all `classes`)."""
    return pd.crosstab(told["class"], told["answer"]).reindex(columns=list(classes), fill_value=0)
