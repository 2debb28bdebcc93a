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

from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.display import error_rates, pictures, tables
from gcaf_lib.evaluation import dataset_audit, folds, tumours, units, worth
from gcaf_lib.findings import failures

chapter = open_chapter("21_failures", profile, overrides, need_images=True)
main = chapter.records("main", train=True)["Proposed Method"]
apart = chapter.records("ladder").get("patients", [])
runs = [r for one in folds.pool(apart) for r in one.parts] or main  # of seeds with equally many folds
chapter.strip([*main, *apart])

# %%
dataset, classes = chapter.dataset, chapter.settings.data.classes
clusters, facts = splits.clusters(dataset), dataset_audit.read(dataset)
cases = failures.cases(runs, dataset, tumours.read_images(dataset), facts, clusters)
right = worth.row(runs, clusters, ["accuracy"])["accuracy"]
copied = worth.by_picture(runs, clusters, units.pictures(dataset)).get("accuracy")
Markdown(failures.used(cases, runs, right, copied))

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
# If errors fell on images at random, they would be spread evenly over patients. Patient groups are those of chapter 16: where no patient is known an
# image stands with its copies only. Group numbers are our own and carry no information about the patient.

# %% mystnb={"image": {"alt": "Share of all errors against the share of patient groups, those with most errors first, beside the band of errors dealt at random."}, "figure": {"name": "fig-error-patients", "caption": "How errors concentrate on patient groups (tumour images only), beside the same number of errors dealt at random to images."}}
tumour = failures.of_tumours(cases, classes)
concentration = failures.concentration(tumour)
error_rates.concentration(concentration)

# %%
by_group = failures.by_patient(tumour)
tables.show(
    failures.worst(by_group, classes),
    name="tab-error-patients",
    caption="The ten patient groups with the most wrong answers.",
)
Markdown(failures.patients_said(by_group, concentration))

# %% [markdown]
# ## By source
#
# Tumour images are slices of the figshare archive, second copies of such slices that came in by another way, or of unknown
# origin; images without a tumour come from elsewhere altogether (chapter 16). The rows compare tumour images only.

# %%
sources = failures.by_source(tumour, classes)
tables.show(
    failures.by_source_text(sources),
    name="tab-error-source",
    caption="Wrong answers on tumour images by class and source, and how often the answer was *no tumour*, "
    "with 95% intervals over patient groups (cluster bootstrap: whole patient groups are drawn, not images).",
    data=sources,
)
said = failures.sources_said(tumour, classes), failures.copies_said(failures.copies(cases))
Markdown("\n\n".join(said))

# %% [markdown]
# ## By the size of the tumour

# %% mystnb={"image": {"alt": "Error rate by fifth of the tumour's size, with intervals."}, "figure": {"name": "fig-error-size", "caption": "Wrong answers by the tumour's share of the image, in fifths of the tumours with a known border, with 95% cluster-bootstrap intervals over patient groups; n counts answers, one a run and image."}}
error_rates.error_rates(failures.by_size(tumour), "the tumour's share of the image")

# %%
within = failures.by_size_within(tumour, classes)
tables.show(
    failures.rates_text(within, "Size within the class"),
    name="tab-error-size",
    caption="Wrong answers by thirds of the tumour's size within each class: the classes differ in size, and "
    "size alone would pass for class.",
    data=within,
)
Markdown(failures.sizes_said(within))

# %% [markdown]
# ## By the view
#
# Neither the files nor the archive say from which side a slice is seen. What can be computed is how *mirror-symmetric* a picture is: heads seen
# from the front or from above nearly are, heads seen from the side are not. The lowest third should hold most of the side views; this is
# a stand-in, not the view.

# %% mystnb={"image": {"alt": "Error rate on tumour images by third of the picture's mirror symmetry, with intervals."}, "figure": {"name": "fig-error-view", "caption": "Wrong answers on tumour images by thirds of mirror symmetry (the lowest: mostly views from the side), with 95% cluster-bootstrap intervals over patient groups; n counts answers, one a run and image."}}
error_rates.error_rates(failures.by_view(tumour), "mirror symmetry of the picture")

# %% [markdown]
# ## The most confident mistakes
#
# These are the ones that a threshold on the confidence is least likely to catch. One answer per picture, most confident first.

# %% mystnb={"image": {"alt": "Up to eight misclassified test images with bars of the four class probabilities, the surest first."}, "figure": {"name": "fig-surest-mistakes", "caption": "The wrong answers with the highest confidence over all runs used here, surest first, one a picture and at most eight, with the probability of each class."}}
wrong = failures.surest(cases)
pictures.predictions(failures.pictured(wrong), dataset.root, classes)

# %%
bad = dataset_audit.mislabelled(facts)
tables.show(
    failures.surest_table(failures.pictured(wrong), classes),
    name="tab-surest-mistakes",
    caption="The same mistakes, with their files.",
)
Markdown(failures.surest_said(wrong, bad))

# %% [markdown]
# ## The mislabelled images
#
# Some files stand in a folder that contradicts the archive they come from (chapter 16). Whoever counts answers against the folder
# counts a model that sees the truth as wrong there.

# %% mystnb={"image": {"alt": "The mislabelled files, each with the model's answer above, the folder's name below, and bars of the four class probabilities as the model gave them."}, "figure": {"name": "fig-mislabelled", "caption": "Files whose folder contradicts the archive (the table below says what the archive has), with the answer and the probabilities of the run in whose test part they stand (the first of several)."}}
odd = cases[cases["file"].isin(bad["file"])].drop_duplicates("file")
pictures.predictions(odd, dataset.root, classes, against="folder")

# %%
tables.show(
    failures.mislabelled_table(bad, cases, classes),
    name="tab-mislabelled-answers",
    caption="Files whose folder contradicts the archive, and what the model says of them.",
)
Markdown(failures.mislabelled_said(bad, cases, classes))
