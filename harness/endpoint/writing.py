"""
Answers and refusals of our own services on the wire: botocore's parsers, the other way round.

Each protocol is written as botocore's service models describe it: json, rest-json, rest-xml and query.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from stagefright.aws_api.errors import ApiError
from stagefright.endpoint.message import Answer, Headers, Request, as_base64
from stagefright.endpoint.naming import Asked, service_model, spoken
from stagefright.endpoint.sqs_names import XML_NAMESPACE, element, entry_names
from stagefright.services.queue_errors import ERROR_SHAPES

SQS_PREFIX = "com.amazonaws.sqs#"


def answer(request: Request, asked: Asked, result: Mapping[str, Any], request_id: str) -> Answer:
    """What an operation of ours gave, on the wire."""
    shape, metadata = asked.operation.output_shape, asked.operation.service_model.metadata
    given, protocol = (("x-amzn-RequestId", request_id),), spoken(request, asked.service)
    if protocol == "query":
        return Answer(200, (*given, ("Content-Type", "text/xml")), _query_answer(asked, shape, result, request_id))
    if protocol == "json":
        body = _to_json(shape, result) if shape is not None else {}
        return Answer(200, (*given, _json_type(metadata)), json.dumps(body).encode())
    return _rest_answer(asked, shape, result, given)


def _json_type(metadata: Mapping[str, Any]) -> tuple[str, str]:
    return "Content-Type", f"application/x-amz-json-{metadata.get('jsonVersion', '1.0')}"


# -- refusals --------------------------------------------------------------------------------------------------------


def refusal(request: Request, asked: Asked, refused: ApiError, request_id: str) -> Answer:
    """A refusal in the form of the protocol, so that an SDK raises the exception that it has for it."""
    given, protocol = (("x-amzn-RequestId", request_id),), spoken(request, asked.service)
    if protocol == "query":
        return Answer(refused.status, (*given, ("Content-Type", "text/xml")), _xml_refusal(asked, refused, request_id))
    if protocol == "rest-xml":
        return Answer(refused.status, (*given, ("Content-Type", "application/xml")), _s3_refusal(refused, request_id))
    return _json_refusal(asked, service_model(asked.service), refused, given)


def _json_refusal(asked: Asked, model: Any, refused: ApiError, given: Headers) -> Answer:
    code, headers = refused.code, list(given)
    if asked.service == "sqs":
        shape_name = ERROR_SHAPES.get(code, code)
        headers.append(("x-amzn-query-error", f"{code};{_fault(refused)}"))
        code = SQS_PREFIX + shape_name
    headers += [("x-amzn-ErrorType", refused.code if asked.service != "sqs" else code)]
    is_rest = model is not None and model.metadata["protocol"] == "rest-json"
    headers.append(("Content-Type", "application/json") if is_rest or model is None else _json_type(model.metadata))
    body = {"__type": code, _message_name(model, refused.code): refused.message, **refused.fields}
    return Answer(refused.status, tuple(headers), json.dumps(body).encode())


def _message_name(model: Any, code: str) -> str:
    """What an error's model calls its message: `message`, or `Message`."""
    shapes = model.error_shapes if model is not None else ()
    members = next((list(shape.members) for shape in shapes if shape.name == code), [])
    return next((str(member) for member in members if member.lower() == "message"), "message")


def _fault(refused: ApiError) -> str:
    return "Sender" if refused.status < 500 else "Receiver"


def _xml_refusal(asked: Asked, refused: ApiError, request_id: str) -> bytes:
    root = ET.Element("ErrorResponse", xmlns=_namespace(asked))
    error = ET.SubElement(root, "Error")
    for name, text in (("Type", _fault(refused)), ("Code", refused.code), ("Message", refused.message)):
        ET.SubElement(error, name).text = text
    ET.SubElement(root, "RequestId").text = request_id
    return bytes(ET.tostring(root, "utf-8"))


def _s3_refusal(refused: ApiError, request_id: str) -> bytes:
    root = ET.Element("Error")
    for name, text in (("Code", refused.code), ("Message", refused.message), ("RequestId", request_id)):
        ET.SubElement(root, name).text = text
    return bytes(ET.tostring(root, "utf-8"))


# -- json ------------------------------------------------------------------------------------------------------------


def _to_json(shape: Any, value: Any) -> Any:
    if value is None or getattr(shape, "is_document_type", False):
        return value
    kind = shape.type_name
    if kind == "structure":
        return {
            member.serialization.get("name", name): _to_json(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list":
        return [_to_json(shape.member, item) for item in value]
    if kind == "map":
        return {key: _to_json(shape.value, item) for key, item in value.items()}
    if kind == "blob":
        return as_base64(value)
    if kind == "timestamp":
        return _timestamp(value, shape.serialization.get("timestampFormat", "unixTimestamp"))
    return value


def _timestamp(value: Any, form: str) -> Any:
    if isinstance(value, str):
        return value
    at = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
    at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    if form.lower() == "unixtimestamp":
        return at.timestamp()
    if form.lower() == "rfc822":
        return at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


# -- REST ------------------------------------------------------------------------------------------------------------


def _rest_answer(asked: Asked, shape: Any, result: Mapping[str, Any], given: Headers) -> Answer:
    status, headers = int(asked.operation.http.get("responseCode", 200)), list(given)
    members = shape.members if shape is not None else {}
    for name, member in members.items():
        value, location = result.get(name), member.serialization.get("location")
        if value is None or location is None:
            continue
        if location == "statusCode":
            status = int(value)
        elif location == "headers":
            headers += [(member.serialization.get("name", "") + key, str(text)) for key, text in value.items()]
        else:
            headers.append((member.serialization.get("name", name), _as_text(member, value, "rfc822")))
    content_type, body = _rest_body(asked, shape, result)
    return Answer(status, (*headers, ("Content-Type", content_type)), b"" if status == 204 else body)


def _rest_body(asked: Asked, shape: Any, result: Mapping[str, Any]) -> tuple[str, bytes]:
    is_xml = asked.operation.service_model.metadata["protocol"] == "rest-xml"
    content_type = "application/xml" if is_xml else "application/json"
    if shape is None:
        return content_type, b""
    payload = shape.serialization.get("payload")
    if payload is not None and shape.members[payload].type_name in ("blob", "string"):
        return content_type, _raw(result.get(payload))
    inside = shape if payload is None else shape.members[payload]
    value = result if payload is None else result.get(payload, {})
    if is_xml:
        root = ET.Element(inside.serialization.get("name", asked.operation.output_shape.name))
        _fill(root, inside, value)
        return content_type, ET.tostring(root, "utf-8")
    body = {
        member.serialization.get("name", name): _to_json(member, value[name])
        for name, member in inside.members.items()
        if value.get(name) is not None and "location" not in member.serialization
    }
    return content_type, json.dumps(body).encode()


def _raw(value: Any) -> bytes:
    read = value.read() if hasattr(value, "read") else value
    return read.encode() if isinstance(read, str) else bytes(read or b"")


def _as_text(shape: Any, value: Any, timestamp_format: str = "iso8601") -> str:
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "blob":
        return as_base64(value)
    if shape.type_name == "timestamp":
        return str(_timestamp(value, shape.serialization.get("timestampFormat", timestamp_format)))
    if shape.serialization.get("jsonvalue"):
        return as_base64(json.dumps(value))
    return ",".join(map(str, value)) if shape.type_name == "list" else str(value)


# -- query, and XML --------------------------------------------------------------------------------------------------


def _namespace(asked: Asked) -> str:
    model = service_model(asked.service)
    return str(model.metadata.get("xmlNamespace", XML_NAMESPACE)) if model is not None else XML_NAMESPACE


def _query_answer(asked: Asked, shape: Any, result: Mapping[str, Any], request_id: str) -> bytes:
    name = asked.operation.name
    root = ET.Element(f"{name}Response", xmlns=_namespace(asked))
    if shape is not None:
        wrapper = ET.SubElement(root, shape.serialization.get("resultWrapper", f"{name}Result"))
        _fill(wrapper, shape, result, is_sqs=asked.service == "sqs")
    ET.SubElement(ET.SubElement(root, "ResponseMetadata"), "RequestId").text = request_id
    return bytes(ET.tostring(root, "utf-8"))


def _fill(node: ET.Element, shape: Any, value: Mapping[str, Any], *, is_sqs: bool = False) -> None:
    for name, member in shape.members.items():
        if value.get(name) is not None and "location" not in member.serialization:
            _append(
                node,
                element(shape, name) if is_sqs else member.serialization.get("name", name),
                member,
                value[name],
                is_sqs,
            )


def _append(node: ET.Element, name: str, shape: Any, value: Any, is_sqs: bool) -> None:
    """Put a value below an element, under its name."""
    kind = shape.type_name
    if kind == "structure":
        _fill(ET.SubElement(node, name), shape, value, is_sqs=is_sqs)
    elif kind == "list":
        flattened = shape.serialization.get("flattened") or is_sqs
        parent = node if flattened else ET.SubElement(node, name)
        item_name = name if is_sqs else shape.member.serialization.get("name", name if flattened else "member")
        for item in value:
            _append(parent, item_name, shape.member, item, is_sqs)
    elif kind == "map":
        _append_entries(node, name, shape, value, is_sqs)
    else:
        ET.SubElement(node, name).text = _as_text(shape, value)


def _append_entries(node: ET.Element, name: str, shape: Any, value: Mapping[str, Any], is_sqs: bool) -> None:
    flattened = shape.serialization.get("flattened") or is_sqs
    parent = node if flattened else ET.SubElement(node, name)
    names = (shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value"))
    key_name, value_name = entry_names(name) if is_sqs else names
    for key, item in value.items():
        entry = ET.SubElement(parent, name if flattened else "entry")
        ET.SubElement(entry, key_name).text = str(key)
        _append(entry, value_name, shape.value, item, is_sqs)
