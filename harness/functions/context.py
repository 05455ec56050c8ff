"""
The context object of a Python handler, as AWS's Python runtime client builds it (aws-semantics §1.7).

The class names and the slots are the runtime client's, so `repr`, attribute errors and copies behave the same.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services.lambda_limits import CLIENT_CONTEXT_BYTES_MAX


class CognitoIdentity:
    """Who called, when the caller came through Amazon Cognito; both ids are None otherwise."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        given = values or {}
        self.cognito_identity_id: str | None = given.get("cognitoIdentityId")
        self.cognito_identity_pool_id: str | None = given.get("cognitoIdentityPoolId")

    def __repr__(self) -> str:
        return _describe(self, self.__slots__)


class Client:
    """The mobile application that called, from the client context."""

    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")

    def __init__(self, values: Mapping[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self) -> str:
        return _describe(self, self.__slots__)


class ClientContext:
    """What a caller passed as `ClientContext`: `custom`, `env` and `client`, each None when absent."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.custom: Any = values.get("custom")
        self.env: Any = values.get("env")
        client = values.get("client")
        self.client: Client | None = None if client is None else Client(client)

    def __repr__(self) -> str:
        return _describe(self, self.__slots__)


class LambdaContext:
    """
    The second argument of a handler.

    Args:
        memory_mb: becomes `memory_limit_in_mb`, which is a str as on AWS.

        invoked_function_arn: the caller's form; unqualified when the invocation was.

        client_context: the base64 JSON that the caller passed.

        deadline: epoch seconds (virtual) at which the invocation times out.

        now: the world's clock.

        write: takes what the handler passes to `log`.
    """

    def __init__(
        self,
        *,
        request_id: str,
        function_name: str,
        function_version: str,
        invoked_function_arn: str,
        memory_mb: int,
        log_group_name: str,
        log_stream_name: str,
        deadline: float,
        now: Callable[[], float],
        write: Callable[[str], None],
        client_context: str | None = None,
        cognito_identity: Mapping[str, Any] | None = None,
        tenant_id: str | None = None,
    ) -> None:
        self.aws_request_id = request_id
        self.log_group_name = log_group_name
        self.log_stream_name = log_stream_name
        self.function_name = function_name
        self.memory_limit_in_mb = str(memory_mb)
        self.function_version = function_version
        self.invoked_function_arn = invoked_function_arn
        self.tenant_id = tenant_id
        self.client_context = None if client_context is None else ClientContext(parse_client_context(client_context))
        self.identity = CognitoIdentity(cognito_identity)
        self._deadline_ms = int(deadline * 1000)
        self._now = now
        self._write = write

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out, never below 0."""
        return max(0, self._deadline_ms - int(self._now() * 1000))

    def log(self, msg: object) -> None:
        """Write `msg` to the function's log, without a line end of its own."""
        self._write(str(msg))

    def __repr__(self) -> str:
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return _describe(self, names)


def parse_client_context(text: str) -> dict[str, Any]:
    """
    The object in a base64 `ClientContext`, or the refusal that Invoke gives.

    >>> parse_client_context("eyJjdXN0b20iOiB7ImEiOiAxfX0=")
    {'custom': {'a': 1}}
    """
    if len(text) > CLIENT_CONTEXT_BYTES_MAX:
        message = f"Client context must be at most {CLIENT_CONTEXT_BYTES_MAX} bytes; received {len(text)}."
        raise ApiError("InvalidRequestContentException", message, Type="User")
    try:
        values = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, dict):
        message = "Client context must be a valid Base64-encoded JSON object."
        raise ApiError("InvalidRequestContentException", message, Type="User")
    return values


def _describe(instance: object, names: tuple[str, ...]) -> str:
    values = ",".join(f"{name}={getattr(instance, name)}" for name in names)
    return f"{type(instance).__name__}([{values}])"
