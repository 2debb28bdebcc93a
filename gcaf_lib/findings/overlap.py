"""What training knows of the test part of the split in use: the note that several chapters share."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gcaf_lib.data import exposure, splits


def known(chapter: Any) -> pd.Series:
    """images, with_copy, with_patient (shares) of the split in use, by the search of chapter 17 (`data.exposure`)."""
    data = chapter.settings.data
    protocol = data.protocol if data.fold is None else splits.FIVEFOLD
    found = exposure.read(chapter.dataset, protocols=[protocol])
    return found.set_index(["protocol", "class"]).loc[(protocol, "all")]


def split_note(chapter: Any) -> None:
    """Show of how many test images training knows a copy or the patient, and where that is followed up."""
    from IPython.display import Markdown, display

    display(Markdown(split_said(known(chapter), chapter.settings.data.protocol)))


def split_said(found: pd.Series, protocol: str) -> str:
    """The note of `split_note` as Markdown, from what `known` gives."""
    text = (
        f"**Mind the split.** The split in use is `{protocol}`. Of its {found['images']:,.0f} test images, "
    )
    if not found["with_copy"]:
        text += "none has a copy in the training part that chapter 17's search finds"
    else:
        text += f"{found['with_copy']:.1%} have a copy in the training part (by chapter 17's own search)"
    if found["with_patient"]:
        more = "" if found["with_copy"] else "have "
        text += f", and {found['with_patient']:.1%} {more}another slice of the same patient there"
    if not found["with_copy"] and not found["with_patient"]:
        return f"{text}; what such sharing does to a score is measured in chapter 17."
    return (
        f"{text}: the figures below therefore also reward remembering training images. Chapter 17 trains the same model where "
        "the parts share neither copies nor known patients."
    )
