"""
The data plane of API Gateway's REST APIs: what was deployed is found, authorized, throttled, validated and invoked (aws-semantics §8.1, §8.2, §8.4).

moto keeps the configuration; a deployment is a snapshot of it, and a request meets the snapshot that its stage points to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from stagefright.aws_api.errors import ApiError
from stagefright.services.apis import (
    answers,
    events,
    expressions,
    gateway_responses,
    mock_integrations,
    request_validation,
    rest_routes,
    routes,
    usage_plans,
)
from stagefright.services.apis.gateway import PAYLOAD_BYTES_MAX, Gateway, TookTooLong
from stagefright.services.apis.gateway_responses import GatewayRefusal
from stagefright.services.apis.message import HttpRequest, HttpResponse
from stagefright.services.apis.rest_authorizers import RestAuthorizers
from stagefright.services.apis.rest_exchange import Exchange, new_context, without_hop_headers
from stagefright.services.apis.rest_model import RestIntegration, RestSnapshot, snapshot_of
from stagefright.services.apis.throttling import Limit
from stagefright.services.apis.usage_plans import UsagePlans

if TYPE_CHECKING:
    from stagefright.functions.outcome import Outcome

HEADERS_BYTES_MAX = 20_480
FUNCTION_FAILED = 502
"""The status for a function's error and for an answer that is none (§8.4)."""

SERVED = "the local stage serves AWS_PROXY of functions, and MOCK whose templates have no logic"

FORBIDDEN = HttpResponse(
    403, (("x-amzn-ErrorType", "ForbiddenException"), ("Content-Type", "application/json")), b'{"message":"Forbidden"}'
)
"""What is said where there is no stage, hence nothing that could have an opinion."""
LONG_HEADERS = HttpResponse.message(431, "Request Header Fields Too Large")


class RestApis:
    """Answers HTTP requests to the REST APIs of a world."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._world = gateway.world
        self._authorizers = RestAuthorizers(gateway)
        self._plans = UsagePlans()
        self._deployed: dict[tuple[str, str], RestSnapshot] = {}

    def snapshot(self) -> Any:
        return dict(self._deployed), self._plans.snapshot()

    def restore(self, state: Any) -> None:
        deployed, plans = state
        self._deployed = dict(deployed)
        self._plans.restore(plans)

    def deploy(self, api: Any, deployment_id: str) -> None:
        """Keep one of moto's APIs as it is now."""
        kept = self._deployed[api.id, deployment_id] = snapshot_of(api)
        unserved = [
            f"{method.name} {resource.path} has {what}"
            for resource in kept.resources
            for method in resource.methods.values()
            if method.integration and (what := _unserved(method.integration))
        ]
        if unserved:
            self._warn(api.id, f"{'; '.join(unserved)}: requests to them are answered 500; {SERVED}")

    # -- which API and stage -----------------------------------------------------------------------------------------

    async def handle(self, host: str, backend: Any, api: Any, request: HttpRequest) -> HttpResponse:
        """Answer one request to an API's own host."""
        stage, _, rest = request.raw_path.lstrip("/").partition("/")
        if api.disableExecuteApiEndpoint:
            return self._forbid(api.id, f"the default endpoint of {api.name} is disabled")
        return await self._handle(host, backend, api, stage, f"/{rest}", request)

    async def handle_domain(self, host: str, backend: Any, request: HttpRequest) -> HttpResponse:
        """Answer one request to a custom domain name: its base path mappings say which API and stage is meant."""
        mappings = backend.base_path_mappings.get(host, {})
        first, _, rest = request.raw_path.lstrip("/").partition("/")
        mapping, path = (
            (mappings[first], f"/{rest}") if first in mappings else (mappings.get("(none)"), request.raw_path)
        )
        api = None if mapping is None else backend.apis.get(mapping.rest_api_id)
        if mapping is None or api is None:
            return self._forbid(host, f"no base path of {host} is for {request.raw_path}")
        stage = mapping.stage
        if not stage:
            stage, _, rest = path.lstrip("/").partition("/")
            path = f"/{rest}"
        return await self._handle(host, backend, api, stage, path, request)

    def _forbid(self, resource: str, reason: str) -> HttpResponse:
        return self._gateway.lose(FORBIDDEN, self._world.name_of(resource), self._gateway.request_id(), reason)

    async def _handle(
        self, host: str, backend: Any, api: Any, stage_name: str, path: str, request: HttpRequest
    ) -> HttpResponse:
        stage = api.stages.get(stage_name)
        deployed = None if stage is None else self._deployed.get((api.id, stage.deployment_id))
        if deployed is None:
            known = ", ".join(api.stages) or "none"
            return self._forbid(api.id, f"there is no stage {stage_name!r} for {request.raw_path}; stages: {known}")
        request_id = self._gateway.request_id()
        response = await self._in_stage(host, backend, deployed, stage, path, request, request_id)
        marks = (("x-amzn-RequestId", request_id), ("x-amz-apigw-id", events.extended_id(request_id)))
        return replace(response, headers=(*response.headers, *marks))

    async def _in_stage(
        self,
        host: str,
        backend: Any,
        api: RestSnapshot,
        stage: Any,
        path: str,
        request: HttpRequest,
        request_id: str,
    ) -> HttpResponse:
        name = self._world.name_of(api.api_id)
        if request.headers_size > HEADERS_BYTES_MAX:
            reason = f"the headers have more than {HEADERS_BYTES_MAX} bytes"
            return self._gateway.lose(LONG_HEADERS, name, request_id, reason)
        known = {
            **events.request_context(request, request_id, self._world.clock.now()),
            "apiId": api.api_id,
            "path": request.raw_path,
            "stage": stage.name,
        }
        try:
            exchange = self._exchange(host, api, stage, path, request, request_id)
        except GatewayRefusal as refusal:
            response = self._said(refusal, api, request, known, {})
            return self._gateway.lose(response, name, request_id, refusal.reason)
        record = self._accept(exchange, name)
        try:
            return await self._through(exchange, backend, record)
        except GatewayRefusal as refusal:
            response = self._said(refusal, api, request, exchange.context, exchange.variables)
            if record is None:
                return self._gateway.lose(response, name, request_id, refusal.reason)
            return self._gateway.note(response, record, request_id, refusal.reason)

    def _accept(self, exchange: Exchange, name: str) -> int | None:
        """A record of the request, unless API Gateway answers it alone, as a preflight: then there is nothing to follow."""
        method = exchange.match.method
        is_mock = method.integration is not None and method.integration.type == "MOCK"
        if is_mock and method.authorization != "CUSTOM":
            return None
        path, request_id = unquote(exchange.context["path"]), exchange.request_id
        return self._gateway.accept(name, exchange.request, request_id=request_id, route=exchange.route, path=path)

    def _exchange(
        self, host: str, api: RestSnapshot, stage: Any, path: str, request: HttpRequest, request_id: str
    ) -> Exchange:
        """What a request is, once its method is found."""
        world = self._world
        match = rest_routes.find(api, request.method, path)
        if match is None:
            known = ", ".join(f"{name} {one.path}" for one in api.resources for name in one.methods) or "none"
            reason = f"no method for {request.method} {path}; deployed: {known}"
            raise GatewayRefusal("MISSING_AUTHENTICATION_TOKEN", reason)
        if len(request.body) > PAYLOAD_BYTES_MAX:
            raise GatewayRefusal("REQUEST_TOO_LARGE", f"the body has more than {PAYLOAD_BYTES_MAX} bytes")
        now = world.clock.now()
        arrived = events.forwarded(replace(request, headers=without_hop_headers(request)), request_id, now)
        return Exchange(
            api=api,
            stage=stage,
            request=arrived,
            match=match,
            path=path,
            request_id=request_id,
            context=new_context(
                arrived,
                match,
                account=world.account,
                api_id=api.api_id,
                stage=stage,
                host=host,
                path=request.raw_path,
                request_id=request_id,
                now=now,
            ),
            arn=f"arn:aws:execute-api:{world.region}:{world.account}:{api.api_id}/{stage.name}/{request.method}{path}",
        )

    # -- who may, and how often --------------------------------------------------------------------------------------

    async def _through(self, exchange: Exchange, backend: Any, record: int | None) -> HttpResponse:
        caller = await self._authorizers.judge(exchange, record)
        if caller.context is not None:
            exchange.context["authorizer"] = dict(caller.context)
        exchange.context["identity"] |= caller.identity
        self._admit(exchange, backend, caller.usage_key)
        request_validation.check(exchange.api, exchange.match.method, exchange.request, exchange.match.path_parameters)
        integration = exchange.match.method.integration
        if integration is None:
            raise GatewayRefusal("API_CONFIGURATION_ERROR", f"{exchange.route} has no integration")
        return await self._integrate(exchange, integration, record)

    def _admit(self, exchange: Exchange, backend: Any, usage_key: str | None) -> None:
        """Hold a request against its usage plan, its stage's throttles and the account's, in this order (§8.4)."""
        if not exchange.match.method.needs_key:
            self._check_limits(exchange, exchange.limits)
            return
        api, stage, match = exchange.api, exchange.stage, exchange.match
        value = usage_key if api.key_source == "AUTHORIZER" else exchange.request.header("x-api-key")
        key, plan = usage_plans.find(backend, value, api.api_id, stage.name, self._world.name_of)
        limits = usage_plans.limits(plan, key, api.api_id, stage.name, match.resource.path, match.method.name)
        exchange.context["identity"] |= {"apiKey": value, "apiKeyId": key.id}
        self._check_limits(exchange, limits + exchange.limits)
        self._plans.count(plan, key, self._world.clock.now(), self._world.name_of(key.id))

    def _check_limits(self, exchange: Exchange, limits: list[tuple[tuple[str, ...], Limit]]) -> None:
        if not self._gateway.admit(*limits):
            raise GatewayRefusal("THROTTLED", f"{exchange.route} has more requests than its limits")

    # -- what stands behind a method ---------------------------------------------------------------------------------

    async def _integrate(self, exchange: Exchange, integration: RestIntegration, record: int | None) -> HttpResponse:
        what = _unserved(integration)
        function = routes.function_arn(integration.uri, exchange.variables)
        if what is None and integration.type == "MOCK":
            parameters = exchange.match.path_parameters
            return mock_integrations.answer(
                integration, exchange.request, exchange.context, exchange.variables, parameters
            )
        if what is None and function is not None:
            return await self._invoke(exchange, function, integration.timeout_s, record)
        reason = f"{exchange.route} has {what or f'the URI {integration.uri}, which names no function'}; {SERVED}"
        self._warn(exchange.api.api_id, reason)
        raise GatewayRefusal("API_CONFIGURATION_ERROR", reason)

    def _warn(self, api_id: str, message: str) -> None:
        """Say by name what the local stage does not do."""
        self._world.journal.write("warning", self._world.name_of(api_id), message=message)

    async def _invoke(self, exchange: Exchange, function: str, timeout_s: float, record: int | None) -> HttpResponse:
        """The function's answer; what goes wrong becomes API Gateway's own (§8.4)."""
        try:
            outcome = await self._gateway.invoke(
                function,
                exchange.event(),
                request_id=exchange.request_id,
                cause=record,
                name=f"{exchange.route} of {exchange.api.name}",
                timeout_s=timeout_s,
            )
        except TookTooLong as too_long:
            raise GatewayRefusal("INTEGRATION_TIMEOUT", f"the function took longer than {too_long}") from None
        except ApiError as refusal:
            kind = "REQUEST_TOO_LARGE" if refusal.status == 413 else "DEFAULT_5XX"
            raise GatewayRefusal(kind, refusal.message) from None
        return self._translate(exchange, outcome)

    def _translate(self, exchange: Exchange, outcome: Outcome) -> HttpResponse:
        failure = f"{outcome.error_type}: {outcome.error_message}" if outcome.failed else None
        response = None if failure else answers.of_rest_api(outcome.payload, binary=exchange.wants_binary)
        if response is not None:
            return response
        not_text = not failure and answers.has_object_body(outcome.payload)
        status = self._world.assumptions.rest_object_body_status if not_text else FUNCTION_FAILED
        refusal = GatewayRefusal("DEFAULT_5XX", failure or "the function's answer is malformed", status=status)
        response = self._said(refusal, exchange.api, exchange.request, exchange.context, exchange.variables)
        return self._gateway.note(response, outcome.record, exchange.request_id, refusal.reason)

    def _said(
        self,
        refusal: GatewayRefusal,
        api: RestSnapshot,
        request: HttpRequest,
        context: dict[str, Any],
        variables: dict[str, str],
    ) -> HttpResponse:
        """A refusal as the API words it; where its gateway response has a template with logic, as AWS does."""
        try:
            return gateway_responses.response(refusal, api.gateway_answers, request, context, variables)
        except expressions.NotServed as logic:
            self._warn(
                api.api_id, f"its gateway response for {refusal.kind} has {logic}, which the local stage does not serve"
            )
            return gateway_responses.response(refusal, {}, request, context, variables)


def _unserved(integration: RestIntegration) -> str | None:
    """What of an integration the local stage does not do, or None."""
    if integration.type not in ("AWS_PROXY", "MOCK"):
        return f"an integration of type {integration.type} ({integration.uri or 'no URI'})"
    answers = (text or "" for answer in integration.answers for text in answer.templates.values())
    templates = [*integration.templates.values(), *answers] if integration.type == "MOCK" else []
    logic = next(filter(None, map(expressions.logic_in, templates)), None)
    return None if logic is None else f"a template with {logic}"
