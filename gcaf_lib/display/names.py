"""Names for people: of backbones, maps and measures."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gcaf_lib.data import splits
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import control, tumours

_BACKBONE_NAMES = {"efficientnetv2-s": "EfficientNetV2-S", "convnext-tiny": "ConvNeXt-Tiny"}


def backbone_name(key: str, record: Any = None) -> str:
    """A backbone's name for people; says so where the record's is a miniature of it."""
    small = " (mini)" if record is not None and record.settings.model.scale == "mini" else ""
    return _BACKBONE_NAMES.get(key, key) + small


MAP_NAMES = {
    tumours.FUSED: "Model, both backbones",
    "sensitivity": "Sensitivity of the whole model",
    tumours.PLACE: "Usual place of the named class",
    tumours.CENTRE: "Centre of the image",
    tumours.RANDOM: "Random map",
    tumours.EDGE: "Edges of the image",
}

MEASURE_NAMES = {
    "pointing": "Pointing game",
    "tolerant": "Pointing, 7% tolerance",
    "energy": "Energy inside",
    "iou": "IoU at matched area",
}


def map_name(name: str) -> str:
    """A map's name for people."""
    return MAP_NAMES[name] if name in MAP_NAMES else backbone_name(name)


METHODS = {
    "grad-cam": "Grad-CAM",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
    "sensitivity": "Sensitivity",
    "occlusion": "Occlusion",
    "": "Random",
}


def control_name(map: str, method: str, place: str) -> str:
    """A map of the control for people: `ConvNeXt-Tiny, LayerCAM before the norm`."""
    if map in (control.WHOLE, tumours.RANDOM):
        return METHODS[method] + (" map" if map == tumours.RANDOM else ", whole model")
    return f"{map_name(map)}, {METHODS[method]} {place} the norm"


def control_names(frame: pd.DataFrame) -> list[str]:
    """`control_name` of each line of a frame (columns map, method, place)."""
    return [control_name(*key) for key in frame[control.KEY].to_numpy()]


_NAMES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "kappa": "Cohen's κ",
    "mcc": "Matthews correlation",
    "ece": "ECE",
    "brier": "Brier score",
    "nll": "Negative log-likelihood",
}

_KINDS = {
    "auc": "ROC-AUC",
    "ap": "average precision",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}


def metric_name(metric: str) -> str:
    """A metric's name for people: `auc_glioma` is "ROC-AUC, glioma"."""
    if metric in _NAMES:
        return _NAMES[metric]
    first, _, rest = metric.partition("_")
    if first in ("macro", "micro"):
        return f"{first.capitalize()} {_KINDS.get(rest, rest)}"
    kind = _KINDS.get(first, first)
    return f"{kind[0].upper()}{kind[1:]}, {CLASS_NAMES.get(rest, rest).lower()}"


ABSENT = "not trained yet"

SHARES = ("accuracy",)  # shown in percent, their differences in points


def runs_text(line: pd.Series) -> str:
    """How often a row was trained: `3`, `one run`, `one seed of 5 folds`, `2 seeds of 5 folds`, `2 of 5 folds`, `none`.

    On patient-disjoint folds (`protocol`, where the line has one) but without folds: `one run of a single split`.
    """
    n, done = int(line["n"]), int(line["folds"])
    if n and not done and line.get("protocol") == "patients":
        return f"{'one run' if n == 1 else f'{n} runs'} of a single split"
    if done:
        if not n:
            return f"{done} of {splits.FOLDS} folds"
        return f"{'one seed' if n == 1 else f'{n} seeds'} of {'one fold' if done == 1 else f'{done} folds'}"
    return "none" if not n else "one run" if n == 1 else str(n)


def repeats(line: pd.Series) -> str:
    """`runs_text` in brackets behind a score: a bare number is `n = 3`."""
    text = runs_text(line)
    return f"n = {text}" if text.isdigit() else text
