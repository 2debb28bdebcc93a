"""Copies that were cut out anew: found by their keypoints, strangers and neighbouring slices are not."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import exposure, keypoints, splits, twins
from gcaf_lib.data.dataset import Dataset, open_dataset
from gcaf_lib.data.decode import grey
from gcaf_lib.settings import CLASSES, DataSettings

# pairs of files that show one place, found by another program (SIFT with 400 keypoints, an affine fit)
KNOWN = pd.read_csv(Path(__file__).with_name("recropped.csv"))


def picture(seed: int) -> np.ndarray:
    """uint8 (300,260): blobs and edges of many sizes on a dark ground, as a head has them."""
    rng = np.random.default_rng(seed)
    out = sum(
        k * cv2.GaussianBlur(rng.normal(size=(300, 260)), (0, 0), k, borderType=cv2.BORDER_REFLECT)
        for k in (2, 4, 8, 16)
    )
    out = cv2.normalize(out, None, 40, 255, cv2.NORM_MINMAX).astype(np.uint8)
    head = cv2.ellipse(np.zeros_like(out), (130, 150), (110, 135), 0, 0, 360, 1, -1)
    return out * head


def dim(image: np.ndarray) -> np.ndarray:
    return np.clip(0.6 * image + 10, 0, 255).astype(np.uint8)


def tilt(image: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(image, cv2.getRotationMatrix2D((130, 150), 12, 1), image.shape[::-1])


CUTS = {
    "tighter": lambda x: x[45:255, 40:220],
    "in a corner": lambda x: x[110:, 90:],
    "mirrored and tighter": lambda x: x[50:260, 45:225][:, ::-1],
    "upside down and tighter": lambda x: x[50:260, 45:225][::-1],
    "tighter and darker": lambda x: dim(x[45:255, 40:220]),
    "tilted and tighter": lambda x: tilt(x)[50:250, 45:215],
}
TURN = {"mirrored and tighter": 1, "upside down and tighter": 2}


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [picture(seed) for seed in range(6)]


@pytest.mark.parametrize("name", CUTS)
def test_a_copy_cut_out_anew_is_found_and_nothing_else(pictures, name):
    cut = np.ascontiguousarray(CUTS[name](pictures[2]))
    found = keypoints.search([*pictures, cut], np.array([6]), progress=False)
    found = found[found["similarity"] >= keypoints.THRESHOLD]
    assert found[["left", "right"]].to_numpy().tolist() == [[2, 6]]
    assert found["turn"].tolist() == [TURN.get(name, 0)]
    # both are shrunk to the same longer side, so the cut shows its pixels larger
    assert found["scale"].iloc[0] == pytest.approx(max(cut.shape) / 300, rel=0.03)
    looks = np.stack([twins.looks(image) for image in (pictures[2], cut)])
    assert not len(twins.compare(looks, floor=twins.DOUBT, progress=False)), "no case for this instrument"


@pytest.mark.parametrize("name", CUTS)
def test_the_second_instrument_finds_it_too(pictures, name):
    cut = np.ascontiguousarray(CUTS[name](pictures[2]))
    asked = np.arange(7) == 6
    assert exposure.cut_anew([*pictures, cut], np.zeros(7, int), asked) == [(2, 6)]
    assert exposure.cut_anew([*pictures, cut], np.array([0] * 6 + [1]), asked) == []  # within a class


def test_strangers_are_no_copies(pictures):
    assert not len(keypoints.search(pictures, np.arange(6), progress=False))
    assert exposure.cut_anew(pictures, np.zeros(6, int), np.ones(6, bool)) == []


def test_nothing_asked_nothing_found(pictures):
    found = keypoints.search(pictures, np.array([], int), progress=False)
    assert found.empty and {"left", "right", "similarity", "turn"} <= set(found)


def test_a_picture_without_keypoints_is_nobodys_copy(pictures):
    flat = np.full((80, 80), 90, np.uint8)
    assert keypoints.search([flat, *pictures[:2], flat], np.array([0, 3]), progress=False).empty


def test_fit_finds_the_similarity_that_moved_the_points():
    """Random places and descriptors, a known scale, turn and shift; a third of the matches is wrong."""
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 256, (90, 2)).astype(np.float32)
    descriptors = np.abs(rng.normal(size=(90, 128))).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    scale, angle = 0.7, np.radians(25)
    matrix = np.column_stack(
        [scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), (9, -4)]
    )
    moved = places @ matrix[:, :2].T + matrix[:, 2]
    moved[:30] = rng.uniform(0, 256, (30, 2))
    found = keypoints.fit(
        keypoints.Keypoints(np.float32(moved), descriptors), keypoints.Keypoints(places, descriptors)
    )
    assert found.matrix == pytest.approx(matrix, abs=0.02)
    assert found.scale == pytest.approx(scale, abs=1e-3) and found.angle == pytest.approx(25, abs=0.1)
    assert 58 <= found.inliers <= 62


def test_many_keypoints_at_one_place_count_once():
    rng = np.random.default_rng(1)
    places = np.repeat(rng.uniform(0, 256, (6, 2)).astype(np.float32), 10, axis=0)
    descriptors = np.abs(rng.normal(size=(60, 128))).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    one = keypoints.Keypoints(places, descriptors)
    assert keypoints.fit(one, one).inliers == 6


def test_likeness_is_one_for_a_picture_laid_over_itself_and_small_for_strangers(pictures):
    still = np.float64([[1, 0, 0], [0, 1, 0]])
    assert keypoints.likeness(pictures[0], pictures[0], still) == pytest.approx(1)
    assert abs(keypoints.likeness(pictures[0], pictures[1], still)) < 0.2
    shift = np.float64([[1, 0, 40], [0, 1, 30]])
    assert keypoints.likeness(pictures[0], pictures[0][30:, 40:], shift) > 0.9
    away = np.float64([[1, 0, 250], [0, 1, 290]])
    assert keypoints.likeness(pictures[0], pictures[0], away) == 0  # nothing overlaps


def test_each_keypoint_votes_for_its_nearest_neighbour_and_never_for_its_own_picture():
    unit = np.eye(128, dtype=np.float32)
    pool, owner = unit[[0, 1, 2, 3, 4]], np.array([0, 0, 1, 2, 2])
    asked = [keypoints.Keypoints(np.zeros((3, 2)), unit[[0, 2, 4]] + 0.1 * unit[[3, 3, 2]])]
    # its own, 0, is left out: the first of its keypoints is nearest to 3 then
    assert keypoints.votes(asked, np.array([0]), pool, owner).tolist() == [[0, 1, 2]]


# --- the real images ---


@pytest.fixture(scope="module")
def dataset(real_data) -> Dataset:
    return open_dataset(DataSettings(), real_data)


def test_pairs_found_by_another_program_stand_on_one_side_of_every_split():
    """Pairs of files of unknown patients that an independent search had found parted by earlier splits."""
    published = open_dataset(DataSettings(), need_images=False)
    for name in ("twins", "patients", splits.FIVEFOLD):
        frame = splits.read(name, published)[0].set_index("file")
        group = frame["group"]
        assert (group[KNOWN["file"]].to_numpy() == group[KNOWN["other"]].to_numpy()).all(), name
    random = splits.read("paper", published)[0].set_index("file")["part"]
    assert (random[KNOWN["file"]].to_numpy() != random[KNOWN["other"]].to_numpy()).mean() > 0.2


def test_real_pictures_cut_at_random_are_found(dataset):
    """Positive control: of 40 pictures each cut to a random 60 to 85% of its sides, half of them mirrored, nearly all."""
    rng = np.random.default_rng(0)
    free = np.flatnonzero(dataset.frame["label"] == CLASSES.index("notumor"))
    images = [
        grey(dataset.root / file)
        for file in dataset.frame["file"].to_numpy()[rng.choice(free, 40, replace=False)]
    ]
    cuts = []
    for number, image in enumerate(images):
        high, wide = (round(side * rng.uniform(0.6, 0.85)) for side in image.shape)
        y, x = rng.integers(0, image.shape[0] - high + 1), rng.integers(0, image.shape[1] - wide + 1)
        cuts.append(np.ascontiguousarray(image[y : y + high, x : x + wide][:, :: -1 if number % 2 else 1]))
    found = keypoints.search(images + cuts, np.arange(40, 80), progress=False)
    found = found[found["similarity"] >= keypoints.THRESHOLD]
    own = found["right"] - found["left"] == 40
    assert own.sum() >= 36


def test_different_slices_of_a_patient_are_told_apart(dataset, figshare_tables):
    """Negative control, with the archive's own numbers: of twelve patients' slices at most one in fifty is taken for another."""
    ids = pd.read_csv(figshare_tables / "twins.csv").drop_duplicates("figshare_id")
    patient = pd.read_csv(figshare_tables / "patients.csv").set_index("figshare_id")["group"]
    ids["patient"] = ids["figshare_id"].map(patient)
    chosen = ids[
        ids["patient"].isin(np.random.default_rng(0).choice(ids["patient"].unique(), 12, replace=False))
    ]
    images = [grey(dataset.root / file) for file in chosen["file"]]
    found = keypoints.search(images, np.arange(len(images)), progress=False)
    assert len(images) > 80
    assert (found["similarity"] >= keypoints.THRESHOLD).sum() <= len(images) // 50
