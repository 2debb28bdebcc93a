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
# # 8. ROC and precision-recall curves
#
# **Reproduces:** Figure 11 (a: ROC, b: precision-recall) and the areas of Section 5.5.
# **Takes:** seconds where the runs are on record; under the `demo` profile a few minutes the first time.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"data.protocol": "twins"}

# %% tags=["hide-input"]
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import curves, tables
from gcaf_lib.evaluation import metrics
from gcaf_lib.findings import overlap, performance, words
from gcaf_lib.paper import published as paper

chapter = open_chapter("08_roc_pr", profile, overrides)
runs = chapter.proposed_runs(train=True)
classes = chapter.settings.data.classes
chapter.strip(runs)
overlap.split_note(chapter)

# %% [markdown]
# ## What the curves show
#
# Each class against all others: images are ranked by the probability of that class, and a threshold
# runs down the ranking. The curves and their areas judge the *ranking* only. Probabilities that are
# all too high or too low by the same rule give the same curve; how far they can be believed is the
# subject of the next chapter.
#
# Curves are those of the first seed; the table below has the mean over all seeds.

# %% mystnb={"image": {"alt": "ROC curves of the four classes with their micro and macro mean, whole on the left and the upper left corner enlarged on the right."}, "figure": {"name": "fig-roc", "caption": "One-vs-rest ROC curves of the first seed (the paper's Figure 11a), and their upper left corner enlarged."}}
labels, probs = runs[0].labels(), runs[0].probabilities()
curves.roc_curves(metrics.roc(labels, probs, classes))

# %% mystnb={"image": {"alt": "Precision-recall curves of the four classes with their micro and macro mean, whole on the left and the upper right corner enlarged on the right."}, "figure": {"name": "fig-pr", "caption": "One-vs-rest precision-recall curves of the first seed (the paper's Figure 11b), and their upper right corner enlarged."}}
curves.pr_curves(metrics.precision_recall(labels, probs, classes))

# %% [markdown]
# ## The areas
#
# *Macro* is the mean of the classes' areas, *micro* the area when all pairs of image and class are
# ranked in one list, which also asks whether the probabilities of different classes can be compared.
# Average precision is computed as the step-wise sum; the trapezoid rule would be optimistic.

# %%
metrics_over_seeds = performance.metrics_over_seeds(runs, chapter.dataset)
tables.show(
    performance.beside_published(metrics_over_seeds, paper.find("§5.5"), chapter.profile_and_split),
    name="tab-areas",
    caption="Areas under the curves, the paper's (Section 5.5) and ours: mean ± standard deviation over the "
    f"seeds, and the 95% interval of that mean ({words.BOOTSTRAP}; widened by the spread over trainings). "
    f"{words.VERDICT}",
)

# %%
Markdown(performance.areas_said(metrics_over_seeds, labels, classes))

# %% [markdown]
# ## One look at the paper's own means
#
# The macro mean should be the mean of the four areas printed beside it, up to rounding. The same check stands among those of
# chapter 22:

# %%
Markdown(performance.mean_areas_said())

# %% [markdown]
# A macro ROC-AUC that is a hair above the mean of its classes can come from averaging curves of one value at each false
# positive rate, joined by straight lines: each rise then adds a sliver to the area. The curves here are averaged on every
# step of every class, so that the area of the mean curve is the mean of the areas.
