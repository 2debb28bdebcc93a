"""The paper's own networks without ImageNet, each from a stage 0: beside the miniatures, and alone before they are fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.evaluation import folds, units, worth
from gcaf_lib.findings import accuracies, recipes, stages, table_rows, words
from gcaf_lib.training import experiments

FULL = ("miniatures", "full-size")
STAGE_0 = {"model.weights": "in-domain"}  # in place of ImageNet's, for the paper's own networks


def records(chapter: Any) -> tuple[dict[str, list[Any]], dict[str, dict[str, list[Any]]]]:
    """By protocol: records of the proposed miniature, and of Table 4's rows with the paper's own networks from a stage 0.

    Splits of 80/10/10, the patient-disjoint one too; none beside phantoms.
    """
    if chapter.phantoms:
        return {}, {}
    small, tables = {}, {}
    for protocol in folds.NAMES:
        split = {"data.protocol": protocol}
        small[protocol] = chapter.under("cpu", split).records("table-4").get(experiments.PROPOSED_FUSION, [])
        tables[protocol] = chapter.under("paper", STAGE_0 | split).records("table-4")
    return small, tables


def proposed_by_split(rows: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, Sequence[Any]]:
    """By protocol: the proposed model's runs of Table 4's (`records`)."""
    return {protocol: found.get(experiments.PROPOSED_FUSION, []) for protocol, found in rows.items()}


def grown_said(frame: pd.DataFrame) -> str:
    """What the paper's own networks change on each split (`recipes.compare` of `FULL`), and where the paper's accuracy lies."""
    known = frame[(frame["metric"] == "accuracy") & (frame["seeds"] > 0)].set_index("protocol")
    if known.empty:
        return "The paper's own networks have no run on record here."
    said = []
    for protocol, line in known.iterrows():
        counts = words.basis_said(line.to_dict() | {"n": line["seeds"], "protocol": protocol})
        said.append(f"{folds.NAMES[protocol]} {recipes.change_said(recipes.accuracy_change(line))}; {counts}")
    text = "Full size minus miniatures in accuracy, on the same images:\n\n- " + "\n- ".join(said) + "\n\n"
    if "paper" in known.index:
        claim = table_rows.published_figures("table-4", experiments.PROPOSED_FUSION)["accuracy"].fraction
        low, high = (known.loc["paper", f"full-size_{end}"] for end in ("low", "high"))
        once = ", of one seed" if known.loc["paper", "seeds"] == 1 else ""
        text += f"The paper's {claim:.2%} lies {words.where(claim, low, high)} the interval of the full-size networks on the random split{once}."
    return text


def fallen_said(own: Mapping[str, Sequence[Any]], dataset: Any) -> str:
    """What the paper's own networks lose from the random split to the single patient-disjoint one; "" where one was not run."""
    known = accuracies.levels(own, splits.clusters(dataset), units.pictures(dataset))
    if not set(folds.NAMES) <= set(known.index):
        return ""
    a, b = known.loc["paper"], known.loc["patients"]
    return (
        f"From the random split to the patient-disjoint one the full-size networks change by {accuracies.change_said(a, b)} "
        f"({words.plural(min(a.seeds, b.seeds), 'seed')}; {words.plural(int(b.groups), 'patient group')} tested on the second). In brackets is an interval put together from those of "
        "both sides, as in chapter 17."
    )


def before_fusion_said(rows: Mapping[str, Mapping[str, Sequence[Any]]], dataset: Any) -> str:
    """How often each network of a stage 0 is right alone, what fusing adds to it, and how many answers other fusions change.

    rows: Table 4's records by protocol (`records`). What fusing adds: on the same images, with its interval over patients.
    """
    groups, pictures, said = splits.clusters(dataset), units.pictures(dataset), []
    for protocol, found in rows.items():
        for own in found.get(experiments.PROPOSED_FUSION, ()):
            text = f"- {folds.NAMES[protocol]}, seed {own.seed}, {words.tested_said([own], groups, pictures)}: fused as proposed {_right(own)}"
            for key, (start,) in stages.stage0_records([own]).items():
                added = worth.change([own], [start], groups, pictures)
                text += f"; {names.backbone_name(key, start)} alone, after stage 0, {_right(start)}"
                if added:  # none between two seeds, as where all share one stage 0
                    text += f": the fused model minus this backbone {words.points(*added.ways())}"
            answers = own.answers()
            differ = [
                int((one.answers() != answers).sum())
                for row, others in found.items()
                for one in others
                if row != experiments.PROPOSED_FUSION and one.seed == own.seed
            ]
            if differ:
                counts = " to ".join(map(str, sorted({min(differ), max(differ)})))
                fusions = words.plural(len(differ), "other fusion")
                gives = f"give{'s' if len(differ) == 1 else ''} another answer on {counts} of the {len(answers)} images"
                text += f"; {fusions} {gives}"
            said.append(text)
    return "Accuracy on the test images, of one run each:\n\n" + "\n".join(said) if said else ""


def _right(record: Any) -> str:
    return f"{words.percent(record.right().mean())}%"
