"""Chapter 20: the control of explanations as tables and pictures, and sentences that turn on numbers."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from gcaf_lib.data import splits
from gcaf_lib.display import names
from gcaf_lib.display.overlays import gradcam_rows
from gcaf_lib.display.style import ACCENT, CLASS_NAMES, MUTED, OURS, Drawing, drawing, quiet, styled
from gcaf_lib.evaluation import clustered, control, heatmaps, localisation, tumours
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.findings import borders, words

METHODS = {
    "grad-cam": "Grad-CAM",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
    "sensitivity": "Sensitivity",
    "occlusion": "Occlusion",
    "": "Random",
}
BLACK = 16  # of 255: darker is no tissue
NO_CHECK = (
    "No randomisation is on record for this profile, and the weights of its runs are not on this machine."
)
OTHER_RUN = "The weights of this page's runs are not on this machine: shown is the committed check, of another run.\n\n"
VERDICTS = (control.PASSES, control.FAILS, control.SILENT)
PAPER = ("grad-cam", "after")  # the usual reading of the paper's figure


# --- the control ---


def name(map: str, method: str, place: str) -> str:
    """A map of the control for people: `ConvNeXt-Tiny, LayerCAM before the norm`."""
    if map in (control.WHOLE, tumours.RANDOM):
        return METHODS[method] + (" map" if map == tumours.RANDOM else ", whole model")
    return f"{names.map_name(map)}, {METHODS[method]} {place} the norm"


def control_table(judged: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `control.judged`."""
    return pd.DataFrame(
        {
            "Map": [name(*key) for key in judged[["map", "method", "place"]].to_numpy()],
            "LayerNorm": np.where(judged["projection_norm"], "yes", "no"),
            "Backbone alone right": [share(v) for v in judged["alone"]],
            "Points at the mark": [
                f"{share(v)} ({share(a)} to {share(b)})"
                for v, a, b in judged[["pointing", "low", "high"]].to_numpy(float)
            ],
            "Or near it": [share(v) for v in judged["tolerant"]],
            "Untrained": [share(v) for v in judged["blind"]],
            "Energy inside": [share(v) for v in judged["energy"]],
            "Verdict": np.where(judged["map"] == tumours.RANDOM, "–", judged["verdict"]),
        }
    )


def share(value: float) -> str:
    """`82 %`; a dash where there is no value."""
    return "–" if not np.isfinite(value) else f"{100 * value:.0f} %"


@styled
def control_bars(judged: pd.DataFrame) -> Drawing:
    """Share of the pictures on which each map points at the mark, a panel with and one without LayerNorm."""
    panels = {bool(norm): part for norm, part in judged.groupby("projection_norm")}
    fig = drawing(height=0.24 * len(next(iter(panels.values()))) + 0.9)
    axes = np.atleast_1d(fig.subplots(1, len(panels), sharey=True))
    for ax, (norm, part) in zip(axes, panels.items()):
        y = np.arange(len(part))
        colours = part["verdict"].map({control.PASSES: OURS, control.FAILS: ACCENT}).fillna(MUTED)
        colours[part["map"] == tumours.RANDOM] = MUTED
        ax.barh(y, part["pointing"], color=colours, height=0.7)
        ax.hlines(y, part["low"], part["high"], color="black", lw=1)
        ax.axvline(part["chance"].mean(), color=MUTED, ls=":", lw=1)
        ax.axvline(control.ENOUGH, color=MUTED, ls="--", lw=0.8)
        ax.set_yticks(y, [name(*key) for key in part[["map", "method", "place"]].to_numpy()], fontsize=7)
        ax.set(xlim=(0, 1), ylim=(len(part) - 0.4, -0.6), xlabel="points at the mark")
        ax.set_title("with LayerNorm behind the projection" if norm else "as built")
        ax.xaxis.set_major_formatter(PercentFormatter(1, 0))
        quiet(ax, "x")
    return fig


def control_maps(shown: Mapping[str, np.ndarray], keys: Sequence[tuple[str, str, str]]) -> Drawing:
    """The control's pictures with their marks outlined, and under them the maps of these (map, method, place)."""
    maps = {}
    for key in keys:
        label = name(*key).replace(", ", "\n").replace(" the norm", "")
        maps[label] = shown[" ".join(key).strip()].astype(np.float32)
    images = list(shown["images"])
    return gradcam_rows(images, maps, ["" for _ in images], [_circle(m) for m in shown["masks"]])


def _circle(mask: np.ndarray) -> np.ndarray:
    """Outline (m, 2) in fractions of the picture of a disc drawn as a mask."""
    y, x = (axis.mean() + 0.5 for axis in np.nonzero(mask))
    turn, radius = np.linspace(0, 2 * np.pi, 40), np.sqrt(mask.sum() / np.pi)
    return np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)]) / mask.shape[0]


def stored_name(key: tuple[str, str, str]) -> str | None:
    """Under which name run records keep this map of the control; None where they don't."""
    map, method, place = key
    if map == control.WHOLE:
        return method
    return map if (method, place) == PAPER else None


def subject(judged: pd.DataFrame, norm: bool, kept: Sequence[str]) -> str | None:
    """Of the maps `kept` by runs, the one that passes the control and points best there; None: none passes.

    norm: whether the runs have LayerNorm behind the projection. A control of the other model says nothing.
    """
    part = judged[(judged["projection_norm"] == norm) & (judged["verdict"] == control.PASSES)]
    for key in part.sort_values("pointing", ascending=False)[["map", "method", "place"]].itertuples(
        index=False
    ):
        if stored_name(tuple(key)) in kept:
            return stored_name(tuple(key))
    return None


def control_words(judged: pd.DataFrame) -> str:
    """What the control says of the maps: which pass, how many fail, and of which it says nothing."""
    text = ""
    real = judged[judged["map"] != tumours.RANDOM]
    for norm, part in real.groupby("projection_norm"):
        text += (
            f"**{'With LayerNorm behind the projection' if norm else 'As built'}** the model is right on "
            f"{share(part['accuracy'].mean())} of the pictures. "
        )
        if part["accuracy"].min() < control.RIGHT:
            text += "That is too few to tell what its maps are worth. "
        by = {v: part[part["verdict"] == v].sort_values("pointing", ascending=False) for v in VERDICTS}
        if len(passing := by[control.PASSES]):
            named = [f"{name(r.map, r.method, r.place)} ({share(r.pointing)})" for r in passing.itertuples()]
            text += f"{len(passing)} of {_count(len(part), 'map')} pass: {'; '.join(named)}. "
        else:
            text += f"**None of {_count(len(part), 'map')} passes.** "
        if len(failing := by[control.FAILS]):
            worst, best = failing["pointing"].min(), failing["pointing"].max()
            text += f"**{len(failing)} fail**: they point at the mark on {share(worst)} to {share(best)}. "
        if len(silent := by[control.SILENT]):
            text += f"Of {len(silent)} nothing can be said: the backbone alone, or the model, did not learn the marks. "
        usual = part[
            (part["map"] == tumours.FUSED) & (part["method"] == PAPER[0]) & (part["place"] == PAPER[1])
        ]
        for row in usual.itertuples():
            text += f"The paper's reading, Grad-CAM on the last maps, both backbones: **{row.verdict}** ({share(row.pointing)}). "
    return text + blind_words(real)


def blind_words(judged: pd.DataFrame) -> str:
    """What the negative control says: maps of untrained models."""
    known = judged.dropna(subset="blind")
    if known.empty:
        return ""
    most, over = known["blind"].max(), known[known["blind"] > control.LEAK]
    text = f"Maps of untrained models point at the mark on at most {share(most)}"
    if over.empty:
        return text + f"; chance is {share(known['chance'].mean())}."
    named = sorted({name(r.map, r.method, r.place) for r in over.itertuples()})
    return text + f": {'; '.join(named)} follow what stands out in the picture, and fail for that."


def subject_words(judged: pd.DataFrame, norm: bool, kept: Sequence[str]) -> str:
    """On which of the runs' maps this chapter's conclusions rest, if on any."""
    chosen = subject(judged, norm, kept)
    if not (judged["projection_norm"] == norm).any():
        return (
            "**The control was not run for models like these runs': no conclusion about tumours is drawn.**"
        )
    if chosen is None:
        return (
            "**None of the maps that these runs keep passes the control. The tables below say where such maps lie; "
            "nothing is concluded from them about what the model looks at.**"
        )
    text = f"What follows about tumours rests on one map that passes: **{names.map_name(chosen)}**. "
    paper = judged[(judged["projection_norm"] == norm) & (judged["map"] == tumours.FUSED)]
    paper = paper[(paper["method"] == PAPER[0]) & (paper["place"] == PAPER[1])]
    if chosen != tumours.FUSED and len(paper):
        text += f"The paper's reading, Grad-CAM on the last maps, stands beside it ({paper['verdict'].iloc[0]} here)."
    return text


# --- tumours ---


def source_words(
    runs: Sequence[Any], apart: bool, scores: pd.DataFrame, images: pd.DataFrame, phantoms: bool = False
) -> str:
    """Which runs' maps, on which images, against whose borders. apart: the runs keep patients apart."""
    folds, seeds = len({r.settings.data.fold for r in runs}), len({r.seed for r in runs})
    seen = scores.drop_duplicates("row")
    sides = sorted({"{} × {}".format(*m.shape[1:]) for m in tumours.backbone_maps(runs[0]).values()})
    where = (
        f"with patients apart ({folds} of {splits.FOLDS} folds, {_count(seeds, 'seed')})"
        if apart
        else f"on the `{runs[0].settings.data.protocol}` split ({_count(seeds, 'seed')}), whose test part may share "
        "patients with training"
    )
    drawn = (
        "the drawn lesions of phantoms"
        if phantoms
        else "as radiologists drew it for the figshare collection, found again by chapter 16 and laid over the files of "
        f"this dataset; of all files, {images['area'].notna().sum():,} have one"
    )
    return (
        f"Maps of {_count(len(runs), 'run')} {where}, on {len(seen):,} test images of {seen['group'].nunique():,} patient "
        f"groups whose tumour border is known: {drawn}. Half of these tumours take less than "
        f"{seen['area'].median():.1%} of the image; maps and borders meet on {tumours.SIDE} × {tumours.SIDE} cells, the "
        f"maps themselves have {' and '.join(sides)}."
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def rivals_table(rivals: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A reader's table of `borders.against` for each rival."""
    frame = pd.concat([d.assign(rival=names.map_name(key)) for key, d in rivals.items()])
    told = [frame["low"] > 0, frame["high"] < 0]
    return pd.DataFrame(
        {
            "Measure": frame["measure"].map(names.MEASURE_NAMES),
            "Against": frame["rival"],
            "Map minus rival (95 % interval)": [
                words.span(*v, 3) for v in frame[["difference", "low", "high"]].to_numpy(float)
            ],
            "Verdict": np.select(told, ["map better", "map worse"], "not told apart"),
        }
    ).reset_index(drop=True)


def on_black(maps: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Of each map the share of its energy on black, and black's share of the image: (n, 2)."""
    dark = images.max(3) < BLACK
    energy = heatmaps.upsample(maps, dark.shape[1:])
    inside = (energy * dark).sum((1, 2)) / np.maximum(energy.sum((1, 2)), 1e-9)
    return np.column_stack([inside, dark.mean((1, 2))])


def cells(scores: pd.DataFrame, maps: Sequence[str], classes: Sequence[str]) -> pd.DataFrame:
    """`borders.scores` of these maps by class and third of the size, in their order."""
    part = scores[scores["map"].isin(maps)]
    part = part.assign(cell=part["class"] + ", " + part["size"].astype(str))
    rank = {v: k for k, v in enumerate([*(f"{c}, {s}" for c in classes for s in borders.TERCILES), *maps])}
    both = borders.scores(part, "cell")
    return both.sort_values(["cell", "map"], key=lambda column: column.map(rank))


def cases(runs: Sequence[Any], scores: pd.DataFrame) -> pd.DataFrame:
    """One row a test image of these runs: run, at, row, label, named, right, and the map's energy inside."""
    parts = []
    for r in runs:
        p, energy = r.probabilities(), scores[scores["run"] == r.key].set_index("row")["energy"]
        part = pd.DataFrame({"run": r.key, "at": range(len(p)), "row": r.rows(), "label": r.labels()})
        named = p.argmax(1)
        parts.append(part.assign(named=named, right=part["label"] == named, energy=part["row"].map(energy)))
    return pd.concat(parts, ignore_index=True)


def tumour_words(
    chosen: str | None, rivals: Mapping[str, pd.DataFrame], hit: pd.Series, phantoms: bool = False
) -> str:
    """Does the chosen map beat maps that don't know the image? rivals: name to `borders.against`.

    hit: mean by (map, measure). Where no map passed the control, nothing is concluded.
    """
    if chosen is None:
        return "No map passes the control, so neither a win nor a loss above is evidence about the model."
    words = {
        tumours.CENTRE: "the centre of the image",
        tumours.PLACE: "the usual place of the class it names",
    }
    text = "".join(_rival(words[rival], frame) for rival, frame in rivals.items())
    text += (
        f"It points into the tumour on {hit[chosen, 'pointing']:.1%} of the images (a random map on "
        f"{hit[tumours.RANDOM, 'pointing']:.1%}), and {hit[chosen, 'energy']:.1%} of its energy lies inside."
    )
    if phantoms:
        text += (
            " These are phantoms and a model trained for minutes: the page shows the method, not a finding."
        )
    return text


def _rival(words: str, frame: pd.DataFrame) -> str:
    d = frame.set_index("measure")
    point = d.loc["pointing"]
    verb = "beats" if point.low > 0 else "loses to" if point.high < 0 else "is not told apart from"
    better, worse = (
        [names.MEASURE_NAMES[m].lower() for m in d.index[side]] for side in (d["low"] > 0, d["high"] < 0)
    )
    return (
        f"**In the pointing game the map {verb} {words}** ({point.difference:+.3f}, {point.low:+.3f} to "
        f"{point.high:+.3f}); of {len(d)} measures it is better in {_some(better)} and worse in {_some(worse)}. "
    )


def _some(names: Sequence[str]) -> str:
    return f"{len(names)} ({', '.join(names)})" if names else "none"


def black_words(part: Interval, area: Interval, extra: Interval) -> str:
    """How much of the maps lies where there is no tissue: share of the energy, of the image, their difference."""
    return (
        f"{part.value:.1%} ({part.low:.1%} to {part.high:.1%}) of the energy lies on black, which takes {area.value:.1%} "
        "of the image. "
        + (
            "That is less than a flat map would put there, and still energy that explains nothing by any tissue."
            if extra.high < 0
            else "The maps prefer what is no tissue."
            if extra.low > 0
            else "The maps take no notice of whether there is tissue."
        )
    )


# --- agreement and sanity ---


def apart(first: Interval, second: Interval) -> str:
    """`above`, `below` or `level`: where the interval of `first` lies beside that of `second`."""
    return "above" if first.low > second.high else "below" if first.high < second.low else "level"


class Agreement(NamedTuple):
    """Correlation of maps of two seeds: on the same image, on images of different patients of one class."""

    same: Interval
    other: Interval
    n: int


def agreement(maps: Sequence[np.ndarray], record: Any, clusters: np.ndarray) -> dict[str, Agreement] | None:
    """Class name (and `all`) to how much seeds agree; None of fewer than two.

    maps: (n, h, w) of each seed on the test part of `record`. The same image: over all pairs of seeds;
    different patients: of the first two.
    """
    if len(maps) < 2:
        return None
    labels, groups = record.labels(), clusters[record.rows()]
    pairs = [localisation.correlation(maps[i], maps[j]) for i in range(len(maps)) for j in range(i)]
    known = ~np.isnan(pairs)
    each = np.where(known.any(0), np.nansum(pairs, axis=0) / np.maximum(known.sum(0), 1), np.nan)
    out = {}
    for k, word in [*enumerate(record.settings.data.classes), (None, "all")]:
        at = labels == k if k is not None else np.full(len(labels), True)
        if at.any():
            other = localisation.unlike(maps[0][at], maps[1][at], groups[at], labels[at])
            out[word] = Agreement(
                clustered.mean(each[at], groups[at]), other, int((~np.isnan(each[at])).sum())
            )
    return out


def agreement_table(found: Mapping[str, Agreement]) -> pd.DataFrame:
    """A reader's table of `agreement`."""
    return pd.DataFrame(
        {
            "Class": [CLASS_NAMES.get(key, "All") for key in found],
            "Same image, two seeds": [span(one.same) for one in found.values()],
            "Different patients of the class": [span(one.other) for one in found.values()],
            "Images": [one.n for one in found.values()],
        }
    )


def seeds_words(found: Agreement, shared: bool) -> str:
    """What agreement over seeds comes to. shared: the seeds' backbones were trained once for all."""
    same, other = found.same, found.other
    text = (
        f"Over all classes {same.value:.3f}, against {other.value:.3f} for different patients: "
        + {
            "above": "seeds agree on more than the usual place.",
            "level": "no more than on any other patient of the class, as far as the intervals tell.",
            "below": "less than on other patients of the class.",
        }[apart(same, other)]
    )
    if shared:
        text += (
            " These seeds start from the same backbones (stage 0 is trained once and shared), and most layers stay "
            "frozen: what agrees here is partly the same network."
        )
    return text


def sanity_rows(check: pd.DataFrame) -> pd.DataFrame:
    """One row a map of `sanity.compute`: yardstick, untrained, and (where there) shuffled, as `Interval`s."""
    from gcaf_lib.evaluation import sanity

    def at(part: pd.DataFrame, step: int) -> Interval | None:
        row = part[part["step"] == step]
        return Interval(*row[["correlation", "low", "high"]].iloc[0]) if len(row) else None

    lines = []
    for map, part in check.groupby("map", sort=False):
        lines.append((map, at(part, sanity.OTHER), at(part, part["step"].max()), at(part, sanity.SHUFFLED)))
    return pd.DataFrame(lines, columns=["map", "other", "untrained", "shuffled"])


def sanity_words(check: pd.DataFrame, runs: Container[str]) -> str:
    """Do maps need what was learnt? Each map against its own yardstick, untrained and with shuffled labels.

    runs: keys of the page's runs; the check of another is said to be one.
    """
    said = {
        "untrained": {
            "below": "less than any two patients have in common, so it passes",
            "level": "no more than any two patients have in common, so it passes",
            "above": "more than any two patients have in common: it shows part of the picture, trained or not",
        },
        "shuffled": {
            "below": "less than any two patients have in common",
            "level": "no more than any two patients have in common",
            "above": "more than any two patients have in common: part of the map does not come from the labels",
        },
    }
    text = "" if check["run"].iloc[0] in runs else OTHER_RUN
    for row in sanity_rows(check).itertuples():
        text += f"- **{names.map_name(row.map)}** (different patients: {span(row.other)}): "
        text += f"untrained {span(row.untrained)}, {said['untrained'][apart(row.untrained, row.other)]}. "
        if row.shuffled is not None:
            text += f"Trained on shuffled labels {span(row.shuffled)}, {said['shuffled'][apart(row.shuffled, row.other)]}."
        text += "\n"
    return text


def span(one: Interval) -> str:
    """`0.123 (0.101 to 0.150)`."""
    return words.span(*one, 3)


def sanity_table(check: pd.DataFrame, map: str) -> pd.DataFrame:
    """A reader's table of one map's check, a row a step."""
    part = check[check["map"] == map]
    return pd.DataFrame(
        {
            "Replaced": part["replaced"].tolist(),
            "Correlation (95 % interval)": [
                words.span(*v, 3) for v in part[["correlation", "low", "high"]].to_numpy(float)
            ],
            "Rank correlation": part["rank"].round(3).tolist(),
            "Empty maps (%)": (100 * part["empty"]).round(1).tolist(),
            "Right answers (%)": (100 * part["accuracy"]).round(1).tolist(),
        }
    )
