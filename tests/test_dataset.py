"""The index of the images, what it refuses and with which words, and the check of a folder."""

import gc
import io
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gcaf_lib.data import check, dataset
from gcaf_lib.data.dataset import CacheError, DataError, inspect
from gcaf_lib.settings import CLASSES, DataSettings, SettingsError
from tests.pictures import chunk

SIDE = 24


def encoded(kind="JPEG", mode="L", side=SIDE, seed=0, **options) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width, height) -> bytes:
    """A PNG of a few bytes that claims to be width×height."""
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")


@pytest.fixture
def root(tmp_path):
    """A folder of two tiny images in each class folder."""
    for f, folder in enumerate(dataset.FOLDERS):
        for c, name in enumerate(CLASSES):
            place = tmp_path / "images" / folder / name
            place.mkdir(parents=True)
            for i in range(2):
                (place / f"{folder[:2]}-{name[:2]}_{i}.jpg").write_bytes(encoded(seed=f * 100 + c * 10 + i))
    return tmp_path / "images"


# --- index ---


def test_index_has_one_sorted_row_a_file(root):
    frame = dataset.index(root)
    assert list(frame.columns) == list(dataset.COLUMNS) and len(frame) == 16
    assert frame["file"].is_monotonic_increasing and frame["file"][0] == "Testing/glioma/Te-gl_0.jpg"
    assert [CLASSES[i] for i in frame["label"]] == [Path(f).parts[1] for f in frame["file"]]
    assert set(frame["folder"]) == {"Training", "Testing"} and set(frame["mode"]) == {"L"}
    assert (frame["width"] == SIDE).all() and (frame["bytes"] > 0).all()


def test_second_index_reads_the_cache_until_a_file_changes(root, monkeypatch):
    first = dataset.index(root)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "scan", lambda *_: pytest.fail("the cache was not used"))
        pd.testing.assert_frame_equal(dataset.index(root), first)
    (root / first["file"][3]).write_bytes(encoded(seed=999))
    second = dataset.index(root)
    assert (second["sha256"] != first["sha256"]).tolist().count(True) == 1
    assert dataset.data_hash(second) != dataset.data_hash(first)


def test_a_file_changed_to_another_of_its_size_is_indexed_anew(root):
    place = root / "Training/glioma/Tr-gl_0.jpg"
    place.write_bytes(encoded() + b"0")
    os.utime(place, ns=(10**18, 10**18))
    first = dataset.data_hash(dataset.index(root))
    place.write_bytes(encoded() + b"1")
    os.utime(place, ns=(10**18, 10**18 + 1))
    assert dataset.data_hash(dataset.index(root)) != first


def test_a_damaged_index_cache_is_made_anew(root):
    first = dataset.index(root)
    for store in (dataset.cache_dir() / "index").glob("*.csv"):
        store.write_text(store.read_text().partition("\n")[0] + "\nhalf,a\n")
    pd.testing.assert_frame_equal(dataset.index(root), first)


def test_index_works_where_the_cache_cannot_be_written(root, tmp_path, monkeypatch):
    (tmp_path / "blocker").write_text("")
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "blocker"))
    assert len(dataset.index(root)) == 16


def test_clutter_of_file_managers_is_no_image(root):
    names = (".DS_Store", "Thumbs.db", "Thumbs (2).db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini")
    for name in (*names, "~$x.jpg", *(["Icon\r"] if os.name == "posix" else [])):
        (root / "Training" / "glioma" / name).write_bytes(b"x")
    assert len(dataset.index(root)) == 16


@pytest.mark.skipif(os.name != "posix", reason="links need a permission elsewhere")
def test_a_link_to_itself_names_itself(root):
    loop = root / "Training" / "glioma" / "loop.jpg"
    os.symlink("loop.jpg", loop)
    for read in (lambda: dataset.index(root), lambda: dataset.read_bytes(loop)):
        with pytest.raises(DataError, match=r"glioma.loop\.jpg cannot be read .*: it is a link to itself$"):
            read()
    os.symlink("round", root / "round")
    with pytest.raises(DataError, match=r"round cannot be listed .*: it is a link to itself$"):
        dataset.index(root)
    with pytest.raises(DataError, match=r"round is a link that leads nowhere: run `gcaf data fetch`"):
        dataset.locate(root / "round")
    gc.collect()  # a listing that was left open is a warning, and warnings are errors


def test_data_hash_ignores_order_and_sees_names(root):
    frame = dataset.index(root)
    assert dataset.data_hash(frame.sample(frac=1, random_state=0)) == dataset.data_hash(frame)
    renamed = frame.assign(file=frame["file"].str.replace("Te-gl_0", "Te-gl_9"))
    assert dataset.data_hash(renamed) != dataset.data_hash(frame) and len(dataset.data_hash(frame)) == 12


def test_identical_files_are_indexed_and_reported(root):
    shutil.copy(root / "Training/glioma/Tr-gl_0.jpg", root / "Training/glioma/Tr-gl_7.jpg")
    assert len(dataset.index(root)) == 17
    report = check.compare(root)
    assert report.duplicates == [["Training/glioma/Tr-gl_0.jpg", "Training/glioma/Tr-gl_7.jpg"]]
    assert "identical files in one folder" in report.text()


# --- bad files ---

BAD = {
    "text": (b"this is not an image", "not an image"),
    "empty": (b"", "empty"),
    "truncated JPEG": (encoded(side=64)[:-200], "cut short"),
    "truncated PNG": (encoded("PNG", side=64)[:-200], "cut short|not an image"),
    "one pixel": (encoded(side=1), "1×1"),
    "100 megapixels": (png_header(10_000, 10_000), "was not decoded"),
    "a gigapixel": (png_header(32_000, 32_000), "was not decoded"),
    "animated GIF": (
        encoded("GIF", "P", save_all=True, append_images=[Image.new("P", (SIDE, SIDE), 7)]),
        "several frames",
    ),
    "animated PNG": (
        encoded("PNG", save_all=True, append_images=[Image.new("L", (SIDE, SIDE), 7)]),
        "several frames",
    ),
    "animated WEBP": (
        encoded("WEBP", "RGB", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE))]),
        "several frames",
    ),
    "TIFF of two pages": (
        encoded("TIFF", save_all=True, append_images=[Image.new("L", (SIDE, SIDE), 7)]),
        "several frames",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_by_name_with_a_cure(root, case):
    data, message = BAD[case]
    (root / "Testing" / "pituitary" / "bad.jpg").write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        dataset.index(root)
    assert "bad.jpg" in str(caught.value) and any(
        cure in str(caught.value) for cure in ("again", "leave it out", "scale", "save the one")
    )
    report = check.compare(root)
    assert len(report.problems) == 1 and not report.ok and "bad.jpg" in report.text()


def test_of_many_bad_files_some_are_named_and_the_rest_counted(root):
    for i in range(8):
        (root / "Training" / "notumor" / f"bad{i}.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"bad0(.|\n)*and 3 more; `gcaf data check"):
        dataset.index(root)


def test_bytes_behind_the_end_marker_are_allowed():
    assert inspect(encoded() + b"\0\0trailing", "x").width == SIDE


def test_header_gives_the_displayed_size():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    buffer = io.BytesIO()
    Image.new("L", (40, 30)).save(buffer, "JPEG", exif=exif)
    head = inspect(buffer.getvalue(), "x")
    assert (head.width, head.height, head.turned) == (30, 40, True)


def test_an_unreadable_file_is_named(root, monkeypatch):
    usual = Path.read_bytes

    def refuse(self):
        if self.name == "Tr-me_1.jpg":
            raise PermissionError(13, "Permission denied")
        return usual(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"Tr-me_1\.jpg cannot be read \(Permission denied\): check its perm"):
        dataset.index(root)


# --- bad folders ---


def test_a_missing_class_folder_is_named(root):
    shutil.rmtree(root / "Testing" / "meningioma")
    with pytest.raises(DataError, match="Testing has no folder 'meningioma'"):
        dataset.index(root)


def test_a_misspelt_class_folder_is_found(root):
    (root / "Training" / "meningioma").rename(root / "Training" / "Meningoma")
    with pytest.raises(DataError, match="there is 'Meningoma': rename it to 'meningioma'"):
        dataset.index(root)


def test_an_empty_class_folder_is_named(root):
    for file in (root / "Testing" / "notumor").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"notumor holds no images: fetch or copy"):
        dataset.index(root)


def test_the_folder_above_is_recognised(root):
    with pytest.raises(DataError, match=r"did you mean .*images"):
        dataset.index(root.parent)


def test_a_folder_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "empty"))
    monkeypatch.delenv("GCAF_DATA", raising=False)
    with pytest.raises(
        DataError, match=r"cache folder\) is not there: run `gcaf data fetch`.*--data.*GCAF_DATA"
    ):
        dataset.locate()
    monkeypatch.setenv("GCAF_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere \(from GCAF_DATA\)"):
        dataset.locate()
    for use in (dataset.locate, dataset.index, check.compare):
        with pytest.raises(DataError, match="nobody"):
            use(tmp_path / "nobody")


def test_the_check_s_cure_is_one_that_it_takes(root, tmp_path):
    """`gcaf data check DIR` has no --data; a file is not "not there"."""
    (tmp_path / "list.csv").write_text("file,part")
    for place, said in (
        (tmp_path / "list.csv", "is a file, not a folder"),
        (tmp_path / "none", "is not there"),
    ):
        with pytest.raises(DataError, match=said) as error:
            check.compare(place)
        assert "give the folder that holds Training/ and Testing/" in str(error.value)
        assert "--data" not in str(error.value)
    (tmp_path / "odd").mkdir()
    told = check.compare(tmp_path / "odd").text()
    assert "give the folder that holds" in told and "--data" not in told


# --- opening ---


def test_the_published_index_stands_in_for_absent_images(tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path))
    monkeypatch.delenv("GCAF_DATA", raising=False)
    opened = dataset.open_dataset(DataSettings(), need_images=False)
    assert opened.root is None and len(opened.frame) == 7023 and opened.banner is None
    with pytest.raises(DataError, match="gcaf data fetch"):
        dataset.open_dataset(DataSettings())
    with pytest.raises(DataError, match="elsewhere"):  # a path that was given is not passed over
        dataset.open_dataset(DataSettings(), tmp_path / "elsewhere", need_images=False)


def test_published_index_has_the_papers_counts():
    frame = dataset.published_index()
    counts = frame.groupby(["folder", "label"]).size()
    assert counts["Training"].tolist() == [1321, 1339, 1595, 1457]
    assert counts["Testing"].tolist() == [300, 306, 405, 300]
    assert frame["mode"].value_counts().to_dict() == {"RGB": 3926, "L": 3093, "RGBA": 3, "P": 1}
    assert ((frame["width"] == 512) & (frame["height"] == 512)).sum() == 4742
    assert frame["sha256"].duplicated(keep=False).sum() == 491


def test_phantoms_are_made_once_and_say_so(monkeypatch):
    from gcaf_lib.data import phantom

    settings = DataSettings(source="phantom", phantoms=10)
    opened = dataset.open_dataset(settings)
    assert len(opened.frame) == 40 and opened.banner.startswith("PHANTOM DATA")
    monkeypatch.setattr(phantom, "write", lambda *_: pytest.fail("made twice"))
    assert dataset.open_dataset(settings).hash == opened.hash
    with pytest.raises(SettingsError, match=r"data\.phantoms=0"):
        dataset.open_dataset(DataSettings(source="phantom"))


def test_phantoms_where_the_cache_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "blocker").write_text("")
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "blocker"))
    with pytest.raises(CacheError, match=r"blocker.*set GCAF_CACHE"):
        dataset.open_dataset(DataSettings(source="phantom", phantoms=10))


def test_manifest_can_be_written_again(root, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "__file__", str(tmp_path / "dataset.py"))
    path = dataset.write_manifest(root)
    assert path == tmp_path / "manifest.csv"
    assert list(pd.read_csv(path).columns) == ["file", "sha256", "bytes", "width", "height", "mode"]


# --- the check ---


@pytest.fixture
def published(root):
    return dataset.index(root)


def rewrite(root, published, size):
    for name in published["file"]:
        with Image.open(root / name) as image:
            image.resize((size, size)).save(root / name, "JPEG", quality=40)


def test_check_of_the_same_files(root, published):
    report = check.compare(root, published)
    assert report.ok and "byte for byte" in report.variant and report.text().endswith("OK")


def test_check_names_missing_extra_and_altered_files(root, published):
    (root / "Testing/glioma/Te-gl_0.jpg").unlink()
    (root / "Training/glioma/new.jpg").write_bytes(encoded(seed=500))
    (root / "Training/notumor/Tr-no_1.jpg").write_bytes(encoded(seed=501))
    report = check.compare(root, published)
    assert report.missing == ["Testing/glioma/Te-gl_0.jpg"] and report.extra == ["Training/glioma/new.jpg"]
    assert report.altered == ["Training/notumor/Tr-no_1.jpg"] and not report.ok
    assert report.to_dict()["counts"][0] == {"folder": "Training/glioma", "found": 3, "published": 2}


def test_check_recognises_a_resized_copy(root, published):
    rewrite(root, published, 32)
    assert "resized copy: the published names, scaled to 32×32" in check.compare(root, published).variant


def test_check_recognises_a_re_encoded_copy(root, published):
    rewrite(root, published, SIDE)
    assert "re-encoded" in check.compare(root, published).variant


def test_check_recognises_renamed_files(root, published):
    for name in published["file"]:
        (root / name).rename((root / name).with_name(f"renamed_{Path(name).name}"))
    assert "renamed" in check.compare(root, published).variant


def test_check_recognises_the_re_release_by_its_count(root, published, monkeypatch):
    monkeypatch.setattr(check, "_RELEASES", {17: "the later re-release"})
    (root / "Training/glioma/new.jpg").write_bytes(encoded(seed=500))
    assert check.compare(root, published).variant == "the later re-release"


@pytest.mark.parametrize(
    ("folders", "guess"),
    [
        (["yes", "no"], "Br35H"),
        (list(CLASSES), "not parted"),
        (["Training/glioma_tumor", "Testing/glioma_tumor"], "SARTAJ"),
        (["archive/Training", "archive/Testing"], "one folder further down"),
        (["a"], "not the layout"),
    ],
)
def test_check_recognises_other_layouts(tmp_path, folders, guess):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    report = check.compare(tmp_path)
    assert guess in report.variant and not report.ok and report.problems


def test_the_real_dataset_is_the_published_one(real_data):
    report = check.compare(real_data)
    assert report.ok, report.text()
    pd.testing.assert_frame_equal(dataset.index(real_data), dataset.published_index())
