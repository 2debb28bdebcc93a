"""What a row of runs is worth: against plain definitions, by hand, and where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from gcaf_lib.evaluation import metrics, significance, worth
from gcaf_lib.settings import CLASSES, load

IMAGES = 220
GROUPS = np.arange(IMAGES) // 4
TUMOURS = tuple(name for name in CLASSES if name != "notumor")


@dataclass
class Run:
    """A record: test rows are a fifth of the images (with a fold) or the first hundred."""

    seed: int
    fold: int | None = None
    classes: tuple[str, ...] = CLASSES
    skill: float = 1.5

    @property
    def settings(self):
        protocol = "paper" if self.fold is None else "patients"
        return load("cpu", {"data.protocol": protocol, "data.fold": self.fold, "data.classes": self.classes})

    @property
    def key(self):
        return f"{self.seed}/{self.fold}/{self.skill}/{self.classes}"

    def rows(self, part="test"):
        rows = np.arange(100) if self.fold is None else np.flatnonzero(GROUPS % 5 == self.fold)
        return rows[np.isin(rows // 2 % 4, [CLASSES.index(name) for name in self.classes])]

    def labels(self, part="test"):
        names = [CLASSES[k] for k in self.rows() // 2 % 4]
        return np.array([self.classes.index(name) for name in names])

    def probabilities(self, part="test", which="ema"):
        rng = np.random.default_rng([self.seed, 9 if self.fold is None else self.fold, which == "raw"])
        k = len(self.classes)
        z = rng.normal(size=(len(self.rows()), k)) + self.skill * np.eye(k)[self.labels()]
        p = np.exp(z).astype(np.float32)
        return p / p.sum(1, keepdims=True)


FOLDED = [Run(seed, fold) for seed in (0, 1) for fold in range(5)]


def together(runs, f):
    """f(labels, probs) of the answers of some folds end to end."""
    return f(np.concatenate([r.labels() for r in runs]), np.concatenate([r.probabilities() for r in runs]))


def test_one_run_has_the_values_of_the_summary_and_no_spread():
    run = Run(0)
    found = worth.row([run], GROUPS, draws=20)
    plain = metrics.summary(run.labels(), run.probabilities())
    assert set(found) == set(plain)
    for name, value in plain.items():
        assert found[name].value == pytest.approx(value, abs=1e-6), name
        assert found[name].n == 1 and np.isnan(found[name].sd)


def test_seeds_are_averaged_and_spread_with_n_minus_one():
    runs = [Run(seed) for seed in range(3)]
    each = [metrics.summary(r.labels(), r.probabilities())["macro_f1"] for r in runs]
    got = worth.row(runs, GROUPS, ["macro_f1"], draws=20)["macro_f1"]
    assert got.value == pytest.approx(np.mean(each)) and got.n == 3
    assert got.sd == pytest.approx(np.std(each, ddof=1))


def test_folds_are_pooled_or_averaged_as_the_metric_asks():
    seeds = [[r for r in FOLDED if r.seed == seed] for seed in (0, 1)]
    got = worth.row(FOLDED, GROUPS, ["accuracy", "macro_f1", "kappa", "nll", "ece", "macro_auc", "ap_glioma", "micro_ap"],
                    draws=20)  # fmt: skip
    for name, one in got.items():
        pooled = [together(parts, metrics.summary)[name] for parts in seeds]
        apart = [
            np.mean([metrics.summary(r.labels(), r.probabilities())[name] for r in parts]) for parts in seeds
        ]
        want = apart if name in ("ece", "macro_auc", "ap_glioma", "micro_ap") else pooled
        assert one.value == pytest.approx(np.mean(want), abs=1e-6), name
        assert one.sd == pytest.approx(np.std(want, ddof=1), abs=1e-6) and one.n == 2
        if name not in ("accuracy", "nll"):  # means over images, of folds of one size: no matter how
            assert np.mean(pooled) != pytest.approx(np.mean(apart), abs=1e-5), "a case that tells them apart"


def test_all_seeds_of_an_image_are_drawn_together():
    run = Run(0)
    one, both = (worth.row(runs, GROUPS, ["accuracy"])["accuracy"] for runs in ([run], [run, Run(1)]))
    plain = significance.draws(run.labels(), run.probabilities(), "accuracy", GROUPS[run.rows()], n=2000)
    assert one[3:] == tuple(np.quantile(plain, [0.025, 0.975]))
    mean = np.mean([r.probabilities().argmax(1) == r.labels() for r in (run, Run(1))], axis=0)
    by = np.bincount(GROUPS[run.rows()], mean)
    times = np.random.default_rng(0).multinomial(25, np.full(25, 1 / 25), size=2000)
    assert both[3:] == pytest.approx(tuple(np.quantile(times @ by / times.sum(1) / 4, [0.025, 0.975])))


def test_the_digits_depend_on_nothing_but_the_runs():
    names = ["accuracy", "ece", "macro_f1"]
    a = worth.row(FOLDED, GROUPS, names)
    b = worth.row(FOLDED[::-1], GROUPS.astype(str), names[::-1])
    assert all(a[name] == pytest.approx(b[name], abs=1e-12) for name in names)


def test_there_is_no_interval_without_patients():
    with pytest.raises(ValueError, match="patient group"):
        worth.row([Run(0)], None, ["accuracy"])
    with pytest.raises(ValueError, match="no runs"):
        worth.row([], GROUPS, ["accuracy"])
