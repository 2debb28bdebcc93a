"""Re-cropped copies that the splits are known to part: the committed pairs, and what they mean for each split."""

import cv2
import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import recropped, twins
from gcaf_lib.data.dataset import open_dataset
from gcaf_lib.data.decode import grey
from gcaf_lib.findings import ladder
from gcaf_lib.settings import DataSettings


@pytest.fixture(scope="module")
def published():
    return open_dataset(DataSettings(), need_images=False)


def test_pairs_are_of_the_dataset_and_of_two_groups(published):
    pairs, files = recropped.read(), set(published.frame["file"])
    assert set(pairs["file"]) | set(pairs["other"]) <= files
    assert (pairs["inliers"] >= 60).all() and (pairs["similarity"] > 0.8).all()
    picture = recropped.pictures(published)
    row = {file: number for number, file in enumerate(published.frame["file"])}
    for pair in pairs.itertuples():
        assert picture[row[pair.file]] == picture[row[pair.other]]


def test_what_training_knows_by_them(published):
    """By hand: the test files whose joined group has a file in training."""
    found = recropped.exposed(published).set_index("protocol")
    assert (found["with_copy"] > 0).all(), "the splits were made anew: drop what no longer holds"
    assert found.loc["patients-5fold", "images"] == len(published.frame)


def test_words():
    frame = pd.DataFrame({"protocol": ["twins", "patients"], "images": [703, 700], "with_copy": [20, 0]})
    said = ladder.recropped_left(frame)
    assert "20 of the 703 test images on `twins` and none of the 700 on `patients`" in said
    assert ladder.recropped_left(frame[:0]) == ""


def test_a_pair_is_one_picture_after_alignment(published, real_data):
    """Anew and otherwise: an affine fit by ECC, started from the keypoints' similarity, then plain correlation."""
    sift = cv2.SIFT_create(300, contrastThreshold=0.02)
    for pair in recropped.read().iloc[::6].itertuples():
        one, two = (grey(real_data / name) for name in (pair.file, pair.other))
        one, two = (
            cv2.resize(image, (256, round(256 * image.shape[0] / image.shape[1]))) for image in (one, two)
        )
        two = two[:, ::-1].copy() if pair.mirrored else two
        (points, first), (others, second) = (sift.detectAndCompute(image, None) for image in (one, two))
        good = [m for m, n in cv2.BFMatcher().knnMatch(first, second, k=2) if m.distance < 0.8 * n.distance]
        place = [np.float32([p[i].pt for i in at]) for p, at in (
            (others, [m.trainIdx for m in good]), (points, [m.queryIdx for m in good]))]  # fmt: skip
        fit, _ = cv2.estimateAffinePartial2D(*place, ransacReprojThreshold=3)
        warped = cv2.warpAffine(two, fit, one.shape[::-1])
        both = (one > 20) & (warped > 20)
        assert both.mean() > 0.1
        assert np.corrcoef(one[both], warped[both])[0, 1] > 0.8, pair


def test_no_pair_is_found_by_the_splits_own_descriptor(published, real_data):
    """Else it would be kept together already, and should leave the table."""
    for pair in recropped.read().iloc[::6].itertuples():
        looks = np.stack([twins.looks(grey(real_data / name)) for name in (pair.file, pair.other)])
        assert not len(twins.compare(looks, floor=twins.THRESHOLD, progress=False))
