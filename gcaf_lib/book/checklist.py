"""The CLAIM 2024 checklist, answered: each item with the chapters that answer it, or with what is missing.

Items are named in our words after Tejani et al. 2024; `[16]` in an answer becomes a link to that chapter, once
there is one. `write()` renews book/_generated/claim.md:

    python -m gcaf_lib.book.checklist
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from gcaf_lib.book import notebooks
from gcaf_lib.book.chapter import checkout, write_computed
from gcaf_lib.display import tables
from gcaf_lib.terminal import arguments

YES, PARTLY, NO, NONE = "answered", "partly", "not answered", "does not apply"


class Item(NamedTuple):
    """Number and matter of an item, how far it is answered, and where or why not."""

    number: int
    matter: str
    status: str
    answer: str


PAGES = {"card": "model_card", "data": "datasheet", "rerun": "rerun", "score": "scorecard", "cite": "cite"}
ITEMS = tuple(
    Item(n, *rest)
    for n, rest in enumerate(
        [
            ("Title names the AI method", PARTLY, "the book's title names the fusion; the front page, the networks"),
            ("Structured abstract", PARTLY, "the front page and [score]; a book has no structured abstract"),
            ("Background, intended use", YES, "[card]"),
            ("Aims and hypotheses", PARTLY, "front page: do the paper's figures come out again, and what are they worth; no analysis was registered beforehand ([score])"),
            ("Prospective or retrospective", YES, "retrospective, published images: [data]"),
            ("Goal of the study", YES, "reproduction and audit of a published classifier: front page, [22]"),
            ("Sources of the data", PARTLY, "[data], [16]; which file came from where is recovered, not recorded"),
            ("Who was included and excluded", NO, "the collections do not say how patients were chosen"),
            ("Preprocessing", YES, "[2]"),
            ("Subsets of the data", YES, "every file is used; parts in [1], [17]"),
            ("De-identification", PARTLY, "figshare: its authors say so, not how; the other collections: not known; faces in side views were kept: [data]"),
            ("Missing data", PARTLY, "no image is missing; unknown patients are counted in [16]"),
            ("Acquisition protocol", PARTLY, "known for the figshare part alone: [data]"),
            ("How the reference standard was made", NO, "folders' names; the collections do not describe the diagnosis"),
            ("Why this reference standard", NO, "it is the dataset's; four labels that contradict the archive are in [16]"),
            ("Source of the annotations", PARTLY, "tumour borders of the figshare part: radiologists [data]; class labels: not known"),
            ("Annotation of the test part", NO, "as the training part; not read again by us. BRISC (arXiv:2506.14318) reports annotation by radiologists "
             "and physicians of 6,000 slices gathered from public collections; how many of them are files of this dataset was not checked"),
            ("Agreement between readers", NO, "not published by the collections"),
            ("How parts were made", YES, "[1], [17]; manifests with hashes in `results/splits`"),
            ("Level at which parts are disjoint", YES, "five levels, image to patient: [17]"),
            ("Sample size", PARTLY, "given by the dataset, not planned; what it can show: [15]"),
            ("The model in detail", YES, "[4], and the library's docstrings"),
            ("Software", YES, "provenance strip of every chapter, `constraints.txt`"),
            ("Initial weights", YES, "[card]; the strip of every chapter says which"),
            ("Training in detail", YES, "[3], [5], [6]"),
            ("How the final model was chosen", PARTLY, "weights of the best validation loss: [6]; no run is chosen by its test part, but splits, verdict rules and the reading of the fusion were settled after results had been seen: [score]"),
            ("Ensembles", NONE, "none are used"),
            ("Metrics", YES, "[7], [8], [9]"),
            ("Significance and uncertainty", YES, "[15]; intervals resample groups (known patients, elsewhere a picture's copies); tests that take images as independent say so"),
            ("Robustness and sensitivity", YES, "[14], [18]"),
            ("Explanations", YES, "[10], measured against tumour borders in [20]"),
            ("Evaluation on internal data", YES, "[7], [17]"),
            ("Evaluation on external data", PARTLY, "class by class, in public sets of other places: [23], [24]; none of the sets without copies of this dataset holds all four classes"),
            ("Registration as a clinical trial", NONE, "no trial"),
            ("Patients included and excluded, in numbers", PARTLY, "images: [1]; patients, where known: [16]"),
            ("Who they are, by part", NO, "age, sex and outcome are not published; class and source by part: [16]"),
            ("Performance with uncertainty", YES, "[score], [7]"),
            ("Diagnostic performance with precision", PARTLY, "[7], [8]; per slice, not per patient"),
            ("Failures", YES, "[10], [21]"),
            ("Limitations", YES, "[card], [16], [17], [18], [23]"),
            ("Meaning for practice", YES, "none: research and teaching only, [card]"),
            ("Protocol, technical detail", YES, "[rerun]; the whole code"),
            ("Where software, model and data are", PARTLY, "[rerun], [data], [cite]; of the trained models one travels with the package: [card]"),
            ("Funding", NO, "this project states none; the paper says it had no external funding"),
        ],
        1,
    )
)  # fmt: skip


def chapters(folder: Path) -> dict[int, str]:
    """Number → name of the chapters that there are."""
    return {int(path.stem[:2]): path.stem for path in notebooks.sources(folder)}


def linked(answer: str, known: dict[int, str]) -> str:
    """An answer with its links: `{doc}` roles, or words for a chapter that does not exist yet."""

    def link(match: re.Match) -> str:
        word = match[1]
        if word in PAGES:
            return f"{{doc}}`/{PAGES[word]}`"
        name = known.get(int(word))
        return f"{{doc}}`{word} </notebooks/{name}>`" if name else f"{word} (not written)"

    return re.sub(r"\[(\w+)\]", link, answer)


def standing(known: dict[int, str]) -> list[Item]:
    """The items as they stand: what leans on a chapter that does not exist yet is answered in part at most."""
    lean = {i for i in ITEMS if i.status == YES and "not written" in linked(i.answer, known)}
    return [item._replace(status=PARTLY) if item in lean else item for item in ITEMS]


def text(folder: Path) -> str:
    """MyST text: the count of statuses and the numbered table."""
    known = chapters(folder)
    items = standing(known)
    counts = pd.Series([item.status for item in items]).value_counts()
    heads = {YES: "answered", PARTLY: "answered in part", NO: "not answered", NONE: "not applicable"}
    words = ", ".join(f"{head} {counts.get(status, 0)}" for status, head in heads.items())
    frame = pd.DataFrame(
        [(i.number, i.matter, i.status, linked(i.answer, known)) for i in items],
        columns=["Item", "Matter", "Status", "Where, or why not"],
    )
    plain = pd.DataFrame(items, columns=["item", "matter", "status", "answer"])
    table = tables.numbered(
        frame, "tab-claim", "The items of CLAIM 2024 and the chapters that answer them.", data=plain
    )
    return f"Of {len(items)} items: {words}.\n\n{table}"


def write(book: Path | None = None) -> list[Path]:
    """Write book/_generated/claim.md for the checkout's chapters; nothing where there is no checkout."""
    return write_computed(lambda: {"claim": text(checkout() / "notebooks")}, book)


if __name__ == "__main__":
    arguments(__doc__)
    for path in write():
        print(path)
