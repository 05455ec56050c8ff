"""
Who may call a route of an HTTP API: JWT authorizers, Lambda authorizers and IAM.

A Lambda authorizer with `authorizerResultTtlInSeconds` is asked once for the same identity, in virtual time; without it, or
without identity sources, it is asked anew each time (API Gateway guide, http-api-lambda-authorizer).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services.apis import authorizers, events, routes
from stagefright.services.apis.authorizers import Allowed, Refused, Verdict
from stagefright.services.apis.gateway import Gateway, TookTooLong
from stagefright.services.apis.message import HttpRequest, HttpResponse
from stagefright.services.apis.routes import Match

UNAUTHORIZED = HttpResponse.message(401, "Unauthorized")
FORBIDDEN = HttpResponse.message(403, "Forbidden")
FAILED = HttpResponse.message(500, "Internal Server Error")
TIMEOUT_S = 10.0
"""The most that an HTTP API waits for an authorizer."""


class HttpAuthorizers:
    """Asks the authorizer of a route."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._world = gateway.world

    async def judge(
        self, api: Any, match: Match, request: HttpRequest, context: Mapping[str, Any], record: int
    ) -> Verdict | None:
        """What a route's authorizer says; None if it has none."""
        if match.authorization == "NONE":
            return None
        if match.authorization == "AWS_IAM":
            return judge_signature(request, self._world.account)
        authorizer = api.authorizers.get(match.authorizer_id)
        if authorizer is None:
            return Refused(FAILED, f"{match.route_key} names the authorizer {match.authorizer_id}, which is gone")
        identity = identities(authorizer, match, request, context)
        if isinstance(identity, Refused):
            return identity
        if match.authorization == "JWT":
            token = identity[0] if identity else request.header("authorization") or ""
            return judge_token(authorizer, token, match.scopes, self._world.clock.now())
        return await self._ask_once(authorizer, identity, match, request, context, record)

    async def _ask_once(
        self,
        authorizer: Any,
        identity: list[str],
        match: Match,
        request: HttpRequest,
        context: Mapping[str, Any],
        record: int,
    ) -> Verdict:
        """Ask a Lambda authorizer, or recall what it said of this identity."""
        where = f"{context['apiId']}/{match.stage}/{request.method}{request.path}"
        arn = f"arn:aws:execute-api:{self._world.region}:{self._world.account}:{where}"
        ttl_s = int(authorizer.auth_result_ttl or 0) if identity else 0
        key = ("http", context["apiId"], match.stage, authorizer.id, *identity)
        payload = self._gateway.recall(key) if ttl_s else None
        if payload is None:
            payload = await self._ask(authorizer, identity, match, request, context["domainName"], arn, record)
        if isinstance(payload, Refused):
            return payload
        verdict = judge_answer(authorizer, payload, arn)
        if not (isinstance(verdict, Refused) and verdict.response is FAILED):
            self._gateway.remember(key, payload, ttl_s)
        return verdict

    async def _ask(
        self, authorizer: Any, identity: list[str], match: Match, request: HttpRequest, host: str, arn: str, record: int
    ) -> bytes | Refused:
        world, name = self._world, authorizer.name
        request_id = self._gateway.request_id()
        version = authorizer.auth_payload_format_version or "2.0"
        event = events.event(
            replace(match, payload_version=version),
            request,
            account=world.account,
            host=host,
            request_id=request_id,
            now=world.clock.now(),
        )
        function = routes.function_arn(authorizer.authorizer_uri or "", match.stage_variables)
        if function is None:
            return Refused(FAILED, f"{name}: {authorizer.authorizer_uri} is not a function")
        try:
            outcome = await self._gateway.invoke(
                function,
                question(authorizer, event, identity, arn),
                request_id=request_id,
                cause=record,
                name=f"the authorizer {name}",
                timeout_s=TIMEOUT_S,
            )
        except TookTooLong as too_long:
            return Refused(FAILED, f"{name}: the authorizer took longer than {too_long}")
        except ApiError as refusal:
            return Refused(FAILED, f"{name}: {refusal.message}")
        if outcome.failed:
            failure = f"{outcome.error_type}: {outcome.error_message}"
            return Refused(FAILED, f"{name}: the authorizer failed with {failure}")
        return outcome.payload


# -- identity sources ------------------------------------------------------------------------------------------------


def identities(authorizer: Any, match: Match, request: HttpRequest, context: Mapping[str, Any]) -> list[str] | Refused:
    """The values of an authorizer's identity sources, all of which must be there."""
    found = []
    for source in sources(authorizer):
        value = _identity(source, match, request, context)
        if not value:
            return Refused(UNAUTHORIZED, f"{authorizer.name}: the identity source {source} is missing")
        found.append(value)
    return found


def sources(authorizer: Any) -> list[str]:
    """Where an authorizer looks for the caller's identity; one string may hold several, separated by commas."""
    given = authorizer.identity_source or ()
    return [part.strip() for text in ([given] if isinstance(given, str) else given) for part in text.split(",")]


def _identity(source: str, match: Match, request: HttpRequest, context: Mapping[str, Any]) -> str | None:
    where, _, name = source.removeprefix("$").rpartition(".")
    if where == "request.header":
        return request.header(name)
    if where == "request.querystring":
        return dict(request.parameters).get(name)
    if where == "stageVariables":
        return match.stage_variables.get(name)
    value: Any = context
    for step in source.removeprefix("$context.").split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return None if value is None else str(value)


# -- verdicts --------------------------------------------------------------------------------------------------------


def judge_token(authorizer: Any, identity: str, scopes: Iterable[str], now: float) -> Verdict:
    """What a JWT authorizer says of a token."""
    claims = authorizers.read_claims(identity)
    settings = authorizer.jwt_config or {}
    wrong = "the token is not a JSON Web Token" if claims is None else next(_faults(claims, settings, now), None)
    if claims is None or wrong is not None:
        return Refused(UNAUTHORIZED, f"{authorizer.name}: {wrong}")
    wanted = list(scopes)
    missing = authorizers.missing_scopes(authorizers.scopes_of(claims), wanted)
    if missing is not None:
        return Refused(FORBIDDEN, f"{authorizer.name}: {missing}")
    return Allowed("jwt", {"claims": authorizers.claims_as_text(claims), "scopes": wanted or None})


def _faults(claims: Mapping[str, Any], settings: Mapping[str, Any], now: float) -> Iterator[str]:
    issuer, audience = settings.get("issuer"), settings.get("audience") or []
    if claims.get("iss") != issuer:
        yield f"the token's iss is {claims.get('iss')!r}; expected {issuer!r}"
    # client_id counts only where there is no aud (AWS guide, http-api-jwt-authorizer).
    name = "aud" if "aud" in claims else "client_id"
    given = claims.get(name)
    if not set(given if isinstance(given, list) else [given]).intersection(audience):
        yield f"the token's {name} is {given!r}; expected one of {', '.join(audience)}"
    yield from authorizers.faults_of_times(claims, now)


def judge_signature(request: HttpRequest, account: str) -> Verdict:
    """Whether a request is signed."""
    key = authorizers.access_key_of(request)
    if key is None:
        return Refused(FORBIDDEN, authorizers.UNSIGNED)
    caller = {"accessKey": key, "accountId": account, "callerId": key, "cognitoIdentity": None, "principalOrgId": None}
    return Allowed("iam", {**caller, "userArn": f"arn:aws:iam::{account}:root", "userId": key})


def question(authorizer: Any, event: Mapping[str, Any], identity: list[str], arn: str) -> dict[str, Any]:
    """What a Lambda authorizer is asked: the event of its payload format, without a body."""
    asked = {name: value for name, value in event.items() if name not in ("body", "isBase64Encoded")}
    if authorizer.auth_payload_format_version == "1.0":
        token = ",".join(identity)
        return {**asked, "type": "REQUEST", "methodArn": arn, "identitySource": token, "authorizationToken": token}
    return {**asked, "type": "REQUEST", "routeArn": arn, "identitySource": identity}


def judge_answer(authorizer: Any, payload: bytes, arn: str) -> Verdict:
    """What a Lambda authorizer's answer means."""
    answer = json.loads(payload)
    simple = bool(authorizer.enable_simple_response)
    allowed = _is_allowed(answer, arn, simple=simple) if isinstance(answer, dict) else None
    if allowed is None:
        wanted = "isAuthorized, true or false" if simple else "a policyDocument with statements"
        return Refused(FAILED, f"{authorizer.name}: the authorizer's answer is malformed: it needs {wanted}")
    if not allowed:
        return Refused(FORBIDDEN, f"{authorizer.name}: the authorizer said no")
    context = answer.get("context")
    return Allowed("lambda", context if isinstance(context, dict) else {})


def _is_allowed(answer: Mapping[str, Any], arn: str, *, simple: bool) -> bool | None:
    if simple:
        verdict = answer.get("isAuthorized")
        return verdict if isinstance(verdict, bool) else None
    effects = authorizers.effects_on(answer.get("policyDocument"), arn)
    return None if effects is None else "Allow" in effects and "Deny" not in effects
