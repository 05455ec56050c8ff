"""
MOCK integrations of REST APIs: an answer without anything behind it, as SAM's CORS preflights are (API Gateway guide, how-to-mock-integration).

The request's template gives the status, the integration's responses the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from stagefright.services.apis import expressions
from stagefright.services.apis.gateway_responses import GatewayRefusal
from stagefright.services.apis.message import HttpRequest, HttpResponse
from stagefright.services.apis.rest_model import IntegrationAnswer, RestIntegration

_HEADER = "method.response.header."


def answer(
    integration: RestIntegration,
    request: HttpRequest,
    context: Mapping[str, Any],
    variables: Mapping[str, str],
    path_parameters: Mapping[str, str],
) -> HttpResponse:
    """
    The answer of a MOCK integration.

    Raises `GatewayRefusal` if its request template gives no status or no response is for it, `NotServed` for a template with logic.
    """
    given = (request.header("content-type") or "application/json").partition(";")[0].strip().lower()
    template = integration.templates.get(given)
    if template is None and _refuses_others(integration):
        raise GatewayRefusal("UNSUPPORTED_MEDIA_TYPE", f"the integration has no request template for {given}")
    # A body that no template is for passes through as it is, and then has to give the status itself.
    status = _status(request.text if template is None else expressions.fill(template, context, variables))
    chosen = _chosen(integration, status)
    content_type, body = next(iter(chosen.templates.items()), ("application/json", None))
    headers = [("Content-Type", content_type)]
    for name, expression in chosen.parameters.items():
        value = expressions.value_of(expression, request, context, variables, path_parameters)
        if name.startswith(_HEADER) and value is not None:
            headers.append((name.removeprefix(_HEADER), value))
    text = expressions.fill(body or "", context, variables)
    return HttpResponse(chosen.status, tuple(headers), text.encode())


def _refuses_others(integration: RestIntegration) -> bool:
    return integration.passthrough == "NEVER" or (
        integration.passthrough == "WHEN_NO_TEMPLATES" and bool(integration.templates)
    )


def _status(text: str) -> int:
    """
    The status that a request template gives.

    >>> _status('{"statusCode": 204}')
    204
    """
    try:
        return int(json.loads(text)["statusCode"])
    except (KeyError, TypeError, ValueError):
        pass
    # API Gateway is not strict about JSON here: unquoted keys and trailing commas pass.
    found = re.search(r"statusCode[\"']?\s*:\s*[\"']?(\d{3})", text)
    if found is None:
        raise GatewayRefusal("DEFAULT_5XX", "the MOCK integration's request template gives no statusCode")
    return int(found[1])


def _chosen(integration: RestIntegration, status: int) -> IntegrationAnswer:
    for candidate in integration.answers:
        if candidate.pattern and re.fullmatch(candidate.pattern, str(status)):
            return candidate
    for candidate in integration.answers:
        if candidate.pattern is None:
            return candidate
    raise GatewayRefusal("DEFAULT_5XX", f"no integration response of the MOCK integration is for status {status}")
