"""Is this folder the published dataset? Compared file by file with the committed manifest."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from gcaf_lib.data.dataset import CURE as ELSEWHERE
from gcaf_lib.data.dataset import FOLDERS, DataError, listing, published_index, scan
from gcaf_lib.settings import CLASSES
from gcaf_lib.terminal import visible

CURE = "run `gcaf data fetch`, or give the folder that holds Training/ and Testing/"
_RELEASES = {  # number of files → a known relative of the dataset
    7200: "the later re-release with 7,200 images (version 2 on Kaggle); version 1 has the paper's 7,023",
    3264: "the SARTAJ collection (3,264 images), one of the sources",
    3064: "the figshare collection (3,064 slices), one of the sources",
    3000: "the Br35H collection (3,000 images), one of the sources",
}


@dataclass(frozen=True)
class Report:
    """What `compare` found. Files are named by their path below `root`.

    problems: one message for each file or folder that cannot be used. duplicates: groups of
    identical files within one class folder. counts: one row a class folder (found, published).
    """

    root: str
    variant: str
    counts: list[dict] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    ok: bool = False

    def to_dict(self) -> dict:
        """The whole report as plain values, for JSON."""
        return asdict(self)

    def text(self, shown: int = 5) -> str:
        """The report for a reader; of long lists the first `shown` entries."""
        lines = [f"{visible(self.root)}: {self.variant}", ""]
        if self.counts:
            lines += [pd.DataFrame(self.counts).to_string(index=False), ""]
        parts = {
            "cannot be used": self.problems,
            "missing": self.missing,
            "not in the published dataset": self.extra,
            "other content than published": self.altered,
            "warning: groups of identical files in one folder" + (", as published" if self.ok else ""): [
                " = ".join(g) for g in self.duplicates
            ],
        }
        for title, entries in parts.items():
            if entries:
                lines.append(f"{title}: {len(entries)}")
                lines += [f"  {visible(entry)}" for entry in entries[:shown]]
                lines += [f"  and {len(entries) - shown} more"] if len(entries) > shown else []
        lines.append("OK" if self.ok else f"not the published dataset: {CURE}")
        return "\n".join(lines)


def compare(root: str | Path, published: pd.DataFrame | None = None) -> Report:
    """Compare a folder with the published files, by SHA-256, and guess which variant it is.

    published: an index (default: the committed manifest). Broken files and a wrong layout are
    reported, not raised; only a folder that is not there raises `DataError`.
    """
    root = Path(root)
    published = published_index() if published is None else published
    if not root.is_dir():
        fault = "is a file, not a folder" if root.exists() else "is not there"
        raise DataError(f"{root} {fault}: check the path, or {CURE}")
    try:
        files = [name for name, _, _ in listing(root)]
    except DataError as error:
        return Report(str(root), _layout(root), problems=[str(error).replace(ELSEWHERE, CURE)])
    odd = [name for name in files if name != name.encode("utf-8", "replace").decode()]
    files = [name for name in files if name not in odd]
    frame, problems = scan(root, files)
    problems += [f"{root / name} has a name that is no UTF-8: rename it" for name in odd]
    both = frame.merge(published, on="file", suffixes=("", "_published"))
    altered = both[both["sha256"] != both["sha256_published"]]
    missing = sorted(set(published["file"]) - set(files))
    extra = sorted(set(files) - set(published["file"]))
    groups = frame.groupby(["folder", "label", "sha256"])["file"].agg(list)
    return Report(
        root=str(root),
        variant=_variant(frame, published, altered, missing, extra, problems),
        counts=_counts(frame, published),
        problems=problems,
        missing=missing,
        extra=extra,
        altered=altered["file"].tolist(),
        duplicates=sorted(group for group in groups if len(group) > 1),
        ok=not (problems or missing or extra or len(altered)),
    )


def _counts(frame: pd.DataFrame, published: pd.DataFrame) -> list[dict]:
    """Files of each class folder, found and published."""
    found, wanted = (Counter(zip(f["folder"], f["label"])) for f in (frame, published))
    return [
        {"folder": f"{folder}/{name}", "found": found[folder, label], "published": wanted[folder, label]}
        for folder in FOLDERS
        for label, name in enumerate(CLASSES)
    ]


def _variant(
    frame: pd.DataFrame,
    published: pd.DataFrame,
    altered: pd.DataFrame,
    missing: list[str],
    extra: list[str],
    problems: list[str],
) -> str:
    """A sentence that says which known variant of the dataset this is."""
    count = len(frame) + len(problems)
    if not (len(altered) or missing or extra or problems):
        return f"the published {count:,} files, byte for byte"
    if count in _RELEASES:
        return _RELEASES[count]
    if len(set(frame["sha256"]) & set(published["sha256"])) >= 0.99 * published["sha256"].nunique() and extra:
        return "the published images, but renamed, moved or with further files among them"
    if len(altered) >= 0.5 * count:
        same = [altered[side] == altered[f"{side}_published"] for side in ("width", "height")]
        if (same[0] & same[1]).mean() > 0.9:
            return "a re-encoded copy: the published names and sizes in pixels, other bytes"
        sizes = altered[["width", "height"]].value_counts()
        width, height = sizes.index[0]
        to = f" to {width}×{height} pixels" if sizes.iloc[0] > 0.9 * len(altered) else ""
        return f"a resized copy: the published names, scaled{to}"
    if not extra and not problems:
        return f"the published dataset, incomplete or altered in {len(missing) + len(altered)} files"
    if len(set(frame["file"]) & set(published["file"])) < 0.1 * count:
        return f"another collection in the same folders ({count:,} images)"
    return f"a variant that is not known ({count:,} images)"


def _layout(root: Path) -> str:
    """A sentence on a folder that does not hold Training/ and Testing/ with the four classes."""
    names = {p.name.lower() for p in root.iterdir() if p.is_dir()}
    if {"yes", "no"} <= names:
        return "another layout: yes/ and no/ (the Br35H collection, or a two-class dataset)"
    if set(CLASSES) <= names:
        return "another layout: the classes are not parted into Training/ and Testing/"
    inner = {p.name.lower() for p in root.glob("*/*") if p.is_dir()}
    if any(name.endswith("_tumor") for name in inner | names):
        return "another layout: folders ending in _tumor (the SARTAJ collection)"
    if {"training", "testing"} <= inner:
        return "the dataset may be one folder further down"
    return "not the layout of the dataset: Training/ and Testing/, each with " + ", ".join(CLASSES)
