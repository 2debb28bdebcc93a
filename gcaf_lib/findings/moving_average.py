"""Chapter 12: what a moving average of the weights still holds of its start, and raw beside averaged weights of the same runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.evaluation.metrics import summary
from gcaf_lib.findings import ablation_tables, factorial_effects, stages, words
from gcaf_lib.paper import published as paper
from gcaf_lib.terminal import cut


def scores_by_weights(
    found: Mapping[str, Sequence[Any]], metrics: Sequence[str] = factorial_effects.METRICS
) -> pd.DataFrame:
    """One line a row and kind of weights, mean ± sd over seeds: raw everywhere, averaged where EMA is on."""
    lines = []
    for (_, ema), label in factorial_effects.design_cells().items():
        records = found.get(label, ())
        for which in ("raw", "ema") if ema else ("raw",):
            word = {"raw": "raw", "ema": "averaged"}[which]
            line: dict[str, Any] = {"Row": label, "Weights": word, "n": len(records)}
            scores = [summary(r.labels(), r.probabilities("test", which)) for r in records]
            for metric in metrics:
                scale, decimals, unit = ablation_tables.metric_format(metric)
                values = pd.Series([score[metric] for score in scores], dtype=float)
                text = words.mean_sd(values.mean(), values.std(), decimals, scale)
                line[names.metric_name(metric) + unit] = text if scores else names.ABSENT
            lines.append(line)
    return pd.DataFrame(lines)


def same_course(found: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """A run with EMA beside the run without, same Mixup and seed: do they go through the same raw weights?

    mixup, seed; epochs of stage 1 that both have, and how many of them agree in training loss and in the raw
    weights' validation loss to six digits; kept_without, kept_with (epochs kept, by stage); images, answers (of
    the raw weights, that differ), largest (difference of a probability).
    """
    names, lines = factorial_effects.design_cells(), []
    columns = ["loss", "val_loss_raw"]
    for mixup in (False, True):
        pair = [{r.seed: r for r in found.get(names[mixup, ema], ())} for ema in (False, True)]
        for seed in sorted(set(pair[0]) & set(pair[1])):
            runs = [side[seed] for side in pair]
            a, b = (r.history[r.history["stage"] == 1][columns].to_numpy() for r in runs)
            both = min(len(a), len(b))
            p, q = (r.probabilities("test", "raw") for r in runs)
            lines.append(
                {
                    "mixup": mixup,
                    "seed": seed,
                    "epochs": both,
                    "agree": int(np.isclose(a[:both], b[:both], rtol=1e-6, atol=0).all(axis=1).sum()),
                    "kept_without": [s["best_epoch"] for s in runs[0].info["stages"]],
                    "kept_with": [s["best_epoch"] for s in runs[1].info["stages"]],
                    "images": len(p),
                    "answers": int((p.argmax(1) != q.argmax(1)).sum()),
                    "largest": float(np.abs(p - q).max()),
                }
            )
    return pd.DataFrame(lines)


def course_said(frame: pd.DataFrame) -> str:
    """`same_course` as a list; empty where there is no pair."""
    out = []
    for r in frame.itertuples():
        text = f"{'With' if r.mixup else 'Without'} Mixup, seed {r.seed}: in stage 1 "
        text += (
            f"the losses of the two runs agree in all {r.epochs} epochs, to the last digit kept; "
            if r.agree == r.epochs
            else f"the losses agree in {r.agree} of {r.epochs} epochs only; "
        )
        kept = [
            "epochs " + " and ".join(f"{epoch} (stage {k})" for k, epoch in enumerate(epochs, 1))
            for epochs in (r.kept_without, r.kept_with)
        ]
        text += (
            f"both kept {kept[0]}"
            if kept[0] == kept[1]
            else f"without EMA {kept[0]} were kept, with it {kept[1]}"
        )
        text += (
            f"; the final raw weights of the two runs give the same answers on all {r.images} test images."
            if not r.answers
            else f"; the final raw weights of the two runs answer {r.answers} of {r.images} test images differently."
        )
        out.append(f"- {text}")
    return "\n".join(out)


def start_left_table(found: Mapping[str, Sequence[Any]], training_images: int) -> pd.DataFrame:
    """One line a stage of each row with EMA: β, steps up to the kept epoch, and the share of the start left in the average there.

    training_images: how many there are, which gives the steps an epoch.
    """
    averaged, lines = {row: runs for row, runs in found.items() if runs and runs[0].settings.training.ema}, []
    for row, records in averaged.items():
        chosen = records[0].settings.training
        for stage, part in pd.concat([stages.kept_epochs(r) for r in records]).groupby("stage"):
            ends, left = stages.average_left(chosen, sorted(part["best_epoch"]), training_images)
            # from fewest steps, which leave the largest share, to most
            cells = words.extent(ends, "{:,}".format), words.extent(left, words.percent)
            lines.append((row, int(stage), len(records), f"{chosen.ema:g}", *cells))
    heads = ["Row", "Stage", "n", "β", "Steps", "Start remaining (%)"]
    return pd.DataFrame(lines or [(names.ABSENT, *"–" * 5)], columns=heads)


def start_left_said() -> str:
    """What the average still holds of each stage's start under the paper's own settings."""
    names = ("ema", "batch_size", "stage1_epochs", "stage2_epochs")
    beta, batch, *epochs = (paper.published("Table 3", metric=f"training.{name}") for name in names)
    steps = int(paper.published("Table 2", "Total", "training") // batch)
    most = cut(0.01 ** (1 / (epochs[1] * steps - 1)), 4)
    each = "; ".join(
        f"stage {k}: {n:.0f} epochs of {steps} steps leave {stages.remaining(beta, int(n) * steps):.1%} of the start"
        for k, n in enumerate(epochs, 1)
    )
    return (
        f"By the paper's own settings ($\\beta = {beta:g}$, batches of {batch:g}; an epoch's last partial batch dropped, as here), {each}. The start of stage 1 is a fusion and a classifier "
        "one step from random ones; that of stage 2 is where stage 1 ended. To keep 1% or less of the start after stage 2, $\\beta$ may be "
        f"at most {most}, within the range that the paper gives."
    )
