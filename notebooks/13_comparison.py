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
from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import cost_chart, prose, table_charts, tables
from gcaf_lib.findings import ablation, ablation_summary, ablation_tables, comparison, matched, split_records
from gcaf_lib.training import experiments

chapter = open_chapter("13_comparison", profile, overrides)
proposed, records = chapter.proposed_runs(), matched.table_records(chapter, "table-6")
patient_folds, fold_records = split_records.patient_folds(chapter), matched.fold_records(chapter, "table-6")
random_split = split_records.random_split(chapter)
chapter.strip(proposed, records, patient_folds, fold_records, random_split)

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
prose.say(comparison.native_said(experiments.native("table-6", profile, overrides)))

# %%
random_rows = ablation.measure_on_split(chapter, "table-6", records)
tables.show(
    ablation_tables.table(random_rows, "Method", show_published=chapter.show_published),
    name="tab-table-6",
    caption=f"The paper's Table 6 measured: mean ± sd {ablation_tables.over_seeds(chapter.show_published)}, "
    f"{ablation_tables.ACCURACY_INTERVAL}",
    data=random_rows,
)

# %%
ablation_tables.show_differences(random_rows, "tab-table-6-gaps", "Method")

# %% mystnb={"image": {"alt": "One line a method: its accuracy with a 95 percent interval on the left, its difference from the proposed model on the same test images on the right, with the paper's figures as open diamonds."}, "figure": {"name": "fig-table-6", "caption": "The methods of Table 6: accuracy (left), and minus that of the proposed model on the same images (right), with 95% intervals over patients and, with two or more seeds, also over trainings."}}
table_charts.dots(random_rows, show_published=chapter.show_published)

# %%
prose.say(ablation_summary.summary_said(chapter, "table-6", random_rows))

# %% [markdown]
# ## The same on patient-disjoint folds

# %% mystnb={"image": {"alt": "One row a method of Table 6 on patient-disjoint folds. Left: accuracy with its interval. Right: the difference from the proposed model with its interval and a line at zero. Upright strokes mark both by picture."}, "figure": {"name": "fig-table-6-patients", "caption": "Table 6 on patient-disjoint folds: accuracy (left), and minus that of the proposed model (right), with 95% intervals over patients and, with two or more seeds, also over trainings."}}
fold_table = ablation.measure_on_folds(chapter, "table-6", fold_records)
table_charts.dots(fold_table, show_published=False)

# %%
ablation_tables.show_differences(fold_table, "tab-table-6-patients", "Method")
better = comparison.two_backbones_said(chapter, fold_table, patient_folds, random_split)
summary = ablation_summary.summary_said(chapter, "table-6", fold_table, better, fold_records=fold_records)
prose.say(summary, comparison.after_stage0_said(fold_records, chapter.dataset))

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
from gcaf_lib.findings import stages

costs = comparison.costs(chapter.profile, chapter.overrides)
training_times = stages.training_times(records)
tables.show(
    comparison.costs_text(costs, training_times),
    name="tab-costs",
    caption="Cost of each method as it is run here: weights, computation for one image, and training time "
    "(stages 1 and 2, mean over n runs, in brackets lowest to highest, on the device named).",
    data=costs.merge(training_times, on="row", how="left"),
)

# %%
prose.say(comparison.time_said(records))

# %% mystnb={"image": {"alt": "Accuracy of the methods of Table 6 as run here, over the number of parameters on the left and over the computation for one image on the right, on logarithmic axes, with intervals; methods without a run are missing."}, "figure": {"name": "fig-accuracy-cost", "caption": "Accuracy against cost as run here: 95% intervals over patients and, with two or more seeds, also over trainings."}}
cost_chart.over_costs(comparison.measured_over_costs(random_rows, costs))

# %%
prose.say(comparison.cheaper_said(random_rows, costs, fold_table))

# %% [markdown]
# ## The paper's own networks
#
# Under the profiles `cpu` and `demo` the networks are miniatures of their families, whose costs say nothing about the paper's networks. So here are
# the full-size networks at the paper's image size, as this project builds them under the profile `paper`: without the dense layers on top that VGG19
# was published with, which hold most of its published size. The accuracies are the paper's.

# %%
full_costs = costs if profile == "paper" else comparison.costs("paper")
tables.show(
    comparison.full_text(full_costs),
    name="tab-full-costs",
    caption="The networks of Table 6 at full size: weights and computation for one image, absolute and as a "
    "multiple of the proposed model's, beside the paper's accuracy.",
    data=full_costs,
)

# %% mystnb={"image": {"alt": "The paper's accuracies of Table 6 over the parameters and over the computation of the full-size networks, on logarithmic axes."}, "figure": {"name": "fig-full-cost", "caption": "The paper's accuracies against what its full-size networks cost."}}
cost_chart.over_costs(comparison.published_over_costs(full_costs), of_paper=True)

# %%
prose.say(comparison.full_said(full_costs), comparison.caveat_said(profile))
