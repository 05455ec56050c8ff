"""An event that a resource accepted, as a test sees it: the parts of its envelope by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stagefright.journal import CANDIDATES, OBSERVED, UNPROVED, Record
from stagefright.wording import clip, shorten

PAYLOADS = ("message", "body", "data", "detail", "line")
"""The parts that carry what the sender sent: of a topic, a queue or API, a stream or table, a bus, a log."""

PARTS = (
    *PAYLOADS,
    "attributes", "detail_type", "etag", "event_name", "group_id", "key", "method", "new", "old", "path", "resources",
    "route", "size", "source", "subject", "version_id",
)  # fmt: skip
"""Every part that an event may have, by the name that `expect` takes."""

ENVELOPE = (
    "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail", "replay-name",
)  # fmt: skip
"""The fields of an event on a bus, by EventBridge's own names, which a pattern uses."""

_BOOKKEEPING = frozenset(
    {"id", "ids", "condition", "consumer", "attempts", "error_message", OBSERVED, UNPROVED, CANDIDATES, "request_id"}
)


class Event:
    """
    One event: `id`, `at` (epoch seconds), `resource`, `record` (its number in the journal), and the envelope's parts.

    `event.message`, `.body`, `.data`, `.detail`, `.key`, `.attributes` and so on give a part as AWS carries it, with
    attributes as plain values; `.json` gives the payload parsed. A table's event has `.new` and `.old` as plain values.

    >>> event = Event(Record(7, 0.0, "event", "FeedTopic", None, {"id": "1", "message": '{"author": "amy"}'}))
    >>> event.message, event.json["author"]
    ('{"author": "amy"}', 'amy')
    """

    def __init__(self, record: Record) -> None:
        self.id = str(record.detail.get("id", record.n))
        self.at = record.at
        self.resource = record.resource
        self.record = record.n
        self.parts: Mapping[str, Any] = _parts(record)

    def __getattr__(self, name: str) -> Any:
        parts = self.__dict__.get("parts", {})
        if name in parts:
            return parts[name]
        if name not in PARTS:
            raise AttributeError(f"An event has no attribute {name!r}.")
        raise AttributeError(
            f"This event on {self.resource} has no {name!r}. It has: {', '.join(sorted(parts)) or 'no parts'}."
        )

    @property
    def payload(self) -> Any:
        """What the sender sent, as AWS carries it: the message, body, data, detail or line."""
        return next((self.parts[name] for name in PAYLOADS if name in self.parts), None)

    @property
    def json(self) -> Any:
        """The payload, parsed if it is JSON text."""
        payload = self.payload
        return json.loads(payload) if isinstance(payload, str) else payload

    @property
    def change(self) -> str | None:
        """
        What happened to a table's item or a bucket's object, in words; None for an event of another service.

        >>> images = {"Keys": {"id": {"S": "1"}}, "OldImage": {"n": {"N": "1"}}, "NewImage": {"n": {"N": "2"}}}
        >>> Event(Record(0, 0.0, "event", "Table", None, {"event_name": "MODIFY", "data": images})).change
        'MODIFY {"id": "1"}: n 1 -> 2'
        """
        if "event_name" not in self.parts:
            return None
        if not isinstance(self.parts.get("data"), Mapping):
            return clip(f"{self.parts['event_name']} {self.parts.get('key', '')}")
        key, old, new = (self.parts.get(name) or {} for name in ("key", "old", "new"))
        head = f"{self.parts['event_name']} {shorten(key)}"
        if old and new:
            changed = [name for name in {**old, **new} if name not in key and old.get(name) != new.get(name)]
            told = [f"{name} {_shown(old, name)} -> {_shown(new, name)}" for name in changed]
        else:
            told = [f"{name}={_shown(new, name)}" for name in new if name not in key]
        return clip(f"{head}: {', '.join(told)}" if told else head)

    def envelope(self, identity: Mapping[str, str]) -> dict[str, Any]:
        """
        The whole event as EventBridge's pattern language sees it.

        `identity` adds the account and the region, which the journal does not repeat in each record. An event of another
        service is seen as its parts, JSON parsed.
        """
        if "detail_type" not in self.parts:
            return {name: parsed(value) for name, value in self.parts.items()}
        others = {name: value for name, value in self.parts.items() if name != "detail_type"}
        return {"version": "0", "id": self.id, **identity, "detail-type": self.parts["detail_type"], **others}

    def __repr__(self) -> str:
        return f"<Event {self.id} on {self.resource}: {', '.join(f'{k}={v!r}' for k, v in self.parts.items())}>"


def parsed(value: Any) -> Any:
    """
    The value of JSON text that holds an object or an array; anything else as it is.

    >>> parsed('{"a": 1}'), parsed("plain"), parsed("7")
    ({'a': 1}, 'plain', '7')
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def is_event(record: Record) -> bool:
    """
    Whether a record says that a resource accepted an event.

    A message that a redrive moves is accepted by the dead-letter queue with its id and envelope, in the `dead_letter`
    record itself; any other dead letter is sent, so its queue or topic writes an `event` of its own.
    """
    return record.kind == "event" or (record.kind == "dead_letter" and "id" in record.detail)


def _parts(record: Record) -> dict[str, Any]:
    hidden = _BOOKKEEPING | ({"source"} if record.kind == "dead_letter" else set())
    parts = {name: value for name, value in record.detail.items() if name not in hidden and value is not None}
    parts["attributes"] = {name: _plain_attribute(value) for name, value in parts.get("attributes", {}).items()}
    if "event_name" in parts and isinstance(parts.get("data"), Mapping):
        parts |= _table_parts(parts["data"])
    return parts


def _shown(image: Mapping[str, Any], name: str) -> str:
    return shorten(image[name]) if name in image else "nothing"


def _plain_attribute(value: Any) -> Any:
    """Queues and topics wrap an attribute in its type; a test wants the value."""
    if not isinstance(value, Mapping):
        return value
    for name in ("StringValue", "stringValue", "Value", "BinaryValue", "binaryValue"):
        if value.get(name) is not None:
            return value[name]
    return value


def _table_parts(change: Mapping[str, Any]) -> dict[str, Any]:
    images = {"key": change.get("Keys"), "new": change.get("NewImage"), "old": change.get("OldImage")}
    return {name: _plain_item(image) for name, image in images.items() if image is not None}


def _plain_item(image: Mapping[str, Any]) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeDeserializer

    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in image.items()}
