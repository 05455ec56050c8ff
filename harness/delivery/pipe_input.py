"""
Input templates of EventBridge Pipes: what an enrichment or a target receives of one event (aws-semantics §6.7; AWS guide, eb-pipes-input-transformation).

The rules of quoting are those of rules' input transformers (§6.3); paths stand in the template itself, and look into the body of a message or
the data of a record as if it were JSON, if it is.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from stagefright.services.input_transform import MISSING, fill, read_path, to_json

PLACEHOLDER = re.compile(r"<(\$[^<>]*|aws\.pipes\.[a-z.\-]+)>")


class PipeInput:
    """What one template may refer to: the pipe, the moment, and one event after the other."""

    def __init__(self, template: str | None, pipe_facts: Mapping[str, str | None], ingestion_time: str) -> None:
        self._template = template or None
        self._facts = {
            **{f"aws.pipes.{name}": value or "" for name, value in pipe_facts.items()},
            "aws.pipes.event.ingestion-time": ingestion_time,
        }

    def text(self, event: Any) -> str:
        """
        The text that stands for one event: its JSON, or the filled template.

        >>> PipeInput('{"key": <$.body.id>, "pipe": "<aws.pipes.pipe-name>"}', {"pipe-name": "p"}, "").text({"body": '{"id": 5}'})
        '{"key": 5, "pipe": "p"}'
        >>> PipeInput("Hello, <$.body>", {}, "").text({"body": '{"to": "you"}'})
        'Hello, {to:you}'
        """
        if self._template is None:
            return event if isinstance(event, str) else to_json(event)
        parsed = with_parsed_body(event)
        values = {name: self._value(name, event, parsed) for name in PLACEHOLDER.findall(self._template)}
        return fill(self._template, values, PLACEHOLDER, as_text=not is_json_form(self._template))

    def _value(self, name: str, event: Any, parsed: Any) -> Any:
        if name == "aws.pipes.event":
            return event
        if name == "aws.pipes.event.json":
            return parsed
        if name.startswith("$"):
            found = read_path(name, parsed)
            return "" if found is MISSING else found
        return self._facts.get(name, "")


def is_json_form(template: str) -> bool:
    """Whether a template is JSON with holes; any other is free text, in which everything stands without quotes."""
    return template.lstrip()[:1] in ("{", "[", '"')


def with_parsed_body(event: Any) -> Any:
    """
    The event with its `body` (SQS) as JSON, or its `data` (Kinesis) decoded and as JSON, if that is what it is.

    >>> with_parsed_body({"body": "plain"}), with_parsed_body({"data": "eyJhIjoxfQ=="})
    ({'body': 'plain'}, {'data': {'a': 1}})
    """
    if not isinstance(event, Mapping):
        return event
    parsed = dict(event)
    if isinstance(event.get("body"), str):
        parsed["body"] = _json_or(event["body"], event["body"])
    if isinstance(event.get("data"), str):
        parsed["data"] = _json_or(_decoded(event["data"]), event["data"])
    return parsed


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return data


def _json_or(text: str, otherwise: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return otherwise


def dynamic(value: str | None, event: Any) -> str | None:
    """
    A parameter of a target: as it stands, or what a path finds in the event.

    >>> dynamic("$.body.group", {"body": '{"group": "g1"}'}), dynamic("fixed", {})
    ('g1', 'fixed')
    """
    if value is None or not value.startswith("$"):
        return value
    found = read_path(value, with_parsed_body(event))
    if found is MISSING:
        return None
    return found if isinstance(found, str) else to_json(found)
