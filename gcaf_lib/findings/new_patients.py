"""Chapter 19: whether temperature and calibration carry over from the random split to new patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gcaf_lib.evaluation import clustered, intervals, units, worth
from gcaf_lib.findings import temperature_scaling, words
from gcaf_lib.paper import verdicts

CARRIED = (  # caption of the measures on the random split and on patient-disjoint folds, around `calibration.corrected_said`
    "Calibration on the random split and on patient-disjoint folds: value and 95% cluster-bootstrap interval over patient groups "
    "and, with two or more seeds, also over trainings. Calibration errors are in fifteen bins, and on patient-disjoint folds "
    "means over the folds, each at the random split's number of test images."
)
HELD = (
    "Scaled: the fitted temperatures held fixed, which makes the intervals too narrow. By picture: copies count as one; not on the "
    "random split, whose training has copies of test images (its accuracy by picture: chapter 17)."
)


def carries_over_said(
    states: Mapping[str, Mapping[str, worth.Worth]],
    own: Sequence[float],
    apart: Sequence[Any],
    clusters: np.ndarray,
    pictures: np.ndarray,
) -> str:
    """Whether calibration carries over to new patients; states: `calibration.beside_patients` of the runs; own: `temperature_scaling.fitted` on the random split."""
    if "patient-disjoint, scaled" not in states:
        return (
            "There is no run over the five patient-disjoint folds under this profile yet, so nothing is said here about new "
            "patients. (A single split of them, where one was run, stands on the scorecard.)"
        )
    random, _, strict, scaled = states.values()
    gap = worth.difference(apart, apart, clusters, ("nll",), scaled=(True, False))["nll"]
    moved, copied = (
        temperature_scaling.by_one_temperature(apart, clusters, float(np.mean(own)), weights)
        for weights in (None, pictures)
    )
    said = temperature_said(
        random, strict, scaled, (own, temperature_scaling.fitted(apart)), gap, moved, copied
    )
    said += f" What is said of the folds rests on {words.tested_said(apart, clusters, pictures)}."
    return f"{said}\n\n{validation_said(validation_parts(apart, clusters, pictures))}"


def validation_parts(records: Sequence[Any], clusters: np.ndarray, pictures: np.ndarray) -> dict[str, Any]:
    """What the folds' temperatures are fitted on: images and groups of each run's validation part; of the different parts their number,
    images (total) and distinct images; mean accuracy there (right) and on test (test), in how many runs it is lower there; and when
    tested those images' accuracy (same) and the others' (other), and the first minus the second, over patients, by file and by picture (apart)."""
    parts = [np.sort(r.rows("validation")) for r in records]
    different = {part.tobytes(): part for part in parts}.values()
    right = [np.mean(r.probabilities("validation").argmax(1) == r.labels("validation")) for r in records]
    tests = [r.right() for r in records]
    rows, tested = (np.concatenate(one) for one in ([r.rows() for r in records], tests))
    inside = np.isin(rows, np.concatenate(parts))
    copied = np.concatenate([units.picture_weights(r.rows(), pictures) for r in records])
    (same, other), apart = _sides(tested, inside, np.ones(len(rows)), clusters[rows])
    return {
        "images": [len(part) for part in parts],
        "groups": [len(np.unique(clusters[part])) for part in parts],
        "distinct": len(np.unique(np.concatenate(parts))),
        "parts": len(different),
        "total": sum(map(len, different)),
        "lower": int(np.sum(np.array(right) < [one.mean() for one in tests])),
        "right": float(np.mean(right)),
        "test": float(np.mean([one.mean() for one in tests])),
        "same": same,
        "other": other,
        "apart": (apart, _sides(tested, inside, copied, clusters[rows])[1]),
    }


def _sides(
    right: np.ndarray, inside: np.ndarray, weight: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, intervals.Interval]:
    """Weighted shares of right answers inside and outside, and the first minus the second over groups."""
    parts = [np.where(which, one, np.nan) for one in (right * weight, weight) for which in (inside, ~inside)]
    drawn = clustered.mean_draws(np.column_stack(parts), groups)
    shares = np.divide(*np.split(np.nanmean(parts, axis=1), 2))
    return shares, clustered.interval(
        -np.diff(shares)[0], drawn[:, 0] / drawn[:, 2] - drawn[:, 1] / drawn[:, 3]
    )


def validation_said(found: Mapping[str, Any]) -> str:
    """How much such temperatures can be trusted; found: of `validation_parts`."""
    images, groups = (words.extent(sorted(found[name]), "{:,}".format) for name in ("images", "groups"))
    runs, (gap, copied) = len(found["images"]), found["apart"]
    trials = f": these are no {runs} trials, as the parts share images" if runs > 1 else ""
    return (
        "Validation patients are as new to a model as its test patients: newness does not explain why a temperature fits the ones better than the others. "
        f"Each is fitted on {images} images of {groups} groups only, and the {words.plural(found['parts'], 'different part')} {words.verb(found['parts'], 'has', 'have')} {found['distinct']:,} distinct images in all, of {found['total']:,} were they apart. In "
        f"{found['lower']} of {runs} runs the model is right less often on its validation part than on test ({found['right']:.1%} against {found['test']:.1%} on "
        f"average){trials}. When tested, those images score {100 * found['same']:.2f}%, all others {100 * found['other']:.2f}%: over patients "
        f"{words.difference_said(gap, copied, 'lower', 'higher', verdicts.UNDECIDED)}. *Scaled* holds the temperatures "
        "fixed: the bootstrap draws test patients only, so intervals after scaling are too narrow."
    )


def temperature_said(
    random: Mapping[str, worth.Worth],
    apart: Mapping[str, worth.Worth],
    scaled: Mapping[str, worth.Worth],
    fits: tuple[Sequence[float], Sequence[float]],
    gap: worth.Worth,
    moved: tuple[worth.Worth, worth.Worth],
    copied: tuple[worth.Worth, worth.Worth],
) -> str:
    """Confidence minus accuracy and ECE on the random split, on patient-disjoint folds, and there after scaling.

    fits: temperatures of the random split's runs and of the folds; gap: NLL on the folds, scaled minus as trained; moved:
    `temperature_scaling.by_one_temperature` of the folds with the random split's mean; copied: the same by picture.
    """
    a, b, c = random["excess"], apart["excess"], scaled["excess"]
    ranges = [words.extent(sorted(some)) for some in fits]
    return (
        words.by_side(
            moved[0],
            "The random split's temperature does not carry over: scaled by it, the model is less sure on new patients than it is right",
            "The random split's temperature does not carry over: scaled by it, the model is surer on new patients than it is right",
            "As far as can be told here, the random split's temperature carries over: scaled by it, the model is on new patients as sure as it is right",
        )
        + f" (one for all runs, {np.mean(fits[0]):.2f}, the mean of those fitted there; confidence minus accuracy {words.shift(moved[0], 3)}, by picture "
        f"{words.shift(copied[0], 3)}; the NLL changes by {words.shift(moved[1])}, by picture {words.shift(copied[1])}). "
        + words.by_side(
            c,
            "Scaled by that of its own validation part, the model is less sure on the test folds than it is right",
            "Even scaled by that of its own validation part, the model is surer on the test folds than it is right",
            "Scaled by that of its own validation part, the model is on the test folds as sure as it is right, as far as can be told here",
        )
        + f" (confidence minus accuracy {words.shift(c, 3)}). Fitted are {ranges[0]} on the random split and {ranges[1]} on the folds. There scaling "
        f"changes the NLL by {words.shift(gap)}, {temperature_scaling.way(gap)}. "
        f"As trained, on the random split confidence minus accuracy is {words.shift(a, 3)}; on patient-disjoint folds {words.shift(b, 3)}"
        + (
            ": the model is surer than it is right as soon as the patients are new, and the random split hides it. "
            if b.low > 0 and a.value < b.low
            else f", {words.by_side(b, 'below 0', 'above 0', verdicts.UNDECIDED)}. "
        )
        + f"The ECE is {_ece(random)} on the random split and {_ece(apart)} as the mean of the folds; after scaling by a temperature fitted on validation "
        f"patients, none of them known to be in training or test, it is {_ece(scaled)}. Each fold's ECE is taken at the random split's number of test images, because the "
        "ECE shrinks by chance alone as images are added. As many images of a fold are of fewer patients, which lifts its ECE further: less what the "
        f"bootstrap finds that chance adds, it is {_unlifted(random):.3f} on the random split and {_unlifted(apart):.3f} on the folds ({_unlifted(scaled):.3f} scaled)."
    )


def _ece(found: Mapping[str, worth.Worth]) -> str:
    one = found["ece"]
    return words.span(one.value, one.low, one.high, 3)


def _unlifted(found: Mapping[str, worth.Worth]) -> float:
    return max(0.0, found["ece"].value - found["ece"].lift)
