"""Chapter 19's second half: letting a model decline doubtful cases, and acting on its probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import calibration_measures, clustered, confidence, units, worth
from gcaf_lib.evaluation.folds import by_seed
from gcaf_lib.findings import words
from gcaf_lib.findings.image_answers import joined_answers

DRAWS = 400
GOALS = (0.95, 0.98, 0.99)  # wanted accuracies
COVERAGE = np.linspace(0.05, 1, 39)  # shares of the images that are answered
BySplit = Mapping[str, Sequence[Any]]  # split to its runs, which may be none


def tested_said(by_split: BySplit, clusters: np.ndarray, pictures: np.ndarray) -> str:
    """`words.tested_said` of each split that has runs."""
    return "; ".join(
        f"{split}, {words.tested_said(some, clusters, pictures)}" for split, some in by_split.items() if some
    )


def thresholds(by_split: BySplit, clusters: np.ndarray, pictures: np.ndarray) -> pd.DataFrame:
    """Thresholds on the confidence fixed on each run's validation for a wanted accuracy, and what they keep on test.

    One line a split and goal: split, goal, threshold (mean over runs that have one), sd; coverage, accuracy, low, high of all runs'
    answers together (a run that answers little counts little; interval over patients), picture (each picture weighing 1);
    reached: runs whose own accuracy is the wanted one or more; runs; silent: runs that answer nothing. clusters, pictures (N,): `splits.clusters`, `units.pictures`.
    """
    lines = []
    for (name, records), goal in itertools.product(by_split.items(), GOALS):
        if not records:
            continue
        cuts, own, parts = [], [], []
        for r in records:
            cut = confidence.threshold_for(r.labels("validation"), r.probabilities("validation"), goal)
            cuts.append(cut)
            own.append(confidence.kept(r.labels(), r.probabilities(), cut).accuracy)
            part = {"kept": r.probabilities().max(1) >= cut, "right": r.right(), "group": clusters[r.rows()]}
            parts.append(pd.DataFrame(part | {"weight": units.picture_weights(r.rows(), pictures)}))
        told, found = pd.concat(parts), [cut for cut in cuts if np.isfinite(cut)]
        given = told[told["kept"]]
        answered = clustered.share(told["right"].astype(float).where(told["kept"]), told["group"])
        line = {
            "split": name,
            "goal": goal,
            "threshold": np.mean(found) if found else np.nan,
            "sd": np.std(found, ddof=1) if len(found) > 1 else np.nan,
            "coverage": told["kept"].mean(),
            **dict(zip(("accuracy", "low", "high"), answered)),
            "picture": np.average(given["right"], weights=given["weight"]) if len(given) else np.nan,
            "reached": int(np.sum(np.array(own) >= goal)),
            "runs": len(records),
            "silent": int(np.isnan(own).sum()),
        }
        lines.append(line)
    return pd.DataFrame(lines)


def thresholds_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`thresholds` for readers."""
    lines = []
    for r in frame.itertuples():
        accuracy = words.span(100 * r.accuracy, 100 * r.low, 100 * r.high, 1)
        lines.append(
            {
                "Split": r.split,
                "Wanted accuracy": f"{r.goal:.0%}",
                "Threshold": words.mean_sd(r.threshold, r.sd, 3),
                "Answered on test (%)": f"{100 * r.coverage:.1f}",
                "Accuracy there (%)": words.beside(accuracy, r.picture),
                "Reached by": f"{r.reached} of {r.runs} runs",
            }
        )
    return pd.DataFrame(lines)


def thresholds_said(frame: pd.DataFrame) -> str:
    """Whether thresholds fixed on validation keep what they promise, split by split."""
    said = []
    for name, part in frame.groupby("split", sort=False):
        missed, goals = part[~(part["accuracy"] >= part["goal"])], part["goal"]
        safe, copied = int((part["low"] >= goals).sum()), int((part["picture"] >= goals).sum())
        silent = int(part["silent"].sum())
        said.append(
            f"- {name}: on the answers given, {len(part) - len(missed)} of the {len(part)} wanted accuracies {words.verb(len(part) - len(missed))} reached"
            + (f", {' and '.join(f'{goal:.0%}' for goal in missed['goal'])} not" if len(missed) else "")
            + f"; the whole interval lies at or above the goal for {safe or 'none of them'}"
            + (
                f"; by picture {copied or 'none'} {words.verb(max(1, copied))} reached"
                if part["picture"].notna().any()
                else ""
            )
            + (f"; {words.plural(silent, 'threshold')} let no test image through" if silent else "")
            + "."
        )
    return "\n".join(said)


def coverage_curve(
    records: Sequence[Any], clusters: np.ndarray, coverage: np.ndarray, pictures: np.ndarray | None = None
) -> pd.DataFrame:
    """coverage, value, low, high: accuracy on the surest share, mean over seeds, all drawn on the same patients.

    The folds of a seed are ranked together, by the confidences of five models.

    pictures (N,): each weighs 1 (`units.pictures`).
    """
    sums = []
    for part in by_seed(records).values():
        labels, probs, rows = joined_answers(part)
        f = confidence.selective_at(labels, probs, coverage)
        weight = np.ones(len(rows)) if pictures is None else units.picture_weights(rows, pictures)
        drawn = clustered.of(lambda w, f=f, weight=weight: f(w * weight), clusters[rows], DRAWS)
        sums.append(np.vstack([f(weight[None]), drawn]))
    mean = np.mean(sums, axis=0)
    low, high = np.quantile(mean[1:], [0.025, 0.975], axis=0)
    return pd.DataFrame({"coverage": coverage, "value": mean[0], "low": low, "high": high})


def accuracy_by_coverage(
    by_split: BySplit, clusters: np.ndarray, pictures: np.ndarray
) -> dict[str, pd.DataFrame]:
    """`coverage_curve` of each split that has runs, by picture too where copies are kept together."""
    found = {}
    for split, records in by_split.items():
        if records:
            found[split] = coverage_curve(records, clusters, COVERAGE)
            if worth.grouped(records):
                found[f"{split}, by picture"] = coverage_curve(records, clusters, COVERAGE, pictures)
    return found


def decision_curves(records: Sequence[Any]) -> dict[str, pd.DataFrame]:
    """`calibration_measures.net_benefit` of acting on any tumour (where there are images without one), and on each tumour class."""
    labels, probs, _ = joined_answers(records)
    actions = _actions(records[0].settings.data.classes)
    return {title: calibration_measures.net_benefit(labels, probs, k) for title, k in actions.items()}


def _actions(classes: Sequence[str]) -> dict[str, Any]:
    """What one may act on, to the numbers of its classes."""
    tumour = [k for k, c in enumerate(classes) if c != "notumor"]
    every: dict[str, Any] = {"Any tumour": tumour} if len(tumour) < len(classes) else {}
    return every | {CLASS_NAMES[classes[k]]: k for k in tumour}


def beats(records: Sequence[Any], clusters: np.ndarray) -> pd.DataFrame:
    """what, share, sure: at what share of the thresholds from 0.01 to 0.99 the model's net benefit is above that of acting
    on all and on none, and where the 95% interval over patients of both differences is, too."""
    labels, probs, rows = joined_answers(records)
    lines = []
    for what, positive in _actions(records[0].settings.data.classes).items():
        t, truth, acts = calibration_measures.acted_on(labels, probs, positive)
        benefit = truth[:, None] - ~truth[:, None] * t / (1 - t)  # of acting on each image, (n, T)
        model = acts.T * benefit
        both = np.hstack([model, model - benefit])
        low = np.quantile(clustered.mean_draws(both, clusters[rows], DRAWS), 0.025, axis=0)
        better, sure = (ends.reshape(2, -1).min(0) > 0 for ends in (both.mean(0), low))
        lines.append((what, better.mean(), sure.mean()))
    return pd.DataFrame(lines, columns=["what", "share", "sure"])


def decision_said(by_split: BySplit, clusters: np.ndarray) -> str:
    """`decision` of each split that has runs."""
    return decision({split: beats(some, clusters) for split, some in by_split.items() if some})


def decision(found: Mapping[str, pd.DataFrame]) -> str:
    """At what share of the thresholds the model beats acting on all and on none; found: split to `beats`."""
    said = [
        f"- {split}: "
        + "; ".join(f"{r.what.lower()} {r.share:.0%} ({r.sure:.0%})" for r in frame.itertuples())
        for split, frame in found.items()
    ]
    return (
        "Share of the thresholds from 0.01 to 0.99 at which the model beats both, and in brackets with a 95% interval over "
        "patients that lies above 0:\n\n" + "\n".join(said)
    )
