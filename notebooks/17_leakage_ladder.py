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
# # 17. The leakage ladder
#
# **Reproduces:** the headline accuracy and macro-F1 (Abstract, Section 5.4), on five splits instead of one.
# **Takes:** seconds from the committed records; under `demo` the two runs it shows are trained, in minutes.
#
# One question: how much of a score is knowledge of tumours, and how much is recognition of pictures that
# training has seen? From the random split on, each step to the right forbids training and test to share something
# more. Forbidding identical files alone takes next to nothing away: copies that were saved anew stay (the table of what is shared, below).

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # a split changes nothing here: every row has its own

# %% tags=["hide-input"]
from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import prose, split_ladder, tables
from gcaf_lib.evaluation import floors, hints
from gcaf_lib.findings import ladder, leakage, split_records, training_size, words
from gcaf_lib.paper import literature
from gcaf_lib.paper import published as paper

chapter = open_chapter("17_leakage_ladder", profile, overrides)
chapter.records("ladder-ends", train=chapter.phantoms)  # of phantoms both ends are trained here
records, imagenet = split_records.ladder_records(chapter), split_records.imagenet_records(chapter)
patient_folds, single_split_runs = records.get("patients", []), split_records.single_records(chapter)
three_class_runs = split_records.three_classes(chapter)
chapter.strip(records, imagenet, three_class_runs, {"single split": single_split_runs})

# %% [markdown]
# ## The picture
#
# The heavy line is the proposed model. A second heavy line, where drawn, is the same model on larger images, with small networks with ImageNet
# weights (chapter 25): larger than the miniatures, smaller than the paper's; it is dotted across splits on which it was not run. The thin ones are *floors*: methods without a network. 1-NN looks for the
# most similar training image, pixel by pixel, and repeats its label; it knows nothing of tumours. The others are logistic regressions on hints: on the
# file's size and mode, on the outer frame of the image, and on the image with its tumour masked out (chapter 18). Vertical bars are 95% intervals, with
# patients resampled as clusters, and add the spread over seeds where there are two or more. Each point of the model is a mean over all seeds run on its split,
# so some splits have more seeds than others: *The numbers* counts them.
#
# In tables the splits have short names: `official` is Kaggle's own; `paper` random, as the paper's; `bytes` shares no identical files, `twins` no copies,
# `patients` neither copies nor known patients.

# %% mystnb={"image": {"alt": "Accuracy by split, from Kaggle's own split over the random one to splits without identical files, twins and patients in common: the floors that compare pixels are high on the left and fall to the right, and where the model has been run it is drawn as a heavy line."}, "figure": {"name": "fig-ladder", "caption": "The leakage ladder: accuracy (and macro-F1 of the model) as training and test may share less and less, from the random split on. The diamond is the paper's figure. Dashes: by picture, copies of a picture counting as one."}}
floor_scores, look_up_answers = floors.read(chapter.dataset), floors.read_answers(chapter.dataset)
scores = ladder.scores_by_split(
    records, floor_scores, chapter.dataset, imagenet=imagenet, look_up_answers=look_up_answers
)
# the paper's figure is of patients' images: it has no place beside phantoms
published_accuracy = (
    paper.published("Abstract", paper.PROPOSED, "accuracy") / 100 if chapter.show_published else None
)
split_ladder.ladder(scores, published_accuracy)

# %%
trained_on_less = training_size.smaller_training(patient_folds, single_split_runs, chapter.dataset)
prose.say(
    leakage.falls_said(scores, records, imagenet, chapter.dataset, published_accuracy),
    training_size.larger_part_said(chapter.dataset, trained_on_less),
)

# %% [markdown]
# ## What training knows of the test part
#
# The reason for the fall, counted: how many test images have a copy in training, or any slice of the same patient? Copies are searched for again
# with a descriptor that was not used to make any split (`gcaf_lib/data/exposure.py`): counted by the groups that a split was made from, the answer
# would be zero by construction. Where the patient is unknown, no such slice is counted, so *same patient* is a lower bound. The last column asks for
# either, by the groups of `patients`, which joined copies and patients: there it is zero by construction.

# %%
from gcaf_lib.findings import seen_in_training

shares = seen_in_training.shares(chapter.dataset)
tables.show(
    seen_in_training.wide_exposure(shares),
    name="tab-exposure",
    caption="Share of the test images of which the training part holds a copy (of all, and class by class), any "
    "slice of the same known patient, or, by the groups of `patients`, either of the two. `patients` is the "
    "single 80/10/10 split, `patients-5fold` the five folds together. In `official` training is Kaggle's "
    "Training less the validation part, which is taken from it.",
    data=shares,
)

# %%
prose.say(seen_in_training.copies_left_said(shares))

# %% [markdown]
# ## The numbers

# %%
tables.show(
    ladder.table_by_split(scores),
    name="tab-ladder-accuracy",
    caption=f"Accuracy in percent with its 95% interval ({words.BOOTSTRAP}) {words.OVER}.",
    data=scores,
)

# %%
tables.show(
    ladder.table_by_split(scores, by_picture=True),
    name="tab-ladder-accuracy-picture",
    caption="Accuracy by picture, in percent, with its 95% cluster-bootstrap interval over patients and, with "
    "two or more seeds, also over trainings: each picture counts once, however many copies of it are tested.",
    data=scores,
)

# %%
tables.show(
    ladder.table_by_split(scores, "macro_f1"),
    name="tab-ladder-f1",
    caption="Macro-F1 in percent with its 95% cluster-bootstrap interval over patients and, with two or more "
    "seeds, also over trainings.",
    data=scores,
)

# %%
tables.show(
    ladder.table_by_split(scores, "macro_f1", by_picture=True),
    name="tab-ladder-f1-picture",
    caption="Macro-F1 by picture, in percent, with its 95% cluster-bootstrap interval over patients and, with two "
    "or more seeds, also over trainings.",
    data=scores,
)

# %%
tables.show(
    ladder.differences_table(scores),
    name="tab-ladder-distance",
    caption="Accuracy of the model, over all seeds run on a split, minus that of the better look-up (of the two "
    "1-NN the one that is right more often there), in points: on the same images, with 95% cluster-bootstrap "
    "intervals of the difference over patients and, with two or more seeds, also over trainings. Why the last "
    "two columns can lie far apart on `twins` is said below.",
    data=scores,
)

# %%
prose.say(
    leakage.by_picture_said(scores),
    leakage.persons_parted_said(patient_folds, chapter.dataset),
    leakage.runs_said(scores, floor_scores),
)

# %% [markdown]
# ## What it means for the paper's claim
#
# The paper describes its split as stratified by class, names no grouping by patient or copy, and reports one test part; here it is taken to be
# random over images. Its accuracy can therefore be right, be found again by others on such a split, and still say little about new patients: a score there mixes skill and memory in unknown proportions. This is not
# a flaw of the proposed fusion, and it does not show that the fusion is worthless. It means that a *ranking* of methods by tenths of a point on this
# split (Tables 4, 5, 6 and 8) cannot carry the conclusion drawn from it as long as recognising pictures moves the score by more than that: see the
# fall of the look-ups above.
#
# What counts is the distance between the model and the better look-up at the right end of the figure.

# %%
prose.say(leakage.conclusion_said(scores, profile, published_accuracy))

# %% [markdown]
# ## Beside what others report
#
# What others measured is not of all these images: this dataset holds many slices twice, and a few hundred tumour images of unknown
# patients. So the archive's slices stand by themselves, too. Accuracies are in percent.

# %%
from gcaf_lib.findings import beside_literature

prose.say(
    beside_literature.how_many_said(literature.table()),
    beside_literature.same_slices_said(three_class_runs, chapter.dataset),
)

# %%
tables.show(
    beside_literature.beside_others(scores, hints.read(chapter.dataset), three_class_runs, chapter.dataset),
    name="tab-literature",
    caption="Accuracy on patient-disjoint folds: as reported on the three classes of the figshare slices, and "
    "measured here with 95% intervals (of phantoms, which can't be compared with the others, under the profile "
    "`demo`). *By picture*: copies of a picture count as one.",
)
