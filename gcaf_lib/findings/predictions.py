"""Chapter 10: answers of one run, how sure they are, and how wide its Grad-CAM maps spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import tables
from gcaf_lib.display.names import backbone_name
from gcaf_lib.display.style import CLASS_NAMES, NO_MAPS
from gcaf_lib.evaluation import control, heatmaps, tumours

SURE = 0.9


def right_sample(answers: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Two right answers of each class (fewer where there are fewer), drawn at random."""
    rng = np.random.default_rng(seed)
    chosen = [
        rng.permutation(np.flatnonzero(answers["right"] & (answers["label"] == k)))[:2]
        for k in range(answers.columns.str.startswith("p_").sum())
    ]
    return answers.iloc[np.concatenate(chosen)]


def mistakes(answers: pd.DataFrame, most: int = 8) -> pd.DataFrame:
    """The wrong answers with the highest confidence, surest first."""
    return answers[~answers["right"]].sort_values("confidence", ascending=False, kind="stable").head(most)


def confidences_said(records: Sequence[Any]) -> str:
    """Mean confidence of right and wrong answers over the seeds, and how many wrong ones were sure."""
    lines = []
    for r in records:
        top, ok = r.probabilities().max(1), r.right()
        wrong = top[~ok].mean() if (~ok).any() else np.nan
        lines.append((top[ok].mean(), wrong, float((~ok).sum()), float((top[~ok] > SURE).sum())))
    right, wrong, errors, sure = zip(*lines)
    return (
        f"Mean confidence of right answers: {tables.mean_sd_n(right, 3)}; of wrong ones: {tables.mean_sd_n(wrong, 3)}. Wrong answers per seed: "
        f"{tables.mean_sd_n(errors, 1)}, of which with a confidence above {SURE:g}: {tables.mean_sd_n(sure, 1)}."
    )


def cams(record: Any, answers: pd.DataFrame) -> dict[str, np.ndarray]:
    """The run's Grad-CAM maps (n, h, w) of some rows of `image_answers.of_run`, by backbone, and "fused"; none where it keeps none."""
    if record.maps is None:
        return {}
    at = pd.Index(record.maps["rows"]).get_indexer(answers["row"])  # maps of the whole test part are kept
    own = {backbone_name(name): maps for name, maps in tumours.backbone_maps(record, at).items()}
    return own | {"fused": heatmaps.fused(own, 64)}


def titles(answers: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """What each answer names, and that it is wrong where it is."""
    names = [CLASS_NAMES[classes[k]] for k in answers["predicted"]]
    return [name if right else f"wrong:\n{name}" for name, right in zip(names, answers["right"])]


def spreads(records: Sequence[Any]) -> pd.DataFrame:
    """Share of the image in which the fused map exceeds half its maximum: a line a run that keeps maps, a column a
    predicted class."""
    lines = []
    for r in (r for r in records if r.maps is not None):
        wide = pd.Series((heatmaps.fused(tumours.backbone_maps(r), 32) > 0.5).mean((1, 2)))
        lines.append(wide.groupby(r.maps["target"]).mean())
    frame = pd.DataFrame(lines).reset_index(drop=True).sort_index(axis=1)
    return frame.rename(columns=lambda k: CLASS_NAMES[records[0].settings.data.classes[int(k)]])


def spreads_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`spreads` for readers."""
    cells = [tables.mean_sd_n(frame[c], 1, 100) for c in frame]
    return pd.DataFrame({"Predicted class": frame.columns, "Share of the image (%)": cells})


def spreads_said(frame: pd.DataFrame) -> str:
    """Whether maps of images without a tumour are the widest, as the paper says; frame: `spreads`.

    No column: no run keeps maps. The two widest are a tie where their means are closer than the larger of their standard deviations over runs.
    """
    if frame.empty:
        return NO_MAPS
    order, free = frame.mean().sort_values(ascending=False), CLASS_NAMES["notumor"]
    if len(order) == 1:
        return f"All answers are {order.index[0].lower()}: there is no order of classes to compare with the paper's. "
    said = [f"{name.lower()} ({100 * mean:.1f}%)" for name, mean in order.items()]
    first = order.head(2)
    if free in first and len(first) == 2 and first.iloc[0] - first.iloc[1] < frame[first.index].std().max():
        text = f"The maps of {said[0]} are the widest on average, but those of {said[1]} are as wide within the spread of the seeds"
        text += f"; those of {said[-1]} are the narrowest. " if len(said) > 2 else ". "
        text += "That maps are concentrated wherever there is a tumour is not what these runs show. "
    elif frame.count().min() < 2:
        text = f"Widest are the maps of {said[0]}, narrowest those of {said[-1]}; this is one run, and no order of classes can be told from it. "
    elif free not in order:
        text = f"Widest are the maps of {said[0]}, narrowest those of {said[-1]}: without maps of images without a tumour the paper's order can't be checked. "
    else:
        agree = "agree" if order.index[0] == free else "don't agree"
        text = f"Widest are the maps of {said[0]}, narrowest those of {said[-1]}: in this order the runs {agree} with the paper. "
    return (
        f"{text}Whether the maps point at the tumour is a matter of measurement, not of a few pictures: chapter 20 takes the test images "
        "with a known border, on patient-disjoint folds, and compares maps with baselines that see nothing of the image, such as one at its centre."
    )


def control_said(verdicts: pd.DataFrame, norm: bool) -> str:
    """What chapter 20's control says of these maps (verdicts: `control.map_verdicts`; norm: whether the runs have LayerNorm)."""
    own = control.paper_map(verdicts[verdicts["projection_norm"] == norm])
    if own.empty:
        return "Chapter 20's control was not run for models like these: what these maps show is not known."
    verdict, pointing = own["verdict"].item(), own["pointing"].item()
    told = {
        control.PASSES: "they pass",
        control.FAILS: "**they fail, so nothing about the tumour is concluded from them**",
        control.SILENT: "it says nothing of them, so nothing is concluded from them",
    }
    return (
        "On pictures whose answer is known (chapter 20's control, a training of its own, of miniatures) fused maps of this kind "
        f"point at the mark on {pointing:.0%} of the pictures: {told[verdict]}."
    )
