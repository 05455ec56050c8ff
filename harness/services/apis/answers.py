"""What a function's answer means to the client (aws-semantics §8.2, §8.3)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from stagefright.services.apis.message import HttpResponse

Headers = list[tuple[str, str]]

REST_KEYS = frozenset({"isBase64Encoded", "statusCode", "headers", "multiValueHeaders", "body"})
"""All that an answer to a REST API may have; any other key makes it malformed (§8.2)."""

REMAPPED = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "host",
        "server",
        "user-agent",
        "www-authenticate",
    }
)
"""Headers that a REST API does not let through: they come out with a prefix (API Gateway guide, api-gateway-known-issues)."""
REMAPPED_PREFIX = "x-amzn-Remapped-"


def of_http_api(payload: bytes, *, payload_version: str) -> HttpResponse | None:
    """The answer of an HTTP API's integration or of a function's URL; None if it is malformed (§8.3)."""
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


def of_rest_api(payload: bytes, *, binary: bool) -> HttpResponse | None:
    """
    The answer of a REST API's proxy integration; None if it is malformed (§8.2).

    `binary`: whether the client asked for a binary media type of the API; only then is base64 decoded.
    """
    try:
        answer = json.loads(payload)
        if not isinstance(answer, dict) or not answer or not answer.keys() <= REST_KEYS:
            return None
        given = answer.get("statusCode")
        status = 200 if given is None else _status(given)
        headers = [(_remapped(name), value) for name, value in _merged(answer)]
        return HttpResponse(status, _typed(headers, "application/json"), _body(answer, decode=binary))
    except (TypeError, ValueError):
        return None


def has_object_body(payload: bytes) -> bool:
    """Whether an answer is malformed because its body is an object or a list instead of text (§8.2)."""
    answer = json.loads(payload)
    return isinstance(answer, dict) and answer.keys() <= REST_KEYS and isinstance(answer.get("body"), dict | list)


def _remapped(name: str) -> str:
    return f"{REMAPPED_PREFIX}{name}" if name.lower() in REMAPPED else name


def _explicit(answer: Mapping[str, Any], payload_version: str) -> HttpResponse:
    """A response with a status of its own; `TypeError` or `ValueError` if a part of it has the wrong shape."""
    status = _status(answer["statusCode"])
    if payload_version == "1.0":
        headers = [(name.lower(), value) for name, value in _merged(answer)]
    else:
        headers = [(str(name).lower(), _header_text(value)) for name, value in _mapping(answer, "headers").items()]
        headers += [("set-cookie", _header_text(cookie)) for cookie in _sequence(answer.get("cookies") or [])]
    return HttpResponse(status, _typed(headers, "text/plain; charset=utf-8"), _body(answer, decode=True))


def _status(given: Any) -> int:
    """
    A status code: a number, perhaps written as text.

    >>> _status("201")
    201
    """
    if isinstance(given, bool):
        raise TypeError(given)
    status = int(given)
    if not 100 <= status <= 599:
        raise ValueError(status)
    return status


def _typed(headers: Headers, content_type: str) -> tuple[tuple[str, str], ...]:
    """The headers, with a content type if they have none."""
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers = [*headers, ("Content-Type", content_type)]
    return tuple(headers)


def _merged(answer: Mapping[str, Any]) -> Headers:
    """
    `multiValueHeaders` and `headers` as one list (§8.2).

    A header of both has the values of the former, then the latter's, under the former's spelling; an identical pair comes once.
    """
    merged = list(_multi_values(answer))
    spelled = {name.lower(): name for name, _ in merged}
    for name, value in _mapping(answer, "headers").items():
        pair = (spelled.get(str(name).lower(), str(name)), _header_text(value))
        if pair not in merged:
            merged.append(pair)
    return merged


def _multi_values(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, values in _mapping(answer, "multiValueHeaders").items():
        for value in _sequence(values):
            yield str(name), _header_text(value)


def _mapping(answer: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = answer.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise TypeError(name)
    return found


def _sequence(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError(values)
    return values


def _body(answer: Mapping[str, Any], *, decode: bool) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError(body)
    is_base64 = decode and bool(answer.get("isBase64Encoded"))
    return base64.b64decode(body) if is_base64 else body.encode("utf-8", "surrogatepass")


def _header_text(value: Any) -> str:
    """A header's value on the wire: scalars become text, and a line end cannot smuggle in another header."""
    if isinstance(value, dict | list):
        raise TypeError(value)
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if "\r" in text or "\n" in text:
        raise ValueError(text)
    return text
