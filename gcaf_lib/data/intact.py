"""What image readers pass over in silence, looked for in images that users give.

The dataset's own files are known by their hashes, so the way from them to a record (`data.decode`) needs none of it.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from gcaf_lib.data.dataset import DataError, bare, read_bytes

# TIFF 6.0, sections 8, 18 and 19
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_EXTRA_SAMPLES, _MULTIPLIED = 338, 1
_SAMPLE_FORMAT, _SIGNED = 339, 2


def demand(path: str | Path) -> None:
    """Raise `DataError` for a PNG whose checksums don't hold or whose picture ends early, and for TIFFs read wrongly.

    Pillow decodes the first to other pixels, fills the second up with black and takes TIFFs for others than they are
    (`_misread`), all without a word. What is no image is left to whoever decodes it.
    """
    try:
        data = bare(read_bytes(path))
        image = Image.open(io.BytesIO(data))
    except Exception:  # Pillow's readers raise many kinds; the decoder names file and cure
        return
    with image:
        if image.format == "TIFF" and (held := _misread(image)):
            raise DataError(f"{path} holds {held}: save it as a PNG without")
        try:
            image.verify()
        except Exception as error:
            raise DataError(f"{path} is broken ({error}): fetch or copy it again") from error
    if image.format == "PNG" and not _whole(data):
        raise DataError(f"{path} is broken (its data ends before its picture): fetch or copy it again")


def _misread(image: Image.Image) -> str | None:
    """What a TIFF holds that would be taken for something else, or None."""
    tags = image.tag_v2
    deep = max(tags.get(_BITS, (1,))) > 8
    if image.mode == "L" and _SIGNED in tags.get(_SAMPLE_FORMAT, ()):
        return "signed values of 8 bits"
    if deep and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        return "values of more than 8 bits whose 0 is white"
    if (deep or image.mode == "La") and _MULTIPLIED in tags.get(_EXTRA_SAMPLES, ()):
        return "colours that are multiplied by their transparency already"
    return None


def _whole(data: bytes) -> bool:
    """Whether libpng, whose checks Pillow's own reader leaves out, finds every row of a PNG."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is not None
    except cv2.error:
        return False
