"""What HTTP APIs, REST APIs and function URLs share: ids, records, invocations, throttles and remembered verdicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stagefright.delivery.async_invoke import payload_too_large
from stagefright.services.apis import throttling
from stagefright.services.apis.message import HttpRequest, HttpResponse
from stagefright.services.apis.throttling import Buckets, Limit
from stagefright.services.lambda_limits import SYNC_PAYLOAD_BYTES_MAX

if TYPE_CHECKING:
    from stagefright.functions.outcome import Outcome
    from stagefright.world import World

PAYLOAD_BYTES_MAX = 10 * 1024 * 1024
"""The largest body that an API takes (§8.4); Lambda's own limit of 6 MB comes first where a function is behind it."""

AUTHORIZER_TTL_MAX_S = 3_600


class TookTooLong(Exception):
    """A function did not answer in time; it runs on all the same."""


class Gateway:
    """The common ground of everything that answers HTTP requests."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.buckets = Buckets()
        self._requests = 0
        self._verdicts: dict[tuple[str, ...], tuple[float, Any]] = {}

    def snapshot(self) -> Any:
        return self._requests, self.buckets.snapshot(), dict(self._verdicts)

    def restore(self, state: Any) -> None:
        self._requests, buckets, verdicts = state
        self.buckets.restore(buckets)
        self._verdicts = dict(verdicts)

    def request_id(self) -> str:
        self._requests += 1
        return self.world.chance.uuid("http request", self._requests)

    # -- records -----------------------------------------------------------------------------------------------------

    def accept(self, resource: str, request: HttpRequest, *, request_id: str, route: str, path: str) -> int:
        """The API accepted a request; what follows is caused by this record."""
        write = self.world.journal.write
        method, body = request.method, request.text
        return write("event", resource, id=request_id, route=route, method=method, path=path, body=body).n

    def note(self, response: HttpResponse, cause: int, request_id: str, reason: str) -> HttpResponse:
        """API Gateway never retries: the request is lost, and the client is told."""
        resource = self.world.journal[cause].resource
        self._drop(response, resource, request_id, reason, cause=cause)
        return response

    def lose(self, response: HttpResponse, resource: str, request_id: str, reason: str) -> HttpResponse:
        """A request that reached nothing; it was caused by whoever sent it."""
        self._drop(response, resource, request_id, reason)
        return response

    def _drop(self, response: HttpResponse, resource: str, request_id: str, reason: str, **more: Any) -> None:
        ids = [request_id]
        self.world.journal.write("dropped", resource, reason=reason, status=response.status, ids=ids, **more)

    # -- functions ---------------------------------------------------------------------------------------------------

    async def invoke(
        self,
        function_arn: str,
        event: dict[str, Any],
        *,
        request_id: str,
        cause: int | None,
        name: str,
        timeout_s: float | None,
    ) -> Outcome:
        """
        A function's answer to an event.

        Raises `ApiError` where Lambda refuses, and `TookTooLong` after `timeout_s`, while the function runs on.
        """
        kernel = self.world.kernel
        task = kernel.spawn(self._run(function_arn, event, request_id, cause), name=name, cause=cause)
        if timeout_s is not None and not await kernel.first(task, deadline=kernel.now() + timeout_s):
            raise TookTooLong(f"{timeout_s:g} s")
        return await task

    async def _run(self, function_arn: str, event: dict[str, Any], request_id: str, cause: int | None) -> Outcome:
        resolved = self.world.functions.find(function_arn)
        payload = json.dumps(event).encode()
        if len(payload) > SYNC_PAYLOAD_BYTES_MAX:
            raise payload_too_large(SYNC_PAYLOAD_BYTES_MAX)
        return await self.world.executor.run(resolved, payload, request_id=request_id, cause=cause)

    # -- throttles ---------------------------------------------------------------------------------------------------

    def admit(self, *limits: tuple[tuple[str, ...], Limit]) -> bool:
        """Whether a request passes these limits and the account's (§8.4)."""
        account = Limit(throttling.ACCOUNT_RATE_PER_S, throttling.ACCOUNT_BURST)
        return self.buckets.admit(self.world.clock.now(), *limits, (("account",), account))

    # -- verdicts of authorizers -------------------------------------------------------------------------------------

    def recall(self, key: tuple[str, ...]) -> Any:
        """What an authorizer said of this identity, if that still holds; else None."""
        until, said = self._verdicts.get(key, (0.0, None))
        return said if self.world.clock.now() < until else None

    def remember(self, key: tuple[str, ...], said: Any, ttl_s: float) -> None:
        """Keep what an authorizer said, in virtual time."""
        if ttl_s > 0:
            self._verdicts[key] = (self.world.clock.now() + min(ttl_s, AUTHORIZER_TTL_MAX_S), said)
