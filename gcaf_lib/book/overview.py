"""The README's picture: the claim, the leak in the split, and the ladder of splits that leak less."""

from __future__ import annotations

from pathlib import Path

from matplotlib.patches import Circle, Ellipse

from gcaf_lib.display.diagrams import _Canvas
from gcaf_lib.display.style import ACCENT, GRID, INK, MUTED, OURS, PAPER, SURFACE, Drawing, styled
from gcaf_lib.machine import write_text

FILE = "book/_static/overview.svg"  # `make sync` renews it
STEPS = (
    ("random", "as in the paper"),
    ("files apart", "no file twice"),
    ("twins apart", "no slice twice"),
    ("patient-disjoint", "no known patient twice"),
)


@styled
def overview() -> Drawing:
    """Three panels, top to bottom in the order of the argument; no number, since each is computed."""
    c = _Canvas(700, 490)
    c.zone(8, 8, 692, 132, "The claim")
    for x, side in ((62, 1), (84, 1), (106, -1)):
        _slice(c, x, 74, 21, side)
    c.text(84, 112, "brain MRI slices", size=7.5, colour=MUTED)
    c.box(240, 48, 150, 40, "EfficientNetV2-S", colour=OURS)
    c.box(240, 100, 150, 40, "ConvNeXt-Tiny", colour=ACCENT)
    c.box(418, 74, 140, 62, "Gated cross-\nattention fusion", colour=PAPER, fill="strong")
    c.box(598, 74, 156, 62, "Four classes", "almost without error", colour=MUTED)
    for y in (48, 100):
        c.arrow((130, 74 + (y - 74) / 5), (164, y))
        c.arrow((315, y), (347, 66 if y == 48 else 82))
    c.arrow((488, 74), (519, 74))

    c.zone(8, 146, 692, 320, "The leak: one dataset, split at random")
    c.box(144, 242, 240, 132, "", colour=OURS)
    c.box(556, 242, 240, 132, "", colour=ACCENT)
    c.text(40, 242, "training", weight="bold", ha="left")
    c.text(660, 242, "test", weight="bold", ha="right")
    for y, side, turn, words in (
        (200, 1, 0, "the same file twice"),
        (242, -1, 0, "a mirrored copy"),
        (284, 1, 10, "the same patient"),
    ):
        _slice(c, 216, y, 18, 1)
        _slice(c, 484, y, 18, side, turn)
        c.box(350, y, 128, 24, "", colour=PAPER)
        c.text(350, y, words, size=7.5, weight="bold")
        c.path((238, y), (260, y), (285, y), colour=PAPER)
        c.path((414, y), (430, y), (462, y), colour=PAPER)

    c.zone(8, 334, 692, 482, "The ladder: split again, leaking less at each rung")
    for k, (title, note) in enumerate(STEPS):
        x, y = 96 + 169 * k, 386 + 18 * k
        c.box(x, y, 142, 44, title, note, colour=(PAPER, MUTED, MUTED, OURS)[k], fill="strong")
        if k:
            c.arrow((x - 98, y - 18), (x - 72, y - 4))
    c.text(24, 462, "on every rung: the network, and a look-up that learns nothing", size=7.5, ha="left")
    return c.fig


def write(root: Path = Path()) -> Path:
    """Write the picture into the checkout `root`."""
    write_text(Path(root) / FILE, overview().svg())
    return Path(root) / FILE


def _slice(c: _Canvas, x: float, y: float, r: float, side: int, turn: float = 0) -> None:
    """A small axial slice with its lesion at the `side` of the midline."""
    add = c.ax.add_patch
    add(Ellipse((x, y), 1.7 * r, 2 * r, angle=turn, fc=SURFACE, ec=INK, lw=1.2, zorder=6))
    add(Ellipse((x, y), 1.42 * r, 1.7 * r, angle=turn, fc=GRID, ec=MUTED, lw=0.7, zorder=6))
    for way in (-1, 1):
        add(Ellipse((x + way * 0.17 * r, y), 0.16 * r, 0.62 * r, angle=-way * 14 + turn, fc=MUTED, zorder=7))
    add(Circle((x + side * 0.4 * r, y - 0.38 * r), 0.2 * r, fc=ACCENT, zorder=7))
