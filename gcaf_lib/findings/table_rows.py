"""The rows of Tables 4, 5, 6 and 8: what the paper prints of each, and which of them the others are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from gcaf_lib import settings
from gcaf_lib.paper import published as paper
from gcaf_lib.training import experiments

TABLES = {"Table 4": "table-4", "Table 5": "table-5", "Table 6": "table-6", "Table 8": "table-8"}
PLACES = {name: place for place, name in TABLES.items()}
# Table 4's rows to their fusions, as the settings name them
FUSION_NAMES = {
    row.label: row.overrides.get("model.fusion", "gcaf") for row in experiments.experiment("table-4").rows
}
PROPOSED, DEFAULT = "the proposed model", "the default"  # what rows are compared with, as `called`


def published_figures(experiment: str, row: str) -> dict[str, paper.Figure]:
    """The paper's figures of one row of an experiment, by metric; empty where the paper has no such row."""
    place = PLACES.get(experiment)
    found = paper.find(place, row.replace(" = ", " ")) if place else []
    return {figure.metric: figure for figure in found}


def proposed_rows(experiment: str) -> list[str]:
    """The rows of an experiment that are the paper's proposed setting (Table 8 has one a hyper-parameter)."""
    default = settings.load("paper")
    return [
        label for label, chosen in experiments.experiment(experiment).settings("paper") if chosen == default
    ]


def called(lines: Any) -> str:
    """What the reference of a line, or of each of a frame, is called: where rows are settings (`name = value`) it is their default."""
    return DEFAULT if any(" = " in row for row in np.atleast_1d(lines["row"])) else PROPOSED
