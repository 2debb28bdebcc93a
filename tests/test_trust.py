"""Trust: calibration on weights, maps against borders, weight randomisation, failures, gallery."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from gcaf_lib.data import dataset as datasets
from gcaf_lib.display import decisions, error_rates, gallery, map_scores
from gcaf_lib.evaluation import (
    calibration_measures,
    clustered,
    confidence,
    dataset_audit,
    intervals,
    localisation,
    sanity,
    tumours,
    weighted,
)
from gcaf_lib.findings import calibration_effects, failures, map_localisation
from gcaf_lib.machine import write_table
from gcaf_lib.settings import CLASSES, DataSettings, ModelSettings, Settings, load
from tests.told import Told


@pytest.fixture(scope="module")
def answers():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.full(4, 0.4), 200)
    return (rng.random((200, 1)) > probs.cumsum(1)[:, :-1]).sum(1), probs


@pytest.fixture(scope="module")
def phantoms(phantom_root):
    frame = datasets.index(phantom_root)
    return datasets.Dataset(phantom_root, frame, datasets.data_hash(frame), datasets.PHANTOM_BANNER)


@pytest.fixture(scope="module")
def record(phantoms):
    """A run whose maps are the lesions themselves."""
    known = tumours.masks(phantoms)
    rows = np.arange(len(phantoms.frame))
    labels = phantoms.frame["label"].to_numpy(int)
    maps = np.stack([known.get(r, np.zeros((tumours.SIDE,) * 2, bool)) for r in rows]).astype(np.float16)
    settings = dataclasses.replace(
        Settings(), data=DataSettings(source="phantom", phantoms=24, image_size=32)
    )
    probs = np.full((len(rows), 4), 0.1)
    probs[rows, np.where(rows % 5, labels, (labels + 1) % 4)] = 0.7
    return Told.of(
        labels, probs, key="abc", settings=settings,
        maps={"rows": rows, "target": labels.astype(np.int8), "cam_one": maps, "cam_two": maps},
    )  # fmt: skip


# --- cluster bootstrap ---


def test_one_group_has_no_spread_and_nan_is_left_out():
    draws = clustered.mean_draws([1.0, np.nan, 3.0], ["a", "a", "a"], 50)
    assert np.all(draws == 2)
    assert np.isnan(clustered.mean([np.nan], ["a"]).value)
    assert clustered.mean([0.1, 0.2, np.nan], ["a", "a", "b"])[1:] == pytest.approx(
        (np.nan, np.nan), nan_ok=True
    ), "one patient has no interval"
    assert clustered.means(np.zeros((0, 2)), []) == pytest.approx(np.full((2, 3), np.nan), nan_ok=True)


def test_a_cell_counts_the_rows_and_groups_that_have_a_value():
    frame = pd.DataFrame({"map": list("xxxy"), "v": [1.0, 3.0, np.nan, np.nan], "group": [0, 1, 2, 2]})
    x, y = clustered.by(frame, ["map"], "v", n=50).itertuples()
    assert (x.mean, x.n, x.groups) == (2, 2, 2) and x.low >= 1 and x.high <= 3
    assert np.isnan(y.mean) and (y.n, y.groups) == (0, 0)


def test_draws_of_a_function_of_weights_are_those_of_the_mean():
    values, groups = np.random.default_rng(1).random(30), np.arange(30) // 3
    direct = clustered.mean_draws(values, groups, 40, seed=7)
    blocks = clustered.of(lambda w: w @ values / w.sum(1), groups, 40, seed=7, block=9)
    np.testing.assert_allclose(direct, blocks)
    np.testing.assert_allclose(direct, clustered.weights(groups, 40, 7) @ values / 30)


def test_the_interval_of_independent_rows_is_the_textbook_one():
    values = np.random.default_rng(2).normal(size=400)
    one = clustered.mean(values, np.arange(400), n=4000)
    half = 1.96 * values.std() / 20
    assert one.low == pytest.approx(values.mean() - half, abs=0.012)
    assert one.high == pytest.approx(values.mean() + half, abs=0.012)


# --- calibration ---


def test_measures_on_equal_weights_are_the_plain_estimators(answers):
    labels, probs = answers
    plain = {
        "accuracy": (probs.argmax(1) == labels).mean(),
        "excess": (probs.max(1) - (probs.argmax(1) == labels)).mean(),
        "ece": calibration_measures.ece(labels, probs),
        "mass": calibration_measures.ece(labels, probs, equal_mass=True),
        "classwise": calibration_measures.classwise_ece(labels, probs),
        "classwise_mass": calibration_measures.classwise_ece(labels, probs, equal_mass=True),
        "brier": calibration_measures.brier(labels, probs),
        "nll": calibration_measures.nll(labels, probs),
    }
    assert set(plain) == set(confidence.MEASURES)
    for name, value in plain.items():
        assert weighted.metric(name, labels, probs)(np.ones((1, 200)))[0] == pytest.approx(value), name


@pytest.mark.parametrize("name", [*weighted.PLAIN, "classwise", "excess", "ap_glioma", "f1_glioma"])
def test_a_weight_of_two_is_the_row_twice(answers, name):
    labels, probs = answers
    times = np.random.default_rng(3).integers(0, 3, 200)
    rows = np.repeat(np.arange(200), times)
    twice = weighted.metric(name, labels, probs)(times[None].astype(float))[0]
    again = weighted.metric(name, labels[rows], probs[rows])(np.ones((1, len(rows))))[0]
    assert twice == pytest.approx(again)


def test_equal_scores_count_half_in_an_area():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, 200)
    probs = rng.integers(1, 4, (200, 4)) + 2.0 * np.eye(4)[labels]  # whole numbers: many are equal
    probs /= probs.sum(1, keepdims=True)
    got = weighted.metric("macro_auc", labels, probs)(np.ones((1, 200)))[0]
    assert got == pytest.approx(roc_auc_score(labels, probs, multi_class="ovr"))


def test_an_unknown_measure_is_named(answers):
    with pytest.raises(ValueError, match="classwise_mass, excess"):
        weighted.metric("nonsense", *answers)


def test_certain_probabilities_are_calibrated_by_chance_exactly():
    certain = np.eye(4)[[0, 1, 2, 3]]
    assert np.all(confidence.perfect_ece(certain, draws=5) == 0)
    assert np.all(confidence.perfect_labels(certain, n=5) == range(4))


def test_one_vs_rest_by_hand():
    probs = np.array([[0.1, 0.9], [0.1, 0.9], [0.8, 0.2], [0.6, 0.4]])
    frame = confidence.one_vs_rest([1, 0, 0, 1], probs, 1, np.arange(4), bins=2, equal_mass=False)
    assert frame["count"].tolist() == [2, 2]
    assert frame["accuracy"].tolist() == [0.5, 0.5]
    np.testing.assert_allclose(frame["confidence"], [0.3, 0.9])
    sure = confidence.one_vs_rest([1, 1, 0, 0], probs, 1, np.arange(4), bins=2, equal_mass=False)
    ends = sure[["accuracy_low", "accuracy_high"]].to_numpy().tolist()
    assert ends == [list(intervals.wilson(0, 2)[1:]), list(intervals.wilson(2, 2)[1:])], (
        "two images prove little"
    )
    alone = confidence.one_vs_rest([1, 1, 0, 0], probs, 1, np.zeros(4), bins=2, equal_mass=False)
    assert alone[["accuracy_low", "accuracy_high"]].isna().all(axis=None), "one patient has no interval"
    two = confidence.one_vs_rest([1, 0], probs[:2], 1, np.arange(2), bins=2, equal_mass=False)
    assert two["count"].tolist() == [0, 2]


def test_an_image_of_three_seeds_is_one_image_in_a_bins_interval():
    """Three like answers to each image say no more than one; Wilson's interval would take them for three images."""
    rng = np.random.default_rng(0)
    labels, score = rng.integers(0, 2, 60), np.full(60, 0.6)
    probs = np.column_stack([1 - score, score])
    groups = np.arange(60)
    one = confidence.one_vs_rest(labels, probs, 1, groups, bins=2, equal_mass=False).iloc[1]
    three = confidence.one_vs_rest(
        np.tile(labels, 3), np.tile(probs, (3, 1)), 1, np.tile(groups, 3), 2, False
    ).iloc[1]
    ends = ["accuracy_low", "accuracy", "accuracy_high"]
    assert three[ends].tolist() == pytest.approx(one[ends].tolist()) and three["count"] == 180
    apart = confidence.one_vs_rest(
        np.tile(labels, 3), np.tile(probs, (3, 1)), 1, np.arange(180), 2, False
    ).iloc[1]
    width = [f["accuracy_high"] - f["accuracy_low"] for f in (apart, three)]
    assert 0 < width[0] < 0.7 * width[1], "counted as images of their own they would be too narrow"
    whole = confidence.one_vs_rest(labels, probs, 1, labels, bins=2, equal_mass=False).iloc[1]
    assert whole["accuracy_high"] - whole["accuracy_low"] > 2 * width[1], (
        "two patients, one of each class: nothing is known"
    )


def test_thresholds_by_hand():
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    labels = [0, 0, 1, 0]
    cut = confidence.threshold_for(labels, probs, 0.99)
    assert cut == 0.8 and confidence.kept(labels, probs, cut) == (0.8, 0.5, 1.0)
    assert confidence.threshold_for(labels, probs, 0.75) == 0.6
    assert confidence.threshold_for([1, 1, 1, 1], probs, 0.5) == float("inf")
    assert np.isnan(confidence.kept(labels, probs, float("inf")).accuracy)


def test_selective_accuracy_meets_the_plain_curve(answers):
    labels, probs = answers
    curve = calibration_measures.selective(labels, probs)
    mine = confidence.selective_at(labels, probs, curve.coverage)(np.ones((1, 200)))[0]
    np.testing.assert_allclose(mine, curve.accuracy)
    # of equally confident samples each counts in proportion, whatever their order
    for order in ([1, 1, 0, 0], [0, 0, 1, 1]):
        tied = confidence.selective_at(order, [[0.2, 0.8]] * 4, [0.5])(np.ones((1, 4)))
        assert tied.item() == pytest.approx(0.5)


# --- borders ---


def test_symmetry_of_mirror_images():
    rng = np.random.default_rng(0)
    half = rng.integers(0, 255, (64, 32), dtype=np.uint8)
    mirrored = np.hstack([half, half[:, ::-1]])
    value = tumours.symmetry(np.stack([mirrored, rng.integers(0, 255, (64, 64), dtype=np.uint8)]))
    assert value[0] == pytest.approx(1, abs=1e-4) and value[1] < 0.5
    assert tumours.symmetry(np.zeros((1, 64, 64), np.uint8))[0] == -1
    aside = rng.integers(0, 255, (1, 32, 32), dtype=np.uint8)
    aside[:, :, 12:24] = aside[:, :, :12][:, :, ::-1]  # an axis that is not the picture's middle
    assert tumours.symmetry(aside)[0] == pytest.approx(1)


def test_masks_of_phantoms_are_their_lesions(phantoms):
    known = tumours.masks(phantoms)
    label = phantoms.frame["label"].to_numpy()
    assert set(label[list(known)]) == {0, 1, 3}, "an image without tumour has no border"
    table = tumours.image_table(phantoms, known)
    row = next(iter(known))
    assert table["area"][row] == pytest.approx(known[row].mean())
    assert table["area"].notna().sum() == len(known) and table["symmetry"].notna().all()
    drawn = np.zeros((8, 8), bool)
    drawn[1, 4:7] = True
    place = tumours.image_table(phantoms, {row: drawn}).loc[row, ["area", "x", "y"]]
    assert place.tolist() == [3 / 64, 5.5 / 8, 1.5 / 8]


def test_maps_that_are_the_tumour_score_full_marks(phantoms, record):
    table = tumours.compute([record], phantoms)
    assert set(table["map"]) == {
        "one",
        "two",
        "fused",
        tumours.PLACE,
        tumours.CENTRE,
        tumours.RANDOM,
        tumours.EDGE,
    }
    mine = table[table["map"] == "fused"]
    assert np.allclose(mine[list(tumours.MEASURES)], 1)
    others = table[~table["map"].isin(["one", "two", "fused"])]
    assert (others["energy"] < 0.9).all()


def test_the_usual_place_is_where_training_has_the_class_that_was_named(phantoms, record):
    from gcaf_lib.data import splits

    known = tumours.masks(phantoms)
    labels = phantoms.frame["label"].to_numpy(int)
    train = splits.load(record.settings.data, phantoms)["part"].to_numpy() == "train"
    named = (labels + 1) % 4  # one class further throughout: notumor, of which there is no border, among them
    other = SimpleNamespace(**{**vars(record), "maps": {**record.maps, "target": named.astype(np.int8)}})
    table = tumours.of_record(other, phantoms, known)
    found = table[table["map"] == tumours.PLACE].set_index("row")["energy"]
    for row, mask in known.items():
        rows = [r for r in known if train[r] and (labels[r] == named[row] or named[row] == 2)]
        place = np.mean([known[r] for r in rows], axis=0)
        assert found[row] == pytest.approx(place[mask].sum() / place.sum(), abs=1e-5)


def test_judged_scores_compare_the_same_images(phantoms, record):
    images = tumours.read_images(phantoms)
    clusters = np.arange(len(phantoms.frame)) // 2
    frame = map_localisation.scores_and_answers(
        tumours.read([record], phantoms), [record], phantoms, images, clusters
    )
    assert frame.groupby("map")["row"].nunique().nunique() == 1
    assert frame.drop_duplicates("row")["size"].value_counts().min() >= len(frame["row"].unique()) // 3 - 1
    d = map_localisation.score_differences(frame, tumours.FUSED, tumours.CENTRE, 200).set_index("measure")
    assert (d["low"] > 0).all(), "the lesion itself beats the centre"
    twice = pd.concat([frame, frame[frame["map"] == tumours.FUSED].assign(map="twice")])
    same = map_localisation.score_differences(twice, "twice", tumours.FUSED, 50)
    assert (same["difference"] == 0).all() and same[["low", "high"]].isna().all(axis=None), (
        "no width, no interval"
    )
    flat = map_localisation.mean_scores(frame.assign(**dict.fromkeys(tumours.MEASURES, 1.0)), n=50).set_index(
        "measure"
    )
    assert (flat.loc[list(map_localisation.SHARES), "low"] < 0.99).all(), (
        "Wilson's of as many trials as patients"
    )
    assert flat.drop(index=list(map_localisation.SHARES))[["low", "high"]].isna().all(axis=None)
    table = map_localisation.wide(map_localisation.mean_scores(frame, n=100))
    assert table["Images"].nunique() == 1 and "Model, both backbones" in table["Map"].tolist()
    assert map_scores.by_measure(map_localisation.mean_scores(frame, n=100)).svg().startswith("<svg")


def test_stored_scores_are_read_and_unknown_runs_left_out(tmp_path, record, phantoms):
    stored = pd.DataFrame([("abc", 5, "fused", 1, 1, 0.5, 0.25), ("none", 5, "centre", 0, 0, 0.1, 0.1),
                           ("none", 6, "centre", 0, 0, 0.1, 0.1)], columns=list(tumours.COLUMNS))  # fmt: skip
    write_table(tmp_path / "localisation.csv", stored)
    bare = datasets.Dataset(None, phantoms.frame, phantoms.hash)
    unknown = SimpleNamespace(key="xyz", maps={"rows": []})
    found = tumours.read([record, unknown], bare, tmp_path)
    assert found["run"].tolist() == ["abc", "none"] and found["row"].tolist() == [5, 5]


def test_committed_tables_name_no_patients():
    from gcaf_lib.data import splits

    place = splits.folder().parent
    images = pd.read_csv(place / "tumours.csv")
    assert list(images) == ["file", "area", "x", "y", "symmetry"] and len(images) == 7023
    assert images["area"].between(0, 1)[images["area"].notna()].all()
    if (place / "localisation.csv").is_file():
        assert list(pd.read_csv(place / "localisation.csv", nrows=1)) == list(tumours.COLUMNS)


# --- sanity ---


def test_cascade_ends_at_the_untrained_model():
    from gcaf_lib.model import classifier
    from gcaf_lib.model import gradcam as cam

    small = ModelSettings(scale="mini", width=16, weights="none")
    model, untrained = (classifier.build(small, 32, 4, seed=s) for s in (0, 1))
    named = [name for _, names in sanity.steps(model) for name in names]
    assert sorted(named) == sorted(la.name for la in model.layers if la.weights), "each layer once"
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    targets = np.array([0, 1, 2])
    before = cam.maps(model, images, targets=targets)[0]
    steps = list(sanity.cascade(model, untrained, images, targets))
    after = cam.maps(untrained, images, targets=targets)[0]
    for name, maps in before.items():
        np.testing.assert_array_equal(steps[0][1][name], maps)
        np.testing.assert_allclose(steps[-1][1][name], after[name], atol=1e-5)


def test_rank_correlation_ignores_a_monotone_change():
    maps = np.random.default_rng(0).random((4, 5, 5))
    assert np.allclose(sanity.rank_correlation(maps, maps**3), 1)
    assert (localisation.correlation(maps, maps**3) < 1).all()


def test_a_page_of_phantoms_checks_fewer_images(tmp_path, monkeypatch):
    from gcaf_lib.training import runs

    asked, run = [], SimpleNamespace(key="abc")
    monkeypatch.setattr(runs, "weights_path", lambda *_: Path(__file__))
    monkeypatch.setattr(sanity, "compute", lambda records, dataset, count: asked.append(count))
    for banner in ("PHANTOM DATA", ""):
        sanity.read([run], SimpleNamespace(banner=banner, root=tmp_path), tmp_path)
    assert asked == [16, 240]


def test_shuffled_labels_stay_in_their_part_and_leave_the_test_part_alone(phantoms):
    from gcaf_lib.data import splits
    from gcaf_lib.settings import load
    from gcaf_lib.training.task import Task

    chosen = load("demo", {"data.phantoms": 24})
    work = Task(chosen, phantoms, splits.load(chosen.data, phantoms))
    mixed = sanity.shuffled_labels(work)
    for name in ("train", "validation", "test"):
        a, b = work.part(name), mixed.part(name)
        np.testing.assert_array_equal(a.rows, b.rows)
        np.testing.assert_array_equal(np.bincount(a.labels), np.bincount(b.labels))
        assert np.array_equal(a.labels, b.labels) == (name == "test")
        np.testing.assert_array_equal(b.labels, mixed.part(name).labels)  # the same at every asking
    assert mixed.split_hash != work.split_hash  # no record or weights of the true labels is taken for it
    assert sanity.shuffled_labels(work, seed=1).split_hash != mixed.split_hash


def test_the_check_compares_each_step_with_the_trained_maps(phantoms, record, monkeypatch):
    """The model judged is itself untrained, of the run's seed: what replaces its weights must be another."""
    from gcaf_lib.data import preprocess, splits
    from gcaf_lib.model import classifier
    from gcaf_lib.training import train

    s = dataclasses.replace(record.settings, model=ModelSettings(scale="mini", width=16, weights="none"))
    test = np.arange(40, 96)
    run = Told(key="abc", seed=3, settings=s, rows=lambda part="test": test)
    run.labels = lambda part="test": record.labels()[test]
    run.probabilities = lambda part="test", which="ema": record.probabilities()[test]
    images = np.random.default_rng(0).integers(0, 256, (96, 32, 32, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(96)  # each says its row
    monkeypatch.setattr(preprocess, "images", lambda *_: images)
    sample = sanity._sample(run, phantoms, 6, seed=0)
    at = sample.images[:, 0, 0, 0].astype(int)
    assert len(set(at)) == 6 and min(at) >= 40
    assert sample.groups.tolist() == splits.clusters(phantoms)[at].tolist()
    assert sample.labels.tolist() == record.labels()[at].tolist()
    assert sample.named.tolist() == record.probabilities()[at].argmax(1).tolist()
    monkeypatch.setattr(sanity, "_sample", lambda *_: sample)
    monkeypatch.setattr(train, "load_model", lambda record: classifier.build(s.model, 32, 4, seed=3))
    table = sanity.compute([run], phantoms)
    first, last = (table[table["step"] == step] for step in (0, table["step"].max()))
    assert np.allclose(first["correlation"].dropna(), 1) and (last["correlation"] < 0.95).all()
    assert set(table["step"]) == {sanity.OTHER, *range(table["step"].max() + 1)}
    with pytest.raises(ValueError, match="of one setting"):
        sanity.compute([run, Told(settings=load("demo"), rows=run.rows, key="xyz")], phantoms)


def test_the_checks_of_several_seeds_are_pooled(phantoms, monkeypatch):
    """Means over runs; the interval is that of patients with one run, and wider by what trainings scatter with more. What is
    beside the yardstick is paired: of runs that all lie as far from their own it is as sure as one alone."""
    from gcaf_lib.evaluation import clustered

    rng, rows = np.random.default_rng(0), np.arange(60)
    groups = np.arange(60) // 2
    alike = {key: rng.normal(level, 0.02, 60) for key, level in (("a", 0.2), ("b", 0.5), ("c", 0.5))}
    sample = sanity._Sample(rows, None, None, None, groups)

    def of_run(record, sample, shuffled):
        draws = clustered.mean_draws(alike[record.key], sample.groups)
        value = alike[record.key].mean()
        yield sanity._Line(0, "nothing", "x", value, draws, 0.1, 0.0, 0.7)
        yield sanity._Line(
            sanity.OTHER, sanity.WORDS[sanity.OTHER], "x", value - 0.1, draws - 0.1, 0.1, 0.0, np.nan
        )

    monkeypatch.setattr(sanity, "_sample", lambda *_: sample)
    monkeypatch.setattr(sanity, "_of_run", of_run)
    runs = {key: Told(key=key, settings="one", rows=lambda: rows) for key in alike}
    alone = sanity.compute([runs["a"]], phantoms).iloc[0]
    assert tuple(alone[["correlation", "low", "high"]]) == pytest.approx(clustered.mean(alike["a"], groups))
    assert alone["n"] == 1 and np.isnan(alone["sd"])
    three = sanity.compute(list(runs.values()), phantoms).iloc[0]
    means = [alike[key].mean() for key in alike]
    assert three["runs"] == "a b c" and three["n"] == 3 and three["images"] == 60
    assert three["correlation"] == pytest.approx(np.mean(means)) and three["sd"] == pytest.approx(
        np.std(means, ddof=1)
    )
    beside = [three["difference"], three["difference_low"], three["difference_high"]]
    assert beside == pytest.approx([0.1] * 3)
    t = stats.t.ppf(0.975, 2) * three["sd"] / np.sqrt(3)  # what three trainings leave open by themselves
    assert three["high"] - three["correlation"] >= t > 10 * (alone["high"] - alone["low"])


def test_a_stored_check_is_read_without_weights(tmp_path, phantoms):
    frame = pd.DataFrame([{"runs": "abc", "step": 0}], columns=list(sanity.COLUMNS))
    write_table(tmp_path / "sanity.csv", frame)
    bare = datasets.Dataset(None, phantoms.frame, phantoms.hash)
    assert sanity.read([], bare, tmp_path)["runs"].tolist() == ["abc"]
    assert sanity.read([], bare, tmp_path / "elsewhere") is None


# --- failures ---


def test_errors_of_one_patient_concentrate():
    wrong, groups = np.r_[np.ones(5), np.zeros(45)], np.repeat(np.arange(10), 5)
    frame = failures.spread(wrong, groups, draws=50)
    assert frame["errors"].tolist()[:2] == [0, 1] and frame["high"][1] < 1
    assert failures.spread(np.zeros(3), np.arange(3)).empty


def test_copies_by_hand():
    frame = pd.DataFrame({"run": "a", "twin": [1, 1, 1, 2], "group": [7, 7, 7, 8], "predicted": [0, 0, 1, 2],
                          "right": [True, True, False, True]})  # fmt: skip
    pairs = failures.copy_pairs(frame)
    assert pairs["same"].tolist() == [1, 0]


def of_sources(**none: float) -> pd.DataFrame:
    """Answers on 40 meningiomas of each source, one a patient; none: the share of each source that is called healthy."""
    lines = []
    for number, (source, share) in enumerate(none.items()):
        for k in range(40):
            named = CLASSES.index("notumor") if k < 40 * share else CLASSES.index("meningioma")
            lines.append(
                {
                    "label": CLASSES.index("meningioma"),
                    "predicted": named,
                    "source": source,
                    "group": 100 * number + k,
                }
            )
    return pd.DataFrame(lines).assign(wrong=lambda t: (t["label"] != t["predicted"]).astype(float))


@pytest.mark.parametrize(
    ("archive", "other", "told", "sign"),
    [(0.0, 0.5, True, True), (0.5, 0.0, True, False), (0.5, 0.5, False, False)],
)
def test_tumours_taken_for_healthy_are_compared_by_source(archive, other, told, sign):
    """The conclusion needs the direction, and says nothing where intervals meet."""
    tumour = of_sources(**{dataset_audit.SOURCES[0]: archive, "unknown": other})
    frame = failures.by_source(tumour, CLASSES)
    assert frame.set_index("label")["none"].to_dict() == {dataset_audit.SOURCES[0]: archive, "unknown": other}
    text = failures.sources_said(tumour, CLASSES)
    assert ("meningioma: " in text) == told and ("sign of health" in text) == sign
    if told:
        count = round(40 * other)
        assert (
            f"Of the 20 answers *no tumour* on tumour images {count} fall on files of unknown origin, on which 50% of"
            in text
        )


def test_sources_that_cannot_be_compared_are_not():
    only = of_sources(unknown=0.5)
    assert failures.sources_said(only, CLASSES) == ""
    assert failures.by_source(only[:0], CLASSES).empty
    both = of_sources(figshare=0, unknown=0)
    assert failures.sources_said(both, CLASSES[:2]) == ""


def test_the_archive_is_both_its_copies():
    mirrored, second, _ = dataset_audit.SOURCES
    text = failures.sources_said(of_sources(**{mirrored: 0.0, second: 0.2, "unknown": 0.9}), CLASSES)
    assert (
        "90.0% of the answers on files of unknown origin" in text and "and 10.0% on the archive's (" in text
    )


def test_answers_on_phantoms(phantoms, record):
    facts = dataset_audit.read(phantoms)
    cases = failures.answers_with_covariates([record], phantoms, tumours.read_images(phantoms), facts)
    assert cases["wrong"].sum() == len(range(0, 96, 5)) and set(cases["source"]) == {"phantom"}
    assert failures.confusions(cases, CLASSES)["Errors"].sum() == cases["wrong"].sum()
    rates = failures.rates(cases.assign(third=failures.thirds(cases["symmetry"])), "third", failures.SHARES)
    assert rates["label"].tolist() == list(failures.SHARES) and rates["n"].sum() == 96


# --- gallery ---


def _case(k: int, label: int = 0, why=("misclassified",)) -> gallery.Case:
    rng = np.random.default_rng(k)
    probs = np.array([0.1, 0.7, 0.1, 0.1])
    square = np.array([[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]])
    image = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    return gallery.Case(f"</b>{k}", image, label, probs, rng.random((8, 8)), square, 0.25, why)


def test_choose_takes_every_error_and_the_ends():
    frame = pd.DataFrame({"label": 0, "right": [True] * 9 + [False], "energy": [*np.arange(9) / 10, 1.0]})
    why = gallery.choose(frame, each=2)
    assert why[9] == ("misclassified",) and why[8] == ("best",) and why[0] == ("worst",)
    assert sorted(i for i, w in why.items() if "median" in w) == [4, 5]


def test_page_holds_its_cases_and_ends_no_script():
    text = gallery.page([_case(0), _case(1, 1, ("best",))], CLASSES, "cases", "Two cases")
    script = re.search(r"<script>(.*)</script></section>$", text, re.DOTALL).group(1)
    assert "</" not in script
    data = json.loads(re.search(r"D=(\{.*?\});\n", script, re.DOTALL).group(1))
    first = data["cases"][0]
    assert (first["t"], first["a"], first["e"], len(first["m"])) == (0, 1, 25, 64)
    assert first["b"].split()[0] == "200,200" and data["letters"] == list("GMNP")
    image = base64.b64decode(data["sheet"].partition(",")[2])
    assert cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE).shape == (
        72,
        72 * gallery.COLUMNS,
    )
    for control in ("select", "checkbox", "button", 'role="status"', "<label>"):
        assert control in text


def test_too_large_a_gallery_says_so(monkeypatch):
    monkeypatch.setattr(gallery, "LIMIT", 1000)
    with pytest.raises(ValueError, match="more than a page"):
        gallery.page([_case(0)], CLASSES, "cases", "One")


# --- pictures ---


def test_every_picture_draws(answers):
    labels, probs = answers
    t = np.geomspace(0.2, 5, 9)
    sweep = pd.DataFrame({"kind": "equal width", "bins": [5, 10], "value": 0.1, "low": 0.0, "high": 0.2})
    curve = pd.DataFrame({"coverage": [0.5, 1.0], "value": [1.0, 0.9], "low": [0.9, 0.8], "high": [1.0, 1.0]})
    steps = pd.DataFrame(
        [("a", k, w, m, 1 - k / 3, 0.1, 0.1, 0.9, 0.5, 0, 0.5, 0, 0, 0, 3, 9, 9, 9) for k, w in enumerate(("nothing", "logits")) for m in ("x", "fused")],
        columns=list(sanity.COLUMNS),
    )  # fmt: skip
    rates = pd.DataFrame({"label": ["a", "b"], "mean": [0.1, 0.2], "low": 0.0, "high": 0.3, "n": 5})
    spread = failures.spread(np.r_[np.ones(3), np.zeros(9)], np.arange(12) // 3, 20)
    benefit = {str(k): calibration_measures.net_benefit(labels, probs, k) for k in range(3)}
    for drawing in (
        decisions.bins_sweep(sweep),
        decisions.temperatures(t, {"validation": [t], "test": [t]}, [1.1]),
        decisions.coverage_curves({"one": curve}),
        decisions.net_benefit(benefit),
        map_scores.cascade(steps),
        error_rates.error_rates(rates, "size"),
        error_rates.concentration(spread),
    ):
        assert drawing.svg().startswith("<svg")


def test_effects_keep_rows_without_a_run(answers):
    labels, probs = answers
    answered = {"a": probs, "b": calibration_measures.scale(probs, 3)}
    base, soft = (Told.of(labels, p, key=key, settings=load("cpu")) for key, p in answered.items())
    rows, groups = {"base": [base], "soft": [soft], "none": []}, np.arange(200)
    table = calibration_effects.effects_table(
        rows, groups, calibration_effects.differences(rows, [base], groups)
    )
    assert table["Seeds"].tolist() == ["1", "1", "no run yet"]
    assert "(reference)" in table["ECE"][0] and "to" in table["ECE"][1] and table["ECE"][2] == "–"
    rows = {
        "Proposed Model": [base],
        "With EMA Only": [soft],
        "With Mixup Only": [],
        "Without Mixup & EMA": [],
    }
    rows |= {"Loss: per-class": [soft], "Loss: target-probability": [base]}
    rows |= {"Label Smoothing ε = 0.1": [], "Label Smoothing ε = 0.01": []}
    text = calibration_effects.ingredients_said(
        rows, [base], groups, calibration_effects.differences(rows, [base], groups)
    )
    # 8 in the table; of the list's 6 only the 2 of averaging, since the table has the other pairs with the sign turned
    assert "The table and this list show 10 intervals of differences" in text
