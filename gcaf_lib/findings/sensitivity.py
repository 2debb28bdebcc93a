"""Chapter 14: what the records of Table 8 say of each setting, and what the paper's figures can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import keras
import numpy as np
import pandas as pd

from gcaf_lib.display import tables
from gcaf_lib.evaluation import intervals
from gcaf_lib.findings import (
    ablation,
    ablation_summary,
    ablation_tables,
    difference_intervals,
    matched,
    row_lists,
    stages,
)
from gcaf_lib.model import losses
from gcaf_lib.paper import checks, published_gaps
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import TrainingSettings
from gcaf_lib.training import experiments

PLACE, METRICS = "Table 8", ("accuracy", "macro_f1", "ece")
CAVEAT = {  # by profile: what its page can't say of the paper's networks (`words.of_profile`)
    "demo": "These are phantoms and miniature networks trained for minutes: the page shows the method.",
    "cpu": "These are miniature networks on small images, trained for fewer epochs than Table 3 asks; which settings matter may differ at "
    "full size. The arithmetic of the paper's figures, of the batch size and of α holds at any size.",
}


def published_span_said() -> str:
    """How far the paper's figures of Table 8 move, beside the interval of its best one."""
    right, images = checks.main_count()
    wilson = intervals.wilson(right, images)
    values = [100 * level for level in published_gaps.printed_accuracies(PLACE)]
    best = values[0]
    low, high = 100 * wilson.low, 100 * wilson.high
    others = len(values) - 1
    return (
        f"Table 8 goes from {min(values):.2f} to {best:.2f}%: {best - min(values):.2f} points, "
        f"{(best - min(values)) / 100 * images:.1f} of {images} test images. Wilson's 95% interval of {right} right of {images} goes from "
        f"{low:.2f} to {high:.2f}% and holds {sum(low <= v <= high for v in values)} of the {len(values)} settings' figures: so far does one draw of {images} "
        "test images leave a single model's true accuracy open. The interval takes images as independent, which slices of one patient are not; one that resamples patients would be wider. "
        "A comparison on the *same* images can show smaller differences, but for it one must know how the settings' errors overlap, and over how many runs each "
        f"figure is a mean; the paper says neither.\n\nAll {others} other figures are below the default. Had no setting any effect, and had the default not been "
        f"chosen by looking at these figures, it would come out on top of {others + 1} settings with probability 1/{others + 1}."
    )


def accuracy_panels(
    frame: pd.DataFrame, show_published: bool = True
) -> tuple[pd.DataFrame, tuple[float, float] | None]:
    """What `charts.sensitivity` draws of `ablation.measure`'s frame, and the default's interval (None: not trained)."""
    part = frame[frame["metric"] == "accuracy"]
    name = part["row"].str.split(" = ").str
    short = {"Batch Size": "Batch size", "Label Smoothing ε": "Smoothing ε"}
    part = part.assign(parameter=name[0].replace(short), value=name[1], measured=part["mean"])
    own = part[part["reference"].astype(bool) & (part["n"] > 0)]
    band = tuple(own[["low", "high"]].iloc[0]) if len(own) else None
    return (part if show_published else part.assign(published=np.nan)), band


def validation(found: Mapping[str, Sequence[Any]]) -> dict[str, dict[int, float]]:
    """Row to seed to accuracy on the validation part."""
    return {
        row: {r.seed: float(r.right("validation").mean()) for r in runs}
        for row, runs in found.items()
        if runs
    }


def moved_said(frame: pd.DataFrame) -> str:
    """How far each setting moves the accuracy, a list; settings with one value trained are left out.

    frame: of `ablation.measure("table-8", …)`.
    """
    lines = []
    part = frame[(frame["metric"] == "accuracy") & (frame["n"] > 0)]
    for name, seen in part.groupby(part["row"].str.split(" = ").str[0], sort=False):
        mean = seen.set_index(seen["row"].str.split(" = ").str[1])["mean"]
        theirs = [f.value for f in paper.find(PLACE) if f.row.rpartition(" ")[0] == name]
        told = f"the paper has {np.ptp(theirs):.2f}" if theirs else "the paper gives no figures"
        if len(seen) > 1:
            lines.append(
                f"- {name}: {100 * np.ptp(mean):.2f} points between the best value ({_at(mean, mean.max())}) and the worst "
                f"({_at(mean, mean.min())}); {told}"
            )
    return "\n".join(lines)


def _at(mean: pd.Series, value: float) -> str:
    """All that have that mean: counts of images are often equal."""
    return " or ".join(mean.index[np.isclose(mean, value, rtol=0, atol=1e-9)])


def chosen_said(frame: pd.DataFrame, found: Mapping[str, Sequence[Any]]) -> str:
    """In how many settings the default is strictly best, tied for best, or beaten by the validation part, by which Sections
    5.2 and 5.8 chose, and where these differ in what.

    Means over the seeds that all trained values of a setting have; a setting without its default is left out.
    """
    known = validation(found)
    default = set(frame.loc[frame["reference"].astype(bool), "row"])
    first = {}  # of each setting the best values
    values = frame["row"].drop_duplicates()
    for setting, rows in values.groupby(values.str.split(" = ").str[0], sort=False):
        rows = [row for row in rows if row in known]
        compared = len(rows) > 1 and default.intersection(rows)
        seeds = set.intersection(*(set(known[row]) for row in rows)) if compared else set()
        if seeds:
            mean = pd.Series({row: np.mean([known[row][s] for s in seeds]) for row in rows})
            first[setting] = _at(mean, mean.max())
    if not first:
        return "Nothing can be chosen by the validation part: no setting has its default and another value trained."
    strictly = sum(best in default for best in first.values())
    better = [best for best in first.values() if not default.intersection(best.split(" or "))]
    return (
        f"By the validation part, by which the paper says that it chose (Section 5.2 by hand, of its focal loss and ε; Section 5.8 all by a grid search), the default is strictly best in {strictly} of {len(first)} settings, "
        f"tied for best in {len(first) - strictly - len(better)}, beaten in {len(better)}{': most by ' + ', '.join(better) if better else ''}. None of these differences is tested."
        f"{chosen_otherwise()}{_balance() if 'Focal α' in first else ''}"
    )


def chosen_otherwise() -> str:
    """Where Section 5.2 names another value as best by the validation part than Section 5.8; "" where the two agree."""
    values = {
        place: {f.metric: f.value for f in paper.find(place, paper.PROPOSED)} for place in ("§5.2", "§5.8")
    }
    names = {"loss.gamma": "focal γ", "loss.balance": "focal α", "loss.smoothing": "label smoothing ε"}
    differ = [
        f"{name} = {values['§5.2'][key]:g} in Section 5.2, {values['§5.8'][key]:g} in Section 5.8"
        for key, name in names.items()
        if values["§5.2"][key] != values["§5.8"][key]
    ]
    return (
        f" The paper contradicts itself on what that part chose: {'; '.join(differ)}; the default here is Table 3's (chapter 22)."
        if differ
        else ""
    )


def _balance() -> str:
    """That the default of focal α is Table 3's, where Sections 5.2 and 5.8 say that another was chosen; "" where they agree."""
    says = {s.place: s.says for s in paper.SAID if s.topic == "loss.balance"}
    table, *chose = (says[place] for place in ("Table 3", "§5.2", "§5.8"))
    if table in chose:
        return ""
    return f" Of focal α the default is Table 3's, {table}, which neither section chose (they have {' and '.join(dict.fromkeys(chose))}): its place there judges no choice of the paper's."


def batch_steps(found: Mapping[str, Sequence[Any]], chosen: TrainingSettings, images: int) -> pd.DataFrame:
    """Steps that each batch size takes on `images` training images, what they leave of the average's start, and scores."""
    lines = []
    rows = [row.label for row in experiments.experiment("table-8").rows]
    for row in (row for row in rows if row.startswith("Batch Size")):
        size, runs = row.partition(" = ")[2], found.get(row, ())
        first, second = (images // int(size) * n for n in (chosen.stage1_epochs, chosen.stage2_epochs))
        line = {
            "Batch size": int(size),
            "Steps, stage 1": first,
            "Steps, stage 2": second,
            "Left of stage 2's start (%)": f"{100 * stages.remaining(chosen.ema, second):.1f}",
        }
        for which, word in (("ema", "averaged"), ("raw", "raw")):
            scores = [r.right(which=which).mean() for r in runs]
            line[f"Accuracy, {word} weights (%)"] = tables.mean_sd_n(scores, scale=100)
        lines.append(line)
    return pd.DataFrame(lines)


def constants_said(found: Mapping[str, Sequence[Any]], main: Sequence[Any]) -> str:
    """Whether runs with different constants α differ by more than runs of the default that differ in the seed."""
    rows = [row for row in found if row.startswith("Focal α = ") and row[10].isdigit()]
    runs = [r for row in rows for r in found[row]]
    pairs = [(p, q) for p, q in combinations(runs, 2) if p.seed == q.seed]
    if not pairs:
        return "No two constants have been trained on this split under this profile yet."
    ours, plain = (
        [(p.answers() != q.answers()).mean() for p, q in some] for some in (pairs, combinations(main, 2))
    )
    far = max(np.abs(p.probabilities() - q.probabilities()).max() for p, q in pairs)
    changes = f"{min(ours):.1%} to {max(ours):.1%} of the test images a different class"
    text = (
        "In the trained models: two runs with different constants and the same seed give "
        f"{changes if max(ours) else 'no test image a different class'}, and no probability differs by more than {far:.1g}. "
    )
    if max(ours) == 0:
        return (
            text
            + "The constants are one setting under three names; where intervals are adjusted for the number of rows, they count as three, which errs on the wide side."
        )
    if not plain:
        return text + "Without a second seed of the default there is nothing to measure that by."
    text += f"Two runs of the default with different seeds disagree on {min(plain):.1%} to {max(plain):.1%}. "
    return text + (
        "What is left of a difference is rounding, and Adam's ε in the first steps, magnified by training: no more than another seed does."
        if max(ours) <= max(plain)
        else "That is more than another seed does: where gradients are so small that Adam's ε counts beside them, the constant is not quite without effect."
    )


def ece_said(frame: pd.DataFrame, found: Mapping[str, Sequence[Any]]) -> str:
    """Which values change the ECE beyond its interval, over which seeds, and how often chance alone does that.

    found: the runs that `frame` is of.
    """
    part = ablation.others(frame, "ece")
    run = part[part["pairs"] > 0]
    if run.empty:
        return "Nothing is said of the ECE: no other value has been trained on this split."
    hit = run[difference_intervals.separated(run)]
    if hit.empty:
        return "No value changes the ECE with an interval that excludes 0."
    seeds = ", ".join(map(str, sorted({r.seed for r in matched.distinct_runs(found)})))
    return (
        f"The ECE changes (interval excluding 0; compared seed by seed: {seeds}) for {row_lists.listed(hit, seeds=True)}; smaller is better."
        f"{ablation_summary.after_adjustment(run)}{ablation_summary.false_alarms(run)} How often that is, is simulated for accuracies, not for the ECE."
    )


def table(
    frame: pd.DataFrame, found: Mapping[str, Sequence[Any]], show_published: bool = True
) -> pd.DataFrame:
    """`ablation_tables.table` with the accuracy on the validation part, by which the paper says it chose."""
    seen, out = validation(found), ablation_tables.table(frame, "Setting", show_published=show_published)
    part = [tables.mean_sd_n(seen.get(row, {}).values(), scale=100) for row in out["Setting"]]
    return out.assign(**{"Validation (%)": part})


def adam_walk(alpha: float) -> np.ndarray:
    """Where Adam takes a weight vector in 200 steps along a fixed row of gradients times `alpha`."""
    rng = np.random.default_rng(0)
    weight, adam = keras.Variable(np.zeros(1000, "float32")), keras.optimizers.Adam(3e-4)
    for _ in range(200):
        adam.apply([alpha * rng.normal(0.1, 1, 1000).astype("float32")], [weight])
    return keras.ops.convert_to_numpy(weight)


def walks_said(paths: Sequence[np.ndarray], counts: np.ndarray) -> str:
    """How little a constant α changes Adam's way (`adam_walk`s), and what α of its own each class would get; counts: of training."""
    off = max(np.abs(path - paths[0]).max() for path in paths)
    weights = losses.class_weights(counts[counts > 0], "inverse-frequency")
    return (
        f"The weights moved by up to {np.abs(paths[0]).max():.3f}; the ends differ by {off:.0e} at most. Only an α of its own for each class "
        f"can shift anything between classes. Inverse frequency gives {', '.join(f'{w:.2f}' for w in weights)}: the nearer these are to "
        "each other, the less there is to balance."
    )
