"""What a chapter opens in its first code cell: settings, data, run records and its strip."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gcaf_lib import settings as _settings
from gcaf_lib.book import provenance
from gcaf_lib.machine import write_text
from gcaf_lib.paper import published as paper
from gcaf_lib.training import listing, runs


@dataclass
class Chapter:
    """One chapter being executed."""

    profile: str
    settings: _settings.Settings
    dataset: Any
    overrides: dict[str, Any] = field(default_factory=dict)
    source: Path | None = None
    _records: list[Any] = field(default_factory=list, repr=False)
    _keys: listing.Keys = field(default_factory=listing.Keys, repr=False)  # one for all that is asked here

    @property
    def phantoms(self) -> bool:
        """Whether this page shows phantoms instead of patients' images."""
        return self.settings.data.source == "phantom"

    @property
    def show_published(self) -> bool:
        """Whether the paper's figures, which are of patients' images, may stand beside this page's: not beside phantoms'."""
        return not self.phantoms

    @property
    def profile_and_split(self) -> tuple[str, str]:
        """Whose intervals this page has, for `paper.verdicts`: (profile, protocol); "" where more than the split is overridden."""
        base, split = _settings.load(self.profile), ("data.protocol", "data.fold")
        own = self.settings.replace({name: getattr(base.data, name.split(".")[1]) for name in split})
        return self.profile if own == base else "", self.settings.data.protocol

    def records(self, experiment: str = "main", train: bool = False) -> dict[str, list[Any]]:
        """Run records of an experiment by row label, in the experiment's order, of every seed on record.

        Runs that were never made are left out; with `train` each row's first seed is trained where it is
        missing. More seeds are a sweep's work, not a page's. Reading records needs no Keras and no images.
        """
        wanted = listing.walk(experiment, self.profile, 1, self.overrides, self._keys) if train else ()
        for _, chosen, seed, key in wanted:
            if runs.find(key) is None:
                from gcaf_lib.training.train import get

                get(chosen, seed, profile=self.profile)
        found: dict[str, list[Any]] = {}
        for label, record in listing.found(experiment, self.profile, self.overrides, self._keys):
            found.setdefault(label, []).append(record)
        return found

    def proposed_runs(self, train: bool = False) -> list[Any]:
        """`records` of the proposed model on this chapter's split."""
        return self.records("main", train).get(paper.PROPOSED, [])

    @property
    def training_counts(self) -> np.ndarray:
        """How many images of each class this chapter's split trains on."""
        from gcaf_lib.data import splits  # with it comes scikit-learn, which other chapters can spare
        from gcaf_lib.evaluation import units

        part = splits.load(self.settings.data, self.dataset)["part"]
        return units.class_counts(self.dataset.frame["label"], part)["training"].to_numpy()

    @property
    def training_images(self) -> int:
        """How many images this chapter's split trains on."""
        return int(self.training_counts.sum())

    def sweep(self, experiment: str) -> str:
        """The command that trains an experiment's runs as this page reads them."""
        changed = "".join(f" --set {name}={value}" for name, value in self.overrides.items())
        return f"gcaf sweep {experiment} --profile {self.profile}{changed}"

    def under(self, profile: str, overrides: Mapping[str, Any] | None = None) -> Chapter:
        """This chapter with another profile's settings and records, over the same images: to set one beside the other.

        overrides: settings ({"data.protocol": "patients"}) besides the chapter's own.
        """
        changed = {**self.overrides, **(overrides or {})}
        chosen = _settings.load(profile, changed)
        return replace(self, profile=profile, settings=chosen, overrides=changed, _records=[])

    def strip(self, *records: Any) -> None:
        """Show the provenance strip; `records` are the run records this chapter reads, alone or in lists and dictionaries.

        Call it last in the first code cell, or again wherever further records are known: the page
        is stale as soon as one of them changes.
        """
        from IPython.display import display

        for record in _each(records):
            if record not in self._records:
                self._records.append(record)
        info = provenance.facts(self.profile, self.settings, self.dataset, self._records, self.source)
        plain = f"provenance: profile {info['profile']}, data {info['data']}, library {info['library']}"
        bundle = {"text/html": provenance.render(info), "text/plain": plain}
        # The runner moves this metadata to the notebook's own, where `freshness.stale` reads it.
        display(bundle, metadata={"gcaf": info}, raw=True)


def _each(found: Any) -> Iterator[Any]:
    """Each record of lists and dictionaries of records, however deep they lie."""
    parts = found.values() if isinstance(found, Mapping) else found
    return itertools.chain.from_iterable(map(_each, parts)) if isinstance(parts, Iterable) else iter([found])


def open_chapter(
    name: str, profile: str = "cpu", overrides: dict[str, Any] | None = None, *, need_images: bool = False
) -> Chapter:
    """Open chapter `name` ("01_dataset") under a profile.

    `need_images=False` is for chapters that read run records only: they also run where the images
    are not. Raises `SettingsError` for an unknown profile or setting, `DataError` for data that
    can't be found, with the cure.
    """
    from gcaf_lib.data.dataset import open_dataset

    chosen = _settings.load(profile, overrides)
    root = checkout()
    source = root / "notebooks" / f"{name}.py" if root else None
    return Chapter(
        profile=profile,
        settings=chosen,
        dataset=open_dataset(chosen.data, need_images=need_images),
        overrides=dict(overrides or {}),
        source=source if source and source.is_file() else None,
    )


def checkout() -> Path | None:
    """The checkout around this file (None where the package was installed from a wheel)."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "notebooks").is_dir() and (root / "pyproject.toml").is_file() else None


def write_computed(parts: Callable[[], Mapping[str, str]], book: Path | None = None) -> list[Path]:
    """Write computed parts of pages, by name, as `_generated/NAME.md` of the checkout's book, or of `book`.

    Nothing is computed, and no path returned, where there is no checkout.
    """
    root, out = checkout(), []
    for name, text in parts().items() if root else ():
        out.append((book or root / "book") / "_generated" / f"{name}.md")
        write_text(out[-1], text)
    return out
