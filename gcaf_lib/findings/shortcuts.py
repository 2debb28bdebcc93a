"""Chapter 18: the same model with and without a hint, and what hints tell by themselves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import exposure, splits
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import folds, tumours, units, worth
from gcaf_lib.evaluation.floors import LOOK_UPS
from gcaf_lib.evaluation.hints import TUMOURS
from gcaf_lib.findings import ablation, accuracies, beside_look_ups, seed_changes, tumour_classes, words
from gcaf_lib.settings import CLASSES

HINTS = {"the file's form": "canonical encoding", "the no-tumour class": "three classes"}
# what is taken away and split to accuracy without it minus with it; None: not both run
Changes = Mapping[tuple[str, str], worth.Change | None]


def with_without(
    whole: Mapping[str, Sequence[Any]],
    changed: Mapping[str, Sequence[Any]],
    clusters: np.ndarray,
    pictures: np.ndarray,
) -> tuple[pd.DataFrame, Changes]:
    """Each hint on each split: levels and change by picture (protocol, name, label, `accuracies.COLUMNS`, change, n, images),
    and the differences, on the same images.

    whole: records as it is, by protocol; changed: records of the experiment "shortcuts", by row. Both are of the runs whose
    seed and fold both sides have, and where one seed was trained without and several with, of it and the mean of these.
    """
    cells, changes = [], {}
    for (protocol, split), (name, row) in itertools.product(folds.NAMES.items(), HINTS.items()):
        keep = TUMOURS if row == "three classes" else None
        pair = seed_changes.pair(whole.get(protocol, []), changed.get(f"{protocol}, {row}", []))
        change = changes[name, split] = seed_changes.change_of(*pair, clusters, pictures, keep)
        for label, records in zip(("as it is", "taken away"), pair):
            score = accuracies.line_of_runs(records, clusters, pictures, keep) if records else {}
            if change and change.picture and label == "taken away":
                score["change"] = change.picture.value
            cells.append({"protocol": split, "name": name, "label": label, **score})
    columns = ["protocol", "name", "label", *accuracies.COLUMNS, "change", "seeds", "folds", *ablation.SIZES]
    return pd.DataFrame(cells).reindex(columns=columns), changes


def each_seed_said(changes: Changes) -> str:
    """What the differences are against each seed of the model as it is, and whether their sign turns; "" where there is none."""
    lines = []
    for (name, split), change in changes.items():
        if not (change and change.each):
            continue
        against = seed_changes.against_each(change)
        columns = zip(("by file", "by picture"), zip(*(one.values() for one in change.each.values())))
        turns = [how for how, values in columns if min(values) < 0 < max(values)]
        lines.append(
            f"- {name}, {split}: {against}"
            + (f"; the sign turns with the seed, {' and '.join(turns)}" if turns else "")
        )
    if not lines:
        return ""
    return (
        "Where one seed was trained without the hint and several with it, it stands above against the mean of these: each model has its own "
        "stage 0, so that the seed of the same number is no nearer than the others. Against each:\n\n"
        + "\n".join(lines)
        + "\n\nThe interval of the mean holds how the seeds with the hint vary, not how those without it would."
    )


def wide_with_without(compared: pd.DataFrame, changes: Changes) -> pd.DataFrame:
    """A reader's table of `with_without`."""
    lines = []
    for (name, split), change in changes.items():
        part = compared[(compared["name"] == name) & (compared["protocol"] == split)].set_index("label")
        with_, without = part.loc["as it is"], part.loc["taken away"]
        cells = ("no pair of runs", "no pair of runs", "–", "–")
        if change is not None:
            moved = words.shift(change.file, 1, 100)
            moved = words.beside(moved, without.change, lambda v: words.signed(100 * v, 1))
            one = "one seed against the mean of " if change.each else ""
            cells = *map(accuracies.with_picture, (with_, without)), moved, one + accuracies.basis_said(with_)
        lines.append((name, split, *cells))
    heads = ["Taken away", "Split", "With it", "Without it", "Difference", "Compared"]
    return pd.DataFrame(lines, columns=heads)


SPLITS = {"paper": "random split", splits.FIVEFOLD: "patient-disjoint, 5 folds"}


def _pick(rows: pd.DataFrame, floor: str, protocol: str = "paper") -> Any:
    return next(rows[(rows["floor"] == floor) & (rows["protocol"] == protocol)].itertuples(), None)


def always(labels: pd.Series, pictures: np.ndarray | None = None) -> dict[str, float]:
    """What saying always the same would give: four classes, tumour or not, three tumour classes. pictures (N,): each weighs 1."""
    tumour = labels != CLASSES.index("notumor")
    shares = {"four classes": labels, "tumour or not": tumour, "three classes": labels[tumour]}
    weights = pd.Series(1.0, labels.index)
    if pictures is not None:
        weights[:] = units.picture_weights(np.arange(len(labels)), pictures)
    return {
        task: weights[one.index].groupby(one).sum().max() / weights[one.index].sum()
        for task, one in shares.items()
    }


def tested_said(dataset: Any) -> str:
    """How many images, pictures and patients `hint_table` is of, on each split and with a tumour alone."""
    clusters, pictures, said = splits.clusters(dataset), units.pictures(dataset), []
    tumour = dataset.frame["label"].to_numpy(int) != CLASSES.index("notumor")
    for protocol, split in SPLITS.items():
        asked = np.any([part == "test" for part in exposure.parts(protocol, dataset)], axis=0)
        every, ill = (
            words.unit_counts_said(units.counts(np.flatnonzero(one), clusters, pictures))
            for one in (asked, asked & tumour)
        )
        said.append(f"{split}, {every}; of them with a tumour {ill}")
    return "; ".join(said)


def hint_table(
    floors: pd.DataFrame, tracks: pd.DataFrame, labels: pd.Series, pictures: np.ndarray
) -> pd.DataFrame:
    """What logistic regression makes of the file's form, the border, and the image without its tumour; of `hints.read`."""
    alone = ("size", "border", "masked")
    chance, copied, lines = always(labels), always(labels, pictures), []
    for task, rows, asked in (
        ("four classes", floors, alone),
        ("tumour or not", tracks[tracks["track"] == "tumour or not"], alone[:2]),
        ("three classes", tracks[tracks["track"] == "three classes"], alone),
    ):
        for floor in asked:
            line = {"Task": task.replace("three", "three tumour"), "Sees": beside_look_ups.FLOOR_NAMES[floor]}
            line |= {
                name.capitalize(): accuracies.with_picture(_pick(rows, floor, key))
                for key, name in SPLITS.items()
            }
            lines.append(line | {"Always the same": words.beside(words.percent(chance[task]), copied[task])})
    return pd.DataFrame(lines)


def re_encoded(
    floors: pd.DataFrame, again: pd.DataFrame, labels: pd.Series, pictures: np.ndarray
) -> pd.DataFrame:
    """Floors before and after all files were encoded alike; again: the track "canonical"."""
    file, picture = (always(labels, one)["four classes"] for one in (None, pictures))
    lines = []
    for floor, (key, name) in itertools.product(("size", "border", "1nn-mirror"), SPLITS.items()):
        before, after = _pick(floors, floor, key), _pick(again, floor, key)
        alike = words.beside(words.percent(file), picture if key in accuracies.TOGETHER else np.nan)
        cells = (
            accuracies.with_picture(before),
            accuracies.with_picture(after) if after else f"{alike} (all alike)",
        )
        lines.append((beside_look_ups.FLOOR_NAMES[floor], name, *cells))
    return pd.DataFrame(lines, columns=["Floor", "Split", "Files as they are", "Re-encoded alike"])


def unmasked(dataset: Any) -> pd.Series | None:
    """Share of the tumours whose border is not known, so that no mask hides them: of all, and by class; None of phantoms."""
    if dataset.banner:
        return None
    names = dataset.frame["label"].map(dict(enumerate(CLASSES)))
    open_ = tumours.read_images(dataset)["area"].isna().set_axis(names.index)[names != "notumor"]
    return pd.concat([pd.Series({"all": open_.mean()}), open_.groupby(names).mean()])


def hints_said(
    floors: pd.DataFrame,
    tracks: pd.DataFrame,
    labels: pd.Series,
    pictures: np.ndarray,
    unmasked: pd.Series | None = None,
) -> str:
    """What size alone tells of tumour or not and of four classes, what size and border tell of it by picture, and what is left
    with the tumour masked out.

    unmasked: of `unmasked`.
    """
    told = tracks[tracks["track"] == "tumour or not"]
    presence, most = _pick(told, "size"), always(labels)["tumour or not"]
    four, blind = _pick(floors, "size"), _pick(floors, "masked", splits.FIVEFOLD)
    return (
        f"From the file's size and mode alone, without opening the image, {presence.accuracy:.1%} of the random split's test files "
        f"are classified correctly as with or without a tumour ({presence.low:.1%} to {presence.high:.1%}; always saying the same would give "
        f"{most:.1%}), and {four.accuracy:.1%} get the right one of four classes. "
        + (
            "Whether there is a tumour can mostly be read off the file's header. "
            if presence.low > max(0.9, most)
            else "That is more than nothing, and no pixel was needed. "
            if presence.low > most
            else "That is no more than always saying the same. "
        )
        + _by_picture(told, always(labels, pictures)["tumour or not"])
        + f"With the tumour masked out {blind.accuracy:.1%} of all images are still right on patient-disjoint folds "
        f"({blind.low:.1%} to {blind.high:.1%}). "
        + (
            "Part of that may be legitimate: the place tells which tumour to expect."
            if unmasked is None
            else "Part of that may be legitimate: the slice's level and the anatomy in it say which tumour to expect, and what a tumour does to the brain outside its box "
            "(oedema, a shifted midline) stays visible. Little of it can be the tumour itself: "
            + (
                f"about {unmasked['all']:.0%} of the tumours are not masked ("
                + ", ".join(
                    f"{CLASS_NAMES[name].lower()} {share:.0%}" for name, share in unmasked.drop("all").items()
                )
                + ")."
                if unmasked["all"]
                else "all of them are masked."
            )
        )
    )


def _by_picture(told: pd.DataFrame, most: float) -> str:
    """How far size and border tell tumour or not by picture, beside always saying the same; told: that track."""
    said = []
    for line in (_pick(told, floor, splits.FIVEFOLD) for floor in ("size", "border")):
        one = ablation.worth_of(line._asdict(), "picture")
        word = words.by_side(one, "less", "more", "not distinguishable from it", than=most)
        said.append(
            f"{beside_look_ups.FLOOR_NAMES[line.floor]} {one.value:.1%} ({one.low:.1%} to {one.high:.1%}): {word}"
        )
    return f"By picture (copies count as one) always saying the same gives {most:.1%}, and on patient-disjoint folds {'; '.join(said)}. "


def answer_gone_said(
    whole: Mapping[str, Sequence[Any]],
    changed: Mapping[str, Sequence[Any]],
    dataset: Any,
    pictures: np.ndarray,
) -> str:
    """How much of what the no-tumour class costs is that its name can be answered: with the class and without it, on the
    tumour images of which the four-class model says *no tumour*, and on the others; by picture too where copies are kept together."""
    said = []
    for protocol, split in folds.NAMES.items():
        four, three = seed_changes.pair(
            whole.get(protocol, []), changed.get(f"{protocol}, three classes", [])
        )
        said += (
            [f"{split}: {tumour_classes.answer_gone_on_split(four, three, dataset, pictures)}"]
            if four
            else []
        )
    if not said:
        return ""
    return (
        "To take the no-tumour class away also takes an answer away that is always wrong on these images, so that its difference is of two parts:\n\n- "
        + "\n- ".join(said)
    )


def look_ups_said(floors: pd.DataFrame, again: pd.DataFrame, changes: Changes) -> str:
    """What re-encoding changes for the look-ups, and whether the model loses more; again: the track "canonical"; changes: of
    `with_without`."""
    said, told = [], []
    for (key, name), split in zip(SPLITS.items(), folds.NAMES.values()):
        theirs = []
        for floor in LOOK_UPS:
            before, after = _pick(floors, floor, key), _pick(again, floor, key)
            copied = after.picture - before.picture if key in accuracies.TOGETHER else np.nan
            theirs.append((after.accuracy - before.accuracy, copied))
            said.append(
                f"{beside_look_ups.FLOOR_NAMES[floor]}, {name}, {words.plural(after.n, 'image')}: {seed_changes.moved(*theirs[-1])}; in percent "
                f"from {accuracies.with_picture(before)} to {accuracies.with_picture(after)}"
            )
        change = changes.get(("the file's form", split))
        own = change.ways() if change else []
        if not any(one.high < 0 for one in own):
            continue
        most = [min(column) for column in zip(*theirs)]
        more = all(one.high < least for one, least in zip(own, most))
        mean = f", against the mean of its {len(change.each)} seeds" if change.each else ""
        told.append(
            f"{split[0].upper()}{split[1:]}: the fall of the model ({seed_changes.moved(*change.values())}{mean}) is "
            + ("larger than" if more else "not told apart from")
            + f" that of the look-ups (down to {seed_changes.moved(*most)}), which has no interval, so that nothing tests one against the other. "
            + (
                "Something learnt may be in it."
                if more
                else "Nor would an equal fall show that the model uses no shortcut: the two may lose different things."
            )
        )
    return (
        "To stand beside it, what re-encoding changes for the look-ups of chapter 17, which learn nothing (95% intervals of the "
        "levels; of the change none is on record):\n\n- "
        + "\n- ".join(said)
        + "".join(f"\n\n{one}" for one in told)
    )


def changes_said(changes: Changes) -> str:
    """The differences of `with_without` as a list."""
    lines = []
    for (name, split), change in changes.items():
        told = ": no pair of runs under this profile, so nothing is said"
        if change is not None:
            said = words.outcome(change, "a fall", "a rise")
            one = "one seed against the mean of " if change.each else ""
            told = f", {one}{words.plural(change.file.n, 'seed')}: {said}"
        lines.append(f"{name}, {split}{told}")
    once = any(change and change.file.n == 1 for change in changes.values())
    return (
        "What changes when the hint is taken away, on the same test images (95% interval of the difference "
        f"{words.OVER}):\n\n"
        + "\n".join(f"- {line}" for line in lines)
        + "\n\nA fall can mean that the model used the hint, or something that went with it: re-encoding also removes detail and the head's "
        "position and size in the frame, and each model has its own stage 0. No fall does not mean that the model could not use it: with "
        "copies in training (chapter 17) it has an easier way to be right."
        + (f" {words.ONE_SEED}" if once else "")
    )
