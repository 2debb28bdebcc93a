"""Run records: one folder a run, written whole or not at all, found by what decides the run.

A run is (settings, seed, data, split); its key is the hash of those four. Records are small and
committed (`results/runs/<key>/`); weights and checkpoints are large and stay in the cache folder.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from gcaf_lib.settings import Settings, cache_dir, digest, results_dir

SCHEMA = 1
STAGE0_TRAINING = (
    "batch_size",
    "stage0_epochs",
    "stage0_rate",
    "flips",
    "brightness",
    "contrast",
    "dtype",
)


class RunError(RuntimeError):
    """A record is missing, incomplete or of another schema."""


def key(settings: Settings, seed: int, data_hash: str, split_hash: str) -> str:
    """Key of a main run: 12 hex digits over everything that decides it."""
    return digest(
        {
            "kind": "main",
            "settings": settings.to_dict(),
            "seed": seed,
            "data": data_hash,
            "split": split_hash,
        }
    )


def stage0_key(settings: Settings, backbone: str, data_hash: str, split_hash: str) -> str:
    """Key of a stage-0 run: only what a backbone's own pre-training depends on.

    Main runs that differ in fusion, loss or later stages therefore share one stage 0.
    """
    tree = settings.to_dict()
    return digest(
        {
            "kind": "stage0",
            "backbone": backbone,
            "settings": tree["data"],
            "model": {k: tree["model"][k] for k in ("scale", "normalisation", "dropout")},
            "training": {k: tree["training"][k] for k in STAGE0_TRAINING},
            "data": data_hash,
            "split": split_hash,
        }
    )


def runs_dir() -> Path:
    """Folder of the run records."""
    return results_dir() / "runs"


def weights_path(run_key: str, which: str) -> Path:
    """Where a run's weights lie in the cache: `ema`, `raw` or `backbone` (stage 0)."""
    return cache_dir() / "weights" / run_key / f"{which}.weights.h5"


@dataclass(frozen=True)
class Record:
    """One finished run. Arrays are read on first use and are plain NumPy."""

    folder: Path
    info: dict[str, Any]

    @property
    def key(self) -> str:
        return self.info["key"]

    @property
    def seed(self) -> int:
        return self.info["seed"]

    @cached_property
    def settings(self) -> Settings:
        return Settings.from_dict(self.info["settings"])

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch: stage, epoch, loss, accuracy, val_loss, val_accuracy, rate, seconds."""
        return pd.read_csv(self.folder / "history.csv")

    @cached_property
    def predictions(self) -> dict[str, np.ndarray]:
        """`<part>_rows`, `<part>_labels`, `<part>_ema`, `<part>_raw` for validation and test."""
        return _load_npz(self.folder / "predictions.npz")

    @cached_property
    def maps(self) -> dict[str, np.ndarray] | None:
        """Grad-CAM of the test part: `rows`, `target`, `cam_<backbone>` in [0, 1] (None: not kept)."""
        path = self.folder / "maps.npz"
        return _load_npz(path) if path.is_file() else None

    def labels(self, part: str = "test") -> np.ndarray:
        """True labels (n,) of a part."""
        return self.predictions[f"{part}_labels"].astype(int)

    def probabilities(self, part: str = "test", which: str = "ema") -> np.ndarray:
        """Class probabilities (n, K) of a part, with `ema` or `raw` weights."""
        return self.predictions[f"{part}_{which}"].astype(np.float64)

    def rows(self, part: str = "test") -> np.ndarray:
        """Row numbers (n,) of a part's images in the dataset's frame."""
        return self.predictions[f"{part}_rows"].astype(int)


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def lock_path(run_key: str) -> Path:
    """The lock of a run: beside the records, so that whoever shares the store shares it, whatever the cache."""
    return results_dir() / "locks" / f"{run_key}.lock"


def lock(run_key: str) -> FileLock:
    """Held by the one process that trains a run. Raises `RunError` where the store can't be written.

    Asked for before training: that is the moment to fail, not an hour later.
    """
    place = lock_path(run_key)
    try:
        for folder in (place.parent, runs_dir()):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=".tmp-probe-", dir=folder):
                pass
    except OSError as error:
        raise RunError(
            f"the results folder {results_dir()} can't be written ({error.strerror}); give another with GCAF_RESULTS"
        ) from error
    return FileLock(place)


def load(folder: Path) -> Record:
    """Read one record; raises `RunError` naming the folder when it can't be used."""
    try:
        info = json.loads((folder / "record.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise RunError(
            f"{folder} holds no readable run record ({error}); delete the folder to run it again"
        ) from error
    if info.get("schema") != SCHEMA:
        raise RunError(f"{folder}: record schema {info.get('schema')}, this version reads {SCHEMA}")
    return Record(folder, info)


def find(run_key: str) -> Record | None:
    """The record with this key, or None."""
    folder = runs_dir() / run_key
    return load(folder) if (folder / "record.json").is_file() else None


def all_records(kind: str | None = "main") -> list[Record]:
    """Every record in the store (of one kind), in order of key."""
    folders = sorted(p.parent for p in runs_dir().glob("*/record.json"))
    records = [load(folder) for folder in folders if not folder.name.startswith(".")]
    return [r for r in records if kind is None or r.info["kind"] == kind]


def resolve(name: str) -> Record:
    """A record by key, unique prefix of a key, or folder."""
    if Path(name).is_dir():
        return load(Path(name))
    matches = sorted(p.parent for p in runs_dir().glob(f"{name}*/record.json"))
    if len(matches) == 1:
        return load(matches[0])
    if matches:
        raise RunError(f"{name!r} fits {len(matches)} runs: {', '.join(m.name for m in matches)}")
    raise RunError(f"no run {name!r} in {runs_dir()}; `gcaf runs` lists what is there")


def write(
    info: dict[str, Any],
    history: pd.DataFrame,
    predictions: dict[str, np.ndarray],
    maps: dict[str, np.ndarray] | None = None,
) -> Record:
    """Write a record whole or not at all: a temporary folder beside it, then one rename.

    The caller holds the run's lock (`train`), so nobody else is writing the same record.
    """
    final = runs_dir() / info["key"]
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        for left in final.parent.glob(f".tmp-{info['key']}-*"):  # by a process that was killed right here
            shutil.rmtree(left, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".tmp-{info['key']}-", dir=final.parent))
    except OSError as error:
        raise RunError(
            f"the results folder {final.parent} can't be written ({error.strerror}); "
            "give another with GCAF_RESULTS"
        ) from error
    try:
        temporary.chmod(0o755)
        history.to_csv(temporary / "history.csv", index=False, float_format="%.6g")
        np.savez_compressed(temporary / "predictions.npz", **predictions)
        if maps is not None:
            np.savez_compressed(temporary / "maps.npz", **maps)
        text = json.dumps({"schema": SCHEMA, **info}, indent=1, sort_keys=True)
        (temporary / "record.json").write_text(text + "\n")
        if final.exists():  # an incomplete folder by another hand; a complete one is never rewritten
            if (final / "record.json").is_file():
                return load(final)
            shutil.rmtree(final)
        os.rename(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return load(final)
