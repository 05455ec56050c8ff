"""
Recursive loops that Lambda itself stops: the trace header, what carries it on, and the count that it stands for (aws-semantics §7).

Each invocation has a trace header in `_X_AMZN_TRACE_ID`. botocore puts it on the requests that the handler makes, the services that take part
(Lambda, SQS, SNS, S3) hand it on with what they deliver, and the next invocation counts one more. Code that takes the header away, an SDK that
does not send it, and a service that does not take part break the chain: what comes after counts anew.

Nothing is kept here. An invocation's header is made from its journal record, and a header names that record in its `Parent`. A `call` record
has a `trace` only where the request carried something else than the header of the invocation that made it. Whoever delivers an event
only says, as everywhere, which record caused it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.functions import loops

if TYPE_CHECKING:
    from stagefright.chance import Chance
    from stagefright.functions.environment import Environment
    from stagefright.journal import Journal, Record
    from stagefright.services.function import Resolved
    from stagefright.world import World

HEADER = "X-Amzn-Trace-Id"
"""The request header; botocore's `add_recursion_detection_header` sets it when code runs in Lambda."""

CARRIERS: Mapping[str, frozenset[str] | None] = {
    "lambda": frozenset({"Invoke", "InvokeAsync"}),
    "sqs": frozenset({"SendMessage", "SendMessageBatch"}),
    "sns": frozenset({"Publish", "PublishBatch"}),
    "s3": None,
}
"""The calls whose header goes on with what they cause; None: all of a service."""

OUTSIDE = frozenset({"detail_type", "log_stream"})
"""What only events of buses and of log groups have: these take no part, even if Lambda itself wrote what they hand on."""

REQUEST_COUNTER_MAX = 255
LOOP_COUNTER_MAX = 32_767
"""The ranges of the two counters in `Lineage`."""

RECURSION = "RecursiveInvocationException"


@dataclass(frozen=True, slots=True)
class Chain:
    """The invocations that one trace header stands for: what they all go back to, and how many there were of each function."""

    root: str
    sampled: str
    counts: Mapping[str, int]

    def with_one_of(self, function: str) -> dict[str, Any]:
        """The chain with one more invocation, as its `invocation` record keeps it."""
        counts = {**self.counts, function: self.counts.get(function, 0) + 1}
        sampled = {"sampled": self.sampled} if self.sampled != "0" else {}
        return {"root": self.root, **sampled, "counts": counts}


class Lineage:
    """Follows the chains of a world, and refuses an invocation that would go on with a loop."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._warned: set[str] = set()

    def clear(self) -> None:
        """No loop has been seen yet."""
        self._warned.clear()

    def follow(self, resolved: Resolved, headers: Sequence[str] | None, cause: int | None) -> dict[str, Any] | None:
        """
        What the new invocation's record keeps of its chain; None if the invocation begins one.

        `headers` are those of a batch's messages; None: the one of the call that led to `cause`. Raises `ApiError`
        `RecursiveInvocationException` if Lambda would stop the loop here.
        """
        world, name = self._world, self._world.name_of(resolved.function.arn)
        if headers is None:
            behind = header_behind(world.journal, world.chance, cause)
            headers = [] if behind is None else [behind]
        chains = [chain for header in headers if (chain := chain_of(world.journal, world.chance, header)) is not None]
        if not chains:
            return None
        # Which header counts for a batch of several is UNSOURCED: the one that has gone round most often does.
        longest = max(chains, key=lambda chain: chain.counts.get(name, 0))
        if resolved.function.recursive_loop == "Terminate":
            self._check(longest, name, cause)
        return longest.with_one_of(name)

    def _check(self, chain: Chain, name: str, cause: int | None) -> None:
        limit = self._world.assumptions.recursion_invocations_max
        if chain.counts.get(name, 0) < limit:
            return
        if name not in self._warned:
            self._warned.add(name)
            self._world.journal.write(
                "warning",
                name,
                cause=cause,
                message=(
                    f"Lambda stops a recursive loop ({loops.cycle(self._world.journal, name, cause)}): {name} was invoked {limit} times "
                    f"by the same triggering event, and the next invocation is refused with {RECURSION}. If the loop is meant, "
                    "set RecursiveLoop: Allow."
                ),
            )
        raise recursive_invocation()


def recursive_invocation() -> ApiError:
    """Lambda's refusal of an invocation in a recursive loop."""
    return ApiError(
        RECURSION,
        "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and "
        "stopped your function's invocation.",
        Type="User",
    )


def header_of(chance: Chance, invocation: Record) -> str:
    """The trace header of an invocation, from its journal record."""
    name = invocation.resource
    lineage: Mapping[str, Any] = invocation.detail.get("lineage") or {}
    root = lineage.get("root") or _new_root(chance, invocation)
    counts: Mapping[str, int] = lineage.get("counts") or {name: 1}
    requests, loop = min(sum(counts.values()), REQUEST_COUNTER_MAX), min(counts[name] - 1, LOOP_COUNTER_MAX)
    return (
        f"Root={root};Parent={_parent(chance, invocation.n)};Sampled={lineage.get('sampled', '0')};"
        f"Lineage={requests}:{chance.hex(8, 'lineage', name)}:{loop}"
    )


def _new_root(chance: Chance, invocation: Record) -> str:
    return f"1-{int(invocation.at):08x}-{chance.hex(24, 'trace root', invocation.detail['request_id'])}"


def _parent(chance: Chance, n: int) -> str:
    """The `Parent` of what an invocation causes: half of it names the record, the other half proves that it is ours."""
    return f"{chance.hex(8, 'trace parent', n)}{n:08x}"


def chain_of(journal: Journal, chance: Chance, header: str) -> Chain | None:
    """The chain that a header stands for; None for a text that has no `Root`, and is therefore no header."""
    parts = dict(part.strip().split("=", 1) for part in header.split(";") if "=" in part)
    if not parts.get("Root"):
        return None
    parent = _invocation_named(journal, chance, parts.get("Parent", ""))
    counts: Mapping[str, int] = {}
    # A tracing library that rewrites the header and leaves out what it does not know ends the count, as on AWS.
    if parent is not None and "Lineage" in parts:
        counts = (parent.detail.get("lineage") or {}).get("counts") or {parent.resource: 1}
    return Chain(parts["Root"], parts.get("Sampled", "0"), counts)


def _invocation_named(journal: Journal, chance: Chance, parent: str) -> Record | None:
    try:
        n = int(parent[8:], 16)
    except ValueError:
        return None
    if n >= len(journal) or parent != _parent(chance, n):
        return None
    return journal[n] if journal[n].kind == "invocation" else None


def header_behind(journal: Journal, chance: Chance, cause: int | None) -> str | None:
    """
    The trace header that goes on with an event that `cause` leads to; None if there is none, or something on the way does not hand it on.

    Lambda itself hands its header on when it sends a result to a destination or a dead-letter queue.
    """
    carried = False
    for record in _way_back(journal, cause):
        if record.kind == "invocation":
            return header_of(chance, record) if carried else None
        if record.kind == "event" and not OUTSIDE.isdisjoint(record.detail):
            return None
        if record.kind == "outcome":
            carried = True
        elif record.kind == "call" and not carried:
            if not _carries(record):
                return None
            if "trace" in record.detail:
                return record.detail["trace"] or None
            carried = True
    return None


def _carries(call: Record) -> bool:
    operations = CARRIERS.get(call.detail.get("service", ""), frozenset())
    return operations is None or call.detail.get("operation") in operations


def _way_back(journal: Journal, cause: int | None) -> Iterator[Record]:
    while cause is not None:
        record = journal[cause]
        yield record
        cause = record.cause


def sent_with(world: World, headers: Mapping[str, Any], environment: Environment | None) -> dict[str, str]:
    """What a `call` record says of the header that its request carries: nothing if it is the one that is expected there."""
    sent = headers.get(HEADER, "")
    text = sent.decode() if isinstance(sent, bytes) else str(sent)
    expected = "" if environment is None else _expected_of(world, environment)
    return {} if text == expected else {"trace": text}


def _expected_of(world: World, environment: Environment) -> str:
    """The header of the invocation that an environment's code works on; "" while it works on none."""
    cause = world.kernel.cause()
    if cause is None:
        return ""
    if environment.trace is not None and environment.trace[0] == cause:
        return environment.trace[1]
    return header_of(world.chance, world.journal[cause]) if world.journal[cause].kind == "invocation" else ""
