"""Whether every event that was accepted came to a good end: nothing lost, and what was given up kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stagefright.chaos.checks.history import History, Run
from stagefright.chaos.checks.verdict import Check, Verdict
from stagefright.journal import Record
from stagefright.spans import Span, parse_span
from stagefright.wording import plural


def conserved(source: str, consumer: str | None = None, *, within: Span | None = None) -> Check:
    """
    Every event that `source` (a queue, topic, stream, bus or API) accepted is processed, dead-lettered, or still on its way.

    `within`: and none is on its way for longer than this span, such as `"5m"`.

    With several consumers each must come to one of these ends; name a `consumer` to look at one. Counted are `accepted`, `processed`,
    `dead_lettered`, `retrying` (or waiting), `filtered`, `lost`, `unexpected` (delivered, but never accepted), `duplicated` (processed more than
    once) and `recovered` (processed after a failure). Lost and unexpected events break it; duplicates do not, since AWS delivers at least
    once. Unknown if nothing was accepted.
    """
    return _Conserved(source, consumer, within)


def dead_lettered(consumer: str, queue: str | None = None) -> Check:
    """
    Each event that `consumer` was tried with until it was given up was kept, in `queue` if one is named.

    Unknown if nothing was given up.
    """
    return _DeadLettered(consumer, queue)


@dataclass
class _Fate:
    """What became of one event at one consumer."""

    event: str
    records: list[Record] = field(default_factory=list)
    successes: int = 0
    failures: int = 0
    recovered: bool = False
    dead_lettered: bool = False
    lost: bool = False
    filtered: bool = False

    @property
    def is_lost(self) -> bool:
        return self.lost and not (self.successes or self.dead_lettered)

    @property
    def is_done(self) -> bool:
        return bool(self.successes or self.dead_lettered or self.lost or self.filtered)

    def deliver(self, delivery: Record, was_taken_over: bool) -> None:
        """It was handed over, to a consumer that may have taken it over at once."""
        self.records.append(delivery)
        self.successes += was_taken_over

    def run(self, run: Run) -> None:
        """A function worked on it."""
        self.records.append(run.last)
        succeeded = self.event in run.succeeded_items
        self.recovered |= succeeded and self.failures > 0 and not self.successes
        self.successes += succeeded
        self.failures += self.event in run.failed_items
        self.lost |= self.event in run.unheard

    def end(self, record: Record, *, is_loss: bool) -> None:
        """It was given up, or dropped by design."""
        self.records.append(record)
        self.dead_lettered |= record.kind == "dead_letter"
        self.lost |= is_loss
        self.filtered |= str(record.detail.get("reason", "")).startswith("filtered out")


class _Fates:
    """What became of each event at each consumer that it was handed to."""

    def __init__(self) -> None:
        self.of_event: dict[str, dict[str, _Fate]] = {}

    def __iter__(self) -> Iterator[_Fate]:
        return (fate for at in self.of_event.values() for fate in at.values())

    def at(self, consumer: str, event: str) -> _Fate:
        """The fate of an event at a consumer."""
        return self.of_event.setdefault(event, {}).setdefault(consumer, _Fate(event))

    def ended_by(self, record: Record, event: str, history: History) -> list[_Fate]:
        """The fates that giving an event up ends: at the consumer that the record or its causes name, else at all."""
        consumers = self.of_event.get(event, {})
        blamed = {record.resource, *(r.resource for r in history.above(record) if r.kind in ("invocation", "delivery"))}
        return [fate for consumer, fate in consumers.items() if consumer in blamed] or list(consumers.values())


class _Conserved(Check):
    name = "conserved"

    def __init__(self, source: str, consumer: str | None, within: Span | None) -> None:
        self.source = source
        self.consumer = consumer
        self.within = within

    def judge(self, history: History) -> Verdict:
        accepted = {
            str(record.detail.get("id", record.n)): record for record in history.of("event", resource=self.source)
        }
        if not accepted:
            others = dict.fromkeys(record.resource for record in history.of("event"))
            known = f" Those that did: {', '.join(sorted(others))}." if others else ""
            return self._unknown(f"{self.source} accepted no event.{known}")
        fates = self._fates(history, accepted)
        unexpected = sorted(set(fates.of_event) - set(accepted))
        lost = [fate for fate in fates if fate.event in accepted and fate.is_lost]
        counts = self._counts(accepted, fates, len(lost), len(unexpected))
        told = ", ".join(f"{count} {name.replace('_', '-')}" for name, count in counts.items() if count)
        if lost:
            evidence = [record for fate in lost for record in (accepted[fate.event], *fate.records)]
            return self._broken(f"{plural(len(lost), 'event')} lost: {told}.", evidence=evidence, counts=counts)
        if unexpected:
            evidence = [
                record for event in unexpected for fate in fates.of_event[event].values() for record in fate.records
            ]
            return self._broken(
                f"delivered, but never accepted: {', '.join(unexpected)}.", evidence=evidence, counts=counts
            )
        late = self._late(history, accepted, fates)
        if late:
            evidence = [record for event in late for record in (accepted[event], *_steps(fates, event)[-1:])]
            reason = f"{plural(len(late), 'event')} not done with after {self.within}: {told}."
            return self._broken(reason, evidence=evidence, counts=counts)
        return self._holds(f"{told}.", counts=counts)

    def doubt(self, history: History, verdict: Verdict) -> str | None:  # noqa: ARG002 - the counts say it
        """It holds only if each event was seen to come to a good end; that one was lost cannot be seen."""
        if verdict.broken:
            return "That an event was lost, or never accepted, cannot be seen on a deployed stage; it may have gone unseen."
        unseen = verdict.counts["retrying"]
        if unseen:
            return f"{plural(unseen, 'event')} {'was' if unseen == 1 else 'were'} not seen to come to any end."
        return None

    def _late(self, history: History, accepted: Mapping[str, Record], fates: _Fates) -> list[str]:
        """The events that are on their way for longer than allowed."""
        if self.within is None:
            return []
        horizon = history.end - parse_span(self.within)
        done = {event for event, at in fates.of_event.items() if all(fate.is_done for fate in at.values())}
        return [event for event, record in accepted.items() if record.at < horizon and event not in done]

    def _fates(self, history: History, accepted: Mapping[str, Record]) -> _Fates:
        fates = _Fates()
        self._read_deliveries(history, fates)
        self._read_runs(history, fates)
        losses = {record.n for record in history.losses}
        for record in (*history.dead_letters, *history.of("dropped")):
            for event in history.items_of(record):
                if event in accepted and event not in fates.of_event:
                    fates.at(self.source, event)
                for fate in fates.ended_by(record, event, history):
                    fate.end(record, is_loss=record.n in losses)
        return fates

    def _read_deliveries(self, history: History, fates: _Fates) -> None:
        for record in history.of("delivery"):
            if record.detail.get("source") == self.source and self._is_asked(record.resource):
                # A queue, stream or bus that took the event over has it now.
                was_taken_over = any(child.kind == "event" for child in history.children(record))
                was_taken_over |= bool(record.detail.get("taken_over"))
                for event in record.detail["ids"]:
                    fates.at(record.resource, event).deliver(record, was_taken_over)

    def _read_runs(self, history: History, fates: _Fates) -> None:
        for run in history.runs:
            if run.source == self.source and self._is_asked(run.function):
                for event in run.items:
                    fates.at(run.function, event).run(run)

    def _is_asked(self, consumer: str) -> bool:
        return self.consumer in (None, consumer)

    def _counts(self, accepted: Mapping[str, Record], fates: _Fates, lost: int, unexpected: int) -> dict[str, int]:
        known = [fate for fate in fates if fate.event in accepted]
        processed = sum(fate.successes > 0 for fate in known)
        dead = sum(fate.dead_lettered and not fate.successes for fate in known)
        filtered = sum(fate.filtered and not fate.successes for fate in known)
        settled = processed + dead + filtered + lost
        untouched = len(set(accepted) - set(fates.of_event))
        return {
            "accepted": len(accepted),
            "processed": processed,
            "dead_lettered": dead,
            "retrying": len(known) - settled + untouched,
            "filtered": filtered,
            "lost": lost,
            "unexpected": unexpected,
            "duplicated": sum(fate.successes > 1 for fate in known),
            "recovered": sum(fate.recovered for fate in known),
        }


def _steps(fates: _Fates, event: str) -> list[Record]:
    return [record for fate in fates.of_event.get(event, {}).values() for record in fate.records]


class _DeadLettered(Check):
    name = "dead_lettered"

    def __init__(self, consumer: str, queue: str | None) -> None:
        self.consumer = consumer
        self.queue = queue

    def doubt(self, history: History, verdict: Verdict) -> str | None:
        """It holds only if each event that failed was seen to succeed later, or to be kept."""
        if verdict.broken:
            return None
        runs = history.runs_of(self.consumer)
        safe = {item for record in history.dead_letters for item in history.items_of(record)}
        done = {item for run in runs for item in run.succeeded_items}
        open_ = {item for run in runs for item in run.failed_items} - safe - done
        return f"{plural(len(open_), 'event')} that it failed with may still be tried, or be lost." if open_ else None

    def judge(self, history: History) -> Verdict:
        tried = {item for run in history.runs_of(self.consumer) for item in run.failed_items}
        tried |= {item for r in history.of("delivery", resource=self.consumer) for item in r.detail["ids"]}
        tried |= {item for r in self._refused(history) for item in history.items_of(r)}
        kept = [r for r in history.dead_letters if tried & set(history.items_of(r))]
        safe = {item for record in kept for item in history.items_of(record)}
        lost = [r for r in history.losses if (set(history.items_of(r)) & tried) - safe]
        if lost:
            gone = sum(len((set(history.items_of(r)) & tried) - safe) for r in lost)
            reasons = ", ".join(dict.fromkeys(str(r.detail.get("reason")) for r in lost))
            return self._broken(
                f"{plural(gone, 'event')} given up and kept nowhere: {reasons}.", evidence=lost, counts={"lost": gone}
            )
        if not kept:
            return self._unknown(
                f"{self.consumer} was given up on nothing: no event was dead-lettered, and none was lost."
            )
        elsewhere = [record for record in kept if self.queue not in (None, record.resource)]
        if elsewhere:
            where = ", ".join(dict.fromkeys(record.resource for record in elsewhere))
            return self._broken(f"kept in {where}, not in {self.queue}.", evidence=elsewhere)
        where = ", ".join(dict.fromkeys(record.resource for record in kept))
        return self._holds(
            f"{plural(len(safe), 'event')} kept in {where}.", evidence=kept, counts={"dead_lettered": len(safe)}
        )

    def _refused(self, history: History) -> Iterator[Record]:
        """What was given up for the consumer before it was ever tried: Lambda refuses the next turn of a loop that it stops."""
        yield from (r for r in history.of("dead_letter") if r.detail.get("source") == self.consumer)
        yield from (r for r in history.losses if r.resource == self.consumer)
