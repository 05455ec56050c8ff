"""Lambda layers: numbered, never-changing packages that are merged into a function's `/opt`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services import lambda_limits as limits
from stagefright.services.function import Layer, LayerVersion
from stagefright.services.function_names import invalid, not_found, refused
from stagefright.services.function_store import FunctionStore, Parameters, Response, page

LAYER_NAME_PATTERN = r"[a-zA-Z0-9-_]+"
_VERSION_ARN = re.compile(
    r"(?P<layer>arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+))"
    r":(?P<number>\d+)"
)


class Layers(FunctionStore):
    """Operations on layers."""

    def publish_layer_version(self, params: Parameters) -> Response:
        """Publish `Content` under the layer's next number."""
        layer = self._layer(params["LayerName"])
        _check_runtimes(params.get("CompatibleRuntimes") or ())
        number = layer.last_number + 1
        version = LayerVersion(
            arn=f"{layer.arn}:{number}",
            layer_arn=layer.arn,
            number=number,
            code=self._code.resolve(params["Content"]),
            created=self._modified(),
            description=params.get("Description") or "",
            license_info=params.get("LicenseInfo"),
            runtimes=tuple(params.get("CompatibleRuntimes") or ()),
            architectures=tuple(params.get("CompatibleArchitectures") or ()),
        )
        self._keep_layer(replace(layer, versions={**layer.versions, number: version}, last_number=number))
        return _describe_full(version)

    def get_layer_version(self, params: Parameters) -> Response:
        """One version, by layer name (or ARN) and number."""
        number = int(params["VersionNumber"])
        if number < 1:
            raise refused("Layer Version Cannot be less than 1.")
        version = self._layer(params["LayerName"]).versions.get(number)
        if version is None:
            raise not_found("The resource you requested does not exist.")
        return _describe_full(version)

    def get_layer_version_by_arn(self, params: Parameters) -> Response:
        """One version, by its ARN."""
        form = _VERSION_ARN.fullmatch(params["Arn"])
        if form is None:
            raise invalid(
                params["Arn"], "arn", f"Member must satisfy regular expression pattern: {_VERSION_ARN.pattern}"
            )
        return self.get_layer_version({"LayerName": form["layer"], "VersionNumber": int(form["number"])})

    def list_layers(self, params: Parameters) -> Response:
        """Every layer that has a version, with the newest that fits."""
        layers = [
            {"LayerName": name, "LayerArn": layer.arn, "LatestMatchingVersion": fitting[0]}
            for name, layer in sorted(self._state.layers.items())
            if (fitting := _fitting(layer, params))
        ]
        return page(layers, params, "Layers")

    def list_layer_versions(self, params: Parameters) -> Response:
        """The versions of a layer, newest first."""
        return page(_fitting(self._layer(params["LayerName"]), params), params, "LayerVersions")

    def delete_layer_version(self, params: Parameters) -> Response:
        """Forget a version; functions that use it keep it, and one that is not there is no error."""
        layer, number = self._layer(params["LayerName"]), int(params["VersionNumber"])
        if number in layer.versions:
            self._keep_layer(
                replace(layer, versions={n: version for n, version in layer.versions.items() if n != number})
            )
        return {}

    def _layer(self, name_or_arn: str) -> Layer:
        name = name_or_arn.rsplit(":", 1)[-1]
        if not re.fullmatch(LAYER_NAME_PATTERN, name):
            pattern = f"Member must satisfy regular expression pattern: {LAYER_NAME_PATTERN}"
            raise invalid(name_or_arn, "layerName", pattern)
        arn = f"arn:aws:lambda:{self._world.region}:{self._world.account}:layer:{name}"
        if name_or_arn not in (name, arn):
            message = (
                f"User: arn:aws:iam::{self._world.account}:root is not authorized to perform: lambda:GetLayerVersion "
                f"on resource: {name_or_arn} because no resource-based policy allows the lambda:GetLayerVersion action"
            )
            raise ApiError("AccessDeniedException", message, status=403)
        return self._state.layers.get(name) or Layer(name, arn)

    def _keep_layer(self, layer: Layer) -> None:
        self._state = replace(self._state, layers={**self._state.layers, layer.name: layer})

    def _resolve_layers(self, function_name: str, arns: Sequence[str]) -> tuple[LayerVersion, ...]:
        """The layer versions that a function names, checked as CreateFunction checks them."""
        if len(arns) > limits.LAYERS_MAX:
            raise refused(f"Cannot reference more than {limits.LAYERS_MAX} layers.")
        versions = tuple(self._resolve_layer(function_name, arn) for arn in arns)
        _refuse_twice(versions)
        return versions

    def _resolve_layer(self, function_name: str, arn: str) -> LayerVersion:
        form = _VERSION_ARN.fullmatch(arn)
        if form is None:
            pattern = f"Member must satisfy regular expression pattern: {_VERSION_ARN.pattern}"
            raise invalid(f"[{arn}]", "layers", f"Member must satisfy constraint: [{pattern}]")
        number = int(form["number"])
        if (form["account"], form["region"]) != (self._world.account, self._world.region):
            if not self._is_used(arn):
                self._warn_of_foreign_layer(function_name, arn)
            return LayerVersion(arn, form["layer"], number, code=None)
        version = self._layer(form["name"]).versions.get(number)
        if version is None:
            raise refused(f"Layer version {arn} does not exist.")
        return version

    def _is_used(self, arn: str) -> bool:
        """Whether a function has this layer already; then it was warned of."""
        versions = (function.latest for function in self._state.functions.values())
        return any(layer.arn == arn for version in versions for layer in version.layers)

    def _warn_of_foreign_layer(self, function_name: str, arn: str) -> None:
        # Public layers (Powertools, Insights, ...) are common in templates; refusing them would stop every such stack.
        self._world.journal.write(
            "warning",
            self._world.name_of(function_name),
            message=f"The layer {arn} belongs to another account or Region, so its content is not here. Functions "
            "run without it; install the packages it holds in this environment if their code needs them.",
        )


def _check_runtimes(runtimes: Sequence[str]) -> None:
    if len(runtimes) > limits.LAYER_RUNTIMES_MAX:
        shown = f"[{', '.join(runtimes)}]"
        constraint = f"Member must have length less than or equal to {limits.LAYER_RUNTIMES_MAX}"
        raise invalid(shown, "compatibleRuntimes", constraint)


def _refuse_twice(versions: Sequence[LayerVersion]) -> None:
    seen: dict[str, LayerVersion] = {}
    for version in versions:
        other = seen.setdefault(version.layer_arn, version)
        if other is not version:
            raise refused(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{other.arn} and {version.arn} are versions of the same layer."
            )


def _fitting(layer: Layer, params: Parameters) -> list[dict[str, Any]]:
    runtime, architecture = params.get("CompatibleRuntime"), params.get("CompatibleArchitecture")
    return [
        _describe_item(version)
        for _, version in sorted(layer.versions.items(), reverse=True)
        if (runtime is None or runtime in version.runtimes)
        and (architecture is None or architecture in version.architectures)
    ]


def _describe_item(version: LayerVersion) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "LayerVersionArn": version.arn,
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": version.created,
    }
    if version.runtimes:
        shown["CompatibleRuntimes"] = list(version.runtimes)
    if version.architectures:
        shown["CompatibleArchitectures"] = list(version.architectures)
    if version.license_info is not None:
        shown["LicenseInfo"] = version.license_info
    return shown


def _describe_full(version: LayerVersion) -> Response:
    assert version.code is not None  # only layers of other accounts have none, and those are never described
    content = {
        "Location": version.code.root.as_uri(),
        "CodeSha256": version.code.sha256,
        "CodeSize": version.code.size,
    }
    return {**_describe_item(version), "LayerArn": version.layer_arn, "Content": content}
