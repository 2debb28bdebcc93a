"""The computed part of the front page: the claim, our number, and the scorecard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib import settings as _settings
from gcaf_lib.data import splits
from gcaf_lib.report import audit, checklist, modelcard, pairs, paper, provenance, scorecard, speed, tables
from gcaf_lib.report.style import CLASS_NAMES

HEADLINE = [
    ("Abstract", "accuracy"), ("Abstract", "macro_f1"), ("Abstract", "macro_auc"), ("Table 7", "kappa"),
    ("Table 7", "mcc"), ("Table 7", "ece"),
]  # fmt: skip
METRIC_NAMES = {
    "accuracy": "Accuracy", "macro_f1": "Macro F1", "macro_auc": "Macro ROC-AUC", "micro_auc": "Micro ROC-AUC",
    "macro_ap": "Macro AP", "micro_ap": "Micro AP", "kappa": "Cohen's κ", "mcc": "MCC", "ece": "ECE",
}  # fmt: skip
_KINDS = {"precision": "Precision", "recall": "Recall", "f1": "F1", "auc": "ROC-AUC", "ap": "AP"}
PROFILE_WORDS = {
    "demo": "synthetic phantoms and miniature networks",
    "cpu": "the real images and miniature networks",
    "paper": "the real images and the paper's networks",
}


def write(
    profile: str, book: Path, results: Path | None = None, frame: pd.DataFrame | None = None
) -> list[Path]:
    """Write _generated/scorecard.md and its companions into `book`, and results/scorecard.csv."""
    chosen = _settings.load(profile)
    if frame is None:
        from gcaf_lib.data.dataset import open_dataset

        data = open_dataset(chosen.data, need_images=False)
        frame = scorecard.scorecard(profile, data, impossible=audit.impossible())
    results = results or _settings.results_dir()
    banner = provenance.PHANTOM_BANNER + "\n\n" if chosen.data.source == "phantom" else ""
    out = {
        book / "_generated" / "scorecard.md": banner + front(frame, profile) + _floor(chosen, results),
        book / "_generated" / "scorecard_full.md": banner + full(frame),
        results / "scorecard.csv": frame.to_csv(
            columns=scorecard.COLUMNS, index=False, float_format="%.5f", lineterminator="\n"
        ),
        book / "_generated" / "model_card.md": banner + modelcard.text(frame, profile),
    }
    for path, text in out.items():
        pairs.write_text(path, text)
    return [*out, *checklist.write(book), *speed.write(book)]


def front(frame: pd.DataFrame, profile: str) -> str:
    """The first screen: three numbers, a sentence on how they were made, six rows."""
    claim = paper.published("Abstract", paper.PROPOSED, "accuracy") / 100
    cards = [(f"{100 * claim:.2f} %", "accuracy, as published")]
    for protocol, words in (
        ("paper", "on the paper's random split"),
        ("patients", "no patient in two parts"),
    ):
        row = _row(frame, "Abstract", "accuracy", protocol)
        value = "not yet run" if row is None else f"{100 * row.measured:.2f} %"
        extra = "" if row is None else f": {100 * row.low:.1f} to {100 * row.high:.1f} %, {_repeats(row)}"
        cards.append((value, f"accuracy, measured here {words}{extra}"))
    blocks = "".join(f"<div><b>{value}</b><span>{words}</span></div>" for value, words in cards)
    table = summary(frame, HEADLINE)
    done = frame[frame.n > 0]
    weights = ", ".join(sorted(set(done.weights)))
    made = f"Measured with {PROFILE_WORDS.get(profile, profile)} (profile `{profile}`, {weights} weights)."
    if not len(done):
        made = f"No run of profile `{profile}` has been made yet."
    return (
        f'<div class="gcaf-lead">{blocks}</div>\n\n{made} Every published figure has its row in the '
        f"[full scorecard](scorecard.md).\n\n"
        + tables.numbered(
            table,
            "tab-scorecard",
            "Published and measured: mean ± standard deviation over seeds, and whether the published figure "
            "lies inside the 95 % interval.",
            data=frame[frame.place.isin([p for p, _ in HEADLINE])].reset_index(drop=True),
        )
    )


def _floor(chosen: _settings.Settings, results: Path) -> str:
    """What a look-up that learns nothing scores on the same splits, from results/floors.csv."""
    path = results / "floors.csv"
    if chosen.data.source != "mri" or not path.is_file():
        return ""
    table = pd.read_csv(path).set_index(["floor", "protocol"])["accuracy"]
    random, apart = (table[("1nn-mirror", protocol)] for protocol in ("paper", splits.FIVEFOLD))
    return (
        f"\n\n**Why the two columns differ.** A nearest-neighbour look-up on thumbnails, which learns nothing about "
        f"tumours, is right on {random:.1%} of the test images under the random split, and on {apart:.1%} where "
        "no patient stands on both sides: most test images have a copy, a mirror image or a neighbouring slice "
        "in training. [The leakage ladder](notebooks/17_leakage_ladder.ipynb) shows every step.\n"
    )


def _repeats(row: Any) -> str:
    """How often the training behind a row was repeated: with patients apart a seed is all the folds."""
    seeds = "one seed" if row.n == 1 else f"{row.n:.0f} seeds"
    return f"{_folds(row)}, {seeds}" if row.folds else seeds


def _folds(row: Any) -> str:
    """`5 folds`, or `2 of 5 folds` where the others have not been run."""
    return f"{'' if row.folds == splits.FOLDS else f'{row.folds:.0f} of '}{splits.FOLDS} folds"


def full(frame: pd.DataFrame) -> str:
    """Every published figure, one numbered table a place."""
    parts = []
    for place in dict.fromkeys(frame.place):
        chosen = frame[frame.place == place]
        pairs_ = list(dict.fromkeys(zip(chosen.place, chosen.row, chosen.metric)))
        name = "tab-score-" + place.lower().replace("§", "section-").replace(" ", "-").replace(".", "-")
        named = chosen.row.nunique() > 1 and place != "Table 7"
        lines = [_line(frame, p, r, m, row_name=named) for p, r, m in pairs_]
        parts.append(
            f"## {place if place[0] != '§' else 'Section ' + place[1:]}\n\n"
            + tables.numbered(
                pd.DataFrame(lines),
                name,
                f"The figures of {place if place[0] != '§' else 'Section ' + place[1:]}, published and measured.",
                data=chosen.reset_index(drop=True),
            )
        )
    return "\n".join(parts)


def summary(frame: pd.DataFrame, wanted: list[tuple[str, str]]) -> pd.DataFrame:
    """A readable table of some figures: published, measured on both protocols, verdict."""
    lines = []
    for place, metric in wanted:
        rows = frame[(frame.place == place) & (frame.metric == metric)]
        if len(rows):
            lines.append(_line(frame, place, rows.row.iloc[0], metric))
    return pd.DataFrame(lines)


def _line(frame: pd.DataFrame, place: str, row: str, metric: str, row_name: bool = False) -> dict[str, Any]:
    ours, strict = (_row(frame, place, metric, p, row) for p in ("paper", "patients"))
    source = frame[(frame.place == place) & (frame.row == row) & (frame.metric == metric)].iloc[0]
    kind, _, class_name = metric.partition("_")
    name = (
        METRIC_NAMES.get(metric)
        or f"{_KINDS.get(kind, kind)}, {CLASS_NAMES.get(class_name, class_name).lower()}"
    )
    head = {"Row": row} if row_name else {}
    return {
        **head,
        "Metric": name,
        "Published": _show(metric, source.published),
        "Random split": _measured(metric, ours),
        "Patients apart": _measured(metric, strict),
        "Verdict": f'<span class="gcaf-{_class(source.verdict)}">{source.verdict}</span>',
    }


def _row(frame: pd.DataFrame, place: str, metric: str, protocol: str, row: str | None = None) -> Any:
    found = frame[
        (frame.place == place) & (frame.metric == metric) & (frame.protocol == protocol) & (frame.n > 0)
    ]
    if row is not None:
        found = found[found.row == row]
    return found.iloc[0] if len(found) else None


def _measured(metric: str, row: Any) -> str:
    if row is None:
        return "–"
    spread = f" ± {_show(metric, row.sd, unit=False)}" if np.isfinite(row.sd) else ""
    return f"{_show(metric, row.measured, unit=not spread)}{spread} ({_short(row)})"


def _short(row: Any) -> str:
    seeds = "one seed" if row.n == 1 else f"n = {row.n:.0f}"
    return _folds(row) + (f", {seeds}" if row.n > 1 else "") if row.folds else seeds


def _show(metric: str, value: float, unit: bool = True) -> str:
    if metric == "accuracy" or metric.startswith(("precision_", "recall_", "f1_")):
        return f"{100 * value:.2f}" + (" %" if unit else "")
    return f"{value:.4f}"


def _class(word: str) -> str:
    return word.replace("'", "").replace(" ", "-")
