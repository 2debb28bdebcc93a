"""The chapters' two forms and Jupytext itself: whatever a reader's Jupyter does, both stay as they were."""

import ast
import importlib
import importlib.util
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

from gcaf_lib import cli
from gcaf_lib.book import notebooks
from gcaf_lib.book.chapter import open_chapter
from gcaf_lib.data import splits

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Path:
    """Every chapter's .py and the clean .ipynb of today's library, in a checkout of their own."""
    place = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "_config.yml", place)
    (place / "notebooks").mkdir()
    for source in CHAPTERS:
        shutil.copy(source, place / "notebooks")
    notebooks.sync(place / "notebooks")
    return place / "notebooks"


def texts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("ending", ["ipynb", "py"])
def test_jupytext_sync_changes_nothing(copies, ending):
    """As a reader calls it, in a process of its own: Jupyter's tools set the logging of theirs up anew."""
    before = texts(copies)
    assert len(before) == 2 * len(CHAPTERS) > 40
    paths = sorted(map(str, copies.glob(f"*.{ending}")))
    command = [sys.executable, "-m", "jupytext", "--sync", *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"Reading {path}" in done.stdout for path in paths)
    assert texts(copies) == before


def test_a_chapter_saved_from_its_py_says_the_same(copies):
    """Jupyter with the extension opens the .py as a notebook and writes it back: words, cells and tags stay."""
    for path in sorted(copies.glob("*.py")):
        book = jupytext.read(path)
        again = jupytext.reads(jupytext.writes(book, fmt="py:percent"), fmt="py:percent")
        assert [(c.cell_type, c.source, c.metadata) for c in again.cells] == [
            (c.cell_type, c.source, c.metadata) for c in book.cells
        ], path.name


def test_the_clean_pair_comes_back_from_a_pair_that_carried_colab_s_cell_over(copies):
    """As Jupyter did while the two were paired: `gcaf sync` makes the same notebook of it."""
    source = sorted(copies.glob("*.py"))[0]
    clean = notebooks.clean_notebook(source)
    carried = source.with_name("99_carried.py")
    jupytext.write(clean, carried, fmt="py:percent")
    try:
        again = notebooks.clean_notebook(carried)
        assert [c.source for c in again.cells] == [c.source for c in clean.cells]
    finally:
        carried.unlink()


def test_colab_shows_each_figure_s_caption_below_it(copies):
    """There the site's captions, which stand in the cells' metadata, are not to be seen."""
    figures = 0
    for path in sorted(copies.glob("*.py")):
        cells = notebooks.clean_notebook(path).cells
        for cell, below in zip(cells, [*cells[1:], None]):
            if figure := cell.metadata.get("mystnb", {}).get("figure"):
                assert below.cell_type == "markdown" and below.source.endswith(figure["caption"]), path.name
                figures += 1
    assert figures > 30


def test_an_advised_command_trains_what_the_page_reads():
    chapter = open_chapter("12_mixup_ema", "demo", {"data.protocol": "twins"})
    command = "gcaf sweep table-5 --profile demo --set data.protocol=twins"
    assert chapter.sweep("table-5") == command
    words = cli.build_parser().parse_args(command.split()[1:])
    assert (words.profile, words.tables, words.set) == ("demo", ["table-5"], ["data.protocol=twins"])


def test_a_page_knows_what_its_split_trains_on_and_whether_the_paper_may_stand_beside_it():
    phantoms, patients = (open_chapter("12_mixup_ema", profile) for profile in ("demo", "cpu"))
    for chapter in (phantoms, patients):
        part = splits.load(chapter.settings.data, chapter.dataset)["part"]
        counts = chapter.training_counts
        assert chapter.training_images == counts.sum() == (part == "train").sum()
        assert len(counts) == 4 and (counts > 0).all()
    assert patients.show_published and not phantoms.show_published


def test_a_caption_with_a_bootstrap_interval_says_who_is_drawn():
    """Images of one patient are no independent draws, so which of the two was drawn is half of what an interval says."""
    captions = [
        (path.name, caption)
        for path in CHAPTERS
        for caption in re.findall(
            r'caption(?:=f?|": )"([^"]*)"', filled(re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8")))
        )
    ]
    captions += [  # those that the library says, too
        (name, caption)
        for name, outputs in executed().items()
        for out in outputs
        for caption in re.findall(r"^~~~\{table\} (.*)$", "".join(out.get("text/markdown", "")), re.M)
    ]
    found = [one for one in captions if "cluster-bootstrap" in one[1] or "cluster bootstrap" in one[1]]
    assert len(found) > 50
    assert not [one for one in found if "patient" not in one[1].replace("patient-disjoint", "")]


def filled(text: str) -> str:
    """A chapter's text with the constants of `findings` (`{words.OVER}`) that its captions name put in."""

    def constant(found: re.Match) -> str:
        if not (ROOT / "gcaf_lib/findings" / f"{found[1]}.py").is_file():
            return found[0]
        return str(getattr(importlib.import_module(f"gcaf_lib.findings.{found[1]}"), found[2]))

    return re.sub(r"\{(\w+)\.([A-Z_]+)\}", constant, text)


def executed() -> dict[str, list[dict]]:
    """What the committed pages show, by page: each output by its types."""
    pages = {
        path.name: json.loads(path.read_text("utf-8")) for path in (ROOT / "book/notebooks").glob("*.ipynb")
    }
    return {
        name: [out.get("data", {}) for cell in page["cells"] for out in cell.get("outputs", [])]
        for name, page in sorted(pages.items())
    }


def strings(svg: str) -> list[str]:
    """What matplotlib wrote into a picture whose letters are outlines: a comment each."""
    return re.findall(r"<!-- (.*?) -->", svg)


def test_no_committed_picture_says_nan():
    """A tick or a number that could not be computed is a fault of ours, wherever it stands."""
    assert strings("<g><!-- nan --></g><!-- 0.5 -->") == ["nan", "0.5"]
    seen = 0
    for name, outputs in executed().items():
        for data in outputs:
            told = strings("".join(data.get("image/svg+xml", "")))
            seen += len(told)
            wrong = [word for word in told if re.search(r"\b(nan|inf)\b(?!\.)", word)]
            assert not wrong, f"{name}: {wrong} in the picture that begins {told[:8]}"
    assert seen > 1000


def prose() -> dict[str, str]:
    """What the book says: its chapters as they were written, their words as they were made, and its other pages."""
    said = {path.name: path.read_text("utf-8") for path in [*CHAPTERS, *(ROOT / "book").glob("*.md")]}
    for name, outputs in executed().items():
        said[name] = "\n".join("".join(data.get("text/markdown", "")) for data in outputs)
    return said


def test_no_page_gives_a_miniature_the_word_reproduced():
    """As test_agreement asks of the built pages, where the scorecard alone may say whose word it is."""
    said = prose()
    assert len(said) > 2 * len(CHAPTERS) and all(map(str.strip, said.values()))
    said["scorecard.md"] = said["scorecard.md"].replace("the word *reproduced* is kept for", "")
    found = {
        name: re.findall(r".{0,60}\breproduced\b(?!\.csv).{0,60}", text, re.I) for name, text in said.items()
    }
    assert {name: near for name, near in found.items() if near} == {}


def test_a_percent_sign_stands_at_its_number():
    """One way on all pages, and the one that no line is broken at."""
    found = {name: re.findall(r".{0,40}\d[ \u00a0]%(?!\w).{0,20}", text) for name, text in prose().items()}
    assert {name: near for name, near in found.items() if near} == {}


def test_no_sentence_lost_its_f():
    """Braces of a string that was never formatted stand in no page's words."""
    made = {name: text for name, text in prose().items() if name.endswith(".ipynb")}
    found = {name: re.findall(r"\{[a-z_]+[.(\[][^{}\n]{1,60}\}", text) for name, text in made.items()}
    assert {name: near for name, near in found.items() if near} == {}


def test_every_call_of_the_library_fits_its_signature():
    """A parameter that the library has given up would show when the chapter is executed, minutes later."""
    checked, wrong = 0, []
    for source in CHAPTERS:
        code = "\n".join(c.source for c in jupytext.read(source).cells if c.cell_type == "code")
        tree = ast.parse(code)
        rooms = {
            name.asname or name.name: importlib.import_module(f"{node.module}.{name.name}")
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module.startswith("gcaf_lib")
            for name in node.names
            if importlib.util.find_spec(node.module).submodule_search_locations
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            room = rooms.get(ast.unparse(call.func.value)) if isinstance(call.func, ast.Attribute) else None
            unpacked = [one for one in call.args if isinstance(one, ast.Starred)]
            given = {one.arg: None for one in call.keywords}
            if room is None or unpacked or None in given:
                continue
            checked += 1
            try:
                inspect.signature(getattr(room, call.func.attr)).bind(*call.args, **given)
            except TypeError as error:
                wrong.append(f"{source.name}: {ast.unparse(call.func)}: {error}")
    assert checked > 300 and not wrong, wrong
