"""Chapter 25: networks with ImageNet weights beside the miniatures that start from none, on the same splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.evaluation import folds, units, worth
from gcaf_lib.findings import ablation, matched, recipes, seed_changes, split_records, words

PROFILES = ("cpu", split_records.TRANSFER)  # of `recipes.SIDES`


def sides(chapter: Any) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Records of the proposed model by protocol, under each of `PROFILES`, whatever the page's; none beside phantoms."""
    if chapter.phantoms:
        return {}, {}
    return tuple(split_records.ladder_records(chapter.under(profile)) for profile in PROFILES)


def three_classes(chapter: Any) -> dict[str, list[Any]]:
    """Side (`recipes.SIDES`) to its runs on the three tumour classes, on patient-disjoint folds."""
    return {
        side: [] if chapter.phantoms else split_records.three_class_records(chapter.under(profile))
        for side, profile in zip(recipes.SIDES, PROFILES)
    }


def on_patient_folds(
    small: Mapping[str, Sequence[Any]], large: Mapping[str, Sequence[Any]]
) -> dict[str, Sequence[Any]]:
    """Side to its runs on patient-disjoint folds, of `sides`."""
    return {name: side.get("patients", []) for name, side in zip(recipes.SIDES, (small, large))}


def runs_said(small: Mapping[str, Sequence[Any]], large: Mapping[str, Sequence[Any]], phantoms: bool) -> str:
    """What has been trained of both sides, split by split."""
    if phantoms:
        return "Beside phantoms, which are drawings, no network with ImageNet weights was trained: under the profile `demo` nothing is compared here."
    said = []
    for protocol, split in folds.NAMES.items():
        counts = [words.plural(len(side.get(protocol, ())), "run") for side in (small, large)]
        said.append(f"{split}: {counts[0]} of the miniatures, {counts[1]} with ImageNet weights")
    return f"On record: {'; '.join(said)}. A patient-disjoint run is one of five folds. The table pairs the seeds that both sides have, so its miniatures' figures may differ from chapter 17's, which are means over all their seeds; below it, where the recipe was trained once and the miniatures several times, the one is set against the mean of all."


def trained_once(
    small: Mapping[str, Sequence[Any]], large: Mapping[str, Sequence[Any]], dataset: Any
) -> dict[str, worth.Change]:
    """By protocol on which ImageNet's recipe has one seed and the miniatures several: accuracy minus that of their mean, and of each."""
    groups, pictures, changes = splits.clusters(dataset), units.pictures(dataset), {}
    for protocol in folds.NAMES:
        sides = [matched.with_all_folds(side.get(protocol, ())) for side in (small, large)]
        if seed_changes.one_against_several(*sides):
            changes[protocol] = seed_changes.change_of(*sides, groups, pictures)
    return changes


def changes_said(frame: pd.DataFrame, single: Mapping[str, worth.Change]) -> str:
    """What the recipe with ImageNet weights changes on each split, and whether that is more where no known patient is shared.

    frame: `recipes.compare`; single: `trained_once`.
    """
    known = frame[frame["seeds"] > 0].set_index(["protocol", "metric"])
    said, gains, each = [], {}, ""
    for protocol, split in folds.NAMES.items():
        if (protocol, "accuracy") not in known.index:
            said.append(f"- {split}: not trained with all its folds, on both sides, so nothing is said")
            continue
        line = known.loc[(protocol, "accuracy")]
        change = single.get(protocol, recipes.accuracy_change(line))
        gains[protocol] = change.file
        counts = words.plural(int(line["seeds"]), "seed")
        if change.each:
            counts = f"one seed against the mean of {len(change.each)}"
            each = (
                f"On the {split} split the recipe was trained once. It has no stage 0, so that no seed of the miniatures is nearer to it than the "
                f"others. Against each: {seed_changes.against_each(change)}; the table has the seed of the same number. The "
                "interval of the mean holds how the miniatures' seeds vary, not how the recipe's would."
            )
        ece = ablation.worth_of(known.loc[(protocol, "ece")], "difference")
        said.append(
            f"- {split}, {counts}: accuracy {recipes.change_said(change)}; ECE (pairs of the table) {words.shift(ece)}"
        )
    if len(gains) == len(folds.NAMES):
        random, apart = (gains[p] for p in ("paper", "patients"))
        where = words.beside_interval(
            apart, random, "lies below", "lies above", "overlaps", "can't be set beside"
        )
        room = 1 - known.loc[("paper", "accuracy"), "miniatures_value"]
        said.append(
            f"- the interval of the difference on patient-disjoint folds {where} that on the random split, where at most "
            f"{100 * room:.1f} points could be gained"
        )
    once = any(line["seeds"] == 1 and protocol not in single for (protocol, _), line in known.iterrows())
    return (
        "The recipe with ImageNet weights as a whole (larger networks and images, other epochs and rates) minus the miniatures', on the same images "
        f"(95% interval {words.OVER}); no run differs in the weights alone:\n\n"
        + "\n".join(said)
        + (f"\n\n{each}" if each else "")
        + (f"\n\n{words.ONE_SEED}" if once else "")
    )
