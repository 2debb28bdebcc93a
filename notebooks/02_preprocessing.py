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
# # 2. Preprocessing and augmentation
#
# **Reproduces:** Figure 2 (an image through the preprocessing), Figure 3 (its intensities before and
# after), Figure 4 (augmented views), Equations 1 and 2.
# **Takes:** seconds; nothing is trained.

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"data.clahe_clip": 4}

# %% tags=["hide-input"]
import numpy as np
from IPython.display import Markdown

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data.preprocess import clahe, decode, preprocess
from gcaf_lib.display import mechanisms, pictures, tables
from gcaf_lib.findings import preprocessing
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import CLASSES

chapter = open_chapter("02_preprocessing", profile, overrides, need_images=True)
chapter.strip()

# %% [markdown]
# ## Contrast, tile by tile
#
# The first step changes brightness only: of hue, saturation and value, the value $X^v$ is equalised by CLAHE. In each of
# $\tau \times \tau$ tiles the grey levels are spread out by their own histogram, which is clipped at the limit $\alpha$ first, so
# that noise in flat regions is not blown up.
#
# $$X_i^{v'} = \mathrm{CLAHE}(X_i^{v};\, \alpha,\, \tau) \tag{1}$$
#
# Neither $\alpha$ nor $\tau$ is given in the paper (the settings say what is used here). As in the paper the image is equalised
# first; at which resolution the paper doesn't say. Here it is the file's own, and the result is resized, with area averages where it shrinks. An
# MR slice is grey: its value *is* its grey level, and hue and saturation matter only for the few files that carry colour.

# %%
frame, data = chapter.dataset.frame, chapter.settings.data
paper_size = paper.at_published_size(data)
meningiomas = frame[frame["label"] == CLASSES.index("meningioma")]
large = meningiomas[meningiomas["height"] >= meningiomas["height"].median()]
path = chapter.dataset.root / large.sample(1, random_state=1)["file"].item()

original = decode(path)
enhanced = clahe(original, data.clahe_clip, data.clahe_tiles)
value, value_after = preprocessing.brightness(original), preprocessing.brightness(enhanced)

# %% mystnb={"image": {"alt": "The same slice five times: as the file is, its value channel, the value channel with more local contrast after CLAHE, resized to the paper's input size, and resized to this profile's input size."}, "figure": {"name": "fig-preprocessing", "caption": "One image through the preprocessing (the paper's Figure 2). The last tile is what the network of this page's profile sees."}}
pictures.preprocessing_steps(
    {
        "file": original,
        "value": value,
        "value, CLAHE": value_after,
        f"{paper_size.image_size} px": preprocess(path, paper_size),
        f"{data.image_size} px (used)": preprocess(path, data),
    }
)

# %% [markdown]
# The steps written out by hand give the very pixels that training reads:

# %%
Markdown(preprocessing.same_pixels_said(enhanced, path, data))

# %% [markdown]
# ## What this does to the intensities
#
# The next picture leaves out the background, which fills much of a slice and would hide the rest: the head is what is brighter than
# half of Otsu's threshold. CLAHE spreads the crowded levels out: the peak becomes lower, and mass moves towards the bright end.

# %% mystnb={"image": {"alt": "Two histograms of grey levels of one image: before CLAHE, and after it, where the levels are spread more evenly."}, "figure": {"name": "fig-intensities", "caption": "Grey levels of the head in that image before and after CLAHE (the paper's Figure 3)."}}
head = preprocessing.bright_mask(value)
pictures.intensities(value[head], value_after[head])

# %% [markdown]
# One image is an anecdote. Over a sample of every class, three numbers on the scale of 0 to 255: the
# mean grey level, the global contrast (standard deviation over the image) and the local contrast
# (the standard deviation inside a tile, averaged over tiles).

# %%
per_class = min(40, frame["label"].value_counts().min())
tables.show(
    preprocessing.contrasts(chapter.dataset, data, per_class),
    name="tab-clahe",
    caption=f"CLAHE over {per_class} images of each class, before → after; the ratio is mean ± standard "
    "deviation over images.",
)

# %% [markdown]
# The clip limit is the knob that decides how strong this is; a high one brings out noise as well as anatomy. The
# paper reports no run with another limit, or without CLAHE.

# %% mystnb={"image": {"alt": "The same slice with CLAHE at clip limits 1, 2, 4, 8 and 16: contrast and noise grow from left to right."}, "figure": {"name": "fig-clahe-clip", "caption": "The same slice with other clip limits; the number of tiles stays."}}
limits = (1, 2, 4, 8, 16)
pictures.preprocessing_steps({f"clip {clip}": clahe(original, clip, data.clahe_tiles) for clip in limits})

# %%
Markdown(preprocessing.clips_said(original, limits, data.clahe_tiles))

# %% [markdown]
# ## Normalisation
#
# Every backbone then gets its input centred and scaled, channel by channel, with the mean and standard
# deviation of the ImageNet images:
#
# $$X_i' = \frac{X_i / 255 - \mu_{\mathrm{ImageNet}}}{\sigma_{\mathrm{ImageNet}}} \tag{2}$$
#
# (The division by 255 is implied in the paper: $\mu$ and $\sigma$ are given for values from 0 to 1.) That is one
# layer of the model, applied once, and both backbones share it: the setting
# `model.normalisation=explicit`. The other setting, `native`, gives each backbone what its ImageNet
# weights were trained with. Keras builds that into EfficientNetV2 and ConvNeXt by default; a script that
# follows Equation 2 *and* leaves Keras's defaults on normalises twice. The paper does not say which
# of the three it did.

# %%
from gcaf_lib.model import backbones

inputs = np.stack(
    [preprocess(chapter.dataset.root / f, data) for f in frame.sample(64, random_state=0)["file"]]
)
keys = {"EfficientNetV2-S": "efficientnetv2-s", "ConvNeXt-Tiny": "convnext-tiny"}
explicit = np.asarray(backbones.normalise(inputs.astype("float32")))
native = {name: np.asarray(backbones.normalise(inputs.astype("float32"), key)) for name, key in keys.items()}

# %% mystnb={"image": {"alt": "Two histograms of input values. For EfficientNetV2-S the explicit normalisation spreads the values about twice as wide as its native one; for ConvNeXt-Tiny both are the same."}, "figure": {"name": "fig-normalisation", "caption": "What each backbone is fed under Equation 2 and under Keras's own normalisation (64 images; logarithmic)."}}
mechanisms.input_ranges(explicit, native)

# %%
Markdown(preprocessing.normalisations_said(explicit, native))

# %% [markdown]
# For EfficientNetV2-S this is more than a detail. Its first convolution is followed by batch
# normalisation, whose running mean and variance were collected on inputs of the native range. In both
# training stages batch normalisation stays frozen, and the first layers are never among the top layers
# that stage 2 trains, so nothing in the recipe can adapt them to the wider range; only later layers can
# compensate. Weights that were trained under Equation 2 itself (in-domain, from scratch) have no such
# mismatch; the strip above says where this page's weights start from.
#
# ## Augmentation
#
# During training each image is flipped left-right and upside-down, each with probability one half,
# and its brightness and contrast are shifted by small random amounts. The paper names the four
# operations, not their strength; the library behind them is named as OpenCV and TensorFlow. These are the
# layers that this page's backend uses:

# %%
import keras

from gcaf_lib.model.augment import augmentation

training_settings = chapter.settings.training
layers = augmentation(training_settings)
tables.show(
    preprocessing.augmentations(layers),
    name="tab-augmentation",
    caption=f"Augmentation layers on the {keras.backend.backend()} backend, and their effect as measured.",
)

# %% [markdown]
# On TensorFlow they are KerasCV's layers, on other backends Keras's own of the same names, which replaced
# them; a test checks that both behave alike. Flipping takes two layers: a single Keras layer for both
# directions draws one number for both and could only turn an image by 180 degrees.

# %% mystnb={"image": {"alt": "One slice and eleven augmented views of it, mirrored, upside-down, a little brighter or darker."}, "figure": {"name": "fig-augmentation", "caption": "An image and augmented views of it, made by the layers above (the paper's Figure 4)."}}
views = np.repeat(preprocess(path, paper_size)[None].astype("float32"), 11, axis=0)
for layer in augmentation(training_settings):
    views = layer(views, training=True)
pictures.augmentation_grid(preprocess(path, paper_size), np.asarray(views).round().astype(np.uint8))

# %% [markdown]
# Two things to keep in mind. An upside-down head is no view that a scanner gives; the paper flips
# vertically all the same, so this is done here. And a left-right flip turns a slice into its mirrored copy:
# where the dataset holds a slice in one part and its mirrored twin in another, training with flips
# has seen that twin too, up to a small change of brightness and contrast. Chapters 16 and 17 count such copies.
#
# The paper gives two orders (§4.1): "the augmented image is resized" and normalised, and $X^{\mathrm{aug}} = \mathcal{T}(X')$,
# augmentation after normalisation. Here it comes after resizing and before normalisation, on 0 to 255, the range
# for which the layers are made. Before or after normalisation is the same up to one thing: flips
# and shifts commute with a fixed scaling of each channel, but clipping at black and white happens here
# and not there. How much it touches:

# %%
Markdown(preprocessing.clipping_said(augmentation(training_settings), inputs))
