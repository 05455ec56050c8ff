"""
A request's parameters, as boto3 would have been given them: botocore's serialisers, the other way round.

Each protocol is read as botocore's service models describe it: json, rest-json, rest-xml and query.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from email.parser import BytesParser
from typing import Any
from xml.etree import ElementTree as ET

from stagefright.aws_api.errors import ApiError
from stagefright.endpoint.message import Request
from stagefright.endpoint.naming import Asked, spoken
from stagefright.endpoint.sqs_names import element, entry_names

Params = dict[str, Any]


def params(request: Request, asked: Asked) -> Params:
    """The parameters of a call; a body that cannot be read is refused as AWS refuses it."""
    shape = asked.operation.input_shape
    if shape is None:
        return {}
    try:
        return _read(request, asked, shape)
    except (ValueError, TypeError, AttributeError, ET.ParseError) as error:
        raise ApiError("SerializationException", f"The request could not be read: {error}") from error


def _read(request: Request, asked: Asked, shape: Any) -> Params:
    protocol = spoken(request, asked.service)
    if protocol == "query":
        found = _Query(request.form, asked.service == "sqs").structure(shape, "")
        if asked.service == "sqs" and "QueueUrl" in shape.members:
            found.setdefault("QueueUrl", f"https://sqs.{asked.region}.amazonaws.com{request.path}")
        return found
    if protocol == "json":
        return dict(_from_json(shape, json.loads(request.body or b"{}")))
    return _located(request, asked, shape) | _body(request, shape, is_xml=protocol == "rest-xml")


def is_form(request: Request) -> bool:
    """Whether the body is a form with a file, as browsers upload to S3."""
    return request.header("content-type").startswith("multipart/form-data")


def upload(request: Request, asked: Asked) -> Params:
    """Where a form's upload goes: a key may take the name of the file for `${filename}`."""
    head = f"Content-Type: {request.header('content-type')}\r\n\r\n".encode("latin-1", "replace")
    fields = {
        str(part.get_param("name", header="content-disposition")).lower(): part
        for part in BytesParser().parsebytes(head + request.body).walk()
        if not part.is_multipart()
    }
    file = fields.get("file")
    name = "" if file is None else file.get_filename("")
    key = bytes(fields["key"].get_payload(decode=True) if "key" in fields else b"").decode("utf-8", "replace")
    bucket = asked.bucket or request.path.strip("/").partition("/")[0]
    return {"Bucket": bucket, "Key": key.replace("${filename}", name)}


# -- json ------------------------------------------------------------------------------------------------------------


def _from_json(shape: Any, value: Any) -> Any:
    if value is None or getattr(shape, "is_document_type", False):
        return value
    kind = shape.type_name
    if kind == "structure":
        named = (
            (name, member, value.get(member.serialization.get("name", name))) for name, member in shape.members.items()
        )
        return {name: _from_json(member, given) for name, member, given in named if given is not None}
    if kind == "list":
        return [_from_json(shape.member, item) for item in value]
    if kind == "map":
        return {key: _from_json(shape.value, item) for key, item in value.items()}
    return _SCALARS.get(kind, _as_it_is)(value)


def _as_it_is(value: Any) -> Any:
    return value


def _timestamp(value: Any) -> Any:
    from botocore.utils import parse_timestamp

    return parse_timestamp(value)


_SCALARS: Mapping[str, Callable[[Any], Any]] = {"blob": base64.b64decode, "timestamp": _timestamp}
"""What JSON cannot say itself."""

_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    **_SCALARS,
    "boolean": lambda text: text.lower() == "true",
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
}


def _from_text(shape: Any, text: str) -> Any:
    convert: Callable[[str], Any] = _FROM_TEXT.get(shape.type_name, _as_it_is)
    return convert(text)


# -- REST ------------------------------------------------------------------------------------------------------------


def _located(request: Request, asked: Asked, shape: Any) -> Params:
    """What is not in the body."""
    found = {}
    for name, member in shape.members.items():
        location, key = member.serialization.get("location"), member.serialization.get("name", name)
        if location == "headers":
            value: Any = {
                header[len(key) :]: text for header, text in request.headers if header.lower().startswith(key.lower())
            }
        elif location == "header":
            value = _from_header(member, request.header(key.lower()))
        elif location == "uri":
            value = _from_text(member, asked.captured[key]) if key in asked.captured else None
        elif location == "querystring":
            value = _from_query(member, request, key)
        else:
            continue
        if value not in (None, {}, ""):
            found[name] = value
    return found


def _from_header(shape: Any, text: str) -> Any:
    if not text:
        return None
    if shape.serialization.get("jsonvalue"):
        return json.loads(base64.b64decode(text))
    if shape.type_name == "list":
        return [part.strip() for part in text.split(",")]
    return _from_text(shape, text)


def _from_query(shape: Any, request: Request, key: str) -> Any:
    if shape.type_name == "map":
        return {name: values[0] for name, values in request.query.items()}
    if key not in request.query:
        return None
    values = request.query[key]
    return (
        [_from_text(shape.member, one) for one in values] if shape.type_name == "list" else _from_text(shape, values[0])
    )


def _body(request: Request, shape: Any, *, is_xml: bool) -> Params:
    payload = shape.serialization.get("payload")
    if payload is None:
        inside = [name for name, member in shape.members.items() if "location" not in member.serialization]
        read = _from_body(request, shape, is_xml=is_xml) if inside else {}
        return {name: value for name, value in read.items() if name in inside}
    member = shape.members[payload]
    if member.type_name in ("blob", "string"):
        body = request.body if member.type_name == "blob" else request.body.decode()
        return {payload: body} if request.body else {}
    return {payload: _from_body(request, member, is_xml=is_xml)} if request.body else {}


def _from_body(request: Request, shape: Any, *, is_xml: bool) -> Any:
    if not request.body:
        return {}
    return _from_xml(shape, [ET.fromstring(request.body)]) if is_xml else _from_json(shape, json.loads(request.body))  # noqa: S314 - the standard library's parser expands no external entities


def _from_xml(shape: Any, nodes: list[ET.Element]) -> Any:
    """The value of the elements of one name; there are several where a list is flattened."""
    kind = shape.type_name
    if kind == "structure":
        return _xml_structure(shape, nodes[0])
    if kind == "list":
        items = nodes if shape.serialization.get("flattened") else list(nodes[0])
        return [_from_xml(shape.member, [item]) for item in items]
    if kind == "map":
        entries = nodes if shape.serialization.get("flattened") else list(nodes[0])
        return {str(_from_xml(shape.key, [entry[0]])): _from_xml(shape.value, [entry[1]]) for entry in entries}
    return _from_text(shape, nodes[0].text or "")


def _xml_structure(shape: Any, node: ET.Element) -> Params:
    children: dict[str, list[ET.Element]] = {}
    for child in node:
        children.setdefault(child.tag.rpartition("}")[2], []).append(child)
    found = {}
    for name, member in shape.members.items():
        key = member.serialization.get("name", name)
        if member.type_name == "list" and member.serialization.get("flattened"):
            key = member.member.serialization.get("name", key)
        if key in children and "location" not in member.serialization:
            found[name] = _from_xml(member, children[key])
    return found


# -- query -----------------------------------------------------------------------------------------------------------


class _Query:
    """Parameters that are flattened into a form: `Entries.member.1.Id=a`."""

    def __init__(self, form: Mapping[str, str], is_sqs: bool) -> None:
        self._form = form
        self._is_sqs = is_sqs

    def structure(self, shape: Any, prefix: str) -> Params:
        found = {}
        for name, member in shape.members.items():
            key = element(shape, name) if self._is_sqs else member.serialization.get("name", name)
            value = self._value(member, f"{prefix}.{key}" if prefix else key)
            if value is not None:
                found[name] = value
        return found

    def _value(self, shape: Any, key: str) -> Any:
        kind = shape.type_name
        if kind in ("structure", "list", "map"):
            if not any(given == key or given.startswith(f"{key}.") for given in self._form):
                return None
            return getattr(self, kind)(shape, key)
        return _from_text(shape, self._form[key]) if key in self._form else None

    def list(self, shape: Any, key: str) -> Any:
        if shape.serialization.get("flattened"):
            name = shape.member.serialization.get("name")
            stem = ".".join([*key.split(".")[:-1], name]) if name else key
        else:
            stem = f"{key}.{shape.member.serialization.get('name', 'member')}"
        return list(self._numbered(shape.member, stem))

    def _numbered(self, shape: Any, stem: str) -> Iterator[Any]:
        number = 1
        while (value := self._value(shape, f"{stem}.{number}")) is not None:
            yield value
            number += 1

    def map(self, shape: Any, key: str) -> Params:
        stem = key if shape.serialization.get("flattened") else f"{key}.entry"
        key_name, value_name = (
            entry_names(key.rpartition(".")[2])
            if self._is_sqs
            else (shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value"))
        )
        found: Params = {}
        while f"{stem}.{len(found) + 1}.{key_name}" in self._form:
            entry = f"{stem}.{len(found) + 1}"
            found[self._form[f"{entry}.{key_name}"]] = self._value(shape.value, f"{entry}.{value_name}")
        return found
