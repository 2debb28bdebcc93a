"""Preprocessing (Eq 1): decode, equalise the contrast of the brightness, resize; cached as uint8.

The result is computed once and memory-mapped. Normalisation (Eq 2) is a layer of the model.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from gcaf_lib.data.dataset import CURE, CacheError, DataError, Dataset, cache_folder
from gcaf_lib.data.decode import decode, pixels
from gcaf_lib.machine import cores, whole
from gcaf_lib.settings import DataSettings, digest

__all__ = ["canonical", "clahe", "decode", "images", "key", "prepare", "preprocess", "resize"]
VERSION = 1  # raise it when pixels change: cached arrays are keyed by it
CANONICAL_SIDE = 256  # pixels
CANONICAL_QUALITY = 90
_BLOCK = 256  # images computed between two writes: 39 MB at 224 pixels


def clahe(rgb: np.ndarray, clip: float = 2.0, tiles: int = 8) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation of the brightness V of HSV (Eq 1).

    rgb: uint8 (H,W,3), or grey uint8 (H,W), for which V is the grey value itself; clip: OpenCV's clip
    limit; tiles: tiles per side. Source: Zuiderveld 1994. The paper gives neither clip nor
    tiles (OpenCV's usual 2.0 and 8×8 are taken), and hue and saturation stay as they are up to
    the rounding of OpenCV's 8-bit HSV.
    """
    equalise = cv2.createCLAHE(clip, (tiles, tiles)).apply
    if rgb.ndim == 2:
        return equalise(rgb)
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = equalise(np.ascontiguousarray(hsv[..., 2]))
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def resize(rgb: np.ndarray, size: int) -> np.ndarray:
    """Square uint8 (size,size[,3]) (Eq 1): area averages down, bicubic up; the aspect is not kept.

    Area averages are used only if neither side grows (elsewhere they would be nearest neighbours).
    The paper gives 224 by 224 pixels and nothing of the interpolation.
    """
    shrinks = rgb.shape[0] >= size and rgb.shape[1] >= size
    return cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def canonical(rgb: np.ndarray) -> np.ndarray:
    """The head alone, grey, on a black square, 256×256, as a JPEG of quality 90: RGB uint8 (256,256,3).

    Removes what tells the classes' sources apart without showing a tumour: image size, aspect,
    margins, colour mode and compression. The head is the bounding box of the largest component above
    Otsu's threshold, grown by 2%. Not in the paper.
    """
    grey = rgb if rgb.ndim == 2 else cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    short = min(grey.shape)
    smooth = cv2.GaussianBlur(grey, (0, 0), max(short / 100, 0.5))
    _, bright = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    # close the gaps between scalp, skull and brain, so that the head is one component
    reach = 2 * (short // 40) + 1
    bright = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(bright)
    x, y, width, height = 0, 0, grey.shape[1], grey.shape[0]
    if len(stats) > 1:  # component 0 is the background; a flat image has no other
        best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        x, y, width, height = (int(v) for v in stats[best, :4])
    margin = round(0.02 * max(width, height))
    x0, y0 = max(x - margin, 0), max(y - margin, 0)
    head = grey[y0 : y + height + margin, x0 : x + width + margin]
    side = max(head.shape)
    square = np.zeros((side, side), np.uint8)
    top, left = (side - head.shape[0]) // 2, (side - head.shape[1]) // 2
    square[top : top + head.shape[0], left : left + head.shape[1]] = head
    _, packed = cv2.imencode(
        ".jpg", resize(square, CANONICAL_SIDE), [cv2.IMWRITE_JPEG_QUALITY, CANONICAL_QUALITY]
    )
    return cv2.cvtColor(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), cv2.COLOR_GRAY2RGB)


def preprocess(path: str | Path, settings: DataSettings) -> np.ndarray:
    """Eq 1 for one file, uint8 (S,S,3), S = settings.image_size: decode, then `prepare`. Raises `DataError`."""
    return prepare(pixels(path), settings)


def prepare(image: np.ndarray, settings: DataSettings) -> np.ndarray:
    """Eq 1 for pixels, uint8 (H,W[,3]): CLAHE on V at their resolution, resize; uint8 (S,S,3).

    encoding="canonical" puts `canonical` in front.
    """
    if settings.encoding == "canonical":
        image = canonical(image)[..., 0]
    out = resize(clahe(image, settings.clahe_clip, settings.clahe_tiles), settings.image_size)
    # the three channels of a grey image are alike at every step, so one is computed and copied
    return out if out.ndim == 3 else cv2.cvtColor(out, cv2.COLOR_GRAY2RGB)


def key(dataset_hash: str, settings: DataSettings) -> str:
    """Name of the cached array: the data, the settings that change pixels, and this code's version."""
    chosen = (settings.image_size, settings.clahe_clip, settings.clahe_tiles, settings.encoding)
    return digest([VERSION, cv2.__version__, dataset_hash, *chosen])


def images(dataset: Dataset, settings: DataSettings, progress: bool = True) -> np.ndarray:
    """All images preprocessed: read-only memory-mapped uint8 (N,S,S,3) in the order of dataset.frame.

    Computed once into the cache, then instant. Raises `DataError` for a broken image or when the
    images are not on this machine, `CacheError` when the cache cannot be written or its disk is full.
    """
    shape = (len(dataset.frame), settings.image_size, settings.image_size, 3)
    with cache_folder("images") as folder:
        store = folder / f"{key(dataset.hash, settings)}.npy"
        if (ready := _open(store, shape)) is not None:
            return ready
        if dataset.root is None:
            raise DataError(f"the images themselves are needed here, not only their index: {CURE}")
        need, free = int(np.prod(shape)) + 4096, shutil.disk_usage(folder).free
        if need > free:
            raise CacheError(
                f"the preprocessed images need {need / 1e9:.2f} GB in {folder}, which has {free / 1e9:.2f} GB "
                "free: free some space or set GCAF_CACHE to another folder"
            )
        paths = [dataset.root / name for name in dataset.frame["file"]]
        with whole(store) as part, part.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            bar = tqdm(total=len(paths), desc="preprocessing", unit="img", disable=None if progress else True)
            with bar:
                # plain writes, not a writable memory map: on a full disk that dies of SIGBUS
                for block in _blocks(paths, settings):
                    file.write(block)
                    bar.update(len(block))
            file.flush()
            os.fsync(file.fileno())
        return np.load(store, mmap_mode="r", allow_pickle=False)


def _blocks(paths: list[Path], settings: DataSettings) -> Iterator[np.ndarray]:
    """Preprocessed images, a block at a time, so that memory does not grow with the dataset."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # one thread an image beats OpenCV's threads inside an image
    try:
        with ThreadPoolExecutor(cores()) as pool:
            for start in range(0, len(paths), _BLOCK):
                yield np.stack(
                    list(pool.map(lambda p: preprocess(p, settings), paths[start : start + _BLOCK]))
                )
    finally:
        cv2.setNumThreads(before)


def _open(store: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The cached array, or None if it is absent or not what its name promises."""
    with contextlib.suppress(OSError, ValueError):
        array = np.load(store, mmap_mode="r", allow_pickle=False)
        if array.shape == shape and array.dtype == np.uint8:
            return array
    return None
