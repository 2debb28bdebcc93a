"""Drawings of the architecture (Figures 1 and 6), made by code in the book's own style.

Units are CSS pixels with the origin at the upper left, so that positions read like a page.
"""

from __future__ import annotations

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from gcaf_lib.display.style import ACCENT, GRID, INK, MUTED, OURS, PAPER, SURFACE, Drawing, drawing, styled

_FILL = {"plain": 0.10, "strong": 0.22}


class _Canvas:
    """A page of `width` x `height` px on which boxes and arrows are put by hand."""

    def __init__(self, width: float, height: float) -> None:
        self.fig = drawing(width / 96, height / 96)
        self.fig.set_layout_engine("none")
        self.ax = self.fig.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(0, width), ylim=(height, 0))
        self.ax.set_axis_off()

    def _sheet(self, left, top, w, h, radius, **look) -> None:
        shape = f"round,pad=0,rounding_size={radius}"
        self.ax.add_patch(FancyBboxPatch((left, top), w, h, boxstyle=shape, **look))

    def box(self, x, y, w, h, title, note="", colour=OURS, fill="plain", size=8.5) -> None:
        """A rounded box centred at x, y."""
        place = (x - w / 2, y - h / 2, w, h, 7)
        # an opaque sheet below the tint: arrows end at the box, whatever is behind
        self._sheet(*place, fc=SURFACE, ec="none", zorder=2)
        self._sheet(*place, fc=(colour, _FILL[fill]), ec=colour, lw=1.3, zorder=3)
        # title and note are centred together: about 14 px a line of title, 11 px one of note
        lines = note.count("\n") + 1 if note else 0
        below = y + 7 * (title.count("\n") + 1)
        self.text(x, y - 5.5 * lines, title, weight="bold", size=size)
        if "$" in note:
            self.text(x, below + 2.5, note, size=7.8)
        elif note:
            self.text(x, below, note, size=6.8, colour=MUTED)

    def text(self, x, y, words, size=8.5, colour=INK, weight="normal", ha="center") -> None:
        font = {"fontsize": size, "fontweight": weight, "linespacing": 1.3}
        self.ax.text(x, y, words, ha=ha, va="center", color=colour, zorder=5, **font)

    def arrow(self, start, end, colour=MUTED) -> None:
        tip = {"arrowstyle": "-|>,head_width=2.6,head_length=4.6", "shrinkA": 0, "shrinkB": 1}
        self.ax.add_patch(FancyArrowPatch(start, end, lw=1.3, color=colour, zorder=4, **tip))

    def path(self, *points, colour=MUTED) -> None:
        """A line with corners that ends in an arrow."""
        xs, ys = zip(*points)
        self.ax.plot(xs[:-1], ys[:-1], color=colour, lw=1.3, solid_capstyle="round", zorder=1.5)
        self.arrow(points[-2], points[-1], colour)

    def zone(self, left, top, right, bottom, words, indent=12) -> None:
        """A pale area behind boxes, with its heading."""
        self._sheet(left, top, right - left, bottom - top, 10, fc=(GRID, 0.28), ec=GRID, lw=1, zorder=0)
        self.text(left + indent, top + 13, words, size=7.5, colour=MUTED, weight="bold", ha="left")


@styled
def architecture() -> Drawing:
    """Figure 1: the whole model, from the image to the four probabilities, and what trains it."""
    c = _Canvas(700, 420)
    c.zone(8, 8, 692, 104, "1  Input")
    for x, title, note in (
        (78, "MR image", "any size"),
        (214, "CLAHE, resize", "on V of HSV · Eq 1"),
        (350, "Augment", "flips, brightness, contrast"),
        (486, "Mixup", "λ ~ Beta(α, α) · Eq 3"),
        (622, "Normalise", "ImageNet · Eq 2"),
    ):
        c.box(x, 62, 118 if x != 350 else 122, 48, title, note, colour=MUTED)
    for x in (137, 273, 411, 545):
        c.arrow((x, 62), (x + (18 if x != 273 else 16), 62))
    c.zone(8, 116, 692, 296, "2  Two backbones, one fusion", indent=44)
    c.path((622, 86), (622, 110), (40, 110), (40, 172), (64, 172))
    c.path((40, 172), (40, 250), (64, 250))
    c.box(138, 172, 148, 56, "EfficientNetV2-S", "F₁  7 × 7 × 1280 · Eq 4", colour=OURS)
    c.box(138, 250, 148, 56, "ConvNeXt-Tiny", "F₂  7 × 7 × 768 · Eq 5", colour=ACCENT)
    c.box(302, 172, 120, 48, "GAP, project", "a ∈ ℝᵈ · Eqs 6, 6a", colour=OURS)
    c.box(302, 250, 120, 48, "GAP, project", "b ∈ ℝᵈ · Eqs 6, 6a", colour=ACCENT)
    words = ("Gated cross-\nattention fusion", "a asks b, b asks a;\ngates weigh the answers")
    c.box(468, 211, 144, 96, *words, PAPER, "strong")
    c.box(622, 211, 108, 62, "Classifier", "dropout, dense 4,\nsoftmax", colour=MUTED)
    for y in (172, 250):
        c.arrow((212, y), (241, y))
        c.arrow((362, y), (395, 192 if y == 172 else 230))
    c.arrow((540, 211), (567, 211))
    c.zone(8, 308, 692, 412, "3  Training")
    for x, w, title, note in (
        (599, 168, "Focal loss", "smoothed labels · Eqs 14, 15"),
        (422, 146, "Stage 1", "backbones frozen · Eq 16"),
        (258, 146, "Stage 2", "top 20% trained · Eq 17"),
        (94, 146, "EMA of weights", "β = 0.999 · Eq 18"),
    ):
        c.box(x, 366, w, 48, title, note, colour=MUTED)
    c.arrow((622, 242), (622, 341))
    c.arrow((515, 366), (497, 366))
    c.arrow((349, 366), (332, 366))
    c.arrow((185, 366), (168, 366))
    return c.fig


@styled
def fusion_module() -> Drawing:
    """Figure 6: gated cross-attention fusion as reconstructed; `a` and `b` are the pooled vectors."""
    c = _Canvas(700, 430)
    for y, me, other, mine, theirs in ((104, "a", "b", OURS, ACCENT), (326, "b", "a", ACCENT, OURS)):
        seen = f"c_{{{me} \\leftarrow {other}}}"
        c.zone(8, y - 96, 692, y + 94, f"{me} asks {other}")
        c.box(48, y - 34, 56, 40, f"${me}$", colour=mine, fill="strong", size=11)
        c.box(48, y + 44, 56, 40, f"${other}$", colour=theirs, fill="strong", size=11)
        c.box(166, y - 34, 116, 52, "query", f"$q_{me} = W_Q^{me}\\, {me}$", mine)
        pair = f"$k_{other} = W_K^{other}\\, {other}$\n$v_{other} = W_V^{other}\\, {other}$"
        c.box(166, y + 44, 116, 66, "key, value", pair, theirs)
        answer = f"$\\mathrm{{softmax}}(q_{me} \\cdot k_{other} / \\sqrt{{d}})\\, v_{other}$"
        c.box(314, y + 5, 132, 62, "attention", answer, MUTED)
        gate = f"$g_{me} = \\sigma(W_g^{me} [{me}; {seen}] + \\beta_g^{me})$"
        c.box(462, y + 5, 132, 62, "gate", gate, PAPER, "strong")
        mix = f"$g_{me} \\odot {me} + (1 - g_{me}) \\odot {seen}$"
        c.box(610, y + 5, 132, 62, "mix", mix, mine, "strong")
        c.arrow((76, y - 34), (107, y - 34), mine)
        c.arrow((76, y + 44), (107, y + 44), theirs)
        c.arrow((224, y - 34), (247, y - 12), mine)
        c.arrow((224, y + 44), (247, y + 22), theirs)
        c.arrow((380, y + 5), (395, y + 5))
        c.arrow((528, y + 5), (543, y + 5), PAPER)
        # the vector itself also goes to its gate and into the mix
        c.path((48, y - 54), (48, y - 74), (462, y - 74), (462, y - 27), colour=mine)
        c.path((462, y - 74), (610, y - 74), (610, y - 27), colour=mine)
        # and so does what the other side answered
        c.path((391, y + 5), (391, y + 74), (610, y + 74), (610, y + 37))
        c.text(500, y + 66, f"${seen}$", size=8, colour=MUTED)
    out = "$z = [\\hat{a};\\, \\hat{b}]$,  then dropout and a dense layer of 4"
    c.box(350, 215, 420, 26, out, colour=PAPER)
    c.path((676, 109), (697, 109), (697, 215), (561, 215), colour=OURS)
    c.path((676, 331), (697, 331), (697, 215), (561, 215), colour=ACCENT)
    return c.fig
