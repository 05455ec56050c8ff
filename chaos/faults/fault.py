"""
The contract of every fault.

A fault is one kind of harm with its settings: a frozen dataclass in a file of its own. It has three verbs, and the
runtime calls them in this order at every fault point that the fault may strike:

    harm = fault.prepare(point)      decide what this strike will do, None for no strike; nothing is hurt yet
    outcome = fault.strike(point, harm)    do it; an error that is returned is raised in the victim's stead, and an
                                           `Answer` is given in its stead
    fault.heal(point, harm)          undo it when the invocation is over, whatever happened in between

`prepare` is where things may go wrong: an error there, or one *raised* by `strike`, is the fault's own trouble. It is
logged, and the victim runs as if there were no fault. Only what `strike` *returns* reaches the victim.

Faults can be wrapped: `Failure("down").with_probability(0.3).at_most(2)`. A wrapper is a fault too, made of the fault that
it wraps, and decides in its own `prepare` whether that one is asked.

This file and its neighbours run inside deployed functions, so they import the standard library and each other only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar

from stagefright.chaos.faults.points import FaultPoint, Invocation, Outcome

if TYPE_CHECKING:
    from stagefright.chaos.faults.at_most import AtMost
    from stagefright.chaos.faults.during import During
    from stagefright.chaos.faults.on_call import OnCall
    from stagefright.chaos.faults.when import When
    from stagefright.chaos.faults.with_probability import WithProbability

Point = TypeVar("Point", bound=FaultPoint)

Harm = dict[str, Any]
"""What one strike does, as JSON-like data: the drawn delay, the error's type. It is logged and journaled."""

FUNCTIONS = ("AWS::Lambda::Function", "AWS::Serverless::Function")
"""The resource types of functions."""

DURATION_MS_MAX = 900_000
"""No Lambda function runs longer than 15 minutes, so no fault needs to last longer."""


class Reader(StrEnum):
    """The other injectors that can read our flags; each is told a fault in its own words."""

    FAILURE_LAMBDA_0X = "failure_lambda_0x"
    FAILURE_LAMBDA_1X = "failure_lambda_1x"
    CHAOS_LAMBDA = "chaos_lambda"


class Fault(ABC, Generic[Point]):
    """One kind of harm with its settings; wrong settings are refused at construction, all of them at once."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    """Every subclass is a dataclass; this one is not, since it has no settings, and a cold start pays for each."""

    kind: ClassVar[str]
    """The name of the fault in flags, logs and the journal."""

    turn: ClassVar[int]
    """Faults of one function strike in the order of their turns, which is failure-lambda's own fixed order."""

    applies_to: ClassVar[tuple[str, ...]] = FUNCTIONS
    """The resource types that the fault can be planned for."""

    passes: ClassVar[bool] = False
    """Whether it hurts nothing, and so can stand for a call that passes, whatever calls are."""

    is_local: ClassVar[bool] = False
    """Whether only a local stage has what the fault strikes."""

    strikes_at: ClassVar[tuple[type[FaultPoint], ...]] = (Invocation,)
    """The kinds of points that the fault is offered."""

    def __post_init__(self) -> None:
        for name, value in self._given().items():
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))  # a fault is a value, all through
        problems = self.problems(self._given())
        if problems:
            refuse(f"{Fault.__repr__(self)} cannot be used", problems)

    # Written once here, and not compiled anew for each fault (`eq=False`): a function pays for that with its cold start.
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._given().items())})"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The fault with these settings, in which `problems` found nothing wrong."""
        return cls(**settings)

    def parts(self) -> tuple[AnyFault, ...]:
        """The plain faults that this one is made of: itself, unless it is a wrapper."""
        return (self,)

    def depth(self) -> int:
        """How many faults are inside each other here."""
        return 1

    def concerns(self, point: FaultPoint) -> bool:
        """Whether the fault could strike here (it is this operation, this host); wrappers count such points only."""
        return isinstance(point, self.strikes_at)

    def settings(self) -> dict[str, Any]:
        """The settings that differ from their defaults, as plain data; with `kind` they are the fault in a flag."""
        return {name: _plain(value) for name, value in self._given().items()}

    def _given(self) -> dict[str, Any]:
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        # True equals 1, and is not the same setting.
        return {name: v for name, (v, default) in values.items() if v != default or type(v) is not type(default)}

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with `settings`, one sentence each; none if a fault can be made of them."""
        known = sorted(field.name for field in fields(cls))
        has = f"it has {', '.join(known)}" if known else "it has none"
        return [f"{name!r} is not a setting of {cls.__name__}; {has}" for name in settings if name not in known]

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """The fault in the words of each reader that can do exactly this; other readers are left out."""
        return {}

    @abstractmethod
    def prepare(self, point: Point) -> Harm | None:
        """Decide what this strike will do; None if it does not strike here. Nothing is hurt yet."""

    @abstractmethod
    def strike(self, point: Point, harm: Harm) -> Outcome:
        """Do the harm. An error or an `Answer` that is returned takes the place of what the victim would give."""

    @abstractmethod
    def heal(self, point: Point, harm: Harm) -> None:
        """Undo the harm; called once for each strike, in reverse order, whatever happened."""

    # -- wrappers, imported when they are used, since they are made of this file ---------------------------------------

    def with_probability(self, probability: float) -> WithProbability:
        """This fault, now and then."""
        from stagefright.chaos.faults.with_probability import WithProbability

        return WithProbability(self, probability)

    def on_call(self, *calls: int) -> OnCall:
        """This fault, at the calls with these numbers; the first is 1."""
        from stagefright.chaos.faults.on_call import OnCall

        return OnCall(self, calls)

    def at_most(self, times: int) -> AtMost:
        """This fault, so many times and no more."""
        from stagefright.chaos.faults.at_most import AtMost

        return AtMost(self, times)

    def when(self, path: str, value: object = None, *, operator: str | None = None) -> When:
        """
        This fault, if the event has `value` at the dotted `path`; without a value, if it has anything there.

        `operator` is one of failure-lambda's: eq, exists, startsWith, regex.
        """
        from stagefright.chaos.faults.when import When, text_of

        chosen = operator or ("exists" if value is None else "eq")
        return When(self, path, None if value is None else text_of(value), chosen)

    def during(self, span: str | float, *, after: str | float = 0) -> During:
        """This fault, for a span of time such as "5m", which begins with its first call or so long `after` it."""
        from stagefright.chaos.faults.during import During
        from stagefright.spans import parse_span

        return During(self, parse_span(span), parse_span(after))


AnyFault = Fault[Any]
"""A fault, wherever it strikes."""


def encode(fault: AnyFault) -> dict[str, Any]:
    """
    A fault as plain data.

    >>> from stagefright.chaos.faults.latency import Latency
    >>> encode(Latency(delay_ms=400))
    {'kind': 'latency', 'delay_ms': 400}
    """
    return {"kind": fault.kind, **fault.settings()}


def _plain(value: Any) -> Any:
    if isinstance(value, Fault):
        return encode(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def turn_of(fault: AnyFault) -> int:
    """When the fault strikes among others of the same function."""
    return min(part.turn for part in fault.parts())


def mode_of(fault: AnyFault) -> str:
    """
    The fault's name in a log line: of what strikes, not of the wrappers around it.

    >>> from stagefright.chaos.faults.noop import Noop
    >>> mode_of(Noop())
    'noop'
    """
    return "+".join(dict.fromkeys(part.kind for part in fault.parts()))


def points_of(faults: Iterable[AnyFault]) -> list[type[FaultPoint]]:
    """The kinds of points at which any of the faults strikes, each once."""
    return list(dict.fromkeys(kind for fault in faults for part in fault.parts() for kind in part.strikes_at))


def is_for(fault: AnyFault, resource_type: str) -> bool:
    """Whether the fault can be planned for a resource of this type."""
    return all(resource_type in part.applies_to for part in fault.parts())


def duration_problems(settings: Mapping[str, Any], *names: str) -> list[str]:
    """What is wrong with the settings among `names` that are given; each should be a number of milliseconds."""
    wrong = [name for name in names if name in settings and not _is_duration(settings[name])]
    return [f"{name} is {settings[name]!r}; it should be a number from 0 to {DURATION_MS_MAX}" for name in wrong]


def _is_duration(value: object) -> bool:
    # True is an int to Python, and not a number of milliseconds to anyone; NaN fails the comparison.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= DURATION_MS_MAX


def refuse(what: str, problems: list[str]) -> NoReturn:
    """Raise the `UsageError` that lists `problems`."""
    # Imported here because a deployed function has no harness. It never comes here either: it checks `problems` first.
    from stagefright.errors import UsageError

    raise UsageError("\n  - ".join([f"{what}:", *problems]))
