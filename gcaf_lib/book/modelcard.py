"""The computed part of the model card: what was trained, and what it scored, from the scorecard's frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from gcaf_lib import settings as _settings
from gcaf_lib.display import names, tables
from gcaf_lib.display.names import metric_name
from gcaf_lib.evaluation import folds
from gcaf_lib.findings import scorecard, words
from gcaf_lib.training import shipped

METRICS = (
    ("Abstract", "accuracy"), ("Abstract", "macro_f1"), ("Abstract", "macro_auc"), ("§5.4", "recall_glioma"),
    ("§5.4", "recall_meningioma"), ("§5.4", "recall_notumor"), ("Table 7", "kappa"), ("Table 7", "ece"),
)  # fmt: skip


def settings(profile: str) -> pd.DataFrame:
    """The settings that a reader asks for first."""
    s = _settings.load(profile)
    rows = [
        ("Backbones", " and ".join(s.model.backbones) + f" ({s.model.scale})"),
        ("Fusion", s.model.fusion),
        ("Starting weights", s.model.weights),
        ("Input", f"{s.data.image_size}×{s.data.image_size} pixels, three channels, one slice"),
        ("Output", f"probabilities of {len(s.data.classes)} classes: {', '.join(s.data.classes)}"),
        ("Epochs", f"{s.training.stage1_epochs} with frozen backbones, {s.training.stage2_epochs} after"),
        ("Evaluated weights", f"moving average, decay {s.training.ema:g}"),
    ]
    return pd.DataFrame(rows, columns=["What", f"Profile {profile}"])


def performance(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean ± sd (n) and 95% interval of the main metrics under both protocols."""
    rows = []
    for place, metric in METRICS:
        part = frame[(frame["place"] == place) & (frame["metric"] == metric) & (frame["n"] > 0)]
        cells = {}
        for protocol, split in folds.NAMES.items():
            found = part[part["protocol"] == protocol]
            cell = measured(found.iloc[0], "{:.4f}".format) if len(found) else names.ABSENT
            cells[split.capitalize()] = cell
        rows.append({"Metric": metric_name(metric), **cells})
    return pd.DataFrame(rows)


def measured(row: pd.Series, shown: Callable[[float], str]) -> str:
    """The numbers of a scorecard's row, each as `shown`: mean ± sd, interval, how often trained, and by picture."""
    spread = f" ± {shown(row.sd)}" if np.isfinite(row.sd) else ""
    text = f"{shown(row.measured)}{spread} ({shown(row.low)} to {shown(row.high)}; {names.repeats(row)})"
    return words.beside(text, row.picture, shown)


def travelling() -> str:
    """Which run's weights the package carries."""
    one = shipped.read()
    return (
        f"One model travels with the package and answers `gcaf predict slice.jpg`: run `{one.key}` ({one.words()}), its averaged weights "
        "in half precision. Chapter 23 tells what it is worth at home and elsewhere.\n\n"
    )


def text(frame: pd.DataFrame, profile: str) -> str:
    """MyST text: the model that travels, and both tables."""
    return travelling() + (
        tables.numbered(settings(profile), "tab-card-settings", f"The model of profile `{profile}`.")
        + "\n"
        + tables.numbered(
            performance(frame),
            "tab-card-performance",
            f"Test results under profile `{profile}`: mean ± standard deviation over seeds, the 95% interval, and how often it was "
            f"trained. {scorecard.BESIDE}",
        )
    )
