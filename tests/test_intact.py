"""What image readers pass over in silence is refused by name, by every way on which a user's image comes."""

import contextlib
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from gcaf_lib.data import decode, intact, known, medical
from gcaf_lib.data.dataset import DataError

GREY = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)


SMOOTH = np.add.outer(np.arange(300), np.arange(400)).astype(np.uint8)


@pytest.fixture
def damaged(tmp_path):
    """A PNG with one bit turned over in such a place that Pillow gives other pixels and says nothing."""
    path = tmp_path / "a.png"
    Image.fromarray(SMOOTH).save(path)
    sound = path.read_bytes()
    for at in range(sound.index(b"IDAT") + 20, len(sound) - 30):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 64]) + sound[at + 1 :])
        with contextlib.suppress(DataError):
            if (decode.pixels(path) != SMOOTH).any():
                return path
    pytest.fail("the reader finds every damage by itself: `intact` is needed no more")


@pytest.mark.parametrize("read", [medical.pixels, medical.grey, known._look])
def test_a_png_with_a_byte_of_another_value_is_refused(damaged, read):
    with pytest.raises(DataError, match=r"a\.png is broken .*: fetch or copy it again"):
        read(damaged)


def test_a_tiff_of_signed_bytes_is_refused(tmp_path):
    path = tmp_path / "a.tiff"
    Image.fromarray(GREY).save(path, tiffinfo={339: 2})
    with pytest.raises(DataError, match="signed values of 8 bits: save it as a PNG"):
        medical.pixels(path)


@pytest.mark.parametrize(
    ("image", "tag", "value", "said"),
    [
        (np.full((40, 50), 4095, np.uint16), 262, 0, "whose 0 is white"),
        (np.full((40, 50), 0.5, np.float32), 262, 0, "whose 0 is white"),
        (np.full((40, 50, 2), 90, np.uint8), 338, 1, "multiplied by their transparency"),
    ],
    ids=["16 bits", "float", "grey and alpha"],
)
def test_a_tiff_that_would_be_taken_for_another_is_refused(tmp_path, image, tag, value, said):
    """The first two came out as their negatives."""
    path = tmp_path / "a.tiff"
    Image.fromarray(image).save(path)
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HHI", tag, 3, 1)) + 8  # one short integer
    data[at : at + 2] = struct.pack("<H", value)
    path.write_bytes(data)
    for read in (medical.pixels, medical.grey):
        with pytest.raises(DataError, match=f"a\\.tiff holds .*{said}.*: save it as a PNG"):
            read(path)
    Image.fromarray(image).save(path)
    intact.demand(path)


@pytest.mark.parametrize(
    "values",
    [GREY, GREY.astype(np.uint16) * 257, np.dstack([GREY] * 3), np.dstack([GREY] * 3).astype(np.uint16)],
)
def test_a_png_with_too_few_rows_is_refused(tmp_path, values):
    """Sound in every checksum; Pillow would give black for what is not there."""
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), values[:20])
    data = bytearray(path.read_bytes())
    medical.pixels(path)
    data[20:24] = struct.pack(">I", 40)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    for read in (medical.pixels, medical.grey):
        with pytest.raises(DataError, match=r"a\.png is broken .*: fetch or copy it again"):
            read(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "tiff", "bmp", "webp", "ppm", "gif"])
def test_what_is_sound_passes(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(GREY).save(path)
    intact.demand(path)


def test_what_is_no_image_is_left_to_its_decoder(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    intact.demand(tmp_path / "a.png")
    with pytest.raises(DataError, match="not an image"):
        medical.pixels(tmp_path / "a.png")
