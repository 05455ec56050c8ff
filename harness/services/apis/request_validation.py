"""Request validators of REST APIs: required parameters, and bodies held to a model (API Gateway guide, request-validation)."""

from __future__ import annotations

import json
from typing import Any

from stagefright.services.apis import expressions
from stagefright.services.apis.gateway_responses import GatewayRefusal
from stagefright.services.apis.message import HttpRequest
from stagefright.services.apis.rest_model import RestMethod, RestSnapshot


def check(api: RestSnapshot, method: RestMethod, request: HttpRequest, path_parameters: dict[str, str]) -> None:
    """Raise `GatewayRefusal` for a request that the method's validator does not let through."""
    bodies, parameters = api.validators.get(method.validator_id or "", (False, False))
    if parameters:
        _check_parameters(method, request, path_parameters)
    if bodies:
        _check_body(api, method, request)


def _check_parameters(method: RestMethod, request: HttpRequest, path_parameters: dict[str, str]) -> None:
    required = [name for name, is_required in method.parameters.items() if is_required]
    missing = [
        name.rpartition(".")[2] for name in required if not expressions.value_of(name, request, {}, {}, path_parameters)
    ]
    if missing:
        message = f"Missing required request parameters: [{', '.join(missing)}]"
        raise GatewayRefusal("BAD_REQUEST_PARAMETERS", message, message=message)


def _check_body(api: RestSnapshot, method: RestMethod, request: HttpRequest) -> None:
    content_type = (request.header("content-type") or "application/json").partition(";")[0].strip().lower()
    model = method.models.get(content_type) or method.models.get("$default")
    if model is None or model not in api.models:
        return
    try:
        models = {name: json.loads(text) for name, text in api.models.items()}
    except ValueError as error:
        raise GatewayRefusal("API_CONFIGURATION_ERROR", f"a model of the API is no JSON: {error}") from None
    wrong = _wrong(models[model], models, request.body)
    if wrong is not None:
        raise GatewayRefusal("BAD_REQUEST_BODY", f"the body does not fit the model {model}: {wrong}")


def _wrong(schema: dict[str, Any], models: dict[str, Any], body: bytes) -> str | None:
    """What is wrong with a body, by a JSON schema of draft 4; None if nothing is."""
    from jsonschema import Draft4Validator
    from referencing.exceptions import Unresolvable

    try:
        value = json.loads(body)
    except ValueError as error:
        return str(error)
    validator = Draft4Validator({**schema, "definitions": {**models, **schema.get("definitions", {})}})
    try:
        found = next(validator.iter_errors(value), None)
    except Unresolvable as error:
        raise GatewayRefusal("API_CONFIGURATION_ERROR", f"a model of the API refers to nothing: {error}") from None
    return None if found is None else str(found.message)
