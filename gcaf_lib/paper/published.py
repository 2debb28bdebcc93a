"""Every figure the paper publishes, once for each place in which it stands.

Chapters, the scorecard and the audit read published numbers from here and nowhere else. The file holds
figures and labels; the paper's sentences, and the remark columns of its tables, are left out.

Metric names are those of `gcaf_lib.evaluation.metrics.summary`, so that a measured value can be laid
beside a published one without a translation table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from gcaf_lib.settings import CLASSES, DataSettings

CLASS_LABELS = dict(zip(CLASSES, ("Glioma", "Meningioma", "No Tumor", "Pituitary")))
PROPOSED = "Proposed Method"


class Figure(NamedTuple):
    """One published number: where it stands, what it is about, and how many decimals were printed."""

    place: str
    row: str
    metric: str
    value: float
    decimals: int
    unit: str = ""

    @property
    def fraction(self) -> float:
        """The value on the scale of the library's metrics: a percentage divided by 100."""
        return self.value / 100 if self.unit == "%" else self.value

    @property
    def half_step(self) -> float:
        """Half a unit of the last printed decimal, on that scale: how far the truth may be from what was printed."""
        return 0.5 * 10.0**-self.decimals / (100 if self.unit == "%" else 1)


def _printed(place: str, row: str, text: str) -> Iterator[Figure]:
    """Figures of a list such as `accuracy: 95.73%; macro_auc: 0.9967`, with the decimals and the unit that are printed."""
    for part in text.split("; "):
        metric, _, number = part.partition(": ")
        value, _, unit = number.replace("%", " %").partition(" ")
        decimals = len(value.partition(".")[2])
        yield Figure(place, row, metric, float(value) if decimals else int(value), decimals, unit)


_HEADLINE = "accuracy: 95.73%; macro_f1: 95.7%; macro_auc: 0.9967"  # of the abstract, and of the conclusion


_PARTS = ("training", "validation", "testing", "total")
_TABLE_2 = {
    "Glioma": (1297, 162, 162, 1621),
    "Meningioma": (1316, 164, 165, 1645),
    "No Tumor": (1600, 200, 200, 2000),
    "Pituitary": (1405, 176, 176, 1757),
    "Total": (5618, 702, 703, 7023),
}
_TABLE_4 = {
    "Feature Concatenation": (92.84, 0.926, 0.982),
    "Gated Fusion (No Attention)": (94.12, 0.940, 0.989),
    "Cross-Attention (No Gating)": (94.68, 0.945, 0.991),
    "Proposed Gated Cross-Attention": (95.73, 0.957, 0.997),
}
_TABLE_5 = {
    "Without Mixup & EMA": (93.47, 0.934, 0.083),
    "With Mixup Only": (94.82, 0.947, 0.061),
    "With EMA Only": (95.01, 0.949, 0.053),
    "Proposed Model": (95.73, 0.957, 0.044),
}
_TABLE_6 = {
    "VGG19": ("Single CNN", 94.90, 0.939),
    "ResNet50": ("Single CNN", 90.59, 0.907),
    "DenseNet": ("Single CNN", 94.40, 0.946),
    "EfficientNet-B0": ("Single CNN", 91.73, 0.929),
    "CNN with Attention": ("Single CNN and Attn", 94.21, 0.941),
    PROPOSED: ("Dual CNN and GCAF", 95.73, 0.957),
}
_TABLE_7 = {
    "Cohen's Kappa": ("kappa", 0.9415),
    "Matthews Correlation Coefficient (MCC)": ("mcc", 0.9418),
    "Expected Calibration Error (ECE)": ("ece", 0.0441),
}
_TABLE_8 = {
    "Batch Size": {"16": 94.82, "32": 95.73, "64": 95.10},
    "Mixup α": {"0.1": 94.95, "0.2": 95.73, "0.4": 95.21, "0.6": 94.88},
    "Focal γ": {"1": 95.02, "2": 95.73, "3": 95.18},
    "Label Smoothing ε": {"0.01": 95.10, "0.05": 95.73, "0.1": 95.05},
}
_TABLE_1 = (
    ("CNN and Attention", "Static", "Single", "✗", "✗", "✗"),
    ("Dual Backbone", "Concatenation", "✗", "✗", "✗", "✗"),
    ("Transformer-based", "Self-attention", "✓", "✗", "✗", "✗"),
    ("Proposed Method", "Dynamic Fusion", "Cross-Attention", "✓", "✓", "✓"),
)
# parameter, symbol, value as printed, [(metric, number, decimals)]; a metric is the setting it stands for
_TABLE_3 = (
    ("Input Size", "–", "224×224", (("data.image_size", 224, 0),)),
    ("Batch Size", "–", "32", (("training.batch_size", 32, 0),)),
    ("Learning Rate (Stage-1)", "–", "3×10⁻⁴", (("training.stage1_rate", 3e-4, 4),)),
    ("Learning Rate (Stage-2)", "–", "1×10⁻⁵", (("training.stage2_rate", 1e-5, 5),)),
    ("Mixup Parameter", "α_mixup", "0.2", (("training.mixup", 0.2, 1),)),
    ("Focal Loss Gamma", "γ", "2", (("loss.gamma", 2, 0),)),
    ("Class Balance Factor", "α_focal", "Inverse frequency", ()),
    ("Label Smoothing", "ε", "0.05", (("loss.smoothing", 0.05, 2),)),
    ("EMA Decay", "–", "0.999", (("training.ema", 0.999, 3),)),
    (
        "Epochs (Stage-1 / Stage-2)",
        "–",
        "20 / 10",
        (("training.stage1_epochs", 20, 0), ("training.stage2_epochs", 10, 0)),
    ),
)


def _figures() -> Iterator[Figure]:
    """All figures in the order of the paper."""
    yield from _printed("Abstract", PROPOSED, _HEADLINE)
    yield from _printed("Abstract", "Dataset", "images: 7023 images")
    yield from _printed("§3", "Dataset", "classes: 4")
    yield from _printed(
        "§4.6", PROPOSED, "training.unfrozen: 20%; training.ema (low): 0.9; training.ema (high): 0.999"
    )
    parts = "; ".join(f"{part}: {count} images" for part, count in zip(_PARTS, _TABLE_2["Total"]))
    yield from _printed("§5.1", "Dataset", parts)
    yield from _printed("§5.1", "Dataset", "training share: 80%; validation share: 10%; testing share: 10%")
    for row, counts in _TABLE_2.items():
        yield from (Figure("Table 2", row, part, n, 0, "images") for part, n in zip(_PARTS, counts))
    for row, _, _, numbers in _TABLE_3:
        yield from (Figure("Table 3", row, *number) for number in numbers)
    yield from _printed("§5.2", PROPOSED, "loss.gamma: 2; loss.balance: 0.5; loss.smoothing: 0.1")
    tried = "loss.gamma (low): 1; loss.gamma (high): 3; loss.balance (low): 0.25; loss.balance (high): 0.75"
    tried += "; loss.smoothing (low): 0.05; loss.smoothing (high): 0.1"
    yield from _printed("§5.2", "Range tried", tried)
    seen = "training accuracy (low): 98%; training accuracy (high): 99%"
    seen += "; validation accuracy (low): 95%; validation accuracy (high): 96%"
    yield from _printed("§5.3", PROPOSED, seen)
    report = "accuracy: 95.73%; macro_f1: 95.7%; precision_glioma: 94.44%; recall_glioma: 94.44%"
    report += "; precision_meningioma: 94.32%; recall_meningioma: 93.94%"
    yield from _printed("§5.4", PROPOSED, f"{report}; recall_notumor: 97.00%; f1_pituitary: 97.10%")
    areas = "macro_auc: 0.9967; micro_auc: 0.9974; auc_glioma: 0.9955; auc_meningioma: 0.9922"
    areas += "; auc_notumor: 0.9994; auc_pituitary: 0.9993; macro_ap: 0.989; micro_ap: 0.993"
    areas += "; ap_glioma: 0.989; ap_meningioma: 0.972; ap_notumor: 0.999; ap_pituitary: 0.998"
    yield from _printed("§5.5", PROPOSED, areas)
    others = {"Table 4": (_TABLE_4, "macro_auc"), "Table 5": (_TABLE_5, "ece"), "Table 6": (_TABLE_6, "")}
    for place, (rows, third) in others.items():
        for row, values in rows.items():
            accuracy, *rest = (v for v in values if not isinstance(v, str))
            yield Figure(place, row, "accuracy", accuracy, 2, "%")
            yield from (Figure(place, row, m, v, 3) for m, v in zip(("macro_f1", third), rest))
    yield from (Figure("Table 7", row, metric, value, 4) for row, (metric, value) in _TABLE_7.items())
    yield from (Figure("§5.7", PROPOSED, metric, value, 4) for metric, value in _TABLE_7.values())
    yield from _printed("§5.7", "Paired t-test", "significance level: 0.05")
    for parameter, values in _TABLE_8.items():
        yield from (Figure("Table 8", f"{parameter} {v}", "accuracy", a, 2, "%") for v, a in values.items())
    chosen = "training.batch_size: 32; loss.balance: 0.5; loss.gamma: 2; loss.smoothing: 0.05"
    yield from _printed("§5.8", PROPOSED, f"{chosen}; training.mixup: 0.2")
    yield from _printed("§5.8", "Range tried", "loss.balance (low): 0.25; loss.balance (high): 0.75")
    yield from _printed("§5.8", PROPOSED, "accuracy: 95.73%")
    yield from _printed("§7", PROPOSED, _HEADLINE)


FIGURES = tuple(_figures())
FRAME = pd.DataFrame([(*f, f.fraction) for f in FIGURES], columns=[*Figure._fields, "fraction"])


def find(place: str | None = None, row: str | None = None, metric: str | None = None) -> list[Figure]:
    """Published figures that match every argument given."""
    wanted = {"place": place, "row": row, "metric": metric}
    return [f for f in FIGURES if all(v is None or getattr(f, k) == v for k, v in wanted.items())]


def published(place: str | None = None, row: str | None = None, metric: str | None = None) -> float:
    """The one published value that matches, in the printed unit (95.73 for 95.73%).

    Raises `LookupError` where nothing matches, or where the matching places differ in value.
    """
    found = find(place, row, metric)
    if len({f.value for f in found}) != 1:
        what = "no published figure" if not found else f"{len(found)} published figures that differ"
        near = sorted(
            {f"{f.place} / {f.row} / {f.metric}" for f in found or find(place, None, metric) or find(place)}
        )
        raise LookupError(
            f"{what} for place={place!r}, row={row!r}, metric={metric!r}; see paper/published.py; "
            f"candidates: {'; '.join(near[:8]) or 'none, that place is unknown'}"
        )
    return found[0].value


def supports() -> dict[str, int]:
    """Test images of each class (Table 2), keyed by the library's class names."""
    return {name: int(published("Table 2", label, "testing")) for name, label in CLASS_LABELS.items()}


def at_published_size(data: DataSettings) -> DataSettings:
    """These settings with the paper's image size."""
    return replace(data, image_size=int(published("Table 3", metric="data.image_size")))


def report() -> list[Figure]:
    """The classification report of the main result: Section 5.4 and Table 7 without the ECE."""
    return find("§5.4") + [f for f in find("Table 7") if f.metric != "ece"]


_HEADS = {
    1: "Method, Fusion Type, Attention, Bidirectional, Gating, Calibration",
    2: f"Class, {', '.join(_PARTS).title()}",
    3: "Parameter, Symbol, Value",
    4: "Fusion Strategy, Accuracy (%), Macro F1, Macro ROC-AUC",
    5: "Training Configuration, Accuracy (%), Macro F1, ECE ↓",
    6: "Method, Backbone Type, Accuracy (%), Macro F1",
    7: "Metric, Value",
    8: "Parameter, Value, Accuracy (%)",
}
_ROWS = {
    1: _TABLE_1,
    3: [line[:3] for line in _TABLE_3],
    7: [(row, value) for row, (_, value) in _TABLE_7.items()],
    8: [(name, *pair) for name, values in _TABLE_8.items() for pair in values.items()],
    **{
        number: [(row, *values) for row, values in rows.items()]
        for number, rows in {2: _TABLE_2, 4: _TABLE_4, 5: _TABLE_5, 6: _TABLE_6}.items()
    },
}


def table(number: int) -> pd.DataFrame:
    """Table 1 to 8 as the paper lays it out, without its columns of remarks (Description, Interpretation,
    Observation)."""
    if number not in _HEADS:
        raise LookupError(f"the paper has Tables 1 to 8, not {number}")
    return pd.DataFrame(_ROWS[number], columns=_HEADS[number].split(", "))


class Said(NamedTuple):
    """What one place of the paper says about one matter; `default` is what this project does."""

    topic: str
    place: str
    says: str
    default: str


# Matters on which the places can be laid side by side: topic → what this project does, and what each place says.
# Numbers repeat FIGURES' values (a test holds the two together); topics that are settings carry the setting's dotted name.
_SAID = {
    "loss.smoothing": ("0.05", {"Table 3": "0.05", "§5.2": "0.1", "§5.8": "0.05"}),
    "loss.balance": ("inverse-frequency", {"Table 3": "inverse-frequency", "§5.2": "0.5", "§5.8": "0.5"}),
    "loss.gamma": ("2", {"Table 3": "2", "§5.2": "2", "§5.8": "2"}),
    "training.batch_size": ("32", {"Table 3": "32", "§5.8": "32"}),
    "training.mixup": ("0.2", {"Table 3": "0.2", "§5.8": "0.2"}),
    "search": ("none: the settings are taken from Table 3", {"§5.2": "by hand", "§5.8": "grid search"}),
    "highest recall": ("the measured one", {"§5.4": "notumor"}),
    "modality": ("mixed, by eye", {"§5.1": "every image T1-weighted, contrast-enhanced"}),
    "rounding of macro_auc": ("compared at the printed decimals", {"§5.5": "0.9967", "Table 4": "0.997"}),
}
SAID = tuple(
    Said(topic, place, says, default)
    for topic, (default, places) in _SAID.items()
    for place, says in places.items()
)


def disagreements() -> pd.DataFrame:
    """Topics on which two places of the paper say different things: topic, place, says, default."""
    frame = pd.DataFrame([s for s in SAID if not s.topic.startswith("rounding")], columns=Said._fields)
    return frame[frame.groupby("topic").says.transform("nunique") > 1].reset_index(drop=True)
