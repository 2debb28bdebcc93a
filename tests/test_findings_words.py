"""Sentences of the chapters at their turning points: below, above, undecided, and where nothing was run."""

import itertools
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import preprocess, twins
from gcaf_lib.display import overlays, pictures
from gcaf_lib.evaluation import control
from gcaf_lib.evaluation.intervals import Interval, wilson
from gcaf_lib.evaluation.worth import Worth
from gcaf_lib.findings import (
    acting,
    audit,
    calibration,
    dataset,
    dataset_audited,
    difference_intervals,
    failures,
    fusion,
    fusion_gradients,
    loss,
    mixup,
    model,
    new_patients,
    p_values,
    performance,
    predictions,
    preprocessing,
    sensitivity,
    shortcuts,
    training,
    words,
)
from gcaf_lib.paper import checks
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import CLASSES, PROFILES, DataSettings, TrainingSettings, load
from gcaf_lib.training.loop import Patience
from tests.told import Told

# --- chapters 2 to 5: what the method does by itself ---


def test_normalisations_that_are_the_same_or_wider():
    own = np.array([0.0, 1.0])
    assert "is its native normalisation" in preprocessing.normalisations_said(own, {"a": own + 5e-5})
    wider = preprocessing.normalisations_said(2 * own, {"a": own})
    assert "natively from 0.00 to 1.00" in wider and "with 2.00 times the standard deviation" in wider


@pytest.mark.parametrize(
    ("share", "said"), [(0.81, "of the background"), (0.79, "the head as well"), (0, "the head")]
)
def test_where_clipping_touches(share, said):
    images = np.full((1, 10, 10, 1), 200.0)
    images.ravel()[: round(100 * share)] = 10
    layer = type(
        "Layer", (), {"name": "brightness", "__call__": lambda self, x, training: np.where(x < 100, 0, 255)}
    )()
    assert said in preprocessing.clipping_said([layer], images)
    flip = type("Flip", (), {"name": "flip", "__call__": lambda self, x, training: 1 / 0})()
    assert "0.0% of the values" in preprocessing.clipping_said([flip], images)


def test_the_steps_by_hand_give_the_pixels_of_training_or_not(tmp_path):
    data, image = DataSettings(image_size=32), np.zeros((48, 64, 3), np.uint8)
    image[8:40, 16:48] = np.arange(0, 256, 8, dtype=np.uint8)[:, None, None]
    cv2.imwrite(str(tmp_path / "slice.png"), image)
    by_hand = preprocess.clahe(image, data.clahe_clip, data.clahe_tiles)
    text = preprocessing.same_pixels_said(by_hand, tmp_path / "slice.png", data)
    assert text == (
        f"Clip limit {data.clahe_clip:g}, {data.clahe_tiles} × {data.clahe_tiles} tiles, 64 × 48 pixels to 32 × 32; the same pixels as "
        "`preprocess`: **yes**."
    )
    by_hand[20:30, 20:30] ^= 1  # the last bit of some pixels
    assert preprocessing.same_pixels_said(by_hand, tmp_path / "slice.png", data).endswith(
        "`preprocess`: **no**."
    )


def test_how_far_clip_limits_move_the_heads_grey_levels(monkeypatch):
    """Background that moves a lot doesn't count, and a fall counts like a rise."""
    image = np.zeros((10, 10, 3), np.uint8)
    image[5:] = 100
    image[9] = 120

    def moved(rgb, limit, tiles):
        out = rgb.astype(int) + tiles * int(limit)
        out[9] -= 2 * tiles * int(limit)
        out[:5] = 250
        return out.astype(np.uint8)

    monkeypatch.setattr(preprocessing, "clahe", moved)
    text = preprocessing.clips_said(image, (1, 4), 5)
    assert "by clip limit: 5.0 at 1, 20.0 at 4." in text and text.endswith("the lowest moves 25%.")


class Doing:
    """A layer that adds to every second image, or multiplies; named as Keras's own."""

    __module__ = "keras.layers"

    def __init__(self, name, add=0.0, times=1.0):
        self.name, self.add, self.times = name, add, times

    def __call__(self, images, training):
        out = images.copy()
        out[::2] = images[::2] * self.times + self.add
        return out


def test_what_each_layer_was_seen_to_do():
    layers = [Doing("flip_x", add=1), Doing("brightness", add=-25.5), Doing("contrast", times=0.5)]
    table = preprocessing.augmentations(layers)
    assert table["Layer"].tolist() == ["flip_x", "brightness", "contrast"]
    assert set(table["Class"]) == {"keras Doing"}
    assert table["Measured on 2,000 images"].tolist() == [
        "50.0% of the images flipped",
        "shifted by −0.100 to 0.000 of the range",
        "contrast times 0.500 to 1.000",
    ]


def test_how_far_one_image_dominates_a_mixture():
    """Beta(1, 1) is uniform: the larger weight is above 0.9 in a fifth, 0.75 in the mean; 20,000 draws are close."""
    row = mixup.dominance([1.0]).iloc[0]
    assert row[["α", "one image over 90%", "larger weight, mean"]].tolist() == ["1", "20.0%", "0.750"]
    assert float(row["drawn"].rstrip("%")) == pytest.approx(20, abs=1)
    assert float(row["mean drawn"]) == pytest.approx(0.75, abs=0.005)


def test_which_steps_may_be_swapped_with_mixing():
    """Linear ones: smoothing, normalisation, and a loss that is linear in the label."""
    rng = np.random.default_rng(0)
    images, weights = (
        rng.integers(0, 256, (4, 32, 32, 3)).astype("float32"),
        np.array([0.1, 0.3, 0.6, 0.9], "float32"),
    )
    labels, chosen = np.eye(4, dtype="float32"), load("cpu").loss
    table = mixup.swapped(images, images, labels, weights, chosen, rng).set_index("Swapped with mixing")
    assert table["Commutes"].to_dict() == {
        "label smoothing": "yes",
        "normalisation": "yes",
        "CLAHE": "no",
        "loss, target-probability": "no",
        "loss, per-class": "yes",
    }


def test_where_the_two_readings_of_the_loss_are_one():
    """For hard labels always, with cross-entropy at γ = 0; for smoothed ones the per-class reading alone is."""
    table = loss.beside_cross_entropy(2.0, 0.05, np.random.default_rng(0)).set_index(
        "Compared (γ = 0 unless said)"
    )
    said = table.map(lambda cell: cell.split()[0])
    assert set(said["hard labels"]) == {"equal"}
    assert said["ε = 0.05"].tolist() == ["differ", "equal", "differ", "differ"] and len(table.columns) == 2
    off = loss.beside_cross_entropy(2.0, 0, np.random.default_rng(0))
    assert off.equals(table.reset_index()), "where smoothing is off some labels are smoothed all the same"


def test_a_batch_is_mixed_where_mixup_is_off_too():
    theirs = paper.published("Table 3", metric="training.mixup")
    one, other = (mixup.spread_weights(12, alpha, np.random.default_rng(0)) for alpha in (0, theirs))
    assert (one == other).all() and 0 < one.min() < 0.01 and one.max() < 1


def test_soft_labels_need_mixup_and_other_classes():
    assert mixup.soft_labels_said(0, 32, pd.Series([0, 1])) == "Mixup is off under these settings."
    one = mixup.soft_labels_said(0.2, 32, pd.Series([0, 0, 0]))
    assert "in 0% of the pairs" in one and "about 0% of the training samples" in one
    assert "in 48% of the pairs" in mixup.soft_labels_said(
        0.2, 32, pd.Series([0, 1])
    )  # a half, but an image may meet itself


def test_whose_the_weights_are():
    """Backbones of other profiles have no weights in a column, and what is no weight counts for nothing."""
    size = pd.Series({"input": "224×224×3", "F₁, vgg-a": "7×7×8", "width d": 512, "weights, vgg-a": 1500, "weights, vgg-b": 300,
                      "weights, mini-c": np.nan, "weights, projections": 60, "weights, fusion": 100, "weights, classifier": 40,
                      "weights, whole model": 2000})  # fmt: skip
    text = model.shares_said(size)
    assert "the two backbones hold 1,800 of 2,000 weights (90.0%). The fusion" in text
    assert "has 100 (5.0%)." in text


def test_dead_weights_exact_rounded_and_repaired():
    def weights(variant, dead, largest=0.0):
        return pd.DataFrame(
            {
                "variant": variant,
                "weight": ["query_a/kernel", "gate_a/kernel"],
                "size": [4, 4],
                "largest": [largest, 1.0],
                "dead": [dead, False],
            }
        )

    def all_(dead, **others):
        names = ("gcaf", *fusion_gradients.REPAIRS)
        return pd.concat([weights(name, others.get(name.replace("-", "_"), dead)) for name in names])

    full = SimpleNamespace(
        trainable_weights=[SimpleNamespace(path="fusion/query_a/kernel", shape=(2, 2))],
        count_params=lambda: 8,
    )
    found = all_(False, gcaf=True, gcaf_token=True)
    text = model.dead_said(found, full)
    assert "`query_a` (their gradient is exactly 0)" in text and "4 of the fusion's 8 weights (50%)" in text
    assert text.endswith("Without dead weights: `gcaf-sigmoid`, `gcaf-split`.")
    traced = pd.concat([weights("gcaf", True, 1e-7), found[found["variant"] != "gcaf"]])
    assert "(a trace of rounding: 1e-07" in model.dead_said(traced, full)
    assert "none of the repairs" in model.dead_said(all_(True), full)
    assert model.dead_said(all_(False), full) == "Dead in the reconstruction: none of its weights."
    full.trainable_weights.append(SimpleNamespace(path="fusion/key_a/kernel", shape=(2, 2)))
    assert "4 of the fusion's 8 weights" in model.dead_said(found, full), "the key's are alive"
    counted = model.dead_counts(found)
    assert counted.loc["gcaf"].tolist() == [8, 4] and counted.loc["concat"].tolist() == [0, 0]
    assert model.dead_table(found)["Dead"].tolist() == [True, False]


def test_a_small_gradient_is_one_and_a_trace_of_rounding_is_none():
    largest = pd.Series(
        {"query_a/kernel": 2e-7, "query_b/kernel": 1e-4, "value_a/kernel": 0.4, "value_b/kernel": 20}
    )
    assert fusion_gradients.dead(largest).tolist() == [True, False, False, False]
    assert not fusion_gradients.dead(pd.Series({"gate_a/kernel": 1.0, "gate_a/bias": 1e-3})).any()
    shut = fusion_gradients.dead(pd.Series({"query_a/kernel": 0.0, "value_a/kernel": 0.0, "alpha_a": 1e-9}))
    assert shut.tolist() == [True, True, False], "where the values get nothing, only zero is dead"


def test_a_departure_from_linearity_is_seen():
    x, y = np.ones((2, 3)), np.full((2, 3), 2.0)
    assert "is linear, up to rounding" in model.departure_said(
        model.departure(lambda v: 3 * np.array(v) + 1, x, y)
    )
    assert "is not linear" in model.departure_said(model.departure(np.square, x, y))


def test_the_loss_turns_or_never():
    p = np.array([0.2, 0.5, 0.8])
    text = loss.turning_points_said({"a": np.array([-1.0, -0.1, 0.0]), "b": np.array([-1.0, -0.5, -0.1])}, p)
    assert "**a**: turns at p = 0.800." in text and "**b**: never turns" in text


def test_the_minimiser_is_softer_or_as_the_label():
    target = loss.smoothed(0.05)
    assert target.sum() == pytest.approx(1) and "**less** than the label" in loss.doubt_said(
        {"per-class (14b)": target - 0.01}, target
    )
    assert "about what the label says" in loss.doubt_said({"per-class (14b)": target}, target)


def test_the_claim_on_smoothing_fails_for_the_literal_reading_alone():
    table = loss.claim(2.0, 0.05)
    assert table.set_index("Loss")["Claim"].tolist() == ["does not hold", "holds", "holds"]
    assert "fails" not in loss.claim_said(table) and "for: target-probability (14a)." in loss.claim_said(
        table
    )
    assert loss.claim_said(table.assign(Claim="holds")).startswith("The claim holds for every reading")


@pytest.mark.parametrize(("top", "said"), [(1.49, "nearly balanced"), (1.5, "unbalanced enough")])
def test_class_weights_matter_from_one_half_more(top, said):
    assert said in loss.balance_said(np.array([1.0, top]))


@pytest.mark.parametrize(("adam", "said"), [(0.049, "close to tuning nothing"), (0.05, "does not cancel")])
def test_a_constant_alpha_under_adam(adam, said):
    frame = pd.DataFrame({"optimiser": ["Adam", "gradient descent"], "alpha": 0.25, "moved": [adam, 0.7]})
    text = loss.constant_alpha_said(frame)
    assert said in text and "descent by up to 70%" in text


# --- chapters 6 to 12: what training and its records say ---


def test_where_backbones_start():
    assert "these weights" in training.start_said({"convnext-tiny": []}, load("cpu"))
    assert "`in-domain` weights: no stage 0" in training.start_said({}, load("cpu"))


def test_profiles_beside_table_3():
    lines = training.profiles_said().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(PROFILES)
    assert "- `demo`: Input Size 64×64; EMA Decay 0.95; Epochs (Stage-1 / Stage-2) 6 / 3." in lines
    assert lines[-1] == "- `paper`: every row is the same."
    assert "Learning Rate (Stage-2) 0.0001; EMA Decay 0.99" in lines[-2] and "EMA" not in lines[1]


@pytest.mark.parametrize(
    ("epochs", "said"),
    [
        (
            (9, 5),
            "`stop_patience` 8) can act in neither stage, a lower rate (`plateau_patience` 4) in stage 1",
        ),
        ((10, 6), "`stop_patience` 8) can act in stage 1 alone, a lower rate (`plateau_patience` 4) in both"),
        (
            (5, 10),
            "`stop_patience` 8) can act in stage 2 alone, a lower rate (`plateau_patience` 4) in stage 2",
        ),
        ((10, 10), "8) can act in both stages"),
    ],
)
def test_patience_acts_where_epochs_follow_it(epochs, said):
    """The first epoch is always the best so far; after 8 more a stage stops, which changes something if a tenth was to come."""
    chosen = TrainingSettings(stage1_epochs=epochs[0], stage2_epochs=epochs[1])
    text = training.patience_said(chosen)
    assert said in text and f"With {epochs[0]} epochs in stage 1 and {epochs[1]} in stage 2" in text
    ends, cuts = [], []
    for n in epochs:
        watch = Patience()
        course = [watch.update(1.0, epoch, chosen) for epoch in range(n)]
        ends.append(any(stop for _, stop, _ in course[:-1]))
        cuts.append(any(reduce for *_, reduce in course[:-1]))
    told = {
        (0, 0): "in neither stage",
        (1, 0): "in stage 1 alone",
        (0, 1): "in stage 2 alone",
        (1, 1): "in both",
    }
    assert f"can act {told[tuple(ends)]}" in text and f"4) {told[tuple(cuts)]}" in text


@pytest.mark.parametrize(("hits", "said"), [((5, 5), ": 0.00"), ((4, 5), ": 10.00"), ((5, 4), ": −10.00")])
def test_what_averaging_moved(hits, said):
    def probabilities(part, which):
        right = np.arange(10) < hits[which == "ema"]
        return np.column_stack([right, ~right]).astype(float)

    assert f"averaged minus raw, seed by seed{said} (n = 1) points" in training.moving_averages_said(
        [Told(labels=lambda part: np.zeros(10, int), probabilities=probabilities)]
    )


def converged(stages: int, averaged: float, raw: float) -> SimpleNamespace:
    """A run of one epoch a stage, whose two validation accuracies move by so much in the second."""
    columns = {
        "stage": [1, 2],
        "accuracy": [0.8, 0.9],
        "val_accuracy": [0.7, 0.7 + averaged],
        "val_accuracy_raw": [0.7, 0.7 + raw],
    }
    info = {"stages": [{"stage": k, "best_epoch": 1} for k in range(1, stages + 1)]}
    return SimpleNamespace(history=pd.DataFrame(columns).head(stages), info=info)


def test_convergence_with_and_without_a_second_stage():
    text = training.convergence_said([converged(1, 0, 0)])
    assert "percentages are 80.00 (n = 1) and 70.00" in text and "stage 2" not in text
    text = training.convergence_said([converged(2, -0.05, 0.05)])
    assert "percentages are 90.00 (n = 1) and 75.00" in text
    assert (
        "over 1 seed (Student's t; none for one seed): with averaged weights −5.00, neither a rise nor a fall can be told; "
        "with raw weights +5.00, neither a rise" in text
    )


@pytest.mark.parametrize(
    ("middle", "said"),
    [
        (0.025, "+2.50 (+0.02 to +4.98), a rise"),
        (0.0248, "+2.48 (−0.004 to +4.96), neither a rise nor a fall"),
        (-0.025, "−2.50 (−4.98 to −0.02), a fall"),
        (-0.0248, "−2.48 (−4.96 to +0.004), neither"),
    ],
)
def test_stage_2_moved_accuracy_only_where_the_seeds_tell_it(middle, said):
    """Of three seeds, sd 0.01, the half width of Student's 95% interval is 4.303 × 0.01 / √3 = 0.0248."""
    seeds = middle + np.array([-0.01, 0, 0.01])
    one, other = (
        training.convergence_said([converged(2, **{name: v, rest: 0}) for v in seeds])
        for name, rest in (("averaged", "raw"), ("raw", "averaged"))
    )
    assert f"with averaged weights {said}" in one and "with raw weights 0.00 (0.00 to 0.00), neither" in one
    assert f"with raw weights {said}" in other and "averaged weights' loss" in other


def test_what_share_of_the_weights_stage_2_moves():
    text = training.moving_weights_said({"total": 20_000, "trainable": 5_010, "head": 1_234})
    assert text == (
        "Of 20,000 weights in all, 5,010 (25.1%) move in stage 2; projections, fusion and classifier hold 1,234 of them."
    )


def test_what_mixup_leaves_of_a_training_accuracy():
    """Half of the pairs that are nearly even is what guessing among them costs; drawn, not integrated. One in a batch of 32 meets itself."""
    rng, counts = np.random.default_rng(0), np.array([1297, 1316, 1600, 1405])
    even = np.abs(rng.beta(0.2, 0.2, 1_000_000) - 0.5) < 0.1
    share = 100 * even.mean() * (31 / 32) * (1 - ((counts / counts.sum()) ** 2).sum())
    text = training.ceiling_said()
    said, cost = (float(n) for n in re.findall(r"(\d\.\d)(?:% of the pairs| points)", text))
    assert text.startswith("A training accuracy of 98 to 99% is near") and (said, cost) == (
        pytest.approx(share, abs=0.1),
        pytest.approx(share / 2, abs=0.1),
    )


def test_what_learns_and_what_the_rows_compare():
    found = pd.DataFrame(
        {
            "variant": ["gcaf", "gcaf", "gcaf-split"],
            "weight": ["query_a/kernel", "key_b/kernel", "query_a/kernel"],
            "dead": [True, True, False],
        }
    )
    text = fusion.learns_said(found)
    assert (
        "in `gcaf` query_a, key_b." in text
        and "Every weight learns in `gcaf-sigmoid`, `gcaf-split`, `gcaf-token`." in text
    )
    assert fusion.learns_said(found.assign(dead=False)).startswith("Every weight has a gradient.")
    dead = pd.DataFrame({"variant": fusion_gradients.REPAIRS, "weight": "query_a", "dead": True})
    assert fusion.learns_said(dead).endswith("No repair works.")
    assert fusion.compared_said({"gcaf": 1e-7, "cross": 1e-7}).count("the same up to rounding") == 2
    assert "`gcaf` with and without queries and keys: not the same" in fusion.compared_said(
        {"gcaf": 0.1, "cross": 1e-7}
    )


def test_areas_are_told_beside_what_no_skill_would_give():
    areas = {f"{kind}_{name}": 0.9 for kind in ("auc", "ap") for name in CLASSES} | {"ap_pituitary": 0.8}
    labels = np.repeat(np.arange(4), [1, 2, 3, 4])
    text = performance.areas_said(pd.DataFrame({"mean": areas}), labels, CLASSES)
    assert "By average precision the hardest class here is pituitary (0.8000)" in text
    assert "equal to the share of the class (0.10 to 0.40 here), against 0.5" in text
    alone = performance.areas_said(pd.DataFrame({"mean": areas}), np.zeros(5, int), CLASSES)
    assert "(0.00 to 1.00 here)" in alone, "a class without images has a share, too"


def sure_of(*confidences: float, right: int) -> Told:
    """A run that answers the second of two classes with these confidences, of which the first `right` are right."""
    probs = np.array([(1 - c, c) for c in confidences])
    labels = (np.arange(len(probs)) < right).astype(int)
    return Told.of(labels, probs)


def test_how_sure_right_and_wrong_answers_are():
    """A confidence of 0.9 is not above 0.9; without a wrong answer there is no confidence of wrong ones."""
    text = predictions.confidences_said([sure_of(0.6, 0.8, 0.95, 0.9, 0.7, right=2)])
    assert text == (
        "Mean confidence of right answers: 0.700 (n = 1); of wrong ones: 0.850 (n = 1). Wrong answers per seed: 3.0 (n = 1), of which "
        "with a confidence above 0.9: 1.0 (n = 1)."
    )
    none = sure_of(0.6, 0.8, right=2)
    assert "of wrong ones: –. Wrong answers per seed: 0.0 (n = 1), of which" in predictions.confidences_said(
        [none]
    )
    both = predictions.confidences_said([sure_of(0.6, 0.8, 0.95, right=2), none])
    assert "of wrong ones: 0.950 (n = 1). Wrong answers per seed: 0.5 ± 0.7 (n = 2)" in both


def test_answers_are_drawn_of_each_class_and_mistakes_by_their_confidence():
    frame = pd.DataFrame({"label": [0, 0, 0, 1, 1], "right": [True, True, True, True, False],
                          "confidence": [0.5, 0.6, 0.7, 0.8, 0.9], "p_a": 0.5, "p_b": 0.5})  # fmt: skip
    frame = pd.concat([frame, frame.tail(1).assign(confidence=0.95)], ignore_index=True)
    assert predictions.right_sample(frame)["label"].tolist() == [0, 0, 1], (
        "two of the first, all of the second"
    )
    assert predictions.right_sample(frame)["right"].all() and predictions.mistakes(frame).index.tolist() == [
        5,
        4,
    ]
    assert predictions.mistakes(frame, 1).index.tolist() == [5] and predictions.mistakes(frame.head(4)).empty


def test_a_wrong_answer_says_so_over_its_picture():
    frame = pd.DataFrame({"predicted": [2, 0], "right": [True, False]})
    assert predictions.titles(frame, CLASSES) == ["No tumour", "wrong:\nGlioma"]


def test_a_run_without_maps_is_said_to_keep_none():
    bare = SimpleNamespace(maps=None, settings=load("cpu"))
    assert predictions.cams(bare, pd.DataFrame({"row": [0]})) == {}
    frame = predictions.spreads([bare])
    assert predictions.spreads_text(frame).empty and "keeps no heat maps" in predictions.spreads_said(frame)
    image = np.zeros((8, 8, 3), np.uint8)
    for drawing in (pictures.gradcam_grid([image], None, ["a"]), overlays.gradcam_rows([image], {}, ["a"])):
        assert "keeps no heat maps" in drawing


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (control.PASSES, "on 24% of the pictures: they pass."),
        (control.FAILS, "**they fail, so nothing"),
        (control.SILENT, "says nothing of them, so nothing is concluded"),
    ],
)
def test_chapter_10_says_what_the_control_found(verdict, said):
    judged = pd.DataFrame(
        {
            "projection_norm": [False, True, False],
            "map": ["fused", "fused", "whole"],
            "method": ["grad-cam", "grad-cam", "occlusion"],
            "place": ["after", "after", ""],
            "pointing": [0.24, 0.9, 0.9],
            "verdict": [verdict, "other", control.PASSES],
        }
    )
    assert said in predictions.control_said(judged, False)
    assert "not run for models like these" in predictions.control_said(judged[1:], False)


def test_widest_maps():
    frame = pd.DataFrame({"Glioma": [0.18, 0.22], "No tumour": [0.48, 0.52], "Meningioma": [0.1, 0.1]})
    text = predictions.spreads_said(frame)
    assert "Widest are the maps of no tumour (50.0%), narrowest those of meningioma (10.0%)" in text
    assert "in this order the runs agree with the paper" in text
    assert "the runs don't agree" in predictions.spreads_said(
        frame + {"Glioma": 0.4, "No tumour": 0, "Meningioma": 0}
    )
    one = predictions.spreads_said(frame.head(1) + {"Glioma": 0.299, "No tumour": 0, "Meningioma": 0})
    assert "this is one run, and no order of classes can be told" in one and "agree" not in one
    thin = predictions.spreads_said(frame.assign(Meningioma=[0.1, np.nan]))
    assert "this is one run" in thin, "of one class one run alone has maps"
    assert "no order of classes" in predictions.spreads_said(frame[["No tumour"]])
    tumours = predictions.spreads_said(frame[["Glioma", "Meningioma"]])
    assert "can't be checked" in tumours and "agree" not in tumours


@pytest.mark.parametrize(("gap", "tie"), [(0.029, True), (-0.029, True), (0.031, False)])
def test_the_widest_maps_tie_within_the_larger_spread(gap, tie):
    """Spreads over seeds: 0.03 of glioma, 0.01 of no tumour."""
    free = 0.5 + np.array([-0.01, 0, 0.01])
    glioma = 0.5 - gap + np.array([-0.03, 0, 0.03])
    text = predictions.spreads_said(pd.DataFrame({"Glioma": glioma, "No tumour": free, "Pituitary": 0.3}))
    assert (
        ("as wide within the spread of the seeds" in text) == tie == ("is not what these runs show" in text)
    )
    assert ("the runs agree" in text) != tie and ("pituitary (30.0%) are the narrowest" in text) == tie
    wide = pd.DataFrame({"Glioma": glioma, "Pituitary": glioma, "No tumour": free - 0.3})
    assert "the runs don't agree" in predictions.spreads_said(wide), "tumours tie among themselves"


@pytest.mark.parametrize(
    ("differ", "said"),
    [(1, "1 of 20 counts differs."), (2, "2 of 20 counts differ.")],
)
def test_counts_beside_the_papers(differ, said):
    counts = pd.DataFrame(
        [[1297, 162, 162], [1316, 164, 165], [1600, 200, 200], [1405, 176, 176]],
        ["glioma", "meningioma", "notumor", "pituitary"],
        ["training", "validation", "testing"],
    )
    table = dataset.beside_published(counts, paper.table(2))
    same = dataset.counts_said(table)
    assert same.startswith("No count differs. Of the classes' totals") and "agree by construction" in same
    table.iloc[:differ, 0] = "9 (8)"
    assert dataset.counts_said(table) == said


def similarities(*rows) -> pd.DataFrame:
    """Lines of the audit's `similarity`: kind, left and right end, pairs as they are and mirrored."""
    frame = pd.DataFrame(rows, columns=["kind", "left", "right", *twins.TURNS[:2]])
    return frame.reindex(columns=["kind", "left", "right", *twins.TURNS], fill_value=0)


def test_how_empty_the_histograms_are_at_their_thresholds():
    """Turned pairs count, pairs below the threshold don't; the bin that begins 0.05 above it is no longer near."""
    low, high = dataset_audited.THRESHOLDS["notumor"], dataset_audited.THRESHOLDS["tumour"]
    bins = [
        ("notumor", low - 0.01, low, 5, 5),
        ("notumor", low, low + 0.01, 1, 2),
        ("notumor", low + 0.04, low + 0.05, 4, 0),
        ("notumor", low + 0.05, low + 0.06, 10, 20),
        ("tumour", high, high + 0.01, 0, 0),
    ]
    facts = SimpleNamespace(
        similarity=similarities(*bins), slices=pd.DataFrame({"similarity": [0.98765, 0.99]})
    )
    text = dataset_audited.similarity_thresholds_said(facts)
    assert text == f"Of 37 pairs of tumour-free files at {low:g} or more, 7 lie below {low + 0.05:g}.", (
        "no tumours"
    )
    bar = dataset_audited.THRESHOLDS["slices"]
    bins += [("slices", 0.5, 0.505, 3, 0), ("slices", 0.61, 0.615, 1, 0), ("slices", 0.7, 0.705, 0, 0), ("slices", bar, 1.0, 2, 0)]  # fmt: skip
    facts.similarity = similarities(*bins, ("tumour", high - 0.01, high, 7, 0))
    text = dataset_audited.similarity_thresholds_said(facts)
    assert f"Of 0 pairs of tumour files at {high:g} or more, 0 lie below {high + 0.05:g}." in text
    assert text.endswith(
        f"(correlation of thumbnails at least 0.9876: 2 files) or not: no file lies between 0.62 and {bar:g}."
    )


def test_pairs_stand_beside_the_thresholds_they_were_drawn_at():
    around = pd.DataFrame(
        [("notumor", side, f"{side}{k}", f"{side}{k}'", 0.9 - k / 100) for side in ("above", "below") for k in range(4)],
        columns=["kind", "side", "left", "right", "similarity"],
    )  # fmt: skip
    files, words = dataset_audited.beside_thresholds(SimpleNamespace(around=around), each=2)
    assert files == [["above0", "above0'", "above1", "above1'"], ["below0", "below0'", "below1", "below1'"]]
    assert words[1] == ["below: 0.900", "notumor", "below: 0.890", "notumor"]


def test_what_the_files_sizes_and_modes_are_by_class():
    frame = pd.DataFrame({"label": [0, 0, 1, 2, 3], "width": [5, 5, 5, 6, 7], "height": [5, 5, 5, 5, 5],
                          "mode": ["L", "RGB", "L", "L", "L"]})  # fmt: skip
    table, common = dataset_audited.sizes_and_modes(frame), "5×5"
    assert (
        table.columns[0] == common
        and table[common].tolist() == [1, 1, 0, 0]
        and table["Different sizes"].eq(1).all()
    )
    assert table.loc["glioma", ["mode L", "mode RGB"]].tolist() == [0.5, 0.5]
    text = dataset_audited.sizes_and_modes_text(table)
    assert (
        text[common].tolist() == ["100.00%", "100.00%", "0.00%", "0.00%"] and text["Different sizes"][0] == 1
    )


def test_what_adam_makes_of_a_constant_and_of_class_weights():
    text = sensitivity.walks_said([np.array([0.1, 0.2]), np.array([0.1, 0.2001])], np.array([10, 20, 0, 10]))
    assert "moved by up to 0.200" in text and "differ by 1e-04 at most" in text and text.count("1.20") == 2


# --- chapters 18, 19 and 21 ---


def floor(name, value, protocol="paper", **more):
    return {
        "floor": name,
        "protocol": protocol,
        "accuracy": value,
        "low": value - 0.02,
        "high": value + 0.02,
        "picture": value,
        "picture_low": value - 0.02,
        "picture_high": value + 0.02,
        **more,
    }


@pytest.mark.parametrize(
    ("presence", "said"),
    [(0.93, "read off the file's header"), (0.8, "more than nothing"), (0.76, "no more than always")],
)
def test_what_the_files_form_tells(presence, said):
    floors = pd.DataFrame([floor("size", 0.5), floor("masked", 0.6, "patients-5fold")])
    folds = [floor(name, presence, "patients-5fold", track="tumour or not") for name in ("size", "border")]
    tracks = pd.DataFrame([floor("size", presence, track="tumour or not"), *folds])
    labels, pictures = pd.Series([0] * 25 + [1] * 25 + [2] * 25 + [3] * 25), np.arange(100)
    assert shortcuts.always(labels) == pytest.approx(
        {"four classes": 0.25, "tumour or not": 0.75, "three classes": 1 / 3}
    )
    assert said in shortcuts.hints_said(floors, tracks, labels, pictures)
    assert "oedema" not in shortcuts.hints_said(floors, tracks, labels, pictures), "phantoms have none"
    shares = pd.Series({"all": 0.06, "glioma": 0.0, "meningioma": 0.16})
    text = shortcuts.hints_said(floors, tracks, labels, pictures, shares)
    assert "itself: about 6% of the tumours are not masked (glioma 0%, meningioma 16%)." in text
    assert "itself: all of them are masked." in shortcuts.hints_said(
        floors, tracks, labels, pictures, 0 * shares
    )


@pytest.mark.parametrize(
    ("border", "said"), [(0.96, "more"), (0.95, "not distinguishable from it"), (0.91, "less")]
)
def test_a_score_by_picture_stands_beside_a_yardstick_by_picture(border, said):
    """No tumour: 20 copies of each of 3 pictures, beside 47 pictures of tumours; so always saying *tumour* gives 94%, not 44%."""
    labels = pd.Series([2] * 60 + [0] * 24 + [1] * 23)
    pictures = np.concatenate([np.arange(60) % 3, np.arange(60, 107)])
    both = {"four classes": 24 / 50, "tumour or not": 47 / 50, "three classes": 24 / 47}
    assert shortcuts.always(labels, pictures) == pytest.approx(both)
    given = list(itertools.product(("size", "border", "masked", "1nn-mirror"), ("paper", "patients-5fold")))
    floors = pd.DataFrame([floor(name, 0.5, key) for name, key in given])
    tracks = pd.concat([floors.assign(track=name) for name in ("tumour or not", "three classes")])
    table = shortcuts.hint_table(floors, tracks, labels, pictures)
    assert table["Always the same"].tolist()[2:5] == ["56.1, by picture 48.0", *["56.1, by picture 94.0"] * 2]
    again = shortcuts.re_encoded(floors, floors[floors["floor"] != "size"], labels, pictures)
    assert again["Re-encoded alike"].tolist()[:2] == ["56.1 (all alike)", "56.1, by picture 48.0 (all alike)"]
    told = pd.DataFrame([floor("size", 0.97, "patients-5fold"), floor("border", border, "patients-5fold")])
    text = shortcuts._by_picture(told.assign(picture_low=told["picture"] - 0.011), 0.94)
    assert (
        "always saying the same gives 94.0%" in text
        and "file size and mode 97.0% (95.9% to 99.0%): more;" in text
    )
    assert f": {said}. " in text


def test_calibration_carries_over_only_where_it_was_measured():
    assert "no run over the five patient-disjoint folds" in new_patients.carries_over_said(
        {"random split": {}, "random split, scaled": {}}, [], [], np.zeros(0), np.zeros(0)
    )


def test_one_acts_on_any_tumour_only_where_there_are_images_without_one():
    labels, probs = np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])
    both, tumours = (
        acting.decision_curves([Told.of(labels, probs, classes=("glioma", other))])
        for other in ("notumor", "pituitary")
    )
    assert list(both) == ["Any tumour", "Glioma"] and both["Any tumour"].equals(both["Glioma"])
    assert list(tumours) == ["Glioma", "Pituitary"]


def test_accuracy_by_picture_is_a_row_of_the_states_that_have_it():
    states = {
        "random split": {"accuracy": worth(), "ece": worth()},
        "patient-disjoint": {"accuracy": worth(), "ece": worth(), "picture_accuracy": worth(0.8)},
    }
    table = calibration.wide_calibration(calibration.calibration_table(states), 2)
    assert table["Measure"].tolist() == ["Accuracy", "Accuracy, by picture", "ECE, equal width"]
    assert table.iloc[1].tolist()[1:] == ["–", "0.80 (0.85 to 0.95)"]


def test_on_grouped_folds_every_mean_over_images_stands_by_picture_too():
    """Of two pictures, one of three copies that are wrong, one of one that is right: 1/4 of the images, 1/2 of the pictures."""
    probs = np.array([[0.2, 0.8]] * 3 + [[0.8, 0.2]])

    random, fold = (
        Told.of(np.zeros(4, int), probs, fold=fold, classes=("glioma", "notumor"), key=str(fold))
        for fold in (None, 0)
    )
    states = calibration.beside_patients([random], [fold], np.arange(4), np.array([0, 0, 0, 1]))
    plain, _, apart, _ = states.values()
    assert not any(name.startswith("picture") for name in plain)
    for name, of_images in (
        ("accuracy", 0.25),
        ("excess", 0.55),
        ("brier", 0.98),
        ("nll", -(3 * np.log(0.2) + np.log(0.8)) / 4),
    ):
        of_pictures = {
            "accuracy": 0.5,
            "excess": 0.3,
            "brier": 0.68,
            "nll": -(np.log(0.2) + np.log(0.8)) / 2,
        }[name]
        assert apart[name].value == pytest.approx(of_images), name
        assert apart[f"picture_{name}"].value == pytest.approx(of_pictures), name
    table = calibration.wide_calibration(calibration.calibration_table(states))
    assert table["Measure"].str.endswith(", by picture").sum() == 4


def worth(value=0.9, low=0.85, high=0.95):
    return Worth(value, 0, 1, low, high)


def answers(*rows):
    """(group, label, predicted, confidence) of images of one run."""
    frame = pd.DataFrame(rows, columns=["group", "label", "predicted", "confidence"]).assign(run="r", seed=0)
    frame["row"], frame["file"] = frame.index, [f"{k}.jpg" for k in frame.index]
    frame["right"] = frame["label"] == frame["predicted"]
    return frame.assign(wrong=(~frame["right"]).astype(float), twin=frame["group"])


def test_which_runs_failures_are_of(monkeypatch):
    given, copied = answers((0, 0, 1, 0.9), (0, 0, 0, 0.9)), {}
    monkeypatch.setattr(failures.splits, "clusters", lambda dataset: np.arange(2))
    monkeypatch.setattr(failures.units, "pictures", lambda dataset: np.arange(2))
    monkeypatch.setattr(failures.worth, "of_runs", lambda *_: {"accuracy": worth()})
    monkeypatch.setattr(failures.worth, "by_picture", lambda *_: copied)
    record = SimpleNamespace(settings=load("cpu"))
    assert "1 run on the `paper` split, as there is none" in failures.used_said(given, [record], None)
    apart = SimpleNamespace(settings=load("cpu", {"data.protocol": "patients", "data.fold": 0}))
    copied["accuracy"] = worth(0.8)
    assert failures.used_said(given, [apart], None).endswith(
        "with two or more seeds, also over trainings; by picture 20.0%)."
    )
    copied.clear()
    text = failures.used_said(given, [apart, apart], None)
    assert (
        "2 runs on patient-disjoint folds. 1 of 2 answers on 2 images are wrong: 10.0% (5.0% to 15.0%" in text
    )


def test_errors_cluster_or_not_or_there_is_none():
    cases = answers(*[(g, 0, int(g == 0), 0.9) for g in range(10) for _ in range(5)])
    shares, groups = failures.concentration(cases), failures.by_patient(cases)
    text = failures.patients_said(groups, shares)
    assert (
        "1 of the 10 with five images or more are wrong throughout" in text
        and "errors cluster in patients" in text
    )
    assert "no more than chance" in failures.patients_said(groups, shares.assign(high=1.0))
    assert failures.patients_said(groups, shares.head(0)).endswith("throughout. ")
    assert failures.worst(groups, CLASSES)["Group"].tolist()[0] == "no. 0"


def test_copies_get_one_answer():
    assert failures.copy_pairs_said(pd.DataFrame()) == "No run judged two copies of one picture."
    pairs = failures.copy_pairs(answers((0, 0, 0, 0.9), (0, 0, 1, 0.9), (0, 0, 0, 0.8), (1, 1, 1, 0.9)))
    assert pairs["same"].tolist() == [0, 1] and pairs["group"].tolist() == [0, 0]
    assert "judged: 2 pairs." in failures.copy_pairs_said(pairs) and "in 50.0%" in failures.copy_pairs_said(
        pairs
    )


@pytest.mark.parametrize(
    ("small", "large", "said"),
    [
        ((0.3, 0.4), (0.1, 0.2), "small ones fail"),
        ((0.1, 0.2), (0.3, 0.4), "large ones fail"),
        ((0.2, 0.4), (0.1, 0.3), "no detectable difference"),
    ],
)
def test_size_within_a_class(small, large, said):
    lines = [("small", *small), ("middle", 0, 1), ("large", *large)]
    frame = pd.DataFrame(lines, columns=["label", "low", "high"]).assign(**{"class": "Glioma"})
    assert said in failures.tumour_sizes_said(frame)


def test_one_patient_or_no_error_claims_no_certainty():
    cases = answers(
        *[(0, 0, k, 0.9) for k in (0, 1, 0, 1)], *[(g, 1, 1, 0.9) for g in (1, 2) for _ in range(3)]
    )
    rates = failures.rates(cases, "label", [0, 1]).set_index("label")
    assert np.isnan(rates.loc[0, ["low", "high"]].astype(float)).all(), "one patient has no interval"
    assert tuple(rates.loc[1, ["mean", "low", "high"]]) == wilson(0, 2), "none wrong of two patients"
    text = failures.rates_text(failures.rates(cases, "label", [0, 1]), "Class")["Wrong (%)"].tolist()
    assert text[0] == "50.0" and text[1].startswith("0.0 (0.0 to ")
    same = failures.by_size_within(cases.assign(area=0.1), CLASSES)
    assert failures.tumour_sizes_said(same) == "", "tumours of one size are neither small nor large"
    lines = [("small", np.nan, np.nan), ("middle", 0, 1), ("large", 0, 0.1)]
    alone = pd.DataFrame(lines, columns=["label", "low", "high"]).assign(**{"class": "Glioma"})
    assert "glioma: can't be told, of one patient" in failures.tumour_sizes_said(alone)


def test_the_surest_mistakes_and_the_wrong_folders():
    cases = answers((0, 0, 1, 0.95), (1, 0, 1, 0.5), (2, 0, 0, 0.99))
    wrong = failures.surest(cases)
    assert wrong["confidence"].tolist() == [0.95, 0.5]
    assert len(failures.pictured(wrong.assign(twin=3))) == 1 and len(failures.pictured(wrong)) == 2, (
        "copies show one picture"
    )
    sure = failures.surest_table(wrong.assign(confidence=[0.99992, 0.9], source="x"), CLASSES)[
        "Confidence"
    ].tolist()
    assert sure == ["> 0.999", "0.900"], "no confidence is certainty"
    bad = pd.DataFrame({"file": ["0.jpg"], "here": ["glioma"], "class": ["meningioma"]})
    assert failures.surest_said(wrong, bad.head(0)).endswith("by at least one run.")
    assert "; 1 of these are among the mislabelled" in failures.surest_said(wrong, bad)
    assert failures.mislabelled_said(bad.head(0), cases, CLASSES).startswith("No file")
    assert "None of them" in failures.mislabelled_said(bad.assign(file="x.jpg"), cases, CLASSES)
    text = failures.mislabelled_said(bad, cases, CLASSES)
    assert (
        "In 1 of 1 answers" in text
        and "They are 33.33% of all answers here and can move the accuracy by no more" in text
    )
    table = failures.mislabelled_table(pd.concat([bad, bad.assign(file="x.jpg")]), cases, CLASSES)
    assert table["The model, tested on it"].tolist() == ["Meningioma", "not in a test part here"]


# --- chapter 22 ---


def test_a_recall_that_the_rest_fixes():
    assert "more than the recall of the images without" in audit.missing_recall_said(0.99, 0.99, 98.5)
    level = audit.missing_recall_said(0.985, 0.99, 98.5)
    assert "does not contradict" in level and " to " in level.split(" of ")[1]


def verdicts(*rows):
    return pd.DataFrame(rows, columns=["metric", "published", "attainable", "below", "above", "conflicts"])


def test_a_report_that_holds_or_does_not():
    name = "kappa"
    far, near = ((name, 0.9415, False, low, 0.9500, "accuracy") for low in (0.9410, 0.94145))
    assert "Beside the other figures" in audit.report_said(verdicts(far))
    assert "5 units of the last printed decimal" in audit.report_said(verdicts(far))
    assert "might explain" in audit.report_said(verdicts(near))
    assert audit.report_said(verdicts((name, 0.9415, True, 0.9, 1.0, ""))).endswith(
        "the report is consistent."
    )
    assert checks.name(name) in audit.report_said(verdicts(far))
    alone = ("f1_pituitary", 0.971, False, 0.9688, 0.9716, "")
    assert audit.report_said(verdicts(alone, far)).startswith(
        "2 of 2 figures cannot be true; by Table 2's test images alone: F1 of pituitary; beside others, of which either side may be wrong: Cohen's κ. "
    )
    assert "beside others" not in audit.report_said(verdicts(alone))
    assert "images alone" not in audit.report_said(verdicts(far))
    one = "Cohen's κ and the MCC fail by one argument"
    for printed, reason, expected in (
        (0.9418, "accuracy", True), (0.9418, "macro_f1", False), (0.9410, "accuracy", False)
    ):  # fmt: skip
        mcc = ("mcc", printed, False, np.nan, 0.9430, reason)
        assert (one in audit.report_said(verdicts(far, mcc))) == expected
        for kappa, told in ((far, False), ((*far[:-1], ""), expected)):
            assert ("κ fails without the accuracy, too." in audit.report_said(verdicts(kappa, mcc))) == told
    assert one not in audit.report_said(verdicts(far))


def test_how_many_images_the_accuracy_and_the_recalls_have_right():
    table = audit.grim()
    assert table["Published"].tolist() == ["95.73%", "94.44%", "93.94%", "97.00%"]
    assert table["Images"].tolist() == [703, 162, 165, 200]
    assert table["Number right"].tolist() == ["673", "153", "155", "194"], (
        "nearest to each, and no other rounds to it"
    )


def test_what_rules_a_published_figure_out():
    """Others, the test images alone, or nothing: of a figure that can be, and of one that could not be decided."""
    found = pd.DataFrame({"metric": [f.metric for f in paper.report()], "attainable": True, "below": 0.5, "above": np.nan, "conflicts": ""})  # fmt: skip
    found["attainable"] = found["attainable"].astype(object)
    found.loc[1, ["attainable", "conflicts"]] = [False, "accuracy, recall_glioma"]
    found.loc[2, "attainable"], found.loc[3, "attainable"] = False, None
    table = audit.report_table(found)
    assert table["Ruled out by"].head(5).tolist() == [
        "–", "accuracy, recall of glioma", "Table 2's test images alone", "–", "–"
    ]  # fmt: skip
    assert table["Nearest below, beside the others"][0] == "0.50", "with the decimals of the figure"
    assert set(table["Nearest above, beside the others"]) == {"–"}


def test_a_report_of_scikit_learn_is_rounded_as_papers_print():
    one = {"precision": 0.123456, "recall": 0.5, "f1-score": 0.98764}
    told = audit.as_printed({"accuracy": 0.95734, "a": one}, 0.94149, ["a"])
    assert [(f.metric, f.value, f.decimals, f.percent) for f in told] == [
        ("accuracy", 95.73, 2, True),
        ("precision_a", 0.1235, 4, False),
        ("recall_a", 0.5, 4, False),
        ("f1_a", 0.9876, 4, False),
        ("kappa", 0.9415, 4, False),
    ]


def test_any_report_explained():
    wrong = verdicts(("kappa", 0.86, False, 0.85, 0.87, "accuracy"), ("mcc", 0.5, False, 0.4, 0.6, ""))
    text = audit.explained_said(wrong, (0.9, 0.95), "recall of b")
    assert (
        "cannot be beside accuracy" in text
        and "cannot be on these supports" in text
        and text.endswith("0.900 to 0.950.")
    )
    assert audit.explained_said(wrong.head(0), (np.nan, np.nan), "x") == "All figures can be true together."
    assert audit.explained_said(wrong, (0.9, 0.9), "x").endswith("a x of 0.900.")


@pytest.mark.parametrize(
    ("p", "said"), [(0.00049, "< 0.001"), (0.0005, "0.001"), (0.0312, "0.031"), (1, "1.000"), (np.nan, "–")]
)
def test_a_small_p_is_a_bound_and_none_a_dash(p, said):
    assert p_values.p_said(p) == said
    pair = p_values.p_pair(p, 0.5)
    assert pair == ("–" if np.isnan(p) else f"{said} (0.500)")


def test_rival_rows_and_their_runs():
    rivals = pd.DataFrame({"runs": [1, 3], "accuracy": [95.0, 80.0]})
    text = audit.rivals_said(rivals, Interval(0.95, 0.94, 0.96), 3)
    assert (
        text.startswith("1 of 2 rows cannot be single runs")
        and "these are 3 or more" in text
        and "1 of 2 rows lie inside" in text
    )
    for few in (1, None):
        assert "equally many runs" not in audit.rivals_said(rivals, Interval(0.95, 0.94, 0.96), few)


# --- words that all of them share ---


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.1, 0.199, "below"), (0.1, 0.2, "meets"), (0.3, 0.4, "meets"), (0.301, 0.4, "above"), (0.21, 0.22, "meets"),
     (0, 1, "meets"), (np.nan, np.nan, "unknown"), (0.1, np.nan, "unknown")],
)  # fmt: skip
def test_an_interval_beside_another_meets_it_where_they_share_an_end(low, high, said):
    one, other = Interval(0.5 * (low + high), low, high), Interval(0.25, 0.2, 0.3)
    assert words.beside_interval(one, other, "below", "above", "meets", "unknown") == said
    turned = {"below": "above", "above": "below"}.get(said, said)
    assert words.beside_interval(other, one, "below", "above", "meets", "unknown") == turned


def test_one_and_several():
    assert [words.verb(count) for count in (0, 1, 2)] == ["are", "is", "are"]
    assert [words.verb(count, "has", "have") for count in (0, 1, 2)] == ["have", "has", "have"]
    counts = (0, 1, 1.0, 2, 2000.0)
    assert [words.plural(count, "seed") for count in counts] == (
        ["0 seeds", "1 seed", "1 seed", "2 seeds", "2,000 seeds"]
    )


def test_an_extent_is_told_once_where_both_ends_read_alike():
    assert words.extent([1, 1.5, 2]) == "1.00 to 2.00"
    assert words.extent([1, 1.004]) == "1.00" and words.extent([1, 1.006]) == "1.00 to 1.01"
    assert words.extent([3]) == "3.00" and words.extent([1000, 2000], "{:,}".format) == "1,000 to 2,000"


@pytest.mark.parametrize(
    ("low", "high", "near"),
    [(0.029, 1.0, True), (0.03, 1.0, False), (-0.029, 0.971, True), (-0.031, 0.969, False), (-1.0, -0.029, True),
     (0.0, 1.0, True), (-1.0, 1.0, False), (np.nan, np.nan, False)],
)  # fmt: skip
def test_an_end_within_three_hundredths_of_the_width_of_0_is_warned_of(low, high, near):
    """0.029 of 0.971 is 2.99%, 0.03 of 0.97 is 3.09%."""
    text = difference_intervals.warned(Interval(0, low, high))
    assert text == (", by an end so near 0 that other draws might tell otherwise" if near else "")
