"""Links from figures and tables to their code, runs and data: the lines are the cell's, the records the page's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gcaf_lib.book import notebooks
from gcaf_lib.site import origins

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("these tests read the checkout", allow_module_level=True)
SOURCES = notebooks.sources(ROOT / "notebooks")
REPOSITORY = origins.Repository("https://example.org/book", "main")
INFO = {"commit": "c" * 40, "dirty": False, "records": {"a" * 12: "1", "b" * 12: "2"}, "phantoms": False}
STRIP = f"<dl><dt>Commit</dt><dd>{'c' * 40}</dd><dt>Runs</dt><dd>2 ({'a' * 12}, {'b' * 12})</dd></dl>"


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_lines_are_those_of_the_cell(source):
    text = source.read_text(encoding="utf-8")
    lines, spans = text.splitlines(), origins.spans(text)
    cells = notebooks.plain_notebook(source).cells
    assert len(spans) == len(cells)
    for cell, (first, last) in zip(cells, spans):
        if cell.cell_type == "code":
            assert (first, last) in origins.find([cell.source], text)
            assert "\n".join(lines[first - 1 : last]) == cell.source.strip("\n")


def test_a_page_older_than_its_source_still_finds_the_cells_that_stayed():
    text = "# ---\n# ---\n# %% [markdown]\n# new\n\n# %%\na = 1\n\n# %%\na = 1\n\n# %%\nb = 2\nc = 3\n"
    assert origins.find(["a = 1", "gone()", "a = 1", "b = 2\nc = 3"], text) == [
        (7, 7),
        None,
        (10, 10),
        (13, 14),
    ]
    assert REPOSITORY.lines("a.py", None, "abc").endswith("/blob/abc/a.py")


def test_what_comes_from_records_is_followed_by_name():
    cells = [
        "import numpy as np\nruns = chapter.records('main')['x']",
        "np.zeros(3)\nchapter.settings.seed",  # a module that once saw runs is still only a module
        "a = np.mean(runs[0].labels())",
        "rows = []\nfor x in range(3):\n    rows.append(x)",
        "for r in runs:\n    rows.append(r)",
        "def show():\n    return rows",
        "show()",
        "table = rungs.ladder(chapter)",
        "table",
        "own = chapter.proposed_runs(train=True)",
        "own[0].key",
        "1 + 1",
    ]
    expected = [True, False, True, False, True, True, True, True, True, True, True, False]
    assert origins.reads_records(cells) == expected


def test_addresses():
    assert REPOSITORY.lines("a.py", (3, 5), "abc") == "https://example.org/book/blob/abc/a.py#L3-L5"
    assert REPOSITORY.lines("a.py", (3, 3)) == "https://example.org/book/blob/main/a.py#L3"


def test_strip_links_its_commit_and_its_records():
    strip = origins.linked_strip(STRIP, INFO, REPOSITORY)
    assert f'<a href="https://example.org/book/commit/{"c" * 40}">' in strip
    for key in INFO["records"]:
        assert f'<a href="https://example.org/book/tree/main/results/runs/{key}">{key}</a>' in strip
    assert strip.count(f'id="{origins.ANCHOR}"') == 1
    assert re.sub(r"</?a[^>]*>| id=\"[^\"]*\"", "", strip) == STRIP, "nothing else changes"


def test_phantoms_records_and_uncommitted_code_are_not_linked():
    strip = origins.linked_strip(STRIP, {**INFO, "phantoms": True, "dirty": True}, REPOSITORY)
    assert strip == STRIP


def test_commit_is_named_only_for_the_very_source(tmp_path):
    page = ROOT / "book" / "notebooks" / f"{SOURCES[0].stem}.ipynb"
    if not page.is_file():
        pytest.skip("no executed chapter")
    info = json.loads(page.read_text())["metadata"]["gcaf"]
    other = tmp_path / "other.py"
    other.write_text(SOURCES[0].read_text() + "\n# %%\n1\n")
    assert origins.commit_of(info, other) is None
    assert origins.commit_of({**info, "dirty": True}, SOURCES[0]) is None


def test_functions_that_make_the_other_tables_exist():
    for maker in origins.ELSEWHERE.values():
        path, name = maker.split(":")
        first, last = origins.function_span(origins.PACKAGE / path, name)
        assert last > first
    with pytest.raises(LookupError, match="no function"):
        origins.function_span(origins.PACKAGE / "settings.py", "nothing_of_this_name")


def test_every_table_outside_the_chapters_has_its_maker():
    for path in (ROOT / "book" / "_generated").glob("*.md"):
        for name in re.findall(r"^:name: (tab-\S+)", path.read_text(encoding="utf-8"), re.M):
            assert any(name.startswith(start) for start in origins.ELSEWHERE), f"{path.name}: {name}"
            assert "_" not in name, f"{path.name}: {name}: on the page it is a dash"
