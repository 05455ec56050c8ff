"""Every fault there is; a new fault adds its line here."""

from __future__ import annotations

from collections.abc import Mapping

from stagefright.chaos.faults.at_most import AtMost
from stagefright.chaos.faults.both import Both
from stagefright.chaos.faults.cold_start import ColdStart
from stagefright.chaos.faults.connect_timeout import ConnectTimeout
from stagefright.chaos.faults.connection_reset import ConnectionReset
from stagefright.chaos.faults.corruption import Corruption
from stagefright.chaos.faults.denylist import Denylist
from stagefright.chaos.faults.disk_full import DiskFull
from stagefright.chaos.faults.during import During
from stagefright.chaos.faults.error_after_commit import ErrorAfterCommit
from stagefright.chaos.faults.failure import Failure
from stagefright.chaos.faults.fault import AnyFault, encode
from stagefright.chaos.faults.in_sequence import InSequence
from stagefright.chaos.faults.latency import Latency
from stagefright.chaos.faults.noop import Noop
from stagefright.chaos.faults.on_call import OnCall
from stagefright.chaos.faults.read_timeout import ReadTimeout
from stagefright.chaos.faults.sdk_latency import SdkLatency
from stagefright.chaos.faults.service_error import ServiceError
from stagefright.chaos.faults.status_code import StatusCode
from stagefright.chaos.faults.throttle import Throttle
from stagefright.chaos.faults.timeout import Timeout
from stagefright.chaos.faults.when import When
from stagefright.chaos.faults.with_probability import WithProbability
from stagefright.chaos.faults.wrapper import DEPTH_MAX

__all__ = ["FAULTS", "WRAPPERS", "Unreadable", "decode", "encode"]

FAULTS: tuple[type[AnyFault], ...] = (
    ColdStart,
    ConnectTimeout,
    ConnectionReset,
    Corruption,
    Denylist,
    DiskFull,
    ErrorAfterCommit,
    Failure,
    Latency,
    Noop,
    ReadTimeout,
    SdkLatency,
    ServiceError,
    StatusCode,
    Throttle,
    Timeout,
)
"""All kinds of plain faults."""

WRAPPERS: tuple[type[AnyFault], ...] = (AtMost, Both, During, InSequence, OnCall, When, WithProbability)
"""All kinds of wrappers."""


class Unreadable(ValueError):
    """Stored data is not what it should be; the message says in which way."""


_BY_KIND = {fault.kind: fault for fault in FAULTS + WRAPPERS}


def decode(data: object, *, depth: int = 1) -> AnyFault:
    """
    The inverse of `encode`; data that is no fault raises `Unreadable`.

    >>> decode({"kind": "latency", "delay_ms": 400})
    Latency(delay_ms=400)
    """
    if depth > DEPTH_MAX:
        raise Unreadable(f"its faults are more than {DEPTH_MAX} deep")
    if not isinstance(data, Mapping):
        raise Unreadable(f"a fault should be an object with a kind, not {data!r}")
    settings = {name: _inner(name, value, depth) for name, value in data.items() if name != "kind"}
    kind = data.get("kind")
    fault = _BY_KIND.get(kind) if isinstance(kind, str) else None
    if fault is None:
        raise Unreadable(f"{kind!r} is not a kind of fault; known: {', '.join(sorted(_BY_KIND))}")
    problems = fault.problems(settings)
    if problems:
        raise Unreadable(f"{fault.kind}: {'; '.join(problems)}")
    return fault.of(settings)


def _inner(name: str, value: object, depth: int) -> object:
    """The fault inside a wrapper, or the faults; any other setting as it is."""
    if name == "fault":
        return decode(value, depth=depth + 1)
    if name == "faults" and isinstance(value, list):
        return tuple(decode(item, depth=depth + 1) for item in value)
    return value
