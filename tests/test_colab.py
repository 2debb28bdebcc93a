"""Colab, by a stand-in: its cell is in the clean notebooks only and leaves Colab's TensorFlow alone."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from types import SimpleNamespace

import pytest
import standin

from gcaf_lib import colab
from gcaf_lib.book import notebooks

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("these tests read the checkout", allow_module_level=True)
SOURCES = notebooks.sources(ROOT / "notebooks")


def set_up_cell(source: Path) -> str:
    cells = json.loads(source.with_suffix(".ipynb").read_text())["cells"]
    (cell,) = [c for c in cells if c["id"] == notebooks.COLAB_TAG]
    assert cells.index(cell) == 1, "right below the heading, before anything is imported"
    return "".join(cell["source"])


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_clean_notebook_asks_for_a_gpu_and_sets_up(source):
    book = json.loads(source.with_suffix(".ipynb").read_text())
    assert book["metadata"]["accelerator"] == "GPU" and book["metadata"]["colab"]["gpuType"]
    shows_images = "need_images=True" in source.read_text()
    assert f"colab.set_up({'images=True' if shows_images else ''})" in set_up_cell(source)
    assert "google.colab" not in source.read_text()
    page = ROOT / "book" / "notebooks" / f"{source.stem}.ipynb"
    if page.is_file():
        assert "google.colab" not in page.read_text(), "the executed copy must not show it"


def test_saving_the_pair_does_not_carry_the_cell_into_the_source(tmp_path):
    import jupytext

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_config.yml").write_text((ROOT / "_config.yml").read_text())
    source = tmp_path / "notebooks" / SOURCES[0].name
    source.write_text(SOURCES[0].read_text())
    clean = notebooks.clean_notebook(source)
    jupytext.write(clean, source, fmt="py:percent")
    assert "google.colab" in source.read_text()
    assert notebooks.clean_notebook(source).cells == clean.cells
    assert not [c for c in notebooks.plain_notebook(source).cells if "google.colab" in c.source]


def test_cell_does_nothing_outside_colab(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("ran a command"))
    before = list(sys.path)
    exec(set_up_cell(SOURCES[0]), {})
    assert sys.path == before


def test_cell_in_colab_clones_the_published_branch_and_sets_up(monkeypatch, tmp_path):
    ran = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(subprocess, "run", lambda command, **k: ran.append(command))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(colab, "set_up", lambda images=False: ran.append("set up"))
    exec(set_up_cell(SOURCES[0]), {})
    (clone, last) = ran
    assert clone[:2] == ["git", "clone"] and "--branch=main" in clone and last == "set up"
    assert sys.path[0] == clone[-1] == str(tmp_path / "gcaf-book"), "Colab's working folder is /content"


def test_plan_installs_what_is_missing_and_holds_what_colab_brings():
    have = {
        "tensorflow": "2.19.0+cuda",
        "numpy": "2.0.2",
        "keras": "3.10.0",
        "pandas": "2.2.2",
        "scipy": "1.13",
    }
    install, hold, old = colab.plan(
        ["tensorflow>=2.21", "numpy>=2.0", "keras>=3.15", "pandas>=2.2", "scipy>=1.13", "keras-cv==0.9.0"],
        have.get,
        {"pandas"}.__contains__,
    )
    assert install == ["keras>=3.15", "keras-cv==0.9.0"]
    assert hold == ["tensorflow==2.19.0", "numpy==2.0.2", "pandas==2.2.2"]
    assert old == ["tensorflow 2.19.0+cuda (>=2.21 is asked for)"]


def test_needs_of_what_is_kept_bind_pip_but_not_its_extras():
    needs = [
        "protobuf<6,>=3.20",
        "nvidia-cublas==12.5; extra == 'and-cuda'",
        "six",
        'x>=1; python_version < "3"',
    ]
    assert colab.bounds(needs) == ["protobuf<6,>=3.20"]


def test_set_up_never_names_tensorflow_to_pip_but_to_hold_it(monkeypatch, capsys):
    ran, held = [], []

    def run(command, **_):
        ran.append(command)
        if "-c" in command:
            held.extend(Path(command[command.index("-c") + 1]).read_text().split())
        return SimpleNamespace(returncode=0)

    versions = {"tensorflow": "2.18.1", "numpy": "1.26.4"}
    monkeypatch.setattr(colab, "_version", versions.get)
    colab.set_up(run=run)
    assert not [word for command in ran for word in command if word.startswith(("tensorflow", "numpy"))]
    assert {"tensorflow==2.18.1", "numpy==1.26.4"} <= set(held)
    assert ran[-1][-3:] == ["--no-deps", "-e", str(ROOT)]
    assert "kept as Colab has it: tensorflow 2.18.1" in capsys.readouterr().out


def test_images_that_are_there_are_not_fetched_and_what_cannot_be_fetched_is_said(
    monkeypatch, tmp_path, capsys
):
    from gcaf_lib.data import fetch

    asked = []

    def cut(*_):
        asked.append(1)
        raise fetch.FetchError("Kaggle cannot be reached")

    monkeypatch.setattr(fetch, "fetch", cut)
    monkeypatch.setenv("GCAF_DATA", str(tmp_path))
    colab.set_up(images=True, run=lambda *a, **k: SimpleNamespace(returncode=0))
    assert not asked
    monkeypatch.setenv("GCAF_DATA", str(tmp_path / "none"))
    colab.set_up(images=True, run=lambda *a, **k: SimpleNamespace(returncode=0))
    assert asked and "Kaggle cannot be reached" in capsys.readouterr().out


def test_set_up_says_what_pip_said():
    with pytest.raises(RuntimeError, match="no network"):
        colab.set_up(run=lambda *a, **k: SimpleNamespace(returncode=1, stderr="ERROR: no network"))


# --- the stand-in: `make colab` makes its environment and runs these, chapter by chapter ---

MACHINE = os.environ.get("GCAF_COLAB", "")
alike_colab = [
    pytest.mark.slow,
    pytest.mark.skipif(not MACHINE, reason="needs an environment of little but TensorFlow: `make colab`"),
]
READ_ONLY = [s for s in SOURCES if "need_images=True" not in s.read_text()]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return standin.Machine(Path(MACHINE).absolute() / "bin" / "python", tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def brought(machine):
    """What the machine brings, before anything of ours is installed."""
    return machine.versions(*colab.HELD)


def figures(book: dict) -> list[str]:
    """Names of the figures a notebook shows, in order."""
    cells = [
        c for c in book["cells"] if any("image/svg+xml" in o.get("data", {}) for o in c.get("outputs", []))
    ]
    return [c["metadata"]["mystnb"]["figure"]["name"] for c in cells]


def redraws(machine: standin.Machine, name: str, colab: bool, **variables: str) -> None:
    """Execute the published notebook there and hold its figures to those of the published page."""
    page = machine.source / "book" / "notebooks" / f"{name}.ipynb"
    if not page.is_file():
        pytest.skip(f"{name} was never executed for the book")
    book = machine.execute(machine.source / "notebooks" / f"{name}.ipynb", colab, **variables)
    assert figures(book) == figures(json.loads(page.read_text()))


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
class TestStandIn:
    pytestmark = alike_colab

    def test_colab_redraws_the_chapter(self, machine, brought, source, request):
        if source not in READ_ONLY:
            request.getfixturevalue("real_data")  # the images themselves, or skip
        redraws(machine, source.stem, colab=True)
        assert machine.versions(*colab.HELD) == brought, "Colab's own builds must stay"
        assert (machine.content / "gcaf-book" / "results" / "runs").is_dir()

    def test_wheel_redraws_the_chapter(self, machine, wheel, source):
        if source not in READ_ONLY:
            pytest.skip("shows images: done once, as in Colab")
        results = str(machine.source / "results")
        redraws(machine, source.stem, colab=False, PYTHONPATH=wheel, GCAF_RESULTS=results)


@pytest.fixture(scope="module")
def wheel(machine) -> str:
    """A folder with the package from its wheel; what it needs is there since the first chapter ran."""
    place, env = machine.place / "wheel", machine.environment(False)
    pip = [machine.python, "-m", "pip"]
    standin.run([*pip, "wheel", "-q", "--no-deps", "-w", str(place), str(machine.source)], env, machine.place)
    (built,) = place.glob("gcaf_lib-*.whl")
    standin.run([*pip, "install", "-q", "--no-deps", "--target", str(place / "site"), str(built)], env, place)
    where = [machine.python, "-c", "import gcaf_lib; print(gcaf_lib.__file__)"]
    said = standin.run(where, machine.environment(False, PYTHONPATH=str(place / "site")), machine.content)
    assert Path(said.strip()).is_relative_to(place)
    return str(place / "site")
