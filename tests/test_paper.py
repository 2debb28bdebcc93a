"""The published figures are complete, unambiguous and add up where they should."""

import pandas as pd
import pytest

from gcaf_lib import settings
from gcaf_lib.paper import published as paper


def test_each_figure_stands_once_and_has_the_decimals_it_says():
    frame = paper.FRAME
    assert not frame.duplicated(["place", "row", "metric"]).any()
    for f in paper.FIGURES:
        assert round(f.value, f.decimals) == f.value, f
        assert f.unit in ("", "%", "images")
    assert frame.fraction[frame.unit == "%"].between(0, 1).all()


def test_table_2_adds_up_and_matches_the_split_of_the_text():
    table = paper.table(2)
    assert list(table.columns) == ["Class", "Training", "Validation", "Testing", "Total"]
    counts = table.set_index("Class")
    assert (counts.iloc[:4].sum() == counts.loc["Total"]).all()
    assert (counts[["Training", "Validation", "Testing"]].sum(axis=1) == counts.Total).all()
    assert paper.published("§5.1", metric="testing") == counts.loc["Total", "Testing"] == 703
    assert paper.supports() == {"glioma": 162, "meningioma": 165, "notumor": 200, "pituitary": 176}


@pytest.mark.parametrize("number, shape", [(1, (4, 6)), (3, (10, 3)), (4, (4, 4)), (5, (4, 4)),
                                           (6, (6, 4)), (7, (3, 2)), (8, (13, 3))])  # fmt: skip
def test_tables_have_the_papers_layout(number, shape):
    table = paper.table(number)
    assert table.shape == shape and not table.isna().any(axis=None)
    assert isinstance(table.index, pd.RangeIndex)


def test_every_appearance_of_the_main_result_agrees():
    # each row named Proposed, and the chosen setting of each sweep in Table 8
    rows = paper.FRAME[paper.FRAME.metric == "accuracy"]
    main = rows[rows.row.str.startswith("Proposed")]
    assert set(main.value) == {95.73} and len(main) == 7
    assert (rows[rows.place == "Table 8"].value == 95.73).sum() == 4
    assert paper.published(metric="accuracy", row=paper.PROPOSED) == 95.73


def test_a_question_without_one_answer_is_refused():
    with pytest.raises(LookupError, match="differ"):
        paper.published("Table 4", metric="accuracy")
    with pytest.raises(LookupError, match=r"no published figure.*VGG19"):
        paper.published("Table 6", "VGG16", "accuracy")
    with pytest.raises(LookupError, match="not 9"):
        paper.table(9)


def test_setting_names_exist_and_disagreements_are_found():
    known = settings.names()
    for f in paper.FIGURES:
        if "." in f.metric:
            assert f.metric.split(" ")[0] in known
    assert set(paper.disagreements().topic) == {"loss.smoothing", "loss.balance", "search"}
    for s in paper.SAID:
        if s.topic in known and s.says != "inverse-frequency":
            assert float(s.says) in {f.value for f in paper.find(s.place, metric=s.topic)}, s


def test_defaults_are_those_of_the_settings():
    default = settings.Settings()
    for f in paper.find("Table 3"):
        room, name = f.metric.split(".")
        assert getattr(getattr(default, room), name) == f.value


def test_a_page_s_settings_at_the_paper_s_image_size_differ_in_that_alone():
    own = settings.load("cpu").data
    theirs = paper.at_published_size(own)
    assert (own.image_size, theirs.image_size) == (64, 224)
    assert paper.at_published_size(settings.load("paper").data) == settings.load("paper").data
