"""Chapter 19: calibration measures with intervals, before and after one temperature, and by how answers are binned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import bootstrap, calibration_measures, confidence, worth
from gcaf_lib.findings import ablation, calibration_effects, image_answers, temperature_scaling, words
from gcaf_lib.paper import verdicts


def calibration_table(states: Mapping[str, Mapping[str, worth.Worth]]) -> pd.DataFrame:
    """Long frame measure, state, value, low, high from `worth.of_runs` of each state, measures as in `calibration_effects.NAMES`, NaN where
    a state lacks one."""
    lines = [
        {"measure": name, "state": state, **found.get(name, ablation.NONE)._asdict()}
        for name in calibration_effects.NAMES
        if any(name in found for found in states.values())
        for state, found in states.items()
    ]
    return pd.DataFrame(lines, columns=["measure", "state", "value", "low", "high"])


def corrected_said(frame: pd.DataFrame) -> str:
    """A caption's clause on calibration errors that lie above their own interval; frame: of `calibration_table`."""
    errors = frame[frame["measure"].map(bootstrap.per_fold)].dropna()
    above = int((errors["value"] > errors["high"]).sum())
    return (
        "Their intervals are corrected for the upward bias of such errors and are of the true one: a measured value may lie above its own"
        + (f", as {above} of {len(errors)} here {words.verb(above, 'does', 'do')}." if above else ".")
    )


def wide_calibration(frame: pd.DataFrame, decimals: int = 4) -> pd.DataFrame:
    """A reader's table of `calibration_table`: measures down, states across, `0.0123 (0.0101 to 0.0150)`."""
    text = frame.assign(text=words.spans(frame, "value", decimals))
    out = text.pivot(index="measure", columns="state", values="text")
    out = out.reindex(index=frame["measure"].unique(), columns=frame["state"].unique())
    return (
        out.rename(index=calibration_effects.NAMES).rename_axis(index="Measure", columns=None).reset_index()
    )


def beside_patients(
    runs: Sequence[Any], apart: Sequence[Any], clusters: np.ndarray, pictures: np.ndarray
) -> dict[str, dict[str, worth.Worth]]:
    """`confidence.MEASURES` as trained and scaled, on the random split and, where run, on patient-disjoint folds; there also
    `picture_…`: what is a mean over images, with each picture weighing 1. runs, apart: of the same seeds (`matched.equal_seeds`)."""
    splits = {"random split": runs}
    if apart:
        splits[f"patient-disjoint ({len({r.settings.data.fold for r in apart})} folds)"] = apart
    states = {}
    for name, records in splits.items():
        for state, scaled in ((name, False), (f"{name.partition(' (')[0]}, scaled", True)):
            states[state] = worth.of_runs(records, clusters, confidence.MEASURES, scaled=scaled)
            if worth.grouped(records):
                means = [m for m in confidence.MEASURES if not bootstrap.per_fold(m)]
                copied = worth.of_runs(records, clusters, means, pictures=pictures, scaled=scaled)
                states[state] |= {f"picture_{m}": one for m, one in copied.items()}
    return states


def by_class(records: Sequence[Any], clusters: np.ndarray) -> dict[str, pd.DataFrame]:
    """Class to `confidence.one_vs_rest` of all runs' answers together, in ten bins of equal width."""
    labels, probs, rows = image_answers.joined_answers(records)
    return {
        CLASS_NAMES[name]: confidence.one_vs_rest(labels, probs, k, clusters[rows], 10, equal_mass=False)
        for k, name in enumerate(records[0].settings.data.classes)
    }


def bins_sweep(record: Any) -> pd.DataFrame:
    """kind, bins, value, low, high: a run's ECE by number and kind of bins, and the middle 95% of what a perfectly
    calibrated model with its probabilities shows."""
    labels, probs, _ = image_answers.joined_answers([record])
    hits, lines = confidence.perfect_labels(probs, 2000) == probs.argmax(1), []
    for kind, mass in (("equal width", False), ("equal mass", True)):
        for bins in (5, 10, 15, 20, 50):
            chance = calibration_measures.ece_of_outcomes(hits, probs.max(1), bins, mass)
            value = calibration_measures.ece(labels, probs, bins, mass)
            lines.append((kind, bins, value, *np.quantile(chance, [0.025, 0.975])))
    return pd.DataFrame(lines, columns=["kind", "bins", "value", "low", "high"])


def scaling_said(records: Sequence[Any], clusters: np.ndarray, seeds: int) -> str:
    """`scaling` of some runs, of whose first the draws are."""
    changes = worth.difference(records, records, clusters, ("ece", "classwise", "nll"), scaled=(True, False))
    _, probs, _ = image_answers.joined_answers(records[:1])
    return scaling(changes, confidence.perfect_ece(probs), seeds)


def scaling(gaps: Mapping[str, worth.Worth], ideal: np.ndarray, seeds: int) -> str:
    """What one temperature changes, and how large an ECE (`ideal` (n,): draws) is by chance alone; seeds: those of chapter 9."""
    low, high = np.quantile(ideal, [0.025, 0.975])
    lines = [
        f"{calibration_effects.NAMES[name].split(',')[0]} {words.shift(one)}: {temperature_scaling.way(one)}"
        for name, one in gaps.items()
    ]
    own = next(iter(gaps.values())).n
    fewer = (
        f"These are the {words.plural(own, 'seed')} that both splits have. Chapter 9 takes all {seeds} of the random split; "
        "where its verdict on the ECE is another one, it rests on more seeds. "
        if own < seeds
        else ""
    )
    return (
        "Scaling minus as trained, on the same draws: " + "; ".join(lines) + f". {fewer}"
        "No calibration error of a finite sample is 0: a *perfectly* calibrated model with the first seed's probabilities would show "
        f"an ECE of {ideal.mean():.4f} (95% of draws {low:.4f} to {high:.4f}) on as many images. "
        "The bootstrap adds the same upward bias once more, so plain percentiles would sit too high; the intervals of calibration errors here are *basic* "
        "bootstrap intervals, which take that out. They are for the true error, so the measured value, which is biased upwards, may lie above its interval. In "
        "simulations (`tests/test_coverage.py`) those of one seed hold the truth in some 85 to 90 of 100 cases in place of 95, near 0 in some 65: there, trust the "
        "comparison with a perfectly calibrated model, which takes images as independent."
    )


def bins_said(sweep: pd.DataFrame, off: worth.Worth) -> str:
    """How far the ECE depends on its bins, from `bins_sweep`, and what confidence minus accuracy (`off`) says without any."""
    above = int((sweep["value"] > sweep["high"]).sum())
    return (
        f"From {sweep['value'].min():.4f} to {sweep['value'].max():.4f}, for one model on one test part; {above} of the "
        f"{len(sweep)} values lie above the band. "
        + (
            "The miscalibration is real, whatever the bins. "
            if above == len(sweep)
            else "Whether this ECE exceeds chance depends on the bins one chooses. "
            if above
            else "None of them shows a miscalibration that chance doesn't explain. "
        )
        + f"Confidence minus accuracy needs no bins: over all seeds above it is {words.shift(off)}, "
        + words.by_side(
            off, "below 0 whatever the bins. ", "above 0 whatever the bins. ", f"{verdicts.UNDECIDED}. "
        )
        + "An ECE without its bins and its sample size can't be compared with another paper's."
    )
