"""Colab: install the library without touching what Colab holds or has loaded, above all its TensorFlow."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
HELD = ("tensorflow", "numpy")  # Colab's own builds, matched to its drivers and to each other
_MODULES = {"scikit-learn": "sklearn", "opencv-python-headless": "cv2", "pyyaml": "yaml"}


def plan(
    requirements: list[str], version: Callable[[str], str | None], loaded: Callable[[str], bool]
) -> tuple[list[str], list[str], list[str]]:
    """What to install, what must stay at its version, and which kept packages are of another than asked for.

    `version` gives an installed distribution's version or None, `loaded` tells whether a module is
    already in this kernel, where another version can't replace it without a restart.
    """
    install, hold, old = [], [], []
    for text in requirements:
        need = Requirement(text)
        have = version(need.name)
        keep = need.name in HELD or loaded(_MODULES.get(need.name, need.name.replace("-", "_")))
        enough = have is not None and need.specifier.contains(Version(have).public, prereleases=True)
        if have is not None and keep:
            hold.append(f"{need.name}=={Version(have).public}")
            if not enough:
                old.append(f"{need.name} {have} ({need.specifier} is asked for)")
        elif not enough:
            install.append(text)
    return install, hold, old


def bounds(requires: list[str]) -> list[str]:
    """What a kept package asks of others, as pip's constraints: extras and other machines' left out.

    pip looks at the needs of what it installs, not at those of what is there: without these it
    would put a protobuf in place that Colab's TensorFlow can't be imported with.
    """
    needs = [Requirement(text) for text in requires]
    here = [n for n in needs if n.specifier and (n.marker is None or n.marker.evaluate({"extra": ""}))]
    return [f"{need.name}{need.specifier}" for need in here]


def set_up(images: bool = False, run: Callable = subprocess.run) -> None:
    """Install this checkout and what its requirements lack; run records are read from its results/.

    images: the chapter shows images: fetch the dataset where it is not there yet.
    Raises `RuntimeError` with pip's last lines where pip fails.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install, hold, old = plan(project["dependencies"], _version, sys.modules.__contains__)
    if install:
        kept = filter(_version, HELD)
        hold += [line for name in kept for line in bounds(importlib.metadata.requires(name) or [])]
        with tempfile.TemporaryDirectory() as folder:
            held = Path(folder) / "held.txt"
            held.write_text("\n".join(hold) + "\n", encoding="utf-8")
            _pip(run, "-c", str(held), *install)
    _pip(run, "--no-deps", "-e", str(ROOT))  # for the command `gcaf`; this kernel reads the checkout itself
    for line in old:
        print(f"kept as Colab has it: {line}")
    importlib.invalidate_caches()
    if images:
        _fetch()
    print(
        "Ready. Figures are drawn from the published run records in results/; the head of the chapter says "
        "whether it can train. Words such as *cluster bootstrap* are explained in book/glossary.md."
    )


def _fetch() -> None:
    """Fetch the images once; what can't be fetched is said, and the chapter below says so again."""
    from gcaf_lib.data import dataset, fetch

    try:
        dataset.locate()
    except dataset.DataError:
        print("This chapter shows images: fetching the dataset, once for this machine ...")
        try:
            print(fetch.fetch())
        except OSError as error:
            print(error)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pip(run: Callable, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "-q", *arguments]
    done = run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise RuntimeError(f"pip could not install {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
