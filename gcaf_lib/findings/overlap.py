"""Sentences that several chapters share, with every number in them computed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.settings import CLASSES


def shared(part: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Which test rows have a training row of the same group, (n_test,) bool.

    part: (N,) "train", "validation", "test" or ""; group: (N,) keys of images that belong together.
    """
    part, group = np.asarray(part), np.asarray(group)
    return np.isin(group[part == "test"], group[part == "train"])


def overlap(chapter: Any) -> pd.DataFrame:
    """Test images with a relative in training under the split in use: index kind, columns images, of, share.

    Kinds are `twins` (identical, nearly identical or mirrored) and `patients` (the same patient, or a
    twin); a kind whose groups aren't known for this data is left out.
    """
    from gcaf_lib.data import splits

    part = splits.load(chapter.settings.data, chapter.dataset)["part"].to_numpy()
    lines = {}
    for kind in ("twins", "patients"):
        plain = dataclasses.replace(chapter.settings.data, protocol=kind, fold=None, classes=CLASSES)
        try:
            group = splits.load(plain, chapter.dataset)["group"].to_numpy()
        except (OSError, ValueError):  # neither a manifest for this data nor the images to compute it
            continue
        hit = shared(part, group)
        lines[kind] = (int(hit.sum()), len(hit), float(hit.mean()))
    return pd.DataFrame.from_dict(lines, orient="index", columns=["images", "of", "share"])


def split_note(chapter: Any) -> None:
    """Show how many test images have a twin, or a patient, in training, and where that is followed up."""
    from IPython.display import Markdown, display

    display(Markdown(split_text(overlap(chapter), chapter.settings.data.protocol)))


def split_text(known: pd.DataFrame, protocol: str) -> str:
    """The note of `split_note` as Markdown, from what `overlap` gives."""
    if "twins" not in known.index:
        return (
            "**Mind the split.** How many test images have a twin in training can't be told here: the twin "
            "groups of this data are not known. Chapter 17 tells what it means."
        )
    twin = known.loc["twins"]
    text = f"**Mind the split.** The split in use is `{protocol}`. "
    if not twin["images"]:
        text += f"None of its {twin['of']:,.0f} test images has a twin in training"
    else:
        text += (
            f"{'Most' if twin['share'] > 0.5 else 'Some'} test images have a near twin among the training "
            f"images, that is, the same picture, nearly the same, or its mirror image: "
            f"{twin['images']:,.0f} of {twin['of']:,.0f} ({twin['share']:.1%})"
        )
    if "patients" in known.index:
        text += f"; {known.loc['patients', 'images']:,.0f} ({known.loc['patients', 'share']:.1%}) have an "
        text += "image of the same patient or a twin there"
    end = "what such sharing does to a score is measured in chapter 17."
    if twin["images"]:
        end = (
            "the figures below therefore also reward remembering training images. Chapter 17 trains the "
            "same model where the parts share neither twins nor patients."
        )
    return f"{text}; {end}"
