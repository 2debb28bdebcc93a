"""Raw against averaged weights over a training (Eq 18 as a picture)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from gcaf_lib.display.style import ACCENT, OURS, Drawing, drawing, percent_label, quiet, styled


@styled
def ema_curves(histories: Sequence[pd.DataFrame]) -> Drawing:
    """Validation accuracy by epoch with raw and with averaged weights, one panel a stage.

    `histories`: one frame a seed with stage, epoch, val_accuracy_raw and val_accuracy. Lines are means over
    the seeds, bands one standard deviation. Raises `ValueError` where there is no history.
    """
    if not len(histories):
        raise ValueError("ema_curves: no histories; train a run first")
    frame = pd.concat(histories)
    stages = sorted(frame["stage"].unique())
    fig = drawing(height=2.8)
    for ax, stage in zip(fig.subplots(1, len(stages), sharey=True, squeeze=False)[0], stages):
        by = frame[frame["stage"] == stage].groupby("epoch")
        for column, colour, dash, word in (
            ("val_accuracy_raw", OURS, "-", "raw weights"),
            ("val_accuracy", ACCENT, "--", "averaged weights"),
        ):
            mean, spread = by[column].mean(), by[column].std().fillna(0)
            ax.plot(mean.index, mean, dash, color=colour, label=word, marker="o" if len(mean) < 25 else "")
            ax.fill_between(mean.index, mean - spread, mean + spread, color=colour, alpha=0.18, lw=0)
        ax.set_title(f"Stage {int(stage)}")
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.yaxis.set_major_formatter(percent_label)
        quiet(ax, "y")
        if stage == stages[-1]:
            ax.legend(loc="lower right")
        if stage == stages[0]:
            ax.set_ylabel("validation accuracy")
    return fig
