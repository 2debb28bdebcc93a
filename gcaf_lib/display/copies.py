"""Pictures of the dataset's audit: twins side by side, similarities, sources, patients."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from gcaf_lib.data.preprocess import decode
from gcaf_lib.data.twins import TURNS
from gcaf_lib.display import style
from gcaf_lib.display.overlays import tile
from gcaf_lib.display.style import Drawing, Note, grid, legend_below, panels, quiet, styled


@styled
def image_pairs(
    rows: Sequence[tuple[np.ndarray, np.ndarray]], titles: Sequence[tuple[str, str]], words: Sequence[str]
) -> Drawing:
    """Pairs of images, two pairs a line: `titles` over each image, `words` under the pair."""
    lines = -(-len(rows) // 2)
    fig, axes = grid(lines, 5, lines * (style.WIDTH / 4 + 0.55), width_ratios=[1, 1, 0.12, 1, 1])
    fig.get_layout_engine().set(w_pad=0.01, wspace=0.01)
    for ax in fig.axes:
        ax.set_axis_off()
    # the fifth, narrow column keeps the pairs apart; within a pair the images lean towards each other
    places = axes[:, [0, 1, 3, 4]].reshape(-1, 2)
    for (left, right), pair, heads, text in zip(places, rows, titles, words):
        for ax, image, head, side in zip((left, right), pair, heads, "EW"):
            ax.set_anchor(side)
            tile(ax, image)
            ax.set_title(head, fontsize=7, fontweight="normal")
        left.text(
            0, -0.04, text, transform=left.transAxes, va="top", fontsize=8, color=style.INK, fontweight="bold"
        )
    return fig


def file_pairs(folder: Path, pairs: pd.DataFrame, words: Sequence[str]) -> Drawing | Note:
    """`image_pairs` of files below a folder, columns left and right, with their folders and names over them."""
    if pairs.empty:
        return Note("There is none to show.")
    both = list(zip(pairs["left"], pairs["right"]))
    images = [tuple(decode(folder / file) for file in pair) for pair in both]
    return image_pairs(images, [tuple(map(_title, pair)) for pair in both], words)


def _title(file: str) -> str:
    part, name, stem = file.split("/")
    return f"{part}, {name}\n{stem}"


def file_rows(folder: Path, rows: Sequence[Sequence[str]], **options: Any) -> Drawing | Note:
    """`image_rows` of files below a folder."""
    if not len(rows):
        return Note("There is none to show.")
    return image_rows([[decode(folder / file) for file in files] for files in rows], **options)


def files(folder: Path, names: Sequence[str]) -> Drawing | Note:
    """Files below a folder, eight a line."""
    return file_rows(folder, [names[k : k + 8] for k in range(0, len(names), 8)])


def families(folder: Path, copies: Sequence[Sequence[str]]) -> Drawing | Note:
    """Families of copies, a line each: up to ten files from all over it, and how many it has."""
    shown = [files[:: max(1, len(files) // 10)][:10] for files in copies]
    return file_rows(folder, shown, names=[f"{len(files)} files" for files in copies])


@styled
def image_rows(
    rows: Sequence[Sequence[np.ndarray]], names: Sequence[str] = (), titles: Sequence[Sequence[str]] = ()
) -> Drawing:
    """Images (H,W[,3]) of any size, a line each of `rows`; a line's name at its left, an image's title over it."""
    columns = max(len(row) for row in rows)
    fig, axes = grid(len(rows), columns, len(rows) * (style.WIDTH / columns + (0.16 if titles else 0)))
    fig.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    for line, images, name, heads in itertools.zip_longest(axes, rows, names, titles, fillvalue=""):
        for ax, image, head in itertools.zip_longest(line, images, heads):
            small = None if image is None else cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)
            tile(ax, small)
            ax.set_title(head or "", fontsize=6.5, fontweight="normal", pad=2)
        line[0].set_ylabel(name, fontsize=8)
    return fig


@styled
def similarities(frame: pd.DataFrame, bars: dict[str, float]) -> Drawing:
    """Histograms of similarities (`evaluation.dataset_audit`'s table), one panel a kind, each with its threshold, dashed."""
    names = {
        "notumor": "tumour-free files,\nevery pair",
        "tumour": "tumour files,\nevery pair",
        "re-cropped": "pictures laid over\neach other",
        "slices": "file and nearest\nfigshare slice",
    }
    looks = {
        "as it stands": (["as it is"], style.MUTED, "-"),
        "mirrored (dashed)": (["left-right"], style.OURS, (0, (4, 1.5))),
        "upside down or turned (dotted)": (["up-down", "both"], style.ACCENT, (0, (1, 1.2))),
    }
    fig, axes = panels(frame["kind"].nunique(), 2.9)
    for ax, (kind, part) in zip(axes, frame.groupby("kind", sort=False)):
        edges = np.append(part["left"], part["right"].iloc[-1])
        for turns, colour, dash in looks.values():
            ax.stairs(part[turns].sum(axis=1), edges, color=colour, lw=1.4, ls=dash)
        ax.set_yscale("symlog", linthresh=10)
        ax.set_ylim(0, part[list(TURNS)].to_numpy().max() * 5)
        ax.axvline(bars[kind], color=style.INK, lw=1.2, ls="--")
        way, ha = (1, "left") if bars[kind] < edges.mean() else (-1, "right")  # where there is room
        ax.annotate(f"{bars[kind]:g}", (bars[kind], 1), (4 * way, -2), xycoords=("data", "axes fraction"), ha=ha,
                    va="top", textcoords="offset points", color=style.INK, fontsize=8, fontweight="bold")  # fmt: skip
        ax.set_title(names[kind], fontsize=8.5)
        ax.set_xlabel("similarity")
        quiet(ax, "y")
    axes[0].set_ylabel("pairs (slices: files)")
    legend_below(fig, [("_", colour, word) for word, (_, colour, _) in looks.items()])
    return fig


@styled
def group_sizes(sizes: dict[str, np.ndarray]) -> Drawing:
    """Files of every patient of each class, sorted: one bar a patient, its height the number of files."""
    fig, axes = panels(len(sizes), 2.5, sharey=True)
    top = max(max(v, default=0) for v in sizes.values())
    for ax, (name, values) in zip(axes, sizes.items()):
        values = np.sort(values)[::-1]
        ax.bar(np.arange(len(values)) + 0.5, values, 1, color=style.CLASS_COLOURS.get(name, style.OURS), lw=0)
        ax.axhline(np.median(values), color=style.INK, lw=0.9, ls=":")
        ax.set(title=f"{style.CLASS_NAMES.get(name, name)}: {len(values)}", ylim=(0, top * 1.05))
        ax.set_xlabel("patients, most files first")
        quiet(ax, "y")
    axes[0].set_ylabel("files (dotted: median)")
    return fig
