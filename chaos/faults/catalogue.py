"""Every fault there is; a new fault adds its line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagefright.chaos.faults.connect_timeout import ConnectTimeout
from stagefright.chaos.faults.connection_reset import ConnectionReset
from stagefright.chaos.faults.failure import Failure
from stagefright.chaos.faults.fault import AnyFault
from stagefright.chaos.faults.http_latency import HttpLatency
from stagefright.chaos.faults.http_refused import HttpRefused
from stagefright.chaos.faults.http_reset import HttpReset
from stagefright.chaos.faults.http_slow_body import HttpSlowBody
from stagefright.chaos.faults.http_status import HttpStatus
from stagefright.chaos.faults.latency import Latency
from stagefright.chaos.faults.noop import Noop
from stagefright.chaos.faults.read_timeout import ReadTimeout
from stagefright.chaos.faults.sdk_latency import SdkLatency
from stagefright.chaos.faults.service_error import ServiceError
from stagefright.chaos.faults.throttle import Throttle
from stagefright.chaos.faults.timeout import Timeout

FAULTS: tuple[type[AnyFault], ...] = (
    ConnectTimeout,
    ConnectionReset,
    Failure,
    HttpLatency,
    HttpRefused,
    HttpReset,
    HttpSlowBody,
    HttpStatus,
    Latency,
    Noop,
    ReadTimeout,
    SdkLatency,
    ServiceError,
    Throttle,
    Timeout,
)
"""All kinds of faults."""


class Unreadable(ValueError):
    """Stored data is not what it should be; the message says in which way."""


_BY_KIND = {fault.kind: fault for fault in FAULTS}


def encode(fault: AnyFault) -> dict[str, Any]:
    """
    A fault as plain data.

    >>> encode(Latency(delay_ms=400))
    {'kind': 'latency', 'delay_ms': 400}
    """
    return {"kind": fault.kind, **fault.settings()}


def decode(data: object) -> AnyFault:
    """
    The inverse of `encode`; data that is no fault raises `Unreadable`.

    >>> decode({"kind": "latency", "delay_ms": 400})
    Latency(delay_ms=400)
    """
    if not isinstance(data, Mapping):
        raise Unreadable(f"a fault should be an object with a kind, not {data!r}")
    settings = {name: value for name, value in data.items() if name != "kind"}
    kind = data.get("kind")
    fault = _BY_KIND.get(kind) if isinstance(kind, str) else None
    if fault is None:
        raise Unreadable(f"{kind!r} is not a kind of fault; known: {', '.join(sorted(_BY_KIND))}")
    problems = fault.problems(settings)
    if problems:
        raise Unreadable(f"{fault.kind}: {'; '.join(problems)}")
    return fault(**settings)
