"""Image files to 8-bit pixels: every mode and depth scaled as said in `decode`, or refused by name."""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from gcaf_lib.data.dataset import DataError, Header, bare, inspect, read_bytes


def decode(path: str | Path) -> np.ndarray:
    """RGB uint8 (H,W,3) of an image file at its original resolution.

    Grey and palette images are expanded, transparent ones composited over black (the background of
    an MRI slice), CMYK is converted by Pillow (it knows of Adobe's inverted inks). Whole numbers of more
    than 8 bits, grey or colour, are divided by the largest value that their used bits can hold: scanners write
    12 bits into 16, which the nominal range would turn black. Where there are values below 0, the darkest becomes
    black. Floats from -1 to 1 are shares of white, with larger ones they are taken for whole numbers. EXIF rotation is
    applied, as viewers do (no published file has any). Raises `DataError` for a file that is damaged, or of a depth
    that can't be read; see `dataset.inspect` for what else is refused.
    """
    image = pixels(path)
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)


def grey(path: str | Path) -> np.ndarray:
    """uint8 (H,W) of an image file, as copies are looked for in: `decode` in grey, but for two things.

    The brightness of a JPEG is taken as stored, not by way of its colours, and the transparency of a PNG of 8 bits is
    left out. Raises `DataError`.
    """
    data = read_bytes(path)
    head = inspect(data, path)
    plain = head.format in ("JPEG", "MPO", "PNG") and head.mode in ("L", "LA", "RGB", "RGBA", "P")
    plain = plain and not head.deep and not head.turned
    image = _by_opencv(data, cv2.IMREAD_GRAYSCALE) if plain else None
    if image is None:
        return cv2.cvtColor(decode(path), cv2.COLOR_RGB2GRAY)
    _demand_whole(data, head, path)
    return image


def pixels(path: str | Path) -> np.ndarray:
    """Like `decode`, but a grey image without transparency stays uint8 (H,W): one channel instead of three alike."""
    data = read_bytes(path)
    head = inspect(data, path)
    _demand_whole(data, head, path)
    if head.format == "JPEG" and head.mode in ("L", "RGB") and not head.turned:
        flag = cv2.IMREAD_GRAYSCALE if head.mode == "L" else cv2.IMREAD_COLOR_RGB
        image = _by_opencv(data, flag | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is not None:
            return image
    try:
        if head.deep and not head.mode.startswith(("I", "F")):
            return _deep_colour(data, head)
        with Image.open(io.BytesIO(bare(data))) as image:
            if head.format == "PNG" and head.mode == "L" and "transparency" in image.info:
                # Pillow widens values of less than 8 bits, but not the one that is seen through
                image.info["transparency"] *= 255 // (2 ** min(data[24], 8) - 1)
            return _eight_bits(ImageOps.exif_transpose(image) if head.turned else image)
    except _Depth as error:
        raise DataError(f"{path} {error}: save it as a PNG of 8 bits a channel") from error
    except Exception as error:  # Pillow's readers raise many kinds on broken data
        raise DataError(f"{path} is broken ({error}): fetch or copy it again") from error


def _by_opencv(data: bytes, flag: int) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(bare(data), np.uint8), flag)
    except cv2.error:
        return None


class _Depth(ValueError):
    """Numbers that can't be told as brightness; the message is the second half of a sentence."""


def _deep_colour(data: bytes, head: Header) -> np.ndarray:
    """uint8 (H,W,3) of a colour image of more than 8 bits a channel, over black: Pillow would cut them to the upper 8."""
    stored = _by_opencv(data, cv2.IMREAD_UNCHANGED)
    if stored is None and head.format == "PNG":  # OpenCV reads every kind of them
        raise ValueError("its data can't be decoded")
    if stored is None or stored.ndim != 3 or stored.dtype == np.uint8 or head.turned:
        turned = " and an EXIF rotation" if head.turned else ""
        raise _Depth(
            f"has more than 8 bits a channel{turned}, which is not read for {head.format} in {head.mode}"
        )
    rgb = stored[..., 2::-1].astype(np.float64)
    if stored.shape[2] == 4:
        rgb *= stored[..., 3:] / np.iinfo(stored.dtype).max
    if head.format == "PPM":  # its header says what is white; of grey ones Pillow makes that 65535
        white = max(one for one in Image.open(io.BytesIO(data)).tile[0].args[1:] if isinstance(one, int))
        rgb = np.rint(rgb * (65535 / white))
    return _scaled(rgb)


def _scaled(values: np.ndarray, fractions: bool = False) -> np.ndarray:
    """uint8 of numbers of any range, float64; `fractions`: floats, whose white is 1 where none is larger."""
    if not np.isfinite(values).all():
        raise _Depth("holds values that are no numbers")
    low, high = min(values.min(), 0), values.max()
    if fractions and -1 <= low and high <= 1:
        top = 1 - low
    else:
        top = max(2 ** int(np.ceil(np.log2(high - low + 1))) - 1, 255)
    return np.rint((values - low) * (255 / top)).astype(np.uint8)


# bytes between the data of a scan and its end: a decoder that has had all it needs passes over them
_NOTHING = bytes.fromhex("5ac30f96") * 16
_MARKER = re.compile(rb"\xff[^\x00\xff]")


def _demand_whole(data: bytes, head: Header, path: str | Path) -> None:
    """Raise `DataError` for a JPEG whose data ends before its picture does, though an end marker follows.

    Decoders fill up with grey and say so to nobody. So it is decoded twice, small, the second time with bytes of
    no meaning in front of each marker: where they are read as pixels, pixels were missing.
    """
    if head.format not in ("JPEG", "MPO"):
        return
    filled, scans = _filled(data)
    try:
        same = len({_small(one, scans == 1) for one in (data, filled)}) == 1
    except Exception as error:  # Pillow's readers raise many kinds on broken data
        raise DataError(f"{path} is broken ({error}): fetch or copy it again") from error
    if not same:
        raise DataError(f"{path} is cut short (its data ends before its picture): fetch or copy it again")


def _filled(data: bytes) -> tuple[bytes, int]:
    """A JPEG's bytes with `_NOTHING` behind the data of each scan (and restart interval), and the number of scans."""
    out, done, at, scans = bytearray(), 0, 2, 0
    while data[at : at + 1] == b"\xff" and data[at + 1] != 0xD9:
        kind, start = data[at + 1], at
        if kind == 0xFF:  # a byte to fill up with
            at += 1
            continue
        if 0xC9 <= kind <= 0xCF and kind != 0xCC:  # arithmetic coding may leave out what is zero
            return data, 1
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == 0xDA:
            scans += 1
            while found := _MARKER.search(data, at):
                start, at = found.start(), found.end()
                out += data[done:start] + _NOTHING
                done = start
                if not 0xD0 <= data[start + 1] <= 0xD7:  # a restart goes on with the same scan
                    at = start
                    break
            else:
                break
    return bytes(out + data[done:]), scans


def _small(data: bytes, eighth: bool) -> bytes:
    """Pixels of a JPEG, of a single scan at an eighth of its size: that decodes all of its data."""
    with Image.open(io.BytesIO(data)) as image:
        if eighth:
            image.draft("L", (1, 1))
        return image.tobytes()


def _eight_bits(image: Image.Image) -> np.ndarray:
    """uint8 (H,W) or (H,W,3) of a Pillow image of any mode."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        if image.mode == "I" and getattr(image, "tag_v2", {}).get(339, (2,))[0] == 1:
            values = values % 2**32  # a TIFF of unsigned 32 bits, which Pillow hands out as signed ones
        if "transparency" in image.info:  # the value that is seen through
            values = np.where(values == image.info["transparency"], 0, values)
        return _scaled(values, image.mode == "F")
    if image.mode == "L" and "transparency" not in image.info:
        return np.asarray(image).copy()
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(black, image).convert("RGB")).copy()
    return np.asarray(image.convert("RGB")).copy()
