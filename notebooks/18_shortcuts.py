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
# # 18. Shortcuts
#
# **Reproduces:** nothing; it asks what, besides the tumour, gives the class away in the dataset of Section 5.1.
# **Takes:** seconds; nothing new is trained.
#
# A network takes whatever separates the classes. If the files of a class share a size, a margin or a scanner, that is
# enough, and no test on the same files will show it. Two ways to look: give a simple method *only* the hint and
# see how far it gets; take the hint away and see what the model loses.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # a split changes nothing here: every row has its own

# %% tags=["hide-input"]
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.data.preprocess import canonical, decode
from gcaf_lib.display import copies, prose, split_ladder, tables
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.evaluation import floors, hints, units
from gcaf_lib.findings import shortcuts, split_records, words
from gcaf_lib.settings import CLASSES

chapter = open_chapter("18_shortcuts", profile, overrides, need_images=True)
proposed = chapter.proposed_runs(train=chapter.phantoms)
by_split, without_hint = split_records.ladder_records(chapter), chapter.records("shortcuts")
chapter.strip(proposed, by_split, without_hint)

# %% [markdown]
# ## Only the hint
#
# Three simple methods do not get to see the tumour (*floors*: scores that a model has to beat, chapter 17). *File size and mode*: width, height, aspect
# and colour mode of the file, not one pixel. *Image border*: grey values of the outermost sixteenth on every side. *Tumour masked out*: a thumbnail in
# which the tumour's box is filled; every image gets three such holes, placed alike for all classes, so that the hole itself says nothing (tumours of
# unknown place stay visible: about 6% of the real ones). Guessing the most frequent class is the yardstick.

# %%
floor_scores, hint_scores = floors.read(chapter.dataset), hints.read(chapter.dataset)
labels, picture_ids = chapter.dataset.frame["label"], units.pictures(chapter.dataset)
tables.show(
    shortcuts.hint_table(floor_scores, hint_scores, labels, picture_ids),
    name="tab-hints",
    caption=f"Accuracy in percent, with 95% intervals ({words.BOOTSTRAP}), of logistic regression on what is "
    "not the tumour; in the last column the share of the most "
    "frequent class. *By picture*: copies of a picture count as one, in the last column too. Tested: "
    f"{shortcuts.tested_said(chapter.dataset)}.",
    data=hint_scores,
)
unmasked = shortcuts.unmasked(chapter.dataset)
Markdown(shortcuts.hints_said(floor_scores, hint_scores, labels, picture_ids, unmasked))

# %% [markdown]
# ## The hint taken away: one encoding for all
#
# Every file is re-encoded alike: cropped to the head, grey, set on a black square, brought to one size, saved as JPEG of one quality
# (`data.encoding: canonical`). The file's size, colour mode and last compression then say nothing of the class. The
# margins still do (the head's proportions, see the border below), and so may what earlier saving did to the detail. What no re-encoding removes is
# what scanner, sequence and contrast agent did to the grey values: every slice of the figshare archive was taken with a contrast agent, the
# images without a tumour are mixed, and they differ in view, too. In this dataset these go with the class and can't be told from it.

# %% mystnb={"image": {"alt": "Four pairs of brain images, one a class: left as the file is, with its margins and proportions, right cropped to the head on a black square."}, "figure": {"name": "fig-canonical", "caption": "One image of each class as the file is (left) and re-encoded (right)."}}
picked = chapter.dataset.frame.groupby("label").sample(1, random_state=2)
originals = [decode(chapter.dataset.root / file) for file in picked["file"]]
copies.image_pairs(
    [(image, canonical(image)) for image in originals],
    [(f"{image.shape[1]}×{image.shape[0]}", "256×256") for image in originals],
    [CLASS_NAMES[CLASSES[k]] for k in picked["label"]],
)

# %%
re_encoded_scores = hint_scores[hint_scores["track"] == "canonical"]
tables.show(
    shortcuts.re_encoded(floor_scores, re_encoded_scores, labels, picture_ids),
    name="tab-canonical",
    caption="Accuracy in percent (four classes) of floors, before and after re-encoding, with 95% intervals. "
    "1-NN: the class of the most similar training image (chapter 17). *By picture*: copies of a picture "
    "count as one. Re-encoded files all have one size, so the first floor can only guess the most frequent "
    "class.",
    data=re_encoded_scores,
)

# %% [markdown]
# ## The same model with and without
#
# The proposed model, trained again on re-encoded images, and on the three tumour classes alone: there the no-tumour
# images, which according to the Kaggle page's author come from another collection, are neither trained on nor asked for. The three-class model is compared
# with the four-class model judged on the same images, those with a tumour. Runs are paired by seed and by fold (a single seed without the hint stands against the mean of those with it), and what
# counts is the *difference* on the same images: intervals of two models on the same images say little side by side.

# %%
clusters = splits.clusters(chapter.dataset)
compared, changes = shortcuts.with_without(by_split, without_hint, clusters, picture_ids)
tables.show(
    shortcuts.wide_with_without(compared, changes),
    name="tab-with-without",
    caption="Accuracy in percent of the model with and without the hint, and the difference in points, "
    "paired by image and, where both have several, by seed, each with its 95% cluster-bootstrap interval "
    f"{words.OVER}. With *the no-tumour class* both are judged on the tumour images alone. *By picture*: "
    "copies of a picture count as one.",
    data=compared,
)

# %% mystnb={"image": {"alt": "Accuracy of the model as it is and with the shortcut taken away, in one panel a split; rows without a run are left out."}, "figure": {"name": "fig-with-without", "caption": "The same model with and without, on the same images: squares as it is, circles with the hint taken away. The intervals are of the levels; the table has those of the differences. Strokes: by picture, copies of a picture counting as one."}}
split_ladder.with_without(compared)

# %%
prose.say(
    shortcuts.changes_said(changes),
    shortcuts.each_seed_said(changes),
    shortcuts.look_ups_said(floor_scores, re_encoded_scores, changes),
    shortcuts.answer_gone_said(by_split, without_hint, chapter.dataset, picture_ids),
)

# %% [markdown]
# ## What this means
#
# According to the Kaggle page's author the no-tumour images come from a collection of their own, and none is the archive's. A four-class accuracy
# therefore mixes a question that the file itself helps to answer (is there a tumour?) with the harder one of telling three tumours apart. Reporting the
# three tumour classes by themselves, on patient-disjoint folds, keeps the two questions apart (chapter 17 does so beside the numbers of others). It
# does not remove every hint: among the tumours the file's form and the border still help (the first table). Chapter 21 looks from the other side: what
# is answered on tumours that did not come from the archive. The intervals on this page are not adjusted for the number of comparisons.
