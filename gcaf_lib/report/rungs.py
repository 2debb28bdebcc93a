"""The ladder's rows: the model's records and the floors on one scale, with intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.evaluation import worth
from gcaf_lib.evaluation.shortcuts import TUMOURS
from gcaf_lib.report.style import CLASS_NAMES
from gcaf_lib.settings import CLASSES, PROTOCOLS
from gcaf_lib.training import experiments

MODEL = "Proposed model"
GROUPED = ("twins", "patients")  # splits whose parts share no copy of a picture
FLOOR_NAMES = {
    "1nn": "1-NN on pixels",
    "1nn-mirror": "1-NN, mirror-aware",
    "size": "file size and mode",
    "border": "image border",
    "masked": "tumour masked out",
}


def ladder_records(chapter: Any, train: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Records of the experiment "ladder" by protocol; of `train`'s protocols that have none one run is made."""
    found = chapter.records("ladder")
    for label, chosen in experiments.experiment("ladder").settings(chapter.profile, chapter.overrides):
        if label in train and label not in found:
            from gcaf_lib.training.train import get

            found[label] = [get(chosen, 0, profile=chapter.profile)]
    return {protocol: found[protocol] for protocol in PROTOCOLS if protocol in found}


SCORES = {"accuracy": ("accuracy", "low", "high"), "macro_f1": ("macro_f1", "f1_low", "f1_high")}
BY_PICTURE = {
    "accuracy": ("picture", "picture_low", "picture_high"),
    "macro_f1": ("picture_f1", "picture_f1_low", "picture_f1_high"),
}
COLUMNS = [name for scores in (SCORES, BY_PICTURE) for three in scores.values() for name in three]


def pooled(
    records: Sequence[Any],
    clusters: np.ndarray,
    pictures: np.ndarray | None = None,
    keep: Sequence[str] | None = None,
) -> dict[str, float | int]:
    """`COLUMNS` (accuracy and macro-F1 with intervals, by image and by picture), seeds, folds, images of some runs.

    What `worth.row` says, so that the digits are the scorecard's. clusters (N,): patient groups. pictures (N,):
    `worth.pictures`, for the columns `picture…` (NaN without). keep: only test images of these classes are judged.
    """
    out: dict[str, float | int] = dict.fromkeys(COLUMNS, np.nan)
    for names, weights in ((SCORES, None), (BY_PICTURE, pictures)):
        if names is SCORES or pictures is not None:
            found = worth.row(records, clusters, list(names), keep=keep, pictures=weights)
            for metric, three in names.items():
                out |= dict(zip(three, (found[metric].value, found[metric].low, found[metric].high)))
    answers = worth.of_records(records, keep)
    rows = np.concatenate([fold.rows for one in answers for fold in one])
    return out | {"seeds": len(answers), "folds": len(answers[0]), "images": len(np.unique(rows))}


def rungs(
    records: dict[str, list[Any]], floors: pd.DataFrame, clusters: np.ndarray, pictures: np.ndarray
) -> pd.DataFrame:
    """method, kind, protocol, and `pooled`'s columns: floors on every rung, the model where it has records.

    On `patients` the floors are those of the five folds, as the model's runs are.
    """
    kept = floors[floors["protocol"] != "patients"].replace({"protocol": {splits.FIVEFOLD: "patients"}})
    out = kept.assign(
        method=kept["floor"].map(FLOOR_NAMES),
        kind="floor",
        images=kept["n"],
        folds=np.where(kept["protocol"] == "patients", splits.FOLDS, 1),
    )
    rows = [
        {"method": MODEL, "kind": "model", "protocol": protocol, **pooled(group, clusters, pictures)}
        for protocol, group in records.items()
    ]
    columns = ["method", "kind", "protocol", *COLUMNS, "seeds", "folds", "images"]
    return pd.concat([pd.DataFrame(rows), out], ignore_index=True).reindex(columns=columns)


def band(value: float, low: float, high: float) -> str:
    """`95.7 (94.0 to 97.0)` in percent."""
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def wide(frame: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """A reader's table of `rungs`: methods down, protocols across, `band`s in the cells.

    Beside each split that keeps copies together (`GROUPED`) stands the score that weighs each picture 1.
    """
    out = {}
    for protocol in PROTOCOLS:
        part = frame[frame["protocol"] == protocol].set_index("method")
        for names, word in ((SCORES, ""), (BY_PICTURE, ", by picture")):
            if names is SCORES or protocol in GROUPED:
                cells = part[list(names[metric])].to_numpy(float)
                out[protocol + word] = pd.Series([band(*row) for row in cells], part.index, dtype=object)
    table = pd.DataFrame(out, list(dict.fromkeys(frame["method"])), dtype=object).fillna("no run yet")
    return table.rename_axis("Method").reset_index()


def wide_exposure(shares: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `data.exposure.read`: splits down; test images, share with a copy (of all and by class) and with
    another slice of the same patient in training."""
    whole = shares[shares["class"] == "all"].set_index("protocol")
    out = pd.DataFrame({"Test images": whole["images"], "A copy": whole["with_copy"].map("{:.1%}".format)})
    for name in CLASSES:
        own = shares[shares["class"] == name].set_index("protocol")["with_copy"]
        out[f"A copy, {CLASS_NAMES[name].lower()}"] = own.map("{:.1%}".format)
    out["Same patient"] = whole["with_patient"].map("{:.1%}".format)
    return out.reindex([p for p in splits.MANIFESTS if p in out.index]).rename_axis("Split").reset_index()


def beside_others(
    frame: pd.DataFrame, tracks: pd.DataFrame, three: Mapping[str, float] | None
) -> pd.DataFrame:
    """Method, what it sees, accuracy, source: this book's scores with patients apart, to stand below others'.

    frame: `rungs`; tracks: `shortcuts.table`; three: `pooled` of the three-class runs, or None.
    """
    lines = [("Proposed model, three classes, here", "image", "no run yet under this profile", "this book")]
    if three is not None:
        seeds = f"{three['seeds']} seed{'' if three['seeds'] == 1 else 's'}"
        made = f"this book, {seeds}, {three['folds']} of {splits.FOLDS} folds"
        lines = [(*lines[0][:2], band(three["accuracy"], three["low"], three["high"]), made)]
    model = frame[(frame["kind"] == "model") & (frame["protocol"] == "patients")]
    lines += [
        ("Proposed model, four classes, here", "image", band(r.accuracy, r.low, r.high), "this book")
        for r in model.itertuples()
    ]
    floors = tracks[(tracks["track"] == "three classes") & (tracks["protocol"] == splits.FIVEFOLD)]
    lines += [
        (FLOOR_NAMES[r.floor] + ", here", "image", band(r.accuracy, r.low, r.high), "this book, 5 folds")
        for r in floors.itertuples()
        if r.floor in ("1nn-mirror", "masked")
    ]
    return pd.DataFrame(lines, columns=["Method", "Sees", "Accuracy (%)", "Source"])


# --- chapter 18: the same model with and without a hint ---

SPLIT_NAMES = {"paper": "random split", "patients": "patients apart"}
HINTS = {"the file's form": "canonical encoding", "the no-tumour class": "three classes"}


def with_without(
    whole: Mapping[str, Sequence[Any]], changed: Mapping[str, Sequence[Any]], clusters: np.ndarray
) -> tuple[pd.DataFrame, dict[tuple[str, str], worth.Worth | None]]:
    """Each hint on each split: levels (protocol, name, label, accuracy, low, high, n, images), and paired differences.

    whole: records as it is, by protocol; changed: records of the experiment "shortcuts", by row. Levels and
    differences are of the runs whose seed and fold both have; the differences (without minus with; None where no pair
    was run) are on the same images.
    """
    cells, gaps = [], {}
    for protocol, split in SPLIT_NAMES.items():
        for name, row in HINTS.items():
            keep = TUMOURS if row == "three classes" else None
            pair = worth.paired(whole.get(protocol, []), changed.get(f"{protocol}, {row}", []))
            found = worth.difference(pair[1], pair[0], clusters, keep=keep)
            gaps[name, split] = found.get("accuracy")
            for label, records in zip(("as it is", "taken away"), pair):
                score = pooled(records, clusters, keep=keep) if records else {}
                cells.append({"protocol": split, "name": name, "label": label, **score})
    columns = ["protocol", "name", "label", *COLUMNS[:6], "seeds", "folds", "images"]
    return pd.DataFrame(cells).reindex(columns=columns), gaps


def wide_with_without(
    compared: pd.DataFrame, gaps: Mapping[tuple[str, str], worth.Worth | None]
) -> pd.DataFrame:
    """A reader's table of `with_without`."""
    lines = []
    for (name, split), gap in gaps.items():
        part = compared[(compared["name"] == name) & (compared["protocol"] == split)].set_index("label")
        with_, without = part.loc["as it is"], part.loc["taken away"]
        if gap is None:
            lines.append((name, split, *["no pair of runs"] * 2, "–", "–", "–"))
            continue
        levels = [band(r.accuracy, r.low, r.high) for r in (with_, without)]
        change = f"{100 * gap.value:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
        lines.append((name, split, *levels, change, str(gap.n), f"{with_.images:.0f}"))
    heads = ["Taken away", "Split", "With it", "Without it", "Difference", "Seeds", "Images"]
    return pd.DataFrame(lines, columns=heads)
