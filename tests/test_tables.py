"""What stands in the cells of tables, and how a page and a download take them."""

import base64
import re

import numpy as np
import pandas as pd
import pytest

from gcaf_lib.data import splits
from gcaf_lib.display import prose, tables
from gcaf_lib.evaluation import units
from gcaf_lib.findings import dataset
from gcaf_lib.paper import published as paper


def test_mean_sd_says_n():
    assert tables.mean_sd_n([0.95, 0.97], scale=100) == "96.00 ± 1.41 (n = 2)"
    assert tables.mean_sd_n([0.95, np.nan, None], decimals=3) == "0.950 (n = 1)"
    assert tables.mean_sd_n([]) == "–"


def test_markdown_puts_numbers_right_and_words_left():
    frame = pd.DataFrame({"a": [1234, 5], "b": ["x|y", "z"], "c": ["1.0 ± 0.1", "–"]}, index=["r", "s"])
    lines = tables.markdown(frame).splitlines()
    assert lines[1] == "|:--|--:|:--|--:|"
    assert lines[2] == "| r | 1,234 | x\\|y | 1.0 ± 0.1 |"


def test_every_kind_of_nothing_is_a_dash():
    for nothing in (None, np.nan, np.float32("nan"), pd.NA, pd.NaT):
        assert tables.number(nothing) == "–"
    assert (tables.number(True), tables.number("nan"), tables.number(np.float32(0.5), 1)) == (
        "yes",
        "nan",
        "0.5",
    )
    assert tables.number([1, None]) == "[1, None]"


def test_markup_escapes_and_a_caption_s_emphasis_is_emphasis():
    table = tables.markup(pd.DataFrame({"a": ["<b> *x*"]}), "*By picture*: of `paper`, 2 * 3 <b>")
    assert "<td>&lt;b&gt; *x*</td>" in table
    said = "<em>By picture</em>: of <code>paper</code>, 2 * 3 &lt;b&gt;"
    assert f"<caption>{said}</caption>" in table


def test_download_holds_the_data():
    frame = pd.DataFrame({"a": [1.5, 2]})
    data = re.search(r"base64,([^\"]+)", tables.download(frame, "name")).group(1)
    assert base64.b64decode(data).decode() == "a\n1.5\n2.0\n"
    with pytest.raises(ValueError, match="too many"):
        tables.download(pd.DataFrame({"a": np.zeros(100_000)}), "big")


def test_class_counts_match_table_2():
    theirs = paper.table(2)
    parts, labels = [], []
    for k in range(4):
        for part, column in zip(splits.PARTS, ("Training", "Validation", "Testing")):
            n = int(theirs[column][k])
            parts += [part] * n
            labels += [k] * n
    table = dataset.beside_published(units.class_counts(labels, parts), theirs)
    assert table.loc["Total"].tolist() == ["5,618", "702", "703", "7,023"]
    parts[0] = "test"
    table = dataset.beside_published(units.class_counts(labels, parts), theirs)
    assert table.loc["Glioma"].tolist() == ["1,296 (1,297)", "162", "163 (162)", "1,621"]


def test_paragraphs_that_say_nothing_are_left_out():
    assert prose.say("one", "", "two").data == "one\n\ntwo" and prose.say("").data == ""
