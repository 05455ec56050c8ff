"""
Listeners: what a test arms to observe a topic, a stream, a bus, a queue, a table, a bucket or a log.

A listener reads the journal from the moment it is made. It never consumes: a queue's messages are still there for the
system, and two listeners on one topic see the same events. An event counts once, whatever it was retried, and satisfies
one expectation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from stagefright.errors import ExpectationFailed, UnknownResource, UsageError, nearest
from stagefright.event import ENVELOPE, PAYLOADS, Event, is_event
from stagefright.journal import Record
from stagefright.matching import Expectation, check_roots
from stagefright.misses import Surroundings, no_event, unexpected_events
from stagefright.spans import Span, parse_span

if TYPE_CHECKING:
    from stagefright.stage import Stage

__all__ = ["Event", "Listen", "Listener"]

WITHIN: Span = "5m"
"""How long `expect` waits unless told: beyond the three minutes of AWS's ladder for asynchronous invocations."""

DEFAULT_BUS = "default"
"""The event bus that every account has."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What `listen` observes with one verb: the parts of its events, the payload first, and what a pattern may name."""

    verb: str
    types: tuple[str, ...]
    parts: tuple[str, ...]
    envelope: tuple[str, ...] | None = None

    @property
    def roots(self) -> tuple[str, ...]:
        """The fields that a pattern may begin with."""
        return self.envelope or self.parts

    def check(self, resource: str, expected: Mapping[str, Any]) -> None:
        """Refuse an expectation that no event of this kind can ever meet."""
        for name in expected:
            if name not in (*self.parts, "pattern"):
                sent = f" What was sent is its {self.parts[0]}." if name in PAYLOADS else ""
                raise UsageError(
                    f"An event on {resource} (listen.{self.verb}) has no part {name!r}.{sent} "
                    f"{nearest(name, [*self.parts, 'pattern'])}"
                )
        if expected.get("pattern") is not None:
            check_roots(expected["pattern"], self.roots)


SNS = Kind("sns", ("AWS::SNS::Topic",), ("message", "subject", "attributes", "group_id"))
SQS = Kind("sqs", ("AWS::SQS::Queue",), ("body", "attributes", "group_id"))
KINESIS = Kind("kinesis", ("AWS::Kinesis::Stream",), ("data", "key"))
DYNAMODB = Kind(
    "dynamodb", ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"), ("new", "old", "key", "event_name", "data")
)
EVENTBRIDGE = Kind(
    "eventbridge", ("AWS::Events::EventBus",), ("detail", "detail_type", "source", "resources"), ENVELOPE
)
S3 = Kind("s3", ("AWS::S3::Bucket",), ("key", "event_name", "size", "etag", "version_id"))
LOGS = Kind("logs", ("AWS::Lambda::Function",), ("line",))
KINDS = (SNS, SQS, KINESIS, DYNAMODB, EVENTBRIDGE, S3, LOGS)


class Listen:
    """
    Arms listeners on a stage: `batches = listen.sns("FeedTopic")`.

    Resources are named by logical id; a physical name or an ARN does too.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __repr__(self) -> str:
        return f"<listen: {', '.join(kind.verb for kind in KINDS)}>"

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"listen has no {name!r}. {nearest(name, [kind.verb for kind in KINDS])}")

    def sns(self, topic: str) -> Listener:
        """Observe what is published to a topic; events have `message`, `subject` and `attributes`."""
        return self._arm(topic, SNS)

    def sqs(self, queue: str) -> Listener:
        """Observe what arrives in a queue, by sending or by redrive; events have `body` and `attributes`."""
        return self._arm(queue, SQS)

    def kinesis(self, stream: str) -> Listener:
        """Observe the records of a stream; events have `data` and `key`, the partition key."""
        return self._arm(stream, KINESIS)

    def dynamodb(self, table: str) -> Listener:
        """
        Observe the changes in a table's stream; events have `event_name`, `key`, `new` and `old`.

        A table without a stream is refused, as no change of it would ever be seen.
        """
        logical_id = self._logical_id(table, DYNAMODB)
        if not self._stage.has_stream(logical_id):
            raise UsageError(
                f"{logical_id} has no StreamSpecification, so its changes cannot be observed; add one, or read the table."
            )
        return self._listener(logical_id, DYNAMODB)

    def eventbridge(self, bus: str | None = None, pattern: Mapping[str, Any] | None = None) -> Listener:
        """
        Observe an event bus (None: the default one); events have `detail`, `detail_type`, `source` and `resources`.

        With a `pattern`, the listener sees only the events that a rule with that pattern would; a field that no event has is
        refused.
        """
        if pattern is not None:
            check_roots(pattern, ENVELOPE)
        is_default = bus is None or bus == DEFAULT_BUS
        name = DEFAULT_BUS if is_default else self._logical_id(str(bus), EVENTBRIDGE)
        return self._listener(name, EVENTBRIDGE, pattern)

    def s3(self, bucket: str) -> Listener:
        """Observe the changes in a bucket, notified of or not; events have `event_name`, `key`, `size` and `etag`."""
        return self._arm(bucket, S3)

    def logs(self, function: str) -> Listener:
        """Observe the lines that a function logs; events have `line`."""
        return self._arm(function, LOGS)

    def _arm(self, name: str, kind: Kind) -> Listener:
        return self._listener(self._logical_id(name, kind), kind)

    def _listener(self, logical_id: str, kind: Kind, pattern: Mapping[str, Any] | None = None) -> Listener:
        only = Expectation(pattern=pattern) if pattern is not None else None
        self._stage.observe(logical_id, kind.verb, pattern)
        return Listener(self._stage, logical_id, kind, only=only)

    def _logical_id(self, name: str, asked: Kind) -> str:
        fitting = {key: found for key, found in self._stage.resources.items() if found.type in asked.types}
        for logical_id, resource in fitting.items():
            if name in (logical_id, resource.physical_id, resource.arn):
                return logical_id
        kind = asked.types[0]
        meant = self._stage.name_of(name)
        if meant in fitting:
            return meant
        other = self._stage.resources.get(meant)
        if other is not None:
            raise UsageError(
                f"{name} is an {other.type}, and this listener is for an {kind}. {_verb_for(other.type)}"
                f"Of type {kind}: {', '.join(sorted(fitting)) or 'none'}."
            )
        raise UnknownResource(f"The stage has no {kind} called {name!r}. {nearest(name, fitting)}")


class Listener:
    """
    The events of one resource, from the moment that the listener was armed.

    Made by `listen.sns(...)` and its siblings.
    """

    def __init__(
        self,
        stage: Stage,
        resource: str,
        kind: Kind,
        *,
        only: Expectation | None = None,
    ) -> None:
        self.resource = resource
        self._stage = stage
        self._identity = {"account": stage.settings.account, "region": stage.settings.region}
        self._only = only
        self._kind = kind
        self._sees = _is_log if kind is LOGS else is_event
        self._armed = len(stage.journal)
        self._read_to = self._armed
        self._events: list[Event] = []
        self._filtered: list[Event] = []
        """What the listener's own pattern kept out; a miss shows it."""
        self._ids: set[str] = set()
        self._taken: set[str] = set()
        self._all_taken_to = 0
        """How many of the first events are all taken, so that nobody needs to look at them again."""

    @property
    def events(self) -> list[Event]:
        """All events so far, in order, each once; on a deployed stage, as far as a look now shows them."""
        if self._stage.is_deployed:
            self._stage.run_until(lambda: True, 0.0)
        return list(self._read())

    def expect(self, *misplaced: Any, within: Span = WITHIN, **parts: Any) -> Event:
        """
        The next event that is as expected; time passes until it comes.

        Parts of the envelope are named: `message`, `body`, `data`, `detail`, `key`, `attributes`, `source`, ... A mapping is
        matched as a subset, a callable as a predicate; `pattern={...}` is EventBridge's language. The event then counts as
        seen: it satisfies no other expectation. Raises `ExpectationFailed`, which shows what came instead, and `UsageError`
        for what no event of this resource can meet: a part that it does not have, or a pattern of unknown fields.
        """
        expectation, within_s = self._expectation("expect", misplaced, parts), parse_span(within)
        until = self._stage.clock.now() + within_s
        event = self._stage.run_until(self._search(expectation).first, within_s)
        if event is None:
            is_quiet = not self._stage.is_deployed and self._stage.clock.now() < until
            raise ExpectationFailed(no_event(self._surroundings(), expectation, within_s, is_quiet=is_quiet))
        self._taken.add(event.id)
        return event

    def expect_no_more(self) -> None:
        """
        Run the stage until nothing is due, and fail if an event came that satisfied no expectation.

        That is sound on a local stage: in a quiet one nothing more can happen. A deployed stage is only seen not to move for a
        while (the setting `quiet`).
        """
        self._refuse(Expectation(), math.inf, "")

    def expect_none(self, *misplaced: Any, within: Span, **parts: Any) -> None:
        """Let a span pass, and fail if an event as described came that satisfied no expectation before."""
        expectation = self._expectation("expect_none", misplaced, parts)
        self._refuse(expectation, parse_span(within), f" within {within}")

    def _expectation(self, verb: str, misplaced: tuple[Any, ...], parts: Mapping[str, Any]) -> Expectation:
        if misplaced:
            value = "{...}" if isinstance(misplaced[0], Mapping) else repr(misplaced[0])
            raise UsageError(
                f"{verb} takes parts by name: {verb}({self._kind.parts[0]}={value}). "
                f"An event on {self.resource} has: {', '.join(self._kind.parts)}."
            )
        self._kind.check(self.resource, parts)
        return Expectation(**parts)

    def _refuse(self, expectation: Expectation, within_s: float, when: str) -> None:
        search = self._search(expectation)
        self._stage.run_until(search.first, within_s)
        found = search.all()
        if found:
            raise ExpectationFailed(unexpected_events(self._surroundings(), expectation, found, when))

    def _read(self) -> Sequence[Event]:
        for record in self._stage.journal.since(self._read_to):
            self._read_to = record.n + 1
            if record.resource == self.resource and self._sees(record):
                self._note(Event(record))
        return self._events

    def _note(self, event: Event) -> None:
        if event.id not in self._ids:
            self._ids.add(event.id)
            passes = self._only is None or self._holds(self._only, event)
            (self._events if passes else self._filtered).append(event)

    def _search(self, expectation: Expectation) -> _Search:
        events = self._read()
        while self._all_taken_to < len(events) and events[self._all_taken_to].id in self._taken:
            self._all_taken_to += 1
        return _Search(
            self._read,
            lambda event: event.id not in self._taken and self._holds(expectation, event),
            start=self._all_taken_to,
        )

    def _holds(self, expectation: Expectation, event: Event) -> bool:
        return expectation.accepts(event, self._identity)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            journal=self._stage.journal,
            identity=self._identity,
            resource=self.resource,
            armed=self._armed,
            events=list(self._read()),
            taken=frozenset(self._taken),
            only=self._only,
            filtered=self._filtered,
            is_deployed=self._stage.is_deployed,
        )

    def __repr__(self) -> str:
        return f"<Listener on {self.resource}: {len(self._read())} events>"


class _Search:
    """One expectation's way through the events of a listener: each is judged once, however often time passes meanwhile."""

    def __init__(self, read: Callable[[], Sequence[Event]], accepts: Callable[[Event], bool], *, start: int) -> None:
        self._read = read
        self._accepts = accepts
        self._judged = start
        self._found: list[Event] = []

    def first(self) -> Event | None:
        """The first event that is accepted, as far as there is one yet."""
        return self._found[0] if self._found else next(self._further(), None)

    def all(self) -> list[Event]:
        """All events so far that are accepted."""
        for _ in self._further():
            pass
        return self._found

    def _further(self) -> Iterator[Event]:
        events = self._read()
        while self._judged < len(events):
            event = events[self._judged]
            self._judged += 1
            if self._accepts(event):
                self._found.append(event)
                yield event


def _is_log(record: Record) -> bool:
    return record.kind == "log"


def _verb_for(resource_type: str) -> str:
    return next((f"Use listen.{kind.verb}(...). " for kind in KINDS if resource_type in kind.types), "")
