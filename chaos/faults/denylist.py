"""Denylist: some hosts cannot be found."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stagefright.chaos.faults.connection import Connection
from stagefright.chaos.faults.fault import Fault, Harm, Reader
from stagefright.chaos.faults.points import FaultPoint
from stagefright.chaos.faults.regexes import regex_problems
from stagefright.chaos.faults.sdk_call import SdkCall


@dataclass(frozen=True, eq=False, repr=False)
class Denylist(Fault[FaultPoint]):
    """
    Let every connection to a host that one of the regular expressions finds fail with the resolver's error.

    SDK calls go to hosts too: `Denylist(["dynamodb"])` makes each attempt of theirs an `EndpointConnectionError`, which
    botocore retries. A connection that is open already stays.

    >>> Denylist([r"^api[.]example[.]com$"])
    Denylist(hosts=('^api[.]example[.]com$',))
    """

    kind = "denylist"
    turn = 40
    strikes_at = (Connection, SdkCall)

    hosts: Sequence[str]

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """At least one regular expression, of the kind that failure-lambda 1.x takes."""
        wrong, hosts = super().problems(settings), settings.get("hosts")
        if not isinstance(hosts, list | tuple) or not hosts:
            return [*wrong, f"hosts is {hosts!r}; it should be a list of regular expressions, such as ['dynamodb']"]
        return [*wrong, *(problem for host in hosts for problem in regex_problems("a host", host))]

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """0.x takes the first denylist of an environment for good, and ends connections instead of not finding hosts."""
        return {
            Reader.FAILURE_LAMBDA_0X: {"failureMode": "denylist", "denylist": list(self.hosts)},
            Reader.FAILURE_LAMBDA_1X: {"denylist": {"deny_list": list(self.hosts)}},
        }

    def concerns(self, point: FaultPoint) -> bool:
        """Whether the host is on the list."""
        return super().concerns(point) and any(re.search(pattern, _host(point)) for pattern in self.hosts)

    def prepare(self, point: FaultPoint) -> Harm:
        """Note which host it was."""
        return {"host": _host(point)}

    def strike(self, point: FaultPoint, harm: Harm) -> Exception:  # noqa: ARG002 (the contract)
        """Give the resolver's error, as botocore words it for SDK calls."""
        error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if not isinstance(point, SdkCall):
            return error
        from botocore.exceptions import EndpointConnectionError

        return EndpointConnectionError(endpoint_url=point.attempt.request.url, error=error)

    def heal(self, point: FaultPoint, harm: Harm) -> None:
        """Nothing lasts."""


def _host(point: FaultPoint) -> str:
    if isinstance(point, SdkCall):
        return urlsplit(point.attempt.request.url).hostname or ""
    assert isinstance(point, Connection)
    return point.host
