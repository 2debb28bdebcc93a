"""Chapter 23: outside, class and source are one: recall by plane, and beside the nearest neighbour, as controls of that."""

from __future__ import annotations

import pandas as pd

from gcaf_lib.display.elsewhere_charts import set_name
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation.outside_sets import NEIGHBOUR
from gcaf_lib.findings import outside_recall, words
from gcaf_lib.settings import CLASSES


def planes_table(recall: pd.DataFrame) -> pd.DataFrame:
    """Of IXI's healthy heads by plane, a row a model and plane: recall, and the share classified as pituitary."""
    own = recall[(recall["set"] == "ixi") & (recall["plane"] != "all")]
    return pd.DataFrame(
        {
            "Model": own["model"],
            "Plane": own["plane"],
            "Images": own["images"],
            "Recall": [outside_recall.recall_band(row) for _, row in own.iterrows()],
            "As pituitary": [f"{100 * v:.1f}" for v in _as_pituitary(own)],
        }
    ).reset_index(drop=True)


def _as_pituitary(own: pd.DataFrame) -> pd.Series:
    """The share of the images of each line that are classified as pituitary."""
    return own["pituitary"] / own[list(CLASSES)].sum(axis=1)


def planes_said(recall: pd.DataFrame, model: str) -> str:
    """How often coronal and axial slices of healthy heads are classified as pituitary, and recall of no tumour by plane."""
    own = recall[(recall["model"] == model) & (recall["set"] == "ixi")].set_index("plane")
    if not {"coronal", "axial"} <= set(own.index):
        return "This model has not been scored by plane."
    share = _as_pituitary(own)
    planes = own.drop("all", errors="ignore")
    each = ", ".join(f"{v:.1%} {plane}" for plane, v in planes["recall"].items())
    lower = " and ".join(planes.index[planes["high"] < own.loc["axial", "low"]])
    recalls = f"Its recall of no tumour is {each}."
    if lower:
        recalls = (
            f"{recalls[:-1]}: {lower} lower than axial, with non-overlapping intervals. All are cut from the same scans, so patient, "
            "scanner and sequence are not the reason. But slices of another plane show other anatomy too (face and neck) at other "
            "levels: the answer depends on which slice is shown, and this comparison can’t say whether on its plane."
        )
    text = (
        f"The model *{model}* classifies {share['coronal']:.1%} of the coronal slices of healthy heads as pituitary and "
        f"{share['axial']:.1%} of the axial ones. "
    )
    if share["coronal"] <= 0.2:
        return f"{text}So it seldom gives that answer to coronal slices without a tumour. {recalls}"
    if share["coronal"] <= 2 * share["axial"]:
        return f"{text}So coronal slices get that answer no more than twice as often as axial ones. {recalls}"
    return text + (
        "So coronal slices of heads without a tumour often get that answer, and recall on a set of coronal pituitary tumours may in "
        f"part be recall of the view. {recalls}"
    )


def neighbour_said(recall: pd.DataFrame, model: str) -> str:
    """On which pairs of class and set the nearest neighbour is below the model, above it, or neither by their intervals."""
    one, other = (
        outside_recall.recall_with_home(recall, name).set_index(["class", "set"])
        for name in (model, NEIGHBOUR)
    )
    both = one.index.intersection(other.index)
    both = [key for key in both if one.loc[key, "cases"] >= outside_recall.FEW]
    if not both:
        return "The nearest neighbour has not been scored on these sets."
    one, other = one.loc[both], other.loc[both]
    ahead, behind = other["low"] > one["high"], other["high"] < one["low"]
    level = ~ahead & ~behind
    return (
        "The nearest neighbour compares thumbnails and knows nothing of tumours. Of "
        f"{words.plural(len(both), 'pair')} of a class and a set with {outside_recall.FEW} cases or more its recall is, with non-overlapping intervals, "
        f"{_named(behind, 'below the model’s')}, {_named(ahead, 'above it')}; {_named(level, 'neither')}."
    )


def _named(which: pd.Series, word: str) -> str:
    """`below in 2 (glioma in Radiopaedia, ...)`, of a mask whose index is class and set."""
    names = [f"{CLASS_NAMES[c].lower()} in {set_name(s)}" for c, s in which.index[which]]
    return f"{word} in {len(names)}" + (f" ({', '.join(names)})" if names else "")
