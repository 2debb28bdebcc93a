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
# # 13. Comparison
#
# **Reproduces:** Table 6 (five single-backbone baselines and the proposed model), with what each of them costs.
# **Takes:** a minute or two: full-size networks are laid out, without their weights, to count what they compute. Nothing is trained.
# Under `demo` no runs are published: without `gcaf sweep table-6 table-6-patients --profile demo` its tables of scores stay empty.
#
# Table 6 gives accuracy and macro-F1, and no cost. Elsewhere the paper calls its model computationally inexpensive (Section 2), and says that it
# needs more computation (Section 6). Both can be counted.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"data.protocol": "patients"}

# %% tags=["hide-input"]
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import table_charts, tables
from gcaf_lib.display.cost_chart import over_costs
from gcaf_lib.display.style import OURS, PAPER
from gcaf_lib.findings import ablation, ablation_summary, ablation_tables, comparison, matched
from gcaf_lib.paper import published as paper
from gcaf_lib.training import experiments

chapter = open_chapter("13_comparison", profile, overrides)
main, found = chapter.records("main"), matched.table_records(chapter, "table-6")
fold_runs = matched.apart_records(chapter, "table-6")
patients = chapter.records("patients")
random_split = chapter.records("ladder").get("paper", [])  # "paper": the settings' name of the random split
chapter.strip(matched.runs(main, found, fold_runs, patients, {"random split": random_split}))

# %% [markdown]
# ## Identical conditions
#
# The paper says that all baselines were re-implemented with identical preprocessing, augmentation and training. Here identical means: the same images and split,
# preprocessing, augmentation, Mixup, loss, stages, epochs, learning rates, moving average and batch; the same share of each backbone's layers set
# free in stage 2. What differs is the backbone, and that a single backbone needs no fusion: its averaged feature map goes through dropout to the
# classifier; with that the size: the proposed model has at least twice the weights of any of them (*What each costs*, below). Two names leave something
# open: *DenseNet* is read as DenseNet121, *CNN with Attention* as ResNet50 with a convolutional block attention module (CBAM) on its last feature map.
#
# Identical is not the same as fair. One learning rate and one number of epochs suit one architecture better than another; the paper says that it chose
# all settings by a grid search for the proposed one (Section 5.8, which shows neither of these two), and says nothing of the others.
#
# A table uses only the seeds that all its rows have, so the proposed model's accuracy differs a little from chapter to chapter; the scorecard's
# headline is over all its seeds.

# %%
Markdown(comparison.native_note(experiments.native("table-6", profile, overrides)))

# %%
theirs = not chapter.phantoms  # the paper's figures have no place beside phantoms
proposed = main.get(paper.PROPOSED, [])
frame = ablation.measure("table-6", found, chapter.dataset, proposed, made=chapter.profile_and_split)
tables.show(
    ablation_tables.table(frame, "Method", theirs=theirs),
    name="tab-table-6",
    caption=f"The paper's Table 6 measured: mean ± sd {ablation_tables.over_seeds(theirs)}, "
    f"{ablation_tables.ACCURACY_INTERVAL}",
    data=frame,
)

# %%
gaps = ablation_tables.difference_table(frame, "Method")
tables.show(gaps, "tab-table-6-gaps", ablation_tables.difference_caption(frame), data=frame)

# %% mystnb={"image": {"alt": "One line a method: its accuracy with a 95 percent interval on the left, its difference from the proposed model on the same test images on the right, with the paper's figures as open diamonds."}, "figure": {"name": "fig-table-6", "caption": "The methods of Table 6: accuracy (left), and minus that of the proposed model on the same images (right), with 95% intervals over patients and, with two or more seeds, also over trainings."}}
table_charts.dots(frame, published=theirs)

# %%
Markdown(ablation_summary.told(frame, command=chapter.sweep("table-6"), theirs=theirs))

# %% [markdown]
# ## The same on patient-disjoint folds

# %% mystnb={"image": {"alt": "One row a method of Table 6 on patient-disjoint folds. Left: accuracy with its interval. Right: the difference from the proposed model with its interval and a line at zero. Upright strokes mark both by picture."}, "figure": {"name": "fig-table-6-patients", "caption": "Table 6 on patient-disjoint folds: accuracy (left), and minus that of the proposed model (right), with 95% intervals over patients and, with two or more seeds, also over trainings."}}
fold_rows = ablation.apart(chapter, "table-6", fold_runs)
table_charts.dots(fold_rows, published=False)

# %%
gaps = ablation_tables.difference_table(fold_rows, "Method")
tables.show(gaps, "tab-table-6-patients", ablation_tables.difference_caption(fold_rows), data=fold_rows)
chosen = dict(experiments.experiment("table-6").settings(profile, overrides))
two_or_one = comparison.asked(fold_rows, matched.runs(patients), chapter.dataset, chosen, random_split)
which_seeds = matched.compared_with("table-6", fold_runs, patients, chapter.dataset)
earlier = comparison.before_stages(fold_runs, chapter.dataset)
command = chapter.sweep("table-6-patients")
told = ablation_summary.told(fold_rows, two_or_one, which_seeds, command=command, theirs=theirs)
Markdown(f"{told}\n\n{earlier}")

# %% [markdown]
# ## What each costs
#
# Parameters are all weights, also those that never train. Computation is counted from the layers: a convolution with a $k_h \times k_w$ filter from
# $C$ to $C'$ channels on $h \times w$ places needs
#
# $$\begin{gathered} h\,w \cdot k_h\,k_w \cdot C\,C' \text{ multiply-adds,} \\ \text{a depthwise one } h\,w \cdot k_h\,k_w \cdot C, \text{ a dense layer } C\,C', \end{gathered}$$
#
# and **one multiply-add is two FLOPs**. Papers that write "FLOPs" for multiply-adds print half of what stands here. Element-wise work (normalisation,
# activations, pooling) is left out, as is usual. The counts are of one image through the model in use, not of training.

# %%
costs = comparison.costs(chapter.profile, chapter.overrides)
spent = comparison.training(found)
tables.show(
    comparison.costs_text(costs, spent),
    name="tab-costs",
    caption="Cost of each method as it is run here: weights, computation for one image, and training time "
    "(stages 1 and 2, mean over n runs, in brackets lowest to highest, on the device named).",
    data=costs.merge(spent, on="row", how="left"),
)

# %%
Markdown(comparison.time_note(found))

# %% mystnb={"image": {"alt": "Accuracy of the methods of Table 6 as run here, over the number of parameters on the left and over the computation for one image on the right, on logarithmic axes, with intervals; methods without a run are missing."}, "figure": {"name": "fig-accuracy-cost", "caption": "Accuracy against cost as run here: 95% intervals over patients and, with two or more seeds, also over trainings."}}
measured = comparison.measured_over_costs(frame, costs)
over_costs(measured, comparison.OWN, OURS)

# %%
Markdown(comparison.cheaper(frame, costs, fold_rows))

# %% [markdown]
# ## The paper's own networks
#
# Under the profiles `cpu` and `demo` the networks are miniatures of their families, whose costs say nothing about the paper's networks. So here are
# the full-size networks at the paper's image size, as this project builds them under the profile `paper`: without the dense layers on top that VGG19
# was published with, which hold most of its published size. The accuracies are the paper's.

# %%
full = costs if profile == "paper" else comparison.costs("paper")
tables.show(
    comparison.full_text(full),
    name="tab-full-costs",
    caption="The networks of Table 6 at full size: weights and computation for one image, absolute and as a "
    "multiple of the proposed model's, beside the paper's accuracy.",
    data=full,
)

# %% mystnb={"image": {"alt": "The paper's accuracies of Table 6 over the parameters and over the computation of the full-size networks, on logarithmic axes."}, "figure": {"name": "fig-full-cost", "caption": "The paper's accuracies against what its full-size networks cost."}}
over_costs(comparison.published_over_costs(full), comparison.OWN, PAPER)

# %%
Markdown(comparison.full_verdict(full))

# %%
Markdown(comparison.caveat(profile))
