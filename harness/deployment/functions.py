"""AWS::Lambda::*"""

from __future__ import annotations

from typing import Any

from stagefright.deployment.coercion import parameters, tags, whole_number
from stagefright.deployment.resource import Made, Maker, Properties, makes
from stagefright.errors import TemplateError


@makes("AWS::Lambda::Function")
def function(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("FunctionName") or maker.name())
    given = {key: value for key, value in properties.items() if key != "Tags"}
    params = parameters(maker.client("lambda"), "CreateFunction", {**given, "FunctionName": name})
    if properties.get("Environment") and "Variables" not in properties["Environment"]:
        names = ", ".join(properties["Environment"])
        raise TemplateError(f"Environment takes Variables, a mapping; it has: {names}. Move them one level down.")
    # The service is called directly: the API's own model has no local path.
    params["Code"] = dict(properties["Code"])
    if properties.get("Tags"):
        params["Tags"] = tags(properties["Tags"])
    made = maker.world.functions.create_function(params)
    reserved = properties.get("ReservedConcurrentExecutions")
    if reserved is not None:
        maker.world.functions.put_function_concurrency(
            {
                "FunctionName": name,
                "ReservedConcurrentExecutions": whole_number(properties, "ReservedConcurrentExecutions"),
            }
        )
    if properties.get("RecursiveLoop"):
        loops = {"FunctionName": name, "RecursiveLoop": str(properties["RecursiveLoop"])}
        maker.world.functions.put_function_recursion_config(loops)
    arn = made["FunctionArn"]
    return Made(name, {"Arn": arn}, (name, arn, f"{arn}:$LATEST"))


def _provision(maker: Maker, properties: Properties, function_name: str, qualifier: str) -> None:
    """The `ProvisionedConcurrencyConfig` of a version or alias."""
    config = properties.get("ProvisionedConcurrencyConfig")
    if config:
        amount = whole_number(config, "ProvisionedConcurrentExecutions")
        params = {"FunctionName": function_name, "Qualifier": qualifier, "ProvisionedConcurrentExecutions": amount}
        maker.world.functions.put_provisioned_concurrency_config(params)


@makes("AWS::Lambda::Version")
def version(maker: Maker, properties: Properties) -> Made:
    made = maker.world.functions.publish_version(
        parameters(maker.client("lambda"), "PublishVersion", {k: v for k, v in properties.items() if k != "CodeSha256"})
    )
    arn = made["FunctionArn"]
    _provision(maker, properties, made["FunctionName"], made["Version"])
    return Made(arn, {"Version": made["Version"], "FunctionArn": arn})


@makes("AWS::Lambda::Alias")
def alias(maker: Maker, properties: Properties) -> Made:
    given = dict(properties)
    weights = (given.pop("RoutingConfig", None) or {}).get("AdditionalVersionWeights")
    if weights:
        shares = {str(weight["FunctionVersion"]): float(weight["FunctionWeight"]) for weight in weights}
        given["RoutingConfig"] = {"AdditionalVersionWeights": shares}
    params = parameters(maker.client("lambda"), "CreateAlias", given)
    made = maker.world.functions.create_alias(params)
    arn = made["AliasArn"]
    _provision(maker, properties, arn.rpartition(":")[0], made["Name"])
    function_name = maker.world.name_of(arn.rpartition(":")[0])
    maker.world.give_name(function_name, arn)
    return Made(arn, {"AliasArn": arn})


@makes("AWS::Lambda::EventSourceMapping")
def event_source_mapping(maker: Maker, properties: Properties) -> Made:
    params = parameters(maker.client("lambda"), "CreateEventSourceMapping", properties)
    made = maker.world.functions.create_event_source_mapping(params)
    return Made(made["UUID"], {"Id": made["UUID"], "EventSourceMappingArn": made.get("EventSourceMappingArn")})


@makes("AWS::Lambda::EventInvokeConfig")
def event_invoke_config(maker: Maker, properties: Properties) -> Made:
    params = parameters(maker.client("lambda"), "PutFunctionEventInvokeConfig", properties)
    maker.world.functions.put_function_event_invoke_config(params)
    return Made(maker.name())


@makes("AWS::Lambda::Permission")
def permission(maker: Maker, properties: Properties) -> Made:
    params = parameters(maker.client("lambda"), "AddPermission", {"StatementId": maker.logical_id, **properties})
    maker.world.functions.add_permission(params)
    return Made(maker.logical_id)


@makes("AWS::Lambda::LayerVersion")
def layer_version(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("LayerName") or maker.logical_id)
    params = parameters(maker.client("lambda"), "PublishLayerVersion", {**properties, "LayerName": name})
    params["Content"] = dict(properties["Content"])
    made = maker.world.functions.publish_layer_version(params)
    return Made(made["LayerVersionArn"], {"LayerVersionArn": made["LayerVersionArn"]})


@makes("AWS::Lambda::Url")
def url(maker: Maker, properties: Properties) -> Made:
    given: dict[str, Any] = {"FunctionName": properties["TargetFunctionArn"], **properties}
    params = parameters(maker.client("lambda"), "CreateFunctionUrlConfig", given)
    made = maker.world.functions.create_function_url_config(params)
    return Made(made["FunctionArn"], {"FunctionUrl": made["FunctionUrl"], "FunctionArn": made["FunctionArn"]})
