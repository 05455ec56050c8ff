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
    from stagefright.world import World

LOG_TAIL_BYTES = 4096
INVOCATION_TYPES = ("Event", "RequestResponse", "DryRun")


class Invoke:
    """Invokes functions for callers of the API."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._calls = 0

    def reset(self) -> None:
        self._calls = 0

    async def invoke(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The Invoke operation: waits for the function, or accepts the event, or only checks."""
        kind = params.get("InvocationType", "RequestResponse")
        if kind not in INVOCATION_TYPES:
            constraint = f"Member must satisfy enum value set: [{', '.join(INVOCATION_TYPES)}]"
            raise invalid(kind, "invocationType", constraint)
        resolved = self._world.functions.find(params["FunctionName"], params.get("Qualifier"))
        payload = _payload(params.get("Payload"))
        if kind == "DryRun":
            return {"StatusCode": 204, "Payload": b""}
        self._calls += 1
        request_id = self._world.chance.uuid("invocation", self._calls)
        cause = self._world.kernel.cause()
        if kind == "Event":
            qualifier = params.get("Qualifier")
            self._world.async_invoke.submit(
                params["FunctionName"], payload, cause=cause, qualifier=qualifier, request_id=request_id
            )
            return {"StatusCode": 202, "Payload": b"", "RequestId": request_id}
        if len(payload) > limits.SYNC_PAYLOAD_BYTES_MAX:
            raise payload_too_large(limits.SYNC_PAYLOAD_BYTES_MAX)
        client_context = params.get("ClientContext")
        if client_context is not None:
            parse_client_context(client_context)
        outcome = await self._world.executor.run(
            resolved, payload, request_id=request_id, cause=cause, client_context=client_context
        )
        answer: dict[str, Any] = {
            "StatusCode": 200,
            "ExecutedVersion": outcome.executed_version,
            "Payload": outcome.payload,
            "RequestId": request_id,
        }
        if outcome.failed:
            answer["FunctionError"] = payloads.FUNCTION_ERROR
        if params.get("LogType") == "Tail":
            answer["LogResult"] = base64.b64encode(outcome.log.encode()[-LOG_TAIL_BYTES:]).decode()
        return answer

    def invoke_async(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The deprecated InvokeAsync."""
        cause = self._world.kernel.cause()
        self._world.async_invoke.submit(params["FunctionName"], _payload(params.get("InvokeArgs")), cause=cause)
        return {"Status": 202}


def _payload(given: Any) -> bytes:
    """The event as bytes; no payload is an empty object, and text that is not JSON is refused."""
    raw = given.read() if hasattr(given, "read") else given
    payload = raw.encode() if isinstance(raw, str) else bytes(raw or b"{}")
    try:
        json.loads(payload)
    except ValueError as error:
        raise ApiError(
            "InvalidRequestContentException",
            f"Could not parse request body into json: Could not parse payload into json: {error}",
            Type="User",
        ) from error
    return payload
