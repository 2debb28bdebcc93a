"""The chapter runner, the pairs, and the two kinds of staleness."""

from __future__ import annotations

import contextlib
import json
import os
import re
from types import SimpleNamespace

import nbformat
import pytest

from gcaf_lib.book import freshness, notebooks, provenance, runner, speed
from gcaf_lib.book.chapter import _each
from gcaf_lib.data import committed
from gcaf_lib.settings import SettingsError, load
from gcaf_lib.training import environment, runs

HEADER = """# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: accelerator,colab,kernelspec
#     text_representation:
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""
CELLS = """# %% [markdown]
# # A chapter

# %% tags=["parameters"]
profile = "cpu"  # a remark

# %%
import os, sys
print("profile", profile, os.getcwd())
print("lost", file=sys.stderr)
"""
STRIP = """
# %%
from gcaf_lib.book.chapter import Chapter
from gcaf_lib import settings
from types import SimpleNamespace
data = SimpleNamespace(hash="0123456789ab", banner=None)
Chapter(profile, settings.load(profile), data, source=SOURCE).strip()
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one chapter; results and cache of its own."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    source = folder / "01_one.py"
    strip = STRIP.replace("SOURCE", f"__import__('pathlib').Path({str(source)!r})")
    source.write_text(HEADER + CELLS + strip)
    monkeypatch.setenv("GCAF_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runner, "checkout", lambda: tmp_path)
    return tmp_path


def run(checkout, profile="demo", **options):
    (page,) = runner.run_chapters(
        profile,
        ["1"],
        checkout / "out" / "notebooks",
        progress=False,
        folder=checkout / "notebooks",
        **options,
    )
    return page, nbformat.read(page, 4)


@pytest.mark.parametrize(
    ("said", "tried"),
    [
        (["Kernel died before replying to kernel_info"], 2),
        (["Kernel died before replying to kernel_info"] * 2, 2),
        (["another trouble"], 1),
    ],
)
def test_a_kernel_that_dies_before_it_answers_is_started_once_more(monkeypatch, tmp_path, said, tried):
    """As where another program took its port; what fails for another reason, or twice, is said."""
    import papermill

    calls = []

    def execute(clean, executed, **_):
        calls.append(clean)
        if len(calls) <= len(said):
            raise RuntimeError(said[len(calls) - 1])

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    saved = len(said) < tried
    with contextlib.nullcontext() if saved else pytest.raises(RuntimeError, match=said[-1]):
        runner._papermill(tmp_path / "in.ipynb", tmp_path / "out.ipynb", {}, tmp_path)
    assert len(calls) == tried


def test_a_chapter_is_executed_tidied_and_fresh_until_something_changes(checkout, monkeypatch):
    page, executed = run(checkout)
    clean = notebooks.clean_notebook(checkout / "notebooks" / "01_one.py")
    assert [c.id for c in executed.cells] == [c.id for c in clean.cells]
    parameters, printed, strip = (c for c in executed.cells if c.cell_type == "code")
    assert parameters.source == 'profile = "demo"  # a remark'
    assert printed.outputs[0].text == "profile demo .\n"  # the checkout's place does not show
    assert "lost" not in json.dumps(printed.outputs)
    made = json.dumps([executed.metadata, *([c.get("outputs"), c.metadata] for c in executed.cells)])
    assert str(checkout) not in made and "papermill" not in made and "iopub" not in made
    facts = executed.metadata.gcaf
    assert facts.profile == "demo" and facts.data == "0123456789ab" and facts.phantoms
    markup = strip.outputs[0].data["text/html"]
    assert "PHANTOM DATA" in markup and provenance.DURATION not in markup
    assert 'class="gcaf-duration">' in markup

    # the library may be edited while this test runs
    monkeypatch.setattr(provenance, "fingerprint_library", lambda: facts.library)
    where = {"output": page.parent, "folder": checkout / "notebooks"}
    assert freshness.stale(**where) == []

    # comments, docstrings and blank lines of the chapter's header are not the chapter
    source = checkout / "notebooks" / "01_one.py"
    before = source.read_text()
    source.write_text(before.replace("format_name: percent", "format_name: percent\n#       extension: .py"))
    assert freshness.stale(**where) == []
    source.write_text(before.replace("# # A chapter", "# # Another chapter"))
    assert [s.reason for s in freshness.stale(**where)] == ["its cells have changed since it was executed"]
    source.write_text(before)
    monkeypatch.setattr(provenance, "fingerprint_library", lambda: "another")
    assert "gcaf_lib has changed" in str(freshness.stale(**where)[0])


def test_a_committed_table_that_changes_comes_or_goes_makes_pages_stale(checkout, monkeypatch):
    results = checkout / "results"
    for folder in ("splits", "external"):
        (results / folder).mkdir(parents=True)
    for name in ("floors.csv", "splits/paper.csv", "external/about.csv", "control.npz", "scorecard.csv"):
        (results / name).write_text("a,b\n1,2\n")
    monkeypatch.setattr(committed.splits, "folder", lambda: results / "splits")
    source = checkout / "notebooks" / "01_one.py"
    known = committed.digests()
    assert {"results/floors.csv", "results/splits/paper.csv", "gcaf_lib/data/groups.csv"} < set(known)
    info = {
        "chapter": provenance.fingerprint_chapter(source),
        "library": "x",
        "settings": load("demo").hash(),
        "profile": "demo",
        "records": {},
        "tables": known,
    }
    (results / "floors.csv").write_bytes(b"a,b\r\n1,2\r\n")  # another system's line ends
    (results / "scorecard.csv").write_text("what chapters write\n")
    assert list(freshness.differences(info, source, "x")) == []
    (results / "floors.csv").write_text("a,b\n1,3\n")
    (results / "external" / "about.csv").write_text("another\n")
    (results / "control.npz").write_bytes(b"another")
    (results / "splits" / "paper.csv").rename(results / "splits" / "new.csv")
    assert list(freshness.differences(info, source, "x")) == [
        "committed tables have changed since: results/control.npz, results/external/about.csv, results/floors.csv, "
        "results/splits/new.csv, results/splits/paper.csv"
    ]


def test_a_page_without_execution_is_stale(checkout):
    found = freshness.stale(checkout / "nowhere", checkout / "notebooks")
    assert [str(s) for s in found] == ["01_one: never executed"]


def test_a_strip_takes_records_however_they_are_put_together():
    one, two, three = (SimpleNamespace(key=key) for key in "abc")
    assert list(_each([[one], {"row": [two], "table": {"row": [three, one]}}, [], {}])) == [
        one,
        two,
        three,
        one,
    ]
    assert list(_each([one])) == list(_each(one)) == [one] and list(_each([])) == []


def test_records_that_change_or_go_make_a_page_stale(checkout):
    folder = checkout / "results" / "runs" / "aaaa"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{}")
    source = checkout / "notebooks" / "01_one.py"
    info = {
        "chapter": provenance.fingerprint_chapter(source),
        "library": "x",
        "settings": load("demo").hash(),
        "profile": "demo",
        "records": {"aaaa": provenance.record_digest(folder)},
        "tables": committed.digests(),
    }
    assert list(freshness.differences(info, source, "x")) == []
    (folder / "record.json").write_text('{"other": 1}')
    assert list(freshness.differences(info, source, "x")) == ["run record aaaa has changed since"]
    (folder / "record.json").unlink()
    assert list(freshness.differences(info, source, "x")) == ["run record aaaa, which it shows, is gone"]
    assert list(freshness.differences({**info, "records": {}, "settings": "0"}, source, "x")) == [
        "the settings of profile demo have changed since"
    ]


def test_a_failing_chapter_names_itself_its_cell_and_its_log(checkout):
    source = checkout / "notebooks" / "01_one.py"
    source.write_text(HEADER + CELLS + "\n# %%\nshare = 1 / 0\n")
    with pytest.raises(
        runner.ChapterError, match=r"01_one failed in the cell that begins `share = 1 / 0`: Zero"
    ):
        run(checkout)
    log = checkout / "_build" / "chapters" / "01_one.log"
    assert "ZeroDivisionError" in log.read_text()
    assert not (checkout / "out" / "notebooks" / "01_one.ipynb").exists()
    assert log.with_suffix(".failed.ipynb").is_file()


def test_a_page_that_cannot_be_written_is_named_like_any_failure(checkout, monkeypatch):
    monkeypatch.setattr(runner, "tidy", lambda *given: [][0])
    with pytest.raises(
        runner.ChapterError, match=r"01_one failed after its last cell: IndexError: .*01_one\.log"
    ):
        run(checkout)


def test_a_chapter_whose_kernel_died_says_in_which_cell(checkout):
    source = checkout / "notebooks" / "01_one.py"
    done = CELLS.count("# %%") - CELLS.count("# %% [markdown]")
    source.write_text(HEADER + CELLS + "\n# %%\nimport os\nos._exit(1)\n\n# %%\nafter = 1\n")
    with pytest.raises(runner.ChapterError) as caught:
        run(checkout)
    assert re.search(
        rf"01_one failed in the cell that begins `import os`, after {done + 1} that were", str(caught.value)
    )


MEETING = """
# %%
import pathlib, time
here = pathlib.Path(PLACE)
(here / "OWN").touch()
ends = time.monotonic() + 120
while not (here / "OTHER").exists():
    assert time.monotonic() < ends, "the other chapter never came"
    time.sleep(0.05)
"""


def test_chapters_run_side_by_side_and_come_back_in_their_order(checkout, capsys):
    for number, own, other in (("01_one", "a", "b"), ("02_two", "b", "a")):
        meeting = MEETING.replace("PLACE", repr(str(checkout))).replace("OWN", own).replace("OTHER", other)
        (checkout / "notebooks" / f"{number}.py").write_text(HEADER + CELLS + meeting)
    out = checkout / "out" / "notebooks"
    made = runner.run_chapters("demo", ["2", "1"], out, folder=checkout / "notebooks", workers=2)
    assert made == [out / "01_one.ipynb", out / "02_two.ipynb"] and all(page.is_file() for page in made)
    lines = sorted(line.split("  ")[-2] for line in capsys.readouterr().err.splitlines() if " of 2" in line)
    assert lines == ["01_one", "02_two"]


def test_each_chapter_that_fails_is_named_and_the_others_are_made(checkout, capsys):
    folder = checkout / "notebooks"
    for number, cell in (("01_one", "share = 1 / 0"), ("02_two", "share = 1 / 2"), ("03_three", "none")):
        (folder / f"{number}.py").write_text(HEADER + CELLS + f"\n# %%\n{cell}\n")
    out = checkout / "out" / "notebooks"
    with pytest.raises(runner.ChapterError) as caught:
        runner.run_chapters("demo", ["1", "2", "3"], out, folder=folder, workers=1)
    first, second = str(caught.value).splitlines()
    assert first.startswith("chapter 01_one failed") and second.startswith("chapter 03_three failed")
    assert [page.name for page in out.iterdir()] == ["02_two.ipynb"]
    assert "  1 of 3  01_one  failed" in capsys.readouterr().err


def test_the_front_page_is_made_beside_all_chapters_and_fails_by_itself(checkout, monkeypatch):
    asked, out = [], checkout / "out" / "notebooks"
    page, before = out / "01_one.ipynb", []

    def write(*given):
        asked.append(given), before.append(page.is_file())

    monkeypatch.setattr("gcaf_lib.book.frontpage.write", write)
    runner.run_chapters("demo", ["1"], out, folder=checkout / "notebooks", workers=1)
    assert asked == []  # some chapters only: no page of the whole book
    page.unlink()
    runner.run_chapters("demo", output=out, folder=checkout / "notebooks", workers=1)
    assert asked == [("demo", out.parent)] and before == [False], "begun first"
    page.unlink()
    monkeypatch.setattr("gcaf_lib.book.frontpage.write", lambda *given: 1 / 0)
    with pytest.raises(
        runner.ChapterError,
        match=r"^the front page failed: ZeroDivisionError: .* \(log: .*front_page\.log\)$",
    ):
        runner.run_chapters("demo", output=out, folder=checkout / "notebooks", workers=1)
    assert page.is_file()


@pytest.mark.parametrize(("profile", "workers"), [("demo", 3), ("paper", 1)])
def test_what_chapters_need_is_trained_first(checkout, monkeypatch, profile, workers):
    asked = []
    monkeypatch.setattr("gcaf_lib.training.sweep.sweep", lambda *given, **more: asked.append((given, more)))
    source = checkout / "notebooks" / "01_one.py"
    run(checkout, profile, workers=3)
    assert asked == []
    source.write_text(HEADER + CELLS + """\n# %%\nwords = 'chapter.records("main", train=True)'\n""")
    run(checkout, profile, workers=3)
    assert asked == [((["main"], profile, 1), {"workers": workers, "progress": False})]


def test_every_request_for_training_is_seen():
    sources = notebooks.sources(runner.root() / "notebooks")
    for phantoms, asks in ((False, ("train=True",)), (True, ("train=True", "train=chapter.phantoms"))):
        found = [bool(runner._experiments([s], phantoms)) for s in sources]
        assert found == [any(ask in s.read_text() for ask in asks) for s in sources] and any(found)
    assert runner._experiments(sources) == ["main"]
    assert runner._experiments(sources, phantoms=True) == ["ladder-ends", "main"]


def test_the_longest_chapters_begin_first(monkeypatch):
    sources = notebooks.sources(runner.root() / "notebooks")
    seconds = {s.stem: {"imports": 1.0, "figures": float(i)} for i, s in enumerate(sources[1:])}
    monkeypatch.setattr(speed, "read", lambda name: {"chapters-cpu": {"seconds": seconds}})
    assert runner.longest_first(sources) == [*sources[:0:-1], sources[0]], "one not on record comes last"
    monkeypatch.setattr(speed, "read", lambda name: {})
    assert runner.longest_first(sources) == sources
    monkeypatch.undo()
    assert set(speed.read("chapters")["chapters-cpu"]["seconds"]) <= {
        runner.FRONT_PAGE,
        *(s.stem for s in sources),
    }


def test_wrong_requests_fail_before_anything_runs(checkout):
    with pytest.raises(runner.BookError, match=r"no chapter '7'; there are: 01_one"):
        runner.run_chapters("demo", ["7"], folder=checkout / "notebooks")
    with pytest.raises(SettingsError, match="unknown profile"):
        runner.run_chapters("demoo", folder=checkout / "notebooks")
    with pytest.raises(runner.BookError, match="no chapters"):
        runner.sync(checkout)


def test_missing_kernel_is_said_with_its_cure(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(runner.BookError, match=r"lacks papermill, ipykernel.*pip install"):
        runner.run_chapters("demo")


def test_environment_is_as_before_after_a_run():
    before = dict(os.environ)
    with runner.kernel():
        assert os.environ["JUPYTER_PATH"] != before.get("JUPYTER_PATH")
    assert dict(os.environ) == before


def test_ids_of_cells_stay_when_another_is_inserted(checkout):
    source = checkout / "notebooks" / "01_one.py"
    before = [c.id for c in notebooks.clean_notebook(source).cells]
    source.write_text(source.read_text().replace("# %% tags", "# %%\nnew = 1\n\n# %% tags", 1))
    after = [c.id for c in notebooks.clean_notebook(source).cells]
    assert [i for i in after if i in before] == before and len(after) == len(before) + 1


def test_sync_writes_once_and_check_writes_nothing(checkout):
    folder = checkout / "notebooks"
    assert len(runner.sync(folder, check=True)) == 1 and not (folder / "01_one.ipynb").exists()
    assert len(runner.sync(folder)) == 1
    assert runner.sync(folder) == []


def test_pages_follow_all_code_that_a_chapter_can_see():
    """All rooms beside the wings, but those that only a shell, or a notebook before the library is there, sees."""
    rooms = {path.name for path in environment.PACKAGE.glob("*.py")} - {"__init__.py"}
    unseen = {"cli.py", "predict.py", "colab.py"}
    assert rooms - unseen == {name for name in provenance.LIBRARY_CODE if name.endswith(".py")}


def test_library_fingerprint_ignores_words_only(tmp_path, monkeypatch):
    for room in (*provenance.LIBRARY_CODE, *environment.TRAINING_CODE):
        target = tmp_path / room
        if room.endswith(".py"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("x = 1\n")
        else:
            target.mkdir(parents=True, exist_ok=True)
    before = provenance.fingerprint_library()
    monkeypatch.setattr(environment, "PACKAGE", tmp_path)
    assert provenance.fingerprint_library() == before, "a process goes on with the code that it began with"
    monkeypatch.setattr(environment, "fingerprint", environment.fingerprint.__wrapped__)
    code = tmp_path / "findings" / "a.py"
    prints = []
    for text in (
        'def f():\n    """One."""\n    return 1\n',
        'def f():\n    """Two."""\n    return 1  # why\n',
    ):
        code.write_text(text)
        prints.append(provenance.fingerprint_library())
    code.write_text('def f():\n    """One."""\n    return 2\n')
    assert prints[0] == prints[1] != provenance.fingerprint_library()
    # what chapters show is no part of what trained a run
    training = environment.fingerprint()
    code.write_text("y = 3\n")
    assert environment.fingerprint() == training


def record(key: str, fingerprint: str, folder) -> SimpleNamespace:
    (folder / key).mkdir()
    (folder / key / "record.json").write_text(json.dumps({"key": key}))
    provenance_ = {
        "fingerprint": fingerprint,
        "device": "1 x GPU",
        "backend": "jax",
        "commit": "c" * 40,
        "seconds": 61,
    }
    return SimpleNamespace(folder=folder / key, seed=len(key), info={"key": key, "provenance": provenance_})


def strip(data, records) -> str:
    return provenance.render(provenance.facts("cpu", load("cpu"), data, records, None))


def test_the_strip_says_where_the_runs_are_older_than_the_code(tmp_path):
    now = environment.fingerprint()
    records = [record("a", now, tmp_path), record("bb", "old", tmp_path)]
    data = SimpleNamespace(hash="0123456789ab", banner=None)
    markup = strip(data, records)
    assert "1 of 2 runs was trained by an earlier version" in markup and 'class="gcaf-older"' in markup
    assert "2 runs read, 2 seeds" in markup and "1, 2 (n = 2)" in markup and "1 x GPU (jax)" in markup
    assert "PHANTOM" not in markup
    assert strip(data, [*records, *records]) == markup, "a run counts once"
    fresh = strip(data, records[:1])
    assert "gcaf-older" not in fresh
    assert "in-domain" in fresh and "0123456789ab" in fresh


def test_the_strip_counts_each_stage_0_once_and_apart(tmp_path, monkeypatch):
    """Two runs share one of three; what a run's own clock says (61 s) may leave out an interrupted part of its stages."""
    sizes = {"s": 1200, "t": 600, "u": 5400}
    known = {key: SimpleNamespace(info={"stages": [{"seconds": size}]}) for key, size in sizes.items()}
    monkeypatch.setattr(runs, "find", known.get)
    records = [record(key, "old", tmp_path) for key in "ab"]
    for one, starts in zip(records, ("su", "tu")):
        one.info["stages"] = [{"seconds": 200}, {"seconds": 400}]
        one.info["weights"] = {name: {"stage0": name} for name in starts}
    assert "<dd>about 20 min; the stage 0 that the runs started from about 2.0 h</dd>" in strip(None, records)
    for one in records:
        one.info["weights"] = {"x": {"source": "imagenet"}}
    assert "<dd>about 20 min</dd>" in strip(None, records)


def test_the_strip_says_what_is_not_known_of_commit_and_device(tmp_path):
    said = strip(None, [])
    assert (
        "CPU cores; nothing was trained</dd>" in said and "no trained model" in said and "none read" in said
    )
    made = {"device": "a CPU", "backend": "jax"}
    known = [record(key, "old", tmp_path) for key in "ab"]
    for one, threads in zip(known, ({"threads": 1}, {"threads": 2})):
        one.info["provenance"] = made | threads
    text = strip(None, known)
    assert "trained on a CPU, 1 thread, a CPU, 2 threads (jax)" in text and "unknown commit" in text
    info = provenance.facts("cpu", load("cpu"), None, [], None)
    dirty = provenance.render(info | {"commit": "c" * 40, "dirty": True})
    assert f"{'c' * 40}, with changes that are not committed" in dirty and "</code> + changes" in dirty
    clean = provenance.render(info | {"commit": None, "dirty": False})
    assert "<dd>unknown</dd>" in clean and "changes" not in clean


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "under 5 s"), (11.2, "about 15 s"), (200, "about 3 min"), (7000, "about 1.9 h")],
)
def test_durations_are_coarse(seconds, words):
    assert provenance.duration(seconds) == words
