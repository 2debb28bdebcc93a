"""Floors: each sees what it says and nothing else; the committed table follows from the images."""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier

from gcaf_lib import settings
from gcaf_lib.data import splits, thumbnails
from gcaf_lib.data.dataset import DataError, Dataset, data_hash, open_dataset
from gcaf_lib.evaluation import bootstrap, floors, hints, worth
from gcaf_lib.settings import DataSettings, results_dir


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 64, 64), dtype=np.uint8)


def seen(thumbs: np.ndarray, **more) -> floors.Features:
    rows = thumbs.reshape(len(thumbs), -1).astype(np.float32) / 255
    flipped = thumbnails.mirror(thumbs).reshape(len(thumbs), -1).astype(np.float32) / 255
    empty = np.zeros((len(thumbs), 1), np.float32)
    return floors.Features(rows, flipped, **{"size": empty, "border": empty, "masked": empty, **more})


def test_nearest_neighbour_is_scikit_learns():
    thumbs, labels = noise(80), np.random.default_rng(1).integers(0, 4, 80)
    train, test = np.arange(60), np.arange(60, 80)
    features = seen(thumbs)
    model = KNeighborsClassifier(1).fit(features.plain[train], labels[train])
    assert (floors.predict("1nn", features, labels, train, test) == model.predict(features.plain[test])).all()


def test_only_the_mirror_aware_neighbour_finds_a_mirrored_copy():
    known = noise(40)
    thumbs = np.concatenate([known, thumbnails.mirror(known)])
    labels = np.tile(np.arange(40) % 4, 2)
    train, test = np.arange(40), np.arange(40, 80)
    assert (floors.predict("1nn-mirror", seen(thumbs), labels, train, test) == labels[test]).all()
    assert (floors.predict("1nn", seen(thumbs), labels, train, test) == labels[test]).mean() < 0.7


def test_size_features_know_a_frequent_size_and_no_content():
    frame = pd.DataFrame({"width": [512] * 30 + [300], "height": [512] * 30 + [400], "mode": "L", "label": 0})
    matrix = floors.size_features(frame)
    assert matrix.shape == (31, 5)  # width, height, aspect, one mode, one frequent size
    assert matrix[0].tolist() == [512, 512, 1, 1, 1] and matrix[30].tolist() == [300, 400, 0.75, 1, 0]
    assert np.array_equal(matrix, floors.size_features(frame.assign(label=3, sha256="x")))
    few = frame.tail(floors.FREQUENT)  # all but one of one size: one too few for a column
    assert floors.size_features(few).shape == (floors.FREQUENT, 4)
    both = pd.concat([frame.head(floors.FREQUENT), frame.tail(1)])
    assert floors.size_features(both)[:, 4:].sum(0).tolist() == [floors.FREQUENT]


def test_border_features_see_the_outer_frame_only():
    thumbs = noise(5)
    inside = thumbs.copy()
    inside[:, floors.FRAME : -floors.FRAME, floors.FRAME : -floors.FRAME] = 0
    assert np.array_equal(floors.border_features(thumbs), floors.border_features(inside))
    outside = thumbs.copy()
    outside[:, :, -1] = 255
    assert (floors.border_features(thumbs) != floors.border_features(outside)).any(1).all()


def test_border_features_are_each_sides_mean_and_spread():
    image = np.full((1, 64, 64), 9, np.uint8)
    f = floors.FRAME
    image[:, :f], image[:, -f:], image[:, f:-f, :f], image[:, f:-f, -f:] = 10, 20, 30, 40
    (row,) = floors.border_features(image)
    assert row[:4].tolist() == [10, 0, 20, 0], "top and bottom"
    inner = 64 - 2 * f
    for at, tone in ((4, 30), (6, 40)):
        side = np.r_[np.full(f, 10), np.full(f, 20), np.full(inner, tone)]
        assert row[at : at + 2] == pytest.approx([side.mean(), side.std()], rel=1e-5)
    assert row[10:].tolist() == [10, 10, 20, 30, 40], "five quantiles of the frame"


@pytest.mark.parametrize("floor", floors.FLOORS)
def test_labels_of_the_test_part_are_never_seen(floor):
    rng = np.random.default_rng(0)
    labels, train, test = np.arange(120) % 4, np.arange(80), np.arange(80, 120)
    matrix = {name: rng.normal(size=(120, 70)).astype(np.float32) for name in ("size", "border", "masked")}
    features = seen(noise(120), **matrix)
    said = floors.predict(floor, features, labels, train, test)
    wrong = labels.copy()
    wrong[test] = (wrong[test] + 1) % 4
    assert np.array_equal(floors.predict(floor, features, wrong, train, test), said)


def test_boxes_of_phantoms_hold_their_lesions(tmp_path):
    (tmp_path / "masks").mkdir()
    mask = np.zeros((40, 80), np.uint8)
    mask[10:15, 60:76] = 255
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), mask)
    frame = pd.DataFrame({"file": ["Training/glioma/a.jpg", "Training/notumor/b.jpg"]})
    found = floors.boxes(Dataset(tmp_path, frame, "", banner="PHANTOM DATA"))
    assert found[0].tolist() == [60 / 80, 10 / 40, 76 / 80, 15 / 40] and np.isnan(found[1]).all()


def test_fill_replaces_the_box_by_the_mean_around_it():
    image = np.full((64, 64), 50.0, np.float32)
    image[20:30, 40:48] = 255
    floors.fill(image, np.array([40, 20, 48, 30]) / 64)
    assert image == pytest.approx(50.0)
    image[15:33, 15:33] = 255  # the tumour's faint edge, outside its box by less than a tenth of its size
    floors.fill(image, np.array([16, 16, 32, 32]) / 64)
    assert image == pytest.approx(50.0)
    ramp = np.tile(np.arange(64.0), (64, 1))
    before = ramp.copy()
    floors.fill(ramp, np.array([0.5, 0.5, 0.6, 0.6]))
    changed = ramp != before
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 31 and rows.max() <= 39 and columns.min() >= 31 and columns.max() <= 39
    for box in ([0, 0, 1, 1], [0.999, 0.999, 1, 1], [0, 0, 0, 0]):  # at the edges, and the whole image
        floors.fill(ramp, np.array(box, float))
        assert np.isfinite(ramp).all()


def outside(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of which an interval does not hold its own estimate."""
    threes = [("accuracy", "low", "high"), ("macro_f1", "f1_low", "f1_high"),
              ("picture", "picture_low", "picture_high"), ("picture_f1", "picture_f1_low", "picture_f1_high")]  # fmt: skip
    held = [(table[low] <= table[value]) & (table[value] <= table[high]) for value, low, high in threes]
    return table[~np.logical_and.reduce(held)]


def made_up_boxes(labels, rng):
    """Boxes whose place gives the class away, unknown for notumor (2) and every tenth tumour."""
    corner = np.array([[0.1, 0.1], [0.7, 0.1], [0, 0], [0.4, 0.6]])[labels]
    start = corner + rng.uniform(-0.03, 0.03, corner.shape)
    boxes = np.column_stack([start, start + 0.15])
    boxes[(labels == 2) | (np.arange(len(labels)) % 10 == 0)] = np.nan
    return boxes


def test_every_known_tumour_is_masked_and_the_input_untouched():
    labels = np.arange(60) % 4
    known = made_up_boxes(labels, np.random.default_rng(0))
    thumbs = np.full((60, 64, 64), 30, np.uint8)
    for image, box in zip(thumbs, known):
        if not np.isnan(box[0]):
            x0, y0, x1, y1 = (box * 64).round().astype(int)
            image[y0:y1, x0:x1] = 255
    before = thumbs.copy()
    out = floors.mask_out(thumbs, labels, known)
    assert np.array_equal(thumbs, before)
    assert out[~np.isnan(known[:, 0])].max() < 40
    assert np.array_equal(out, floors.mask_out(thumbs, labels, known))


def test_masking_itself_is_no_shortcut():
    """On images that carry nothing of the class, the holes must not tell it (chance is 25%)."""
    labels = np.arange(2000) % 4
    known = made_up_boxes(labels, np.random.default_rng(0))
    train, test = np.arange(1200), np.arange(1200, 2000)

    def score(masked):
        # holes are grey, noise is not
        half = np.abs(masked - 127.5).reshape(2000, 32, 2, 32, 2).mean((2, 4)).reshape(2000, -1)
        features = seen(masked, masked=half.astype(np.float32))
        return (floors.predict("masked", features, labels, train, test) == labels[test]).mean()

    naive = noise(2000).astype(np.float32)
    for image, box in zip(naive, known):
        if not np.isnan(box[0]):
            floors.fill(image, box)
    assert score(naive) > 0.8  # masking only what is known tells the class
    assert score(floors.mask_out(noise(2000), labels, known)) == pytest.approx(0.25, abs=0.05)


def test_floors_on_phantoms(phantom_root, tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path))
    dataset = phantoms(phantom_root)
    seen_ = floors.features(dataset)
    table = floors.over_protocols(seen_, dataset)
    assert tuple(table.columns) == floors.COLUMNS
    assert len(table) == len(floors.FLOORS) * len(splits.MANIFESTS)
    assert outside(table).empty
    again = floors.over_protocols(floors.features(dataset), dataset, ("patients",))
    mine = table[table["protocol"] == "patients"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, again)
    path, kept = floors.make(seen_, dataset, tmp_path / "out")
    pd.testing.assert_frame_equal(pd.read_csv(path), table, atol=1e-5, check_dtype=False)
    assert {p.name for p in path.parent.iterdir()} == {path.name, kept.name} == {"floors.csv", floors.ANSWERS}


def test_the_look_ups_answers_are_those_that_the_table_scores(phantom_root, tmp_path, monkeypatch):
    """Read back they are what was computed; others, or of another table, are refused with the cure."""
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path))
    dataset = phantoms(phantom_root)
    own = floors.read_answers(dataset)
    real = replace(dataset, banner=None)  # read from files, as the real images' are
    seen_ = floors.features(dataset)
    table, said = floors.over_protocols(seen_, dataset), floors.look_ups(seen_, dataset)
    floors.write(table, tmp_path)
    with pytest.raises(DataError, match=r"floors_answers\.npz is missing: `python -m"):
        floors.read_answers(real, tmp_path)
    floors.write_answers(said, tmp_path)
    found = floors.read_answers(real, tmp_path)
    score = table.set_index(["floor", "protocol"])
    assert set(found) == set(own) == {(f, p) for f in floors.LOOK_UPS for p in splits.MANIFESTS}
    for name, one in found.items():
        assert all(np.array_equal(a, b) for a, b in zip(one[:3], own[name][:3]))
        right = one.probs.argmax(1) == one.labels
        assert len(right) == score.loc[name, "n"] and right.mean() == pytest.approx(
            score.loc[name, "accuracy"]
        )
    first = next(iter(said))
    other = said[first].copy()
    right = np.flatnonzero(other == dataset.frame["label"])[0]
    other[right] = (other[right] + 1) % 4  # one answer
    for wrong in ({first: other}, {first: said[first][:-1]}):
        floors.write_answers(said | wrong, tmp_path)
        with pytest.raises(DataError, match=r"does not belong to floors\.csv beside it: `python -m"):
            floors.read_answers(real, tmp_path)
    floors.write_answers({name: one for name, one in said.items() if name != first}, tmp_path)
    with pytest.raises(DataError, match="does not belong"):
        floors.read_answers(real, tmp_path)


def phantoms(phantom_root) -> Dataset:
    from gcaf_lib.data.dataset import index

    frame = index(phantom_root)
    return Dataset(phantom_root, frame, data_hash(frame), banner="PHANTOM DATA")


def measured(monkeypatch, dataset, wrong, protocol="paper", pictures=None, **task) -> pd.Series:
    """A floor that answers with the truth, but for label + 1 (in the task's order) on the rows `wrong`."""

    def answers(floor, seen, labels, train, test, seed=0):
        own = np.unique(labels[np.r_[train, test]])
        place = np.searchsorted(own, labels[test])
        return own[(place + np.isin(test, wrong)) % len(own)]

    monkeypatch.setattr(floors, "predict", answers)
    groups = np.arange(len(dataset.frame))
    pictures = groups if pictures is None else pictures
    return floors.measure(protocol, None, dataset, groups, pictures, floors=("1nn",), **task).iloc[0]


TUMOURS = ("glioma", "meningioma", "pituitary")


def test_macro_f1_averages_over_the_tasks_own_classes(phantom_root, monkeypatch):
    """Right on everything is an F1 of 1 with four classes, three and two: no class is averaged that cannot occur."""
    dataset = phantoms(phantom_root)
    labels = dataset.frame["label"].to_numpy(int)
    part = splits.load(DataSettings(source="phantom", protocol="paper"), dataset)["part"].to_numpy()
    test = np.flatnonzero(part == "test")
    for task in ({}, {"classes": TUMOURS}, {"labels": (labels != 2).astype(int)}):
        perfect = measured(monkeypatch, dataset, [], **task)
        assert tuple(perfect[["macro_f1", "f1_high", "picture_f1", "accuracy"]]) == (1, 1, 1, 1)
    wrong = test[labels[test] == 3][:1]
    row = measured(monkeypatch, dataset, wrong, classes=TUMOURS)
    rows = test[labels[test] != 2]
    said = np.where(np.isin(rows, wrong), 0, labels[rows])
    assert row["n"] == len(rows)
    assert row["macro_f1"] == pytest.approx(f1_score(labels[rows], said, average="macro"))
    assert row["f1_low"] <= row["macro_f1"] <= row["f1_high"]


def test_folds_are_scored_together_and_their_spread_is_given(phantom_root, monkeypatch):
    dataset = phantoms(phantom_root)
    labels = dataset.frame["label"].to_numpy(int)
    wrong = np.flatnonzero(np.arange(len(labels)) % 7 == 0)
    row = measured(monkeypatch, dataset, wrong, splits.FIVEFOLD)
    said = (labels + np.isin(np.arange(len(labels)), wrong)) % 4
    assert row["n"] == len(labels) and row["accuracy"] == pytest.approx((said == labels).mean())
    assert row["macro_f1"] == pytest.approx(f1_score(labels, said, average="macro"))
    each = [
        np.mean((said == labels)[splits.load(data, dataset)["part"].to_numpy() == "test"])
        for data in (DataSettings(source="phantom", protocol="patients", fold=k) for k in range(splits.FOLDS))
    ]
    assert row["sd"] == pytest.approx(np.std(each, ddof=1))


def test_each_track_of_the_shortcuts_asks_what_it_says(phantom_root, monkeypatch):
    dataset, asked = phantoms(phantom_root), set()
    truth = dataset.frame["label"].to_numpy(int)

    def answers(floor, seen, labels, train, test, seed=0):
        if len(set(labels)) == 2:
            assert np.array_equal(labels, truth != 2), "1 is a tumour, of whatever kind"
        asked.add((seen, floor, tuple(np.unique(labels[np.r_[train, test]]))))
        return labels[test]

    monkeypatch.setattr(floors, "predict", answers)
    monkeypatch.setattr(hints, "canonical_features", lambda dataset: "re-encoded")
    table = hints.table(dataset, "as it is")
    assert asked == (
        {("as it is", floor, (0, 1, 3)) for floor in floors.FLOORS}
        | {("as it is", floor, (0, 1)) for floor in ("size", "border")}
        | {("re-encoded", floor, (0, 1, 2, 3)) for floor in ("1nn", "1nn-mirror", "border")}
    )
    assert set(zip(table["track"], table["protocol"])) == {
        (track, protocol)
        for track in ("three classes", "tumour or not", "canonical")
        for protocol in hints.PROTOCOLS
    }
    n = table[table["protocol"] == splits.FIVEFOLD].groupby("track")["n"].unique()
    assert [list(n[t]) for t in ("three classes", "tumour or not")] == [[(truth != 2).sum()], [len(truth)]]


def test_each_picture_weighs_one(phantom_root, monkeypatch):
    dataset = phantoms(phantom_root)
    rows = np.arange(len(dataset.frame))
    pictures, wrong = np.maximum(rows, 60), rows[rows % 6 == 0]  # the first 61 files are one picture
    row = measured(monkeypatch, dataset, wrong, splits.FIVEFOLD, pictures)
    right = pd.Series(rows % 6 != 0).groupby(pictures).mean()
    assert row["picture"] == pytest.approx(right.mean()) != row["accuracy"]
    assert row["picture_low"] <= row["picture"] <= row["picture_high"]


# --- the committed table ---


@pytest.fixture(scope="module")
def committed() -> pd.DataFrame:
    return pd.read_csv(results_dir() / "floors.csv")


def test_committed_table_is_whole(committed):
    assert tuple(committed.columns) == floors.COLUMNS
    have = set(zip(committed["floor"], committed["protocol"]))
    assert have == {(floor, name) for floor in floors.FLOORS for name in splits.MANIFESTS}
    scores = committed.drop(columns=["floor", "protocol", "sd", "n"]).to_numpy()
    assert (scores > 0).all() and (scores < 1).all()


@pytest.mark.parametrize("name", ["floors.csv", "shortcuts.csv"])
def test_every_committed_interval_holds_its_own_estimate(name):
    table = pd.read_csv(results_dir() / name)
    assert len(table) and outside(table).empty
    wrong = table.assign(f1_high=table["macro_f1"] * 0.75)  # as when three classes were averaged over four
    assert len(outside(wrong)) == len(table)


def test_committed_answers_are_those_of_the_committed_table(committed):
    """Of every image tested, by the labels and parts of the published files, and few kB."""
    chosen = settings.load("cpu")
    dataset = open_dataset(chosen.data, need_images=False)
    found = floors.read_answers(dataset)
    score = committed.set_index(["floor", "protocol"])
    for (floor, protocol), one in found.items():
        own = score.loc[(floor, protocol)]
        assert len(one.rows) == own["n"]
        sample = bootstrap.samples([[one]], splits.clusters(dataset), worth.OF_ALL, draws=2)
        assert [sample[m].values[0] for m in worth.OF_ALL] == pytest.approx(
            [own["accuracy"], own["macro_f1"]], abs=1e-5
        )
    assert (results_dir() / floors.ANSWERS).stat().st_size < 20_000


def test_leakage_ladder_falls(committed):
    """The point of chapter 17: pixels score as high as the paper where twins straddle, and not elsewhere."""
    score = committed[committed["floor"] == "1nn-mirror"].set_index("protocol")["accuracy"]
    assert score["paper"] > 0.955 and score["official"] > 0.955
    assert score["patients-5fold"] < score["twins"] < score["paper"] - 0.1


def test_committed_table_follows_from_the_images(real_dataset, figshare_tables, committed):
    features = floors.features(real_dataset, figshare_tables)
    fresh = floors.over_protocols(features, real_dataset, ("paper",))
    want = committed[committed["protocol"] == "paper"].reset_index(drop=True)
    # another BLAS may tip a file or two
    pd.testing.assert_frame_equal(fresh, want, check_dtype=False, atol=0.005, rtol=0)
