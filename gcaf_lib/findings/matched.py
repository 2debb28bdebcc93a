"""The run records by which a table's rows are compared: of the same seeds in every row, each seed with all its folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gcaf_lib.data import splits
from gcaf_lib.evaluation import folds, units, worth
from gcaf_lib.findings import table_rows, words
from gcaf_lib.training import experiments


def table_records(chapter: Any, experiment: str) -> dict[str, list[Any]]:
    """Row to run records of a table, at equal n: `equal_seeds` of `chapter.records`."""
    return equal_seeds(chapter.records(experiment))


def fold_records(chapter: Any, experiment: str) -> dict[str, list[Any]]:
    """`table_records` of a table on patient-disjoint folds; the proposed rows have those of the experiment "patients"."""
    rows = {row.label for row in experiments.experiment(f"{experiment}-patients").rows}
    own = distinct_runs(chapter.records("patients"))
    own_rows = {row: own for row in table_rows.proposed_rows(experiment) if row in rows}
    return equal_seeds(chapter.records(f"{experiment}-patients") | own_rows)


def distinct_runs(*found: Mapping[str, Sequence[Any]] | Sequence[Any]) -> list[Any]:
    """The run records of several tables ({row: records}) and lists, each once: what a chapter's strip names."""
    groups = (group for one in found for group in (one.values() if isinstance(one, Mapping) else [one]))
    return list({r.key: r for group in groups for r in group}.values())


def with_all_folds(records: Sequence[Any]) -> list[Any]:
    """Runs of the seeds that have every fold; on a split without folds, all runs."""
    return [r for one in folds.pool(records) if one.folds in (0, splits.FOLDS) for r in one.parts]


def equal_seeds(found: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Row to its runs of the seeds that every trained row has (all folds of them): rows are compared at equal n.

    Where no seed is common to all, rows without the one that most have are as if never trained. Rows without a seed in
    all its folds keep what they have.
    """
    seeds = seeds_known(found)
    counts = Counter(seed for own in seeds.values() for seed in sorted(own))
    most = next((seed for seed, _ in counts.most_common(1)), None)
    common = set().union(*seeds.values()).intersection(*(own for own in seeds.values() if most in own))
    out = {row: list(group) for row, group in found.items()}
    for row, own in seeds.items():
        out[row] = [r for r in with_all_folds(out[row]) if r.seed in common] if common <= own else []
    return out


def seeds_known(found: Mapping[str, Sequence[Any]]) -> dict[str, set[int]]:
    """Row to the seeds that it was trained with in all folds; rows without one are left out."""
    known = {row: {r.seed for r in with_all_folds(group)} for row, group in found.items()}
    return {row: seeds for row, seeds in known.items() if seeds}


def folds_known(records: Sequence[Any]) -> int:
    """Folds on record for the seed that has most of them; 0 on a split without."""
    return max((one.folds for one in folds.pool(records)), default=0)


def among(records: Sequence[Any], base: Sequence[Any]) -> bool:
    """Whether all runs are among those of `base`."""
    return {r.key for r in records} <= {r.key for r in base}


def which_seeds(
    experiment: str, found: Mapping[str, Sequence[Any]], every: Sequence[Any], dataset: Any
) -> str:
    """Which seeds of the reference the rows of `ablation.measure_on_folds` are compared with and why these, and what all its seeds
    would change of rows with a stage 0 of their own; empty where all are compared.

    found: of `fold_records`; every: all runs of the reference on the folds.
    """
    used = with_all_folds(found.get(table_rows.proposed_rows(experiment)[0], ()))
    every = with_all_folds(every)
    if not used or among(every, used):
        return ""
    groups, pictures = splits.clusters(dataset), units.pictures(dataset)
    one, all_ = (worth.of_runs(some, groups, ["accuracy"])["accuracy"] for some in (used, every))
    copied, all_copied = (
        worth.by_picture(some, groups, pictures, ["accuracy"])["accuracy"] for some in (used, every)
    )
    seeds = sorted({r.seed for r in used})
    changes = (words.signed(100 * (a.value - b.value), 1) for a, b in ((one, all_), (copied, all_copied)))
    alike = len({r.settings.model.backbones for group in found.values() for r in group}) == 1 and all(
        r.settings.model.weights == "in-domain" for r in used
    )
    return (
        f"Compared {words.verb(len(seeds))} {table_rows.called({'row': table_rows.proposed_rows(experiment)})}'s seed{'s' * (len(seeds) > 1)} {' and '.join(map(str, seeds))}, {one.value:.1%}: "
        f"{words.verb(len(seeds), 'the one', 'those')} that all rows compared here have on all {splits.FOLDS} folds (other tables' rows may have other seeds). Over its "
        f"{words.plural(all_.n, 'seed')} it scores {all_.value:.1%}: "
        + (
            "these rows start from the same stage 0 as that seed, so what another would do to the differences is not known from it."
            if alike
            else f"against that each difference would change by {' points, by picture by '.join(changes)}."
        )
    )
