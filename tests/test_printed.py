"""What is done to the built pages, and their other forms: zip and PDF."""

import zipfile

import pytest

from gcaf_lib.site import printed, selfcontained

MATHJAX = '<script defer="defer" src="_static/mathjax/tex-svg-full.js?v=1"></script>'
THEBE = '<script>const THEBE_JS_URL = "https://unpkg.com/x"; const thebe_selector = ".cell"</script>'


def page(body: str) -> str:
    return f"<html><head>{MATHJAX}{THEBE}{MATHJAX}{THEBE}</head><body>{body}</body></html>"


def test_a_number_and_its_spread_stay_together():
    cell = '<td class="text-right"><p>0.94 ± 0.01 (n = 3)</p></td><td><p>a ± 1</p></td>'
    kept = '<td class="text-right"><p>0.94 ±\u00a00.01 (n\u00a0=\u00a03)</p></td><td><p>a ± 1</p></td>'
    assert selfcontained.mend(cell) == kept and selfcontained.mend(kept) == kept


def test_mathjax_comes_once_and_only_where_there_are_formulas():
    assert selfcontained.mend(page("<p>none</p>")).count("mathjax/") == 0
    mended = selfcontained.mend(page('<span class="math notranslate">x</span>'))
    assert mended.count("mathjax/") == 1 and "THEBE" not in mended and "unpkg" not in mended
    assert selfcontained.mend(mended) == mended


def test_buttons_are_named_by_their_words():
    before = (
        '<button class="btn search-button-field x" title="Search" aria-label="Search" data-a="b">Search</button>'
        '<summary aria-label="Toggle hidden content">Show</summary><button aria-label="Menu"></button>'
    )
    after = selfcontained.mend(before)
    assert 'aria-label="Search"' not in after and "Toggle" not in after and 'aria-label="Menu"' in after


def test_icons_are_drawn_in():
    library = '{foo:[8,9,[1,"a"],"f0","M0 outline"],bar:[1,1,[],"f1","M1"],x,foo:[8,9,[],"f0","M0 filled"]}'
    script = '<script defer src="_static/scripts/fontawesome.js?digest=1"></script>'
    text = selfcontained.inline_icons(
        f'{script}<i class="theme-switch fa-solid fa-foo" data-mode="light"></i>', library
    )
    assert "fontawesome" not in text and "M0 filled" in text and 'data-mode="light"' in text
    assert "M0 outline" in selfcontained.inline_icons('<span class="far fa-foo"></span>', library)
    unknown = f'{script}<i class="fas fa-unknown"></i>'
    assert selfcontained.inline_icons(unknown, library) == unknown, "an icon we can't draw keeps the script"


def test_the_archive_is_one_folder_and_repeatable(tmp_path):
    html = tmp_path / "html"
    (html / "_static").mkdir(parents=True)
    (html / "index.html").write_text("<p>here</p>")
    (html / "_static" / "a.js.map").write_text("not needed to read")
    one = printed.archive(html, tmp_path / "book.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "book.zip").namelist() == ["book/index.html"]
    assert printed.archive(html, tmp_path / "book.zip").read_bytes() == one
    assert sorted(p.name for p in tmp_path.iterdir()) == ["book.zip", "html"]


def test_a_site_that_is_not_there_is_said_so(tmp_path, capsys):
    assert printed.main(["zip", str(tmp_path), str(tmp_path / "a.zip")]) == 2
    assert "make book" in capsys.readouterr().err
    assert not (tmp_path / "a.zip").exists()
    with pytest.raises(SystemExit, match="2"):
        printed.main(["epub", str(tmp_path), str(tmp_path / "a.epub")])
    assert "invalid choice: 'epub'" in capsys.readouterr().err


def test_the_printable_page_has_contents_and_nothing_folded():
    chapter = (
        '<span id="document-{0}"></span><section class="x" id="{0}">\n<h2>{0}<a class="headerlink" href="#">#</a></h2>'
        '<details class="x">y</details></section>'
    )
    text = printed.printable("<html><h1>front</h1>" + "".join(chapter.format(n) for n in ("one", "two")))
    assert text.index("front") < text.index("gcaf-contents") < text.index('id="document-one"')
    assert '<li><a href="#two">two</a></li>' in text
    assert text.count("<details open") == 2 and 'data-theme="light"' in text


def test_printing_without_chromium_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(printed.shutil, "which", lambda name: None)
    with pytest.raises(printed.PrintError, match="apt install chromium"):
        printed.pdf(tmp_path / "index.html", tmp_path / "a.pdf")
