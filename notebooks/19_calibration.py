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
# # 19. Calibration, with intervals
#
# **Reproduces:** the calibration column of Table 7, and tests what the paper says of calibration (Sections 4.5, 5.6 and 5.7):
# that Mixup, label smoothing and the averaged weights improve it.
# **Takes:** seconds to a minute where the runs are on record; under the `demo` profile a few minutes the first time.
#
# Chapter 9 has the paper's number and one reliability diagram. Here: how much of such a number is its estimator, how much is chance,
# what the ingredients change, and whether a reader who lets the model decline cases, or acts on its probabilities, gains by it.

# %% tags=["parameters"]
profile = "cpu"  # or "demo", "paper"
overrides = {}  # such as {"loss.reading": "per-class"}

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.display import decisions, figures, tables
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import calibration, confidence, worth
from gcaf_lib.findings import calibration as findings
from gcaf_lib.findings import overlap
from gcaf_lib.training import experiments

chapter = open_chapter("19_calibration", profile, overrides)
runs = chapter.records("main", train=True)["Proposed Method"]
apart = chapter.records("ladder").get("patients", [])
tested = {name: chapter.records(name) for name in ("table-5", "loss", "table-8")}
classes = chapter.settings.data.classes
clusters = splits.clusters(chapter.dataset)
used = {
    r.key: r
    for r in [*runs, *apart, *(r for rows in tested.values() for group in rows.values() for r in group)]
}
chapter.strip(list(used.values()))

# %% tags=["hide-input"]
overlap.split_note(chapter)

# %% [markdown]
# ## Eight measures, before and after one temperature
#
# *Equal width* and *equal mass* say how confidences are binned; *class-wise* asks of every class's probability, not only of the
# highest. Brier score and log-likelihood are proper: they are least for the true probabilities and need no bins. *Confidence −
# accuracy* carries the sign that the calibration errors lose: above 0 the model claims too much. The temperature is fitted on
# **validation** only. Intervals resample whole patient groups, and are of the mean over the seeds; those of the calibration errors
# are bias-corrected.

# %%
states = {
    "as trained": worth.row(runs, clusters, confidence.MEASURES),
    "scaled": worth.row(runs, clusters, confidence.MEASURES, scaled=True),
}
known = findings.calibration_table(states)
tables.show(
    findings.wide_calibration(known),
    name="tab-calibration-intervals",
    caption=f"Calibration on the test part with averaged weights, {len(runs)} seed{'s' if len(runs) > 1 else ''}: value and 95 % "
    "cluster-bootstrap interval over patient groups.",
    data=known,
)

# %% tags=["hide-input"]
labels, probs, rows = findings.predictions(runs[:1])
by_scaling = worth.difference(runs, runs, clusters, ("ece", "classwise", "nll"), scaled=(True, False))
display(Markdown(findings.scaling(by_scaling, confidence.perfect(probs)["ece"])))

# %% [markdown]
# ## The number depends on the bins
#
# The paper gives an ECE without its bins. The same probabilities give other errors with other bins, and more bins find more
# of what is only chance: the band is where a perfectly calibrated model would lie.

# %% mystnb={"image": {"alt": "Two panels, equal width and equal mass: calibration error of the first seed against the number of bins, with the band of a perfectly calibrated model."}, "figure": {"name": "fig-bins", "caption": "ECE of the first seed by number and kind of bins, and the middle 95 % of what a perfectly calibrated model shows by chance."}}
sweep = findings.bins_sweep(labels, probs)
decisions.bins_sweep(sweep)

# %% tags=["hide-input"]
display(Markdown(findings.bins(sweep)))

# %% [markdown]
# ## Class by class
#
# One-vs-rest: among the images to which the model gives a class with some probability, how often is it that class? Most
# stand at 0 and 1; what lies between is the doubtful part.

# %% mystnb={"image": {"alt": "One reliability diagram a class: share of images of the class against the probability given to it, with counts of images below."}, "figure": {"name": "fig-class-reliability", "caption": "Reliability of each class's probability (one-vs-rest, ten bins of equal width, all seeds together), with Wilson's 95 % intervals and the number of images in each bin."}}
all_labels, all_probs, all_rows = findings.predictions(runs)
bins = {
    CLASS_NAMES[c]: confidence.one_vs_rest(all_labels, all_probs, k, 10, equal_mass=False)
    for k, c in enumerate(classes)
}
figures.reliability(bins)

# %% [markdown]
# ## The temperature
#
# The temperature that is best on validation need not be best on test. Each line is a seed.

# %% mystnb={"image": {"alt": "Negative log-likelihood against the temperature on validation and on test, a line a seed, with the fitted temperatures."}, "figure": {"name": "fig-temperature", "caption": "Negative log-likelihood against the temperature, on the part where it is fitted and on the part where it is used."}}
grid = np.geomspace(0.2, 5, 61)
by_part = {
    part: [
        np.array([calibration.nll(r.labels(part), calibration.scale(r.probabilities(part), t)) for t in grid])
        for r in runs
    ]
    for part in ("validation", "test")
}
fitted = [calibration.temperature(r.labels("validation"), r.probabilities("validation")) for r in runs]
decisions.temperatures(grid, by_part, fitted)

# %% tags=["hide-input"]
best = [grid[int(np.argmin(one))] for one in by_part["test"]]
cost = [
    calibration.nll(r.labels(), calibration.scale(r.probabilities(), t)) - min(one)
    for r, t, one in zip(runs, fitted, by_part["test"])
]
display(
    Markdown(
        f"Fitted: {tables.mean_sd(fitted)}. Best on test, which nobody may use: {tables.mean_sd(best)}. The difference costs "
        f"{tables.mean_sd(cost, 4)} of negative log-likelihood."
    )
)

# %% [markdown]
# ## Do temperature and calibration carry over to new patients?
#
# A validation part that shares patients with training tells little of new ones. With patients apart in all three parts (chapter 17):

# %%
said = (
    "There is no run with patients apart under this profile yet, so nothing is said here about new patients."
)
if apart:
    name = f"patients apart ({len({r.settings.data.fold for r in apart})} folds)"
    there = {
        "random split": states["as trained"],
        "random split, scaled": states["scaled"],
        name: worth.row(apart, clusters, confidence.MEASURES),
        "patients apart, scaled": worth.row(apart, clusters, confidence.MEASURES, scaled=True),
    }
    moved = findings.calibration_table(there)
    tables.show(
        findings.wide_calibration(moved, 3),
        name="tab-calibration-patients",
        caption="Calibration on the random split and with patients apart: value and 95 % cluster-bootstrap interval. Calibration errors "
        "with patients apart are means over the folds.",
        data=moved,
    )
    said = findings.new_patients(there["random split"], there[name], there["patients apart, scaled"])
display(Markdown(said))

# %% [markdown]
# ## What Mixup, averaging, smoothing and the loss change
#
# One row a setting; rows without a run say so. In brackets the difference from the proposed setting on the same seeds, with its
# 95 % interval: that is the noise of the *test part*; where there is one seed, the noise of training comes on top and is not
# seen. Smaller is better.

# %%
wanted = []
rows_ = {}
for name, keep in (("table-5", None), ("loss", None), ("table-8", ("Mixup", "Focal γ", "Label"))):
    for row in experiments.experiment(name).rows:
        if (keep is None or row.label.startswith(keep)) and row.label not in wanted:
            label = {"target-probability": "Loss: target-probability", "per-class": "Loss: per-class"}.get(
                row.label, row.label
            )
            wanted.append(label)
            rows_[label] = tested[name].get(row.label, [])
effects = findings.effects(rows_, wanted, runs, clusters)
tables.show(
    effects,
    name="tab-effects",
    caption="Calibration under each setting of Mixup, EMA, loss and smoothing, as trained: value, and in brackets the difference "
    "from the proposed setting with its 95 % cluster-bootstrap interval.",
)

# %% tags=["hide-input"]
asked = ("ece", "nll")
lines = [
    findings.ingredient(
        "Averaged instead of raw weights, same runs",
        worth.difference(runs, runs, clusters, asked, which=("ema", "raw")),
    )
]
for what, first, second in (
    ("Mixup, with averaging", "Proposed Model", "With EMA Only"),
    ("Mixup, without averaging", "With Mixup Only", "Without Mixup & EMA"),
    ("The per-class reading instead of the literal one", "Loss: per-class", "Loss: target-probability"),
    ("Ten times the smoothing", "Label Smoothing ε = 0.1", "Label Smoothing ε = 0.01"),
):
    gaps = worth.difference(rows_.get(first, []), rows_.get(second, []), clusters, asked)
    lines.append(findings.ingredient(what, gaps))
display(Markdown("\n".join(lines)))

# %% [markdown]
# ## Declining the doubtful cases
#
# Let the model answer only where it is surest. If confidence means anything, accuracy rises as it answers less. The threshold
# for a wanted accuracy must be fixed beforehand, here on validation; what it then keeps on test, and how right that is:

# %% mystnb={"image": {"alt": "Accuracy on the cases answered against the share answered, on the random split and, where run, with patients apart, with bands."}, "figure": {"name": "fig-selective", "caption": "Selective prediction: accuracy on the most confident share of the test images, with 95 % cluster-bootstrap bands, mean over the seeds."}}
coverage = np.linspace(0.05, 1, 39)
curves = {"random split": findings.selective(runs, clusters, coverage)} | (
    {"patients apart": findings.selective(apart, clusters, coverage)} if apart else {}
)
decisions.selective(curves)

# %%
lines = []
for name, records in (("random split", runs), ("patients apart", apart)):
    for goal in (0.95, 0.98, 0.99) if records else ():
        cuts = [
            confidence.threshold_for(r.labels("validation"), r.probabilities("validation"), goal)
            for r in records
        ]
        found = [confidence.kept(r.labels(), r.probabilities(), t) for r, t in zip(records, cuts)]
        lines.append(
            {
                "Split": name,
                "Wanted accuracy": f"{goal:.0%}",
                "Threshold": tables.mean_sd(cuts, 3),
                "Answered on test (%)": tables.mean_sd([f.coverage for f in found], 1, 100),
                "Accuracy there (%)": tables.mean_sd([f.accuracy for f in found], 1, 100),
            }
        )
tables.show(
    pd.DataFrame(lines),
    name="tab-selective",
    caption="Thresholds on the confidence fixed on validation for a wanted accuracy, and what they keep on test: mean ± standard "
    "deviation over runs (seeds, or folds).",
)

# %% [markdown]
# ## Acting on a probability
#
# Net benefit counts right actions minus wrong ones at the exchange rate that a threshold implies: who acts from 10 % on holds a missed
# tumour to be nine times as bad as a needless action. A model is of use where its line is above both acting on all and on none. In
# this collection the share of images with a tumour is far above any clinic's, and the curves hold for that share only.

# %% mystnb={"image": {"alt": "Decision curves for any tumour and for each tumour class: net benefit of the model, of acting on all and of acting on none, against the threshold."}, "figure": {"name": "fig-decision", "caption": "Decision curves on the test part, all seeds together: any tumour against none, and each tumour class against the rest."}}
tumour = [k for k, c in enumerate(classes) if c != "notumor"]
panels = {CLASS_NAMES[classes[k]]: k for k in tumour}
if len(tumour) < len(classes):
    panels = {"Any tumour": tumour} | panels
curves = {title: calibration.net_benefit(all_labels, all_probs, k) for title, k in panels.items()}
decisions.net_benefit(curves)

# %% tags=["hide-input"]
display(Markdown(findings.decision(curves)))
