"""What image readers pass over in silence, looked for in images that users give.

The dataset's own files are known by their hashes, so the way from them to a record (`data.decode`) needs none of it.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from gcaf_lib.data.dataset import DataError, bare, read_bytes

_SAMPLE_FORMAT, _SIGNED = 339, 2  # TIFF 6.0, section 19


def demand(path: str | Path) -> None:
    """Raise `DataError` for a PNG whose checksums don't hold and for a TIFF of signed bytes.

    Pillow decodes the first to other pixels and takes the second's values for unsigned, both without a word. What is
    no image is left to whoever decodes it.
    """
    try:
        image = Image.open(io.BytesIO(bare(read_bytes(path))))
    except Exception:  # Pillow's readers raise many kinds; the decoder names file and cure
        return
    with image:
        if image.format == "TIFF" and image.mode == "L" and _SIGNED in image.tag_v2.get(_SAMPLE_FORMAT, ()):
            raise DataError(f"{path} holds signed values of 8 bits: save it as a PNG of unsigned ones")
        try:
            image.verify()
        except Exception as error:
            raise DataError(f"{path} is broken ({error}): fetch or copy it again") from error
