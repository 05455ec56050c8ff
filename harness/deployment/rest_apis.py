"""AWS::ApiGateway::*"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stagefright.deployment.coercion import mappings, parameters
from stagefright.deployment.resource import Made, Maker, Properties, makes
from stagefright.errors import TemplateError
from stagefright.wording import shorten

HTTP_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
"""What a method of a REST API may be called."""

AUTHORIZER_TYPES = ("CUSTOM", "COGNITO_USER_POOLS")
"""The authorization types that an authorizer decides."""


def _call(maker: Maker, operation: str, properties: Mapping[str, Any]) -> Any:
    """Call an operation of API Gateway with a resource's properties, which it names in lower camel case."""
    from botocore import xform_name

    client = maker.client("apigateway")
    shape = client.meta.service_model.operation_model(operation).input_shape
    given = parameters(client, operation, _lowered(properties, shape))
    return getattr(client, xform_name(operation))(**given)


def _lowered(value: Any, shape: Any) -> Any:
    """A property's names as the API spells them, at every depth; the keys of maps are the user's own."""
    if shape.type_name == "list" and isinstance(value, list):
        return [_lowered(part, shape.member) for part in value]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {name: _lowered(part, shape.value) for name, part in value.items()}
    if shape.type_name != "structure" or not isinstance(value, Mapping):
        return value
    named = {name[0].lower() + name[1:]: part for name, part in value.items()}
    return {name: _lowered(part, shape.members[name]) for name, part in named.items() if name in shape.members}


def _without_tags(properties: Properties) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name != "Tags"}


@makes("AWS::ApiGateway::RestApi")
def rest_api(maker: Maker, properties: Properties) -> Made:
    document = read_document(maker, properties)
    given = _without_tags(properties)
    title = ((document or {}).get("info") or {}).get("title")
    given["Name"] = str(given.get("Name") or title or maker.logical_id)
    if "ApiKeySourceType" in given:
        given["ApiKeySource"] = given["ApiKeySourceType"]
    if isinstance(given.get("Policy"), Mapping):
        given["Policy"] = json.dumps(given["Policy"])
    made = _call(maker, "CreateRestApi", given)
    api_id = made["id"]
    maker.world.give_name(maker.shown_as, api_id)
    if document is not None:
        # YAML makes dates of what looks like one, such as the version of a document.
        body = json.dumps(document, default=str).encode()
        maker.client("apigateway").put_rest_api(restApiId=api_id, mode="merge", body=body)
    return Made(api_id, {"RestApiId": api_id, "RootResourceId": _root_of(maker, api_id)}, (api_id,))


def _root_of(maker: Maker, api_id: str) -> str:
    resources = maker.client("apigateway").get_resources(restApiId=api_id)["items"]
    return str(next(resource["id"] for resource in resources if resource["path"] == "/"))


def read_document(maker: Maker, properties: Properties) -> dict[str, Any] | None:
    """The OpenAPI document of an API: in the template, in a local file, or in a bucket."""
    body, location = properties.get("Body"), properties.get("BodyS3Location")
    if body is not None and not isinstance(body, Mapping):
        raise TemplateError(f"Body must be an OpenAPI document; it is {shorten(body)}.")
    if body is not None or location is None:
        return None if body is None else dict(body)
    import yaml

    local = location.get("LocalPath")
    text = Path(local).read_bytes() if local else maker.world.read_s3(location["Bucket"], location["Key"], None)
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TemplateError(
            f"BodyS3Location names {local or location['Key']}, which is no YAML or JSON: {error}"
        ) from None
    if not isinstance(document, dict):
        raise TemplateError(f"BodyS3Location names {local or location['Key']}, which is no OpenAPI document.")
    return document


@makes("AWS::ApiGateway::Resource")
def resource(maker: Maker, properties: Properties) -> Made:
    made = _call(maker, "CreateResource", properties)
    return Made(made["id"], {"ResourceId": made["id"]})


@makes("AWS::ApiGateway::Method")
def method(maker: Maker, properties: Properties) -> Made:
    _check_method(properties)
    _call(maker, "PutMethod", {"AuthorizationType": "NONE", **properties})
    where = {name: properties[name] for name in ("RestApiId", "ResourceId", "HttpMethod")}
    for answer in mappings(properties, "MethodResponses"):
        _call(maker, "PutMethodResponse", {**where, **answer})
    integration = properties.get("Integration")
    if integration is not None:
        _put_integration(maker, where, integration)
    return Made(maker.name())


def _check_method(properties: Properties) -> None:
    """What API Gateway refuses and moto takes; the texts are AWS's."""
    if "HttpMethod" in properties and properties["HttpMethod"] not in HTTP_METHODS:
        raise TemplateError(f"Invalid HttpMethod specified. Valid options are {','.join(HTTP_METHODS)}")
    if properties.get("AuthorizationType") in AUTHORIZER_TYPES and not properties.get("AuthorizerId"):
        raise TemplateError(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid "
            f"authorizer. AuthorizationType is {properties['AuthorizationType']}, and there is no AuthorizerId."
        )
    if not isinstance(properties.get("Integration") or {}, Mapping):
        raise TemplateError(f"Integration must be a mapping; it is {shorten(properties['Integration'])}.")


def _put_integration(maker: Maker, where: Mapping[str, Any], integration: Mapping[str, Any]) -> None:
    # Credentials decide nothing on a local stage, and moto takes only those of its own account.
    given = {name: value for name, value in integration.items() if name != "Credentials"}
    _call(maker, "PutIntegration", {**where, **given})
    for answer in mappings(integration, "IntegrationResponses"):
        _call(maker, "PutIntegrationResponse", {**where, **answer})


@makes("AWS::ApiGateway::Deployment")
def deployment(maker: Maker, properties: Properties) -> Made:
    described = properties.get("StageDescription") or {}
    given = {name: value for name, value in properties.items() if name != "StageDescription"}
    if "Variables" in described:
        given["Variables"] = described["Variables"]
    made = _call(maker, "CreateDeployment", given)
    if "StageName" not in properties:
        return Made(made["id"], {"DeploymentId": made["id"]})
    api_id, stage = properties["RestApiId"], str(properties["StageName"])
    _set_up(maker, api_id, stage, described)
    return Made(made["id"], {"DeploymentId": made["id"]}, (f"{api_id}/{stage}",))


@makes("AWS::ApiGateway::Stage")
def stage(maker: Maker, properties: Properties) -> Made:
    if "StageName" not in properties:
        raise TemplateError("StageName is missing; a stage without a name has no URL.")
    api_id, name = properties["RestApiId"], str(properties["StageName"])
    _call(maker, "CreateStage", _without_tags(properties))
    _set_up(maker, api_id, name, properties)
    return Made(name, known_as=(f"{api_id}/{name}",))


SETTINGS = {
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CachingEnabled": "caching/enabled",
    "DataTraceEnabled": "logging/dataTrace",
    "LoggingLevel": "logging/loglevel",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
}
"""A method's settings in a stage, and the paths by which the API patches them."""


def _set_up(maker: Maker, api_id: str, name: str, properties: Mapping[str, Any]) -> None:
    """What a stage says of its methods."""
    for settings in mappings(properties, "MethodSettings"):
        where = _settings_path(settings)
        for setting, path in SETTINGS.items():
            if setting in settings:
                _patch(maker, api_id, name, f"{where}/{path}", str(settings[setting]))
    # A stage that is made by a deployment says it of all its methods at once.
    for setting in ("ThrottlingBurstLimit", "ThrottlingRateLimit"):
        if setting in properties:
            _patch(maker, api_id, name, f"/*/*/{SETTINGS[setting]}", str(properties[setting]))


def _settings_path(settings: Mapping[str, Any]) -> str:
    """
    Which methods settings are for; a path is written with its slashes, or with `~1` for them.

    >>> _settings_path({"ResourcePath": "/users/{id}", "HttpMethod": "GET"}), _settings_path({})
    ('/~1users~1{id}/GET', '/*/*')
    """
    path = str(settings.get("ResourcePath", "/*")).replace("~1", "/")
    path = "*" if path == "/*" else path.replace("/", "~1")
    return f"/{path}/{settings.get('HttpMethod', '*')}"


def _patch(maker: Maker, api_id: str, stage: str, path: str, value: str) -> None:
    operations = [{"op": "replace", "path": path, "value": value}]
    maker.client("apigateway").update_stage(restApiId=api_id, stageName=stage, patchOperations=operations)


@makes("AWS::ApiGateway::Authorizer")
def authorizer(maker: Maker, properties: Properties) -> Made:
    made = _call(maker, "CreateAuthorizer", {"Name": maker.logical_id, **properties})
    return Made(made["id"], {"AuthorizerId": made["id"]})


@makes("AWS::ApiGateway::GatewayResponse")
def gateway_response(maker: Maker, properties: Properties) -> Made:
    _call(maker, "PutGatewayResponse", properties)
    return Made(maker.name())


@makes("AWS::ApiGateway::Model")
def model(maker: Maker, properties: Properties) -> Made:
    schema = properties.get("Schema", {})
    text = schema if isinstance(schema, str) else json.dumps(schema)
    # A model's name is letters and digits only.
    name = str(properties.get("Name") or "".join(filter(str.isalnum, maker.logical_id)))
    _call(maker, "CreateModel", {"ContentType": "application/json", **properties, "Name": name, "Schema": text})
    return Made(name)


@makes("AWS::ApiGateway::RequestValidator")
def request_validator(maker: Maker, properties: Properties) -> Made:
    made = _call(maker, "CreateRequestValidator", {"Name": maker.logical_id, **properties})
    return Made(made["id"], {"RequestValidatorId": made["id"]})


@makes("AWS::ApiGateway::ApiKey")
def api_key(maker: Maker, properties: Properties) -> Made:
    made = _call(maker, "CreateApiKey", {"Name": maker.name(), **_without_tags(properties)})
    return Made(made["id"], {"APIKeyId": made["id"]}, (made["id"],))


@makes("AWS::ApiGateway::UsagePlan")
def usage_plan(maker: Maker, properties: Properties) -> Made:
    given = _without_tags(properties)
    given["Name"] = given.pop("UsagePlanName", None) or maker.name()
    made = _call(maker, "CreateUsagePlan", given)
    return Made(made["id"], {"Id": made["id"]}, (made["id"],))


@makes("AWS::ApiGateway::UsagePlanKey")
def usage_plan_key(maker: Maker, properties: Properties) -> Made:
    made = _call(maker, "CreateUsagePlanKey", properties)
    return Made(f"{made['id']}:{properties['UsagePlanId']}", {"Id": made["id"]})


@makes("AWS::ApiGateway::DomainName")
def domain_name(maker: Maker, properties: Properties) -> Made:
    made = _call(maker, "CreateDomainName", _without_tags(properties))
    names = ("DistributionDomainName", "DistributionHostedZoneId", "RegionalDomainName", "RegionalHostedZoneId")
    return Made(made["domainName"], {name: made[name[0].lower() + name[1:]] for name in names})


@makes("AWS::ApiGateway::BasePathMapping")
def base_path_mapping(maker: Maker, properties: Properties) -> Made:
    _call(maker, "CreateBasePathMapping", properties)
    return Made(maker.name())


@makes("AWS::ApiGateway::Account")
def account(maker: Maker, _properties: Properties) -> Made:
    """Which role writes API Gateway's logs: nothing that a request meets."""
    return Made(maker.name())
