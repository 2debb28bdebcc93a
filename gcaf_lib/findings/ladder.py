"""The ladder's rows: the model's records and the floors on one scale, with intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.evaluation import bootstrap, units
from gcaf_lib.findings import ablation, accuracies, beside_look_ups, matched, split_records, words
from gcaf_lib.findings.accuracies import COLUMNS
from gcaf_lib.findings.beside_look_ups import AHEAD, BETTER
from gcaf_lib.settings import PROTOCOLS


def scores_by_split(
    records: Mapping[str, list[Any]],
    floors: pd.DataFrame,
    dataset: Any,
    *,
    imagenet: Mapping[str, list[Any]] | None = None,
    look_up_answers: Mapping[tuple[str, str], bootstrap.Answers] | None = None,
) -> pd.DataFrame:
    """method, kind, protocol, and `accuracies.line_of_runs`'s columns: floors on every split, the model where it has records, on each
    split of all seeds run there (in all folds), as on other pages; of the model also `AHEAD` and `BETTER`.

    floors: of `floors.read`; imagenet: of `split_records.imagenet_records`; look_up_answers: of `floors.read_answers` (without
    them `AHEAD` is unknown). On `patients` the floors are those of the five folds, as the model's runs are.
    """
    clusters, pictures = splits.clusters(dataset), units.pictures(dataset)
    kept = floors[floors["protocol"] != "patients"].replace({"protocol": {splits.FIVEFOLD: "patients"}})
    out = kept.assign(
        method=kept["floor"].map(beside_look_ups.FLOOR_NAMES),
        kind="floor",
        images=kept["n"],
        folds=np.where(kept["protocol"] == "patients", splits.FOLDS, 1),
    )
    rows = [
        {"method": method, "kind": "model", "protocol": protocol}
        | accuracies.line_of_runs(group, clusters, pictures)
        | beside_look_ups.ahead(group, protocol, look_up_answers or {}, clusters, pictures)
        for method, known in ((split_records.MODEL, records), (split_records.IMAGENET, imagenet or {}))
        for protocol, group in known.items()
        if group
    ]
    basis = ["seeds", "folds", *ablation.SIZES]
    columns = ["method", "kind", "protocol", *COLUMNS, *AHEAD[0], *AHEAD[1], *BETTER, *basis]
    return pd.concat([pd.DataFrame(rows), out], ignore_index=True).reindex(columns=columns)


def at_equal_seeds(records: Mapping[str, Sequence[Any]], dataset: Any) -> pd.DataFrame | None:
    """`accuracies.line_of_runs` on `paper` and on `patients`, of the seeds that both have; None where these are all of them, or none."""
    sides = {
        protocol: matched.with_all_folds(records.get(protocol, ())) for protocol in ("paper", "patients")
    }
    seeds = [{r.seed for r in side} for side in sides.values()]
    common = set.intersection(*seeds)
    if not common or seeds[0] == seeds[1]:
        return None
    kept = {protocol: [r for r in side if r.seed in common] for protocol, side in sides.items()}
    return accuracies.levels(kept, splits.clusters(dataset), units.pictures(dataset))


def table_by_split(scores: pd.DataFrame, metric: str = "accuracy", by_picture: bool = False) -> pd.DataFrame:
    """A reader's table of `scores_by_split`: methods down, splits across, `band`s in the cells; metric: accuracy or macro_f1."""
    names, out = (accuracies.PICTURE_COLUMNS if by_picture else accuracies.SCORES)[metric], {}
    for protocol in PROTOCOLS:
        part = scores[scores["protocol"] == protocol].set_index("method")
        cells = part[list(names)].to_numpy(float)
        out[split_name(protocol)] = dict(zip(part.index, (words.band(*row) for row in cells)))
    table = pd.DataFrame(out, list(dict.fromkeys(scores["method"])), dtype=object).fillna("no run yet")
    return table.rename_axis("Method").reset_index()


def differences_table(scores: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `AHEAD` in `scores_by_split`: a line a model and split, with what it rests on and the look-up."""
    order = {protocol: k for k, protocol in enumerate(PROTOCOLS)}
    models = scores[scores["kind"] == "model"]
    lines = []
    for _, r in models.sort_values("protocol", key=lambda one: one.map(order), kind="stable").iterrows():
        file, picture = (r[name] if isinstance(r[name], str) else "–" for name in BETTER)
        look_up = file if file == picture else f"{file}; by picture {picture}"
        leads = (words.shift(lead, 1, 100) for lead in beside_look_ups.leads(r))
        lines.append((r.method, split_name(r.protocol), accuracies.basis_said(r), look_up, *leads))
    heads = ["Model", "Split", "Compared", "Look-up", "Minus it", "By picture"]
    return pd.DataFrame(lines or [("no run yet", *"–––––")], columns=heads)


def split_name(protocol: str) -> str:
    """On patient-disjoint folds this page is about all five folds: a run of the single split, which the scorecard has, is none."""
    return "patients (five folds)" if protocol == "patients" else protocol
