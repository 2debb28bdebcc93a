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
# # 14. Sensitivity
#
# **Reproduces:** Table 8 (sensitivity to batch size, Mixup α, focal γ and label smoothing ε), and what Section 5.8 says of the
# focal α without a table.
# **Takes:** seconds from the run records; nothing is trained. Under `demo` no runs are published: without
# `gcaf sweep table-8 table-8-patients --profile demo` its tables stay empty.
#
# One setting is changed at a time, all others stay as they are. The paper concludes that its settings are the best ones and that changing them costs
# accuracy. Two questions: does the accuracy move by more than chance, and is what moves it the thing that was named?

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"data.protocol": "patients"}

# %% tags=["hide-input"]
from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import charts, prose, table_charts, tables
from gcaf_lib.findings import ablation, ablation_summary, ablation_tables, matched, sensitivity, words

chapter = open_chapter("14_sensitivity", profile, overrides)
proposed, records = chapter.proposed_runs(), matched.table_records(chapter, "table-8")
fold_records = matched.fold_records(chapter, "table-8")
chapter.strip(proposed, records, fold_records, chapter.records("patients"))

# %% [markdown]
# ## The picture
#
# One panel per setting. The pale band is the 95% interval of the default setting; whether a value differs from it the paired differences below say.

# %% mystnb={"image": {"alt": "Five panels: batch size, Mixup alpha, focal gamma, label smoothing and focal alpha. In each the accuracy against the value, with its interval, the paper's figures as open diamonds, and the default's interval as a band."}, "figure": {"name": "fig-table-8", "caption": "The paper's Table 8 as a picture: test accuracy against the value of one setting. The paper gives no figures for the focal α."}}
random_rows = ablation.measure_on_split(chapter, "table-8", records, sensitivity.METRICS)
charts.sensitivity(*sensitivity.accuracy_panels(random_rows, chapter.show_published))

# %% [markdown]
# ## The table
#
# Sections 5.2 and 5.8 say that settings were chosen by their accuracy on the validation part, so that part stands beside the test part here.

# %%
tables.show(
    sensitivity.table(random_rows, records, chapter.show_published),
    name="tab-sensitivity",
    caption="One setting changed at a time, on the test part: mean ± sd "
    f"{ablation_tables.over_seeds(chapter.show_published)}, and {ablation_tables.ACCURACY_INTERVAL}",
    data=random_rows,
)

# %%
ablation_tables.show_differences(random_rows, "tab-sensitivity-gaps", "Setting")

# %% [markdown]
# ## How far the paper's figures move

# %%
prose.say(sensitivity.published_span_said())

# %% [markdown]
# ## How far ours move

# %%
moved, chosen = sensitivity.moved_said(random_rows), sensitivity.chosen_said(random_rows, records)
prose.say(ablation_summary.summary_said(chapter, "table-8", random_rows, moved, chosen))

# %% [markdown]
# Calibration is what γ and ε are about: both decide how sure the loss wants the model to be (chapter 5).

# %%
prose.say(sensitivity.ece_said(random_rows, records))

# %% [markdown]
# ## The same on patient-disjoint folds

# %% mystnb={"image": {"alt": "One row a value of a setting on patient-disjoint folds. Left: accuracy with its interval. Right: the difference from the default with its interval and a line at zero. Upright strokes mark both by picture."}, "figure": {"name": "fig-table-8-patients", "caption": "Table 8 on patient-disjoint folds: accuracy (left), and minus that of the default (right), with 95% intervals over patients and, with two or more seeds, also over trainings."}}
fold_table = ablation.measure_on_folds(chapter, "table-8", fold_records, sensitivity.METRICS)
table_charts.dots(fold_table, show_published=False, reference="default")

# %%
ablation_tables.show_differences(fold_table, "tab-table-8-patients", "Setting")
prose.say(ablation_summary.summary_said(chapter, "table-8", fold_table, fold_records=fold_records))

# %% [markdown]
# ## What the batch size changes besides the batch
#
# The number of epochs stays, so a batch twice as large takes half as many steps, at the same learning rate. And the weights that are judged are a
# moving average over steps (Eq 18): after fewer steps, more of its starting point remains in it. Both are arithmetic, and neither has to do with
# "noisy gradients" or generalisation.

# %%
training_settings, training_images = chapter.settings.training, chapter.training_images
tables.show(
    sensitivity.batch_steps(records, training_settings, training_images),
    name="tab-batch-steps",
    caption=f"Steps that each batch size takes on {training_images:,} training images if no epoch is cut "
    f"short, and the share of the moving average (decay {training_settings.ema:g}) that is still "
    "the starting weights of stage 2 after them; "
    "and the mean test accuracy of both kinds of weights, over n seeds.",
)

# %% [markdown]
# ## A constant α does nothing
#
# Section 5.8 varies the class-balancing factor α from one number to another and finds that lower values neglect the minority classes. Algorithm 1 writes
# $\alpha_k$, one for each class, and does not say how such a number makes them. If it is one constant for all classes, it can't: it multiplies the whole loss, whatever the class,
#
# $$\mathcal L_{\alpha} = \alpha\, \mathcal L_1 , \qquad \nabla \mathcal L_{\alpha} = \alpha\, \nabla \mathcal L_1 ,$$
#
# and Adam divides the gradient by its own running size, so that the factor drops out of every step,
#
# $$\Delta w = -\eta\, \frac{\alpha\, \hat m}{\sqrt{\alpha^2\, \hat v} + \epsilon} \;\approx\; -\eta\, \frac{\hat m}{\sqrt{\hat v}} .$$
#
# Only Adam's own $\epsilon = 10^{-7}$, which is there to avoid a division by zero, sees the difference. The comparisons of validation losses that
# stop a stage or reduce its rate do not see it either: they ask which is smaller. Adam on the same gradients, times 0.25, 0.5 and 0.75:

# %%
walks = [sensitivity.adam_walk(alpha) for alpha in (0.25, 0.5, 0.75)]
walks_text = sensitivity.walks_said(walks, chapter.training_counts)
prose.say(walks_text, sensitivity.constants_said(records, proposed))

# %% [markdown]
# The paper has inverse frequency in Table 3 and one constant in Sections 5.2 and 5.8 (chapter 22). By the argument above it does not matter which
# constant; the choice that can matter is between any constant and inverse frequency, which is the default here.

# %%
prose.say(words.of_profile(sensitivity.CAVEAT, profile))
