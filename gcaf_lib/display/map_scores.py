"""Pictures of how maps score: against the tumour's border, by group, and after weights were made random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gcaf_lib.display import names, style
from gcaf_lib.display.style import Drawing, Note, panels, quiet, styled
from gcaf_lib.evaluation import sanity, tumours

# words of a cascade's steps that are too long for an axis
_SHORT = {
    "backbones: top quarter": "backbones:\ntop ¼",
    "backbones: upper half": "upper ½",
    "backbones: upper three quarters": "upper ¾",
    "backbones: all": "all",
}


@styled
def by_measure(frame: pd.DataFrame) -> Drawing:
    """Mean scores of each map with their intervals, a panel a measure: `map_localisation.mean_scores`."""
    maps = list(dict.fromkeys(frame["map"]))
    y, guesses = np.arange(len(maps)), (tumours.PLACE, tumours.CENTRE, tumours.RANDOM, tumours.EDGE)
    colours = [style.MUTED if m in guesses else style.OURS for m in maps]
    fig, axes = panels(len(tumours.MEASURES), 0.32 * len(maps) + 1.0, sharey=True)
    for ax, name in zip(axes, tumours.MEASURES):
        part = frame[frame["measure"] == name].set_index("map").reindex(maps)
        ax.hlines(y, part["low"], part["high"], color=colours, lw=3, alpha=0.4)
        ax.scatter(part["mean"], y, c=colours, s=[46 if m == tumours.FUSED else 26 for m in maps], zorder=3)
        ax.set(title=names.MEASURE_NAMES[name].replace(", ", ",\n").replace(" at ", "\nat "))
        ax.set_yticks(y, [names.map_name(m) for m in maps])
        ax.set_ylim(len(maps) - 0.5, -0.5)
        ax.set_xlim(0, max(0.02, 1.12 * part["high"].fillna(part["mean"]).max()))
        ax.locator_params(axis="x", nbins=4)
        quiet(ax, "x")
    for label, m in zip(axes[0].get_yticklabels(), maps):
        label.set_fontweight("bold" if m == tumours.FUSED else "normal")
    return fig


@styled
def by_group(
    frame: pd.DataFrame, column: str, measure: str = "energy", maps: Sequence[str] | None = None
) -> Drawing:
    """One measure by class or by size, side by side for some maps: `map_localisation.mean_scores(…, by)`."""
    maps = list(maps or (tumours.FUSED, tumours.PLACE, tumours.CENTRE))
    values = list(dict.fromkeys(frame[column]))
    fig, (ax,) = panels(1, 2.7)
    for k, (name, mark, (colour, _)) in enumerate(zip(maps, "osD^", style.LINES)):
        part = frame[(frame["map"] == name) & (frame["measure"] == measure)].set_index(column).reindex(values)
        x = np.arange(len(values)) + 0.16 * (k - (len(maps) - 1) / 2)
        look = {"colour": colour, "pale": 0.4, "ms": 6, "label": names.map_name(name)}
        style.estimates(ax, x, part, "mean", mark, **look)
    ax.set_xticks(range(len(values)), values)
    ax.set(xlim=(-0.5, len(values) - 0.5), ylabel=names.MEASURE_NAMES[measure].lower())
    ax.set_ylim(bottom=0)
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=len(maps))
    quiet(ax, "y")
    return fig


@styled
def cascade(frame: pd.DataFrame | None) -> Drawing | Note:
    """Agreement with the trained maps as weights are replaced from the top down: `evaluation.sanity`'s table.

    Beside each map, dotted, its own yardstick: trained maps of different patients.
    """
    if frame is None:
        return Note(
            "No randomisation is on record for this profile, and the weights of its runs are not on this machine."
        )
    steps, other = frame[frame["step"] >= 0], frame[frame["step"] == sanity.OTHER].set_index("map")
    words = steps.drop_duplicates("step").sort_values("step")["replaced"].replace(_SHORT)
    fig, (ax,) = panels(1, 3.4)
    aside = 0.1 * (np.arange(steps["map"].nunique()) - (steps["map"].nunique() - 1) / 2)
    for place, (name, part), (colour, dash) in zip(aside, steps.groupby("map", sort=False), style.LINES):
        part = part.sort_values("step")
        label = names.map_name(name)
        style.estimates(ax, part["step"] + place, part, "correlation", "o" + dash, colour=colour, label=label)
        if name in other.index:
            ax.axhline(other.loc[name, "correlation"], color=colour, lw=1.1, ls=":")
    ax.axhline(0, color=style.MUTED, lw=0.7)
    ax.set_xticks(range(len(words)), words, fontsize=8)
    ax.set(xlabel="replaced by untrained weights, cumulatively  →", ylabel="correlation with the trained map")
    ax.set_ylim(top=1.04)
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    quiet(ax, "y")
    return fig
