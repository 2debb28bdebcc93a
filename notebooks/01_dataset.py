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
# # 1. The dataset
#
# **Reproduces:** Table 2 (images of each class in each part) and Figure 7 (samples of each class).
# **Takes:** seconds; nothing is trained.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"data.protocol": "twins"}

# %% tags=["hide-input"]

from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits
from gcaf_lib.data.preprocess import decode
from gcaf_lib.display import charts, pictures, tables
from gcaf_lib.evaluation import units
from gcaf_lib.findings import dataset
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import CLASSES

chapter = open_chapter("01_dataset", profile, overrides, need_images=True)
chapter.strip()

# %% [markdown]
# ## Four classes, three sources
#
# The images come from three older collections that were put together and published again (figshare, SARTAJ and Br35H;
# the [datasheet](/datasheet.md) has what is known of them). The paper
# splits them into training, validation and test parts, each class in the same ratio; how else it doesn't say, so here the split is random over images.

# %%
frame = chapter.dataset.frame
split = splits.load(chapter.settings.data, chapter.dataset)
counts = units.class_counts(frame["label"], split["part"], CLASSES)

# %% mystnb={"image": {"alt": "Horizontal bars: number of images of each class in the training, validation and test part."}, "figure": {"name": "fig-class-counts", "caption": "Images of each class in each part of the split. The parts keep the ratio of the classes."}}
charts.class_counts(counts)

# %% [markdown]
# What the files and the split manifest give, beside the paper's Table 2:

# %%
beside = dataset.beside_published(counts, paper.table(2))
tables.show(
    beside,
    name="tab-class-counts",
    caption="Images of each class in each part; where the paper's Table 2 differs, its count is in brackets.",
)
Markdown(dataset.counts_said(beside))

# %% [markdown]
# ## What the images look like
#
# The images differ in size, orientation and contrast; according to the Kaggle page's author those without a tumour come
# from another collection (Br35H) than the rest, and a network can learn to recognise the collection without looking at any tumour.

# %% mystnb={"image": {"alt": "Grid of magnetic resonance images, one row of samples for each of the four classes."}, "figure": {"name": "fig-samples", "caption": "Samples of each class at their own proportions, as the files are (the paper's Figure 7)."}}
picked = frame.groupby("label", group_keys=False).sample(5, random_state=0).sort_values(["label", "file"])
images = [decode(chapter.dataset.root / name) for name in picked["file"]]
pictures.sample_grid(images, picked["label"].to_numpy(), CLASSES)
