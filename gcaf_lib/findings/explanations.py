"""Chapter 20: the control of explanations as tables and pictures, and sentences that turn on numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import gallery, names, overlays
from gcaf_lib.display.style import CLASS_NAMES, NO_MAPS
from gcaf_lib.evaluation import clustered, control, heatmaps, tumours
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.findings import borders, predictions
from gcaf_lib.findings.words import change, plural, shift, some, spans, verb
from gcaf_lib.terminal import cut
from gcaf_lib.training.runs import RunError

BLACK = 16  # of 255: darker is no tissue
VERDICTS = (control.PASSES, control.FAILS, control.SILENT)
CONTROL = (  # caption of `control_table`
    f"The control: mean over {len(control.SEEDS)} seeds (worst to best) of {control.SIZES['test']} pictures each (occlusion: "
    f"{control.OCCLUDED}). *Near*: within 7% of the picture's side. *Untrained*: the same map of untrained models, all without "
    "LayerNorm, by which both kinds are judged. A map passes if its maximum lies on the mark in at least "
    f"{control.ENOUGH:.0%} of the pictures with every seed, and with untrained models in at most {control.LEAK:.0%}."
)


# --- the control ---


def control_table(judged: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `control.judged`."""
    return pd.DataFrame(
        {
            "Map": names.control_names(judged),
            "LayerNorm": np.where(judged["projection_norm"], "yes", "no"),
            "Backbone alone right": [share(v) for v in judged["alone"]],
            "Points at the mark": [
                f"{share(v)} ({share(a)} to {share(b)})"
                for v, a, b in judged[["pointing", "low", "high"]].to_numpy(float)
            ],
            "Or near it": [share(v) for v in judged["tolerant"]],
            "Untrained": [share(v) for v in judged["blind"]],
            "Energy inside": [share(v) for v in judged["energy"]],
            "Verdict": np.where(judged["map"] == tumours.RANDOM, "–", judged["verdict"]),
        }
    )


def share(value: float) -> str:
    """`82%`; a dash where there is no value."""
    return "–" if not np.isfinite(value) else f"{100 * value:.0f}%"


def stored_name(key: tuple[str, str, str]) -> str | None:
    """Under which name run records keep this map of the control; None where they don't."""
    map, method, place = key
    if map == control.WHOLE:
        return method
    return map if (method, place) == control.PAPER else None


def passing(judged: pd.DataFrame, norm: bool) -> pd.DataFrame:
    """The maps that pass, of models with LayerNorm behind the projection (`norm`) or of those without."""
    return judged[(judged["projection_norm"] == norm) & (judged["verdict"] == control.PASSES)]


def subject(judged: pd.DataFrame, norm: bool, kept: Sequence[str]) -> str | None:
    """Of the maps `kept` by runs, the one that passes the control and points best there; None: none passes.

    norm: whether the runs have LayerNorm behind the projection. A control of the other model says nothing.
    """
    best = passing(judged, norm).sort_values("pointing", ascending=False)[control.KEY]
    stored = (stored_name(tuple(key)) for key in best.to_numpy())
    return next((name for name in stored if name in kept), None)


def control_words(judged: pd.DataFrame) -> str:
    """What the control says of the maps: which pass, how many fail, and of which it says nothing."""
    text = ""
    real = judged[judged["map"] != tumours.RANDOM]
    for norm, part in real.groupby("projection_norm"):
        text += (
            f"**{'With LayerNorm behind the projection' if norm else 'As built'}** the model is right on "
            f"{share(part['accuracy'].mean())} of the pictures. "
        )
        if part["accuracy"].min() < control.RIGHT:
            text += "That is too few to tell what its maps are worth. "
        by = {v: part[part["verdict"] == v].sort_values("pointing", ascending=False) for v in VERDICTS}
        if len(good := by[control.PASSES]):
            named = zip(names.control_names(good), map(share, good["pointing"]))
            said = "; ".join(f"{name} ({pointing})" for name, pointing in named)
            text += f"{len(good)} of {plural(len(part), 'map')} {verb(len(good), 'passes', 'pass')}: {said}. "
        else:
            text += f"**None of {plural(len(part), 'map')} passes.** "
        if len(failing := by[control.FAILS]):
            ends = dict.fromkeys(map(share, (failing["pointing"].min(), failing["pointing"].max())))
            text += f"**{len(failing)} {verb(len(failing), 'fails', 'fail')}**, pointing at the mark on {' to '.join(ends)}. "
        silent = by[control.SILENT]
        unmeasured = silent["blind"].isna()
        if len(unlearnt := silent[~unmeasured]):
            text += f"Of {len(unlearnt)} nothing can be said: the backbone alone, or the model, did not learn the marks. "
        if unmeasured.any():
            text += (
                f"Of {unmeasured.sum()} nothing can be said: no untrained model was measured beside them. "
            )
        for row in control.papers(part).itertuples():
            text += f"The usual reading of the paper's figure, Grad-CAM on the last maps, both backbones: **{row.verdict}** ({share(row.pointing)}). "
    return text + blind_words(real)


def blind_words(judged: pd.DataFrame) -> str:
    """What the negative control says: maps of untrained models."""
    known = judged.dropna(subset="blind")
    if known.empty:
        return ""
    most, over = known["blind"].max(), known[known["blind"] > control.LEAK]
    text = f"Maps of untrained models point at the mark, in the mean over seeds, on at most {share(most)}"
    if over.empty:
        return text + f"; chance is {share(known['chance'].mean())}."
    named = sorted(set(names.control_names(over)))
    return (
        text
        + f". On more than {control.LEAK:.0%}, which no map that passes may: {'; '.join(named)}, which respond to what stands out even when untrained."
    )


def subject_words(judged: pd.DataFrame, norm: bool, kept: Sequence[str]) -> str:
    """On which of the runs' maps this chapter's conclusions rest, if on any."""
    chosen = subject(judged, norm, kept)
    alike = judged[judged["projection_norm"] == norm]
    if alike.empty:
        return (
            "**The control was not run for models like these runs': no conclusion about tumours is drawn.**"
        )
    if chosen is None:
        return (
            "**None of the maps that these runs keep passes the control. The tables below say where such maps lie; "
            "nothing is concluded from them about what the model looks at.**"
        )
    unkept = [
        names.control_name(*key)
        for key in passing(judged, norm)[control.KEY].to_numpy()
        if stored_name(tuple(key)) not in kept
    ]
    text = f"What follows about tumours rests on one map that passes: **{names.map_name(chosen)}**. "
    if unkept:
        text += f"Of those that pass, run records do not keep {' and '.join(unkept)}. "
    if chosen != tumours.FUSED and len(paper := control.papers(alike)):
        text += f"The usual reading of the paper's figure, Grad-CAM on the last maps, stands beside it ({paper['verdict'].iloc[0]} here)."
    return text


# --- tumours ---


class Maps(NamedTuple):
    """What a page looks at: runs with their maps' scores, and the one map that is spoken of.

    names: maps of the runs in their order; chosen: the one that passes the control and points best there, or None;
    kept: run key to its stored maps (n, h, w) by name; images: `tumours.read_images`.
    """

    runs: list[Any]
    scores: pd.DataFrame
    names: list[str]
    chosen: str | None
    kept: dict[str, dict[str, np.ndarray]]
    images: pd.DataFrame

    @property
    def shown(self) -> str:
        return self.chosen or tumours.FUSED


def gather(
    main: Sequence[Any], apart: Sequence[Any], dataset: Any, verdicts: pd.DataFrame, clusters: np.ndarray
) -> Maps:
    """The runs on patient-disjoint folds, or those of the random split, with the scores of their maps; verdicts: `control.judged`."""
    images, candidates = tumours.read_images(dataset), apart or main
    found = tumours.read(candidates, dataset)
    runs = tumours.runs_of(found, candidates)
    if not runs:
        raise RunError(f"this chapter is about heat maps, and none of its runs keeps any. {NO_MAPS}")
    known = [*tumours.backbone_maps(runs[0]), tumours.FUSED, *tumours.whole_maps(runs[0])]
    kept = {}
    for r in (*runs, *main):
        if r.maps is not None and r.key not in kept:
            own = tumours.backbone_maps(r)
            kept[r.key] = {tumours.FUSED: heatmaps.fused(own, 8), **own, **tumours.whole_maps(r)}
    scores = borders.judged(found, runs, dataset, images, clusters)
    every = [*known, tumours.PLACE, tumours.CENTRE, tumours.EDGE, tumours.RANDOM]
    scores["map"] = pd.Categorical(scores["map"], every, ordered=True)
    scores = scores.sort_values(["map", "run", "row"])
    chosen = subject(verdicts, runs[0].settings.model.projection_norm, known)
    return Maps(runs, scores, known, chosen, kept, images)


def what(maps: Maps, verdicts: pd.DataFrame, phantoms: bool) -> str:
    """Which runs' maps the page looks at, and which of them it speaks of."""
    settings = maps.runs[0].settings
    apart = settings.data.protocol == "patients"
    source = source_words(maps.runs, apart, maps.scores, maps.images, phantoms)
    return f"{source}\n\n{subject_words(verdicts, settings.model.projection_norm, maps.names)}"


def black(maps: Maps, small: np.ndarray, clusters: np.ndarray) -> str:
    """`black_words` of the map that is spoken of; small: all preprocessed images (N, S, S, 3)."""
    found = [on_black(maps.kept[r.key][maps.shown], np.asarray(small[r.rows()])) for r in maps.runs]
    energy, area = np.concatenate(found).T
    groups = np.concatenate([clusters[r.rows()] for r in maps.runs])
    return black_words(*(clustered.mean(v, groups) for v in (energy, area, energy - area)))


def by_size(scores: pd.DataFrame) -> pd.DataFrame:
    """`borders.scores` by third of the tumour's size, small ones first."""
    found = borders.scores(scores, "size")
    return found.sort_values("size", key=lambda sizes: sizes.map(borders.TERCILES.index), kind="stable")


def by_answer(scores: pd.DataFrame, pictures: np.ndarray) -> pd.DataFrame:
    """`sized` by whether the answer was right."""
    return sized(scores.assign(right=np.where(scores["right"], "right", "wrong")), "right", pictures)


def sized(scores: pd.DataFrame, by: str, pictures: np.ndarray) -> pd.DataFrame:
    """`borders.scores`, and of how many pictures and patient groups each line is; pictures (N,): `worth.pictures`."""
    parts = scores.groupby(by, observed=True)
    counts = parts.agg(
        pictures=("row", lambda rows: len(np.unique(pictures[rows]))), groups=("group", "nunique")
    )
    return borders.scores(scores, by).join(counts, on=by)


def counted(found: pd.DataFrame, by: str) -> pd.DataFrame:
    """`borders.wide` of `sized`, with its pictures and patient groups beside its images."""
    lines = found.loc[found["measure"] == "iou", ["n", "pictures", "groups"]]
    counts = {"Images (pictures, groups)": [f"{n:,} ({p:,}, {g:,})" for n, p, g in lines.to_numpy()]}
    return borders.wide(found, by).drop(columns="Images").assign(**counts)


def cells_table(both: pd.DataFrame) -> pd.DataFrame:
    """`cells` for readers."""
    table = counted(both, "cell").rename(columns={"cell": "Class, size"})
    return table[["Class, size", *(column for column in table if column != "Class, size")]]


def tiles(maps: Maps, dataset: Any, small: np.ndarray) -> tuple[list[gallery.Case], pd.DataFrame]:
    """Best, middle and worst right answers and all wrong ones of the first seed for the gallery, and all `cases`."""
    runs = {r.key: r for r in maps.runs if r.seed == maps.runs[0].seed}
    known = cases(list(runs.values()), maps.scores[maps.scores["map"] == maps.shown], dataset)
    why = gallery.choose(known)
    picked = known.loc[sorted(why, key=lambda i: ("misclassified" in why[i], known.loc[i, "label"], i))]
    outlines = overlays.outlines(dataset, picked["row"])
    found = [
        gallery.Case(
            Path(dataset.frame["file"].iloc[c.row]).stem,
            small[c.row],
            c.label,
            runs[c.run].probabilities()[c.at],
            maps.kept[c.run][maps.shown][c.at],
            border,
            c.energy,
            why[c.Index],
        )
        for c, border in zip(picked.itertuples(), outlines)
    ]
    return found, known


def best_and_worst(found: Sequence[gallery.Case], classes: Sequence[str]) -> dict[str, Any]:
    """`overlays.gradcam_rows`' arguments for the best, middle and worst tile of each class."""
    picks = [
        (tile, word)
        for word in ("best", "median", "worst")
        for k in range(len(classes))
        for tile in [t for t in found if t.label == k and word in t.why][:1]
    ]
    return {
        "images": [tile.image for tile, _ in picks],
        "maps": {"map": [tile.map for tile, _ in picks]},
        "titles": [f"{CLASS_NAMES[classes[t.label]].replace('ingioma', '.')}\n{word}" for t, word in picks],
        "borders": [tile.border for tile, _ in picks],
    }


def gallery_caption(found: Sequence[gallery.Case], known: pd.DataFrame, seed: int) -> str:
    """What the gallery shows; known: all `cases` of the seed."""
    part = "test part" if known["run"].nunique() == 1 else "test parts"
    drawn = any(tile.border is not None for tile in found)
    return (
        f"{len(found):,} cases: {(~known['right']).sum():,} wrong answers of {len(known):,} on the {part} of seed {seed}, and right answers with "
        "the map most, middling and least inside the tumour. "
        + ("Borders in light blue." if drawn else "Borders are not drawn: the figshare data is not at hand.")
    )


def source_words(
    runs: Sequence[Any], apart: bool, scores: pd.DataFrame, images: pd.DataFrame, phantoms: bool = False
) -> str:
    """Which runs' maps, on which images, against whose borders. apart: the runs keep patients apart."""
    folds, seeds = len({r.settings.data.fold for r in runs}), len({r.seed for r in runs})
    seen = scores.drop_duplicates("row")
    shapes = {m.shape[1:] for m in tumours.backbone_maps(runs[0]).values()}
    finest = max(h * w for h, w in shapes)
    where = (
        f"on patient-disjoint folds ({folds} of {splits.FOLDS} folds, {plural(seeds, 'seed')})"
        if apart
        else f"on the `{runs[0].settings.data.protocol}` split ({plural(seeds, 'seed')}), whose test part may share "
        "patients with training"
    )
    drawn = (
        "the drawn lesions of phantoms"
        if phantoms
        else "as radiologists drew it for the figshare collection, recovered in chapter 16 and mapped onto the files of this dataset "
        f"({images['area'].notna().sum():,} of all files have one)"
    )
    return (
        f"Maps of {plural(len(runs), 'run')} {where}, on {len(seen):,} test images of {seen['group'].nunique():,} patient "
        f"groups whose tumour border is known: {drawn}. Files whose border can't be trusted are left out. Half of these tumours take at most "
        f"{cut(seen['area'].median(), 1, up=True, scale=100)}% of the image; maps and borders meet on {tumours.SIDE} × {tumours.SIDE} cells, the "
        f"maps themselves have {' and '.join(f'{h} × {w}' for h, w in sorted(shapes))}. {(seen['area'] < 1 / finest).mean():.0%} of these tumours are smaller than one cell of a "
        "map, which bounds what *energy inside* and *IoU* can reach; the yardsticks of the centre and of the usual place are drawn on the finer cells."
    )


def rivals_table(rivals: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A reader's table of `borders.against` for each rival."""
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


def cells(
    scores: pd.DataFrame, maps: Sequence[str], classes: Sequence[str], pictures: np.ndarray
) -> pd.DataFrame:
    """`sized` of these maps by class and third of the size, in their order."""
    part = scores[scores["map"].isin(maps)]
    part = part.assign(cell=part["class"] + ", " + part["size"].astype(str))
    rank = {v: k for k, v in enumerate([*(f"{c}, {s}" for c in classes for s in borders.TERCILES), *maps])}
    both = sized(part, "cell", pictures)
    return both.sort_values(["cell", "map"], key=lambda column: column.map(rank))


def cells_caption(scores: pd.DataFrame) -> str:
    """What `cells_table` shows, and where the thirds of the tumours' sizes end; scores: of `Maps`."""
    ends = " and ".join(f"{edge:.2%}" for edge in borders.edges(scores))
    return (
        f"By class and third of the tumour's size (thirds of all tumours here: up to {ends} of the image): mean and 95% "
        "cluster-bootstrap interval over patient groups. An image counts once a run."
    )


def cells_words(scores: pd.DataFrame, shown: str, rivals: Sequence[str], classes: Sequence[str]) -> str:
    """In which classes and sizes the shown map points into the tumour more often than every rival, and where less than one."""
    sides: dict[str, list[str]] = {"above": [], "below": []}
    for name, size in itertools.product(classes, borders.TERCILES):
        part = scores[(scores["class"] == name) & (scores["size"] == size)]
        if part.empty:
            continue
        found = [borders.against(part, shown, rival).set_index("measure").loc["pointing"] for rival in rivals]
        if all(d.low > 0 for d in found):
            sides["above"].append(f"{size} {name.lower()}")
        elif any(d.high < 0 for d in found):
            sides["below"].append(f"{size} {name.lower()}")
    return (
        f"*Pointing game*, on the same images and without an adjustment for so many comparisons: above both yardsticks in {some(sides['above'])}; below at least one "
        f"in {some(sides['below'])}."
        + (" An average over the cells hides that." if all(sides.values()) else "")
    )


def cases(runs: Sequence[Any], scores: pd.DataFrame, dataset: Any) -> pd.DataFrame:
    """One row a test image of these runs: run, at (which of its images), `predictions.answers`, the map's energy inside."""
    told = {r.key: predictions.answers(r, dataset) for r in runs}
    every = pd.concat(told, names=["run", "at"]).reset_index()
    return every.merge(scores[["run", "row", "energy"]], how="left", on=["run", "row"])


def tumour_words(
    chosen: str | None, rivals: Mapping[str, pd.DataFrame], hit: pd.Series, phantoms: bool = False
) -> str:
    """Does the chosen map beat maps that don't know the image? rivals: name to `borders.against`.

    hit: mean by (map, measure). Where no map passed the control, nothing is concluded.
    """
    if chosen is None:
        return "No map passes the control, so neither a win nor a loss above is evidence about the model."
    words = {
        tumours.CENTRE: "the centre of the image",
        tumours.PLACE: "the usual place of the class it names",
    }
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
    told = change(point, "loses to", "beats", "is not distinguishable from")
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
    told = change(
        extra,
        "That is less than a flat map would put there, but that energy still points at no tissue.",
        "The maps prefer what is not tissue.",
        "The maps take no notice of whether there is tissue.",
    )
    return (
        f"{part.value:.1%} ({part.low:.1%} to {part.high:.1%}) of the energy lies on black, which takes {area.value:.1%} "
        f"of the image. {told}"
    )
