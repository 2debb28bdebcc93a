"""The experiments as data: each table of the paper is a named grid of settings.

An experiment is a list of rows (label, what differs from the profile); a row's runs are its
settings with each seed. Nothing here trains: `training.sweep` runs what is missing, chapters
render whatever records exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from gcaf_lib import settings as settings_
from gcaf_lib.settings import Settings, SettingsError

SEEDS = {"demo": 1, "cpu": 5, "transfer": 3, "paper": 5}


_shipped = cache(settings_.load)  # one file for hundreds of rows; somebody's own may change meanwhile


@dataclass(frozen=True)
class Row:
    """One row of a table: its label there, and the settings in which it differs from the profile."""

    label: str
    overrides: dict[str, Any]
    seeds: dict[str, int] | None = None  # fewer than the experiment's, where rows repeat in another way
    # differs in this too, where weights are ImageNet's
    imagenet: dict[str, Any] = field(default_factory=dict)

    def settings(self, profile: str, base: dict[str, Any] | None = None) -> Settings:
        """The row's settings under a profile, with `base` overrides beneath its own."""
        start = _shipped(profile) if profile in settings_.PROFILES else settings_.load(profile)
        chosen = start.replace({**(base or {}), **self.overrides})
        return chosen.replace(self.imagenet) if chosen.model.weights == "imagenet" else chosen


@dataclass(frozen=True)
class Experiment:
    """A named grid: where it stands in the paper, its rows, and how many seeds each profile gives it."""

    name: str
    title: str
    rows: tuple[Row, ...]
    seeds: dict[str, int]

    def settings(self, profile: str, base: dict[str, Any] | None = None) -> list[tuple[str, Settings]]:
        """(label, settings) of every row under a profile, with `base` overrides beneath the row's."""
        return [(row.label, row.settings(profile, base)) for row in self.rows]

    def runs(
        self, profile: str, seeds: int | None = None, base: dict[str, Any] | None = None
    ) -> Iterator[tuple[str, Settings, int]]:
        """(label, settings, seed), seeds outermost: every row gets its first seed before any its second.

        seeds: this many for every row, instead of the profile's own number.
        """
        rows = [
            (*one, seeds or (row.seeds or self.seeds).get(profile, 1))
            for row, one in zip(self.rows, self.settings(profile, base))
        ]
        for seed in range(max(n for *_, n in rows)):
            yield from ((label, one, seed) for label, one, n in rows if seed < n)


def _baseline(label: str, key: str) -> Row:
    """One backbone without fusion.

    ImageNet weights get the inputs that they were trained with (`native`): on those of Eq 2 VGG19 and ResNet50 would
    see RGB of a spread near 0.9 where they know BGR of one near 53, and be beaten for that alone. Weights trained
    on Eq 2 (stage 0) stay with it.
    """
    return Row(
        label,
        {"model.backbones": (key,), "model.fusion": "none"},
        imagenet={"model.normalisation": "native"},
    )


def _vary(name: str, label: str, values: tuple) -> list[Row]:
    return [Row(f"{label} = {value}", {name: value}) for value in values]


def _patients_apart(rows: list[Row], seeds: dict[str, int] | None = None) -> list[Row]:
    """Each row five times, once a fold of patients kept apart: together they test every image once."""
    return [
        replace(
            row,
            overrides={**row.overrides, "data.protocol": "patients", "data.fold": fold},
            seeds=seeds or _THREE,
        )
        for row in rows
        for fold in range(5)
    ]


PROPOSED_FUSION = "Proposed Gated Cross-Attention"
_FEW = {"demo": 1, "cpu": 1, "paper": 5}
_THREE = {"demo": 1, "cpu": 3, "paper": 5}
_TABLE_8 = {"demo": 1, "cpu": 3, "paper": 3}
# as `cpu`
_STAGE_0 = {"model.weights": "in-domain", "training.stage0_epochs": 8, "training.stage0_rate": 3.0e-3}
_FUSIONS = [
    Row("Feature Concatenation", {"model.fusion": "concat"}),
    Row("Gated Fusion (No Attention)", {"model.fusion": "gate"}),
    Row("Cross-Attention (No Gating)", {"model.fusion": "cross"}),
    Row(PROPOSED_FUSION, {}),
    Row("gcaf-sigmoid", {"model.fusion": "gcaf-sigmoid"}),
    Row("gcaf-split", {"model.fusion": "gcaf-split"}),
    Row("gcaf-token", {"model.fusion": "gcaf-token"}),
]
_BASELINES = [
    _baseline("VGG19", "vgg19"),
    _baseline("ResNet50", "resnet50"),
    _baseline("DenseNet", "densenet121"),
    _baseline("EfficientNet-B0", "efficientnet-b0"),
    _baseline("CNN with Attention", "resnet50-cbam"),
    Row("Proposed Method", {}),
]
_MIXUP_EMA = [
    Row("Without Mixup & EMA", {"training.mixup": 0, "training.ema": 0}),
    Row("With Mixup Only", {"training.ema": 0}),
    Row("With EMA Only", {"training.mixup": 0}),
    Row("Proposed Model", {}),
]
_SENSITIVITY = [
    *_vary("training.batch_size", "Batch Size", (16, 32, 64)),
    *_vary("training.mixup", "Mixup α", (0.1, 0.2, 0.4, 0.6)),
    *_vary("loss.gamma", "Focal γ", (1, 2, 3)),
    *_vary("loss.smoothing", "Label Smoothing ε", (0.01, 0.05, 0.1)),
]
_ALL = {
    "main": ("The proposed model", [Row("Proposed Method", {})], SEEDS),
    "table-4": ("Table 4: fusion strategies", _FUSIONS, SEEDS),
    "table-5": ("Table 5: Mixup and EMA", _MIXUP_EMA, SEEDS),
    "table-6": ("Table 6: single-backbone baselines", _BASELINES, SEEDS),
    "table-8": (
        "Table 8: sensitivity",
        [
            *_SENSITIVITY,
            *_vary("loss.balance", "Focal α", (0.25, 0.5, 0.75, "inverse-frequency")),
        ],
        _TABLE_8,
    ),
    "loss": (
        "Both readings of Eq 14",
        [Row("target-probability", {}), Row("per-class", {"loss.reading": "per-class"})],
        _THREE,
    ),
    "projection-norm": (
        "LayerNorm behind the projections",
        [
            Row("Without LayerNorm (the proposed model)", {}),
            Row("With LayerNorm", {"model.projection_norm": True}),
        ],
        SEEDS,
    ),
    "ladder": (
        "The leakage ladder",
        [Row(p, {"data.protocol": p}) for p in ("official", "paper", "bytes", "twins")]
        + _patients_apart([Row("patients", {})]),
        SEEDS,
    ),
    "ladder-ends": (
        "The ladder's two ends, what a page of phantoms trains of it",
        [
            Row("paper", {"data.protocol": "paper"}),
            Row("patients", {"data.protocol": "patients", "data.fold": 0}),
        ],
        _FEW,
    ),
    "patients": (
        "The proposed model on patient-disjoint folds",
        _patients_apart([Row(PROPOSED_FUSION, {})]),
        _THREE,
    ),
    "shortcuts": (
        "Shortcuts taken away",
        [
            row
            for label, change in (
                ("canonical encoding", {"data.encoding": "canonical"}),
                ("three classes", {"data.classes": ("glioma", "meningioma", "pituitary")}),
            )
            for row in (
                Row(f"paper, {label}", {"data.protocol": "paper", **change}, _THREE),
                *_patients_apart([Row(f"patients, {label}", change)], _FEW),
            )
        ],
        _FEW,
    ),
    "transfer": (
        "What counts in transfer learning, on patient-disjoint folds",
        _patients_apart(
            [
                Row("Stage 0 on the training part in place of ImageNet", {}, imagenet=_STAGE_0),
                Row("All layers free in stage 2", {"training.unfrozen": 1.0}),
            ],
            _FEW,
        ),
        _FEW,
    ),
    "table-4-patients": ("Table 4 on patient-disjoint folds", _patients_apart(_FUSIONS), _THREE),
    "table-5-patients": ("Table 5 on patient-disjoint folds", _patients_apart(_MIXUP_EMA), _THREE),
    "table-6-patients": ("Table 6 on patient-disjoint folds", _patients_apart(_BASELINES), _THREE),
    "table-8-patients": (
        "Table 8 on patient-disjoint folds",
        _patients_apart(_SENSITIVITY, _TABLE_8),
        _TABLE_8,
    ),
}
EXPERIMENTS = {
    name: Experiment(name, title, tuple(rows), seeds) for name, (title, rows, seeds) in _ALL.items()
}


def native(name: str, profile: str, base: dict[str, Any] | None = None) -> list[str]:
    """Labels of an experiment's rows whose backbones get the inputs that their ImageNet weights were trained with."""
    rows = experiment(name).settings(profile, base)
    return list(dict.fromkeys(label for label, one in rows if one.model.normalisation == "native"))


def maps_shown(chosen: Settings, profile: str) -> bool:
    """Whether committed pages show heat maps of such a run: the proposed model's, on the paper's split or with patients apart.

    Maps are most of a record's bytes and take a fifth of a run's time, under `transfer` (whose maps no page
    shows) a third.
    """
    own, split = settings_.load(profile), chosen.data
    proposed = replace(own, data=replace(own.data, protocol=split.protocol, fold=split.fold))
    return profile != "transfer" and split.protocol in ("paper", "patients") and chosen == proposed


def experiment(name: str) -> Experiment:
    """The experiment with this name; raises `SettingsError` listing the known ones."""
    try:
        return EXPERIMENTS[name]
    except KeyError:
        raise SettingsError(f"unknown experiment {name!r}: {', '.join(EXPERIMENTS)}") from None
