"""Chapter 20: how alike maps are over seeds, and after what was learnt is taken away."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gcaf_lib.display import names
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, localisation, sanity, tumours, weighted
from gcaf_lib.evaluation.intervals import Interval
from gcaf_lib.findings import words
from gcaf_lib.settings import Settings

CLAIMED = {"notumor", "pituitary"}  # whose maps, the paper says, are the most consistent


class Agreement(NamedTuple):
    """Correlation of maps of two seeds: on the same image, on images of different patients of one class, and the first less
    the second, on the same draws of patients."""

    same: Interval
    other: Interval
    more: Interval
    n: int


def agreement(maps: Sequence[np.ndarray], record: Any, clusters: np.ndarray) -> dict[str, Agreement]:
    """Class name (and `all`) to how much seeds agree; nothing of fewer than two.

    maps: (n, h, w) of each seed on the test part of `record`. All are means over all pairs of seeds, with intervals over patients.
    """
    if len(maps) < 2:
        return {}
    labels, groups = record.labels(), clusters[record.rows()]
    seeds = list(itertools.combinations(maps, 2))
    each = weighted.mean_of_known(np.stack([localisation.correlation(*two) for two in seeds], axis=1))
    out = {}
    for k, word in [*enumerate(record.settings.data.classes), (None, "all")]:
        at = labels == k if k is not None else np.full(len(labels), True)
        if at.any():
            same = clustered.mean(each[at], groups[at])
            unlike = [localisation.unlike_draws(a[at], b[at], groups[at], labels[at]) for a, b in seeds]
            other, drawn = (np.mean(part, axis=0) for part in zip(*unlike))
            more = same.value - other, clustered.mean_draws(each[at], groups[at]) - drawn
            sides = (clustered.interval(*side) for side in ((float(other), drawn), more))
            out[word] = Agreement(same, *sides, int((~np.isnan(each[at])).sum()))
    return out


def agreement_table(found: Mapping[str, Agreement]) -> pd.DataFrame:
    """A reader's table of `agreement`."""
    return pd.DataFrame(
        {
            "Class": [CLASS_NAMES.get(key, "All") for key in found],
            "Same image, two seeds": [words.span(*one.same, 3) for one in found.values()],
            "Different patients of the class": [words.span(*one.other, 3) for one in found.values()],
            "More by": [words.shift(one.more, 3) for one in found.values()],
            "Images": [one.n for one in found.values()],
        }
    )


def seeds_caption(map: str, tested: str) -> str:
    """What `agreement_table` sets side by side; map: which, tested: `words.tested_said` of the runs."""
    return (
        f"{names.map_name(map)}: mean pairwise correlation over seeds, of the same image and of different patients, and the "
        f"difference on the same draws; 95% cluster-bootstrap intervals over patient groups; {tested}."
    )


def seeds_said(found: Mapping[str, Agreement], settings: Settings) -> str:
    """What agreement over seeds comes to; found: `agreement`, settings: of the runs."""
    if not found:
        return "Agreement needs two seeds or more with maps; there are not two on record."
    same, other, more, _ = found["all"]
    text = (
        f"Over all classes {same.value:.3f}, against {other.value:.3f} for different patients, {words.shift(more, 3)}: "
        + {
            "above": "seeds agree on more than the place that is usual for the class.",
            "level": "no more than on any other patient of the class, as far as the interval tells.",
            "below": "less than on other patients of the class.",
            "unknown": "of so few patients nothing can be said.",
        }[side(more)]
    )
    if CLAIMED <= set(found):
        most, beyond = (_first_two(found, part) for part in ("same", "more"))
        if most and beyond:
            text += (
                f" By the classes' values alone, untested, seeds agree most for {most}; beyond what different patients of a class share, most for {beyond}. "
                f"The paper names {' and '.join(CLASS_NAMES[name].lower() for name in sorted(CLAIMED))}."
            )
    if settings.model.weights == "in-domain" and settings.training.stage0_seed == "shared":
        text += (
            " These seeds start from the same backbones (stage 0 is trained once and shared), and most layers stay "
            "frozen: what agrees here is partly the same network."
        )
    return text


def _first_two(found: Mapping[str, Agreement], part: str) -> str:
    """`meningioma and pituitary`: the two classes with the highest values of `same` or `more`; "" where fewer have one."""
    values = {name: getattr(one, part).value for name, one in found.items() if name in CLASS_NAMES}
    order = sorted((name for name in values if not np.isnan(values[name])), key=lambda name: -values[name])
    return " and ".join(CLASS_NAMES[name].lower() for name in order[:2]) if len(order) > 1 else ""


def sanity_rows(check: pd.DataFrame) -> pd.DataFrame:
    """One row a map of `sanity.compute`: yardstick, untrained, logits alone replaced and (where there) shuffled, as `Interval`s;
    the latter three minus the yardstick under `_apart`; ranks: rank correlations of the yardstick and untrained; right:
    answers with the logits replaced."""
    lines = []
    for map, part in check.groupby("map", sort=False):
        part = part.set_index("step")
        steps = {
            "other": sanity.OTHER,
            "untrained": part.index.max(),
            "logits": 1,
            "shuffled": sanity.SHUFFLED,
        }
        line = {
            "map": map,
            "ranks": tuple(part.loc[list(steps.values())[:2], "rank"]),
            "right": part.loc[1, "accuracy"],
        }
        for name, step in steps.items():
            for end, columns in (("", ["correlation", "low", "high"]), ("_apart", APART)):
                line[name + end] = Interval(*part.loc[step, columns]) if step in part.index else None
        lines.append(line)
    return pd.DataFrame(lines)


APART = ["difference", "difference_low", "difference_high"]


def sanity_said(check: pd.DataFrame | None, runs: Set[str]) -> str:
    """Do maps need what was learnt? Each map against its own yardstick, untrained and with shuffled labels.

    check: `sanity.read`, None where there is none; runs: keys of the page's runs; the check of others is said to be one.
    """
    if check is None:
        return ""
    common = "than maps of different patients share on average"
    level = "not shown to differ from what maps of different patients share on average"
    untrained = {
        "below": f"less {common}, so it passes",
        "level": f"{level}, so it does not pass: this check does not show that the map depends on what was learnt",
        "above": f"more {common}: it shows part of the picture, trained or not",
        "unknown": UNKNOWN,
    }
    shuffled = {
        "below": f"less {common}",
        "level": level,
        "above": f"more {common}: part of the map does not come from the labels",
        "unknown": UNKNOWN,
    }
    text = "" if runs & set(check["runs"].iloc[0].split()) else OTHER_RUNS
    for row in sanity_rows(check).itertuples():
        text += f"- **{names.map_name(row.map)}** (different patients: {words.span(*row.other, 3)}): "
        text += (
            f"untrained {_beside(row.untrained, row.untrained_apart)}, {untrained[side(row.untrained_apart)]}"
        )
        text += f"; by rank {words.number(row.ranks[1], 3)} against {words.number(row.ranks[0], 3)}. "
        if side(row.logits_apart) == "above":
            text += (
                f"With the classifier's weights alone replaced ({row.right:.1%} right) it is still {words.number(row.logits.value, 3)}: much of this map does not "
                "hang on what the classifier has learnt. "
            )
        if row.shuffled is not None:
            text += f"Trained on shuffled labels {_beside(row.shuffled, row.shuffled_apart)}, {shuffled[side(row.shuffled_apart)]}."
        text += "\n"
    return text


def _beside(one: Interval, apart: Interval) -> str:
    """`0.012, −0.218 (−0.251 to −0.180) beside the yardstick`."""
    return f"{words.number(one.value, 3)}, {words.shift(apart, 3)} beside the yardstick"


def untrained_check_said(check: pd.DataFrame | None, map: str | None) -> str:
    """Where the map that is spoken of does not pass the check with untrained weights: what that leaves open; else nothing."""
    rows = [] if check is None else [row for row in sanity_rows(check).itertuples() if row.map == map]
    if all(side(row.untrained_apart) == "below" for row in rows):
        return ""
    return " It does not pass the check with untrained weights (*Sanity*, below): what follows says where this map lies, not that training put it there."


def _checked(check: pd.DataFrame, map: str) -> str:
    """The map that is spoken of where the check has it, else the mean over backbones."""
    return map if map in set(check["map"]) else tumours.FUSED


def sanity_caption(check: pd.DataFrame | None, map: str) -> str:
    """Whose maps `sanity_table` speaks of."""
    if check is None:
        return "Weight randomisation: not computed."
    return (
        f"{names.map_name(_checked(check, map))}: mean correlation with the trained model's map of the same image after each step; *shuffled labels* is a model "
        f"trained on those; {words.basis_said({**check.iloc[0], 'folds': 0})}."
    )


def sanity_table(check: pd.DataFrame | None, map: str) -> pd.DataFrame:
    """A reader's table of one map's check, a row a step."""
    check = pd.DataFrame(columns=sanity.COLUMNS) if check is None else check
    part = check[check["map"] == _checked(check, map)]
    return pd.DataFrame(
        {
            "Replaced": part["replaced"],
            "Correlation (95% interval)": words.spans(part, "correlation", 3),
            "Rank correlation": [words.number(v, 3) for v in part["rank"]],
            "Empty maps (%)": [words.number(100 * v, 1) for v in part["empty"]],
            "Right answers (%)": [words.number(100 * v, 1) for v in part["accuracy"]],
        }
    ).reset_index(drop=True)


def side(difference: Interval) -> str:
    """`above`, `below` or `level`: where the interval of a difference lies beside 0; `unknown` where it has none."""
    return "unknown" if np.isnan(difference).any() else words.by_side(difference, "below", "above", "level")


UNKNOWN = "on so few patients that nothing can be said"
OTHER_RUNS = "The weights of this page's runs are not on this machine: shown is the committed check, of other runs.\n\n"
