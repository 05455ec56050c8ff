"""
Who may call a route of an HTTP API: JWT authorizers, Lambda authorizers and IAM.

A JSON Web Token is read and held to its issuer, audience, times and scopes, but its signature is not checked: the issuer's
keys are out of reach, and tests make their tokens themselves. Likewise a request to a route with IAM authorization must be
signed, but whose signature it is does not matter. A Lambda authorizer is asked anew each time; verdicts are not cached.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from stagefright.services.http_message import HttpRequest, HttpResponse
from stagefright.services.http_routes import Match

UNAUTHORIZED = HttpResponse.message(401, "Unauthorized")
FORBIDDEN = HttpResponse.message(403, "Forbidden")
FAILED = HttpResponse.message(500, "Internal Server Error")
TIMEOUT_S = 10.0
"""The most that an HTTP API waits for an authorizer."""

_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 .*?Credential=([^/,\s]+)")


@dataclass(frozen=True, slots=True)
class Allowed:
    """A request that may pass, and what the function learns of its caller."""

    kind: str
    """`jwt`, `lambda` or `iam`: its place in `requestContext.authorizer`."""
    context: Mapping[str, Any]

    def shown(self, payload_version: str) -> dict[str, Any]:
        """As `requestContext.authorizer`; format 1.0 has one level less."""
        return dict(self.context) if payload_version == "1.0" else {self.kind: dict(self.context)}


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that may not pass: what its client is told, and why."""

    response: HttpResponse
    reason: str


Verdict = Allowed | Refused


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
        return request.header(name.lower())
    if where == "request.querystring":
        return dict(parse_qsl(request.query)).get(name)
    if where == "stageVariables":
        return match.stage_variables.get(name)
    value: Any = context
    for step in source.removeprefix("$context.").split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return None if value is None else str(value)


# -- JSON Web Tokens -------------------------------------------------------------------------------------------------


def judge_token(authorizer: Any, identity: str, scopes: Iterable[str], now: float) -> Verdict:
    """What a JWT authorizer says of a token."""
    claims = _claims(identity)
    settings = authorizer.jwt_config or {}
    wrong = "the token is not a JSON Web Token" if claims is None else next(_faults(claims, settings, now), None)
    if claims is None or wrong is not None:
        return Refused(UNAUTHORIZED, f"{authorizer.name}: {wrong}")
    wanted = list(scopes)
    held = _scopes(claims)
    if wanted and not held.intersection(wanted):
        missing = f"the token has none of the scopes {', '.join(wanted)}; it has: {', '.join(sorted(held)) or 'none'}"
        return Refused(FORBIDDEN, f"{authorizer.name}: {missing}")
    return Allowed("jwt", {"claims": {name: _text(value) for name, value in claims.items()}, "scopes": wanted or None})


def _claims(identity: str) -> dict[str, Any] | None:
    parts = re.sub(r"(?i)^bearer\s+", "", identity).strip().split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def _faults(claims: Mapping[str, Any], settings: Mapping[str, Any], now: float) -> Iterator[str]:
    issuer, audience = settings.get("issuer"), settings.get("audience") or []
    if claims.get("iss") != issuer:
        yield f"the token's iss is {claims.get('iss')!r}; expected {issuer!r}"
    # client_id counts only where there is no aud (AWS guide, http-api-jwt-authorizer).
    name = "aud" if "aud" in claims else "client_id"
    given = claims.get(name)
    if not set(given if isinstance(given, list) else [given]).intersection(audience):
        yield f"the token's {name} is {given!r}; expected one of {', '.join(audience)}"
    for name in ("exp", "nbf", "iat"):
        at = claims.get(name)
        if at is None:
            continue
        if isinstance(at, bool) or not isinstance(at, int | float):
            yield f"the token's {name} is not a number: {at!r}"
        elif name == "exp" and at <= now:
            yield f"the token expired {now - at:g} s ago, by the stage's clock"
        elif name != "exp" and at > now:
            yield f"the token's {name} is in the future, by the stage's clock"


def _scopes(claims: Mapping[str, Any]) -> set[str]:
    given = claims.get("scope", claims.get("scp")) or ()
    return set(given.split() if isinstance(given, str) else map(str, given))


def _text(value: Any) -> str:
    """A claim as API Gateway hands it on: always text, lists in brackets."""
    if isinstance(value, list):
        return f"[{' '.join(_text(part) for part in value)}]"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


# -- IAM -------------------------------------------------------------------------------------------------------------


def judge_signature(request: HttpRequest, account: str) -> Verdict:
    """Whether a request is signed."""
    signed = _CREDENTIAL.match(request.header("authorization") or "")
    query = dict(parse_qsl(request.query))
    key = signed[1] if signed else query.get("X-Amz-Credential", "").partition("/")[0]
    if not key:
        return Refused(FORBIDDEN, "AWS_IAM: the request is not signed (Signature Version 4)")
    caller = {"accessKey": key, "accountId": account, "callerId": key, "cognitoIdentity": None, "principalOrgId": None}
    return Allowed("iam", {**caller, "userArn": f"arn:aws:iam::{account}:root", "userId": key})


# -- Lambda authorizers ----------------------------------------------------------------------------------------------


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
    policy = answer.get("policyDocument")
    statements = _several(policy.get("Statement")) if isinstance(policy, dict) else []
    if not statements or not all(isinstance(statement, dict) for statement in statements):
        return None
    effects = {statement.get("Effect") for statement in statements if _covers(statement, arn)}
    return "Allow" in effects and "Deny" not in effects


def _covers(statement: Mapping[str, Any], arn: str) -> bool:
    actions, resources = _several(statement.get("Action")), _several(statement.get("Resource"))
    return any(_is_like(action.lower(), "execute-api:invoke") for action in actions) and any(
        _is_like(resource, arn) for resource in resources
    )


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_like(pattern: Any, text: str) -> bool:
    """
    Whether a policy's pattern, with `*` and `?`, fits.

    >>> _is_like("arn:*/GET/*", "arn:x/$default/GET/posts"), _is_like("a?", "abc")
    (True, False)
    """
    return re.fullmatch(re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None
