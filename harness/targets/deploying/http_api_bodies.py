"""
HTTP APIs that are described by an OpenAPI document, as SAM describes them, written out as routes and integrations.

AWS imports such a document; emulators do not, and their API would answer every request with 404.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

API = "AWS::ApiGatewayV2::Api"

ANY_METHOD = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
CORS = "x-amazon-apigateway-cors"

DEFAULT_PATH = "/$default"
"""The path that stands for the route which takes what no other does."""

_INTEGRATION_PROPERTIES = {
    "connectionId": "ConnectionId",
    "connectionType": "ConnectionType",
    "credentials": "CredentialsArn",
    "httpMethod": "IntegrationMethod",
    "integrationSubtype": "IntegrationSubtype",
    "payloadFormatVersion": "PayloadFormatVersion",
    "requestParameters": "RequestParameters",
    "timeoutInMillis": "TimeoutInMillis",
    "uri": "IntegrationUri",
}
"""What OpenAPI's extension calls the properties of an integration."""

Resources = dict[str, Any]


def written_out(document: Mapping[str, Any]) -> dict[str, Any]:
    """The template with the routes of its HTTP APIs as resources; an API with authorizers stays as it is."""
    resources: Resources = dict(document.get("Resources", {}))
    for name, api in list(resources.items()):
        body = _body(api)
        if body is not None:
            resources[name] = _without_body(api, body)
            resources |= dict(_routes(name, api, body))
    return {**document, "Resources": resources}


def _body(api: Any) -> dict[str, Any] | None:
    """The document of an HTTP API, if it is plain: without intrinsic functions around its parts, and open to all."""
    if not isinstance(api, dict) or api.get("Type") != API:
        return None
    body = api.get("Properties", {}).get("Body")
    paths = body.get("paths") if isinstance(body, dict) else None
    if not isinstance(paths, dict) or body.get("components", {}).get("securitySchemes"):
        return None
    return body if all(isinstance(item, dict) and not _is_intrinsic(item) for item in paths.values()) else None


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return any(key == "Ref" or key.startswith("Fn::") for key in value)


def _without_body(api: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    properties = {key: value for key, value in api["Properties"].items() if key not in ("Body", "FailOnWarnings")}
    named = {"Name": body.get("info", {}).get("title", "api"), "ProtocolType": "HTTP"}
    cors = {"CorsConfiguration": _capitalised(body[CORS])} if isinstance(body.get(CORS), dict) else {}
    return {**api, "Properties": {**named, **cors, **properties}}


def _capitalised(value: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{key[:1].upper()}{key[1:]}": one for key, one in value.items()}


def _routes(name: str, api: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    shared = {"Condition": api["Condition"]} if "Condition" in api else {}
    for number, (key, integration) in enumerate(_operations(body["paths"])):
        target, route = f"{name}Integration{number}", f"{name}Route{number}"
        properties = {"ApiId": {"Ref": name}, **_integration(integration)}
        yield target, {"Type": "AWS::ApiGatewayV2::Integration", "Properties": properties, **shared}
        leads_to = {"Fn::Join": ["/", ["integrations", {"Ref": target}]]}
        properties = {"ApiId": {"Ref": name}, "RouteKey": key, "Target": leads_to}
        yield route, {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties, **shared}


def _operations(paths: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, item in paths.items():
        for method, operation in item.items():
            if isinstance(operation, dict) and isinstance(operation.get(INTEGRATION), dict):
                verb = "ANY" if method == ANY_METHOD else method.upper()
                key = "$default" if path == DEFAULT_PATH else f"{verb} {path}"
                yield key, operation[INTEGRATION]


def _integration(said: Mapping[str, Any]) -> dict[str, Any]:
    known = {ours: copy.deepcopy(said[theirs]) for theirs, ours in _INTEGRATION_PROPERTIES.items() if theirs in said}
    return {"IntegrationType": str(said.get("type", "aws_proxy")).upper(), **known}
