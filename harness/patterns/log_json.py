"""
Filter patterns of CloudWatch Logs for JSON log events: `{ $.level = "ERROR" && $.latency > 100 }` (semantics §10.3).

A selector must point to a value. Where it points to an object, an array or nothing, no comparison holds, not even `!=`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from stagefright.patterns.log_conditions import BadLogPattern, Expression, Scanner, read_operator, read_test

WILDCARDS_MAX = 3
"""How many wildcard selectors a pattern may have in all; each selector may have one."""

_NAME = re.compile(r"\.([A-Za-z0-9_-]+)")
_BRACKET_NAME = re.compile(r"\.?\['([^']+)'\]")
_INDEX = re.compile(r"\[(\d+)\]")
_ANY = re.compile(r"\.\*|\[\*\]")
_BARE = re.compile(r"(?:(?!&&|\|\|)[^\s(){}\"%])+")
_IS = re.compile(r"IS\s+(NULL|TRUE|FALSE)\b")
_NOT_EXISTS = re.compile(r"NOT\s+EXISTS\b")
_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}

WILDCARD = object()
"""A step of a selector that stands for every element or field."""

Step = str | int | object


class JsonPattern:
    """
    A compiled pattern.

    >>> JsonPattern('{ $.level = ERR* || $.code >= 500 }').matches('{"code": 503}')
    True
    """

    def __init__(self, text: str) -> None:
        scanner = Scanner(text)
        self._wildcards = 0
        self._selectors: dict[str, tuple[Step, ...]] = {}
        scanner.accepts("{")
        self._holds = Expression[Any](scanner, self._read_condition).parse()
        if not scanner.accepts("}") or not scanner.is_done:
            raise scanner.fail("'}'")

    def matches(self, message: str) -> bool:
        """Whether a log event is JSON, and as the pattern says."""
        event = _parsed(message)
        return event is not None and self._holds(event)

    def extract(self, message: str) -> dict[str, str]:
        """The values that the pattern's selectors point to, by selector."""
        event = _parsed(message)
        found = {text: list(_values(event, steps)) for text, steps in self._selectors.items()}
        return {text: _shown(values[0]) for text, values in found.items() if values}

    def _read_condition(self, scanner: Scanner) -> Callable[[Any], bool]:
        steps = self._read_selector(scanner)
        scanner.skip_space()
        if scanner.match(_NOT_EXISTS):
            return lambda event: not any(True for _ in _values(event, steps))
        constant = scanner.match(_IS)
        if constant is not None:
            wanted = _CONSTANTS[constant[1]]
            return lambda event: any(value is wanted for value in _values(event, steps))
        operator = read_operator(scanner)
        if operator is None:
            raise scanner.fail("a comparison, IS NULL, IS TRUE, IS FALSE or NOT EXISTS")
        test = read_test(scanner, operator, _BARE)
        return lambda event: any(
            test(value) for value in _values(event, steps) if isinstance(value, str | int | float | bool)
        )

    def _read_selector(self, scanner: Scanner) -> tuple[Step, ...]:
        scanner.skip_space()
        start = scanner.place
        if not scanner.accepts("$"):
            raise scanner.fail("a property selector such as $.name")
        steps = tuple(iter(lambda: _read_step(scanner), None))
        if not steps:
            raise scanner.fail("a property after $")
        wildcards = sum(step is WILDCARD for step in steps)
        self._wildcards += wildcards
        if wildcards > 1 or self._wildcards > WILDCARDS_MAX:
            raise BadLogPattern(
                f"Invalid filter pattern: one wildcard selector is allowed in a property selector, {WILDCARDS_MAX} in a pattern"
            )
        self._selectors[scanner.text[start : scanner.place]] = steps
        return steps


def _read_step(scanner: Scanner) -> Step | None:
    if scanner.match(_ANY):
        return WILDCARD
    index = scanner.match(_INDEX)
    if index is not None:
        return int(index[1])
    name = scanner.match(_NAME) or scanner.match(_BRACKET_NAME)
    return None if name is None else name[1]


def _parsed(message: str) -> Any:
    """A JSON object or array; None for anything else."""
    try:
        event = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict | list) else None


def _values(node: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    """What a selector points to; several values if it has a wildcard."""
    if not steps:
        yield node
        return
    step, *rest = steps
    for child in _children(node, step):
        yield from _values(child, tuple(rest))


def _children(node: Any, step: Step) -> list[Any]:
    if step is WILDCARD:
        return list(node.values()) if isinstance(node, dict) else list(node) if isinstance(node, list) else []
    if isinstance(step, int):
        return [node[step]] if isinstance(node, list) and step < len(node) else []
    return [node[step]] if isinstance(node, dict) and step in node else []


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
