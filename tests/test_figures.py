"""Figures: every function gives one themed, deterministic SVG, and colours readers can tell apart."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgba_array

from gcaf_lib.display import charts, curves, diagrams, pictures, split_ladder, style
from gcaf_lib.evaluation import calibration_measures, metrics
from gcaf_lib.paper.published import Figure
from gcaf_lib.settings import CLASSES, PROTOCOLS


@pytest.fixture(scope="module")
def predicted():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    logits = rng.normal(size=(200, 4))
    logits[np.arange(200), labels] += 2.5
    probs = np.exp(logits)
    return labels, probs / probs.sum(1, keepdims=True)


def history(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.01, (4, 6))
    names = ("accuracy", "val_accuracy", "loss", "val_loss")
    return pd.DataFrame(
        {
            "stage": [1, 1, 1, 1, 2, 2],
            "epoch": range(1, 7),
            **{n: 0.8 + noise[k] for k, n in enumerate(names)},
        }
    )


def ladder_frame() -> pd.DataFrame:
    rows = [
        (method, protocol, *3 * (value, value - 0.02, value + 0.01), kind)
        for method, kind, start in (("model", "model", 0.97), ("nearest neighbour", "floor", 0.98))
        for protocol, value in zip(PROTOCOLS, np.linspace(start, start - 0.2, 5))
    ]
    scores = [
        "accuracy",
        "low",
        "high",
        "macro_f1",
        "f1_low",
        "f1_high",
        "picture",
        "picture_low",
        "picture_high",
    ]
    return pd.DataFrame(rows, columns=["method", "protocol", *scores, "kind"])


def every_figure(predicted):
    labels, probs = predicted
    rng = np.random.default_rng(1)
    image = (rng.random((40, 30, 3)) * 255).astype(np.uint8)
    p = np.linspace(0.01, 1, 50)
    sensitivity = pd.DataFrame(
        {"parameter": ["a", "a", "b"], "value": [1, 2, "inverse-frequency"], "measured": [0.9, 0.91, 0.92],
         "low": 0.89, "high": 0.93, "published": [0.9, 0.95, np.nan]}
    )  # fmt: skip
    counts = pd.DataFrame({"training": [8, 9], "test": [1, 2]}, index=["glioma", "notumor"])
    return {
        "class_counts": lambda: charts.class_counts(counts),
        "convergence": lambda: curves.convergence([history(0), history(1)], stage=2),
        "convergence, one seed": lambda: curves.convergence([history(0)], stage=1),
        "confusion": lambda: charts.confusion(metrics.confusion(labels, probs)),
        "report": lambda: charts.classification_report(
            metrics.report(labels, probs),
            {
                ("glioma", "recall"): Figure("§5.4", "", "recall_glioma", 90.0, 1, "%"),
                ("macro avg", "f1"): None,
            },
        ),
        "roc": lambda: curves.roc_curves(metrics.roc(labels, probs)),
        "pr": lambda: curves.pr_curves(metrics.precision_recall(labels, probs)),
        "reliability": lambda: curves.reliability(
            {"": calibration_measures.reliability(labels, probs)}, {"": 0.04}
        ),
        "sensitivity": lambda: charts.sensitivity(sensitivity),
        "ladder": lambda: split_ladder.ladder(ladder_frame(), 0.9573),
        "loss curves": lambda: curves.loss_curves(p, {"one": -np.log(p)}, {"one": 0.9}),
        "loss minimisers": lambda: curves.loss_minimisers(
            {"one (14a)": [1, 0, 0, 0]}, [0.97, 0.01, 0.01, 0.01]
        ),
        "samples": lambda: pictures.sample_grid([image, image[:20], image], [0, 0, 3]),
        "preprocessing": lambda: pictures.preprocessing_steps({"a": image, "b": image[..., 0]}),
        "intensities": lambda: pictures.intensities(image[..., 0], image[..., 1]),
        "augmentation": lambda: pictures.augmentation_grid(image, [image] * 7),
        "mixup": lambda: pictures.mixup_grid(image, image[::-1], [0, 0.3, 1], ("glioma", "pituitary")),
        "predictions": lambda: pictures.predictions_grid([image] * 5, probs[:5], (labels[:5] + 1) % 4),
        "gradcam": lambda: pictures.gradcam_grid(
            [image] * 2, [np.eye(4)] * 2, ["a", "b"], [np.array([[0.2, 0.2], [0.8, 0.2], [0.5, 0.9]]), None]
        ),
        "architecture": diagrams.architecture,
        "fusion module": diagrams.fusion_module,
    }


def test_every_figure_is_themed_repeatable_and_unknown_to_pyplot(predicted):
    for name, make in every_figure(predicted).items():
        figure = make()
        assert isinstance(figure, style.Drawing), name
        svg = figure.svg()
        assert plt.get_fignums() == [], f"{name} is registered with pyplot and would never be closed"
        assert "prefers-color-scheme: dark" in svg and "var(--g-ink)" in svg, name
        for light, _ in style._THEMES.values():
            inside = svg.split("</style>", 1)[1].lower()
            assert light not in inside, f"{name}: {light} does not follow the theme"
        assert "<text" not in svg, f"{name}: text must be outlines, a page has no fonts to send"
        assert not re.search(r'(?:href|src)="https?:', svg), name
        assert style.size(svg)[0] <= 760, f"{name} is wider than the text column"
    # the same drawing gives the same bytes: pages differ only where results do
    for name in ("confusion", "architecture"):
        make = every_figure(predicted)[name]
        assert make().svg() == make().svg()


def test_a_panel_is_called_by_its_loss_without_the_equation(predicted):
    figure = every_figure(predicted)["loss minimisers"]()
    assert [ax.get_title("left") or ax.get_title() for ax in figure.axes] == ["soft label", "one"]


def test_of_the_paper_s_figures_those_of_classes_are_drawn(predicted):
    recall = every_figure(predicted)["report"]().axes[1]
    marks = [line.get_xdata().item() for line in recall.lines if line.get_markerfacecolor() == "none"]
    assert marks == [0.9] and recall.get_title("left") + recall.get_title() == "Recall"


def test_settings_of_a_notebook_do_not_change_a_figure():
    plain = diagrams.architecture().svg()
    with plt.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert diagrams.architecture().svg() == plain


def _linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _contrast(a: str, b: str) -> float:
    one, two = sorted(float(_linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (two + 0.05) / (one + 0.05)


def test_colours_stand_out_on_both_papers():
    for paper in style._THEMES["surface"]:
        for colour in (*style.CLASS_COLOURS.values(), style.OURS, style.PAPER):
            assert _contrast(colour, paper) >= 3, (colour, paper)
    for k, paper in enumerate(style._THEMES["surface"]):
        assert _contrast(style._THEMES["ink"][k], paper) >= 7
        for name in style._THEMES.keys() - {"ink", "grid", "surface"}:  # what words are written in
            assert _contrast(style._THEMES[name][k], paper) >= 4.5, name


def test_letters_on_colours_that_no_theme_changes_are_black_or_white_and_can_be_read(predicted):
    """Ink is light on a dark page: on a cell that stays pale it would be gone."""
    shades = [style.SEQUENTIAL(share) for share in np.linspace(0, 1, 101)]
    for colour in (*map(to_hex, shades), *style.CLASS_COLOURS.values(), style.OURS):
        assert _contrast(style.readable_on(colour), colour) >= 4.5, colour
    figure = every_figure(predicted)["confusion"]()
    figure.svg()  # cells get their colours when they are drawn
    (ax,) = figure.axes
    cells = to_rgba_array(ax.collections[0].get_facecolors())[:, :3]
    for number, text in enumerate(ax.texts):  # a count and a share each cell
        assert _contrast(to_hex(text.get_color()), to_hex(cells[number // 2])) >= 4.5, text.get_text()
        assert to_hex(text.get_color()) not in {light for light, _ in style._THEMES.values()}


# Machado, Oliveira & Fernandes 2009, severity 1: protan-, deuter- and tritanopia, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def _lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLINDNESS)
def test_class_colours_can_be_told_apart(kind):
    seen = [_lab(np.asarray(BLINDNESS[kind]) @ _linear(style.CLASS_COLOURS[c])) for c in CLASSES]
    gaps = [np.linalg.norm(a - b) for k, a in enumerate(seen) for b in seen[:k]]
    assert min(gaps) > 16  # about 2.3 is just noticeable


def test_what_cannot_be_drawn_says_why():
    with pytest.raises(ValueError, match="no histories"):
        curves.convergence([], stage=1)
    with pytest.raises(ValueError, match="stage 3"):
        curves.convergence([history(0)], stage=3)


def test_a_drawing_shows_itself_with_its_size(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append((a, k)))
    diagrams.architecture()._ipython_display_()
    ((bundle,), options) = shown[0]
    assert bundle["image/svg+xml"].startswith("<svg")
    assert options["metadata"]["image/svg+xml"] == {"width": 700, "height": 420}


@pytest.mark.parametrize("shape", [(300, 200), (512, 512), (1300, 900)])
def test_an_outline_lies_on_its_tumour_at_any_size(shape):
    height, width = shape
    square = np.array([[0.25, 0.5], [0.75, 0.5], [0.75, 1.0], [0.25, 1.0]])
    fig = pictures.gradcam_grid([np.zeros(shape, np.uint8)], [np.eye(4)], ["a"], [square])
    for k in (0, 2):
        shown = fig.axes[k].images[0].get_array().shape
        drawn = (fig.axes[k].lines[0].get_xydata()[:4] + 0.5) / (shown[1], shown[0])
        np.testing.assert_allclose(drawn, square)
        assert shown[0] / shown[1] == pytest.approx(height / width, rel=0.01)


def test_the_readmes_picture_is_the_one_the_code_draws():
    from gcaf_lib.book import overview

    file = Path(__file__).resolve().parents[1] / overview.FILE
    if not file.is_file():
        pytest.skip("reads the checkout")
    # words become outlines, which other releases of matplotlib round otherwise: compare the shapes
    made, kept = overview.overview().svg(), file.read_text()
    assert style.size(made) == style.size(kept) and "prefers-color-scheme: dark" in kept
    assert re.findall(r'id="(\w+?)_\d+"', made) == re.findall(r'id="(\w+?)_\d+"', kept), "run `make sync`"
