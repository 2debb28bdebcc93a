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
# # 7. Classification
#
# **Reproduces:** Figure 10 (a: classification report, b: confusion matrix) and the headline figures of
# Section 5.4.
# **Takes:** seconds where the runs are on record; under the `demo` profile a few minutes the first time.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"data.protocol": "twins"}

# %% tags=["hide-input"]
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import charts, tables
from gcaf_lib.findings import overlap, performance, words
from gcaf_lib.paper import published as paper

chapter = open_chapter("07_classification", profile, overrides)
runs = chapter.proposed_runs(train=True)
classes = chapter.settings.data.classes
chapter.strip(runs)
overlap.split_note(chapter)

# %% [markdown]
# ## The report, class by class
#
# Precision: of the images that the model calls a class, the share that belong to it. Recall: of a class's
# images, the share that the model calls so. F1 is their harmonic mean. Averages are over the seeds; the test images
# are the same for every seed, so the standard deviation reflects the randomness of *training*, not the
# choice of test images, which the intervals further down cover.

# %%
report, report_sd = performance.class_report(runs)
tables.show(
    performance.class_report_text(report, report_sd),
    name="tab-report",
    caption="Classification report in percent: mean ± standard deviation over the seeds; in square "
    "brackets the paper's figure, where it gives one.",
    data=report,
)

# %% mystnb={"image": {"alt": "Three panels, precision, recall and F1, one point for each class, with the paper's figures as open diamonds."}, "figure": {"name": "fig-report", "caption": "Classification report (the paper's Figure 10a): mean over the seeds as points, the paper's figures as open diamonds."}}
charts.classification_report(report, performance.published_report())

# %% [markdown]
# ## Beside the paper's headline
#
# The interval says how far the mean over the seeds could move with other test images *of the same kind* and, where there are two seeds or
# more, with other trainings. It comes from a bootstrap that draws whole patients, because answers on images of one patient, and on copies of
# one image, are not independent. Where the patient is not known, a picture with its copies stands for one.

# %%
metrics_over_seeds = performance.metrics_over_seeds(runs, chapter.dataset)
tables.show(
    performance.beside_published(metrics_over_seeds, paper.find("§5.4"), chapter.profile_and_split),
    name="tab-headline",
    caption="Section 5.4 of the paper beside this project: mean ± standard deviation over the seeds, and the "
    f"95% interval of that mean ({words.BOOTSTRAP}; widened by the spread over trainings). {words.VERDICT}",
)

# %% [markdown]
# ## Which classes are confused
#
# Every test image counts once for each seed. Rows are the true classes; the shade is the share of the row.

# %% mystnb={"image": {"alt": "Confusion matrix, true classes as rows and predicted classes as columns, counts and row shares in the cells."}, "figure": {"name": "fig-confusion", "caption": "Confusion matrix of the test part (the paper's Figure 10b), counts summed over all seeds."}}
charts.confusion(performance.confusion(runs), classes)

# %%
Markdown(performance.confused_said(runs))

# %% [markdown]
# ## How certain is the accuracy
#
# Wilson's interval treats the test images as independent. Where several of them show one
# patient they are not, and the bootstrap over patients is the one to trust.

# %%
tables.show(
    performance.accuracy_intervals(runs, chapter.dataset),
    name="tab-accuracy-intervals",
    caption="Accuracy of each seed on the test part with two 95% intervals, neither of which includes other "
    "trainings.",
)

# %%
Markdown(performance.published_headline_said(report))
