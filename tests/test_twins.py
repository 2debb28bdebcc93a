"""Copies of a picture: each way to copy is found, neighbours and strangers are not, and no split keeps one on both sides."""

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_matrix

from gcaf_lib.data import anatomy, exposure, splits, thumbnails, twins
from gcaf_lib.data.dataset import Dataset, data_hash, index
from gcaf_lib.evaluation import dataset_audit
from gcaf_lib.settings import CLASSES


def head(seed: int, depth: float = 0.0) -> np.ndarray:
    """A drawn slice, uint8 (192,192): another seed is another person, another depth the next slice."""
    who = anatomy.person(np.random.default_rng(seed), "axial")
    return np.round(255 * anatomy.draw(who, depth).image.clip(0, 1)).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int = 60) -> np.ndarray:
    return cv2.imdecode(
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE
    )


def brighten(image: np.ndarray, gain: float, plus: float) -> np.ndarray:
    return np.clip(image * gain + plus, 0, 255).astype(np.uint8)


def sharpen(image: np.ndarray) -> np.ndarray:
    return cv2.addWeighted(image, 2.0, cv2.GaussianBlur(image, (0, 0), 2), -1.0, 0)


COPIES = {
    "another size, re-encoded": lambda x: jpeg(cv2.resize(x, (150, 170), interpolation=cv2.INTER_AREA)),
    "mirrored": lambda x: x[:, ::-1],
    "upside down": lambda x: x[::-1],
    "turned by 180 degrees": lambda x: x[::-1, ::-1],
    "brightened": lambda x: brighten(x, 1.3, 40),
    "darkened": lambda x: brighten(x, 0.45, 0),
    "sharpened": sharpen,
    "with a margin": lambda x: np.pad(x, ((30, 10), (60, 5)), constant_values=3),
    "all of it": lambda x: jpeg(brighten(sharpen(np.pad(x, 20)[::-1]), 0.8, 5)),
}
TURN = {"mirrored": 1, "upside down": 2, "turned by 180 degrees": 3, "all of it": 2}


@pytest.fixture(scope="module")
def people() -> list[np.ndarray]:
    return [head(seed) for seed in range(6)]


@pytest.mark.parametrize("name", COPIES)
def test_every_way_to_copy_is_found_and_nothing_else(people, name):
    copy = np.ascontiguousarray(COPIES[name](people[2]))
    found = twins.compare(np.stack([twins.looks(image) for image in [*people, copy]]), progress=False)
    best = found[found["similarity"] >= twins.THRESHOLD]
    assert best[["left", "right"]].to_numpy().tolist() == [[2, 6]]
    assert best["turn"].tolist() == [TURN.get(name, 0)]
    edges = exposure.alike(np.stack([exposure.edges(image) for image in [*people, copy]]))
    # the second instrument agrees, but for all changes at once
    assert sorted(zip(*np.triu(edges.toarray(), 1).nonzero())) == [(2, 6)] * (name != "all of it")


def test_another_slice_of_a_head_is_no_copy():
    near = np.stack([twins.looks(head(1, depth)) for depth in (-0.5, 0.5)])
    assert not (twins.compare(near, progress=False)["similarity"] >= twins.THRESHOLD).any()


def test_constant_image_is_nobodys_twin():
    flat = np.stack([twins.looks(np.full((80, 80), 7, np.uint8))] * 3)
    assert not len(twins.compare(flat, progress=False))


def test_the_screen_loses_no_pair(people, monkeypatch):
    images = np.stack([twins.looks(f(x)) for x in people[:3] for f in (np.asarray, *COPIES.values())])
    kept = twins.compare(images, progress=False)
    monkeypatch.setattr(twins, "SCREEN", 2.0)  # no screen at all
    pd.testing.assert_frame_equal(twins.compare(images, progress=False), kept)


def test_description_is_its_formula():
    """d = (x - μ) / (s + 8), by SciPy's Gaussian: 128 pixels and the coarse 32."""
    for image in twins.looks(head(3)):
        for side in (twins.SIDE, twins.COARSE):
            x = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).astype(float)
            mean, square = (gaussian_filter(v, 4 * side / 128, mode="mirror") for v in (x, x * x))
            d = (x - mean) / (np.sqrt(np.maximum(square - mean**2, 0)) + 8)
            d -= d.mean()
            (found,) = twins.describe(x[None])
            assert found == pytest.approx(d / np.linalg.norm(d), abs=2e-4)


def test_two_files_are_as_alike_as_their_best_look_and_turn():
    """A narrow margin leaves the whole alike, the trimmed look more so."""
    image = head(2)
    images = np.stack([twins.looks(x) for x in (image, np.pad(image, 3), head(4)[:, ::-1])])
    found = twins.compare(images, floor=0.05, progress=False).set_index(["left", "right"])
    unit = [twins.describe(images[:, look]) for look in (0, 1)]
    best = []
    for left, right in ((0, 1), (0, 2), (1, 2)):
        each = [[(u[left] * twins.turn(u, way)[right]).sum() for way in range(4)] for u in unit]
        if np.max(each) >= 0.05:
            assert found.loc[(left, right), "similarity"] == pytest.approx(np.max(each), abs=1e-6)
            assert found.loc[(left, right), "turn"] == np.max(each, axis=0).argmax()
        best.append(np.max(each, axis=1))
    assert 0.6 < best[0].min() < best[0].max() - 0.05, "a case that tells the looks apart"


def test_trim_is_at_half_of_otsus_threshold_and_by_more_than_specks():
    rng = np.random.default_rng(0)
    image = rng.normal(15, 3, (120, 150)).clip(0, 255).astype(np.uint8)
    image[20:100, 30:130] = 85  # a dim rim, below Otsu's threshold and above its half
    image[30:90, 40:120] = 210
    level, _ = cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)
    assert level / 2 < 85 <= level and image[:20].max() < level / 2
    image[5, 7] = image[110, 140] = 255  # a speck is no picture
    assert twins.trim(image).shape == (80, 100)


def test_pairs_and_thumbnails_are_kept_for_one_set_of_files_and_one_code(phantom_root, tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path))
    frame = index(phantom_root)[:6]
    dataset = Dataset(phantom_root, frame, data_hash(frame))
    first, thumbs = twins.pairs(dataset, progress=False), thumbnails.thumbnails(dataset, progress=False)

    def refuse(*_, **__):
        raise AssertionError("made again")

    monkeypatch.setattr(twins, "compare", refuse)
    monkeypatch.setattr(thumbnails, "shrink", refuse)
    pd.testing.assert_frame_equal(twins.pairs(dataset, progress=False), first, check_dtype=False, atol=1e-5)
    assert np.array_equal(thumbnails.thumbnails(dataset, progress=False), thumbs)
    other = Dataset(phantom_root, frame, "0" * 12)
    for again in (twins.pairs, thumbnails.thumbnails):
        with pytest.raises(AssertionError, match="made again"):
            again(other, progress=False)
    monkeypatch.setattr(twins, "_VERSION", twins._VERSION + 1)
    with pytest.raises(AssertionError, match="made again"):
        twins.pairs(dataset, progress=False)


def test_trim_keeps_what_shows_and_leaves_the_dark_alone():
    image = np.pad(np.full((50, 40), 200, np.uint8), ((7, 3), (9, 1)))
    assert twins.trim(image).shape == (50, 40)
    assert twins.trim(np.zeros((60, 60), np.uint8)).shape == (60, 60)


def test_turning_twice_undoes_it():
    images = np.random.default_rng(0).random((2, 5, 7))
    for way in range(4):
        assert np.array_equal(twins.turn(twins.turn(images, way), way), images)


def test_doubt_joins_only_files_whose_patient_nobody_knows():
    found = pd.DataFrame({"left": [0, 1, 2], "right": [1, 2, 3], "similarity": [0.7, 0.7, 0.85], "turn": 0})
    known = np.array([False, False, True, True])
    assert twins.copies(found, known)["left"].tolist() == [0, 2]
    frame = pd.DataFrame({"sha256": list("abcda")})
    keys = twins.groups(frame, twins.copies(found, np.append(known, False)))
    assert keys[0] == keys[1] == keys[4] != keys[2] == keys[3]  # 0 and 4: identical bytes


def test_turns_hold_along_every_pair():
    """Three copies in a chain: relative to the first the turns add up."""
    found = pd.DataFrame(
        {"left": [0, 1, 0], "right": [1, 2, 3], "similarity": [0.9, 0.95, 0.99], "turn": [1, 2, 3]}
    )
    table = dataset_audit.twin_table(np.array(list("abcde")), np.array([5, 5, 5, 5, 6]), found)
    assert table["file"].tolist() == list("abcd")
    assert table["turn"].tolist() == ["as it is", "left-right", "both", "both"]
    assert table["similarity"].tolist() == [0.99, 0.95, 0.95, 0.99]


def test_histogram_counts_each_pair_once_by_its_turn():
    found = pd.DataFrame({"left": 0, "right": 1, "similarity": [0.61, 0.99, 1.0], "turn": [0, 2, 2]})
    table = twins.histogram(found)
    assert table[list(twins.TURNS)].sum().tolist() == [1, 0, 2, 0] and table["right"].iloc[-1] == 1


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.one_of(st.none(), st.integers(0, 6))), min_size=1, max_size=25)
)
def test_join_is_the_coarsest_common_grouping(rows):
    """Against the definition: repeat 'rows sharing a key share a group' until nothing changes."""
    first, second = ([row[k] for row in rows] for k in (0, 1))
    want = list(range(len(rows)))
    for _ in rows:
        for i in range(len(rows)):
            for j in range(len(rows)):
                if first[i] == first[j] or (second[i] is not None and second[i] == second[j]):
                    want[i] = want[j] = min(want[i], want[j])
    got = twins.join(np.array(first), np.array(second, dtype=object))
    assert [[a == b for b in got] for a in got] == [[a == b for b in want] for a in want]


# --- exposure: the second instrument ---


def test_exposure_finds_a_leak_that_is_put_there_and_none_where_none_is(people):
    """Files: six heads, then copies of two of them. Patients known of the first four files only."""
    images = [*people, people[0][:, ::-1], people[4][::-1]]
    copies = exposure.alike(np.stack([exposure.edges(np.ascontiguousarray(image)) for image in images]))
    labels = np.array([0, 0, 1, 1, 2, 2, 0, 2])
    patient = np.array(["p", "p", "q", "r", None, None, None, None], dtype=object)
    part = np.array(["train"] * 6 + ["test"] * 2)
    rows = dict((name, rest) for name, *rest in exposure.exposure(part, labels, copies, patient))
    assert rows == {"glioma": [1, 1, 0], "notumor": [1, 1, 0], "all": [2, 1, 0]}
    part = np.array(["train", "test", "test", "train", "train", "validation", "validation", "validation"])
    rows = dict((name, rest) for name, *rest in exposure.exposure(part, labels, copies, patient))
    assert rows == {"glioma": [1, 0, 1], "meningioma": [1, 0, 0], "all": [2, 0, 0.5]}
    part = np.array(["validation", "validation", "train", "train", "validation", "train", "test", "test"])
    patient[6], patient[7] = "p", "r"  # what validates is not known to training
    rows = dict((name, rest) for name, *rest in exposure.exposure(part, labels, copies, patient))
    assert rows == {"glioma": [1, 0, 0], "notumor": [1, 0, 1], "all": [2, 0, 0.5]}


def test_exposure_of_folds_is_the_share_of_all_their_test_images(monkeypatch):
    """Fold k tests k + 1 of 15 images; a copy of every image of the last fold trains, of the others' none."""
    fold = np.repeat(np.arange(5), np.arange(1, 6))
    frame = pd.DataFrame({"label": 0, "file": np.arange(16)})
    alike = csr_matrix((np.ones(5, bool), (np.arange(10, 15), np.full(5, 15))), shape=(16, 16))

    def load(data, dataset):
        test = np.append(fold == (data.fold or 0), False)
        return pd.DataFrame({"part": np.where(test, "test", "train")})

    monkeypatch.setattr(exposure, "copies", lambda *_: alike)
    monkeypatch.setattr(splits, "load", load)
    monkeypatch.setattr(splits, "patients", lambda *_: np.full(16, None))
    table = exposure.compute(Dataset(None, frame, "")).set_index(["protocol", "class"])
    assert table.loc[(splits.FIVEFOLD, "all")].tolist() == pytest.approx([15, 5 / 15, 0])
    assert table.loc[("paper", "all")].tolist() == [1, 0, 0]


def test_phantoms_exposure_is_measured_on_the_spot(phantom_root):
    frame = index(phantom_root)
    dataset = Dataset(phantom_root, frame, data_hash(frame), "PHANTOM DATA")
    table = exposure.read(dataset)
    some = ["twins", splits.FIVEFOLD]
    assert exposure.read(dataset, protocols=some).equals(
        table[table["protocol"].isin(some)].reset_index(drop=True)
    )
    total = table[table["class"] == "all"].set_index("protocol")
    assert total.loc["patients", "with_patient"] == 0 < total.loc["paper", "with_patient"]
    assert total.loc[splits.FIVEFOLD, "images"] == len(frame)


# --- the real images ---


@pytest.fixture(scope="module")
def found(real_dataset, real_pairs):
    return real_dataset, real_pairs


def test_figshare_slices_are_told_apart_and_their_second_copies_found(found, figshare_tables):
    """A truth from outside: which slice each of 4,750 files shows, by the archive's own numbers."""
    dataset, pairs = found
    ids = pd.read_csv(figshare_tables / "twins.csv").set_index("file")["figshare_id"]
    ids = dataset.frame["file"].map(ids)
    group = pd.Series(twins.groups(dataset.frame, twins.copies(pairs, ids.notna().to_numpy())))
    assert (group.groupby(ids).nunique() == 1).all()  # every second copy is found
    slices = ids.groupby(group).nunique()
    assert (slices > 1).sum() <= 1 and slices.max() <= 3  # of 3,064 different slices three are taken for one


def test_no_copy_of_a_tumour_free_picture_straddles_by_any_instrument(found):
    """Without the library's groups: each pair of descriptors above the histogram's valley, and the edges'."""
    dataset, pairs = found
    labels = dataset.frame["label"].to_numpy()
    free = labels == CLASSES.index("notumor")
    inside = pairs[free[pairs["left"]] & free[pairs["right"]] & (pairs["similarity"] >= twins.DOUBT)]
    rows = np.flatnonzero(free)
    paths = [dataset.root / file for file in dataset.frame["file"].to_numpy()[rows]]
    edges = exposure.alike(np.stack([exposure.edges(thumbnails.grey(path)) for path in paths])).tocoo()
    left, right = np.append(inside["left"], rows[edges.row]), np.append(inside["right"], rows[edges.col])
    assert len(edges.row) > 20_000  # it finds them: most tumour-free files have many copies
    for name in ("twins", "patients", splits.FIVEFOLD):
        frame, _ = splits.read(name, dataset)
        side = frame["fold" if name == splits.FIVEFOLD else "part"].to_numpy()
        assert (side[left] == side[right]).all(), name
    random = splits.read("paper", dataset)[0]["part"].to_numpy()
    assert (random[left] != random[right]).mean() > 0.2  # where nothing is kept together it does see them
