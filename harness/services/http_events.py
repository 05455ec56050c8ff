"""The event that a function gets for an HTTP request, and what its answer means (aws-semantics §8.1, §8.3)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from stagefright.services.http_message import HttpRequest, HttpResponse
from stagefright.services.http_routes import Match

SOURCE_IP = "127.0.0.1"
TEXT_TYPES = (
    "text/",
    "application/json",
    "application/xml",
    "application/javascript",
    "application/x-www-form-urlencoded",
)
"""Content types whose body arrives as text; any other arrives as base64."""


def event(
    match: Match, request: HttpRequest, *, account: str, host: str, request_id: str, now: float
) -> dict[str, Any]:
    """The event in the integration's payload format."""
    api_id = host.partition(".")[0]
    identity = {"accountId": account, "apiId": api_id, "domainName": host, "domainPrefix": api_id}
    build = _version_1 if match.payload_version == "1.0" else _version_2
    return build(match, request, identity, request_id, now)


def _version_2(
    match: Match, request: HttpRequest, identity: dict[str, str], request_id: str, now: float
) -> dict[str, Any]:
    at = datetime.fromtimestamp(now, UTC)
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": match.route_key,
        "rawPath": match.path,
        "rawQueryString": request.query,
        "headers": _joined([pair for pair in request.headers if pair[0] != "cookie"]),
        "requestContext": {
            **identity,
            "http": {
                "method": request.method,
                "path": match.path,
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE_IP,
                "userAgent": request.header("user-agent") or "",
            },
            "requestId": request_id,
            "routeKey": match.route_key,
            "stage": match.stage,
            "time": at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    cookies = request.header("cookie")
    if cookies:
        made["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    query = parse_qsl(request.query, keep_blank_values=True)
    optional = (
        ("queryStringParameters", _joined(query)),
        ("pathParameters", match.path_parameters),
        ("stageVariables", match.stage_variables),
    )
    made |= {name: value for name, value in optional if value}
    if request.body:
        made["body"], made["isBase64Encoded"] = _body(request)
    return made


def _version_1(
    match: Match, request: HttpRequest, identity: dict[str, str], request_id: str, now: float
) -> dict[str, Any]:
    at = datetime.fromtimestamp(now, UTC)
    query = parse_qsl(request.query, keep_blank_values=True)
    body, is_base64 = _body(request) if request.body else (None, False)
    resource = match.route_key.partition(" ")[2] or "$default"
    return {
        "version": "1.0",
        "resource": resource,
        "path": match.path,
        "httpMethod": request.method,
        "headers": dict(request.headers),
        "multiValueHeaders": _multiple(request.headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _multiple(query) or None,
        "requestContext": {
            **identity,
            "extendedRequestId": request_id,
            "httpMethod": request.method,
            "identity": {"sourceIp": SOURCE_IP, "userAgent": request.header("user-agent") or ""},
            "path": match.path,
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now * 1000),
            "resourceId": match.route_key,
            "resourcePath": resource,
            "stage": match.stage,
        },
        "pathParameters": match.path_parameters or None,
        "stageVariables": match.stage_variables or None,
        "body": body,
        "isBase64Encoded": is_base64,
    }


def _joined(pairs: Any) -> dict[str, str]:
    """Repeated names joined by commas."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _multiple(pairs: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _body(request: HttpRequest) -> tuple[str, bool]:
    content_type = (request.header("content-type") or "text/plain").lower()
    if content_type.startswith(TEXT_TYPES):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            return base64.b64encode(request.body).decode(), True
    return base64.b64encode(request.body).decode(), True


def response(payload: bytes, *, payload_version: str) -> HttpResponse | None:
    """What a function's answer means to the client; None if it is malformed."""
    try:
        answer = json.loads(payload)
        if isinstance(answer, dict) and "statusCode" in answer:
            return _explicit(answer, payload_version)
    except (TypeError, ValueError):
        return None
    if payload_version == "1.0":
        return None
    # Format 2.0 infers: any valid JSON is the body of a 200.
    body = answer if isinstance(answer, str) else json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
    return HttpResponse(200, (("content-type", "application/json"),), body.encode("utf-8", "surrogatepass"))


def _explicit(answer: dict[str, Any], payload_version: str) -> HttpResponse:
    """A response with a status of its own; `TypeError` or `ValueError` if a part of it has the wrong shape."""
    status = int(answer["statusCode"])
    if not 100 <= status <= 599:
        raise ValueError(status)
    headers = [(str(name).lower(), _header_text(value)) for name, value in _mapping(answer, "headers").items()]
    if payload_version == "1.0":
        for name, values in _mapping(answer, "multiValueHeaders").items():
            headers = [pair for pair in headers if pair[0] != name.lower()]
            headers += [(name.lower(), _header_text(value)) for value in _sequence(values)]
    else:
        headers += [("set-cookie", _header_text(cookie)) for cookie in _sequence(answer.get("cookies") or [])]
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    return HttpResponse(status, tuple(headers), _response_body(answer))


def _mapping(answer: dict[str, Any], name: str) -> dict[str, Any]:
    found = answer.get(name) or {}
    if not isinstance(found, dict):
        raise TypeError(name)
    return found


def _sequence(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError(values)
    return values


def _response_body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError(body)
    return base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")


def _header_text(value: Any) -> str:
    """A header's value on the wire: scalars become text, and a line end cannot smuggle in another header."""
    if isinstance(value, dict | list):
        raise TypeError(value)
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if "\r" in text or "\n" in text:
        raise ValueError(text)
    return text
