"""What a recipe costs: weights, computation for one image, and training time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.display.cost_chart import amount
from gcaf_lib.evaluation import costs
from gcaf_lib.findings import recipes, stages

PRICED = ["n", "seconds", "low", "high", "epochs", "devices"]  # columns of `stages.training_times`


def price(runs: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """One line a side that has runs: size (pixels), parameters, macs and flops of one image, n runs, seconds of stages 1 and 2 (mean, and low
    to high), devices, and the seconds of its stage 0 (0 where it has none)."""
    lines = []
    for side, records in runs.items():
        if not records:
            continue
        chosen = records[0].settings
        spent = stages.training_times({side: records}).iloc[0]
        starts = [r for found in stages.stage0_records(records).values() for r in found]
        before = sum(stage["seconds"] for r in starts for stage in r.info["stages"]) / len(records)
        lines.append({"side": side, "size": chosen.data.image_size, **costs.of_settings(chosen),
                      **spent[PRICED], "stage0": before})  # fmt: skip
    columns = ["side", "size", "parameters", "macs", "flops", *PRICED, "stage0"]
    return pd.DataFrame(lines, columns=columns)


def price_said(frame: pd.DataFrame) -> str:
    """What ImageNet networks cost beside miniatures, and how far seconds compare; "" where one side has no run. frame: of `price`."""
    if len(frame) < 2:
        return ""
    small, large = frame.iloc[0], frame.iloc[1]
    more, weights = (large[name] / small[name] for name in ("macs", "parameters"))
    return (
        f"For one image the networks with ImageNet weights take {more:.3g} times the multiply-adds of the miniatures, with {weights:.3g} times the parameters; they need "
        f"no stage 0. Their stages 1 and 2 took {large['seconds'] / small['seconds']:.2g} times as long in the mean, "
        f"{(large['seconds'] + large['stage0']) / (small['seconds'] + small['stage0']):.2g} times with the miniatures' stage 0. Seconds are of unlike machines and loads (the runs "
        f"of one row differ by a factor of up to {max(small['high'] / small['low'], large['high'] / large['low']):.2g}), so only the multiply-adds compare."
    )


def price_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`price` for readers."""
    if frame.empty:
        return pd.DataFrame([{"Model": names.ABSENT}])
    return pd.DataFrame(
        {
            "Model": recipes.side_title(r.side),
            "Image": f"{r.size}×{r.size}",
            "Parameters": f"{r.parameters:,}",
            "Multiply-adds": amount(r.macs),
            "Stage 0 (s)": f"{r.stage0:,.0f}" if r.stage0 else "–",
            "Stages 1 and 2 (s)": f"{r.seconds:,.0f} ({r.low:,.0f} to {r.high:,.0f})",
            "Runs": r.n,
            "On": r.devices,
        }
        for r in frame.itertuples()
    )
