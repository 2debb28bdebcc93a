"""Chapter 5: where the two readings of the focal loss agree, where they lead, and what weights of classes change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd

from gcaf_lib.display.mechanisms import Panel
from gcaf_lib.display.style import CLASS_NAMES
from gcaf_lib.model.gradients import value_and_gradient
from gcaf_lib.model.losses import READINGS, FocalLoss, minimiser
from gcaf_lib.paper import published as paper
from gcaf_lib.settings import CLASSES, LossSettings

SHARP = 0.999  # a probability above is all of it
STEPS = 60
PATH = np.concatenate([np.linspace(0.2, 0.98, 300), 1 - np.geomspace(0.02, 1e-4, 300)])  # probabilities
K = len(CLASSES)  # classes of all that is computed here


def readings(gamma: float) -> dict[str, tuple[str, float]]:
    """The losses that are compared, by name: reading and γ. Cross-entropy is the per-class reading with γ = 0."""
    return {
        "target-probability (14a)": (READINGS[0], gamma),
        "per-class (14b)": (READINGS[1], gamma),
        "cross-entropy": (READINGS[1], 0.0),
    }


def disagreements() -> pd.DataFrame:
    """Settings of the loss for which two places of the paper disagree."""
    said = paper.disagreements()
    said = said[said["topic"].str.startswith("loss.")].rename(columns=str.capitalize)
    return said.rename(columns={"Topic": "Setting", "Default": "Used here"}).reset_index(drop=True)


def beside_cross_entropy(gamma: float, smoothing: float, rng: np.random.Generator) -> pd.DataFrame:
    """Largest differences between the readings and cross-entropy on 200 random logits, for hard labels and for smoothed ones
    (off: by 0.05, where any would do)."""
    smoothing = smoothing or 0.05
    logits = rng.normal(0, 3, (200, K)).astype("float32")
    hard = np.eye(K, dtype="float32")[rng.integers(0, K, 200)]

    def focal(reading: str, gamma: float, eps: float) -> np.ndarray:
        return np.asarray(FocalLoss(reading, gamma, eps, np.ones(K))(hard, logits))

    columns = {}
    for head, eps in (("hard labels", 0), (f"ε = {smoothing:g}", smoothing)):
        exact = keras.losses.categorical_crossentropy(hard, logits, from_logits=True, label_smoothing=eps)
        target, per_class = (focal(reading, 0, eps) for reading in READINGS)
        gaps = {
            "target-probability and cross-entropy": target - np.asarray(exact),
            "per-class and cross-entropy": per_class - np.asarray(exact),
            "the two readings, γ = 0": target - per_class,
            f"the two readings, γ = {gamma:g}": np.subtract(*(focal(r, gamma, eps) for r in READINGS)),
        }
        largest = {name: float(np.abs(gap).max()) for name, gap in gaps.items()}
        columns[head] = {n: f"{'equal' if d < 1e-4 else 'differ'} ({d:.2g})" for n, d in largest.items()}
    return pd.DataFrame(columns).rename_axis("Compared (γ = 0 unless said)").reset_index()


def along_path(gamma: float, eps: float) -> tuple[dict, dict, dict]:
    """Loss, its slope by p, and where it is least, of each reading where one class has the probabilities p of `PATH` and the
    others share the rest. The label is that class, smoothed by eps; α = 1."""
    p = PATH
    rest = [(1 - p) / (K - 1)] * (K - 1)
    path = np.log(np.column_stack([p, *rest])).astype("float32")
    label = np.tile(np.eye(K, dtype="float32")[0], (len(p), 1))
    curves, slopes, minima = {}, {}, {}
    for name, (reading, g) in readings(gamma).items():
        loss = FocalLoss(reading, g, eps, np.ones(K))
        _, by_logit = value_and_gradient(lambda z, loss=loss: keras.ops.sum(loss(label, z)), path)
        curves[name] = np.asarray(loss(label, path))
        slopes[name] = np.asarray(by_logit)[:, 0] / (p * (1 - p))  # dp/dz = p(1 - p) on this path
        minima[name] = p[curves[name].argmin()]
    return curves, slopes, minima


def turning_points_said(slopes: Mapping[str, np.ndarray], p: np.ndarray = PATH) -> str:
    """At which probability each loss begins to ask for less confidence, as a list."""
    lines = []
    for name, slope in slopes.items():
        at = np.flatnonzero((slope[:-1] < 0) & (slope[1:] >= 0))[:1]
        zero = p[at] - slope[at] * (p[at + 1] - p[at]) / (slope[at + 1] - slope[at]) if len(at) else at
        where = (
            f"turns at p = {zero[0]:.3f}"
            if len(zero)
            else "never turns: more confidence always lowers the loss"
        )
        lines.append(f"- **{name}**: {where}.")
    return "\n".join(lines)


def smoothed(eps: float) -> np.ndarray:
    """The label of the first class smoothed by eps (Eq 15), (K,)."""
    return (1 - eps) * np.eye(K)[0] + eps / K


def minimisers(target: np.ndarray, gamma: float) -> dict[str, np.ndarray]:
    """Probabilities (K,) with the least loss against a soft target (K,), by loss; α = 1."""
    even = np.ones(len(target))
    return {name: minimiser(target, reading, g, even) for name, (reading, g) in readings(gamma).items()}


def doubt_said(best: Mapping[str, np.ndarray], target: np.ndarray) -> str:
    """Whether the per-class reading aims for less than the label says; best: of `minimisers`."""
    sharp, top = best["per-class (14b)"].max(), target.max()
    return f"The label gives its class {top:.3f}; the per-class reading aims for {sharp:.3f}, " + (
        "**less** than the label: the focusing factor rewards doubt. A model that reached this minimum would be under-confident, "
        "not calibrated."
        if sharp < top - 0.005
        else "about what the label says."
    )


def minimiser_paths(gamma: float, eps: float) -> list[Panel]:
    """Probability of the first class in the minimiser: by smoothing's strength, and by Mixup's weight λ, smoothed by eps."""
    one, other = np.eye(K)[[0, -1]]
    strengths, lams = np.linspace(0, 0.3, 9), np.linspace(0, 1, 16)  # 16: λ = 1/2, a tie, is left out
    mixed = [(1 - eps) * (w * one + (1 - w) * other) + eps / K for w in lams]
    panels = []
    for title, xlabel, x, targets in (
        ("Smoothing alone", "ε", strengths, [smoothed(e) for e in strengths]),
        ("Mixup and smoothing", "λ", lams, mixed),
    ):
        best = [minimisers(t, gamma) for t in targets]
        curves = {name: np.array([b[name][0] for b in best]) for name in list(readings(gamma))[:2]}
        panels.append(Panel(title, xlabel, x, curves, np.array([t[0] for t in targets])))
    return panels


def claim(gamma: float, eps: float) -> pd.DataFrame:
    """Does smoothing keep the minimiser from giving all to one class? A line a loss, for each ε that the paper names."""
    found = {f.value for f in paper.FIGURES if f.metric == "loss.smoothing" and f.unit != "%"}
    named = sorted(found | {eps})
    tops = {e: {name: best.max() for name, best in minimisers(smoothed(e), gamma).items()} for e in named}
    lines = []
    for name in readings(gamma):
        holds = all(tops[e][name] < SHARP for e in named if e)
        lines.append([name, *(f"{tops[e][name]:.4f}" for e in named), "holds" if holds else "does not hold"])
    return pd.DataFrame(lines, columns=["Loss", *(f"ε = {e:g}" for e in named), "Claim"])


def claim_said(table: pd.DataFrame) -> str:
    """For which losses the paper's claim on smoothing fails; table: `claim`."""
    failing = table.loc[table["Claim"] != "holds", "Loss"]
    if failing.empty:
        return "The claim holds for every reading at these settings."
    return (
        f"The claim does not hold for: {', '.join(failing)}. A model trained with $p_t$ as the text says is not held back by "
        "smoothing."
    )


def balance(counts: pd.Series, alpha: np.ndarray) -> pd.DataFrame:
    """Training images, their share and α of each class."""
    share = [f"{n / counts.sum():.1%}" for n in counts]
    columns = {"Training images": counts.to_numpy(), "Share": share, "α, inverse frequency": alpha}
    return pd.DataFrame(columns, [CLASS_NAMES[c] for c in counts.index]).rename_axis("Class")


def balance_said(alpha: np.ndarray) -> str:
    """How much class weights can change."""
    ratio = alpha.max() / alpha.min()
    return f"Largest over smallest weight: {ratio:.2f}. " + (
        "The classes are nearly balanced, so these weights can change little."
        if ratio < 1.5
        else "The classes are unbalanced enough for these weights to matter."
    )


def constant_alpha(settings: LossSettings, rate: float, rng: np.random.Generator) -> pd.DataFrame:
    """How far a constant α moves a linear classifier on random data: optimiser, α, difference relative to the distance moved.

    rate: Adam's. The constants are the ends of the range that the paper says was tried.
    """
    x = rng.normal(size=(128, 8)).astype("float32")
    noise = rng.normal(size=(8, K)), rng.gumbel(size=(128, K))
    y = np.eye(K, dtype="float32")[(x @ noise[0] + noise[1]).argmax(1)]
    ends = [f.value for f in paper.find("§5.2", "Range tried") if f.metric.startswith("loss.balance")]
    lines = []
    for name, make in (
        ("Adam", lambda: keras.optimizers.Adam(rate)),
        ("gradient descent", lambda: keras.optimizers.SGD(0.1)),
    ):
        plain, *moved = (_trained(settings, make(), alpha, x, y) for alpha in (1.0, *ends))
        far = [np.linalg.norm(m - plain) / np.linalg.norm(plain) for m in moved]
        lines += [(name, alpha, share) for alpha, share in zip(ends, far)]
    return pd.DataFrame(lines, columns=["optimiser", "alpha", "moved"])


def _trained(
    settings: LossSettings, optimiser: Any, alpha: float, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Weights after some steps of the focal loss with a constant α."""
    classes = y.shape[1]
    loss = FocalLoss(settings.reading, settings.gamma, settings.smoothing, np.full(classes, alpha))
    weight = keras.Variable(np.zeros((x.shape[1], classes), "float32"))
    optimiser.build([weight])
    for _ in range(STEPS):
        _, slope = value_and_gradient(lambda w: keras.ops.mean(loss(y, keras.ops.matmul(x, w))), weight.value)
        optimiser.apply([slope], [weight])
    return np.asarray(weight.value)


def constant_alpha_text(frame: pd.DataFrame) -> pd.DataFrame:
    """`constant_alpha` for readers."""
    text = frame.assign(alpha=frame["alpha"].map("{:g}".format), moved=frame["moved"].map("{:.2%}".format))
    return text.set_axis(["Optimiser", "α", "Difference from α = 1, relative to the distance moved"], axis=1)


def constant_alpha_said(frame: pd.DataFrame) -> str:
    """Whether Adam cancels a constant α; frame: `constant_alpha`."""
    most = frame.groupby("optimiser")["moved"].max().mul(100).round(2)
    return (
        f"With Adam the choice of a constant α changes the final weights by at most {most['Adam']:g}% of the distance they moved; with "
        f"gradient descent by up to {most['gradient descent']:g}%. "
    ) + (
        "Under Adam, which the paper uses, tuning a constant α is close to tuning nothing."
        if most["Adam"] < 5
        else "Under these settings Adam does not cancel it."
    )
