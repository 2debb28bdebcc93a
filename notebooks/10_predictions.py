# ---
# jupyter:
#   colab:
#     provenance: []
#     toc_visible: true
#   jupytext:
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
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"model.fusion": "gcaf-token"}

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import overlays, pictures, tables
from gcaf_lib.evaluation import control
from gcaf_lib.findings import image_answers, overlap, predictions

chapter = open_chapter("10_predictions", profile, overrides, need_images=True)
runs = chapter.proposed_runs(train=True)
classes, folder = chapter.settings.data.classes, chapter.dataset.root
chapter.strip(runs)
overlap.split_note(chapter)

# %% [markdown]
# ## Answers, drawn at random
#
# Figure 12 of the paper shows right answers with high confidence. Here are two right answers of every
# class (fewer where there are fewer), drawn at random from the first seed's test part, bars showing the
# probability of each class:

# %% mystnb={"image": {"alt": "Images of the test part, two of each class, each with bars of the four class probabilities; all answers are right."}, "figure": {"name": "fig-predictions", "caption": "Right answers of the first seed, drawn at random, two per class, with the probability of each class (the paper's Figure 12)."}}
answers = image_answers.of_run(runs[0], chapter.dataset)
right_sample = predictions.right_sample(answers)
pictures.predictions(right_sample, folder, classes)

# %% [markdown]
# ## The most confident mistakes
#
# What such a figure leaves out: the wrong answers that the model was surest of. These are the ones
# that a threshold on the confidence is least likely to catch.

# %% mystnb={"image": {"alt": "Up to eight images of the test part with wrong answers, each with bars of the four class probabilities, the surest first."}, "figure": {"name": "fig-mistakes", "caption": "The first seed's wrong answers with the highest confidence, surest first, at most eight."}}
mistakes = predictions.mistakes(answers)
pictures.predictions(mistakes, folder, classes)

# %%
Markdown(predictions.confidences_said(runs))

# %% [markdown]
# ## Grad-CAM
#
# For the class that was predicted, Grad-CAM weights each channel of a backbone's last feature map by
# the mean gradient of that class's logit and keeps what is positive. The map is as coarse as the
# feature map and is enlarged to the image. There are two backbones, so there are two maps; the fusion
# joins pooled vectors and has no map of its own, and what is called *fused* here is the mean of both maps, each
# scaled to a maximum of 1. The paper doesn't say from which layer its maps are. **What such a map can prove is
# tested first in chapter 20**, on pictures whose answer is known: read that before you read anything into these.
#
# The columns show one right answer of each class, then the two most confident mistakes, if there are any. The
# outline is the tumour's border as radiologists drew it for the figshare collection, where the image was found there and that data is
# at hand (for phantoms: the border of the drawn lesion). It was no part of any training.

# %%
shown = pd.concat([right_sample.drop_duplicates("label"), mistakes.head(2)])
images, titles = overlays.open_files(folder, shown["file"]), predictions.titles(shown, classes)
cams = predictions.cams(runs[0], shown)
borders = overlays.outlines(chapter.dataset, shown["row"].tolist())

# %% mystnb={"image": {"alt": "Columns of test images with the image, the fused Grad-CAM map and both overlaid; tumour outlines where known."}, "figure": {"name": "fig-gradcam", "caption": "Grad-CAM of the fused model, first seed (the paper's Figure 13): image, map, and both overlaid, with the tumour's outline where it is known. Titles are the predicted classes."}}
pictures.gradcam_grid(images, cams.get("fused"), titles, borders)

# %% mystnb={"image": {"alt": "The same test images under the Grad-CAM map of each backbone and under the fused map, one row each."}, "figure": {"name": "fig-gradcam-backbones", "caption": "The same images under the map of each backbone and under their mean."}}
overlays.gradcam_rows(images, cams, titles, borders)

# %%
Markdown(
    predictions.control_said(control.map_verdicts(control.read()), runs[0].settings.model.projection_norm)
)

# %% [markdown]
# ## How wide the maps spread
#
# The paper says that maps of tumours concentrate on the lesion and that those of images without a
# tumour are diffuse. The second half can be counted without any border: the share of the image in
# which a map exceeds half of its maximum.

# %%
spread = predictions.spreads(runs)
tables.show(
    predictions.spreads_text(spread),
    name="tab-spread",
    caption="Share of the image in which the fused map exceeds half its maximum, by predicted class: mean ± "
    "standard deviation over the seeds.",
)
Markdown(predictions.spreads_said(spread))
