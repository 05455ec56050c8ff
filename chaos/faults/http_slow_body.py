"""HttpSlowBody: a host answers at once, and its body drips in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm, duration_problems
from stagefright.chaos.faults.http_exchange import HttpRequest
from stagefright.chaos.faults.http_fault import HttpFault


@dataclass(frozen=True, eq=False, repr=False)
class HttpSlowBody(HttpFault):
    """
    Let the body of responses to HTTP requests come `chunk_bytes` at a time, each after `delay_ms`.

    A client's read timeout is for each piece alone, so this hurts one that sets no limit to the whole.

    >>> HttpSlowBody(delay_ms=500, host="api.example.com")
    HttpSlowBody(host='api.example.com', delay_ms=500)
    """

    kind = "http_slow_body"
    turn = 84

    _: KW_ONLY
    delay_ms: float
    chunk_bytes: int = 1024

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """A delay, and pieces of at least a byte."""
        wrong = [*super().problems(settings), *duration_problems(settings, "delay_ms")]
        if "delay_ms" not in settings:
            wrong.append("no delay is given; say delay_ms=...")
        size = settings.get("chunk_bytes", 1024)
        if type(size) is not int or size < 1:
            wrong.append(f"chunk_bytes is {size!r}; it should be a whole number from 1")
        return wrong

    def decide(self, point: HttpRequest) -> Harm:  # noqa: ARG002 (the contract)
        """Say how slow it is."""
        return {"delay_ms": self.delay_ms, "chunk_bytes": self.chunk_bytes}

    def strike(self, point: HttpRequest, harm: Harm) -> None:  # noqa: ARG002 (the contract)
        """Slow the body down."""
        point.exchange.drip = (self.chunk_bytes, self.delay_ms / 1000)
