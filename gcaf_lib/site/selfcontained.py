"""Sphinx extension: mend what the theme and its helpers leave wrong in every page.

Live code is off, yet its loader is written into each page, twice, which is an error in the console;
MathJax comes twice where there are formulas, and at all where there are none (2 MB); some buttons
have a name for screen readers that leaves out the words on them. A script of 1.5 MB with every icon there is
draws the twenty that are used: they are written into the pages instead.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gcaf_lib.machine import write_text

_MENDS = (
    # live code (thebe): loader, settings, style
    (re.compile(r"\s*<script>const THEBE_JS_URL.*?</script>", re.DOTALL), ""),
    (re.compile(r'\s*<script[^>]*src="[^"]*sphinx-thebe\.js[^"]*"[^>]*></script>'), ""),
    (re.compile(r'\s*<link[^>]*href="[^"]*sphinx-thebe\.css[^"]*"[^>]*>'), ""),
    (re.compile(r'\s*<script type="text/x-thebe-config">.*?</script>', re.DOTALL), ""),
    # the words on a button are its name
    (re.compile(r'(<button class="[^"]*search-button-field[^"]*"[^>]*?) aria-label="Search"'), r"\1"),
    (re.compile(r'(<summary[^>]*?) aria-label="Toggle hidden content"'), r"\1"),
    # FontAwesome turns these titles into text inside a button that has a name already
    (re.compile(r'(<i class="theme-switch [^>]*?)\s+title="[^"]*"'), r"\1"),
    # a list may only hold list items, and the bibliography's entries are linked from elsewhere too
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
    (re.compile(r' role="doc-biblioentry"'), ""),
    # a formula wider than the page scrolls, also from the keyboard
    (
        re.compile(r'<div class="math notranslate nohighlight">'),
        '<div class="math notranslate nohighlight" tabindex="0">',
    ),
)
# a number and its spread break before the ±, never after it
_NUMBERS = re.compile(r'(?<=<td class="text-right"><p>)[^<]+')
_MATHJAX = re.compile(r'\s*<script[^>]*src="[^"]*mathjax/[^"]*"[^>]*></script>')

_ICON = re.compile(
    r'<(i|span) class="([^"]*\b(?:fa-|fa)(solid|regular|brands|s|r|b) fa-([a-z-]+)[^"]*)"([^>]*)></\1>'
)
_ICONS_SCRIPT = re.compile(r'\s*<script[^>]*src="[^"]*scripts/fontawesome\.js[^"]*"[^>]*></script>')


def inline_icons(page: str, library: str) -> str:
    """The page with its icons as SVG, and without the script that would draw them.

    `library` is the text of the theme's fontawesome.js. A page with an icon that it does not have
    stays as it is.
    """

    def draw(match: re.Match[str]) -> str:
        _, classes, style, name, rest = match.groups()
        known = re.findall(rf'[{{,]"?{name}"?:\[(\d+),(\d+),\[[^\]]*\],"[^"]*","([^"]+)"\]', library)
        if not known:
            raise KeyError(name)
        # outlined icons come before the filled ones of the same name
        width, height, path = known[0] if style[0] == "r" else known[-1]
        return (
            f'<svg class="{" ".join(classes.split())} svg-inline--fa" aria-hidden="true"{rest} '
            f'viewBox="0 0 {width} {height}"><path fill="currentColor" d="{path}"></path></svg>'
        )

    try:
        return _ICONS_SCRIPT.sub("", _ICON.sub(draw, page))
    except KeyError:
        return page


def mend(page: str) -> str:
    """A page's HTML put right; mending it again changes nothing."""
    for wrong, right in _MENDS:
        page = wrong.sub(right, page)
    page = _NUMBERS.sub(lambda m: re.sub(r"(?<=[±=]) (?=[−\d])|(?<=\bn) (?==)", "\u00a0", m[0]), page)
    wanted, seen = 1 if re.search(r'class="[^"]*\bmath\b', page) else 0, itertools.count()
    return _MATHJAX.sub(lambda m: m[0] if next(seen) < wanted else "", page)


def mend_all(app: Sphinx, error: Exception | None) -> None:
    """Mend every page of a finished HTML build."""
    if error is not None or app.builder.format != "html":
        return
    icons = Path(app.outdir) / "_static" / "scripts" / "fontawesome.js"
    library = icons.read_text(encoding="utf-8") if icons.is_file() else ""
    for path in Path(app.outdir).rglob("*.html"):
        if "_static" in path.relative_to(app.outdir).parts:
            continue
        before = path.read_text(encoding="utf-8")
        after = inline_icons(mend(before), library)
        if after != before:
            write_text(path, after)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", mend_all)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
