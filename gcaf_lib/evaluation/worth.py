"""What a row of a table is worth: each metric's mean over seeds, its spread, its interval over patients and trainings.

Every page that shows a number of some runs asks `of_runs`, or `difference` for two settings: the same runs then give the
same digits everywhere. (Recalls beside those of other datasets are the exception: they draw the cases of one class, as there is no more there.)

Seeds test the same images. Folds of one seed test different images, each once. A metric that is a mean over images
or comes of one confusion matrix (accuracy, recall, F1, κ, Brier …) is taken of all folds' answers together, seed by
seed; macro-F1, too, is the mean over seeds of the macro-F1 of all folds together. A metric that depends on
the number of images, or ranks scores of one model against each other (`bootstrap.per_fold`: calibration errors, AUC, average
precision), is taken fold by fold, and the folds' mean counts. Chance alone makes a calibration error larger the fewer
images are tested (by √2 for half as many), and a fold tests twice as many as the random split: so a fold's is the mean
over `bootstrap.SUBSETS` random parts of it of the size of the random split's test part, and stands beside that split's at equal n.
Average precision and AUC have no such bias that a simulation at those sizes would show (a test): of the whole fold.

Intervals: cluster bootstrap of the mean over seeds. Whole patient groups are drawn, and all answers to a group's
images, of whichever seed and fold, come with it. Percentiles (Efron & Tibshirani 1993), but for calibration errors
the basic interval, which takes out the bootstrap's bias (`clustered.basic`). Another training would move the mean as
well: with two seeds or more that variance is added (`_widened`). With one seed nothing is known of it, and the interval
is over patients alone: who shows such a row says that it was trained once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from gcaf_lib.data import splits
from gcaf_lib.evaluation import bootstrap, calibration_measures, clustered, weighted
from gcaf_lib.evaluation.folds import by_seed
from gcaf_lib.settings import CLASSES

SIGNED = ("kappa", "mcc", "correlation")  # from −1 to 1
OF_ALL = ("accuracy", "macro_f1")  # scores of all answers, of whatever class
# scores that copies of one picture, all right or all wrong, can carry
BY_PICTURE = (*OF_ALL, *(f"recall_{name}" for name in CLASSES))


class Worth(NamedTuple):
    """Mean over seeds, sample standard deviation over them (NaN for one), their number, 95% interval over patients and,
    with two seeds or more, trainings.

    lift: by how much chance raises a calibration error measured so above the truth, which its interval is of, as the
    bootstrap has it. A value that somebody else measured is lifted too: less the lift it can be held to the interval.
    error: standard error of the value, over patients and trainings; freedom: the degrees of freedom with which its trainings
    tell it, infinite for patients alone (`_widened`).
    """

    value: float
    sd: float
    n: int
    low: float
    high: float
    lift: float = 0.0
    error: float = np.nan
    freedom: float = np.inf


class Change(NamedTuple):
    """A difference in accuracy by file and, where copies are kept together, by picture. each: where one seed stands against
    several, the same against each of these, and `file` and `picture` against their mean (`change_of_answers`)."""

    file: Worth
    picture: Worth | None = None
    each: Mapping[int, Change] = {}

    def ways(self) -> list[Worth]:
        """By file and, where known, by picture."""
        return [one for one in (self.file, self.picture) if one]

    def values(self) -> list[float]:
        """`ways` without their intervals."""
        return [one.value for one in self.ways()]


def metrics(classes: Sequence[str]) -> list[str]:
    """Names of all metrics that a row has: those of `metrics.summary`."""
    return [*weighted.PLAIN, *(f"{m}_{name}" for name in classes for m in weighted.PER_CLASS)]


def of_runs(
    records: Sequence[Any],
    groups: np.ndarray,
    names: Sequence[str] | None = None,
    *,
    keep: Sequence[str] | None = None,
    pictures: np.ndarray | None = None,
    which: str = "ema",
    scaled: bool = False,
    draws: int = bootstrap.DRAWS,
) -> dict[str, Worth]:
    """Metric to `Worth` (value, sd, n, low, high) of some runs of one setting: seeds, or folds × seeds.

        groups = splits.clusters(dataset)
        worth.of_runs(records, groups)["macro_f1"].low

    groups (N,): patient group of each row of the dataset (`splits.clusters`); there is no interval without them.
    names: metrics of `metrics.summary` and `weighted.MORE` (default: all of the former). keep: judge only images of
    these classes, macro means over them alone. pictures (N,): weigh each picture 1, however many copies of it are
    tested (`units.pictures`). which: `ema` or `raw` weights. scaled: after temperature scaling on validation.
    Fractions, not percent. Seeds with fewer or other folds than most are left out (`folds.by_seed`). Raises `ValueError`
    without records or groups.
    """
    seeds = answers_by_seed(records, keep, which, scaled)
    if names is None:
        names = metrics(seeds[0][0].classes if seeds else CLASSES)
    return of_answers(seeds, groups, names, pictures=pictures, draws=draws)


def difference(
    first: Sequence[Any],
    second: Sequence[Any],
    groups: np.ndarray,
    names: Sequence[str] = ("accuracy",),
    *,
    keep: Sequence[str] | None = None,
    pictures: np.ndarray | None = None,
    which: tuple[str, str] = ("ema", "ema"),
    scaled: tuple[bool, bool] = (False, False),
    draws: int = bootstrap.DRAWS,
    level: float = 0.95,
) -> dict[str, Worth]:
    """Metric to `Worth` of first minus second, paired: the seeds (and folds) that both have, on the same images.

    sd: of the paired differences over seeds; n: seeds compared, and an empty dictionary where there is none. The same
    patients are drawn for both. keep: as in `of_runs` (a four-class model beside a three-class one is judged on the
    latter's classes). which, scaled: of first and second. level: of the interval. Raises `ValueError` where a pair of
    runs was tested on different images.
    """
    pair = paired(first, second)
    if not pair[0]:
        return {}
    both = [answers_by_seed(side, keep, w, s) for side, w, s in zip(pair, which, scaled)]
    for one, other in zip(*both):
        tested = [np.sort(np.concatenate([a.rows for a in parts])) for parts in (one, other)]
        if not np.array_equal(*tested):
            raise ValueError("two runs to be compared have different test images; compare runs of one split")
    same = (
        sorted(r.key for r in pair[0]) == sorted(r.key for r in pair[1])
        and which[0] == which[1]
        and scaled[0] == scaled[1]
    )
    return minus(*both, groups, names, pictures=pictures, draws=draws, level=level, same=same)


def change(
    first: Sequence[Any],
    second: Sequence[Any],
    groups: np.ndarray,
    pictures: np.ndarray,
    keep: Sequence[str] | None = None,
) -> Change | None:
    """`Change` of first minus second: `difference` in accuracy, and `by_picture`. None where no run has its pair.

    worth.change(fused, alone, splits.clusters(dataset), units.pictures(dataset))
    """
    found = difference(first, second, groups, keep=keep)
    copied = by_picture(first, groups, pictures, ("accuracy",), against=second, keep=keep)
    return Change(found["accuracy"], copied.get("accuracy")) if found else None


def one_answer_moves(
    seeds: Sequence[Sequence[bootstrap.Answers]], pictures: np.ndarray | None = None, metric: str = "accuracy"
) -> float:
    """By how much one answer moves a seed's accuracy or macro-F1: 1 over the images, or pictures (N,), tested.

    A class's recall: 1 over those of the class. 0 without seeds, and of other metrics, for which none is allowed.
    """
    if not seeds or not (metric in OF_ALL or metric.startswith("recall_")):
        return 0.0
    rows, labels = (np.concatenate(column) for column in list(zip(*seeds[0]))[:2])
    if metric not in OF_ALL:
        rows = rows[labels == list(seeds[0][0].classes).index(metric.removeprefix("recall_"))]
    tested = len(np.unique(rows if pictures is None else np.asarray(pictures)[rows]))
    return 1 / tested if tested else 0.0


def grouped(records: Sequence[Any]) -> bool:
    """Whether there are runs, and their split keeps copies of a picture together."""
    return bool(records) and records[0].settings.data.protocol in splits.GROUPED


def by_picture(
    records: Sequence[Any],
    groups: np.ndarray,
    pictures: np.ndarray,
    names: Sequence[str] = BY_PICTURE,
    *,
    against: Sequence[Any] | None = None,
    **options: Any,
) -> dict[str, Worth]:
    """`of_runs` with each picture weighing 1, of those of `names` in `BY_PICTURE`: what stands beside every grouped score.

    Empty without records, and on a split that lets copies stand in two parts: there copies are no reason to count
    less. pictures (N,): `units.pictures`. against: runs to take off (`difference` in place of `of_runs`). options: theirs.
    """
    if not grouped(records):
        return {}
    known = (*OF_ALL, *(f"recall_{name}" for name in records[0].settings.data.classes))
    chosen = [name for name in names if name in known]  # of `BY_PICTURE`, those of the runs' own classes
    if not chosen:
        return {}
    options |= {"pictures": pictures}
    if against is None:
        return of_runs(records, groups, chosen, **options)
    return difference(records, against, groups, chosen, **options)


def of_answers(
    seeds: Sequence[Sequence[bootstrap.Answers]], groups: np.ndarray, names: Sequence[str], **options: Any
) -> dict[str, Worth]:
    """What `of_runs` gives, of answers: seed by seed, each a list of its folds. options: pictures and draws of `bootstrap.samples`."""
    return {
        name: of_sample(name, sample)
        for name, sample in bootstrap.samples(seeds, groups, names, **options).items()
    }


def minus(
    own: Sequence[Sequence[bootstrap.Answers]],
    other: Sequence[Sequence[bootstrap.Answers]],
    groups: np.ndarray,
    names: Sequence[str] = ("accuracy",),
    *,
    pictures: np.ndarray | None = None,
    draws: int = bootstrap.DRAWS,
    level: float = 0.95,
    same: bool = False,
) -> dict[str, Worth]:
    """`difference` of answers to the same images: seed by seed, or each seed minus the only one.

    same: whether they are the same answers, which differ by nothing, for certain.
    """
    a, b = (bootstrap.samples(seeds, groups, names, pictures=pictures, draws=draws) for seeds in (own, other))
    known = [] if same else own
    return {
        name: of_sample(
            name, a[name] - b[name], level, least=-np.inf, answer=one_answer_moves(known, pictures, name)
        )
        for name in names
    }


def change_of_answers(
    own: Mapping[int, Sequence[bootstrap.Answers]],
    other: Mapping[int, Sequence[bootstrap.Answers]],
    groups: np.ndarray,
    pictures: np.ndarray | None = None,
) -> Change:
    """`Change` of answers by seed minus others' to the same images: seed by seed, and where `own` is one seed and `other` are
    several, minus their mean, and each. pictures (N,): to count by picture too."""

    def less(seeds: Sequence[Sequence[bootstrap.Answers]]) -> Change:
        weights = (None,) if pictures is None else (None, pictures)
        sides = list(own.values()), seeds
        return Change(*(minus(*sides, groups, pictures=weight)["accuracy"] for weight in weights))

    several = other if len(own) == 1 < len(other) else {}
    return less(list(other.values()))._replace(each={seed: less([one]) for seed, one in several.items()})


def of_sample(
    metric: str, sample: bootstrap.Sample, level: float = 0.95, least: float = 0.0, answer: float = 0.0
) -> Worth:
    """`Worth` of a `bootstrap.Sample`. least: where the interval of a calibration error ends (-inf for a difference).

    A share's interval ends at 0 and 1, one of κ, MCC or a correlation at −1 and 1, one of NLL or the Brier score at 0. answer: by how
    much one answer moves a difference (`one_answer_moves`): a handful of answers given otherwise is allowed for (`_widened`).
    """
    values = sample.values[~np.isnan(sample.values)]
    value = float(values.mean()) if len(values) else np.nan
    sd = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    binned = metric in weighted.BINNED
    lift = float(pd.Series(sample.draws).mean()) - value if binned else 0.0
    one = (clustered.basic if binned else clustered.interval)(value, sample.draws, level)
    training = sd**2 / max(len(values), 1)
    low, high, error, freedom = _widened(
        one.low, one.high, value - lift, sample.draws, training, len(values), level, answer
    )
    if binned:
        low, high = max(least, low), max(least, high)
    elif np.isfinite(least) and metric != "excess":
        low = max(low, -1.0 if metric in SIGNED else 0.0)
        high = high if metric in ("nll", "brier") else min(high, 1.0)
    return Worth(value, sd, len(values), float(low), float(high), lift, error, freedom)


def _widened(
    low: float,
    high: float,
    centre: float,
    draws: np.ndarray,
    training: float,
    seeds: int,
    level: float,
    answer: float,
) -> tuple[float, float, float, float]:
    """An interval over patients, [low, high] about `centre`, widened by what another training would add, √(V_p + s²/S), and
    the degrees of freedom of the t that its width is of (infinite where it is of patients alone).

        V = V_p + s²/S + (z²/2)/n²,  half ∝ t(ν) √V,  ν = (S − 1) (V / (s²/S))²

    V_p: variance of the draws, of the mean over seeds; training: s²/S of the S seeds' values (NaN: one seed, nothing is
    known of it). t: Student's quantile, degrees of freedom by Satterthwaite (1946), since so few seeds tell their own
    spread badly. What trainings err on differently is in both terms, as in Owen's bootstrap of crossed factors (2007),
    which errs on the wide side. ν grows with V_p, and t(ν) √V may fall where trainings scatter more than patients: so the
    interval holds what trainings alone leave open, ± t(S − 1) s/√S. Both together need no sum of the two: with the larger
    one, in simulations of normal errors, at most 6% of 95% intervals miss the truth (two seeds: 5%, without it up to 13%),
    and 1.2% of those at 99% (without it up to 8%). answer, 1/n: a bootstrap of a handful of answers given otherwise is too sure of them, or
    has no width; z²/2 such answers are added, as Agresti and Min (2005) do, and the interval holds what a symmetric one
    does. So 5 answers to none are not distinguishable from 0 and 6 to none are, as in McNemar's exact test.
    """
    if np.isnan(low):
        return low, high, np.nan, np.inf
    z = stats.norm.ppf((1 + level) / 2)
    patients, few = float(np.nanvar(draws, ddof=1)), z**2 / 2 * answer**2
    spread = training if training > 0 else 0.0
    whole = patients + spread + few
    error = float(np.sqrt(patients + spread))  # the handful is allowed for, but doesn't scatter
    if whole == patients:
        return low, high, error, np.inf
    freedom = (seeds - 1) * (whole / spread) ** 2 if spread else np.inf
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(whole)
    least = stats.t.ppf((1 + level) / 2, seeds - 1) * np.sqrt(spread) if spread else 0.0
    if least > half:
        freedom = float(seeds - 1)
    wider = half / (z * np.sqrt(patients)) if patients > 1e-18 else 1.0
    ends = centre - wider * (centre - low), centre + wider * (high - centre)
    if few or patients <= 1e-18:
        least = max(least, half)
    return min(ends[0], centre - least), max(ends[1], centre + least), error, freedom


def answers_by_seed(
    records: Sequence[Any], keep: Sequence[str] | None = None, which: str = "ema", scaled: bool = False
) -> list[list[bootstrap.Answers]]:
    """The records' answers, seed by seed, each a list of its folds. Arguments: see `of_runs`."""
    return [[answers(r, keep, which, scaled) for r in parts] for parts in by_seed(records).values()]


def answers(
    record: Any, keep: Sequence[str] | None = None, which: str = "ema", scaled: bool = False
) -> bootstrap.Answers:
    """One record's test answers, whose probabilities sum to 1. Arguments: see `of_runs`."""
    classes, rows, labels = record.settings.data.classes, record.rows(), record.labels()
    fold = record.settings.data.fold is not None
    probs = record.probabilities("test", which)
    if scaled:
        before = record.probabilities("validation", which)
        probs = calibration_measures.scale(
            probs, calibration_measures.temperature(record.labels("validation"), before)
        )
    probs = probs / probs.sum(1, keepdims=True)
    if keep is None:
        return bootstrap.Answers(rows, labels, probs, classes, fold=fold)
    over = [k for k, name in enumerate(classes) if name in keep]
    chosen = np.isin(labels, over)
    return bootstrap.Answers(rows[chosen], labels[chosen], probs[chosen], classes, over, fold)


def paired(first: Sequence[Any], second: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The runs of both whose seed and fold the other has as well."""

    def name(record: Any) -> tuple:
        return record.seed, record.settings.data.fold

    common = {name(r) for r in first} & {name(r) for r in second}
    return tuple([r for r in side if name(r) in common] for side in (first, second))
