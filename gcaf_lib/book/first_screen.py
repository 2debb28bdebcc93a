"""The first screen of the book: what was claimed, what we found, what it means, and three things to do; below it, the numbers.

A reader who has ten seconds leaves with the finding. Every number and every word that hangs on one is computed; the
drawing is chapter 17's ladder, reduced to the model and the look-up that learns nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gcaf_lib import settings
from gcaf_lib.book.chapter import Chapter
from gcaf_lib.data import groups, splits
from gcaf_lib.data.dataset import Dataset
from gcaf_lib.display import split_ladder, tables
from gcaf_lib.display.style import WIDTH, Drawing
from gcaf_lib.evaluation import floors, folds, units, worth
from gcaf_lib.findings import (
    accuracies,
    beside_look_ups,
    full_networks,
    ladder,
    seen_in_training,
    split_records,
    words,
)
from gcaf_lib.machine import write_text
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import Settings
from gcaf_lib.training import experiments

# for a desktop and for a phone, where gcaf.css shows the other; inches
PICTURES = {"ladder.svg": (WIDTH, 2.2), "ladder-narrow.svg": (3.6, 3.2)}
LOOK_UP = "1-NN, the better of two"
SAME = "miniature"  # in `full_size`: on the images of the split `patients`
DOORS = """
::::{grid} 1 3 3 3
:gutter: 2
:class-container: gcaf-doors

:::{grid-item-card} Read
:link: notebooks/17_leakage_ladder
:link-type: doc
The ladder of splits first, then every figure of the paper, rebuilt.
:::

:::{grid-item-card} Rerun
:link: rerun
:link-type: doc
Two commands on a laptop, or a button in the browser.
:::

:::{grid-item-card} Check your own
:link: check_report
:link-type: doc
A report, a split, or the groups for your training.
:::
::::
"""


def title() -> str:
    """The book's title: the claim as a question."""
    return f"# What is an accuracy of {_claim():.2f}% worth?\n"


def _claim() -> float:
    return paper.published("Abstract", paper.PROPOSED, "accuracy")


def claimed() -> str:
    """What the paper says, in a sentence."""
    return (
        "**Claimed.** Basha and Yalla report that two convolutional networks joined by *gated cross-attention fusion* "
        f"distinguish glioma, meningioma, pituitary tumour and no tumour in MR images with {_claim():.2f}% accuracy."
    )


def found(table: pd.DataFrame, shares: pd.DataFrame) -> str:
    """What the files are, and how much of the test training knows; table: `groups.load`, shares: `seen_in_training.shares`."""
    own = table["source"] != "unknown"
    known = table[table["picture"].isin(table.loc[own, "picture"])]  # a copy's patient is its picture's
    seen = shares.set_index(["protocol", "class"]).loc[("paper", "all"), "with_either"]
    return (
        f"**Found.** The {len(table):,} files show about {table['picture'].nunique():,} pictures; the {len(known):,} of known patients "
        f"({own.sum():,} from the figshare collection, {len(known) - own.sum():,} known by a copy) are "
        f"slices of some {known['patient'].nunique():,} patients, as chapter 16 reads the archive's numbers. Under a random split {seen:.0%} of the test images have a copy or their known patient "
        "in training."
    )


def scored(
    look_ups: Sequence[pd.DataFrame],
    model: pd.DataFrame | None = None,
    imagenet: pd.DataFrame | None = None,
    full: pd.DataFrame | None = None,
) -> str:
    """Accuracy on `paper` and on `patients`, the change with its interval, and what it rests on: a section's table and its note.

    Each a frame of `ladder.scores_by_split` by protocol; model, imagenet, full (`full_size`): None where not run on both.
    """
    rows = {f"Look-up: {name}": one for name, one in zip(beside_look_ups.LOOK_UPS, look_ups)}
    trained = {
        "Miniature": model,
        "Larger, ImageNet weights": imagenet,
        "The paper's own, no ImageNet weights": full,
    }
    rows |= {f"{name}, {_seeds(one)}": one for name, one in trained.items() if one is not None}
    lines = []
    for name, score in rows.items():
        a, b = score.loc["paper"], score.loc["patients"]
        lines.append([name, _right(a), _right(b), words.shift(accuracies.changes(b, a)[0], 1, 100)])
    cells = pd.DataFrame(lines, columns=["", "Random split", "Patients apart", "Change"])
    tested = [
        f"{part.images:,.0f} images of {words.plural(part.groups, 'patient group')} {where}"
        for one, places in (
            (imagenet if model is None else model, (("paper", "on the random split"), ("patients", "on the five folds"))),
            (full, (("patients", "on the one split"),)),
        )
        if one is not None
        for part, where in ((one.loc[protocol], where) for protocol, where in places)
    ]  # fmt: skip
    note = (
        "Accuracy in percent / by picture, copies counted as one; patients apart: known ones. Change in points by file, with its 95% interval "
        f"{words.OVER} (chapter 17; of the paper's own networks chapter 25)."
    )
    if full is not None and (full["seeds"] == 1).all():
        note += f" {words.ONE_RUN}"
    note += f" Tested: {'; '.join(tested)}." if tested else ""
    if full is not None and SAME in full.index:
        note += f" There a miniature has {_right(full.loc[SAME])} ({_seeds(full)})."
    return (
        "## By how much\n\nTwo look-ups, which learn nothing, and networks trained on each split, are right on:\n\n"
        f"{tables.markdown(cells)}\n\n<small>{note}</small>\n"
    )


def _right(one: pd.Series) -> str:
    """`94.5 / 93.3`: percent by file and by picture."""
    return f"{100 * one.accuracy:.1f} / {100 * one.picture:.1f}"


def _seeds(score: pd.DataFrame) -> str:
    """`5 and 3 seeds`: of the random split and of patient-disjoint folds; `2 seeds` where both have as many."""
    *first, last = dict.fromkeys(score.loc[["paper", "patients"], "seeds"])
    return "".join(f"{count:.0f} and " for count in first) + words.plural(last, "seed")


def lost(scores: Sequence[pd.DataFrame], equal: Sequence[pd.DataFrame] = ()) -> str:
    """`21.9 to 24.8 points (by picture 20.8 to 24.0)`: the least and the most that methods lose from `paper` to `patients`;
    equal: the same of as many seeds on both, in the brackets."""
    drops = [_drops(scores, "{} points (by picture {}")]
    if equal:
        seeds = " and ".join(f"{one.loc['paper', 'seeds']:.0f}" for one in equal)
        drops.append(_drops(equal, f"of as many seeds on both splits, {seeds}: {{}}, by picture {{}}"))
    return "; ".join(drops) + ")"


def _drops(scores: Sequence[pd.DataFrame], text: str) -> str:
    """`text` with the ranges that `lost` tells, by file and by picture."""
    return text.format(
        *(
            " to ".join(dict.fromkeys(f"{100 * drop:.1f}" for drop in (min(drops), max(drops))))
            for name in ("accuracy", "picture")
            for drops in [[score.loc["paper", name] - score.loc["patients", name] for score in scores]]
        )
    )


def losses(
    folded: Sequence[pd.DataFrame], full: pd.DataFrame | None = None, equal: Sequence[pd.DataFrame] = ()
) -> str:
    """What trained networks lose with patients apart, those of the folds and the paper's own, which tested fewer patients;
    folded: models of the five folds, and equal (all of them): of the seeds that both splits have; full: as in `scored`."""
    own = [] if full is None else [full]
    if (not folded and not own) or not all(map(_fallen, (*folded, *own))):
        return ""
    said = [f"networks trained on the five folds lose {lost(folded, equal)}"] if folded else []
    for one in own:
        apart = one.loc["patients"]
        said.append(
            f"the paper's own ({_seeds(one)}, one split of {apart.images:,.0f} images of "
            f"{words.plural(apart.groups, 'patient group')}) lose {lost(own)}"
        )
    return f"With patients apart {', '.join(said)}.\n"


def _fallen(score: pd.DataFrame) -> bool:
    return all(score.loc["paper", kind] > score.loc["patients", kind] for kind in ("accuracy", "picture"))


def meaning(
    published: float,
    random: tuple[float, float],
    look_ups: Sequence[pd.DataFrame],
    trained: Sequence[pd.DataFrame] = (),
) -> str:
    """What follows for the claim; random: interval of the better look-up's accuracy on the random split; look_ups: those
    that have fallen with patients apart, none if not all have; trained: all trained models."""
    low, high = random
    if published > high:
        reach = "The published accuracy is above what a look-up reaches on such a split, but the split can't tell by how much"
    elif published < low:
        reach = "The published accuracy is below what a look-up reaches on such a split: remembering pictures would be enough for it"
    else:
        reach = (
            f"The published accuracy is within a look-up's interval on such a split ({low:.1%} to {high:.1%})"
        )
    if not look_ups:
        return f"**What it means.** {reach}. What it says about new patients, the look-ups don't tell."
    also = f", trained networks {lost(trained)}" if trained else ""
    if not all(map(_fallen, trained)):
        also = ", not all trained networks do"
    return f"**What it means.** {reach}. It says little about new patients: there look-ups lose {lost(look_ups)}{also}."


def full_size(chapter: Chapter) -> pd.DataFrame | None:
    """`accuracies.levels` of the paper's own networks on `paper` and on the single split `patients`; None where one lacks. `SAME`:
    the miniature on that split's images, by the same seeds."""
    small, tables = full_networks.records(chapter)
    own = {protocol: table.get(experiments.PROPOSED_FUSION, ()) for protocol, table in tables.items()}
    _, beside = worth.paired(*(side.get("patients", ()) for side in (own, small)))
    groups, pictures = splits.clusters(chapter.dataset), units.pictures(chapter.dataset)
    known = accuracies.levels(own | {SAME: beside}, groups, pictures)
    return known if set(folds.NAMES) <= set(known.index) else None


def rows(chapter: Chapter) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """`ladder.scores_by_split` of this profile's records, those of `transfer` beside them, and the floors; and `ladder.at_equal_seeds`, where
    a model has more seeds on one of both splits."""
    data = chapter.dataset
    records, imagenet = split_records.ladder_records(chapter), split_records.imagenet_records(chapter)
    equal = [ladder.at_equal_seeds(one, data) for one in (records, imagenet)]
    frame = ladder.scores_by_split(records, floors.read(data), data, imagenet=imagenet)
    return frame, [one for one in equal if one is not None]


def lines_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that are drawn: the models, and on each split the look-up that is right more often there."""
    look_ups = frame[frame["method"].isin(beside_look_ups.LOOK_UPS)]
    better = look_ups.loc[look_ups.groupby("protocol", sort=False)["accuracy"].idxmax()]
    models = frame[frame["method"].isin([split_records.MODEL, split_records.IMAGENET])]
    return pd.concat([models, better.assign(method=LOOK_UP)])


def described(frame: pd.DataFrame, published: float) -> str:
    """The drawing in words: each line's accuracy on the first and the last split that it is drawn for."""
    said = []
    for method, one in lines_of(frame).groupby("method", sort=False):
        score = one.set_index("protocol")["accuracy"].reindex(split_ladder.PROTOCOL_NAMES).dropna()
        ends = (
            f"{score[p]:.1%} ({' '.join(split_ladder.PROTOCOL_NAMES[p].split())})"
            for p in score.index[[0, -1]]
        )
        said.append(f"{method} from {' to '.join(ends)}")
    return f"Accuracy, split by split: {'; '.join(said)}. A diamond: the paper's {published:.1%}. Dashes: by picture."


def caption(frame: pd.DataFrame) -> str:
    """What the drawing's marks are, in a line below it."""
    shown = lines_of(frame)
    drawn_on = shown.groupby("method")["protocol"].nunique()
    dots = " Dotted: passes splits that were not run." if drawn_on.min() < drawn_on.max() else ""
    return f"<small>Bars: 95% intervals. Dashes: by picture, copies counted as one. 1-NN: on each split the better of two look-ups.{dots}</small>\n"


def drawn(frame: pd.DataFrame, published: float, size: tuple[float, float]) -> Drawing:
    """The ladder of the models and the look-up, `size` inches: low enough for the first screen."""
    return split_ladder.emblem(lines_of(frame), published, size)


def write(chosen: Settings, profile: str, data: Dataset, book: Path) -> list[Path]:
    """Write _generated/first_screen.md and, for the real images, the ladder's pictures."""
    folder = book / "_generated"
    page, pictures = folder / "first_screen.md", [folder / name for name in PICTURES]
    if chosen.data.source == "phantom":
        said = "These pages show phantoms, made by a program: what was found is about the real images, and is not in them."
        write_text(page, "\n".join([title(), claimed() + "\n", said, DOORS]))
        return [page]
    chapter = Chapter(profile, settings.load(profile), data)
    frame, equal = rows(chapter)
    look_ups, models = (
        [frame[frame["method"] == name].set_index("protocol") for name in names]
        for names in (beside_look_ups.LOOK_UPS, (split_records.MODEL, split_records.IMAGENET))
    )
    both = [one if {"paper", "patients"} <= set(one.index) else None for one in models]
    claim, full = _claim() / 100, full_size(chapter)
    parts = [
        title(),
        claimed() + "\n",
        f"[{' '.join(f'![{described(frame, claim)}](_generated/{name})' for name in PICTURES)}](notebooks/17_leakage_ladder.ipynb)\n",
        caption(frame),
        found(groups.load(), seen_in_training.shares(data)) + "\n",
        meaning(
            claim,
            tuple(beside_look_ups.look_up(frame, "paper")[["low", "high"]]),
            look_ups if beside_look_ups.fallen(frame) else (),
            [one for one in (*both, full) if one is not None],
        ),
        DOORS,
        scored(look_ups, *both, full),
        losses([one for one in both if one is not None], full, equal),
    ]
    for picture in pictures:
        write_text(picture, drawn(frame, claim, PICTURES[picture.name]).svg())
    write_text(page, "\n".join(parts))
    return [page, *pictures]
