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
# # 21. Where it fails
#
# **Reproduces:** nothing; the paper counts its errors in a confusion matrix (Figure 10) and looks no closer.
# **Takes:** seconds where the runs are on record; under the `demo` profile a few minutes the first time. The images are needed.
#
# An accuracy says how often a model errs, not on whom. Where there are runs with patients apart (chapter 17), their test parts
# are used, which together hold every image once; elsewhere the test part of the split in use.

# %% tags=["parameters"]
profile = "cpu"  # or "demo", "paper"
overrides = {}  # such as {"model.fusion": "gcaf-token"}

# %% tags=["hide-input"]
import itertools

import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.data.preprocess import decode
from gcaf_lib.display import error_rates, figures, overlays, tables
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import clustered, dataset_audit, folds, tumours, worth
from gcaf_lib.findings import borders, failures, words

chapter = open_chapter("21_failures", profile, overrides, need_images=True)
main = chapter.records("main", train=True)["Proposed Method"]
apart = chapter.records("ladder").get("patients", [])
runs = [r for one in folds.pool(apart) for r in one.parts] or main  # of seeds with equally many folds
classes = chapter.settings.data.classes
chapter.strip([*main, *apart])

# %% tags=["hide-input"]
dataset, clusters = chapter.dataset, splits.clusters(chapter.dataset)
facts = dataset_audit.read(dataset)
cases = failures.cases(runs, dataset, tumours.read_images(dataset), facts, clusters)
right = worth.row(runs, clusters, ["accuracy"])["accuracy"]
where = (
    "with patients apart"
    if apart
    else f"on the `{chapter.settings.data.protocol}` split, as there is none with patients apart"
)
display(
    Markdown(
        f"Used here: {len(runs)} run{'s' if len(runs) > 1 else ''} {where}. "
        f"{int(cases['wrong'].sum()):,} of {len(cases):,} answers on {cases['row'].nunique():,} images are wrong; of all images "
        f"{1 - right.value:.1%} ({1 - right.high:.1%} to {1 - right.low:.1%}, patient groups drawn whole)."
    )
)

# %% [markdown]
# ## Which errors

# %%
kinds = failures.confusions(cases, classes)
tables.show(
    kinds.head(8),
    name="tab-error-kinds",
    caption="The most frequent kinds of error, and how sure the model was of them.",
    data=kinds,
)

# %% [markdown]
# ## On whom: errors by patient
#
# If errors fell on images at random, they would be spread evenly over patients. Patient groups are those of chapter 16: where no
# patient is known an image stands with its copies only. Groups are numbers of our own that tell nothing.

# %% mystnb={"image": {"alt": "Share of all errors against the share of patient groups, those with most errors first, beside the band of errors dealt at random."}, "figure": {"name": "fig-error-patients", "caption": "How errors concentrate on patient groups (tumour images only), beside the same number of errors dealt at random to images."}}
tumour = cases[cases["label"] != list(classes).index("notumor")] if "notumor" in classes else cases
if tumour["wrong"].sum():
    each = tumour.groupby("row").agg(wrong=("wrong", "sum"), group=("group", "first"))  # of all runs
    concentration = failures.spread(each["wrong"].to_numpy(), each["group"].to_numpy())
    display(error_rates.concentration(concentration))
else:
    display(Markdown("There is no error on a tumour image, so nothing concentrates."))

# %% tags=["hide-input"]
by_group = tumour.groupby("group").agg(
    answers=("wrong", "size"),
    wrong=("wrong", "sum"),
    images=("row", "nunique"),
    label=("label", lambda s: s.mode().iloc[0]),
)
text = (
    f"{len(by_group):,} groups hold the {tumour['row'].nunique():,} tumour images; {(by_group['wrong'] == 0).mean():.0%} of them "
    f"have no error at all, and {int(((by_group['wrong'] == by_group['answers']) & (by_group['images'] >= 5)).sum())} of the "
    f"{int((by_group['images'] >= 5).sum())} with five images or more are wrong throughout. "
)
if tumour["wrong"].sum():
    tenth = concentration.iloc[round(0.1 * (len(concentration) - 1))]
    text += (
        f"The tenth of the groups with most errors holds {tenth.errors:.0%} of them; by chance it would be {tenth.chance:.0%} "
        f"({tenth.low:.0%} to {tenth.high:.0%}): "
        + ("errors cluster in patients, so that images are no independent samples and intervals over images are too narrow."
           if tenth.errors > tenth.high else "no more than chance explains.")
    )  # fmt: skip
display(Markdown(text))

# %%
worst = by_group.sort_values(["wrong", "images"], ascending=False).head(10).reset_index()
tables.show(
    pd.DataFrame(
        {
            "Group": [f"no. {g}" for g in worst["group"]],
            "Class": [CLASS_NAMES[classes[k]] for k in worst["label"]],
            "Images": worst["images"],
            "Wrong answers": worst["wrong"].astype(int),
            "Of": worst["answers"],
        }
    ),
    name="tab-error-patients",
    caption="The ten patient groups with the most wrong answers.",
)

# %% [markdown]
# ## By source
#
# Tumour images are slices of the figshare archive, second copies of such slices that came in by another way, or of unknown
# origin; images without a tumour come from elsewhere altogether (chapter 16). The rows compare tumour images only.

# %%
sources = failures.rates(tumour, "source", [*dataset_audit.SOURCES, "phantom"])


def rate_table(frame, head):
    """label, images and error rate with its interval, for people."""
    return pd.DataFrame(
        {
            head: frame["label"],
            "Answers": frame["n"],
            "Patient groups": frame["groups"],
            "Wrong (%)": [words.span(*(100 * v), 1) for v in frame[["mean", "low", "high"]].to_numpy(float)],
        }
    )


tables.show(
    rate_table(sources, "Source"),
    name="tab-error-source",
    caption="Wrong answers on tumour images by source, with 95 % cluster-bootstrap intervals.",
    data=sources,
)

# %% tags=["hide-input"]
pairs = failures.copies(cases)
if len(pairs):
    same = clustered.mean(pairs["same"], pairs["group"])
    text = (
        f"**One picture, two files.** Pairs of copies (identical, nearly identical or mirrored) that one run judged: {len(pairs):,}. "
        f"The model gives both the same answer in {same.value:.1%} ({same.low:.1%} to {same.high:.1%}): where it doesn't, "
        "the mirror, the size or the compression of a file has changed its mind, or what little two nearly identical slices differ in."
    )
else:
    text = "No run judged two copies of one picture."
display(Markdown(text))

# %% [markdown]
# ## By the size of the tumour

# %% mystnb={"image": {"alt": "Error rate by fifth of the tumour's size, with intervals."}, "figure": {"name": "fig-error-size", "caption": "Wrong answers by the tumour's share of the image, in fifths of the tumours with a known border, with 95 % cluster-bootstrap intervals."}}
sized = tumour[tumour["area"].notna()].copy()
cuts = np.quantile(sized["area"], [0.2, 0.4, 0.6, 0.8])
limits = [0, *cuts, sized["area"].max()]
ranges = [f"{a:.1%} to {b:.1%}" for a, b in itertools.pairwise(limits)]
sized["fifth"] = np.asarray(ranges, dtype=object)[np.searchsorted(cuts, sized["area"])]
sizes = failures.rates(sized, "fifth", ranges)
error_rates.error_rates(sizes, "the tumour's share of the image")

# %%
lines = []
for k, c in enumerate(classes):
    part = sized[sized["label"] == k]
    if len(part):
        third = failures.rates(
            part.assign(third=failures.thirds(part["area"], borders.TERCILES)), "third", borders.TERCILES
        )
        lines.append(third.assign(**{"class": CLASS_NAMES[c]}))
within = pd.concat(lines, ignore_index=True)
tables.show(
    rate_table(within, "Size within the class").assign(Class=within["class"])[
        ["Class", "Size within the class", "Answers", "Patient groups", "Wrong (%)"]
    ],
    name="tab-error-size",
    caption="Wrong answers by thirds of the tumour's size within each class: the classes differ in size, and size alone would pass for class.",
    data=within,
)

# %% tags=["hide-input"]
said = []
for name, part in within.groupby("class", sort=False):
    part = part.set_index("label")
    small, large = part.loc[borders.TERCILES[0]], part.loc[borders.TERCILES[2]]
    if small.low > large.high:
        said.append(f"{name.lower()}: small ones fail more often")
    elif small.high < large.low:
        said.append(f"{name.lower()}: large ones fail more often")
    else:
        said.append(f"{name.lower()}: small and large not told apart")
display(Markdown("Within the classes (comparing intervals, a cautious test): " + "; ".join(said) + "."))

# %% [markdown]
# ## By the view
#
# Neither the files nor the archive say from which side a slice is seen. What can be computed is how *mirror-symmetric* a picture is: heads seen
# from the front or from above nearly are, heads seen from the side are not. The lowest third holds most of the side views; this is
# a stand-in, not the view.

# %% mystnb={"image": {"alt": "Error rate on tumour images by third of the picture's mirror symmetry, with intervals."}, "figure": {"name": "fig-error-view", "caption": "Wrong answers on tumour images by thirds of mirror symmetry (the lowest: mostly views from the side), with 95 % cluster-bootstrap intervals."}}
seen = tumour.assign(view=failures.thirds(tumour["symmetry"]))
views = failures.rates(seen, "view", failures.SHARES)
error_rates.error_rates(views, "mirror symmetry of the picture")

# %% [markdown]
# ## The most confident mistakes
#
# These no threshold on the confidence would have caught. One an image, the surest first, whatever the run.

# %% mystnb={"image": {"alt": "Up to eight misclassified test images with bars of the four class probabilities, the surest first."}, "figure": {"name": "fig-surest-mistakes", "caption": "The wrong answers with the highest confidence over all runs used here, surest first, at most eight, with the probability of each class."}}
wrong = (
    cases[~cases["right"]].sort_values("confidence", ascending=False, kind="stable").drop_duplicates("row")
)


def shown(frame):
    return [overlays.reduced(decode(dataset.root / file)) for file in frame["file"]]


top = wrong.head(8)
columns = [f"p_{c}" for c in classes]
if len(top):
    display(figures.predictions_grid(shown(top), top[columns].to_numpy(), top["label"].to_numpy(), classes))
else:
    display(Markdown("There is no mistake."))

# %%
if len(top):
    tables.show(
        pd.DataFrame(
            {
                "File": top["file"],
                "True class": [CLASS_NAMES[classes[k]] for k in top["label"]],
                "Named": [CLASS_NAMES[classes[k]] for k in top["predicted"]],
                "Confidence": top["confidence"].round(3),
                "Source": top["source"],
            }
        ).reset_index(drop=True),
        name="tab-surest-mistakes",
        caption="The same mistakes, with their files.",
    )
sure = wrong[wrong["confidence"] > 0.9]
odd = set(dataset_audit.mislabelled(facts)["file"])
display(
    Markdown(
        f"{len(sure):,} of the {len(wrong):,} misclassified images were misnamed with a confidence above 0.9 by at least one run"
        + (
            f"; {len(odd & set(sure['file']))} of these are among the mislabelled files below."
            if odd
            else "."
        )
    )
)

# %% [markdown]
# ## The mislabelled images
#
# Some files stand in a folder that contradicts the archive they come from (chapter 16). Whoever counts answers against the folder
# counts a model that sees the truth as wrong there.

# %% mystnb={"image": {"alt": "The mislabelled files with bars of the four class probabilities as the model gave them, or a note that there are none."}, "figure": {"name": "fig-mislabelled", "caption": "Files whose folder contradicts the archive, with the probabilities of the runs in whose test part they stand (the first of several)."}}
bad = dataset_audit.mislabelled(facts)
judged = cases[cases["file"].isin(bad["file"])]
first = judged.drop_duplicates("file")
if len(first):
    display(
        figures.predictions_grid(shown(first), first[columns].to_numpy(), first["label"].to_numpy(), classes)
    )
elif len(bad):
    display(Markdown("None of them stands in the test parts used here."))
else:
    display(Markdown("No file of this data contradicts its archive."))

# %%
if len(bad):
    answers = judged.groupby("file")["predicted"].agg(lambda s: ", ".join(CLASS_NAMES[classes[k]] for k in s))
    tables.show(
        pd.DataFrame(
            {
                "File": bad["file"],
                "Folder": bad["here"].map(CLASS_NAMES),
                "The archive": bad["class"].map(CLASS_NAMES),
                "The model, tested on it": bad["file"].map(answers).fillna("not in a test part here"),
            }
        ),
        name="tab-mislabelled-answers",
        caption="Files whose folder contradicts the archive, and what the model says of them.",
    )
    truth = dict(zip(bad["file"], bad["class"]))
    hits = [classes[k] == truth[f] for f, k in zip(judged["file"], judged["predicted"])]
    if hits:
        display(
            Markdown(
                f"In {sum(hits)} of {len(hits)} answers on these files the model sides with the archive against the label it is "
                "scored by. Too few images to move any score; enough to say that a score of 100 % would be an error."
            )
        )
