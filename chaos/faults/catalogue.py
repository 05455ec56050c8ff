"""Every fault there is; a new fault adds its line here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from stagefright.chaos.faults.fault import AnyFault, encode

__all__ = ["FAULTS", "WRAPPERS", "Unreadable", "decode", "encode"]

FAULTS: tuple[type[AnyFault], ...]
"""The classes of all plain faults, imported when they are asked for."""

WRAPPERS: tuple[type[AnyFault], ...]
"""Those of all wrappers."""

KINDS = (
    "cold_start",
    "connect_timeout",
    "connection_reset",
    "corruption",
    "denylist",
    "disk_full",
    "error_after_commit",
    "failure",
    "http_latency",
    "http_refused",
    "http_reset",
    "http_slow_body",
    "http_status",
    "latency",
    "noop",
    "read_timeout",
    "sdk_latency",
    "service_error",
    "stale_read",
    "status_code",
    "throttle",
    "timeout",
)
"""The kinds of plain faults."""

WRAPPER_KINDS = ("at_most", "both", "during", "in_sequence", "on_call", "when", "with_probability")
"""The kinds of wrappers."""

DEPTH_MAX = 8
"""How deep faults may be inside each other; a flag from elsewhere must not exhaust the function's stack."""


def class_of(kind: str) -> type[AnyFault]:
    """
    The class of a kind: `disk_full` is `DiskFull` in `disk_full.py`.

    It is imported now, since a function pays with its cold start for every file that it imports.
    """
    module = importlib.import_module(f"stagefright.chaos.faults.{kind}")
    found: type[AnyFault] = getattr(module, kind.title().replace("_", ""))
    return found


def __getattr__(name: str) -> Any:
    kinds = {"FAULTS": KINDS, "WRAPPERS": WRAPPER_KINDS}.get(name)
    if kinds is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return tuple(class_of(kind) for kind in kinds)


class Unreadable(ValueError):
    """Stored data is not what it should be; the message says in which way."""


_ALL = frozenset(KINDS + WRAPPER_KINDS)


def decode(data: object, *, depth: int = 1, others: Mapping[str, type[AnyFault]] = MappingProxyType({})) -> AnyFault:
    """
    The inverse of `encode`; data that is no fault raises `Unreadable`. `others` are kinds that no function carries, by name.

    >>> decode({"kind": "latency", "delay_ms": 400})
    Latency(delay_ms=400)
    """
    if depth > DEPTH_MAX:
        raise Unreadable(f"its faults are more than {DEPTH_MAX} deep")
    if not isinstance(data, Mapping):
        raise Unreadable(f"a fault should be an object with a kind, not {data!r}")
    settings = {name: _inner(name, value, depth, others) for name, value in data.items() if name != "kind"}
    kind = data.get("kind")
    if not isinstance(kind, str) or (kind not in _ALL and kind not in others):
        raise Unreadable(f"{kind!r} is not a kind of fault; known: {', '.join(sorted({*_ALL, *others}))}")
    fault = others[kind] if kind in others else class_of(kind)
    problems = fault.problems(settings)
    if problems:
        raise Unreadable(f"{fault.kind}: {'; '.join(problems)}")
    return fault.of(settings)


def _inner(name: str, value: object, depth: int, others: Mapping[str, type[AnyFault]]) -> object:
    """The fault inside a wrapper, or the faults; any other setting as it is."""
    if name == "fault":
        return decode(value, depth=depth + 1, others=others)
    if name == "faults" and isinstance(value, list):
        return tuple(decode(item, depth=depth + 1, others=others) for item in value)
    return value
