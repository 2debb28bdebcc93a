"""The site as it is committed: pairs in sync, pages executed, fresh and described; and built once (slow)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from gcaf_lib.book import freshness, notebooks, repository
from gcaf_lib.site import images

ROOT = Path(__file__).resolve().parents[1]
SOURCES = notebooks.sources(ROOT / "notebooks")
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
FILES = [TOC["root"], *(c["file"] for part in TOC["parts"] for c in part["chapters"])]


BUILD = "from jupyter_book.cli.main import main; main()"


def executed(name: str) -> dict:
    path = ROOT / "book" / "notebooks" / f"{name}.ipynb"
    if not path.is_file():
        pytest.fail(f"{name} was never executed: gcaf chapters --profile cpu --only {name[:2]}")
    return json.loads(path.read_text())


def test_book_reads_the_table_of_contents_at_the_top():
    link = ROOT / "book" / "_toc.yml"
    assert link.is_symlink() and os.readlink(link) == "../_toc.yml"
    assert link.resolve() == ROOT / "_toc.yml"


def test_contents_list_every_chapter_in_order_and_nothing_that_is_not_there():
    chapters = [f.removeprefix("notebooks/") for f in FILES if f.startswith("notebooks/")]
    assert sorted(chapters) == [s.stem for s in SOURCES]
    for name in FILES:
        found = [ROOT / "book" / f"{name}{end}" for end in (".md", ".ipynb")]
        assert any(p.is_file() for p in found), f"{name} is in _toc.yml but not in book/"


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_pair_is_in_sync(source):
    text = source.with_suffix(".ipynb").read_text()
    assert text == notebooks.dumps(notebooks.clean_notebook(source)), "run `make sync`"


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_chapter_has_its_shape(source):
    cells = notebooks.clean_notebook(source).cells
    first = cells[0].source
    assert first.startswith("# ") and "**Reproduces:**" in first and "**Takes:**" in first
    tagged = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1 and tagged[0].startswith('profile = "cpu"')
    code = "\n".join(c.source for c in cells if c.cell_type == "code")
    assert f'open_chapter("{source.stem}", profile' in code and ".strip(" in code
    prose = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    assert not re.search(r"\{[a-z:]+\}`", prose), "Colab shows MyST roles raw: keep them out of chapters"


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.stem)
def test_page_is_executed_and_its_images_are_described(source):
    page = executed(source.stem)
    code = [c for c in page["cells"] if c["cell_type"] == "code"]
    assert all(c["execution_count"] for c in code)
    outputs = [o for c in code for o in c["outputs"]]
    assert outputs and not [o for o in outputs if o["output_type"] == "error"]
    assert page["metadata"]["gcaf"]["profile"] in ("cpu", "paper"), "a demo page must not be committed"
    for cell in code:
        about = cell["metadata"].get("mystnb", {})
        shows = [o for o in cell["outputs"] if any(k.startswith("image/") for k in o.get("data", {}))]
        if shows:
            assert len(about.get("image", {}).get("alt", "")) > 20, f"no alt text: {''.join(cell['source'])}"
            figure = about.get("figure", {})
            assert figure.get("name", "").startswith("fig-") and figure.get("caption"), "no name or caption"
            assert len(shows) == 1, "one figure a cell: each has its own caption"
        elif about.get("image"):
            said = "".join("".join(o.get("data", {}).get("text/markdown", "")) for o in cell["outputs"])
            assert "under this profile yet" in said, (
                f"a figure is promised, none drawn: {''.join(cell['source'])}"
            )
    # a table or figure name is an address: it must be one page's alone
    assert len(json.dumps(page)) < 4_000_000, "the page is over 4 MB"


def test_committed_pages_are_todays():
    found = freshness.stale(ROOT / "book" / "notebooks", ROOT / "notebooks")
    assert not found, "run `make chapters`: " + "; ".join(map(str, found))


def test_names_of_figures_and_tables_are_unique():
    names = []
    for source in SOURCES:
        text = source.read_text()
        names += re.findall(r'"name": "(fig-[\w-]+)"', text) + re.findall(r'name="(tab-[\w-]+)"', text)
    assert len(names) == len(set(names))


def test_pages_hold_no_path_of_a_machine():
    for path in (ROOT / "book" / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            for out in cell.get("outputs", []):
                kept = {k: v for k, v in out.get("data", {}).items() if not k.startswith("image/")}
                assert not re.search(
                    r"(?<![\w.~])/(home|root|Users|tmp|work)/", json.dumps([kept, out.get("text")])
                )


def test_configuration_is_what_the_book_relies_on():
    assert CONFIG["execute"]["execute_notebooks"] == "off"  # a bare off is YAML's false
    assert CONFIG["launch_buttons"]["colab_url"] and not CONFIG["launch_buttons"]["thebe"]
    assert "path_to_book" not in CONFIG["repository"]  # or Colab would open the executed copy
    assert not CONFIG["html"]["use_edit_page_button"]
    mathjax = CONFIG["sphinx"]["config"]["mathjax_path"]
    assert (ROOT / "book" / "_static" / mathjax).is_file()


def test_no_number_is_typed_on_the_first_page():
    assert not re.findall(r"\d+[.,]\d+", (ROOT / "book" / "index.md").read_text())


def tracked():
    """The committed text files, but for what is third parties'."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [
        name
        for name in listed.stdout.split("\0")
        if name and "mathjax/" not in name and (ROOT / name).is_file()
    ]


def test_the_repository_is_named_in_one_setting():
    """Its address stands in _config.yml and in what `make sync` makes of it, nowhere else."""
    url = repository.read(ROOT).url
    found = [n for n in tracked() if url.removeprefix("https://").encode() in (ROOT / n).read_bytes()]
    assert "_config.yml" in found
    assert set(found) <= {
        "_config.yml",
        *(f"notebooks/{p.stem}.ipynb" for p in notebooks.sources(ROOT / "notebooks")),
    }


@pytest.mark.parametrize("ending", ["", "/", ".git"])
def test_a_fork_changes_the_setting_and_nothing_else(tmp_path, ending):
    theirs, ours = "https://gitlab.example/some-one/their.book", repository.read(ROOT).url
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    (tmp_path / "_config.yml").write_text(config.replace(ours, theirs + ending), encoding="utf-8")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    changed = notebooks.sync(tmp_path / "notebooks")
    assert len(changed) == len(notebooks.sources(ROOT / "notebooks"))
    for path in changed:
        text = path.read_text(encoding="utf-8")
        assert ours not in text and f'\\"{theirs}\\"' in text and 'Path.cwd() / \\"their.book\\"' in text
    assert not notebooks.sync(tmp_path / "notebooks")


@pytest.mark.parametrize(
    "line", ["", "repository: {}", "repository: {url: github.com/a/b}", "repository: {url: https://x.org/a}"]
)
def test_an_address_that_is_none_is_named(tmp_path, line):
    (tmp_path / "_config.yml").write_text(f"title: x\n{line}\n", encoding="utf-8")
    with pytest.raises(repository.RepositoryError, match=r"_config\.yml: `repository` has to read"):
        repository.read(tmp_path)
    assert repository.read(tmp_path / "nowhere") is None


class Resources(HTMLParser):
    """What a page makes a browser fetch, its ids, its links, and images without alt text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.mute: list[str] = []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.add(attrs["id"])
        if tag in ("script", "img", "iframe", "source", "video", "embed") and attrs.get("src"):
            self.fetched.append(attrs["src"])
        if tag == "link" and attrs.get("rel") not in ("canonical", "next", "prev", "index", "search"):
            self.fetched.append(attrs.get("href") or "")
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "img" and not (attrs.get("alt") or "").strip():
            self.mute.append(attrs.get("src") or "?")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> dict[Path, Resources]:
    """The site built from a copy of the committed book, page by page."""
    pytest.importorskip(
        "jupyter_book", reason="the site is built with jupyter-book: pip install -e '.[book]'"
    )
    place = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "book", place / "book", symlinks=True)
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, place / name)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, "build", "book", "-W", "-n", "--keep-going", "-q"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    html = place / "_build" / "html"
    pages = {}
    for path in html.rglob("*.html"):
        if "_static" in path.parts:  # templates that a theme leaves lying there
            continue
        pages[path] = Resources()
        pages[path].feed(path.read_text(encoding="utf-8"))
    assert html / "index.html" in pages
    return pages


@pytest.mark.slow
def test_no_page_fetches_anything_from_elsewhere(site):
    for path, page in site.items():
        away = [u for u in page.fetched if re.match(r"(?:https?:)?//", u)]
        assert not away, f"{path.name}: {away}"
        for url in page.fetched:
            if url and not url.startswith("data:"):
                assert (path.parent / url.split("?")[0].split("#")[0]).resolve().is_file(), (
                    f"{path.name}: {url}"
                )
    html = next(path for path in site if path.name == "index.html").parent
    styles = list(html.glob("_static/**/*.css"))
    assert styles
    for style in styles:
        assert not re.search(
            r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", style.read_text(errors="replace")
        ), style


@pytest.mark.slow
def test_every_internal_link_and_anchor_resolves(site):
    for path, page in site.items():
        for url in page.links:
            if re.match(r"[a-z]+:|//", url):
                continue
            name, _, anchor = url.partition("#")
            target = (path.parent / name.split("?")[0]).resolve() if name else path
            assert target.is_file(), f"{path.name}: {url}"
            if anchor and target in site:
                assert anchor in site[target].ids, f"{path.name}: {url}"


@pytest.mark.slow
def test_every_image_is_described_and_chapters_offer_colab(site):
    published = repository.read(ROOT)
    slug = published.url.split("/", 3)[3]
    for path, page in site.items():
        assert not page.mute, f"{path.name}: {page.mute}"
        if path.parent.name == "notebooks":
            colab = f"https://colab.research.google.com/github/{slug}/blob/{published.branch}/notebooks/{path.stem}.ipynb"
            assert colab in page.links
            text = path.read_text()
            assert "gcaf-strip" in text and "/edit/" not in text


def test_a_drawing_for_phones_is_fetched_where_it_is_shown(tmp_path):
    (tmp_path / "_images").mkdir()
    for name in ("ladder.svg", "ladder-narrow.svg"):
        (tmp_path / "_images" / name).write_text('<svg width="72pt" height="36pt"></svg>')
    app = SimpleNamespace(outdir=tmp_path, srcdir=tmp_path, env=SimpleNamespace(images={}))
    context = {
        "body": '<img alt="a" src="_images/ladder.svg" /><img alt="a" src="_images/ladder-narrow.svg" />'
    }
    images.size_images(app, "index", "", context, None)
    wide, narrow = re.findall("<img [^>]*>", context["body"])
    assert 'width="96" height="48"' in wide and "loading" not in wide
    assert 'width="96" height="48"' in narrow and 'loading="lazy"' in narrow
