"""
Measure, and print the table: `python -m benchmarks`.

The contestants take turns, round after round, each in a process of its own, so that a machine that slows down slows all of
them. A figure is the median over all rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.contest import Cannot
from benchmarks.plugin_cost import plugin_unused
from benchmarks.rows import ROWS
from benchmarks.runtime_cost import cold_starts
from benchmarks.table import Cell, as_data, as_text

CONTESTANTS = {"stagefright": "ours", "raw moto": "raw_moto", "MiniStack": "ministack"}
Cells = dict[str, dict[str, Cell]]


def main() -> int:
    """Run the contest."""
    options = _options()
    machine = _machine(options.rounds)
    results: Cells = {name: defaultdict(Cell) for name in options.only}
    for turn in range(options.rounds):
        for name in options.only:
            print(f"round {turn + 1} of {options.rounds}: {name}", file=sys.stderr, flush=True)
            _measure(name, results[name], options.row, heavy=turn == 0 and not options.quick)
    if not options.row or "plugin_unused" in options.row:
        _measure_plugin(results)
    if not options.row or {"runtime_unused", "runtime_striking"} & set(options.row):
        _measure_runtime(results)
    for cells in results.values():
        _add_ratio(cells)
    machine["load_at_end"] = _load()
    print(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in machine.items()) + "\n")
    print(as_text(results, options.row))
    if options.json:
        options.json.write_text(json.dumps({"run": machine, "rows": as_data(results)}, indent=1) + "\n")
    return 0


def _machine(rounds: int) -> dict[str, Any]:
    """What a reader needs to know of the run: above all, whether the machine had other things to do."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in ("boto3", "moto")},
        "system": platform.platform(terse=True),
        "cores": os.cpu_count(),
        "rounds": rounds,
        "load_at_start": _load(),
    }


def _load() -> float:
    return round(os.getloadavg()[0], 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=3, help="how often each contestant runs (default 3)")
    parser.add_argument("--quick", action="store_true", help="leave out the rows that take many seconds")
    parser.add_argument("--only", action="append", choices=CONTESTANTS, help="measure this contestant; repeatable")
    parser.add_argument(
        "--row",
        action="append",
        choices=[row.key for row in ROWS],
        default=[],
        help="measure this row only; repeatable",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write medians and samples to FILE")
    options = parser.parse_args()
    options.only = options.only or list(CONTESTANTS)
    return options


def _measure(name: str, cells: dict[str, Cell], rows: list[str], *, heavy: bool) -> None:
    module = f"benchmarks.contestants.{CONTESTANTS[name]}"
    command = [sys.executable, "-m", module, *rows, *(["--heavy"] if heavy else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    for line in done.stdout.splitlines():
        result = json.loads(line)
        cell = cells[result["row"]]
        cell.samples += result.get("samples", [])
        cell.note = result.get("note", "")
    if done.returncode:
        print(f"{name}: no table entry, see above", file=sys.stderr)


def _measure_plugin(results: Cells) -> None:
    if "stagefright" in results:
        try:
            results["stagefright"]["plugin_unused"].samples = plugin_unused()
        except Cannot as reason:
            results["stagefright"]["plugin_unused"].note = str(reason)


def _measure_runtime(results: Cells) -> None:
    if "stagefright" in results:
        try:
            for key, samples in cold_starts().items():
                results["stagefright"][key].samples = samples
        except Cannot as reason:
            results["stagefright"]["runtime_unused"].note = str(reason)


def _add_ratio(cells: dict[str, Cell]) -> None:
    small, large = cells["backlog_small"], cells["backlog_large"]
    if small.figure and large.figure:
        cells["backlog_ratio"] = Cell([large.figure / small.figure], large.note)


if __name__ == "__main__":
    sys.exit(main())
