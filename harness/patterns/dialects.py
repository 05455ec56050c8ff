"""The three dialects of the pattern language: EventBridge rules, SNS filter policies, event source mapping filters."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from stagefright.errors import UsageError
from stagefright.patterns import wildcard
from stagefright.patterns.engine import Branch, Pattern
from stagefright.patterns.language import Dialect, InvalidPattern, load_json
from stagefright.wording import shorten

ALL_OPERATORS = frozenset(
    {"prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "cidr", "exists"}
)

EVENTBRIDGE_WILDCARD_COMPLEXITY_MAX = 9
"""
UNSOURCED. AWS was recorded accepting a pattern of complexity 7 (`/Users/*/dir/dir/dir/dir/dir/doc.txt`) and refusing
one of complexity 11 (`*:*:*:*:*:event-bus/*`).
"""

EVENTBRIDGE = Dialect(
    operators=ALL_OPERATORS,
    anything_but=frozenset({"prefix", "suffix", "equals-ignore-case", "wildcard"}),
    affix_ignore_case=True,
    number_limit=5e9,
    number_decimals=None,
    branches_max=1_000,
    wildcard_complexity_max=EVENTBRIDGE_WILDCARD_COMPLEXITY_MAX,
    empty_ok=False,
)
"""Event patterns of rules and archives (AWS guide, eb-create-pattern-operators)."""

SNS = Dialect(
    operators=ALL_OPERATORS,
    anything_but=frozenset({"prefix", "suffix", "wildcard"}),
    affix_ignore_case=False,
    number_limit=1e9,
    number_decimals=5,
    branches_max=1_000,
    wildcard_complexity_max=None,
    empty_ok=True,
)
"""Filter policies of subscriptions; the empty one removes the filter (AWS guide, sns-subscription-filter-policies)."""

MAPPING = Dialect(
    operators=ALL_OPERATORS - {"wildcard", "cidr"},
    anything_but=frozenset({"prefix", "suffix", "equals-ignore-case"}),
    affix_ignore_case=True,
    number_limit=5e9,
    number_decimals=None,
    branches_max=1_000,
    wildcard_complexity_max=None,
    empty_ok=True,
)
"""Filter criteria of event source mappings (AWS guide, invocation-eventfiltering)."""


PIPE = Dialect(
    operators=ALL_OPERATORS - {"wildcard", "cidr"},
    anything_but=frozenset(),
    affix_ignore_case=True,
    number_limit=5e9,
    number_decimals=None,
    branches_max=1_000,
    wildcard_complexity_max=None,
    empty_ok=True,
)
"""Filters of pipes: no wildcard, and no prefix, suffix or the like inside of anything-but (AWS guide, eb-pipes-event-filtering)."""


def compile_pattern(pattern: str | Mapping[str, Any]) -> Pattern:
    """
    Compile an EventBridge pattern, given as JSON text or as the object it stands for.

    Raises `InvalidPattern` with AWS's text.

    >>> compile_pattern('{"source": [{"prefix": "shop."}]}').matches({"source": "shop.orders"})
    True
    """
    return _compiled_text(pattern) if isinstance(pattern, str) else _compiled(pattern)


@lru_cache(maxsize=1_024)
def _compiled_text(pattern: str) -> Pattern:
    return _compiled(pattern)


def _compiled(pattern: str | Mapping[str, Any]) -> Pattern:
    try:
        return Pattern(EVENTBRIDGE.parse(pattern))
    except InvalidPattern as error:
        message = f"Event pattern is not valid. Reason: {error.reason}"
        raise InvalidPattern(error.reason, message=message) from None


def matches(pattern: str | Mapping[str, Any], event: str | Mapping[str, Any]) -> bool:
    """
    Whether an EventBridge pattern matches an event; both may be given as JSON text or as the object it stands for.

    Raises `InvalidPattern` with AWS's text if the pattern is one that AWS refuses.

    >>> matches({"detail": {"total": [{"numeric": [">", 100]}]}}, {"detail": {"total": 120}})
    True
    """
    compiled = compile_pattern(pattern)
    found = _json_or_none(event) if isinstance(event, str) else event
    if not isinstance(found, Mapping):
        raise UsageError(
            f"A pattern is matched against an event, which is an object or its JSON text; received {shorten(event)}. "
            'Give it the whole event, as in matches(pattern, {"source": "shop", "detail": {...}}).'
        )
    return compiled.matches(found)


MESSAGE_ATTRIBUTES = "MessageAttributes"
MESSAGE_BODY = "MessageBody"

FILTER_KEYS_MAX = 5
FILTER_COMBINATIONS_MAX = 150
FILTER_BYTES_MAX = 256 * 1_024
FILTER_WILDCARDS_MAX = 3
FILTER_WILDCARD_POINTS_MAX = 100

SUBSCRIBE = "Attributes Reason: FilterPolicy"
"""How AWS names the policy when `Subscribe` refuses it."""

SET_SUBSCRIPTION_ATTRIBUTES = "FilterPolicy"
"""How AWS names the policy when `SetSubscriptionAttributes` refuses it."""


class SnsFilter:
    """A compiled filter policy."""

    def __init__(self, pattern: Pattern, scope: str) -> None:
        self.pattern = pattern
        self.scope = scope

    def matches(self, attributes: Mapping[str, Mapping[str, Any]], body: str) -> bool:
        """Whether a message passes; `attributes` are `MessageAttributes` as boto3 gives them."""
        return self.explain(attributes, body) is None

    def explain(self, attributes: Mapping[str, Mapping[str, Any]], body: str) -> str | None:
        """Why a message does not pass, or None if it does."""
        if not self.pattern.branches:
            return None
        if self.scope == MESSAGE_ATTRIBUTES:
            return self.pattern.explain(_attribute_values(attributes))
        event = _json_or_none(body)
        return self.pattern.explain(event) if isinstance(event, dict) else "the message body is not a JSON object"


def compile_sns_filter(
    policy: str | Mapping[str, Any], scope: str = MESSAGE_ATTRIBUTES, *, refused_as: str = SUBSCRIBE
) -> SnsFilter:
    """
    Compile a filter policy; `refused_as` is how the calling operation names it in a refusal.

    >>> orders = compile_sns_filter({"event": ["placed"]})
    >>> orders.matches({"event": {"DataType": "String", "StringValue": "placed"}}, "{}")
    True
    """
    try:
        return SnsFilter(_sns_pattern(policy, scope), scope)
    except InvalidPattern as error:
        where = "" if error.reason == NESTED else f"{refused_as}: "
        raise InvalidPattern(error.reason, message=f"Invalid parameter: {where}{error.reason}") from None


NESTED = "Filter policy scope MessageAttributes does not support nested filter policy"
TOO_COMPLEX = "Filter policy is too complex"


def _sns_pattern(policy: str | Mapping[str, Any], scope: str) -> Pattern:
    node = _load_policy(policy) if isinstance(policy, str) else policy
    if scope == MESSAGE_ATTRIBUTES and isinstance(node, Mapping) and any(isinstance(v, Mapping) for v in node.values()):
        raise InvalidPattern(NESTED)
    branches = SNS.parse(node)
    _check_limits(branches)
    _check_wildcards(node)
    return Pattern(branches)


def _load_policy(text: str) -> Any:
    if len(text.encode("utf-8", "surrogatepass")) > FILTER_BYTES_MAX:
        raise InvalidPattern(TOO_COMPLEX)
    try:
        return load_json(text)
    except InvalidPattern as error:
        raise InvalidPattern(f"failed to parse JSON. {error.reason}") from error


def _check_limits(branches: Sequence[Branch]) -> None:
    """At most five keys; the combinations are the product of (entries x depth) per branch, and branches add up."""
    if any(len(branch) > FILTER_KEYS_MAX for branch in branches):
        raise InvalidPattern(f"Filter policy can not have more than {FILTER_KEYS_MAX} keys")
    if sum(prod(field.size * field.depth for field in branch) for branch in branches) > FILTER_COMBINATIONS_MAX:
        raise InvalidPattern(TOO_COMPLEX)


def _check_wildcards(node: Any) -> None:
    """
    Three wildcards per pattern; per key, the sum of the points of its wildcard patterns times their number, 100 in all.

    A pattern with one wildcard has 1 point, with more 3. That formula is UNSOURCED; the total is AWS's.
    """
    fields = [[wildcard.star_count(wildcard.parse(text)) for text in texts] for texts in _wildcards_by_field(node)]
    points = sum(sum(1 if stars < 2 else 3 for stars in field) * len(field) for field in fields)
    if points > FILTER_WILDCARD_POINTS_MAX or any(stars > FILTER_WILDCARDS_MAX for field in fields for stars in field):
        raise InvalidPattern(TOO_COMPLEX)


def _wildcards_by_field(node: Any) -> list[list[str]]:
    """The wildcard patterns of each value list of a policy that has been found valid."""
    if isinstance(node, Mapping):
        return [texts for value in node.values() for texts in _wildcards_by_field(value)]
    own = [text for entry in node for text in _wildcards_of(entry)]
    nested = [texts for entry in node if isinstance(entry, Mapping) for texts in _below(entry)]
    return [own, *nested] if own else nested


def _below(entry: Mapping[str, Any]) -> list[list[str]]:
    """The alternatives of a `$or` are objects in a list, too; the operands of operators have no fields below."""
    return [] if entry.keys() <= SNS.operators else _wildcards_by_field(entry)


def _wildcards_of(entry: Any) -> list[str]:
    if not isinstance(entry, Mapping) or not entry.keys() <= SNS.operators:
        return []
    inner = entry.get("anything-but", entry)
    found = inner.get("wildcard", []) if isinstance(inner, Mapping) else []
    return [found] if isinstance(found, str) else list(found)


def _attribute_values(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Message attributes as an event: strings, numbers and arrays; binary ones and broken arrays are ignored."""
    values = {name: _attribute_value(attribute) for name, attribute in attributes.items()}
    return {name: value for name, value in values.items() if value is not _IGNORED}


_IGNORED = object()


def _attribute_value(attribute: Mapping[str, Any]) -> Any:
    data_type, text = attribute.get("DataType", "String"), attribute.get("StringValue")
    if text is None:
        return _IGNORED
    if data_type == "String.Array":
        items = _json_or_none(text)
        return items if isinstance(items, list) else _IGNORED
    if data_type.split(".")[0] == "Number":
        return _number(text)
    return text


def _number(text: str) -> Any:
    """JSON's numbers exactly; `Publish` takes others too, such as `+1` and `.5`."""
    value = _json_or_none(text, otherwise=_IGNORED)
    if value is not _IGNORED:
        return value
    try:
        return float(text)
    except ValueError:
        return _IGNORED


def _json_or_none(text: str | bytes, *, otherwise: Any = None) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise


DATA_KEYS = {"sqs": "body", "kinesis": "data", "dynamodb": None}
"""The key of a record whose value is text that a filter may look into."""


class MappingFilter:
    """The compiled filter criteria of an event source mapping; several filters are alternatives."""

    def __init__(self, filters: Sequence[_RecordFilter]) -> None:
        self._filters = tuple(filters)

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether a record, in the shape in which the function would get it, is handed over."""
        return not self._filters or any(one.explain(record) is None for one in self._filters)

    def explain(self, record: Mapping[str, Any]) -> str | None:
        """Why a record is filtered out, one reason per filter; None if it is handed over."""
        if self.matches(record):
            return None
        return "; ".join(str(one.explain(record)) for one in self._filters)


class _RecordFilter:
    """One pattern, and whether it looks into the data as JSON (an object) or compares it as text (a list)."""

    def __init__(self, pattern: Pattern, data_key: str | None, data_pattern: object) -> None:
        self.pattern = pattern
        self.data_key = data_key
        self.data_pattern = data_pattern

    def explain(self, record: Mapping[str, Any]) -> str | None:
        event = _filterable(record)
        if self.data_key is None or self.data_pattern is None:
            return self.pattern.explain(event)
        parsed = _json_or_none(event.get(self.data_key, ""))
        is_json, wants_json = isinstance(parsed, dict | list), isinstance(self.data_pattern, Mapping)
        if is_json != wants_json:
            return f"{self.data_key}: wanted {_format(wants_json)}, found {_format(is_json)}"
        return self.pattern.explain({**event, self.data_key: parsed} if is_json else event)


def _format(is_json: bool) -> str:
    return "JSON" if is_json else "plain text"


def _filterable(record: Mapping[str, Any]) -> dict[str, Any]:
    """Kinesis filters see the record's metadata at the top, and its data decoded."""
    kinesis = record.get("kinesis")
    if not isinstance(kinesis, Mapping):
        return dict(record)
    return {**record, **kinesis, "data": _decoded(kinesis.get("data", ""))}


def _decoded(data: str | bytes) -> str:
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return str(data)


INVALID_FILTER = "Invalid filter pattern definition."


def compile_mapping_filter(filter_criteria: Mapping[str, Any] | None, source: str) -> MappingFilter:
    """
    Compile `FilterCriteria`; `source` is `"sqs"`, `"kinesis"` or `"dynamodb"`.

    >>> paid = compile_mapping_filter({"Filters": [{"Pattern": '{"body": {"paid": [true]}}'}]}, "sqs")
    >>> paid.matches({"body": '{"paid": true}'}), paid.matches({"body": "paid"})
    (True, False)
    """
    filters = (filter_criteria or {}).get("Filters") or []
    try:
        return MappingFilter([_record_filter(one.get("Pattern") or "{}", DATA_KEYS[source]) for one in filters])
    except InvalidPattern as error:
        raise InvalidPattern(error.reason, message=INVALID_FILTER) from error


def compile_pipe_filter(patterns: Sequence[str], source: str) -> MappingFilter:
    """
    Compile the filters of a pipe, which look at the same records as those of a mapping, in a smaller language.

    Raises `InvalidPattern` with the reason.

    >>> compile_pipe_filter(['{"body": {"n": [{"numeric": [">", 1]}]}}'], "sqs").matches({"body": '{"n": 2}'})
    True
    """
    return MappingFilter([_record_filter(pattern, DATA_KEYS[source], PIPE) for pattern in patterns])


def _record_filter(text: str, data_key: str | None, dialect: Dialect = MAPPING) -> _RecordFilter:
    node = load_json(text)
    pattern = Pattern(dialect.parse(node))
    return _RecordFilter(pattern, data_key, node.get(data_key) if data_key else None)
