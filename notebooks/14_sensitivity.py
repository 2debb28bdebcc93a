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
# # 14. Sensitivity
#
# **Reproduces:** Table 8 (sensitivity to batch size, Mixup α, focal γ and label smoothing ε), and what Section 5.8 says of the
# focal α without a table.
# **Takes:** seconds from the run records; nothing is trained.
#
# One setting is changed at a time, all others stay as they are. The paper concludes that its settings are the best ones and that leaving
# them costs accuracy. Two questions: does the accuracy move by more than chance, and is what moves it the thing that was named?

# %% tags=["parameters"]
profile = "cpu"  # or "demo", "paper"
overrides = {}  # such as {"data.protocol": "patients"}

# %% tags=["hide-input"]
import keras
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from gcaf_lib.data import splits
from gcaf_lib.evaluation import attainability, significance
from gcaf_lib.model import losses
from gcaf_lib.report import ablation, book, figures, paper, tables, training_tables

chapter = book.open_chapter("14_sensitivity", profile, overrides)
records = chapter.records("table-8")
main = chapter.records("main").get(paper.PROPOSED, [])
chapter.strip({r.key: r for group in [main, *records.values()] for r in group}.values())

# %% [markdown]
# ## The picture
#
# One panel a setting. The pale band is the 95 % interval of the default setting: what the same runs might have scored on
# other patients. A dot outside the band would have moved visibly; one inside may have moved, and the paired differences further
# down say whether it did.

# %% mystnb={"image": {"alt": "Five panels: batch size, Mixup alpha, focal gamma, label smoothing and focal alpha. In each the measured accuracy against the value, with its interval, the paper's figures as open diamonds, and the interval of the default setting as a pale band across all panels."}, "figure": {"name": "fig-table-8", "caption": "Table 8 as a picture: test accuracy against the value of one setting. A value without a run has no dot; the paper gives no figures for the focal α."}}
frame = ablation.measure("table-8", records, chapter.dataset, main, ("accuracy", "macro_f1", "ece"))
frame[["setting", "value"]] = frame["row"].str.split(" = ", expand=True)
short = {"Batch Size": "Batch size", "Label Smoothing ε": "Smoothing ε"}
accuracy = frame[frame["metric"] == "accuracy"].assign(
    parameter=frame["setting"].replace(short), measured=frame["mean"]
)
if chapter.phantoms:  # the paper's figures are of patients' images: they have no place beside phantoms
    accuracy["published"] = np.nan
own = accuracy[accuracy["reference"].astype(bool) & (accuracy["n"] > 0)]
band = tuple(own[["low", "high"]].iloc[0]) if len(own) else None
figures.sensitivity(accuracy, band)

# %% [markdown]
# ## The table
#
# Section 5.8 says that the settings were chosen by their accuracy on the validation part, so that part stands beside the test part here.

# %%
val = {
    row: [(r.probabilities("validation").argmax(1) == r.labels("validation")).mean() for r in group]
    for row, group in records.items()
}
table = ablation.table(frame, first="Setting", differences=("accuracy", "ece"), to="default")
place = list(table).index("95 % interval") + 1
table.insert(
    place,
    "Validation (%)",
    [f"{100 * np.mean(val[row]):.2f}" if row in val else "–" for row in table["Setting"]],
)
tables.show(
    table,
    name="tab-sensitivity",
    caption="One setting changed at a time, on the test part: mean ± standard deviation over n seeds, the paper's figure in square brackets, "
    "95 % cluster-bootstrap intervals over patients, and the paired difference to the default setting over the seeds that both have.",
    data=frame,
)

# %% [markdown]
# ## How far the paper's figures move

# %% tags=["hide-input"]
told = paper.find("Table 8", metric="accuracy")
values = [f.value for f in told]
images = int(paper.published("§5.1", metric="testing"))
best = max(values)
right = attainability.counts(best, told[0].decimals, images, percent=True)[0]
wilson = significance.wilson(right, images)
inside = [v for v in values if 100 * wilson.low <= v <= 100 * wilson.high]
default = [f for f in told if f.value == best]
others = len(told) - len(default)
display(
    Markdown(
        f"Table 8 goes from {min(values):.2f} to {best:.2f} %: {best - min(values):.2f} points, "
        f"{(best - min(values)) / 100 * images:.1f} of {images} test images. Its {len(default)} best rows are one and the same setting, the "
        f"default. Wilson's 95 % interval of {right} right of {images} goes from {100 * wilson.low:.2f} to {100 * wilson.high:.2f} %, "
        f"{100 * (wilson.high - wilson.low):.2f} points, and holds {len(inside)} of the {len(told)} figures. "
        + (
            "The whole table would fit into what a second draw of as many test images does to a single model. "
            if len(inside) == len(told)
            else f"{len(told) - len(inside)} lie outside what a second draw of as many test images does to a single model. "
        )
        + "The interval takes images as independent, which slices of one patient are not; the honest one is wider. A comparison on the "
        "*same* images can show smaller differences than that, but for it one must know how the settings' errors overlap, and over how many "
        f"runs each figure is a mean; the paper says neither.\n\nAll {others} other figures are below the default. Had no setting any effect, and had the default not been "
        f"chosen by looking at these figures, it would come out on top of {others + 1} settings with probability 1/{others + 1}."
    )
)

# %% [markdown]
# ## How far ours move

# %% tags=["hide-input"]
rows = accuracy[~accuracy["reference"].astype(bool)].set_index("row")
run = rows[rows["pairs"] > 0]
below, above, undecided = ablation.sides(rows)


def listed(part):
    return "; ".join(f"{row}: {ablation.difference_text(r)}" for row, r in part.iterrows())


said = []
if not len(run):
    said.append(
        "Under this profile no setting but the default has been run, so nothing is said about sensitivity yet. The remarks on the "
        "paper's figures above, and on batch size and the focal α below, do not wait for runs."
    )
else:
    said.append(
        f"{len(run)} of {len(rows)} other values have been run. "
        + (
            f"Below the default, with an interval that leaves 0 out, in points: {listed(below)}. "
            if len(below)
            else "None is below the default with an interval that leaves 0 out. "
        )
        + (f"Above it: {listed(above)}. " if len(above) else "None is above it. ")
        + (f"The other {len(undecided)} are not told apart from the default." if len(undecided) else "")
    )
    lines = []
    for name, part in accuracy.groupby("setting", sort=False):
        seen = part.dropna(subset=["mean"])
        theirs = [f.value for f in told if f.row.rpartition(" ")[0] == name]
        if len(seen) > 1:
            lines.append(
                f"- {name}: {100 * (seen['mean'].max() - seen['mean'].min()):.2f} points between the best value ({seen.loc[seen['mean'].idxmax(), 'value']}) "
                f"and the worst ({seen.loc[seen['mean'].idxmin(), 'value']})"
                + (
                    f"; the paper has {max(theirs) - min(theirs):.2f}"
                    if theirs
                    else "; the paper gives no figures"
                )
            )
    said.append("How far each setting moves the accuracy:\n\n" + "\n".join(lines))
    higher = run[run["difference"] > 0]
    said.append(
        f"On the seeds that both have, {len(higher)} of {len(run)} other values score above the default on the test part, {len(above)} of them by more than the interval."
    )

    def common(part, row):
        """Validation accuracy of a value over the seeds that all values of its setting have."""
        seeds = set.intersection(*({r.seed for r in records[one]} for one in part["row"] if one in val))
        return np.mean([v for r, v in zip(records[row], val[row]) if r.seed in seeds])

    chosen = {
        # where several are equal the default stays
        name: max(
            (row for row in part["row"] if row in val),
            key=lambda row: (common(part, row), row in own["row"].values),
        )
        for name, part in accuracy.groupby("setting", sort=False)
        if sum(row in val for row in part["row"]) > 1
    }
    kept = [row for row in chosen.values() if bool(accuracy.set_index("row").loc[row, "reference"])]
    said.append(
        f"Choosing by the validation part, as Section 5.8 says, would keep the default in {len(kept)} of {len(chosen)} settings"
        + (
            "."
            if len(kept) == len(chosen)
            else ", and take " + ", ".join(row for row in chosen.values() if row not in kept) + "."
        )
    )
    most = int(run["pairs"].max())
    spread = 100 * np.ptp([(r.probabilities().argmax(1) == r.labels()).mean() for r in main])
    said.append(
        (
            "One run a value: the intervals speak of other test images, not of other seeds. "
            if most == 1
            else f"Up to {most} seeds a value. The intervals speak of other test images; what other seeds do is the ± of the table. "
        )
        + (
            f"The yardstick for seeds: the {len(main)} runs of the default, which differ in nothing but the seed, are {spread:.2f} points apart from best to worst."
            if len(main) > 1
            else ""
        )
    )
display(Markdown("\n\n".join(said)))

# %% tags=["hide-input"]
gaps = frame[(frame["metric"] == "ece") & ~frame["reference"].astype(bool)].set_index("row")
moved = gaps[[ablation.separated(r) for _, r in gaps.iterrows()]]
if gaps["pairs"].any():
    display(
        Markdown(
            "Calibration is what γ and ε are about: both decide how sure the loss wants the model to be (chapter 5). "
            + (
                f"The ECE changes, with an interval that leaves 0 out, for {listed(moved)} (less is better)."
                if len(moved)
                else "Yet no value changes the ECE with an interval that leaves 0 out."
            )
        )
    )

# %% [markdown]
# Many differences are looked at together, so one or two in twenty outside their interval are to be expected where nothing happens.
#
# ## What the batch size changes besides the batch
#
# The number of epochs stays, so a batch twice as large takes half as many steps, at the same learning rate. And the weights that are
# judged are a moving average over steps (Eq 18): with few steps more of its starting point is left in it. Both are
# arithmetic, and neither has to do with "noisy gradients" or generalisation.

# %%
split = splits.load(chapter.settings.data, chapter.dataset)
training = chapter.settings.training
count = int((split["part"] == "train").sum())
lines = []
for size in (int(v) for v in frame.loc[frame["setting"] == "Batch Size", "value"].unique()):
    steps = [count // size * epochs for epochs in (training.stage1_epochs, training.stage2_epochs)]
    group = records.get(f"Batch Size = {size}", [])
    scores = {
        which: [(r.probabilities("test", which).argmax(1) == r.labels()).mean() for r in group]
        for which in ("raw", "ema")
    }
    lines.append(
        {
            "Batch size": size,
            "Steps, stage 1": steps[0],
            "Steps, stage 2": steps[1],
            "Left of stage 2's start (%)": f"{100 * training_tables.remaining(training.ema, steps[1]):.1f}",
            "Accuracy, averaged weights (%)": tables.mean_sd(scores["ema"], scale=100),
            "Accuracy, raw weights (%)": tables.mean_sd(scores["raw"], scale=100),
        }
    )
tables.show(
    pd.DataFrame(lines),
    name="tab-batch-steps",
    caption=f"Steps that each batch size takes on {count:,} training images if no epoch is cut short, and the share of the moving average (decay "
    f"{training.ema:g}) that is still the starting weights of stage 2 after them.",
)

# %% [markdown]
# ## A constant α does nothing
#
# Section 5.8 varies the class-balancing factor from one constant to another and finds that lower values neglect the minority classes. A
# constant can't: it multiplies the whole loss, whatever the class,
#
# $$\mathcal L_{\alpha} = \alpha\, \mathcal L_1 , \qquad \nabla \mathcal L_{\alpha} = \alpha\, \nabla \mathcal L_1 ,$$
#
# and Adam divides the gradient by its own running size, so that the factor drops out of every step,
#
# $$\Delta w = -\eta\, \frac{\alpha\, \hat m}{\sqrt{\alpha^2\, \hat v} + \epsilon} \;\approx\; -\eta\, \frac{\hat m}{\sqrt{\hat v}} .$$
#
# Only Adam's own $\epsilon = 10^{-7}$, which is there to avoid a division by zero, sees the difference. The comparisons of validation losses that stop a stage or
# reduce its rate do not see it either: they ask which is smaller. Adam on the same gradients, times 0.25, 0.5 and 0.75:


# %%
def walk(alpha, steps=200, rate=3e-4):
    """Where Adam takes a weight vector along a fixed row of gradients times `alpha`."""
    rng = np.random.default_rng(0)
    weight, adam = keras.Variable(np.zeros(1000, "float32")), keras.optimizers.Adam(rate)
    for _ in range(steps):
        adam.apply([alpha * rng.normal(0.1, 1, 1000).astype("float32")], [weight])
    return keras.ops.convert_to_numpy(weight)


constants = [float(v) for v in frame.loc[frame["setting"] == "Focal α", "value"].unique() if v[0].isdigit()]
paths = {alpha: walk(alpha) for alpha in constants}
off = max(np.abs(paths[alpha] - paths[constants[0]]).max() for alpha in constants)
moved_by = np.abs(paths[constants[0]]).max()

# %% tags=["hide-input"]
counts = np.bincount(chapter.dataset.frame.loc[(split["part"] == "train").to_numpy(), "label"], minlength=4)
weights = losses.class_weights(counts[counts > 0], "inverse-frequency")
text = [
    f"The weights moved by up to {moved_by:.3f}; the ends differ by {off:.0e} at most. Only an α of its own for each class can shift anything "
    f"between classes. Inverse frequency gives {', '.join(f'{w:.2f}' for w in weights)}: the nearer these are to each other, the less there is to "
    "balance."
]
runs = {alpha: {r.seed: r for r in records.get(f"Focal α = {alpha:g}", [])} for alpha in constants}
pairs = [
    (runs[a][seed], runs[b][seed])
    for i, a in enumerate(constants)
    for b in constants[i + 1 :]
    for seed in sorted(set(runs[a]) & set(runs[b]))
]
if pairs:
    changed = [(p.probabilities().argmax(1) != q.probabilities().argmax(1)).mean() for p, q in pairs]
    far = max(np.abs(p.probabilities() - q.probabilities()).max() for p, q in pairs)
    plain = [
        (p.probabilities().argmax(1) != q.probabilities().argmax(1)).mean()
        for i, p in enumerate(main)
        for q in main[i + 1 :]
    ]
    text.append(
        f"In the trained models: two runs with different constants and the same seed give {min(changed):.1%} to {max(changed):.1%} of the test images a different "
        f"class, and no probability differs by more than {far:.3f}. "
        + (
            f"Two runs of the default with different seeds disagree on {min(plain):.1%} to {max(plain):.1%}. "
            if plain
            else ""
        )
        + (
            "The constants are one setting under three names."
            if max(changed) == 0
            else "What is left of a difference is rounding that training has magnified, less than another seed does."
            if plain and max(changed) < min(plain)
            else "What is left of a difference is rounding, and Adam's ε, magnified by training; without a second seed of the default there is nothing to measure it by."
            if not plain
            else "That is as much as another seed does: rounding and Adam's ε in the first steps, magnified by training, are enough to send a run "
            "elsewhere, and no more than that needs to be seen in it."
            if max(changed) <= max(plain)
            else "That is more than another seed does: where gradients are so small that Adam's ε counts beside them, the constant is not quite without effect."
        )
    )
else:
    text.append("No two constants have been trained under this profile yet.")
display(Markdown("\n\n".join(text)))

# %% [markdown]
# The paper has inverse frequency in Table 3 and one constant in Sections 5.2 and 5.8 (chapter 22). By the argument above it does not matter which
# constant; the choice that can matter is between any constant and inverse frequency, which is the default here.

# %% tags=["hide-input"]
note = {
    "demo": "These are phantoms and miniature networks trained for minutes: the page shows the method.",
    "cpu": "These are miniature networks on small images, trained for fewer epochs than Table 3 asks; which settings matter may differ at full size. The arithmetic "
    "of the paper's figures, of the batch size and of α holds at any size.",
}.get(profile, "")
display(Markdown(note))
