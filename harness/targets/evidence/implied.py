"""
Events that no listener saw, and that are known all the same: AWS answered the test that it took them, or a function logged their envelopes.

A queue that a function works off cannot be watched without taking part; so this is how its messages come into a flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from stagefright.event import is_event
from stagefright.journal import OBSERVED, Record
from stagefright.targets.evidence.clues import Clues
from stagefright.targets.evidence.envelopes import Envelope
from stagefright.targets.evidence.index import names_of
from stagefright.targets.evidence.wiring import Wiring, upstream


class Numbers:
    """Numbers for records that the journal does not have, and for which of its records each was drawn."""

    def __init__(self) -> None:
        self.drawn_for: dict[int, int] = {}

    def take(self, origin: int) -> int:
        """A number that no other record has."""
        number = -1 - len(self.drawn_for)
        self.drawn_for[number] = self.drawn_for.get(origin, origin)
        return number


def implied_events(
    records: Sequence[Record], logged: Iterable[tuple[Record, Clues]], wiring: Wiring, numbers: Numbers
) -> list[Record]:
    """The events of answered calls and of logged envelopes (of invocations), without those that were seen."""
    seen = {(record.resource, name) for record in records if is_event(record) for name in names_of(record)}
    found: list[Record] = []
    told = (*_answered(records), *_logged(logged, wiring))
    for origin, at, resource, cause, detail in told:
        event = Record(0, at, "event", resource, cause, {**detail, OBSERVED: True})
        names = {(resource, name) for name in names_of(event)}
        if names.isdisjoint(seen):
            seen |= names
            found.append(Record(numbers.take(origin), at, "event", resource, cause, event.detail))
    return found


Told = tuple[int, float, str, int | None, Mapping[str, Any]]
"""By which record an event is known, when it was, where, what caused it, and its envelope."""


def _answered(records: Sequence[Record]) -> Iterator[Told]:
    for call in records:
        for accepted in call.detail.get("accepted", ()) if call.kind == "call" else ():
            detail = {name: value for name, value in accepted.items() if name != "resource" and value is not None}
            yield call.n, call.at, accepted["resource"], call.n, detail


def _logged(logged: Iterable[tuple[Record, Clues]], wiring: Wiring) -> Iterator[Told]:
    for run, clues in logged:
        for envelope in clues.received.values():
            resource = _resource(envelope, run.resource, wiring)
            if resource is not None:
                at = run.at if envelope.at is None else min(envelope.at, run.at)
                yield run.n, at, resource, None, envelope.detail


def _resource(envelope: Envelope, function: str, wiring: Wiring) -> str | None:
    """The resource that an envelope names; for one that names none, the only one of its kind from which events come to the function."""
    if envelope.source_arn is not None:
        return wiring.name_of(envelope.source_arn)
    fitting = [one for one in upstream(wiring, function) if wiring.type_of(one) in envelope.source_types]
    return fitting[0] if len(fitting) == 1 else None
