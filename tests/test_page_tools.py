"""Check a report, check a split: the scripts in the page answer as Python does, by keyboard, on a phone, in the dark.

Run in a headless Chromium over a bare page made of the book's own form, style and scripts: no built site is needed.
"""

import hashlib
import json
import math
import re
from pathlib import Path

import chromium
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from test_leaks import drawn as drawn_split
from test_report_check import DISEASES, drawn, gives, printed

from gcaf_lib.book import tool_pages
from gcaf_lib.data import groups, leaks
from gcaf_lib.data.dataset import DataError
from gcaf_lib.machine import write_text
from gcaf_lib.paper import report_cells, report_check, report_file
from gcaf_lib.site import tools

BOOK = Path(__file__).resolve().parents[1] / "book"
REPORTS, AT_ONCE = 1000, 50

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.find() is None, reason="no Chromium here (Debian: apt install chromium)"),
]


def bare(name, extra=""):
    """A page of the book, reduced to its tool."""
    (form,) = re.findall(r"^```\{raw\} html\n(.*?)^```", (BOOK / f"{name}.md").read_text(), re.M | re.S)
    return (
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>tool</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="_static/gcaf.css"></head>'
        f'<body><main class="bd-article">{form}{extra}</main></body></html>'
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    tools.write(BOOK, folder / "_static")
    write_text(folder / "_static" / "gcaf.css", (BOOK / "_static" / "gcaf.css").read_text())
    example = "".join(
        f'<div id="{name}" hidden><pre>{report}</pre></div>'
        for name, report in (
            ("example-paper", tool_pages.paper_report()),
            ("example-true", tool_pages.true_report()),
        )
    )
    (folder / "report.html").write_text(bare("check_report", example), encoding="utf-8")
    (folder / "split.html").write_text(bare("check_split"), encoding="utf-8")
    with chromium.serve(folder) as url:
        yield url


def reports(count):
    """Printed reports of random matrices, every second one with a figure off by one in its last place."""
    rng = np.random.default_rng(11)
    for number in range(count):
        labels, predicted = drawn(rng, largest=40, classes=5)
        text = printed(labels, predicted, int(rng.integers(2, 5)))
        if number % 2:
            figures = list(re.finditer(r"[01]\.\d+", text))
            at = figures[int(rng.integers(len(figures)))]
            digits = len(at[0]) - 2
            value = float(at[0]) + 10.0**-digits * (1 if float(at[0]) < 0.5 else -1)
            text = text[: at.start()] + f"{value:.{digits}f}" + text[at.end() :]
        yield text


def near(ours, theirs):
    """Whether two values are the same, None in the page for what it doesn't search."""
    if theirs is None or (isinstance(ours, float) and math.isnan(ours)):
        return theirs is None or theirs == "none"
    return theirs != "none" and math.isclose(ours, theirs, rel_tol=1e-9)


ASK = """
%s.map(text => {
  const a = gcafReport.check(gcafReport.parse(text)), none = v => Number.isNaN(v) ? 'none' : v;
  return {figures: a.figures.map(l => [l.metric, l.attainable, none(l.below), none(l.above), l.alone, l.conflicts.join(', ')]),
    errors: a.errors.map(e => [e.class, e.support, e.least, e.most]), matrix: a.matrix, cut: a.cut};
})
"""


def test_a_thousand_reports_are_judged_as_in_python(page, address):
    page.open(address + "report.html")
    texts = list(reports(REPORTS))
    found = impossible = undecided = 0
    for start in range(0, REPORTS, AT_ONCE):
        part = texts[start : start + AT_ONCE]
        for text, theirs in zip(part, page.run(ASK % json.dumps(part))):
            report = report_file.parse(text)
            ours = report_check.check(report)
            lines = ours.figures[
                ["metric", "attainable", "below", "above", "alone", "conflicts"]
            ].values.tolist()
            for mine, other in zip(lines, theirs["figures"], strict=True):
                if other[1] is None:
                    undecided += 1
                    continue
                assert mine[:2] == other[:2] and mine[4:] == other[4:], text
                assert near(mine[2], other[2]) and near(mine[3], other[3]), text
            assert ours.errors.values.tolist() == theirs["errors"], text
            assert ours.cut == theirs["cut"], text
            fits = [
                f for f, line in zip(report.figures, theirs["figures"][-len(report.figures) :]) if line[1]
            ]
            assert gives(type(ours.matrix)(theirs["matrix"], ours.matrix.index, ours.matrix.columns), fits), (
                text
            )
            found += 1
            impossible += len(ours.impossible) > 0
    assert found == REPORTS and impossible > REPORTS // 4
    assert undecided == 0


WRONG = ["hello\nworld", "class,recall,support\na,0.9,10\nb,x,10", "class,recall,support\na,0.9,10", "[1]",
         "class,recall,support\na,0.9,10\nb,940,10", "class,recall,support\na,0.9,10\na,0.8,10\nb,1,3",
         "class,recall,support\na,0.9,10\na,0.9,10\nb,1,3",
         "class,recall,support\na,0.9,1.000\nb,0.9,250", "class;recall;support\na;0,9;1,000\nb;0,9;250",
         "class,recall,support\na,90.0%,10\nb,90.0%,10\nmacro avg,0.90,20", "class,recall,support\na,100,10\nb,0.9,10",
         '{"supports": {"a": 100, "a": 30, "b": 9}, "figures": {"accuracy": 0.9}}',
         "class,f1,support\na,0.9,10\nb,0.8,10\nmicro avg,0.7,20", "class,recall,support\na,0.9,10,7\nb,1,3"]  # fmt: skip


def test_wrong_reports_are_named_alike(page, address):
    page.open(address + "report.html")
    ask = (
        "%s.map(text => { try { gcafReport.parse(text); return '' } catch (error) { return error.message } })"
    )
    for text, theirs in zip(WRONG, page.run(ask % json.dumps(WRONG))):
        with pytest.raises(report_cells.ReportError) as error:
            report_file.parse(text)
        assert str(error.value).replace(":", ";")[:40] == theirs.replace(":", ";")[:40]


ALIKE = [
    "class;recall;support\na;0,9;1.000\nb;0,8;2.000\nALL;0,83;3.000",
    "class;recall;support\na;0.9;1,000\nb;0.8;10.0",
    "class,recall,support\na,90.0,200\nb,0.5%,200\nc,0.0,200",
    '{"supports": {"a": 9, "score_1": 9}, "figures": {"f1_score_a": 0.9, "F1-score of score_1": 0.90, "f1_score": 0.8}}',
    '{"supports": {"a": 9, "score_1": 9}, "figures": {"f1_score_1": 0.9, "Positive predictive value of a": NaN}}',
    '{"a": {"recall": 0.5, "precision": NaN, "support": 4}, "b \\"x\\": 1": {"recall": 0.25, "support": 8}}',
]  # fmt: skip


def test_marks_units_and_names_are_read_alike(page, address):
    page.open(address + "report.html")
    ask = "%s.map(gcafReport.parse).map(r => [r.classes, r.n, r.figures.map(f => [f.metric, f.value, f.percent]), r.total, r.ignored])"
    for text, (classes, n, figures, total, ignored) in zip(ALIKE, page.run(ask % json.dumps(ALIKE))):
        report = report_file.parse(text)
        assert dict(zip(classes, n)) == report.supports and total == report.total
        assert figures == [[f.metric, f.value, f.percent] for f in report.figures]
        assert ignored == list(report.ignored)


def test_errors_that_large_reports_imply_are_those_of_python(page, address):
    page.open(address + "report.html")
    for f1s in ((0.98, 0.97, 0.99), (0.25, 0.5, 0.3)):
        text = "class,f1,support\n" + "\n".join(f"{c},{f1:.2f},{2000}" for c, f1 in zip("abc", f1s))
        ours = report_check.check(report_file.parse(text)).errors
        assert [line["errors"] for line in page.run(ASK % json.dumps([text]))] == [ours.values.tolist()]
        assert ours["most"].iloc[-1] < 6000


def test_classes_called_like_figures_are_read_alike(page, address):
    page.open(address + "report.html")
    labels = np.repeat([0, 1, 2], (30, 40, 25))
    predicted = np.where(np.random.default_rng(0).random(95) < 0.2, 1, labels)
    for names in DISEASES:
        text = sk.classification_report(labels, predicted, target_names=names)
        for form in (text, "\n".join(text.splitlines()[:-4]), text.replace(" 30", " 31")):
            classes, n, figures = page.run(
                f"(r => [r.classes, r.n, r.figures.map(f => [f.metric, f.value])])(gcafReport.parse({json.dumps(form)}))"
            )
            report = report_file.parse(form)
            assert dict(zip(classes, n)) == report.supports
            assert figures == [[f.metric, f.value] for f in report.figures]


def test_the_page_says_that_it_computes_before_it_does(page, address):
    page.open(address + "report.html")
    page.run("""(() => { window.said = []; const box = document.querySelector('#gcaf-report [role=status]');
      new MutationObserver(() => said.push(box.textContent)).observe(box, {childList: true}) })()""")
    page.run("document.querySelector('button').click()")
    page.until("said.some(text => text.includes('can’t be true'))", 60)
    assert page.run("said[0]") == "Checking …"


def typed(page, text):
    """Type into what has the focus."""
    page.call("Input.insertText", text=text)


def press(page, key, code):
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                  text="\r" if key == "Enter" else "")  # fmt: skip


def test_the_report_page_works_by_keyboard_and_sends_nothing(page, address):
    page.resize(375, 812, True)
    page.open(address + "report.html")
    asked = list(page.requests)
    press(page, "Tab", 9)
    assert page.run("document.activeElement.tagName") == "TEXTAREA"
    typed(page, tool_pages.true_report())
    page.until(
        "document.querySelector('#gcaf-report [role=status]').textContent.includes('All figures can be true')"
    )
    press(page, "Tab", 9)
    press(page, "Enter", 13)
    page.until(
        "document.querySelector('#gcaf-report [role=status]').textContent.includes('can’t be true')", 60
    )
    told = page.run("document.querySelector('#gcaf-report [role=status]').textContent")
    assert "precision of meningioma" in told and "contradicts recall of meningioma" in told
    page.run("document.querySelector('textarea').focus(); document.querySelector('textarea').select()")
    typed(page, "class,recall\na,0.5\nb,0.5")
    page.until(
        "document.querySelector('#gcaf-report [role=status]').textContent.includes('support of a, b is missing')"
    )
    assert page.run("document.querySelector('textarea').getAttribute('aria-invalid')") == "true"
    assert page.requests == asked and not page.errors, "nothing leaves the page"
    assert page.run("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("name", ["report", "split"])
def test_text_is_readable_in_both_themes(page, address, name):
    """WCAG's contrast, 4.5 to 1, of every text in the tool."""
    page.open(address + f"{name}.html")
    if name == "report":
        page.run("document.querySelector('button').click()")
    else:
        drop(page, "split.csv", drawn_split(groups.load(), 1)[0].to_csv(index=False))
    page.until("!!document.querySelector('[role=status] table')", 60)
    for theme in ("light", "dark"):
        page.run(f"document.documentElement.dataset.theme = '{theme}'")
        page.run("document.body.style.background = getComputedStyle(document.documentElement)"
                 ".getPropertyValue('--gcaf-soft')")  # fmt: skip
        low = page.run("""(() => {
          const rgb = c => c.match(/[\\d.]+/g).map(Number), light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .03928
            ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
          const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3]) return c }
            return [255, 255, 255] };
          return [...document.querySelectorAll('.gcaf-tool, .gcaf-tool *')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length)
            .map(e => { const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x); return [e.textContent.slice(0, 30), (a + .05) / (b + .05)] })
            .filter(x => x[1] < 4.5);
        })()""")
        assert not low, (theme, low)


def test_a_hundred_splits_are_counted_as_in_python(page, address):
    page.open(address + "split.html")
    table = groups.load()
    for seed in range(100):
        frame, _ = drawn_split(table, seed)
        frame.loc[0, "path"] = "elsewhere.png"
        if seed % 5 == 4:  # a split without validation
            frame = frame[frame["split"] != "val"]
        if seed % 3 == 2:  # names of converted images
            frame["path"] = frame["path"].str.replace(".jpg", (".png", "", ".npy")[seed % 9 // 3])
        if seed % 4 == 3:  # a column of other hashes does not hide the names
            frame["hash"] = [hashlib.md5(name.encode()).hexdigest() for name in frame["path"]]
        if seed % 7 == 6:  # cells with line ends, files listed twice, as Excel writes it
            frame = pd.concat([frame.assign(note='two\nlines, "quoted"'), frame.head(3)])
        text = "sep=;\r\n" * (seed % 21 == 13) + frame.to_csv(
            index=False, sep=",;\t"[seed % 3], lineterminator="\n\r\n"[seed % 2 : seed % 2 + 1 + seed % 2]
        )
        ask = (
            "(rows => [gcafSplit.counts(rows), gcafSplit.unknown(rows), gcafSplit.said(gcafSplit.counts(rows), rows)])"
            "(gcafSplit.parse(%s))"
        )
        counts, unknown, said = page.run(ask % json.dumps(text))
        ours = leaks.parse(text)
        found = leaks.counts(ours)
        assert counts == {name: frame.to_dict("records") for name, frame in found.items()}
        assert len(counts) == (1 if seed % 5 == 4 else 3)
        assert unknown == leaks.unknown(ours)
        assert [text for text, _ in said] == leaks.said(found, ours)


def test_wrong_splits_are_named_alike(page, address):
    page.open(address + "split.html")
    for text in ["", "file,part", "a,b\n1,2", "file,Fold\nx.jpg,2", "part,b\ntest,2", "file,part\nx.jpg,half", "file,part\nx.jpg",
                 "file,part\nx.jpg,test\ny.jpg,train", "file,part\nTe-gl_0010.jpg,test",
                 "file,part\nTe-gl_0010.jpg,train\nx.jpg,test\ny.jpg,test", "sep=;\n", "sep=;\na;b\n1;2",
                 'file,part\nTe-gl_0010.jpg,"train\nTe-gl_0011.jpg,test\n', 'file,part\n"a\nb,test\n',
                 "file,part\nTe-gl_0010.jpg,test\nx.jpg,train"]:  # fmt: skip
        with pytest.raises(DataError) as error:
            leaks.parse(text)
        ask = "(() => { try { gcafSplit.parse(%s); return '' } catch (error) { return error.message } })()"
        assert page.run(ask % json.dumps(text)) == str(error.value)


def drop(page, name, text):
    """Drop a file onto the page."""
    page.run(f"""(() => {{ const data = new DataTransfer();
      data.items.add(new File([{json.dumps(text)}], {json.dumps(name)}));
      document.querySelector('.gcaf-drop').dispatchEvent(new DragEvent('drop', {{dataTransfer: data, bubbles: true, cancelable: true}}))
    }})()""")


def test_the_split_page_takes_a_file_and_sends_nothing(page, address, tmp_path):
    page.resize(375, 812, True)
    page.open(address + "split.html")
    asked = list(page.requests)
    press(page, "Tab", 9)
    assert page.run("document.activeElement.type") == "file"
    frame, _ = drawn_split(groups.load(), 2)
    frame.to_csv(tmp_path / "mine.csv", index=False)
    node = page.call(
        "DOM.querySelector", nodeId=page.call("DOM.getDocument")["root"]["nodeId"], selector="input"
    )
    page.call("DOM.setFileInputFiles", files=[str(tmp_path / "mine.csv")], nodeId=node["nodeId"])
    page.until("document.querySelector('[role=status]').textContent.includes('have a copy in training')")
    assert page.run("document.documentElement.scrollWidth") <= 375
    page.run("""(() => { const data = new DataTransfer();
      data.items.add(new File([new Uint8Array([0xff, 0xfe, 0x61, 0])], 'wide.csv'));
      document.querySelector('.gcaf-drop').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})) })()""")
    page.until(
        "document.querySelector('[role=status]').textContent.includes('wide.csv: it is not text in UTF-8')"
    )
    drop(page, "bad.csv", "file,part\nx.jpg,half")
    page.until("document.querySelector('[role=status]').textContent.includes('bad.csv: line 2: part `half`')")
    assert page.run("document.querySelector('input').getAttribute('aria-invalid')") == "true"
    assert page.requests == asked and not page.errors, "nothing leaves the page"
