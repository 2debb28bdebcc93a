"""Which runs an experiment asks for, each with its key: without Keras, without an image, in a moment.

What a sweep plans, what a chapter reads and what the command line lists are the same walk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcaf_lib.machine import write_text
from gcaf_lib.settings import DataSettings, Settings, cache_dir, digest, results_dir
from gcaf_lib.training import environment, runs
from gcaf_lib.training.experiments import experiment

if TYPE_CHECKING:
    from gcaf_lib.data.dataset import Dataset


class Keys:
    """Keys of runs over one folder of images: each dataset is opened and each split hashed once.

    data: the dataset's folder, as `open_dataset` takes it.
    """

    def __init__(self, data: str | Path | None = None):
        self.data = data
        self._datasets: dict[Any, Dataset] = {}
        self._splits: dict[DataSettings, str] = {}

    def key(self, settings: Settings, seed: int) -> str:
        """Key of a main run."""
        return runs.key(settings, seed, *self._hashes(settings.data))

    def stage0(self, settings: Settings, seed: int, backbone: str) -> str:
        """Key of the stage 0 that a main run with these settings and this seed takes a backbone from."""
        return runs.stage0_key(settings, seed, backbone, *self._hashes(settings.data))

    def _hashes(self, room: DataSettings) -> tuple[str, str]:
        from gcaf_lib.data.dataset import open_dataset

        source = room.source, room.phantoms
        if source not in self._datasets:
            self._datasets[source] = open_dataset(room, self.data, need_images=False)
        dataset = self._datasets[source]
        if room not in self._splits:
            self._splits[room] = split_hash(room, dataset)
        return dataset.hash, self._splits[room]


def walk(
    name: str,
    profile: str,
    seeds: int | None = None,
    base: dict[str, Any] | None = None,
    keys: Keys | None = None,
) -> Iterator[tuple[str, Settings, int, str]]:
    """(label, settings, seed, key) of every run that an experiment asks for under a profile.

    seeds, base: see `Experiment.runs`; keys: shared between walks over the same images.
    """
    keys = keys or Keys()
    for label, settings, seed in experiment(name).runs(profile, seeds, base):
        yield label, settings, seed, keys.key(settings, seed)


def found(
    name: str, profile: str, base: dict[str, Any] | None = None, keys: Keys | None = None
) -> Iterator[tuple[str, runs.Record]]:
    """(label, record) of every run of an experiment that is on record, of however many seeds there are.

    A row may have more seeds than the profile gives its table, because other tables share it.
    """
    keys = keys or Keys()
    seeds = 1 + max((record.seed for record in runs.all_records()), default=-1)
    for label, _, _, key in walk(name, profile, seeds, base, keys) if seeds else ():
        record = runs.find(key)
        if record is not None:
            yield label, record


def split_hash(room: DataSettings, dataset: Dataset) -> str:
    """`splits.hash` of the split in use, remembered in the cache folder.

    Drawing a fold again (and importing scikit-learn to do it) takes a second, asking whether a table is
    complete should not. What is remembered holds for one manifest, byte for byte, and for one version
    of the code that splits; a manifest that was altered is therefore drawn and refused as ever.
    """
    code = environment.fingerprint(("data/splits.py", "data/twins.py"))
    asked = [
        Settings(data=room).hash(room="data"),
        dataset.hash,
        code,
        metadata.version("scikit-learn"),
        str(results_dir().resolve()),
    ]
    memo = cache_dir() / "splits" / f"{digest(asked)}.json"
    try:
        known = json.loads(memo.read_text(encoding="utf-8"))
        if known["manifest"] is None or runs.sha256(Path(known["manifest"])) == known["sha256"]:
            return str(known["split_hash"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not remembered, or not readable: it is drawn
    from gcaf_lib.data import splits

    found = splits.hash(splits.load(room, dataset))
    manifest = None
    if room.source != "phantom":
        name = room.protocol if room.fold is None else splits.FIVEFOLD
        manifest = splits.folder() / f"{name}.csv"
    known = {
        "manifest": manifest and str(manifest),
        "sha256": manifest and runs.sha256(manifest),
        "split_hash": found,
    }
    try:
        write_text(memo, json.dumps(known))
    except OSError:
        pass  # a cache that can't be written costs a second each time, nothing else
    return found
