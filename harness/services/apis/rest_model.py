"""
A REST API as it was deployed: what a deployment keeps of resources, methods, integrations, authorizers and gateway responses.

moto holds the API that is being edited; a deployment is a snapshot of it, and requests meet the snapshot (API Gateway guide,
how-to-deploy-api).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INTEGRATION_TIMEOUT_MS = (50, 29_000)
"""The shortest and the usual integration timeout; Regional and private APIs may wait longer (§8.4)."""
AUTHORIZER_TTL_S = 300
"""How long the verdict of an authorizer is remembered unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class IntegrationAnswer:
    """What an integration's answer of some status becomes."""

    status: int
    pattern: str | None
    """The statuses that it is for; None: all that no other is for."""
    parameters: Mapping[str, str]
    templates: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class RestIntegration:
    """What stands behind a method."""

    type: str
    uri: str
    timeout_s: float
    templates: Mapping[str, str]
    passthrough: str
    answers: tuple[IntegrationAnswer, ...]


@dataclass(frozen=True, slots=True)
class RestMethod:
    """A method of a resource; `ANY` stands for all that the resource has not."""

    name: str
    authorization: str
    authorizer_id: str | None
    scopes: tuple[str, ...]
    needs_key: bool
    parameters: Mapping[str, bool]
    models: Mapping[str, str]
    validator_id: str | None
    integration: RestIntegration | None


@dataclass(frozen=True, slots=True)
class RestResource:
    """A path with its methods."""

    id: str
    path: str
    methods: Mapping[str, RestMethod]


@dataclass(frozen=True, slots=True)
class RestAuthorizer:
    """Who decides about a caller: a function, or a user pool."""

    id: str
    name: str
    type: str
    uri: str
    identity_sources: tuple[str, ...]
    validation: str | None
    provider_arns: tuple[str, ...]
    ttl_s: int


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """A gateway response: what API Gateway says by itself, as the API wants it."""

    status: int | None
    parameters: Mapping[str, str]
    templates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RestSnapshot:
    """All of a REST API that a deployment keeps."""

    api_id: str
    name: str
    key_source: str
    binary_media_types: tuple[str, ...]
    resources: tuple[RestResource, ...]
    authorizers: Mapping[str, RestAuthorizer]
    gateway_answers: Mapping[str, GatewayAnswer]
    models: Mapping[str, str]
    validators: Mapping[str, tuple[bool, bool]]
    """Whether each validates bodies, and parameters."""


def snapshot_of(api: Any) -> RestSnapshot:
    """What a deployment keeps of one of moto's APIs."""
    return RestSnapshot(
        api_id=api.id,
        name=api.name,
        key_source=api.api_key_source,
        binary_media_types=tuple(str(kind).replace("~1", "/") for kind in api.binaryMediaTypes),
        resources=tuple(_resource(resource) for resource in api.resources.values()),
        authorizers={key: _authorizer(one) for key, one in api.authorizers.items()},
        gateway_answers={kind: _gateway_answer(one) for kind, one in api.gateway_responses.items()},
        models={name: _text(model.schema) for name, model in api.models.items()},
        validators={
            key: (bool(one.validate_request_body), bool(one.validate_request_parameters))
            for key, one in api.request_validators.items()
        },
    )


def _resource(resource: Any) -> RestResource:
    methods = {name: _method(name, method) for name, method in resource.resource_methods.items()}
    return RestResource(resource.id, resource.get_path(), methods)


def _method(name: str, method: Any) -> RestMethod:
    return RestMethod(
        name=name,
        authorization=str(method.authorization_type or "NONE").upper(),
        authorizer_id=method.authorizer_id,
        scopes=tuple(method.authorization_scopes or ()),
        needs_key=str(method.api_key_required).lower() == "true",
        parameters={key: str(value).lower() == "true" for key, value in (method.request_parameters or {}).items()},
        models=dict(method.request_models or {}),
        validator_id=method.request_validator_id,
        integration=_integration(method.method_integration) if method.method_integration else None,
    )


def _integration(integration: Any) -> RestIntegration:
    timeout_ms = int(integration.timeout_in_millis or INTEGRATION_TIMEOUT_MS[1])
    return RestIntegration(
        type=str(integration.integration_type).upper(),
        uri=integration.uri or "",
        timeout_s=timeout_ms / 1000,
        templates={kind: text or "" for kind, text in (integration.request_templates or {}).items()},
        passthrough=integration.passthrough_behaviour or "WHEN_NO_MATCH",
        answers=tuple(_answer(one) for one in (integration.integration_responses or {}).values()),
    )


def _answer(answer: Any) -> IntegrationAnswer:
    parameters = answer.response_parameters or {}
    return IntegrationAnswer(
        int(answer.status_code),
        answer.selection_pattern or None,
        dict(parameters),
        dict(answer.response_templates or {}),
    )


def _authorizer(authorizer: Any) -> RestAuthorizer:
    ttl_s = authorizer.authorizer_result_ttl
    sources = str(authorizer.identity_source or "").split(",")
    return RestAuthorizer(
        id=authorizer.id,
        name=authorizer.name,
        type=str(authorizer.type).upper(),
        uri=authorizer.authorizer_uri or "",
        identity_sources=tuple(source.strip() for source in sources if source.strip()),
        validation=authorizer.identity_validation_expression,
        provider_arns=tuple(authorizer.provider_arns or ()),
        ttl_s=AUTHORIZER_TTL_S if ttl_s is None else int(ttl_s),
    )


def _gateway_answer(answer: Any) -> GatewayAnswer:
    return GatewayAnswer(
        int(answer.status_code) if answer.status_code else None,
        dict(answer.response_parameters or {}),
        dict(answer.response_templates or {}),
    )


_MODEL_URL = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/\"]+/models/")


def _text(schema: Any) -> str:
    """A model's schema, whose references to other models stay within the API."""
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return _MODEL_URL.sub("#/definitions/", text)
