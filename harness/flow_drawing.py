"""How a flow is drawn: the causal tree in words, one line per step, with virtual times since the flow began."""

from __future__ import annotations

from collections.abc import Iterator

from stagefright.causal_tree import CausalTree
from stagefright.event import Event
from stagefright.happenings import Dropped, error_type, failed
from stagefright.journal import OBSERVED, UNPROVED, UNSURE, Record
from stagefright.wording import clip, neat, offset, plural, shorten


class FlowDrawing:
    """The lines of one tree."""

    def __init__(self, tree: CausalTree, began_at: float) -> None:
        self._tree = tree
        self._began_at = began_at

    def lines(self) -> Iterator[str]:
        """A line per step, indented below what led to it."""
        stack = [(record, 0) for record in reversed(self._tree.roots)]
        while stack:
            record, depth = stack.pop()
            text = self._line(record)
            if text is not None:
                doubt = "? " if UNPROVED in record.detail else ""
                yield f"{offset(self._at(record)):<11} {'  ' * depth}{doubt}{text}"
                depth += 1
            stack.extend((child, depth) for child in reversed(self._tree.children.get(record.n, [])))

    def _line(self, record: Record) -> str | None:
        """The words for a record; None for one that is told by its children, or elsewhere."""
        draw = _WORDS.get(record.kind)
        return draw(self, record) if draw is not None else None

    def _call_line(self, record: Record) -> str | None:
        detail = record.detail
        has_effect = record.cause not in self._tree.by_n and record.n in self._tree.children
        if not has_effect and not detail.get("error"):
            return None
        error = f": refused with {detail['error']}" if detail.get("error") else ""
        return f"{record.resource} called {detail.get('service')}.{detail.get('operation')}{error}"

    def _event_line(self, record: Record) -> str:
        event = Event(record)
        if event.change is not None:
            return f"{record.resource} {event.change}" + self._fate_of(record)
        request = [record.detail[part] for part in ("method", "path") if part in record.detail]
        payload = event.payload
        words = [record.resource, "accepted", *request, *([shorten(payload)] if payload or not request else [])]
        return " ".join(words) + self._fate_of(record)

    def _fate_of(self, event: Record) -> str:
        """What became of an event that has nothing below it."""
        if event.n in self._tree.children or not self._tree.is_step(event):
            return ""
        batch = self._tree.batched.get(event.n)
        if batch is not None:
            return f" (delivered to {batch.resource} in a batch)"
        if OBSERVED not in event.detail:
            return " (not delivered)"
        perhaps = self._tree.perhaps.get(event.n)
        return " (not seen to be delivered)" if perhaps is None else f" (perhaps delivered to {perhaps.resource})"

    def _delivery_line(self, record: Record) -> str | None:
        if self._tree.is_handed_on(record):
            ids = record.detail.get("ids", ())
            what = plural(len(ids), "event") if ids else "something"
            return f"{record.resource} took {what} from {record.detail.get('source')}"
        if record.n in self._tree.children:
            return None
        return f"{record.resource}: attempt {record.detail.get('attempt', 1)} to deliver from {record.detail.get('source')}"

    def _invocation_line(self, record: Record) -> str:
        return f"{record.resource} attempt {record.detail.get('attempt', 1)}: {self._ending(record)}"

    def _ending(self, invocation: Record) -> str:
        outcome = self._tree.outcomes.get(invocation.n)
        if outcome is None:
            return "still running"
        took = f"after {outcome.detail.get('duration_ms', 0):g} ms"
        if failed(outcome):
            return f"failed {took} with {error_type(outcome)}: {clip(outcome.detail.get('error_message') or '')}"
        return f"ended {took}; {outcome.detail[UNSURE]}" if UNSURE in outcome.detail else f"ok {took}"

    def _retry_line(self, record: Record) -> str:
        due = record.detail.get("due")
        when = "" if due is None else f" at {offset(due - self._began_at)}"
        return f"{record.resource} will be tried again{when} ({record.detail.get('reason')})"

    def _dead_letter_line(self, record: Record) -> str:
        verb = "did not take" if record.detail.get("lost") else "keeps"
        return f"{record.resource} {verb} a dead letter of {record.detail.get('source')} ({record.detail.get('condition')})"

    def _dropped_line(self, record: Record) -> str:
        return Dropped.of(record, self._at(record)).told

    def _fault_line(self, record: Record) -> str:
        return (
            f"fault {record.detail.get('fault')} struck {record.resource} {shorten(record.detail.get('settings', {}))}"
        )

    def _warning_line(self, record: Record) -> str:
        return f"warning, {record.resource}: {record.detail.get('message')}"

    def _at(self, record: Record) -> int | float:
        return neat(record.at - self._began_at)


_WORDS = {
    "call": FlowDrawing._call_line,
    "dead_letter": FlowDrawing._dead_letter_line,
    "delivery": FlowDrawing._delivery_line,
    "dropped": FlowDrawing._dropped_line,
    "event": FlowDrawing._event_line,
    "fault": FlowDrawing._fault_line,
    "invocation": FlowDrawing._invocation_line,
    "retry": FlowDrawing._retry_line,
    "warning": FlowDrawing._warning_line,
}
"""How each kind is drawn. An outcome is told in its invocation's line, and log lines have a section of their own."""
