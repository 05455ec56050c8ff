"""A plan: resources paired with the faults that should strike them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from stagefright.chaos.faults.catalogue import Unreadable, decode
from stagefright.chaos.faults.fault import AnyFault, Fault, encode
from stagefright.errors import UsageError


class Mark(Protocol):
    """A pytest mark, as far as a plan is concerned."""

    @property
    def args(self) -> tuple[Any, ...]:
        """What the mark was given by position."""
        ...

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """What the mark was given by name."""
        ...


@dataclass(frozen=True, repr=False)
class Plan:
    """
    The chaos grammar, read: each logical id with its faults.

    >>> from stagefright.chaos.faults.latency import Latency
    >>> Plan.of(Worker=Latency(delay_ms=400))
    chaos(Worker=Latency(delay_ms=400))
    """

    faults: Mapping[str, tuple[AnyFault, ...]]

    @classmethod
    def of(cls, **faults: Any) -> Plan:
        """Read `resource = fault` or `resource = [fault, ...]`; everything that is neither is refused at once."""
        lists = {name: _listed(value) for name, value in faults.items()}
        problems = [f"{name}: {problem}" for name, values in lists.items() for problem in _problems(values)]
        if not faults:
            problems.append("no fault is planned")
        if problems:
            hint = "Write chaos(LogicalId=fault) or chaos(LogicalId=[fault, ...])."
            raise UsageError("\n  - ".join(["This is not a plan:", *problems]) + f"\n{hint}")
        return cls(lists)

    @classmethod
    def from_mark(cls, mark: Mark) -> Plan:
        """Read `@pytest.mark.chaos(LogicalId=fault)`."""
        if mark.args:
            raise UsageError(
                f"@pytest.mark.chaos takes faults by the logical id of what they strike, not {mark.args!r} by position."
                "\nWrite @pytest.mark.chaos(LogicalId=fault)."
            )
        return cls.of(**mark.kwargs)

    def renamed(self, name_of: Callable[[str], str]) -> Plan:
        """The same plan with each resource under the name that the stage has for it."""
        return type(self)({name_of(name): faults for name, faults in self.faults.items()})

    @classmethod
    def from_text(cls, text: str) -> Plan:
        """
        Read what `text` gives: JSON, a list of faults by logical id.

        >>> Plan.from_text('{"Jobs": [{"kind": "duplicate", "copies": 2}]}')
        chaos(Jobs=Duplicate(copies=2))
        """
        try:
            data = json.loads(text, object_hook=_bytes_in)
        except (ValueError, RecursionError) as problem:
            raise UsageError(f"This is not the text of a plan: {str(problem) or type(problem).__name__}") from None
        if not isinstance(data, dict) or not data:
            raise UsageError(
                f"This is not the text of a plan: it should be an object with a list of faults by logical id, not {data!r}"
            )
        faults, problems = _decoded(data)
        if problems:
            raise UsageError("\n  - ".join(["This is not the text of a plan:", *problems]))
        return cls.of(**faults)

    def text(self) -> str:
        """The plan as one line of JSON, faults of deliveries included; `from_text` gives it back."""
        data = {name: [encode(fault) for fault in faults] for name, faults in self.faults.items()}
        return json.dumps(data, default=_bytes_out)

    def __iter__(self) -> Iterator[tuple[str, AnyFault]]:
        return ((name, fault) for name, faults in self.faults.items() for fault in faults)

    def __repr__(self) -> str:
        parts = [f"{name}={values[0] if len(values) == 1 else [*values]!r}" for name, values in self.faults.items()]
        return f"chaos({', '.join(parts)})"


BYTES = "$bytes"
"""How a plan's text marks bytes, which JSON has not: `{"$bytes": "base64"}`."""


def _bytes_out(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {BYTES: base64.b64encode(value).decode()}
    raise TypeError(f"{value!r} has no place in the text of a plan")


def _bytes_in(found: dict[str, Any]) -> Any:
    return base64.b64decode(found[BYTES], validate=True) if set(found) == {BYTES} else found


def _decoded(data: Mapping[str, Any]) -> tuple[dict[str, list[AnyFault]], list[str]]:
    from stagefright.chaos.faults.deliveries import DELIVERY_FAULTS

    others = {fault.kind: fault for fault in DELIVERY_FAULTS}
    faults: dict[str, list[AnyFault]] = {}
    problems = []
    for name, listed in data.items():
        for entry in listed if isinstance(listed, list) else [listed]:
            try:
                faults.setdefault(name, []).append(decode(entry, others=others))
            except Unreadable as problem:
                problems.append(f"{name}: {problem}")
    return faults, problems


def _listed(value: object) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _problems(values: tuple[object, ...]) -> list[str]:
    if not values:
        return ["the list of faults is empty"]
    return [_problem(value) for value in values if not isinstance(value, Fault)]


def _problem(value: object) -> str:
    if isinstance(value, type) and issubclass(value, Fault):
        return f"{value.__name__} is the class; call it with its settings: {value.__name__}(...)"
    return f"{value!r} is not a fault"
