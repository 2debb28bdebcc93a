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
# # 5. The loss
#
# **Reproduces:** Equations 14 and 15, in the two readings that the text allows; the paper's claim about smoothing.
# **Takes:** under a minute; nothing of the model is trained, and no images are needed.

# %% tags=["parameters"]
profile = "cpu"  # or "demo", "paper"
overrides = {}  # such as {"loss.gamma": 3}

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.display import figures, mechanisms, tables
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import CLASSES

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
# For hard labels without smoothing the two are one. With soft labels they want different things. The literal reading is
# the project's default, and both are trained and compared. The paper also gives two values each for some
# of the numbers:

# %%
said = paper.disagreements()
said = said[said["topic"].str.startswith("loss.")].rename(columns=str.capitalize)
tables.show(
    said.rename(columns={"Topic": "Setting", "Default": "Used here"}).reset_index(drop=True),
    name="tab-loss-said",
    caption="Settings of the loss for which two places of the paper disagree.",
)

# %% [markdown]
# ## Where they agree
#
# With $\gamma = 0$ the focusing factor is gone. Then (14b) is cross-entropy with smoothed labels, exactly; (14a) is
# the logarithm of an average instead of the average of logarithms, and is cross-entropy for hard labels only.

# %%
import keras

from gcaf_lib.model.losses import READINGS, FocalLoss, class_weights, minimiser

loss_settings, K = chapter.settings.loss, len(CLASSES)
gamma, eps, even = loss_settings.gamma, loss_settings.smoothing, np.ones(K)

# %% tags=["hide-input"]
rng = np.random.default_rng(0)
logits = rng.normal(0, 3, (200, K)).astype("float32")
hard = np.eye(K, dtype="float32")[rng.integers(0, K, 200)]


def gap(reading, gamma, eps):
    """Largest difference to cross-entropy with labels smoothed alike."""
    exact = keras.losses.categorical_crossentropy(hard, logits, from_logits=True, label_smoothing=eps)
    return float(
        np.abs(np.asarray(FocalLoss(reading, gamma, eps, even)(hard, logits)) - np.asarray(exact)).max()
    )


def between(gamma, eps):
    """Largest difference between the two readings."""
    one, two = (np.asarray(FocalLoss(reading, gamma, eps, even)(hard, logits)) for reading in READINGS)
    return float(np.abs(one - two).max())


def verdict(difference):
    return f"{'equal' if difference < 1e-4 else 'differ'} ({difference:.2g})"


smoothing = eps or 0.05
rows = [
    ["target-probability and cross-entropy", *(verdict(gap(READINGS[0], 0, e)) for e in (0, smoothing))],
    ["per-class and cross-entropy", *(verdict(gap(READINGS[1], 0, e)) for e in (0, smoothing))],
    ["the two readings, γ = 0", *(verdict(between(0, e)) for e in (0, smoothing))],
    [f"the two readings, γ = {gamma:g}", *(verdict(between(gamma, e)) for e in (0, smoothing))],
]
tables.show(
    pd.DataFrame(rows, columns=["Compared (γ = 0 unless said)", "hard labels", f"ε = {smoothing:g}"]),
    name="tab-loss-limits",
    caption="Largest differences over 200 random logits; α = 1.",
)

# %% [markdown]
# ## Curves and slopes
#
# Take one image with a smoothed label. Let the probability of its true class grow and share the rest evenly
# among the other classes; this is the path that training moves along when it becomes more certain. A triangle marks
# a minimum.

# %%
from gcaf_lib.model.gradients import value_and_gradient

p = np.concatenate([np.linspace(0.2, 0.98, 300), 1 - np.geomspace(0.02, 1e-4, 300)])[::1]
path = np.log(np.column_stack([p, *[(1 - p) / (K - 1)] * (K - 1)])).astype("float32")
label = np.tile(np.eye(K, dtype="float32")[0], (len(p), 1))
names = {"target-probability (14a)": (READINGS[0], gamma), "per-class (14b)": (READINGS[1], gamma),
         "cross-entropy": (READINGS[1], 0.0)}  # fmt: skip
curves, gradients, minima = {}, {}, {}
for name, (reading, g) in names.items():
    loss = FocalLoss(reading, g, eps, even)
    total, by_logit = value_and_gradient(lambda z, loss=loss: keras.ops.sum(loss(label, z)), path)
    curves[name] = np.asarray(loss(label, path))
    gradients[name] = np.asarray(by_logit)[:, 0] / (p * (1 - p))  # dp/dz = p(1 - p) on this path
    minima[name] = p[curves[name].argmin()]

# %% mystnb={"image": {"alt": "Three loss curves over the probability of the true class. Cross-entropy and the per-class reading rise again before a probability of one; the target-probability reading falls to the very end."}, "figure": {"name": "fig-loss-curves", "caption": "The loss of one smoothed label in both readings and for plain cross-entropy (α = 1). Triangles mark the minima."}}
figures.loss_curves(p, curves, minima)

# %% mystnb={"image": {"alt": "Slopes of the three losses. Cross-entropy and per-class cross zero and turn upward close to a probability of one; target-probability stays below zero throughout."}, "figure": {"name": "fig-loss-slopes", "caption": "Slope of the same curves. Below zero the loss asks for more confidence, above zero for less; triangles mark where it turns."}}
mechanisms.slopes(p, gradients, limit=1.0)

# %% tags=["hide-input"]
turns = {name: p[np.flatnonzero((g[:-1] < 0) & (g[1:] >= 0))] for name, g in gradients.items()}
words = [
    f"- **{name}**: "
    + (f"turns at p = {at[0]:.3f}." if len(at) else "never turns: more confidence always lowers the loss.")
    for name, at in turns.items()
]
display(Markdown("\n".join(words)))

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

# %%
target = np.full(K, eps / K) + (1 - eps) * np.eye(K)[0]
best = {name: minimiser(target, reading, g, even) for name, (reading, g) in names.items()}

# %% mystnb={"image": {"alt": "Four bar groups of class probabilities: the soft label, and the minimisers of the two readings and of cross-entropy. The target-probability minimiser is one on a single class; the per-class minimiser is softer than the label."}, "figure": {"name": "fig-loss-minimisers", "caption": "A smoothed label, and the probabilities that minimise each loss for it."}}
figures.loss_minimisers({name.split(" (")[0]: value for name, value in best.items()}, target)

# %% tags=["hide-input"]
name = next(n for n, (reading, g) in names.items() if reading == READINGS[1])
sharp, label_top = best[name].max(), target.max()
display(
    Markdown(
        f"The label gives its class {label_top:.3f}; the per-class reading aims for {sharp:.3f}, "
        + (
            "**less** than the label: the focusing factor rewards doubt. A model that reached this minimum would be "
            "under-confident, not calibrated."
            if sharp < label_top - 0.005
            else "about what the label says."
        )
    )
)

# %% [markdown]
# The same for every strength of smoothing, and for labels that Mixup made soft (glioma with weight λ, pituitary
# with the rest, smoothed as well):

# %%
strengths, lams = np.linspace(0, 0.3, 9), np.linspace(0, 1, 16)  # 16: λ = 1/2, a tie, is left out
smoothed = [(1 - e) * np.eye(K)[0] + e / K for e in strengths]
mixed = [(1 - eps) * (w * np.eye(K)[0] + (1 - w) * np.eye(K)[3]) + eps / K for w in lams]
panels = [
    mechanisms.Panel(
        title,
        xlabel,
        x,
        {
            name: np.array([minimiser(t, reading, g, even)[0] for t in targets])
            for name, (reading, g) in list(names.items())[:2]
        },
        np.array([t[0] for t in targets]),
    )
    for title, xlabel, x, targets in (
        ("Smoothing alone", "ε", strengths, smoothed),
        ("Mixup and smoothing", "λ", lams, mixed),
    )
]

# %% mystnb={"image": {"alt": "Left: optimal probability of the true class by smoothing strength; flat at one for target-probability, falling for per-class. Right: optimal probability of the first class by the mixing weight; a step from zero to one for target-probability, a smooth rise for per-class."}, "figure": {"name": "fig-minimiser-paths", "caption": "Probability of the (first) true class in the minimiser, by smoothing strength and by Mixup's weight."}}
mechanisms.lines(panels, "probability at the minimum", steps=["target-probability (14a)"])

# %% [markdown]
# On the right, the literal reading turns Mixup's soft labels into hard ones: whichever image has more weight takes all.
# What soft labels still do there is to change how steep the loss is, not where it leads.
#
# ## The paper's claim, tested
#
# The paper says of smoothing in this loss that it helps to keep the model from giving all probability to a single
# class. Against each reading, at each value of ε that the paper names:

# %% tags=["hide-input"]
named = sorted({f.value for f in paper.FIGURES if f.metric == "loss.smoothing" and f.unit != "%"} | {eps})
rows = []
for name, (reading, g) in names.items():
    tops = [minimiser((1 - e) * np.eye(K)[0] + e / K, reading, g, even).max() for e in named]
    holds = all(t < 0.999 for t, e in zip(tops, named) if e)
    rows.append([name, *(f"{t:.4f}" for t in tops), "holds" if holds else "does not hold"])
tables.show(
    pd.DataFrame(rows, columns=["Loss", *(f"ε = {e:g}" for e in named), "Claim"]),
    name="tab-loss-claim",
    caption="Largest probability in the minimiser. The claim holds where it is below one.",
)
failing = [row[0] for row in rows if row[-1] != "holds"]
display(
    Markdown(
        f"The claim does not hold for: {', '.join(failing)}. A paper that computes $p_t$ as its text says gets no "
        "restraint from smoothing."
        if failing
        else "The claim holds for every reading at these settings."
    )
)

# %% [markdown]
# This is about where the loss leads, not about where a few epochs of training stop: a network may stay far from
# the minimiser, and the weights' moving average and dropout act as well. Hence both readings are trained, and the
# chapters on reliability and on the paper's ablations measure the calibration that results.
#
# ## Class weights
#
# $\alpha$ is called inverse frequency in one place of the paper and 0.5 in another. Inverse frequency needs the
# class counts of the training part; weights are normalised to a mean of one, so that the loss keeps its scale.

# %%
split = splits.load(chapter.settings.data, chapter.dataset)
counts = tables.class_counts(chapter.dataset.frame["label"], split["part"])["training"]
alpha = class_weights(counts, "inverse-frequency")
rows = pd.DataFrame(
    {
        "Training images": counts.to_numpy(),
        "Share": [f"{n / counts.sum():.1%}" for n in counts],
        "α, inverse frequency": alpha,
    },
    index=[CLASS_NAMES[c] for c in counts.index],
)
tables.show(
    rows.rename_axis("Class"),
    name="tab-class-weights",
    caption="Class weights from the training part of the split.",
    decimals=3,
)
display(
    Markdown(
        f"Largest over smallest weight: {alpha.max() / alpha.min():.2f}. "
        + (
            "The classes are nearly balanced, so these weights can change little."
            if alpha.max() / alpha.min() < 1.5
            else "The classes are unbalanced enough for these weights to matter."
        )
    )
)

# %% [markdown]
# In the literal reading a soft label has one weight, the average of the class weights under that label; in the per-class
# reading every class of the sum has its own.
#
# ## A constant α is a matter of units
#
# The paper's text tunes a *constant* α between 0.25 and 0.75. A constant multiplies the loss and nothing else, so its
# minimisers are the same. Its gradients are multiplied too, and Adam divides each gradient by its own recent size:
# but for the small constant in that division (Keras: $10^{-7}$) the steps are the same. Plain gradient
# descent would take steps α times as long. A linear classifier on random data shows both:

# %% tags=["hide-input"]
x = rng.normal(size=(128, 8)).astype("float32")
y = np.eye(K, dtype="float32")[(x @ rng.normal(size=(8, K)) + rng.gumbel(size=(128, K))).argmax(1)]


def train(optimiser, alpha, steps=60):
    """Weights after some steps of the focal loss with a constant α."""
    loss = FocalLoss(loss_settings.reading, gamma, eps, np.full(K, alpha))
    weight = keras.Variable(np.zeros((8, K), "float32"))
    optimiser.build([weight])
    for _ in range(steps):
        _, slope = value_and_gradient(lambda w: keras.ops.mean(loss(y, keras.ops.matmul(x, w))), weight.value)
        optimiser.apply([slope], [weight])
    return np.asarray(weight.value)


rows = []
rate = chapter.settings.training.stage1_rate
tried = paper.find("§5.2", "Range tried")
low, high = (f.value for f in tried if f.metric.startswith("loss.balance"))
for name, make in (
    ("Adam", lambda: keras.optimizers.Adam(rate)),
    ("gradient descent", lambda: keras.optimizers.SGD(0.1)),
):
    plain = train(make(), 1.0)
    for constant in (low, high):
        moved = np.linalg.norm(train(make(), constant) - plain) / np.linalg.norm(plain)
        rows.append([name, f"{constant:g}", f"{moved:.2%}"])
tables.show(
    pd.DataFrame(rows, columns=["Optimiser", "α", "Difference to α = 1, share of the way moved"]),
    name="tab-constant-alpha",
    caption="Weights after 60 steps with a constant α, compared to those with α = 1.",
)
adam, descent = (
    max(float(r[2].rstrip("%")) for r in rows if r[0] == name) for name in ("Adam", "gradient descent")
)
display(
    Markdown(
        f"With Adam the choice of a constant α changes the weights by at most {adam:g} % of the way they moved, with "
        f"gradient descent by up to {descent:g} %. "
        + (
            "Under Adam, which the paper uses, tuning a constant α is close to tuning nothing."
            if adam < 5
            else "Under these settings Adam does not cancel it."
        )
    )
)

# %% [markdown]
# Accuracies that differ between constants can then come from rounding, from the random numbers of a run, or from an
# absolute threshold on the loss (Keras's rate reduction has one by default, this library's has none), but not
# from the balance between classes: a constant has none.
