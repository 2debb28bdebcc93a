"""Chapter 20: the runs' maps with their scores, the one that is spoken of, and cases to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import gallery, overlays
from gcaf_lib.display.style import CLASS_NAMES, NO_MAPS
from gcaf_lib.evaluation import heatmaps, tumours
from gcaf_lib.findings import agreement, image_answers, map_control, map_localisation
from gcaf_lib.findings.words import plural
from gcaf_lib.terminal import cut
from gcaf_lib.training.runs import RunError


def gather(
    main: Sequence[Any], apart: Sequence[Any], dataset: Any, verdicts: pd.DataFrame, clusters: np.ndarray
) -> map_localisation.Maps:
    """The runs on patient-disjoint folds, or those of the random split, with the scores of their maps; verdicts: `control.map_verdicts`."""
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
    scores = map_localisation.scores_and_answers(found, runs, dataset, images, clusters)
    every = [*known, tumours.PLACE, tumours.CENTRE, tumours.EDGE, tumours.RANDOM]
    scores["map"] = pd.Categorical(scores["map"], every, ordered=True)
    scores = scores.dropna(subset="map").sort_values(["map", "run", "row"]).astype({"map": str})
    chosen = map_control.subject(verdicts, runs[0].settings.model.projection_norm, known)
    return map_localisation.Maps(runs, scores, known, chosen, kept, images)


def maps_said(
    maps: map_localisation.Maps, verdicts: pd.DataFrame, randomised: pd.DataFrame | None, phantoms: bool
) -> str:
    """Which runs' maps the page looks at, which of them it speaks of, and what `sanity.read` of random weights leaves open."""
    settings = maps.runs[0].settings
    apart = settings.data.protocol == "patients"
    source = source_said(maps.runs, apart, maps.scores, maps.images, phantoms)
    subject = map_control.subject_said(verdicts, settings.model.projection_norm, maps.names)
    return f"{source}\n\n{subject}{agreement.untrained_check_said(randomised, maps.chosen)}"


def tiles(
    maps: map_localisation.Maps, dataset: Any, small: np.ndarray
) -> tuple[list[gallery.Case], pd.DataFrame]:
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
        f"{plural(len(found), 'case')}: {plural((~known['right']).sum(), 'wrong answer')} of {len(known):,} on the {part} of seed {seed}, and right answers with "
        "the map most, middling and least inside the tumour. "
        + ("Borders in light blue." if drawn else "Borders are not drawn: the figshare data is not at hand.")
    )


def source_said(
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


def cases(runs: Sequence[Any], scores: pd.DataFrame, dataset: Any) -> pd.DataFrame:
    """One row a test image of these runs: run, at (which of its images), `image_answers.of_run`, the map's energy inside."""
    told = {r.key: image_answers.of_run(r, dataset) for r in runs}
    every = pd.concat(told, names=["run", "at"]).reset_index()
    return every.merge(scores[["run", "row", "energy"]], how="left", on=["run", "row"])
