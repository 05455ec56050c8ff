"""The event that a function gets for an HTTP request (aws-semantics §8.1, §8.3)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from stagefright.services.apis.message import HttpRequest
from stagefright.services.apis.routes import Match

SOURCE_IP = "127.0.0.1"
TEXT_TYPES = (
    "text/",
    "application/json",
    "application/xml",
    "application/javascript",
    "application/x-www-form-urlencoded",
)
"""Content types whose body arrives as text at an HTTP API; any other arrives as base64."""

IDENTITY = (
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "sourceIp",
    "user",
    "userAgent",
    "userArn",
)
"""The keys of `requestContext.identity`; all are there, null where nothing is known (§8.1)."""


def forwarded(request: HttpRequest, request_id: str, now: float) -> HttpRequest:
    """The request with the headers that AWS adds on its way: whose it was, and its trace."""
    added = {
        "X-Amzn-Trace-Id": f"Root=1-{int(now):08x}-{request_id.replace('-', '')[:24]}",
        "X-Forwarded-For": SOURCE_IP,
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    missing = tuple((name, value) for name, value in added.items() if request.header(name) is None)
    return replace(request, headers=(*request.headers, *missing))


def event(
    match: Match, request: HttpRequest, *, account: str, host: str, request_id: str, now: float
) -> dict[str, Any]:
    """The event in the payload format of an HTTP API's integration."""
    api_id = host.partition(".")[0]
    identity = {"accountId": account, "apiId": api_id, "domainName": host, "domainPrefix": api_id}
    build = _version_1 if match.payload_version == "1.0" else _version_2
    return build(match, forwarded(request, request_id, now), identity, request_id, now)


def _version_2(
    match: Match, request: HttpRequest, identity: dict[str, str], request_id: str, now: float
) -> dict[str, Any]:
    lowered = [(name.lower(), value) for name, value in request.headers]
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": match.route_key,
        "rawPath": match.path,
        "rawQueryString": request.query,
        "headers": _joined(pair for pair in lowered if pair[0] != "cookie"),
        "requestContext": {
            **identity,
            "authentication": None,
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
            "time": clf_time(now),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    cookies = request.header("cookie")
    if cookies:
        made["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    optional = (
        ("queryStringParameters", _joined(request.parameters)),
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
    resource = match.route_key.partition(" ")[2] or "$default"
    context = {
        **identity,
        **request_context(request, request_id, now),
        "path": match.path,
        "resourceId": match.route_key,
        "resourcePath": resource,
        "stage": match.stage,
    }
    body, is_base64 = _body(request) if request.body else (None, False)
    return {"version": "1.0"} | proxy_event(
        request,
        resource=resource,
        path=match.path,
        path_parameters=match.path_parameters,
        stage_variables=match.stage_variables,
        context=context,
        body=body,
        is_base64=is_base64,
    )


def request_context(request: HttpRequest, request_id: str, now: float) -> dict[str, Any]:
    """What `requestContext` of a REST API and of format 1.0 says of the request itself."""
    known = {"sourceIp": SOURCE_IP, "userAgent": request.header("user-agent")}
    return {
        "extendedRequestId": extended_id(request_id),
        "httpMethod": request.method,
        "identity": {name: known.get(name) for name in IDENTITY},
        "protocol": "HTTP/1.1",
        "requestId": request_id,
        "requestTime": clf_time(now),
        "requestTimeEpoch": int(now * 1000),
    }


def extended_id(request_id: str) -> str:
    """The other id of a request, which `x-amz-apigw-id` names too."""
    return f"{request_id.replace('-', '')[:15]}="


def proxy_event(
    request: HttpRequest,
    *,
    resource: str,
    path: str,
    path_parameters: Mapping[str, str],
    stage_variables: Mapping[str, str],
    context: Mapping[str, Any],
    body: str | None,
    is_base64: bool,
) -> dict[str, Any]:
    """A REST API's proxy event (§8.1): absent maps are null, the last of several values wins, names keep their case."""
    headers, query = request.headers, request.parameters
    return {
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": dict(headers) or None,
        "multiValueHeaders": _multiple(headers) or None,
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _multiple(query) or None,
        "pathParameters": dict(path_parameters) or None,
        "stageVariables": dict(stage_variables) or None,
        "requestContext": dict(context),
        "body": body,
        "isBase64Encoded": is_base64,
    }


def clf_time(now: float) -> str:
    """
    An instant as access logs write it.

    >>> clf_time(0)
    '01/Jan/1970:00:00:00 +0000'
    """
    return datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeated names joined by commas."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _multiple(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _body(request: HttpRequest) -> tuple[str, bool]:
    """A body as HTTP APIs hand it on: what is not text becomes base64 by itself."""
    content_type = (request.header("content-type") or "text/plain").lower()
    if content_type.startswith(TEXT_TYPES):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True
