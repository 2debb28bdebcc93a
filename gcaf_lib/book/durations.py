"""How long the book, the demo and the suite take: what the page on speed says of their recordings."""

from __future__ import annotations

from statistics import median
from typing import Any

import pandas as pd

from gcaf_lib.display import tables


def machine(found: dict[str, Any]) -> str:
    """Device and versions in words, as a benchmark's file has them, and whether its code is in no commit."""
    known = found["versions"] | found.get("torch", {})
    named = ["python", "keras", found["backend"], *sorted(found.get("torch", {}))]
    versions = ", ".join(f"{name} {known[name]}" for name in dict.fromkeys(named) if known.get(name))
    dirty = "; the code then was in no commit as it stood" if found.get("dirty") else ""
    return f"{found['device']}; {versions}{dirty}"


def chapters(seconds: dict[str, dict[str, float]]) -> pd.DataFrame:
    """One row a chapter, the slowest first, and their sum: seconds by kind of work."""
    table = pd.DataFrame(seconds).T
    table = table.assign(whole=table.sum(axis=1)).sort_values("whole", ascending=False, kind="stable")
    return pd.concat([table, table.sum().rename("all").to_frame().T]).rename_axis("Chapter").reset_index()


def chapters_text(stem: str, found: dict[str, Any]) -> str:
    frame = chapters(found["seconds"])
    total = frame.iloc[-1].drop("Chapter").astype(float)
    shares = ", ".join(f"{name} {v / total['whole']:.0%}" for name, v in total.drop("whole").items())
    each = (total["start"] + total["imports"]) / len(found["seconds"])
    table = tables.numbered(
        frame.assign(**{name: frame[name].map("{:.1f}".format) for name in total.index}),
        f"tab-speed-{stem}",
        f"Seconds of the chapters of `{found['asked']['profile']}`, made from the committed records, by kind of work.",
        data=frame,
    )
    together = ""
    if rounds := found.get("together"):
        low, middle, high = map(minutes, (min(rounds), median(rounds), max(rounds)))
        together = f" Side by side, as `gcaf chapters` does it, all took {middle} minutes by the clock ({low} to {high} in {len(rounds)} rounds)."
    return (
        f"Recorded on {machine(found['machine'])}, one chapter after another: {total['whole']:.0f} s in all ({shares}). The kernel's start and "
        f"imports alone are {each:.1f} s a chapter.{together}\n\n{table}"
    )


def minutes(seconds: float) -> str:
    """`2:07`: minutes and whole seconds."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def main_run(rounds: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a part, the longest first, and their sum: seconds by the clock and of the processor, means of the rounds."""
    table = pd.concat({n: pd.DataFrame(one["parts"]).T for n, one in enumerate(rounds)})
    mean = table.groupby(level=1).sum() / len(rounds)
    mean = mean.sort_values("clock", ascending=False, kind="stable")
    return pd.concat([mean, mean.sum().rename("all").to_frame().T]).rename_axis("Part").reset_index()


def first_epochs(epochs: dict[str, list[float]]) -> float:
    """By how many seconds the first epochs of all stages were longer, together, than their stage's median of the others."""
    return sum(first - median(others) for first, *others in epochs.values() if others)


def change_said(commits: dict[str, dict[str, Any]]) -> str:
    """What a main run with its stage 0 took at two commits, one run of each; commits: hash to clock, user, system, stages."""
    (first, before), (last, now) = commits.items()
    spent = [one["user"] + one["system"] for one in (before, now)]
    epochs = [sum(one["stages"].values()) for one in (before, now)]
    outside = [one["clock"] - some for one, some in zip((before, now), epochs)]
    return (
        f"A main run with its two stage 0 took {spent[0]:.0f} s of processor time before these changes (commit {first}) and {spent[1]:.0f} s with them "
        f"({last}): {spent[1] / spent[0]:.2f}, {spent[0] / 3:.0f} s were aimed at. That is one run of each, one after the other on an idle "
        f"machine. Epochs took {epochs[0]:.0f} and {epochs[1]:.0f} s by the clock ({epochs[1] / epochs[0]:.2f}), what is outside them "
        f"{outside[0]:.0f} and {outside[1]:.0f} s; {before['system']:.0f} and {now['system']:.0f} s of the processor's time were the system's."
    )


def bound_said(
    commits: dict[str, dict[str, Any]], rounds: list[dict[str, Any]], products: list[float]
) -> str:
    """What a third of the time leaves beside steps, and beside convolutions and products; products: their share of a step, by
    stage, with one thread, whose clock is about the processor's."""
    before, now = (one["user"] + one["system"] for one in commits.values())
    parts = main_run(rounds).set_index("Part")
    shares = parts.div(parts.loc["all"])
    steps, maps = shares["processor"]["steps"], parts.loc["heat maps"]
    outside = sum(one["clock"] - sum(map(sum, one["epochs"].values())) for one in rounds) / len(rounds)
    least, most = (now / before * steps * part for part in (min(products), max(products)))
    return (
        "*Steps* has what TensorFlow prepares at a graph's first step and the copies of weights at an epoch's end; *networks built* also the optimiser. Of this "
        f"recording shares count, its seconds are of another day. Steps are {steps:.0%} of the processor's time. Of the {outside:.0f} s outside the epochs "
        f"{maps['clock']:.0f} go to the heat maps that a record keeps ({maps['processor']:.0f} of the processor: on one thread). With nothing but the steps a run would take "
        f"{now / before * steps:.2f} of the time before. With one thread convolutions and products are {min(products):.0%} to {max(products):.0%} of a step "
        f"(*Beside PyTorch*). In that share they alone take {least:.2f} to {most:.2f} of the time before, by stage, where 0.33 for all was the aim."
    )


def main_run_text(stem: str, found: dict[str, Any]) -> str:
    rounds = found["rounds"]
    frame = main_run(rounds)
    said = "; ".join(
        f"{one['clock']:.0f} s by the clock, {one['user'] + one['system']:.0f} of the processor ({one['system']:.0f} the system's), "
        f"in epochs {sum(map(sum, one['epochs'].values())):.0f}, of which the first ones have {first_epochs(one['epochs']):.0f} more than "
        "later ones"
        for one in rounds
    )
    table = tables.numbered(
        frame.assign(
            clock=frame["clock"].map("{:.1f}".format), processor=frame["processor"].map("{:.1f}".format)
        ).rename(columns={"clock": "By the clock (s)", "processor": "Of the processor (s)"}),
        f"tab-speed-{stem.replace('_', '-')}",
        f"A main run of `{found['asked']['profile']}` with its stage 0, part by part (means of {len(rounds)} rounds; a part is not in the "
        "one around it).",
        data=frame,
    )
    return f"Recorded on {machine(found['machine'])}, a process each: {said}.\n\n{table}"


def demo_text(stem: str, found: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {minutes(seconds)}" for name, seconds in found["seconds"].items())
    return (
        f"`make demo` in an empty clone with an empty pip cache, recorded on {machine(found['machine'])}: {minutes(found['clock'])} minutes by the "
        f"clock ({parts}).\n"
    )


def suite(found: dict[str, Any]) -> pd.DataFrame:
    """One row a test, the longest first, then all others and their sum: seconds, set-up included."""
    longest, whole = found["longest"], sum(found["files"].values())
    rows = [*longest.items(), ("all others", whole - sum(longest.values())), ("all", whole)]
    return pd.DataFrame(
        [(name.replace("::test_", ": ").replace("_", " "), value) for name, value in rows],
        columns=["Test", "Seconds"],
    )


def suite_text(stem: str, found: dict[str, Any]) -> str:
    frame, counted = suite(found), found["counted"]
    broken = counted["failures"] + counted["errors"]
    table = tables.numbered(
        frame.assign(Seconds=frame["Seconds"].map("{:.0f}".format)),
        f"tab-speed-{stem}",
        "The longest tests. What is set up once for many tests counts for the first of them.",
        data=frame,
    )
    return (
        f"Recorded on {machine(found['machine'])}: {counted['tests']:,} tests ({broken} failed, {counted['skipped']} skipped) in "
        f"{found['clock'] / 60:.1f} minutes by the clock with {found['asked']['workers']} processes, {found['processor'] / 60:.1f} minutes of processor time."
        f"\n\n{table}"
    )
