"""The fingerprint of the code: words may change, code may not."""

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
    assert environment.fingerprint(["model"]) != environment.fingerprint(["training/loop.py"])


def test_description_names_commit_backend_versions_and_device():
    found = environment.describe()
    assert found["backend"] in ("tensorflow", "jax")
    assert {"python", "keras", "numpy"} <= set(found["versions"])
    assert "CPU" in found["device"] or " x " in found["device"]
