"""A run's answers image by image, and those of several runs in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.evaluation import worth


def of_run(record: Any, dataset: Any) -> pd.DataFrame:
    """One row a test image of a run: row, file, label, predicted, right, confidence, and p_<class>."""
    probs = record.probabilities()
    columns = {
        "row": record.rows(),
        "file": dataset.frame["file"].to_numpy()[record.rows()],
        "label": record.labels(),
        "predicted": record.answers(),
        "right": record.right(),
        "confidence": probs.max(1),
    }
    return pd.DataFrame(columns | {f"p_{c}": p for c, p in zip(record.settings.data.classes, probs.T)})


def joined_answers(records: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """labels (n,), probabilities (n, K) and rows (n,) of the test parts, end to end."""
    answers = [worth.answers(r) for r in records]
    rows, labels, probs = (np.concatenate(part) for part in list(zip(*answers))[:3])
    return labels, probs, rows
