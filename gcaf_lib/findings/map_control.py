"""Chapter 20: which maps pass the control, where one mark tells the class, and on which of them conclusions rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.evaluation import control, tumours
from gcaf_lib.findings.words import plural, verb
from gcaf_lib.terminal import cut

VERDICTS = (control.PASSES, control.FAILS, control.SILENT)
CONTROL = (  # caption of `control_table`
    f"The control: mean over {len(control.SEEDS)} seeds (worst to best) of {control.SIZES['test']} pictures each (occlusion: "
    f"{control.OCCLUDED}). *Near*: within 7% of the picture's side. *Untrained*: the same map of untrained models, all without "
    "LayerNorm, by which both kinds are judged. A map passes if its maximum lies on the mark in at least "
    f"{control.ENOUGH:.0%} of the pictures with every seed, and with untrained models in at most {control.LEAK:.0%}."
)


def control_table(verdicts: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `control.map_verdicts`."""
    return pd.DataFrame(
        {
            "Map": names.control_names(verdicts),
            "LayerNorm": np.where(verdicts["projection_norm"], "yes", "no"),
            "Backbone alone right": [share(v) for v in verdicts["alone"]],
            "Points at the mark": [
                f"{share(v)} ({share(a)} to {share(b)})"
                for v, a, b in verdicts[["pointing", "low", "high"]].to_numpy(float)
            ],
            "Or near it": [share(v) for v in verdicts["tolerant"]],
            "Untrained": [share(v) for v in verdicts["blind"]],
            "Energy inside": [share(v) for v in verdicts["energy"]],
            "Verdict": np.where(verdicts["map"] == tumours.RANDOM, "–", verdicts["verdict"]),
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


def drawn_maps(verdicts: pd.DataFrame, backbones: Sequence[str]) -> list[tuple[str, str, str]]:
    """The maps (`control.KEY`) that a page draws: as in the paper of each backbone that the control has, and of the whole model."""
    layers = [(key, *control.PAPER) for key in backbones if key in set(verdicts["map"])]
    return layers + [(control.WHOLE, method, "") for method in ("sensitivity", "occlusion")]


def passing(verdicts: pd.DataFrame, norm: bool) -> pd.DataFrame:
    """The maps that pass, of models with LayerNorm behind the projection (`norm`) or of those without."""
    return verdicts[(verdicts["projection_norm"] == norm) & (verdicts["verdict"] == control.PASSES)]


def subject(verdicts: pd.DataFrame, norm: bool, kept: Sequence[str]) -> str | None:
    """Of the maps `kept` by runs, the one that passes the control and points best there; None: none passes.

    norm: whether the runs have LayerNorm behind the projection. A control of the other model says nothing.
    """
    best = passing(verdicts, norm).sort_values("pointing", ascending=False)[control.KEY]
    stored = (stored_name(tuple(key)) for key in best.to_numpy())
    return next((name for name in stored if name in kept), None)


def control_said(verdicts: pd.DataFrame) -> str:
    """What the control says of the maps: which pass, how many fail, and of which it says nothing."""
    text = ""
    real = verdicts[verdicts["map"] != tumours.RANDOM]
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
        for row in control.paper_map(part).itertuples():
            text += f"The usual reading of the paper's figure, Grad-CAM on the last maps, both backbones: **{row.verdict}** ({share(row.pointing)}). "
    return text + blind_said(real)


def blind_said(verdicts: pd.DataFrame) -> str:
    """What the negative control says: maps of untrained models."""
    known = verdicts.dropna(subset="blind")
    if known.empty:
        return ""
    most, over = known["blind"].max(), known[known["blind"] > control.LEAK]
    text = f"Maps of untrained models point at the mark, in the mean over seeds, on at most {cut(most, 0, up=True, scale=100)}%"
    if over.empty:
        return text + f"; chance is {share(known['chance'].mean())}."
    named = sorted(set(names.control_names(over)))
    return (
        text
        + f". On more than {control.LEAK:.0%}, which no map that passes may: {'; '.join(named)}, which respond to what stands out even when untrained."
    )


def subject_said(verdicts: pd.DataFrame, norm: bool, kept: Sequence[str]) -> str:
    """On which of the runs' maps this chapter's conclusions rest, if on any."""
    chosen = subject(verdicts, norm, kept)
    alike = verdicts[verdicts["projection_norm"] == norm]
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
        for key in passing(verdicts, norm)[control.KEY].to_numpy()
        if stored_name(tuple(key)) not in kept
    ]
    text = f"What follows about tumours rests on one map that passes: **{names.map_name(chosen)}**. "
    if unkept:
        text += f"Of those that pass, run records do not keep {' and '.join(unkept)}. "
    if chosen != tumours.FUSED and len(paper := control.paper_map(alike)):
        text += f"The usual reading of the paper's figure, Grad-CAM on the last maps, stands beside it ({paper['verdict'].iloc[0]} here)."
    return text
