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
# # 15. Significance
#
# **Reproduces:** the significance claim of Section 5.7, for the comparisons of Tables 4, 5 and 6.
# **Takes:** seconds from the run records; nothing is trained. Under `demo` no runs are published: most tables stay empty without
# `gcaf sweep table-4 table-5 table-6 table-4-patients table-5-patients table-6-patients patients --profile demo`.
#
# The paper says that a paired t-test finds every improvement significant. A test answers one question and no other. This page asks the
# same runs several questions, then turns round and asks what so many runs, on so many images, could have found at all.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"data.protocol": "patients"}

# %% tags=["hide-input"]
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.display import power, prose, tables
from gcaf_lib.evaluation import units
from gcaf_lib.findings import delong, matched, p_values, seed_spread, significance, table_rows, words
from gcaf_lib.paper import published_gaps

chapter = open_chapter("15_significance", profile, overrides)
proposed = chapter.proposed_runs()
table_runs = {place: matched.table_records(chapter, name) for place, name in table_rows.TABLES.items()}
fold_runs = {place: matched.fold_records(chapter, name) for place, name in table_rows.TABLES.items()}
chapter.strip(proposed, table_runs, fold_runs)
clusters, picture_ids = splits.clusters(chapter.dataset), units.pictures(chapter.dataset)

# %%
paper_gaps = published_gaps.rival_gaps()
Markdown(published_gaps.claim_said(paper_gaps))

# %% [markdown]
# ## Four tests
#
# | Test | What varies | If it is significant | What it leaves out |
# |:--|:--|:--|:--|
# | Paired t over seeds (the paper's) | the training's chance: weights at the start, order, Mixup | on *this* split and *these* images, a mean gap of 0 over many trainings is implausible | other images, other patients, other splits |
# | Corrected t (Nadeau and Bengio) | the same, with the variance enlarged for one shared test part | as above, with an allowance for other splits | patients; the allowance is a rule of thumb |
# | McNemar (mid-p: the observed outcome counts half) | test images, one training each | these two *trained models* are unlikely to be equally accurate on images like these | other trainings; images of one patient count as independent |
# | Permutation by patient | patient groups, whole; mean over the seeds | these *trained models* are unlikely to be equally accurate on patients like these | other trainings |
#
# With $d_j$ the difference of accuracy in run $j$ of $J$, $s$ their standard deviation and $n$ the sizes of the parts, the two t-tests are
#
# $$t = \frac{\bar d}{s\,\sqrt{1/J}}, \qquad t_{\mathrm{corrected}} = \frac{\bar d}{s\,\sqrt{1/J + n_{\mathrm{test}}/n_{\mathrm{train}}}} .$$
#
# The first grows without bound in $J$: with enough runs any difference but 0, however small, is significant. The second does not. McNemar looks only
# at images that one model alone has right. None of the four sees that a random split shares patients between training and test (chapter 17).
#
# ## The tests on the runs
#
# Each row against the proposed model, on the same seeds and images: McNemar takes the lowest
# common seed, the permutation test takes the mean over the common seeds.

# %%
part_sizes = splits.load(chapter.settings.data, chapter.dataset)["part"].value_counts()
test_to_train = float(part_sizes["test"] / part_sizes["train"])
tests = p_values.tests(table_runs, proposed, clusters, test_to_train)
tables.show(
    significance.tests_text(tests),
    name="tab-tests",
    caption="Accuracy minus that of the proposed model, in points, and p-values; in brackets adjusted by "
    "Holm, which raises p-values because several rows are tested (those of the same table that could be; not "
    "across tables or tests). n: seeds that both were trained with. The last table of this page counts the "
    "images, pictures and patient groups.",
    data=tests,
)

# %%
prose.say("Significant at 5% after Holm's adjustment:", significance.verdict_said(tests))

# %% [markdown]
# Table 4 also compares ROC-AUC. DeLong's test does so on one run of each, one class against the rest, images taken as independent:

# %%
aucs = delong.auc_tests(table_runs, proposed)
tables.show(
    delong.auc_text(aucs),
    name="tab-delong",
    caption="One-vs-rest ROC-AUC minus that of the proposed model, DeLong's p, and in brackets Holm's over all rows and "
    f"classes; the first seed of each. Tested: {words.tested_said(proposed[:1], clusters, picture_ids)}.",
    data=aucs,
)
Markdown(delong.auc_verdict_said(aucs))

# %% [markdown]
# ## Two kinds of chance
#
# A measured accuracy is off for two reasons: another seed would have trained another model, and other test images would have been
# easier or harder. The t-test over seeds knows only the first.

# %%
accuracy_spread = seed_spread.accuracy_spread(proposed, clusters)
difference_spread = seed_spread.difference_spread(table_runs, proposed)
prose.say(
    seed_spread.accuracy_spread_said(accuracy_spread, proposed),
    seed_spread.difference_spread_said(difference_spread, len(proposed)),
)

# %% [markdown]
# ## What so many seeds could find
#
# The power of a test is the chance that it finds a difference that is there. For the paired t-test it follows from the number of
# runs and the spread of the differences.

# %% mystnb={"image": {"alt": "Power of the paired t-test rising with the true difference of accuracy, one curve each for three, five and ten runs, the more runs the steeper; where a spread was measured, the paper's gaps are marked below, one line a table."}, "figure": {"name": "fig-power", "caption": "Power of the paired t-test at 5% for three, five and ten runs at the spread measured here. The spread is that of rows with the proposed model's backbones; the shade is what its uncertainty does to the curve of five runs. Diamonds below are the paper's gaps in the tables of such rows."}}
run_counts = (3, 5, 10)
paper_gaps = seed_spread.with_spread(paper_gaps, difference_spread, chapter.show_published)
power.power_curves(paper_gaps[paper_gaps["kind"] == seed_spread.SAME], run_counts)

# %%
Markdown(published_gaps.power_said(paper_gaps, run_counts))

# %% [markdown]
# ## What one set of test images can tell apart
#
# Leaving seeds aside, two trained models judged on the same images can be distinguished only by the images that just one of them has right. Two
# accuracies fix the difference between those two counts, but not the counts themselves: these depend on how many errors the models share. If a rival
# makes all the proposed model's errors and a few more, a gap of a handful of images is significant; if the two err on different images, it is not. The
# paper gives no such counts, so each of its gaps has a *range* of p-values.

# %% mystnb={"image": {"alt": "One line for each row of Tables 4, 5, 6 and 8: the range of McNemar's p-values that its published gap allows, on a logarithmic scale, with a dot for independent errors and a dashed line at 0.05; most dots lie to the right of the line."}, "figure": {"name": "fig-gap-ranges", "caption": "McNemar's p for each of the paper's gaps, from the most to the least favourable overlap of errors; dots: independent errors. Left of the dashed line, one run of each on these images would be significant."}}
shared_errors = seed_spread.shared_errors(table_runs if chapter.show_published else {}, proposed)
gap_p_values = published_gaps.rival_gaps(overlap=seed_spread.mean_by_table(shared_errors))
power.gap_ranges(gap_p_values)

# %%
significant = published_gaps.significant(gap_p_values)
tables.show(
    published_gaps.significant_text(significant),
    name="tab-gap-counts",
    caption="How many of the paper's gaps one test part of its size could tell apart, without an adjustment "
    "for the number of tests.",
    data=gap_p_values,
)
Markdown(published_gaps.images_said(significant, shared_errors))

# %% [markdown]
# ## What the paper's p-values can mean, and what they can't
#
# A gap $\bar d$ over $J$ runs has p < 0.05 in the paired t-test exactly if the differences scatter by less than
# $s = \bar d \sqrt J / t_{0.975,\,J-1}$. So the claim can be read backwards, as a statement about the spread that the paper does not print:

# %%
tables.show(
    published_gaps.needed(paper_gaps, run_counts, test_to_train),
    name="tab-needed",
    caption="For each of the paper's gaps the largest standard deviation of the paired differences (points) "
    "with which it is significant at 5%, by the number of runs; where a spread was measured here (Tables 6 "
    "and 8 have their own), the runs from which the gap, measured exactly as printed, has p < 0.05.",
)
Markdown(published_gaps.backwards_said(paper_gaps, run_counts, test_to_train))

# %% [markdown]
# So, if only the seed varied, the claim can be true as a statement about *seeds on one split*: that is all that a paired t-test over repeated
# trainings speaks of. It is then no statement about new images, since the test images are the same in every repetition. In either case it is none
# about new patients, since patients stand on both sides of a random split; and the more often one repeats, the smaller the gap that it calls
# significant. What would carry the paper's conclusion is a test over patients *and* trainings, on splits without shared patients.
#
# ## A test over patients
#
# Five folds keep every known patient (but a few persons with two numbers, chapter 17) on one side and test every image once. The predictions of a row's five models are put together and compared with
# the proposed model's on the same images, ten times as many as the random split tests. The t-tests need a second seed of all folds; McNemar and the
# permutation by patient do not, but speak of these trained models. So the proposed model is set beside itself, too, one seed against another.

# %%
fold_tests = significance.fold_tests(fold_runs, clusters, picture_ids)
tables.show(
    significance.tests_text(fold_tests).drop(columns="Corrected t"),
    name="tab-tests-patients",
    caption="The paper's Tables 4, 5 and 6 on patient-disjoint folds: accuracy over all five folds minus that "
    "of the proposed model, in points, and p-values; in brackets Holm's. n: seeds, each of five trainings. "
    "*By picture*: copies of a picture count as one. Where the patient is unknown, the copies of a picture "
    "are one group. The next table counts images, pictures and groups.",
    data=fold_tests,
)

# %% [markdown]
# And what could such comparisons have shown? The width of each row's interval tells (cluster bootstrap: whole patient groups are
# drawn, not images); it holds the scatter over patients and, with two or more seeds, also over trainings.

# %%
from gcaf_lib.findings import visible_differences

comparisons = visible_differences.comparisons(chapter, table_runs, proposed, fold_runs)
detectable = visible_differences.by_table(comparisons)
tables.show(
    visible_differences.by_table_text(detectable),
    name="tab-could-show",
    caption="What the comparisons of each table rest on; from which true difference in accuracy on a row's "
    "95% interval excludes 0 with a power of 80% (narrowest row to widest); and how many of the paper's gaps "
    "are at least as large as their row's. Tables of one seed leave other trainings out, so they seem to see "
    "smaller differences. Not adjusted for the number of rows.",
    data=detectable,
)
Markdown(visible_differences.by_table_said(detectable))

# %%
from gcaf_lib.findings import seed_pairs, split_records

beside_itself = seed_pairs.permuted(split_records.patient_folds(chapter), clusters, picture_ids)
prose.say(
    significance.by_patient_said(fold_tests, chapter.sweep),
    seed_pairs.permuted_said(beside_itself, chapter.sweep),
    words.of_profile(significance.CAVEAT, profile),
)
