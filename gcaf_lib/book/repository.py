"""Where the book is published: one setting, `repository` in `_config.yml`.

The site's buttons and links, and the first cell that a notebook runs in Colab, all come from it. A fork changes that
setting and runs `make sync`; nothing else names the address (a test).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import yaml

FILE = "_config.yml"


class RepositoryError(ValueError):
    """The setting is missing or no address; the message says what to write."""


class Repository(NamedTuple):
    """Address without a slash or .git at its end, and the branch or tag that is published."""

    url: str
    branch: str

    @property
    def name(self) -> str:
        """The last part of the address: the folder that a clone makes."""
        return self.url.rsplit("/", 1)[1]

    def lines(self, path: str, span: tuple[int, int] | None, commit: str | None = None) -> str:
        """Address of lines of a file (None: all of it) at a commit (None: the published branch)."""
        address = f"{self.url}/blob/{commit or self.branch}/{path}"
        if span is None:
            return address
        first, last = span
        return f"{address}#L{first}" + (f"-L{last}" if last > first else "")

    def folder(self, path: str) -> str:
        """Address of a folder at the published branch."""
        return f"{self.url}/tree/{self.branch}/{path}"


def read(root: Path) -> Repository | None:
    """The setting of the checkout `root`; None where it has no `_config.yml`. Raises `RepositoryError`."""
    file = Path(root) / FILE
    if not file.is_file():
        return None
    told = yaml.safe_load(file.read_text(encoding="utf-8")).get("repository") or {}
    url = str(told.get("url", "")).strip().rstrip("/").removesuffix(".git")
    branch = str(told.get("branch") or "main").strip()
    if not re.fullmatch(r"https://[\w.\-]+(/[\w.\-]+){2,}", url) or not re.fullmatch(r"[\w.\-/]+", branch):
        raise RepositoryError(
            f"{file}: `repository` has to read `url: https://github.com/OWNER/NAME` and `branch: main`, not {told}"
        )
    return Repository(url, branch)
