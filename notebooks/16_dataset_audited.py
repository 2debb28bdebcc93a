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
# # 16. The dataset audited
#
# **Reproduces:** nothing; it examines the dataset of Section 5.1 and Table 2, which the paper takes as it is.
# **Takes:** seconds; nothing is trained.
#
# The paper counts images. Which of them show the same picture, where do they come from, how many patients do they show, are the labels right?

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # a split changes nothing here: all files are audited

# %% tags=["hide-input"]
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.display import charts, copies, prose, sortable, tables
from gcaf_lib.evaluation import dataset_audit
from gcaf_lib.findings import dataset_audited

chapter = open_chapter("16_dataset_audited", profile, overrides, need_images=True)
chapter.strip()

# %% [markdown]
# ## What was measured
#
# Copies here are mirrored, turned upside down, brightened, darkened, sharpened, re-encoded or re-cropped. So each file is compared twice, whole and
# cropped to its foreground, as a grey square of 128 pixels with local mean and variance removed; the highest correlation over both versions and four
# orientations counts, and copies of copies form one family. For copies cropped more tightly, or in a corner, SIFT keypoints of pictures of unknown
# patients are matched with all pictures and their mirror images, aligned and correlated again. The figshare archive (Cheng 2015) tells which patient
# a slice is of. Small committed tables without patient numbers hold the results (`results/twins.csv`, `slices.csv`, `patients.csv`, `similarity.csv`,
# `cut.csv`, `pictures.csv`, `around.csv`); `python -m gcaf_lib.evaluation.dataset_audit` makes them again from images and archive.

# %%
frame, folder = chapter.dataset.frame, chapter.dataset.root
facts = dataset_audit.read(chapter.dataset)
tables.show(
    dataset_audited.numbers(frame, facts),
    name="tab-audit",
    caption="The audit in numbers: counted, so there is no interval; the number of pictures depends on the "
    "similarity thresholds below, and a few pictures stand in two classes.",
)
Markdown(dataset_audited.pictures_said(frame, facts))

# %% [markdown]
# ## The largest families
#
# A line is one picture as it stands in the dataset: the same slice again and again, turned, lighter, darker, sharper.

# %% mystnb={"image": {"alt": "Rows of small brain images; within a row all show the same slice, some mirrored, upside down, brighter or darker than the first."}, "figure": {"name": "fig-families", "caption": "The largest families of copies, a line each: up to ten of their files, and how many there are."}}
families = dataset_audit.families(frame, facts)
copies.families(folder, families)

# %% [markdown]
# ## Copies side by side
#
# Pairs across Training and Testing come first. A turned copy has other pixels and bytes: neither a hash nor a plain difference finds it,
# while a network trained with random flips is taught that the two are the same.

# %% mystnb={"image": {"alt": "Pairs of brain images side by side that show the same slice, the right one mirrored, upside down or turned."}, "figure": {"name": "fig-twins", "caption": "Copies: byte for byte identical, and by how one is turned against the other. Over each image its folder and name."}}
examples = dataset_audit.examples(frame, facts)
pair_titles = examples["kind"] + ", similarity " + examples["similarity"].map("{:.3f}".format)
copies.file_pairs(folder, examples, pair_titles)

# %% [markdown]
# ## Where the thresholds stand
#
# Among tumour-free files the peak at the right is copies, with hardly a pair between it and the lower threshold. Among tumour files, neighbouring
# slices of one known patient (kept together by `patients` anyway) reach up to the higher threshold and a little beyond. So two files of unknown
# patients are joined from the lower threshold on, all others from the higher; keypoints either agree or not. The archive's slice numbers allow an
# independent test: no second copy is missed, and of 3,064 different slices three, neighbours of one patient, are wrongly taken for one picture.

# %% mystnb={"image": {"alt": "Histograms of similarities on a logarithmic scale, each with a dashed line at its threshold: a peak of copies at the right of it; for tumour files neighbouring slices to its left."}, "figure": {"name": "fig-similarity", "caption": "Similarities of pairs of files, and, for the real images, of each file's thumbnail with its nearest figshare slice (symmetric logarithmic scale). Dashed: the threshold."}}
copies.similarities(facts.similarity, dataset_audited.THRESHOLDS)

# %%
Markdown(dataset_audited.similarity_thresholds_said(facts))

# %% [markdown]
# Pairs drawn at random from just above and just below the thresholds show what they decide.

# %% mystnb={"image": {"alt": "Pairs of brain images drawn at random beside the thresholds; over each the threshold, the side of it and the similarity. Above the thresholds nearly all show one slice, below most show similar ones."}, "figure": {"name": "fig-around", "caption": "Pairs of files just above and just below each threshold, two images per pair, drawn at random; over the left one the side and the similarity, over the right one which threshold."}}
files, row_titles = dataset_audited.beside_thresholds(facts)
copies.file_rows(folder, files, titles=row_titles)

# %%
Markdown(dataset_audited.eye_said(dataset_audited.looked_at(facts), facts))

# %% [markdown]
# ## Identical files
#
# The simplest kind of leakage needs no descriptor: the same bytes under two names.

# %%
tables.show(
    dataset_audited.identical(frame),
    name="tab-copies",
    caption="Contents that two or more files share byte for byte.",
)

# %% [markdown]
# ## Labels that contradict each other
#
# Copies of one picture belong in one class's folder. Otherwise a label is wrong; the archive, which labels each patient, says which one, and may err itself.

# %%
Markdown(dataset_audited.labels_said(facts, chapter.phantoms))

# %% mystnb={"image": {"alt": "Pairs of images that are copies of each other and stand in folders of different classes; empty where there are none."}, "figure": {"name": "fig-label-errors", "caption": "Files that contradict a copy: left the file in doubt, right its copy in the other class's folder."}}
contradictions = dataset_audit.contradictions(facts)
folders = contradictions.map(lambda file: file.split("/")[1])
copies.file_pairs(folder, contradictions, folders["left"] + " or " + folders["right"] + "?")

# %% [markdown]
# ## Something seen where nothing should be
#
# No archive speaks for the tumour-free files. Some of them look as if something were there, and some, as some meningiomas, look like CT.

# %% mystnb={"image": {"alt": "Small brain images, most from the tumour-free folder, in which a layman notices a bright or dark area, a ring, or that the picture is a CT scan."}, "figure": {"name": "fig-candidates", "caption": "Files to look at again, in the order of the table below, which says why. No radiologist has judged them."}}
candidates = dataset_audited.candidates(frame, facts)
copies.files(folder, candidates["file"])

# %%
heads = {"file": "File", "seen": "What a layman sees", "copies": "Files of the picture"}
tables.show(
    candidates[list(heads)].rename(columns=heads),
    name="tab-candidates",
    caption="Files to look at again, by eye: candidates for wrong labels among the tumour-free, CT, "
    "and what is no scan.",
)
Markdown(dataset_audited.candidates_said(candidates))

# %% [markdown]
# ## Class by source
#
# Whatever differs between collections (scanner, sequence, contrast agent, view, cropping, format) goes with the class, and may be learnt instead of the tumour.

# %% mystnb={"image": {"alt": "One bar a class, split into shares by source: the figshare archive, a second copy of it, and unknown."}, "figure": {"name": "fig-sources", "caption": "Files of each class by source: from the figshare archive, a second copy of one of its slices, unknown. For phantoms all are unknown."}}
by_source = dataset_audit.source_counts(frame, facts)
charts.class_shares(
    by_source, f"share of the class's files; from full to pale: {', '.join(by_source.columns)}"
)

# %% [markdown]
# The files' sizes and colour modes follow the sources:

# %%
image_sizes = dataset_audited.sizes_and_modes(frame)
tables.show(
    dataset_audited.sizes_and_modes_text(image_sizes),
    name="tab-sizes",
    caption="Share of each class's files that have the most common size, the number of different sizes, and "
    "the share in each colour mode.",
)
Markdown(dataset_audited.image_sizes_said(image_sizes))

# %% [markdown]
# ## Patients
#
# Images of one patient share head, tumour and scanner. What a model is worth for *new* patients is seen only where no patient stands on two sides,
# and with a precision set by the number of patients, not of images. The archive has 233 patient numbers. Numbers that differ only in a last
# letter are counted here as one patient: 42 numbers, all of gliomas, become 18 patients, and 209 are left. That is an assumption. If it is wrong,
# the splits keep more together than they must, and there are up to 233 patients.

# %% mystnb={"image": {"alt": "One panel a class with known patients: bars of the number of files of each patient, in falling order, and a dotted line at the median."}, "figure": {"name": "fig-patients", "caption": "Files of each patient, one bar a patient; in the title the number of patients of the class."}}
copies.group_sizes(dataset_audited.patient_sizes(chapter.dataset, facts, chapter.settings.data.source))

# %%
tables.show(
    dataset_audited.patient_table(facts),
    name="tab-patients",
    caption="Files, and patients known, of each class in each part of the patient-grouped split. Files "
    "without a known patient (0 patients) are kept together with their copies only; a wrong label counts its "
    "patient in the wrong class.",
    data=facts.patients,
)

# %%
known = dataset_audited.patient_known(frame, facts, chapter.phantoms)
prose.say(
    dataset_audited.patients_said(frame, facts, known),
    dataset_audited.groups_said(splits.clusters(chapter.dataset), known),
)

# %% [markdown]
# ## Every family of copies
#
# Search for a file name or a class, sort by any column. *Turned* counts files flipped relative to the family's first, *identical* those that share
# their bytes, *similarity* is the lowest of a file with its nearest copy. The table is `results/twins.csv`, one row per file.

# %%
twin_groups = dataset_audit.group_list(frame, facts)
sortable.show(twin_groups, "twin-groups", f"{len(twin_groups):,} families of copies", lists=("names",))
