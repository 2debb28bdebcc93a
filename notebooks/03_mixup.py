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
# # 3. Mixup
#
# **Reproduces:** Figure 5 (Mixup), Equation 3.
# **Takes:** seconds; nothing is trained.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"training.mixup": 0.4}

# %% tags=["hide-input"]
import numpy as np
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.data.preprocess import decode, preprocess, resize
from gcaf_lib.display import mechanisms, pictures, tables
from gcaf_lib.findings import mixup
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import CLASSES

chapter = open_chapter("03_mixup", profile, overrides, need_images=True)
chapter.strip()

# %% [markdown]
# ## Two images, two labels, one weight
#
# Mixup makes a training sample of two: pixels and labels are averaged with the same random weight.
#
# $$\tilde X = \lambda X_i^{\mathrm{aug}} + (1 - \lambda) X_j^{\mathrm{aug}}, \qquad \tilde y = \lambda y_i + (1 - \lambda) y_j,
# \qquad \lambda \sim \mathrm{Beta}(\alpha, \alpha) \tag{3}$$
#
# The label says how much of each image is in the picture, and the network is asked to answer likewise.
# The idea is that of Zhang and others (2018): between training samples the answer should change gradually.

# %%
frame, data = chapter.dataset.frame, chapter.settings.data
paper_size = paper.at_published_size(data)
pair = [frame[frame["label"] == k].sample(1, random_state=2)["file"].item() for k in (0, 3)]
first, second = (preprocess(chapter.dataset.root / name, paper_size) for name in pair)

# %% mystnb={"image": {"alt": "Seven pictures from one slice to another: the first fades out as the second fades in, with a bar below each that shows the shares of the two labels."}, "figure": {"name": "fig-mixup", "caption": "Two slices mixed with different weights, and their soft labels as bars (the paper's Figure 5)."}}
pictures.mixup_grid(first, second, (1, 0.9, 0.75, 0.5, 0.25, 0.1, 0), (CLASSES[0], CLASSES[3]))

# %% [markdown]
# ## With the paper's α, most mixtures are hardly mixed
#
# For $\alpha < 1$ the Beta density is U-shaped: the smaller α, the more often nearly all the weight goes to
# one of the two images. The figure shows the values of the paper's sensitivity table.

# %% mystnb={"image": {"alt": "Left: densities of Beta(α, α) for four α, all U-shaped, flatter for larger α. Right: the share of pairs whose larger weight is below a value; for small α most pairs are close to 1."}, "figure": {"name": "fig-beta", "caption": "The mixing weight for the values of α that the paper tried, and how far the larger of the two weights dominates."}}
tried = [float(row) for row in paper.table(8).query("Parameter == 'Mixup α'")["Value"]]
mechanisms.beta_densities(tried)

# %% [markdown]
# The library draws $\lambda$ from a table of equally likely quantiles, because a ratio of Gamma variables
# breaks down for small $\alpha$ in single precision. The table below compares its draws to the exact law.

# %%
tables.show(
    mixup.dominance(tried),
    name="tab-beta",
    caption="How much one image dominates a mixture: the Beta law, and 20,000 draws of the library.",
)
training_settings = chapter.settings.training
training_images = frame[splits.load(data, chapter.dataset)["part"].to_numpy() == "train"]
Markdown(
    mixup.soft_labels_said(training_settings.mixup, training_settings.batch_size, training_images["label"])
)

# %% [markdown]
# ## A training batch
#
# The paper speaks of two randomly sampled instances, so $\lambda$ is drawn anew for each pair; in the original
# method, and in most code, one $\lambda$ serves a whole batch (`Mixup(per_pair=False)`). The partner is the same
# batch in random order, so an image may be mixed with itself.

# %%
from gcaf_lib.model import augment

picked = training_images.sample(12, random_state=5)
images = [preprocess(chapter.dataset.root / f, paper_size) for f in picked["file"]]
images = np.stack(images).astype("float32")
labels = np.eye(len(CLASSES), dtype="float32")[picked["label"]]

rng = np.random.default_rng(1)
weights = mixup.spread_weights(12, training_settings.mixup, rng)
mixed, soft = (np.asarray(x) for x in augment.mixup(images, labels, weights, rng.permutation(12)))

# %% mystnb={"image": {"alt": "Twelve mixed training samples with the weight of the first image above and the soft label as a coloured bar below; most look like one image, a few like double exposures."}, "figure": {"name": "fig-mixed-batch", "caption": "Twelve training samples after Mixup, with weights spread as the Beta law spreads them. λ is the weight of the sample itself, the bar its soft label."}}
mechanisms.mixed_batch(mixed, soft, weights)

# %% [markdown]
# Half of the weights are below one half: there the *partner* dominates, and the label says so.
#
# ## What may be swapped, and what may not
#
# Mixing is an average with weights that sum to one. Whatever is affine commutes with it: label smoothing
# (Equation 15, $y^* = (1 - \varepsilon)\,y + \varepsilon / K$) and normalisation (Equation 2) may come
# before or after with the same result,
#
# $$(1 - \varepsilon)\bigl(\lambda y_i + (1 - \lambda) y_j\bigr) + \tfrac{\varepsilon}{K} =
# \lambda\bigl((1 - \varepsilon) y_i + \tfrac{\varepsilon}{K}\bigr) +
# (1 - \lambda)\bigl((1 - \varepsilon) y_j + \tfrac{\varepsilon}{K}\bigr).$$
#
# CLAHE is not affine, and neither is a loss that is curved in its label. The table takes both
# steps in either order and gives the largest difference, relative to the largest value.

# %%
raw = np.stack([resize(decode(chapter.dataset.root / f), 128) for f in picked["file"]]).astype("float32")
tables.show(
    mixup.swapped(images, raw, labels, weights, chapter.settings.loss, rng),
    name="tab-commute",
    caption="Mixing before or after another step: single precision leaves differences of about 1e-7 where "
    "the two commute.",
)

# %% [markdown]
# So the order of Mixup and smoothing, which the paper leaves open, does not matter; the order
# of Mixup and CLAHE does, and the paper's (contrast first) is kept. The last two lines matter for the loss:
# in the `per-class` reading of Equation 14, the loss of a mixed label is the mixture of the two losses, as in the
# original Mixup. In the literal reading, `target-probability`, it is not. What
# follows from that is shown in chapter 5.
