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
# # 21. Where it fails
#
# **Reproduces:** nothing; the paper counts its errors in a confusion matrix (Figure 10) and explains in words why glioma
# and meningioma are confused.
# **Takes:** seconds where the runs are on record; under the `demo` profile a few minutes the first time. The images are needed.
#
# An accuracy says how often a model errs, not on whom. Where there are runs on patient-disjoint folds (chapter 17), their test parts
# are used, which together hold every image once; elsewhere the test part of the split in use.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"model.fusion": "gcaf-token"}

# %% tags=["hide-input"]
from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import error_rates, pictures, prose, tables
from gcaf_lib.evaluation import dataset_audit, folds, tumours
from gcaf_lib.findings import failures, split_records, words

chapter = open_chapter("21_failures", profile, overrides, need_images=True)
split_runs, patient_folds = chapter.proposed_runs(train=True), split_records.patient_folds(chapter)
runs = folds.complete(patient_folds) or split_runs  # of seeds with equally many folds
chapter.strip([*split_runs, *patient_folds])

# %%
classes = chapter.settings.data.classes
audit, tumour_images = dataset_audit.read(chapter.dataset), tumours.read_images(chapter.dataset)
answers = failures.answers_with_covariates(runs, chapter.dataset, tumour_images, audit)
prose.say(failures.used_said(answers, runs, chapter.dataset))

# %% [markdown]
# ## Which errors

# %%
kinds = failures.confusions(answers, classes)
tables.show(
    kinds.head(8),
    name="tab-error-kinds",
    caption="The most frequent kinds of error, and how sure the model was of them.",
    data=kinds,
)

# %% [markdown]
# ## On whom: errors by patient
#
# If errors fell on images at random, they would be spread evenly over patients. Patient groups are those of chapter 16: where no patient is known an
# image stands with its copies only. Group numbers are our own and carry no information about the patient.

# %% mystnb={"image": {"alt": "Share of all errors against the share of patient groups, those with most errors first, beside the band of errors dealt at random."}, "figure": {"name": "fig-error-patients", "caption": "How errors concentrate on patient groups (tumour images only), beside the same number of errors dealt at random to images."}}
tumour_answers = failures.of_tumours(answers, classes)
curve = failures.concentration(tumour_answers)
error_rates.concentration(curve)

# %%
by_group = failures.by_patient(tumour_answers)
tables.show(
    failures.worst(by_group, classes),
    name="tab-error-patients",
    caption="The ten patient groups with the most wrong answers.",
)
prose.say(failures.patients_said(by_group, curve))

# %% [markdown]
# ## By source
#
# Tumour images are slices of the figshare archive, second copies of such slices that came in by another way, or of unknown
# origin; images without a tumour come from elsewhere altogether (chapter 16). The rows compare tumour images only.

# %%
sources = failures.by_source(tumour_answers, classes)
tables.show(
    failures.by_source_text(sources),
    name="tab-error-source",
    caption="Wrong answers on tumour images by class and source, and how often the answer was *no tumour*, "
    f"with 95% intervals over patient groups ({words.BOOTSTRAP}).",
    data=sources,
)
prose.say(
    failures.sources_said(tumour_answers, classes),
    failures.copy_pairs_said(failures.copy_pairs(answers)),
)

# %% [markdown]
# ## By the size of the tumour

# %% mystnb={"image": {"alt": "Error rate by fifth of the tumour's size, with intervals."}, "figure": {"name": "fig-error-size", "caption": "Wrong answers by the tumour's share of the image, in fifths of the tumours with a known border, with 95% cluster-bootstrap intervals over patient groups; n counts answers, one a run and image."}}
error_rates.error_rates(failures.by_size(tumour_answers), "the tumour's share of the image")

# %%
within = failures.by_size_within(tumour_answers, classes)
tables.show(
    failures.rates_text(within, "Size within the class"),
    name="tab-error-size",
    caption="Wrong answers by thirds of the tumour's size within each class: the classes differ in size, and "
    "size alone would pass for class.",
    data=within,
)
prose.say(failures.tumour_sizes_said(within))

# %% [markdown]
# ## By the view
#
# Neither the files nor the archive say from which side a slice is seen. What can be computed is how *mirror-symmetric* a picture is: heads seen
# from the front or from above nearly are, heads seen from the side are not. The lowest third should hold most of the side views; this is
# a stand-in, not the view.

# %% mystnb={"image": {"alt": "Error rate on tumour images by third of the picture's mirror symmetry, with intervals."}, "figure": {"name": "fig-error-view", "caption": "Wrong answers on tumour images by thirds of mirror symmetry (the lowest: mostly views from the side), with 95% cluster-bootstrap intervals over patient groups; n counts answers, one a run and image."}}
error_rates.error_rates(failures.by_view(tumour_answers), "mirror symmetry of the picture")

# %% [markdown]
# ## The most confident mistakes
#
# These are the ones that a threshold on the confidence is least likely to catch. One answer per picture, most confident first.

# %% mystnb={"image": {"alt": "Up to eight misclassified test images with bars of the four class probabilities, the surest first."}, "figure": {"name": "fig-surest-mistakes", "caption": "The wrong answers with the highest confidence over all runs used here, surest first, one a picture and at most eight, with the probability of each class."}}
surest = failures.surest(answers)
pictures.predictions(failures.pictured(surest), chapter.dataset.root, classes)

# %%
mislabelled = dataset_audit.mislabelled(audit)
tables.show(
    failures.surest_table(failures.pictured(surest), classes),
    name="tab-surest-mistakes",
    caption="The same mistakes, with their files.",
)
prose.say(failures.surest_said(surest, mislabelled))

# %% [markdown]
# ## The mislabelled images
#
# Some files stand in a folder that contradicts the archive they come from (chapter 16). Whoever counts answers against the folder
# counts a model that sees the truth as wrong there.

# %% mystnb={"image": {"alt": "The mislabelled files, each with the model's answer above, the folder's name below, and bars of the four class probabilities as the model gave them."}, "figure": {"name": "fig-mislabelled", "caption": "Files whose folder contradicts the archive (the table below says what the archive has), with the answer and the probabilities of the run in whose test part they stand (the first of several)."}}
answers_to_mislabelled = answers[answers["file"].isin(mislabelled["file"])]
pictures.predictions(
    answers_to_mislabelled.drop_duplicates("file"), chapter.dataset.root, classes, against="folder"
)

# %%
tables.show(
    failures.mislabelled_table(mislabelled, answers, classes),
    name="tab-mislabelled-answers",
    caption="Files whose folder contradicts the archive, and what the model says of them.",
)
prose.say(failures.mislabelled_said(mislabelled, answers, classes))
