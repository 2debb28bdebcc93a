"""Arrays from a PyTorch file of the old form, without PyTorch and without doing what a pickle may ask for.

Such a file is three pickles of preamble, one of a dictionary whose tensors refer to storages by name, one with
the storages' names, then each storage raw, after its length. A pickle may name any function and have it
called; here it gets the four names that a dictionary of tensors needs, and everything else is refused.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class TorchFileError(OSError):
    """A file is not a dictionary of tensors in PyTorch's old form, or names what such a file has no need of."""


class _Storage(NamedTuple):
    key: str
    dtype: str
    count: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(storage, offset, shape, strides, *_) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable | str:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch", _ if name in DTYPES:
                return DTYPES[name]
        raise TorchFileError(f"it asks for {module}.{name}, which no dictionary of tensors needs")

    def persistent_load(self, saved: Any) -> _Storage:
        kind, dtype, key, _, count, view = saved
        if kind != "storage" or dtype not in DTYPES.values() or view is not None:
            raise TorchFileError(f"it refers to {saved!r:.80}, which is no storage of numbers")
        return _Storage(str(key), dtype, int(count))


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The named tensors of a file, each an array of its own. Raises `TorchFileError`, naming the file."""
    with Path(path).open("rb") as file:
        try:
            return _read(file, Path(path).stat().st_size)
        except TorchFileError as error:
            raise TorchFileError(f"{path} is not read: {error}") from error
        except Exception as error:  # whatever a damaged pickle trips over
            raise TorchFileError(
                f"{path} is no dictionary of tensors in PyTorch's old form, or is damaged: {error!r}"
            ) from error


def _read(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    if _Reader(file).load() != MAGIC:
        raise TorchFileError("it doesn't begin as PyTorch's files of the old form do")
    _Reader(file).load()
    if not _Reader(file).load()["little_endian"]:
        raise TorchFileError("it was written on a big-endian machine")
    tensors = dict(_Reader(file).load())
    known = {one.storage.key: one.storage for one in tensors.values()}
    storages = {}
    for key in _Reader(file).load():
        storage, count = known[key], int.from_bytes(file.read(8), "little")
        length = count * np.dtype(storage.dtype).itemsize
        if count != storage.count or length > size - file.tell():
            raise TorchFileError(f"storage {key} holds other than the {storage.count} numbers it should")
        storages[key] = np.frombuffer(file.read(length), storage.dtype)
    return {str(name): _array(one, storages[one.storage.key]) for name, one in tensors.items()}


def _array(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    """A copy of a tensor's part of its storage; strides count numbers, as PyTorch's do."""
    offset, shape, strides = tensor.offset, tensor.shape, tensor.strides
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise TorchFileError(f"a tensor of shape {shape} with strides {strides} makes no sense")
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides))
    if math.prod(shape) > storage.size or last >= storage.size:
        raise TorchFileError(f"a tensor of shape {shape} reaches beyond its storage")
    view = np.lib.stride_tricks.as_strided(
        storage[offset:], shape, [stride * storage.itemsize for stride in strides], writeable=False
    )
    return view.copy()
