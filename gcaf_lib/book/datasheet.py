"""The datasheet's tables, generated from the committed manifest, splits and audit: no images needed.

`write()` renews book/_generated/datasheet_*.md, which book/datasheet.md includes:

    python -m gcaf_lib.book.datasheet
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gcaf_lib.book.chapter import write_computed
from gcaf_lib.data import exposure, groups, splits
from gcaf_lib.data.dataset import Dataset
from gcaf_lib.display import tables
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import dataset_audit
from gcaf_lib.findings import dataset_audited
from gcaf_lib.settings import CLASSES, PROTOCOLS
from gcaf_lib.terminal import arguments

NAMES = [CLASS_NAMES[name] for name in CLASSES]
CAPTIONS = {
    "counts": "Files of each class in the two folders of the Kaggle dataset.",
    "sources": "Files of each class by source, recovered by comparing images with the figshare archive.",
    "outside": "Sizes and colour modes (P: palette, L: grey) of the files, and their volume.",
    "defects": "Known defects, counted by this project (chapter 16 shows them).",
    "splits": "The committed splits of this project (results/splits); groups may not straddle parts. How much of the "
    "test part training knows is measured by a copy detector that played no part in making the splits (chapter 17). The column of slices "
    "counts test images whose own patient is known; `gcaf leaks` counts copies, and what is joined with them, along with these.",
}


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Files of each class in Kaggle's two folders."""
    return _with_totals(pd.crosstab(frame["label"], frame["folder"])[["Training", "Testing"]])


def source_counts(frame: pd.DataFrame, facts: dataset_audit.Audit) -> pd.DataFrame:
    """Files of each class by source, and the patients known of the class."""
    return _with_totals(dataset_audit.source_counts(frame, facts))


def _with_totals(table: pd.DataFrame) -> pd.DataFrame:
    """A row a class, with the sums of rows and of columns."""
    table = table.set_axis(NAMES)
    table["Total"] = table.sum(axis=1)
    table.loc["Total"] = table.sum()
    return table.rename_axis(index="Class", columns=None).reset_index()


def outside(frame: pd.DataFrame) -> pd.DataFrame:
    """Sizes and colour modes of each class."""
    size = frame["width"].astype(str) + "×" + frame["height"].astype(str)
    common = size.value_counts().index[0]
    rows = []
    for k, name in [*enumerate(NAMES), (None, "All")]:
        part = frame if k is None else frame[frame["label"] == k]
        shorter = part[["width", "height"]].min(axis=1)
        rows.append(
            {
                "Class": name,
                "Sizes": size[part.index].nunique(),
                common: int((size[part.index] == common).sum()),
                "Shorter side, px": f"{shorter.min()} to {shorter.max()}",
                **{mode: int((part["mode"] == mode).sum()) for mode in frame["mode"].value_counts().index},
                "MB": round(part["bytes"].sum() / 1e6, 1),
            }
        )
    return pd.DataFrame(rows)


def split_counts(data: Dataset, facts: dataset_audit.Audit) -> pd.DataFrame:
    """Files in each part of each protocol, its groups, what of its test part training knows, and its manifest's hash."""
    rows, known = [], exposure.read(data).set_index(["class", "protocol"]).loc["all"]
    for protocol in PROTOCOLS:
        _, about = splits.read(protocol, data)
        part = facts.patients[facts.patients["protocol"] == protocol].groupby("part")["files"].sum()
        rows.append(
            {
                "Protocol": protocol,
                **{name.capitalize(): int(part[name]) for name in splits.PARTS},
                "Groups": about["groups"],
                "Tested with a copy in training": f"{known.with_copy[protocol]:.1%}",
                "Tested with a slice of the patient": f"{known.with_patient[protocol]:.1%}",
                "Seed": about["seed"],
                "Hash": f"`{about['split_hash']}`",
            }
        )
    return pd.DataFrame(rows)


def defects(frame: pd.DataFrame, facts: dataset_audit.Audit) -> pd.DataFrame:
    """Known defects with their size."""
    copies, wrong = dataset_audit.identical_contents(frame), dataset_audit.mislabelled(facts)
    kin = dataset_audit.group_list(frame, facts)
    across, families = (t[(t["training"] > 0) & (t["testing"] > 0)] for t in (copies, kin))
    healthy = (frame["label"] == CLASSES.index("notumor")).sum()
    doubt = dataset_audited.candidates(frame, facts)
    names = ", ".join(f"`{Path(file).stem}`" for file in wrong["file"])
    pictures = (f"{n:,} {name}" for name, _, n in facts.pictures.itertuples(index=False))
    found = {
        "Redundant copies of identical bytes": f"{(copies['files'] - 1).sum():,} files",
        "Contents in both Training and Testing": f"{len(across):,} ({across['files'].sum():,} files)",
        "Files with a copy (identical, re-encoded, turned, brightened, re-cropped)": f"{len(facts.twins):,}",
        "Families of copies in both Training and Testing": f"{len(families):,}",
        "Different pictures, copies counted once": "; ".join(pictures),
        "Mirrored left to right": f"{facts.slices['mirrored'].sum():,} files (sides are not to be trusted)",
        "Labels that the archive contradicts": f"{len(wrong)} (meningiomas in the pituitary folder: {names})",
        "Pictures in which a layman sees something unlabelled, or that look like no MRI": f"{len(doubt)} pictures, {doubt['copies'].sum()} files "
        "(chapter 16 lists these candidates; no radiologist has judged them)",
        "Tumour files of unknown source": f"{len(frame) - healthy - len(facts.slices):,}",
        "Tumour-free files of unknown patients": f"{healthy:,} (all)",
        "Persons who by eye stand in two groups or more": persons_twice(groups.load()),
    }
    return pd.DataFrame(found.items(), columns=["Defect", "How much"])


def persons_twice(table: pd.DataFrame) -> str:
    """How many persons of `groups.persons` stand in two folds or two parts, and in how many files."""
    twice = table[table["person"].isin(groups.persons()["person"])]
    told = [f"{twice['person'].nunique()} ({twice['patient'].nunique()} groups, {len(twice):,} files)"]
    for column, places in (("fold", "folds"), ("part", "parts of `part`")):
        parted = twice.groupby("person").filter(lambda own, column=column: own[column].nunique() > 1)
        told.append(f"{parted['person'].nunique()} of them in two {places} or more ({len(parted):,} files)")
    return "; ".join(told)


def text() -> dict[str, str]:
    """Name → MyST text of each numbered table; the same bytes on every machine."""
    data = dataset_audit.published()
    frame, facts = data.frame, dataset_audit.read(data)
    made = {
        "counts": counts(frame),
        "sources": source_counts(frame, facts),
        "outside": outside(frame),
        "defects": defects(frame, facts),
        "splits": split_counts(data, facts),
    }
    numbered = {name: tables.numbered(t, f"tab-datasheet-{name}", CAPTIONS[name]) for name, t in made.items()}
    return numbered | {"hash": f"Data hash of the published files: `{data.hash}`.\n"}


def write(book: Path | None = None) -> list[Path]:
    """Write each part of `text` as book/_generated/datasheet_<name>.md; nothing where there is no checkout."""
    return write_computed(lambda: {f"datasheet_{name}": part for name, part in text().items()}, book)


if __name__ == "__main__":
    arguments(__doc__)
    for path in write():
        print(path)
