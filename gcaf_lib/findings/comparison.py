"""Chapter 13: what the methods of Table 6 cost, beside how often they are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.display.cost_chart import amount
from gcaf_lib.evaluation import costs as _costs
from gcaf_lib.evaluation import intervals, units, worth
from gcaf_lib.findings import (
    ablation,
    ablation_tables,
    difference_intervals,
    matched,
    row_lists,
    stages,
    table_rows,
    words,
)
from gcaf_lib.paper import attainability, published_gaps
from gcaf_lib.paper import published as paper
from gcaf_lib.training import experiments

EXPERIMENT = "table-6"
PLACE = table_rows.PLACES[EXPERIMENT]
OWN = table_rows.proposed_rows(EXPERIMENT)[0]  # the row that is the proposed model


def costs(profile: str, overrides: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """One line a method of Table 6 under a profile: row, size (image), parameters, macs, flops of one image."""
    lines = [
        {"row": label, "size": chosen.data.image_size, **_costs.of_settings(chosen)}
        for label, chosen in experiments.experiment(EXPERIMENT).settings(profile, dict(overrides or {}))
    ]
    return pd.DataFrame(lines)


def costs_text(costs: pd.DataFrame, times: pd.DataFrame) -> pd.DataFrame:
    """`costs` and `training_times` for readers."""
    known, lines = times.set_index("row"), []
    for r in costs.itertuples():
        seconds, before, n, devices = names.ABSENT, "–", 0, "–"
        if r.row in known.index:
            k = known.loc[r.row]
            n, devices = int(k["n"]), k["devices"]
            seconds = f"{k['seconds']:,.0f}" + (f" ({k['low']:,.0f} to {k['high']:,.0f})" if n > 1 else "")
            before = f"{k['stage0']:,.0f}" if np.isfinite(k["stage0"]) else "–"
        line = {
            "Method": r.row,
            "Image": f"{r.size}×{r.size}",
            "Parameters": f"{r.parameters:,}",
            "Multiply-adds": amount(r.macs),
            "FLOPs": amount(r.flops),
            "Training (s)": seconds,
            "Stage 0 (s)": before,
            "n": n,
            "On": devices,
        }
        lines.append(line)
    return pd.DataFrame(lines)


def time_said(found: Mapping[str, Sequence[Any]]) -> str:
    """What the seconds are worth, and what they leave out."""
    records = [r for runs in found.values() for r in runs]
    if not records:
        return (
            "No method of Table 6 has been trained on this split under this profile, so there are no times."
        )
    text = (
        "Seconds are wall-clock time, while several trainings may have shared the machine: they give an order of magnitude, and a method that seems slower may only "
        "have shared it with more work. They include every epoch with its validation, for raw and averaged weights."
    )
    if any(w["source"] == "in-domain" for r in records for w in r.info["weights"].values()):
        text += (
            " The backbones' own pre-training comes on top: under *Stage 0*, the mean over the same runs, for a model of two backbones the sum of both. "
            "Runs that start from the same weights share it, those of other tables too."
        )
    return text


def measured_over_costs(frame: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """`costs` with the measured accuracy (percent; NaN: not run) and its interval; frame: `ablation.measure`."""
    part = frame[(frame["metric"] == "accuracy") & (frame["n"] > 0)].set_index("row")
    scores = 100 * part[["mean", "low", "high"]].rename(columns={"mean": "accuracy"})
    return costs.join(scores, on="row")


def published_over_costs(full: pd.DataFrame) -> pd.DataFrame:
    """`costs` of the full-size networks with the paper's accuracies (percent), which have no interval."""
    theirs = {f.row: f.value for f in paper.find(PLACE, metric="accuracy")}
    return full.assign(accuracy=full["row"].map(theirs), low=np.nan, high=np.nan)


def full_text(full: pd.DataFrame) -> pd.DataFrame:
    """Full-size costs for readers, with multiples of the proposed model's and the paper's accuracy."""
    own = full.set_index("row").loc[OWN]
    columns = {
        "Method": full["row"],
        "Parameters": full["parameters"].map(amount),
        "of the proposed's": (full["parameters"] / own["parameters"]).map("{:.2f}".format),
        "Multiply-adds": full["macs"].map(amount),
        "FLOPs": full["flops"].map(amount),
        "of the proposed's ": (full["flops"] / own["flops"]).map("{:.2f}".format),
        "The paper's accuracy (%)": [f"{paper.published(PLACE, row, 'accuracy'):.2f}" for row in full["row"]],
    }
    return pd.DataFrame(columns)


def cheaper_said(frame: pd.DataFrame, costs: pd.DataFrame, fold_table: pd.DataFrame | None = None) -> str:
    """Which trained baselines need less computation than the proposed model, and which of these are not shown to be worse.

    frame: of `ablation.measure`, on the random split; fold_table: the same on patient-disjoint folds (None: not asked).
    """
    cost = costs.set_index("row")["flops"]
    own, part = cost[OWN], ablation.compared(frame)
    if part.empty:
        return "No baseline has been trained on this split, so no cost can be set against an accuracy."
    less = part[(cost[part["row"]] < own).to_numpy()]
    if less.empty:
        return "No trained baseline needs less computation than the proposed model."
    said = [
        f"Trained baselines that need less computation than the proposed model: {', '.join(less['row'])}.",
        f"On this split {_not_worse(part, less['row'], cost, own)}.",
    ]
    if fold_table is not None:
        there = ablation.compared(fold_table)
        rows = [row for row in less["row"] if row in set(there["row"])]
        said.append(
            f"On patient-disjoint folds {_not_worse(there, rows, cost, own)}."
            if rows
            else "On patient-disjoint folds none of them has been trained."
        )
    return " ".join(said)


def two_backbones_said(
    chapter: Any, frame: pd.DataFrame, own: Sequence[Any], random_split: Sequence[Any] = ()
) -> str:
    """Whether two backbones are better than one where no known patient is shared: than those of Table 6, and than each of its own.

    frame: of `ablation.measure_on_folds`; own: runs of the proposed model on the folds; random_split: on that one. Its own backbones alone
    are those of stage 0, where the runs have one.
    """
    run, scores = ablation.compared(frame), ablation.compared(frame, "macro_f1")
    text = "**Are two backbones better than one where no known patient is shared?** "
    if len(run):
        once = ", as trained once," * bool((run["pairs"] == 1).any())
        ways = ablation.WAYS
        kept, plain = (
            [list(difference_intervals.below_above_undecided(run, two[k])[0]["row"]) for two in ways.values()]
            for k in (1, 0)
        )
        above = {
            f"{metric}{word}": _ahead(part, name)
            for metric, part in (("", run), ("in macro-F1 ", scores))
            for word, (name, _) in ways.items()
        }
        text += (
            f"After {ablation.ADJUSTMENT} the proposed model{once} is better than {', by picture than '.join(map(words.some, kept))} of "
            f"{words.plural(len(run), 'single network')}; before it than {', by picture than '.join(str(len(rows)) for rows in plain)}."
        )
        if any(above.values()):
            text += f" Above it by value: {'; '.join(word + said for word, said in above.items() if said)}."
        text += f" That rests on {words.basis_said(run.iloc[0])}{'; another training may reverse it' * bool(once)}. A single network has fewer weights, too."
    else:
        text += "No single network has been trained on these folds."
    chosen = dict(experiments.experiment(EXPERIMENT).settings(chapter.profile, chapter.overrides))
    inside = set(chosen[OWN].model.backbones)
    alone = [row for row, one in chosen.items() if row != OWN and set(one.model.backbones) <= inside]
    if alone:
        return f"{text} One of its own backbones alone is {', '.join(alone)}."
    text += " None of these is one of the proposed model's own two, so they don't tell what the second adds to the first."
    return text + _halves(matched.with_all_folds(own), random_split, chapter.dataset)


def _ahead(lines: pd.DataFrame, name: str) -> str:
    """The rows with a better value than the proposed model's, with the difference and its interval; "" where there is none."""
    said = []
    for line in lines[lines[name] > 0].to_dict("records"):
        (scale, decimals, _), gap = (
            ablation_tables.metric_format(line["metric"]),
            ablation.worth_of(line, name),
        )
        apart = ", an interval that excludes 0 before any adjustment" * bool(gap.low > 0)
        said.append(f"{line['row']} {words.shift(gap, decimals, scale)}{apart}")
    return ", ".join(said)


def _more_than_halves(own: Sequence[Any], dataset: Any) -> dict[str, list[worth.Worth]]:
    """By name of a backbone: the fused model minus that backbone as stage 0 left it, by file and by picture."""
    groups, pictures, found = splits.clusters(dataset), units.pictures(dataset), {}
    for key, alone in stages.stage0_records(own).items():
        # none of runs that share a stage 0 of another seed
        if change := worth.change(own, alone, groups, pictures):
            found[names.backbone_name(key, alone[0])] = change.ways()
    return found


def _halves(own: Sequence[Any], random_split: Sequence[Any], dataset: Any) -> str:
    """The fused model minus each of its own backbones, whether it is shown to be better than both, and the same of the random split."""
    said, told = [], []
    for name, ways in _more_than_halves(own, dataset).items():
        told.append(all(one.low > 0 for one in ways))
        seen = (
            f"{100 * float(intervals.detectable_by_interval(one.low, one.high, one.error, one.freedom)):.1f}"
            for one in ways
        )
        said.append(f"{name} {words.points(*ways)}, where {', by picture '.join(seen)} or more would be seen")
        seeds = words.plural(ways[0].n, "seed")
    if not said:
        return " Chapter 25 sets the paper's own networks beside their two halves."
    which = "both" if all(told) else "one of the two only" if any(told) else "neither"
    beside = ""
    if there := _more_than_halves(random_split, dataset):
        leads = "; minus ".join(f"{name} {words.points(*ways)}" for name, ways in there.items())
        runs = min(ways[0].n for ways in there.values())
        beside = f" On the random split, of {words.plural(runs, 'seed')}: minus {leads}."
    return (
        f" Stage 0 trained each of them alone: the fused model minus {'; minus '.join(said)} with a power of 80% ({seeds}). So it is shown to be better than "
        f"{which}.{beside} Stages 1 and 2 trained the fused model further, so that even a gain need not be the second "
        "network's. Chapter 25 does the same with the paper's own networks."
    )


def after_stage0_said(found: Mapping[str, Sequence[Any]], dataset: Any) -> str:
    """The proposed model minus each single network of Table 6 as stage 0 left it, and what stages 1 and 2 changed of that network.

    found: `matched.fold_records` of Table 6; compared are the whole seeds that both have. "" where no row had a stage 0.
    """
    groups, pictures, lines, leads = splits.clusters(dataset), units.pictures(dataset), [], {}
    own = matched.with_all_folds(found.get(OWN, ()))
    for row, records in found.items():
        alone = [r for some in stages.stage0_records(records).values() for r in some]
        known = row != OWN and len(alone) == len(records)
        lead = worth.change(own, alone, groups, pictures) if known else None
        if lead:
            leads[row], went = (
                lead.ways(),
                worth.change(matched.with_all_folds(records), alone, groups, pictures),
            )
            lines.append(
                f"- {row}: {words.points(*lead.ways())}; stages 1 and 2 changed it by {words.points(*went.ways())}"
            )
            basis = words.tested_said(records, groups, pictures)
    if not lines:
        return ""
    better = (
        words.some([row for row, one in leads.items() if one[k].high < 0])
        for k in range(min(map(len, leads.values())))
    )
    return (
        f"Stages 1 and 2 change a single network too. The proposed model minus each as its stage 0 left it ({basis}; not "
        "adjusted for their number):\n\n" + "\n".join(lines) + "\n\n"
        f"So before its own stages 1 and 2 these are better than the proposed model: {', by picture '.join(better)}. Of one seed such a verdict "
        "may turn with another."
    )


def _not_worse(part: pd.DataFrame, rows: Sequence[str], cost: pd.Series, own: float) -> str:
    """Those of `rows` that the differences of `part` do not tell to be worse than the proposed model, by image or by picture."""
    worse = {
        row
        for name, _ in ablation.WAYS.values()
        for row in difference_intervals.below_above_undecided(part, name)[0]["row"]
    }
    equal = [row for row in rows if row not in worse]
    gaps = row_lists.listed(part[part["row"].isin(equal)], seeds=True)
    if not equal:
        return "all of them are shown to be worse"
    return f"not shown to be worse (points): {gaps}; down to {amount(cost[equal].min())} FLOPs an image against {amount(own)}"


def native_said(rows: Sequence[str]) -> str:
    """Which rows get the inputs of their own ImageNet weights, and why those of Eq 2 would be unfair to them."""
    if not rows:
        return (
            "Here every backbone sees the inputs of Equation 2: none starts from ImageNet weights. Where they do (profile "
            "`paper`), the single backbones get the inputs that their own weights were trained with (`native`)."
        )
    from gcaf_lib.model.backbones import STD  # with it comes the backend, which other chapters can spare

    scale = 255 * float(np.mean(STD))
    return (
        f"One thing is not identical, and on purpose: {', '.join(rows)} start from ImageNet weights and get the inputs "
        "that those were trained with (`native`). VGG19 and ResNet50 were trained on pixels of 0 to 255 less their mean; "
        f"Equation 2 gives the same image on a scale {scale:.0f} times smaller. Beaten on such inputs, a baseline would be beaten "
        "for its inputs."
    )


def full_said(full: pd.DataFrame) -> str:
    """How expensive the paper's model is among its rivals, and what its nearest rivals cost."""
    cost = full.set_index("row")
    own, others = cost.loc[OWN], cost.drop(index=OWN)
    more = {column: list(others.index[others[column] > own[column]]) for column in ("parameters", "flops")}
    heavy = max(map(len, more.values())) < len(others) / 2
    bare = "" if "VGG19" in more["parameters"] else " (VGG19 counted without its dense layers)"
    said = f"{_who(more['parameters'], 'has', 'have')} more parameters{bare}; {_who(more['flops'], 'needs', 'need')} more computation"
    lines = published_gaps.rival_gaps(PLACE).set_index("row")
    near, n = lines["gap"].sort_values().index[:3], published_gaps.headline()[1]
    figures = [paper.find(PLACE, row, "accuracy")[0] for row in near]
    images = ", ".join(f"{n * lines.loc[row, 'gap']:.1f}" for row in near)
    none = [f.row for f in figures if not attainability.counts(f.value, f.decimals, n, True)]
    broken = (
        f"; no whole number of right answers gives the accuracy of {', '.join(none)} (chapter 22)"
        if none
        else ""
    )
    return (
        f"The proposed model is {'among the most expensive' if heavy else 'not among the most expensive'}: {said}. Its nearest rivals in the paper's own table are "
        + "; ".join(
            f"{row}, {100 * lines.loc[row, 'gap']:.2f} points behind with {cost.loc[row, 'parameters'] / own['parameters']:.0%} of the weights and "
            f"{cost.loc[row, 'flops'] / own['flops']:.0%} of the computation"
            for row in near
        )
        + f". On {n} test images these gaps come to {images} images{broken}. Chapter 15 asks what such gaps are worth."
    )


def _who(rows: Sequence[str], one: str, several: str) -> str:
    """`VGG19 has`, `VGG19, ResNet50 have`, `no baseline has`."""
    return f"{', '.join(rows) or 'no baseline'} {one if len(rows) < 2 else several}"


def caveat_said(profile: str) -> str:
    """What a page under this profile can't say of the paper's networks, and where its question goes on."""
    said = {
        "demo": "The measured part of this page is of phantoms and miniature networks: it says nothing of patients.",
        "cpu": "The measured part of this page is of miniature networks on small images, whose order need not be that of the full ones; each "
        "started from a backbone trained on the same training part (stage 0), where the paper started from ImageNet.",
    }
    asks = "Whether a lead on this split means skill or memory is the question of chapter 17."
    return f"{said.get(profile, '')} {asks}".lstrip()
