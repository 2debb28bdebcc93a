"""The two tools' scripts read odd input as Python does: the same rows, figures and words, in Node, without a browser.

tests/test_page_tools.py asks the pages themselves, and draws its input; here it is written by hand.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gcaf_lib.data import leaks
from gcaf_lib.data.dataset import DataError
from gcaf_lib.paper import report_file
from gcaf_lib.site import tools

TOOLS = Path(__file__).resolve().parents[1] / "book" / "tools"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no Node here (Debian: apt install nodejs)")


def run(script, texts, ask, folder):
    """What a script of the book answers to each text: what `ask` makes of it, or the words of its error."""
    source = [
        tools.script(),
        *((TOOLS / f"{name}.js").read_text(encoding="utf-8") for name in ("cells", script)),
    ]
    ask = f"try {{ {ask} }} catch (error) {{ return error.message }}"
    source.append(f"console.log(JSON.stringify({json.dumps(texts)}.map(text => {{ {ask} }})))")
    (folder / "ask.js").write_text("\n".join(source), encoding="utf-8")
    told = subprocess.run([NODE, folder / "ask.js"], capture_output=True, encoding="utf-8", check=True)
    return json.loads(told.stdout)


HEAD = "class,recall,support"
AVERAGES = [
    f"{HEAD}\na,0.9,10\nb,0.8,30\n{row}"
    for row in (
        "Average,0.85,40", "avg / total,0.85,40", "Mean,0.85,20", "avg,0.85,", "Total / Average,0.85,40",
        "Average (macro),0.85,40", "Unweighted average,0.85,40", "Balanced accuracy,0.85,40", "All classes,0.85,40",
        "Sum,,40", "Weighted mean,0.825,40", "Accuracy (weighted),0.8,40", "Total images,,40", "ALL 2,0.7,12", "all,0.8,40",
        "micro average,0.8,40", "Mean,0.85,20.0", "Mean,0.85,many", "Average (é),0.85,40", "avgé,0.85,40", "samples avg,0.8,40",
    )
]  # fmt: skip
REPORTS = [*AVERAGES]


def ours(text):
    try:
        report = report_file.parse(text)
    except report_file.ReportError as error:
        return str(error)
    figures = [[f.metric, f.value, f.decimals, f.percent] for f in report.figures]
    return [
        list(report.supports),
        list(report.supports.values()),
        figures,
        report.total,
        list(report.ignored),
    ]


def test_odd_reports_are_read_alike(tmp_path):
    ask = (
        "const r = gcafReport.parse(text); return [r.classes, r.n, "
        "r.figures.map(f => [f.metric, f.value, f.decimals, f.percent]), r.total, r.ignored]"
    )
    for text, theirs in zip(REPORTS, run("check_report", REPORTS, ask, tmp_path), strict=True):
        assert theirs == ours(text), text[:200]


ONE, OTHER = "Te-gl_0010.jpg", "Te-gl_0011.jpg"
SHA = "0" * 64
SPLITS = [
    f"file,part\n{ONE},train\n{OTHER},test\n",
    f"file,sha256,part\n{ONE},,train\nx.png,,train\n{OTHER},,test\ny.png, ,test\n",
    f"file,sha256,id,part\n{ONE},{SHA},,train\n,,x,train\n{OTHER},,,test\n,{SHA},,test\n",
    f"file,sha256,part\n{ONE},,train\n,,test\n",
    f"part,file\ntrain,{ONE}\ntest,\n",
    *(",,\n,,\n", ";;\n", "\t\n\n", "sep=;\n;;\n", "sep=;\n", "\n", ""),
]


def test_odd_splits_are_read_alike(tmp_path):
    ask = "const r = gcafSplit.parse(text), c = gcafSplit.counts(r); return [c, gcafSplit.unknown(r), gcafSplit.said(c, r).map(x => x[0])]"
    for text, theirs in zip(SPLITS, run("check_split", SPLITS, ask, tmp_path), strict=True):
        try:
            found = leaks.parse(text)
            counts = leaks.counts(found)
            mine = [
                {k: f.to_dict("records") for k, f in counts.items()},
                leaks.unknown(found),
                leaks.said(counts, found),
            ]
        except DataError as error:
            mine = str(error)
        assert theirs == mine, text[:200]
