"""The scorecard: every published figure beside what this project's run records say, each split with its own verdict.

A figure of the proposed model is judged by its level. Tables 4, 5, 6 and 8 claim differences between rows, so there
the verdict is on the difference to the proposed model (`findings.ablation`), and levels have none. All measured numbers
are `evaluation.worth`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib import settings as _settings
from gcaf_lib.data import splits
from gcaf_lib.evaluation import folds, metrics, units, worth
from gcaf_lib.findings import ablation, matched, table_rows
from gcaf_lib.paper import published as paper
from gcaf_lib.paper import verdicts
from gcaf_lib.training import experiments, runs

COLUMNS = [
    "place", "row", "metric", "published", "measured", "sd", "n", "folds", "low", "high", "published_difference", "step",
    "difference", "difference_low", "difference_high", "pairs", *ablation.SIZES, *ablation.PICTURE, "profile", "protocol", "weights",
    "verdict",
]  # fmt: skip
MAIN_PLACES = ("Abstract", "§5.4", "§5.5", "Table 7")
PROTOCOLS = ("paper", "patients")

_SAID = (
    "*By picture*: copies of a picture count as one. Intervals are over patients and, with two or more seeds, also over trainings{}. Chance inflates any ECE: its "
    "interval is for the true error, and the measured value can lie above it{}."
)
_FOLDS = " Of five folds, ROC-AUC and ECE are means over the folds, each fold's ECE at the random split's number of test images."
ONE_SPLIT = _SAID.format("", "")  # what a table of scores on splits without folds says under itself
SCORES = ONE_SPLIT + _FOLDS  # and one with grouped folds
BESIDE = (  # and one that judges published figures by them
    _SAID.format(
        "; they do not include that the published figure was itself measured once, on its own test images",
        "; what chance adds on the random split is subtracted from the published ECE before it is judged",
    )
    + _FOLDS
)


def scorecard(
    profile: str,
    dataset: Any,
    records: Iterable[Any] | None = None,
    impossible: Iterable[tuple[str, str, str]] = (),
    protocols: tuple[str, ...] = PROTOCOLS,
) -> pd.DataFrame:
    """One row (`COLUMNS`) a published figure and protocol; figures as fractions; folds: 0 for a split without; step: as in `ablation.measure`;
    picture…: each picture weighing 1 (`worth.by_picture`).

    `records`: run records (default: all of the store); those of other settings or data are ignored.
    `impossible`: (place, row, metric) of figures that no one set of predictions can give (`registry.impossible`).
    """
    ours = _by_settings(list(runs.all_records() if records is None else records), dataset)
    lines = []
    for protocol in protocols:
        lines += _levels(profile, protocol, ours, dataset)
        lines += _tables(profile, protocol, ours, dataset)
    frame = pd.DataFrame(lines).reindex(columns=COLUMNS).assign(profile=profile)
    wrong = set(impossible)
    names = zip(frame["place"], frame["row"], frame["metric"])
    frame.loc[[name in wrong for name in names], "verdict"] = verdicts.IMPOSSIBLE
    order = {place: k for k, place in enumerate([*MAIN_PLACES, *table_rows.TABLES])}
    return frame.sort_values("place", key=lambda c: c.map(order), kind="stable", ignore_index=True)


def _levels(profile: str, protocol: str, ours: dict, dataset: Any) -> Iterator[dict[str, Any]]:
    """Lines of the proposed model's own figures."""
    main, found = _proposed(profile, protocol, ours)
    known = measure(found, dataset) if found else {}
    # chance has lifted the published figures as a random test part does, whichever interval they are held to
    claimed = _proposed(profile, PROTOCOLS[0], ours)[1] or found
    lifts = measure(claimed, dataset) if claimed else {}
    groups, pictures = splits.clusters(dataset), units.pictures(dataset)
    copied = worth.by_picture(found, groups, pictures)
    tested = [r.rows() for r in folds.pool(found)]
    sizes = units.counts(np.concatenate(tested) if tested else [], groups, pictures)
    for figure in _figures(MAIN_PLACES):
        value, picture = (one.get(figure.metric, ablation.NONE) for one in (known, copied))
        lift = lifts.get(figure.metric, ablation.NONE).lift
        told = figure.fraction, value.low, value.high, figure.half_step, (profile, protocol), lift, value.n
        yield {
            "place": figure.place,
            "row": figure.row,
            "metric": figure.metric,
            "published": figure.fraction,
            **dict(zip(("measured", "sd", "n", "low", "high"), value)),
            **ablation.as_columns(picture, "picture"),
            "folds": matched.folds_known(found),
            **sizes,
            "protocol": protocol,
            "weights": main.model.weights,
            "verdict": verdicts.level(*told),
        }


def _tables(profile: str, protocol: str, ours: dict, dataset: Any) -> Iterator[dict[str, Any]]:
    """Lines of Tables 4, 5, 6 and 8: level, difference to the proposed model, verdict on the difference."""
    _, reference = _proposed(profile, protocol, ours)
    for place, name in table_rows.TABLES.items():
        chosen = dict(experiments.experiment(name).settings(profile))
        found = matched.equal_seeds(
            {label: ours.get((_key(one), protocol), []) for label, one in chosen.items()}
        )
        wanted = list(dict.fromkeys(f.metric for f in _figures([place])))
        frame = ablation.measure(name, found, dataset, reference, wanted, (profile, protocol))
        frame = frame[frame["published"].notna()].rename(columns={"mean": "measured"})
        weights = [chosen[label].model.weights for label in frame["row"]]
        rows = frame["row"].str.replace(" = ", " ")  # as the paper names them
        yield from frame.assign(place=place, protocol=protocol, weights=weights, row=rows).to_dict("records")


def _proposed(profile: str, protocol: str, ours: dict) -> tuple[_settings.Settings, list[Any]]:
    """The proposed model's settings, and its records on a split."""
    main = experiments.experiment("main").settings(profile)[0][1]
    return main, ours.get((_key(main), protocol), [])


def _figures(places: Iterable[str]) -> list[paper.Figure]:
    """Published figures of some places that `metrics.summary` has a counterpart for."""
    known = set(metrics.summary(np.arange(4), np.eye(4)))
    return [figure for place in places for figure in paper.find(place) if figure.metric in known]


def _key(chosen: _settings.Settings) -> str:
    """Settings without the split: the same model on every protocol."""
    return chosen.replace({"data.protocol": "paper", "data.fold": None}).hash()


def _by_settings(records: list[Any], dataset: Any) -> dict[tuple[str, str], list[Any]]:
    out: dict[tuple[str, str], list[Any]] = {}
    for record in records:
        if record.info["data_hash"] == dataset.hash:
            out.setdefault((_key(record.settings), record.settings.data.protocol), []).append(record)
    return out


def measure(records: list[Any], dataset: Any) -> dict[str, worth.Worth]:
    """metric to `Worth` of one row's records: what the scorecard shows, for chapters."""
    return worth.of_runs(records, splits.clusters(dataset))
