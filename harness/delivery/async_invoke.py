"""
Asynchronous invocation: Lambda's own queue, its retry ladder, and where events go that it gives up (aws-semantics §2).

A function error is retried twice, after one minute and after two; a throttle is retried with growing pauses and uses up no attempt. Before
each wait Lambda looks ahead: if the next attempt would start past the event's maximum age, it gives up at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import backoff
from stagefright.delivery.at_least_once import HandOver
from stagefright.delivery.destinations import async_record
from stagefright.functions.concurrency import ShutFunction
from stagefright.functions.lineage import RECURSION
from stagefright.services import lambda_limits as limits

if TYPE_CHECKING:
    from stagefright.functions.outcome import Outcome
    from stagefright.services.function import Resolved
    from stagefright.world import World

THROTTLED_STATUS = 429

DEAD_LETTER_ERROR_BYTES_MAX = 1024
"""How much of the error message the dead-letter queue's `ErrorMessage` holds."""


@dataclass(slots=True)
class _Event:
    """An event in Lambda's asynchronous queue."""

    function_arn: str
    qualifier: str | None
    payload: bytes
    request_id: str
    accepted_at: float
    cause: int | None
    attempts: int = 0
    throttles: int = 0
    last: Outcome | None = None
    refusal: ApiError | None = None
    """Why it is not run at all, if that is not for lack of room."""


class AsyncInvoke:
    """Accepts asynchronous invocations and sees each to its end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._accepted = 0

    def reset(self) -> None:
        self._accepted = 0

    def submit(
        self,
        function: str,
        event: Any,
        *,
        cause: int | None,
        qualifier: str | None = None,
        request_id: str | None = None,
    ) -> str:
        """
        Accept an event (bytes, or anything that JSON can say) for a function, by name or ARN; returns the request id.

        Raises `ApiError` as the API does: unknown function, payload over 1 MB.
        """
        resolved = self._world.functions.find(function, qualifier)
        payload = event if isinstance(event, bytes) else json.dumps(event, separators=(",", ":")).encode()
        if len(payload) > limits.ASYNC_PAYLOAD_BYTES_MAX:
            raise payload_too_large(limits.ASYNC_PAYLOAD_BYTES_MAX)
        self._accepted += 1
        request_id = request_id or self._world.chance.uuid("async invocation", self._accepted)
        entry = _Event(resolved.function.arn, resolved.qualifier, payload, request_id, self._world.clock.now(), cause)
        self._enqueue(entry)
        return request_id

    def _enqueue(self, entry: _Event) -> None:
        """Into Lambda's queue, which delivers at least once, and may drop events when it is backed up (§2)."""
        if self._world.at_least_once.is_exact:
            self._start(entry, entry.cause)
            return
        name = self._world.name_of(entry.function_arn)
        hand_over = HandOver("function", name, entry.request_id, name)
        self._world.at_least_once.hand_over(
            partial(self._start, entry), hand_over, entry.cause, lose=partial(self._lose, entry)
        )

    def _start(self, entry: _Event, cause: int | None) -> None:
        copy = replace(entry, cause=cause)
        name = f"asynchronous invocation of {entry.function_arn.rpartition(':')[2]}"
        self._world.kernel.spawn(self._see_through(copy), name=name, cause=cause)

    def _lose(self, entry: _Event, cause: int | None) -> None:
        name = self._world.name_of(entry.function_arn)
        reason = "the asynchronous queue was backed up, and Lambda dropped the event before it ran"
        self._world.journal.write("dropped", name, cause=cause, reason=reason, ids=[entry.request_id])

    async def _see_through(self, event: _Event) -> None:
        while True:
            resolved = self._find(event)
            if resolved is None:
                return
            if resolved.function.reserved_concurrency == 0:
                self._give_up(event, resolved, "ZeroReservedConcurrency")
                return
            wait_s, reason = await self._attempt(event, resolved)
            if wait_s is None:
                return
            if self._too_old_after(event, resolved, wait_s):
                self._give_up(event, resolved, "EventAgeExceeded")
                return
            self._plan_retry(event, resolved, wait_s, reason)
            await self._world.kernel.sleep(wait_s)

    def _find(self, event: _Event) -> Resolved | None:
        """What to run now: the function may have changed, or gone, since the last attempt."""
        try:
            return self._world.functions.find(event.function_arn, event.qualifier)
        except ApiError as gone:
            name = self._world.name_of(event.function_arn)
            self._world.journal.write("dropped", name, cause=event.cause, reason=gone.message, ids=[event.request_id])
            return None

    async def _attempt(self, event: _Event, resolved: Resolved) -> tuple[float | None, str]:
        """One attempt; returns how long to wait for the next one, or None if the event is done with."""
        try:
            outcome = await self._world.executor.run(
                resolved,
                event.payload,
                request_id=event.request_id,
                cause=event.cause,
                attempt=event.attempts + 1,
            )
        except ApiError as refusal:
            if refusal.code == RECURSION:
                event.refusal = refusal
                self._give_up(event, resolved, self._world.assumptions.recursion_condition)
                return None, ""
            if isinstance(refusal, ShutFunction):
                self._give_up(event, resolved, "ZeroReservedConcurrency")
                return None, ""
            event.throttles += 1
            return self._world.backoff.async_throttle(event.throttles, event.request_id), refusal_reason(refusal)
        event.attempts += 1
        event.last = outcome
        if not outcome.failed:
            self._succeed(event, resolved)
            return None, ""
        config = self._world.functions.event_invoke_config(resolved)
        if event.attempts > config.retry_attempts_max:
            self._give_up(event, resolved, "RetriesExhausted")
            return None, ""
        return backoff.ASYNC_FUNCTION_ERROR_DELAYS_S[event.attempts - 1], "FunctionError"

    def _too_old_after(self, event: _Event, resolved: Resolved, wait_s: float) -> bool:
        age_max_s = self._world.functions.event_invoke_config(resolved).event_age_max_s
        return self._world.clock.now() + wait_s >= event.accepted_at + age_max_s

    def _plan_retry(self, event: _Event, resolved: Resolved, wait_s: float, reason: str) -> None:
        self._world.journal.write(
            "retry",
            self._world.name_of(resolved.function.arn),
            cause=event.cause if event.last is None else event.last.record,
            source="asynchronous invocation",
            due=self._world.clock.now() + wait_s,
            reason=reason,
        )
        self._world.limit_attempts(event.attempts + event.throttles, resolved.function.arn, event.cause)

    def _succeed(self, event: _Event, resolved: Resolved) -> None:
        target = self._world.functions.event_invoke_config(resolved).on_success
        if target is not None:
            record = self._record(event, resolved, "Success")
            self._world.destinations.send_async_record(target, record, cause=event.last.record if event.last else None)

    def _give_up(self, event: _Event, resolved: Resolved, condition: str) -> None:
        """The dead-letter queue and the destination are independent: each gets the event if it is set (§2.4)."""
        cause = event.cause if event.last is None else event.last.record
        destination = self._world.functions.event_invoke_config(resolved).on_failure
        dead_letter_arn = resolved.version.dead_letter_arn
        # The journal says plainly why; what the record's `condition` says of a refusal is an assumption.
        reason = condition if event.refusal is None else event.refusal.code
        if destination is None and dead_letter_arn is None:
            name = self._world.name_of(resolved.function.arn)
            self._world.journal.write("dropped", name, cause=cause, reason=reason, ids=[event.request_id])
        if dead_letter_arn is not None:
            self._send_to_dead_letter_queue(event, dead_letter_arn, reason, cause)
        if destination is not None:
            record = self._record(event, resolved, condition)
            self._world.destinations.send_async_record(destination, record, cause=cause, condition=reason)

    def _send_to_dead_letter_queue(self, event: _Event, arn: str, condition: str, cause: int | None) -> None:
        status, error = _why(event)
        text = error.encode()[:DEAD_LETTER_ERROR_BYTES_MAX].decode("utf-8", "ignore")
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": event.request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": str(status)},
            "ErrorMessage": {"DataType": "String", "StringValue": text},
        }
        self._world.destinations.dead_letter(
            arn,
            event.payload.decode(),
            attributes,
            source=self._world.name_of(event.function_arn),
            condition=condition,
            ids=[event.request_id],
            cause=cause,
        )

    def _record(self, event: _Event, resolved: Resolved, condition: str) -> dict[str, Any]:
        return async_record(
            timestamp=self._world.clock.iso(),
            request_id=event.request_id,
            function_arn=resolved.qualified_arn,
            condition=condition,
            attempts=event.attempts,
            payload=json.loads(event.payload),
            outcome=event.last if condition != "ZeroReservedConcurrency" else None,
        )


def _why(event: _Event) -> tuple[int, str]:
    """The HTTP status and the error text that the dead-letter queue's attributes tell."""
    if event.refusal is not None:
        return event.refusal.status, event.refusal.message
    if event.last is not None and event.last.failed:
        return 200, event.last.error_message or ""
    return THROTTLED_STATUS, "Rate Exceeded."


def refusal_reason(refusal: ApiError) -> str:
    """Why an invocation was refused before the function ran, in the words of `retry` records."""
    return "Throttled" if refusal.status == THROTTLED_STATUS else refusal.code


def payload_too_large(limit: int) -> ApiError:
    """Invoke's refusal of a request body over the limit (aws-semantics §1.2)."""
    return ApiError(
        "RequestTooLargeException",
        f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
        status=413,
        Type="User",
    )
