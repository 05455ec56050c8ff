"""
How the faults of deliveries strike: they are asked wherever a local stage hands an event over, and the world does what they say.

Each strike is a `fault` record of the resource that the fault was planned for, and what follows from it has that record as its cause.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stagefright.chaos.faults.delivery import (
    TABLES,
    AcceptedPoint,
    AdmissionPoint,
    BatchPoint,
    Course,
    DeliveryFault,
    DeliveryPoint,
    HandOverPoint,
)
from stagefright.chaos.faults.fault import AnyFault, Harm, turn_of
from stagefright.chaos.faults.points import Memory
from stagefright.delivery.at_least_once import Decision, HandOver, Planned
from stagefright.delivery.interference import Acceptance, Admission, Gathering, Interference, Throttle
from stagefright.stage import is_local

if TYPE_CHECKING:
    from stagefright.chaos.plan import Plan
    from stagefright.journal import Journal, Record
    from stagefright.stage import Resource, Stage


CONTENTS = ("body", "message", "data")
"""Where the journal has what a sender wrote, as text."""


@dataclass(frozen=True)
class ActiveFault:
    """A fault that holds now: what it was planned for, and its slot, which draws and counts are keyed by."""

    resource: str
    fault: AnyFault
    slot: tuple[int, int]

    @property
    def planned(self) -> Planned:
        """How the journal names it."""
        return Planned(self.resource, self.fault.kind, self.fault.settings())


def is_delivery(fault: AnyFault) -> bool:
    """Whether a fault, or the one inside its wrappers, strikes deliveries."""
    return any(isinstance(part, DeliveryFault) for part in fault.parts())


def problems_of(plan: Plan, stage: Stage, resources: Mapping[str, Resource]) -> list[str]:
    """Why faults of deliveries in a plan cannot strike, one sentence each."""
    planned = [(name, fault) for name, fault in plan if is_delivery(fault)]
    return [problem for name, fault in planned for problem in _problems(name, fault, stage, resources[name])]


def _problems(name: str, fault: AnyFault, stage: Stage, resource: Resource) -> Iterable[str]:
    parts = fault.parts()
    if not all(isinstance(part, DeliveryFault) for part in parts):
        yield f"{name}={fault!r} mixes faults of deliveries with others, which strike elsewhere: list them side by side."
        return
    if resource.type in TABLES and is_local(stage) and not stage.has_stream(name):
        yield f"{fault!r} cannot strike {name}: the table has no stream. Give it a StreamSpecification."
    for part in parts:
        reason = part.misfit(resource.type, resource.physical_id) if isinstance(part, DeliveryFault) else None
        if reason is not None:
            yield f"{fault!r} cannot strike {name} ({resource.type}): {reason}."


def never_delivered(name: str, fault: AnyFault, records: Iterable[Record]) -> str:
    """Why a planned fault of deliveries proved nothing, and what to do about it."""
    records = [record for record in records if record.resource == name]
    accepted = sum(record.kind == "event" for record in records)
    invoked = sum(record.kind == "invocation" for record in records)
    struck = [str(record.detail.get("fault")) for record in records if record.kind == "fault"]
    told = [str(record.detail.get("message")) for record in records if record.kind == "warning"]
    hints = dict.fromkeys(part.strikes_when for part in fault.parts() if isinstance(part, DeliveryFault))
    seen = (
        f"accepted {accepted} events, was invoked {invoked} times, and was struck by {', '.join(struck) or 'nothing'}"
    )
    return "\n".join(
        [
            f"{name}={fault!r} was planned and never struck, so this block proved nothing about it.",
            f"  Meanwhile {name} {seen}.",
            *(f"  its journal says: {line}" for line in told),
            f"  {' '.join(hints)} What comes later needs stage.settle() before the block ends.",
        ]
    )


class Deliveries:
    """The faults that hold for the deliveries of a stage; `seed` keys their draws."""

    def __init__(self, stage: Stage, *, seed: int | str) -> None:
        self._stage = stage
        self._seed = seed
        self._memory = Memory()
        self._active: list[ActiveFault] = []

    def hold(self, active: Iterable[ActiveFault]) -> None:
        """Let these faults strike, and no others; with none the stage is left alone."""
        self._active = sorted(active, key=lambda one: (turn_of(one.fault), one.slot))
        if is_local(self._stage):
            self._hook(self._stage.interference)

    def _hook(self, interference: Interference) -> None:
        hooks: list[tuple[list[Any], Callable[[Any], Any], type[DeliveryPoint]]] = [
            (interference.deciders, self._decide, HandOverPoint),
            (interference.on_accepted, self._on_accepted, AcceptedPoint),
            (interference.batch_limits, self._batch_limit, BatchPoint),
            (interference.throttles, self._throttle, AdmissionPoint),
        ]
        for hooked, hook, kind in hooks:
            is_wanted = any(kind in part.strikes_at for one in self._active for part in one.fault.parts())
            if hook in hooked:
                hooked.remove(hook)
            if is_wanted:
                hooked.append(hook)

    # -- where the world asks ----------------------------------------------------------------------------------------

    def _decide(self, hand_over: HandOver) -> Decision | None:
        course = Course()
        point = HandOverPoint(
            source=hand_over.source,
            consumer=hand_over.consumer,
            event_id=hand_over.event_id,
            event=self._event(hand_over.record),
            is_in_queue=hand_over.kind == "queue",
            course=course,
        )
        planned: dict[Any, tuple[Planned, ...]] = {}
        for one, asked in self._asked(hand_over.source, point):
            harm = self._prepare(one, asked)
            course.effects.clear()
            if harm is not None and self._try(one, one.fault.strike, asked, harm):
                for effect in dict.fromkeys(course.effects):
                    planned[effect] = (*planned.get(effect, ()), one.planned)
        return _decision(course, planned) if planned else None

    def _on_accepted(self, acceptance: Acceptance) -> None:
        point = AcceptedPoint(
            source=acceptance.source,
            event_id=acceptance.event_id,
            event=self._event(acceptance.record),
            kind=acceptance.kind,
        )
        for one, asked in self._asked(acceptance.source, point):
            harm = self._prepare(one, asked)
            if harm is not None:
                self._follow(one, asked.but(follow=acceptance.follow), harm, acceptance)

    def _follow(self, one: ActiveFault, point: AcceptedPoint, harm: Harm, acceptance: Acceptance) -> None:
        """Put an event behind the accepted one; a source that refuses it leaves a trace that is no strike."""
        record = self._note(one, harm | {"ids": [], "source": acceptance.source}, acceptance.record)
        journal = self._journal
        follow = acceptance.follow
        asked = point.but(follow=lambda payload: follow(payload, record.n))
        struck = self._try(one, one.fault.strike, asked, harm)
        ids = [
            str(later.detail["id"])
            for later in journal.since(record.n)
            if (later.kind, later.cause) == ("event", record.n)
        ]
        journal.amend(record, harm={**record.detail["harm"], "ids": ids})
        if not struck:
            journal.amend(record, fault=f"{one.fault.kind} (refused)")

    def _batch_limit(self, gathering: Gathering) -> int | None:
        point = BatchPoint(
            source=gathering.source,
            consumer=gathering.consumer,
            event_id=gathering.first_id,
            event=self._event(gathering.record),
            available=gathering.available,
        )
        limit: int | None = None
        for one, asked in self._asked(gathering.source, point):
            harm = self._prepare(one, asked.but(available=limit or gathering.available))
            if harm is not None and self._try(one, one.fault.strike, asked, harm):
                limit = min(asked.limit)
                ids = {"ids": [gathering.first_id], "source": gathering.source, "consumer": gathering.consumer}
                self._note(one, ids | harm, gathering.record)
        return limit

    def _throttle(self, admission: Admission) -> Throttle | None:
        point = AdmissionPoint(
            source=admission.function,
            consumer=admission.function,
            event_id=admission.request_id,
            running=admission.running,
            has_rate=admission.has_rate,
        )
        for one, asked in self._asked(admission.function, point):
            harm = self._prepare(one, asked)
            if harm is not None and self._try(one, one.fault.strike, asked, harm):
                self._note(one, {"ids": [admission.request_id], "source": admission.function} | harm, admission.cause)
                return Throttle(*asked.refusals[-1])
        return None

    # -- asking a fault ----------------------------------------------------------------------------------------------

    def _asked(self, resource: str, point: Any) -> Iterable[tuple[ActiveFault, Any]]:
        """The faults that a point concerns, each with the point as it sees it."""
        concerned = [one for one in self._active if one.resource == resource and one.fault.concerns(point)]
        if not concerned:
            return
        nth = self._memory.count(point.identity)
        for one in concerned:
            yield one, point.but(seed=self._seed, memory=self._memory, slot=one.slot, nth=nth)

    def _prepare(self, one: ActiveFault, point: DeliveryPoint) -> Harm | None:
        prepared: list[Harm | None] = []
        self._try(one, lambda: prepared.append(one.fault.prepare(point)))
        return prepared[0] if prepared else None

    def _try(self, one: ActiveFault, verb: Callable[..., Any], *given: Any) -> bool:
        """Let a fault act; its own trouble must not break the system, and is on record."""
        try:
            verb(*given)
        except Exception as trouble:  # noqa: BLE001 (a fault of ours must not break the system)
            message = f"{one.fault!r} could not strike {one.resource}: {type(trouble).__name__}: {trouble}"
            self._journal.write("warning", one.resource, message=message)
            return False
        return True

    @property
    def _journal(self) -> Journal:
        return self._stage.journal

    def _event(self, record: int | None) -> Mapping[str, Any]:
        """What the journal says of an event; what is JSON in it is read, so that its content can be matched."""
        detail = {} if record is None else self._journal[record].detail
        return {name: _read(value) if name in CONTENTS else value for name, value in detail.items()}

    def _note(self, one: ActiveFault, harm: Harm, cause: int | None) -> Any:
        planned = one.planned
        return self._journal.write(
            "fault", planned.resource, cause=cause, fault=planned.fault, settings=dict(planned.settings), harm=harm
        )


def _read(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _decision(course: Course, planned: Mapping[Any, tuple[Planned, ...]]) -> Decision:
    """The course of a hand-over in the world's terms."""
    first_s = round(course.delay_s + course.held_back_s, 6)
    copies = (round(first_s + after_s, 6) for after_s in course.copies_after_s)
    return Decision(() if course.is_lost else (first_s, *copies), course.places, planned=dict(planned))
