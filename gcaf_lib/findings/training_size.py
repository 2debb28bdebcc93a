"""How many images each split trains on, and what a larger training part changes on the same test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gcaf_lib.data import exposure, splits
from gcaf_lib.evaluation import folds, units, worth
from gcaf_lib.findings import accuracies, matched, words


class SmallerTraining(NamedTuple):
    """Accuracy on the same images by file and by picture, trained on a single split and on folds, and the first minus the second;
    tested: `units.counts` of these images."""

    own: Sequence[worth.Worth]
    other: Sequence[worth.Worth]
    change: worth.Change
    tested: Mapping[str, int]


def smaller_training(folded: Sequence[Any], single: Sequence[Any], dataset: Any) -> SmallerTraining | None:
    """`SmallerTraining` on the test images of the single split `patients`, trained there (`single`) and on folds that test them, of the
    seeds that both have. Where that is one, it stands against all that the folds have (each has its own stage 0, so none is
    nearer). None where none is in common."""
    sides = [{one.seed: one for one in folds.pool(side)} for side in (single, matched.with_all_folds(folded))]
    common = sorted(sides[0].keys() & sides[1].keys())
    if not common:
        return None
    clusters, pictures = splits.clusters(dataset), units.pictures(dataset)
    tested = sides[0][common[0]].rows()
    seeds = (common, common if len(common) > 1 else sorted(sides[1]))
    both = [
        {seed: [accuracies.answers_to(worth.answers(side[seed]), tested)] for seed in some}
        for side, some in zip(sides, seeds)
    ]
    levels = (
        [
            worth.of_answers(list(side.values()), clusters, ["accuracy"], pictures=weights)["accuracy"]
            for weights in (None, pictures)
        ]
        for side in both
    )
    change = worth.change_of_answers(*both, clusters, pictures)
    return SmallerTraining(*levels, change, units.counts(tested, clusters, pictures))


def larger_part_said(dataset: Any, known: SmallerTraining | None) -> str:
    """How many images training has on the two splits, and what a larger part changes. known: of `smaller_training`."""
    random, single, fold = (_trained(dataset, p) for p in ("paper", "patients", splits.FIVEFOLD))
    text = (
        f"Training has {random} images on the random split and {fold} on a fold; how much of the "
        "differences above is due to that, these runs don't tell."
    )
    if known is None:
        return f"{text} A control would be the single split `patients`, with {single}: it was not run with the folds' seeds."
    (own, own1), (other, other1), change, tested = known
    said = words.outcome(change, "fewer right", "more right")
    if change.each:
        against, copies = (
            ", ".join(words.signed(100 * value, 1) for value in some)
            for some in zip(*(one.values() for one in change.each.values()))
        )
        said += f". That is against the mean of the folds' {len(change.each)} seeds; against each: {against} points (by picture {copies})"
    return (
        f"{text} A control: on the single split `patients` training has {single}. There the model is right on {words.band(*accuracies.value_and_ends(own))}%, "
        f"by picture {words.percent(own1.value)}%; on the same images the models of the folds ({words.plural(other.n, 'seed')}) are right on {words.band(*accuracies.value_and_ends(other))}%, "
        f"by picture {words.percent(other1.value)}%; {words.basis_said({'n': own.n, 'folds': 0, 'protocol': 'patients', **tested})}. With the larger part: {said}."
    )


def _trained(dataset: Any, protocol: str) -> str:
    """`4,915 to 4,917`: images in the training part of a split, from the fewest to the most of its folds."""
    counts = [int((part == "train").sum()) for part in exposure.parts(protocol, dataset)]
    return " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
