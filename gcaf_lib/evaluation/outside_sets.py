"""The records of the chapter "Elsewhere": how much of each outside set is this dataset's, and recall by class and set.

    python -m gcaf_lib.evaluation.outside_sets DIR --run RUN ...    # DIR holds manifest.csv: set, file, class, case, plane

copies.csv: a row a set and class: images, cases, copies, of these of Kaggle's Training, Testing and of pictures that
the random split trains on, `nearest` (the highest similarity among those that are no copies). recall.csv: a row a model,
set, plane (or "all") and class. A model is all the runs given of one profile and split, or the nearest neighbour among
all this dataset's images; its set "home" is its own test images. Intervals draw cases, a case with the answers of all runs.
Rows of models that are not made anew stay. about.csv: images by set, class, diagnosis, sequence and plane, as the manifest
says (a set with copies is left out). seen.csv is no command's: images that are no MR image of a brain by their look, with
the file's name in the manifest and, as in `packages`, the first 12 digits of its SHA-256. rest.csv: recall.csv's rows of the
sets of seen.csv without these images, of the model that travels with the package.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import committed, groups, listed, medical, outside, splits, thumbnails
from gcaf_lib.data.dataset import DataError, Dataset, open_dataset
from gcaf_lib.evaluation import folds, outside_scores
from gcaf_lib.settings import CLASSES, DataSettings, results_dir
from gcaf_lib.training import environment, runs

COPIES = (
    "set",
    "class",
    "images",
    "cases",
    "copies",
    "training",
    "testing",
    "random_train",
    "other_class",
    "nearest",
)
ABOUT = ("set", "class", "diagnosis", "sequence", "plane", "images")
RECALL = ("model", "profile", "split", "runs", "set", "plane", *outside_scores.RECALL, *CLASSES)
NEIGHBOUR, HOME = "nearest neighbour", "home"


def read(name: str) -> pd.DataFrame:
    """`copies`, `recall`, `about`, `seen` or `rest` as committed. Raises `DataError` that says how to make them."""
    numbers = ("low", "high", "confidence_wrong", "nearest")  # empty where there are none
    made_by = "gcaf_lib.evaluation.outside_sets DIR --run RUN"
    empty = {"keep_default_na": False, "na_values": dict.fromkeys(numbers, "")}
    return committed.read(f"external/{name}.csv", made_by, **empty)


def not_brain_mr() -> pd.DataFrame:
    """seen.csv as committed: set, class, name, file and seen (what it shows) of the images that by their look are no MR image of a brain."""
    return read("seen")


def manifest_images(place: Path) -> pd.DataFrame:
    """`outside.read` of DIR/manifest.csv, with set and plane."""
    table, told = outside.read(place / "manifest.csv"), _manifest(place)
    if missing := sorted({"set", "plane"} - set(told)):
        raise DataError(
            f"{place / 'manifest.csv'} has no column {' and '.join(missing)}: say it of each image"
        )
    return table.assign(set=told["set"], plane=told["plane"])


def _manifest(place: Path) -> pd.DataFrame:
    """All columns of DIR/manifest.csv as text, in the rows of `outside.read`, which has checked it: blank lines don't count."""
    (_, head), *lines = listed.rows((place / "manifest.csv").read_text(encoding="utf-8-sig"))
    return pd.DataFrame([row for _, row in lines], columns=head)


def copies(table: pd.DataFrame) -> pd.DataFrame:
    """`COPIES` of `outside.find_copies`' table with a column set."""
    known = groups.load().set_index("file")
    part = splits.load(DataSettings(protocol="paper"), open_dataset(DataSettings(), need_images=False))
    trained = set(known.loc[part["file"], "picture"][(part["part"] == "train").to_numpy()])
    counts = outside.counted(table).rename(columns=str.lower)
    counts["random_train"] = table["copy_of"].map(known["picture"]).isin(trained).astype(int)
    by = [table["set"], table["class"]]
    out = counts.groupby(by, sort=False).sum()
    out["cases"] = table.groupby(by, sort=False)["case"].nunique()
    out["nearest"] = table["similarity"].where(table["copy_of"] == "").groupby(by, sort=False).max()
    return out.reset_index()[list(COPIES)]


def about(table: pd.DataFrame, place: Path) -> pd.DataFrame:
    """`ABOUT` of `manifest_images`' table with copy_of: what DIR/manifest.csv says its images show; empty where it says nothing.

    diagnosis: its column, or else the folder that Radiopaedia's images come from.
    """
    told = _manifest(place).reindex(columns=["diagnosis", "sequence", "source_path"], fill_value="")
    folder = told["source_path"].str.extract(r"^data/([^/]+) T1C\+/")[0].fillna("")
    told["diagnosis"] = told["diagnosis"].where(told["diagnosis"] != "", folder)
    rows = _without_copies(table.assign(diagnosis=told["diagnosis"], sequence=told["sequence"]))
    return rows.groupby(list(ABOUT[:-1]), sort=False).size().reset_index(name="images")


def _without_copies(table: pd.DataFrame) -> pd.DataFrame:
    """The sets of a table in which no image is a copy."""
    inside = table[table["copy_of"] != ""]["set"].unique()
    return table[~table["set"].isin(inside)]


def told_at_home(record: runs.Record) -> pd.DataFrame:
    """A run's answers to its own test images, as `outside_scores.Scored.table`; cases are groups of patients."""
    rows, classes = record.rows(), record.settings.data.classes
    dataset = open_dataset(record.settings.data, need_images=False)
    columns = {
        "path": dataset.frame["file"].to_numpy()[rows],
        "class": np.array(classes)[record.labels()],
        "case": splits.clusters(dataset)[rows],
    }
    return outside_scores.answered(pd.DataFrame(columns), record.probabilities(), classes).assign(
        set=HOME, plane=""
    )


def told_by_neighbour(table: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The class of the most alike of all this dataset's thumbnails, mirrored or not, for each image of `table`."""
    small = np.stack([thumbnails.shrink(medical.grey(path)) for path in table["path"]])
    at, _, alike = thumbnails.nearest(small, thumbnails.thumbnails(dataset))
    answer = np.array(CLASSES)[dataset.frame["label"].to_numpy()[at]]
    return table.assign(answer=answer, confidence=alike)


def model_of(run: Any) -> dict[str, str]:
    """What `RECALL` calls the model of a run: by its profile, and its split as `folds.NAMES` says it; five folds are patient-disjoint too."""
    profile, protocol = run.info["profile"], run.settings.data.protocol
    split = folds.NAMES.get(protocol, protocol)
    return {"model": f"{profile}, {split}", "profile": profile, "split": split}


def rows(told: pd.DataFrame, **model: object) -> pd.DataFrame:
    """`RECALL` of one model: told (set, plane, class, case, answer, confidence, path), a row an image and run.

    images: different ones; right: of these, mean over runs; the answers (columns `CLASSES`) are of all runs.
    """
    parts = [("all", told), *((plane, told[told["plane"] == plane]) for plane in medical.PLANES)]
    several = told.loc[told["plane"] != ""].groupby("set")["plane"].nunique()
    out = []
    for plane, part in parts:
        for name, here in part.groupby("set", sort=False):
            if plane != "all" and several[name] < 2:
                continue
            score = outside_scores.recall(here).assign(**model, set=name, plane=plane)
            counts = outside_scores.confusion(here, CLASSES).loc[score["class"]].reset_index(drop=True)
            score["images"] = here.groupby("class")["path"].nunique().loc[score["class"]].to_numpy()
            score["right"] = score["recall"] * score["images"]
            out.append(pd.concat([score, counts], axis=1))
    return pd.concat(out, ignore_index=True).reindex(columns=list(RECALL))


def recall(
    records: Sequence[runs.Record], table: pd.DataFrame, dataset: Dataset | None = None
) -> pd.DataFrame:
    """`RECALL` of runs, those of one profile and split as one model, and, given the images, of the nearest neighbour.

    table: of `outside.find_copies`, with set and plane; a set with copies is left out as a whole.
    """
    table = _without_copies(table).reset_index(drop=True)
    told: dict[str, tuple[dict, list, list]] = {}
    for record, found in zip(records, outside_scores.score(records, table)):
        model = model_of(record)
        _, keys, parts = told.setdefault(model["model"], (model, [], []))
        keys.append(record.key)
        parts += [told_at_home(record), found.table]
    out = [
        rows(pd.concat(parts, ignore_index=True), **model, runs=" ".join(keys))
        for model, keys, parts in told.values()
    ]
    if dataset is not None:
        found = told_by_neighbour(table, dataset)
        out.append(rows(found, model=NEIGHBOUR, profile="", split="", runs=""))
    return pd.concat(out, ignore_index=True)


def rest(table: pd.DataFrame, place: Path, not_brain_mr: pd.DataFrame) -> pd.DataFrame:
    """`RECALL` of the model that travels with the package on the sets of `not_brain_mr` without its images, whole sets."""
    environment.open_backend()
    from gcaf_lib.training import loop, shipped

    odd = {str(place / name) for name in not_brain_mr["name"]}
    own = table[table["set"].isin(set(not_brain_mr["set"])) & ~table["path"].astype(str).isin(odd)]
    one = shipped.read()
    chosen = one.settings.data
    ready = np.stack([medical.prepared(path, chosen) for path in own["path"]])
    p = loop.probabilities(one.model(), ready, np.arange(len(own)), 64)
    told = outside_scores.answered(own, p, chosen.classes)
    found = rows(told, **model_of(one), runs=one.key)
    return found[found["plane"] == "all"].reset_index(drop=True)


def write(name: str, made: pd.DataFrame) -> Path:
    """Write `copies`, `about`, `rest`, or those models of `recall` that were made, beside the others, in the order in which they stand there."""
    path = results_dir() / "external" / f"{name}.csv"
    if name == "recall" and path.is_file():
        stands = pd.read_csv(path)
        order = list(dict.fromkeys([*stands["model"], *made["model"]]))
        made = pd.concat([stands[~stands["model"].isin(made["model"])], made])
        made = made.sort_values("model", key=lambda model: model.map(order.index), kind="stable")
    return committed.write(f"external/{name}.csv", made, "%.5g")


def _main() -> None:
    parser = argparse.ArgumentParser(
        description="Write results/external/copies.csv, about.csv, recall.csv and rest.csv."
    )
    parser.add_argument("place", type=Path, metavar="DIR", help="holds manifest.csv")
    parser.add_argument("--run", dest="runs", action="append", default=[], metavar="RUN", help="repeatable")
    args = parser.parse_args()
    try:
        records, dataset = [runs.resolve(name) for name in args.runs], open_dataset(DataSettings())
        table = outside.find_copies(manifest_images(args.place))
        print(write("copies", copies(table)))
        print(write("about", about(table, args.place)))
        print(write("recall", recall(records, table, dataset)))
        print(write("rest", rest(table, args.place, not_brain_mr())))
    except (ValueError, OSError, RuntimeError) as error:  # each with one line that names the cure
        parser.exit(2, f"outside_sets: error: {error}\n")


if __name__ == "__main__":
    _main()
