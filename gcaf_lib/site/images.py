"""Sphinx side of the book: images keep their place while loading, and say what they show.

An image without alt text is a warning, hence an error under `-W`. Figures made by the library get
their width and height as attributes, so that a page does not jump while they load.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from gcaf_lib.display import style

logger = logging.getLogger(__name__)


def check_images(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Warn of every image without alt text."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            logger.warning(
                "image without alt text: %s", image.get("uri"), location=image, type="gcaf", subtype="alt"
            )


def size_images(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Write width and height of SVG files into their <img>; CSS keeps them in proportion."""
    if context.get("body"):
        image = r'<img [^>]*src="([^"]*\.svg)"[^>]*>'
        context["body"] = re.sub(image, lambda m: _sized(app, m), context["body"])


def _sized(app: Sphinx, match: re.Match[str]) -> str:
    tag = match.group(0)
    file = Path(app.outdir) / "_images" / Path(match.group(1)).name
    source = next((Path(app.srcdir) / p for p, (_, n) in app.env.images.items() if n == file.name), file)
    try:
        width, height = style.size(source.read_bytes()[:2000].decode(errors="replace"))
    except (OSError, ValueError):
        return tag
    tag = re.sub(r'\s(style|width|height)="[^"]*"', "", tag)
    # a drawing for phones is hidden elsewhere, and then need not be fetched
    wait = 'loading="lazy" ' if file.stem.endswith("-narrow") else ""
    return tag.replace("<img ", f'<img class="gcaf-figure" {wait}width="{width}" height="{height}" ', 1)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", check_images)
    app.connect("html-page-context", size_images)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
