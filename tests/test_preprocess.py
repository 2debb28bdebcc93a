"""Preprocessing: Eq 1 step by step, and a cache that is whole or absent."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from gcaf_lib.data import preprocess
from gcaf_lib.data.dataset import CacheError, DataError, Dataset, data_hash, index, open_dataset
from gcaf_lib.settings import DataSettings
from tests.pictures import COLOUR, GREY, save

# --- the steps of Eq 1 ---


def test_clahe_of_grey_is_clahe_of_v():
    three = cv2.cvtColor(GREY, cv2.COLOR_GRAY2RGB)
    out = preprocess.clahe(three, 2.0, 8)
    assert np.array_equal(out, cv2.cvtColor(preprocess.clahe(GREY, 2.0, 8), cv2.COLOR_GRAY2RGB))
    assert np.array_equal(out[..., 0], cv2.createCLAHE(2.0, (8, 8)).apply(GREY))


def test_clahe_changes_brightness_and_keeps_hue():
    out = preprocess.clahe(COLOUR)
    before, after = (cv2.cvtColor(i, cv2.COLOR_RGB2HSV).astype(int) for i in (COLOUR, out))
    assert np.array_equal(after[..., 2], cv2.createCLAHE(2.0, (8, 8)).apply(before[..., 2].astype(np.uint8)))
    vivid = (before[..., 1] > 100) & (before[..., 2] > 80)
    turn = np.abs(after[..., 0] - before[..., 0])[vivid]
    assert np.minimum(turn, 180 - turn).max() <= 3
    assert after[..., 2].std() > before[..., 2].std()


def test_resize_averages_down_and_interpolates_up():
    assert np.array_equal(
        preprocess.resize(np.kron(GREY[:32, :32], np.ones((2, 2), np.uint8)), 32), GREY[:32, :32]
    )
    up = preprocess.resize(GREY, 100)
    assert np.array_equal(up, cv2.resize(GREY, (100, 100), interpolation=cv2.INTER_CUBIC))
    # where one side grows INTER_AREA would be nearest neighbours along it
    mixed = preprocess.resize(GREY, 70)
    assert np.array_equal(mixed, cv2.resize(GREY, (70, 70), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_preprocess_is_the_chain(tmp_path, mode):
    path = save(tmp_path, Image.fromarray(COLOUR).convert(mode))
    settings = DataSettings(image_size=48, clahe_clip=3.0, clahe_tiles=4)
    out = preprocess.preprocess(path, settings)
    assert np.array_equal(out, preprocess.resize(preprocess.clahe(preprocess.decode(path), 3.0, 4), 48))
    assert out.shape == (48, 48, 3) and out.dtype == np.uint8


# --- canonical ---


def head(height=300, width=300, centre=(150, 150), radius=70) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    cv2.circle(image, centre, radius, (120, 120, 120), -1)
    cv2.circle(image, centre, radius, (220, 220, 220), 6)
    return image


def test_canonical_finds_the_head_wherever_it_is():
    one = preprocess.canonical(head())
    two = preprocess.canonical(head(400, 520, (390, 120)))
    assert one.shape == two.shape == (256, 256, 3)
    assert np.abs(one.astype(int) - two).mean() < 2
    assert (one > 60).any(axis=2).any(axis=0).mean() > 0.93  # the head fills the square


def test_canonical_is_grey_and_ignores_the_mode():
    out = preprocess.canonical(COLOUR)
    assert np.array_equal(out[..., 0], out[..., 1]) and np.array_equal(out[..., 0], out[..., 2])
    assert np.array_equal(preprocess.canonical(head()[..., 0]), preprocess.canonical(head()))


def test_canonical_compresses_once_at_its_quality():
    """A bright picture of the final size has nothing to cut or to scale: a JPEG of quality 90 is left."""
    bright = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (256, 256), np.uint8), (0, 0), 1)
    bright[:4] = bright[-4:] = bright[:, :4] = bright[:, -4:] = 255
    jpeg = cv2.imdecode(cv2.imencode(".jpg", bright, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(preprocess.canonical(bright)[..., 0], jpeg)


def test_canonical_keeps_proportions_and_survives_flat_images():
    oval = np.zeros((300, 300, 3), np.uint8)
    cv2.ellipse(oval, (150, 150), (50, 100), 0, 0, 360, (150, 150, 150), -1)
    rows, columns = (np.flatnonzero((preprocess.canonical(oval)[..., 0] > 70).any(axis)) for axis in (1, 0))
    assert abs(np.ptp(rows) / np.ptp(columns) - 2) < 0.1
    for tone in (0, 128, 255):
        assert preprocess.canonical(np.full((40, 30, 3), tone, np.uint8)).shape == (256, 256, 3)


# --- the cache ---


@pytest.fixture(scope="module")
def phantoms(phantom_root):
    frame = index(phantom_root)
    return Dataset(phantom_root, frame, data_hash(frame), "PHANTOM DATA")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


SMALL = DataSettings(image_size=32)


def test_images_are_those_of_preprocess_in_order(phantoms, cache, monkeypatch):
    out = preprocess.images(phantoms, SMALL)
    assert isinstance(out, np.memmap) and not out.flags.writeable
    assert out.shape == (96, 32, 32, 3) and out.dtype == np.uint8
    for row in (0, 41, 95):
        path = phantoms.root / phantoms.frame["file"][row]
        assert np.array_equal(out[row], preprocess.preprocess(path, SMALL))
    monkeypatch.setattr(preprocess, "preprocess", lambda *_: pytest.fail("computed twice"))
    assert np.array_equal(preprocess.images(phantoms, SMALL), out)
    assert [p.suffix for p in cache.iterdir()] == [".npy"]


def test_the_key_follows_what_changes_pixels():
    key = preprocess.key
    assert key("a", SMALL) == key("a", DataSettings(image_size=32, protocol="twins", fold=None))
    changes = [{"image_size": 33}, {"clahe_clip": 2.5}, {"clahe_tiles": 4}, {"encoding": "canonical"}]
    others = [key("a", DataSettings(**{"image_size": 32, **change})) for change in changes]
    assert len({key("a", SMALL), key("b", SMALL), *others}) == 6


def test_the_key_follows_the_code_and_the_library_that_made_the_pixels(monkeypatch):
    keys = {preprocess.key("a", SMALL)}
    monkeypatch.setattr(preprocess, "VERSION", preprocess.VERSION + 1)
    keys.add(preprocess.key("a", SMALL))
    monkeypatch.setattr(preprocess.cv2, "__version__", "0")
    keys.add(preprocess.key("a", SMALL))
    assert len(keys) == 3


def test_canonical_has_a_cache_of_its_own(phantoms, cache):
    settings = DataSettings(image_size=32, encoding="canonical")
    out = preprocess.images(phantoms, settings)
    path = phantoms.root / phantoms.frame["file"][7]
    by_hand = preprocess.resize(preprocess.clahe(preprocess.canonical(preprocess.decode(path))), 32)
    assert np.abs(out[7].astype(int) - by_hand).max() <= 1


def test_a_short_array_is_not_believed(phantoms, cache):
    good = np.array(preprocess.images(phantoms, SMALL))
    (store,) = cache.iterdir()
    store.write_bytes(store.read_bytes()[:-1000])
    assert np.array_equal(preprocess.images(phantoms, SMALL), good)
    np.save(store, good[:5])
    assert np.array_equal(preprocess.images(phantoms, SMALL), good)


def test_images_need_images(phantoms, cache):
    with pytest.raises(DataError, match="gcaf data fetch"):
        preprocess.images(Dataset(None, phantoms.frame, phantoms.hash), SMALL)


def test_a_broken_image_leaves_nothing_behind(phantoms, cache, monkeypatch):
    def fail(path, settings):
        raise DataError(f"{path} is broken")

    monkeypatch.setattr(preprocess, "preprocess", fail)
    with pytest.raises(DataError, match="is broken"):
        preprocess.images(phantoms, SMALL)
    assert list(cache.iterdir()) == []


def test_too_little_space_is_said_beforehand(phantoms, cache, monkeypatch):
    monkeypatch.setattr(preprocess.shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(CacheError, match=r"need 0\.00 GB in .*images.*set GCAF_CACHE"):
        preprocess.images(phantoms, SMALL)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written(phantoms, tmp_path, monkeypatch):
    (tmp_path / "blocker").write_text("")
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "blocker"))
    with pytest.raises(CacheError, match=r"cannot write to the cache .*blocker.*GCAF_CACHE"):
        preprocess.images(phantoms, SMALL)


CHILD = """
import resource, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from gcaf_lib.data import preprocess
from gcaf_lib.data.dataset import Dataset, data_hash, index
from gcaf_lib.settings import DataSettings

root = Path(sys.argv[1])
frame = index(root)
dataset = Dataset(root, frame, data_hash(frame))
preprocess._BLOCK = 16
if sys.argv[2] == "slow":
    usual = preprocess.preprocess
    preprocess.preprocess = lambda *a: (time.sleep(0.05), usual(*a))[1]
else:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write fails, as it does on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    preprocess.images(dataset, DataSettings(image_size=32))
except OSError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.mark.skipif(os.name != "posix", reason="limits and signals of POSIX")
def test_a_full_disk_is_said_and_leaves_nothing_behind(phantoms, cache):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(phantoms.root), "full"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1 and "CacheError: cannot write to the cache" in done.stderr
    assert "free some space or set GCAF_CACHE" in done.stderr and list(cache.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="limits and signals of POSIX")
def test_a_killed_run_leaves_no_cache_that_is_believed(phantoms, cache):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(phantoms.root), "slow"])
    try:
        for _ in range(2000):  # until the first block is on its way to the disk
            if any(part.stat().st_size for part in cache.glob(".part-*")):
                break
            assert child.poll() is None, "finished before it could be killed"
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert [p.name.startswith(".part-") for p in cache.iterdir()] == [True]
    for part in cache.iterdir():
        os.utime(part, (time.time() - 4000,) * 2)  # an hour later
    out = preprocess.images(phantoms, SMALL)
    path = phantoms.root / phantoms.frame["file"][95]
    assert np.array_equal(out[95], preprocess.preprocess(path, SMALL))
    assert [p.suffix for p in cache.iterdir()] == [".npy"]  # the dead process's file is gone


def test_real_images_of_every_mode(real_data):
    frame = open_dataset(DataSettings(), real_data).frame
    for _, group in frame.groupby("mode"):
        out = preprocess.preprocess(real_data / group["file"].iloc[0], DataSettings(image_size=64))
        assert out.shape == (64, 64, 3) and out.std() > 10
