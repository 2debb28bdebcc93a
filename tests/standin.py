"""A stand-in for Colab: an environment with little but TensorFlow, and a repository that git takes for GitHub's.

Nothing in the notebooks knows of it. `google.colab` is an empty module that each kernel has loaded, as
Colab's has, and git is told to fetch this checkout wherever the notebook asks for the published address.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONWARNINGS": "ignore"}


def run(command: list[str], env: dict[str, str], cwd: Path, timeout: float = 900) -> str:
    """Standard output of a command; its last lines are the error where it fails."""
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if not line.startswith("WARNING: Location")]
        raise AssertionError(f"{' '.join(command[:6])} …: " + "\n".join(said)[-5000:])
    return done.stdout


class Machine:
    """One machine as Colab lends it: `python` is its environment's, `place` its empty working folder."""

    def __init__(self, python: Path, place: Path) -> None:
        self.python, self.content, self.place = str(python), place / "content", place
        self.content.mkdir()
        self.repository = place / "published.git"
        run(["git", "clone", "-q", "--bare", str(ROOT), str(self.repository)], dict(os.environ), place)
        git = ["git", "-C", str(self.repository)]
        self.source = place / "source"  # what was committed, not what is being edited
        run([*git, "update-ref", f"refs/heads/{PUBLISHED['branch']}", "HEAD"], dict(os.environ), place)
        run(["git", "clone", "-q", str(self.repository), str(self.source)], dict(os.environ), place)
        startup = place / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "00-colab.py").write_text("import google.colab\n")
        stub = place / "colab" / "google"
        (stub / "colab").mkdir(parents=True)
        (stub / "colab" / "__init__.py").write_text("")

    def environment(self, colab: bool = True, **more: str) -> dict[str, str]:
        """Environment variables of a kernel there: none of this project's but the images, where they are."""
        keep = {
            k: v for k, v in os.environ.items() if not k.startswith(("GCAF_", "PYTHON", "JUPYTER", "KERAS"))
        }
        for name in ("GCAF_DATA", "GCAF_FIGSHARE"):
            if os.environ.get(name):
                keep[name] = os.environ[name]
        keep |= QUIET | {"JUPYTER_PREFER_ENV_PATH": "1", "GCAF_CACHE": str(self.place / "cache")}
        keep["IPYTHONDIR"] = str(self.place / ("ipython" if colab else "ipython-plain"))
        if colab:
            keep |= {
                "PYTHONPATH": str(self.place / "colab"),
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"url.{self.repository.as_uri()}.insteadOf",
                "GIT_CONFIG_VALUE_0": PUBLISHED["url"],
            }
        return keep | more

    def versions(self, *names: str) -> dict[str, str]:
        """Installed versions, as pip sees them."""
        ask = (
            f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
        )
        return json.loads(run([self.python, "-c", ask], self.environment(False), self.content))

    def execute(self, notebook: Path, colab: bool = True, **more: str) -> dict[str, Any]:
        """Execute a notebook by papermill in `content`; returns it with its outputs."""
        out = self.place / f"{notebook.stem}.{'colab' if colab else 'wheel'}.ipynb"
        command = [self.python, "-m", "papermill", str(notebook), str(out), "--cwd", str(self.content)]
        command += ["--kernel", "python3", "--no-progress-bar", "--no-log-output", "--start-timeout", "300"]
        run(command, self.environment(colab, **more), self.content)
        return json.loads(out.read_text(encoding="utf-8"))
