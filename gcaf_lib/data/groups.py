"""The groups as data: which of the 7,023 files show the same picture, which may show the same patient.

    from gcaf_lib.data import groups
    table = groups.load()                                  # a row a file, COLUMNS
    table[table["part"] == "train"]                        # our split: no known patient in two parts (but `persons`)
    StratifiedGroupKFold(5).split(table, table["class"], table["person"])

Nothing heavy is imported: no Keras, no TensorFlow, and pandas only when the table is asked for. groups.csv stands
beside this file, and groups.croissant.json describes it in the Croissant format. Both are made from the committed
tables of the project by `python -m gcaf_lib.data.groups`; no image is needed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

VERSION = "1.1.0"
LICENCE = "https://creativecommons.org/licenses/by/4.0/"
PATH = Path(__file__).with_name("groups.csv")
DESCRIPTION = PATH.with_suffix(".croissant.json")
COLUMNS = {
    "file": "Path of the file below the dataset's folder, as Kaggle ships version 1",
    "sha256": "SHA-256 of the file's bytes",
    "class": "Class of the folder the file stands in: glioma, meningioma, notumor, pituitary",
    "picture": "Number of the picture: files with the same number are copies of each other (identical, re-encoded, "
    "turned, mirrored, brightened, re-cropped)",
    "patient": "Number of the group that may not straddle training and test: copies, and slices of one patient where "
    "the patient is known. Not a count of patients: groups with a file of known source are patients, the others pictures with their copies",
    "person": "As `patient`, with groups joined that by eye show one person (two numbers in figshare, or one head where no patient is "
    "known): for splits of your own. Our `part` and `fold` were made before these were seen, and part some of them",
    "source": "figshare: a slice of that collection as it stands; figshare mirrored: turned left to right; unknown",
    "label_doubt": "Why the file should be looked at again (wrong label, something seen, CT), by figshare's own label or to a layman's eye; empty for most",
    "redundant_with": "First file with the same bytes; empty for the first one itself and for files without such",
    "part": "train, validation or test of our split 80/10/10, disjoint in known patients",
    "fold": "Test fold, 0 to 4, of our five folds, disjoint in known patients",
}


_WHOLE = ("picture", "patient", "person", "fold")


def load() -> pd.DataFrame:
    """The table: `COLUMNS`, a row a file, sorted by file; numbers are whole, texts are "" where there is nothing."""
    import pandas as pd

    return pd.read_csv(PATH, keep_default_na=False)


def persons() -> pd.DataFrame:
    """person, group, sure (yes, likely), seen: groups that by eye (not a radiologist's) show one person, a row a group.

    They stay groups of their own in our splits, which were made, and on which published runs were trained, before they were
    seen; all lie below the bars of `twins`. There may be more.
    """
    import pandas as pd

    table = pd.read_csv(PATH.with_name("persons.csv"))
    table["groups"] = table["groups"].str.split()
    return (
        table.explode("groups", ignore_index=True).rename(columns={"groups": "group"}).astype({"group": int})
    )


def build() -> pd.DataFrame:
    """The table made again from the manifest, the committed splits and what the audit of the dataset found."""
    import pandas as pd

    from gcaf_lib.data import splits

    here = Path(__file__).parent
    table = pd.read_csv(here / "manifest.csv", usecols=["file", "sha256"])
    table["class"] = table["file"].str.split("/").str[1]

    def of(name: str, column: str) -> pd.Series:
        known = pd.read_csv(splits.folder() / f"{name}.csv").set_index("file")[column]
        return known.loc[table["file"]].to_numpy()

    table["picture"], table["patient"] = of("twins", "group"), of("patients", "group")
    twice = persons()
    table["person"] = table["patient"].replace(dict(zip(twice["group"], twice["person"])))
    slices = pd.read_csv(splits.folder().parent / "slices.csv").set_index("file").reindex(table["file"])
    names = {0: "figshare", 1: "figshare mirrored"}
    table["source"] = slices["mirrored"].map(names).fillna("unknown").to_numpy()
    seen = pd.read_csv(here / "candidates.csv").set_index("file")["seen"]
    of_picture = table[table["file"].isin(seen.index)].set_index("picture")["file"].map(seen)
    table["label_doubt"] = table["picture"].map(of_picture.groupby(level=0).first()).fillna("")
    told = slices["class"].fillna(table["class"].set_axis(slices.index)).to_numpy()
    wrong = told != table["class"]
    table.loc[wrong, "label_doubt"] = "figshare labels this slice " + pd.Series(told)[wrong]
    first = table.groupby("sha256")["file"].transform("first")
    table["redundant_with"] = first.where(first != table["file"], "")
    table["part"], table["fold"] = of("patients", "part"), of(splits.FIVEFOLD, "fold")
    return table[list(COLUMNS)]


def croissant(text: bytes) -> dict:
    """The Croissant description of groups.csv, whose bytes are `text`."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"files/{name}",
            "name": name,
            "description": about,
            "dataType": "sc:Integer" if name in _WHOLE else "sc:Text",
            "source": {"fileObject": {"@id": PATH.name}, "extract": {"column": name}},
        }
        for name, about in COLUMNS.items()
    ]
    return {
        "@context": {
            "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
            "dct": "http://purl.org/dc/terms/", "citeAs": "cr:citeAs", "column": "cr:column",
            "conformsTo": "dct:conformsTo", "data": {"@id": "cr:data", "@type": "@json"},
            "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "equivalentProperty": "cr:equivalentProperty",
            "examples": {"@id": "cr:examples", "@type": "@json"},
            "extract": "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty",
            "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset",
            "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
            "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
            "replace": "cr:replace", "samplingRate": "cr:samplingRate", "separator": "cr:separator", "source": "cr:source",
            "subField": "cr:subField", "transform": "cr:transform",
        },
        "@type": "sc:Dataset",
        "name": "brain-tumor-mri-groups",
        "description": "Copies and patients in the Brain Tumor MRI Dataset (Kaggle, masoudnickparvar, version 1): "
        "which files show one picture, and which may not be parted by a split.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": LICENCE,
        "version": VERSION,
        "datePublished": "2026-11-26",
        "url": "https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset",
        "creator": {"@type": "sc:Organization", "name": "The gcaf_lib authors"},
        "citeAs": "See CITATION.cff of this project, and Cheng (2017), doi 10.6084/m9.figshare.1512427",
        "distribution": [
            {
                "@type": "cr:FileObject", "@id": PATH.name, "name": PATH.name, "contentUrl": PATH.name,
                "encodingFormat": "text/csv", "sha256": hashlib.sha256(text).hexdigest(),
                "contentSize": f"{len(text)} B",
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet", "@id": "files", "name": "files", "description": "One row a file",
                "key": {"@id": "files/file"}, "field": fields,
            }
        ],
    }  # fmt: skip


def write(folder: Path | None = None) -> list[Path]:
    """Write groups.csv and its description, each whole or not at all; return the paths."""
    from gcaf_lib.machine import write_text

    text = build().to_csv(index=False, lineterminator="\n")
    about = json.dumps(croissant(text.encode()), indent=1) + "\n"
    paths = [(folder or PATH.parent) / path.name for path in (PATH, DESCRIPTION)]
    for path, content in zip(paths, (text, about)):
        write_text(path, content)
    return paths


if __name__ == "__main__":
    from gcaf_lib.terminal import arguments

    arguments(__doc__)
    for path in write():
        print(path)
