"""Temperature scaling: each run's temperature, fitted on its validation part, and what such a temperature changes on test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gcaf_lib.display import tables
from gcaf_lib.evaluation import bootstrap, calibration_measures, worth
from gcaf_lib.findings import words
from gcaf_lib.paper import verdicts


def by_one_temperature(
    records: Sequence[Any], clusters: np.ndarray, t: float, pictures: np.ndarray | None = None
) -> tuple[worth.Worth, worth.Worth]:
    """Confidence minus accuracy of the test answers scaled by a temperature from elsewhere, and by how much it changes the NLL;
    pictures: to weigh each picture 1."""
    trained = worth.answers_by_seed(records)
    scaled = [
        [one._replace(probs=calibration_measures.scale(one.probs, t)) for one in parts] for parts in trained
    ]
    asked = ("excess", "nll")
    before, after = (bootstrap.samples(one, clusters, asked, pictures=pictures) for one in (trained, scaled))
    gap = worth.of_sample("nll", after["nll"] - before["nll"], least=-np.inf)
    return worth.of_sample("excess", after["excess"]), gap


def fitted(records: Sequence[Any], which: str = "ema") -> list[float]:
    """Each run's temperature, fitted on its own validation part."""
    return [
        calibration_measures.temperature(r.labels("validation"), r.probabilities("validation", which))
        for r in records
    ]


def by_temperature(records: Sequence[Any], grid: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Negative log-likelihood at each temperature of `grid` (m,), a curve (m,) a run, on validation and on test."""
    return {
        part: [np.array([_nll(r, t, part) for t in grid]) for r in records] for part in ("validation", "test")
    }


def _nll(record: Any, t: float, part: str = "test") -> float:
    """Negative log-likelihood of a part at the temperature t."""
    return calibration_measures.nll(
        record.labels(part), calibration_measures.scale(record.probabilities(part), t)
    )


def temperature_cost_said(
    records: Sequence[Any], found: Sequence[float], grid: np.ndarray, on_test: Sequence[np.ndarray]
) -> str:
    """What it costs on test that the temperature was fitted on validation; found: `fitted`; on_test: `by_temperature`'s curves."""
    costs = [_nll(r, t) - curve.min() for r, t, curve in zip(records, found, on_test)]
    return (
        f"Fitted: {tables.mean_sd_n(found)}. Best on test, which nobody may use: "
        f"{tables.mean_sd_n([grid[one.argmin()] for one in on_test])}. The difference costs "
        f"{tables.mean_sd_n(costs, 4)} of negative log-likelihood."
    )


def way(one: worth.Worth) -> str:
    return words.by_side(one, "lower", "higher", verdicts.UNDECIDED)
