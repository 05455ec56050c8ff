"""The printed table, and the same as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.rows import ROWS, Row


@dataclass
class Cell:
    """What one contestant showed for one row, over all rounds."""

    samples: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def figure(self) -> float | None:
        """The median, or None when there is nothing to take it of."""
        return median(self.samples) if self.samples else None

    @property
    def best(self) -> float | None:
        """The least: what it takes when nobody else wants the machine."""
        return min(self.samples, default=None)


Results = Mapping[str, Mapping[str, Cell]]
"""Cells by contestant, then by row."""


def as_text(results: Results, keys: Sequence[str] = ()) -> str:
    """
    The table for a terminal; the first contestant is the one that has a budget, the others are compared to it.

    `keys` choose rows, none of them all.
    """
    us, *rivals = results
    notes = Notes()
    head = ["median of one run", us, "budget", *rivals, ""]
    lines = [head] + [_line(row, results, us, rivals, notes) for row in ROWS if not keys or row.key in keys]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    table = [
        "  ".join(text.ljust(width) if column == 0 else text.rjust(width) for column, (text, width) in pairs).rstrip()
        for pairs in ([*enumerate(zip(line, widths, strict=True))] for line in lines)
    ]
    return "\n".join([*table, "", *(f"[{mark}] {text}" for text, mark in notes.items())])


class Notes(dict[str, int]):
    """What is said below the table, and the number that points to it."""

    def mark(self, text: str) -> str:
        """The pointer to a note; the same text has the same number."""
        return f" [{self.setdefault(text, len(self) + 1)}]" if text else ""


def as_data(results: Results) -> dict[str, Any]:
    """The same, with the samples, for a file."""
    return {
        row.key: {
            "title": row.title,
            "unit": row.unit,
            "budget": row.budget,
            "contestants": {
                name: {"median": cell.figure, "best": cell.best, "note": cell.note, "samples": cell.samples}
                for name, cells in results.items()
                if (cell := cells.get(row.key))
            },
        }
        for row in ROWS
    }


def _line(row: Row, results: Results, us: str, rivals: list[str], notes: Notes) -> list[str]:
    own = results[us].get(row.key, Cell())
    budget = f"{row.budget:g} {row.unit}" if row.budget is not None else ""
    if us == "stagefright" and own.figure is not None and row.budget is not None:
        budget += "  ok" if own.figure <= row.budget else "  OVER"
    others = [_against(row, results[name].get(row.key, Cell()), own, notes) for name in rivals]
    return [row.title, _show(row, own, notes), budget, *others, row.yardstick]


def _show(row: Row, cell: Cell, notes: Notes) -> str:
    if cell.figure is None:
        return cell.note or "-"
    number = f"{cell.figure:,.0f}" if abs(cell.figure) >= 100 or row.unit == "bytes" else f"{cell.figure:.3g}"
    return f"{number} {row.unit}{notes.mark(cell.note)}"


def _against(row: Row, cell: Cell, own: Cell, notes: Notes) -> str:
    shown = _show(row, cell, notes)
    if cell.figure is None or not own.figure or row.unit != "ms":
        return shown
    ratio = cell.figure / own.figure
    return f"{shown} = {ratio:,.0f} x" if ratio >= 10 else f"{shown} = {ratio:.1f} x"
