"""
Plans in YAML: `LogicalId: {Failure: {message: down}}`, or a list of faults; a fault without settings is its name alone.

What Python says with a method stands beside the fault: `{Failure: down, at_most: 2, with_probability: 0.3}`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from stagefright.chaos.experiments.document import Document, Where
from stagefright.chaos.faults.catalogue import FAULTS, WRAPPERS
from stagefright.chaos.faults.fault import AnyFault
from stagefright.chaos.plan import Plan
from stagefright.errors import UsageError, nearest
from stagefright.wording import clip, shorten

BY_NAME = {fault.__name__: fault for fault in FAULTS + WRAPPERS}
"""The faults by the name that Python gives them."""

MODIFIERS = ("at_most", "during", "on_call", "when", "with_probability")
"""The methods of a fault that make another of it; a file applies them in its own order."""


def read_plan(document: Document, value: Any, where: Where) -> Plan | None:
    """The plan at a place of a document; what is wrong with it is noted there."""
    if not isinstance(value, dict) or not value:
        document.wrong(where, f"it is a mapping of logical ids to faults; received {shorten(value)}.")
        return None
    count = len(document.problems)
    found = {name: list(_faults(document, faults, (*where, name))) for name, faults in value.items()}
    if len(document.problems) > count:
        return None
    try:
        return Plan(Plan.of(**found).faults)
    except UsageError as error:
        document.wrong(where, str(error))
        return None


def _faults(document: Document, value: Any, where: Where) -> Iterator[AnyFault]:
    if not isinstance(value, list):
        fault = read_fault(document, value, where)
        if fault is not None:
            yield fault
        return
    if not value:
        document.wrong(where, "the list of faults is empty.")
    for index, item in enumerate(value):
        fault = read_fault(document, item, (*where, index))
        if fault is not None:
            yield fault


def read_fault(document: Document, value: Any, where: Where) -> AnyFault | None:
    """The fault at a place of a document: its name, or its name with its settings."""
    entry = {value: None} if isinstance(value, str) else value
    plain = {name: item for name, item in entry.items() if name not in MODIFIERS} if isinstance(entry, dict) else {}
    if len(plain) != 1:
        document.wrong(where, f"a fault is its name with its settings; received {shorten(value)}. {_SAMPLE}")
        return None
    fault = _plain_fault(document, plain, where, is_bare=isinstance(value, str))
    for name in (one for one in entry if one in MODIFIERS and fault is not None):
        assert fault is not None
        fault = _modified(document, fault, name, entry[name], (*where, name))
    return fault


def _plain_fault(document: Document, entry: Mapping[str, Any], where: Where, *, is_bare: bool) -> AnyFault | None:
    [(name, given)] = entry.items()
    kind = BY_NAME.get(name)
    if kind is None:
        document.wrong(where, f"there is no fault {name!r}. {nearest(name, [*BY_NAME, *MODIFIERS])}")
        return None
    place = where if is_bare else (*where, name)
    settings = _settings(document, kind, given, place)
    problems = kind.problems(settings)
    for problem in problems:
        document.wrong(place, problem)
    return None if problems else _made(document, kind, settings, place)


def _made(document: Document, kind: type[AnyFault], settings: Mapping[str, Any], where: Where) -> AnyFault | None:
    try:
        return kind(**settings)
    except (UsageError, TypeError) as error:
        document.wrong(where, f"{kind.__name__} cannot be made: {error}")
        return None


def _modified(document: Document, fault: AnyFault, name: str, given: Any, where: Where) -> AnyFault | None:
    """The fault that a method makes of another: `on_call: [1, 3]`, `during: 5m`, `during: {span: 5m, after: 1m}`."""
    modify = getattr(fault, name)
    try:
        if isinstance(given, dict):
            made: AnyFault = modify(**given)
        else:
            made = modify(*given) if isinstance(given, list) else modify(given)
    except (UsageError, TypeError, ValueError) as error:
        takes = ", ".join(inspect.signature(modify).parameters)
        document.wrong(where, f"{name} takes {takes}; received {shorten(given)}. {clip(str(error))}")
        return None
    return made


def _settings(document: Document, kind: type[AnyFault], given: Any, where: Where) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        # `Failure: table is down` gives the setting that Python takes by position.
        first = [field.name for field in fields(kind) if not field.kw_only][:1]
        if not first:
            document.wrong(where, f"its settings are a mapping; received {shorten(given)}.")
            return {}
        given = {first[0]: given}
    return {name: _nested(document, value, (*where, name)) for name, value in given.items()}


def _nested(document: Document, value: Any, where: Where) -> Any:
    """A wrapper's setting is a fault, or a list of them."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in BY_NAME:
        return read_fault(document, value, where)
    if isinstance(value, list):
        return tuple(_nested(document, item, (*where, index)) for index, item in enumerate(value))
    return value


_SAMPLE = "Write Timeout, or Latency: {delay_ms: 400}."
