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
# # 22. The paper audited
#
# **Reproduces:** nothing; it checks the published numbers (Tables 2 to 8, Sections 5.1 to 5.8) against each other.
# **Takes:** seconds; nothing is trained, no image is read.
#
# A reader without the authors' data can still ask which of the published numbers can be true *together*. Images are
# counted in whole numbers, so a score on a small test part has few possible values, and a report of many scores has
# fewer still. This chapter explains the test, applies it, and ends with every check in one table.

# %% tags=["parameters"]
profile = "cpu"  # changes nothing below: the paper's own figures are checked
overrides = {}

# %% tags=["hide-input"]
import numpy as np
from IPython.display import Markdown
from sklearn.metrics import classification_report, cohen_kappa_score

from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.display import attainable, sortable, tables
from gcaf_lib.findings import audit
from gcaf_lib.paper import attainability, checks, claims, registry
from gcaf_lib.paper import published as paper
from gcaf_lib.paper.attainability import Reported

chapter = open_chapter("22_audit", profile, overrides)
chapter.strip()

# %% [markdown]
# ## One figure: the GRIM test
#
# A recall is the number of images found, divided by the number there are: $k/n$. Printed with $d$ decimals it stands for
# every value within half a unit of the last decimal. If no $k/n$ falls into that window, the printed number cannot be a
# recall on $n$ images. Brown and Heathers proposed this for means of questionnaire answers and named it GRIM
# (*granularity-related inconsistency of means*). Where $n$ is much smaller than $10^d$, most printable numbers are
# impossible, and a possible one usually leaves a single $k$.

# %%
tables.show(
    audit.grim(),
    name="tab-grim",
    caption="How many images the published accuracy and recalls must have right.",
)
supports = paper.supports()
low, high = attainability.implied(supports, checks.diagonal_figures(), "recall_pituitary")
Markdown(audit.missing_recall_said(low, high, paper.published("§5.4", metric="recall_notumor")))

# %% [markdown]
# ## A whole report: which figures can be true together
#
# Precision, F1, Cohen's κ and the Matthews coefficient depend on a confusion matrix only through two integers for each class
# $c$: the images found, $t_c$, and the times that the class was predicted, $p_c$. With $n_c$ images of class $c$ and
# $N$ in all,
#
# $$
# \begin{gathered} \text{recall}_c = \frac{t_c}{n_c}, \quad \text{precision}_c = \frac{t_c}{p_c}, \\ F_{1,c} = \frac{2\,t_c}{n_c + p_c},
# \quad \kappa = \frac{N \sum t_c - \sum n_c\,p_c}{N^2 - \sum n_c\,p_c}. \end{gathered}
# $$
#
# A matrix with these margins exists exactly when
#
# $$
# \begin{gathered} 0 \le t_c \le n_c, \quad t_c \le p_c, \quad \sum p_c = N, \\ (n_c - t_c) + (p_c - t_c) \le N - \sum t_c . \end{gathered}
# $$
#
# The last condition says that the errors made *on* a class and those made *into* it are different errors. So the question concerns only a few
# integers, and it can be answered completely: `attainability.check` lists all $(t, p)$ that agree with the figures, or, where there are too many,
# searches them by integer programming. It takes figures one by one in a fixed order (accuracy, recalls, precisions, F1, κ, averages, MCC) and names,
# for one that does not fit, others that rule it out and of which it could drop none; there may be other such sets, and for the MCC a shorter one is
# put in its place. Arithmetic cannot say which of the two sides is wrong.

# %%
report_verdicts = checks.report_verdicts()
tables.show(
    audit.report_table(report_verdicts),
    name="tab-attainable",
    caption="The published classification report: which figures can be true, and the nearest values that can "
    "be beside the figures that are judged before it and hold.",
    data=report_verdicts,
)

# %% mystnb={"image": {"alt": "Three number lines. On each the published value, a diamond, lies in a gap between the values that whole numbers of images allow: precision of meningioma, F1 of pituitary, Cohen's kappa."}, "figure": {"name": "fig-attainable", "caption": "What can be and what was published. Strokes: the values of the fraction above them. Bars: every κ that a matrix with so many right can have, wherever its errors stand."}}
attainable.number_lines(audit.impossible_figures())

# %%
Markdown(audit.report_said(report_verdicts))

# %% [markdown]
# Such numbers can arise in honest ways: a figure from another run, from a validation part, an average over runs, a typing error. The check does not
# say which. It says that no single set of predictions on the test part of Table 2 gave this report.
#
# ## No false alarm
#
# A test that accuses must not accuse the innocent. The report of a real confusion matrix always passes: here one made by scikit-learn
# from random predictions (change the seed); the project's tests do this a thousand times.

# %%
rng = np.random.default_rng(0)
labels = np.repeat(list(supports), list(supports.values()))
predicted = np.where(rng.random(len(labels)) < 0.1, rng.choice(list(supports), len(labels)), labels)
sklearn_report = classification_report(labels, predicted, output_dict=True)
figures = audit.as_printed(sklearn_report, cohen_kappa_score(labels, predicted), list(supports))
passed = attainability.check(supports, figures)["attainable"]
print(f"{int(passed.eq(True).sum())} of {len(figures)} figures can be true")

# %% [markdown]
# ## Try it on another paper
#
# Open this page in Colab (the rocket above) and put in the test images of each class and the figures as they are printed. Names are `accuracy`,
# `recall_<class>`, `precision_<class>`, `f1_<class>`, `macro_f1`, `kappa`, `mcc` and the other averages that
# `attainability.check` documents; `decimals` counts those that were printed. The example is made up: a test part of 90 images, and one figure
# that cannot be.

# %%
my_supports = {"healthy": 40, "benign": 30, "malignant": 20}
my_figures = [
    Reported("accuracy", 91.11, decimals=2, percent=True),
    Reported("recall_healthy", 0.95, decimals=2),
    Reported("recall_malignant", 0.85, decimals=2),
    Reported("precision_malignant", 0.93, decimals=2),
    Reported("kappa", 0.86, decimals=2),
]
my_verdicts = attainability.check(my_supports, my_figures)
tables.show(my_verdicts, name="tab-yours", caption="The worked example: change it.")

# %%
implied = attainability.implied(my_supports, my_figures[:3], "recall_benign")
Markdown(audit.explained_said(my_verdicts, implied, "recall of benign"))

# %% [markdown]
# ## Tables 4, 5, 6 and 8: one run, or a mean?
#
# The tables of ablations and comparisons give one accuracy per row, no spread and no number of runs. An accuracy of a single run is $k/N$; a mean over
# $r$ runs is $k/(rN)$, a finer grid. The smallest $r$ that fits is a lower bound for the number of runs, if the figure is a mean at all.

# %% mystnb={"image": {"alt": "Published accuracies of the rows of Tables 4, 5, 6 and 8 as circles beside the shaded 95 percent interval of the main result; hollow circles are values that a single run cannot give."}, "figure": {"name": "fig-rivals", "caption": "The rows that the proposed setting is compared with. Shaded: Wilson 95% interval of the main result on the test images, taken as independent."}}
rivals, interval = audit.rival_rows(), audit.main_interval()
attainable.rival_accuracies(rivals, interval)

# %%
Markdown(audit.rivals_said(rivals, interval, claims.common_runs()))

# %% [markdown]
# ## The registry
#
# Every check, with what this project does about it. *Can't be true*: no single set of predictions gives it, by itself or beside other figures.
# *Contradiction*: two places of the paper differ.
# *Contradicted by the data*: the published files say otherwise. *Not one run*: at best a mean. *Inside the sampling error*: most of the table's gaps
# could be due to the choice of test images. *Open*: the paper does not say enough. `gcaf audit` prints this table and writes `results/audit.csv`;
# with `--strict` it fails where there is a contradiction.

# %%
checked = registry.registry()
tables.show(
    registry.readable(registry.failed_checks(checked)),
    name="tab-registry",
    caption="The contradiction registry: what can't be, and what contradicts itself or the data.",
    data=checked,
)

# %%
sortable.show(registry.readable(checked), "all-checks", "Every check of the audit, those that hold included")
Markdown(registry.summary_said(checked))

# %% [markdown]
# ## What this cannot see
#
# Consistent numbers need not be right, and the ROC-AUC and the ECE of a report leave too much open to be tested this way. The check
# supposes that the figures belong to the test part of Table 2, and that they were rounded to the decimals printed. Where they do
# not, the paper would have to say so.
