"""The control of explanations: pictures, scores and what is said of them."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from gcaf_lib.data import marks  # noqa: E402
from gcaf_lib.evaluation import control  # noqa: E402
from gcaf_lib.settings import load  # noqa: E402


def test_pictures_are_the_same_at_every_asking_and_differ_by_seed():
    a, b, other = marks.make(40, 1), marks.make(40, 1), marks.make(40, 2)
    assert np.array_equal(a.images, b.images) and not np.array_equal(a.images, other.images)
    assert a.images.shape == (40, 64, 64, 3) and a.images.dtype == np.uint8
    assert np.bincount(a.labels).tolist() == [10] * 4
    assert 0.02 < a.masks.mean() < 0.035 and a.masks.any((1, 2)).all()


def test_nothing_but_the_mark_tells_the_class():
    """Background, place and size of the mark have one distribution; the mark's mean tone too."""
    many = marks.make(2000, 3)
    grey = many.images[..., 0].astype(float)
    outside = np.where(many.masks, np.nan, grey)
    y = (many.masks * np.arange(64)[None, :, None]).sum((1, 2)) / many.masks.sum((1, 2))
    rough = np.nanmean(np.abs(np.diff(outside, axis=2)), axis=(1, 2))
    for value in (np.nanmean(outside, axis=(1, 2)), np.nanstd(outside, axis=(1, 2)), rough, y):
        means = [value[many.labels == k].mean() for k in range(4)]
        error = value.std() / np.sqrt(500)
        assert np.ptp(means) < 5 * error, means
    inside = (
        many.images.astype(float).sum((1, 2), where=many.masks[..., None]) / many.masks.sum((1, 2))[:, None]
    )
    tints = np.stack([inside[many.labels == k].mean(0) for k in range(4)])
    assert np.ptp(tints.mean(1)) < 3  # one brightness
    apart = np.linalg.norm(tints[:, None] - tints[None], axis=2)
    assert apart[~np.eye(4, dtype=bool)].min() > 60 and tints.std(1).min() > 20  # four colours, none grey
    assert np.ptp(many.images[~many.masks].astype(int), axis=1).max() == 0  # and no colour elsewhere


def test_pictures_are_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    control.write_pictures({"a": np.arange(3)})
    with pytest.raises(ZeroDivisionError):
        control.write_pictures({"a": np.zeros(3), "b": Broken()})
    assert control.read_pictures(tmp_path)["a"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["control.npz"]


class Broken:
    """No array: whoever writes it is interrupted there."""

    def __array__(self, *_, **__):
        raise ZeroDivisionError


def tiny(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    la = keras.layers
    image = keras.Input((64, 64, 3), name="image")
    x = la.Conv2D(16, 3, strides=2, activation="relu", name="tiny_first")(la.Rescaling(1 / 64, -2)(image))
    x = la.Conv2D(32, 3, strides=2, padding="same", name="tiny_second")(x)
    x = la.Activation("relu")(la.BatchNormalization(momentum=0.8, name="tiny_norm")(x))
    x = la.Conv2D(32, 3, strides=2, padding="same", name="tiny_third")(x)
    x = la.Activation("relu")(la.BatchNormalization(momentum=0.8, name="tiny_last")(x))
    x = la.Activation("linear", name="features_tiny")(x)
    return keras.Model(image, la.Dense(4, name="logits")(la.GlobalAveragePooling2D()(x)))


@pytest.fixture(scope="module")
def judged():
    """Scores of a small network before and after training on the marks, and its share of right answers."""
    train, test = marks.make(1200, 0), marks.make(60, 1)
    model = tiny()
    before = control.scores(control.explain(model, test.images, 30), test.masks)
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(train.images.astype("float32"), train.labels, batch_size=32, epochs=4, verbose=0)
    right = (model.predict(test.images.astype("float32"), verbose=0).argmax(1) == test.labels).mean()
    return before, control.scores(control.explain(model, test.images, 30), test.masks), right


def test_maps_of_a_model_that_is_right_find_the_mark(judged):
    before, after, right = judged
    assert right > 0.95, "the control says nothing about maps of a model that is wrong"
    after, before = (t.set_index(["map", "method", "place"]) for t in (after, before))
    for key in (("whole", "sensitivity", ""), ("whole", "occlusion", "")):
        assert after.loc[key, "pointing"] > 0.8 and after.loc[key, "energy"] > 0.15, key
        assert before.loc[key, "pointing"] < 0.3, key
    assert after.loc[("tiny", "grad-cam", "after"), "tolerant"] > 0.8  # a cell beside the mark, often
    # what the negative control is for: an untrained network's large values are where the picture stands out
    assert before.loc[("tiny", "layercam", "after"), "pointing"] > control.LEAK
    assert after.loc[("random", "", ""), "pointing"] < 0.15
    assert after.loc[("whole", "occlusion", ""), "n"] == 30
    assert 0.02 < after["chance"].iloc[0] < 0.035


def test_parts_of_the_control_are_of_their_own():
    settings, sizes = load("demo"), {"train": 40, "validation": 12, "test": 20}
    data, other = (control.work(settings, seed, sizes) for seed in (5, 6))
    rows = np.concatenate([data.part(part).rows for part in sizes])
    assert [len(data.part(part).rows) for part in sizes] == [40, 12, 20] and len(set(rows)) == 72
    for part in sizes:
        assert np.array_equal(data.part(part).labels, data.pictures.labels[data.part(part).rows])
    assert len({image.tobytes() for image in data.images}) == 72
    assert not np.array_equal(other.images[0], data.images[0]) and other.split_hash != data.split_hash


@pytest.mark.slow
def test_the_whole_control_of_one_seed(tmp_path, monkeypatch):
    """As committed, but for rounding and the machine: the model learns the marks, and sensitivity finds them."""
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    table = control.run(control.TRAINED, False, 0).table
    assert table["accuracy"].min() >= control.RIGHT
    committed = control.read()
    keys = ["map", "method", "place"]
    same = committed[
        (committed["kind"] == control.TRAINED) & (committed["seed"] == 0) & ~committed["projection_norm"]
    ]
    pairs = table.set_index(keys)["pointing"] - same.set_index(keys)["pointing"]
    assert pairs.loc[("whole", "sensitivity", "")] == pytest.approx(0, abs=0.15)
