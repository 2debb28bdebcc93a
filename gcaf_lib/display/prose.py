"""Sentences on a page."""

from __future__ import annotations

from IPython.display import Markdown


def say(*paragraphs: str) -> Markdown:
    """The paragraphs that say something, each by itself; an empty one is left out."""
    return Markdown("\n\n".join(one for one in paragraphs if one))
