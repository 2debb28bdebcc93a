"""Run records: one folder a run, written whole or not at all, found by what decides the run.

A run is (settings, seed, data, split); its key is the hash of those four, and of the weight files that
`model.weights=FOLDER` names. Records are small and committed (`results/runs/<key>/`); weights and
checkpoints are large and stay in the cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from gcaf_lib.settings import Settings, SettingsError, cache_dir, digest, results_dir

SCHEMA = 2
NEEDED = {
    "key": str,
    "kind": str,
    "profile": str,
    "seed": int,
    "settings": dict,
    "data_hash": str,
    "provenance": dict,
}
OF_MAIN = {"stages": list, "weights": dict}  # needed in the record of a whole run
MORE = {"split_hash": str, "data_source": str} | OF_MAIN  # where they are
# what reading a damaged array file raises
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
# what a backbone's own pre-training depends on: its key holds this, and stage 0 is given nothing else
STAGE0_MODEL = ("scale", "normalisation", "dropout")
STAGE0_TRAINING = (
    "stage0_batch_size",
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
    """Key of a main run: 12 hex digits over everything that decides it.

    Of weight files that the settings name, what is in them, not where they lie. Raises `SettingsError`
    where one isn't there.
    """
    tree = settings.to_dict()
    if files := weight_files(settings):
        tree["model"]["weights"] = {
            backbone: _sha256(path, path.stat().st_mtime_ns) for backbone, path in files.items()
        }
    return digest({"kind": "main", "settings": tree, "seed": seed, "data": data_hash, "split": split_hash})


def weight_files(settings: Settings) -> dict[str, Path]:
    """Backbone to its file where `model.weights` is a folder, else {}. Raises `SettingsError` for one not there."""
    source = settings.model.weights
    if source in ("imagenet", "in-domain", "none"):
        return {}
    files = {backbone: Path(source) / f"{backbone}.weights.h5" for backbone in settings.model.backbones}
    for path in files.values():
        if not path.is_file():
            raise SettingsError(
                f"model.weights={source}: there is no {path}; expected one file a backbone "
                "(or imagenet, in-domain, none)"
            )
    return files


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes. Keras writes the same bytes for the same weights."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _sha256(path: Path, changed: int) -> str:
    """`sha256` of a file last changed then: a table asks for it once a run."""
    return sha256(path)


def stage0_seed(settings: Settings, seed: int) -> int:
    """The seed of the stage 0 that a run with this seed takes its backbones from."""
    return seed if settings.training.stage0_seed == "own" else 0


def stage0_key(settings: Settings, seed: int, backbone: str, data_hash: str, split_hash: str) -> str:
    """Key of the stage 0 of a backbone for a main run's `settings` and `seed`: only what it depends on.

    Main runs that differ in fusion, loss, batch size or later stages therefore share one stage 0.
    """
    tree = settings.to_dict()
    return digest(
        {
            "kind": "stage0",
            "backbone": backbone,
            "settings": tree["data"],
            "model": {k: tree["model"][k] for k in STAGE0_MODEL},
            "training": {k: tree["training"][k] for k in STAGE0_TRAINING},
            "seed": stage0_seed(settings, seed),
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


def flat(tree: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`{"data": {"fold": 1}}` as `{"data.fold": 1}`."""
    return {f"{room}.{name}": value for room, part in tree.items() for name, value in part.items()}


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

    def demand_classifier(self) -> None:
        """Raises `RunError` for a run that trained no classifier."""
        if self.info["kind"] != "main":
            raise RunError(f"run {self.key} is a {self.info['kind']} run: only main runs classify images")

    @cached_property
    def settings(self) -> Settings:
        try:
            # what is the default needs no parsing, which is most of the work where hundreds of records are read
            plain = flat(Settings().to_dict())
            told = flat(self.info["settings"])
            return Settings().replace({k: v for k, v in told.items() if k not in plain or plain[k] != v})
        except (SettingsError, AttributeError) as error:
            raise RunError(
                f"{self.folder / 'record.json'} is damaged: its settings can't be read ({error})"
            ) from None

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch: stage, epoch, loss, accuracy, val_loss, val_accuracy, rate, seconds."""
        try:
            return pd.read_csv(self.folder / "history.csv")
        except _DAMAGE as error:
            raise RunError(_unread(self.folder / "history.csv", error)) from error

    @cached_property
    def predictions(self) -> dict[str, np.ndarray]:
        """`<part>_rows`, `<part>_labels`, `<part>_ema`, `<part>_raw` for validation and test."""
        return _load_npz(self.folder / "predictions.npz")

    @cached_property
    def maps(self) -> dict[str, np.ndarray] | None:
        """Maps of the test part in [0, 1]: `rows`, `target`, `cam_<backbone>`, `whole_<method>` (None: not kept)."""
        path = self.folder / "maps.npz"
        return _load_npz(path) if path.is_file() else None

    def labels(self, part: str = "test") -> np.ndarray:
        """True labels (n,) of a part."""
        return self._of(part, "labels").astype(int)

    def probabilities(self, part: str = "test", which: str = "ema") -> np.ndarray:
        """Class probabilities (n, K) of a part, with `ema` or `raw` weights."""
        return self._of(part, which).astype(np.float64)

    def answers(self, part: str = "test", which: str = "ema") -> np.ndarray:
        """The class (n,) that was given the highest probability, for each image of a part."""
        return self.probabilities(part, which).argmax(1)

    def right(self, part: str = "test", which: str = "ema") -> np.ndarray:
        """Whether that is the true class (n,) bool; their mean is the accuracy."""
        return self.answers(part, which) == self.labels(part)

    def rows(self, part: str = "test") -> np.ndarray:
        """Row numbers (n,) of a part's images in the dataset's frame."""
        return self._of(part, "rows").astype(int)

    def _of(self, part: str, what: str) -> np.ndarray:
        """An array of the predictions; raises `RunError` where there is none such, or not one for each image."""
        found, images = (self.predictions.get(f"{part}_{name}") for name in (what, "rows"))
        axes = 1 if what in ("rows", "labels") else 2
        sound = found is not None and found.ndim == axes and found.dtype.kind in "iuf"
        if not sound or (images is not None and images.size != len(found)):
            raise RunError(_unread(self.folder / "predictions.npz", f"no sound {what} of part {part}"))
        return found


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (*_DAMAGE, AttributeError, TypeError) as error:  # a lone array is none of a record's
        raise RunError(_unread(path, error)) from error


def _unread(path: Path, why: object) -> str:
    return f"{path} can't be read ({why}): check it out again, or train the run again"


def lock_path(run_key: str) -> Path:
    """The lock of a run: beside the records, so that whoever shares the store shares it, whatever the cache."""
    return results_dir() / "locks" / f"{run_key}.lock"


def _closed(folder: Path, error: OSError) -> RunError:
    return RunError(
        f"the results folder {folder} can't be written ({error.strerror}); give another with GCAF_RESULTS"
    )


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
        raise _closed(results_dir(), error) from error
    return FileLock(place)


def load(folder: Path) -> Record:
    """Read one record; raises `RunError` naming the file and what is wrong with it."""
    path = folder / "record.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{folder} is no run: it holds no record.json; `gcaf runs` lists the runs") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} can't be read ({error})") from error
    if not isinstance(info, dict):
        raise RunError(f"{path} is no run record: a {type(info).__name__} where an object should be")
    if info.get("schema") != SCHEMA:
        raise RunError(
            f"{path} is of schema {info.get('schema')}, this version reads {SCHEMA}: train the run again, or read it "
            "with the version that wrote it"
        )
    main = info.get("kind") == "main"
    needed = NEEDED | (OF_MAIN if main else {})
    broken = [name for name, kind in needed.items() if not isinstance(info.get(name), kind)]
    broken += [n for n, kind in MORE.items() if n in info.keys() - needed and not isinstance(info[n], kind)]
    if "settings" not in broken and not all(isinstance(room, dict) for room in info["settings"].values()):
        broken.append("settings")
    told = "provenance" in broken or isinstance(info["provenance"].get("fingerprint"), str)
    broken += [] if told else ["provenance's fingerprint"]
    hashes = info.setdefault("weights_sha256", {} if main else None)
    broken += [] if isinstance(hashes, dict if main else str | None) else ["weights_sha256"]
    if broken or Path(info["key"]).name != info["key"]:
        raise RunError(f"{path} is damaged: {', '.join(broken) or 'key'} missing or of a wrong type")
    return Record(folder, info)


def find(run_key: str) -> Record | None:
    """The record with this key, or None; one that can't be used is said and counts as none."""
    found = _usable([runs_dir() / run_key])
    return found[0] if found else None


def all_records(kind: str | None = "main") -> list[Record]:
    """Every record in the store (of one kind), in order of key; those that can't be used are said and left aside."""
    return [r for r in _usable(_folders()) if kind is None or r.info["kind"] == kind]


def _folders() -> list[Path]:
    """Folders of the store that hold a record."""
    found = sorted(path.parent for path in runs_dir().glob("*/record.json"))
    return [folder for folder in found if not folder.name.startswith(".")]


def _usable(folders: Iterable[Path]) -> list[Record]:
    """Their records, and one warning for all that can't be used."""
    records, aside = [], []
    for folder in folders:
        if (folder / "record.json").is_file():
            try:
                record = load(folder)
                if record.key != folder.name:
                    raise RunError(f"{folder / 'record.json'} is that of another run, {record.key}")
                records.append(record)
            except RunError as error:
                aside.append(str(error))
    if aside:
        more = f"; and {len(aside) - 3} more" if len(aside) > 3 else ""
        warnings.warn(
            f"{len(aside)} of the run records are left aside: {'; '.join(aside[:3])}{more}", stacklevel=3
        )
    return records


def resolve(name: str) -> Record:
    """A record by key, unique prefix of a key, or folder. Raises `RunError` that says what is there instead."""
    if os.path.isfile(
        Path(name) / "record.json"
    ):  # unlike pathlib's, no error for a name that can be no path
        return load(Path(name))
    matches = [folder for folder in _folders() if name and folder.name.startswith(name)]
    if len(matches) == 1:
        return load(matches[0])
    if matches:
        raise RunError(f"{name!r} fits {len(matches)} runs: {', '.join(m.name for m in matches)}")
    if os.path.isdir(name):
        return load(Path(name))  # says what is wrong with it
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
        raise _closed(final.parent, error) from error
    try:
        temporary.chmod(0o755)
        history.to_csv(temporary / "history.csv", index=False, float_format="%.6g", lineterminator="\n")
        np.savez_compressed(temporary / "predictions.npz", **predictions)
        if maps is not None:
            np.savez_compressed(temporary / "maps.npz", **maps)
        text = json.dumps({"schema": SCHEMA, **info}, indent=1, sort_keys=True)
        (temporary / "record.json").write_text(text + "\n", encoding="utf-8", newline="")
        if final.exists():  # a record is never rewritten; what is none, or damaged, is kept beside it
            found = find(info["key"])
            if found is not None:
                return found
            os.rename(final, tempfile.mkdtemp(prefix=f".aside-{info['key']}-", dir=final.parent))
        os.rename(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return load(final)
