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
from gcaf_lib.paper import report_cells, report_file
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
        "Average¹,0.85,40", "Average ②,0.85,40", "Average Ⅳ,0.85,40",
    )
]  # fmt: skip
LONG = "1" * 5000
NOTE = "x" * 140_000  # longer than a cell of Python's csv may be, unless it is told
REPORTS = [
    *AVERAGES,
    # two columns of one metric
    "class,recall,sensitivity,support\na,0.97,0.90,10\nb,0.55,0.80,10", "class,recall,n,support\na,0.9,9,10\nb,0.8,9,10",
    "class,n,n,recall\na,10,10,0.9\nb,10,10,0.8", '{"a": {"recall": 0.9, "TPR": 0.9, "support": 4}, "b": {"n": 4}}',
    "metric,value,score\nsupport_a,3,3\nsupport_b,3,3\naccuracy,0.5,0.6", "class,label,recall,n\na,0,0.9,9\nb,1,0.8,9",
    # nothing but rules or separators
    "----", "|---|---|", "==\n\n+--+", ",,\n,,\n", ";;;", "\t\t\n\t", " ", "----\nclass,recall,n\n---\na,0.9,9\n-,-,-\nb,0.8,9\n,,",
    f"{HEAD}\nMCC,0.9,\nMCC,0.8,10\nb,0.9,10", f"{HEAD}\nkappa,0.9,\nkappa,,10\nb,0.9,10",
    # a row without a name
    f"{HEAD}\n,0.9,\nb,0.8,10\nc,0.8,10", f"{HEAD}\n,0.9,10\nb,0.8,10", '{"": {"recall": 0.9}, "b": {"support": 4}, "c": {"support": 4}}',
    # a quote that never closes
    f'{HEAD}\n"a,0.9,10\nb,0.8,10', f'"{HEAD}\na,0.9,10\nb,0.8,10', f'{HEAD}\n"a, b",0.9,10\nb,0.8,"10', f'{HEAD}\na,0.9,10\n"b\nc",0.8,10',
    # numbers of thousands of digits, and of other digits than ASCII's
    f"{HEAD}\na,0.9,{LONG}\nb,0.8,10", f"{HEAD}\na,0.9e{LONG},10\nb,0.8,10", f"{HEAD}\nALL,0.9,10\nb,0.9,{LONG}",
    f"{HEAD}\na,0.{LONG},10\nb,0.8,10", f"{HEAD}\na,{LONG},10\nb,0.8,10", f"{HEAD}\na,0.9,10\nb,0.8,10\nMean,0.8,{LONG}",
    f'{{"supports": {{"a": {LONG}, "b": 4}}, "figures": {{"recall_a": 0.5}}}}', f"{HEAD}\na,0.9,1234567890\nb,0.8,10",
    f"{HEAD}\na,0.9,١٠\nb,0.8,10", f"{HEAD}\na,٠.٩,10\nb,0.8,10", f"{HEAD}\na,0.9,１０\nb,0.8,10",
    # ties in decimal and in binary, notes of any length, blanks that only one of the two languages knows
    f"{HEAD}\na,0.15,8\nb,0.5,8", f"{HEAD}\na,0.001953125,512\nb,0.5,8", f"{HEAD},note\na,0.9,10,{NOTE}\nb,0.8,10,",
    f"\ufeff{HEAD}\n\ufeffa,0.9,10\n\x1fb\x85,0.8,10\nmine\ufeff,0.8,\x1c", '{"a": {"recall": ["é"], "support": 4}}',
    # letters of more than one UTF-16 unit, half a pair, a long s
    f"{HEAD}\na,{'😀' * 45},10\nb,0.8,10", f"{HEAD}\na,0.9,{'😀' * 45}\nb,0.8,10", '{"a": {"recall": ["\\ud800"], "support": 4}}',
    "metric,value\nſupport_a,3\nsupport_b,3\naccuracy,0.5",
    # line ends in quotes, and those that are not \\n
    f'{HEAD}\n"a\nx",0.9,10\nb,0.8,10', f'{HEAD}\r\n"a\r\n\r\n---\r\nx",0.9,10\r\nb,0.8,10', 'class,"recall\n(%)",n\na,90,10\nb,80,10',
    f'{HEAD}\n"a ""x"", y",0.9,10\nb,0.8,10', f'{HEAD}\na,0.9,10\nb,0.8,10\n"c', "class  recall  n\x0ca  0.9  10\u2028b  0.8  10",
    # JSON: numbers that are none, classes in their order, what stands where a number should
    '{"supports": {"a": 4, "b": 4}, "figures": {"recall_a": 1.0}}', '{"supports": {"2": 4, "1": 8}, "figures": {"recall_1": 0.5}}',
    '{"2": {"recall": 0.5, "support": 4}, "1": {"recall": 0.25, "support": 8}, "accuracy": 0.3}',
    '{"supports": {"a": 4, "b": 8}, "figures": {"f1_b": 1e-1, "recall_a": -0.0, "kappa": -Infinity}}',
    '{"a": {"recall": {"x": 1}, "support": 4}, "b": {"support": 4}}', '{"a": {"recall": [1], "support": 4}}', "{}", "[]",
    '{"figures": {"recall_a": 0.5}}', '{"supports": null}',
]  # fmt: skip
# numbers that JSON does not have; its readers say so in words of their own
NO_JSON = [
    f'{{"supports": {{"a": 4, "b": 4}}, "figures": {{"recall_a": {n}}}}}'
    for n in ("01", "-01", "00.5", "1.", ".5", "+1", "- 1", "1e", "0x1", "١")
]


def ours(text):
    try:
        report = report_file.parse(text)
    except report_cells.ReportError as error:
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


def test_what_is_no_json_is_refused_by_both(tmp_path):
    ask = "gcafReport.parse(text); return 'read'"
    for text, theirs in zip(NO_JSON, run("check_report", NO_JSON, ask, tmp_path), strict=True):
        assert "not JSON" in theirs and "not JSON" in ours(text), text


ONE, OTHER = "Te-gl_0010.jpg", "Te-gl_0011.jpg"
SHA = "0" * 64
SPLITS = [
    f"file,part\n{ONE},train\n{OTHER},test\n",
    f"file,sha256,part\n{ONE},,train\nx.png,,train\n{OTHER},,test\ny.png, ,test\n",
    f"file,sha256,id,part\n{ONE},{SHA},,train\n,,x,train\n{OTHER},,,test\n,{SHA},,test\n",
    f"file,sha256,part\n{ONE},,train\n,,test\n",
    f"part,file\ntrain,{ONE}\ntest,\n",
    f"file,part,note\n{ONE},train,x; y; z; u; v; w\n{OTHER},test,x; y; z; u; v; w\n",
    f'part,file\ntrain,{ONE}\ntest,"{OTHER}\ntest,{ONE}\n',
    f'"file,part\n{ONE},train\n',
    'file,part\n"',
    '"',
    '"a"\n"',
    f'file,part,note\n{ONE},train,"two\nlines"\n"{OTHER}"  ,test,"a "" b"\n',
    f'file,part\n{ONE},train\n\n\n"{OTHER},test\n\n',
    f"file,part,note\n{ONE},train,{NOTE}\n{OTHER},test,\n",
    f"a\x0bb;file;part\nx;{ONE};train\ny;{OTHER};test\n",
    f"file,part\n{ONE},{'😀' * 45}\n",
    f"{'😀' * 90},x\n",
    f"\ufefffile,part\n\ufeff{ONE},train\n\x1f{OTHER},test\x85\n",
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
