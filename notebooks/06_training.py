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
# # 6. Training in two stages
#
# **Reproduces:** Table 3, Algorithm 1, Equations 16 to 18, Figures 8 and 9.
# **Takes:** seconds where the runs are on record; under the `demo` profile, which trains here, a few minutes the first time.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"training.ema": 0.99}

# %% tags=["hide-input"]
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import curves, prose, tables
from gcaf_lib.findings import overlap, stages, training

chapter = open_chapter("06_training", profile, overrides)
runs = chapter.proposed_runs(train=True)
starts = stages.stage0_records(runs)
chapter.strip(runs, starts)
overlap.split_note(chapter)

# %% [markdown]
# ## The settings
#
# Table 3 of the paper, and beside it what this page was trained with. A row that differs does so
# because of the profile (or the overrides above). Backbones are no row of it: `cpu` and `demo` have miniatures of the
# same two families, `transfer` two smaller networks of the EfficientNet family.

# %%
tables.show(
    training.beside_table_3(chapter.settings),
    name="tab-hyperparameters",
    caption="The paper's Table 3 beside the settings in use.",
)
Markdown(training.profiles_said())

# %% [markdown]
# Two rows of this table are contradicted elsewhere in the paper. We follow Table 3 in both. For smoothing the sensitivity analysis
# (§5.8) agrees with it; for the class balance §5.2 and §5.8 name a constant, which under Adam changes almost nothing (chapter 5):

# %%
tables.show(
    training.contradicted(),
    name="tab-settings-disagree",
    caption="Settings on which places of the paper differ, and this project's default.",
)

# %% [markdown]
# Other choices stand outside Table 3. The paper names both backbones and ImageNet weights (Algorithm 1, step 1) and the share of
# layers that stage 2 trains (§4.6). The rest is left open: early stopping and a learning-rate schedule are said to be used, but
# not which schedule, nor with what patience. What is left open is ours; each is a setting:

# %%
tables.show(
    training.left_open(chapter.settings),
    name="tab-settings-open",
    caption="Settings that Table 3 doesn't give.",
)
Markdown(training.patience_said(chapter.settings.training))

# %% [markdown]
# ## The procedure
#
# Algorithm 1 in our words; $\theta$ are the weights of the projections, the fusion and the
# classifier, $\theta_b$ those backbone weights that stage 2 sets free.
#
# 1. Give both backbones weights learned elsewhere (ImageNet, or stage 0 below); draw $\theta$ at random.
# 2. **Stage 1.** Freeze the backbones. In every step take a batch, augment it, mix it in pairs,
#    smooth the mixed labels, and move $\theta$ with Adam on the focal loss:
#
#    $$\theta^{(1)} = \arg\min_{\theta} \sum_i \mathcal{L}_{\text{focal}}\big(y_i^{*}, f_{\theta}(X_i)\big) \tag{16}$$
#
# 3. **Stage 2.** Set the top layers of both backbones free, batch normalisation excepted, and go on
#    with the smaller learning rate and a fresh optimiser:
#
#    $$\theta^{(2)} = \arg\min_{\theta,\theta_b} \sum_i \mathcal{L}_{\text{focal}}\big(y_i^{*}, f_{\theta,\theta_b}(X_i)\big) \tag{17}$$
#
# 4. After each step update the moving average, and report the averaged weights:
#
#    $$\theta_{\text{EMA}}^{(t)} = \beta\,\theta_{\text{EMA}}^{(t-1)} + (1-\beta)\,\theta^{(t)} \tag{18}$$
#
# Four things are worth knowing. Equations 16 and 17 write the loss on plain images and labels; the
# algorithm computes it on mixed ones, and we follow the algorithm. The algorithm itself neither
# updates nor returns the average of Equation 18, which the text around it calls for: we keep one.
# Nothing says whether the average starts anew in stage 2: ours does, since the backbone's weights
# only join it there. And step 19 returns the *final* parameters, where early stopping could mean those of an earlier epoch: we
# keep the epoch of each stage in which the *averaged* weights have the lowest validation loss. Stage 2 starts from the *raw*
# weights of that epoch, which need not be the raw weights' best.

# %% [markdown]
# ## Stage 0: where the backbones start
#
# The paper starts from ImageNet weights. There are none for miniature backbones, so under `cpu` and
# `demo` each backbone is first trained alone, as a plain classifier from random weights, **on the
# training part of the same split**. It is never trained on a validation or test image; which of its
# epochs is kept is chosen by the validation loss, as in every stage. Stage 0 takes the seed of the run,
# so that the spread over seeds covers the whole training, stage 0 included (`training.stage0_seed=shared`
# trains it once, with seed 0, and saves most of the time); its weights are stored under a hash and shared by the
# runs of that split and seed, whatever their fusion, loss or batch size. A frozen backbone then
# already knows these classes. This is not the paper's setting: stage 1 has less left to learn, and its
# curves start higher than they would from ImageNet.

# %%
tables.show(
    training.stage0_table(runs),
    name="tab-stage0",
    caption="Stage 0: each backbone alone. Accuracy with the weights of the kept epoch, mean ± standard "
    "deviation over the seeds.",
)
Markdown(training.start_said(starts, chapter.settings))

# %% [markdown]
# ## Convergence
#
# Lines are means over the seeds, bands one standard deviation (none where there is one seed).
# **The two lines of a panel are not measured alike.** Training figures are taken on augmented,
# mixed images with dropout, a hit being the label with the larger share in the mix, and averaged
# over an epoch in which the weights move. Validation figures are taken on plain images at the end of
# the epoch, with the weights as they then are. A validation line above the training line is
# therefore no sign of anything. (The averaged weights of Equation 18 have a section of their own below.)

# %% mystnb={"image": {"alt": "Two panels, accuracy and loss by epoch of stage 1, training as a solid and validation as a dashed line, with bands over seeds."}, "figure": {"name": "fig-stage-1", "caption": "Stage 1, backbones frozen (the paper's Figure 8): accuracy and loss by epoch, mean and standard deviation over seeds."}}
histories = [training.raw_history(run) for run in runs]
curves.convergence(histories, stage=1)

# %% mystnb={"image": {"alt": "Two panels, accuracy and loss by epoch of stage 2, training as a solid and validation as a dashed line, with bands over seeds."}, "figure": {"name": "fig-stage-2", "caption": "Stage 2, top layers of the backbones trained too (the paper's Figure 9): accuracy and loss by epoch, mean and standard deviation over seeds."}}
curves.convergence(histories, stage=2)

# %%
tables.show(
    stages.stages_table(runs),
    name="tab-stages",
    caption="Accuracy and loss of each stage at the epoch that was kept: mean ± standard deviation over the "
    "seeds.",
)
prose.say(training.convergence_said(runs), training.ceiling_said())

# %% [markdown]
# ## What stage 2 sets free
#
# The paper (§4.6) sets the top share of each backbone's *layers* free, without saying how they are counted. We count them
# in Keras's order, weightless ones included, and list by name those that have weights; batch normalisation stays
# frozen and uses its stored statistics. The table's download holds every name.

# %%
tables.show(
    training.unfrozen(runs[0]),
    name="tab-unfrozen-at-run",
    caption="Layers of each backbone that stage 2 trains (those with weights, batch normalisation excepted).",
    data=training.unfrozen_layers(runs[0]),
)
Markdown(training.moving_weights_said(runs[0].info["parameters"]))

# %% [markdown]
# ## What the moving average averages
#
# Equation 18 forgets its start at the rate $\beta^{t-1}$, for Keras begins the average with the weights after the first step: where a stage is
# short, a good part of the average is still the *start* of that stage, for stage 1 a fusion and a classifier one step from random ones.
# It lags behind wherever the weights are still on their way.

# %% mystnb={"image": {"alt": "Two panels, stage 1 and stage 2: validation accuracy by epoch with raw weights as a solid and with averaged weights as a dashed line."}, "figure": {"name": "fig-ema", "caption": "Validation accuracy by epoch with raw and with averaged (EMA) weights, mean and standard deviation over seeds."}}
curves.ema_curves([run.history for run in runs])

# %% [markdown]
# How much of its start an average still holds follows from the number of steps alone:

# %%
tables.show(
    training.moving_averages(runs, chapter.training_images),
    name="tab-ema",
    caption="What the moving average still holds of the weights each stage began with, at the kept epoch, "
    "and what it gains over the raw weights: mean ± standard deviation over the seeds.",
)

# %%
Markdown(training.moving_averages_said(runs))
