"""What chapter 17 says of the ladder: how far scores fall from the random split to patient-disjoint folds, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import groups, splits
from gcaf_lib.evaluation import folds
from gcaf_lib.findings import accuracies, beside_look_ups, ladder, split_records, words
from gcaf_lib.settings import PROTOCOLS

PAPER_NETWORKS = {
    "demo": " These are phantoms: they show the mechanism, not its size in patients.",
    "cpu": " The model of this profile has miniature networks and small images. What is known of the paper's own networks, under the profile `paper`, is in "
    "chapter 25, and is not drawn here, because it was not run on every split. The floors are the same for both.",
}


def falls_said(
    scores: pd.DataFrame,
    records: Mapping[str, Sequence[Any]],
    imagenet: Mapping[str, Sequence[Any]],
    dataset: Any,
    published_accuracy: float | None = None,
) -> str:
    """What changes from the random split to patient-disjoint folds. scores: `ladder.scores_by_split` of both models' records; published_accuracy:
    the paper's, or None."""
    score = scores.set_index(["method", "protocol"])
    near = {protocol: beside_look_ups.look_up(scores, protocol) for protocol in ("paper", "patients")}
    said = [
        _goes(name, score.loc[(name, "paper")], score.loc[(name, "patients")])
        for name in beside_look_ups.LOOK_UPS
    ]
    text = f"Two look-ups, without a network, from the random split to patient-disjoint folds: {'; '.join(said)}. "
    if published_accuracy is not None:
        text += (
            f"The paper's {published_accuracy:.2%} lies {words.where(published_accuracy, near['paper'].low, near['paper'].high)} the interval of "
            "the better one on the random split. "
        )
    text += (
        "The two splits differ in what training has seen of the pictures and patients tested, in the images tested, and in how many "
        "images training has."
    )
    lines = [text]
    for method, name, own in (
        (split_records.MODEL, "The model", records),
        (split_records.IMAGENET, "With ImageNet weights (chapter 25) it", imagenet),
    ):
        if not {(method, "paper"), (method, "patients")} <= set(score.index):
            continue
        a, b = score.loc[(method, "paper")], score.loc[(method, "patients")]
        same = ladder.at_equal_seeds(own, dataset)
        kept = (
            ""
            if same is None
            else f" Of the seeds that both have ({same.loc['paper', 'seeds']:.0f}): {accuracies.change_said(same.loc['paper'], same.loc['patients'])}."
        )
        lines.append(
            f"{_goes(name, a, b)} ({_seeds(a, b)}).{kept} On patient-disjoint folds "
            f"its distance to the better look-up is {words.points(*beside_look_ups.leads(b))}; on the random split {words.points(*beside_look_ups.leads(a))}."
        )
    lines.append(
        "In brackets behind a change from split to split is an interval put together from those of its two sides as if they had no image and no "
        "patient in common (Zou and Donner 2008). They have, so it is rather too wide."
    )
    if len(lines) > 2:  # a model
        lines[-1] += (
            f" A distance to a look-up is of answers to the same images, in pairs; its interval is {words.OVER}."
        )
    missing = [p for p in PROTOCOLS if (split_records.MODEL, p) not in score.index]
    if missing:
        lines.append(
            f"No run of the model under this profile yet on: {', '.join(map(ladder.split_name, missing))}. Its line leaves them out."
        )
    return "\n\n".join(lines)


def _seeds(a: Any, b: Any) -> str:
    """`3 seeds`, or `5 seeds on the random split, 3 on the folds`."""
    one = words.plural(a.seeds, "seed")
    return one if a.seeds == b.seeds else f"{one} on the random split, {b.seeds:.0f} on the folds"


def _goes(name: str, a: Any, b: Any) -> str:
    """`1-NN goes from 95.3% (93.4% to 97.0%, by picture 94.7%) to 73.4% (…): −21.9 points, by picture −20.8`."""
    one, other = (f"{x.accuracy:.1%} ({x.low:.1%} to {x.high:.1%}{_copied(x)})" for x in (a, b))
    return f"{name} goes from {one} to {other}: {accuracies.change_said(a, b)}"


def by_picture_said(scores: pd.DataFrame) -> str:
    """What weighing each picture 1 changes where copies are kept together, for the model where it was run and for the look-ups."""
    known = scores[scores["picture"].notna()].set_index(["protocol", "method"])
    said = {}
    for protocol, where in {"patients": "On patient-disjoint folds", "twins": "On `twins`"}.items():
        found = [
            f"{name} is right on {r.accuracy:.1%} of the files and {r.picture:.1%} of the pictures ({r.picture_low:.1%} to {r.picture_high:.1%})"
            for method, name in zip(
                (split_records.MODEL, *beside_look_ups.LOOK_UPS), ("the model", *beside_look_ups.LOOK_UPS)
            )
            if (protocol, method) in known.index
            for r in [known.loc[(protocol, method)]]
        ]
        if found:
            said[protocol] = f" {where} {'; '.join(found)}."
    if "twins" in said:
        said["twins"] += (
            " There the copies of a picture are all in one part, and a picture with many of them can fill much of a small test part: the two "
            "scores may lie far apart."
        )
    return (
        "*By picture*: a picture that the dataset holds many times is one picture, so each counts as one, with the share of its "
        "copies answered rightly." + "".join(said.values())
    )


def persons_parted_said(records: Sequence[Any], dataset: Any) -> str:
    """The model's accuracy with and without the files of persons who by eye stand in two folds (`groups.persons`)."""
    seeds = folds.pool(records, splits.FOLDS)
    if dataset.banner or not seeds:
        return ""
    table = groups.load().set_index("file").loc[dataset.frame["file"]]
    parted = table.groupby("person")["fold"].transform("nunique").to_numpy() > 1
    right = [(one.probabilities().argmax(1) == one.labels(), parted[one.rows()]) for one in seeds]
    whole, less = np.mean([(hits.mean(), hits[~gone].mean()) for hits, gone in right], axis=0)
    return (
        f"Some persons stand in two folds all the same, as eyes see ([Use our splits](/use_splits.md)): without their {parted.sum():,} files the model's accuracy over "
        f"the folds is {less:.2%} in place of {whole:.2%} (mean over {words.plural(len(seeds), 'seed')})."
    )


def runs_said(scores: pd.DataFrame, floors: pd.DataFrame) -> str:
    """Seeds, folds and images behind the model's line, and how wide a single patient-disjoint split would be."""
    runs, beside = (
        "; ".join(
            f"{r.protocol}: {words.plural(r.seeds, 'seed')}"
            + (f" on {r.folds:.0f} of {splits.FOLDS} folds" if r.protocol == "patients" else "")
            + f", {r.images:,.0f} test images"
            for r in scores[scores["method"] == method].itertuples()
        )
        for method in (split_records.MODEL, split_records.IMAGENET)
    )
    single = floors[(floors["floor"] == "1nn-mirror") & (floors["protocol"] == "patients")].iloc[0]
    return (
        (f"Runs of the model: {runs}. " if runs else "The model has not been run under this profile. ")
        + (f"With ImageNet weights: {beside}. " if beside else "")
        + "A score of several seeds is their mean; of several folds, that of all folds' answers together; the interval draws all "
        "answers to a patient's images together. A single patient-disjoint split (80/10/10) is too small to tell much: there "
        f"mirror-aware 1-NN has {accuracies.with_picture(single)}%."
    )


def conclusion_said(scores: pd.DataFrame, profile: str, published_accuracy: float | None = None) -> str:
    """The model on patient-disjoint folds beside the paper's figure and beside 1-NN."""
    score = scores.set_index(["method", "protocol"])
    if (split_records.MODEL, "patients") not in score.index:
        return (
            "Without runs over the five folds of `patients` nothing is concluded about the model itself."
            + PAPER_NETWORKS.get(profile, "")
        )
    b = score.loc[(split_records.MODEL, "patients")]
    text = f"On patient-disjoint folds the model measured here has {words.band(b.accuracy, b.low, b.high)}%{_copied(b)}"
    if published_accuracy is not None:
        text += f"; the published {published_accuracy:.2%}, of another split and another model, lies {words.where(published_accuracy, b.low, b.high)} that interval"
    text += f". Beside the better look-up, on the same images, that is {words.points(*beside_look_ups.leads(b))}: {_learnt(b)}"
    if (split_records.IMAGENET, "patients") in score.index:
        c = score.loc[(split_records.IMAGENET, "patients")]
        text += (
            f" With small networks with ImageNet weights and larger images (chapter 25) it is {words.band(c.accuracy, c.low, c.high)}%"
            f"{_copied(c)}, beside the better look-up {words.points(*beside_look_ups.leads(c))}."
        )
    return text + PAPER_NETWORKS.get(profile, "")


def _learnt(line: Any) -> str:
    """What the distance to the better look-up says: the same by file and by picture, or nothing."""
    level = "by file and by picture together this does not tell whether one is better."
    found = {
        words.by_side(
            lead,
            "worse than repeating the label of the nearest picture.",
            "it has learnt something that carries over to new patients, of the tumour or of the shortcuts of chapter 18.",
            level,
        )
        for lead in beside_look_ups.leads(line)
    }
    return found.pop() if len(found) == 1 else level


def _copied(line: Any) -> str:
    """`, by picture 86.4%`, where it is known."""
    return words.beside("", line.picture, "{:.1%}".format)
