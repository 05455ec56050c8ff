"""
Gateway responses: what a REST API says by itself, and how the API's owner changes it (aws-semantics §8.4).

Types and statuses are those of the API Gateway guide, supported-gateway-response-types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from stagefright.services.apis import expressions
from stagefright.services.apis.message import HttpRequest, HttpResponse
from stagefright.services.apis.rest_model import GatewayAnswer

INTERNAL_ERROR = "Internal server error"


class _Kind(NamedTuple):
    status: int
    message: str | None
    error: str
    """What the header `x-amzn-ErrorType` says."""


KINDS = {
    "ACCESS_DENIED": _Kind(403, "User is not authorized to access this resource", "AccessDeniedException"),
    "API_CONFIGURATION_ERROR": _Kind(500, INTERNAL_ERROR, "InternalServerErrorException"),
    "AUTHORIZER_CONFIGURATION_ERROR": _Kind(500, None, "AuthorizerConfigurationException"),
    "AUTHORIZER_FAILURE": _Kind(500, None, "AuthorizerFailureException"),
    "BAD_REQUEST_BODY": _Kind(400, "Invalid request body", "BadRequestException"),
    "BAD_REQUEST_PARAMETERS": _Kind(400, "Missing required request parameters", "BadRequestException"),
    "DEFAULT_5XX": _Kind(500, INTERNAL_ERROR, "InternalServerErrorException"),
    "EXPIRED_TOKEN": _Kind(403, "The security token included in the request is expired", "ExpiredTokenException"),
    "INTEGRATION_FAILURE": _Kind(504, INTERNAL_ERROR, "InternalServerErrorException"),
    "INTEGRATION_TIMEOUT": _Kind(504, "Endpoint request timed out", "InternalServerErrorException"),
    "INVALID_API_KEY": _Kind(403, "Forbidden", "ForbiddenException"),
    "MISSING_AUTHENTICATION_TOKEN": _Kind(403, "Missing Authentication Token", "MissingAuthenticationTokenException"),
    "QUOTA_EXCEEDED": _Kind(429, "Limit Exceeded", "LimitExceededException"),
    "REQUEST_TOO_LARGE": _Kind(413, "Request Too Long", "RequestTooLargeException"),
    "THROTTLED": _Kind(429, "Too Many Requests", "TooManyRequestsException"),
    "UNAUTHORIZED": _Kind(401, "Unauthorized", "UnauthorizedException"),
    "UNSUPPORTED_MEDIA_TYPE": _Kind(415, "Unsupported Media Type", "BadRequestException"),
}
"""Type to its status, its usual message and its error."""


TYPES = frozenset({*KINDS, "DEFAULT_4XX", "INVALID_SIGNATURE", "RESOURCE_NOT_FOUND", "WAF_FILTERED"})
"""The types that a gateway response may be for; those beyond `KINDS` never happen on a local stage."""


class GatewayRefusal(Exception):
    """A request that API Gateway answers itself: how, and why."""

    def __init__(self, kind: str, reason: str, *, message: str | None = None, status: int | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.message = KINDS[kind].message if message is None else message
        self.status = status or KINDS[kind].status


def response(
    refusal: GatewayRefusal,
    answers: Mapping[str, GatewayAnswer],
    request: HttpRequest,
    context: Mapping[str, Any],
    variables: Mapping[str, str],
) -> HttpResponse:
    """
    What the client is told: the API's own response of this type, else its `DEFAULT_4XX` or `DEFAULT_5XX`, else AWS's.

    Raises `NotServed` for a template with logic.
    """
    default = "DEFAULT_4XX" if refusal.status < 500 else "DEFAULT_5XX"
    own = answers.get(refusal.kind) or answers.get(default) or GatewayAnswer(None, {}, {})
    known = {**context, "error": _error(refusal)}
    content_type, template = next(iter(own.templates.items()), ("application/json", None))
    text = _usual_body(refusal) if template is None else expressions.fill(template, known, variables)
    headers = [("x-amzn-ErrorType", KINDS[refusal.kind].error), ("Content-Type", content_type)]
    for name, expression in own.parameters.items():
        header = name.removeprefix("gatewayresponse.header.")
        value = expressions.value_of(expression, request, known, variables, {})
        if value is not None:
            headers = [pair for pair in headers if pair[0].lower() != header.lower()]
            headers.append((header, value))
    return HttpResponse(own.status or refusal.status, tuple(headers), text.encode())


def _error(refusal: GatewayRefusal) -> dict[str, Any]:
    return {
        "message": refusal.message,
        "messageString": json.dumps(refusal.message),
        "responseType": refusal.kind,
        "validationErrorString": refusal.message,
    }


def _usual_body(refusal: GatewayRefusal) -> str:
    """AWS's own bodies, letter by letter: some have a blank, one a capital (§8.4)."""
    said = json.dumps(refusal.message)
    if refusal.kind == "ACCESS_DENIED":
        return f'{{"Message":{said}}}'
    blank = " " if refusal.status >= 500 and refusal.message is not None else ""
    return f'{{"message":{blank}{said}}}'
