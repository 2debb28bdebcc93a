"""This book's accuracies on patient-disjoint folds beside those that others report, and on the very slices of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import groups, splits
from gcaf_lib.evaluation import units, worth
from gcaf_lib.evaluation.hints import TUMOURS
from gcaf_lib.findings import accuracies, beside_look_ups, split_records, words
from gcaf_lib.paper import literature


def beside_others(
    scores: pd.DataFrame, tracks: pd.DataFrame, three_class_runs: Mapping[str, Sequence[Any]], dataset: Any
) -> pd.DataFrame:
    """`literature.table`, and below what others report this book's scores on patient-disjoint folds.

    scores: `ladder.scores_by_split`; tracks: `hints.table`; three_class_runs: of `split_records.three_classes`.
    """
    lines = []
    clusters, pictures = splits.clusters(dataset), units.pictures(dataset)
    for method, runs in three_class_runs.items():
        text, made = "no run yet under this profile", "this book"
        if runs:
            one = pd.Series({**accuracies.line_of_runs(runs, clusters, pictures), "protocol": "patients"})
            text, made = accuracies.with_picture(one), _made(one)
        lines.append((f"{method}, three classes, here", "image", text, made))
    model = scores[(scores["kind"] == "model") & (scores["protocol"] == "patients")]
    lines += [
        (f"{r.method}, four classes, here", "image", accuracies.with_picture(r), _made(r))
        for r in model.itertuples()
    ]
    floors = tracks[(tracks["track"] == "three classes") & (tracks["protocol"] == splits.FIVEFOLD)]
    lines += [
        (
            beside_look_ups.FLOOR_NAMES[r.floor] + ", three classes, here",
            "image",
            accuracies.with_picture(r),
            "this book, 5 folds",
        )
        for r in floors.itertuples()
        if r.floor in ("1nn", "1nn-mirror", "masked")
    ]
    others = literature.table()
    return pd.concat([others, pd.DataFrame(lines, columns=others.columns)], ignore_index=True)


def _made(line: Any) -> str:
    """`this book, 2 seeds, 5 of 5 folds`: where a line's score on patient-disjoint folds is from."""
    return f"this book, {words.plural(line.seeds, 'seed')}, {line.folds:.0f} of {splits.FOLDS} folds"


def how_many_said(others: pd.DataFrame) -> str:
    """How many results of others (`literature.table`) stand in the table beside this book's."""
    return (
        f"On the figshare slices alone (three tumour classes, no image without tumour) the table holds {words.plural(len(others), 'result')} "
        "of others on patient-disjoint folds: only what was read in the source itself."
    )


# files that show a slice of the figshare archive: it stands mirrored once for each slice, and some a second time as they are
ARCHIVE = {"each slice once": ["figshare mirrored"], "all their files": ["figshare mirrored", "figshare"]}


def archive(dataset: Any) -> dict[str, np.ndarray]:
    """`ARCHIVE`'s names to the rows of the dataset (N,) that are meant."""
    source = groups.load().set_index("file")["source"].reindex(dataset.frame["file"])
    return {name: source.isin(which).to_numpy() for name, which in ARCHIVE.items()}


def same_slices_said(models: Mapping[str, Sequence[Any]], dataset: Any) -> str:
    """What models of the three tumour classes score on the very slices that the reported figure is of, and where that lies.

    models: name to records on patient-disjoint folds. "" where none has all folds, and of phantoms.
    """
    known = {
        name: worth.answers_by_seed(own, TUMOURS)
        for name, own in split_records.each_with_all_folds(models).items()
    }
    if dataset.banner or not known:
        return ""
    clusters, pictures = splits.clusters(dataset), units.pictures(dataset)
    reported, said, places = literature.PATIENT_LEVEL[0].accuracy, [], []
    for name, wanted in archive(dataset).items():
        scores, bases, sizes = [], [], units.counts(np.flatnonzero(wanted), clusters, pictures)
        for model, seeds in known.items():
            parts = [
                [accuracies.answers_to(one, one.rows[wanted[one.rows]]) for one in seed] for seed in seeds
            ]
            level = worth.of_answers(parts, clusters, ["accuracy"])["accuracy"]
            scores.append(f"{model} {words.band(*accuracies.value_and_ends(level))}%")
            bases.append(words.basis_said({"n": len(parts), "folds": len(parts[0])} | sizes))
            places.append(words.where(reported, level.low, level.high))
        said.append(f"{name}: {_with_bases(scores, bases)}")
    above, count = places.count("above"), len(places)
    which = "all" if above == count else f"{above or 'none'} of these"
    return (
        f"All slices of the archive that the reported {reported:.2%} is of are in this dataset. Scored on these alone, trained on the three classes' files in the other folds, less a validation part:\n\n- "
        + "\n- ".join(said)
        + f"\n\nThe reported figure lies above {which} {count} intervals"
        + (", so the choice of test images does not explain the distance" * (above == count))
        + ". What else may differ: the folds (the archive's own are not used), which numbers are read as one patient (chapter 16), and how much of the "
        "data trains."
    )


def _with_bases(scores: Sequence[str], bases: Sequence[str]) -> str:
    """Scores, and what they rest on: said once where that is the same of all, else behind each."""
    if len(set(bases)) == 1:
        return f"{', '.join(scores)}; {bases[0]}"
    return "; ".join(f"{score}, {basis}" for score, basis in zip(scores, bases))
