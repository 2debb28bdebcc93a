"""What training knows of the test part: copies, and slices of the same patient, counted by split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.data import exposure, splits
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.settings import CLASSES


def shares(dataset: Any) -> pd.DataFrame:
    """`data.exposure.read`, and with_either: share of the test images with a copy or a slice of the same patient in training.

    with_either is by the groups of the split `patients`, so on that split it is 0 by construction.
    """
    shares, clusters = exposure.read(dataset), splits.clusters(dataset)
    names = np.array(CLASSES)[dataset.frame["label"].to_numpy(int)]
    seen = []
    for protocol in shares["protocol"].unique():
        for part in exposure.parts(protocol, dataset):
            test, known = part == "test", clusters[part == "train"]
            one = {"protocol": protocol, "class": names[test], "with_either": np.isin(clusters[test], known)}
            seen.append(pd.DataFrame(one))
    table = pd.concat(seen)
    both = pd.concat([table, table.assign(**{"class": "all"})])
    return shares.join(both.groupby(["protocol", "class"])["with_either"].mean(), on=["protocol", "class"])


def wide_exposure(shares: pd.DataFrame) -> pd.DataFrame:
    """A reader's table of `shares`: splits down; test images, share with a copy (of all and by class), with a slice of the
    same patient, and with either in training."""
    whole = shares[shares["class"] == "all"].set_index("protocol")
    out = pd.DataFrame({"Test images": whole["images"], "A copy": whole["with_copy"].map("{:.1%}".format)})
    for name in CLASSES:
        own = shares[shares["class"] == name].set_index("protocol")["with_copy"]
        out[f"A copy, {CLASS_NAMES[name].lower()}"] = own.map("{:.1%}".format)
    out["Same patient"] = whole["with_patient"].map("{:.1%}".format)
    out["A copy or the same patient"] = whole["with_either"].map("{:.1%}".format)
    return out.reindex([p for p in splits.MANIFESTS if p in out.index]).rename_axis("Split").reset_index()


def copies_left_said(shares: pd.DataFrame) -> str:
    """What `data.exposure.read` finds on the splits that keep copies together."""
    whole = shares[shares["class"] == "all"].set_index("protocol")
    said = []
    for protocol in [p for p in (*splits.GROUPED, splits.FIVEFOLD) if p in whole.index]:
        line = shares[(shares["protocol"] == protocol) & (shares["class"] != "all")]
        worst = line.loc[line["with_copy"].idxmax()]
        share = whole.loc[protocol, "with_copy"]
        said.append(
            f"on `{protocol}` it finds no test image with a copy in training"
            if not share
            else f"on `{protocol}` it still finds a copy in training for {share:.1%} of the test images (most often among "
            f"{worst['class']}: {worst['with_copy']:.1%})"
        )
    return (
        "A copy detector that played no part in making the splits says: "
        + "; ".join(said)
        + ". It has errors of its own: it takes some pictures that are only alike for copies, and misses some copies."
    )
