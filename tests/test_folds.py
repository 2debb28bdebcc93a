"""The folds of a training put together: each image once, whole seeds only."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gcaf_lib.evaluation import folds, worth
from gcaf_lib.settings import load

IMAGES = 60


class Run(SimpleNamespace):
    """A record whose test part is a fifth of the images (fold given) or the first fifth (fold None)."""

    @property
    def settings(self):
        return load("cpu", {"data.protocol": "patients", "data.fold": self.fold})

    @property
    def key(self):
        return f"{self.seed}/{self.fold}"

    def rows(self, part="test"):
        return np.arange(IMAGES)[np.arange(IMAGES) % 5 == (self.fold or 0)]

    def labels(self, part="test"):
        return self.rows() // 5 % 4

    def probabilities(self, part="test", which="ema"):
        chosen = (self.labels() + (self.rows() % 7 == self.seed)) % 4
        return np.where(chosen[:, None] == np.arange(4), 0.7, 0.1)


def test_folds_test_every_image_once_in_any_order_given():
    (one,) = folds.pool([Run(seed=0, fold=fold) for fold in (3, 0, 4, 2, 1)])
    assert sorted(one.rows()) == list(range(IMAGES))
    assert [part.fold for part in one.parts] == list(range(5))
    np.testing.assert_array_equal(one.labels(), one.rows() // 5 % 4)
    assert one.probabilities().shape == (IMAGES, 4) and one.seed == 0


def test_a_seed_with_fewer_folds_and_a_run_without_a_fold_are_left_out():
    whole = [Run(seed=1, fold=fold) for fold in range(5)]
    part = [Run(seed=0, fold=fold) for fold in range(4)]
    single = Run(seed=1, fold=None)
    (one,) = folds.pool([single, *part, *whole])
    assert one.seed == 1 and one.parts == tuple(whole)
    assert [p.parts for p in folds.pool([single, Run(seed=0, fold=None)])] == [
        (Run(seed=0, fold=None),),
        (single,),
    ]
    assert folds.pool([]) == []
    # another seed's single fold and a run without one test different images: their mean would be of neither
    (one,) = folds.pool([Run(seed=0, fold=2), single])
    assert [r.fold for r in one.parts] == [2]


def test_seeds_of_as_many_but_other_folds_are_left_out():
    def of(**chosen):
        runs = [Run(seed=int(seed[1:]), fold=fold) for seed, own in chosen.items() for fold in own]
        return {seed: [r.fold for r in parts] for seed, parts in folds.by_seed(runs).items()}

    assert of(s0=[0, 1], s1=[0, 2], s2=[0, 2]) == {1: [0, 2], 2: [0, 2]}
    assert of(s0=[0, 1], s1=[0, 2]) == {0: [0, 1]}
    assert of(s0=[0], s1=[0], s2=[1, 3]) == {2: [1, 3]}
    whole = [Run(seed=1, fold=fold) for fold in (0, 2)]
    assert folds.complete([Run(seed=0, fold=0), *whole[::-1]]) == whole and folds.complete([]) == []


def test_the_pooled_accuracy_is_the_share_of_all_images():
    runs = [Run(seed=seed, fold=fold) for seed in (0, 1) for fold in range(5)]
    mean, sd, n, *_ = worth.of_runs(runs, np.arange(IMAGES) // 2, ["accuracy"], draws=20)["accuracy"]
    shares = [np.mean(np.arange(IMAGES) % 7 != seed) for seed in (0, 1)]
    assert mean == pytest.approx(np.mean(shares)) and n == 2
    assert sd == pytest.approx(np.std(shares, ddof=1))


def test_two_runs_of_one_fold_are_of_two_settings_and_refused():
    with pytest.raises(ValueError, match="seed 1: two runs of one fold"):
        folds.by_seed([Run(seed=1, fold=2), Run(seed=1, fold=3), Run(seed=1, fold=2)])
    with pytest.raises(ValueError, match="one fold"):
        folds.by_seed([Run(seed=1, fold=None)] * 2)
    assert folds.by_seed([Run(seed=2, fold=0), Run(seed=1, fold=0)]).keys() == {1, 2}


def test_too_few_folds_are_no_pool_where_all_are_asked_for():
    part = [Run(seed=0, fold=fold) for fold in range(4)]
    assert folds.pool(part, 5) == [] and folds.pool(part)[0].folds == 4
    assert folds.pool([Run(seed=0, fold=None)])[0].folds == 0
