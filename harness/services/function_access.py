"""
Whether a service may invoke a function, as the function's resource policy says.

A local world enforces no IAM, but two services look at this policy when they are set up and refuse a function that they could never
invoke: S3 (semantics §10.2) and CloudWatch Logs (§10.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError

if TYPE_CHECKING:
    from stagefright.world import World

INVOKE_ACTIONS = ("lambda:InvokeFunction", "lambda:*", "*")


def exists(world: World, function_arn: str) -> bool:
    """Whether there is a function, with the version or alias that the ARN names."""
    try:
        world.functions.find(function_arn)
    except ApiError:
        return False
    return True


def may_invoke(world: World, function_arn: str, service: str, source_arn: str) -> bool:
    """Whether the policy of a function lets a service (`s3.amazonaws.com`) invoke it on behalf of a resource."""
    try:
        resolved = world.functions.find(function_arn)
    except ApiError:
        return False
    statements = resolved.function.statements.get(resolved.qualifier or "", ())
    services = {service, service.replace(".amazonaws.com", f".{world.region}.amazonaws.com")}
    return any(_allows(statement, services, source_arn, world.account) for statement in statements)


def _allows(statement: Mapping[str, Any], services: set[str], source_arn: str, account: str) -> bool:
    principal = statement["Principal"]
    named = principal == "*" or (isinstance(principal, Mapping) and principal.get("Service") in services)
    return named and statement["Action"] in INVOKE_ACTIONS and _holds(statement, source_arn, account)


def _holds(statement: Mapping[str, Any], source_arn: str, account: str) -> bool:
    conditions: Mapping[str, Mapping[str, str]] = statement.get("Condition", {})
    wanted_arn = conditions.get("ArnLike", {}).get("AWS:SourceArn", "*")
    wanted_account = conditions.get("StringEquals", {}).get("AWS:SourceAccount", account)
    return fnmatchcase(source_arn, wanted_arn) and wanted_account == account
