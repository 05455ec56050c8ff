"""
A bucket's notification configuration: which events of which keys go where, and what S3 refuses of it (semantics §10.2).

The API's own shape is kept as it is, since it is what `GetBucketNotificationConfiguration` gives back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from urllib.parse import unquote_plus

from stagefright.aws_api.errors import ApiError

EVENTS = (
    "s3:IntelligentTiering",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:ObjectAcl:Put",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Put",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:ObjectRestore:Post",
    "s3:ObjectTagging:Delete",
    "s3:ObjectTagging:Put",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationReplicatedAfterThreshold",
)
"""The types of event that a configuration may name; one that ends in `:*` stands for its family."""

FAMILIES = frozenset(event.rpartition(":")[0] + ":*" for event in EVENTS if event.count(":") == 2) - {"s3:ObjectAcl:*"}

KINDS = {
    "LambdaFunctionConfigurations": ("LambdaFunctionArn", "CloudFunction", "lambda"),
    "QueueConfigurations": ("QueueArn", "Queue", "sqs"),
    "TopicConfigurations": ("TopicArn", "Topic", "sns"),
}
"""The API's lists: the member with the ARN, its name in refusals, and the ARN's service."""

FILTER_VALUE_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a configuration."""

    id: str
    arn: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""

    @property
    def has_filter(self) -> bool:
        """Whether it looks at keys at all."""
        return bool(self.prefix or self.suffix)

    def takes(self, event: str, key: str) -> bool:
        """
        Whether it is for an event (`ObjectCreated:Put`) of a key.

        A filter is written as a notification writes a key, URL-encoded.

        >>> rule = Rule("1", "arn", ("s3:ObjectCreated:*",), prefix="my+photos/", suffix=".jpg")
        >>> rule.takes("ObjectCreated:Put", "my photos/a.jpg"), rule.takes("ObjectCreated:Put", "my+photos/a.jpg")
        (True, False)
        """
        fits = key.startswith(unquote_plus(self.prefix)) and key.endswith(unquote_plus(self.suffix))
        return fits and f"s3:{event}" in _expanded(self.events)


def rules_of(configuration: Mapping[str, Any]) -> Iterator[Rule]:
    """The entries of a configuration that passed `checked`."""
    for kind, (member, _, _) in KINDS.items():
        for entry in configuration.get(kind, ()):
            filters = {rule["Name"]: rule["Value"] for rule in _filter_rules(entry)}
            yield Rule(
                entry["Id"],
                entry[member],
                tuple(entry["Events"]),
                filters.get("Prefix", ""),
                filters.get("Suffix", ""),
            )


def checked(configuration: Mapping[str, Any], region: str, make_id: Callable[[int], str]) -> dict[str, Any]:
    """
    The configuration as S3 keeps it for a bucket in a Region: filter names capitalised, entries without an id given one by `make_id(n)`.

    Raises `ApiError` for what S3 refuses whatever exists in the account.
    """
    kept: dict[str, Any] = {}
    number = 0
    for kind, (member, shown, service) in KINDS.items():
        entries = []
        for entry in configuration.get(kind) or ():
            number += 1
            _check_arn(entry[member], shown, service, region)
            entries.append({**_checked_entry(entry), "Id": entry.get("Id") or make_id(number)})
        if entries:
            kept[kind] = entries
    if configuration.get("EventBridgeConfiguration") is not None:
        kept["EventBridgeConfiguration"] = {}
    _check_overlaps(list(rules_of(kept)))
    return kept


def refused_destinations(faults: Mapping[str, str]) -> ApiError:
    """The refusal of destinations that S3 could not reach, by ARN and reason (LS test_invalid_sqs_arn)."""
    fields: dict[str, str] = {}
    for number, (arn, reason) in enumerate(faults.items(), start=1):
        fields |= {f"ArgumentName{number}": arn, f"ArgumentValue{number}": reason}
    return invalid_argument("Unable to validate the following destination configurations", **fields)


def invalid_argument(message: str, **fields: str) -> ApiError:
    """S3's usual refusal; what it is about stands inside the error, as S3's XML has it."""
    error = {"Code": "InvalidArgument", "Message": message, **fields}
    return ApiError("InvalidArgument", message, Error=error)


def _checked_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    for event in entry["Events"]:
        if event not in EVENTS and event not in FAMILIES:
            text = "The event is not supported for notifications"
            raise invalid_argument(text, ArgumentName="Event", ArgumentValue=event)
    rules = [_checked_filter(rule) for rule in _filter_rules(entry)]
    kept = dict(entry)
    if rules:
        kept["Filter"] = {"Key": {"FilterRules": rules}}
    else:
        kept.pop("Filter", None)
    return kept


def _checked_filter(rule: Mapping[str, str]) -> dict[str, str]:
    """Names are taken in any case, and given back capitalised (LS test_filter_rules_case_insensitive)."""
    name, value = rule["Name"], rule.get("Value", "")
    if name.lower() not in ("prefix", "suffix"):
        text = "filter rule name must be either prefix or suffix"
        raise invalid_argument(text, ArgumentName="FilterRule.Name", ArgumentValue=name)
    if len(value.encode()) > FILTER_VALUE_BYTES_MAX:
        text = f"Size of filter rule value cannot exceed {FILTER_VALUE_BYTES_MAX} bytes in UTF-8 representation"
        raise invalid_argument(text, ArgumentName="FilterRule.Value", ArgumentValue=value)
    return {"Name": name.capitalize(), "Value": value}


def _check_arn(arn: str, shown: str, service: str, region: str) -> None:
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        raise invalid_argument("The ARN could not be parsed", ArgumentName=shown, ArgumentValue=arn)
    if parts[2] != service:
        raise invalid_argument("The ARN is not well formed", ArgumentName=shown, ArgumentValue=arn)
    if parts[3] != region:
        text = "The notification destination service region is not valid for the bucket location constraint"
        raise invalid_argument(text, ArgumentName=shown, ArgumentValue=arn)


def _check_overlaps(rules: list[Rule]) -> None:
    for one, other in combinations(rules, 2):
        if _expanded(one.events) & _expanded(other.events) and _overlap(one, other):
            if one.has_filter or other.has_filter:
                raise invalid_argument(
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes "
                    "are overlapping for the same event type."
                )
            raise invalid_argument(
                "Configurations overlap. Configurations on the same bucket cannot share a common event type."
            )


def _overlap(one: Rule, other: Rule) -> bool:
    """Whether some key could begin with both prefixes and end with both suffixes."""
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    return prefixes and suffixes


def _expanded(events: tuple[str, ...]) -> frozenset[str]:
    names = set(events)
    return frozenset(event for event in EVENTS if event in names or event.rpartition(":")[0] + ":*" in names)


def _filter_rules(entry: Mapping[str, Any]) -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = ((entry.get("Filter") or {}).get("Key") or {}).get("FilterRules") or []
    return found
