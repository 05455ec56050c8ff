"""The URLs of functions: the event and the answers of payload format 2.0, without an API (aws-semantics §1.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagefright.aws_api.errors import ApiError
from stagefright.services.apis import cors, events
from stagefright.services.apis.authorizers import Allowed, Refused
from stagefright.services.apis.gateway import Gateway
from stagefright.services.apis.http_apis import NOT_FOUND, TOO_LARGE, translate
from stagefright.services.apis.http_authorizers import judge_signature
from stagefright.services.apis.message import HttpRequest, HttpResponse
from stagefright.services.apis.routes import Match
from stagefright.services.lambda_limits import SYNC_PAYLOAD_BYTES_MAX

if TYPE_CHECKING:
    from stagefright.services.function import Function, FunctionUrl

FAILED = HttpResponse(502, (("Content-Type", "text/plain"),), b"Internal Server Error")
THROTTLED = HttpResponse.message(429, "Rate Exceeded.")


class FunctionUrls:
    """Answers HTTP requests to the URLs of a world's functions."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._world = gateway.world

    async def handle(self, host: str, request: HttpRequest) -> HttpResponse:
        """Answer one request to a function's URL."""
        gateway, request_id = self._gateway, self._gateway.request_id()
        function, url = self._find(host)
        if function is None or url is None:
            return gateway.lose(NOT_FOUND, host, request_id, f"no function has the URL https://{host}/")
        name = self._world.name_of(function.arn)
        if len(request.body) > SYNC_PAYLOAD_BYTES_MAX:
            return gateway.lose(TOO_LARGE, name, request_id, f"the body has more than {SYNC_PAYLOAD_BYTES_MAX} bytes")
        preflight = cors.preflight(url.cors, request)
        if preflight is not None:
            return preflight
        response = await self._invoke(name, url, host, request, request_id)
        return cors.with_cors(url.cors, request, response)

    async def _invoke(
        self, name: str, url: FunctionUrl, host: str, request: HttpRequest, request_id: str
    ) -> HttpResponse:
        world, gateway = self._world, self._gateway
        match = Match("$default", "$default", request.path, {}, {}, url.arn, "2.0", None, url.auth_type)
        caller = judge_signature(request, world.account) if url.auth_type == "AWS_IAM" else None
        account = world.account if isinstance(caller, Allowed) else "anonymous"
        event = events.event(match, request, account=account, host=host, request_id=request_id, now=world.clock.now())
        record = gateway.accept(name, request, request_id=request_id, route=match.route_key, path=match.path)
        if isinstance(caller, Refused):
            return gateway.note(caller.response, record, request_id, caller.reason)
        if caller is not None:
            event["requestContext"]["authorizer"] = caller.shown("2.0")
        try:
            outcome = await gateway.invoke(
                url.arn, event, request_id=request_id, cause=record, name=f"the URL of {name}", timeout_s=None
            )
        except ApiError as refusal:
            throttled = refusal.status == 429
            return gateway.note(THROTTLED if throttled else FAILED, record, request_id, refusal.message)
        return translate(gateway, outcome, "2.0", request_id, FAILED)

    def _find(self, host: str) -> tuple[Function, FunctionUrl] | tuple[None, None]:
        for function in self._world.functions.all():
            for url in function.urls.values():
                if url.url == f"https://{host}/":
                    return function, url
        return None, None
