"""
The data plane of API Gateway's HTTP APIs: a request comes in, a route is found, a function is invoked (aws-semantics §8.3, §8.4).

moto keeps the configuration (APIs, routes, integrations, authorizers, stages); nothing of it is copied here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.services.apis import answers, cors, events, routes
from stagefright.services.apis.authorizers import Refused
from stagefright.services.apis.gateway import PAYLOAD_BYTES_MAX, Gateway, TookTooLong
from stagefright.services.apis.http_authorizers import HttpAuthorizers
from stagefright.services.apis.message import HttpRequest, HttpResponse
from stagefright.services.apis.throttling import Limit

if TYPE_CHECKING:
    from stagefright.functions.outcome import Outcome

INTEGRATION_TIMEOUT_S = 30.0
"""The most that an HTTP API waits for a function."""
HEADERS_BYTES_MAX = 10_240

NOT_FOUND = HttpResponse.message(404, "Not Found")
FUNCTION_FAILED = HttpResponse.message(500, "Internal Server Error")
UNAVAILABLE = HttpResponse.message(503, "Service Unavailable")
TOO_LARGE = HttpResponse.message(413, "Request Entity Too Large")
LONG_HEADERS = HttpResponse.message(431, "Request Header Fields Too Large")
THROTTLED = HttpResponse.message(429, "Too Many Requests")


class HttpApis:
    """Answers HTTP requests to the HTTP APIs of a world."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._world = gateway.world
        self._authorizers = HttpAuthorizers(gateway)

    async def handle(self, host: str, api: Any, request: HttpRequest) -> HttpResponse:
        """Answer one request to an API."""
        gateway = self._gateway
        request_id, name = gateway.request_id(), self._world.name_of(api.api_id)
        if len(request.body) > PAYLOAD_BYTES_MAX:
            return gateway.lose(TOO_LARGE, name, request_id, f"the body has more than {PAYLOAD_BYTES_MAX} bytes")
        if request.headers_size > HEADERS_BYTES_MAX:
            return gateway.lose(LONG_HEADERS, name, request_id, f"the headers have more than {HEADERS_BYTES_MAX} bytes")
        preflight = cors.preflight(api.cors_configuration, request)
        if preflight is not None:
            return preflight
        match = routes.find(api, request)
        if match is None:
            known = ", ".join(route.route_key for route in api.routes.values()) or "none"
            reason = f"no route for {request.method} {request.path}; routes: {known}"
            return gateway.lose(NOT_FOUND, name, request_id, reason)
        response = await self._integrate(api, match, request, host, request_id)
        return cors.with_cors(api.cors_configuration, request, response)

    async def _integrate(
        self, api: Any, match: routes.Match, request: HttpRequest, host: str, request_id: str
    ) -> HttpResponse:
        world, gateway = self._world, self._gateway
        resource = world.name_of(api.api_id)
        if match.function_arn is None:
            reason = f"{match.route_key} has an integration of type {match.integration}; the local stage serves AWS_PROXY of functions"
            world.journal.write("warning", resource, message=reason)
            return gateway.lose(FUNCTION_FAILED, resource, request_id, reason)
        if not gateway.admit(*_limits(api, match)):
            return gateway.lose(THROTTLED, resource, request_id, f"{match.route_key} has more requests than its limits")
        event = events.event(
            match, request, account=world.account, host=host, request_id=request_id, now=world.clock.now()
        )
        record = gateway.accept(resource, request, request_id=request_id, route=match.route_key, path=match.path)
        verdict = await self._authorizers.judge(api, match, request, event["requestContext"], record)
        if isinstance(verdict, Refused):
            return gateway.note(verdict.response, record, request_id, verdict.reason)
        if verdict is not None:
            event["requestContext"]["authorizer"] = verdict.shown(match.payload_version)
        name = f"{match.route_key} of {api.name}"
        return await self._answer(name, match.function_arn, event, match, record, request_id)

    async def _answer(
        self, name: str, function: str, event: dict[str, Any], match: routes.Match, record: int, request_id: str
    ) -> HttpResponse:
        """The function's answer; what goes wrong becomes API Gateway's own (§8.4)."""
        gateway = self._gateway
        timeout_s = min(match.timeout_s or INTEGRATION_TIMEOUT_S, INTEGRATION_TIMEOUT_S)
        try:
            outcome = await gateway.invoke(
                function, event, request_id=request_id, cause=record, name=name, timeout_s=timeout_s
            )
        except TookTooLong as too_long:
            return gateway.note(UNAVAILABLE, record, request_id, f"the function took longer than {too_long}")
        except ApiError as refusal:
            throttled = refusal.status == 429
            return gateway.note(UNAVAILABLE if throttled else FUNCTION_FAILED, record, request_id, refusal.message)
        return translate(gateway, outcome, match.payload_version, request_id, FUNCTION_FAILED)


def translate(
    gateway: Gateway, outcome: Outcome, payload_version: str, request_id: str, failed: HttpResponse
) -> HttpResponse:
    """What a function's outcome means to the client; `failed` is what it is told of an error."""
    if outcome.failed:
        return gateway.note(failed, outcome.record, request_id, f"{outcome.error_type}: {outcome.error_message}")
    response = answers.of_http_api(outcome.payload, payload_version=payload_version)
    if response is None:
        return gateway.note(failed, outcome.record, request_id, "the function's answer is malformed")
    return response


def _limits(api: Any, match: routes.Match) -> list[tuple[tuple[str, ...], Limit]]:
    """The throttle of a route, if its stage sets one: its own settings, or else the default ones."""
    stage = api.stages[match.stage]
    every, own = stage.default_route_settings or {}, (stage.route_settings or {}).get(match.route_key) or {}
    rate, burst = (_setting(own, every, name) for name in ("throttlingRateLimit", "throttlingBurstLimit"))
    if rate is None or burst is None:
        return []
    return [(("http", api.api_id, match.stage, match.route_key), Limit(float(rate), float(burst)))]


def _setting(own: dict[str, Any], every: dict[str, Any], name: str) -> Any:
    return own.get(name, every.get(name))
