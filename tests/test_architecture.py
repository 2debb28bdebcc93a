"""The floors of the house: which room may import from which, read from the imports of the whole package."""

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import conftest
import pytest

import gcaf_lib

PACKAGE = Path(gcaf_lib.__file__).parent
# From the ground up. A room imports from its own floor and from those below it; rooms on one line don't know each other.
FLOORS = (
    ("machine", "terminal"),
    ("settings",),
    ("data", "model"),
    ("training",),
    ("evaluation",),
    ("paper",),
    ("display",),
    ("findings",),
    ("book",),
    ("colab", "predict", "site"),
    ("commands",),
    ("cli",),
)
FLOOR = {wing: number for number, floor in enumerate(FLOORS) for wing in floor}
WINGS = tuple(name for name in FLOOR if (PACKAGE / name).is_dir())


def imports(path: Path) -> set[str]:
    """Dotted names of the package's modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "gcaf_lib":
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "gcaf_lib"}
    return found


def climbs(files: dict[str, set[str]]) -> list[str]:
    """Imports that don't run downwards: files by dotted name without the package, each with what it imports."""
    wrong = []
    for name, found in files.items():
        own = name.split(".")[0]
        for target in sorted(found):
            wing = target.split(".")[1]
            if wing in FLOOR and wing != own and FLOOR[wing] >= FLOOR[own]:
                wrong.append(f"{name} imports {target}")
    return wrong


def package() -> dict[str, set[str]]:
    rooms = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]
    return {".".join(p.relative_to(PACKAGE).with_suffix("").parts): imports(p) for p in rooms}


def test_imports_run_downwards():
    files = package()
    assert {name.split(".")[0] for name in files} == set(FLOOR), (
        "a wing without a floor, or a floor without a wing"
    )
    assert climbs(files) == []


@pytest.mark.parametrize(
    ("room", "target", "climbing"),
    [
        ("paper.checks", "gcaf_lib.findings.training", True),
        ("data.dataset", "gcaf_lib.model.fusion", True),
        ("display.tables", "gcaf_lib.display.style", False),
        ("book.runner", "gcaf_lib.settings", False),
    ],
)
def test_an_import_that_climbs_is_seen(tmp_path, room, target, climbing):
    path = tmp_path / "room.py"
    wing, name = target.rsplit(".", 1)
    for text in (f"def f():\n    from {wing} import {name}\n", f"import {target}\n"):
        path.write_text(text)
        assert bool(climbs({room: imports(path)})) is climbing


def test_no_room_runs_in_a_circle():
    files = package()
    rooms = {name: {_room(target, files) for target in found} - {None, name} for name, found in files.items()}
    graphlib.TopologicalSorter(rooms).prepare()  # raises CycleError, which names the circle


def _room(target: str, files: dict[str, set[str]]) -> str | None:
    """The room of a dotted name that may end in a function's."""
    name = target.removeprefix("gcaf_lib.")
    return next((n for n in (name, name.rpartition(".")[0]) if n in files), None)


CHAPTERS = sorted((PACKAGE.parent / "notebooks").glob("[0-9][0-9]_*.py"))
LONGEST = 400  # lines of a room
# rooms that are longer still: training code, whose fingerprint every record names
LONGER = {
    "data.dataset",
    "training.train",
}


def test_no_room_is_longer_than_a_reader_keeps_in_mind():
    texts = {
        name: (PACKAGE / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8") for name in package()
    }
    longer = {name for name, text in texts.items() if len(text.splitlines()) > LONGEST}
    assert longer - LONGER == set(), "divide it by what it holds"
    assert longer == LONGER, "one has been divided: take it off the list"


@pytest.mark.parametrize("wing", WINGS)
def test_each_wing_says_what_may_live_there(wing):
    about = ast.get_docstring(ast.parse((PACKAGE / wing / "__init__.py").read_text(encoding="utf-8")))
    assert about and 20 < len(about) < 400
    assert list((PACKAGE / wing).glob("*.py")) != [PACKAGE / wing / "__init__.py"]


def defined(path: Path) -> set[str]:
    """Names that a room makes, at its top or in a class: functions, classes, fields, constants."""
    top = ast.parse(path.read_text(encoding="utf-8")).body
    nodes = [*top, *(inner for node in top if isinstance(node, ast.ClassDef) for inner in node.body)]
    found = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    targets = [t for n in nodes if isinstance(n, ast.Assign | ast.AnnAssign) for t in ast.walk(n)]
    return found | {n.id for n in targets if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def strangers(text: str, rooms: dict[str, set[str]]) -> list[str]:
    """What a text names as `room.name` that no room of this name has."""
    named = re.findall(r"`(?:\w+\.)*(\w+)\.(\w+)(?:\(.*?\))?`", text)
    return [
        f"{room}.{name}"
        for room, name in named
        if room in rooms and name not in rooms[room] | (set(rooms) if room in WINGS else set())
    ]


def test_what_texts_name_is_there():
    rooms: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        if path.parent.stem != "commands":  # `data.fold` is a setting
            rooms.setdefault(path.stem, set()).update(defined(path))
    odd = {
        path.relative_to(PACKAGE).as_posix(): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if (found := strangers(path.read_text(encoding="utf-8"), rooms))
    }
    assert not odd
    text = "as `splits.clusters(dataset)` says, not `splits.nowhere` nor `data.splits.gone`"
    assert strangers(text, rooms) == ["splits.nowhere", "splits.gone"]
    assert strangers("of `data.splits`, not of `worth.pictures`", rooms) == ["worth.pictures"], (
        "a parameter there"
    )


def guests(chapter: str, texts: dict[str, str]) -> list[str]:
    """Which rooms and notebooks, besides its own, import a chapter's findings room."""
    asks = re.compile(
        rf"from gcaf_lib\.findings(?:\.{chapter} import| import (?:\([^)]*|[^\n]*)\b{chapter}\b)"
    )
    return [
        name for name, text in texts.items() if asks.search(text) and name.lstrip("0123456789_") != chapter
    ]


def test_a_chapter_s_room_is_its_notebook_s_alone():
    """What several need stands in a room by its subject."""
    texts = {
        path.stem: path.read_text(encoding="utf-8")
        for path in [*CHAPTERS, *(PACKAGE / "findings").glob("*.py")]
    }
    chapters = {path.stem[3:] for path in CHAPTERS}
    assert {room: found for room in chapters & texts.keys() if (found := guests(room, texts))} == {}
    text = "from gcaf_lib.findings import (\n    loss,\n    words,\n)"
    assert guests("loss", {"05_loss": text, "06_training": text, "words": "import loss"}) == ["06_training"]


# --- chapters ---

LINES, CELL = 231, 15


def texts(node: ast.AST) -> Iterator[ast.AST]:
    """What a text is put together from: nothing inside a call, but for what a string joins or formats."""
    yield node
    whose = getattr(getattr(node, "func", None), "value", None)
    if not isinstance(node, ast.Call) or isinstance(whose, ast.Constant):
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def chooses(node: ast.AST, chosen: set[str]) -> bool:
    """Whether a text hangs on a condition, on what a dictionary has, or on a name of `chosen`."""
    return any(
        isinstance(one, ast.IfExp | ast.BoolOp)
        or (isinstance(one, ast.Name) and one.id in chosen)
        or (isinstance(one, ast.Call) and getattr(one.func, "attr", "") == "get")
        for one in texts(node)
    )


def wordy(code: str) -> list[str]:
    """Where cells choose between sentences: in what they give to `Markdown`, `print` or `prose.say` or as a caption, or in what they made of it before."""
    nodes = [node for node in ast.walk(ast.parse(code)) if hasattr(node, "lineno")]
    inside = {id(node) for one in nodes if isinstance(one, ast.If) for node in ast.walk(one)}
    chosen: set[str] = set()
    found = []
    for node in sorted(nodes, key=lambda one: one.lineno):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
            if chooses(node.value, chosen) or id(node) in inside:
                chosen |= names
            elif not isinstance(node, ast.AugAssign):
                chosen -= names
        elif isinstance(node, ast.Call):
            says = ast.unparse(node.func) in ("Markdown", "print", "prose.say")
            said = [*(node.args if says else ()), *(k.value for k in node.keywords if k.arg == "caption")]
            conditions = [one for text in said for one in ast.walk(text) if isinstance(one, ast.IfExp)]
            if conditions or (says and id(node) in inside) or any(chooses(one, chosen) for one in said):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_asks_and_shows(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES
    cells = [c.split("\n", 1) for c in re.split(r"(?m)^# %%", text)[1:]]
    code = [(head, body) for head, body in cells if "[markdown]" not in head]
    for head, body in code:
        assert sum(bool(line.strip()) for line in body.splitlines()) <= CELL, body
        assert "hide-input" not in head or "open_chapter(" in body, (
            f"hidden, and does not open the chapter:\n{body}"
        )
    assert wordy("\n".join(body for _, body in code)) == [], "chooses between sentences"


@pytest.mark.parametrize(
    "code",
    [
        'Markdown(f"it is {x}" + ("" if x else "."))',
        "print(f\"{'a' if x else 'b'}\")",
        'Markdown(said("a" if x else "b"))',
        'Markdown(findings.CAVEAT.get(profile, ""))',
        'prose.say(findings.said(x), findings.CAVEAT.get(profile, ""))',
        'Markdown("\\n\\n".join([findings.said(x), findings.CAVEAT.get(profile, "")]))',
        'slices = "" if x else findings.said(x)\nMarkdown(f"{text} {slices}")',
        'said = (findings.said(x), findings.CAVEAT.get(profile, ""))\nMarkdown(" ".join(said))',
        'a = x and "so"\nb = f"{a}."\nMarkdown(b)',
        'if x:\n    said = "a"\nelse:\n    said = "b"\nMarkdown(said)',
        'if x:\n    display(Markdown("a"))',
        'said = "a"\nsaid += " b" if x else ""\nsaid += "."\nMarkdown(said)',
        'once = "" if x else " Once."\ntables.show(frame, caption=f"All.{once}")',
        '(a, b), c = x if y else z\nMarkdown(a)',
    ],
)  # fmt: skip
def test_a_cell_that_chooses_is_seen(code):
    assert wordy(code)


@pytest.mark.parametrize(
    "code",
    [
        "shown = None if x else 1\nMarkdown(findings.said(shown))",
        'runs = chapter.records().get("main", [])\nMarkdown(findings.said(runs))',
        'said = "a" if x else "b"\nsaid = findings.said(said)\nMarkdown(said)',
        'Markdown("\\n\\n".join(findings.said(x) for x in frames.values()))',
        "prose.say(findings.said(x), findings.also_said(x))",
        'prose.say(*(f"*{x}*: {findings.said(x)}" for x in frames.values()))',
        'tables.show(frame, caption=f"All.{findings.once(frame)}")',
    ],
)
def test_a_cell_that_asks_and_shows_is_none(code):
    assert not wordy(code)


def test_the_files_of_tests_that_are_begun_first_are_there():
    assert not [
        name for name in conftest.LONG if not (Path(conftest.__file__).parent / f"{name}.py").is_file()
    ]
