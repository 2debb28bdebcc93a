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
# # 9. Reliability
#
# **Reproduces:** Table 7 (Cohen's κ, Matthews correlation, expected calibration error).
# **Takes:** seconds where the runs are on record; under the `demo` profile a few minutes the first time.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"loss.reading": "per-class"}

# %% tags=["hide-input"]
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.display import curves, prose, tables
from gcaf_lib.evaluation import units, worth
from gcaf_lib.findings import overlap, performance, reliability, split_records, words
from gcaf_lib.paper import published as paper

chapter = open_chapter("09_reliability", profile, overrides)
runs = chapter.proposed_runs(train=True)
chapter.strip(runs)
overlap.split_note(chapter)

# %% [markdown]
# ## Agreement and calibration
#
# Cohen's κ is the accuracy corrected for the agreement that the class counts alone would give, the Matthews correlation
# is the correlation between truth and answer; with nearly balanced classes and few errors both say much the same as the
# accuracy. The expected calibration error sorts answers into bins by their confidence and averages how far confidence
# and accuracy differ,
#
# $$\mathrm{ECE} = \sum_b \frac{n_b}{n}\,\big|\mathrm{acc}_b - \mathrm{conf}_b\big|.$$
#
# The paper names neither the number of bins nor their kind; ours are fifteen of equal width.

# %%
measured = performance.metrics_over_seeds(runs, chapter.dataset)
clusters, picture_ids = splits.clusters(chapter.dataset), units.pictures(chapter.dataset)
random_split_runs = split_records.random_split(chapter) or runs
by_chance = worth.of_runs(random_split_runs, clusters, ["ece"])["ece"].lift
tested = words.tested_said(runs, clusters, picture_ids)
tables.show(
    performance.beside_published(measured, paper.find("Table 7"), chapter.profile_and_split, by_chance),
    name="tab-reliability",
    caption=f"The paper's Table 7 and ours, {tested}: mean ± sd over seeds and its 95% interval "
    f"({words.BOOTSTRAP}; widened by the spread over trainings; of the ECE "
    f"bias-corrected, so its value may lie above). {words.VERDICT} Before the paper's ECE is judged, "
    f"{by_chance:.4f} is taken off: the bootstrap's estimate of how far chance raises *our* ECE on the "
    "random split.",
)

# %% [markdown]
# An ECE is never 0 on a finite test part: a bin's accuracy misses its confidence by chance. The yardstick is
# what *perfectly* calibrated models with the same confidences would measure on as many images. That is another number
# than the one taken off above: that says how far chance *raises* the ECE of models as they are, this is the whole ECE of
# models without a calibration error.

# %%
confidence_minus_accuracy = worth.of_runs(runs, clusters, ["excess"])["excess"]
prose.say(reliability.ece_by_chance_said(runs), reliability.excess_said(confidence_minus_accuracy))

# %% [markdown]
# ## The reliability diagram, before and after temperature scaling
#
# Points on the diagonal are confidences one can take at their word. Lines through the points are Wilson's
# 95% intervals, bars below are counts: most answers stand in the last bin, and a bin with a few images
# tells little. Temperature scaling divides the logits by one number $T$, fitted on **validation**
# only; it changes no answer, only how sure they are.

# %% mystnb={"image": {"alt": "Two reliability diagrams, accuracy against confidence with counts of images below, before and after temperature scaling."}, "figure": {"name": "fig-reliability", "caption": "Reliability of the first seed with averaged weights on the test part, as trained and after temperature scaling. Orange: distance from the diagonal. Below: images in each bin, on a logarithmic scale above 10."}}
bins, eces = reliability.before_and_after_scaling(runs[0])
curves.reliability(bins, eces)

# %% [markdown]
# One temperature cannot mend everything, and the ECE is only one view. *Equal mass* bins hold the same
# number of images each; *class-wise* asks for every class's probability, not only the highest; Brier score
# and negative log-likelihood are proper scores: they use no bins, and in expectation are best for the true probabilities.
# A $T$ below 1 sharpens the probabilities of an underconfident model, a $T$ above 1 softens those of an overconfident one.

# %%
tables.show(
    performance.calibrations(runs),
    name="tab-calibration",
    caption="Calibration on the test part with raw and averaged (EMA) weights, as trained and after "
    f"temperature scaling fitted on validation, {tested}: mean ± standard deviation over the seeds. Smaller "
    "is better.",
)

# %%
Markdown(reliability.scaling_said(chapter, runs, clusters, tested))

# %% [markdown]
# ## Raw and averaged weights
#
# The paper credits the moving average with part of its calibration. Both kinds of weights come from the
# same runs, so their difference can be read seed by seed:

# %%
tables.show(
    performance.raw_beside_ema(runs, ("accuracy", "macro_f1", "kappa", "mcc", "ece", "brier", "nll")),
    name="tab-raw-ema",
    caption=f"The test part with raw and with averaged weights of the same runs, {tested}: mean ± standard "
    "deviation over the seeds.",
)

# %% [markdown]
# Calibration measured on a split with twins holds for images like those in training. Chapter 19 measures it on
# patient-disjoint folds, too, and says what can be told of the difference.
