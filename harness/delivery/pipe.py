"""
A pipe as the consumer of a poller: enrichment, then target (aws-semantics §6.7).

What it answers is what a function with `ReportBatchItemFailures` would: which records of the source must be tried again. So the pollers of queues
and streams treat a pipe as they treat a function.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import targets
from stagefright.delivery.batch_response import failed_items
from stagefright.delivery.pipe_input import PipeInput
from stagefright.delivery.pipe_targets import hand_over_each
from stagefright.functions import loops
from stagefright.functions.outcome import Outcome
from stagefright.patterns import compile_pipe_filter
from stagefright.services.lambda_limits import SYNC_PAYLOAD_BYTES_MAX
from stagefright.services.pipe import TARGET_BATCH_MAX

if TYPE_CHECKING:
    from stagefright.delivery.consumer import Record
    from stagefright.services.pipe import Pipe
    from stagefright.world import World

FUNCTION_TIMEOUT_S = 7 * 60
"""What Pipes counts for a batch when a batching window prolongs the visibility timeout (AWS guide, eb-pipes-error-troubleshooting)."""

EXECUTION_TIMEOUT_S = 5 * 60
"""How long a batch may take on its way through a pipe; what runs then goes on, and nobody waits for it (AWS guide, eb-pipes-batching-concurrency)."""

EMPTY: tuple[Any, ...] = ("", {}, [], None)
"""What an enrichment returns so that the target is not invoked (AWS guide, pipes-enrichment)."""


class PipeConsumer:
    """One pipe, for as long as its settings last."""

    def __init__(self, world: World, pipe: Pipe) -> None:
        self._world = world
        self._pipe = pipe
        polling = pipe.polling
        assert polling is not None
        self._filter = compile_pipe_filter(polling.filters, polling.source)
        self.arn = pipe.arn
        self.name = world.name_of(pipe.arn)

    def timeout_s(self) -> int:
        """How long a batch counts as taking."""
        return FUNCTION_TIMEOUT_S

    def passes(self, record: Record) -> bool:
        """Whether the pipe's filters let a record through."""
        return self._filter.matches(record)

    def text_of(self, record: Record) -> str:
        """The record as JSON; one of Kinesis lies flat, and names the role that read it."""
        if "kinesis" in record:
            rest = {name: part for name, part in record.items() if name != "kinesis"}
            record = {**record["kinesis"], **rest, "invokeIdentityArn": self._pipe.role_arn}
        return json.dumps(record, separators=(",", ":"))

    async def invoke(
        self,
        records: Sequence[str],
        *,
        cause: int,
        attempt: int,
        state: Record | None = None,
        trace_headers: Sequence[str] = (),  # noqa: ARG002 - Lambda does not follow loops through pipes (§7)
    ) -> Outcome:
        """Send a batch through the pipe; the answer names the records that must be tried again. Pipes have no tumbling windows."""
        assert state is None
        self._note_ancestors(cause)
        kernel = self._world.kernel
        execution = kernel.spawn(
            _Execution(self._world, self._pipe, records, cause, attempt).run(),
            name=f"execution of {self.name}",
            cause=cause,
        )
        if await kernel.first(execution, deadline=kernel.now() + EXECUTION_TIMEOUT_S):
            return execution.result()
        request_id = self._world.chance.uuid("pipe", self._pipe.arn, cause)
        return _failed(request_id, "ExecutionTimeout", f"it took longer than {EXECUTION_TIMEOUT_S} s", cause)

    def _note_ancestors(self, cause: int) -> None:
        """A pipe that leads to its own source, alone or with others, would never come to an end: the world stops."""
        journal = self._world.journal
        delivery = journal[cause]
        count = loops.ancestors(journal, self.name, delivery.cause, kind="delivery")
        if count:
            journal.amend(delivery, ancestors=count)
        if count > loops.ANCESTORS_MAX:
            self._world.kernel.fail(loops.endless_loop(journal, self.name, delivery.cause, count, kind="delivery"))

    def failure_reason(self, outcome: Outcome) -> str:
        """Where it failed, for the journal."""
        return str(outcome.error_type)

    def failure_context(
        self,
        condition: str,
        attempts: int,  # noqa: ARG002 - a pipe's record is shorter than a function's
        request_id: str,  # noqa: ARG002
        outcome: Outcome | None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """What a dead-letter queue is told of the pipe; AWS does not document the form (§6.7)."""
        return {"context": {"partnerResourceArn": self.arn, "condition": condition}}


@dataclass(slots=True)
class _Failure(Exception):
    """The pipe's owner has to do something about it, so it counts as an attempt (AWS guide, eb-pipes-error-troubleshooting)."""

    where: str
    reason: str
    record: int


class _Execution:
    """One batch on its way through a pipe."""

    def __init__(self, world: World, pipe: Pipe, records: Sequence[str], cause: int, attempt: int) -> None:
        self._world = world
        self._pipe = pipe
        self._name = world.name_of(pipe.arn)
        self._source = [json.loads(record) for record in records]
        self._cause = cause
        self._attempt = attempt
        self._request_id = world.chance.uuid("pipe", pipe.arn, cause)
        self._ids = world.journal[cause].detail["ids"]

    async def run(self) -> Outcome:
        """Enrichment and target; `ApiError` if one of them was throttled or unavailable, which counts for nothing."""
        try:
            events, record = await self._enriched()
            if not events:
                return self._answer([], record)
            if self._pipe.target_service == "lambda":
                return await self._to_function(events, record)
            return self._to_each(events, record)
        except _Failure as failure:
            return _failed(self._request_id, failure.where, failure.reason, failure.record)

    async def _enriched(self) -> tuple[list[Any], int]:
        """The events for the target, and the journal's record of what they come from."""
        function = self._pipe.enrichment
        if not function:
            return self._source, self._cause
        outcome = await self._call(function, self._batch(self._pipe.enrichment_parameters, self._source), self._cause)
        if outcome.failed:
            raise _Failure("EnrichmentError", str(outcome.error_message), outcome.record)
        answer = json.loads(outcome.payload or b"null")
        if answer in EMPTY:
            return [], outcome.record
        events = answer if isinstance(answer, list) else [answer]
        most = TARGET_BATCH_MAX[self._pipe.target_service]
        if most is not None and len(events) > most:
            reason = f"the enrichment returned {len(events)} events, and the target takes at most {most} at once"
            raise _Failure("EnrichmentError", reason, outcome.record)
        return events, outcome.record

    async def _to_function(self, events: list[Any], cause: int) -> Outcome:
        """The whole batch at once, as a bare list."""
        payload = self._batch(self._pipe.target_parameters, events)
        if not self._pipe.waits_for_target:
            self._submit(payload, cause)
            return self._answer([], cause)
        outcome = await self._call(self._pipe.target, payload, cause)
        if outcome.failed:
            raise _Failure("TargetError", str(outcome.error_message), outcome.record)
        return self._reported(outcome)

    def _reported(self, outcome: Outcome) -> Outcome:
        """Whatever a function returns is fine, unless it says that some items failed; it calls them by messageId or eventID."""
        answer = json.loads(outcome.payload or b"null")
        if not isinstance(answer, Mapping) or "batchItemFailures" not in answer:
            return self._answer([], outcome.record)
        numbers = {_item_id(record): _identifier(record) for record in self._source}
        failed = failed_items(outcome.payload, numbers)
        # An identifier that no record has is an answer that nobody can use: the whole batch fails.
        return self._answer([""] if failed is None else [numbers[item] for item in failed], outcome.record)

    def _to_each(self, events: list[Any], cause: int) -> Outcome:
        """Event by event through the target's batch API; those that are refused are tried again."""
        delivery = self._deliver(self._pipe.target, cause)
        texts = self._input(self._pipe.target_parameters)
        refused = hand_over_each(self._world, self._pipe, events, [texts.text(event) for event in events], delivery)
        if not refused:
            return self._answer([], delivery)
        error = next(iter(refused.values()))
        if len(refused) == len(events) and targets.is_retriable(error):
            raise error
        numbers = {_item_id(record): _identifier(record) for record in self._source}
        failed = [numbers.get(_item_id(events[place]), "") for place in refused]
        if len(refused) == len(events) or "" in failed:
            raise _Failure("TargetError", f"{error.code}: {error.message}", delivery)
        return self._answer(failed, delivery)

    # -- steps -------------------------------------------------------------------------------------------------------

    async def _call(self, function_arn: str, payload: bytes, cause: int) -> Outcome:
        """Invoke a function and wait for it."""
        delivery = self._deliver(function_arn, cause)
        try:
            return await self._world.executor.run(
                self._world.functions.find(function_arn),
                payload,
                request_id=self._world.chance.uuid("pipe", self._pipe.arn, delivery),
                cause=delivery,
                attempt=self._attempt,
            )
        except ApiError as refusal:
            if targets.is_retriable(refusal):
                raise
            raise _Failure(self._place(function_arn), f"{refusal.code}: {refusal.message}", delivery) from refusal

    def _submit(self, payload: bytes, cause: int) -> None:
        delivery = self._deliver(self._pipe.target, cause)
        try:
            self._world.async_invoke.submit(self._pipe.target, payload, cause=delivery)
        except ApiError as refusal:
            if targets.is_retriable(refusal):
                raise
            raise _Failure("TargetError", f"{refusal.code}: {refusal.message}", delivery) from refusal

    def _place(self, arn: str) -> str:
        return "EnrichmentError" if arn == self._pipe.enrichment else "TargetError"

    def _deliver(self, arn: str, cause: int) -> int:
        """The journal's record of one attempt to hand events on."""
        consumer = self._world.name_of(arn)
        return self._world.journal.write(
            "delivery", consumer, cause=cause, source=self._name, ids=self._ids, attempt=self._attempt
        ).n

    def _input(self, parameters: Mapping[str, Any]) -> PipeInput:
        pipe = self._pipe
        facts = {
            "pipe-arn": pipe.arn,
            "pipe-name": pipe.name,
            "source-arn": pipe.source,
            "enrichment-arn": pipe.enrichment,
            "target-arn": pipe.target,
        }
        return PipeInput(parameters.get("InputTemplate"), facts, self._world.clock.iso())

    def _batch(self, parameters: Mapping[str, Any], events: Sequence[Any]) -> bytes:
        """The bare list that a function gets, each of its items through the template."""
        template = self._input(parameters)
        items = [
            _as_json(template.text(event)) if parameters.get("InputTemplate") else json.dumps(event) for event in events
        ]
        payload = f"[{','.join(items)}]".encode()
        if len(payload) > SYNC_PAYLOAD_BYTES_MAX:
            raise _Failure("PayloadError", f"a batch of {len(payload)} bytes is over 6 MB", self._cause)
        return payload

    def _answer(self, failed: Sequence[str], record: int) -> Outcome:
        failures = [{"itemIdentifier": identifier} for identifier in failed]
        return Outcome(self._request_id, json.dumps({"batchItemFailures": failures}).encode(), "", record=record)


def _failed(request_id: str, where: str, reason: str, record: int) -> Outcome:
    """An execution that failed, as a function's failure would look."""
    error = {"errorType": where, "errorMessage": reason}
    return Outcome(request_id, json.dumps(error).encode(), "", error=error, record=record)


def _as_json(text: str) -> str:
    """A filled template as it stands in a list: JSON if that is what it is, else a string."""
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text)
    return text


def _item_id(event: Any) -> str:
    """What Pipes calls an event by: the message's id, or the record's (AWS guide, eb-pipes-batching-concurrency)."""
    if not isinstance(event, Mapping):
        return ""
    return str(event.get("messageId") or event.get("eventID") or "")


def _identifier(record: Mapping[str, Any]) -> str:
    """What the poller of its source calls it: the message's id, or the sequence number."""
    if "messageId" in record:
        return str(record["messageId"])
    return str(record["dynamodb"]["SequenceNumber"] if "dynamodb" in record else record["sequenceNumber"])
