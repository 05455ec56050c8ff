"""When: a fault that strikes for events with a certain content."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import Reader
from stagefright.chaos.faults.points import FaultPoint
from stagefright.chaos.faults.regexes import regex_problems
from stagefright.chaos.faults.wrapper import Wrapper

OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda actual, value: actual == value,
    "exists": lambda actual, value: True,
    "startsWith": lambda actual, value: actual.startswith(value),
    "regex": lambda actual, value: re.search(value, actual) is not None,
}
"""How failure-lambda 1.x compares the text at a path with a value."""

_MISSING = object()


@dataclass(frozen=True, eq=False, repr=False)
class When(Wrapper):
    """
    Strike if the event of the invocation has, at a dotted `path`, what `operator` wants: `match` of failure-lambda 1.x.

    What is compared is text: numbers, booleans and null as JSON writes them. A number in the path is a place in a list.

    >>> from stagefright.chaos import Failure
    >>> Failure("down").when("Records.0.body", "poison", operator="startsWith")
    Failure(message='down').when('Records.0.body', 'poison', operator='startsWith')
    """

    kind = "when"

    path: str
    value: str | None = None
    operator: str = "eq"

    def __repr__(self) -> str:
        value = "" if self.value is None else f", {self.value!r}"
        operator = "" if self.operator == "eq" else f", operator={self.operator!r}"
        return f"{self.fault!r}.when({self.path!r}{value}{operator})"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The path leads somewhere, and the operator has what it compares with."""
        wrong = super().problems(settings)
        path, operator, value = settings.get("path"), settings.get("operator", "eq"), settings.get("value")
        if not isinstance(path, str) or not path:
            wrong.append(f"path is {path!r}; it should be a dotted path into the event, such as detail.kind")
        if not isinstance(operator, str) or operator not in OPERATORS:
            return [*wrong, f"operator is {operator!r}; it should be one of {', '.join(OPERATORS)}"]
        if operator == "exists":
            return [*wrong, *([] if value is None else [f"value is {value!r}; exists compares with none"])]
        if not isinstance(value, str):
            return [*wrong, f"value is {value!r}; {operator} compares with text"]
        return [*wrong, *(regex_problems("value", value) if operator == "regex" else [])]

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """Only failure-lambda 1.x matches events."""
        said = self.fault.translations()
        found: dict[Reader, dict[str, Any]] = {reader: {} for reader, words in said.items() if not words}
        for mode, words in said.get(Reader.FAILURE_LAMBDA_1X, {}).items():
            conditions = [*words.get("match", []), self._condition()]
            found.setdefault(Reader.FAILURE_LAMBDA_1X, {})[mode] = {**words, "match": conditions}
        return found

    def _condition(self) -> dict[str, str]:
        condition = {"path": self.path, "operator": self.operator}
        return condition if self.value is None else {**condition, "value": self.value}

    def concerns(self, point: FaultPoint) -> bool:
        """What concerns the fault inside, while such an event is handled."""
        return hasattr(point, "event") and self._matches(point.event) and super().concerns(point)

    def _matches(self, event: Any) -> bool:
        actual = _at(event, self.path)
        return actual is not _MISSING and OPERATORS[self.operator](text_of(actual), self.value or "")


def text_of(value: Any) -> str:
    """
    A value of an event as JavaScript's `String` has it, which failure-lambda compares.

    >>> [text_of(value) for value in (True, None, 1.0, "x")]
    ['true', 'null', '1', 'x']
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part, _MISSING)
        elif isinstance(value, list) and part.isdecimal() and part.isascii():
            value = value[int(part)] if int(part) < len(value) else _MISSING
        else:
            return _MISSING
    return value
