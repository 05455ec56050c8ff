"""
Calls that the world itself makes for somebody, such as a schedule with a universal target: to operations of ours and to moto's alike.

Parameters come as a JSON object whose names begin with a capital, as EventBridge Scheduler and Step Functions take them, whatever case the
API itself has.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stagefright.aws_api import sessions
from stagefright.aws_api.errors import ApiError
from stagefright.errors import UnsupportedOperation

if TYPE_CHECKING:
    from stagefright.world import World

SDK_NAMES = MappingProxyType(
    {
        "cloudwatchevents": "events",
        "cloudwatchlogs": "logs",
        "cognitoidentity": "cognito-identity",
        "cognitoidentityprovider": "cognito-idp",
        "configservice": "config",
        "databasemigration": "dms",
        "elasticloadbalancing": "elb",
        "elasticloadbalancingv2": "elbv2",
        "eventbridge": "events",
        "sfn": "stepfunctions",
    }
)
"""The SDK's service identifiers that are not the names that boto3 uses."""


def find(service: str, action: str) -> tuple[str, str] | None:
    """
    boto3's service and the operation that a universal target names; None if there is no such thing.

    >>> find("sfn", "startExecution")
    ('stepfunctions', 'StartExecution')
    >>> find("sqs", "sendMesage")
    """
    name = SDK_NAMES.get(service.lower(), service.lower())
    return next(((name, operation) for operation in _operations(name) if operation.lower() == action.lower()), None)


@lru_cache(maxsize=64)
def _operations(service: str) -> tuple[str, ...]:
    from botocore.exceptions import UnknownServiceError

    try:
        return tuple(sessions.service_model(service).operation_names)
    except UnknownServiceError:
        return ()


async def call(world: World, service: str, operation: str, params: Mapping[str, Any], *, cause: int | None) -> Any:
    """Make a call and give back its answer; a refusal is an `ApiError`, wherever it came from."""
    given = _checked(service, operation, params)
    try:
        ours = world.operation(service, operation)
    except UnsupportedOperation as error:
        raise ApiError("UnsupportedOperation", str(error)) from error
    with world.kernel.blame(cause):
        answer = _through_moto(world, service, operation, given) if ours is None else ours(given)
    if inspect.iscoroutine(answer):
        answer = await world.kernel.spawn(answer, name=f"{service}.{operation}", cause=cause)
    return answer


def _through_moto(world: World, service: str, operation: str, params: Mapping[str, Any]) -> Any:
    from botocore import xform_name
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return getattr(world.internal_client(service), xform_name(operation))(**params)
    except ClientError as error:
        reply: Mapping[str, Any] = error.response
        status = int(reply["ResponseMetadata"]["HTTPStatusCode"])
        raise ApiError(reply["Error"]["Code"], reply["Error"]["Message"], status=status) from error
    except BotoCoreError as error:
        raise ApiError("ValidationException", str(error)) from error
    except UnsupportedOperation as error:
        raise ApiError("UnsupportedOperation", str(error)) from error


def _checked(service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters under the names of the API, judged as the SDK would."""
    from botocore.validate import ParamValidator

    shape = sessions.service_model(service).operation_model(operation).input_shape
    if shape is None:
        return {}
    given: dict[str, Any] = _renamed(shape, params)
    report = ParamValidator().validate(given, shape)
    if report.has_errors():
        raise ApiError("ValidationException", report.generate_report())
    return given


def _renamed(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        names = {name.lower(): name for name in shape.members}
        known = {names.get(key.lower(), key): part for key, part in value.items()}
        return {
            key: _renamed(shape.members[key], part) if key in shape.members else part for key, part in known.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_renamed(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: _renamed(shape.value, part) for key, part in value.items()}
    return value
