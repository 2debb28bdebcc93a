"""Which of the published files an image is, whatever it is called and however it was encoded: without the dataset.

    match(paths)    one row an image: the published file that it is, or is a copy of

known.npz holds a short description of every different file: both `twins.looks`, reduced to 24×24 pixels, without local
mean and spread (`twins.describe`), in two bits a pixel (288 bytes a file; no picture can be made of them). An image is
looked up by its bytes first, then by the best correlation over both looks and four turns; if asked, what is not recognised
is looked up again in `variants`: turned back by some degrees, with a border as before it was cut, by a quarter, inverted.

    python -m gcaf_lib.data.known    # makes known.npz again (needs the images)
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from gcaf_lib.data import files, groups, thumbnails, twins
from gcaf_lib.data.dataset import DataError, locate, read_bytes
from gcaf_lib.data.medical import grey
from gcaf_lib.machine import whole
from gcaf_lib.terminal import arguments

PATH = Path(__file__).with_name("known.npz")
SIDE = 24  # pixels
# Of the similarity. On public images from elsewhere (five sets, 2,197 images) the highest is 0.72; a file that was
# shrunk to 96 pixels and saved as JPEG at quality 50 keeps 0.85 (tests/test_known.py measures both again).
THRESHOLD = 0.75
# Of the second look's, which has 22 chances more: on the same 2,197 images the highest is 0.736. Of 40 files each it finds,
# with the first look, all that were turned by a quarter or inverted, 36 turned by 5°, 37 by 10°, 26 by 15°, 0 by 25°; 36 cut by 3%
# a side, 35 by 5%, 12 by 10%; 36 moved by 5%, 21 by 10%; 6 sheared by 10%.
AGAIN = 0.77
ANGLES = (-12, -8, -4, 0, 4, 8, 12)  # degrees
BORDERS = (0, 0.05, 0.11)  # of the side, on each side
BLOCK = 256  # images compared at a time: 256 × 6,726 float32 are 7 MB
TIE = 1e-5  # files of one description differ by rounding, which a batch's size decides: then the first one it is
COLUMNS = ("path", "sha256", "file", "how", "similarity", "turn")
_EDGES = np.array([-1.1, 0.0, 1.1])  # between the four levels, in standard deviations
_LEVELS = np.array([-1.65, -0.55, 0.55, 1.65], np.float32)


def describe(looks: np.ndarray) -> np.ndarray:
    """float32 (N,2,24,24) of `twins.looks` (N,2,128,128): zero mean and unit length each."""
    return np.stack([twins.describe(thumbnails.squares(looks[:, look], SIDE)) for look in (0, 1)], 1)


def pack(described: np.ndarray) -> np.ndarray:
    """uint8 (N,288) of `describe` (N,2,24,24): two bits a pixel."""
    spread = described.std((2, 3), keepdims=True) + 1e-9
    level = np.digitize(described / spread, _EDGES).astype(np.uint8).reshape(len(described), -1, 4)
    return (level << np.array([6, 4, 2, 0], np.uint8)).sum(2, dtype=np.uint8)


def unpack(packed: np.ndarray) -> np.ndarray:
    """float32 (N,2,576) of `pack`: zero mean and unit length each."""
    level = (packed[:, :, None] >> np.array([6, 4, 2, 0], np.uint8)) & 3
    values = _LEVELS[level].reshape(len(packed), 2, -1)
    values = values - values.mean(2, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=2, keepdims=True), 1e-9)


@functools.cache
def table() -> tuple[pd.DataFrame, np.ndarray]:
    """`groups.load`, and `unpack` (N,2,576) of its different files in their order."""
    frame = groups.load()
    with np.load(PATH, allow_pickle=False) as stored:
        packed = stored["packed"]
    if len(packed) != frame["sha256"].nunique():
        raise DataError(f"{PATH} is not of {groups.PATH.name}: check both out again")
    return frame, unpack(packed)


def _nearest(described: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row of known, similarity, turn) of the best partner of each of `described` (N,2,24,24)."""
    size = len(described)
    row, best, way = np.zeros(size, int), np.full(size, -1.0, np.float32), np.zeros(size, int)
    for start in range(0, size, BLOCK):
        part = slice(start, start + BLOCK)
        for look in (0, 1):
            for turn in range(len(twins.TURNS)):
                turned = twins.turn(described[part, look], turn)
                alike = turned.reshape(len(turned), -1) @ known[:, look].T
                at = (alike >= alike.max(1, keepdims=True) - TIE).argmax(1)
                value = alike[np.arange(len(at)), at]
                better = value > best[part] + TIE
                row[part] = np.where(better, at, row[part])
                way[part] = np.where(better, turn, way[part])
                best[part] = np.maximum(value, best[part])
    return row, best, way


def _look(path: str | Path) -> tuple[str, np.ndarray]:
    """SHA-256 and `twins.looks` of an image file; raises `DataError` where it is no image."""
    return hashlib.sha256(read_bytes(path)).hexdigest(), twins.looks(grey(path))


def variants(image: np.ndarray) -> Iterator[np.ndarray]:
    """What a grey image (H,W) may have been before it was changed on purpose: turned, cut, turned by a quarter, inverted."""
    image = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
    for angle, border in itertools.product(ANGLES, BORDERS):
        if angle or border:
            turned = cv2.warpAffine(image, cv2.getRotationMatrix2D((128, 128), angle, 1), (256, 256))
            yield cv2.copyMakeBorder(turned, *[int(256 * border)] * 4, cv2.BORDER_REPLICATE)
    yield np.ascontiguousarray(np.rot90(image))
    yield 255 - image


def _again(path: str | Path, known: np.ndarray) -> tuple[int, float, int]:
    """`_nearest` of the best of an image file's `variants`."""
    looks = np.stack([twins.looks(one) for one in variants(grey(path))])
    row, best, way = _nearest(describe(looks), known)
    at = best.argmax()
    return row[at], best[at], way[at]


def demand_text(path: object) -> None:
    """Raise `DataError` for a name that is no UTF-8: no table can hold it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{str(path)!a} is a file whose name is not UTF-8: rename it") from error


def match(
    paths: Iterable[str | Path], threshold: float = THRESHOLD, progress: bool = True, again: bool = False
) -> pd.DataFrame:
    """The published file behind each image file: `COLUMNS`, in the order of `paths`.

    how: "bytes" (the very file), "copy" (similarity at `threshold` or above), or "" (not of this dataset: file is "").
    similarity: correlation with the nearest published file, 1 for the same bytes; turn: of `twins.TURNS`, what turns
    the image into that file. A copy's file is the most alike one, of several that are equally alike the first.
    again: look what is not recognised up in `variants` too (0.1 s an image); similarity and turn are the variant's then.
    Raises `DataError` that names all files that are no images, or the first that has no name in UTF-8.
    """
    paths = list(paths)
    for path in paths:
        demand_text(path)
    frame, known = table()
    published = frame.drop_duplicates("sha256").set_index("sha256")["file"]
    seen = files.readable(_look, paths, "reading images", progress)
    out = pd.DataFrame({"path": list(map(str, paths)), "sha256": [sha for sha, _ in seen]})
    if not seen:
        return out.reindex(columns=list(COLUMNS))
    row, best, way = _nearest(describe(np.stack([looks for _, looks in seen])), known)
    same, copy = out["sha256"].isin(published.index).to_numpy(), best >= threshold
    lost = np.flatnonzero(~same & ~copy)
    if again and len(lost):
        bar = "looking again at what is not recognised"
        second = files.each(lambda k: _again(paths[k], known), lost, bar, progress)
        for k, (at, value, turn) in zip(lost, second):
            if value >= AGAIN:
                row[k], best[k], way[k], copy[k] = at, value, turn, True
    out["file"] = np.select([same, copy], [published.reindex(out["sha256"]), published.to_numpy()[row]], "")
    out["how"] = np.select([same, copy], ["bytes", "copy"], "")
    out["similarity"] = np.where(same, 1, best.clip(max=1))
    out["turn"] = [twins.TURNS[0 if s else w] for s, w in zip(same, way)]
    return out


def write(root: Path) -> Path:
    """Write known.npz from the folder of the published images, whole or not at all."""
    names = groups.load().drop_duplicates("sha256")["file"]
    looks = np.stack([look for _, look in files.each(_look, [root / name for name in names])])
    with whole(PATH) as part:
        np.savez_compressed(part, packed=pack(describe(looks)))
    return PATH


if __name__ == "__main__":
    arguments(__doc__)
    print(write(locate()))
