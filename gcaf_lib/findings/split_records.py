"""Run records of the proposed model by split, of this profile and of the profile `transfer`, and those that have all folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gcaf_lib.findings import matched
from gcaf_lib.settings import PROTOCOLS

MODEL = "Proposed model"
IMAGENET = "With ImageNet weights"  # the proposed model of the profile `transfer`, beside that of another
TRANSFER = "transfer"


def ladder_records(chapter: Any) -> dict[str, list[Any]]:
    """Records of the experiment "ladder" by protocol."""
    found = chapter.records("ladder")
    return {protocol: found[protocol] for protocol in PROTOCOLS if protocol in found}


def random_split(chapter: Any) -> list[Any]:
    """Runs of the proposed model on the random split."""
    return chapter.records("ladder").get("paper", [])


def patient_folds(chapter: Any) -> list[Any]:
    """Runs of the proposed model on the five patient-disjoint folds."""
    return chapter.records("ladder").get("patients", [])


def imagenet_records(chapter: Any) -> dict[str, list[Any]]:
    """`ladder_records` of the profile `transfer`, with all folds, to stand beside miniatures; none beside phantoms."""
    if chapter.phantoms or chapter.settings.model.scale != "mini":
        return {}
    return each_with_all_folds(ladder_records(chapter.under(TRANSFER)))


def each_with_all_folds(records: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Those of the seeds that have all folds of their split, where there are any; by whatever name they stand."""
    kept = {name: matched.with_all_folds(group) for name, group in records.items()}
    return {name: group for name, group in kept.items() if group}


def single_records(chapter: Any) -> list[Any]:
    """Runs of the proposed model on the single split `patients`, whose training part is larger than a fold's."""
    found = chapter.under(chapter.profile, {"data.protocol": "patients"}).records()
    return [one for group in found.values() for one in group]


def three_class_records(chapter: Any) -> list[Any]:
    """Runs of the proposed model on the three tumour classes, on patient-disjoint folds."""
    return chapter.records("shortcuts").get("patients, three classes", [])


def three_classes(chapter: Any) -> dict[str, list[Any]]:
    """Model to its `three_class_records`, of `chapter` and of the profile `transfer`."""
    sides = {MODEL: chapter} | ({IMAGENET: chapter.under(TRANSFER)} if imagenet_records(chapter) else {})
    return {name: three_class_records(side) for name, side in sides.items()}
