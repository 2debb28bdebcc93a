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
# # 11. Fusion
#
# **Reproduces:** Table 4 (fusion strategies), and adds three variants to its four.
# **Takes:** a minute or two from the run records; one small model is built to look at its gradients, nothing is trained. Under `demo` no runs are published:
# without `gcaf sweep table-4 table-4-patients --profile demo` its tables stay empty.
#
# Table 4 is the paper's evidence for its fusion: four ways to join the two backbones, the proposed one with the best figures. Before the numbers,
# one question has to be settled: what do the four rows compare?

# %% tags=["parameters"]
profile = "cpu"  # demo, cpu, transfer or paper
overrides = {}  # such as {"data.protocol": "patients"}

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import prose, table_charts, tables
from gcaf_lib.findings import ablation, ablation_summary, ablation_tables, fusion, matched, words

chapter = open_chapter("11_fusion", profile, overrides)
records, norm_records = (matched.table_records(chapter, name) for name in ("table-4", "projection-norm"))
fold_records, patient_runs = matched.fold_records(chapter, "table-4"), chapter.records("patients")
chapter.strip(chapter.proposed_runs(), records, norm_records, fold_records, patient_runs)

# %% [markdown]
# ## Seven ways to join two vectors
#
# $a$ and $b$ are the projected averages of the two maps (chapter 4), $\sigma$ is the logistic function, $c_{a \leftarrow b}$ what $a$ finds in $b$.
#
# | Variant | Fused vector $z$ | In Table 4 |
# |:--|:--|:--|
# | `concat` | $[a;\, b]$ | Feature Concatenation |
# | `gate` | $g \odot a + (1 - g) \odot b$, with $g = \sigma(W[a; b] + \beta)$ | Gated Fusion (No Attention) |
# | `cross` | $[a + c_{a \leftarrow b};\; b + c_{b \leftarrow a}]$, with $c_{a \leftarrow b} = \mathrm{softmax}(Q_a \cdot K_b / \sqrt d)\, V_b$ | Cross-Attention (No Gating) |
# | `gcaf` | $[g_a \odot a + (1 - g_a) \odot c_{a \leftarrow b};\; g_b \odot b + (1 - g_b) \odot c_{b \leftarrow a}]$ | Proposed |
# | `gcaf-sigmoid` | as `gcaf`, with $\sigma$ in the place of the softmax | – |
# | `gcaf-split` | as `gcaf`, each vector cut into eight tokens that attend to the other's eight | – |
# | `gcaf-token` | attention between all places of the two maps before they are averaged, then the gates | – |
#
# The first four are Table 4, by Equations 7 and 8 and our reconstruction of 9 to 13, which are missing from the text (chapter 4); the others repair
# what comes next. All that is said of attention here is of this reconstruction.
#
# ## Attention over one key is no attention
#
# $Q_a$ and $K_b$ are vectors, so $s = Q_a \cdot K_b / \sqrt d$ is one number, and the softmax runs over that one number:
#
# $$\begin{gathered} p = \mathrm{softmax}(s) = \frac{e^{s}}{e^{s}} = 1 \text{ for every } s, \\ \text{hence } c_{a \leftarrow b} = 1 \cdot V_b = W_V^b\, b . \end{gathered}$$
#
# A constant has no slope. For any loss $\mathcal L$, any image and any state of the weights
#
# $$\begin{gathered} \frac{\partial \mathcal L}{\partial W_Q^a} = \frac{\partial \mathcal L}{\partial p} \cdot \frac{\partial p}{\partial s} \cdot \frac{\partial s}{\partial W_Q^a} = 0, \\ \text{because } \frac{\partial p}{\partial s} = p\,(1 - p) = 0, \end{gathered}$$
#
# and so for $W_K^b$, $W_Q^b$ and $W_K^a$: whatever the learning rate, loss or data, they end training where chance put them at the start.
#
# The same by measurement: each fusion is given what comes out of the backbones for some images. The gradient is that of a random weighted
# sum of the fused vector: a weight that doesn't move it is moved by no loss. `gcaf-token`, whose attention starts switched off (chapter 4), has α > 0
# here.

# %%
from gcaf_lib.findings import fusion_gradients

gcaf_settings = chapter.settings.replace({"model.fusion": "gcaf"})
side, width = gcaf_settings.data.image_size, gcaf_settings.model.width
images = np.random.default_rng(0).integers(0, 256, (8, side, side, 3)).astype("float32")
streams = fusion.streams(gcaf_settings.model, side, images)
gradients = fusion_gradients.gradients(streams, width)
tables.show(
    fusion.gradient_table(gradients),
    name="tab-fusion-gradients",
    caption=f"Norm of the gradient of each kind of weight in the fusion layer (d = {width}); 0 is exactly "
    "zero, – means that a variant has no such weights.",
    data=gradients,
)
prose.say(fusion.learns_said(gradients))

# %% [markdown]
# ## What the four rows compare
#
# With $c_{a \leftarrow b} = W_V^b\, b$ the attention is gone from the formulas, and two of the rows turn out to be simpler:
#
# - `cross` is $z = [a + W_V^b b;\; b + W_V^a a]$, linear in $[a; b]$. A classifier with the kernel $[W_1; W_2]$ on this $z$ is a classifier on
#   $[a; b]$ with the kernel $[W_1 + W_V^a W_2;\; W_2 + W_V^b W_1]$: whatever `cross` computes, `concat` computes too, and the other way round.
# - `gcaf` is $z = [g_a \odot a + (1 - g_a) \odot W_V^b b;\; \ldots]$ with $g_a = \sigma(W_g^a [a; W_V^b b] + \beta_g^a)$: a gated fusion of each
#   vector with a linear map of the other. It is `gate` done twice, with a value map.
#
# Checked on the layers: `gcaf` computed without its queries and keys, and `cross` turned into `concat` with another classifier.

# %%
prose.say(fusion.compared_said(fusion.without_keys(streams, width)))

# %% [markdown]
# The default stays the reconstruction, the usual form of attention; the three repairs show whether attention that *can* learn would help.
#
# ## What each head costs

# %%
map_shapes = [features.shape[1:] for features in streams["maps"]]
here = fusion.weight_counts(width, map_shapes, len(chapter.settings.data.classes))
full = fusion.weight_counts(512, fusion.FULL_MAPS)
tables.show(
    fusion.weight_counts_table(here, full),
    name="tab-fusion-sizes",
    caption="Weights of the head (projections, fusion, classifier), of the fusion alone, and of those that "
    "can never learn: under this page's profile and at the paper's size.",
    data=pd.concat([here.assign(size="this page"), full.assign(size="full")]),
)
prose.say(fusion.weight_counts_said(full))

# %% [markdown]
# ## Table 4, measured
#
# On the left the accuracy of each variant, on the right its difference from the proposed one. The intervals on the left are wide because they
# include the choice of test patients. Judge by those on the right: the paper claims a difference, and what is hard for both models cancels out there.

# %% mystnb={"image": {"alt": "One row a fusion variant. Left: accuracy with its interval, the paper's figure as an open diamond. Right: the difference from the proposed fusion with its interval and a line at zero."}, "figure": {"name": "fig-table-4", "caption": "The paper's Table 4 as a picture: accuracy (left), and minus that of the proposed fusion on the same images (right)."}}
random_rows = ablation.measure_on_split(chapter, "table-4", records)
row_names = ablation_tables.ROW_NAMES["table-4"]
table_charts.dots(random_rows, names=row_names, show_published=chapter.show_published)

# %%
tables.show(
    ablation_tables.table(random_rows, "Fusion", row_names, chapter.show_published),
    name="tab-fusion",
    caption="Fusion variants on the test part: mean ± standard deviation "
    f"{ablation_tables.over_seeds(chapter.show_published)}, and {ablation_tables.ACCURACY_INTERVAL}",
    data=random_rows,
)

# %%
ablation_tables.show_differences(random_rows, "tab-fusion-gaps", "Fusion", row_names)
equal, repaired = fusion.equal_functions_said(records, chapter.dataset), fusion.repaired_said(random_rows)
prose.say(ablation_summary.summary_said(chapter, "table-4", random_rows, equal, repaired))

# %% [markdown]
# The intervals hold both kinds of chance, test patients and, with two or more seeds, also training (and are never narrower than one over trainings alone); *sd over seeds* shows the second alone. Chapter 15 tests with a correction for the number of differences, and asks which of them this many seeds could detect at all.
#
# ## The same on patient-disjoint folds
#
# All this is on the paper's random split, where recognising pictures is worth a great deal (chapter 17). A variant that wins there need not win on
# new patients. So here is Table 4 on five folds that keep patients whole: each image is tested once, by a model that has seen no image of its
# patient, where known (but for a few persons with two numbers, chapter 17).

# %% mystnb={"image": {"alt": "One row a fusion variant on patient-disjoint folds. Left: accuracy with its interval. Right: the difference from the proposed fusion with its interval and a line at zero. Upright strokes mark both by picture."}, "figure": {"name": "fig-table-4-patients", "caption": "Table 4 on patient-disjoint folds: accuracy (left), and minus that of the proposed fusion (right), with 95% intervals over patients and, with two or more seeds, also over trainings."}}
fold_table = ablation.measure_on_folds(chapter, "table-4", fold_records)
table_charts.dots(fold_table, names=row_names, show_published=False)

# %%
ablation_tables.show_differences(fold_table, "tab-fusion-patients", "Fusion", row_names)
better = fusion.beside_concatenation_said(fold_table, chapter.show_published)
prose.say(ablation_summary.summary_said(chapter, "table-4", fold_table, better, fold_records=fold_records))

# %% [markdown]
# ## A LayerNorm behind the projections
#
# The paper names no projection of the averaged maps; one is supplied here, and nothing behind it (chapter 4). An earlier state of this book normalised the result (LayerNorm), so that a logit did not depend
# on its length, while class activation maps take a logit for a sum over places (chapter 20 tests both). It is off by default; its effect on accuracy:

# %%
with_norm = ablation.measure_on_split(chapter, "projection-norm", norm_records)
tables.show(
    ablation_tables.table(with_norm, "Projection", show_published=False),
    name="tab-projection-norm",
    caption="The proposed model without and with LayerNorm behind its projections: mean ± standard deviation "
    "over the n seeds that both have, 95% interval of the accuracy "
    f"{words.OVER}.{ablation_tables.basis_said(with_norm)}",
    data=with_norm,
)

# %%
cost = fusion.norm_cost_said(with_norm, chapter.sweep("projection-norm"))
prose.say(cost, words.of_profile(fusion.CAVEAT, profile))
