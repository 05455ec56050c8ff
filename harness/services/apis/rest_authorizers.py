"""
Who may call a method of a REST API: Lambda authorizers (TOKEN, REQUEST), user pools and IAM.

What a Lambda authorizer answers is remembered for `authorizerResultTtlInSeconds` by the values of its identity sources, in virtual
time; the remembered policy is held against each method anew (API Gateway guide, apigateway-use-lambda-authorizer). A user pool's
token is read as a JWT authorizer reads one: its signature is not checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.services.apis import authorizers, expressions, routes
from stagefright.services.apis.gateway import Gateway, TookTooLong
from stagefright.services.apis.gateway_responses import GatewayRefusal
from stagefright.services.apis.rest_model import INTEGRATION_TIMEOUT_MS, RestAuthorizer, RestMethod

if TYPE_CHECKING:
    from stagefright.services.apis.rest_exchange import Exchange

DEFAULT_SOURCE = "method.request.header.Authorization"
EXPLICIT_DENY = "User is not authorized to access this resource with an explicit deny"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who may pass, and what the function learns of it."""

    context: Mapping[str, Any] | None = None
    """For `requestContext.authorizer`."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """For `requestContext.identity`."""
    usage_key: str | None = None
    """The API key that the authorizer named."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What a Lambda authorizer answered."""

    policy: Any
    context: Mapping[str, Any]
    usage_key: str | None


class RestAuthorizers:
    """Asks the authorizer of a method."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._world = gateway.world

    async def judge(self, exchange: Exchange, record: int | None) -> Caller:
        """Who calls; raises `GatewayRefusal` for a caller who may not."""
        method = exchange.match.method
        if method.authorization == "NONE":
            return Caller()
        if method.authorization == "AWS_IAM":
            return self._signed(exchange)
        authorizer = exchange.api.authorizers.get(method.authorizer_id or "")
        if authorizer is None:
            gone = f"{exchange.route} names the authorizer {method.authorizer_id}, which the deployment does not have"
            raise GatewayRefusal("AUTHORIZER_CONFIGURATION_ERROR", gone)
        identity = self._identity(authorizer, exchange)
        if authorizer.type == "COGNITO_USER_POOLS":
            return Caller({"claims": _claims(authorizer, identity[0], method, self._world.clock.now())})
        return await self._ask_once(authorizer, identity, exchange, record)

    def _signed(self, exchange: Exchange) -> Caller:
        key = authorizers.access_key_of(exchange.request)
        if key is None:
            raise GatewayRefusal("MISSING_AUTHENTICATION_TOKEN", authorizers.UNSIGNED)
        account = self._world.account
        arn = f"arn:aws:iam::{account}:root"
        return Caller(identity={"accessKey": key, "accountId": account, "caller": key, "user": key, "userArn": arn})

    def _identity(self, authorizer: RestAuthorizer, exchange: Exchange) -> list[str]:
        """The values of the identity sources; without one of them nobody is asked."""
        found = []
        sources = authorizer.identity_sources or (() if authorizer.type == "REQUEST" else (DEFAULT_SOURCE,))
        for source in sources:
            value = expressions.value_of(source, exchange.request, exchange.context, exchange.variables, {})
            if not value:
                raise GatewayRefusal("UNAUTHORIZED", f"{authorizer.name}: the identity source {source} is missing")
            found.append(value)
        if authorizer.type != "REQUEST" and authorizer.validation and not re.match(authorizer.validation, found[0]):
            said = f"{authorizer.name}: the token does not match {authorizer.validation}"
            raise GatewayRefusal("UNAUTHORIZED", said)
        return found

    async def _ask_once(
        self, authorizer: RestAuthorizer, identity: list[str], exchange: Exchange, record: int | None
    ) -> Caller:
        ttl_s = authorizer.ttl_s if identity else 0
        key = ("rest", exchange.api.api_id, exchange.stage.name, authorizer.id, *identity)
        said: _Said | None = self._gateway.recall(key) if ttl_s else None
        latency_ms = 0
        if said is None:
            began = self._world.clock.now()
            said = _read(authorizer, await self._ask(authorizer, identity, exchange, record))
            latency_ms = round((self._world.clock.now() - began) * 1000)
            self._gateway.remember(key, said, ttl_s)
        _hold_against(authorizer, said.policy, exchange.arn)
        return Caller({**said.context, "integrationLatency": latency_ms}, usage_key=said.usage_key)

    async def _ask(
        self, authorizer: RestAuthorizer, identity: list[str], exchange: Exchange, record: int | None
    ) -> bytes:
        function = routes.function_arn(authorizer.uri, exchange.variables)
        if function is None:
            raise _misconfigured(authorizer, f"{authorizer.uri} is not a function")
        try:
            outcome = await self._gateway.invoke(
                function,
                _question(authorizer, identity, exchange),
                request_id=self._gateway.request_id(),
                cause=record,
                name=f"the authorizer {authorizer.name}",
                timeout_s=INTEGRATION_TIMEOUT_MS[1] / 1000,
            )
        except TookTooLong as too_long:
            late = f"{authorizer.name}: the authorizer took longer than {too_long}"
            raise GatewayRefusal("AUTHORIZER_FAILURE", late) from None
        except ApiError as refusal:
            raise _misconfigured(authorizer, refusal.message) from None
        if outcome.failed and outcome.error_message == "Unauthorized":
            raise GatewayRefusal("UNAUTHORIZED", f"{authorizer.name}: the authorizer raised Unauthorized")
        if outcome.failed:
            failure = f"{outcome.error_type}: {outcome.error_message}"
            raise _misconfigured(authorizer, f"the authorizer failed with {failure}")
        return outcome.payload


def _misconfigured(authorizer: RestAuthorizer, reason: str) -> GatewayRefusal:
    return GatewayRefusal("AUTHORIZER_CONFIGURATION_ERROR", f"{authorizer.name}: {reason}")


def _question(authorizer: RestAuthorizer, identity: list[str], exchange: Exchange) -> dict[str, Any]:
    """What a Lambda authorizer is asked: a token, or the request without its body."""
    if authorizer.type == "TOKEN":
        return {"type": "TOKEN", "methodArn": exchange.arn, "authorizationToken": identity[0]}
    event = exchange.event()
    asked = {name: value for name, value in event.items() if name not in ("body", "isBase64Encoded")}
    return {"type": "REQUEST", "methodArn": exchange.arn, **asked}


def _read(authorizer: RestAuthorizer, payload: bytes) -> _Said:
    """A Lambda authorizer's answer; raises `GatewayRefusal` if it is none."""
    answer = json.loads(payload)
    principal = answer.get("principalId") if isinstance(answer, dict) else None
    policy = answer.get("policyDocument") if isinstance(answer, dict) else None
    if principal is None or authorizers.effects_on(policy, "") is None:
        wanted = "it needs a principalId and a policyDocument with statements"
        raise _misconfigured(authorizer, f"the authorizer's answer is malformed: {wanted}")
    context = answer.get("context") or {}
    if not isinstance(context, dict) or any(isinstance(value, dict | list) for value in context.values()):
        wanted = "its context may hold texts, numbers and booleans only"
        raise _misconfigured(authorizer, f"the authorizer's answer is malformed: {wanted}")
    shown = {name: _text(value) for name, value in context.items()}
    return _Said(policy, {**shown, "principalId": str(principal)}, answer.get("usageIdentifierKey"))


def _text(value: Any) -> str | None:
    """A value of the context as the function sees it: always text."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _hold_against(authorizer: RestAuthorizer, policy: Any, arn: str) -> None:
    effects = authorizers.effects_on(policy, arn) or set()
    if "Deny" in effects:
        reason = f"{authorizer.name}: the authorizer's policy denies {arn}"
        raise GatewayRefusal("ACCESS_DENIED", reason, message=EXPLICIT_DENY)
    if "Allow" not in effects:
        raise GatewayRefusal("ACCESS_DENIED", f"{authorizer.name}: the authorizer's policy does not allow {arn}")


# -- user pools ------------------------------------------------------------------------------------------------------


def _claims(authorizer: RestAuthorizer, token: str, method: RestMethod, now: float) -> dict[str, str]:
    """The claims of a user pool's token, as text; raises `GatewayRefusal` for a token that is not good."""
    claims = authorizers.read_claims(token)
    if claims is None:
        raise GatewayRefusal("UNAUTHORIZED", f"{authorizer.name}: the token is not a JSON Web Token")
    wrong = _wrong_pool(authorizer, claims) or _wrong_use(claims, method)
    if wrong is not None:
        raise GatewayRefusal("UNAUTHORIZED", f"{authorizer.name}: {wrong}")
    late = next(authorizers.faults_of_times(claims, now), None)
    if late is not None:
        expired = "The incoming token has expired" if "expired" in late else None
        raise GatewayRefusal("UNAUTHORIZED", f"{authorizer.name}: {late}", message=expired)
    missing = authorizers.missing_scopes(authorizers.scopes_of(claims), list(method.scopes))
    if missing is not None:
        raise GatewayRefusal("ACCESS_DENIED", f"{authorizer.name}: {missing}")
    return authorizers.claims_as_text(claims)


def _wrong_pool(authorizer: RestAuthorizer, claims: Mapping[str, Any]) -> str | None:
    issuers = [_issuer(arn) for arn in authorizer.provider_arns]
    if claims.get("iss") in issuers:
        return None
    return f"the token's iss is {claims.get('iss')!r}; expected {' or '.join(issuers)}"


def _issuer(arn: str) -> str:
    """
    The issuer that a user pool writes into its tokens.

    >>> _issuer("arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc")
    'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc'
    """
    region = (arn.split(":") + [""] * 4)[3]
    return f"https://cognito-idp.{region}.amazonaws.com/{arn.rpartition('/')[2]}"


def _wrong_use(claims: Mapping[str, Any], method: RestMethod) -> str | None:
    """A method with scopes takes access tokens, one without takes identity tokens."""
    wanted = "access" if method.scopes else "id"
    given = claims.get("token_use")
    return None if given in (None, wanted) else f"the token's token_use is {given!r}; expected {wanted!r}"
