"""A stand-in for a run record: what a test gives it, and what a record derives from its labels and probabilities."""

from types import SimpleNamespace

import numpy as np

from gcaf_lib.settings import CLASSES
from gcaf_lib.training.runs import Record


class Told(SimpleNamespace):
    """Takes `labels` and `probabilities` as functions of part (and weights), as a record's are."""

    answers, right = Record.answers, Record.right

    @classmethod
    def of(cls, labels, probs, rows=None, fold=None, classes=CLASSES, **more):
        """One that answers the same in every part and with either weights: of the random split, or of a patient-disjoint fold.

        rows: of its images in the dataset, the first unless given.
        """
        rows = np.arange(len(labels)) if rows is None else rows
        data = SimpleNamespace(fold=fold, classes=classes, protocol="paper" if fold is None else "patients")
        told = {
            "rows": lambda part="test": rows,
            "labels": lambda part="test": labels,
            "probabilities": lambda part="test", which="ema": probs,
        }
        return cls(**told | {"seed": 0, "settings": SimpleNamespace(data=data)} | more)
