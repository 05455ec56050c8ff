"""
Whom a poller hands its batches to.

A poller knows its source: what to read, how to batch, what to try again. What becomes of a batch it leaves to a consumer, which is a
function (an event source mapping) or a pipe. Both read the same queues and streams by the same rules (aws-semantics §3, §4, §6.7).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from stagefright.aws_api.errors import ApiError
from stagefright.patterns import compile_mapping_filter
from stagefright.services.event_source_mapping import describe_filters

if TYPE_CHECKING:
    from stagefright.functions.outcome import Outcome
    from stagefright.services.event_source_mapping import EventSourceMapping
    from stagefright.world import World

Record = Mapping[str, Any]
"""A record in the shape in which a function gets it (§3.9, §4.6)."""


class Consumer(Protocol):
    """The other end of a poller."""

    @property
    def arn(self) -> str:
        """The function's, or the pipe's."""

    @property
    def name(self) -> str:
        """What journals call it."""

    def timeout_s(self) -> int:
        """How long a batch may take."""

    def passes(self, record: Record) -> bool:
        """Whether the filters let a record through."""

    def text_of(self, record: Record) -> str:
        """A record as JSON, in the consumer's own shape."""

    async def invoke(
        self,
        records: Sequence[str],
        *,
        cause: int,
        attempt: int,
        state: Record | None = None,
        trace_headers: Sequence[str] = (),
    ) -> Outcome:
        """
        Hand a batch over and wait for the outcome; `state` is what a tumbling window adds to the event, `trace_headers` those that its
        records carry.

        Raises `ApiError` if it was refused before anything ran: such an attempt does not count (§4.3).
        """

    def failure_reason(self, outcome: Outcome) -> str:
        """Why a failed batch is tried again, for the journal."""

    def failure_context(
        self, condition: str, attempts: int, request_id: str, outcome: Outcome | None
    ) -> dict[str, Any]:
        """How the record of a batch that was given up begins: who had it, and what came of it (§4.5)."""


class FunctionConsumer:
    """The function of an event source mapping."""

    def __init__(self, world: World, mapping: EventSourceMapping) -> None:
        self._world = world
        self._mapping = mapping
        self._filter = compile_mapping_filter(describe_filters(mapping), mapping.source)
        self.arn = mapping.function_arn
        self.name = world.name_of(mapping.function_arn)

    def timeout_s(self) -> int:
        """The function's, or 0 if it is gone: its mapping polls on, as on AWS, and every invocation is refused."""
        try:
            return self._world.functions.find(self.arn).version.timeout_s
        except ApiError:
            return 0

    def passes(self, record: Record) -> bool:
        """Whether the mapping's filters let a record through."""
        return self._filter.matches(record)

    def text_of(self, record: Record) -> str:
        """The record as JSON; Kinesis records name the role that read them (§4.6)."""
        if self._mapping.source == "kinesis":
            record = {**record, "invokeIdentityArn": self._role()}
        return json.dumps(record, separators=(",", ":"))

    def _role(self) -> str:
        try:
            return self._world.functions.find(self.arn).version.role
        except ApiError:
            return ""

    async def invoke(
        self,
        records: Sequence[str],
        *,
        cause: int,
        attempt: int,
        state: Record | None = None,
        trace_headers: Sequence[str] = (),
    ) -> Outcome:
        """One synchronous invocation with the whole batch."""
        resolved = self._world.functions.find(self.arn)
        more = "" if state is None else "," + json.dumps(state, separators=(",", ":"))[1:-1]
        payload = '{"Records":[' + ",".join(records) + "]" + more + "}"
        request_id = self._world.chance.uuid("mapping", self._mapping.uuid, cause)
        return await self._world.executor.run(
            resolved,
            payload.encode(),
            request_id=request_id,
            cause=cause,
            attempt=attempt,
            trace_headers=trace_headers,
        )

    def failure_reason(self, outcome: Outcome) -> str:  # noqa: ARG002 - other consumers tell more
        """The function failed, whatever it failed of."""
        return "FunctionError"

    def failure_context(
        self, condition: str, attempts: int, request_id: str, outcome: Outcome | None
    ) -> dict[str, Any]:
        """
        Request and response as AWS words them; the function's ARN is unqualified.

        Expiry by age has no response context, and a failure that the function reported item by item a null `functionError` (§4.5).
        """
        context: dict[str, Any] = {
            "requestContext": {
                "requestId": request_id,
                "functionArn": self.arn,
                "condition": condition,
                "approximateInvokeCount": attempts,
            }
        }
        if outcome is not None:
            context["responseContext"] = {
                "statusCode": 200,
                "executedVersion": outcome.executed_version,
                "functionError": "Unhandled" if outcome.failed else None,
            }
        return context
