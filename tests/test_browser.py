"""The built site as a reader meets it: in a headless Chromium, served on loopback.

The site is the one in GCAF_SITE, else _build/html (`make book`). `make test-site` runs these tests.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import chromium
import numpy as np
import pytest
from PIL import Image
from seaborn.utils import relative_luminance

from gcaf_lib.display import style

ROOT = Path(__file__).resolve().parents[1]
SITE = Path(os.environ.get("GCAF_SITE") or ROOT / "_build" / "html").resolve()
AXE = Path(os.environ.get("GCAF_AXE") or ROOT / "_build" / "axe" / "package" / "axe.min.js")
PHONE, DESK = (375, 812, True), (1280, 900, False)
PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.rglob("*.html") if "_static" not in p.parts)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PAGES, reason=f"no site in {SITE}: run `make book`, or set GCAF_SITE"),
    pytest.mark.skipif(chromium.find() is None, reason="no Chromium here (Debian: apt install chromium)"),
]

# What sticks out of the window and is not inside something that scrolls by itself.
WIDE = """
(() => {
  const room = document.documentElement.clientWidth;
  const scrolls = e => { for (; e && e !== document.body; e = e.parentElement)
    if (getComputedStyle(e).overflowX !== 'visible') return true; return false };
  return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > room + 1
    && e.getClientRects().length && !scrolls(e)).map(e => e.tagName + '.' + e.className).slice(0, 5)
})()
"""
# Room and need, in pixels, of each cell of code that is shown.
CODE = """
(() => {
  const shown = [...document.querySelectorAll('div.cell_input pre, article div.highlight > pre')].filter(e => e.getClientRects().length);
  return [shown.map(e => e.clientWidth), shown.map(e => e.scrollWidth)];
})()
"""
MATHS = """
({asked: document.querySelectorAll('.math').length, set: document.querySelectorAll('.math mjx-container svg').length,
  wrong: [...document.querySelectorAll('mjx-container [data-mjx-error], mjx-merror, [data-mml-node=merror]')]
    .map(e => e.getAttribute('data-mjx-error') || e.textContent)})
"""


# Figures and tables of a chapter that don't link to their code; tables without their data.
UNLINKED = """
[...document.querySelectorAll('figure[id^=fig-], table[id^=tab-]')].filter(e => {
  const line = (e.closest('.pst-scrollable-table-container') || e).nextElementSibling;
  return !line || !line.matches('.gcaf-origin') || !line.querySelector('a[href*="/blob/"]')
    || (e.tagName === 'TABLE' && !line.querySelector('a[download$=".csv"]'));
}).map(e => e.id)
"""

# Of each captioned table: wider than its frame?, does its caption say so?, how far a row's name moves if it is scrolled.
SCROLLED = """
[...document.querySelectorAll('.pst-scrollable-table-container:has(td)')].filter(e => e.clientWidth).map(e => {
  const caption = e.querySelector('caption'), cell = e.querySelector('tbody :is(td, th)');
  const left = () => cell.getBoundingClientRect().left - e.getBoundingClientRect().left;
  const before = left(), wide = e.scrollWidth > e.clientWidth + 1;
  const says = !caption || getComputedStyle(caption, '::after').content.includes('to the right');
  e.scrollLeft = e.scrollWidth;
  return {id: e.querySelector('table').id, wide, says: wide ? says : caption && says, moved: left() - before};
})
"""

# Of each text in a drawing: its box, its fill and what it says; and the drawing is left without them. A text's plate is a
# patch, and stays.
TEXTS = """
[...document.querySelectorAll('g[id^=text_]')].map(group => {
  const letters = [...group.querySelectorAll('use, path')].filter(e => !e.closest('[id^=patch_], defs'));
  if (!letters.length) return null;
  const boxes = letters.map(e => e.getBoundingClientRect()), fill = getComputedStyle(letters[0]).fill;
  letters.forEach(e => e.style.visibility = 'hidden');
  const said = [...group.childNodes].filter(n => n.nodeType === Node.COMMENT_NODE).map(n => n.data.trim()).join();
  return {said, fill: fill.match(/[\\d.]+/g).slice(0, 3).map(Number),
    box: [Math.min(...boxes.map(b => b.left)), Math.min(...boxes.map(b => b.top)),
      Math.max(...boxes.map(b => b.right)), Math.max(...boxes.map(b => b.bottom))]};
}).filter(Boolean)
"""


@dataclass
class Visit:
    """What one page did while it was loaded at a desk's size."""

    errors: list[str]
    failures: list[str]
    requests: list[str]
    bytes: int
    ids: set[str]
    links: list[str]
    maths: dict
    broken: list[str] = field(default_factory=list)
    unlinked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def address():
    with chromium.serve(SITE) as url:
        yield url


@pytest.fixture(scope="module")
def visits(address, page) -> dict[str, Visit]:
    page.resize(*DESK)
    page.call("Network.setCacheDisabled", cacheDisabled=True)  # each page's whole weight
    seen = {}
    for name in PAGES:
        page.open(address + name)
        seen[name] = Visit(
            page.errors, page.failures, page.requests, page.bytes,
            set(page.run("[...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.name)")),
            page.run("[...document.querySelectorAll('a[href]')].map(a => a.href)"),
            page.run(MATHS),
            page.run("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"),
            page.run(UNLINKED),
        )  # fmt: skip
    page.call("Network.setCacheDisabled", cacheDisabled=False)
    return seen


def found(problems: dict[str, object]) -> str:
    """Problems by page, for a message."""
    return json.dumps({k: v for k, v in problems.items() if v}, indent=1, default=str)[:6000]


def test_every_page_loads_without_an_error(visits):
    problems = {n: v.errors + v.failures + v.broken for n, v in visits.items()}
    assert not any(problems.values()), found(problems)


def test_no_request_leaves_the_site(visits, address):
    problems = {
        n: [u for u in v.requests if not u.startswith((address, "data:", "blob:"))] for n, v in visits.items()
    }
    assert not any(problems.values()), found(problems)


def test_internal_links_and_anchors_resolve(visits, address):
    problems: dict[str, list[str]] = {}
    for name, visit in visits.items():
        for link in visit.links:
            url, anchor = urldefrag(link)
            if not url.startswith(address):
                continue
            target = unquote(url.removeprefix(address).split("?")[0]) or "index.html"
            if not (SITE / target).is_file():
                problems.setdefault(name, []).append(link)
            elif anchor and target in visits and unquote(anchor) not in visits[target].ids:
                problems.setdefault(name, []).append(link)
    assert not problems, found(problems)


def test_maths_is_typeset(visits):
    problems = {
        n: v.maths for n, v in visits.items() if v.maths["wrong"] or v.maths["set"] < v.maths["asked"]
    }
    assert not problems, found(problems)
    assert sum(v.maths["set"] for v in visits.values()), "no formula in the whole book"


def test_pages_are_light(visits):
    heavy = {n: v.bytes for n, v in visits.items() if v.bytes > (1.05e6 if n == "index.html" else 4e6)}
    assert not heavy, found(heavy)


def test_every_figure_and_table_links_to_its_code_and_every_table_to_its_data(visits):
    problems = {n: v.unlinked for n, v in visits.items()}
    assert not any(problems.values()), found(problems)


def test_runs_below_a_figure_unfold_the_strip(page, address, visits):
    page.resize(*DESK)
    link = "a[href='#run-records']"
    for name in PAGES:
        if any(link.endswith("#run-records") for link in visits[name].links):
            page.open(address + name)
            page.run(f'document.querySelector("{link}").click()')
            assert page.until("document.querySelector('details.gcaf-strip').open")
            addresses = page.run("[...document.querySelectorAll('.gcaf-strip a')].map(a => a.href)")
            assert [a for a in addresses if "/results/runs/" in a], name
            break
    else:
        pytest.skip("no page of this site shows published run records")


def test_search_finds_focal(page, address, visits):
    page.resize(*DESK)
    page.open(f"{address}search.html?q=focal")
    links = page.until("[...document.querySelectorAll('#search-results li a')].map(a => a.href).slice(0, 5)"
                       ".filter(Boolean).join(' ')").split()  # fmt: skip
    for link in links:
        assert (SITE / urldefrag(link)[0].removeprefix(address).split("?")[0]).is_file(), link
    assert not page.errors and not page.failures


def test_the_theme_can_be_switched(page, address, visits):
    page.resize(*DESK)
    chapter = next((n for n in PAGES if n.startswith("notebooks/")), "index.html")
    page.open(address + chapter)
    look = """(() => { const image = document.querySelector('img.gcaf-figure');
      return {theme: document.documentElement.dataset.theme, paper: getComputedStyle(document.body).backgroundColor,
              scheme: image && getComputedStyle(image).colorScheme} })()"""
    looks = {}
    for _ in range(3):  # light, dark, and what the system says
        page.run("document.querySelector('.theme-switch-button').click()")
        page.run("new Promise(done => setTimeout(done, 400))")
        now = page.run(look)
        looks[now["theme"]] = now
        if now["scheme"]:
            assert now["scheme"] == now["theme"], "figures follow the page"
    assert set(looks) == {"light", "dark"}
    assert looks["light"]["paper"] != looks["dark"]["paper"]
    page.run("localStorage.clear()")


@pytest.mark.parametrize("window", [PHONE, DESK])
def test_neither_a_page_nor_its_code_scrolls_sideways(page, address, visits, window):
    page.resize(*window)
    problems, code = {}, 0
    for name in PAGES:
        page.open(address + name)
        width = page.run("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        room, needed = page.run(CODE)
        code += len(room)
        wide = [b - a for a, b in zip(room, needed) if b > a + 1]
        if width > window[0] or wide:
            problems[name] = [width, *page.run(WIDE), *wide]
    assert code > 100 and not problems, found(problems)


def test_a_wide_table_on_a_phone_says_so_and_keeps_its_rows_names_in_sight(page, address, visits):
    """Of every table that is wider than its frame, scrolled to its end; a table that fits says nothing."""
    page.resize(*PHONE)
    problems, wide = {}, 0
    for name in PAGES:
        page.open(address + name)
        seen = page.run(SCROLLED)
        wide += sum(one["wide"] for one in seen)
        if wrong := [one for one in seen if one["wide"] and (not one["says"] or abs(one["moved"]) > 1)]:
            problems[name] = wrong
        assert all(one["wide"] or not one["says"] for one in seen), name
    assert wide and not problems, found(problems)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_violation(page, address, visits, theme):
    if not AXE.is_file():
        pytest.skip(f"axe-core is not in {AXE}: `make test-site` fetches it by npm")
    page.resize(*DESK)
    source = AXE.read_text(encoding="utf-8")
    # the themes differ in colours only
    rules = "" if theme == "light" else ", runOnly: ['color-contrast']"
    problems = {}
    for name in PAGES:
        page.open(address + name)
        page.run(
            f"document.documentElement.dataset.theme = document.documentElement.dataset.mode = '{theme}'"
        )
        page.run("new Promise(done => setTimeout(done, 400))")  # colours fade over
        page.run(f"{source}; 0")
        problems[name] = page.run(
            "axe.run(document, {resultTypes: ['violations']"
            + rules
            + """}).then(found => found.violations
              .filter(v => ['serious', 'critical'].includes(v.impact))
              .map(v => v.id + ': ' + v.nodes.length + ' × ' + v.nodes.slice(0, 2)
                .map(n => n.target.join(' ') + ' ' + n.html.slice(0, 120) + ' ' + (n.any[0]?.message || '')).join(' | ')))"""
        )
    assert not any(problems.values()), found(problems)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_letters_of_drawings_can_be_read(page, address, theme):
    """4.5 : 1 to what lies behind, as WCAG asks; a half of a text's box may be behind lines that cross it."""
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    problems, seen = {}, 0
    pages = "".join((SITE / name).read_text(encoding="utf-8") for name in PAGES)
    # those that are shown: the folder may hold some of earlier builds
    for name in sorted(set(re.findall(r"_images/([\w-]+\.svg)", pages))):
        path = SITE / "_images" / name
        width, height = style.size(path.read_text(encoding="utf-8"))
        page.resize(width + 2, height + 2)
        page.open(f"{address}_images/{path.name}")
        texts = page.run(TEXTS)
        seen += len(texts)
        # painted without them
        page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        shot = base64.b64decode(page.call("Page.captureScreenshot", format="png")["data"])
        shot = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
        ratios = [(t["said"], str(t["fill"]), round(_contrast(t, shot), 2)) for t in texts]
        problems[path.name] = [one for one in ratios if one[2] < 4.5]
    page.call("Emulation.setEmulatedMedia", features=[])
    assert seen > 100 and not any(problems.values()), found(problems)


def _contrast(text: dict, shot: np.ndarray) -> float:
    """The least contrast of a text (`TEXTS`) to the middle half, by luminance, of the pixels in its box."""
    left, top, right, bottom = text["box"]
    pixels = shot[max(int(top), 0) : int(bottom) + 1, max(int(left), 0) : int(right) + 1].reshape(-1, 3) / 255
    behind = np.quantile(relative_luminance(pixels), [0.25, 0.75])
    own = relative_luminance([channel / 255 for channel in text["fill"]])
    return float(((np.maximum(behind, own) + 0.05) / (np.minimum(behind, own) + 0.05)).min())


def test_the_finding_stands_in_one_screen(page, address, visits):
    """Whole on a desk's screen; on a laptop's, the doors by their names."""
    for height, what in ((DESK[1], ".sd-card"), (720, ".sd-card-title")):
        page.resize(DESK[0], height, False)
        page.open(address)
        low = page.run(f"""Math.max(...[...document.querySelectorAll('.gcaf-doors {what}')]
          .map(e => e.getBoundingClientRect().bottom))""")
        assert low <= height, "claim, finding, meaning and the three doors, without scrolling"
    assert page.run("document.querySelectorAll('.gcaf-doors .sd-card').length") == 3


def test_it_works_from_a_folder(page):
    page.resize(*DESK)
    for name in PAGES:
        page.open(urljoin(SITE.as_uri() + "/", name))
        away = [u for u in page.requests if not u.startswith(("file:", "data:", "blob:"))]
        assert not page.errors and not page.failures and not away, (name, page.errors, page.failures, away)
        maths = page.run(MATHS)
        assert maths["set"] >= maths["asked"], name
