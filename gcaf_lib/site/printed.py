"""The site in other forms: one zip that works from a folder, and one PDF printed by Chromium.

python -m gcaf_lib.site.printed zip _build/html _build/gcaf-book.zip
python -m gcaf_lib.site.printed pdf _build/single/_build/singlehtml/index.html _build/gcaf-book.pdf
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from gcaf_lib.machine import whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LEFT_OUT = (".map", ".doctree", ".buildinfo", "objects.inv")
# how Sphinx's single page begins each document
_CHAPTER = re.compile(
    r'<span id="document-[^"]*"></span><section[^>]*\bid="([^"]+)"[^>]*>\s*<h\d>(.*?)<a class="headerlink"',
    re.DOTALL,
)


class PrintError(RuntimeError):
    """The book can't be put into another form; the message says what to do."""


def archive(html: Path, out: Path) -> Path:
    """The site `html` as the zip `out`, in one folder; the same bytes for the same site."""
    if not (html / "index.html").is_file():
        raise PrintError(f"no site in {html}: build it first (make book)")
    with whole(out) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        for path in sorted(p for p in html.rglob("*") if p.is_file()):
            if path.name.endswith(_LEFT_OUT):
                continue
            name = f"{out.stem}/{path.relative_to(html).as_posix()}"
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # no clock in the archive
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            bundle.writestr(entry, path.read_bytes())
    return out


def printable(page: str) -> str:
    """The single page with a table of contents before its first chapter, nothing folded, light."""
    lines = "".join(f'<li><a href="#{at}">{title}</a></li>' for at, title in _CHAPTER.findall(page))
    contents = f'<nav class="gcaf-contents"><h2>Contents</h2><ul>{lines}</ul></nav>'
    if first := _CHAPTER.search(page):
        page = page[: first.start()] + contents + page[first.start() :]
    page = re.sub(r"<details(?![^>]*\bopen\b)", "<details open", page)
    return re.sub(r"<html\b", '<html data-theme="light" data-mode="light"', page, count=1)


def pdf(single: Path, out: Path, timeout: float = 300) -> Path:
    """Print the single-page build `single` to the PDF `out`; raises `PrintError` without Chromium."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise PrintError("printing needs Chromium (Debian: apt install chromium)")
    if not single.is_file():
        raise PrintError(f"no single page {single}: use `make pdf`")
    source = single.with_name("printable.html")
    source.write_text(printable(single.read_text(encoding="utf-8")), encoding="utf-8")
    folder = tempfile.TemporaryDirectory(prefix="gcaf-chromium-", ignore_cleanup_errors=True)
    with whole(out.resolve()) as part, folder as profile:
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}",
            "--no-pdf-header-footer", "--generate-pdf-document-outline", "--virtual-time-budget=120000",
            f"--print-to-pdf={part}", source.resolve().as_uri(),
        ]  # fmt: skip
        options = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "timeout": timeout}
        try:
            done = subprocess.run(command, **options)
        except subprocess.TimeoutExpired as error:
            raise PrintError(f"Chromium did not finish printing in {timeout:g} s") from error
        if done.returncode or not part.is_file():
            raise PrintError(f"Chromium could not print: {done.stderr.strip()[-500:]}")
    return out


def main(arguments: list[str] | None = None) -> int:
    """`zip SITE OUT` or `pdf PAGE OUT`."""
    forms = {"zip": archive, "pdf": pdf}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("form", choices=forms)
    parser.add_argument(
        "source", type=Path, metavar="FROM", help="the built site's folder, or its single page"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the file to write")
    args = parser.parse_args(arguments)
    try:
        made = forms[args.form](args.source, args.out)
    except (PrintError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{made} ({made.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
