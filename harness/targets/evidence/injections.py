"""
The lines that fault injectors leave in a function's log: our own runtime's, failure-lambda 1.x's, and failure-lambda 0.x's.

Ours says which fault struck, with its settings. The others say a mode, so any planned fault that they are told in that mode may be meant.
chaos-lambda leaves no line that is its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from stagefright.targets.evidence.lines import said

OURS = "stagefright"
FAILURE_LAMBDA = "failure-lambda"

STRIKES: Mapping[str, tuple[str, ...]] = {OURS: ("inject",), FAILURE_LAMBDA: ("inject", "block")}
"""The actions of each injector that are strikes; what it only says of itself (`config`, `dryrun`, `clear`) is none."""

_BOOKKEEPING = ("source", "level", "action", "mode", "fault", "settings", "request_id", "timestamp", "requestId")

_FLAT = (
    (re.compile(r"Injecting (\d+) ms latency\."), "latency", "latency_ms"),
    (re.compile(r"Injecting exception message: (.*)", re.DOTALL), "exception", "message"),
    (re.compile(r"Injecting status code: (\d+)"), "statuscode", "status_code"),
    (re.compile(r"Injecting disk space: (\d+) MB"), "diskspace", "megabytes"),
    (re.compile(r"Intercepted network connection to (.*)"), "denylist", "host"),
)
"""What failure-lambda 0.x prints, with its mode."""


def read_injection(line: str) -> dict[str, Any] | None:
    """
    The detail of the `fault` record that a line proves; None if it is no injector's.

    >>> read_injection("Injecting 400 ms latency.")
    {'fault': 'latency', 'settings': {}, 'harm': {'latency_ms': '400'}, 'injector': 'failure-lambda 0.x'}
    """
    text = said(line)
    if text.lstrip()[:1] == "{":
        return _structured(text)
    for pattern, mode, name in _FLAT:
        match = pattern.match(text)
        if match:
            harm = {name: match.group(1)}
            return {"fault": mode, "settings": {}, "harm": harm, "injector": f"{FAILURE_LAMBDA} 0.x"}
    return None


def complaint(line: str) -> str | None:
    """What an injector said went wrong, if a line says so: a flag that it could not read, a fault that could not strike."""
    found = _object(said(line))
    if found is None or found.get("source") not in STRIKES or found.get("level") != "error":
        return None
    return str(found.get("message") or found.get("error") or found)


def _structured(text: str) -> dict[str, Any] | None:
    found = _object(text)
    if found is None or found.get("action") not in STRIKES.get(str(found.get("source")), ()):
        return None
    mode, fault, settings = found.get("mode"), found.get("fault"), found.get("settings")
    harm = {name: value for name, value in found.items() if name not in _BOOKKEEPING}
    if found["source"] == OURS and isinstance(fault, str) and isinstance(settings, dict):
        return {"fault": fault, "settings": settings, "harm": harm}
    injector = f"{FAILURE_LAMBDA} 1.x" if found["source"] == FAILURE_LAMBDA else OURS
    return {"fault": str(mode), "settings": {}, "harm": harm, "injector": injector}


def _object(text: str) -> dict[str, Any] | None:
    """A JSON object, or the one that a runtime's JSON logger has wrapped."""
    if text.lstrip()[:1] != "{" or '"source"' not in text.replace("\\", ""):
        return None
    try:
        found = json.loads(text)
        message = found.get("message") if isinstance(found, dict) else None
        if isinstance(message, str) and '"source"' in message:
            message = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if isinstance(message, dict) and "source" in message:
        return message
    return found if isinstance(found, dict) else None
