"""Sphinx extension: the library's reference, written from signatures and docstrings when the page is built.

Read from the source, without importing it: a build needs no TensorFlow for it. Each entry links to the
chapters that call it.
"""

from __future__ import annotations

import ast
import html
import inspect
import re
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
ROOMS = {
    "data": "Files to arrays and splits",
    "model": "Layers and losses",
    "training": "Settings to run records",
    "evaluation": "Metrics and statistics",
    "paper": "The paper's figures, checked",
    "display": "Tables and pictures",
    "findings": "What the records say",
    "book": "How a page is made",
}
PAGE = "reference"


def chapters(folder: Path) -> dict[str, str]:
    """Source of each chapter by name."""
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted(folder.glob("[0-9][0-9]_*.py"))}


def markdown(package: Path = PACKAGE, sources: dict[str, str] | None = None) -> str:
    """The whole reference as MyST Markdown, one section a room, one below it a module."""
    parts = []
    for room, words in ROOMS.items():
        parts.append(f"## {words}: `{room}`")
        for path in sorted((package / room).glob("*.py")):
            parts += _module(f"{room}.{path.stem}", path.read_text(encoding="utf-8"), sources or {})
    return "\n\n".join(parts) + "\n"


def _module(name: str, text: str, sources: dict[str, str]) -> list[str]:
    tree = ast.parse(text)
    entries = [e for e in tree.body if isinstance(e, ast.FunctionDef | ast.ClassDef) and e.name[0] != "_"]
    about = ast.get_docstring(tree)
    if not entries or not about:
        return []
    said = (_entry(name, entry, _users(name, entry.name, sources)) for entry in entries)
    return [f"### `gcaf_lib.{name}`", _prose(about), *said]


def _entry(module: str, entry: ast.FunctionDef | ast.ClassDef, users: list[str]) -> str:
    if isinstance(entry, ast.ClassDef):
        bases = ", ".join(ast.unparse(b) for b in entry.bases)
        head = f"class {entry.name}" + (f"({bases})" if bases else "")
    else:
        returns = f" -> {ast.unparse(entry.returns)}" if entry.returns else ""
        head = f"{entry.name}({ast.unparse(entry.args)}){returns}"
    lines = [f'<div class="gcaf-entry" id="gcaf_lib.{module}.{entry.name}">\n\n`{head}`']
    lines.append(_prose(ast.get_docstring(entry) or ""))
    if users:
        links = ", ".join(f"[{u[:2]}](/notebooks/{u}.ipynb)" for u in users)
        lines.append(f"Used in {'chapters' if len(users) > 1 else 'chapter'} {links}.")
    return "\n\n".join(filter(None, lines)) + "\n\n</div>"


def _prose(text: str) -> str:
    """A docstring as HTML: its own line breaks and spaces, code where it says code."""
    text = html.escape(inspect.cleandoc(text), quote=False)
    text = re.sub(r"(?m)^(.{76,})\n(?=[^\s-])", r"\1 ", text)  # a line that was only full, not ended
    text = re.sub(r"`+([^`\n]+)`+", r"<code>\1</code>", text)
    # an empty line would end the block for Markdown
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n".join(f'<p class="gcaf-doc">{p}</p>' for p in paragraphs if p.strip())


def _users(module: str, name: str, sources: dict[str, str]) -> list[str]:
    """Chapters that call `name` of this module, by `module.name(` (or by the module's alias) or by importing it."""
    wing, last = module.rsplit(".", 1)
    taken = re.compile(rf"from gcaf_lib\.{wing} import [^\n]*\b{last}\b(?: as (\w+))?")
    by_name = re.compile(rf"from gcaf_lib\.{re.escape(module)} import [^\n]*\b{name}\b")
    return [
        chapter
        for chapter, text in sources.items()
        if by_name.search(text)
        or any(re.search(rf"\b{a or last}\.{name}\b", text) for a in taken.findall(text))
    ]


def setup(app: Any) -> dict[str, Any]:
    """Fill the page `reference` when Sphinx reads it."""

    def fill(app: Any, page: str, source: list[str]) -> None:
        if page != PAGE:
            return
        known = {d.removeprefix("notebooks/") for d in app.env.found_docs if d.startswith("notebooks/")}
        written = chapters(PACKAGE.parent / "notebooks")
        source[0] += "\n" + markdown(PACKAGE, {k: v for k, v in written.items() if k in known})

    def outdated(app: Any, env: Any, added: set, changed: set, removed: set) -> list[str]:
        return [PAGE] if PAGE in env.found_docs else []

    app.connect("source-read", fill)
    app.connect("env-get-outdated", outdated)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
