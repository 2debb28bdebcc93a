"""Accuracy on the three tumour classes, trained on three classes and on four, beside what others report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import groups as known_groups
from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.evaluation import folds, units, worth
from gcaf_lib.evaluation.hints import TUMOURS
from gcaf_lib.findings import (
    ablation,
    accuracies,
    image_answers,
    matched,
    recipes,
    seed_changes,
    split_records,
    words,
)
from gcaf_lib.paper import literature
from gcaf_lib.settings import CLASSES


def accuracy(
    four: Mapping[str, Sequence[Any]], three: Mapping[str, Sequence[Any]], dataset: Any
) -> pd.DataFrame:
    """model, and accuracy on the three tumour classes on patient-disjoint folds (`accuracies.COLUMNS`), seeds, folds,
    `ablation.SIZES`.

    four, three: side (`recipes.SIDES`) to its runs that were trained on four classes, and on three; those of four are judged on tumour images alone. Of the seeds that all of them have, with all folds.
    """
    models = {
        f"{recipes.side_title(side)}, {word} classes": records
        for word, both in (("four", four), ("three", three))
        for side, records in both.items()
    }
    equal, groups = split_records.each_with_all_folds(matched.equal_seeds(models)), splits.clusters(dataset)
    found = accuracies.levels(equal, groups, units.pictures(dataset), TUMOURS)
    scores = [*accuracies.SCORES["accuracy"], *accuracies.PICTURE_COLUMNS["accuracy"]]
    columns = [*scores, "seeds", "folds", *ablation.SIZES]
    return found.reindex(models, columns=columns).rename_axis("model").reset_index()


def on_tumours(large: Mapping[str, Sequence[Any]], dataset: Any) -> dict[str, pd.Series]:
    """Protocol to `accuracies.line_of_runs` of four-class runs on tumour images alone, of the seeds that have all folds."""
    known = split_records.each_with_all_folds({protocol: large.get(protocol, ()) for protocol in folds.NAMES})
    found = accuracies.levels(known, splits.clusters(dataset), units.pictures(dataset), TUMOURS)
    return dict(found.assign(protocol=found.index).iterrows())


def accuracy_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`accuracy` for readers, below what others report."""
    lines = [(f"{r.method} ({r.source})", f"{100 * r.accuracy:.2f}", "–") for r in literature.PATIENT_LEVEL]
    for r in frame.itertuples():
        done = np.isfinite(r.accuracy)
        text = words.beside(words.band(r.accuracy, r.low, r.high), r.picture) if done else names.ABSENT
        lines.append((r.model, text, accuracies.basis_said(r) if done else "–"))
    return pd.DataFrame(lines, columns=["Model", "Accuracy (%)", "Of"])


def beside_reported_said(frame: pd.DataFrame) -> str:
    """Where the reported accuracy lies beside those of `accuracy`, and why the two can't be compared strictly."""
    reported = literature.PATIENT_LEVEL[0].accuracy
    known = frame[frame["accuracy"].notna()]
    places = [words.where(reported, r.low, r.high) for r in known.itertuples()]
    if not places:
        return "None of these has been trained on all five folds yet."
    if len(places) > 1 and len(set(places)) == 1:
        lies = f"{places[0]} the intervals of all {len(places)}"
    else:
        each = [f"{where} that of *{model}*" for model, where in zip(known["model"], places)]
        lies = ", ".join(each).replace("that of", "the interval of", 1)
    table = known_groups.load()
    traced = table.loc[table["source"] != "unknown", "patient"]
    unknown = (~table["patient"].isin(traced) & (table["class"] != "notumor")).sum()
    return f"The reported {reported:.2%} lies {lies}. The method was given the tumour's outline. Here {unknown} tumour images are of unknown patients, and no outline is given."


def fewer_classes_said(three: Sequence[Any], four: Sequence[Any], dataset: Any) -> str:
    """What leaving the no-tumour class out of training changes on the tumour images, with ImageNet weights."""
    three, four = worth.paired(matched.with_all_folds(three), matched.with_all_folds(four))
    if not three:
        return ""
    pictures = units.pictures(dataset)
    change = worth.change(three, four, splits.clusters(dataset), pictures, TUMOURS)
    said = words.outcome(change, "a fall", "a rise")
    return (
        f"With ImageNet weights, trained on three classes minus trained on four, on the same tumour images: {said}. "
        f"To leave the class out also takes an answer away that is always wrong on these images: {answer_gone_on_split(four, three, dataset, pictures)}."
    )


def answer_gone_on_split(
    four: Sequence[Any], three: Sequence[Any], dataset: Any, pictures: np.ndarray
) -> str:
    """`answer_gone_said` of runs on one split, paired by seed, or one seed of three classes beside each of four."""
    sides = [[image_answers.of_run(r, dataset).assign(seed=r.seed) for r in side] for side in (four, three)]
    seeds = len({r.seed for r in four})
    keys = ["row"] if seed_changes.one_against_several(four, three) else ["seed", "row"]
    both = pd.merge(*map(pd.concat, sides), on=keys, suffixes=("", "_three"))
    lost = both["predicted"] == CLASSES.index("notumor")
    copies = both.groupby(["seed", pictures[both["row"]]])["row"].transform("size")
    text = (
        f"of {words.plural(len(both), 'answer')} ({words.plural(seeds, 'seed')}) on tumour images {lost.sum():,} are *no tumour*, and without that class "
        f"{both.loc[lost, 'right_three'].sum():,} of these are right; {_parted(both, lost, 1 + 0 * copies)}"
    )
    return text + (f"; by picture {_parted(both, lost, 1 / copies)}" if worth.grouped(four) else "")


def _parted(both: pd.DataFrame, gone: pd.Series, weight: pd.Series) -> str:
    """What the answer that is gone gives, in points, and the accuracy on the other images with and without the class."""
    given = 100 * np.average(gone & both["right_three"], weights=weight)
    if gone.all():
        return f"that gives {words.signed(given, 1)} points; there are no other images"
    before, after = (
        np.average(both.loc[~gone, name], weights=weight[~gone]) for name in ("right", "right_three")
    )
    return f"that gives {words.signed(given, 1)} points; on the other images accuracy goes from {before:.1%} to {after:.1%}"
