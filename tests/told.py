"""A stand-in for a run record: what a test gives it, and what a record derives from its labels and probabilities."""

from types import SimpleNamespace

from gcaf_lib.training.runs import Record


class Told(SimpleNamespace):
    """Takes `labels` and `probabilities` as functions of part (and weights), as a record's are."""

    answers, right = Record.answers, Record.right
