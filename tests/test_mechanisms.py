"""Charts of the method's parts: each draws what it is given, as the same SVG every time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.display import mechanisms

P = np.linspace(0.25, 0.99, 40)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (7, 12, 12, 3)).astype(np.uint8)
LABELS = RNG.dirichlet(np.ones(4), 7)
DRAWINGS = {
    "input_ranges": lambda: mechanisms.input_ranges(P, {"one": 2 * P, "two": P}),
    "beta_densities": lambda: mechanisms.beta_densities([0.1, 0.6]),
    "mixed_batch": lambda: mechanisms.mixed_batch(IMAGES, LABELS, np.linspace(0, 1, 7)),
    "dead_weights": lambda: mechanisms.dead_weights(
        pd.DataFrame({"parameters": [0, 100, 90], "dead": [0, 40, 0]}, index=["none", "half", "all"])
    ),
    "slopes": lambda: mechanisms.slopes(P, {"down": P - 2, "turns": P - 0.9}, 1.0),
    "lines": lambda: mechanisms.lines(
        [mechanisms.Panel("t", "x", P, {"a": P, "b": 1 - P}, P), mechanisms.Panel("u", "x", P, {"a": P})],
        "y",
        steps=["b"],
    ),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_the_same_svg_twice(name):
    first = DRAWINGS[name]().svg()
    assert first.startswith("<svg") and "NaN" not in first
    assert first == DRAWINGS[name]().svg()


def test_slopes_marks_only_where_a_slope_turns_positive():
    fig = mechanisms.slopes(P, {"down": P - 2, "turns": P - 0.9}, 1.0)
    marks = [line.get_xdata() for line in fig.axes[0].lines if line.get_marker() == "v"]
    assert len(marks[0]) == 0 and marks[1] == pytest.approx([0.9], abs=0.02)


def test_dead_weights_says_the_share():
    texts = [t.get_text() for t in DRAWINGS["dead_weights"]().axes[0].texts]
    assert texts == ["no weights", "100, 40% dead", "90"]
