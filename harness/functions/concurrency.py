"""
Who may run: the reserved and the provisioned concurrency of a function, the account's, and how fast each may grow (aws-semantics §1.8).

An invocation in a provisioned environment always has its place. Every other one needs a place among those that its function has reserved and
not provisioned, or, if it has reserved none, among those that nobody has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from stagefright.aws_api.errors import ApiError
from stagefright.services import lambda_limits as limits

if TYPE_CHECKING:
    from stagefright.clock import Clock
    from stagefright.delivery.interference import Admission
    from stagefright.services.function import Function
    from stagefright.world import World

UNRESERVED = ""
"""The bucket of all functions that have reserved nothing; no function has this name."""


class Concurrency:
    """Counts the invocations under way, and refuses those that would be too many."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._on_demand: Counter[str] = Counter()
        """Invocations under way in environments that are not provisioned, by function name."""
        self._running: Counter[str] = Counter()
        """All invocations under way, by function name."""
        self._requests: dict[str, _Bucket] = {}
        self._growth: dict[str, _Bucket] = {}

    def clear(self) -> None:
        """Nothing is under way any more, nor ever was."""
        self._on_demand.clear()
        self._running.clear()
        self._requests.clear()
        self._growth.clear()

    @contextmanager
    def admitted(
        self, function: Function, *, provisioned: bool, grows: bool, admission: Admission | None = None
    ) -> Iterator[None]:
        """
        Within the block an invocation counts; raises `ApiError` before anything runs if there is no room for it.

        `provisioned`: it runs in such an environment. `grows`: it needs a new environment. `admission`: what faults are told of it.
        """
        if admission is not None:
            self._ask_faults(function, admission)
        if not provisioned:
            self._check_places(function)
        self._check_rate(function)
        if grows and not provisioned:
            self._check_growth(function)
        counted = 0 if provisioned else 1
        self._on_demand[function.name] += counted
        self._running[function.name] += 1
        try:
            yield
        finally:
            self._on_demand[function.name] -= counted
            self._running[function.name] -= 1

    def _ask_faults(self, function: Function, admission: Admission) -> None:
        """Refuse as if the function had reserved as much as a fault says, provisioned environments or not."""
        told = replace(
            admission,
            running=self._running[function.name],
            has_rate=partial(self._has_rate, f"fault at {function.name}"),
        )
        throttle = self._world.interference.throttle(told)
        if throttle is not None:
            raise throttled(throttle.reason) if throttle.concurrency else ShutFunction(throttle.reason)

    def _has_rate(self, name: str, concurrency: int) -> bool:
        """Whether the rate of requests that comes with a concurrency allows one more; it is used up by this."""
        per_s = concurrency * limits.REQUESTS_PER_CONCURRENCY_S
        return self._bucket(self._requests, name, size=per_s, per_s=per_s).take()

    def _check_places(self, function: Function) -> None:
        reserved = function.reserved_concurrency
        if reserved is not None:
            if self._on_demand[function.name] >= reserved - function.provisioned_concurrency:
                raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
            return
        if self._unreserved_running() >= self._world.functions.unreserved_concurrency():
            raise throttled("ConcurrentInvocationLimitExceeded")

    def _unreserved_running(self) -> int:
        reserving = [f.name for f in self._world.functions.all() if f.reserved_concurrency is not None]
        return sum(self._on_demand.values()) - sum(self._on_demand[name] for name in reserving)

    def _check_rate(self, function: Function) -> None:
        reserved = function.reserved_concurrency
        name = UNRESERVED if reserved is None else function.name
        concurrency = self._world.account_concurrency if reserved is None else reserved
        if not self._has_rate(name, concurrency):
            kind = "Reserved" if reserved is not None else ""
            raise throttled(f"{kind}FunctionInvocationRateLimitExceeded")

    def _check_growth(self, function: Function) -> None:
        size = limits.NEW_ENVIRONMENTS_MAX
        per_s = size / limits.NEW_ENVIRONMENTS_PERIOD_S
        if not self._bucket(self._growth, function.name, size=size, per_s=per_s).take():
            raise throttled("ConcurrentInvocationLimitExceeded")

    def _bucket(self, buckets: dict[str, _Bucket], name: str, *, size: float, per_s: float) -> _Bucket:
        bucket = buckets.get(name)
        if bucket is None or bucket.size != size:
            bucket = buckets[name] = _Bucket(self._world.clock, size, per_s)
        return bucket


class _Bucket:
    """Tokens that come back at a steady rate, up to as many as it holds."""

    def __init__(self, clock: Clock, size: float, per_s: float) -> None:
        self.size = size
        self._clock = clock
        self._per_s = per_s
        self._level = float(size)
        self._at = clock.now()

    def take(self) -> bool:
        """Take a token, if there is one."""
        now = self._clock.now()
        self._level = min(self.size, self._level + (now - self._at) * self._per_s)
        self._at = now
        # Whole microseconds are the clock's unit; sums of them are not exact in floating point.
        if self._level < 1 - 1e-6:
            return False
        self._level -= 1
        return True


class ShutFunction(ApiError):
    """The refusal of an invocation by a fault that leaves the function no concurrency at all."""

    def __init__(self, reason: str) -> None:
        throttle = throttled(reason)
        super().__init__(throttle.code, throttle.message, status=throttle.status, **throttle.fields)


def throttled(reason: str) -> ApiError:
    """Lambda's refusal of an invocation that is over a limit (aws-semantics §1.3)."""
    return ApiError("TooManyRequestsException", "Rate Exceeded.", status=429, Type="User", Reason=reason)
