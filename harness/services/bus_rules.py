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
PATTERN_CHARS_MAX = 4_096
"""The API's own bound; AWS's quota of 2,048 characters can be raised and is not enforced here."""

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


def entry_fault(entry: Mapping[str, Any]) -> dict[str, str] | None:
    """Why one entry fails, as it stands in the reply; None if it is accepted."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            text = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": text}
    if entry["Source"].startswith("aws."):
        # Recorded in public issue threads, not by localstack's snapshots.
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
    if detail_of(entry) is None:
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return None


def detail_of(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The detail as an object, or None if it is not one."""
    detail = _json_or_none(entry["Detail"])
    return detail if isinstance(detail, dict) else None


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def checked_pattern(text: str) -> Pattern:
    """Compile a pattern, or refuse it as the API does."""
    if len(text) > PATTERN_CHARS_MAX:
        raise validation_error(
            f"1 validation error detected: Value '{text}' at 'eventPattern' failed to satisfy constraint: "
            f"Member must have length less than or equal to {PATTERN_CHARS_MAX}"
        )
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


def limit_exceeded() -> ApiError:
    """A quota is used up."""
    return ApiError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
