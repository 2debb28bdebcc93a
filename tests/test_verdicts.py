"""Verdicts at their turning points: inside, above, below, undecided, nothing run; and whose word "reproduced" is."""

import numpy as np
import pytest

from gcaf_lib import settings
from gcaf_lib.book.chapter import Chapter
from gcaf_lib.paper import verdicts

OURS, THEIRS = ("cpu", "paper"), ("paper", "paper")
NONE = np.nan


@pytest.mark.parametrize(
    ("low", "high", "made", "word"),
    [
        (0.95, 0.96, OURS, "inside our interval"),
        (0.96, 0.97, OURS, "below our interval"),
        (0.90, 0.95, OURS, "above our interval"),
        (NONE, NONE, OURS, "not measured"),
        (0.95, 0.96, THEIRS, "reproduced"),
        (0.90, 0.95, THEIRS, "above our interval"),
        # the paper's network, but not the split of which the paper speaks
        (0.95, 0.96, ("paper", "patients"), "inside our interval"),
    ],
)
def test_a_level(low, high, made, word):
    assert verdicts.level(0.9573, low, high, made=made) == word


@pytest.mark.parametrize(
    ("profile", "overrides", "made"),
    [
        ("paper", {}, THEIRS),
        ("paper", {"data.protocol": "patients", "data.fold": 1}, ("paper", "patients")),
        ("paper", {"model.scale": "mini"}, ("", "paper")),
        ("paper", {"model.fusion": "concat"}, ("", "paper")),
        ("cpu", {}, OURS),
    ],
)
def test_a_page_with_another_model_is_not_the_paper_s(profile, overrides, made):
    """Whoever changes a setting of a chapter under profile `paper` has made another model."""
    page = Chapter(profile, settings.load(profile, overrides), None, overrides)
    assert page.profile_and_split == made
    assert (verdicts.level(0.9573, 0.95, 0.96, made=page.profile_and_split) == "reproduced") == (
        made == THEIRS
    )


def test_a_figure_printed_with_few_digits_gets_half_a_step():
    assert verdicts.level(0.957, 0.9574, 0.96, 0.0005) == verdicts.INSIDE
    assert verdicts.level(0.957, 0.9576, 0.96, 0.0005) == verdicts.BELOW
    assert verdicts.level(0.957, 0.95, 0.9566, 0.0005) == verdicts.INSIDE
    assert verdicts.level(0.957, 0.95, 0.9564, 0.0005) == verdicts.ABOVE


@pytest.mark.parametrize(
    ("published", "low", "high", "made", "word"),
    [
        (-0.02, -0.03, -0.01, OURS, "inside our interval; ours is distinguishable from 0"),
        (-0.02, -0.03, 0.01, OURS, "inside our interval; ours is not distinguishable from 0"),
        (-0.02, -0.01, 0.01, OURS, "below our interval; ours is not distinguishable from 0"),
        (-0.02, 0.01, 0.02, OURS, "below our interval; ours is distinguishable from 0"),
        (-0.02, -0.05, -0.03, OURS, "above our interval; ours is distinguishable from 0"),
        (-0.02, -0.03, -0.01, THEIRS, "reproduced"),
        (-0.02, -0.03, 0.01, THEIRS, "inside our interval; ours is not distinguishable from 0"),
        (-0.02, -0.03, -0.01, ("paper", "patients"), "inside our interval; ours is distinguishable from 0"),
        (NONE, 0.01, 0.02, THEIRS, "ours is distinguishable from 0"),
        (NONE, -0.01, 0.001, OURS, "ours is not distinguishable from 0"),
        (-0.02, NONE, NONE, THEIRS, "not measured"),
    ],
)
def test_a_difference(published, low, high, made, word):
    assert verdicts.difference(published, low, high, made=made) == word


def test_styles():
    words = [
        verdicts.REPRODUCED,
        verdicts.INSIDE,
        verdicts.ABOVE,
        verdicts.BELOW,
        verdicts.IMPOSSIBLE,
        verdicts.OPEN,
    ]
    assert [verdicts.style(w) for w in words] == [
        "inside",
        "inside",
        "outside",
        "outside",
        "impossible",
        "open",
    ]


def test_what_chance_adds_leaves_a_calibration_error_undecided_and_reproduces_nothing():
    """0.0441 less 0.0056 is 0.0385: above 0.037 by less than as much again."""
    assert verdicts.level(0.0441, 0.017, 0.037, made=THEIRS, lift=0.0056) == verdicts.CHANCE
    assert verdicts.level(0.0490, 0.017, 0.037, made=THEIRS, lift=0.0056) == verdicts.ABOVE
    assert verdicts.level(0.0400, 0.017, 0.037, made=THEIRS, lift=0.0056) == verdicts.REPRODUCED
    assert verdicts.level(0.0180, 0.017, 0.037, made=OURS, lift=0.0056) == verdicts.CHANCE
    assert verdicts.level(0.0100, 0.017, 0.037, made=OURS, lift=0.0056) == verdicts.BELOW
    assert verdicts.style(verdicts.CHANCE) == "open"


def test_one_seed_is_said_in_both_halves_and_reproduces_nothing():
    assert verdicts.level(0.5, 0.4, 0.6, made=THEIRS, seeds=1) == "inside our interval of one seed"
    assert (
        verdicts.difference(-0.02, -0.03, -0.01, made=THEIRS, seeds=1)
        == "inside our interval; ours, of one seed, is distinguishable from 0"
    )
    assert (
        verdicts.difference(NONE, -0.01, 0.01, seeds=1) == "ours, of one seed, is not distinguishable from 0"
    )
