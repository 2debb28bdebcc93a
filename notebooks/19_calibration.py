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
# # 19. Calibration, with intervals
#
# **Reproduces:** the row ECE of Table 7, and tests what the paper says of calibration (Sections 4.5, 5.6 and 5.7):
# that Mixup, label smoothing and the averaged weights improve it.
# **Takes:** seconds to a minute where the runs are on record; under the `demo` profile a few minutes the first time.
#
# Chapter 9 has the paper's number and one reliability diagram. Here: how much of such a number is its estimator, how much is chance,
# what the ingredients change, and whether a reader who lets the model decline cases, or acts on its probabilities, gains by it.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"loss.reading": "per-class"}

# %% tags=["hide-input"]
import numpy as np
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.display import curves, decisions, tables
from gcaf_lib.evaluation import units
from gcaf_lib.findings import calibration, calibration_effects, matched, overlap, split_records, words

chapter = open_chapter("19_calibration", profile, overrides)
proposed = chapter.proposed_runs(train=True)
runs_by_split = {"random split": proposed, "patient-disjoint": split_records.patient_folds(chapter)}
by_split = matched.equal_seeds(runs_by_split)  # compared at equal n
random_runs, fold_runs = by_split.values()
by_setting = calibration_effects.records_by_setting(chapter)
chapter.strip(proposed, fold_runs, by_setting)
overlap.split_note(chapter)

# %% [markdown]
# ## Eight measures, before and after one temperature
#
# *Equal width* and *equal mass* say how confidences are binned; *class-wise* asks of every class's probability, not only of the
# highest. Brier score and log-likelihood are proper: they are least for the true probabilities and need no bins. *Confidence −
# accuracy* carries the sign that the calibration errors lose: above 0 the model claims too much. The temperature is fitted on
# **validation** only. Intervals resample whole patient groups, add the spread over seeds where there are two or more, and are of the mean over the
# seeds; those of the calibration errors are bias-corrected.

# %%
clusters, picture_ids = splits.clusters(chapter.dataset), units.pictures(chapter.dataset)
states = calibration.beside_patients(random_runs, fold_runs, clusters, picture_ids)
before_after = calibration.calibration_table(
    {"as trained": states["random split"], "scaled": states["random split, scaled"]}
)
tables.show(
    calibration.wide_calibration(before_after),
    name="tab-calibration-intervals",
    caption="Calibration on the test part with averaged weights, "
    f"{words.tested_said(random_runs, clusters, picture_ids)}: "
    f"value and 95% interval ({words.BOOTSTRAP}) over patient "
    "groups and, with two or more seeds, also over trainings. Calibration errors: in fifteen bins. "
    f"{calibration.corrected_said(before_after)} Scaled: the fitted temperatures held fixed.",
    data=before_after,
)

# %%
Markdown(calibration.scaling_said(random_runs, clusters, len(proposed)))

# %% [markdown]
# ## The number depends on the bins
#
# The paper gives an ECE without its bins. The same probabilities give other errors with other bins, and more bins find more
# of what is only chance: the band is where a perfectly calibrated model would lie.

# %% mystnb={"image": {"alt": "Two panels, equal width and equal mass: calibration error of the first seed against the number of bins, with the band of a perfectly calibrated model."}, "figure": {"name": "fig-bins", "caption": "ECE of the first seed by number and kind of bins, and the middle 95% of what a perfectly calibrated model shows by chance."}}
ece_by_bins = calibration.bins_sweep(random_runs[0])
decisions.bins_sweep(ece_by_bins)

# %%
Markdown(calibration.bins_said(ece_by_bins, states["random split"]["excess"]))

# %% [markdown]
# ## Class by class
#
# One-vs-rest: among the images to which the model gives a class with some probability, how often is it that class? Most
# stand at 0 and 1; what lies between is the doubtful part.

# %% mystnb={"image": {"alt": "One reliability diagram a class: share of images of the class against the probability given to it, with counts of images below."}, "figure": {"name": "fig-class-reliability", "caption": "Orange: distance from the diagonal; counts on a logarithmic scale above 10. Reliability of each class's probability (one-vs-rest, ten bins of equal width, all seeds together), with 95% intervals (cluster bootstrap over patients, all seeds' answers to a patient's images drawn together; of no width where all of a bin agree) and the number of answers in each bin."}}
by_class = calibration.by_class(random_runs, clusters)
curves.reliability(by_class, axes_names=("probability of the class", "share of the class"))

# %% [markdown]
# ## The temperature
#
# The temperature that is best on validation need not be best on test. Each line is a seed.

# %% mystnb={"image": {"alt": "Negative log-likelihood against the temperature on validation and on test, a line a seed, with the fitted temperatures."}, "figure": {"name": "fig-temperature", "caption": "Negative log-likelihood against the temperature, on the part where it is fitted and on the part where it is used."}}
from gcaf_lib.findings import temperature_scaling

temperatures = np.geomspace(0.2, 5, 61)
nll_curves = temperature_scaling.by_temperature(random_runs, temperatures)
fitted = temperature_scaling.fitted(random_runs)
decisions.temperatures(temperatures, nll_curves, fitted)

# %%
Markdown(temperature_scaling.temperature_cost_said(random_runs, fitted, temperatures, nll_curves["test"]))

# %% [markdown]
# ## Do temperature and calibration carry over to new patients?
#
# A validation part that shares patients with training tells little of new ones. On patient-disjoint folds no known patient is in two of the three
# parts (chapter 17, with the few exceptions found). *Scaled* is by each run's own temperature:

# %%
from gcaf_lib.findings import new_patients

on_both_splits = calibration.calibration_table(states)
tables.show(
    calibration.wide_calibration(on_both_splits, 3),
    name="tab-calibration-patients",
    caption=f"{new_patients.CARRIED} {calibration.corrected_said(on_both_splits)} {new_patients.HELD}",
    data=on_both_splits,
)
Markdown(new_patients.carries_over_said(states, fitted, fold_runs, clusters, picture_ids))

# %% [markdown]
# ## What Mixup, averaging, smoothing and the loss change
#
# One row per setting; rows without a run say so. Behind the comma the difference from the proposed setting on the row's seeds, with its 95% interval:
# that is the chance of the test patients and, with two or more seeds, also of training. Of calibration errors, Brier score and log-likelihood less is better.

# %%
differences = calibration_effects.differences(by_setting, proposed, clusters)
tested = words.unit_counts_said(units.counts(random_runs[0].rows(), clusters, picture_ids))
tables.show(
    calibration_effects.effects_table(by_setting, clusters, differences),
    name="tab-effects",
    caption="Calibration under each setting of Mixup, EMA, loss and smoothing, as trained: value, and behind "
    "the comma the difference from the proposed setting with its 95% cluster-bootstrap interval over patient "
    "groups and, with two or more seeds, also over trainings. Calibration errors: in fifteen bins. All on "
    f"the same {tested}.",
)
Markdown(calibration_effects.ingredients_said(by_setting, proposed, clusters, differences))

# %% [markdown]
# ## Declining the doubtful cases
#
# Let the model answer only where it is surest. If confidence means anything, accuracy rises as it answers less. The threshold
# for a wanted accuracy must be fixed beforehand, here on validation; what it then keeps on test, and how right that is:

# %% mystnb={"image": {"alt": "Accuracy on the cases answered against the share answered, on the random split and, where run, on patient-disjoint folds, with bands."}, "figure": {"name": "fig-selective", "caption": "Selective prediction: accuracy on the most confident share of the test images, with 95% cluster-bootstrap bands over patient groups, mean over the seeds; the folds of a seed are ranked together, by the confidences of five models."}}
from gcaf_lib.findings import acting

decisions.coverage_curves(acting.accuracy_by_coverage(by_split, clusters, picture_ids))

# %%
thresholds = acting.thresholds(by_split, clusters, picture_ids)
tables.show(
    acting.thresholds_text(thresholds),
    name="tab-selective",
    caption="Thresholds on the confidence fixed on each run's validation for a wanted accuracy (mean ± "
    "standard deviation over runs: seeds, or folds of seeds), and what they keep on test: the answers of all "
    "runs together, with a 95% interval over patients; *by picture* copies count as one. Tested: "
    f"{acting.tested_said(by_split, clusters, picture_ids)}.",
    data=thresholds,
)
Markdown(acting.thresholds_said(thresholds))

# %% [markdown]
# ## Acting on a probability
#
# Net benefit counts right actions minus wrong ones at the exchange rate that a threshold implies: who acts from 10% on holds a missed
# tumour to be nine times as bad as a needless action. A model is of use where its line is above both acting on all and on none. In
# this collection the share of images with a tumour is far above any clinic's, and the curves hold for that share only.

# %% mystnb={"image": {"alt": "Decision curves for any tumour and for each tumour class: net benefit of the model, of acting on all and of acting on none, against the threshold."}, "figure": {"name": "fig-decision", "caption": "Decision curves on the test part of the random split, which shares pictures and patients with training, all seeds together: any tumour against none, and each tumour class against the rest."}}
decisions.net_benefit(acting.decision_curves(random_runs))

# %%
Markdown(acting.decision_said(by_split, clusters))
