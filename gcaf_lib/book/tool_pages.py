"""The computed parts of the pages for other people's papers: the columns of groups.csv, worked examples of an audit.

    python -m gcaf_lib.book.tool_pages

The two examples are a report that can't be true (this paper's, put together from its published figures) and one that
is (a nearest neighbour on scikit-learn's wine data, as scikit-learn prints it).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gcaf_lib.book.chapter import write_computed
from gcaf_lib.data import groups
from gcaf_lib.display import tables
from gcaf_lib.paper import checks, published, report_check, report_file
from gcaf_lib.terminal import arguments


def columns() -> str:
    """MyST text of the data dictionary of groups.csv."""
    frame = pd.DataFrame(groups.COLUMNS.items(), columns=["Column", "Meaning"])
    caption = f"The columns of groups.csv, version {groups.VERSION}."
    return tables.numbered(frame.assign(Column="`" + frame["Column"] + "`"), "tab-groups-columns", caption)


def paper_report() -> str:
    """This paper's main result as a list of metric and value, from its published figures."""
    lines = [("metric", "class", "value")]
    lines += [("support", c, str(n)) for c, n in published.supports().items()]
    for f in published.report():
        head, _, tail = f.metric.partition("_")
        metric, of = (head, tail) if tail in published.supports() else (f.metric, "")
        lines.append((metric, of, checks.printed(f)))
    return "\n".join(map(",".join, lines)) + "\n"


def true_report() -> str:
    """`classification_report` of one nearest neighbour on scikit-learn's wine data, every second bottle held out."""
    from sklearn import datasets, metrics, neighbors

    wine = datasets.load_wine()
    fitted = neighbors.KNeighborsClassifier(1).fit(wine.data[::2], wine.target[::2])
    answers, names = fitted.predict(wine.data[1::2]), list(map(str, wine.target_names))
    return metrics.classification_report(wine.target[1::2], answers, target_names=names)


def example(text: str, file: str, name: str) -> str:
    """MyST text: a report and what the audit says of it; the page's script reads the report by its `name`."""
    answer = report_check.check(report_file.parse(text)).text()
    return (
        f'<div class="gcaf-example" id="{name}">\n\n```text\n{text.strip(chr(10))}\n```\n\n</div>\n\n'
        f"```console\n$ gcaf audit {file}\n{answer}\n```\n"
    )


def write(book: Path | None = None) -> list[Path]:
    """Write book/_generated/groups_columns.md and report_example_*.md; nothing where there is no checkout."""

    def parts() -> dict[str, str]:
        return {
            "groups_columns": columns(),
            "report_example_paper": example(paper_report(), "paper.csv", "example-paper"),
            "report_example_true": example(true_report(), "wine.txt", "example-true"),
        }

    return write_computed(parts, book)


if __name__ == "__main__":
    arguments(__doc__)
    for path in write():
        print(path)
