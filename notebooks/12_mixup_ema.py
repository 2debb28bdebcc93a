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
# # 12. Mixup and EMA
#
# **Reproduces:** Table 5 (effect of Mixup and of the moving average on accuracy, macro-F1 and calibration).
# **Takes:** seconds from the run records; nothing is trained. Under `demo` no runs are published: without
# `gcaf sweep table-5 table-5-patients --profile demo` its tables stay empty.
#
# Two switches, four combinations. The paper prints three numbers for each, without a spread: its rows show each switch helping, and its text
# (Section 5.6) calls both together best. Since every run with EMA keeps its predictions with raw *and* with averaged weights, the four rows hold six models.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"training.ema": 0.99}

# %% tags=["hide-input"]
from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import factorial, prose, table_charts, tables
from gcaf_lib.findings import ablation, ablation_tables, factorial_effects, matched, split_records

chapter = open_chapter("12_mixup_ema", profile, overrides)
proposed, records = chapter.proposed_runs(), matched.table_records(chapter, "table-5")
patient_folds, fold_records = split_records.patient_folds(chapter), matched.fold_records(chapter, "table-5")
chapter.strip(proposed, records, patient_folds, fold_records)

# %% [markdown]
# ## What a moving average still holds of its start
#
# The average of Equation 18 is evaluated in place of the weights. After $t$ steps it still holds the share $\beta^{t-1}$ of its initial weights
# ($t - 1$, because Keras initialises it with the weights after the first step). The paper names $\beta$ but not this consequence, nor whether the
# average begins anew in stage 2. Ours does, since the backbones' top layers only join it there.

# %%
from gcaf_lib.findings import moving_average

prose.say(moving_average.start_left_said())

# %%
tables.show(
    moving_average.start_left_table(records, chapter.training_images),
    name="tab-remains",
    caption="Steps up to the kept epoch of each stage, and the share of the stage's first weights that is "
    "left in the average there; over the seeds of the row.",
)

# %% [markdown]
# ## The four rows

# %%
row_names = ablation_tables.ROW_NAMES["table-5"]
random_rows = ablation.measure_on_split(chapter, "table-5", records, factorial_effects.METRICS)
tables.show(
    ablation_tables.table(random_rows, "Training", row_names, chapter.show_published),
    name="tab-table-5",
    caption="The paper's Table 5 measured, with the weights that are reported (averaged where EMA is on): "
    f"mean ± sd {ablation_tables.over_seeds(chapter.show_published)}, {ablation_tables.ACCURACY_INTERVAL} "
    "Smaller is better for ECE and negative log-likelihood.",
    data=random_rows,
)

# %%
ablation_tables.show_differences(random_rows, "tab-table-5-gaps", "Training", row_names)

# %% mystnb={"image": {"alt": "Two panels, accuracy and expected calibration error, each without and with Mixup: lines for runs without a moving average and for the averaged and raw weights of runs with it; the paper's figures as open marks."}, "figure": {"name": "fig-design", "caption": "The two factors: accuracy and calibration error without and with Mixup. Bars: 95% intervals over patients and, with two or more seeds, also over trainings; those of the calibration error corrected for its upward bias."}}
factorial.by_mixup(factorial_effects.design(records, chapter.dataset, chapter.show_published))

# %% [markdown]
# ## Raw and averaged weights side by side

# %%
tables.show(
    moving_average.scores_by_weights(records),
    name="tab-both-weights",
    caption="The test part with raw and with averaged weights of the same runs: mean ± sd over n seeds. Rows "
    "without EMA have raw weights only.",
)

# %% [markdown]
# The average is computed alongside training and never fed back. In stage 1, runs of one seed with and without EMA therefore pass through the same
# weights, step by step, until a learning-rate reduction or early stopping, which follow the validation loss of the *reported* weights. They differ in
# which epoch is kept: the one with the lowest validation loss of the reported weights, which for the lagging average can be another. Stage 2 starts from
# the raw weights of that epoch. The effect of EMA thus has two parts: which epochs are kept, and whether raw or averaged weights are handed over at
# the end.

# %%
prose.say(moving_average.course_said(moving_average.same_course(records)))

# %% [markdown]
# ## The effect of each factor
#
# Each line is a difference between combinations, on the same seeds and the same test images; its interval comes from resampling patients and from the
# spread over seeds, the same draws for all combinations. The *interaction* is the effect of EMA with Mixup minus its effect without.

# %%
effects = factorial_effects.effects(records, chapter.dataset, show_published=chapter.show_published)
tables.show(
    factorial_effects.effects_text(effects),
    name="tab-factors",
    caption=factorial_effects.effects_caption(random_rows, chapter.show_published),
    data=effects,
)

# %% [markdown]
# ## Verdict
#
# Read with its rows, the paper's claim has three parts: each factor by itself raises accuracy and lowers the calibration error, and both together
# (this alone in words, Section 5.6) are best on both.

# %%
from gcaf_lib.findings import ablation_summary, first_place, mixup_ema, words

ranking = first_place.ranking_said(random_rows, row_names, chapter.show_published)
prose.say(ranking, mixup_ema.verdict_said(effects, random_rows))

# %% [markdown]
# Two things should be kept apart. *Mixup* changes what is learnt: its soft targets can change confidence as well as accuracy, and the calibration
# error may move either way, depending on which side of accuracy the confidence was (chapter 9). *EMA* changes which of the visited weights are handed
# over, and with few steps hands over an average that still contains its start. A calibration error can therefore move although the probabilities have
# not become better, which is why the negative log-likelihood stands beside it: it is a proper score, whose expectation is best for the true
# probabilities.

# %% [markdown]
# ## The same on patient-disjoint folds

# %% mystnb={"image": {"alt": "One row a combination of Mixup and EMA on patient-disjoint folds. Left: accuracy with its interval. Right: the difference from the proposed training with its interval and a line at zero. Upright strokes mark both by picture."}, "figure": {"name": "fig-table-5-patients", "caption": "Table 5 on patient-disjoint folds: accuracy (left), and minus that of the proposed training (right), with 95% intervals over patients and, with two or more seeds, also over trainings."}}
fold_table = ablation.measure_on_folds(chapter, "table-5", fold_records, factorial_effects.METRICS)
table_charts.dots(fold_table, names=row_names, show_published=False)

# %%
ablation_tables.show_differences(fold_table, "tab-table-5-patients", "Training", row_names)
better = mixup_ema.beside_no_mixup_said(fold_table, chapter.show_published)
prose.say(ablation_summary.summary_said(chapter, "table-5", fold_table, better, fold_records=fold_records))

# %% [markdown]
# The factors, and the claim's three parts, on this split. The calibration error of each fold is computed on as many images as the random split tests
# (chapter 19):

# %%
fold_effects = factorial_effects.effects(fold_records, chapter.dataset, show_published=chapter.show_published)
tables.show(
    factorial_effects.effects_text(fold_effects),
    name="tab-factors-patients",
    caption=factorial_effects.effects_caption(fold_table, chapter.show_published),
    data=fold_effects,
)
seed_control = mixup_ema.seed_against_seed(patient_folds, chapter.dataset)
verdict = mixup_ema.verdict_said(fold_effects, fold_table, seed_control)
prose.say(verdict, words.of_profile(mixup_ema.CAVEAT, profile))
