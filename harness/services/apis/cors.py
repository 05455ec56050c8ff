"""The CORS rules of HTTP APIs and function URLs, which API Gateway and Lambda apply themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stagefright.services.apis.message import HttpRequest, HttpResponse


def preflight(cors: Mapping[str, Any] | None, request: HttpRequest) -> HttpResponse | None:
    """API Gateway's own answer to a preflight request, if CORS is configured."""
    asked = request.header("access-control-request-method")
    if not cors or request.method != "OPTIONS" or asked is None:
        return None
    return with_cors(cors, request, HttpResponse(204))


def with_cors(cors: Mapping[str, Any] | None, request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """
    A response with the CORS headers of the API.

    An API that has CORS settings ignores the function's own headers (AWS guide, http-api-cors), also for origins that it does not allow.
    """
    if not cors:
        return response
    kept = tuple(pair for pair in response.headers if not pair[0].lower().startswith("access-control-"))
    return replace(response, headers=(*kept, *_cors_headers(cors, request.header("origin"))))


def _cors_headers(cors: Mapping[str, Any], origin: str | None) -> list[tuple[str, str]]:
    allowed = _option(cors, "allowOrigins") or []
    if origin is None or ("*" not in allowed and origin not in allowed):
        return []
    headers = [("access-control-allow-origin", "*" if "*" in allowed else origin)]
    lists = (
        ("access-control-allow-methods", "allowMethods"),
        ("access-control-allow-headers", "allowHeaders"),
        ("access-control-expose-headers", "exposeHeaders"),
    )
    headers += [(header, ",".join(values)) for header, name in lists if (values := _option(cors, name))]
    if _option(cors, "allowCredentials"):
        headers.append(("access-control-allow-credentials", "true"))
    if (age := _option(cors, "maxAge")) is not None:
        headers.append(("access-control-max-age", str(age)))
    return headers


def _option(cors: Mapping[str, Any], name: str) -> Any:
    """CORS settings come in lower camel case from the API, and in upper from CloudFormation."""
    return cors.get(name, cors.get(name[0].upper() + name[1:]))
