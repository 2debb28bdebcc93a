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
# # 23. Elsewhere
#
# **Reproduces:** nothing. Section 6 says that the model "needs further multi-center analysis for
# generalization", Section 7 that "further evaluation using a multi-center dataset is required"; what follows
# is a small step there, with public images.
# **Takes:** seconds; committed records are read, no image and no weight is needed.
#
# A model that is right on images of its own collection may know the collection. So it is asked here about
# images of other places: slices from Radiopaedia and MedPix, of patients of the RSNA-MICCAI challenge (BraTS
# 2021; skull and scalp were cut away before they were published), of pituitary tumours from Beijing Tiantan
# Hospital, and of healthy heads from IXI. None of these images is part of this project; the manifest that
# names them is read by `python -m gcaf_lib.evaluation.outside_sets DIR --run RUN`, which writes what this
# chapter reads. Your own images: `gcaf external`.

# %% tags=["parameters"]
profile = "cpu"  # changes nothing below: all is read from committed records
overrides = {}

# %% tags=["hide-input"]
from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import elsewhere_charts, prose, tables
from gcaf_lib.evaluation import outside_sets
from gcaf_lib.findings import confounding, elsewhere, outside_recall

chapter = open_chapter("23_elsewhere", profile, overrides)
chapter.strip()

# %% [markdown]
# ## How external is external?
#
# First of all: are they other images? Each one is looked up among this dataset's by its bytes and by its
# look, whatever was cropped, mirrored or re-encoded (chapter 16 tells how). PMRAM, a collection published as
# *Bangladeshi Brain Cancer MRI*, is looked up too.
#
# | Set | Where it is had | Licence |
# |:--|:--|:--|
# | Radiopaedia | Kaggle, `fernando2rad/brain-tumor-mri-images-44c` (file names show where from) | not verified |
# | RSNA-BraTS | Kaggle, `davidbroberts/brain-tumor-object-detection-datasets` (ids of RSNA-MICCAI, BraTS 2021) | not verified |
# | MedPix | [MedPix 2.0](https://doi.org/10.1007/s41019-025-00297-8) | stated there |
# | Tiantan | GitHub, `VGuoGavin/Pituitary-segmentation-and-classification` | none stated |
# | IXI | [Imperial College London](https://brain-development.org/ixi-dataset/) | CC BY-SA 3.0 |
# | PMRAM | [Mendeley Data](https://doi.org/10.17632/m7w55sw88b.1) | stated there |

# %%
copy_counts = outside_sets.read("copies")
tables.show(
    elsewhere.copies_table(copy_counts),
    name="tab-copies-elsewhere",
    caption="Images of other collections that are copies of images of this dataset, by class. Nearest other: "
    "the highest similarity among those that are none.",
    data=copy_counts,
)
prose.say(elsewhere.copies_said(copy_counts))

# %% [markdown]
# Counts are lower bounds: what was changed beyond recognition is not found. Sets with copies are left out of
# everything that follows.
#
# ## What the sets hold
#
# A class of this dataset is not the same thing everywhere. What the manifest says of each set, in images
# (sequences and planes as its publisher has them, not checked; "not stated" where the manifest doesn't say):

# %%
about = outside_sets.read("about")
not_brain_mr = outside_sets.not_brain_mr()  # by their look
tables.show(
    elsewhere.about_table(about),
    name="tab-about-elsewhere",
    caption="Images of each class and set by diagnosis, sequence and plane, as the manifest states them.",
    data=about,
)
prose.say(elsewhere.about_said(about), elsewhere.not_brain_mr_said(not_brain_mr, about))

# %% [markdown]
# The look was judged once, without a radiologist. No column says where in the head a tumour lies; most images
# of ependymoma and some of astrocytoma show it, by their look, in the posterior fossa (cerebellum and brain
# stem).
#
# ## What the model says there
#
# Recall by class and set, for every model whose answers there are on record, whatever this page's profile.
# There is deliberately no overall accuracy: each set holds only some classes, so a pooled figure would
# reflect the mixture. Intervals (95%) resample cases as clusters: patients, volumes or, for Radiopaedia,
# clusters of similar slices, since patients are not identified there. Beside it stands what the same model
# scores on its own test images: *at home*, with patients of the class drawn (the model card draws all
# patients). Intervals are not adjusted for the number of comparisons on this page: among so many, some can be
# apart by chance.

# %%
recall = outside_sets.read("recall")
tables.show(
    outside_recall.recall_table(recall),
    name="tab-recall-elsewhere",
    caption="Recall in percent with 95% intervals over cases; a single case has none. The nearest neighbour "
    "takes the class of the most similar thumbnail in this dataset.",
    data=recall,
)
prose.say(outside_recall.trainings_said(recall))

# %% mystnb={"image": {"alt": "A row for each class and outside set: a dot for recall there with its interval, a diamond for recall of the same class at home, joined by a line."}, "figure": {"name": "fig-recall-elsewhere", "caption": "Recall elsewhere (dot, bar: 95% interval) and at home (diamond, thin line: 95% interval), of the model named below."}}
model_name = next(iter(outside_recall.model_names(recall)), "")
levels = outside_recall.recall_with_home(recall, model_name)
elsewhere_charts.recall(levels)

# %%
recall_without = outside_sets.read("rest")  # without these images
prose.say(outside_recall.elsewhere_said(recall, model_name, not_brain_mr, recall_without))

# %% [markdown]
# What it takes them for:

# %%
tables.show(
    outside_recall.confusion_table(recall, model_name),
    name="tab-told-elsewhere",
    caption="Of the images of a class in a set, the percentage that the model assigns to each class.",
)

# %% [markdown]
# ## Is it sure when it is wrong?
#
# Whoever uses a model sees the probability of its answer, not the truth. If it is lower where the model is
# wrong, it is a warning.

# %% mystnb={"image": {"alt": "A row for each class, at home and in each outside set: a dot for recall with its interval, a diamond for the mean probability of the answer."}, "figure": {"name": "fig-sure-elsewhere", "caption": "How often the model is right (dot, bar: 95% interval) and how sure it is (diamond). Diamond right of the bar: more sure than right."}}
elsewhere_charts.sureness(outside_recall.whole_sets(recall, model_name))

# %%
prose.say(outside_recall.sure_said(recall, model_name))

# %% [markdown]
# ## Class and source are one
#
# All pituitary tumours of Tiantan are coronal and from one hospital, all gliomas and meningiomas of
# Radiopaedia and RSNA-BraTS axial and from others, all healthy heads from London. A model that knew planes
# and scanners alone could do well here or badly. So could one that knew the contrast agent: at home more than
# nine in ten tumour images are figshare slices, all T1 after contrast agent, while the tumour-free class
# mixes sequences; IXI is plain T1. And the view: of 80 images of each class at home, drawn at random and
# looked at once (no list was kept), 4 without a tumour were seen from the side (sagittal), of each tumour
# class 19 to 24. Two controls: IXI's healthy heads were cut in three planes, so that no tumour, scanner or
# sequence differs between these slices; and the nearest neighbour, which knows similarity and nothing else.

# %%
tables.show(
    confounding.planes_table(recall),
    name="tab-planes-elsewhere",
    caption="Healthy heads (IXI) by plane: recall of no tumour, and the share classified as pituitary, in "
    "percent.",
)
prose.say(confounding.planes_said(recall, model_name))

# %%
prose.say(confounding.neighbour_said(recall, model_name))

# %% [markdown]
# ## What can't be said
#
# These are small public collections, chosen because they are public; nobody drew them from the patients of a
# hospital. Their labels are those of their publishers, some taken from folder names. Images were made smaller
# and grey before they were scored. In RSNA-BraTS every head lacks its skull (each case was looked at), which
# an image of a glioma at home hardly ever does. MedPix mixes sequences and planes, its files carry
# watermarks, and some are CT or of the neck; a class with few cases says little, whatever its percentage.
# Whether a fall comes from the scanner, the contrast agent, the sequence, the plane, the choice of cases or
# the tumours themselves, these sets can't tell apart. And a recall that holds up here is no evidence that it
# holds up in a clinic.
