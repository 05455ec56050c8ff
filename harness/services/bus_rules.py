"""What `PutEvents`, `PutRule`, `PutTargets` and `TestEventPattern` refuse, in AWS's words (semantics §6.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from stagefright.aws_api.errors import ApiError
from stagefright.patterns import InvalidPattern, Pattern, compile_pattern

ENTRIES_MAX = 10
REQUEST_BYTES_MAX = 1_048_576
"""1 MB since 2026 (DG eb-putevents); the botocore model still says 256 KB."""

TIME_BYTES = 14
"""What an entry's `Time` counts for."""

RULES_PER_BUS_MAX = 300
TARGETS_PER_RULE_MAX = 5
WILDCARD_RULES_PER_BUS_MAX = 30
PATTERN_CHARS_MAX = 2_048
"""The quota of a rule's pattern."""

PATTERN_TEXT_CHARS_MAX = 4_096
"""The API's own bound, for what is no rule (`TestEventPattern`) too."""

DETAIL_DEPTH_MAX = 1_000
"""How deep JSON may be nested."""

RETRY_POLICY = {"MaximumRetryAttempts": (0, 185), "MaximumEventAgeInSeconds": (60, 86_400)}
"""The least and the most that a target's retry policy may say (§6.4)."""

EVENT_FIELDS = ("id", "account", "source", "time", "region", "detail-type")
"""What an event must have for `TestEventPattern`."""


def validation_error(message: str) -> ApiError:
    """EventBridge's usual refusal of parameters."""
    return ApiError("ValidationException", message)


def check_request(entries: Sequence[Mapping[str, Any]]) -> None:
    """The faults for which the whole `PutEvents` call fails."""
    if len(entries) > ENTRIES_MAX:
        raise _wrong_length(entries, f"less than or equal to {ENTRIES_MAX}")
    if not entries:
        raise _wrong_length(entries, "greater than or equal to 1")
    if sum(entry_bytes(entry) for entry in entries) >= REQUEST_BYTES_MAX:
        raise validation_error("Total size of the entries in the request is over the limit.")


def _wrong_length(entries: Sequence[Mapping[str, Any]], constraint: str) -> ApiError:
    shown = ", ".join(_shown_entry(entry) for entry in entries)
    return validation_error(
        f"1 validation error detected: Value '[{shown}]' at 'entries' failed to satisfy constraint: "
        f"Member must have length {constraint}"
    )


def _shown_entry(entry: Mapping[str, Any]) -> str:
    members = {
        "time": "Time",
        "source": "Source",
        "resources": "Resources",
        "detailType": "DetailType",
        "detail": "Detail",
        "eventBusName": "EventBusName",
        "traceHeader": "TraceHeader",
    }
    shown = ", ".join(f"{name}={entry.get(member, 'null')}" for name, member in members.items())
    return f"PutEventsRequestEntry({shown})"


def entry_bytes(entry: Mapping[str, Any]) -> int:
    """The size of an entry as AWS counts it."""
    texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")] + list(entry.get("Resources") or [])
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return size + (TIME_BYTES if entry.get("Time") is not None else 0)


def entry_fault(entry: Mapping[str, Any], aws_source_error: str) -> dict[str, str] | None:
    """Why one entry fails, as it stands in the reply; None if it is accepted."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            text = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": text}
    if entry["Source"].startswith("aws."):
        return {"ErrorCode": aws_source_error, "ErrorMessage": "Not authorized for the source."}
    if detail_of(entry) is None:
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return None


def detail_of(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The detail as an object, or None if it is not one."""
    detail = _json_or_none(entry["Detail"])
    return detail if isinstance(detail, dict) and _depth(detail) <= DETAIL_DEPTH_MAX else None


def _depth(node: Any) -> int:
    """How many structures lie in one another."""
    depth, level = 0, [node]
    while level:
        depth += 1
        below = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
        level = [part for part in below if isinstance(part, dict | list)]
    return depth


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def checked_pattern(text: str) -> Pattern:
    """Compile a pattern, or refuse it as the API does."""
    if len(text) > PATTERN_TEXT_CHARS_MAX:
        raise too_long("eventPattern", text, PATTERN_TEXT_CHARS_MAX)
    try:
        return compile_pattern(text)
    except InvalidPattern as error:
        raise ApiError("InvalidEventPatternException", str(error)) from error


def checked_event(text: str) -> dict[str, Any]:
    """The event of `TestEventPattern`."""
    event = _json_or_none(text)
    if not isinstance(event, dict) or any(name not in event for name in EVENT_FIELDS):
        raise validation_error("Parameter Event is not valid.")
    return event


# Quotas and settings of rules


def check_pattern_quota(text: str) -> None:
    """A rule's pattern may not be as long as the API takes texts."""
    if len(text) > PATTERN_CHARS_MAX:
        raise limit_exceeded()


def check_rule_quotas(pattern: str | None, others: Sequence[str | None]) -> None:
    """One rule more on a bus whose other rules have these patterns."""
    if len(others) >= RULES_PER_BUS_MAX:
        raise limit_exceeded()
    if has_wildcard(pattern) and sum(map(has_wildcard, others)) >= WILDCARD_RULES_PER_BUS_MAX:
        raise limit_exceeded()


def has_wildcard(pattern: str | None) -> bool:
    """
    Whether a valid pattern uses the operator `wildcard`; a field may be called so, too.

    >>> has_wildcard('{"a": [{"anything-but": {"wildcard": "x*"}}]}'), has_wildcard('{"wildcard": ["x"]}')
    (True, False)
    """
    waiting = [json.loads(pattern or "{}")]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            if any(_is_wildcard(entry) for entry in node):
                return True
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
    return False


def _is_wildcard(entry: Any) -> bool:
    """An object in a list is a match expression; the alternatives of an `$or` cannot have a field of that name."""
    if not isinstance(entry, dict):
        return False
    inside = entry.get("anything-but")
    return "wildcard" in entry or (isinstance(inside, dict) and "wildcard" in inside)


def check_delivery(target: Mapping[str, Any], number: int, region: str) -> None:
    """Refuse a target's retry policy or dead-letter queue as `PutTargets` does; `number` is its place in the call."""
    for name, value in (target.get("RetryPolicy") or {}).items():
        least, most = RETRY_POLICY[name]
        where = f"targets.{number}.member.retryPolicy.{name[0].lower()}{name[1:]}"
        if value < least:
            raise _out_of_range(where, value, f"greater than or equal to {least}")
        if value > most:
            raise _out_of_range(where, value, f"less than or equal to {most}")
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if arn:
        _check_dead_letter_queue(arn, target, region)


def _out_of_range(where: str, value: int, constraint: str) -> ApiError:
    return validation_error(
        f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: "
        f"Member must have value {constraint}"
    )


def _check_dead_letter_queue(arn: str, target: Mapping[str, Any], region: str) -> None:
    """A standard queue of the same Region (§6.4); the words are ours, since no recording is known."""
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "sqs":
        fault = "it must be the ARN of an SQS queue"
    elif parts[5].endswith(".fifo"):
        fault = "it must be a standard queue, not a FIFO queue"
    elif parts[3] != region:
        fault = f"it must be a queue in {region}, the Region of the rule"
    else:
        return
    raise not_valid("DeadLetterConfig.Arn", f"{arn} cannot keep what target {target.get('Id')} does not take: {fault}.")


# Refusals


def limit_exceeded() -> ApiError:
    """A quota is used up."""
    return ApiError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")


def no_such_bus(arn: str) -> ApiError:
    """A bus that is not there."""
    return ApiError("ResourceNotFoundException", f"Event bus {arn.rpartition('event-bus/')[2]} does not exist.")


def managed_rule(name: str) -> ApiError:
    """A rule of an AWS service, in the words that users reported."""
    return ApiError("ManagedRuleException", f"{name} is a managed rule. Set 'force' parameter to true to override.")


def not_valid(parameter: str, reason: str) -> ApiError:
    """A parameter that is of no use."""
    return validation_error(f"Parameter {parameter} is not valid. Reason: {reason}")


def too_long(member: str, value: object, limit: int) -> ApiError:
    """A text or a list that is longer than the API's model says."""
    return validation_error(
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {limit}"
    )


def not_in_set(member: str, value: object, allowed: Sequence[str]) -> ApiError:
    """A text that is none of those that the API's model lists."""
    return validation_error(
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{', '.join(allowed)}]"
    )
