"""Who may run: the reserved concurrency of a function, and the account's (aws-semantics §1.8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stagefright.aws_api.errors import ApiError
from stagefright.services import lambda_limits as limits

if TYPE_CHECKING:
    from stagefright.services.function import Resolved


class Concurrency:
    """Counts the invocations under way, and refuses those that would be too many."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        """Invocations under way, by function name."""

    def clear(self) -> None:
        """Nothing is under way any more."""
        self.running.clear()

    @contextmanager
    def admitted(self, resolved: Resolved) -> Iterator[None]:
        """Within the block an invocation counts; raises `ApiError` before anything runs if there is no room for it."""
        self._check(resolved)
        name = resolved.function.name
        self.running[name] += 1
        try:
            yield
        finally:
            self.running[name] -= 1

    def _check(self, resolved: Resolved) -> None:
        reserved = resolved.function.reserved_concurrency
        if reserved is not None and self.running[resolved.function.name] >= reserved:
            raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        if reserved is None and sum(self.running.values()) >= limits.ACCOUNT_CONCURRENCY:
            raise throttled("ConcurrentInvocationLimitExceeded")


def throttled(reason: str) -> ApiError:
    """Lambda's refusal of an invocation that is over a concurrency limit (aws-semantics §1.3)."""
    return ApiError("TooManyRequestsException", "Rate Exceeded.", status=429, Type="User", Reason=reason)
