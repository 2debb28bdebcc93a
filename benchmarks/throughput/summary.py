"""From single measurements to the table: medians over rounds, ratios within rounds, one peak for all."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from statistics import median

REFERENCE = "ours"
COLUMNS = (
    "contender", "stage", "rounds", "images_per_second", "low", "high",
    "ratio", "ratio_low", "ratio_high", "first_step_s", "host_gib", "device_gib",
    "fraction_of_peak", "flops_per_image", "forward_flops", "forward_check", "weights", "trained", "note",
)  # fmt: skip


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, lowest and highest. Raises `ValueError` for no values at all."""
    if not values:
        raise ValueError("no values: nothing was measured")
    return median(values), min(values), max(values)


def ratios(values: dict[int, float], reference: dict[int, float]) -> list[float]:
    """value / reference of the rounds (keys) that have both: a drift between rounds cancels."""
    return [values[r] / reference[r] for r in sorted(values.keys() & reference.keys())]


def peak(measured: list[dict]) -> float | None:
    """The machine's arithmetic, FLOP/s: the best contender's median over its matmuls."""
    rates: dict[str, list[float]] = {}
    for one in measured:
        rates.setdefault(one["contender"], []).append(one["matmul_flops"])
    return max((median(r) for r in rates.values()), default=None)


def table(measured: list[dict], contenders: list[str], missing: dict[str, str], stages: dict) -> list[dict]:
    """One row for each contender and stage, those that couldn't run too, with their reason.

    measured: what the processes read, with contender, stage and round; missing: contender →
    reason; stages: the plan's counts, {"1": {"flops", "forward", "weights", "trained"}}, in the table's order.
    """
    best, rows = peak(measured), []
    for stage, counts in stages.items():

        def of(name: str, stage=stage) -> list[dict]:
            return [m for m in measured if m["contender"] == name and m["stage"] == stage]

        speed = {name: {m["round"]: m["images_per_second"] for m in of(name)} for name in contenders}
        for name in contenders:
            found = of(name)
            row = dict.fromkeys(COLUMNS) | {"contender": name, "stage": stage, "rounds": len(found)}
            row["note"] = missing.get(name, "")
            if found:
                row |= zip(("images_per_second", "low", "high"), spread(list(speed[name].values())))
                if paired := ratios(speed[name], speed.get(REFERENCE, {})):
                    row |= zip(("ratio", "ratio_low", "ratio_high"), spread(paired))
                for field in ("first_step_s", "host_gib", "device_gib", "forward_check"):
                    known = [m[field] for m in found if m.get(field) is not None]
                    row[field] = median(known) if known else None
                row["flops_per_image"], row["forward_flops"] = counts["flops"], counts["forward"]
                row["fraction_of_peak"] = row["images_per_second"] * counts["flops"] / best
                row |= {field: found[0][field] for field in ("weights", "trained")}
                for field in ("weights", "trained"):
                    if row[field] != counts[field]:
                        row["note"] += f" {field}: {row[field] - counts[field]:+,} against {REFERENCE}"
                row["note"] = row["note"].strip()
            rows.append(row)
    return rows


def as_csv(rows: list[dict]) -> str:
    """The whole table, one line a row."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_text(rows: list[dict]) -> str:
    """The table for the terminal, as Markdown; reasons below it."""

    def cell(row, field, form, low=None, high=None):
        if row[field] is None:
            return "-"
        text = format(row[field], form)
        return f"{text} ({row[low]:{form}} to {row[high]:{form}})" if low and row["rounds"] > 1 else text

    heads = ("stage", "contender", "images/s", "ratio to ours", "first step, s", "host, GiB", "device, GiB",
             "of peak")  # fmt: skip
    lines = [
        (
            row["stage"],
            row["contender"],
            cell(row, "images_per_second", ".4g", "low", "high"),
            cell(row, "ratio", ".2f", "ratio_low", "ratio_high"),
            cell(row, "first_step_s", ".1f"),
            cell(row, "host_gib", ".2f"),
            cell(row, "device_gib", ".2f"),
            cell(row, "fraction_of_peak", ".1%"),
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    rule = tuple("-" * width for width in widths)
    text = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |" for line in [heads, rule, *lines]
    ]
    notes: dict[str, None] = {}
    for row in rows:
        if row["note"]:
            notes[f"{row['contender']}: {row['note']}"] = None
    return "\n".join([*text, *([""] if notes else []), *notes])


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
