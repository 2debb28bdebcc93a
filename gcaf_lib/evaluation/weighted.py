"""Every scalar metric of `metrics.summary` on many reweighted copies of the samples at once.

A bootstrap sample is a vector of weights (how often each sample was drawn). Working on the weights instead
of on copied samples turns thousands of calls into a few matrix products and cumulative sums.

`weights` is (B, n), not negative; every function made here maps it to (B,). Where a metric is undefined
(no positives of a class were drawn), the value is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from gcaf_lib.evaluation import calibration_measures
from gcaf_lib.evaluation.answers import checked
from gcaf_lib.evaluation.clustered import ratio
from gcaf_lib.evaluation.metrics import class_names

Weighted = Callable[[np.ndarray], np.ndarray]
PLAIN = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "kappa", "mcc", "macro_auc", "micro_auc")
PLAIN += ("macro_ap", "micro_ap", "ece", "brier", "nll")
BINNED = ("ece", "mass", "classwise", "classwise_mass")  # calibration errors, bins of equal width or mass
MORE = (*BINNED[1:], "excess")  # beyond `metrics.summary`; excess: mean confidence − accuracy
PER_CLASS = ("precision", "recall", "f1", "auc", "ap")


class Sums(NamedTuple):
    """A metric to which the weights matter through sums over the samples alone: all but AUC (`Pairs`) and average precision (`Ranks`).

    Samples that are always drawn together can then be summed once, before any weights are known (`worth`). each
    (n, m): what is summed of each sample; of: the metric (B,) of the sums (B, m).
    """

    each: np.ndarray | sparse.csr_array
    of: Callable[[np.ndarray], np.ndarray]

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        return self.of(weights @ self.each)

    def of_groups(self, drawn: sparse.csr_array) -> Weighted:
        """The same as a function of how often groups are drawn, (B, groups). drawn: (n, groups), what that adds to each weight."""
        return self._replace(each=drawn.T @ self.each)


class Pairs(NamedTuple):
    """AUC: the share of pairs (positive, negative) in which the positive scores higher; equal scores count half.

    The weights matter through sums over pairs, so that those of samples always drawn together are summed once, too.
    positive (p,), negative (q,): sample of each score, of the negatives from the lowest score up; below, upto (p,): how
    many negatives score less than a positive, and at most as much.
    """

    positive: np.ndarray
    negative: np.ndarray
    below: np.ndarray
    upto: np.ndarray

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        own, lost = weights[:, self.positive], _running(weights[:, self.negative])
        won = (own * (lost[:, self.below] + lost[:, self.upto])).sum(1) / 2
        return ratio(won, own.sum(1) * lost[:, -1])

    def of_groups(self, drawn: sparse.csr_array) -> Weighted:
        """As of `Sums`."""
        here = np.unique(drawn.indices)  # the groups that have a sample
        own, lost = (drawn[at][:, here] for at in (self.positive, self.negative))
        lost = _running(lost.T.toarray())
        won = own.T @ (lost[:, self.below] + lost[:, self.upto]).T / 2  # (groups, groups)
        positives, negatives = own.sum(0), lost[:, -1]

        def value(times: np.ndarray) -> np.ndarray:
            known = times[:, here]
            return ratio(((known @ won) * known).sum(1), (known @ positives) * (known @ negatives))

        return value


class Ranks(NamedTuple):
    """Average precision: the mean over the positives of the precision among all that score at least as high.

    positive (p,), negative (q,): sample of each score, from the highest score down; right (p,): how many positives score
    at least as high as a positive; rank (q,): how many positives score higher than a negative.
    """

    positive: np.ndarray
    negative: np.ndarray
    right: np.ndarray
    rank: np.ndarray

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        return self.of_groups(sparse.eye_array(weights.shape[1], format="csr"))(weights)

    def of_groups(self, drawn: sparse.csr_array) -> Weighted:
        """As of `Sums`: negatives between two positives are summed once."""
        size = len(self.positive) + 1, len(self.negative)
        between = sparse.csr_array((np.ones(size[1]), (self.rank, np.arange(size[1]))), size)
        positives, negatives = drawn[self.positive].T, (between @ drawn[self.negative]).T

        def value(times: np.ndarray) -> np.ndarray:
            own, wrong = times @ positives, np.cumsum(times @ negatives, axis=1)
            right = _running(own)[:, self.right]
            area = (own * ratio(right, right + wrong[:, :-1], 0)).sum(1)
            # as in `metrics`: a class needs positives and negatives
            return ratio(area, np.where(wrong[:, -1] > 0, own.sum(1), 0))

        return value


class Means(NamedTuple):
    """Mean of the AUC or average precision of some classes, where they are defined."""

    each: Sequence[Weighted]

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        return mean_of_known(np.stack([one(weights) for one in self.each], axis=1))

    def of_groups(self, drawn: sparse.csr_array) -> Weighted:
        """As of `Sums`."""
        return Means([one.of_groups(drawn) for one in self.each])


def metric(
    name: str,
    labels,
    probs,
    classes: Sequence[str] | None = None,
    over: Sequence[int] | None = None,
    subsets: np.ndarray | None = None,
) -> Weighted:
    """The function of weights for a metric named as in `metrics.summary` (`macro_auc`, …), or one of `MORE`.

    over: numbers of the classes that macro means run over (default: all K columns). Bins are those of the whole sample:
    the edges of equal-mass bins don't move with the weights. Rows of probs are taken as they are (`worth.answers` has them sum to 1). subsets (R, n) bool: calibration errors, which chance
    makes larger the fewer images there are, are the mean of those of R parts of the sample. Raises `ValueError` naming the metrics.
    """
    labels, probs = checked(labels, probs)
    k, truth = probs.shape[1], np.eye(probs.shape[1], dtype=bool)[labels]
    names, over = class_names(classes, k), range(k) if over is None else over
    head, _, rest = name.partition("_")
    c = names.index(rest) if head in PER_CLASS and rest in names else None
    if name not in PLAIN + MORE and c is None:
        known = ", ".join([*PLAIN, *MORE, *(f"{m}_<class>" for m in PER_CLASS)])
        raise ValueError(f"metric {name!r}: give one of {known} (classes {', '.join(names)}), or a function")
    hit, score = (probs.argmax(1) == labels).astype(float), probs.max(1)
    if name in ("brier", "nll", "excess"):
        each = ((probs - truth) ** 2).sum(1) if name == "brier" else score - hit
        if name == "nll":
            each = -np.log(np.clip(probs[np.arange(len(labels)), labels], calibration_measures.TINY, 1))
        return Sums(np.stack([each, np.ones(len(each))], axis=1), lambda sums: sums[:, 0] / sums[:, 1])
    if name in BINNED:
        pairs = [(hit, score)] if "classwise" not in name else [(truth[:, i], probs[:, i]) for i in over]
        subsets = np.ones((1, len(labels)), bool) if subsets is None else subsets
        return _calibration([_gaps(*pair, name.endswith("mass"), subsets) for pair in pairs], subsets)
    if "auc" in name or name.endswith("_ap") or head == "ap":
        area = _auc if "auc" in name else _ap
        row = np.arange(len(labels))
        if head == "micro":
            return area(truth.ravel(), probs.ravel(), np.repeat(row, k))
        return Means([area(truth[:, i], probs[:, i], row) for i in (over if c is None else [c])])
    cells = np.eye(k * k)[labels * k + probs.argmax(1)]
    which = list(over) if c is None else [c]
    what = name if c is None else head
    return Sums(cells, lambda sums: _from_confusion(sums.reshape(-1, k, k), what, which))


def _gaps(hit: np.ndarray, score: np.ndarray, equal_mass: bool, subsets: np.ndarray) -> sparse.csr_array:
    """(n, R · bins): the hit − score of each row of the sample, in its bin of each subset (R, n) that it is in."""
    number = calibration_measures.bin_numbers(score, calibration_measures.BINS, equal_mass)
    subset, row = np.nonzero(subsets)
    place = row, subset * calibration_measures.BINS + number[row]
    return sparse.csr_array(
        ((hit - score)[row], place), (len(score), len(subsets) * calibration_measures.BINS)
    )


def _calibration(gaps: Sequence[sparse.csr_array], subsets: np.ndarray) -> Sums:
    """Mean over subsets (R, n) of Σ_bins |Σ w · gap| / Σ w, itself the mean over `_gaps`."""

    def value(sums: np.ndarray) -> np.ndarray:
        within, total = np.split(sums, [sums.shape[1] - len(subsets)], axis=1)
        error = np.abs(within).reshape(len(sums), len(gaps), len(subsets), -1).sum(3).mean(1)
        return mean_of_known(ratio(error, total))

    return Sums(sparse.hstack([*gaps, sparse.csr_array(subsets.T.astype(float))], format="csr"), value)


def mean_of_known(columns: np.ndarray) -> np.ndarray:
    """Mean (B,) over the columns of (B, m) that are defined (classes, folds, seeds); NaN where none is."""
    known = ~np.isnan(columns)
    return ratio(np.where(known, columns, 0).sum(1), known.sum(1))


def _auc(truth: np.ndarray, score: np.ndarray, row: np.ndarray) -> Pairs:
    """row: the sample of each score, for scores of several classes of one sample."""
    negative = np.flatnonzero(~truth)[np.argsort(score[~truth], kind="stable")]
    below, upto = (np.searchsorted(score[negative], score[truth], side) for side in ("left", "right"))
    return Pairs(row[truth], row[negative], below, upto)


def _ap(truth: np.ndarray, score: np.ndarray, row: np.ndarray) -> Ranks:
    """Arguments as for `_auc`."""
    falling = np.argsort(-score, kind="stable")
    positive, negative = falling[truth[falling]], falling[~truth[falling]]
    right = np.searchsorted(-score[positive], -score[positive], "right")
    # a negative that scores the same counts with the positive
    rank = np.searchsorted(-score[positive], -score[negative], "left")
    return Ranks(row[positive], row[negative], right, rank)


def _running(w: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, … m columns of (B, m): (B, m + 1) float64."""
    out = np.zeros((len(w), w.shape[1] + 1))
    np.cumsum(w, axis=1, out=out[:, 1:])
    return out


def _from_confusion(c: np.ndarray, name: str, over: Sequence[int]) -> np.ndarray:
    """Metric of confusion matrices (B, K, K), class by class averaged `over` some.

    0/0 is 0 in precision, recall and F1, as in `metrics.report`.
    """
    right, truth, said, n = np.einsum("bii->bi", c), c.sum(2), c.sum(1), c.sum((1, 2))
    if name == "accuracy":
        return right.sum(1) / n
    if name in ("kappa", "mcc"):
        agreed, chance = right.sum(1) * n, (truth * said).sum(1)
        spread = n**2 - chance
        if name == "mcc":
            spread = np.sqrt((n**2 - (said**2).sum(1)) * (n**2 - (truth**2).sum(1)))
        one = ((truth + said) > 0).sum(1) == 1  # a single class drawn and said: 0/0
        return np.where(one, np.nan, ratio(agreed - chance, spread, 0))
    which = name.removeprefix("macro_")
    each = {"precision": (right, said), "recall": (right, truth), "f1": (2 * right, truth + said)}[which]
    return ratio(*each, 0)[:, over].mean(1)
