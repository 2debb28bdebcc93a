"""Colab: install the library without touching what Colab brings, above all its TensorFlow."""

from __future__ import annotations

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
    """What to install, what must stay at its version, and which kept packages are older than asked for.

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


def set_up(root: Path = ROOT, run: Callable = subprocess.run) -> None:
    """Install this checkout and what its requirements lack; run records are read from its results/.

    Raises `RuntimeError` with pip's last lines where pip fails.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install, hold, old = plan(project["dependencies"], _version, sys.modules.__contains__)
    if install:
        with tempfile.TemporaryDirectory() as folder:
            held = Path(folder) / "held.txt"
            held.write_text("\n".join(hold) + "\n", encoding="utf-8")
            _pip(run, "-c", str(held), *install)
    _pip(run, "--no-deps", "-e", str(root))  # for the command `gcaf`; this kernel reads the checkout itself
    for line in old:
        print(f"kept as Colab has it: {line}")
    print(
        "Ready. Figures are drawn from the published run records in results/; to train again, change the "
        "profile below. Chapters that show images need the dataset once: !gcaf data fetch"
    )


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pip(run: Callable, *arguments: str) -> None:
    done = run([sys.executable, "-m", "pip", "install", "-q", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip could not install {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
