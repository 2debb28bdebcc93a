"""The figshare archive: tiny MATLAB v7.3 archives, mirrored and turned images, and the real tables."""

import io
import json
import zipfile
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import figshare, thumbnails
from gcaf_lib.data.dataset import DataError

HEIGHT, WIDTH = 120, 96


def picture(seed: int) -> np.ndarray:
    """A smooth random picture without any symmetry, int16 as in the archive."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    image = cv2.GaussianBlur(noise, (0, 0), 8)
    return (3000 * (image - image.min()) / np.ptp(image)).astype(np.int16)


def ellipse() -> tuple[np.ndarray, np.ndarray]:
    """(border (n,2) x, y counted from 0; mask): off centre in both directions, so that a swap shows."""
    t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    border = np.column_stack([30 + 12 * np.cos(t), 80 + 20 * np.sin(t)])
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [border.round().astype(np.int32)], 1)
    return border, mask


def mat(seed: int, pid: str = "100360", label: int = 2, swapped: bool = False, turned: bool = False) -> bytes:
    """Bytes of one file as MATLAB writes it: arrays column-major, that is, transposed for h5py."""
    border, mask = ellipse()
    points = border[:, ::-1] if swapped else border
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        data = file.create_group("cjdata")
        data["image"] = picture(seed) if turned else picture(seed).T
        data["tumorMask"] = mask if turned else mask.T
        data["PID"] = np.array([[ord(c)] for c in pid], np.uint16)
        data["label"] = np.array([[float(label)]])
        data["tumorBorder"] = (points + 1).reshape(1, -1)  # MATLAB counts from 1
    return stream.getvalue()


def archive(path, contents: dict[str, bytes]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GCAF_FIGSHARE", raising=False)
    return tmp_path


@pytest.fixture
def four(cache):
    """The archive as figshare ships it, in small: zip files with .mat files, and a file that is no slice."""
    folder = cache / "figshare"
    folder.mkdir()
    archive(folder / "a_1-2.zip", {"2.mat": mat(2, label=1), "1.mat": mat(1, "MR048294B", 2)})
    archive(
        folder / "a_3-4.zip", {"3.mat": mat(3, label=3, swapped=True), "4.mat": mat(4), "cvind.mat": b"x"}
    )
    return folder


def test_archive_gives_ids_patients_classes_and_upright_thumbnails(four):
    slices = figshare.read(four)
    assert slices.table["figshare_id"].tolist() == [1, 2, 3, 4]
    assert slices.table["pid"].tolist() == ["MR048294B", "100360", "100360", "100360"]
    assert slices.table["group"].tolist() == ["MR048294", "100360", "100360", "100360"]
    assert slices.table["label"].tolist() == ["glioma", "meningioma", "pituitary", "glioma"]
    for seed, thumb in zip((1, 2, 3, 4), slices.thumbnails):
        assert np.array_equal(thumb, thumbnails.shrink(picture(seed)))


def test_archive_is_read_once_and_comes_back_the_same(four, monkeypatch):
    first = figshare.read(four)
    monkeypatch.setattr(figshare, "read_archive", lambda *a: pytest.fail("read twice"))
    again = figshare.read(four)
    pd.testing.assert_frame_equal(first.table, again.table, check_dtype=False)
    assert np.array_equal(first.thumbnails, again.thumbnails)
    assert all(np.array_equal(a, b) for a, b in zip(first.borders, again.borders))


def test_zip_inside_a_zip_and_loose_files_read_the_same(four, cache):
    outer = archive(cache / "all.zip", {p.name: p.read_bytes() for p in four.glob("*.zip")})
    loose = cache / "loose"
    for part in four.glob("*.zip"):
        zipfile.ZipFile(part).extractall(loose)
    a, b, c = figshare.read(four), figshare.read(outer), figshare.read(loose)
    assert np.array_equal(a.thumbnails, b.thumbnails) and np.array_equal(a.thumbnails, c.thumbnails)


@pytest.mark.parametrize("number", [1, 3])  # 3 was written with swapped coordinates
def test_border_lies_on_the_mask_whatever_its_coordinate_order(four, number):
    polygon = figshare.read(four).borders[number - 1]
    border, _ = ellipse()
    assert polygon == pytest.approx((border + 0.5) / (WIDTH, HEIGHT), abs=1e-9)


def test_border_that_misses_its_mask_is_not_trusted():
    border, mask = ellipse()
    flat = (border + 1).ravel()
    assert figshare.trusted_border(flat, mask > 0, mask.shape) is not None
    assert figshare.trusted_border(flat, np.roll(mask, 40, 1) > 0, mask.shape) is None
    assert figshare.trusted_border(flat[:4], mask > 0, mask.shape) is None
    assert figshare.trusted_border(flat, None, mask.shape) is None


def files_of(seeds, mirrored):
    """Thumbnails of "JPEG files" of some pictures, some of them mirrored, at another size and contrast."""
    out = []
    for seed, flip in zip(seeds, mirrored):
        image = picture(seed)[:, ::-1] if flip else picture(seed)
        grey = np.round(40 + image / 3000 * 150).astype(np.uint8)
        out.append(
            thumbnails.shrink(cv2.resize(grey, (WIDTH * 2, HEIGHT * 2), interpolation=cv2.INTER_CUBIC))
        )
    frame = pd.DataFrame({"file": [f"Training/glioma/{n}.jpg" for n in range(len(out))]})
    return frame, np.stack(out)


def test_match_finds_slice_and_mirror_flag_and_leaves_strangers_out(four):
    slices = figshare.read(four)
    frame, thumbs = files_of([3, 1, 99, 4], [True, False, False, True])
    found = figshare.match(frame, thumbs, slices)
    assert list(found.columns) == ["file", "figshare_id", "figshare_class", "mirrored", "similarity"]
    assert found["file"].str[-5].tolist() == ["0", "1", "3"]
    assert found["figshare_id"].tolist() == [3, 1, 4]
    assert found["figshare_class"].tolist() == ["pituitary", "glioma", "glioma"]
    assert found["mirrored"].tolist() == [1, 0, 1]
    assert found["similarity"].min() > 0.99
    assert figshare.patients(frame, found, slices).tolist() == ["100360", "MR048294", None, "100360"]


def test_a_picture_that_is_nearly_a_slice_is_none(four):
    slices = figshare.read(four)
    frame, thumbs = files_of([1, 1], [False, False])
    other = files_of([98], [False])[1][0].astype(float)
    thumbs[1] = np.round(0.8 * thumbs[1] + 0.2 * other)
    near = np.corrcoef(thumbs[1].ravel(), slices.thumbnails[0].ravel())[0, 1]
    assert 0.93 < near < 0.98
    assert figshare.match(frame, thumbs, slices)["file"].tolist() == frame["file"].tolist()[:1]


def test_slices_keep_their_own_thumbnail_and_border_in_whatever_order_they_stand(four, cache, monkeypatch):
    usual = figshare.read_slice

    def numbered(content, name):
        about, image, _ = usual(content, name)
        return about, image, np.full((3, 2), float(Path(name.replace(":", "/")).stem))

    monkeypatch.setattr(figshare, "read_slice", numbered)
    slices = figshare.read_archive(four, progress=False)  # 2.mat stands before 1.mat
    assert [border[0, 0] for border in slices.borders] == slices.table["figshare_id"].tolist() == [1, 2, 3, 4]
    order = [2, 0, 3, 1]
    slices.table.iloc[::-1].to_csv(cache / "patients.csv", index=False)
    np.savez(
        cache / "thumbnails.npz",
        figshare_id=slices.table["figshare_id"].to_numpy()[order],
        thumbnail=slices.thumbnails[order],
    )
    again = figshare.read_tables(cache)
    pd.testing.assert_frame_equal(again.table, slices.table)
    assert np.array_equal(again.thumbnails, slices.thumbnails)


def test_borders_are_mirrored_with_their_file(four):
    slices = figshare.read(four)
    frame, thumbs = files_of([1, 1], [False, True])
    found = figshare.match(frame, thumbs, slices)
    upright, mirrored = (figshare.borders(found, slices)[file] for file in frame["file"])
    assert mirrored[:, 0] == pytest.approx(1 - upright[:, 0])
    assert mirrored[:, 1] == pytest.approx(upright[:, 1])
    table = figshare.slice_table(found, slices)
    assert np.array(json.loads(table["tumour_border"][0])) == pytest.approx(upright, abs=6e-5)


def test_archive_read_without_transposing_is_noticed(cache):
    folder = cache / "turned"
    folder.mkdir()
    for seed in range(1, 5):
        (folder / f"{seed}.mat").write_bytes(mat(seed, turned=True))
    frame, thumbs = files_of([1, 2, 3, 4], [False, True, False, True])
    with pytest.raises(DataError, match="transposed"):
        figshare.match(frame, thumbs, figshare.read(folder))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("1.mat", b"not HDF5", r"1\.mat is not a slice"),
        ("1.mat", mat(1, label=7), r"1\.mat is not a slice"),
        ("a.zip", b"PK not a zip", "not a whole zip file"),
        ("readme.txt", b"", "holds no figshare slices"),
    ],
)
def test_bad_archives_say_which_file(cache, name, content, says):
    folder = cache / "bad"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        figshare.read(folder)


def test_slices_twice_and_swollen_members_are_refused(four, monkeypatch):
    (four / "1.mat").write_bytes(mat(1))
    with pytest.raises(DataError, match="twice"):
        figshare.read(four)
    (four / "1.mat").unlink()
    monkeypatch.setattr(figshare, "MEMBER_LIMIT", 1000)
    with pytest.raises(DataError, match="no slice is that large"):
        figshare.read(four)


def test_locate_explicit_then_environment_then_cache(cache, monkeypatch):
    with pytest.raises(DataError, match="gcaf data fetch"):
        figshare.locate()
    (cache / "cache" / "figshare").mkdir(parents=True)
    assert figshare.locate() == cache / "cache" / "figshare"
    monkeypatch.setenv("GCAF_FIGSHARE", str(cache))
    assert figshare.locate() == cache
    assert figshare.locate(cache / "cache") == cache / "cache"


# --- the real thing ---


def test_real_files_give_the_published_twins_again(real_dataset, figshare_tables):
    dataset = real_dataset
    slices = figshare.read(figshare_tables)
    found = figshare.match(dataset.frame, thumbnails.thumbnails(dataset), slices)
    want = slices.files.sort_values("file", ignore_index=True)
    assert len(found) == 4750
    columns = ["file", "figshare_id", "figshare_class", "mirrored"]
    pd.testing.assert_frame_equal(found[columns], want[columns], check_dtype=False)
    assert np.abs(found["similarity"] - want["similarity"]).max() < 2e-5
    known = figshare.borders(found, slices)
    assert len(known) == 4750 - 28
    assert all(polygon.min() >= 0 and polygon.max() <= 1 for polygon in known.values())
