"""
CloudWatch Logs: filter patterns, and subscription filters on their way to functions and streams (semantics §10.3).

Log groups, their events and their subscription filters are moto's. What a function wrote is delivered when its invocation ends, and what
`PutLogEvents` (or a rule) wrote at once; each delivery has the lines of one log stream that one filter lets through.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import targets
from stagefright.functions.log import LogLine
from stagefright.patterns.log_patterns import PATTERN_CHARS_MAX, BadLogPattern, compile_log_pattern
from stagefright.services.function_access import may_invoke

if TYPE_CHECKING:
    from stagefright.world import World

Parameters = Mapping[str, Any]

FILTERS_PER_GROUP_MAX = 2

DELIVERED_SERVICES = ("lambda", "kinesis")

ARN_COLONS = 5
"""How many colons an ARN has at least."""

_ID_BASE = 3 * 10**55
"""Ids of log events have 56 digits, and grow."""


class LogGroupService:
    """The operations of CloudWatch Logs that judge or deliver."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._subscribed: frozenset[str] = frozenset()
        self._pending: dict[tuple[str, str], list[LogLine]] = {}
        self._delivered = 0
        self._warned: frozenset[str] = frozenset()
        world.logs.on_line.append(self._note)

    # Operations

    def put_subscription_filter(self, params: Parameters) -> dict[str, Any]:
        """Subscribe a function or a stream to a log group, or change the subscription of that name."""
        self._world.logs.flush()
        name, arn = params["filterName"], params["destinationArn"]
        group = self._group(params["logGroupName"])
        self.validate_pattern(params)
        _check_distribution(params.get("distribution"))
        self._check_destination(group.name, arn, params.get("roleArn"))
        if name not in group.subscription_filters and len(group.subscription_filters) >= FILTERS_PER_GROUP_MAX:
            raise ApiError("LimitExceededException", "Resource limit exceeded.")
        group.subscription_filters[name] = self._filter(group.name, params)
        self._subscribed |= {group.name}
        return {}

    def test_metric_filter(self, params: Parameters) -> dict[str, Any]:
        """Which of some messages a pattern lets through, and what it extracts from them."""
        self.validate_pattern(params)
        pattern = compile_log_pattern(params["filterPattern"])
        matches = [
            {"eventNumber": number, "eventMessage": message, "extractedValues": pattern.extract(message)}
            for number, message in enumerate(params["logEventMessages"], start=1)
            if pattern.matches(message)
        ]
        return {"matches": matches}

    def validate_pattern(self, params: Parameters) -> None:
        """Refuse a filter pattern as CloudWatch Logs does."""
        pattern = params.get("filterPattern") or ""
        if len(pattern) > PATTERN_CHARS_MAX:
            raise ApiError(
                "InvalidParameterException",
                f"1 validation error detected: Value '{pattern}' at 'filterPattern' failed to satisfy constraint: "
                f"Member must have length less than or equal to {PATTERN_CHARS_MAX}",
            )
        try:
            compile_log_pattern(pattern)
        except BadLogPattern as error:
            raise ApiError("InvalidParameterException", str(error)) from error

    # What moto did

    def after(self, operation: str, params: Parameters, answer: Mapping[str, Any], cause: int | None) -> None:
        """Deliver what a call wrote, and forget the subscriptions that it ended."""
        if "Error" in answer:
            return
        if operation == "PutLogEvents":
            group, stream = params["logGroupName"], params["logStreamName"]
            lines = [LogLine(group, stream, event["timestamp"], event["message"]) for event in params["logEvents"]]
            self._deliver_lines(group, stream, lines, cause)
        elif operation in ("DeleteSubscriptionFilter", "DeleteLogGroup"):
            groups = _backend(self._world).groups
            self._subscribed = frozenset(
                name for name in self._subscribed if name in groups and groups[name].subscription_filters
            )

    def deliver_pending(self, group: str, stream: str, cause: int | None) -> None:
        """Deliver what was written to a stream since the last time; to be called when an invocation ends."""
        lines = self._pending.pop((group, stream), None)
        if lines:
            self._deliver_lines(group, stream, lines, cause)

    # State of our own; groups, events and filters are in moto's

    def snapshot(self) -> Any:
        """A copy of what is subscribed, pending and counted."""
        return (self._subscribed, deepcopy(self._pending), self._delivered, self._warned)

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        self._subscribed, pending, self._delivered, self._warned = state
        self._pending = deepcopy(pending)

    # Delivering

    def _note(self, line: LogLine) -> None:
        if line.group in self._subscribed:
            self._pending.setdefault((line.group, line.stream), []).append(line)

    def _deliver_lines(self, group: str, stream: str, lines: Sequence[LogLine], cause: int | None) -> None:
        if group not in self._subscribed:
            return
        numbered = [self._log_event(line) for line in lines]
        for subscription in list(_backend(self._world).groups[group].subscription_filters.values()):
            passes = compile_log_pattern(subscription.filter_pattern).matches
            events = [event for event in numbered if passes(event["message"])]
            if events:
                self._deliver(subscription, group, stream, events, cause)

    def _log_event(self, line: LogLine) -> dict[str, Any]:
        self._delivered += 1
        number = _ID_BASE + line.at_ms * 10**20 + self._delivered
        return {"id": str(number), "timestamp": line.at_ms, "message": line.text}

    def _deliver(
        self, subscription: Any, group: str, stream: str, events: Sequence[Mapping[str, Any]], cause: int | None
    ) -> None:
        """Hand a batch over, in parts if it is too large for one."""
        arn = subscription.destination_arn
        batch = {
            "messageType": "DATA_MESSAGE",
            "owner": self._world.account,
            "logGroup": group,
            "logStream": stream,
            "subscriptionFilters": [subscription.name],
            "logEvents": events,
        }
        text = json.dumps(batch, separators=(",", ":"))
        if len(text.encode()) > self._world.assumptions.log_subscription_bytes_max and len(events) > 1:
            half = len(events) // 2
            self._deliver(subscription, group, stream, events[:half], cause)
            self._deliver(subscription, group, stream, events[half:], cause)
        elif targets.service_of(arn) not in DELIVERED_SERVICES:
            self._warn_once(arn, group)
        else:
            self._hand_over(subscription, batch, text, cause)

    def _hand_over(self, subscription: Any, batch: Mapping[str, Any], text: str, cause: int | None) -> None:
        group, arn = batch["logGroup"], subscription.destination_arn
        messages = [event["message"] for event in batch["logEvents"]]
        batch_id = f"{batch['logEvents'][0]['id']}/{subscription.name}"
        event = self._write("event", group, cause, id=batch_id, data=messages, log_stream=batch["logStream"])
        delivery = self._write(
            "delivery", arn, event, source=self._world.name_of(group), ids=[batch_id], attempt=1, filter=subscription.name
        )  # fmt: skip
        # Without the time that gzip would put in, the same lines are always the same bytes.
        packed = gzip.compress(text.encode(), mtime=0)
        try:
            if targets.service_of(arn) == "kinesis":
                self._to_stream(subscription, batch, packed, delivery)
            else:
                event_of_function = {"awslogs": {"data": base64.b64encode(packed).decode()}}
                self._world.async_invoke.submit(arn, event_of_function, cause=delivery)
        except ApiError as refusal:
            self._write("dropped", arn, delivery, reason=str(refusal), ids=[batch_id])

    def _to_stream(self, subscription: Any, batch: Mapping[str, Any], packed: bytes, cause: int) -> None:
        """By log stream, so that its lines stay in order; `Random` spreads the batches over the shards."""
        is_random = getattr(subscription, "distribution", "ByLogStream") == "Random"
        batch_id = batch["logEvents"][0]["id"]
        key = self._world.chance.hex(32, "logs", batch_id) if is_random else batch["logStream"]
        targets.put_bytes(self._world, subscription.destination_arn, packed, key, cause)

    def _warn_once(self, arn: str, group: str) -> None:
        if arn not in self._warned:
            self._warned |= {arn}
            text = (
                f"The local stage delivers log events to functions and streams, not to {targets.service_of(arn)}; "
                f"what {group} sends to {arn} ends here."
            )
            self._write("warning", group, None, message=text)

    def _write(self, kind: str, arn: str, cause: int | None, /, **detail: Any) -> int:
        return self._world.journal.write(kind, self._world.name_of(arn), cause=cause, **detail).n

    # Refusals

    def _check_destination(self, group: str, arn: str, role: str | None) -> None:
        if not arn.startswith("arn:") or arn.count(":") < ARN_COLONS:
            raise ApiError("InvalidParameterException", f"destinationArn must be an ARN; {arn!r} was given.")
        service, account = targets.service_of(arn), arn.split(":")[4]
        if service == "lambda":
            self._check_function(group, arn, account)
        elif service in ("kinesis", "firehose") and not role:
            text = f"destinationArn for vendor {service} cannot be used without roleArn"
            raise ApiError("InvalidParameterException", text)
        elif service == "kinesis" and not self._world.has_stream(arn):
            text = "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE state."
            raise ApiError("InvalidParameterException", text)
        if service not in DELIVERED_SERVICES:
            self._warn_once(arn, group)

    def _check_function(self, group: str, arn: str, account: str) -> None:
        if account != self._world.account:
            raise ApiError(
                "AccessDeniedException",
                "Cross-account lambda invocation passing is not allowed. You must use DestinationPolicies to create cross "
                "account lambda triggers.",
            )
        source = f"arn:aws:logs:{self._world.region}:{account}:log-group:{group}:*"
        if not may_invoke(self._world, arn, "logs.amazonaws.com", source):
            raise ApiError(
                "InvalidParameterException",
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your "
                "function.",
            )

    # moto's state

    def _group(self, name: str) -> Any:
        group = _backend(self._world).groups.get(name)
        if group is None:
            raise ApiError("ResourceNotFoundException", "The specified log group does not exist.")
        return group

    def _filter(self, group: str, params: Parameters) -> Any:
        from moto.logs.models import SubscriptionFilter

        made = SubscriptionFilter(
            name=params["filterName"],
            log_group_name=group,
            filter_pattern=params["filterPattern"],
            destination_arn=params["destinationArn"],
            role_arn=params.get("roleArn"),
        )
        made.distribution = params.get("distribution") or "ByLogStream"
        return made


def _backend(world: World) -> Any:
    from moto.logs.models import logs_backends

    return logs_backends[world.account][world.region]


DISTRIBUTIONS = ("Random", "ByLogStream")
"""How records may be spread over the shards of a stream (API PutSubscriptionFilter)."""


def _check_distribution(value: str | None) -> None:
    if value is not None and value not in DISTRIBUTIONS:
        raise ApiError(
            "InvalidParameterException",
            f"1 validation error detected: Value '{value}' at 'distribution' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(DISTRIBUTIONS)}]",
        )
