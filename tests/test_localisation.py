"""Localisation measures by hand, on shapes of known area, and what the baselines must score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcaf_lib.evaluation import localisation as loc


def square(size=10, top=2, left=3, side=4):
    mask = np.zeros((1, size, size), bool)
    mask[0, top : top + side, left : left + side] = True
    return mask


def test_polygons_cover_their_area():
    box = [[0.25, 0.5], [0.75, 0.5], [0.75, 1.0], [0.25, 1.0]]
    mask = loc.rasterise(box, (100, 200))
    assert mask.shape == (100, 200) and mask.dtype == bool
    rows, columns = np.nonzero(mask)
    # x is the fraction of the width, y of the height
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (50, 99, 50, 149)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    disc = np.column_stack([0.5 + 0.2 * np.cos(angle), 0.5 + 0.2 * np.sin(angle)])
    assert loc.rasterise(disc, 400).mean() == pytest.approx(np.pi * 0.04, rel=0.01)
    assert (loc.rasterise(disc, 64) == loc.rasterise(disc * [-1, 1] + [1, 0], 64)[:, ::-1]).mean() > 0.995
    assert (loc.rasterise(str(box), 50) == loc.rasterise(box, 50)).all()
    assert loc.rasterise(disc, 32).mean() == pytest.approx(np.pi * 0.04, rel=0.05)
    assert loc.rasterise(0.5 + (disc - 0.5) / 40, 9).sum() == 1  # smaller than a pixel, and not lost
    # five sixteenths of the next pixel are less than half of it, on every side alike
    low, high = 1.6875 / 8, 4.3125 / 8
    part = loc.rasterise([[low, low], [high, low], [high, high], [low, high]], 8)
    assert [part.any(axis).nonzero()[0].tolist() for axis in (0, 1)] == [[2, 3]] * 2
    assert not loc.rasterise("", 8).any() and not loc.rasterise([], 8).any()
    for wrong in ("[[0.1, 0.2], [0.3", [[0, 0], [1, 1]], [[0, 0, 0]] * 4, [[0, np.nan]] * 3):
        with pytest.raises(ValueError, match="tumour border"):
            loc.rasterise(wrong, 8)


def test_measures_by_hand():
    mask = square()
    perfect, miss = mask.astype(float), (~mask).astype(float)
    for measure in (loc.pointing, loc.energy, loc.matched_iou):
        assert measure(perfect, mask).tolist() == [1] and measure(np.zeros_like(perfect), mask)[0] < 0.2
        assert measure(miss, mask).tolist() == [0]
    half = perfect.copy()
    half[0, 2:4] = 0  # upper half of the square …
    half[0, 8:10, 3:7] = 1  # … moved elsewhere
    assert loc.energy(half, mask)[0] == 0.5 and loc.matched_iou(half, mask)[0] == pytest.approx(8 / 24)
    assert loc.pointing(half, mask)[0] == 0.5  # sixteen equal maxima, eight of them inside
    near = np.zeros((1, 10, 10))
    near[0, 1, 3] = 1  # one pixel above the square
    assert loc.pointing(near, mask)[0] == 0 and loc.pointing(near, mask, tolerance=0.1)[0] == 1
    assert loc.pointing(near, mask, tolerance=0.09)[0] == 0
    wide = [np.pad(a, ((0, 0), (0, 0), (0, 10))) for a in (near, mask)]  # of the longer side: 20 pixels
    assert loc.pointing(*wide, tolerance=0.05)[0] == 1 and loc.pointing(*wide, tolerance=0.045)[0] == 0
    empty = np.zeros_like(mask)
    for nowhere in (np.zeros_like(perfect), -perfect):  # points nowhere, and so not at a part of the tumour
        assert loc.pointing(nowhere, mask).tolist() == [0] == loc.pointing(nowhere, mask, 0.1).tolist()
    assert all(np.isnan(f(perfect, empty)[0]) for f in (loc.pointing, loc.energy, loc.matched_iou))


def test_constant_map_scores_the_tumours_share():
    mask = square()
    flat = np.full((1, 10, 10), 0.3)
    assert loc.energy(flat, mask)[0] == pytest.approx(0.16) and loc.pointing(flat, mask)[0] == 0.16
    assert loc.matched_iou(flat, mask)[0] == pytest.approx(16 * 0.16 / (32 - 16 * 0.16))
    rng = np.random.default_rng(0)
    noise = rng.random((2000, 10, 10))
    masks = np.repeat(mask, 2000, axis=0)
    assert loc.energy(noise, masks).mean() == pytest.approx(0.16, abs=0.005)
    assert loc.pointing(noise, masks).mean() == pytest.approx(0.16, abs=0.03)


@given(st.integers(0, 10**6), st.floats(0.01, 100))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_measures_are_fractions_and_don_t_depend_on_scale(seed, factor):
    rng = np.random.default_rng(seed)
    maps, masks = np.maximum(rng.normal(size=(3, 8, 8)), 0), rng.random((3, 8, 8)) < 0.3
    table = loc.scores(maps, masks)
    values = table.dropna().to_numpy()
    assert ((values >= 0) & (values <= 1)).all()
    assert np.allclose(table, loc.scores(maps * factor, masks), equal_nan=True, atol=1e-5)
    assert (table.tolerant.fillna(1) >= table.pointing.fillna(1)).all()


def test_small_maps_are_brought_to_the_masks_size():
    small = np.zeros((1, 5, 5))
    small[0, 1, 2] = 1
    mask = square(50, 10, 20, 10)
    table = loc.scores(small, mask)
    assert table.pointing[0] == 1 and table.iou[0] > 0.7 and table.area[0] == 0.04
    with pytest.raises(ValueError, match="masks"):
        loc.scores(small[0], mask)


def test_baselines():
    centre = loc.centre_prior(2, 32)
    assert centre.shape == (2, 32, 32) and centre.max() == 1
    assert np.allclose(centre, centre[:, ::-1]) and np.allclose(centre, centre.transpose(0, 2, 1))
    noise = loc.random_maps(3, 32, seed=1)
    assert noise.shape == (3, 32, 32) and (noise == loc.random_maps(3, 32, seed=1)).all()
    assert (noise >= 0).all() and np.allclose(noise.max((1, 2)), 1)
    images = np.zeros((1, 40, 40, 3), np.uint8)
    images[:, :, 20:] = 255
    edges = loc.edge_maps(images)
    assert (
        edges.shape == (1, 40, 40) and edges[0].max(0).argmax() in (19, 20) and edges[0, :, :10].max() < 0.01
    )
    turned = loc.edge_maps(images.transpose(0, 2, 1, 3))  # edges of either direction count
    assert np.allclose(turned, edges.transpose(0, 2, 1), atol=1e-5)
    assert loc.edge_maps(images[..., 0]).shape == (1, 40, 40) and not loc.edge_maps(np.zeros((1, 9, 9))).any()


def test_correlation_of_maps_image_by_image():
    base = np.random.default_rng(0).random((6, 7, 7))
    other = np.concatenate([2 * base[:3] + 1, 1 - base[3:]])  # the same, and the opposite
    assert loc.correlation(base, other) == pytest.approx([1, 1, 1, -1, -1, -1])
    blank = np.where(np.arange(6)[:, None, None] == 0, 0, base)
    assert np.isnan(loc.correlation(base, blank)[0]) and loc.correlation(base, blank)[1:] == pytest.approx(1)
    assert loc.correlation(base * 1e-8, other * 1e-8) == pytest.approx([1, 1, 1, -1, -1, -1])
    even = np.full(base.shape, 1 / 3) + 1e-15 * base  # constant but for rounding
    assert np.isnan(loc.correlation(even, base * 1e6)).all()
    with pytest.raises(ValueError, match="correlated"):
        loc.correlation(base, base[:2])
