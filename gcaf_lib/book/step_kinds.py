"""A training step by kind of work, here and in PyTorch (`benchmarks.beside`): its tables, and where PyTorch's lead lies."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

import pandas as pd

from gcaf_lib.book.durations import machine
from gcaf_lib.display import tables
from gcaf_lib.findings import words
from gcaf_lib.terminal import cut

SIDES = {"ours": "This library", "torch": "PyTorch, eager", "torch-compile": "PyTorch, compiled"}
STAGES = {
    "0 efficientnetv2-s": "stage 0 of EfficientNetV2-S",
    "0 convnext-tiny": "stage 0 of ConvNeXt-Tiny",
    "1": "stage 1",
    "2": "stage 2",
}
PRODUCTS, OTHERS = "convolutions and matrix products", "all other operations"
BETWEEN, WHOLE, RECORDED = "between operations", "the whole step", "the whole step, recorded"
AIM = 1.25  # times as fast as compiled PyTorch

# milliseconds of a step: stage to side (`SIDES`) to kind
Milliseconds = Mapping[str, Mapping[str, Mapping[str, float]]]


def beside(milliseconds: Milliseconds) -> pd.DataFrame:
    """One row a stage and kind of work: milliseconds a step here, in PyTorch, and what compiled PyTorch spares."""
    rows = [
        {"Stage": stage, "Kind": kind}
        | {SIDES[name]: sides[name][kind] for name in SIDES}
        | {
            "Difference": sides["ours"][kind] - sides["torch-compile"][kind],
            "Ratio": sides["ours"][kind] / sides["torch-compile"][kind],
        }
        for stage, sides in milliseconds.items()
        for kind in sides["ours"]
    ]
    return pd.DataFrame(rows)


def by_layer(milliseconds: dict[str, dict[str, float]], least: float = 1.0) -> pd.DataFrame:
    """One row a kind of layer: milliseconds a step that are neither convolutions nor products, stage by stage.

    Kinds below `least` in every stage are one row.
    """
    table = pd.DataFrame(milliseconds).fillna(0.0)
    large = table[(table.abs() >= least).any(axis=1)]
    large = large.loc[large.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    large.loc["all others"] = table.sum() - large.sum()
    large.loc["all"] = table.sum()
    return large.map("{:.1f}".format).rename_axis("Kind of layer").add_prefix("Stage ").reset_index()


def _rest(milliseconds: Milliseconds) -> float:
    """By how many ms the kinds of a step, at most, add up to more or less than the step."""
    return max(
        abs(kinds[WHOLE] - sum(value for name, value in kinds.items() if not name.startswith(WHOLE)))
        for sides in milliseconds.values()
        for kinds in sides.values()
    )


def text(stem: str, found: dict[str, Any]) -> str:
    asked = found["asked"]
    machine_ = machine(found["machine"] | {"torch": found["torch"]})
    rest = max(_rest(one) for one in found["milliseconds"].values())
    parts = [
        f"Recorded on {machine_}; `{asked['profile']}`, {asked['steps']} steps, medians of {asked['rounds']} rounds. Each process timed its "
        "steps without the recorder first. What differs between the two halves (the recorder, but also warm-up and the machine) is shared evenly among a step's events and taken "
        "from each, so kinds of work are known to within some ms, and small ones can come out negative. "
        f"*Between operations* is what is left of an unrecorded step (medians are taken kind by kind, and so add up to it within {cut(round(rest, 9), 1, up=True)} ms): PyTorch runs one operation "
        "after another, and an instant in which TensorFlow runs several is divided among them. PyTorch's compiler writes "
        f"several element-wise operations as one loop. {recording_said(found['milliseconds'])}"
    ]
    every, rounds = found["milliseconds"], found["rounds"]
    if "2" in every:
        parts += [
            "How many times as fast as this library compiled PyTorch was, with two threads, as in *The stages*, and no recorder (lowest to highest of the rounds), "
            "and where that lies:",
            lead_said(every["2"], found["layers"]["2"], rounds["2"]),
        ]
    for threads, milliseconds in found["milliseconds"].items():
        with_ = f"{threads} thread{'s' if threads != '1' else ''}"
        frame = beside(milliseconds)
        shown = frame.assign(
            Difference=frame["Difference"].map(lambda v: words.signed(v, 1)),
            Ratio=frame["Ratio"].map("{:.2f}".format).mask(frame["Kind"] == BETWEEN, "–"),
            **{name: frame[name].map("{:.1f}".format) for name in SIDES.values()},
        )
        caption = (
            f"Milliseconds of a training step by kind of work, {with_}; *difference* and *ratio*: this library's less, and over, "
            "compiled PyTorch's."
        )
        parts += [
            tables.numbered(shown, f"tab-speed-{stem}-{threads}", caption, data=frame),
        ]
    for threads, milliseconds in found["layers"].items():
        if threads != "1":
            frame = pd.DataFrame(milliseconds).rename_axis("kind").reset_index()
            caption = (
                f"Of this library's step with {threads} threads, milliseconds that are neither convolutions nor products, by the kind of "
                "layer that they are written in, forward and as a gradient."
            )
            parts.append(
                tables.numbered(
                    by_layer(milliseconds), f"tab-speed-{stem}-layers-{threads}", caption, data=frame
                )
            )
    return "\n\n".join(parts)


def recording_said(every: Mapping[str, Milliseconds]) -> str:
    """In words: how long recorded steps take beside unrecorded ones, lowest to highest; every: threads to `Milliseconds`."""
    ratios: dict[str, list[float]] = {}
    for milliseconds in every.values():
        for sides in milliseconds.values():
            for name, kinds in sides.items():
                ratios.setdefault(SIDES[name], []).append(kinds[RECORDED] / kinds[WHOLE])
    said = ", ".join(f"{min(some):.2f} to {max(some):.2f} times in {name}" for name, some in ratios.items())
    return f"Beside unrecorded steps recorded ones took {said}.".replace("This", "this")


def leads(
    rounds: Mapping[str, Mapping[str, list[dict[str, float]]]], side: str = "torch-compile"
) -> dict[str, tuple[float, float, float]]:
    """Stage to how many times as fast a side of `SIDES` is as this library, not recorded: median, lowest and highest of the rounds."""
    found = {}
    for stage, sides in rounds.items():
        ratios = [ours["step"] / one["step"] for ours, one in zip(sides["ours"], sides[side], strict=True)]
        found[stage] = median(ratios), min(ratios), max(ratios)
    return found


def lead_said(
    milliseconds: Milliseconds,
    layers: Mapping[str, Mapping[str, float]],
    rounds: Mapping[str, Mapping[str, list[dict[str, float]]]],
) -> str:
    """A point a stage: compiled PyTorch's lead, the kinds of work it lies in, and what would have to go for the aim."""
    said = []
    for stage, (ratio, low, high) in leads(rounds).items():
        ours, torch = milliseconds[stage]["ours"], milliseconds[stage]["torch-compile"]
        kinds = "; ".join(
            f"{kind} {ours[kind]:.0f} ms here and {torch[kind]:.0f} there"
            for kind in (PRODUCTS, OTHERS, BETWEEN)
        )
        took = pd.Series(layers[stage]).sort_values(ascending=False)
        largest = " and ".join(f"{kind} ({value / took.sum():.0%})" for kind, value in took.head(2).items())
        said.append(
            f"- {STAGES[stage]}: {ratio:.2f} ({low:.2f} to {high:.2f}). Of a step: {kinds}. "
            f"Of the other operations here the two largest kinds of layer are {largest}. {_aim_said(ours, torch)}"
        )
    return "\n".join(said)


def _aim_said(ours: Mapping[str, float], torch: Mapping[str, float]) -> str:
    """By how much less than PyTorch's all work but convolutions and products would have to take for the aim."""
    left = torch[WHOLE] / AIM - ours[PRODUCTS]
    if left <= 0:
        return f"With these convolutions and products it can't be {AIM} times as fast as compiled PyTorch, whatever else is spared."
    share = 1 - left / (torch[WHOLE] - torch[PRODUCTS])
    how = f"{share:.0%} less than PyTorch's" if share > 0 else "no less than PyTorch's"
    return f"To be {AIM} times as fast as compiled PyTorch with these convolutions and products, all else of a step would have to take {how}."


def peak_said(ours: Mapping[str, float], share: float, aim: float = 0.5) -> str:
    """What a larger share of the machine's peak in stage 1 would take; ours: kinds of its step; share: of the peak, today."""
    part = ours[PRODUCTS] / ours[WHOLE]
    at_peak = share / (share + 1 - part)
    as_is, fast = (share / aim - part) / (1 - part), (share / aim - share) / (1 - part)
    rest = f"to {as_is:.0%} of what it is" if as_is > 0 else "to less than nothing"
    return (
        f"In stage 1 convolutions and products take {part:.0%} of a step here; the share of the peak is of *The stages*, measured on another day. If they ran at the machine's peak and the rest stayed as it is, the "
        f"share of the peak would go from {share:.0%} to {at_peak:.0%}; for a share of {aim:.0%} the rest would have to shrink {rest} with them as they "
        f"are, or to {fast:.0%} with them at the peak. This is arithmetic about these programs, not a proof that no other could do it."
    )
