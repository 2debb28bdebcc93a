"""`gcaf audit REPORT`: no true report is accused, an altered one is found out or its matrix shown, bad input is named."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from gcaf_lib import cli
from gcaf_lib.paper import attainability, report_cells, report_check, report_file
from gcaf_lib.paper import published as paper
from gcaf_lib.paper.confusions import Problem, Reported

TEXT = """\
              precision    recall  f1-score   support

     class 0       0.67      1.00      0.80         2
           1       0.00      0.00      0.00         1
           2       1.00      0.50      0.67         2

    accuracy                           0.60         5
   macro avg       0.56      0.50      0.49         5
weighted avg       0.67      0.60      0.59         5
"""


LONG = "1" * 5000  # digits: Python makes no number of more than 4,300


def drawn(rng, largest=220, classes=6):
    """Labels and predictions of a random confusion matrix."""
    k = int(rng.integers(2, classes))
    labels = np.repeat(np.arange(k), rng.integers(2, largest, k))
    wrong = rng.random(len(labels)) < rng.uniform(0, 0.5)
    return labels, np.where(wrong, rng.integers(0, k, len(labels)), labels)


def printed(labels, predicted, digits):
    return sk.classification_report(labels, predicted, digits=digits, zero_division=0)


def test_reports_of_two_hundred_random_matrices_pass():
    rng = np.random.default_rng(5)
    for _ in range(200):
        labels, predicted = drawn(rng)
        answer = report_check.check(report_file.parse(printed(labels, predicted, int(rng.integers(2, 5)))))
        assert answer.figures["attainable"].eq(True).all(), answer.text()
        wrong = [*(int(((labels == c) & (predicted != c)).sum()) for c in np.unique(labels))]
        wrong.append(sum(wrong))
        assert (answer.errors["least"] <= wrong).all() and (wrong <= answer.errors["most"]).all()


def gives(matrix: pd.DataFrame, figures) -> bool:
    """Whether scikit-learn prints these figures for a confusion matrix."""
    problem = Problem(dict(matrix.sum(axis=1)))
    rows, columns = np.nonzero(matrix.to_numpy())
    times = matrix.to_numpy()[rows, columns]
    labels, predicted = np.repeat(rows, times), np.repeat(columns, times)
    tree = sk.classification_report(
        labels,
        predicted,
        labels=range(problem.k),
        target_names=problem.classes,
        output_dict=True,
        zero_division=0,
    )
    exact = {"accuracy": np.mean(labels == predicted)}
    for c, m in itertools.product(problem.classes, ("precision", "recall", "f1-score")):
        exact[f"{m.split('-')[0]}_{c}"] = tree[c][m]
    for kind, m in itertools.product(("macro", "weighted"), ("precision", "recall", "f1-score")):
        exact[f"{kind}_{m.split('-')[0]}"] = tree[f"{kind} avg"][m]
    return all(abs(exact[f.metric] - f.value) <= 0.5 * 10.0**-f.decimals + 1e-9 for f in figures)


def test_one_figure_off_by_one_in_its_last_place_is_impossible_or_its_matrix_is_shown():
    rng = np.random.default_rng(6)
    found = shown = 0
    for _ in range(40):
        labels, predicted = drawn(rng)
        report = report_file.parse(printed(labels, predicted, int(rng.integers(2, 5))))
        at = int(rng.integers(len(report.figures)))
        f = report.figures[at]
        step = 10.0**-f.decimals * (1 if f.value < 0.5 else -1)
        report.figures[at] = f._replace(value=round(f.value + step, f.decimals))
        answer = report_check.check(report)
        found += len(answer.impossible) > 0
        if not len(answer.impossible):
            assert answer.figures["attainable"].eq(True).all(), "decided"
            assert gives(answer.matrix, report.figures), answer.text()
            shown += 1
        rest = [g for g, fits in zip(report.figures, answer.figures["attainable"]) if fits]
        assert gives(answer.matrix, rest)
    assert found > 20 and shown > 0


def test_large_reports_are_decided_too():
    rng = np.random.default_rng(7)
    for _ in range(4):
        labels, predicted = drawn(rng, largest=4000, classes=9)
        report = report_file.parse(printed(labels, predicted, 2))
        found, state = attainability.decide(Problem(report.supports), report.figures)
        assert found is True and state is not None


def test_the_papers_report_and_the_errors_behind_it():
    lines = [f"support_{c},{n}" for c, n in paper.supports().items()]
    lines += [f"{f.metric},{f.value:.{f.decimals}f} {f.unit}" for f in paper.report()]
    answer = report_check.check(report_file.parse("\n".join(["metric,value", *lines])))
    wrong = ["precision_meningioma", "f1_pituitary", "kappa", "mcc"]
    assert sorted(answer.impossible["metric"]) == sorted(wrong)
    n = sum(paper.supports().values())
    right = attainability.counts(paper.report()[0].value, 2, n, True)
    assert answer.errors.iloc[-1].tolist() == ["all", n, n - right[0], n - right[0]]
    assert "contradicts recall of meningioma" in answer.text() and not answer.cut


def test_the_text_of_scikit_learn_is_understood():
    report = report_file.parse(TEXT)
    assert report.supports == {"class 0": 2, "1": 1, "2": 2} and report.total == 5
    named = {f.metric: (f.value, f.decimals) for f in report.figures}
    assert named["recall_class 0"] == (1.0, 2) and named["accuracy"] == (0.6, 2)
    assert named["macro_f1"] == (0.49, 2) and named["f1_2"] == (0.67, 2)
    assert len(report.figures) == 9 + 1 + 5  # weighted recall is the accuracy
    labels, predicted = drawn(np.random.default_rng(1))
    tree = sk.classification_report(labels, predicted, output_dict=True)
    for form in (json.dumps(tree), pd.DataFrame(tree).T.to_csv(), pd.DataFrame(tree).T.to_csv(sep="\t")):
        assert report_check.check(report_file.parse(form)).figures["attainable"].eq(True).all()


@pytest.mark.parametrize(
    "text",
    [
        "class,Precision (%),Sensitivity,F1-Score,n\na,50.0,,66.7,4\nb,,25.0,,8\nmacro avg,,,53.3,\naccuracy,,,50.0,",
        "| Class | Precision | Recall | F1 | Support |\n|---|---:|---|---|---|\n| a | 50.0% | – | 66.7% | 4 |\n"
        "| b | | 25.0% | | 8 |\n| Macro-average | | | 53.3% | |\n| **Accuracy** | 50.0% | | | 12 |",
        "class;precision;recall;f1;support\na;50,0;;66,7;4\nb;;25,0;;8\nmacro avg;;;53,3;\nacc;;;50,0;",
        '{"supports": {"a": 4, "b": 8}, "figures": {"precision of a": "50.0 %", "f1_a": "66.7%", '
        '"recall_b": "25.0 %", "macro F1": "53.3 %", "Accuracy": "50.0%"}}',
        "metric,class,value\nsupport,a,4\nsupport,b,8\nprecision,a,50.0\nF1,a,66.7\nrecall,b,25.0\nF1 (macro),,53.3\naccuracy,,50.0",
    ],
)
def test_the_usual_forms_of_a_table_say_the_same(text):
    report = report_file.parse(text)
    assert report.supports == {"a": 4, "b": 8}
    assert sorted(f[:4] for f in report.figures) == [
        ("accuracy", 50.0, 1, True), ("f1_a", 66.7, 1, True), ("macro_f1", 53.3, 1, True),
        ("precision_a", 50.0, 1, True), ("recall_b", 25.0, 1, True),
    ]  # fmt: skip


DISEASES = [
    ("ALL", "AML", "CLL"),
    ("MCC", "SCC", "BCC"),
    ("acc", "b", "c"),
    ("Kappa", "Lambda", "Heavy"),
    ("N", "S", "V"),
]


@pytest.mark.parametrize("names", DISEASES, ids="-".join)
def test_classes_may_be_called_like_figures_and_sums(names):
    labels = np.repeat([0, 1, 2], (30, 40, 25))
    predicted = np.where(np.random.default_rng(0).random(95) < 0.2, 1, labels)
    tree = sk.classification_report(labels, predicted, target_names=names, output_dict=True)
    text = sk.classification_report(labels, predicted, target_names=names)
    bare = "\n".join(text.splitlines()[:-4])  # without accuracy and averages
    for form in (text, bare, json.dumps(tree), pd.DataFrame(tree).T.to_csv()):
        report = report_file.parse(form)
        assert report.supports == dict(zip(names, (30, 40, 25)))
        assert report_check.check(report).figures["attainable"].eq(True).all()


@pytest.mark.parametrize(
    "row", ["ALL,,,0.8,30", "all,0.8,0.8,0.8,30", "Total,0.8,0.8,0.8,30", "acc,0.8,0.8,0.8,30"]
)
def test_rows_of_the_whole_are_no_classes(row):
    report = report_file.parse(
        f"class,precision,recall,f1,support\na,0.8,0.8,0.8,10\nb,0.8,0.8,0.8,20\n{row}"
    )
    assert list(report.supports) == ["a", "b"] and report.total == 30


@pytest.mark.parametrize(
    "name",
    ["Average", "avg / total", "Mean", "avg", "Total / Average", "Unweighted average", "Balanced accuracy",
     "All classes", "Sum", "Total images", "Accuracy (weighted)"],
)  # fmt: skip
def test_a_row_that_does_not_say_how_it_was_averaged_is_not_checked_and_no_class(name):
    head, rows = "class,recall,support\n", "a,0.9,10\nb,0.8,30\n"
    report = report_file.parse(f"{head}{rows}{name},0.1,40")
    assert report.supports == {"a": 10, "b": 30} and report.total == 40
    assert report.ignored == (f"recall of {name}",)
    assert f"recall of {name}" in report_check.check(report).text()
    for form in (
        f"metric,class,value\nsupport,a,10\nsupport,b,30\nsupport,{name},40\nrecall,a,0.9\nrecall,{name},0.1",
        json.dumps(
            {"supports": {"a": 10, "b": 30, name: 40}, "figures": {"recall_a": 0.9, f"recall of {name}": 0.1}}
        ),
    ):
        report = report_file.parse(form)
        assert (list(report.supports), report.total, len(report.figures)) == (["a", "b"], 40, 1)
    # the mean of the supports is no sum that is wrong
    report = report_file.parse(f"{head}{rows}{name},0.1,20")
    assert report.total is None and report.ignored == (f"recall of {name}", f"support of {name}")


@pytest.mark.parametrize(
    ("name", "metric"), [("Average (macro)", "macro_recall"), ("Mean, weighted", "accuracy")]
)
def test_a_row_that_says_how_it_was_averaged_is_checked(name, metric):
    report = report_file.parse(f"class;recall;support\na;0.9;10\nb;0.8;30\n{name};0.85;40")
    assert [f.metric for f in report.figures] == ["recall_a", "recall_b", metric] and report.total == 40


def test_names_that_hold_another_word_or_a_number_too_are_of_classes():
    rows = "ALL L1,0.9,10\nALL 2,0.8,30\nMean (é) b,0.8,30\navgé,0.7,70\nclass 0,0.7,9"
    report = report_file.parse(f"class,recall,support\n{rows}")
    assert list(report.supports) == ["ALL L1", "ALL 2", "Mean (é) b", "avgé", "class 0"]


def test_a_class_whose_figures_are_all_the_same_is_known_by_its_support():
    head, rest = "class,precision,recall,f1,support\n", "SCC,0.80,0.80,0.80,40\nmacro avg,0.85,0.85,0.85,70"
    assert report_file.parse(f"{head}MCC,0.90,0.90,0.90,30\n{rest}").supports == {"MCC": 30, "SCC": 40}


def test_a_class_never_predicted_is_a_matter_of_convention():
    labels, predicted = np.repeat([0, 1, 2], (20, 20, 2)), np.repeat([0, 1, 0, 1], (19, 21, 1, 1))
    for convention, said in ((0, False), (1, True), (np.nan, True)):
        text = sk.classification_report(labels, predicted, zero_division=convention)
        assert ("zero_division" in report_check.check(report_file.parse(text)).text()) == said
    altered = TEXT.replace("0.60 ", "0.70 ").replace("0.00", "0.10")
    assert "zero_division" not in report_check.check(report_file.parse(altered)).text()


def test_decimals_are_those_printed_and_endless_ones_end():
    text = '{"supports": {"a": 3, "b": 4}, "figures": {"recall_a": 0.330, "accuracy": 0.42857142857142855}}'
    recall, accuracy = report_file.parse(text).figures
    assert (recall.decimals, accuracy.decimals, accuracy.value) == (3, 8, 0.42857143)


def test_supports_that_do_not_add_up_are_found():
    answer = report_check.check(
        report_file.parse(
            TEXT.replace("0.49         5", "0.49         6")
            .replace("0.59         5", "0.59         6")
            .replace("0.60         5", "0.60         6")
        )
    )
    assert (
        answer.impossible["metric"].tolist() == ["support"] and "the nearest that can be: 5" in answer.text()
    )


def test_what_is_near_is_printed_as_people_round():
    assert [report_check.printed(v, 2, False) for v in (0.125, 0.375, -0.125)] == ["0.13", "0.38", "-0.13"]
    assert report_check.printed(62.5, 0, True) == "63%" and report_check.printed(2, 0, False) == "2"


def test_figures_that_were_cut_off_are_told_from_impossible_ones():
    text = "metric,value\nsupport_a,3\nsupport_b,3\nrecall_a,0.66\nrecall_b,0.333\naccuracy,0.5"
    answer = report_check.check(report_file.parse(text))
    assert answer.impossible["metric"].tolist() == ["recall_a"] and answer.cut
    assert "cut off" in answer.text()
    assert not report_check.check(report_file.parse(text.replace("0.66", "0.65"))).cut
    # what is cut to the next figure is not cut to this one: 9 of 10 twice are 0.9, not 0.8
    head = "metric,value\nsupport_a,10\nsupport_b,10\nrecall_a,0.90\nrecall_b,0.90\n"
    assert not report_check.check(report_file.parse(f"{head}accuracy,0.8")).cut
    # 1 of 7 and 3 of 8 right, κ −0.4865 cut towards 0
    text = "metric,value\nsupport_a,7\nsupport_b,8\nrecall_a,0.14\nrecall_b,0.37\naccuracy,0.26\nkappa,-0.48"
    answer = report_check.check(report_file.parse(text))
    assert len(answer.impossible) and answer.cut
    assert not report_check.check(report_file.parse(text.replace("-0.48", "-0.49"))).cut
    ends = {
        (v, m): Reported(m, v, 2, cut=True).ends for v, m in ((0.0, "accuracy"), (0.0, "mcc"), (-0.5, "mcc"))
    }
    assert list(ends.values()) == [(0, 999, 100_000), (-999, 999, 100_000), (-50_999, -50_000, 100_000)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing in it"),
        ("hello\nworld", "names no metric"),
        ("class,precision,recall\na,0.9,0.9\nb,0.8,0.8", "support of a, b is missing"),
        ("class,recall,support\na,0.9,10", "support is missing"),
        ("class,recall,support\na,0.9,10\nb,0.9,ten", "support of b: 'ten' is not a number of images"),
        ("class,recall,support\na,0.9,10\nb,0.9,0", "'0' is not a number of images"),
        ("class,recall,support\na,0.9,10\nb,x,10", "recall of b: 'x' is not a number"),
        ("class,recall,support\na,0.9,10\nb,940,10", "940 is not between 0 and 100"),
        ("class,recall,support\na,0.9,10\nb,-0.1,10", "-0.1 is not between 0 and 1"),
        ("class,recall,support\na,0.9,10\na,0.8,10\nb,1,3", "recall of a stands there twice"),
        ("class,recall,support\na,0.9,10\na,0.9,10\nb,1,3", "class a stands there twice: give each class one row"),
        ("class,recall,support\na,0.9,10,7\nb,1,3", "row 2 (a) has 4 cells"),
        ("class,recall,support\na,0.9,1.000\nb,0.9,250", "support of a: '1.000' is no clear number of images"),
        ("class,recall,support\na,0.9,1.234\nb,0.9,250", "write it without a dot or comma"),
        ("class;recall;support\na;0,9;1,000\nb;0,9;250", "'1,000' is no clear number of images"),
        ("class,recall,support\na,90.0%,10\nb,90.0%,10\nmacro avg,0.90,20",
         "macro avg: 0.90 reads as a fraction, but 90.0% (recall of b) is in percent: write % behind every percent"),
        ("class,recall,support\na,100,10\nb,0.9,10", "recall of b: 0.9 reads as a fraction, but 100 (recall of a)"),
        ('{"supports": {"a": 100, "a": 30, "b": 9}, "figures": {"accuracy": 0.9}}', "`a` stands twice in one JSON"),
        ("class,recall,support\na,,10\nb,,10", "no figures to check"),
        ("class,f1,support\na,0.9,10\nb,0.8,10\nmicro avg,0.7,20", "only reports with one answer an image"),
        ("{", "line 1: not JSON"),
        ("[1]", "has to be an object"),
        ('{"supports": [1], "figures": {}}', "have to be objects"),
        ('{"a": {"recall": [1], "support": 4}}', "stands where a number should"),
        ("class,recall,sensitivity,support\na,0.9,0.8,10\nb,0.9,0.9,10",
         "two columns are the recall: recall and sensitivity; give one of them"),
        ("class,recall,n,n\na,0.9,9,10\nb,0.9,9,10", "two columns are the support: n and n"),
        ("metric,value,score\nsupport_a,9,9\nsupport_b,9,9\naccuracy,0.9,0.8", "two columns are the value"),
        ('{"a": {"recall": 0.9, "TPR": 0.8, "n": 4}, "b": {"n": 4}}', "two columns are the recall: recall and TPR"),
        ("----", "nothing in it"),
        ("class,recall,support\nMCC,0.9,\nMCC,0.8,10\nb,0.9,10", "stands there twice"),
        ("|---|---|\n\n==", "nothing in it"),
        (",,\n,,", "nothing in it"),
        ("class,recall,support\n,0.9,\nb,0.8,10\nc,0.8,10", "the support of a row without a name is missing"),
        (f"class,recall,support\na,0.9,{LONG}\nb,0.8,10", f"support of a: '{'1' * 40}' is not a number of images"),
        (f"class,recall,support\nALL,0.9,9\nb,0.8,{LONG}", f"support of b: '{'1' * 40}' is not a number of images"),
        (f"class,recall,support\na,9e{LONG},10\nb,0.8,10", "1' is not a number"),
        (f"class,recall,support\na,{LONG},10\nb,0.8,10", f"{'1' * 40} is not between 0 and 100"),
        ("class,recall,support\na,0.9,١٠\nb,0.8,10", "support of a: '١٠' is not a number of images"),
        ("class,recall,support\na,٠.٩,10\nb,0.8,10", "recall of a: '٠.٩' is not a number"),
        ('{"supports": {"a": 4, "b": 4}, "figures": {"recall_a": 01}}', "line 1: not JSON"),
        ("class,f1,support\na,0.9,10\nb,0.8,10\nmacro avg,,19\nweighted avg,,20", "different numbers of images"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_named(text, said):
    with pytest.raises(report_cells.ReportError) as error:
        report_file.parse(text)
    assert said in str(error.value)


def test_quotes_may_hold_line_ends_and_rules():
    text = 'class,"recall\n(%)",support\n----\n"a\n---\nx",90,10\nb,80,10'
    for form in (text, text.replace("\n", "\r\n"), text.replace(",", "\t")):
        report = report_file.parse(form)
        assert report.supports == {"a\n---\nx": 10, "b": 10} and report.figures[0].percent


def test_thousands_marks_are_read_beside_the_figures_decimal_marks():
    point, comma = (
        "class;recall;support\na;0.9;1,000\nb;0.8;10.0",
        "class;recall;support\na;0,9;1.000\nb;0,8;10",
    )
    for text in (point, comma, comma.replace("1.000", "1 000")):
        assert report_file.parse(text).supports == {"a": 1000, "b": 10}
    rows = "a;0,9;1.000\nb;0,8;2.000\nALL;0,83;3.000"
    report = report_file.parse(f"class;recall;support\n{rows}")
    assert report.supports == {"a": 1000, "b": 2000} and report.total == 3000


def test_a_percentage_below_one_is_read_where_it_says_so():
    report = report_file.parse("class,recall,support\na,90.0,200\nb,0.5%,200\nc,0.0,200")
    assert [(f.value, f.percent) for f in report.figures] == [(90, True), (0.5, True), (0, True)]


def test_a_class_is_told_from_the_words_of_its_metric():
    supports = '{"supports": {"a": 10, "b": 10, "%s": 10}, "figures": {"%s": 0.9}}'
    for name in ("f1_score_a", "F1-score of a", "f1 measure of a", "f1_a", "F-Score a", "F1score_a"):
        assert [f.metric for f in report_file.parse(supports % ("c", name)).figures] == ["f1_a"], name
    assert (
        report_file.parse(supports % ("c", "Positive predictive value of a")).figures[0][0] == "precision_a"
    )
    assert report_file.parse(supports % ("score_1", "f1_score_1")).figures[0][0] == "f1_score_1"
    with_accuracy = (supports % ("c", "accuracy")).replace("0.9}", '0.9, "f1_score": 0.9}')
    assert report_file.parse(with_accuracy).ignored == ("f1_score",)


def test_an_undefined_precision_is_none_in_json_as_in_text():
    labels, predicted = np.repeat([0, 1, 2], (20, 20, 2)), np.repeat([0, 1, 0, 1], (19, 21, 1, 1))
    tree = sk.classification_report(labels, predicted, output_dict=True, zero_division=np.nan)
    told = {f.metric for f in report_file.parse(json.dumps(tree)).figures}
    assert "NaN" in json.dumps(tree) and "precision_2" not in told and "recall_2" in told


def test_what_can_not_be_checked_is_said():
    report = report_file.parse("class,recall,auc,support\na,0.5,0.9,4\nb,0.5,0.9,4")
    assert report.ignored == ("auc",)
    assert "auc" in report_check.check(report).text()
    report = report_file.parse("metric,value\nsupport_a,4\nsupport_b,4\naccuracy,0.5\nkapa,0.1")
    assert report.ignored == ("kapa (did you mean kappa?)",)


@pytest.mark.parametrize(
    ("attainable", "said", "errors"),
    [
        ((True, True), "All figures can be true together.", "By these figures 3 to 5 of 30 answers"),
        ((True, None), "Nothing here is known to be impossible.\nNOT DECIDED (too many tables): MCC", "By these figures"),
        ((False, True), "CAN'T BE TRUE\n  accuracy 90%: no confusion matrix with", "By the other figures 3 to 5"),
        ((False, None), "nearest beside the earlier figures that hold: 89%\nNOT DECIDED (too many tables): MCC", "By the other"),
    ],
)  # fmt: skip
def test_the_answer_in_words(attainable, said, errors):
    """Possible, undecided, impossible, and both; errors of one number or of several; a matrix of all figures or of the others."""
    figures = pd.DataFrame(
        {"metric": ["accuracy", "mcc"], "attainable": attainable, "conflicts": "", "below": [0.89, np.nan], "above": np.nan,
         "decimals": [0, 2], "percent": [True, False], "shown": ["90%", "0.85"]}
    )  # fmt: skip
    figures["below"] *= 100
    wrong = pd.DataFrame(
        [("a", 10, 2, 2), ("b", 20, 1, 3), ("all", 30, 3, 5)], columns=["class", "support", "least", "most"]
    )
    report = report_file.Report(
        {"a": 10, "b": 20}, [Reported("accuracy", 90, 0, True), Reported("mcc", 0.85, 2)]
    )
    matrix = pd.DataFrame([[8, 2], [1, 19]], ["a", "b"], ["a", "b"])
    text = report_check.Answer(report, figures, wrong, matrix, cut=False).text()
    assert text.startswith("2 classes, 30 images, 2 figures\n") and said in text and errors in text
    assert "cut off" not in text
    assert "must have been wrong: a 2 of 10, b 1 to 3 of 20." in text
    rest = "all figures" if attainable == (True, True) else "the other figures"
    assert f"A confusion matrix that gives {rest} (rows" in text
    bare = report_check.Answer(report, figures, wrong.head(0), None, cut=True).text()
    assert "must have been wrong" not in bare and "matrix that gives" not in bare
    assert ("had been cut off, not rounded" in bare) == (attainable[0] is False)


def test_the_command(tmp_path, capsys, monkeypatch):
    path = tmp_path / "report.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert cli.main(["audit", str(path)]) == 0
    assert "All figures can be true together." in capsys.readouterr().out
    path.write_text(TEXT.replace("0.60 ", "0.70 "), encoding="utf-8")
    assert cli.main(["audit", str(path), "--json", "--out", str(tmp_path / "out.csv")]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["possible"] and [r["metric"] for r in told["figures"] if r["attainable"] is False]
    assert len(pd.read_csv(tmp_path / "out.csv")) == len(told["figures"])
    said = path.read_bytes()
    assert cli.main(["audit", str(path), "--out", str(path)]) == 2 and path.read_bytes() == said
    assert "was given to be read and would be lost" in capsys.readouterr().err
    path.write_bytes(b"\xff\xfe\x00")
    assert cli.main(["audit", str(path)]) == 2
    assert "is UTF-16" in capsys.readouterr().err
    assert cli.main(["audit", str(tmp_path / "none.csv")]) == 2
    assert "none.csv: No such file" in capsys.readouterr().err
