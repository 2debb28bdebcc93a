"""What is installed is said once: pyproject, the lock, conda's file and the docs must agree."""

import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import gcaf_lib
import gcaf_lib.settings

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("these tests read the checkout", allow_module_level=True)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {name: [Requirement(r) for r in rs] for name, rs in PROJECT["optional-dependencies"].items()}
CORE = [Requirement(r) for r in PROJECT["dependencies"]]
MAKEFILE = (ROOT / "Makefile").read_text()


def lock() -> dict[str, Version]:
    out = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, version = line.split("==")  # nothing else may stand in a lock: no path, no editable
        out[canonicalize_name(name)] = Version(version)
    return out


def test_the_lock_pins_every_requirement_inside_its_bounds():
    pins = lock()
    for requirement in CORE + EXTRAS["book"] + EXTRAS["dev"]:
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{requirement}, locked {pin}"


def test_the_lock_is_sorted_and_has_no_gpu_build():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines == sorted(lines, key=str.upper) and len(lines) == len(set(lines))
    assert not [name for name in lock() if name.startswith(("nvidia", "torch", "gcaf"))]


def test_requirements_are_lower_bounds_so_that_a_host_keeps_its_tensorflow():
    for requirement in CORE:
        operators = {s.operator for s in requirement.specifier}
        wanted = {"=="} if requirement.name == "keras-cv" else {">="}
        assert operators == wanted, requirement


def test_supported_pythons_are_3_11_to_3_13():
    supported = SpecifierSet(PROJECT["requires-python"])
    minors = [m for m in range(8, 20) if supported.contains(f"3.{m}.0")]
    assert minors == [11, 12, 13]
    assert "(3, 11) <= sys.version_info < (3, 14)" in MAKEFILE


def test_extras_are_those_the_docs_name():
    assert set(EXTRAS) == {"book", "dev", "dask", "gpu", "jax", "medical", "transfer"}
    for name in ("dask", "medical"):
        assert {str(r) for r in EXTRAS[name]} <= {str(r) for r in EXTRAS["dev"]}
    text = (ROOT / "README.md").read_text() + (ROOT / "DEVELOPERS.md").read_text()
    for named in re.findall(r"\.\[([a-z,]+)\]", text):
        assert set(named.split(",")) <= set(EXTRAS)


def test_conda_installs_what_make_installs():
    tree = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, tool, pip = tree["dependencies"]
    assert tool == "pip" and python == "python=3.11"
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.partition("=")[2] + ".0")
    assert pip["pip"] == ["-c constraints.txt", "-e .[book,dev]"]
    assert "-c constraints.txt" in MAKEFILE and "-e '.[book,dev]'" in MAKEFILE


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == gcaf_lib.__version__
    assert citation["license"] == PROJECT["license"] == "MIT"
    Version(gcaf_lib.__version__)


def test_package_data_is_in_the_package():
    for profile in gcaf_lib.settings.PROFILES:
        assert (ROOT / "gcaf_lib" / "profiles" / f"{profile}.yaml").is_file()
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert set(setuptools["package-data"]["gcaf_lib"]) == {
        "profiles/*.yaml",
        "data/*.csv",
        "data/*.json",
        "data/*.npz",
        "training/*.npz",
    }


def test_make_help_lists_every_target():
    if not (make := _which("make")):
        pytest.skip("make is not here")
    done = subprocess.run([make, "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.M)[1].split()
    for target in phony:
        assert f"make {target} " in done.stdout, target


@pytest.mark.parametrize("name", ["README.md", "DEVELOPERS.md"])
def test_docs_name_targets_and_files_that_exist(name):
    text = (ROOT / name).read_text()
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.M)[1].split()
    for target in re.findall(r"\bmake ([a-z-]+)", re.sub(r"(?m)^[^`]*$", _code_only, text)):
        assert target in phony, f"{name} names `make {target}`"
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), f"{name} links to {link}"


def _code_only(match: re.Match) -> str:
    """A line without backquotes counts only where it is a command of its own."""
    return match[0] if match[0].startswith(("make ", "    make ")) else ""


def test_workflows_pin_actions_by_commit_and_have_least_rights():
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        text = path.read_text()
        tree = yaml.safe_load(text)
        assert tree["permissions"] == {"contents": "read"}, path.name
        uses = re.findall(r"uses: (\S+)(.*)", text)
        assert uses
        for action, comment in uses:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), f"{path.name}: {action}"
            assert re.search(r"# v\d", comment), f"{path.name}: {action} lacks its version"
        phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.M)[1].split()
        for job in tree["jobs"].values():
            assert job["timeout-minutes"] <= 60
            for step in job["steps"]:
                if "run" in step:  # every real step is a make target, so that it runs anywhere
                    word, target = step["run"].split()
                    assert word == "make" and target in phony


def test_ci_script_is_sound():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o100
    text = script.read_text()
    assert "set -euo pipefail" in text
    for step in ("make lint", "make test", "make demo"):
        assert step in text
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.slow
def test_the_wheel_holds_the_profiles_and_the_manifest(tmp_path):
    import zipfile

    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "profiles/demo.yaml",
        "profiles/cpu.yaml",
        "profiles/paper.yaml",
        "data/manifest.csv",
        "data/by_eye.csv",
    ):
        assert f"gcaf_lib/{wanted}" in names
    assert not [n for n in names if n.startswith(("tests", "results", "book", "notebooks"))]


def _which(name: str) -> str | None:
    from shutil import which

    return which(name)


def test_the_lock_serves_debian_12_s_python():
    """Debian 12 ships Python 3.11.2, and a pin may ask for a later 3.11 than that."""
    refused = {}
    for name, version in lock().items():
        try:
            known = metadata.metadata(name)
        except metadata.PackageNotFoundError:  # of an extra that is not installed here
            continue
        wanted = known.get("Requires-Python")  # a backport's message raises on []
        if known["Version"] != str(version):  # an environment of the newest packages says nothing of the lock
            continue
        if wanted and not SpecifierSet(wanted).contains("3.11.2"):
            refused[name] = wanted
    assert not refused


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="reads the repository")
def test_every_checkout_has_the_same_line_ends(tmp_path):
    """A clone on Windows (core.autocrlf=true): records and chapters come out byte for byte as they are here."""
    git = ["git", "-c", "core.autocrlf=true", "-C", str(ROOT)]
    names = subprocess.run(
        [*git, "ls-files", "*.json", "*.py", "*.csv"], capture_output=True, text=True
    ).stdout.split()
    some = sorted({*names[:: max(1, len(names) // 20)], "results/audit.csv"})
    subprocess.run([*git, "checkout-index", f"--prefix={tmp_path}/", *some], check=True)
    for name in some:
        assert b"\r\n" not in (tmp_path / name).read_bytes(), name


def test_a_record_is_the_same_whatever_its_line_ends(tmp_path):
    from gcaf_lib.book import provenance

    text = '{\n "key": "1",\n "name": "ü"\n}\n'
    (tmp_path / "record.json").write_text(text, encoding="utf-8", newline="\n")
    first = provenance.record_digest(tmp_path)
    (tmp_path / "record.json").write_text(text, encoding="utf-8", newline="\r\n")
    assert provenance.record_digest(tmp_path) == first
    (tmp_path / "record.json").write_text(text.replace("1", "2"), encoding="utf-8")
    assert provenance.record_digest(tmp_path) != first


def test_make_works_in_a_folder_with_a_space(tmp_path):
    """What make would run, word by word as the shell parts it: every place is one word."""
    place = tmp_path / "with a space"
    place.mkdir()
    (place / "Makefile").write_text(MAKEFILE)
    for name in ("pyproject.toml", "constraints.txt", "ready"):
        (place / name).touch()
    words = ["make", "-n", "demo", "STAMP=ready"]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [
        shlex.split(line) for line in done.stdout.replace("\\\n", " ").splitlines() if "GCAF_RESULTS" in line
    ]
    assert len(said) == 2
    for line in said:
        assert line[:2] == [
            f"GCAF_RESULTS={place}/_build/demo/results",
            f"GCAF_CACHE={place}/_build/demo/cache",
        ]
    assert said[1][said[1].index("--toc") + 1] == f"{place}/_toc.yml"


def test_the_demo_s_copy_of_the_book_has_what_pages_take_from_above_it():
    """`make demo` builds a copy of book/ elsewhere: a page there finds `../x` only if the recipe brought it along."""
    book = ROOT / "book"
    pages = [page for page in book.rglob("*.md") if "_generated" not in page.parts]
    asked = re.compile(r"\{(?:download|include|literalinclude)\}\s*(?:`[^`<]*<?)?([^`>\s]+)")
    found = {(page.parent / name).resolve() for page in pages for name in asked.findall(page.read_text())}
    above = {str(path.relative_to(ROOT)) for path in found if not path.is_relative_to(book)}
    brought = re.search(r"^ABOVE := (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    assert above == set(brought) and "CHANGELOG.md" in above
    assert "tar cf - $(ABOVE) | tar xf - -C $(DEMO)" in MAKEFILE
