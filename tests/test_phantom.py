"""Phantoms: the layout and faults of the real dataset, lesions where their class has them."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import phantom
from gcaf_lib.data.anatomy import SIDE, VIEWS, draw, person
from gcaf_lib.data.dataset import index
from gcaf_lib.data.preprocess import decode
from gcaf_lib.settings import CLASSES


def thumbs(root, frame) -> np.ndarray:
    """Rows of zero mean and unit length, one a file."""
    small = [
        cv2.resize(decode(root / f)[..., 0], (64, 64), interpolation=cv2.INTER_AREA) for f in frame["file"]
    ]
    rows = np.stack(small).reshape(len(small), -1).astype(float)
    rows -= rows.mean(1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def frame(phantom_root):
    return index(phantom_root)


def mask_of(root, file):
    return cv2.imread(str(root / "masks" / f"{Path(file).stem}.png"), cv2.IMREAD_UNCHANGED)


def test_layout_is_the_real_datasets(phantom_root, frame):
    assert frame.groupby("label").size().tolist() == [24] * 4
    assert frame.groupby("folder").size().to_dict() == {"Training": 76, "Testing": 20}
    assert frame["file"][0] == "Testing/glioma/Te-gl_0000.jpg"
    assert frame["file"].map(lambda f: Path(f).stem).is_unique  # masks are found by stem
    assert frame[["width", "height"]].drop_duplicates().shape[0] > 5 and {"L", "RGB"} <= set(frame["mode"])


def test_every_file_has_a_patient_of_its_class(phantom_root, frame):
    table = pd.read_csv(phantom_root / "patients.csv")
    assert table["file"].tolist() == frame["file"].tolist()
    assert (table["patient"].str.split("-").str[0] == frame["label"].map(CLASSES.__getitem__)).all()
    unique = frame.assign(patient=table["patient"]).drop_duplicates("sha256")
    assert unique.groupby("patient").size().max() >= 3


def test_lesions_are_where_their_class_has_them(phantom_root, frame):
    for file, label, width, height in frame[["file", "label", "width", "height"]].itertuples(index=False):
        mask = mask_of(phantom_root, file)
        if CLASSES[label] == "notumor":
            assert mask is None
        elif mask is not None:  # the end of a series may just miss its lesion
            assert mask.shape == (height, width) and set(np.unique(mask)) == {0, 255}
            assert 0.001 < (mask > 0).mean() < 0.2
            if CLASSES[label] == "pituitary":  # near the middle of the head
                assert abs(np.nonzero(mask)[1].mean() / width - 0.5) < 0.25
    found = [mask_of(phantom_root, f) is not None for f in frame["file"][frame["label"] != 2]]
    assert np.mean(found) > 0.95


def test_there_are_identical_and_mirrored_files(phantom_root, frame):
    patient = pd.read_csv(phantom_root / "patients.csv")["patient"].to_numpy()
    twins = frame[frame["sha256"].duplicated(keep=False)]
    assert len(twins) >= 8
    rows = thumbs(phantom_root, frame)
    images = rows.reshape(-1, 64, 64)
    likeness = rows @ images[:, :, ::-1].reshape(len(rows), -1).T
    pairs = np.argwhere(np.triu(likeness > 0.93, 1))
    assert len(pairs) >= 4 and all(patient[i] == patient[j] for i, j in pairs)


def test_near_copies_never_join_two_patients(phantom_root, frame):
    patient = pd.read_csv(phantom_root / "patients.csv")["patient"].to_numpy()
    rows = thumbs(phantom_root, frame)
    likeness = np.where(patient[:, None] == patient, 0, rows @ rows.T)
    assert likeness.max() < 0.985  # images above 0.99 count as the same


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    def content(root):
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    one, two, other = (content(phantom.write(tmp_path / n, 10, s)) for n, s in (("a", 5), ("b", 5), ("c", 6)))
    assert one == two and one.keys() & other.keys() and one != other


def test_half_a_folder_is_never_left(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        phantom.write(tmp_path / "phantoms", 10)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays(tmp_path):
    (tmp_path / "phantoms").mkdir()
    (tmp_path / "phantoms" / "mine").write_text("")
    phantom.write(tmp_path / "phantoms", 10)
    assert [p.name for p in (tmp_path / "phantoms").iterdir()] == ["mine"]
    with pytest.raises(ValueError, match="at least 10"):
        phantom.write(tmp_path / "few", 3)


@pytest.mark.parametrize("class_name", CLASSES)
def test_a_slice_is_a_function_of_its_generator(class_name):
    def scan():
        rng = np.random.default_rng(4)
        return phantom._scan(phantom._patient(class_name, rng), 0.3, rng)

    image, mask = scan()
    assert np.array_equal(image, scan()[0])
    assert image.shape == mask.shape and image.dtype == np.uint8 and mask.dtype == bool
    assert mask.any() == (class_name != "notumor")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_a_head_on_a_dark_ground(view):
    head = draw(person(np.random.default_rng(1), view), 0.0)
    assert head.image.dtype == np.float32 and head.image.shape == (SIDE, SIDE)
    assert head.image[:6, :6].max() < 0.05
    brain = head.image[head.inside > 0.02]
    assert 0.1 < (head.inside > 0.02).mean() < 0.6 and 0.25 < brain.mean() < 0.8
