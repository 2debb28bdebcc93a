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
# # 16. The dataset audited
#
# **Reproduces:** nothing; it examines the dataset of Section 5.1 and Table 2, which the paper takes as it is.
# **Takes:** seconds; nothing is trained.
#
# The paper counts images. This chapter asks what the images are: which show the same picture, where they
# come from, how many patients they are of, and whether their labels are right.

# %% tags=["parameters"]
profile = "cpu"  # or "demo", "paper"
overrides = {}  # such as {"data.protocol": "twins"}

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown, display

from gcaf_lib.data import splits, twins
from gcaf_lib.data.preprocess import decode
from gcaf_lib.evaluation import audit
from gcaf_lib.report import book, browser, evidence, tables
from gcaf_lib.settings import CLASSES, DataSettings

chapter = book.open_chapter("16_dataset_audited", profile, overrides, need_images=True)
chapter.strip()

# %% [markdown]
# ## What was measured
#
# Every file is reduced to a grey thumbnail of 64×64 pixels. Two files are *twins* if their bytes are identical, or
# if the thumbnails, or one thumbnail and the mirror image of the other, correlate at the threshold below or
# more; twins of twins belong to one group. The same comparison with the slices of the figshare archive
# (Cheng 2015), from which many of the images were taken, tells which patient an image is of.
# The results are small committed tables (`results/twins.csv`, `slices.csv`, `patients.csv`, `similarity.csv`), so
# that this page needs no archive; they hold no patient numbers.
# `python -m gcaf_lib.evaluation.audit` makes them again from the images and the archive.

# %%
frame = chapter.dataset.frame
facts = audit.read(chapter.dataset)
copies = audit.copies(frame)
groups = audit.group_list(frame, facts)

# %% tags=["hide-input"]
tumours = int((frame["label"] != CLASSES.index("notumor")).sum())
mirrored = int(facts.slices["mirrored"].sum())
rows = [
    ("files", len(frame)),
    ("files that have a twin", len(facts.twins)),
    ("groups of twins", len(groups)),
    (
        "groups that stand in both Training and Testing",
        int(((groups.training > 0) & (groups.testing > 0)).sum()),
    ),
    ("different pictures, twins counted once", len(frame) - len(facts.twins) + len(groups)),
    ("files that repeat another byte for byte", int((copies["files"] - 1).sum())),
]
if len(facts.slices):
    rows += [
        ("tumour files", tumours),
        ("tumour files that show a figshare slice", len(facts.slices)),
        ("of these, mirrored left to right", mirrored),
        ("of these, as the slice stands", len(facts.slices) - mirrored),
    ]
tables.show(
    pd.DataFrame(rows, columns=["What", "Number"]),
    name="tab-audit",
    caption="The audit in numbers: counted, not estimated, so there is no interval.",
)

# %% tags=["hide-input"]
known = (
    f"Of {tumours:,} tumour files {len(facts.slices):,} ({len(facts.slices) / tumours:.1%}) show a slice of the "
    f"figshare archive: {mirrored:,} files as its mirror image, {len(facts.slices) - mirrored:,} as it stands. "
    "The mirrored ones, one for each slice, are taken to be the archive itself, the others second copies "
    "that came in through another collection. "
    if len(facts.slices)
    else "The phantoms know their patients; no archive is needed. "
)
display(
    Markdown(
        f"{len(facts.twins):,} of {len(frame):,} files ({len(facts.twins) / len(frame):.1%}) have at least one "
        f"twin. {known}A split that deals out files at random puts many pictures on both sides."
    )
)

# %% [markdown]
# ## Twins side by side
#
# Pairs that stand in both Training and Testing come first. A mirrored twin is another array of pixels and other bytes:
# neither a hash nor a plain difference finds it, while a network trained with random flips is taught that the two are
# the same.

# %% mystnb={"image": {"alt": "Pairs of brain images side by side that show the same slice; in two pairs one image is the left-right mirror image of the other."}, "figure": {"name": "fig-twins", "caption": "Twins: byte for byte identical, mirrored, and near-identical after re-encoding. Over each image its folder and name."}}
pairs = audit.examples(frame, facts)


def open_file(file):
    return decode(chapter.dataset.root / file)


def title(file):
    part, name, stem = file.split("/")
    return f"{part}, {name}\n{stem}"


evidence.image_pairs(
    [(open_file(left), open_file(right)) for left, right in zip(pairs["left"], pairs["right"])],
    [(title(left), title(right)) for left, right in zip(pairs["left"], pairs["right"])],
    [f"{kind}, correlation {value:.4f}" for kind, value in zip(pairs["kind"], pairs["similarity"])],
)

# %% [markdown]
# ## Where the threshold stands
#
# The heap at 1 is copies. To its left the pairs thin out, and then come neighbouring slices of one patient, which can be
# almost equal. The threshold stands at the foot of the heap, on the side of the neighbours: a few of them are joined
# with the copies. That errs on the safe side, because pictures that are nearly equal should not be shared between parts
# either. Between a file and its figshare slice, where the archive is at hand, there is no choice at all.

# %% mystnb={"image": {"alt": "Histograms of thumbnail correlations on a logarithmic scale with a dashed line at the threshold: a heap of copies at 1 to the right of it, neighbouring slices to the left."}, "figure": {"name": "fig-similarity", "caption": "Correlations of pairs of files above 0.9, and, for the real images, of each file with its nearest figshare slice (symmetric logarithmic scale). Dashed: the threshold."}}
evidence.similarities(facts.similarity, twins.THRESHOLD)

# %% tags=["hide-input"]
between = facts.similarity[(facts.similarity["kind"] == "files") & (facts.similarity["left"] >= 0.95)]
thin = between.loc[(between["plain"] + between["mirrored"]).idxmin()]
text = (
    f"Above 0.95 pairs of files are rarest between {thin.left:.3f} and {thin.right:.3f} "
    f"({thin.plain + thin.mirrored:,.0f} pairs); the threshold is {twins.THRESHOLD:g}. "
)
nearest = facts.similarity[facts.similarity["kind"] == "slices"]
if len(nearest):
    total = nearest["plain"] + nearest["mirrored"]
    last = nearest[(total > 0) & (nearest.right <= twins.THRESHOLD)]["right"].max()
    text += (
        f"The nearest slice of a file is either a copy (correlation at least {facts.slices['similarity'].min():.4f}: "
        f"{len(facts.slices):,} files) or not: no file lies between {last:.2f} and {twins.THRESHOLD:g}."
    )
else:
    text += "For phantoms there is no archive to compare with: the panel of slices is left out."
display(Markdown(text))

# %% [markdown]
# ## Identical files
#
# The simplest kind of leakage needs no thumbnails: the same bytes under two names.

# %%
inside = copies[(copies["training"] == 0) | (copies["testing"] == 0)]
across = copies[(copies["training"] > 0) & (copies["testing"] > 0)]
tables.show(
    pd.DataFrame(
        [
            (
                "within Training",
                (inside["testing"] == 0).sum(),
                inside.loc[inside["testing"] == 0, "files"].sum(),
            ),
            (
                "within Testing",
                (inside["training"] == 0).sum(),
                inside.loc[inside["training"] == 0, "files"].sum(),
            ),
            ("across Training and Testing", len(across), across["files"].sum()),
            ("together", len(copies), copies["files"].sum()),
        ],
        columns=["Where", "Contents", "Files"],
    ),
    name="tab-copies",
    caption="Contents that two or more files share byte for byte.",
)

# %% [markdown]
# ## Labels that contradict each other
#
# Twins should stand in folders of one class. Where they do not, one of the labels is wrong, and the archive, whose labels
# belong to a patient, tells which.

# %% tags=["hide-input"]
wrong, odd = audit.mislabelled(facts), audit.contradictions(facts)
names = {name: number for name, number in wrong["here"].value_counts().items()}
display(
    Markdown(
        f"{len(odd)} files have a twin in another class's folder. "
        + (
            f"By the archive {len(wrong)} files are in the wrong folder: "
            + "; ".join(f"`{r.file}` is a {r['class']}" for _, r in wrong.iterrows())
            + "."
            if len(wrong)
            else "No file contradicts an archive."
            if not chapter.phantoms
            else "The phantoms carry no label errors, so there is nothing to show."
        )
        + " The labels are used as published, so that results stay comparable."
    )
)

# %% mystnb={"image": {"alt": "Pairs of images that are twins of each other and stand in folders of different classes; empty where there are none."}, "figure": {"name": "fig-label-errors", "caption": "Files that contradict a twin: left the file in doubt, right its twin in the other class's folder."}}
if len(odd):
    display(
        evidence.image_pairs(
            [(open_file(left), open_file(right)) for left, right in zip(odd["left"], odd["right"])],
            [(title(left), title(right)) for left, right in zip(odd["left"], odd["right"])],
            [
                f"{left.split('/')[1]} or {right.split('/')[1]}?"
                for left, right in zip(odd["left"], odd["right"])
            ],
        )
    )
else:
    display(Markdown("There is no contradiction to show."))

# %% [markdown]
# ## Class by source
#
# Where the classes come from different collections, whatever differs between the collections (scanner, sequence, cropping, file
# format) goes with the class, and a classifier may learn it instead of the tumour.

# %% mystnb={"image": {"alt": "One bar a class, split into shares by source: the figshare archive, a second copy of it, and unknown."}, "figure": {"name": "fig-sources", "caption": "Files of each class by source: from the figshare archive, a second copy of one of its slices, unknown. For phantoms all are unknown."}}
by_source = audit.sources(frame, facts)
evidence.stacked(by_source, f"share of the class's files; from full to pale: {', '.join(by_source.columns)}")

# %% [markdown]
# The files' sizes and colour modes follow the sources:

# %%
size = frame["width"].astype(str) + "×" + frame["height"].astype(str)
common = size.value_counts().index[0]
outside = pd.DataFrame(
    {
        "Class": CLASSES,
        f"{common}": [f"{(size[frame.label == k] == common).mean():.1%}" for k in range(4)],
        "Different sizes": [size[frame.label == k].nunique() for k in range(4)],
        **{
            f"mode {mode}": [f"{(frame['mode'][frame.label == k] == mode).mean():.1%}" for k in range(4)]
            for mode in frame["mode"].value_counts().index
        },
    }
)
tables.show(
    outside,
    name="tab-sizes",
    caption="Share of each class's files that have the most common size, the number of different sizes, and the share in each colour mode.",
)

# %% tags=["hide-input"]
shares = pd.Series([(size[frame.label == k] == common).mean() for k in range(4)], index=CLASSES)
tumour_shares = shares.drop("notumor")
gap = tumour_shares.min() - shares["notumor"]
display(
    Markdown(
        f"At least {tumour_shares.min():.1%} of each tumour class but {shares['notumor']:.1%} of the images without a "
        f"tumour are {common}. "
        + (
            "The size of the file nearly answers whether there is a tumour; chapter 18 measures how far that goes."
            if gap > 0.5
            else "The size is a hint, not an answer; chapter 18 measures how far it goes."
        )
    )
)

# %% [markdown]
# ## Patients
#
# Images of one patient are not independent: same head, same tumour, same scanner. What a model is worth for *new* patients can
# only be seen where no patient stands on two sides, and the number of patients, not of images, decides how exactly it
# can be known. In the figshare archive patients whose numbers differ only in a last letter are taken as one, to be careful.

# %% mystnb={"image": {"alt": "One panel a class with known patients: bars of the number of files of each patient, in falling order, and a dotted line at the median."}, "figure": {"name": "fig-patients", "caption": "Files of each patient, one bar a patient; in the title the number of patients of the class."}}
patient = splits.load(
    DataSettings(source=chapter.settings.data.source, protocol="patients"), chapter.dataset
)["group"]
with_patient = frame["file"].isin(facts.slices["file"]) if len(facts.slices) else pd.Series(True, frame.index)
# an image whose folder contradicts the archive is no patient of that class
right = with_patient & ~frame["file"].isin(wrong["file"])
evidence.group_sizes(
    {
        name: patient[right & (frame["label"] == k)].value_counts().to_numpy()
        for k, name in enumerate(CLASSES)
        if (right & (frame["label"] == k)).any()
    }
)

# %%
parts = facts.patients[facts.patients["protocol"] == "patients"]
wide = parts.assign(text=parts["files"].map("{:,}".format) + " of " + parts["patients"].astype(str))
wide = wide.pivot(index="class", columns="part", values="text").reindex(columns=list(splits.PARTS))
tables.show(
    wide.rename_axis("Class").reset_index(),
    name="tab-patients",
    caption="Files, and patients known, of each class in each part of the patient-grouped split. Files without a known patient "
    "(0 patients) are kept together with their twins only; a wrong label counts its patient in the wrong class.",
    data=facts.patients,
)

# %% tags=["hide-input"]
test = parts[parts["part"] == "test"]
few = test[test["patients"] > 0].sort_values("patients").iloc[0]
unknown = frame.loc[~with_patient, "label"].map(dict(enumerate(CLASSES))).value_counts()
display(
    Markdown(
        f"The test part of a single 80/10/10 split has {few['patients']} patients of {few['class']}: too few for a "
        "narrow interval. That is why results with patients apart are given over five folds, in which each image is tested once. "
        + (
            "No patient is known of "
            + ", ".join(f"{n:,} {name} files" for name, n in unknown.items())
            + "; these may "
            "still share patients among themselves, so even this split is optimistic for them."
            if len(unknown)
            else "Every phantom's patient is known."
        )
    )
)

# %% [markdown]
# ## Every group of twins
#
# Search for a file name or a class, sort by any column. *Mirrored* counts files that are mirror images of the group's first
# file, *identical* those that share their bytes with another, *similarity* is the lowest correlation of a file with its
# nearest twin. The table is `results/twins.csv`, one row a file.

# %%
browser.show(groups, "twin-groups", f"{len(groups):,} groups of twins", lists=("names",))
