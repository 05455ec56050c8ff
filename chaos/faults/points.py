"""
Fault points: the places a fault could strike, each with an identity that draws are keyed by.

    Arrival       before a function has an environment, on a local stage
    Invocation    before the handler of a function; an answer here stands in for the handler's
    Response      after it, with what it answered; an answer here replaces that
    ...           a kind of its own for whatever else a fault can strike (a connection, an SDK call): see `watch`

A fault says at which kinds it strikes (`Fault.strikes_at`), and the runtime offers it the points of those kinds only.

This file runs inside deployed functions, so it imports the standard library only. A function with a flag pays for it with its cold
start, and five dataclasses cost more than all the rest: points are made by hand.
"""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, NamedTuple, NoReturn, Self, dataclass_transform


class Answer(NamedTuple):
    """What a strike puts in the place of the true answer: of a handler's, of an SDK call's."""

    value: Any


Outcome = Answer | Exception | None
"""What came of a strike: an answer, an error to raise, or None: the victim goes on."""

Reach = Callable[..., Outcome]
"""Called at a point with the fields that its kind adds; gives what the faults that struck there want."""


class Memory:
    """
    What one run remembers of its faults; settings are in the frozen fault, progress is here.

    On a deployed function each execution environment has its own; on a local stage all environments of a function
    share one.
    """

    def __init__(self) -> None:
        self._counts: dict[Hashable, int] = {}
        self._times: dict[Hashable, float] = {}

    def count(self, key: Hashable) -> int:
        """Count one more, and say how many there were before."""
        before = self._counts.get(key, 0)
        self._counts[key] = before + 1
        return before

    def counted(self, key: Hashable) -> int:
        """How many there were."""
        return self._counts.get(key, 0)

    def first_time(self, key: Hashable) -> float:
        """The epoch second of the first question with this key."""
        return self._times.setdefault(key, time.time())


class _Fresh:
    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


def fresh(*, default_factory: Callable[[], Any]) -> Any:
    """The default of a field that each point makes for itself."""
    return _Fresh(default_factory)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(fresh,))
class _Value:
    """A frozen value, whose fields are given by name; what a dataclass would be, without the code that is compiled for each."""

    _made: ClassVar[dict[str, Callable[[], Any]]] = {}
    """How to make the fields that have no fixed default."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._made = cls._made | {name: value.make for name, value in vars(cls).items() if isinstance(value, _Fresh)}

    def __init__(self, **given: Any) -> None:
        for name in given:
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
        self.__dict__.update({name: make() for name, make in self._made.items() if name not in given}, **given)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"cannot assign to field {name!r}: {type(self).__name__} is a value")

    def but(self, **changes: Any) -> Self:
        """The same value with others in some fields."""
        return type(self)(**self.__dict__ | changes)


class FaultPoint(_Value, ABC):
    """One place that a fault could strike."""

    seed: int | str = 0

    slot: tuple[int, ...] = (0, 0)
    """
    Which fault is asked: the number of the block that planned it, its place there, and its place in each wrapper around
    it. So two faults at one point draw and count apart, and a block inside another shifts neither.
    """

    memory: Memory = fresh(default_factory=Memory)

    @property
    @abstractmethod
    def identity(self) -> tuple[object, ...]:
        """What tells this point from every other one of a run, without the slot."""

    def draw(self, low: float, high: float, *decides: str) -> float:
        """
        A float from [low, high) that depends on the seed, the point, the slot and what it decides alone.

        This is `Chance.uniform`, which a deployed function does not have; a test holds the two together.
        """
        key = "\x1f".join(str(part) for part in (self.seed, *self.identity, *self.slot, *decides))
        return low + (high - low) * (int.from_bytes(hashlib.shake_128(key.encode()).digest(8), "big") / 2**64)

    def count(self, what: str) -> int:
        """Count one more `what` of this fault at points of this kind, and say how many there were before."""
        return self.memory.count(self._key(what))

    def counted(self, what: str) -> int:
        """How many `what` of this fault there were at points of this kind."""
        return self.memory.counted(self._key(what))

    def elapsed_s(self) -> float:
        """The seconds since this fault first asked."""
        return time.time() - self.memory.first_time(self.slot)

    def inside(self, place: int = 0) -> Self:
        """The same point for the fault at `place` inside the one that is asked."""
        return self.but(slot=(*self.slot, place))

    def at(self, *slot: int) -> Self:
        """The same point for the fault of another slot."""
        return self.but(slot=slot)

    def following(self, outcome: Answer | Exception) -> Self | None:  # noqa: ARG002 (the contract)
        """The point as the next fault finds it after a strike with this outcome; None if that was the last word."""
        return None

    def _key(self, what: str) -> Hashable:
        return (what, type(self).__name__, self.slot)

    @classmethod
    def watch(cls, reach: Reach) -> AbstractContextManager[None]:  # noqa: ARG003 (the contract)
        """
        While this holds, tell `reach` of each point of this kind that the process comes to, and do as it says.

        `reach(host="...")` takes the fields that the kind adds. It knows which function is running, and answers None
        for code that is not of the function. Kinds that the runtime comes to by itself need not watch.
        """
        return nullcontext()


class FunctionPoint(FaultPoint):
    """A point within one invocation of a function."""

    event: Any = None
    context: Any = None

    nth: int = 0
    """How many invocations of this request id the memory knows before: the retries of one event share their id."""

    is_inside: Callable[[], bool] = fresh(default_factory=lambda: lambda: True)
    """Whether the code that runs just now is the function's own, which shares its process on a local stage."""

    storage_mb: int | None = None
    """The ephemeral storage that a local stage should imitate; None on Lambda, where the disk is the function's own."""

    @property
    def request_id(self) -> str:
        """AWS's id of the request; retries of one asynchronous event share it."""
        return str(getattr(self.context, "aws_request_id", ""))

    @property
    def identity(self) -> tuple[object, ...]:
        """The invocation; a kind of which one invocation has several points says more."""
        return (self.request_id, self.nth)

    def remaining_ms(self) -> int:
        """The milliseconds until the function times out."""
        return int(self.context.get_remaining_time_in_millis())

    @classmethod
    def within(cls, point: FunctionPoint, **more: Any) -> Self:
        """A point of this kind in the invocation of `point`; `more` are the fields that the kind adds."""
        return cls(**{name: getattr(point, name) for name in _OF_THE_INVOCATION} | more)


_OF_THE_INVOCATION = ("seed", "slot", "memory", "event", "context", "nth", "is_inside", "storage_mb")
"""What all points within one invocation share."""


class Arrival(FunctionPoint):
    """One invocation that has no environment yet; only a local stage comes to this point."""

    retire: Callable[[], None] = fresh(default_factory=lambda: lambda: None)
    """Ends the environments that the invocation could be given."""


class Invocation(FunctionPoint):
    """One invocation of a function, about to reach its handler."""


class Response(FunctionPoint):
    """One invocation whose handler has answered; one that failed has no response."""

    response: Any = None

    def following(self, outcome: Answer | Exception) -> Self | None:
        """The next fault sees what this one made of the response."""
        return self.but(response=outcome.value) if isinstance(outcome, Answer) else None


def in_turn(point: FaultPoint, strikes: Iterable[Callable[[FaultPoint], Outcome]]) -> Outcome:
    """Let faults strike one after the other until one ends the matter; each finds what the one before made of the point."""
    outcome: Outcome = None
    for strike in strikes:
        found = strike(point)
        if found is None:
            continue
        outcome, following = found, point.following(found)
        if following is None:
            break
        point = following
    return outcome
