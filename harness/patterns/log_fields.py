"""
Filter patterns of CloudWatch Logs for space-delimited log events: `[ip, user, ..., status = 4*, bytes > 1000]` (semantics §10.3).

What stands between square brackets or double quotes in a log event is one field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stagefright.patterns.log_conditions import BadLogPattern, Expression, Scanner, Text, read_operator, read_test

_FIELD = re.compile(r'\[([^\]]*)\]|"([^"]*)"|(\S+)')
_NAME = re.compile(r"[A-Za-z0-9_]+")
_BARE = re.compile(r"(?:(?!&&|\|\|)[^\s,()\"%\]])+")


@dataclass(frozen=True, slots=True)
class _Slot:
    """One place in a pattern; `holds` is None where there is no condition."""

    name: str | None
    holds: Callable[[Text], bool] | None = None


class FieldPattern:
    """
    A compiled pattern.

    >>> pattern = FieldPattern("[w1=ERROR || w1=WARNING, w2]")
    >>> pattern.matches("ERROR 09/25/2014 12:00:02 Failed to process request"), pattern.matches("INFO fine")
    (True, False)
    """

    def __init__(self, text: str) -> None:
        self._before: list[_Slot] = []
        self._after: list[_Slot] | None = None
        """What follows an ellipsis; None if there is none."""
        scanner = Scanner(text)
        scanner.accepts("[")
        self._read_slots(scanner)
        if not scanner.is_done:
            raise scanner.fail("the end after ']'")

    def matches(self, message: str) -> bool:
        """Whether a log event has such fields."""
        pairs = self._paired(message)
        return pairs is not None and all(slot.holds is None or slot.holds(field) for slot, field in pairs)

    def extract(self, message: str) -> dict[str, str]:
        """Every field by its name in the pattern, or by its number."""
        pairs = self._paired(message) or []
        return {f"${slot.name or number}": field for number, (slot, field) in enumerate(pairs, start=1)}

    def _paired(self, message: str) -> list[tuple[_Slot, str]] | None:
        """Each field with its place in the pattern, or None if they do not fit."""
        fields = fields_of(message)
        if self._after is None:
            return self._paired_in_order(message, fields)
        spare = len(fields) - len(self._before) - len(self._after)
        if spare < 0:
            return None
        slots = [*self._before, *[_Slot(None)] * spare, *self._after]
        return list(zip(slots, fields, strict=True))

    def _paired_in_order(self, message: str, fields: Sequence[str]) -> list[tuple[_Slot, str]] | None:
        """A last place without a condition stands for the rest of the line (AWS's "blank indicator")."""
        slots = self._before
        if len(fields) > len(slots) and slots and slots[-1].holds is None:
            starts = [found.start() for found in _FIELD.finditer(message)]
            fields = [*fields[: len(slots) - 1], message[starts[len(slots) - 1] :]]
        return list(zip(slots, fields, strict=True)) if len(fields) == len(slots) else None

    def _read_slots(self, scanner: Scanner) -> None:
        if scanner.accepts("]"):
            self._after = []  # `[]` fits every event
            return
        while True:
            self._read_slot(scanner)
            if scanner.accepts("]"):
                return
            if not scanner.accepts(","):
                raise scanner.fail("',' or ']'")

    def _read_slot(self, scanner: Scanner) -> None:
        if scanner.accepts("..."):
            if self._after is not None:
                raise BadLogPattern("Invalid filter pattern: it has more than one ellipsis")
            self._after = []
            return
        slots = self._before if self._after is None else self._after
        slots.append(_read_named(scanner))


def fields_of(message: str) -> list[str]:
    """
    The fields of a log event.

    >>> fields_of('127.0.0.1 [10/Oct/2000:13:25:15 -0700] "GET / HTTP/1.0" 404')
    ['127.0.0.1', '10/Oct/2000:13:25:15 -0700', 'GET / HTTP/1.0', '404']
    """
    return [found[found.lastindex or 0] for found in _FIELD.finditer(message)]


def _read_named(scanner: Scanner) -> _Slot:
    scanner.skip_space()
    start = scanner.place
    if scanner.text[start : start + 1] in (",", "]"):
        return _Slot(None)
    names: list[str] = []
    conditions: list[bool] = []

    def read_condition(scanner: Scanner) -> Callable[[Text], bool]:
        scanner.skip_space()
        name = scanner.match(_NAME)
        if name is None:
            raise scanner.fail("a field's name")
        names.append(name[0])
        operator = read_operator(scanner)
        conditions.append(operator is not None)
        return (lambda _: True) if operator is None else read_test(scanner, operator, _BARE)

    holds = Expression[Text](scanner, read_condition).parse()
    _check_names(names)
    return _Slot(names[0], holds if any(conditions) else None)


def _check_names(names: Sequence[str]) -> None:
    if len(set(names)) > 1:
        raise BadLogPattern(f"Invalid filter pattern: one field is called {' and '.join(_distinct(names))}")


def _distinct(names: Sequence[str]) -> Iterator[str]:
    return iter(dict.fromkeys(names))
