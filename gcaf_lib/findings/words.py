"""Words that several findings share: where a value lies, which way it changed, and cells of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gcaf_lib.display import names, tables
from gcaf_lib.evaluation import bootstrap, intervals, units
from gcaf_lib.evaluation.worth import Change, Worth
from gcaf_lib.terminal import many

VERDICT = (  # what the last column of `performance.beside_published` means
    "Verdict: where the published figure lies, its rounding allowed for; *can't be true*: no single set of predictions gives it together "
    "with the other published figures (chapter 22)."
)
OVER = "over patients and, with two or more seeds, also over trainings"  # what an interval of `worth` is
BOOTSTRAP = "cluster bootstrap: whole patient groups are drawn, not images"
ONE_RUN = "The paper's own networks have one run: the GPU time there was went to each fusion once, not to a second seed."
SAME_SEED = "The miniature beside them is the run of the same seed, so that both sides have equally many."
ONE_SEED = "Where there is one seed, the interval does not include the variation between seeds."


def of_profile(said: Mapping[str, str], profile: str) -> str:
    """What is said of a profile alone; "" of one without such words."""
    return said.get(profile, "")


def where(value: float, low: float, high: float) -> str:
    """Where a value lies beside an interval, ends included: inside, above or below, if all three are known."""
    if np.isnan([value, low, high]).any():
        return "in an unknown place beside"
    return "inside" if low <= value <= high else "above" if value > high else "below"


def by_side(one: Any, lower: str, higher: str, same: str, than: float = 0.0) -> str:
    """One of three words by whether an interval (low, high) lies below `than`, above it, or holds it; of a difference: 0."""
    return lower if one.high < than else higher if one.low > than else same


def by_chance(found: Iterable[tuple[str, Any]]) -> str:
    """How many of several differences' intervals exclude 0, and how many would by chance alone, where that is known; "" of none.

    found: metric and interval (low, high, n). Known it is (`tests/test_coverage.py`) of two seeds or more, but not of calibration errors.
    """
    known = [(metric, one) for metric, one in found if np.isfinite(one.low)]
    if not known:
        return ""
    errors = [one for metric, one in known if bootstrap.per_fold(metric)]
    once, several = [], []
    for metric, one in known:
        if not bootstrap.per_fold(metric):
            (once if one.n == 1 else several).append(one)

    def apart(some: Sequence[Any]) -> str:
        found = sum(one.low > 0 or one.high < 0 for one in some)
        return f"{found} {verb(found, 'excludes', 'exclude')} 0"

    def count(some: Sequence[Any]) -> str:
        return plural(len(some), "other") if errors else str(len(some))

    text = f"{plural(len(known), 'interval')} of differences, not adjusted for their number; {apart([one for _, one in known])}."
    if errors:
        text += f" Of calibration errors: {len(errors)}, of which {apart(errors)}; how often chance alone does that is not simulated."
    if once:
        text += (
            f" Of one seed: {count(once)}, of which {apart(once)}; far more than one in twenty would where two "
            "methods are equal, since another training may reverse such a difference."
        )
    if several:
        text += (
            f" Of two seeds or more: {count(several)}, of which {apart(several)}; were all true differences 0, about "
            f"{number(len(several) / 20, 1)} would by chance alone (one in twenty)."
        )
    return text


def over_runs(values: Sequence[float]) -> intervals.Interval:
    """Mean of one value a run and its 95% interval over runs, Student's t; NaN where one run, or no spread at all, tells none."""
    if len(values) < 2:
        return intervals.Interval(float(np.mean(values)), np.nan, np.nan)
    found = intervals.nadeau_bengio(values, np.zeros(len(values)), 0)
    return intervals.Interval(found.difference, found.low, found.high)


def number(value: float, decimals: int = 2) -> str:
    """A number with a true minus; a dash where there is none."""
    return tables.number(float(value), decimals)


def signed(value: float, decimals: int = 2) -> str:
    """A number with its sign, a true minus, and no sign for what rounds to 0 or isn't there."""
    text = number(value, decimals)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def end(value: float, decimals: int, show: Callable[[float, int], str] = number) -> str:
    """An end of an interval, in more digits where it would else read 0: whether the interval holds 0 is what it is read for.

    Below a millionth it is 0 up to rounding. show: `number` or `signed`.
    """
    while abs(value) >= 1e-6 and not show(value, decimals).strip("+−0."):
        decimals += 1
    return show(value, decimals)


def _no_difference(trainings: int) -> str:
    """What an interval that holds 0 tells, by what it allows for: patients and, with two or more seeds, also trainings."""
    return f"no difference that these {'images, patients and trainings' if trainings > 1 else 'images and patients'} can resolve"


def difference_said(one: Worth, copied: Worth | None, lower: str, higher: str, same: str = "") -> str:
    """`−1.3 points (−2.6 to −0.1): a fall, by picture …: a fall`: `points` and `by_side` of a difference, each by itself; same:
    of one that holds 0 (else `_no_difference`)."""
    said = (
        f"{points(some)}: {by_side(some, lower, higher, same or _no_difference(some.n))}"
        for some in (one, copied)
        if some
    )
    return ", by picture ".join(said)


def outcome(one: Change, lower: str, higher: str) -> str:
    """`difference_said` of an accuracy's change; a verdict on a side that was trained once says so: `a fall (as trained once)`."""
    once = " (as trained once)" * (bool(one.each) or one.file.n == 1)
    return difference_said(one.file, one.picture, lower + once, higher + once)


def points(one: Worth, copied: Worth | None = None) -> str:
    """`−1.3 points (−2.6 to +0.1)` of a difference in fractions, and the same by picture where that is given."""
    value, *interval = shift(one, 1, 100).split(" ", 1)
    return " ".join([value, "points", *interval]) + (f", by picture {points(copied)}" if copied else "")


def shift(one: Any, decimals: int = 4, scale: float = 1) -> str:
    """`+0.0123 (+0.0101 to +0.0150)`: a difference (value, low, high) with its interval if it has one, times `scale`."""
    low, high = (end(scale * v, decimals, signed) for v in (one.low, one.high))
    return signed(scale * one.value, decimals) + (f" ({low} to {high})" if np.isfinite(one.low) else "")


def beside_interval(one: Any, other: Any, below: str, above: str, level: str, unknown: str) -> str:
    """One of four words: the interval (low, high) of `one` lies below that of `other`, above it, or meets it; or one has no ends."""
    if not np.isfinite([one.low, one.high, other.low, other.high]).all():
        return unknown
    return below if one.high < other.low else above if one.low > other.high else level


def some(names: Sequence[str]) -> str:
    """`2 (glioma, pituitary)`, or `none`."""
    return f"{len(names)} ({', '.join(names)})" if names else "none"


def plural(count: float, word: str) -> str:
    """`1 seed`, `2,000 seeds`; a count that went through a table is a float."""
    return many(int(count), word)


def basis_said(line: Any) -> str:
    """`2 seeds of 5 folds, 7,023 images (3,900 pictures, 1,500 patient groups)`: what a comparison rests on.

    line: n (or pairs), folds, and what `units.counts` counts. Without folds: `5 seeds, …`, `one run, …`.
    """
    text = names.runs_text({**line, "n": line["pairs"] if "pairs" in line else line["n"]})
    return f"{text + ' seeds' if text.isdigit() else text}, {unit_counts_said(line)}"


def unit_counts_said(line: Any) -> str:
    """`703 images (577 pictures, 291 patient groups)` of what `units.counts` counts."""
    images, pictures, groups = (
        plural(line[name], word)
        for name, word in (("images", "image"), ("pictures", "picture"), ("groups", "patient group"))
    )
    return f"{images} ({pictures}, {groups})"


def tested_said(
    records: Sequence[Any], clusters: np.ndarray, pictures: np.ndarray, rows: np.ndarray | None = None
) -> str:
    """`basis_said` of the test parts of some runs; rows: of the dataset, where only these of their images were asked."""
    counts = {
        "n": len({r.seed for r in records}),
        "folds": len({r.settings.data.fold for r in records} - {None}),
    }
    rows = np.concatenate([[], *(r.rows() for r in records)]) if rows is None else rows
    return basis_said(counts | units.counts(rows, clusters, pictures))


def verb(count: int, one: str = "is", several: str = "are") -> str:
    """`is` of one, `are` of others; or what else is said of one and of several (`has`, `have`)."""
    return one if count == 1 else several


def span(value: float, low: float, high: float, decimals: int = 4) -> str:
    """`0.0123 (0.0101 to 0.0150)`; a dash where there is no value."""
    if not np.isfinite(value):
        return "–"
    return number(value, decimals) + (f" ({ends(low, high, decimals)})" if np.isfinite(low) else "")


def spans(frame: pd.DataFrame, value: str, decimals: int = 4, scale: float = 1) -> list[str]:
    """`span` of each line of a frame with the columns `value`, low and high, times `scale`."""
    return [span(*(scale * three), decimals) for three in frame[[value, "low", "high"]].to_numpy(float)]


def mean_sd(mean: float, sd: float, decimals: int, scale: float = 1) -> str:
    """`95.71 ± 0.31`; the mean alone where there is no spread, a dash where there is none."""
    spread = f" ± {scale * sd:.{decimals}f}" if np.isfinite(sd) else ""
    return f"{number(scale * mean, decimals)}{spread}"


def ends(low: float, high: float, decimals: int, scale: float = 1) -> str:
    """`94.02 to 97.01`: an interval without its value; a dash where there is none."""
    return f"{end(scale * low, decimals)} to {end(scale * high, decimals)}" if np.isfinite(low) else "–"


def extent(ordered: Sequence[float], show: Callable[[float], str] = number) -> str:
    """`1.04 to 1.73`: the first and the last of some values in order, once where both read alike."""
    return " to ".join(dict.fromkeys(map(show, (ordered[0], ordered[-1]))))


def band(value: float, low: float, high: float) -> str:
    """`95.7 (94.0 to 97.0)` in percent; `95.7` where there is no interval."""
    return span(100 * value, 100 * low, 100 * high, 1)


def percent(value: float) -> str:
    """`95.7`: a fraction in percent."""
    return number(100 * value, 1)


def beside(text: str, picture: float, show: Callable[[float], str] = percent) -> str:
    """`85.9 (84.0 to 87.6), by picture 86.4`: a grouped score and, beside it, the one that weighs each picture 1.

    picture: NaN where none is known, and `text` stands alone; show: how it is printed.
    """
    return f"{text}, by picture {show(picture)}" if np.isfinite(picture) else text


def setting(value: Any) -> str:
    """A setting's value as tables print it."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
