"""Chapter 20: how far maps point into tumours: beside maps that don't know the image, on black, by class, size and answer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, heatmaps, tumours
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.findings import map_localisation
from gcaf_lib.findings.words import by_side, shift, some, spans

BLACK = 16  # of 255: darker is no tissue


def black_said(maps: map_localisation.Maps, small: np.ndarray, clusters: np.ndarray) -> str:
    """`black_words` of the map that is spoken of; small: all preprocessed images (N, S, S, 3)."""
    found = [on_black(maps.kept[r.key][maps.shown], np.asarray(small[r.rows()])) for r in maps.runs]
    energy, area = np.concatenate(found).T
    groups = np.concatenate([clusters[r.rows()] for r in maps.runs])
    return black_words(*(clustered.mean(v, groups) for v in (energy, area, energy - area)))


def by_size(scores: pd.DataFrame) -> pd.DataFrame:
    """`map_localisation.mean_scores` by third of the tumour's size, small ones first."""
    found = map_localisation.mean_scores(scores, "size")
    return found.sort_values(
        "size", key=lambda sizes: sizes.map(map_localisation.TERCILES.index), kind="stable"
    )


def by_answer(scores: pd.DataFrame, pictures: np.ndarray) -> pd.DataFrame:
    """`sized` by whether the answer was right."""
    return sized(scores.assign(right=np.where(scores["right"], "right", "wrong")), "right", pictures)


def sized(scores: pd.DataFrame, by: str, pictures: np.ndarray) -> pd.DataFrame:
    """`map_localisation.mean_scores`, and of how many pictures and patient groups each line is; pictures (N,): `units.pictures`."""
    parts = scores.groupby(by, observed=True)
    counts = parts.agg(
        pictures=("row", lambda rows: len(np.unique(pictures[rows]))), groups=("group", "nunique")
    )
    return map_localisation.mean_scores(scores, by).join(counts, on=by)


def counted(found: pd.DataFrame, by: str) -> pd.DataFrame:
    """`map_localisation.wide` of `sized`, with its pictures and patient groups beside its images."""
    lines = found.loc[found["measure"] == "iou", ["n", "pictures", "groups"]]
    counts = {"Images (pictures, groups)": [f"{n:,} ({p:,}, {g:,})" for n, p, g in lines.to_numpy()]}
    return map_localisation.wide(found, by).drop(columns="Images").assign(**counts)


def cells_table(both: pd.DataFrame) -> pd.DataFrame:
    """`cells` for readers."""
    table = counted(both, "cell").rename(columns={"cell": "Class, size"})
    return table[["Class, size", *(column for column in table if column != "Class, size")]]


def rivals_table(rivals: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A reader's table of `map_localisation.score_differences` for each rival."""
    parts = [d.assign(rival=names.map_name(key)) for key, d in rivals.items()]
    frame = pd.concat(parts, ignore_index=True)
    told = [frame["low"] > 0, frame["high"] < 0]
    columns = {
        "Measure": frame["measure"].map(names.MEASURE_NAMES),
        "Against": frame["rival"],
        "Map minus rival (95% interval)": spans(frame, "difference", 3),
        "Verdict": np.select(told, ["map better", "map worse"], "no detectable difference"),
    }
    return pd.DataFrame(columns)


def on_black(maps: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Of each map the share of its energy on black, and black's share of the image: (n, 2)."""
    dark = images.max(3) < BLACK
    energy = heatmaps.upsample(maps, dark.shape[1:])
    inside = (energy * dark).sum((1, 2)) / np.maximum(energy.sum((1, 2)), 1e-9)
    return np.column_stack([inside, dark.mean((1, 2))])


def cells(scores: pd.DataFrame, maps: Sequence[str], pictures: np.ndarray) -> pd.DataFrame:
    """`sized` of these maps by class and third of the size, in their order."""
    part = scores[scores["map"].isin(maps)]
    part = part.assign(cell=part["class"] + ", " + part["size"].astype(str))
    rank = {
        v: k
        for k, v in enumerate(
            [*(f"{c}, {s}" for c in CLASS_NAMES.values() for s in map_localisation.TERCILES), *maps]
        )
    }
    both = sized(part, "cell", pictures)
    return both.sort_values(["cell", "map"], key=lambda column: column.map(rank))


def cells_caption(scores: pd.DataFrame) -> str:
    """What `cells_table` shows, and where the thirds of the tumours' sizes end; scores: of `map_localisation.Maps`."""
    ends = " and ".join(f"{edge:.2%}" for edge in map_localisation.tercile_limits(scores))
    return (
        f"By class and third of the tumour's size (thirds of all tumours here: up to {ends} of the image): mean and 95% "
        "cluster-bootstrap interval over patient groups. An image counts once a run."
    )


def cells_said(scores: pd.DataFrame, maps: Sequence[str]) -> str:
    """In which classes and sizes the first map points into the tumour more often than every other, and where less than one."""
    shown, *rivals = maps
    sides: dict[str, list[str]] = {"above": [], "below": []}
    for name, size in itertools.product(CLASS_NAMES.values(), map_localisation.TERCILES):
        part = scores[(scores["class"] == name) & (scores["size"] == size)]
        if part.empty:
            continue
        found = [
            map_localisation.score_differences(part, shown, rival).set_index("measure").loc["pointing"]
            for rival in rivals
        ]
        if all(d.low > 0 for d in found):
            sides["above"].append(f"{size} {name.lower()}")
        elif any(d.high < 0 for d in found):
            sides["below"].append(f"{size} {name.lower()}")
    return (
        f"*Pointing game*, on the same images and without an adjustment for so many comparisons: above both yardsticks in {some(sides['above'])}; below at least one "
        f"in {some(sides['below'])}."
        + (" An average over the cells hides that." if all(sides.values()) else "")
    )


def tumour_said(
    chosen: str | None, rivals: Mapping[str, pd.DataFrame], scores: pd.DataFrame, phantoms: bool = False
) -> str:
    """Does the chosen map beat maps that don't know the image? rivals: name to `map_localisation.score_differences`.

    scores: of `map_localisation.mean_scores`. Where no map passed the control, nothing is concluded.
    """
    if chosen is None:
        return "No map passes the control, so neither a win nor a loss above is evidence about the model."
    words = {
        tumours.CENTRE: "the centre of the image",
        tumours.PLACE: "the usual place of the class it names",
    }
    hit = scores.set_index(["map", "measure"])["mean"]
    text = "".join(_rival(words[rival], frame) for rival, frame in rivals.items())
    text += (
        f"It points into the tumour on {hit[chosen, 'pointing']:.1%} of the images (a random map on "
        f"{hit[tumours.RANDOM, 'pointing']:.1%}), and {hit[chosen, 'energy']:.1%} of its energy lies inside."
    )
    if phantoms:
        text += (
            " These are phantoms and a model trained for minutes: the page shows the method, not a finding."
        )
    return text


def _rival(rival: str, frame: pd.DataFrame) -> str:
    d = frame.set_index("measure")
    point = d.loc["pointing"]
    difference = shift(Interval(*point[["difference", "low", "high"]]), 3)
    told = by_side(point, "loses to", "beats", "is not distinguishable from")
    better, worse = (
        [_lowered(names.MEASURE_NAMES[m]) for m in d.index[side]] for side in (d["low"] > 0, d["high"] < 0)
    )
    return (
        f"**In the pointing game the map {told} {rival}**, {difference}; "
        f"of {len(d)} measures it is better in {some(better)} and worse in {some(worse)}. "
    )


def _lowered(name: str) -> str:
    """A measure's name inside a sentence: `IoU` stays as it is."""
    return name if name.startswith("IoU") else name[0].lower() + name[1:]


def black_words(part: Interval, area: Interval, extra: Interval) -> str:
    """How much of the maps lies where there is no tissue: share of the energy, of the image, their difference."""
    told = by_side(
        extra,
        "That is less than a flat map would put there, but that energy still points at no tissue.",
        "The maps prefer what is not tissue.",
        "The maps take no notice of whether there is tissue.",
    )
    return (
        f"{part.value:.1%} ({part.low:.1%} to {part.high:.1%}) of the energy lies on black, which takes {area.value:.1%} "
        f"of the image. {told}"
    )
