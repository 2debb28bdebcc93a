"""The computed part of the front page below its first screen: our numbers beside the published ones, and the scorecard."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib import settings as _settings
from gcaf_lib.book import checklist, first_screen, modelcard, provenance, speed, tool_pages
from gcaf_lib.data.dataset import open_dataset
from gcaf_lib.display import tables
from gcaf_lib.display.names import ABSENT, metric_name, repeats
from gcaf_lib.evaluation import folds
from gcaf_lib.findings import ablation, scorecard, table_rows, words
from gcaf_lib.machine import write_text
from gcaf_lib.paper import published as paper
from gcaf_lib.paper import published_gaps, registry, verdicts

HEADLINE = [
    ("Abstract", "accuracy"), ("Abstract", "macro_f1"), ("Abstract", "macro_auc"), ("Table 7", "kappa"),
    ("Table 7", "mcc"), ("Table 7", "ece"),
]  # fmt: skip
PROFILE_WORDS = {
    "demo": "synthetic phantoms and miniature networks",
    "cpu": "the real images and miniature networks",
    "transfer": "the real images and two small networks with ImageNet weights",
    "paper": "the real images and the paper's networks",
}


def write(
    profile: str, book: Path, results: Path | None = None, frame: pd.DataFrame | None = None
) -> list[Path]:
    """Write _generated/scorecard.md and its companions into `book`, and results/scorecard.csv."""
    chosen = _settings.load(profile)
    data = open_dataset(chosen.data, need_images=False)
    if frame is None:
        frame = scorecard.scorecard(profile, data, impossible=registry.impossible())
    results = results or _settings.results_dir()
    travels = modelcard.own() if chosen.data.source == "mri" else ""  # its scores are of the real images
    banner = provenance.PHANTOM_BANNER + "\n\n" if chosen.data.source == "phantom" else ""
    csv = frame.to_csv(columns=scorecard.COLUMNS, index=False, float_format="%.5f", lineterminator="\n")
    out = {
        book / "_generated" / "scorecard.md": banner + front(frame, profile),
        book / "_generated" / "scorecard_full.md": banner + full(frame, profile, _floors(chosen, results)),
        results / "scorecard.csv": csv,
        book / "_generated" / "model_card.md": banner + modelcard.text(frame, profile, travels),
    }
    for path, text in out.items():
        write_text(path, text)
    first = first_screen.write(chosen, profile, data, book)
    return [*out, *first, *checklist.write(book), *speed.write(book), *tool_pages.write(book)]


def front(frame: pd.DataFrame, profile: str) -> str:
    """The scorecard in short: three numbers, a sentence on how they were made, six rows."""
    claim = paper.published("Abstract", paper.PROPOSED, "accuracy") / 100
    cards = [(f"{100 * claim:.2f}%", "accuracy, as published")]
    places = {"paper": "on the paper's random split", "patients": "with no known patient in two parts"}
    run = frame[(frame.place == "Abstract") & (frame.metric == "accuracy") & (frame.n > 0)]
    for protocol, where in places.items():
        value, said, found = "not yet run", f"accuracy, measured here {where}", run[run.protocol == protocol]
        if len(found):
            row = found.iloc[0]
            value = f"{100 * row.measured:.2f}%"
            said += f": {100 * row.low:.1f} to {100 * row.high:.1f}%, {repeats(row)}"
            said = words.beside(said, row.picture, lambda v: f"{100 * v:.2f}%")
        cards.append((value, said))
    told = frame[frame.place.isin([place for place, _ in HEADLINE])]
    blocks = "".join(f"<div><b>{value}</b><span>{said}</span></div>" for value, said in cards)
    return (
        f'<div class="gcaf-lead">{blocks}</div>\n\n{_made(frame, profile)} Every published figure has its row in the '
        f"[full scorecard](scorecard.md).\n\n"
        + tables.numbered(
            summary(frame, HEADLINE),
            "tab-scorecard",
            f"Published, and measured here under profile `{profile}`: mean ± standard deviation over seeds, 95% interval, "
            f"and on each split its own verdict: where the published figure lies, or that no single set of predictions gives it, by itself or beside other published figures (*can't be true*, chapter 22). {scorecard.BESIDE}{modelcard.tested_said(frame)}",
            data=told.dropna(axis=1, how="all").reset_index(drop=True),
        )
    )


def _made(frame: pd.DataFrame, profile: str) -> str:
    """Whose intervals these are."""
    done = frame[frame.n > 0]
    if not len(done):
        return f"No run of profile `{profile}` has been made yet."
    weights = ", ".join(sorted(set(done.weights)))
    return f"Measured with {PROFILE_WORDS.get(profile, profile)} (profile `{profile}`, {weights} weights)."


def _floors(chosen: _settings.Settings, results: Path) -> pd.DataFrame | None:
    """results/floors.csv by (floor, protocol), where the profile is about the real images."""
    path = results / "floors.csv"
    if chosen.data.source != "mri" or not path.is_file():
        return None
    return pd.read_csv(path).set_index(["floor", "protocol"])


def levels_note(known: pd.DataFrame | None) -> str:
    """Why the levels of Tables 4, 5, 6 and 8 have no verdict, by the example of 1-NN; known: of `_floors`."""
    text = (
        "What these tables claim is a *difference* between the proposed model and each other row, so that is what the verdict "
        "is about: both judged on the same images, and averaged over the seeds that all rows of the table share, so that no row "
        "profits from luckier trainings. The proposed model's level there may therefore rest on fewer seeds than above, and in one table on others than in the next: "
        "its level then differs between tables by the chance of training. Levels get no verdict."
    )
    if known is None:
        return text
    floor = known.loc[("1nn-mirror", "paper")]
    told = published_gaps.printed_accuracies()
    held = sum(floor.low <= level <= floor.high for level in told)
    return (
        f"{text} A published level inside an interval proves nothing: 1-NN, a look-up that learns nothing, is right on "
        f"{floor.accuracy:.1%} of the random split's test images ({100 * floor.low:.1f} to {100 * floor.high:.1f}%), an interval that "
        f"holds {held} of the {len(told)} different rows' accuracies."
    )


def full(frame: pd.DataFrame, profile: str, floors: pd.DataFrame | None = None) -> str:
    """Every published figure, one numbered table a place; a second one, of differences, for Tables 4, 5, 6 and 8."""
    parts = [_made(frame, profile) + "\n"]
    for place in dict.fromkeys(frame.place):
        chosen = frame[frame.place == place].reset_index(drop=True)
        data = chosen.dropna(axis=1, how="all")  # to download; single runs have no spread, and no such column
        title = f"Section {place[1:]}" if place[0] == "§" else place
        name = "tab-score-" + place.lower().replace("§", "section-").replace(" ", "-").replace(".", "-")
        parts.append(f"## {title}\n")
        if place == next(iter(table_rows.TABLES)):
            parts.append(levels_note(floors) + "\n")
        if place in table_rows.TABLES:
            caption = f"{title}: levels, published and measured; the verdicts are on the differences below."
            parts.append(tables.numbered(_each(chosen, _level, verdict=False), name, caption, data=data))
            caption = (
                f"{title}: each row minus the proposed model, published and measured, with a verdict for each split. Verdicts are by file, and "
                "not adjusted for the number of rows; where the interval by picture says otherwise, of 0 or of the published figure, it is printed, and the row is undecided. Of accuracy "
                "chapters 11 to 14 say what the adjustment leaves, by file and by picture."
            )
            rivals = chosen[chosen.verdict != "–"].reset_index(drop=True)
            bases = [
                f"{folds.NAMES[protocol]}, {words.basis_said(own.iloc[0])}"
                for protocol, own in rivals[rivals["pairs"] > 0].groupby("protocol", sort=False)
            ]
            caption += f" Compared: {'; '.join(bases)}." if bases else ""
            text = tables.numbered(_each(rivals, _gap), f"{name}-differences", caption, data=rivals)
        else:
            caption = f"{title}: published and measured, with a verdict for each split."
            text = tables.numbered(_each(chosen, _level, row=False), name, caption, data=data)
        parts.append(text)
    return "\n".join(parts)


def summary(frame: pd.DataFrame, wanted: list[tuple[str, str]]) -> pd.DataFrame:
    """A readable table of some figures: published, measured on both splits, each with its verdict."""
    parts = [frame[(frame.place == place) & (frame.metric == metric)] for place, metric in wanted]
    return _each(pd.concat(parts), _level, row=False)


def _each(frame: pd.DataFrame, cell: Any, row: bool = True, verdict: bool = True) -> pd.DataFrame:
    """One line a published figure, with a column and a verdict for each split; cell: a line's published and measured text."""
    lines = []
    for (name, metric), part in frame.groupby(["row", "metric"], sort=False):
        line = {"Row": name} if row else {}
        line |= {"Metric": metric_name(metric), "Published": cell(part.iloc[0])[0]}
        for protocol, split in folds.NAMES.items():
            found = part[part.protocol == protocol]
            line[split.capitalize()] = cell(found.iloc[0])[1] if len(found) else "–"
            if verdict:
                line[f"Verdict, {split}"] = _word(found.iloc[0]) if len(found) else "–"
        lines.append(line)
    return pd.DataFrame(lines)


def _word(row: pd.Series) -> str:
    """A row's verdict, which is by file, and what the interval by picture says otherwise."""
    other = _otherwise(row)
    said = row.verdict + (f"; by picture our interval {other}: undecided" if other else "")
    return f'<span class="gcaf-verdict-{verdicts.style(row.verdict)}">{said}</span>'


def _otherwise(row: pd.Series) -> str:
    """Where the interval of a difference by picture lies beside 0, and beside the published difference, if that by file
    lies elsewhere; else ""."""
    if not row.get("pairs", 0) > 0 or not np.isfinite(row.get("picture_difference", np.nan)):
        return ""
    both = [ablation.worth_of(row, name) for name in ("difference", "picture_difference")]
    said = []
    for target, name, step in ((0, "0", 0), (row.published_difference, "the published figure", row.step)):
        file, picture = (
            words.by_side(
                one._replace(low=one.low - step, high=one.high + step),
                "lies below",
                "lies above",
                "holds",
                target,
            )
            for one in both
        )
        said += [f"{picture} {name}"] if file != picture else []
    return " and ".join(said)


def _level(row: pd.Series) -> tuple[str, str]:
    """The published level, and the one measured here."""
    shown = functools.partial(_show, row.metric)
    theirs = shown(row.published) + ("%" if _percent(row.metric) else "")
    return theirs, modelcard.measured(row, shown) if row.n else ABSENT


def _gap(row: pd.Series) -> tuple[str, str]:
    """Differences: percentages in points."""
    scale, decimals = (100, 2) if _percent(row.metric) else (1, 4)

    def shown(value: float) -> str:
        return words.signed(scale * value, decimals)

    def ends(name: str) -> str:
        return " to ".join(
            words.end(scale * row[f"{name}_{end}"], decimals, words.signed) for end in ("low", "high")
        )

    compared = repeats({**row, "n": row.pairs})
    text = f"{shown(row.difference)} ({ends('difference')}; {compared})" if row.pairs else ABSENT
    text = words.beside(text, row.picture_difference, shown)
    other = _otherwise(row)
    text += f" ({ends('picture_difference')}), which {other}" if other else ""
    return shown(row.published_difference), text


def _percent(metric: str) -> bool:
    return metric == "accuracy" or metric.startswith(("precision_", "recall_", "f1_"))


def _show(metric: str, value: float) -> str:
    return f"{100 * value:.2f}" if _percent(metric) else f"{value:.4f}"
