"""AWS::ApiGatewayV2::*"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stagefright.deployment.coercion import parameters
from stagefright.deployment.resource import Made, Maker, Properties, makes
from stagefright.errors import TemplateError

INTEGRATION = "x-amazon-apigateway-integration"
ANY_METHOD = "x-amazon-apigateway-any-method"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", ANY_METHOD)


@makes("AWS::ApiGatewayV2::Api")
def api(maker: Maker, properties: Properties) -> Made:
    client = maker.client("apigatewayv2")
    body = properties.get("Body")
    title = ((body or {}).get("info") or {}).get("title")
    given = {"ProtocolType": "HTTP", "Name": title or maker.logical_id, **properties}
    cors = (body or {}).get("x-amazon-apigateway-cors")
    if cors and "CorsConfiguration" not in given:
        given["CorsConfiguration"] = {name[0].upper() + name[1:]: value for name, value in cors.items()}
    given.pop("Tags", None)
    made = client.create_api(**parameters(client, "CreateApi", given))
    api_id = made["ApiId"]
    if body is not None:
        _warn_of_authorizers(maker, (body.get("components") or {}).get("securitySchemes") or {})
        _import_routes(client, api_id, body)
    endpoint = f"https://{api_id}.execute-api.{maker.world.region}.amazonaws.com"
    return Made(api_id, {"ApiEndpoint": endpoint, "ApiId": api_id}, (api_id,))


def _warn_of_authorizers(maker: Maker, names: Iterable[str]) -> None:
    if names := ", ".join(names):
        message = f"requests are let through without asking {names}: this version does not authorize them"
        maker.world.journal.write("warning", maker.logical_id, cause=None, message=message)


def _import_routes(client: Any, api_id: str, body: Mapping[str, Any]) -> None:
    """Routes and integrations from an OpenAPI document; moto's own import forgets their timeouts."""
    for path, methods in (body.get("paths") or {}).items():
        for method, operation in methods.items():
            integration = (operation or {}).get(INTEGRATION) if isinstance(operation, Mapping) else None
            if method.lower() not in METHODS or integration is None:
                continue
            key = "$default" if path == "/$default" else f"{_method(method)} {path}"
            target = _create_integration(client, api_id, integration)
            client.create_route(ApiId=api_id, RouteKey=key, Target=target)


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


@makes("AWS::ApiGatewayV2::Stage")
def stage(maker: Maker, properties: Properties) -> Made:
    client = maker.client("apigatewayv2")
    given = {key: value for key, value in properties.items() if key != "Tags"}
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
    if str(properties.get("AuthorizationType", "NONE")) != "NONE":
        _warn_of_authorizers(maker, [f"the {properties['AuthorizationType']} authorizer of {properties['RouteKey']}"])
    made = client.create_route(**parameters(client, "CreateRoute", properties))
    return Made(made["RouteId"], {"RouteId": made["RouteId"]})


@makes("AWS::ApiGatewayV2::Deployment")
def deployment(maker: Maker, _properties: Properties) -> Made:
    return Made(maker.name())
