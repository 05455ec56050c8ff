"""HttpReset: the connection to a host breaks in the middle of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.http_exchange import Canned, HttpRequest
from stagefright.chaos.faults.http_fault import HttpFault
from stagefright.chaos.faults.points import Answer
from stagefright.chaos.faults.read_timeout import commit_problems


@dataclass(frozen=True, eq=False, repr=False)
class HttpReset(HttpFault):
    """
    Break the connections of HTTP requests before the host got them; with `after_commit`, when it has answered.

    >>> HttpReset(host="api.example.com", path="/pay")
    HttpReset(host='api.example.com', path='/pay')
    """

    kind = "http_reset"
    turn = 82

    _: KW_ONLY
    after_commit: bool = False

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """It took effect or not."""
        return [*super().problems(settings), *commit_problems(settings)]

    def decide(self, point: HttpRequest) -> Harm:  # noqa: ARG002 (the contract)
        """Say whether the request takes effect."""
        return {"after_commit": self.after_commit}

    def strike(self, point: HttpRequest, harm: Harm) -> Answer | None:  # noqa: ARG002 (the contract)
        """Break the connection, or see to it that it breaks later."""
        if self.after_commit:
            point.exchange.is_lost = True
            return None
        return Answer(Canned(error=ConnectionResetError(104, "Connection reset by peer")))
