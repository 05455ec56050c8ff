"""The hosts in a world that answer HTTP requests: which kind of API each belongs to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stagefright.services.apis.function_urls import FunctionUrls
from stagefright.services.apis.gateway import Gateway
from stagefright.services.apis.http_apis import NOT_FOUND, HttpApis
from stagefright.services.apis.message import HttpRequest, HttpResponse, parse_request
from stagefright.services.apis.rest_apis import RestApis

if TYPE_CHECKING:
    from stagefright.world import World


class EndpointService:
    """Answers HTTP requests to the APIs and to the function URLs of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._gateway = Gateway(world)
        self._urls = FunctionUrls(self._gateway)
        self._http = HttpApis(self._gateway)
        self.rest: RestApis = RestApis(self._gateway)

    def snapshot(self) -> Any:
        return self._gateway.snapshot(), self.rest.snapshot()

    def restore(self, state: Any) -> None:
        gateway, rest = state
        self._gateway.restore(gateway)
        self.rest.restore(rest)

    def serves_host(self, host: str) -> bool:
        """Whether a host name is that of one of our APIs, of a function's URL, or the one where subscriptions are confirmed."""
        return self._is_api(host) or self._is_url(host) or self._is_domain(host) or self._is_sns(host)

    def _is_api(self, host: str) -> bool:
        return host.endswith(f".execute-api.{self._world.region}.amazonaws.com")

    def _is_url(self, host: str) -> bool:
        return host.endswith(f".lambda-url.{self._world.region}.on.aws")

    def _is_domain(self, host: str) -> bool:
        backend = self._backend("apigateway")
        return backend is not None and host in backend.domain_names

    def _is_sns(self, host: str) -> bool:
        return host == f"sns.{self._world.region}.amazonaws.com"

    def _backend(self, service: str) -> Any:
        """moto's state of a service, or None while nobody has used it: REST APIs are slow to load."""
        module: Any = sys.modules.get(f"moto.{service}.models")
        if module is None:
            return None
        return getattr(module, f"{service}_backends")[self._world.account][self._world.region]

    async def serve(self, host: str, raw: bytes) -> bytes:
        """Answer one request, as bytes on the wire."""
        request = parse_request(raw)
        response = await self.handle(host, request)
        return response.to_bytes(head_only=request.method == "HEAD")

    async def handle(self, host: str, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        if self._is_sns(host):
            return self._world.topics.confirmations.answer(request)
        if self._is_url(host):
            return await self._urls.handle(host, request)
        api_id = host.partition(".")[0]
        if (http := self._backend("apigatewayv2")) is not None and api_id in http.apis:
            return await self._http.handle(host, http.apis[api_id], request)
        rest = self._backend("apigateway")
        if rest is not None and api_id in rest.apis:
            return await self.rest.handle(host, rest, rest.apis[api_id], request)
        if rest is not None and host in rest.domain_names:
            return await self.rest.handle_domain(host, rest, request)
        return self._gateway.lose(NOT_FOUND, host, self._gateway.request_id(), f"there is no API at {host}")
