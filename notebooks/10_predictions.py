# ---
# jupyter:
#   colab:
#     provenance: []
#     toc_visible: true
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: accelerator,colab,kernelspec
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10. Predictions and where they come from
#
# **Reproduces:** Figure 12 (predictions with class-wise confidence) and Figure 13 (Grad-CAM).
# **Takes:** seconds where the runs are on record; under the `demo` profile a few minutes the first
# time. The images are needed. Weights are not: the maps come from the run record.

# %% tags=["parameters"]
profile = "cpu"  # or "demo", "paper"
overrides = {}  # such as {"model.fusion": "gcaf-token"}

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data.preprocess import decode
from gcaf_lib.display import figures, overlays, tables
from gcaf_lib.display.names import backbone_name
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import heatmaps
from gcaf_lib.findings import overlap

chapter = open_chapter("10_predictions", profile, overrides, need_images=True)
runs = chapter.records("main", train=True).get("Proposed Method", [])
classes = chapter.settings.data.classes
chapter.strip(runs)

# %% tags=["hide-input"]
overlap.split_note(chapter)

# %% [markdown]
# ## Answers, drawn at random
#
# Figure 12 of the paper shows right answers with high confidence. Here are two right answers of every
# class (fewer where there are fewer), drawn at random from the first seed's test part, bars showing the
# probability of each class:

# %%
run = runs[0]
rows, labels, probs = run.rows(), run.labels(), run.probabilities()
right, confidence = probs.argmax(1) == labels, probs.max(1)
rng = np.random.default_rng(0)
drawn = [rng.permutation(np.flatnonzero(right & (labels == k)))[:2] for k in range(len(classes))]
firsts, drawn = [i for own in drawn for i in own[:1]], [i for own in drawn for i in own]


def pictures(chosen):
    files = chapter.dataset.frame["file"].iloc[rows[chosen]]
    return [overlays.reduced(decode(chapter.dataset.root / file)) for file in files]


# %% mystnb={"image": {"alt": "Images of the test part, two of each class, each with bars of the four class probabilities; all answers are right."}, "figure": {"name": "fig-predictions", "caption": "Right answers of the first seed, drawn at random, two a class, with the probability of each class (the paper's Figure 12)."}}
figures.predictions_grid(pictures(drawn), probs[drawn], labels[drawn], classes)

# %% [markdown]
# ## The most confident mistakes
#
# What such a figure leaves out: the wrong answers that the model was surest of. These are the ones
# that no threshold on the confidence would have caught.

# %% mystnb={"image": {"alt": "Up to eight images of the test part with wrong answers, each with bars of the four class probabilities, the surest first."}, "figure": {"name": "fig-mistakes", "caption": "The first seed's wrong answers with the highest confidence, surest first, at most eight."}}
mistakes = [i for i in np.argsort(-confidence, kind="stable") if not right[i]][:8]
if mistakes:
    display(figures.predictions_grid(pictures(mistakes), probs[mistakes], labels[mistakes], classes))
else:
    display(Markdown("The first seed made no mistake on the test part."))

# %% tags=["hide-input"]
lines = []
for r in runs:
    top, ok = r.probabilities().max(1), r.probabilities().argmax(1) == r.labels()
    lines.append({"right": top[ok].mean(), "wrong": top[~ok].mean() if (~ok).any() else np.nan,
                  "sure": float((top[~ok] > 0.9).sum()), "errors": float((~ok).sum())})  # fmt: skip
means = pd.DataFrame(lines)
display(
    Markdown(
        f"Mean confidence of right answers: {tables.mean_sd(means['right'], 3)}; of wrong ones: "
        f"{tables.mean_sd(means['wrong'], 3)}. Wrong answers a seed: {tables.mean_sd(means['errors'], 1)}, of which "
        f"with a confidence above 0.9: {tables.mean_sd(means['sure'], 1)}."
    )
)

# %% [markdown]
# ## Grad-CAM
#
# For the class that was predicted, Grad-CAM weights each channel of a backbone's last feature map by
# the mean gradient of that class's logit and keeps what is positive. The map is as coarse as the
# feature map and is enlarged to the image. There are two backbones, so there are two maps; the fusion
# joins pooled vectors and has no map of its own, and what is called *fused* here is the mean of both maps, each
# scaled to a maximum of 1. The paper shows one map an image and doesn't say of which layer. **What such a map can prove is
# tested first in chapter 20**, on pictures whose answer is known: read that before you read anything into these.
#
# The columns: right answers of the classes as above, one each, then the two most confident mistakes, if there are any. The
# outline is the tumour's border as radiologists drew it for the figshare collection, where the image was found there and that data is
# at hand (for phantoms: the border of the drawn lesion). It was no part of any training.

# %%
shown = [*firsts, *mistakes[:2]]
seen = {i: k for k, i in enumerate(run.maps["rows"])}  # a record keeps the maps of its whole test part
where = [seen[rows[i]] for i in shown]
cams = {
    backbone_name(name.removeprefix("cam_")): maps[where].astype(np.float32)
    for name, maps in run.maps.items()
    if name.startswith("cam_")
}
fused = heatmaps.fused(cams, 64)
names = [CLASS_NAMES[classes[k]] for k in probs[shown].argmax(1)]
titles = [name if right[i] else f"wrong:\n{name}" for name, i in zip(names, shown)]
borders = overlays.outlines(chapter.dataset, rows[shown])

# %% mystnb={"image": {"alt": "Columns of test images with the image, the fused Grad-CAM map and both overlaid; tumour outlines where known."}, "figure": {"name": "fig-gradcam", "caption": "Grad-CAM of the fused model, first seed (the paper's Figure 13): image, map, and both overlaid, with the tumour's outline where it is known. Titles are the predicted classes."}}
figures.gradcam_grid(pictures(shown), fused, titles, borders)

# %% mystnb={"image": {"alt": "The same test images under the Grad-CAM map of each backbone and under the fused map, one row each."}, "figure": {"name": "fig-gradcam-backbones", "caption": "The same images under the map of each backbone and under their mean."}}
overlays.gradcam_rows(pictures(shown), {**cams, "fused": fused}, titles, borders)

# %% [markdown]
# ## How wide the maps spread
#
# The paper says that maps of tumours concentrate on the lesion and that those of images without a
# tumour are diffuse. The second half can be counted without any border: the share of the image in
# which a map exceeds half of its maximum.

# %%
spread = []
for r in runs:
    own = {name: maps for name, maps in r.maps.items() if name.startswith("cam_")}
    wide = (heatmaps.fused(own, 32) > 0.5).mean((1, 2))
    answer = r.maps["target"]
    spread.append(
        {CLASS_NAMES[c]: wide[answer == k].mean() for k, c in enumerate(classes) if (answer == k).any()}
    )
spread = pd.DataFrame(spread)
tables.show(
    pd.DataFrame(
        {
            "Predicted class": spread.columns,
            "Share of the image (%)": [tables.mean_sd(spread[c], 1, 100) for c in spread],
        }
    ),
    name="tab-spread",
    caption="Share of the image in which the fused map exceeds half its maximum, by predicted class: mean ± standard deviation over the seeds.",
)

# %% tags=["hide-input"]
order = spread.mean().sort_values()
widest = order.index[-1]
display(
    Markdown(
        f"Widest are the maps of {widest.lower()}, narrowest those of {order.index[0].lower()}: "
        + ("in this respect the runs agree with the paper. " if widest == CLASS_NAMES["notumor"] else
           "in this respect the runs don't agree with the paper. ")
        + "Whether the maps point at the tumour is a matter of measurement, not of a few pictures: a later chapter takes "
        "the recovered borders of all test images, and puts maps beside them that know nothing, such as one of the "
        "image's middle."
    )
)  # fmt: skip
