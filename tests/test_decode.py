"""Image files to pixels: every mode and depth gives its right values, or is refused by name."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from gcaf_lib.data import dataset, decode
from gcaf_lib.data.dataset import DataError, open_dataset
from gcaf_lib.settings import DataSettings
from tests.pictures import COLOUR, GREY, chunk, save


def ramp(top: float) -> np.ndarray:
    """float64 (32,32) from 0 to `top`."""
    return np.linspace(0, top, 32 * 32).reshape(32, 32)


def test_grey_is_expanded(tmp_path):
    out = decode.decode(save(tmp_path, Image.fromarray(GREY)))
    assert out.shape == (60, 80, 3) and out.dtype == np.uint8
    assert all(np.array_equal(out[..., c], GREY) for c in range(3))


def test_channels_are_in_the_order_rgb(tmp_path):
    red = Image.new("RGB", (32, 32), (250, 10, 20))
    assert np.array_equal(decode.decode(save(tmp_path, red))[5, 5], [250, 10, 20])
    jpeg = decode.decode(save(tmp_path, red, "red.jpg", quality=95))[5, 5]
    assert np.abs(jpeg.astype(int) - [250, 10, 20]).max() <= 4


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_agrees_with_pillow(tmp_path, mode):
    path = save(tmp_path, Image.fromarray(COLOUR).convert(mode), "image.jpg", quality=90)
    theirs = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert np.abs(decode.decode(path) - theirs).max() <= 3  # two builds of the same decoder


def test_palette_is_expanded(tmp_path):
    image = Image.fromarray(COLOUR).quantize(16)
    assert np.array_equal(decode.decode(save(tmp_path, image)), np.asarray(image.convert("RGB")))


def test_transparent_is_composited_over_black(tmp_path):
    pixels = np.full((32, 32, 4), 200, np.uint8)
    pixels[:16, :, 3], pixels[16:, :, 3] = 0, 255
    out = decode.decode(save(tmp_path, Image.fromarray(pixels)))
    assert (out[:16] == 0).all() and (out[16:] == 200).all()
    half = decode.decode(save(tmp_path, Image.new("LA", (32, 32), (200, 128))))
    assert np.abs(half.astype(int) - 100).max() <= 1
    palette = Image.new("P", (32, 32), 1)
    palette.putpalette([255, 0, 0, 90, 90, 90])
    assert (decode.decode(save(tmp_path, palette, transparency=1)) == 0).all()


def test_cmyk_is_converted(tmp_path):
    path = save(tmp_path, Image.new("CMYK", (32, 32), (0, 0, 0, 55)), "ink.jpg", quality=95)
    assert np.abs(decode.decode(path).astype(int) - 200).max() <= 3


@pytest.mark.parametrize("top", [255, 4095, 65535])
def test_sixteen_bits_keep_their_contrast(tmp_path, top):
    out = decode.decode(save(tmp_path, Image.fromarray(ramp(top).astype(np.uint16))))
    np.testing.assert_array_equal(out[..., 0], np.rint(ramp(top).astype(int) * (255 / top)))


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    path = save(tmp_path, Image.fromarray(GREY), "turned.jpg", quality=95, exif=exif)
    assert np.abs(decode.decode(path)[..., 0].astype(int) - GREY[::-1, ::-1]).mean() < 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_cut_short_is_refused(tmp_path, kind):
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, kind)
    (tmp_path / "cut").write_bytes(buffer.getvalue()[:-300])
    with pytest.raises(DataError, match=r"cut.*(fetch or copy it again|replace it)"):
        decode.decode(tmp_path / "cut")


def test_broken_inside_is_refused(tmp_path):
    data = bytearray(save(tmp_path, Image.fromarray(GREY)).read_bytes())
    data[60:120] = bytes(60)  # the compressed pixels; header and end stay
    (tmp_path / "broken.png").write_bytes(data)
    with pytest.raises(DataError, match=r"broken\.png is broken"):
        decode.decode(tmp_path / "broken.png")


def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.jpg does not exist"):
        decode.decode(tmp_path / "nothing.jpg")
    with pytest.raises(DataError, match="is a folder"):
        decode.decode(tmp_path)


def test_an_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    from test_dataset import png_header

    (tmp_path / "bomb.png").write_bytes(png_header(10_000, 10_000))
    monkeypatch.setattr(decode, "_eight_bits", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"bomb\.png claims"):
        decode.decode(tmp_path / "bomb.png")


# --- depth ---

SHARES = np.array([1, 0.5, 0.25])  # of a ramp, in red, green and blue


def deep(top: int) -> np.ndarray:
    return (ramp(top)[..., None] * SHARES).astype(np.uint16)


@pytest.mark.parametrize("top", [255, 4095, 65535])
@pytest.mark.parametrize("ending", ["png", "tiff", "ppm", "jp2"])
def test_sixteen_bits_of_colour_keep_their_contrast(tmp_path, ending, top):
    """Pillow alone would cut 12 bits in 16 to a maximum of 15."""
    path = tmp_path / f"deep.{ending}"
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000] if ending == "jp2" else []
    cv2.imwrite(str(path), deep(top)[..., ::-1], lossless)
    wanted = np.rint(deep(top) * (255 / top))
    assert np.abs(decode.decode(path) - wanted).max() <= (1 if ending == "jp2" else 0)
    grey = decode.grey(path)
    assert np.abs(grey - wanted @ [0.299, 0.587, 0.114]).max() <= 1 and grey.max() > 150


@pytest.mark.parametrize("ending", ["png", "tiff"])
@pytest.mark.filterwarnings("ignore")
def test_sixteen_bits_with_transparency_lie_over_black(tmp_path, ending):
    pixels = np.dstack([deep(4095)[..., ::-1], np.full((32, 32), 65535, np.uint16)])
    pixels[:16, :, 3] = 0
    cv2.imwrite(str(tmp_path / f"deep.{ending}"), pixels)
    out = decode.decode(tmp_path / f"deep.{ending}")
    assert (out[:16] == 0).all()
    np.testing.assert_array_equal(out[16:], np.rint(deep(4095)[16:] * (255 / 4095)))


@pytest.mark.parametrize(
    "values",
    [
        ramp(1).astype(np.float32),
        (ramp(2) - 1).astype(np.float32),
        ramp(4095).astype(np.float32),
        ramp(4095).astype(np.int32),
        (ramp(4095) - 1000).astype(np.int32),
        (ramp(4095) - 1000).astype(np.int16),
        ramp(2**32 - 1).astype(np.uint32),
    ],
    ids=["0..1", "-1..1", "float", "int", "below 0", "signed 16", "unsigned 32"],
)
def test_floats_and_long_integers_keep_their_contrast(tmp_path, values):
    cv2.imwrite(str(tmp_path / "deep.tiff"), values)
    out = decode.decode(tmp_path / "deep.tiff").astype(int)
    assert (out.min(), out.max()) == (0, 255) and np.array_equal(out[..., 0], out[..., 2])
    assert np.abs(out[..., 0] - ramp(255)).max() <= 1
    assert np.array_equal(decode.grey(tmp_path / "deep.tiff"), out[..., 0])


def test_floats_of_nothing_but_0_and_1_are_black_and_white(tmp_path):
    mask = (ramp(1) > 0.5).astype(np.float32)
    out = decode.decode(save(tmp_path, Image.fromarray(mask), "mask.tiff"))
    np.testing.assert_array_equal(out[..., 0], mask * 255)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, bad):
    values = ramp(1).astype(np.float32)
    values[3, 4] = bad
    path = save(tmp_path, Image.fromarray(values), "bad.tiff")
    for read in (decode.decode, decode.grey):
        with pytest.raises(DataError, match=r"bad\.tiff holds values that are no numbers.*save it"):
            read(path)


def seen_through(png: bytes, value: int, count: int = 1) -> bytes:
    """A PNG with a tRNS chunk: one value, or one colour, that is transparent."""
    at = png.index(b"IDAT") - 4
    return png[:at] + chunk(b"tRNS", struct.pack(">H", value) * count) + png[at:]


@pytest.mark.parametrize("colour", [False, True])
def test_a_value_that_is_seen_through_lies_over_black(tmp_path, colour):
    values = ramp(4095).astype(np.uint16)
    values[:8] = 3999
    pixels = np.dstack([values] * 3) if colour else values
    cv2.imwrite(str(tmp_path / "deep.png"), pixels)
    data = seen_through((tmp_path / "deep.png").read_bytes(), 3999, 3 if colour else 1)
    (tmp_path / "deep.png").write_bytes(data)
    wanted = np.where(values == 3999, 0, np.rint(values * (255 / 4095)))
    for out in (decode.decode(tmp_path / "deep.png")[..., 1], decode.grey(tmp_path / "deep.png")):
        np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_grey_of_few_bits_that_is_seen_through_lies_over_black(tmp_path, bits):
    top = 2**bits - 1
    values = np.arange(32) % (top + 1) * np.ones((32, 1), int)
    rows = b"".join(
        b"\0" + np.packbits(np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]).tobytes()
        for row in values
    )
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, bits, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "few.png").write_bytes(seen_through(data, 1))
    wanted = np.where(values == 1, 0, values * (255 // top))
    np.testing.assert_array_equal(decode.decode(tmp_path / "few.png")[..., 0], wanted)


@pytest.mark.parametrize("white", [65535, 1000, 255, 100, 15])
@pytest.mark.parametrize("kind", ["P5", "P6"])
def test_white_of_a_netpbm_file_is_what_its_header_says(tmp_path, kind, white):
    values = np.rint(ramp(white))
    pixels = values if kind == "P5" else np.dstack([values] * 3)
    pixels = pixels.astype(">u2" if white > 255 else np.uint8)
    (tmp_path / "image.ppm").write_bytes(f"{kind}\n32 32\n{white}\n".encode() + pixels.tobytes())
    for out in (decode.decode(tmp_path / "image.ppm")[..., 1], decode.grey(tmp_path / "image.ppm")):
        assert out.max() == 255 and np.abs(out - values * (255 / white)).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG2000"])
def test_transparency_lies_over_black_but_in_the_grey_of_a_png(tmp_path, kind, mode):
    path, image = tmp_path / "image", Image.fromarray(ramp(255).astype(np.uint8)).convert(mode)
    opaque = np.arange(32)[:, None] >= 16
    image.putalpha(Image.fromarray(np.where(opaque, 255, 0).repeat(32, 1).astype(np.uint8)))
    image.save(path, kind, **({"lossless": True} if kind == "WEBP" else {}))
    whole = ramp(255).astype(np.uint8).astype(int)
    assert np.abs(decode.decode(path)[..., 1] - whole * opaque).max() <= 1
    assert np.abs(decode.grey(path) - whole * (opaque | (kind == "PNG"))).max() <= 1


def test_deep_colour_that_is_broken_is_called_so(tmp_path):
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 65535, (32, 32, 3)).astype(np.uint16))
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT") + 6
    data[at : at + 400] = bytes(400)
    path.write_bytes(data)
    for read in (decode.decode, decode.grey):
        with pytest.raises(DataError, match=r"deep\.png is broken .*: fetch or copy it again"):
            read(path)


def test_deep_colour_that_cannot_be_read_is_refused_by_name(tmp_path, monkeypatch):
    path = tmp_path / "deep.tiff"
    cv2.imwrite(str(path), deep(4095))
    monkeypatch.setattr(decode, "_by_opencv", lambda *_: None)
    with pytest.raises(
        DataError, match=r"deep\.tiff has more than 8 bits a channel.*TIFF in RGB.*save it as"
    ):
        decode.decode(path)


def writable():
    """(mode, kind, bytes) of a ramp in each mode and kind of file that Pillow can write."""
    image = Image.fromarray(ramp(255).astype(np.uint8))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16"):
        one = image.convert(mode) if mode in ("I", "F", "I;16") else image.convert("RGB").convert(mode)
        for kind in ("PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "TGA", "SGI", "ICO"):
            file = io.BytesIO()
            try:
                one.save(file, kind)
            except (OSError, ValueError, KeyError):
                continue
            yield pytest.param(mode, kind, file.getvalue(), id=f"{mode}-{kind}")


@pytest.mark.parametrize(("mode", "kind", "data"), [*writable()])
def test_every_mode_gives_its_brightness_or_a_refusal(tmp_path, mode, kind, data):
    path = tmp_path / "image"
    path.write_bytes(data)
    if kind in ("TGA", "SGI", "ICO"):
        with pytest.raises(
            DataError, match=f"image is of the format {kind}, which is not read.*save it as PNG"
        ):
            decode.decode(path)
        return
    for out in (decode.decode(path).mean(2), decode.grey(path)):
        if mode in ("1", "P") or kind == "GIF":  # dots of few colours: halves are as bright as they should be
            halves = [(out - ramp(255))[part].mean() for part in (slice(16), slice(16, 32))]
            assert np.abs(halves).max() <= 12
        else:
            assert np.abs(out - ramp(255)).max() <= 8


# --- damage, and what is none ---


def jpeg(pixels=COLOUR, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.kron(pixels, np.ones((3, 3) + (1,) * (pixels.ndim - 2), np.uint8))).save(
        buffer, "JPEG", quality=90, **options
    )
    return buffer.getvalue()


@pytest.mark.parametrize("read", [decode.decode, decode.grey])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 5}])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_jpeg_whose_data_ends_early_is_refused_though_it_has_its_end_marker(
    tmp_path, pixels, options, read
):
    whole, path = jpeg(pixels, **options), tmp_path / "half.jpg"
    path.write_bytes(whole)
    read(path)
    start = whole.index(b"\xff\xda") + 14
    for share in (0.1, 0.5, 0.9):
        cut = whole[: start + int(share * (len(whole) - start))].rstrip(b"\xff")
        path.write_bytes(cut + b"\xff\xd9")
        with pytest.raises(DataError, match=r"half\.jpg is cut short.*fetch or copy it again"):
            read(path)


def test_what_follows_a_jpeg_or_fills_it_up_is_no_damage(tmp_path):
    whole = jpeg()
    filled = whole.replace(b"\xff\xda", b"\xff\xff\xff\xda")
    for number, data in enumerate((whole + b"trailing", filled, whole[:-2] + b"\x12\x34" + whole[-2:])):
        (tmp_path / f"{number}.jpg").write_bytes(data)
        assert np.array_equal(decode.decode(tmp_path / f"{number}.jpg"), decode.decode(tmp_path / "0.jpg"))


@pytest.mark.parametrize("at", ["front", "end"])
@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000))),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"tEXt", b"Comment\0" + b"x" * 70_000_000),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(2_000_000))),
        chunk(b"eXIf", b"no EXIF at all"),
    ],
    ids=["zTXt", "iTXt", "tEXt", "iCCP", "eXIf"],
)
def test_metadata_however_large_or_broken_are_no_damage(tmp_path, extra, at):
    path = save(tmp_path, Image.fromarray(COLOUR))
    data = path.read_bytes()
    cut = 33 if at == "front" else len(data) - 12
    path.write_bytes(data[:cut] + extra + data[cut:])
    assert np.array_equal(decode.decode(path), COLOUR)
    assert decode.grey(path).shape == GREY.shape


def test_a_file_that_is_no_file_or_too_large_is_refused_unread(tmp_path, monkeypatch):
    import os

    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")  # to read it would wait for ever
        with pytest.raises(DataError, match=r"pipe\.png is no file \(a pipe or a device\)"):
            decode.decode(tmp_path / "pipe.png")
    path = save(tmp_path, Image.fromarray(GREY))
    monkeypatch.setattr(dataset, "MAX_BYTES", 100)
    with pytest.raises(DataError, match=r"image\.png has [\d,]+ bytes, too many for an image \(limit: 100"):
        decode.decode(path)
    with pytest.raises(DataError, match="cannot be read"):
        decode.decode("a\0b.png")


def test_published_images_decode_as_they_always_did(real_data):
    """One of each mode and coding, by OpenCV and Pillow alone."""
    frame = open_dataset(DataSettings(), real_data).frame
    pngs = [f"Training/notumor/Tr-no_{n}.jpg" for n in (1005, 1011, 1012, 1019, 1020)]
    for name in [*frame["file"][::700], *pngs]:
        data = np.frombuffer((real_data / name).read_bytes(), np.uint8)
        if name in pngs:
            image = Image.open(real_data / name).convert("RGBA")
            wanted = np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "black"), image))[..., :3]
        else:
            wanted = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        assert np.array_equal(decode.decode(real_data / name), wanted)
        assert np.array_equal(decode.grey(real_data / name), cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))
