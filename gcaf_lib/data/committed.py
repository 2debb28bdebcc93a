"""Tables that take long to compute and are therefore committed below results/: found, read and written here.

They are read from the results folder that holds the splits, and written into that of the user's settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.data.dataset import DataError
from gcaf_lib.machine import file_digest, write_table
from gcaf_lib.settings import results_dir

WRITTEN = ("scorecard.csv", "audit.csv")  # by chapters themselves
PACKAGE = Path(__file__).parent  # whose tables come with the code


def digests() -> dict[str, str]:
    """File name to 12 hex digits of every table that a page may rest on besides run records, whatever its line ends.

    Those below results/, manifests of splits included, and those of this package. What chapters write is left out.
    """
    known = {
        f"{prefix}{path.relative_to(folder).as_posix()}": path
        for prefix, folder in (("results/", splits.folder().parent), ("gcaf_lib/data/", PACKAGE))
        for pattern in ("*.csv", "*.npz", "splits/*.csv", "external/*.csv")
        for path in sorted(folder.glob(pattern))
        if path.name not in WRITTEN
    }
    return {name: file_digest(path) for name, path in known.items()}


def find(name: str, module: str, place: Path | None = None) -> Path:
    """The committed file `name`, in `place` or below results/; `module`: what makes it, after `python -m`.

    Raises `DataError` that says so where it isn't there.
    """
    path = (place or splits.folder().parent) / name
    if not path.is_file():
        raise DataError(f"{path} is missing: `python -m {module}` makes it")
    return path


def read(name: str, module: str, place: Path | None = None, **options: Any) -> pd.DataFrame:
    """The committed table `name`, as in `find`; options: of `pandas.read_csv`."""
    return pd.read_csv(find(name, module, place), **options)


def write(name: str, table: pd.DataFrame, numbers: str, place: Path | None = None) -> Path:
    """Write a table whole or not at all, floats as `numbers` (`%.5f`); return its path."""
    path = (place or results_dir()) / name
    write_table(path, table, numbers)
    return path
