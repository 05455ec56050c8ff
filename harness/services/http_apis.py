"""
The data plane of API Gateway's HTTP APIs: a request comes in, a route is found, a function is invoked (aws-semantics §8.3, §8.4).

moto keeps the configuration (APIs, routes, integrations, authorizers, stages); nothing of it is copied here. The URLs of
functions (§1.9), which are the function service's, are answered here too.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.services import http_authorizers, http_events, http_routes
from stagefright.services.http_authorizers import Allowed, Refused, Verdict
from stagefright.services.http_message import HttpRequest, HttpResponse, parse_request

if TYPE_CHECKING:
    from stagefright.functions.outcome import Outcome
    from stagefright.services.function import Function, FunctionUrl
    from stagefright.tasks import Task
    from stagefright.world import World

INTEGRATION_TIMEOUT_S = 30.0
"""The most that an HTTP API waits for a function."""
PAYLOAD_BYTES_MAX = 10 * 1024 * 1024
URL_PAYLOAD_BYTES_MAX = 6 * 1024 * 1024
HEADERS_BYTES_MAX = 10_240

NOT_FOUND = HttpResponse.message(404, "Not Found")
FUNCTION_FAILED = HttpResponse.message(500, "Internal Server Error")
UNAVAILABLE = HttpResponse.message(503, "Service Unavailable")
TOO_LARGE = HttpResponse.message(413, "Request Entity Too Large")
LONG_HEADERS = HttpResponse.message(431, "Request Header Fields Too Large")
URL_FAILED = HttpResponse(502, (("Content-Type", "text/plain"),), b"Internal Server Error")
URL_THROTTLED = HttpResponse.message(429, "Rate Exceeded.")


class HttpApiService:
    """Answers HTTP requests to the APIs and to the function URLs of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._requests = 0

    def snapshot(self) -> Any:
        return self._requests

    def restore(self, state: Any) -> None:
        self._requests = state

    def serves_host(self, host: str) -> bool:
        """Whether a host name is that of one of our APIs or of a function's URL."""
        return host.endswith(f".execute-api.{self._world.region}.amazonaws.com") or self._is_url(host)

    def _is_url(self, host: str) -> bool:
        return host.endswith(f".lambda-url.{self._world.region}.on.aws")

    async def serve(self, host: str, raw: bytes) -> bytes:
        """Answer one request, as bytes on the wire."""
        request = parse_request(raw)
        handle = self.handle_url if self._is_url(host) else self.handle
        response = await handle(host, request)
        return response.to_bytes(head_only=request.method == "HEAD")

    async def handle(self, host: str, request: HttpRequest) -> HttpResponse:
        """Answer one request to an API."""
        api = self._api(host.partition(".")[0])
        if api is None:
            return self._lose(NOT_FOUND, host, self._request_id(), f"there is no HTTP API at {host}")
        request_id, name = self._request_id(), self._world.name_of(api.api_id)
        if len(request.body) > PAYLOAD_BYTES_MAX:
            return self._lose(TOO_LARGE, name, request_id, f"the body has more than {PAYLOAD_BYTES_MAX} bytes")
        if request.headers_size > HEADERS_BYTES_MAX:
            return self._lose(LONG_HEADERS, name, request_id, f"the headers have more than {HEADERS_BYTES_MAX} bytes")
        preflight = http_routes.preflight(api.cors_configuration, request)
        if preflight is not None:
            return preflight
        match = http_routes.find(api, request)
        if match is None:
            routes = ", ".join(route.route_key for route in api.routes.values()) or "none"
            reason = f"no route for {request.method} {request.path}; routes: {routes}"
            return self._lose(NOT_FOUND, name, request_id, reason)
        response = await self._integrate(api, match, request, host, request_id)
        return http_routes.with_cors(api.cors_configuration, request, response)

    def _api(self, api_id: str) -> Any:
        from moto.apigatewayv2.models import apigatewayv2_backends

        return apigatewayv2_backends[self._world.account][self._world.region].apis.get(api_id)

    def _request_id(self) -> str:
        self._requests += 1
        return self._world.chance.uuid("http request", self._requests)

    async def _integrate(
        self, api: Any, match: http_routes.Match, request: HttpRequest, host: str, request_id: str
    ) -> HttpResponse:
        world = self._world
        event = http_events.event(
            match, request, account=world.account, host=host, request_id=request_id, now=world.clock.now()
        )
        record = self._accept(world.name_of(api.api_id), match, request, request_id)
        verdict = await self._authorize(api, match, request, event, record)
        if isinstance(verdict, Refused):
            return self._note(verdict.response, record, request_id, verdict.reason)
        if verdict is not None:
            event["requestContext"]["authorizer"] = verdict.shown(match.payload_version)
        task = self._start(match.function_arn, event, request_id, record, f"{match.route_key} of {api.name}")
        return await self._answer(task, match, record, request_id)

    def _accept(self, resource: str, match: http_routes.Match, request: HttpRequest, request_id: str) -> int:
        return self._world.journal.write(
            "event",
            resource,
            id=request_id,
            route=match.route_key,
            method=request.method,
            path=match.path,
            body=request.text,
        ).n

    def _start(self, function_arn: str, event: dict[str, Any], request_id: str, cause: int, name: str) -> Task[Outcome]:
        return self._world.kernel.spawn(self._invoke(function_arn, event, request_id, cause), name=name, cause=cause)

    async def _invoke(self, function_arn: str, event: dict[str, Any], request_id: str, cause: int) -> Outcome:
        resolved = self._world.functions.find(function_arn)
        payload = json.dumps(event).encode()
        return await self._world.executor.run(resolved, payload, request_id=request_id, cause=cause)

    async def _answer(
        self, task: Task[Outcome], match: http_routes.Match, record: int, request_id: str
    ) -> HttpResponse:
        """The function's answer; what goes wrong becomes API Gateway's own (§8.4)."""
        kernel = self._world.kernel
        timeout_s = min(match.timeout_s or INTEGRATION_TIMEOUT_S, INTEGRATION_TIMEOUT_S)
        if not await kernel.first(task, deadline=kernel.now() + timeout_s):
            return self._note(UNAVAILABLE, record, request_id, f"the function took longer than {timeout_s:g} s")
        try:
            outcome = task.result()
        except ApiError as refusal:
            throttled = refusal.status == 429
            return self._note(UNAVAILABLE if throttled else FUNCTION_FAILED, record, request_id, refusal.message)
        return self._translate(outcome, match, request_id, FUNCTION_FAILED)

    def _translate(
        self, outcome: Outcome, match: http_routes.Match, request_id: str, failed: HttpResponse
    ) -> HttpResponse:
        if outcome.failed:
            return self._note(failed, outcome.record, request_id, f"{outcome.error_type}: {outcome.error_message}")
        response = http_events.response(outcome.payload, payload_version=match.payload_version)
        if response is None:
            return self._note(failed, outcome.record, request_id, "the function's answer is malformed")
        return response

    def _note(self, response: HttpResponse, cause: int, request_id: str, reason: str) -> HttpResponse:
        """API Gateway never retries: the request is lost, and the client is told."""
        resource = self._world.journal[cause].resource
        ids = [request_id]
        self._world.journal.write("dropped", resource, cause=cause, reason=reason, status=response.status, ids=ids)
        return response

    def _lose(self, response: HttpResponse, resource: str, request_id: str, reason: str) -> HttpResponse:
        """A request that reached nothing; it was caused by whoever sent it."""
        self._world.journal.write("dropped", resource, reason=reason, status=response.status, ids=[request_id])
        return response

    # -- who may call ------------------------------------------------------------------------------------------------

    async def _authorize(
        self, api: Any, match: http_routes.Match, request: HttpRequest, event: dict[str, Any], record: int
    ) -> Verdict | None:
        """What a route's authorizer says; None if it has none."""
        if match.authorization == "NONE":
            return None
        if match.authorization == "AWS_IAM":
            return http_authorizers.judge_signature(request, self._world.account)
        authorizer = api.authorizers.get(match.authorizer_id)
        if authorizer is None:
            return Refused(
                FUNCTION_FAILED, f"{match.route_key} names the authorizer {match.authorizer_id}, which is gone"
            )
        identity = http_authorizers.identities(authorizer, match, request, event["requestContext"])
        if isinstance(identity, Refused):
            return identity
        if match.authorization == "JWT":
            token = identity[0] if identity else request.header("authorization") or ""
            return http_authorizers.judge_token(authorizer, token, match.scopes, self._world.clock.now())
        return await self._ask(authorizer, identity, match, request, event["requestContext"]["domainName"], record)

    async def _ask(
        self,
        authorizer: Any,
        identity: list[str],
        match: http_routes.Match,
        request: HttpRequest,
        host: str,
        record: int,
    ) -> Verdict:
        """Ask a Lambda authorizer."""
        world, kernel = self._world, self._world.kernel
        request_id = self._request_id()
        version = authorizer.auth_payload_format_version or "2.0"
        event = http_events.event(
            replace(match, payload_version=version),
            request,
            account=world.account,
            host=host,
            request_id=request_id,
            now=world.clock.now(),
        )
        api_id = host.partition(".")[0]
        arn = (
            f"arn:aws:execute-api:{world.region}:{world.account}:{api_id}/{match.stage}/{request.method}{request.path}"
        )
        function = http_routes.function_arn(authorizer.authorizer_uri or "")
        if function is None:
            return Refused(FUNCTION_FAILED, f"{authorizer.name}: {authorizer.authorizer_uri} is not a function")
        asked = http_authorizers.question(authorizer, event, identity, arn)
        task = self._start(function, asked, request_id, record, f"the authorizer {authorizer.name}")
        if not await kernel.first(task, deadline=kernel.now() + http_authorizers.TIMEOUT_S):
            took = f"the authorizer took longer than {http_authorizers.TIMEOUT_S:g} s"
            return Refused(FUNCTION_FAILED, f"{authorizer.name}: {took}")
        try:
            outcome = task.result()
        except ApiError as refusal:
            return Refused(FUNCTION_FAILED, f"{authorizer.name}: {refusal.message}")
        if outcome.failed:
            failure = f"{outcome.error_type}: {outcome.error_message}"
            return Refused(FUNCTION_FAILED, f"{authorizer.name}: the authorizer failed with {failure}")
        return http_authorizers.judge_answer(authorizer, outcome.payload, arn)

    # -- function URLs (§1.9) ----------------------------------------------------------------------------------------

    async def handle_url(self, host: str, request: HttpRequest) -> HttpResponse:
        """Answer one request to a function's URL."""
        world = self._world
        function, url = self._url(host)
        request_id = self._request_id()
        if function is None or url is None:
            return self._lose(NOT_FOUND, host, request_id, f"no function has the URL https://{host}/")
        name = world.name_of(function.arn)
        if len(request.body) > URL_PAYLOAD_BYTES_MAX:
            return self._lose(TOO_LARGE, name, request_id, f"the body has more than {URL_PAYLOAD_BYTES_MAX} bytes")
        preflight = http_routes.preflight(url.cors, request)
        if preflight is not None:
            return preflight
        match = http_routes.Match("$default", "$default", request.path, {}, {}, url.arn, "2.0", None, url.auth_type)
        caller = http_authorizers.judge_signature(request, world.account) if url.auth_type == "AWS_IAM" else None
        account = world.account if isinstance(caller, Allowed) else "anonymous"
        event = http_events.event(
            match, request, account=account, host=host, request_id=request_id, now=world.clock.now()
        )
        record = self._accept(name, match, request, request_id)
        if isinstance(caller, Refused):
            return self._note(caller.response, record, request_id, caller.reason)
        if caller is not None:
            event["requestContext"]["authorizer"] = caller.shown("2.0")
        task = self._start(url.arn, event, request_id, record, f"the URL of {name}")
        try:
            response = self._translate(await task, match, request_id, URL_FAILED)
        except ApiError as refusal:
            throttled = refusal.status == 429
            response = self._note(URL_THROTTLED if throttled else URL_FAILED, record, request_id, refusal.message)
        return http_routes.with_cors(url.cors, request, response)

    def _url(self, host: str) -> tuple[Function, FunctionUrl] | tuple[None, None]:
        for function in self._world.functions.all():
            for url in function.urls.values():
                if url.url == f"https://{host}/":
                    return function, url
        return None, None
