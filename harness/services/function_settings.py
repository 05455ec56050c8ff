"""A function's settings: how CreateFunction and UpdateFunctionConfiguration read them, and how Lambda shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services import lambda_limits as limits
from stagefright.services.function import LATEST, FunctionVersion
from stagefright.services.function_names import check_range, invalid, refused

ROLE_PATTERN = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
ENVIRONMENT_NAME_PATTERN = r"[a-zA-Z]([a-zA-Z0-9_])+"
STORED = ("VpcConfig", "FileSystemConfigs", "KMSKeyArn", "SnapStart")
"""Settings that are kept and shown, and change nothing in a local world."""
UNSUPPORTED = ("AcceleratorConfig", "CapacityProviderConfig", "DurableConfig", "TenancyConfig")

Fields = dict[str, Any]
"""Fields of a `FunctionVersion`, by name."""


def read_settings(params: Mapping[str, Any], name: str) -> Fields:
    """
    The fields that a call sets, checked; what it does not mention is not in the answer.

    A null counts as not mentioned, as in AWS's JSON.
    """
    _refuse_unsupported(params)
    fields: Fields = {}
    for parameter, read in _READERS.items():
        if params.get(parameter) is not None:
            fields |= read(params[parameter])
    if params.get("LoggingConfig") is not None:
        fields["logging"] = default_logging(name) | _logging(params["LoggingConfig"])
    return fields


def read_stored(params: Mapping[str, Any]) -> Fields:
    """The settings of a call that are kept and shown only."""
    return {name: params[name] for name in STORED if params.get(name) is not None}


def default_logging(name: str) -> Fields:
    """Text format, in the group named after the function."""
    return {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}


def check_zip_settings(params: Mapping[str, Any]) -> None:
    """Refuse a function without role, runtime or handler, and one that is a container image."""
    if params.get("PackageType") == "Image" or "ImageUri" in (params.get("Code") or {}):
        raise unsupported(
            f"The function {params.get('FunctionName')} is a container image (PackageType: Image), which the local "
            "stage does not run. Available: Zip functions. Run this test with --stage-target=aws, or give the function "
            "a Zip package for the local stage."
        )
    if params.get("Role") is None:
        raise invalid(None, "role", "Member must not be null")
    if not params.get("Runtime") or not params.get("Handler"):
        raise refused("Runtime and Handler are mandatory parameters for functions created with deployment packages.")


def unsupported(message: str) -> ApiError:
    """AWS has it, the local stage does not."""
    return ApiError("UnsupportedOperation", message, status=501)


def describe(version: FunctionVersion, qualifier: str | None = None) -> dict[str, Any]:
    """A `FunctionConfiguration`; `qualifier` makes the ARN a qualified one."""
    shown = {
        "FunctionName": version.function_name,
        "FunctionArn": f"{version.function_arn}:{qualifier}" if qualifier else version.function_arn,
        "Runtime": version.runtime,
        "Role": version.role,
        "Handler": version.handler,
        "CodeSize": version.code.size,
        "Description": version.description,
        "Timeout": version.timeout_s,
        "MemorySize": version.memory_mb,
        "LastModified": version.last_modified,
        "CodeSha256": version.code.sha256,
        "Version": version.version,
        "TracingConfig": {"Mode": version.tracing_mode},
        "RevisionId": version.revision_id,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": list(version.architectures),
        "EphemeralStorage": {"Size": version.ephemeral_storage_mb},
        "LoggingConfig": dict(version.logging),
    }
    return shown | _describe_stored(version) | _describe_optional(version)


def _describe_stored(version: FunctionVersion) -> dict[str, Any]:
    shown = dict(version.stored)
    apply_on = shown.get("SnapStart", {}).get("ApplyOn", "None")
    # Only published versions of such a function are ever optimized.
    is_optimized = apply_on == "PublishedVersions" and version.version != LATEST
    shown["SnapStart"] = {"ApplyOn": apply_on, "OptimizationStatus": "On" if is_optimized else "Off"}
    if "VpcConfig" in shown:
        shown["VpcConfig"] = {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": "", **shown["VpcConfig"]}
    return shown


def _describe_optional(version: FunctionVersion) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if version.environment is not None:
        shown["Environment"] = {"Variables": dict(version.environment)}
    if version.dead_letter_arn is not None:
        shown["DeadLetterConfig"] = {"TargetArn": version.dead_letter_arn}
    if version.layers:
        shown["Layers"] = [
            {"Arn": layer.arn, "CodeSize": layer.code.size if layer.code else 0} for layer in version.layers
        ]
    return shown


def _refuse_unsupported(params: Mapping[str, Any]) -> None:
    for name in UNSUPPORTED:
        if params.get(name):
            raise unsupported(
                f"{name} was given for the function {params.get('FunctionName')}; the local stage does not imitate it. "
                "Remove it for the local stage, or run this test with --stage-target=aws."
            )


def _runtime(value: str) -> Fields:
    if value not in limits.RUNTIMES:
        known = ", ".join(limits.RUNTIMES)
        raise refused(
            f"Value {value} at 'runtime' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{known}] or be a valid ARN"
        )
    return {"runtime": value}


def _handler(value: str) -> Fields:
    if len(value) > limits.HANDLER_LENGTH_MAX:
        raise invalid(value, "handler", f"Member must have length less than or equal to {limits.HANDLER_LENGTH_MAX}")
    if not re.fullmatch(r"\S+", value):
        raise invalid(value, "handler", r"Member must satisfy regular expression pattern: [^\s]+")
    return {"handler": value}


def _role(value: str) -> Fields:
    if not re.fullmatch(ROLE_PATTERN, value):
        raise invalid(value, "role", f"Member must satisfy regular expression pattern: {ROLE_PATTERN}")
    return {"role": value}


def _description(value: str) -> Fields:
    if len(value) > limits.DESCRIPTION_LENGTH_MAX:
        constraint = f"Member must have length less than or equal to {limits.DESCRIPTION_LENGTH_MAX}"
        raise invalid(value, "description", constraint)
    return {"description": value}


def _number(field: str, member: str, bounds: tuple[int, int]) -> Callable[[Any], Fields]:
    def read(value: Any) -> Fields:
        check_range(value, member, bounds)
        return {field: value}

    return read


def _ephemeral_storage(value: Mapping[str, Any]) -> Fields:
    check_range(value["Size"], "ephemeralStorage.size", limits.EPHEMERAL_STORAGE_MB)
    return {"ephemeral_storage_mb": value["Size"]}


def _environment(value: Mapping[str, Any]) -> Fields:
    variables: dict[str, str] = dict(value.get("Variables") or {})
    _check_environment_names(variables)
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > limits.ENVIRONMENT_BYTES_MAX:
        raise refused(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {measured}"
        )
    return {"environment": variables}


def _check_environment_names(variables: Mapping[str, str]) -> None:
    if any(
        not re.fullmatch(ENVIRONMENT_NAME_PATTERN, name) for name in variables.keys() - {"_HANDLER", "_X_AMZN_TRACE_ID"}
    ):
        message = (
            "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must "
            f"satisfy constraint: [Member must satisfy regular expression pattern: {ENVIRONMENT_NAME_PATTERN}]"
        )
        raise ApiError("ValidationException", message)
    reserved = [name for name in variables if name in limits.RESERVED_ENVIRONMENT_NAMES]
    if reserved:
        raise refused(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )


def _dead_letter(value: Mapping[str, Any]) -> Fields:
    target = value.get("TargetArn") or None
    if target is not None and not re.fullmatch(
        r"arn:aws[a-zA-Z-]*:(sqs|sns):[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+", target
    ):
        # AWS's text is not recorded; the rule is §2.4's.
        raise refused(f"The provided dead-letter target {target} is not the ARN of an SQS queue or SNS topic.")
    return {"dead_letter_arn": target}


def _tracing(value: Mapping[str, Any]) -> Fields:
    mode = value.get("Mode", "PassThrough")
    if mode not in ("Active", "PassThrough"):
        raise invalid(mode, "tracingConfig.mode", "Member must satisfy enum value set: [Active, PassThrough]")
    return {"tracing_mode": mode}


def _architectures(value: Sequence[str]) -> Fields:
    shown = f"[{', '.join(value)}]"
    if len(value) > 1:
        raise invalid(shown, "architectures", "Member must have length less than or equal to 1")
    if any(architecture not in limits.ARCHITECTURES for architecture in value):
        known = ", ".join(limits.ARCHITECTURES)
        constraint = (
            f"Member must satisfy constraint: [Member must satisfy enum value set: [{known}], Member must not be null]"
        )
        raise invalid(shown, "architectures", constraint)
    return {"architectures": tuple(value) or ("x86_64",)}


LOG_CHOICES = {
    "LogFormat": ("JSON", "Text"),
    "ApplicationLogLevel": ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
    "SystemLogLevel": ("DEBUG", "INFO", "WARN"),
}
LOG_GROUP_PATTERN = r"[\.\-_/#A-Za-z0-9]+"


def _logging(value: Mapping[str, Any]) -> Fields:
    given = {name: setting for name, setting in value.items() if setting is not None}
    for name, choices in LOG_CHOICES.items():
        if name in given and given[name] not in choices:
            member = f"loggingConfig.{name[0].lower()}{name[1:]}"
            raise invalid(given[name], member, f"Member must satisfy enum value set: [{', '.join(choices)}]")
    group = given.get("LogGroup")
    if group is not None and not re.fullmatch(LOG_GROUP_PATTERN, group):
        constraint = f"Member must satisfy regular expression pattern: {LOG_GROUP_PATTERN}"
        raise invalid(group, "loggingConfig.logGroup", constraint)
    if given.get("LogFormat") == "JSON":
        return {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **given}
    return given


_READERS: Mapping[str, Callable[[Any], Fields]] = {
    "Runtime": _runtime,
    "Handler": _handler,
    "Role": _role,
    "Description": _description,
    "Timeout": _number("timeout_s", "timeout", limits.TIMEOUT_S),
    "MemorySize": _number("memory_mb", "memorySize", limits.MEMORY_MB),
    "EphemeralStorage": _ephemeral_storage,
    "Environment": _environment,
    "DeadLetterConfig": _dead_letter,
    "TracingConfig": _tracing,
    "Architectures": _architectures,
}
