"""Committed tables: read where the splits are, written whole, and a missing one is named with what makes it."""

import pandas as pd
import pytest

from gcaf_lib.data import committed
from gcaf_lib.data.dataset import DataError

TABLE = pd.DataFrame({"name": ["a", "b"], "value": [1 / 3, 2.0]})


def test_a_table_is_written_to_the_results_folder_and_read_from_there(monkeypatch, tmp_path):
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path))
    (tmp_path / "splits").mkdir()  # the folder that holds them is the one that is read
    path = committed.write("below/table.csv", TABLE, "%.3g")
    assert path == tmp_path / "below" / "table.csv" and path.read_bytes() == b"name,value\na,0.333\nb,2\n"
    read = committed.read("below/table.csv", "nowhere", dtype={"value": str})
    assert read["value"].tolist() == ["0.333", "2"]
    assert [p.name for p in path.parent.iterdir()] == ["table.csv"]


def test_a_place_of_one_s_own_comes_first(tmp_path):
    committed.write("table.csv", TABLE, "%.3g", tmp_path)
    assert len(committed.read("table.csv", "nowhere", tmp_path)) == 2


def test_a_table_that_is_not_there_is_named_with_what_makes_it(tmp_path):
    with pytest.raises(DataError, match=r"table\.csv is missing: `python -m gcaf_lib\.some\.room` makes it$"):
        committed.read("table.csv", "gcaf_lib.some.room", tmp_path)
