"""AWS::ApiGatewayV2::*"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stagefright.deployment.coercion import parameters
from stagefright.deployment.resource import Made, Maker, Properties, makes
from stagefright.deployment.rest_apis import read_document
from stagefright.errors import TemplateError
from stagefright.wording import shorten

INTEGRATION = "x-amazon-apigateway-integration"
AUTHORIZER = "x-amazon-apigateway-authorizer"
AUTHORIZATION_TYPE = "x-amazon-apigateway-authtype"
ANY_METHOD = "x-amazon-apigateway-any-method"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", ANY_METHOD)


@makes("AWS::ApiGatewayV2::Api")
def api(maker: Maker, properties: Properties) -> Made:
    client = maker.client("apigatewayv2")
    body = read_document(maker, properties)
    title = ((body or {}).get("info") or {}).get("title")
    given = {"ProtocolType": "HTTP", "Name": title or maker.logical_id, **properties}
    cors = (body or {}).get("x-amazon-apigateway-cors")
    if cors and "CorsConfiguration" not in given:
        given["CorsConfiguration"] = {name[0].upper() + name[1:]: value for name, value in cors.items()}
    given.pop("Tags", None)
    made = client.create_api(**parameters(client, "CreateApi", given))
    api_id = made["ApiId"]
    if body is not None:
        _import_routes(maker, api_id, body)
    endpoint = f"https://{api_id}.execute-api.{maker.world.region}.amazonaws.com"
    return Made(api_id, {"ApiEndpoint": endpoint, "ApiId": api_id}, (api_id,))


def _import_routes(maker: Maker, api_id: str, body: Mapping[str, Any]) -> None:
    """Routes, integrations and authorizers from an OpenAPI document; moto's own import forgets most of them."""
    client = maker.client("apigatewayv2")
    schemes = (body.get("components") or {}).get("securitySchemes") or {}
    guards = dict(_import_authorizers(client, api_id, schemes))
    for path, methods in (body.get("paths") or {}).items():
        for method, operation in methods.items():
            integration = (operation or {}).get(INTEGRATION) if isinstance(operation, Mapping) else None
            if method.lower() not in METHODS or integration is None:
                continue
            key = "$default" if path == "/$default" else f"{_method(method)} {path}"
            target = _create_integration(client, api_id, integration)
            security = operation.get("security", body.get("security"))
            client.create_route(ApiId=api_id, RouteKey=key, Target=target, **_guarded(maker, key, security, guards))


def _import_authorizers(client: Any, api_id: str, schemes: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each scheme behind which there is an authorizer, with what its routes are given."""
    for name, scheme in schemes.items():
        settings = scheme.get(AUTHORIZER)
        if scheme.get(AUTHORIZATION_TYPE) == "awsSigv4":
            yield name, {"AuthorizationType": "AWS_IAM"}
        elif settings is not None:
            given = {name[0].upper() + name[1:]: value for name, value in settings.items()}
            given["AuthorizerType"] = str(settings.get("type", "request")).upper()
            if "JwtConfiguration" in given:
                given["JwtConfiguration"] = {
                    name.capitalize(): part for name, part in given["JwtConfiguration"].items()
                }
            made = _create_authorizer(client, {**given, "ApiId": api_id, "Name": name})
            kind = "JWT" if given["AuthorizerType"] == "JWT" else "CUSTOM"
            yield name, {"AuthorizationType": kind, "AuthorizerId": made}


def _guarded(maker: Maker, key: str, security: Any, guards: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """How a route is guarded, by the `security` of its operation."""
    wanted = [
        (name, scopes) for requirement in security or () for name, scopes in requirement.items() if name != "NONE"
    ]
    for name, scopes in wanted:
        if name in guards:
            return {**guards[name], **({"AuthorizationScopes": list(scopes)} if scopes else {})}
    if wanted:
        names = ", ".join(name for name, _ in wanted)
        message = (
            f"requests to {key} are let through without asking {names}: there is no {AUTHORIZER} of that name "
            "in the document's securitySchemes"
        )
        maker.world.journal.write("warning", maker.shown_as, cause=None, message=message)
    return {}


def _create_authorizer(client: Any, properties: Mapping[str, Any]) -> str:
    source = properties.get("IdentitySource") or []
    given = {**properties, "IdentitySource": [source] if isinstance(source, str) else source}
    return str(client.create_authorizer(**parameters(client, "CreateAuthorizer", given))["AuthorizerId"])


@makes("AWS::ApiGatewayV2::Authorizer")
def authorizer(maker: Maker, properties: Properties) -> Made:
    made = _create_authorizer(maker.client("apigatewayv2"), properties)
    return Made(made, {"AuthorizerId": made})


def _method(method: str) -> str:
    return "ANY" if method.lower() == ANY_METHOD else method.upper()


def _create_integration(client: Any, api_id: str, integration: Mapping[str, Any]) -> str:
    given = {
        "ApiId": api_id,
        "IntegrationType": str(integration.get("type", "aws_proxy")).upper(),
        "IntegrationMethod": integration.get("httpMethod", "POST"),
        "IntegrationUri": integration["uri"],
        "PayloadFormatVersion": integration.get("payloadFormatVersion", "1.0"),
    }
    timeout_ms = integration.get("timeoutInMillis")
    if timeout_ms is not None:
        given["TimeoutInMillis"] = timeout_ms
    made = client.create_integration(**parameters(client, "CreateIntegration", given))
    return f"integrations/{made['IntegrationId']}"


STAGE_NAME = re.compile(r"\$default|[A-Za-z0-9_-]{1,128}")
"""What a stage of an HTTP API may be called (API Gateway DG, http-api-stages)."""


@makes("AWS::ApiGatewayV2::Stage")
def stage(maker: Maker, properties: Properties) -> Made:
    client = maker.client("apigatewayv2")
    given = {key: value for key, value in properties.items() if key != "Tags"}
    name = str(properties["StageName"])
    if not STAGE_NAME.fullmatch(name):
        raise TemplateError(
            f"StageName must be $default, or up to 128 letters, digits, hyphens and underscores; it is {shorten(name)}."
        )
    client.create_stage(**parameters(client, "CreateStage", given))
    return Made(str(properties["StageName"]))


@makes("AWS::ApiGatewayV2::Integration")
def integration(maker: Maker, properties: Properties) -> Made:
    client = maker.client("apigatewayv2")
    made = client.create_integration(**parameters(client, "CreateIntegration", properties))
    return Made(made["IntegrationId"], {"IntegrationId": made["IntegrationId"]})


@makes("AWS::ApiGatewayV2::Route")
def route(maker: Maker, properties: Properties) -> Made:
    client = maker.client("apigatewayv2")
    if "RouteKey" not in properties:
        raise TemplateError("RouteKey is missing; expected for example 'GET /posts' or '$default'.")
    made = client.create_route(**parameters(client, "CreateRoute", properties))
    return Made(made["RouteId"], {"RouteId": made["RouteId"]})


@makes("AWS::ApiGatewayV2::Deployment")
def deployment(maker: Maker, _properties: Properties) -> Made:
    return Made(maker.name())
