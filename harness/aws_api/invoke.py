"""Lambda's Invoke, the one operation that runs code (aws-semantics §1.1 to §1.3)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery.async_invoke import payload_too_large
from stagefright.functions import payloads
from stagefright.functions.context import parse_client_context
from stagefright.services import lambda_limits as limits
from stagefright.services.function_names import invalid

if TYPE_CHECKING:
    from stagefright.functions.outcome import Outcome
    from stagefright.world import World

LOG_TAIL_BYTES = 4096
INVOCATION_TYPES = ("Event", "RequestResponse", "DryRun")
LOG_TYPES = ("None", "Tail")


class Invoke:
    """Invokes functions for callers of the API."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._calls = 0

    def reset(self) -> None:
        self._calls = 0

    async def invoke(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The Invoke operation: waits for the function, or accepts the event, or only checks."""
        kind = _one_of(INVOCATION_TYPES, params, "InvocationType", "RequestResponse")
        wants_log = _one_of(LOG_TYPES, params, "LogType", "None") == "Tail"
        resolved = self._world.functions.find(params["FunctionName"], params.get("Qualifier"))
        payload = _payload(params.get("Payload"))
        if kind == "Event":
            return self._accept(params, payload)
        if len(payload) > limits.SYNC_PAYLOAD_BYTES_MAX:
            raise payload_too_large(limits.SYNC_PAYLOAD_BYTES_MAX)
        client_context = params.get("ClientContext")
        if client_context is not None:
            parse_client_context(client_context)
        if kind == "DryRun":
            return {"StatusCode": 204, "Payload": b""}
        request_id = self._new_id()
        outcome = await self._world.executor.run(
            resolved, payload, request_id=request_id, cause=self._world.kernel.cause(), client_context=client_context
        )
        return _answer(outcome, request_id, with_log=wants_log)

    def _accept(self, params: Mapping[str, Any], payload: bytes) -> dict[str, Any]:
        request_id = self._new_id()
        self._world.async_invoke.submit(
            params["FunctionName"],
            payload,
            cause=self._world.kernel.cause(),
            qualifier=params.get("Qualifier"),
            request_id=request_id,
        )
        return {"StatusCode": 202, "Payload": b"", "RequestId": request_id}

    def _new_id(self) -> str:
        self._calls += 1
        return self._world.chance.uuid("invocation", self._calls)

    def invoke_async(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The deprecated InvokeAsync."""
        cause = self._world.kernel.cause()
        self._world.async_invoke.submit(params["FunctionName"], _payload(params.get("InvokeArgs")), cause=cause)
        return {"Status": 202}


def _one_of(allowed: tuple[str, ...], params: Mapping[str, Any], name: str, default: str) -> str:
    """A parameter that has a few values only; another is refused as AWS does."""
    value: str = params.get(name, default)
    if value not in allowed:
        member = name[0].lower() + name[1:]
        raise invalid(value, member, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    return value


def _answer(outcome: Outcome, request_id: str, *, with_log: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "StatusCode": 200,
        "ExecutedVersion": outcome.executed_version,
        "Payload": outcome.payload,
        "RequestId": request_id,
    }
    if outcome.failed:
        answer["FunctionError"] = payloads.FUNCTION_ERROR
    if with_log:
        answer["LogResult"] = base64.b64encode(outcome.log.encode()[-LOG_TAIL_BYTES:]).decode()
    return answer


def _payload(given: Any) -> bytes:
    """The event as bytes; no payload is an empty object, and text that is not JSON is refused."""
    raw = given.read() if hasattr(given, "read") else given
    payload = raw.encode() if isinstance(raw, str) else bytes(raw or b"{}")
    try:
        json.loads(payload, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ApiError(
            "InvalidRequestContentException",
            f"Could not parse request body into json: Could not parse payload into json: {error}",
            Type="User",
        ) from error
    return payload


def _refuse_constant(name: str) -> None:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError(f"Unrecognized token '{name}'")
