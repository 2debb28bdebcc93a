"""What each `gcaf` command does: call the library, print the answer, return the exit status.

The answer goes to standard output, everything else to standard error. Imports stand inside
the functions: Keras takes seconds to load and most commands don't need it.
"""

from gcaf_lib.commands.book import chapters, sync
from gcaf_lib.commands.data import data_check, data_fetch, floors, splits
from gcaf_lib.commands.models import external, predict
from gcaf_lib.commands.papers import audit, leaks
from gcaf_lib.commands.training import reproduce, runs, settings, sweep, train

__all__ = [
    "audit",
    "chapters",
    "data_check",
    "data_fetch",
    "external",
    "floors",
    "leaks",
    "predict",
    "reproduce",
    "runs",
    "settings",
    "splits",
    "sweep",
    "sync",
    "train",
]
