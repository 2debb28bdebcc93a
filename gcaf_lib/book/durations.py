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
        f"tab-speed-{stem}",
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
