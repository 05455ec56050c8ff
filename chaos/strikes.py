"""
The strikes of one invocation: which faults are asked at which points, what came of it, and the healing.

This file runs inside deployed functions, so it imports the standard library and the faults only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from stagefright.chaos.faults.fault import AnyFault, Harm, mode_of, points_of
from stagefright.chaos.faults.points import Answer, FaultPoint, FunctionPoint, Outcome, Response, in_turn
from stagefright.chaos.flags import Flag
from stagefright.chaos.runtime import StrikeListener, log

_striking: ContextVar[bool] = ContextVar("stagefright_striking", default=False)
"""Whether this thread is in a fault just now: what a fault does is no point for another."""


class Strikes:
    """What the faults of a flag do to one invocation; `tell` writes a line to the function's log."""

    def __init__(
        self,
        flag: Flag,
        invocation: FunctionPoint,
        *,
        listener: StrikeListener | None,
        tell: Callable[..., None] = log,
    ) -> None:
        self._faults = tuple(zip(flag.faults, flag.slots, strict=True))
        self._invocation = invocation
        self._tell = tell
        self._listener = listener
        self._struck: list[tuple[AnyFault, FaultPoint, Harm]] = []

    def before(self) -> Outcome:
        """Strike before the handler: an answer stands in for the handler's, an error is to be raised."""
        return self._outcome(self._invocation)

    def after(self, response: Any) -> Outcome:
        """Strike after the handler: an answer takes the place of its response, an error is to be raised."""
        return self._outcome(Response.within(self._invocation, response=response))

    @contextmanager
    def during(self) -> Iterator[None]:
        """Watch the points that the handler comes to while it runs."""
        with ExitStack() as watches:
            for kind in points_of(fault for fault, _ in self._faults):
                try:
                    watches.enter_context(kind.watch(self._reach(kind)))
                except Exception as problem:  # noqa: BLE001 (a fault of ours must not break the function)
                    self._tell("error", "error", message=f"{kind.__name__} cannot be watched: {problem!r}")
            yield

    def heal(self) -> None:
        """Undo every strike, the last one first."""
        for fault, point, harm in reversed(self._struck):
            try:
                fault.heal(point, harm)
            except Exception as problem:  # noqa: BLE001 (a fault of ours must not break the function)
                self._log_trouble(fault, "could not be healed", problem)

    def _reach(self, kind: type[FaultPoint]) -> Callable[..., Outcome]:
        assert issubclass(kind, FunctionPoint), f"{kind.__name__} is not within a function"

        def reach(**more: Any) -> Outcome:
            if _striking.get() or not self._invocation.is_inside():
                return None
            return self._outcome(kind.within(self._invocation, **more))

        return reach

    def _outcome(self, point: FaultPoint) -> Outcome:
        """Ask every fault until one ends the matter."""
        return in_turn(point, (partial(self._strike, fault, slot) for fault, slot in self._faults))

    def _strike(self, fault: AnyFault, slot: tuple[int, ...], where: FaultPoint) -> Outcome:
        point = where.at(*slot)
        token = _striking.set(True)
        try:
            return self._struck_by(fault, point) if fault.concerns(point) else None
        except Exception as problem:  # noqa: BLE001 (a fault of ours must not break the function)
            self._log_trouble(fault, "could not strike", problem)
            return None
        finally:
            _striking.reset(token)

    def _struck_by(self, fault: AnyFault, point: FaultPoint) -> Outcome:
        harm = fault.prepare(point)
        if harm is None:
            return None
        self._struck.append((fault, point, harm))
        # The fault with its settings is what tells, outside of this process, which of the planned ones it was.
        said = {"fault": fault.kind, "settings": fault.settings(), "request_id": self._invocation.request_id}
        self._tell("warn", "inject", **{"mode": mode_of(fault), **harm, **said})
        if self._listener is not None:
            self._listener(fault, harm)
        return _checked(fault.strike(point, harm))

    def _log_trouble(self, fault: AnyFault, what: str, problem: Exception) -> None:
        message = f"{fault!r} {what}: {type(problem).__name__}: {problem}"
        self._tell("error", "error", mode=mode_of(fault), message=message, request_id=self._invocation.request_id)


def _checked(outcome: object) -> Outcome:
    if outcome is None or isinstance(outcome, Answer | Exception):
        return outcome
    raise TypeError(f"a strike gives an Answer, an error or None, not {outcome!r}")
