"""The model that travels with the package: its EMA weights in half precision, and the record of the run that made them.

So that `gcaf predict slice.jpg` answers in a fresh clone. Half precision moves a probability by thousandths at
most; a test holds the answers to those of the record.

    python -m gcaf_lib.training.shipped RUN    # makes the file from a run whose weights are on this machine
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gcaf_lib.machine import whole
from gcaf_lib.settings import Settings
from gcaf_lib.terminal import arguments
from gcaf_lib.training import runs

if TYPE_CHECKING:
    import keras

PATH = Path(__file__).with_name("shipped.npz")
MOVED = 0.01  # half precision may move a probability by less than this (a test asks)
KEPT = (
    "key",
    "kind",
    "seed",
    "profile",
    "settings",
    "data_source",
    "data_hash",
    "split_hash",
    "weights_sha256",
)


@dataclass(frozen=True)
class Shipped:
    """A run as far as it travels: `info` is part of its record, `weights` its arrays in the model's order."""

    info: dict[str, Any]
    weights: list[np.ndarray]

    @property
    def key(self) -> str:
        return self.info["key"]

    @property
    def settings(self) -> Settings:
        return Settings.from_dict(self.info["settings"])

    def words(self) -> str:
        """In a line: what it was trained on and how."""
        data = self.settings.data
        return f"profile {self.info['profile']}, seed {self.info['seed']}, {data.image_size} px, protocol {data.protocol}"

    def model(self) -> keras.Model:
        """The classifier with these weights. Raises `RunError` where they are not this version's classifier's."""
        from gcaf_lib.training import train

        model = train.classifier_of(self.settings, self.info["seed"])
        if [w.shape for w in self.weights] != [tuple(w.shape) for w in model.weights]:
            raise runs.RunError(
                f"the weights of {PATH.name} are of another version of the model: install both anew"
            )
        model.set_weights([w.astype(np.float32) for w in self.weights])
        return model


def read(path: Path | None = None) -> Shipped:
    """The model of the package. Raises `RunError` where its file is missing or damaged."""
    path = path or PATH
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        info = json.loads(arrays.pop("info").tobytes().decode())
        return Shipped(info, [arrays[f"weight_{i}"] for i in range(len(arrays))])
    except Exception as error:  # whatever a damaged archive trips over
        raise runs.RunError(
            f"{path}, the model of this package, can't be read ({error}): install the package anew, or name a run (gcaf runs)"
        ) from error


def write(record: runs.Record, path: Path | None = None) -> Path:
    """Write the EMA weights of a record, which must be on this machine, whole or not at all."""
    from gcaf_lib.training import train

    model = train.load_model(record)
    info = {name: record.info.get(name) for name in KEPT}
    arrays = {"info": np.frombuffer(json.dumps(info).encode(), np.uint8)}
    arrays |= {f"weight_{i}": w.astype(np.float16) for i, w in enumerate(model.get_weights())}
    if not all(np.isfinite(w).all() for w in arrays.values()):
        raise runs.RunError(f"a weight of run {record.key} is too large for half precision")
    with whole(path or PATH) as part:
        np.savez_compressed(part, **arrays)
    return path or PATH


if __name__ == "__main__":
    print(write(runs.resolve(*arguments(__doc__, "RUN"))))
