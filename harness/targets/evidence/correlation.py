"""
Draws the edges of a deployed stage's flows: which record led to which.

An edge is proved by a name (the answer to a call, the invocation's log or a later event names the event) or by a thread that only one
candidate shares. Where nothing proves it but one thing alone is likely, the edge is drawn and marked `unproved`; so is what came from nobody
knows where. Of several candidates none is taken: the edge goes to what led to all of them, if there is such a thing, and the record says
which they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from stagefright.event import is_event
from stagefright.journal import Record
from stagefright.targets.evidence.arrangement import Arranged, Arrangement
from stagefright.targets.evidence.by_likelihood import find_by_likelihood
from stagefright.targets.evidence.by_name import find_by_name
from stagefright.targets.evidence.by_thread import find_among_threads, find_by_thread
from stagefright.targets.evidence.clues import Clues, Reader
from stagefright.targets.evidence.implied import Numbers, implied_events
from stagefright.targets.evidence.index import Finding, Index, Node, names_of
from stagefright.targets.evidence.wiring import Unwired, Wiring

Find = Callable[[Index, Node], Finding | None]

CANDIDATES_MAX = 100
"""How many candidates are told one by one: more are a crowd, and nobody asks for its members."""

STEPS: tuple[Find, ...] = (find_by_name, find_by_thread, find_among_threads, find_by_likelihood)
"""The ways to find what led to something, the surest first."""


def arrange(records: Sequence[Record], *, keys: Iterable[str] = (), wiring: Wiring | None = None) -> Arranged:
    """The records of a journal of observations, as a local stage would have written them."""
    reader, wiring, numbers = Reader(keys), wiring or Unwired(), Numbers()
    runs = _runs(records, reader)
    events = implied_events(records, [(run.record, run.clues) for run in runs], wiring, numbers)
    known = [*records, *events]
    threads = {r.n: set(r.detail["threads"]) for r in records if r.kind == "call" and "threads" in r.detail}
    nodes = [*runs, *(_event(record, reader, threads) for record in known if is_event(record))]
    index = Index(known, nodes, wiring)
    correlate(index)
    return Arrangement(index, numbers).arranged()


def correlate(index: Index) -> None:
    """Find out for each node what led to it."""
    for find in STEPS:
        # What is found out of one may tell more of the others.
        while _step(index, find):
            pass
    for node in index.nodes:
        if not node.found.causes and node.found.candidates:
            _hang_under_all(index, node)


def _step(index: Index, find: Find) -> bool:
    """Ask once for each node that has no cause yet; whether one was found."""
    settled = [_settle(index, node, find) for node in index.nodes if not node.found.causes]
    return any(settled)


def _settle(index: Index, node: Node, find: Find) -> bool:
    """Take over what is found; whether that is a cause."""
    before, found = node.found, _attempted(index, node) or find(index, node)
    if found is None:
        return False
    causes = tuple(n for n in dict.fromkeys(found.causes) if not index.leads_to(node.record.n, n))
    if before.candidates and (find is find_by_likelihood or not set(causes) <= {*before.candidates}):
        # What a name or a thread has left open, is not decided by less than these.
        return False
    if causes or (found.candidates and not before.candidates):
        few = found.candidates if len(found.candidates) <= CANDIDATES_MAX else ()
        index.settle(node, found._replace(causes=causes, candidates=few))
    elif found.doubt and not before.doubt:
        index.settle(node, Finding((), found.doubt))
    return bool(causes)


def _attempted(index: Index, node: Node) -> Finding | None:
    """The attempts of an asynchronous invocation share their request id, and their cause."""
    siblings = [] if node.is_event else index.of_request[str(node.record.detail["request_id"])]
    return next((one.found for one in siblings if one is not node and one.found.causes), None)


def _hang_under_all(index: Index, node: Node) -> None:
    """What led to all candidates has led to it, too."""
    shared = index.common_ancestor(node.found.candidates)
    if shared is not None and not index.leads_to(node.record.n, shared):
        index.settle(node, node.found._replace(causes=(shared,)))


def _runs(records: Sequence[Record], reader: Reader) -> list[Node]:
    lines: dict[int, list[Record]] = {}
    for record in records:
        if record.kind == "log" and record.cause is not None:
            lines.setdefault(record.cause, []).append(record)
    ended = {r.cause: r.at for r in records if r.kind == "outcome" and r.cause is not None}
    return [_run(r, reader, lines.get(r.n, []), ended.get(r.n)) for r in records if r.kind == "invocation"]


def _run(record: Record, reader: Reader, lines: list[Record], ended: float | None) -> Node:
    in_order = sorted(lines, key=lambda line: (line.at, line.n))
    clues = reader.of_log(str(line.detail.get("line", "")) for line in in_order)
    trace = record.detail.get("trace_id")
    if trace:
        clues.threads.add(str(trace))
    name = str(record.detail["request_id"])
    clues.mentioned.discard(name)
    return Node(record, clues, float("inf") if ended is None else ended, frozenset([name]))


def _event(record: Record, reader: Reader, threads: Mapping[int, set[str]]) -> Node:
    """An event carries what it holds; a request to an API, whose headers no record has, what the test's call has sent and was answered."""
    clues: Clues = reader.of_event(record.detail)
    if record.cause is not None:
        clues.threads |= threads.get(record.cause, set())
    return Node(record, clues, record.at, frozenset(names_of(record)))
