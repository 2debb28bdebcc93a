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
# # 15. Significance
#
# **Reproduces:** the significance claim of Section 5.7, for the comparisons of Tables 4, 5 and 6.
# **Takes:** seconds from the run records; nothing is trained.
#
# The paper says that a paired t-test finds every improvement significant. A test answers one question and no other. This page asks the
# same runs several questions, then turns round and asks what so many runs, on so many images, could have found at all.

# %% tags=["parameters"]
profile = "cpu"  # or "demo", "paper"
overrides = {}  # such as {"data.protocol": "patients"}

# %% tags=["hide-input"]
import numpy as np
from IPython.display import Markdown, display

from gcaf_lib.data import splits
from gcaf_lib.evaluation import comparing, folds, significance
from gcaf_lib.report import book, claims, differences, gaps, paper, powers, scorecard, tables

chapter = book.open_chapter("15_significance", profile, overrides)
main = chapter.records("main").get(paper.PROPOSED, [])
found = {place: chapter.records(name) for place, name in differences.PLACES.items()}
by_patient, own_folds = chapter.records("table-4-patients"), chapter.records("ladder").get("patients", [])
every = [main, own_folds, *(rows for table in [*found.values(), by_patient] for rows in table.values())]
chapter.strip({r.key: r for group in every for r in group}.values())

# %% tags=["hide-input"]
level = paper.published("§5.7", metric="significance level")
lines = gaps.published()
display(
    Markdown(
        f"**What is claimed.** A paired t-test on the accuracies of several experiments, proposed method against baselines, with p < {level:g} for "
        "all. **What is not given:** how many experiments there were, what differed between them (seeds, or splits as well), their spread, the statistic, "
        "any p-value, and whether it was corrected for the number of tests. The largest and the smallest gap of Tables 4, 5, 6 and 8 are "
        f"{100 * lines['gap'].max():.2f} and {100 * lines['gap'].min():.2f} points."
    )
)

# %% [markdown]
# ## Four tests
#
# | Test | What varies | If it is significant | What it leaves out |
# |:--|:--|:--|:--|
# | Paired t over seeds (the paper's) | the training's chance: weights at the start, order, Mixup | trained again on *this* split and judged on *these* images, the mean gap would have the same sign | other images, other patients, other splits |
# | Corrected t (Nadeau and Bengio) | the same, with the variance enlarged for one shared test part | as above, with an allowance for the split | patients; the allowance is a rule of thumb |
# | McNemar (mid-p) | test images, one training each | these two *trained models* differ on images like these | other trainings; images of one patient count as independent |
# | Permutation by patient | patient groups, whole; mean over the seeds | these *trained models* differ on patients like these | other trainings |
#
# With $d_j$ the difference of accuracy in run $j$ of $J$, $s$ their standard deviation and $n$ the sizes of the parts, the two t-tests are
#
# $$t = \frac{\bar d}{s\,\sqrt{1/J}}, \qquad t_{\mathrm{corrected}} = \frac{\bar d}{s\,\sqrt{1/J + n_{\mathrm{test}}/n_{\mathrm{train}}}} .$$
#
# The first grows without bound in $J$: with enough runs *any* difference between two programs is significant, however small. The second does not.
# McNemar looks only at the images that one of the two models alone has right. None of the four sees that a random split
# shares patients between training and test (chapter 17): they compare two methods on this split, whatever it measures.
#
# ## The tests on the runs
#
# Each row is compared with the proposed model on the same seeds and the same test images. McNemar takes the lowest seed that both have,
# the permutation test the mean over their seeds.

# %%
groups = scorecard.clusters(chapter.dataset)
part = splits.load(chapter.settings.data, chapter.dataset)["part"]
ratio = float((part == "test").sum() / (part == "train").sum())
tests = differences.tests(found, main, groups, ratio)
tables.show(
    differences.tests_text(tests),
    name="tab-tests",
    caption="Accuracy minus that of the proposed model, in points, and p-values; in brackets adjusted by Holm over the rows of the same table that could be tested. n: seeds that "
    "both were trained with.",
    data=tests,
)

# %% tags=["hide-input"]
display(Markdown("Significant at 5 % after Holm's adjustment:\n\n" + differences.verdict(tests)))

# %% [markdown]
# Table 4 also compares ROC-AUC. DeLong's test does that on one run of each, class by class (one against the rest), over images as
# if they were independent:

# %%
aucs = differences.auc_tests(found, main)
if len(aucs):
    tables.show(
        differences.auc_text(aucs),
        name="tab-delong",
        caption="One-vs-rest ROC-AUC minus that of the proposed model, DeLong's p, and in brackets Holm's over all rows and classes; the first seed of each.",
        data=aucs,
    )
else:
    display(Markdown("No other row of Table 4 has been trained under this profile yet."))

# %% tags=["hide-input"]
if len(aucs):
    hits = aucs[aucs["holm"] < level]
    display(
        Markdown(
            f"{len(hits)} of {len(aucs)} differences stand after the adjustment"
            + (
                f", {(hits['first'] < hits['second']).sum()} of them in favour of the proposed fusion."
                if len(hits)
                else "."
            )
        )
    )

# %% [markdown]
# ## Two kinds of chance
#
# A measured accuracy is off for two reasons: another seed would have trained another model, and other test images would have been
# easier or harder. The t-test over seeds knows only the first.

# %% tags=["hide-input"]
spread = differences.spreads(tests, main, groups)
said = []
if np.isfinite(spread["images_sd"]):
    said.append(
        f"Resampling the patients of the test part moves the proposed model's accuracy by {100 * spread['images_sd']:.2f} points (standard deviation)."
    )
if np.isfinite(spread["seeds_sd"]):
    times = spread["images_sd"] / spread["seeds_sd"] if spread["seeds_sd"] else np.inf
    said.append(
        f"Another seed moves it by {100 * spread['seeds_sd']:.2f} points (n = {len(main)}). "
        + (
            f"What the t-test over seeds does not see is {times:.1f} times what it sees."
            if times > 1
            else "Here the seeds matter more than the images."
        )
    )
    said.append("In a *difference* both are smaller, as far as the two models err on the same images.")
elif main:
    said.append(
        "With one run of the proposed model under this profile there is no spread over seeds: the t-tests can't be done, and what follows is in multiples of it."
    )
else:
    said.append("The proposed model has not been run under this profile: what follows needs no runs of ours.")
if len(main) > 1 and differences.same_start(main):
    said.append(
        "All seeds start from the same backbone weights, here as in the paper, so that even the training's chance is only partly in it."
    )
if spread["source"]:
    where = {
        "pairs": f"pooled over the rows with two seeds or more (all are compared with the same runs of the proposed model, so it counts as {spread['df']} degrees of freedom, those of a single row)",
        "runs": f"from the proposed model's own {len(main)} seeds, as √2 times their standard deviation, that is, as if two runs of one seed had nothing in common",
    }[spread["source"]]
    said.append(
        f"The standard deviation of the paired differences is taken as {100 * spread['sd']:.2f} points, {where}. It is itself uncertain: its 95 % interval is "
        f"{100 * spread['low']:.2f} to {100 * spread['high']:.2f}."
    )
display(Markdown(" ".join(said)))

# %% [markdown]
# ## What so many seeds could find
#
# The power of a test is the chance that it finds a difference that is there. For the paired t-test it follows from the number of
# runs and the spread of the differences.

# %% mystnb={"image": {"alt": "Power of the paired t-test rising with the true difference of accuracy, one curve each for three, five and ten runs, the more runs the steeper; where a spread was measured, the paper's gaps are marked below, one line a table."}, "figure": {"name": "fig-power", "caption": "Power of the paired t-test at 5 % for three, five and ten runs at the spread measured here. The shade is what the uncertainty of that spread does to the curve of five runs; diamonds below are the paper's gaps."}}
runs = (3, 5, 10)
# the paper's gaps are of patients' images: they have no place beside the spread of phantoms
measured_sd = float("nan") if chapter.phantoms else spread["sd"]
powers.power_curves(measured_sd, runs, lines, (spread["low"], spread["high"]))

# %% tags=["hide-input"]
if measured_sd > 0:
    least = {n: significance.detectable(measured_sd, n) for n in runs}
    said = "Found with a power of 80 % or more: " + "; ".join(
        f"with {n} runs {100 * d:.2f} points or more, that is {(lines['gap'] >= d).sum()} of the paper's {len(lines)} gaps"
        for n, d in least.items()
    )
    said += f". At the upper end of the spread's interval 5 runs find {100 * significance.detectable(spread['high'], 5):.2f} points"
    said += ". Under another profile the spread may be another. All this is about seeds: the test images, the other kind of chance, are not in this test."
else:
    said = (
        "In multiples of the standard deviation of the differences, 80 % power needs "
        + "; ".join(f"{significance.detectable(1.0, n):.2f} with {n} runs" for n in runs)
        + ". A spread of patients' images to set the paper's gaps against comes with more than one run under `cpu` or `paper`."
    )
display(Markdown(said))

# %% [markdown]
# ## What one set of test images can tell apart
#
# Seeds apart, two trained models that are judged on the same images can be told apart only by the images that one of them alone has right. Two
# accuracies fix the difference of those two counts, not the counts: that depends on how many errors the models share. If a rival makes
# all the proposed model's errors and some more, a handful of images is significant; if they err on different images, it is not. The paper gives no such counts,
# so each of its gaps has a *range* of p-values.

# %% tags=["hide-input"]
base = differences.method(main)
shares = [
    comparing.overlap(base, rows)
    for name, place in ((name, place) for place, name in differences.PLACES.items())
    for rows in differences.rivals(name, found[place]).values()
    if comparing.shared(base, rows)
]
shares = [] if chapter.phantoms else [s for s in shares if np.isfinite(s)]
overlap = float(np.mean(shares)) if shares else None
lines = gaps.published(overlap=overlap)

# %% mystnb={"image": {"alt": "One line for each row of Tables 4, 5, 6 and 8: the range of McNemar's p-values that its published gap allows, on a logarithmic scale, with a dot for independent errors and a dashed line at 0.05; most dots lie to the right of the line."}, "figure": {"name": "fig-gap-ranges", "caption": "McNemar's p for each of the paper's gaps, from the most to the least favourable overlap of errors; dots: independent errors. Left of the dashed line, one run of each on these images would be significant."}}
powers.gap_ranges(lines)

# %%
counts = gaps.counts(lines)
tables.show(
    gaps.counts_text(counts, overlap),
    name="tab-gap-counts",
    caption="How many of the paper's gaps one test part of its size could tell apart, without an adjustment for the number of tests.",
    data=lines,
)

# %% tags=["hide-input"]
top, n, right = gaps.headline()
whole = counts.iloc[-1]
needs = comparing.smallest_gap(right, n)
best = comparing.smallest_gap(right, n, 1.0)
said = (
    f"On {n} images, against {right} right, a rival with independent errors must have {needs} images fewer ({100 * needs / n:.2f} points) to be told apart at 5 %; "
    f"at the very best, with all the proposed model's errors among its own, {best} ({100 * best / n:.2f} points). Of the paper's {whole['gaps']} gaps "
    f"{whole['always']} ({whole['always'] / whole['gaps']:.0%}) are significant whatever the overlap, {whole['independent']} if errors are independent, and "
    f"{whole['gaps'] - whole['best']} in no case."
)
if overlap is not None:
    at = comparing.smallest_gap(right, n, overlap)
    said += (
        f" In the runs behind this page a rival makes {overlap:.0%} of the proposed model's errors on average (n = {len(shares)} rows, "
        f"{min(shares):.0%} to {max(shares):.0%}); at that overlap {at} images are needed, and {whole['at_overlap']} of the gaps are significant."
    )
said += (
    " Images of one patient resemble each other, so the true number of independent images is smaller and all this is on the generous side. Averaging over seeds does "
    "not add test images."
)
display(Markdown(said))

# %% [markdown]
# ## What the paper's p-values can mean, and what they can't
#
# A gap $\bar d$ over $J$ runs has p < 0.05 in the paired t-test exactly if the differences scatter by less than $s = \bar d \sqrt J / t_{0.975,\,J-1}$. So the claim
# can be read backwards, as a statement about the spread that the paper does not print:

# %%
needed = gaps.needed(lines, runs, measured_sd, ratio)
tables.show(
    needed,
    name="tab-needed",
    caption="For each of the paper's gaps the largest standard deviation of the paired differences (points) with which it is significant at 5 %, by the number of runs; where a "
    "spread was measured here, the runs that it would take.",
)

# %% tags=["hide-input"]
smallest = lines["gap"].min()
rivals = lines[lines["place"] == "Table 6"]
narrow = rivals["gap"].min()
said = [
    f"For *all* rows of Table 6, the baselines that Section 5.7 speaks of, the differences may scatter by no more than {100 * comparing.largest_sd(narrow, 3):.2f} points with 3 runs, "
    f"{100 * comparing.largest_sd(narrow, 5):.2f} with 5, {100 * comparing.largest_sd(narrow, 10):.2f} with 10; for every row of all four tables by no more than "
    f"{100 * comparing.largest_sd(smallest, 5):.2f} with 5. One test image is {100 / n:.2f} points."
]
if measured_sd > 0:
    held = [r for r in runs if comparing.largest_sd(narrow, r) >= measured_sd]
    never = sum(comparing.runs_needed(g, measured_sd, ratio) is None for g in lines["gap"])
    said.append(
        f"At the spread measured here, {100 * measured_sd:.2f} points, that "
        + (f"takes {held[0]} runs or more." if held else f"does not happen with {runs[-1]} runs or fewer.")
        + f" With the corrected test {never} of the {len(lines)} gaps {'is' if never == 1 else 'are'} out of reach of any number of runs."
    )
printed = [f for place in claims.TABLES for f in paper.find(place, metric="accuracy")]
fewest = claims.common_runs(printed, n)
said.append(
    f"The printed accuracies themselves ask for repetitions: if every row is a mean of the same number of runs on {n} images, it is of {fewest} or more (chapter 22). "
    "With as many, the plain t-test finds very small gaps."
    if fewest and fewest > 1
    else "The printed accuracies can all be those of single runs, in which case no t-test is possible (chapter 22)."
)
said.append(
    f"Holm's adjustment asks p < {level / len(rivals):.3f} of the smallest of the {len(rivals)} p-values of Table 6. Without it, {len(rivals)} independent comparisons of equal methods find at least one "
    f'"significant" gap in {1 - (1 - level) ** len(rivals):.0%} of studies, and {len(lines)} comparisons in {1 - (1 - level) ** len(lines):.0%}.'
)
display(Markdown("\n\n".join(said)))

# %% [markdown]
# So the claim can be true as a statement about *seeds on one split*: that is all that a paired t-test over repeated trainings speaks of. It can't be a statement about new
# images, since the test images are the same in every repetition; nor about new patients, since patients stand on both sides of the split; and the more often one
# repeats, the smaller the gap that it calls significant. What would carry the paper's conclusion is a test over patients on splits without shared patients.
#
# ## The test that would carry it
#
# Five folds keep every patient on one side and test every image once. The predictions of a row's five models are put together and compared with the proposed model's on
# the same images, ten times as many as the random split tests. The t-tests need a second seed of all folds; McNemar and the permutation by patient do not.

# %%
pooled = {row: folds.pool(group, splits.FOLDS) for row, group in by_patient.items()}
strict = differences.tests({"Table 4": pooled}, folds.pool(own_folds, splits.FOLDS), groups, 0.0)
strict = strict[strict["place"] == "Table 4"].reset_index(drop=True)
if strict["seeds"].any():
    tables.show(
        differences.tests_text(strict[strict["seeds"] > 0]),
        name="tab-tests-patients",
        caption="The fusions of Table 4 with patients apart: accuracy over all five folds minus that of the proposed model, in points, and p-values; in brackets "
        "Holm's. n: seeds, each of five trainings.",
        data=strict,
    )
else:
    display(
        Markdown(
            "No other fusion has been trained on all five folds under this profile: `gcaf sweep table-4-patients` does it."
        )
    )

# %% tags=["hide-input"]
if strict["seeds"].any():
    known = strict[strict["seeds"] > 0]
    lost = known[(known["permutation_holm"] < level) & (known["difference"] < 0)]
    missing = strict[strict["seeds"] == 0]
    display(
        Markdown(
            f"With patients apart, on {int(known['images'].max()):,} images, {len(lost)} of {len(known)} other fusions {'is' if len(lost) == 1 else 'are'} significantly worse than the "
            "proposed one by the permutation over patients after Holm's adjustment"
            + (f": {', '.join(lost['row'])}." if len(lost) else ".")
            + (f" Not trained on these folds: {', '.join(missing['row'])}." if len(missing) else "")
        )
    )

# %% tags=["hide-input"]
note = {
    "demo": "These are phantoms and miniature networks: the p-values above say nothing of patients. What is computed from the paper's own figures holds all the same.",
    "cpu": "These are miniature networks on small images: their gaps and spreads need not be those of the full networks. What is computed from the paper's own figures holds all the same.",
}.get(profile, "")
display(Markdown(note))
