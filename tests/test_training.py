"""Training on the miniature: determinism, exact resumption, EMA and the records that come out."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from filelock import Timeout

from gcaf_lib.settings import load
from gcaf_lib.training import loop, runs, sweep, train, worker
from tests import stages


@pytest.fixture(autouse=True)
def own_store(monkeypatch, tmp_path, lend):
    """Every test has an empty store of its own."""
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("GCAF_CACHE", lend(tmp_path / "cache"))


TINY = {
    "data.phantoms": 24,
    "data.image_size": 32,
    "model.width": 16,
    "training.batch_size": 16,
    "training.stage0_epochs": 1,
    "training.stage1_epochs": 2,
    "training.stage2_epochs": 1,
}


def tiny(**more):
    return load("demo", {**TINY, **more})


def test_patience_stops_and_reduces_at_the_stated_epochs():
    s = load("demo", {"training.stop_patience": 4, "training.plateau_patience": 2}).training
    p = loop.Patience()
    seen = [p.update(v, e, s) for e, v in enumerate([1.0, 0.5, 0.6, 0.6, 0.6, 0.6])]
    assert [x[0] for x in seen] == [True, True, False, False, False, False]
    assert [x[1] for x in seen] == [False] * 5 + [True]
    assert [x[2] for x in seen] == [False, False, False, True, False, True]
    assert p.best_epoch == 1


def test_batches_visit_each_row_once_an_epoch_in_an_order_of_their_own():
    images = np.arange(40)[:, None, None, None].astype(np.uint8)
    part = loop.Part(np.arange(3, 35), np.zeros(32, int))
    batches = loop.Batches(images, part, 4, 8, (1, 1), epochs=2)
    assert len(batches) == 8

    def seen(*items):
        return np.concatenate([batches[i][0]["image"].ravel() for i in items])

    assert sorted(seen(0, 1, 2, 3)) == sorted(seen(4, 5, 6, 7)) == list(part.rows)
    assert list(seen(0, 1, 2, 3)) != list(seen(4, 5, 6, 7))
    second = list(seen(4, 5, 6, 7))
    batches.first = 1  # resumed after the first epoch
    assert len(batches) == 4 and list(seen(0, 1, 2, 3)) == second


def test_every_seed_stage_and_epoch_draws_its_own_numbers(tmp_path, monkeypatch):
    """The order of the images, and the state that augmentation, Mixup and dropout start an epoch with."""
    part = loop.Part(np.arange(30), np.zeros(30, int))
    orders = [
        tuple(loop.Batches(None, part, 4, 10, (seed, number), epochs=2).order(epoch))
        for seed in (0, 1)
        for number in (0, 1, 2)
        for epoch in (0, 1)
    ]
    assert len(set(orders)) == 12
    states = []
    monkeypatch.setattr(loop.augment, "reseed", lambda graph, seed, epoch: states.append((seed, epoch)))
    stage = stages.stage(str(tmp_path))
    for stage.seed in (0, 1):
        for stage.number in (0, 1, 2):
            for epoch in (0, 1):
                stage.on_epoch_begin(epoch)
    assert len(set(states)) == 12 and {seed for seed, _ in states} == {0, 1}


def test_the_training_graph_mixes_as_set_and_its_loss_is_eq_14_of_model_and_label():
    model, images = stages.network(), stages.images()[:6].astype("float32")
    labels = np.eye(4, dtype="float32")[[0, 1, 2, 3, 0, 1]]
    loss = loop.losses.FocalLoss("target-probability", 2.0, 0.05, np.array([0.5, 1, 1.5, 2]))
    for alpha in (0.0, 0.6):
        settings = load("demo", {"training.mixup": alpha}).training
        graph = loop.training_graph(model, settings, 4)
        mixers = [layer.alpha for layer in graph.layers if isinstance(layer, loop.augment.Mixup)]
        assert mixers == ([alpha] if alpha else [])
        joined = graph({"image": images, "label": labels}, training=False)
        found = np.asarray(loop._graph_loss(loss, 4)(None, joined))
        np.testing.assert_allclose(found, np.asarray(loss(labels, model(images))), rtol=1e-5)
        right = np.asarray(model(images)).argmax(1) == labels.argmax(1)
        np.testing.assert_array_equal(np.asarray(loop._graph_accuracy(4)(None, joined)), right)


def scripted(monkeypatch, losses) -> list[list[np.ndarray]]:
    """Validation losses by order; returns the weights that each was asked of."""
    judged, script = [], iter(losses)

    def validate(self):
        judged.append(self._values())
        return next(script), 0.5

    monkeypatch.setattr(loop.Stage, "_validate", validate)
    return judged


def test_an_epoch_is_chosen_by_the_averaged_weights_and_both_are_kept(tmp_path, monkeypatch):
    """The raw weights' losses say otherwise, and the last epoch is not the best."""
    judged = scripted(monkeypatch, [0.5, 0.9, 0.9, 0.4, 0.1, 0.7])  # raw, averaged, an epoch
    done = stages.stage(str(tmp_path), epochs=3).run()
    assert done.patience.best_epoch == 1 and done.patience.best == 0.4
    stages.same(done.best["raw"], judged[2])
    stages.same(done.best["ema"], judged[3])
    assert any(not np.array_equal(a, b) for a, b in zip(judged[2], judged[3]))
    assert [row["val_loss"] for row in done.rows] == [0.9, 0.4, 0.7]


def test_where_nothing_improves_the_rate_falls_and_the_stage_ends_but_not_stage_0(tmp_path, monkeypatch):
    change = {"training.plateau_patience": 1, "training.plateau_factor": 0.25, "training.stop_patience": 3}
    settings = load("demo", {"training.batch_size": stages.BATCH, "training.ema": 0, **change}).training
    scripted(monkeypatch, [1.0] * 20)
    later = stages.stage(str(tmp_path / "2"), epochs=6, settings=settings).run()
    assert [row["rate"] for row in later.rows] == pytest.approx([1e-3, 1e-3, 1e-3 / 4, 1e-3 / 16])
    assert later.stopped
    first = stages.stage(str(tmp_path / "0"), epochs=5, number=0, settings=settings).run()
    assert [row["rate"] for row in first.rows] == pytest.approx([1e-3] * 5) and not first.stopped


@pytest.mark.parametrize("resident", [False, True])
def test_the_pipeline_hands_out_the_batches_as_they_are_and_tunes_nothing(resident):
    images = np.random.default_rng(0).integers(0, 256, (40, 5, 5, 3), np.uint8)
    part = loop.Part(np.arange(3, 37), np.arange(34) % 4)
    batches = loop.Batches(None if resident else images, part, 4, 8, (1, 1), epochs=3)
    batches.first = 1
    made = loop.backend.pipeline(batches)
    assert made.options().autotune.enabled is False
    got = list(made.as_numpy_iterator())
    assert len(got) == len(batches) == 8
    for i, (features, label) in enumerate(got):
        wanted, labels = batches[i]
        assert features.keys() == wanted.keys()
        for one, other in [(label, labels), *((features[name], wanted[name]) for name in wanted)]:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def operations(pipeline) -> set[str]:
    """The kinds of operations in a tf.data pipeline, those in its functions too."""
    variant = tf.data.experimental.to_variant(pipeline)
    graph = tf.compat.v1.GraphDef.FromString(tf.raw_ops.DatasetToGraphV2(input_dataset=variant).numpy())
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return {node.op for node in nodes}


def test_a_stage_traces_its_step_once(tmp_path, monkeypatch):
    """What is made in the first trace, a metric for one, has TensorFlow trace the whole step again."""
    step, traced = keras.Model.train_step, []
    monkeypatch.setattr(keras.Model, "train_step", lambda self, data: traced.append(self) or step(self, data))
    stages.stage(str(tmp_path)).run()
    assert len(traced) == 1


def test_no_step_calls_python_for_its_batch(tmp_path, monkeypatch):
    """No generator operation: what one costs, `backend.pipeline` says."""

    def forbidden(*_, **__):
        raise AssertionError("a generator operation")

    stage = stages.stage(str(tmp_path))
    found = operations(loop.backend.pipeline(stage.batches))
    assert "MapDataset" in found and "GatherV2" in found and not any("Generator" in op for op in found)
    monkeypatch.setattr(tf.data.Dataset, "from_generator", forbidden)
    assert len(stage.run().rows) == stages.EPOCHS
    with pytest.raises(AssertionError, match="a generator operation"):
        stage.graph.fit(stage.batches, verbose=0)  # what Keras makes of them


FED: list[tuple] = []  # (stage, rows and labels of each step's images)
JUDGED: list[tuple] = []  # (stage, rows and labels that its epochs were chosen by)
COUNTED: list[list[int]] = []  # images a class, as the class weights saw them
BEGUN: list[
    dict
] = []  # of each stage: what it was given, its weights at the start, what it trains, and itself


def watch(patch) -> None:
    """Note what training is really given: the rows of each batch, and which judge an epoch."""
    get, validate, weigh = loop.Batches.rows_and_labels, loop.Stage._validate, train.losses.class_weights
    begin = loop.Stage.__init__

    def fed(self, item):
        rows, label = get(self, item)
        FED.append((self.seed[1], rows, label.argmax(1)))
        return rows, label

    def judged(self):
        JUDGED.append((self.number, self.validation.rows, self.validation.labels))
        return validate(self)

    def counted(counts, balance):
        COUNTED.append(list(counts))
        return weigh(counts, balance)

    def begun(self, model, *parts, **given):
        begin(self, model, *parts, **given)
        start = {v.path: np.array(loop.ops.convert_to_numpy(v.value)) for v in model.weights}
        trains = {v.path for v in self.graph.trainable_variables}
        BEGUN.append({**given, "start": start, "trains": trains, "stage": self})

    patch.setattr(loop.Stage, "__init__", begun)
    patch.setattr(loop.Batches, "rows_and_labels", fed)
    patch.setattr(loop.Stage, "_validate", judged)
    patch.setattr(train.losses, "class_weights", counted)


@pytest.fixture(scope="module", autouse=True)
def shallow():
    with pytest.MonkeyPatch.context() as patch:
        stages.shallow(patch.setattr)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory, lend):
    """One uninterrupted tiny run, in a store of its own, whose training was watched."""
    with pytest.MonkeyPatch.context() as patch:
        store = tmp_path_factory.mktemp("store")
        patch.setenv("GCAF_RESULTS", str(store / "results"))
        patch.setenv("GCAF_CACHE", lend(store / "cache"))
        with pytest.MonkeyPatch.context() as spy:
            watch(spy)
            record = train.get(tiny(), 0, profile="demo")
        yield record, store


def test_record_holds_what_a_reader_needs(finished):
    record, _ = finished
    assert list(record.history["stage"]) == [1, 1, 2]
    assert {"val_loss", "val_accuracy", "rate", "seconds"} <= set(record.history)
    p = record.probabilities()
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
    assert record.maps is not None and set(record.maps) >= {"rows", "target"}
    np.testing.assert_array_equal(record.maps["target"], p.argmax(1))
    assert record.info["unfrozen"] and record.info["cam_layers"]
    assert all(w["source"] == "in-domain" and len(w["sha256"]) == 64 for w in record.info["weights"].values())
    text = json.dumps(record.info)
    assert record.info["data_source"] == "phantom" and os.getcwd() not in text


def test_an_epoch_is_judged_by_what_the_whole_model_says(finished):
    """The validation of a stage, which computes what rests but once, against the predictions of the record."""
    record, _ = finished
    last = record.history[record.history["stage"] == 2]
    best = last.loc[last["val_loss"].idxmin()]
    for which, column in (("ema", "val_accuracy"), ("raw", "val_accuracy_raw")):
        p, labels = record.probabilities("validation", which), record.labels("validation")
        assert (p.argmax(1) == labels).mean() == pytest.approx(best[column], abs=1e-9)
    loss = train.focal_loss(record.settings, train.task(record.settings))
    p = record.probabilities("validation", "ema")
    value = loss(np.eye(4, dtype="float32")[record.labels("validation")], np.log(p).astype("float32"))
    assert float(np.mean(value)) == pytest.approx(best["val_loss"], rel=1e-4)


def test_test_images_never_reach_training(finished):
    """By the rows that every stage's steps were made of; epochs are chosen by the validation part."""
    record, _ = finished
    work = train.task(record.settings)
    parts = {name: work.part(name) for name in ("train", "validation", "test")}
    rows = [set(part.rows) for part in parts.values()]
    assert not (rows[0] & rows[1] or rows[0] & rows[2] or rows[1] & rows[2])
    assert set(record.rows("test")) == rows[2] and set(record.rows("validation")) == rows[1]
    known = set(zip(parts["train"].rows, parts["train"].labels))
    for stage in (0, 1, 2):
        fed = {pair for number, rows, labels in FED for pair in zip(rows, labels) if number == stage}
        assert fed <= known, f"stage {stage} was fed what is not of the training part"
        assert len(fed) > 0.7 * len(known), "whole batches of all of the part"
        chosen = [(set(rows), list(labels)) for number, rows, labels in JUDGED if number == stage]
        assert chosen and all(
            one == rows[1] and labels == list(parts["validation"].labels) for one, labels in chosen
        )
    assert COUNTED == [np.bincount(parts["train"].labels).tolist()]
    assert COUNTED != [np.bincount(parts["validation"].labels).tolist()]


def kept(begun: dict) -> dict[str, np.ndarray]:
    """Path of each weight that a stage trains to its value in the best epoch, raw."""
    return {v.path: value for v, value in zip(begun["stage"].moving, begun["stage"].best["raw"], strict=True)}


def test_each_stage_starts_where_the_one_before_was_best_and_trains_its_own_layers(finished):
    record, _ = finished
    *before, one, two = BEGUN
    assert [begun["number"] for begun in BEGUN] == [0, 0, 1, 2]
    for key, begun in zip(record.settings.model.backbones, before, strict=True):
        own = {path: value for path, value in kept(begun).items() if path.startswith(f"{key}_")}
        assert len(own) > 10 and begun["trains"] <= set(begun["start"])
        for path, value in own.items():
            np.testing.assert_array_equal(one["start"][path], value, err_msg=path)
        assert {path for path in own if "/moving_" not in path} <= begun["trains"], "all of it trains"
    names = {layer.name for layer in train.classifier.parts(one["stage"].classifier)["head"]}
    assert one["trains"] and {path.split("/")[0] for path in one["trains"]} <= names, "the head alone"
    for path, value in kept(one).items():
        np.testing.assert_array_equal(two["start"][path], value, err_msg=path)
    averaged = one["stage"].best["ema"]
    assert any(not np.array_equal(a, b) for a, b in zip(one["stage"].best["raw"], averaged))
    s = record.settings
    fresh = train.classifier.build(s.model, s.data.image_size)
    unfrozen = train.classifier.unfreeze(fresh, s.training.unfrozen)
    assert two["trains"] == {v.path for v in fresh.trainable_variables} > one["trains"]
    assert record.info["unfrozen"] == unfrozen


def test_each_stage_has_the_loss_and_the_rate_that_are_set(finished):
    record, _ = finished
    s, (zero, _, one, two) = record.settings, BEGUN
    counts = np.bincount(train.task(s).part("train").labels)
    for begun, rate in ((one, s.training.stage1_rate), (two, s.training.stage2_rate)):
        loss = begun["loss"]
        assert begun["rate"] == rate and begun["seed"] == record.seed
        assert (loss.reading, loss.gamma, loss.smoothing) == (s.loss.reading, s.loss.gamma, s.loss.smoothing)
        assert s.loss.smoothing > 0
        np.testing.assert_allclose(loss.alpha, (1 / counts) / (1 / counts).mean(), rtol=1e-6)
    labels, logits = (
        np.eye(4, dtype="float32"),
        np.random.default_rng(0).normal(size=(4, 4)).astype("float32"),
    )
    entropy = -np.log(loop._softmax(logits)[np.arange(4), np.arange(4)])
    np.testing.assert_allclose(np.asarray(zero["loss"](labels, logits)), entropy, rtol=1e-4)
    schedule = zero["rate"](200)  # up over a tenth of the steps, then half a cosine down to nothing
    found = [float(schedule(step)) for step in (0, 10, 20, 110, 200)]
    assert found == pytest.approx(np.array([0, 0.5, 1, 0.5, 0]) * s.training.stage0_rate, abs=1e-9)


def test_maps_are_of_the_averaged_weights(finished, monkeypatch):
    record, store = finished
    monkeypatch.setenv("GCAF_CACHE", str(store / "cache"))
    images = train.task(record.settings).images
    by = {w: train.gradcam.record(train.load_model(record, w), images, record.rows()) for w in train.WHICH}
    names = [name for name in record.maps if name.startswith(("cam_", "whole_"))]
    assert names
    for name in names:
        np.testing.assert_allclose(record.maps[name], by["ema"][name], atol=2e-3, err_msg=name)
    assert any(np.abs(record.maps[name] - by["raw"][name]).max() > 0.01 for name in names)


def test_stage_0_has_the_run_s_seed_and_a_batch_of_its_own(finished):
    record, _ = finished
    assert record.settings.training.batch_size == 16
    sizes = {number: {len(labels) for stage, _, labels in FED if stage == number} for number in (0, 1, 2)}
    assert sizes == {0: {32}, 1: {16}, 2: {16}}


def test_saved_weights_give_the_recorded_predictions(finished, monkeypatch):
    record, store = finished
    monkeypatch.setenv("GCAF_RESULTS", str(store / "results"))
    monkeypatch.setenv("GCAF_CACHE", str(store / "cache"))
    work = train.task(record.settings)
    for which in ("raw", "ema"):
        model = train.load_model(record, which)
        p = loop.probabilities(model, work.images, record.rows())
        np.testing.assert_allclose(p, record.probabilities(which=which), atol=1e-6)


class Killed(Exception):
    pass


def test_same_seed_same_bits_though_it_died_in_every_stage_and_another_seed_other_bits(finished, monkeypatch):
    record, _ = finished  # the autouse fixture gives this test an empty store: all is trained anew
    original, deaths = loop.Stage._save, []

    def die(self, raw):
        original(self, raw)
        if self.number not in deaths:
            deaths.append(self.number)
            raise Killed

    monkeypatch.setattr(loop.Stage, "_save", die)
    for number in (0, 1, 2):
        with pytest.raises(Killed):
            train.get(tiny(), 0, profile="demo")
        assert deaths[-1] == number and not runs.all_records("main")
    resumed = train.get(tiny(), 0, profile="demo")
    assert resumed.folder != record.folder
    columns = [c for c in record.history if c != "seconds"]
    np.testing.assert_array_equal(resumed.history[columns], record.history[columns])
    assert resumed.info["weights"] == record.info["weights"], "stage-0 weights differ in some bit"
    for name, values in record.predictions.items():
        np.testing.assert_array_equal(values, resumed.predictions[name], err_msg=name)
    key = record.settings.model.backbones[0]
    first = [train.stage0(tiny(), seed, key, train.task(tiny()), progress=False) for seed in (0, 1)]
    assert runs.sha256(first[0]) == record.info["weights"][key]["sha256"] != runs.sha256(first[1])


def test_a_finished_run_is_loaded_not_trained(finished, monkeypatch):
    record, store = finished
    monkeypatch.setenv("GCAF_RESULTS", str(store / "results"))
    monkeypatch.setattr(train, "_train", None)
    assert train.get(tiny(), 0).key == record.key


def copied(store: Path) -> None:
    """What `store` holds, but for what is lent, into the store and the cache of a test."""
    for own in ("results", "cache"):
        lent = shutil.ignore_patterns("phantoms", "code")
        shutil.copytree(store / own, os.environ[f"GCAF_{own.upper()}"], ignore=lent, dirs_exist_ok=True)


@pytest.fixture
def stage0_made(finished):
    """A store and a cache of the test's own in which stage 0 of the finished run stands, and no more."""
    record, store = finished
    copied(store)
    shutil.rmtree(runs.find(record.key).folder)
    shutil.rmtree(runs.weights_path(record.key, "ema").parent)


@pytest.fixture
def here(finished):
    """The finished run with its weights, in a store and a cache that a test may spoil."""
    record, store = finished
    copied(store)
    return runs.find(record.key)


def test_weights_are_those_of_their_record(here):
    for which in train.WHICH:
        path = runs.weights_path(here.key, which)
        assert here.info["weights_sha256"][which] == runs.sha256(path)
    assert here.info["weights_sha256"]["raw"] != here.info["weights_sha256"]["ema"]
    train.load_model(here)  # a warning would be an error


def test_a_weight_file_that_is_damaged_or_another_run_s_is_refused_and_made_again_only_when_told(
    here, monkeypatch
):
    good = {which: runs.weights_path(here.key, which).read_bytes() for which in train.WHICH}
    path = runs.weights_path(here.key, "ema")
    cure = r"gcaf train --profile demo --seed 0 --weights .*data\.phantoms=24"
    for bad in (good["ema"][:-5], good["ema"][:-1] + b"?", good["raw"], b""):
        path.write_bytes(bad)
        with pytest.raises(runs.RunError, match=rf"damaged or another run's.*{path.name}.*{cure}"):
            train.load_model(here)
        assert path.read_bytes() == bad, "looking at it changes nothing"
    train.load_model(here, "raw")  # the other file is fine
    path.write_bytes(good["ema"])
    path.with_name(f"{path.name}.sha256").write_bytes(b"\xff\0")  # the note of what was made here is no text
    train.load_model(here)
    path.write_bytes(b"")

    class Trained(Exception):
        pass

    def again(*_, **__):
        raise Trained

    monkeypatch.setattr(train, "_train", again)
    with pytest.raises(Trained):
        train.ensure_weights(here)
    path.write_bytes(good["ema"])
    assert train.ensure_weights(here) == path


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """Warnings of this library (`pytest.warns` would raise TensorFlow's own again)."""
    texts: list[str] = []
    monkeypatch.setattr(train.warnings, "warn", lambda text, *_, **__: texts.append(str(text)))
    return texts


def test_weights_made_again_are_compared_with_the_record(here, said, monkeypatch):
    """Once the same, which is silent; once against a record of another machine, which is said, then and later."""
    kept = {which: runs.sha256(runs.weights_path(here.key, which)) for which in train.WHICH}
    stages_of, trained = train._stages, []

    def once(*given):
        if not trained:
            trained.extend(stages_of(*given))
        *made, about = trained
        return *made, dict(about)

    monkeypatch.setattr(train, "_stages", once)
    shutil.rmtree(runs.weights_path(here.key, "ema").parent)
    train.ensure_weights(here, progress=False)
    train.load_model(here)
    assert trained and not said
    assert kept == {which: runs.sha256(runs.weights_path(here.key, which)) for which in train.WHICH}
    shutil.rmtree(runs.weights_path(here.key, "ema").parent)
    elsewhere = json.loads((here.folder / "record.json").read_text())
    elsewhere["weights_sha256"] = {"raw": "1" * 64, "ema": "2" * 64}
    (here.folder / "record.json").write_text(json.dumps(elsewhere))
    record = runs.find(here.key)
    train.ensure_weights(record, progress=False)
    for which in train.WHICH:
        train.load_model(record, which)
    other = f"weights of run {here.key} on this machine are not those of its record"
    assert len(said) == 3 and all(other in text for text in said)


def test_a_damaged_stage_0_is_trained_again_and_said(here, said, monkeypatch):
    (key,) = {w["stage0"] for name, w in here.info["weights"].items() if name == "convnext-tiny"}
    path = runs.weights_path(key, "backbone")
    good = path.read_bytes()
    path.write_bytes(good[:-5] + b"?????")
    work = train.task(here.settings)
    assert train.stage0(here.settings, 0, "convnext-tiny", work, progress=False) == path
    assert len(said) == 1 and "damaged or another run's: stage 0 is trained again" in said[0]
    assert path.read_bytes() == good
    monkeypatch.setattr(train, "_train_stage0", None)
    train.stage0(here.settings, 0, "convnext-tiny", work, progress=False)


def test_training_that_diverges_says_so_and_leaves_nothing_poisoned(tmp_path):
    (tmp_path / "stage").mkdir()
    with (
        np.errstate(all="ignore"),
        pytest.raises(runs.RunError, match=r"stage 2, epoch 1 of 2: .*stage2_rate"),
    ):
        stages.stage(str(tmp_path / "stage"), rate=1e30).run()
    assert not list((tmp_path / "stage").iterdir()), (
        "a checkpoint to resume from would be one of weights that are no numbers"
    )


def test_training_that_diverges_later_keeps_the_checkpoint_of_before(tmp_path, monkeypatch):
    calls = []
    validate = loop.Stage._validate

    def diverging(self):
        calls.append(len(self.rows))
        loss, accuracy = validate(self)
        return (loss if not self.rows else float("nan")), accuracy

    monkeypatch.setattr(loop.Stage, "_validate", diverging)
    for _ in range(2):  # resumed, it says the same
        with pytest.raises(runs.RunError, match=r"diverged in stage 2, epoch 2 of 2"):
            stages.stage(str(tmp_path)).run()
    with np.load(tmp_path / "stage.npz") as archive:
        assert all(np.isfinite(archive[name]).all() for name in archive.files if name != "state")
    assert set(calls) == {0, 1}


def test_missing_weights_say_how_to_make_them(finished):
    record, _ = finished
    with pytest.raises(runs.RunError, match=r"gcaf train --profile demo --seed 0 .*data.phantoms=24"):
        train.load_model(record)


def test_ema_off_makes_raw_and_averaged_the_same(stage0_made):
    record = train.get(tiny(**{"training.ema": 0, "training.mixup": 0, "training.stage2_epochs": 0}), 0)
    np.testing.assert_array_equal(record.predictions["test_ema"], record.predictions["test_raw"])


def test_jax_trains_resumes_and_averages_too(tmp_path):
    pytest.importorskip("jax", reason="the jax extra is not installed")
    script = """
import numpy as np
from gcaf_lib.settings import load
from gcaf_lib.training import loop, train
from tests import stages
import json, sys
stages.shallow()
settings = load("demo", json.loads(sys.argv[1]))
original = loop.Stage._save
class Killed(Exception): pass
def die(self, raw):
    original(self, raw)
    if self.number == 1: raise Killed
loop.Stage._save = die
try: train.get(settings, 0)
except Killed: pass
loop.Stage._save = original
record = train.get(settings, 0, maps=False)  # maps on JAX: test_gradcam.py
p = record.predictions
assert record.info["provenance"]["backend"] == "jax"
assert not np.array_equal(p["test_ema"], p["test_raw"])
assert np.isfinite(p["test_ema"]).all() and record.maps is None
"""
    env = dict(os.environ, KERAS_BACKEND="jax", XLA_FLAGS=stages.QUICK)
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(TINY)],
        env=env,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_checkpoint_of_other_code_or_that_cannot_be_read_is_left_aside(finished, stage0_made, monkeypatch):
    record, _ = finished
    original = loop.Stage._save

    def die(self, raw):
        original(self, raw)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop.Stage, "_save", die)
        patch.setattr(loop.environment, "fingerprint", lambda *_: "other code")
        with pytest.raises(Killed):
            train.get(tiny(), 0, profile="demo")
    left = train._scratch(record.key)
    assert [path.name for path in left.iterdir()] == ["stage1.npz"]
    (left / "stage2.npz").write_bytes(b"PK half a file")
    said = []
    monkeypatch.setattr(loop.warnings, "warn", lambda text, **_: said.append(str(text)))
    again = train.get(tiny(), 0, profile="demo")
    assert any("stage1.npz is left aside: other code wrote it" in text for text in said)
    assert any("stage2.npz is left aside: it can't be read" in text for text in said)
    np.testing.assert_array_equal(record.predictions["test_ema"], again.predictions["test_ema"])


def first_epoch(folder) -> dict[str, np.ndarray]:
    """Arrays of the checkpoint that a stage leaves which died behind its first epoch."""
    with pytest.raises(stages.Killed):
        stages.stage(str(folder), stages.Dying).run()
    with np.load(folder / "stage.npz") as archive:
        return dict(archive)


def with_state(arrays, change) -> dict[str, np.ndarray]:
    state = json.loads(arrays["state"].tobytes())
    change(state)
    return arrays | {"state": np.frombuffer(json.dumps(state).encode(), np.uint8)}


POISON = {
    "an array is missing": (
        lambda a: {k: v for k, v in a.items() if k != "opt_1"},
        "not those of this stage",
    ),
    "one too many": (lambda a: a | {"raw_99": a["raw_0"]}, "not those of this stage"),
    "of another shape": (lambda a: a | {"raw_0": a["raw_0"][:1]}, "not those of this stage"),
    "no number": (lambda a: a | {"best-ema_0": a["best-ema_0"] * np.nan}, "no numbers"),
    "no state": (lambda a: {k: v for k, v in a.items() if k != "state"}, "can't be read"),
    "a list for a state": (lambda a: a | {"state": np.frombuffer(b"[1]", np.uint8)}, "can't be read"),
    "no JSON": (lambda a: a | {"state": np.frombuffer(b"{", np.uint8)}, "can't be read"),
    "no patience": (lambda a: with_state(a, lambda s: s.update(patience=3)), "can't be read"),
    "no history": (lambda a: with_state(a, lambda s: s.update(rows=[])), "its history"),
    "half a history": (lambda a: with_state(a, lambda s: s["rows"][0].pop("val_loss")), "its history"),
    "another epoch": (lambda a: with_state(a, lambda s: s["rows"][0].update(epoch=2)), "its history"),
    "text in it": (lambda a: with_state(a, lambda s: s["rows"][0].update(loss="low")), "can't be read"),
    "no best epoch": (lambda a: with_state(a, lambda s: s["patience"].update(best_epoch=7)), "best epoch"),
    "other versions": (
        lambda a: with_state(a, lambda s: s["by"]["versions"].update(keras="1")),
        "other versions",
    ),
    "an older kind": (
        lambda a: with_state(a, lambda s: s.update(by=["x", "tensorflow"])),
        "other code and back",
    ),
}


def test_a_checkpoint_that_does_not_fit_is_left_aside_and_changes_nothing(tmp_path, monkeypatch):
    arrays, stage = first_epoch(tmp_path), stages.stage(str(tmp_path))
    before, said = stage._values(), []
    monkeypatch.setattr(loop.warnings, "warn", lambda text, **_: said.append(str(text)))
    for kind, (poison, reason) in POISON.items():
        np.savez(tmp_path / "stage.npz", **poison(arrays))
        assert stage._resume() == 0, kind
        assert "stage.npz is left aside" in said[-1] and reason in said[-1], kind
        stages.same(stage._values(), before)
        assert (stage.rows, stage.stopped, stage.best) == ([], False, {}), kind
    assert len(said) == len(POISON)
    np.savez(tmp_path / "stage.npz", **with_state(arrays, lambda s: None))
    assert stage._resume() == 1 and len(said) == len(POISON), "one that fits is resumed in silence"


@pytest.fixture(scope="module")
def backbone_files(tmp_path_factory):
    """Folder of a miniature's own weights, and of what people put in their place."""
    folder, s = tmp_path_factory.mktemp("weights"), load("demo", {**TINY, "model.weights": "none"})
    pair = train.classifier_of(s, 0)
    for key in s.model.backbones:
        train.classifier.backbone(pair, key).save_weights(folder / f"{key}.weights.h5")
    pair.save_weights(folder / "pair.weights.h5")
    good = (folder / "convnext-tiny.weights.h5").read_bytes()
    (folder / "half.weights.h5").write_bytes(good[: len(good) // 2])
    (folder / "text.weights.h5").write_bytes(b"no weights")
    first = train.classifier.backbone(pair, "convnext-tiny")
    first.set_weights([value * np.nan for value in first.get_weights()])
    first.save_weights(folder / "nan.weights.h5")
    return folder


@pytest.mark.parametrize("kind", ["efficientnetv2-s", "pair", "half", "text", "nan"])
def test_weight_files_that_do_not_fit_are_named_in_one_line(tmp_path, backbone_files, kind):
    for key in ("efficientnetv2-s", "convnext-tiny"):
        shutil.copy(backbone_files / f"{key}.weights.h5", tmp_path)
    settings = tiny(**{"model.weights": str(tmp_path)})
    work = train.task(settings)
    model = train.classifier_of(settings, 1)
    train._backbone_weights(model, settings, 0, work, "", False)  # the right ones
    shutil.copy(backbone_files / f"{kind}.weights.h5", tmp_path / "convnext-tiny.weights.h5")
    why = "no numbers" if kind == "nan" else "damaged, or of another model"
    with pytest.raises(
        train.backbones.WeightsError, match=rf"convnext-tiny\.weights\.h5 can't be used.*{why}"
    ) as e:
        train._backbone_weights(model, settings, 0, work, "", False)
    assert "\n" not in str(e.value) and len(str(e.value)) < 600


def test_a_record_s_model_is_built_in_the_record_s_precision(here):
    """Under whatever policy the process had before, which stands again afterwards."""
    work = train.task(here.settings)
    with train.backend.precision("mixed_bfloat16"):
        model = train.load_model(here)
        assert train.keras.config.dtype_policy().name == "mixed_bfloat16"
        p = loop.probabilities(model, work.images, here.rows())
        maps = train.gradcam.record(model, work.images, here.rows())
    np.testing.assert_allclose(p, here.probabilities(), atol=1e-6)
    for name, values in here.maps.items():
        np.testing.assert_allclose(maps[name], values, atol=2e-3)


def test_training_leaves_the_precision_as_it_was():
    settings = tiny(
        **{"training.dtype": "mixed_bfloat16", "model.weights": "none", "training.stage2_epochs": 0}
    )
    record = train.get(settings, 0, progress=False)
    assert train.keras.config.dtype_policy().name == "float32"
    layer = train.load_model(record).get_layer("convnext-tiny_stem_conv")
    assert layer.compute_dtype == "bfloat16"


def test_whoever_shares_the_store_shares_its_locks_whatever_the_cache(monkeypatch, tmp_path):
    with runs.lock("abc"):
        monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "another"))
        with pytest.raises(Timeout):
            runs.lock("abc").acquire(timeout=0)


def test_stage_0_that_comes_out_otherwise_than_its_record_says_so(monkeypatch):
    settings = tiny(**{"model.backbones": ("vgg19",), "model.fusion": "none"})
    work = train.task(settings)
    path = train.stage0(settings, 5, "vgg19", work)
    assert runs.load(runs.runs_dir() / path.parent.name).seed == 5
    shutil.rmtree(path.parent)
    record = next(p for p in runs.runs_dir().glob("*/record.json"))
    record.write_text(record.read_text().replace('"weights_sha256": "', '"weights_sha256": "0'))
    said = []
    monkeypatch.setattr(train.warnings, "warn", lambda text, **_: said.append(str(text)))
    train.stage0(settings, 5, "vgg19", work)
    assert any("are not those of its record" in text and "start elsewhere" in text for text in said)
    (stage0,) = sweep.starts([worker.Job("k", settings, 5, "demo")])["k"]
    assert stage0.key == path.parent.name and sweep.other_starts([stage0]) == [stage0.key]
