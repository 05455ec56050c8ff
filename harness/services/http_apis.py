"""
The data plane of API Gateway's HTTP APIs: a request comes in, a route is found, a function is invoked (aws-semantics §8.3, §8.4).

moto keeps the configuration (APIs, routes, integrations, stages); nothing of it is copied here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.services import http_events, http_routes
from stagefright.services.http_message import HttpRequest, HttpResponse, parse_request

if TYPE_CHECKING:
    from stagefright.functions.executor import Outcome
    from stagefright.tasks import Task
    from stagefright.world import World

INTEGRATION_TIMEOUT_S = 30.0
"""The most that an HTTP API waits for a function."""
PAYLOAD_BYTES_MAX = 10 * 1024 * 1024
HEADERS_BYTES_MAX = 10_240

NOT_FOUND = HttpResponse.message(404, "Not Found")
FUNCTION_FAILED = HttpResponse.message(500, "Internal Server Error")
UNAVAILABLE = HttpResponse.message(503, "Service Unavailable")
TOO_LARGE = HttpResponse.message(413, "Request Entity Too Large")


class HttpApiService:
    """Answers HTTP requests to the APIs of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._requests = 0

    def snapshot(self) -> Any:
        return self._requests

    def restore(self, state: Any) -> None:
        self._requests = state

    def serves_host(self, host: str) -> bool:
        """Whether a host name is that of one of our APIs."""
        return host.endswith(f".execute-api.{self._world.region}.amazonaws.com")

    async def serve(self, host: str, raw: bytes) -> bytes:
        """Answer one request, as bytes on the wire."""
        request = parse_request(raw)
        response = await self.handle(host, request)
        return response.to_bytes(head_only=request.method == "HEAD")

    async def handle(self, host: str, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        api = self._api(host.partition(".")[0])
        if api is None:
            return NOT_FOUND
        if len(request.body) > PAYLOAD_BYTES_MAX:
            return TOO_LARGE
        if request.headers_size > HEADERS_BYTES_MAX:
            return HttpResponse.message(431, "Request Header Fields Too Large")
        preflight = http_routes.preflight(api.cors_configuration, request)
        if preflight is not None:
            return preflight
        match = http_routes.find(api, request)
        if match is None:
            return NOT_FOUND
        self._requests += 1
        response = await self._integrate(api, match, request)
        return http_routes.with_cors(api.cors_configuration, request, response)

    def _api(self, api_id: str) -> Any:
        from moto.apigatewayv2.models import apigatewayv2_backends

        return apigatewayv2_backends[self._world.account][self._world.region].apis.get(api_id)

    async def _integrate(self, api: Any, match: http_routes.Match, request: HttpRequest) -> HttpResponse:
        world = self._world
        request_id = world.chance.uuid("http request", self._requests)
        event = http_events.event(
            match,
            request,
            account=world.account,
            api_id=api.api_id,
            region=world.region,
            request_id=request_id,
            now=world.clock.now(),
        )
        record = world.journal.write(
            "event",
            world.name_of(api.api_id),
            id=request_id,
            route=match.route_key,
            method=request.method,
            path=match.path,
            body=request.text,
        )
        task = world.kernel.spawn(
            self._invoke(match, event, request_id, record.n),
            name=f"{match.route_key} of {record.resource}",
            cause=record.n,
        )
        return await self._answer(task, match, record.n)

    async def _invoke(self, match: http_routes.Match, event: dict[str, Any], request_id: str, cause: int) -> Outcome:
        resolved = self._world.functions.find(match.function_arn)
        payload = json.dumps(event).encode()
        return await self._world.executor.run(resolved, payload, request_id=request_id, cause=cause)

    async def _answer(self, task: Task[Outcome], match: http_routes.Match, record: int) -> HttpResponse:
        """The function's answer; what goes wrong becomes API Gateway's own (§8.4)."""
        kernel = self._world.kernel
        timeout_s = min(match.timeout_s or INTEGRATION_TIMEOUT_S, INTEGRATION_TIMEOUT_S)
        if not await kernel.first(task, deadline=kernel.now() + timeout_s):
            return self._note(UNAVAILABLE, record, f"the function took longer than {timeout_s:g} s")
        try:
            outcome = task.result()
        except ApiError as refusal:
            throttled = refusal.status == 429
            return self._note(UNAVAILABLE if throttled else FUNCTION_FAILED, record, refusal.message)
        if outcome.failed:
            return self._note(FUNCTION_FAILED, outcome.record, f"{outcome.error_type}: {outcome.error_message}")
        response = http_events.response(outcome.payload, payload_version=match.payload_version)
        if response is None:
            return self._note(FUNCTION_FAILED, outcome.record, "the function's answer is malformed")
        return response

    def _note(self, response: HttpResponse, cause: int, reason: str) -> HttpResponse:
        """API Gateway never retries: the request is lost, and the client is told."""
        resource = self._world.journal[cause].resource
        self._world.journal.write("dropped", resource, cause=cause, reason=reason, status=response.status, ids=[])
        return response
