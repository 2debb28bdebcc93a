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
# # 4. The model
#
# **Reproduces:** Figures 1 (architecture) and 6 (fusion module), Table 1 (fusion strategies), Equations 4 to 13 (9 to 13: reconstructed).
# **Takes:** under a minute; models are built, none is trained, and neither images nor weights are needed.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"model.fusion": "gcaf-token"}

# %% tags=["hide-input"]
import numpy as np
from IPython.display import Markdown

from gcaf_lib import settings
from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import diagrams, mechanisms, tables
from gcaf_lib.findings import model
from gcaf_lib.model.fusion import FUSIONS
from gcaf_lib.paper import published as paper

chapter = open_chapter("04_model", profile, overrides)
chapter.strip()

# %% [markdown]
# ## The whole picture
#
# The model, and the three families of earlier methods beside which the paper sets its fusion:

# %% mystnb={"image": {"alt": "Diagram: an image passes CLAHE and resizing, augmentation, Mixup and normalisation into EfficientNetV2-S and ConvNeXt-Tiny; their pooled features meet in gated cross-attention fusion and a classifier; below, the focal loss, two training stages and the moving average of the weights."}, "figure": {"name": "fig-architecture", "caption": "The model and its training, at full size under every profile (the paper's Figure 1)."}}
diagrams.architecture()

# %%
tables.show(
    paper.table(1),
    name="tab-strategies",
    caption="Fusion strategies as the paper's Table 1 classifies them; ✗ and ✓ are the paper's own.",
)

# %% [markdown]
# ## Two backbones
#
# The mixed image goes through both networks without their classification layers, and the map that each gives is averaged over its places:
#
# $$F_1 = \phi_1(\tilde X), \qquad F_1 \in \mathbb{R}^{H_1 \times W_1 \times D_1} \tag{4}$$
#
# $$F_2 = \phi_2(\tilde X), \qquad F_2 \in \mathbb{R}^{H_2 \times W_2 \times D_2} \tag{5}$$
#
# $$f_1 = \mathrm{GAP}(F_1), \qquad f_2 = \mathrm{GAP}(F_2) \tag{6}$$
#
# The paper puts both averages into one $\mathbb{R}^d$, but the maps differ in channels. A projection to a common width $d$, and nothing else,
# is supplied here:
#
# $$a = W_a f_1 + \beta_a, \qquad b = W_b f_2 + \beta_b, \qquad a, b \in \mathbb{R}^d \tag{6a}$$
#
# A layer normalisation behind it, as in earlier versions of this book, is a setting (`model.projection_norm`), off in every profile; chapter 11
# shows what it changes. The profile `paper` has the published architectures, `transfer` two smaller EfficientNets with ImageNet weights, `cpu` and
# `demo` miniatures of the paper's two families of blocks, which train on two cores. Building all of them takes seconds and downloads nothing.

# %%
models = {name: model.built(settings.load(name)) for name in settings.PROFILES}
model_sizes = model.sizes_by_profile(models)
tables.show(
    model_sizes,
    name="tab-parameters",
    caption="Sizes of the model under each profile: feature maps and numbers of weights.",
)
Markdown(model.shares_said(model_sizes["paper"]))

# %% [markdown]
# ## Gated cross-attention
#
# Each stream asks the other. Queries, keys and values are linear maps of the two vectors:
#
# $$Q_a = W_Q^a\, a, \qquad K_b = W_K^b\, b, \qquad V_b = W_V^b\, b \tag{7}$$
#
# $$Q_b = W_Q^b\, b, \qquad K_a = W_K^a\, a, \qquad V_a = W_V^a\, a \tag{8}$$
#
# (The paper writes $f_1$ and $f_2$; $a$ and $b$ are their projections.) Equations 9 to 13 are missing from the text this project could read.
# Five must lead to the fused vector, with a sigmoid, an element-wise product and the gates $g_a$ and $g_b$ of the text. The plain way is:
#
# $$c_{a \leftarrow b} = \mathrm{softmax}\!\left(\frac{Q_a \cdot K_b}{\sqrt d}\right) V_b \tag{9}$$
#
# $$c_{b \leftarrow a} = \mathrm{softmax}\!\left(\frac{Q_b \cdot K_a}{\sqrt d}\right) V_a \tag{10}$$
#
# $$g_a = \sigma\bigl(W_g^a\,[a;\, c_{a \leftarrow b}] + \beta_g^a\bigr) \tag{11}$$
#
# $$g_b = \sigma\bigl(W_g^b\,[b;\, c_{b \leftarrow a}] + \beta_g^b\bigr) \tag{12}$$
#
# $$z = \bigl[\, g_a \odot a + (1 - g_a) \odot c_{a \leftarrow b}\,;\;\; g_b \odot b + (1 - g_b) \odot c_{b \leftarrow a} \,\bigr] \tag{13}$$
#
# A gate near one keeps the stream's own feature, near zero it takes the other's answer. Dropout and a dense layer of four follow.

# %% mystnb={"image": {"alt": "Diagram of the fusion in two mirrored halves: vector a gives the query, vector b key and value; attention gives c; a gate computed from a and c mixes the two; the same with a and b exchanged; both results are joined."}, "figure": {"name": "fig-fusion", "caption": "Gated cross-attention fusion as reconstructed (the paper's Figure 6)."}}
diagrams.fusion_module()

# %% [markdown]
# ## A softmax over one key
#
# $Q_a$ and $K_b$ are vectors. In the usual form of attention each is one token, so their product is **one** number, whose softmax is 1. Then
#
# $$c_{a \leftarrow b} = 1 \cdot V_b = W_V^b\, b$$
#
# and queries and keys have no influence on anything: replace them all by noise, and nothing happens to the fused vector.

# %%
import keras

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
a, b = rng.normal(size=(2, 16, 64)).astype("float32")
tables.show(
    model.scrambled(("cross", "gcaf", "gcaf-sigmoid", "gcaf-split"), a, b, rng),
    name="tab-single-key",
    caption="What becomes of the attention weights and of the fused vector when all query and key weights "
    "are replaced by noise (16 random pairs of vectors).",
    decimals=4,
)

# %% [markdown]
# The gradient says the same: that of a randomly weighted sum of the fused vector's entries, with respect to each weight of the layer.
# The derivative of a softmax over one key is $p\,(1 - p) = 0$ at $p = 1$; rounding may leave a trace, so what is below a hundred-thousandth of
# the values' gradient counts as zero (if Adam scaled it up to a step, the output would not change). Two repairs keep the pooled vectors, one does not:
#
# - `gcaf-sigmoid`: $\sigma(\cdot)$ in the place of the softmax, the smallest change that lets queries and keys learn;
# - `gcaf-split`: each vector is cut into eight tokens, and attention chooses among eight keys;
# - `gcaf-token`: attention between all places of the two maps, before pooling, scaled by a factor $\tanh \alpha$ that starts at 0: a gated
#   concatenation at first, so that in the first step, of the attention, only that factor has a gradient; from the second on all its weights do.

# %% mystnb={"image": {"alt": "Bars of the number of weights in each fusion variant. In cross and gcaf a large part has a gradient of zero; in the repaired variants none has, but for the first step of gcaf-token."}, "figure": {"name": "fig-dead-weights", "caption": "Weights of each fusion variant (d = 64) with and without a gradient."}}
feature_maps = [rng.normal(size=(4, 4, 4, channels)).astype("float32") for channels in (32, 24)]
gradients = model.gradients([a, b], feature_maps)
mechanisms.dead_weights(model.dead_counts(gradients))

# %%
tables.show(
    model.dead_table(gradients),
    name="tab-dead-weights",
    caption="The reconstruction (`gcaf`, d = 64), weight by weight: largest absolute gradient, and whether "
    "it is zero everywhere but for rounding.",
)
Markdown(model.dead_said(gradients, models["paper"].get_layer("fusion")))

# %% [markdown]
# ### What is left of cross-attention without its gates
#
# Table 4 compares concatenation to cross-attention without gates. With a single key the latter is $z = [a + W_V^b b;\; b + W_V^a a]$, a *linear*
# map of $[a; b]$ before a linear classifier. A linear classifier on $[a; b]$ can compute the same: the two rows are one family of functions.

# %%
cross = FUSIONS["cross"](64, name="fusion")
x, y = rng.normal(size=(2, 2, 16, 64)).astype("float32")
Markdown(model.departure_said(model.departure(cross, x, y)))

# %% [markdown]
# Chapter 11 compares all variants, trained. The reconstruction stays the default: it is the usual form of attention, on the vectors that Equations 7 and 8
# name. Equations 9 to 13 may say otherwise. With the *entries* of a vector as tokens, for one, the softmax would run over $d$ numbers and not be constant.
#
# ## What stage 2 trains
#
# In the first stage both backbones are frozen; in the second the top share of each one's layers is trained, batch normalisation excepted. The paper
# (§4.6) gives the share and calls it "the final convolutional blocks", unnamed. Here layers count as Keras lists them, weightless ones (additions) too.

# %%
share = chapter.settings.training.unfrozen
tables.show(
    model.unfrozen(models, share),
    name="tab-unfrozen",
    caption=f"What the top {share:.0%} of the layers comes to in stage 2.",
)

# %% [markdown]
# A share of the layers is not one of the weights: the top layers are the widest. Under this page's profile, and (folded away) at full size:

# %%
tables.show(
    model.unfrozen_layers(models[profile], share),
    name="tab-unfrozen-layers",
    caption="Layers with weights that stage 2 trains under this page's profile, from the lowest to the top "
    "of each backbone.",
)

# %% tags=["hide-output"]
tables.show(
    model.unfrozen_layers(models["paper"], share),
    name="tab-unfrozen-full",
    caption="The same at full size (profile paper).",
)
