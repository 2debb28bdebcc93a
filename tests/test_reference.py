"""The library's reference: every public name, its docstring, and the chapters that use it."""

import ast
from pathlib import Path

import pytest

from gcaf_lib.site import reference

ROOT = Path(__file__).resolve().parents[1]


def test_an_entry_has_its_signature_its_words_and_its_chapters(tmp_path):
    room = tmp_path / "data"
    room.mkdir()
    (room / "thing.py").write_text(
        '"""What things are."""\ndef make(n: int = 2) -> list[int]:\n    """Make `n` of them, 0 < n.\n\n    Second."""\n'
        "def _hidden():\n    pass\n"
    )
    chapter = {"01_a": "from gcaf_lib.data import thing\nthing.make(3)", "02_b": "something.make(3)"}
    chapter["03_c"] = "from gcaf_lib.data import thing as one\none.make(1)"
    text = reference.markdown(tmp_path, chapter)
    assert "`make(n: int=2) -> list[int]`" in text and "Make <code>n</code> of them, 0 &lt; n." in text
    assert "[01](/notebooks/01_a.ipynb), [03](" in text and "02_b" not in text and "_hidden" not in text


def test_every_public_name_of_the_library_is_there_with_words():
    text = reference.markdown(sources=reference.chapters(ROOT / "notebooks"))
    if not (ROOT / "notebooks").is_dir():
        pytest.skip("reads the checkout")
    mute = []
    for room in reference.ROOMS:
        for path in (reference.PACKAGE / room).glob("*.py"):
            tree = ast.parse(path.read_text())
            if not ast.get_docstring(tree) and tree.body:
                mute.append(path.name)
            for entry in tree.body:
                if isinstance(entry, ast.FunctionDef | ast.ClassDef) and entry.name[0] != "_":
                    assert f'id="gcaf_lib.{room}.{path.stem}.{entry.name}"' in text
    assert not mute, f"modules without a docstring: {mute}"
    assert text.count("Used in chapter") > 20
