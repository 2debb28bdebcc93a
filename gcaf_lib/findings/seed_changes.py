"""What a setting changes, seed by seed, also where one side was trained once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gcaf_lib.evaluation import folds, worth
from gcaf_lib.findings import matched, words


def one_against_several(with_: Sequence[Any], without: Sequence[Any]) -> bool:
    """Whether there is one seed without the setting and several with it. A model without it has its own stage 0, so no
    seed of the other is nearer to it than the rest."""
    return len({r.seed for r in without}) == 1 < len({r.seed for r in with_})


def pair(with_: Sequence[Any], without: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Whole seeds with the setting and without, seed by seed; where one stands against several, all."""
    sides = matched.with_all_folds(with_), matched.with_all_folds(without)
    return sides if one_against_several(*sides) else worth.paired(*sides)


def change_of(
    with_: Sequence[Any],
    without: Sequence[Any],
    clusters: np.ndarray,
    pictures: np.ndarray,
    keep: Sequence[str] | None = None,
) -> worth.Change | None:
    """`worth.Change` of a `pair`, on images of the classes `keep`."""
    if not one_against_several(with_, without):
        return worth.change(without, with_, clusters, pictures, keep)
    sides = (dict(zip(folds.by_seed(side), worth.answers_by_seed(side, keep))) for side in (without, with_))
    return worth.change_of_answers(*sides, clusters, pictures if worth.grouped(with_) else None)


def against_each(change: worth.Change) -> str:
    """`seed 0 −4.6 points, by picture −4.7; seed 1 …`: one seed's difference from each seed of the other side."""
    return "; ".join(f"seed {seed} {moved(*one.values())}" for seed, one in change.each.items())


def moved(file: float, picture: float = np.nan) -> str:
    """`−4.6 points, by picture −4.7`: a change of accuracy."""
    return words.beside(f"{words.signed(100 * file, 1)} points", picture, lambda v: words.signed(100 * v, 1))
