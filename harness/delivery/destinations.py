"""
Where results and given-up events go: destination records and dead-letter queues, for every kind of trigger.

The shapes are AWS's (aws-semantics §2.3, §2.4, §4.5); the way to a queue, topic, function, bus or bucket is the same for all of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.functions import payloads
from stagefright.services.topic_rules import MESSAGE_BYTES_MAX

if TYPE_CHECKING:
    from stagefright.functions.outcome import Outcome
    from stagefright.world import World


def async_record(
    *,
    timestamp: str,
    request_id: str,
    function_arn: str,
    condition: str,
    attempts: int,
    payload: Any,
    outcome: Outcome | None,
) -> dict[str, Any]:
    """The record of an asynchronous invocation (§2.3); `function_arn` is qualified."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": timestamp,
        "requestContext": {
            "requestId": request_id,
            "functionArn": function_arn,
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": payload,
    }
    if outcome is not None:
        record["responseContext"] = _response_context(outcome)
        record["responsePayload"] = payloads.readable(outcome.payload)
    return record


def _response_context(outcome: Outcome) -> dict[str, Any]:
    context: dict[str, Any] = {"statusCode": 200, "executedVersion": outcome.executed_version}
    return {**context, "functionError": "Unhandled"} if outcome.failed else context


class Destinations:
    """Sends a body to whatever an ARN names."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send_async_record(
        self, arn: str, record: dict[str, Any], *, cause: int | None, condition: str | None = None
    ) -> None:
        """Send the record of an asynchronous invocation; with a `condition` it is journaled as given up."""
        ids = [record["requestContext"]["requestId"]]
        if condition is None:
            self._deliver(arn, record, {}, ids=ids, cause=cause)
        else:
            source = self._world.name_of(record["requestContext"]["functionArn"].rpartition(":")[0])
            self.dead_letter(arn, record, {}, source=source, condition=condition, ids=ids, cause=cause)

    def dead_letter(
        self,
        arn: str,
        body: str | dict[str, Any],
        attributes: dict[str, Any],
        *,
        source: str,
        condition: str,
        ids: list[str],
        cause: int | None,
        folder: str | None = None,
    ) -> None:
        """
        Keep an event that was given up: journal it, and send it to the queue, topic or destination.

        `folder` is where a bucket keeps it, if not with the asynchronous records of its function.
        """
        name = self._world.name_of(arn)
        kept = self._world.journal.write("dead_letter", name, cause=cause, source=source, condition=condition, ids=ids)
        if not self._deliver(arn, body, attributes, ids=ids, cause=kept.n, folder=folder):
            self._world.journal.amend(kept, lost=True)

    def _deliver(
        self,
        arn: str,
        body: str | dict[str, Any],
        attributes: dict[str, Any],
        *,
        ids: list[str],
        cause: int | None,
        folder: str | None = None,
    ) -> bool:
        """Whether it was taken; what is not is lost, as AWS tries no second time (§2.3, §2.4)."""
        try:
            with self._world.kernel.blame(cause):
                if isinstance(body, str):
                    self._send_event(arn, body, attributes, cause)
                else:
                    self._send_record(arn, body, cause, folder)
        except ApiError as refusal:
            reason = f"{refusal.code}: {refusal.message}"
            self._world.journal.write("dropped", self._world.name_of(arn), cause=cause, reason=reason, ids=ids)
            return False
        return True

    def _send_event(self, arn: str, text: str, attributes: dict[str, Any], cause: int | None) -> None:
        """The event itself, to a dead-letter queue, which is a queue or a topic."""
        if arn.split(":")[2] == "sns":
            self._world.topics.publish({"TopicArn": arn, "Message": text, "MessageAttributes": attributes})
        else:
            self._to_queue(arn, text, attributes, cause)

    def _send_record(self, arn: str, record: dict[str, Any], cause: int | None, folder: str | None) -> None:
        """A record of what happened, to a destination."""
        service = arn.split(":")[2]
        if service == "sqs":
            self._to_queue(arn, _text(record), {}, cause)
        elif service == "sns":
            self._world.topics.publish({"TopicArn": arn, "Message": _text_for_topic(record)})
        elif service == "lambda":
            self._world.async_invoke.submit(arn, _text(record).encode(), cause=cause)
        elif service == "events":
            self._to_bus(arn, record)
        elif service == "s3":
            self._to_bucket(arn, record, folder)
        else:
            raise ApiError("InvalidParameterValueException", f"{arn} is not a destination that Lambda supports.")

    def _to_queue(self, arn: str, text: str, attributes: dict[str, Any], cause: int | None) -> None:
        queue = self._world.queues.by_arn(arn)
        if queue is None:
            raise ApiError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
        if arn.endswith(".fifo"):
            raise ApiError("InvalidParameterValueException", "A FIFO queue cannot be a destination of Lambda.")
        queue.send(text, attributes=attributes or None, cause=cause)

    def _to_bus(self, arn: str, record: dict[str, Any]) -> None:
        """A result on an event bus, as Lambda words it (§2.3)."""
        context = record["requestContext"]
        outcome = "Success" if context["condition"] == "Success" else "Failure"
        self._world.buses.accept(
            arn,
            source="lambda",
            detail_type=f"Lambda Function Invocation Result - {outcome}",
            detail=record,
            resources=[arn, context["functionArn"]],
        )

    def _to_bucket(self, arn: str, record: dict[str, Any], folder: str | None) -> None:
        """An object per record; its key tells function or mapping, day and time (§2.3, §4.5)."""
        world = self._world
        context = record["requestContext"]
        at = world.clock.iso()
        day, time = at[:10].replace("-", "/"), at[:19].replace(":", ".")
        unique = world.chance.uuid("destination object", context["requestId"])
        folder = folder or f"aws/lambda/async/{context['functionArn'].split(':')[6]}"
        world.write_s3(arn.rpartition(":")[2], f"{folder}/{day}/{time}-{unique}", _text(record).encode())


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


def _text_for_topic(record: dict[str, Any]) -> str:
    """A record that is over what a topic takes goes without its payloads (§2.3)."""
    text = _text(record)
    if len(text.encode()) <= MESSAGE_BYTES_MAX:
        return text
    return _text({name: part for name, part in record.items() if name not in ("requestPayload", "responsePayload")})
