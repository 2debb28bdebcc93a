"""The fingerprint of the code: words may change, code may not."""

import ast
import io
import tokenize
from pathlib import Path

from gcaf_lib import machine
from gcaf_lib.training import environment
from gcaf_lib.training.environment import _code

PLAIN = '''"""A module."""

def f(x):
    """Says what it does,

    in two lines.
    """
    y = "# not a comment"  # a comment
    return x  # another
'''
REWORDED = '''"""Another word."""
# a comment of its own
def f(x):
    """Shorter."""
    y = "# not a comment"

    return x
'''


def test_docstrings_comments_and_blank_lines_do_not_count():
    assert _code(PLAIN) == _code(REWORDED) == 'def f(x):\n    y = "# not a comment"\n    return x'


def test_every_change_of_code_counts():
    changes = [
        PLAIN.replace("return x", "return -x"),
        PLAIN.replace('"# not', '"# now'),
        PLAIN.replace("f(x)", "f(x=1)"),
    ]
    assert len({_code(PLAIN), *map(_code, changes)}) == 4


def test_fingerprint_is_of_the_named_parts():
    assert environment.fingerprint() == environment.fingerprint()
    assert environment.fingerprint(("model",)) != environment.fingerprint(("training/loop.py",))


def test_a_fingerprint_is_remembered_for_these_very_characters(monkeypatch, tmp_path):
    monkeypatch.setenv("GCAF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(environment, "PACKAGE", tmp_path)
    asked = environment.fingerprint.__wrapped__
    (tmp_path / "one.py").write_text("x = 1\n")
    first = asked(("one.py",))
    (memo,) = (tmp_path / "cache" / "code").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(environment, "_code", lambda source: 1 / 0)
        assert asked(("one.py",)) == first == memo.read_text()
    memo.write_text("half")
    assert asked(("one.py",)) == first == memo.read_text(), "what can't be read is computed again"
    (tmp_path / "one.py").write_text("x = 1  # reworded\n")
    assert asked(("one.py",)) == first
    (tmp_path / "one.py").write_text("x = 2\n")
    assert asked(("one.py",)) != first


def test_description_names_commit_backend_versions_and_device():
    found = environment.describe()
    assert found["backend"] in ("tensorflow", "jax")
    assert {"python", "keras", "numpy"} <= set(found["versions"])
    assert "CPU" in found["device"] or " x " in found["device"]


def test_instructions_are_the_widest_and_to_what_they_are_held_down(monkeypatch):
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    all_ = "sse4_1 avx avx2 avx512f avx512bw"
    for flags, widest in (
        (all_, "AVX512_CORE"),
        ("sse4_1 avx avx2", "AVX2"),
        ("sse4_1 avx", "AVX"),
        ("", ""),
    ):
        monkeypatch.setattr(machine, "processor", lambda flags=flags: [f"flags : {flags}"])
        assert machine.instructions() == widest
    monkeypatch.setattr(machine, "processor", lambda: [f"flags : {all_}"])
    for variable in ("DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA"):
        for asked, found in (("avx2", "AVX2 of AVX512_CORE"), ("all", "AVX512_CORE"), ("", "AVX512_CORE")):
            monkeypatch.setenv(variable, asked)
            assert machine.instructions() == found and f", {found})" in environment.device()


def test_switches_that_change_bits_are_described(monkeypatch):
    for name in ("TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/a")
    assert environment.describe()["switches"] == {}
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/a --tf_xla_auto_jit=2")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert environment.describe()["switches"] == {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    }


# what training imports and no number of a run depends on, beyond what its key holds
BESIDE = {
    "data/figshare.py": "groups, which the committed splits hold",
    "data/phantom.py": "makes files, which the data hash names",
    "data/anatomy.py": "draws phantoms",
    "data/files.py": "opens files side by side, for groups",
    "data/thumbnails.py": "groups",
    "data/twins.py": "groups",
    "data/keypoints.py": "groups",
    "training/environment.py": "describes",
    "training/runs.py": "keeps",
    "machine.py": "writes files whole, names the system",
}


def imported(file: Path) -> set[Path]:
    """Files of the library that a file imports, wherever in it."""
    package, found = environment.PACKAGE, set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            place = package.parent.joinpath(*name.split(".")).with_suffix(".py")
            if name.startswith(f"{package.name}.") and place.is_file():
                found.add(place)
    return found


def test_the_fingerprint_covers_all_that_training_runs_through():
    package = environment.PACKAGE
    seen, ahead = set(), {package / "training" / "train.py"}
    while ahead:
        file = ahead.pop()
        seen.add(file)
        ahead |= imported(file) - seen
    names = {file.relative_to(package).as_posix() for file in seen}
    covered = {n for n in names if any(n == p or n.startswith(f"{p}/") for p in environment.TRAINING_CODE)}
    assert {"data/preprocess.py", "model/losses.py", "training/loop.py"} <= covered
    assert names - covered == set(BESIDE), "training imports it, and a change of it marks no record"


def test_comments_are_those_that_the_tokenizer_finds():
    """In this project's own files, and where a # stands in a text of any kind."""
    odd = 'a = "# no" # yes\nb = r"\\" # yes\nc = """# no\n# no""" # yes\nd = f\'{a} # no\' # "yes\n# yes'
    for source in [odd, *(f.read_text(encoding="utf-8") for f in environment.PACKAGE.rglob("*.py"))]:
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        known = [(*t.start, *t.end) for t in tokens if t.type == tokenize.COMMENT]
        assert list(environment._comments(source)) == known


def test_threads_are_those_asked_for_else_the_cores(monkeypatch):
    monkeypatch.setattr(environment.machine, "cores", lambda: 7)
    for asked, threads in (("", 7), ("0", 7), ("3", 3), ("many", 7)):
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", asked)
        monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
        assert environment.threads() == threads == environment.describe()["threads"]
        monkeypatch.setattr("keras.backend.backend", lambda: "jax")
        assert environment.threads() == 7
