"""Chapter 9: what an expected calibration error is by chance, the sign it lacks, and what one temperature does to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import tables
from gcaf_lib.evaluation import calibration_measures, confidence, worth
from gcaf_lib.findings import matched, temperature_scaling, words
from gcaf_lib.paper import published as paper


def chance(own: Sequence[float], draws: np.ndarray) -> str:
    """Measured ECEs (S,) of runs beside those of perfectly calibrated models, `draws` (S, n): their mean, and each by itself."""
    mean, runs = np.mean(draws, axis=0), len(own)
    low, high = np.quantile(mean, [0.025, 0.975])
    who = "a perfectly calibrated model" if runs == 1 else f"the mean of {runs} perfectly calibrated models"
    told = {
        "inside": f"which {who} could show",
        "above": "more than chance explains",
        "below": f"less than {who} nearly ever shows",
    }
    text = (
        f"By chance alone that would be {mean.mean():.4f} on average (95% of draws from {low:.4f} to {high:.4f}), for {who}; "
        f"measured is {np.mean(own):.4f}, {told[words.where(float(np.mean(own)), low, high)]}."
    )
    if runs == 1:
        return text
    lows, highs = np.quantile(draws, [0.025, 0.975], axis=1)
    return (
        f"{text} One by one, {int((np.asarray(own) > highs).sum())} of the {runs} lie above the band of a single such model "
        f"(for the first seed from {lows[0]:.4f} to {highs[0]:.4f})."
    )


def ece_by_chance_said(records: Sequence[Any]) -> str:
    """`chance` of the test parts of some runs."""
    own = [calibration_measures.ece(r.labels(), r.probabilities()) for r in records]
    return chance(own, np.stack([confidence.perfect_ece(r.probabilities()) for r in records]))


def excess_said(one: worth.Worth) -> str:
    """Whether confidence lies above accuracy, from `worth.of_runs`'s `excess`, and what the paper's ECE leaves open."""
    told = words.by_side(
        one,
        "the model is underconfident",
        "the model is overconfident",
        "whether the model claims too much or too little can't be told",
    )
    published = paper.published("Table 7", metric="ece")
    return (
        f"On average over the test part, confidence minus accuracy is, with its 95% interval, {words.points(one)}: {told}. "
        f"The paper's {published:.4f} comes without a sign, so on which side its model errs is not known."
    )


def fewer_seeds(chapter: Any, runs: Sequence[Any], clusters: np.ndarray) -> worth.Worth | None:
    """By how much scaling changes the ECE of those of the runs whose seeds chapter 19 takes (those with all folds); None
    where these are all, or none."""
    folds = chapter.records("ladder").get("patients", [])
    common = matched.equal_seeds({"random": runs, "folds": folds})["random"]
    if not 0 < len(common) < len(runs):
        return None
    return by_scaling(common, clusters)


def by_scaling(records: Sequence[Any], clusters: np.ndarray) -> worth.Worth:
    """The ECE of some runs scaled minus that of the same runs as trained."""
    return worth.difference(records, records, clusters, ["ece"], scaled=(True, False))["ece"]


def before_and_after_scaling(record: Any) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Bins (`calibration_measures.reliability`) and ECE of a run's test part by title: as trained, and at the run's own temperature."""
    labels, probs, (t,) = record.labels(), record.probabilities(), temperature_scaling.fitted([record])
    shown = {"As trained": probs, f"T = {t:.2f}": calibration_measures.scale(probs, t)}
    return tuple(
        {title: measure(labels, one) for title, one in shown.items()}
        for measure in (calibration_measures.reliability, calibration_measures.ece)
    )


def scaling_said(chapter: Any, records: Sequence[Any], clusters: np.ndarray, rest: str) -> str:
    """`temperature` of a chapter's runs, each scaled by its own; rest: `words.tested_said` of them."""
    left = worth.of_runs(records, clusters, ["ece"], scaled=True)["ece"].value
    literal = chapter.settings.loss.reading == "target-probability"
    fits, change = temperature_scaling.fitted(records), by_scaling(records, clusters)
    return temperature(fits, change, left, literal, rest, fewer_seeds(chapter, records, clusters))


def temperature(
    found: Sequence[float],
    gap: worth.Worth,
    scaled: float,
    literal: bool,
    rest: str = "",
    fewer: worth.Worth | None = None,
) -> str:
    """Fitted temperatures, what they say of the model, and what scaling does to the ECE. literal: whether the loss is Equation 14's letter;
    rest: `words.tested_said` of the runs; fewer: the same change of the seeds that chapter 19 takes, where these are fewer."""
    text = (
        f"With averaged weights the fitted temperature is {tables.mean_sd_n(found)}, and scaling changes the ECE by "
        f"{words.shift(gap)}, leaving {scaled:.4f}: {temperature_scaling.way(gap)}"
        + (f" ({rest})" if rest else "")
        + ". "
    )
    if fewer:
        one, all_ = map(temperature_scaling.way, (fewer, gap))
        text += (
            f"Of the {words.plural(fewer.n, 'seed')} that chapter 19 takes, the change is {words.shift(fewer)}, {one}"
            + (": the verdict hangs on how many trainings one has. " if one != all_ else ", too. ")
        )
    text += (
        "Intervals of calibration errors hold the truth less often than in 95 of 100 cases (chapter 19 tells how often): a verdict near an "
        "end is weak. "
    )
    if edge := sum(calibration_measures.at_edge(one) for one in found):
        text += (
            f"In {edge} of {len(found)} runs the search ended at its edge (1/{calibration_measures.EDGE} or {calibration_measures.EDGE}): "
            "there no temperature fits, and the number is the edge's. "
        )
    off = words.over_runs(np.subtract(found, 1))  # whether T differs from 1
    if np.isfinite(off.low):
        told = words.by_side(
            off,
            "below 1: the model is underconfident, and scaling makes its answers surer. Chapter 19 asks which ingredient does it. ",
            "above 1: the model is overconfident, and scaling makes its answers less sure. Chapter 19 asks which ingredient does it. ",
            "on both sides of 1: these temperatures alone don't tell whether the model claims too much or too little. ",
        )
        text += f"The 95% interval of T over the seeds, {1 + off.low:.2f} to {1 + off.high:.2f}, lies {told}"
    if literal:
        text += (
            "Label smoothing needs care here: under the literal reading of Equation 14, which is in use, the loss is least at full "
            "confidence, smoothed labels or not (chapter 5)."
        )
    return text
