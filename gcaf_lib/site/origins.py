"""Sphinx extension: each figure and table of a chapter links to the code that made it and to its run records.

All of it is known when the site is built: the executed notebook knows its commit and its records, the
chapter's .py source the lines of each cell. So no page has to be executed again for a link.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from gcaf_lib.book import provenance
from gcaf_lib.book.repository import Repository

PACKAGE = Path(__file__).resolve().parents[1]
ANCHOR = "run-records"
_CELL = re.compile(r"^# %%")
_DOWNLOAD = "gcaf-download"
# tables outside the chapters, by the beginning of their names, and the function that makes each
ELSEWHERE = {
    "tab-scorecard": "book/frontpage.py:front",
    "tab-score-": "book/frontpage.py:full",
    "tab-impossible": "book/contradictions.py:page",
    "tab-claim": "book/checklist.py:text",
    "tab-groups-columns": "book/tool_pages.py:columns",
    "tab-speed-throughput": "book/speed.py:throughput",
    "tab-speed-host-loop": "book/speed.py:host_loop",
    "tab-speed-operations": "book/speed.py:operations",
    "tab-speed-beside": "book/step_kinds.py:beside",
    "tab-speed-main-run": "book/durations.py:main_run",
    "tab-speed-suspects": "book/speed.py:suspects",
    "tab-speed-chapters": "book/durations.py:chapters",
    "tab-speed-suite": "book/durations.py:suite",
    "tab-card-settings": "book/modelcard.py:settings_table",
    "tab-card-performance": "book/modelcard.py:performance",
    "tab-card-own": "book/modelcard.py:own_home",
    "tab-card-elsewhere": "book/modelcard.py:own_elsewhere",
    "tab-datasheet-counts": "book/datasheet.py:counts",
    "tab-datasheet-sources": "book/datasheet.py:source_counts",
    "tab-datasheet-outside": "book/datasheet.py:outside",
    "tab-datasheet-splits": "book/datasheet.py:split_counts",
    "tab-datasheet-defects": "book/datasheet.py:defects",
}
_FROM_RUNS = ("tab-scorecard", "tab-score-", "tab-card-performance")


def spans(text: str) -> list[tuple[int, int]]:
    """First and last line (from 1) of each cell of a percent script, its marker and empty ends left out."""
    lines = text.splitlines()
    starts = [k for k, line in enumerate(lines) if _CELL.match(line)]
    found = []
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        inside = [k for k in range(start + 1, end) if lines[k].strip()]
        found.append((inside[0] + 1, inside[-1] + 1) if inside else (start + 1, start + 1))
    return found


def find(cells: list[str], text: str) -> list[tuple[int, int] | None]:
    """Lines of each cell in a percent script, None where the script has no such cell (any more)."""
    lines, left = text.splitlines(), spans(text)
    found: list[tuple[int, int] | None] = []
    for cell in cells:
        wanted = cell.strip("\n")
        span = next((s for s in left if "\n".join(lines[s[0] - 1 : s[1]]) == wanted), None)
        if span:
            left.remove(span)  # of two cells with the same text each has its own lines
        found.append(span)
    return found


def reads_records(cells: list[str]) -> list[bool]:
    """For each cell of a chapter, in order: does what it computes come from run records?

    Followed by name through the statements: what `.records(…)` gives, what is given the whole
    `chapter`, and whatever is computed from that.
    """
    from_runs: set[str] = set()
    modules: set[str] = {"chapter"}
    out = []
    for cell in cells:
        reads = False
        try:
            statements = ast.parse(cell).body
        except SyntaxError:  # a magic command
            statements = []
        for statement in statements:
            names = {n for node in ast.walk(statement) for n in _names(node)}
            if isinstance(statement, ast.Import | ast.ImportFrom):
                modules |= names
                continue
            if _asks(statement) or any(n in from_runs for n in names):
                reads = True
                from_runs |= _changed(statement) - modules
        out.append(reads)
    return out


def _names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return {node.id}
    if isinstance(node, ast.alias):
        return {(node.asname or node.name).split(".")[0]}
    return set()


def _asks(statement: ast.stmt) -> bool:
    """Whether a statement calls `.records(…)` or `.proposed_runs(…)`, or hands on the whole chapter."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in ("records", "proposed_runs"):
                return True
            given = [*node.args, *(k.value for k in node.keywords)]
            if any(isinstance(a, ast.Name) and a.id == "chapter" for a in given):
                return True
    return False


def _changed(statement: ast.stmt) -> set[str]:
    """Names that a statement binds, or whose methods it calls (which may change what they name)."""
    names: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.value, ast.Name):
            names.add(node.value.id)
    return names


def commit_of(info: dict[str, Any], source: Path) -> str | None:
    """The commit whose chapter source is the one shown, from a page's provenance; None where none is known."""
    same = info.get("chapter") == provenance.fingerprint_chapter(source)
    return info.get("commit") if same and not info.get("dirty") else None


def function_span(path: Path, name: str) -> tuple[int, int]:
    """First and last line of a module's function; `LookupError` where it has none of that name."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node.lineno, node.end_lineno or node.lineno
    raise LookupError(f"{path} has no function {name}")


# --- what is written into the page ---


def links(code: str, span: tuple[int, int] | None, what: str, runs: tuple[str, str] | None = None) -> str:
    """The quiet line below a figure or table, but for its download; `runs` is (address, words)."""
    first, last = span or (0, 0)
    where = "" if span is None else f", line {first}" if first == last else f", lines {first} to {last}"
    out = [f'<a href="{code}" aria-label="code of this {what}{where}">code</a>']
    if runs:
        out.append(f'<a href="{runs[0]}" aria-label="{runs[1]} behind this {what}">{runs[1]}</a>')
    return '<span aria-hidden="true"> · </span>'.join(out)


def linked_strip(strip: str, info: dict[str, Any], repository: Repository) -> str:
    """The provenance strip with its commit and its run records as links, and an anchor at the records."""
    commit = info.get("commit")
    if commit and not info.get("dirty"):
        there = f'<a href="{repository.url}/commit/{commit}">{commit}</a>'
        strip = re.sub(rf"(<dt>Commit</dt><dd>){commit}", rf"\1{there}", strip)
    if info.get("phantoms"):  # their records lie below _build
        return strip

    def link(key: re.Match[str]) -> str:
        known = key[0] in info["records"]
        return f'<a href="{repository.folder(f"results/runs/{key[0]}")}">{key[0]}</a>' if known else key[0]

    def runs(found: re.Match[str]) -> str:
        keys = re.sub(r"\b[0-9a-f]{12}\b", link, found[1])
        return f'<dt id="{ANCHOR}">Runs</dt><dd>{keys}</dd>'

    return re.sub(r"<dt>Runs</dt><dd>(.*?)</dd>", runs, strip, count=1)


def _runs(info: dict[str, Any]) -> tuple[str, str] | None:
    n = len(info.get("records", {}))
    return (f"#{ANCHOR}", "run" if n == 1 else "runs") if n and not info.get("phantoms") else None


def _append(node: Any, line: str) -> None:
    """Put the line before the download that follows a table, or below a figure."""
    from docutils import nodes

    after = node.next_node(descend=False, siblings=True, ascend=False)
    if isinstance(after, nodes.paragraph) and _DOWNLOAD in after.rawsource + after.astext():
        after["classes"].append("gcaf-origin")
        after.insert(0, nodes.raw("", line + '<span aria-hidden="true"> · </span>', format="html"))
        return
    paragraph = nodes.paragraph("", "", classes=["gcaf-origin"])
    paragraph += nodes.raw("", line, format="html")
    node.parent.insert(node.parent.index(node) + 1, paragraph)


def _chapter(doctree: Any, page: Path, source: Path, repository: Repository) -> None:
    from docutils import nodes

    book = json.loads(page.read_text(encoding="utf-8"))
    info = book["metadata"].get("gcaf") or {}
    numbers = [k for k, cell in enumerate(book["cells"]) if cell["cell_type"] == "code"]
    code = ["".join(book["cells"][k]["source"]) for k in numbers]
    where = dict(zip(numbers, find(code, source.read_text(encoding="utf-8"))))
    from_runs = dict(zip(numbers, reads_records(code)))
    commit, runs = commit_of(info, source), None
    cells = [c for c in doctree.findall(nodes.container) if c.get("nb_element") == "cell_code"]
    for raw in [raw for cell in cells for raw in cell.findall(nodes.raw)]:
        if "gcaf-strip" in raw.astext():
            raw.children = [nodes.Text(linked_strip(raw.astext(), info, repository))]
            runs = runs or (f'id="{ANCHOR}"' in raw.astext() and _runs(info)) or None
    for cell in cells:
        index = cell["cell_index"]
        address = repository.lines(f"notebooks/{source.name}", where[index], commit)
        for node in [*cell.findall(nodes.figure), *cell.findall(nodes.table)]:
            if node["ids"] or node["names"]:
                what = "figure" if isinstance(node, nodes.figure) else "table"
                _append(node, links(address, where[index], what, runs if from_runs[index] else None))


def _elsewhere(doctree: Any, repository: Repository) -> None:
    from docutils import nodes

    phantoms = any("gcaf-phantom" in raw.astext() for raw in doctree.findall(nodes.raw))
    for table in list(doctree.findall(nodes.table)):
        name = next((i for i in table["ids"] if i.startswith("tab-")), "")
        maker = next((m for start, m in ELSEWHERE.items() if name.startswith(start)), None)
        if maker is None:
            continue
        path, function = maker.split(":")
        span = function_span(PACKAGE / path, function)
        from_runs = name.startswith(_FROM_RUNS) and not phantoms
        runs = (repository.folder("results/runs"), "runs") if from_runs else None
        _append(table, links(repository.lines(f"gcaf_lib/{path}", span), span, "table", runs))


def add(app: Any, doctree: Any, docname: str) -> None:
    """Write the links into a page that is about to become HTML."""
    if app.builder.format != "html":
        return
    options = app.config.html_theme_options
    repository = Repository(options["repository_url"].rstrip("/"), options.get("repository_branch") or "main")
    source = PACKAGE.parent / "notebooks" / f"{Path(docname).name}.py"
    page = Path(app.srcdir) / f"{docname}.ipynb"
    if docname.startswith("notebooks/") and page.is_file() and source.is_file():
        _chapter(doctree, page, source, repository)
    else:
        _elsewhere(doctree, repository)


def setup(app: Any) -> dict[str, Any]:
    app.connect("doctree-resolved", add)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
