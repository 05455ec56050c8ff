"""
Where moto's REST APIs fall short of AWS: deployments that keep what they deploy, OpenAPI documents as a whole, binary media types.

moto keeps the control plane; each hook here is one method of one of its classes, replaced once per process and in force inside worlds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.services.apis import gateway_responses, rest_model, throttling
from stagefright.tasks import current_actor
from stagefright.virtual.patching import Patches

if TYPE_CHECKING:
    from stagefright.world import World


def _world() -> World | None:
    actor = current_actor()
    return None if actor is None else actor.kernel.world


def hook(patches: Patches) -> None:
    """Replace the methods."""
    from moto.apigateway.models import APIGatewayBackend, Authorizer, RestAPI, Stage

    patches.set(RestAPI, "create_deployment", _keeping(RestAPI.create_deployment))
    patches.set(RestAPI, "update_integration_mocks", _outside_only(RestAPI.update_integration_mocks))
    patches.set(RestAPI, "apply_patch_operations", _with_media_types(RestAPI.apply_patch_operations))
    patches.set(APIGatewayBackend, "put_rest_api", _importing(APIGatewayBackend.put_rest_api))
    patches.set(APIGatewayBackend, "import_rest_api", _importing_anew(APIGatewayBackend.import_rest_api))
    patches.set(Stage, "_get_default_method_settings", _account_limits(Stage._get_default_method_settings))
    patches.set(Authorizer, "__init__", _with_expression(Authorizer.__init__))


def _keeping(original: Callable[..., Any]) -> Callable[..., Any]:
    """A deployment keeps the API as it is; a stage that exists is pointed to it, and keeps its settings."""

    def create_deployment(api: Any, name: str, description: str, stage_variables: Any = None) -> Any:
        world = _world()
        if world is None:
            return original(api, name, description, stage_variables)
        stage = api.stages.get(name)
        deployment = original(api, name, description, stage_variables)
        if stage is not None:
            stage.deployment_id = deployment.id
            stage.variables |= stage_variables or {}
            api.stages[name] = stage
        world.endpoints.rest.deploy(api, deployment.id)
        return deployment

    return create_deployment


def _outside_only(original: Callable[..., None]) -> Callable[..., None]:
    """In a world our own data plane serves the stages' URLs."""

    def update_integration_mocks(api: Any, stage_name: str) -> None:
        if _world() is None:
            original(api, stage_name)

    return update_integration_mocks


_MEDIA_TYPES = "/binaryMediaTypes/"


def _with_media_types(original: Callable[..., None]) -> Callable[..., None]:
    """The path of the patch names the media type, with `~1` for its slash; moto looks for it in the value."""

    def apply_patch_operations(api: Any, operations: list[dict[str, Any]]) -> None:
        rest = [one for one in operations if not one["path"].startswith(_MEDIA_TYPES)]
        for one in operations:
            if one in rest:
                continue
            media_type = one["path"].removeprefix(_MEDIA_TYPES).replace("~1", "/")
            kept = [known for known in api.binaryMediaTypes if known != media_type]
            replacement = [one["value"]] if one["op"] == "replace" and one.get("value") else [media_type]
            api.binaryMediaTypes = kept if one["op"] == "remove" else kept + replacement
        original(api, rest)

    return apply_patch_operations


def _importing(original: Callable[..., Any]) -> Callable[..., Any]:
    def put_rest_api(
        backend: Any, function_id: str, api_doc: Mapping[str, Any], fail_on_warnings: bool, mode: str = "merge"
    ) -> Any:
        from stagefright.aws_api.rest_api_import import import_document

        world = _world()
        if world is None:
            return original(backend, function_id, api_doc, fail_on_warnings, mode)
        api = backend.get_rest_api(function_id)
        for warning in import_document(api, api_doc, overwrite=mode == "overwrite"):
            world.journal.write("warning", world.name_of(api.id), message=warning)
        return api

    return put_rest_api


def _importing_anew(original: Callable[..., Any]) -> Callable[..., Any]:
    def import_rest_api(backend: Any, api_doc: Mapping[str, Any], fail_on_warnings: bool) -> Any:
        if _world() is None:
            return original(backend, api_doc, fail_on_warnings)
        info = api_doc.get("info") or {}
        api = backend.create_rest_api(name=info.get("title", "API"), description=info.get("description"))
        return backend.put_rest_api(api.id, api_doc, fail_on_warnings=fail_on_warnings)

    return import_rest_api


def _account_limits(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A method whose settings do not speak of throttling has the account's limits (aws-semantics §8.4)."""

    def settings(stage: Any) -> dict[str, Any]:
        limits = {
            "throttlingRateLimit": throttling.ACCOUNT_RATE_PER_S,
            "throttlingBurstLimit": throttling.ACCOUNT_BURST,
        }
        return original(stage) | (limits if _world() is not None else {})

    return settings


def _with_expression(original: Callable[..., None]) -> Callable[..., None]:
    """moto misspells the name of an authorizer's `identityValidationExpression` on its way, and loses it."""

    def initialise(authorizer: Any, *args: Any, **kwargs: Any) -> None:
        misspelt = kwargs.pop("identiy_validation_expression", None)
        original(authorizer, *args, **{"identity_validation_expression": misspelt, **kwargs})

    return initialise


def created(world: World, api_id: str, params: Mapping[str, Any]) -> None:
    """What moto does not keep of a new API."""
    from moto.apigateway.models import apigateway_backends

    api = apigateway_backends[world.account][world.region].apis[api_id]
    api.binaryMediaTypes = list(params.get("binaryMediaTypes") or [])


def check_integration(world: World, params: Mapping[str, Any]) -> None:
    """Refuse a timeout that AWS would not take (aws-semantics §8.4)."""
    from moto.apigateway.models import apigateway_backends

    given = params.get("timeoutInMillis")
    api = apigateway_backends[world.account][world.region].apis.get(params["restApiId"])
    if given is not None and api is not None:
        check_timeout(api, int(given))


def check_gateway_response(params: Mapping[str, Any]) -> None:
    """Refuse a gateway response of a type that there is not; moto stores it."""
    given = params["responseType"]
    if given not in gateway_responses.TYPES:
        known = ", ".join(sorted(gateway_responses.TYPES))
        raise ApiError(
            "ValidationException",
            f"1 validation error detected: Value '{given}' at 'putGatewayResponseInput.responseType' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{known}]",
        )


def check_stage(world: World, params: Mapping[str, Any]) -> None:
    """Refuse a stage with a name that no URL can have, or of a deployment that there is not; moto stores it."""
    check_stage_name(params["stageName"])
    from moto.apigateway.models import apigateway_backends

    api = apigateway_backends[world.account][world.region].apis.get(params["restApiId"])
    if api is not None and params["deploymentId"] not in api.deployments:
        raise ApiError("NotFoundException", "Invalid Deployment identifier specified", status=404)


def check_stage_name(name: str) -> None:
    """Refuse what a stage cannot be called."""
    if not STAGE_NAME.fullmatch(name):
        raise ApiError("BadRequestException", "Stage name only allows a-zA-Z0-9_")


STAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""Letters, digits, underscores, and hyphens too, whatever the refusal says."""


def check_timeout(api: Any, timeout_ms: int) -> None:
    """50 ms to 29 s; Regional and private APIs may wait longer."""
    least, most = rest_model.INTEGRATION_TIMEOUT_MS
    is_edge = "EDGE" in (api.endpoint_configuration or {}).get("types", ["EDGE"])
    if timeout_ms < least or (is_edge and timeout_ms > most):
        raise ApiError("BadRequestException", f"Timeout should be between {least} ms and {most} ms")
