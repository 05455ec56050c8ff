"""
OpenAPI documents as REST APIs: what API Gateway makes of Swagger 2.0 and OpenAPI 3 (API Gateway guide, api-gateway-swagger-extensions).

moto's own import knows paths and integrations of OpenAPI 3; SAM writes Swagger 2.0 with authorizers, keys and gateway responses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.aws_api.rest_api_hooks import check_timeout

PREFIX = "x-amazon-apigateway-"
INTEGRATION = f"{PREFIX}integration"
AUTHORIZER = f"{PREFIX}authorizer"
AUTHORIZATION_TYPE = f"{PREFIX}authtype"
ANY_METHOD = f"{PREFIX}any-method"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", ANY_METHOD)
API_KEY_HEADER = "x-api-key"
_PLACES = {"header": "header", "query": "querystring", "path": "path"}


def import_document(api: Any, document: Mapping[str, Any], *, overwrite: bool) -> Iterator[str]:
    """Make one of moto's APIs what a document says; yields warnings about what could not be understood."""
    if overwrite:
        _empty(api)
    _import_settings(api, document)
    _import_models(api, document)
    validators = _import_validators(api, document)
    guards = dict(_import_authorizers(api, document))
    for kind, answer in (document.get(f"{PREFIX}gateway-responses") or {}).items():
        given = answer or {}
        templates, parameters = given.get("responseTemplates") or {}, given.get("responseParameters") or {}
        api.put_gateway_response(kind, given.get("statusCode"), parameters, templates)
    for path, methods in (document.get("paths") or {}).items():
        resource = _resource(api, path)
        for method, operation in (methods or {}).items():
            if method.lower() in METHODS and isinstance(operation, Mapping):
                name = "ANY" if method.lower() == ANY_METHOD else method.upper()
                try:
                    yield from _import_method(api, resource, name, operation, document, validators, guards)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    what = f"Unable to put method '{name}' on resource at path '{path}': {error}"
                    raise ApiError("BadRequestException", f"Errors found during import: {what}") from error


def _empty(api: Any) -> None:
    for kept in (api.resources, api.authorizers, api.models, api.request_validators, api.gateway_responses):
        kept.clear()
    api.default = api.add_child("/")
    api.root_resource_id = api.default.id


def _import_settings(api: Any, document: Mapping[str, Any]) -> None:
    info = document.get("info") or {}
    api.name = info.get("title") or api.name
    api.description = info.get("description") or api.description
    api.version = info.get("version") or api.version
    given = document.get(f"{PREFIX}binary-media-types")
    if given is not None:
        api.binaryMediaTypes = list(given)
    api.api_key_source = document.get(f"{PREFIX}api-key-source") or api.api_key_source
    policy = document.get(f"{PREFIX}policy")
    api.policy = json.dumps(policy) if policy else api.policy
    types = (document.get(f"{PREFIX}endpoint-configuration") or {}).get("types")
    if types:
        api.endpoint_configuration = {**(api.endpoint_configuration or {}), "types": list(types)}


def _schemas(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return document.get("definitions") or (document.get("components") or {}).get("schemas") or {}


def _import_models(api: Any, document: Mapping[str, Any]) -> None:
    for name, schema in _schemas(document).items():
        text = json.dumps(schema).replace("#/components/schemas/", "#/definitions/")
        api.add_model(name, description=None, schema=text, content_type="application/json")


def _import_validators(api: Any, document: Mapping[str, Any]) -> dict[str, str]:
    """The ids of the request validators, by name."""
    return {
        name: api.create_request_validator(
            name, given.get("validateRequestBody"), given.get("validateRequestParameters")
        ).id
        for name, given in (document.get(f"{PREFIX}request-validators") or {}).items()
    }


def _import_authorizers(api: Any, document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each security scheme, with what its methods are given."""
    from moto.apigateway.utils import ApigwAuthorizerIdentifier

    schemes = document.get("securityDefinitions") or (document.get("components") or {}).get("securitySchemes") or {}
    for name, scheme in schemes.items():
        settings = scheme.get(AUTHORIZER)
        if scheme.get(AUTHORIZATION_TYPE) == "awsSigv4":
            yield name, {"authorization_type": "AWS_IAM"}
        elif settings is not None:
            made = ApigwAuthorizerIdentifier(api.account_id, api.region_name, name).generate()
            kind = str(settings.get("type", "token")).upper()
            source = settings.get("identitySource")
            if not source and kind != "REQUEST":
                source = f"method.request.header.{scheme.get('name', 'Authorization')}"
            api.create_authorizer(
                made,
                name,
                kind,
                settings.get("providerARNs"),
                scheme.get(AUTHORIZATION_TYPE),
                settings.get("authorizerUri"),
                settings.get("authorizerCredentials"),
                source,
                settings.get("identityValidationExpression"),
                settings.get("authorizerResultTtlInSeconds"),
            )
            guard = "COGNITO_USER_POOLS" if kind == "COGNITO_USER_POOLS" else "CUSTOM"
            yield name, {"authorization_type": guard, "authorizer_id": made}
        elif str(scheme.get("name", "")).lower() == API_KEY_HEADER:
            yield name, {"api_key_required": True}


def _resource(api: Any, path: str) -> Any:
    """The resource of a path, with those above it."""
    resource = api.default
    for part in filter(None, path.split("/")):
        children = (one for one in api.resources.values() if (one.parent_id, one.path_part) == (resource.id, part))
        resource = next(children, None) or api.add_child(part, resource.id)
    return resource


def _import_method(
    api: Any,
    resource: Any,
    name: str,
    operation: Mapping[str, Any],
    document: Mapping[str, Any],
    validators: Mapping[str, str],
    guards: Mapping[str, dict[str, Any]],
) -> Iterator[str]:
    wanted = list(_requirements(operation.get("security", document.get("security"))))
    validator = operation.get(f"{PREFIX}request-validator", document.get(f"{PREFIX}request-validator"))
    given: dict[str, Any] = {"authorization_type": "NONE", "api_key_required": False}
    for scheme, scopes in wanted:
        given |= guards.get(scheme, {})
        if scopes and "authorizer_id" in guards.get(scheme, {}):
            given["authorization_scopes"] = list(scopes)
    # IAM may also be asked for by the operation itself, without a scheme.
    if (operation.get(f"{PREFIX}auth") or {}).get("type", "").upper() == "AWS_IAM":
        given["authorization_type"] = "AWS_IAM"
    resource.add_method(
        name,
        **given,
        request_parameters=dict(_request_parameters(operation)),
        request_models=dict(_request_models(operation)),
        operation_name=operation.get("operationId"),
        request_validator_id=validators.get(validator or ""),
    )
    if INTEGRATION in operation:
        timeout_ms = operation[INTEGRATION].get("timeoutInMillis")
        if timeout_ms is not None:
            check_timeout(api, int(timeout_ms))
        _import_integration(resource, name, operation[INTEGRATION])
    unknown = [scheme for scheme, _ in wanted if scheme not in guards]
    if unknown:
        where = f"{name} {resource.get_path()}"
        yield (
            f"requests to {where} are let through without asking {', '.join(unknown)}: there is no {AUTHORIZER} of that name "
            "in the document's security schemes"
        )


def _requirements(security: Any) -> Iterator[tuple[str, Any]]:
    for requirement in security or ():
        yield from ((name, scopes) for name, scopes in requirement.items() if name != "NONE")


def _request_parameters(operation: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    for parameter in operation.get("parameters") or ():
        place = _PLACES.get(parameter.get("in", ""))
        if place is not None:
            yield f"method.request.{place}.{parameter['name']}", bool(parameter.get("required"))


def _request_models(operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in operation.get("parameters") or ():
        if parameter.get("in") == "body":
            yield from _model("application/json", parameter.get("schema"))
    content = (operation.get("requestBody") or {}).get("content") or {}
    for content_type, media in content.items():
        yield from _model(content_type, media.get("schema"))


def _model(content_type: str, schema: Any) -> Iterator[tuple[str, str]]:
    reference = (schema or {}).get("$ref")
    if reference:
        yield content_type, str(reference).rpartition("/")[2]


def _import_integration(resource: Any, method: str, given: Mapping[str, Any]) -> None:
    integration = resource.add_integration(
        method,
        str(given.get("type", "aws_proxy")).upper(),
        given.get("uri"),
        integration_method=given.get("httpMethod"),
        request_templates=given.get("requestTemplates"),
        passthrough_behavior=str(given.get("passthroughBehavior", "WHEN_NO_MATCH")).upper(),
        timeout_in_millis=given.get("timeoutInMillis"),
        request_parameters=given.get("requestParameters"),
        content_handling=given.get("contentHandling"),
        credentials=given.get("credentials"),
        connection_type=given.get("connectionType"),
    )
    for pattern, answer in (given.get("responses") or {}).items():
        integration.create_integration_response(
            str(answer.get("statusCode", "200")),
            None if pattern == "default" else pattern,
            dict(answer.get("responseTemplates") or {}),
            dict(answer.get("responseParameters") or {}),
            answer.get("contentHandling"),
        )
