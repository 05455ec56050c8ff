"""HttpRefused: nobody listens at a host."""

from __future__ import annotations

from dataclasses import dataclass

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.http_exchange import HttpRequest
from stagefright.chaos.faults.http_fault import HttpFault


@dataclass(frozen=True, eq=False, repr=False)
class HttpRefused(HttpFault):
    """
    Refuse the connections of HTTP requests; those that were kept alive are gone too.

    >>> HttpRefused(host="api.example.com", times=1)
    HttpRefused(host='api.example.com', times=1)
    """

    kind = "http_refused"
    turn = 81

    def decide(self, point: HttpRequest) -> Harm:  # noqa: ARG002 (the contract)
        """Nothing more to decide."""
        return {}

    def strike(self, point: HttpRequest, harm: Harm) -> Exception:  # noqa: ARG002 (the contract)
        """Give the error of the client's library."""
        return point.exchange.refusal()
