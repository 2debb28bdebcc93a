"""Metrics: closed forms, invariants, and agreement with scikit-learn's own multi-class entry points."""

import numpy as np
import pytest
from sklearn import metrics as sk

from gcaf_lib.evaluation import metrics
from gcaf_lib.paper import published as paper

LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def sample(n=300, k=4, seed=0, skill=1.5):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    return labels, softmax(rng.normal(size=(n, k)) + skill * np.eye(k)[labels])


def test_confusion_and_report_by_hand():
    predicted = np.array([0, 0, 1, 1, 1, 2, 2, 2, 0, 3])
    probs = np.eye(4)[predicted]
    expected = [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 3, 0], [0, 0, 0, 1]]
    assert metrics.confusion(LABELS, probs).tolist() == expected
    lines = metrics.report(LABELS, probs)
    assert lines.loc["glioma", ["precision", "recall", "f1"]].tolist() == pytest.approx([2 / 3] * 3)
    assert lines.loc["notumor", ["precision", "recall"]].tolist() == [1, 0.75]
    assert lines.loc["accuracy", "precision"] == 0.8 and lines.support.tolist() == [3, 2, 4, 1, 10, 10, 10]
    assert list(lines.index[-3:]) == ["macro avg", "weighted avg", "accuracy"]


def test_summary_agrees_with_scikit_learn():
    labels, probs = sample()
    got, predicted = metrics.summary(labels, probs), probs.argmax(1)
    truth = np.eye(4)[labels]
    expected = {
        "accuracy": sk.accuracy_score(labels, predicted),
        "macro_f1": sk.f1_score(labels, predicted, average="macro"),
        "macro_auc": sk.roc_auc_score(labels, probs, multi_class="ovr", average="macro"),
        "micro_auc": sk.roc_auc_score(labels, probs, multi_class="ovr", average="micro"),
        "macro_ap": sk.average_precision_score(truth, probs, average="macro"),
        "micro_ap": sk.average_precision_score(truth, probs, average="micro"),
        "kappa": sk.cohen_kappa_score(labels, predicted),
        "mcc": sk.matthews_corrcoef(labels, predicted),
        "auc_pituitary": sk.roc_auc_score(labels == 3, probs[:, 3]),
    }
    assert {k: got[k] for k in expected} == pytest.approx(expected)
    # every published metric has a measured one of its name
    for place in ("§5.4", "§5.5", "Table 4", "Table 5", "Table 6", "Table 7", "Abstract"):
        names = {f.metric for f in paper.find(place)} - {"images"}
        assert names <= set(got)


@pytest.mark.parametrize("seed", range(3))
def test_macro_curves_have_the_mean_area(seed):
    labels, probs = sample(seed=seed, n=80)
    probs = np.round(probs, 1) + 1e-9  # ties, so that the curves have slopes as well as steps
    probs /= probs.sum(1, keepdims=True)
    curves = metrics.roc(labels, probs)
    assert set(curves) == {"glioma", "meningioma", "notumor", "pituitary", "micro", "macro"}
    assert np.trapezoid(curves["macro"].y, curves["macro"].x) == pytest.approx(curves["macro"].area)
    assert np.trapezoid(curves["micro"].y, curves["micro"].x) == pytest.approx(curves["micro"].area)
    curves = metrics.precision_recall(labels, probs)
    for c in curves.values():
        assert -np.sum(np.diff(c.x) * c.y[:-1]) == pytest.approx(c.area)
        assert len(c.x) == len(c.y) == len(c.threshold)


def test_perfect_and_constant_predictions():
    perfect = metrics.summary(LABELS, np.eye(4)[LABELS])
    assert all(perfect[m] == 1 for m in ("accuracy", "macro_f1", "macro_auc", "micro_ap", "kappa", "mcc"))
    assert perfect["ece"] == perfect["brier"] == 0 and perfect["nll"] == pytest.approx(0, abs=1e-9)
    flat = metrics.summary(LABELS, np.full((10, 4), 0.25))
    assert flat["accuracy"] == 0.3 and flat["macro_auc"] == 0.5 and flat["kappa"] == flat["mcc"] == 0
    assert flat["nll"] == pytest.approx(np.log(4)) and flat["brier"] == pytest.approx(0.75)
    assert flat["macro_ap"] == pytest.approx(0.25) and flat["ece"] == pytest.approx(0.05)


def test_absent_class_is_nan_and_left_out_of_the_means_or_counts_as_0():
    labels, probs = sample(60)
    keep = labels != 3
    got = metrics.summary(labels[keep], probs[keep])
    assert np.isnan(got["auc_pituitary"]) and np.isnan(got["ap_pituitary"])
    assert got["macro_auc"] == pytest.approx(np.mean([got[f"auc_{c}"] for c in metrics.CLASSES[:3]]))
    for name in ("precision", "recall", "f1"):  # 0, and counted
        assert got[f"{name}_pituitary"] == 0
        assert got[f"macro_{name}"] == pytest.approx(np.mean([got[f"{name}_{c}"] for c in metrics.CLASSES]))
    single = metrics.summary(np.zeros(5, int), np.eye(4)[np.zeros(5, int)])
    assert np.isnan(single["kappa"]) and single["accuracy"] == 1 and np.isnan(single["macro_auc"])


def test_float32_probabilities_and_other_class_counts():
    labels, probs = sample(k=3)
    got = metrics.summary(labels, probs.astype(np.float32), ("a", "b", "c"))
    assert got["nll"] == pytest.approx(metrics.summary(labels, probs, ("a", "b", "c"))["nll"], abs=1e-6)
    assert "auc_c" in got and "auc_2" in metrics.summary(labels, probs)


@pytest.mark.parametrize(
    "labels, probs, message",
    [
        ([0, 1], np.eye(3), "same n"),
        ([], np.zeros((0, 4)), "no samples"),
        ([0, 4], np.full((2, 4), 0.25), "from 0 to 3"),
        ([0.5, 1.0], np.full((2, 4), 0.25), "integers"),
        ([0, 1], np.full((2, 4), 0.3), "sum to 1"),
        ([0, 1], np.full((2, 4), np.nan), "finite"),
    ],
)
def test_bad_input_is_named(labels, probs, message):
    with pytest.raises(ValueError, match=message):
        metrics.summary(labels, probs)
