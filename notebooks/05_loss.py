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
# # 5. The loss
#
# **Reproduces:** Equations 14 and 15, in the two readings that the text allows; the paper's claim about smoothing.
# **Takes:** under a minute; nothing of the model is trained, and no images are needed.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"loss.gamma": 3}

# %% tags=["hide-input"]


import numpy as np
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.display import curves, mechanisms, tables
from gcaf_lib.evaluation import units
from gcaf_lib.findings import loss

chapter = open_chapter("05_loss", profile, overrides)
chapter.strip()

# %% [markdown]
# ## Two equations, two readings
#
# The focal loss gives little weight to samples that are already right:
#
# $$\mathcal{L} = -\alpha\,(1 - p_t)^{\gamma} \log p_t \tag{14}$$
#
# where $p_t$ is the probability given to the true class. Labels are smoothed,
#
# $$y_c^* = (1 - \varepsilon)\,y_c + \frac{\varepsilon}{K}, \tag{15}$$
#
# and with Mixup they were soft already. Then there is no *one* true class, and Equation 14 does not say what $p_t$
# is. The text says that smoothed labels are used to compute $p_t$, the effective target probability. Taken literally,
#
# $$p_t = \sum_c y_c^*\, p_c, \qquad \mathcal{L} = -\alpha\,(1 - p_t)^{\gamma} \log p_t, \tag{14a}$$
#
# called `target-probability` here. What most code does instead, Keras's `CategoricalFocalCrossentropy` included, is a
# sum over classes, called `per-class`:
#
# $$\mathcal{L} = -\sum_c \alpha_c\, y_c^*\, (1 - p_c)^{\gamma} \log p_c. \tag{14b}$$
#
# For hard labels without smoothing the two are identical. With soft labels they have different minima. The literal reading is
# the project's default, and both are trained and compared. The paper also gives two values each for some
# of the numbers:

# %%
tables.show(
    loss.disagreements(),
    name="tab-loss-said",
    caption="Settings of the loss for which two places of the paper disagree.",
)

# %% [markdown]
# ## Where they agree
#
# With $\gamma = 0$ the focusing factor is gone. Then (14b) is cross-entropy with smoothed labels, exactly; (14a) is
# the logarithm of an average instead of the average of logarithms, and is cross-entropy for hard labels only.

# %%
gamma, smoothing = chapter.settings.loss.gamma, chapter.settings.loss.smoothing
rng = np.random.default_rng(0)
tables.show(
    loss.beside_cross_entropy(gamma, smoothing, rng),
    name="tab-loss-limits",
    caption="Largest differences over 200 random logits; α = 1.",
)

# %% [markdown]
# ## Curves and slopes
#
# Take one image with a smoothed label. Let the probability of its true class grow and share the rest evenly
# among the other classes; this is the path that training moves along when it becomes more certain. A triangle marks
# a minimum.

# %% mystnb={"image": {"alt": "Three loss curves over the probability of the true class. Cross-entropy and the per-class reading rise again before a probability of one; the target-probability reading falls to the very end."}, "figure": {"name": "fig-loss-curves", "caption": "The loss of one smoothed label in both readings and for plain cross-entropy (α = 1). Triangles mark the minima."}}
loss_values, slopes, minima = loss.along_path(gamma, smoothing)
curves.loss_curves(loss.PATH, loss_values, minima)

# %% mystnb={"image": {"alt": "Slopes of the three losses. Cross-entropy and per-class cross zero before a probability of one, per-class first; target-probability stays below zero throughout."}, "figure": {"name": "fig-loss-slopes", "caption": "Slope of the same curves. Below zero the loss asks for more confidence, above zero for less; triangles mark where it turns."}}
mechanisms.slopes(loss.PATH, slopes, limit=1.0)

# %%
Markdown(loss.turning_points_said(slopes))

# %% [markdown]
# Why the literal reading never turns: $p_t = \sum_c y_c^* p_c$ is an average of the labels' entries with the
# probabilities as weights. An average is largest when all weight lies on the largest entry, that is, when the
# probabilities are one-hot; and the loss falls as $p_t$ grows. Smoothing changes *how large* $p_t$ can get,
# to $1 - \varepsilon + \varepsilon / K$, not *where* it is largest.
#
# ## What each reading aims for
#
# The minimiser over all probabilities, found numerically on the simplex: the answer that a network with
# enough freedom would converge to for this label.

# %% mystnb={"image": {"alt": "Four bar groups of class probabilities: the soft label, and the minimisers of the two readings and of cross-entropy. The target-probability minimiser is one on a single class; the per-class minimiser is softer than the label."}, "figure": {"name": "fig-loss-minimisers", "caption": "A smoothed label, and the probabilities that minimise each loss for it."}}
label = loss.smoothed(smoothing)
minimisers = loss.minimisers(label, gamma)
curves.loss_minimisers(minimisers, label)

# %%
Markdown(loss.doubt_said(minimisers, label))

# %% [markdown]
# The same for every strength of smoothing, and for labels that Mixup made soft (glioma with weight λ, pituitary
# with the rest, smoothed as well):

# %% mystnb={"image": {"alt": "Left: optimal probability of the true class by smoothing strength; flat at one for target-probability, falling for per-class. Right: optimal probability of the first class by the mixing weight; a step from zero to one for target-probability, a smooth rise for per-class."}, "figure": {"name": "fig-minimiser-paths", "caption": "Probability of the (first) true class in the minimiser, by smoothing strength and by Mixup's weight."}}
paths = loss.minimiser_paths(gamma, smoothing)
mechanisms.lines(paths, "probability at the minimum", steps=["target-probability (14a)"])

# %% [markdown]
# On the right, the literal reading turns Mixup's soft labels into hard ones: whichever image has more weight takes all.
# What soft labels still do there is to change how steep the loss is, not where it leads.
#
# ## The paper's claim, tested
#
# The paper says of smoothing in this loss that it helps to keep the model from giving all probability to a single
# class. Against each reading, at each value of ε that Table 3 and Section 5.2 name:

# %%
smoothing_claim = loss.claim(gamma, smoothing)
tables.show(
    smoothing_claim,
    name="tab-loss-claim",
    caption="Largest probability in the minimiser. The claim holds where it is below one.",
)
Markdown(loss.claim_said(smoothing_claim))

# %% [markdown]
# This is about where the loss leads, not about where a few epochs of training stop: a network may stay far from
# the minimiser, and the weights' moving average and dropout act as well. Hence both readings are trained, and
# chapter 19 measures the calibration that results.
#
# ## Class weights
#
# $\alpha$ is called inverse frequency in one place of the paper and 0.5 in another. Inverse frequency needs the
# class counts of the training part; weights are normalised to a mean of one, so that the loss keeps its scale.

# %%
from gcaf_lib.model.losses import class_weights

split = splits.load(chapter.settings.data, chapter.dataset)
counts = units.class_counts(chapter.dataset.frame["label"], split["part"])["training"]
alpha = class_weights(counts, "inverse-frequency")
tables.show(
    loss.balance(counts, alpha),
    name="tab-class-weights",
    caption="Class weights from the training part of the split.",
    decimals=3,
)
Markdown(loss.balance_said(alpha))

# %% [markdown]
# In the literal reading a soft label has one weight, the average of the class weights under that label; in the per-class
# reading every class of the sum has its own.
#
# ## A constant α is a matter of units
#
# The paper tunes a number α between 0.25 and 0.75 (Section 5.8). Algorithm 1 writes $\alpha_k$, one for each class; how a number makes them, an
# exponent or shares of majority and minority, is not said. As one constant for all classes it multiplies the loss and nothing else, so its
# minimisers are the same. Its gradients are multiplied too, and Adam divides each gradient by its own recent size:
# but for the small constant in that division (Keras: $10^{-7}$) the steps are the same. Plain gradient
# descent would take steps α times as long. A linear classifier on random data shows both:

# %%
moved = loss.constant_alpha(chapter.settings.loss, chapter.settings.training.stage1_rate, rng)
tables.show(
    loss.constant_alpha_text(moved),
    name="tab-constant-alpha",
    caption="Weights after 60 steps with a constant α, compared to those with α = 1.",
)
Markdown(loss.constant_alpha_said(moved))

# %% [markdown]
# Accuracies that differ between constants can then come from rounding, from the random numbers of a run, or from an
# absolute threshold on the loss (Keras's rate reduction has one by default, this library's has none), but not
# from the balance between classes: a constant has none.
