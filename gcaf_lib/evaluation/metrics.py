"""Classification metrics: a thin layer over scikit-learn on labels and probabilities.

Throughout, `labels` is (n,) int in 0..K-1 and `probs` is (n, K) float, rows that sum to 1. The predicted
class is the most probable one (the first of equals). K is the width of `probs`; a class without samples
has no AUC and no average precision (NaN), and their macro means run over the others; its precision, recall and F1
count as 0, in the macro means too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from gcaf_lib.evaluation import calibration_measures
from gcaf_lib.evaluation.answers import checked
from gcaf_lib.settings import CLASSES


class Curve(NamedTuple):
    """One curve with its summary: `x`, `y` and `threshold` are (m,); `area` is the AUC or the AP."""

    x: np.ndarray
    y: np.ndarray
    threshold: np.ndarray
    area: float


def class_names(classes: Sequence[str] | None, k: int) -> list[str]:
    """Names of the K classes: the ones given, the dataset's four, or their numbers."""
    names = list(classes) if classes is not None else list(CLASSES) if k == len(CLASSES) else None
    names = [str(i) for i in range(k)] if names is None else names
    if len(names) != k:
        raise ValueError(f"{len(names)} class names for {k} columns of probabilities")
    return names


def confusion(labels, probs) -> np.ndarray:
    """Confusion matrix (K, K): rows are the true class, columns the predicted one (Figure 10b)."""
    labels, probs = checked(labels, probs)
    return sk.confusion_matrix(labels, probs.argmax(1), labels=range(probs.shape[1]))


def report(labels, probs, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """Classification report (Figure 10a): precision, recall, F1 and support of each class, then the macro
    and the weighted mean, then the accuracy (repeated over the row, as scikit-learn prints it)."""
    labels, probs = checked(labels, probs)
    names = class_names(classes, probs.shape[1])
    tree = sk.classification_report(
        labels,
        probs.argmax(1),
        labels=range(len(names)),
        target_names=names,
        output_dict=True,
        zero_division=0,
    )
    accuracy = float(np.mean(labels == probs.argmax(1)))
    tree.pop("micro avg", None)  # stands in place of accuracy when a class is absent
    tree["accuracy"] = dict.fromkeys(("precision", "recall", "f1-score"), accuracy) | {"support": len(labels)}
    frame = pd.DataFrame({row: tree[row] for row in (*names, "macro avg", "weighted avg", "accuracy")}).T
    return frame.rename(columns={"f1-score": "f1"}).astype({"support": int})


def _one_vs_rest(labels, probs, classes, curve, area, mean) -> dict[str, Curve]:
    """Curves by class, of all cells together (micro), and the `mean` of the classes' curves (macro)."""
    labels, probs = checked(labels, probs)
    truth = np.eye(probs.shape[1], dtype=np.int8)[labels]

    def one(y, s) -> Curve:
        return Curve(*curve(y, s), float(area(y, s)))

    out = {
        name: one(truth[:, c], probs[:, c])
        for c, name in enumerate(class_names(classes, probs.shape[1]))
        if 0 < truth[:, c].sum() < len(truth)
    }
    single = list(out.values())
    out["micro"] = one(truth.ravel(), probs.ravel())
    if single:
        x, y = mean(single)
        out["macro"] = Curve(x, y, np.full(len(x), np.nan), float(np.mean([c.area for c in single])))
    return out


def roc(labels, probs, classes: Sequence[str] | None = None) -> dict[str, Curve]:
    """One-vs-rest ROC curves (Figure 11a): x false positive rate, y true positive rate.

    Keys are the classes that have both positives and negatives, `micro` (all cells of the one-hot matrix
    pooled) and `macro` (mean of the classes' curves; its area is the mean of their AUCs).
    """

    def mean(single):
        # lower and upper end of every vertical rise, so that the mean is exact: its area is the mean AUC
        x = np.unique(np.concatenate([c.x for c in single]))
        upper = np.mean([np.interp(x, c.x, c.y) for c in single], axis=0)
        lower = np.mean([np.interp(-x, -c.x[::-1], c.y[::-1]) for c in single], axis=0)
        return np.repeat(x, 2), np.column_stack([lower, upper]).ravel()

    return _one_vs_rest(labels, probs, classes, sk.roc_curve, sk.roc_auc_score, mean)


def precision_recall(labels, probs, classes: Sequence[str] | None = None) -> dict[str, Curve]:
    """One-vs-rest precision-recall curves (Figure 11b): x recall, y precision, area the average precision.

    Keys as for `roc`. Average precision is the step-wise sum (scikit-learn's), not the trapezoid.
    """

    def curve(y, s):
        precision, recall, threshold = sk.precision_recall_curve(y, s)
        return recall, precision, np.r_[threshold, np.inf]

    def mean(single):
        x = np.unique(np.concatenate([c.x for c in single]))[::-1]  # recall falls, as in the single curves
        return x, np.mean([c.y[np.searchsorted(-c.x, -x, side="right") - 1] for c in single], axis=0)

    return _one_vs_rest(labels, probs, classes, curve, sk.average_precision_score, mean)


def summary(labels, probs, classes: Sequence[str] | None = None) -> dict[str, float]:
    """Every scalar metric of the paper's tables and of Section 5, by the names of `paper.published`.

    accuracy, macro_precision, macro_recall, macro_f1, macro_auc, micro_auc, macro_ap, micro_ap, kappa, mcc,
    ece, brier, nll, and precision_, recall_, f1_, auc_ and ap_ of each class. Fractions, not percent.
    """
    labels, probs = checked(labels, probs)
    names = class_names(classes, probs.shape[1])
    predicted = probs.argmax(1)
    lines = report(labels, probs, names)
    areas = {"auc": roc(labels, probs, names), "ap": precision_recall(labels, probs, names)}
    macro = lines.loc["macro avg"]
    out = {
        "accuracy": float(np.mean(labels == predicted)),
        **{f"macro_{m}": float(macro[m]) for m in ("precision", "recall", "f1")},
        **{
            f"{m}_{kind}": c[m].area if m in c else np.nan
            for kind, c in areas.items()
            for m in ("macro", "micro")
        },
        **_agreement(labels, predicted, len(names)),
        "ece": calibration_measures.ece(labels, probs),
        "brier": calibration_measures.brier(labels, probs),
        "nll": calibration_measures.nll(labels, probs),
    }
    for name in names:
        out |= {f"{m}_{name}": float(lines.loc[name, m]) for m in ("precision", "recall", "f1")}
        out |= {f"{kind}_{name}": c[name].area if name in c else np.nan for kind, c in areas.items()}
    return out


def _agreement(labels, predicted, k: int) -> dict[str, float]:
    """Cohen's kappa and the Matthews correlation; both are 0/0 where a single class occurs: NaN. The correlation of one answer
    to images of several classes, 0/0 too, is 0, as in scikit-learn."""
    if len(np.union1d(labels, predicted)) == 1:
        return {"kappa": np.nan, "mcc": np.nan}
    kappa = sk.cohen_kappa_score(labels, predicted, labels=range(k))
    return {"kappa": float(kappa), "mcc": float(sk.matthews_corrcoef(labels, predicted))}
