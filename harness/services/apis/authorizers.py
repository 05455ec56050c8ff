"""
What the authorizers of HTTP APIs and REST APIs share: verdicts, JSON Web Tokens, signatures and policies.

A JSON Web Token is read and held to its issuer, audience, times and scopes, but its signature is not checked: the issuer's
keys are out of reach, and tests make their tokens themselves. Likewise a request to a route with IAM authorization must be
signed, but whose signature it is does not matter.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.services.apis.message import HttpRequest, HttpResponse

_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 .*?Credential=([^/,\s]+)")


@dataclass(frozen=True, slots=True)
class Allowed:
    """A request that may pass, and what the function learns of its caller."""

    kind: str
    """`jwt`, `lambda` or `iam`: its place in `requestContext.authorizer` of format 2.0."""
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


# -- JSON Web Tokens -------------------------------------------------------------------------------------------------


def read_claims(identity: str) -> dict[str, Any] | None:
    """The claims of a token, perhaps with `Bearer` before it; None if it is no JSON Web Token."""
    parts = re.sub(r"(?i)^bearer\s+", "", identity).strip().split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def faults_of_times(claims: Mapping[str, Any], now: float) -> Iterator[str]:
    """What is wrong with the times of a token, by the stage's clock."""
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


def scopes_of(claims: Mapping[str, Any]) -> set[str]:
    given = claims.get("scope", claims.get("scp")) or ()
    return set(given.split() if isinstance(given, str) else map(str, given))


def missing_scopes(held: set[str], wanted: list[str]) -> str | None:
    """Why the scopes of a token are not enough: one of those wanted is needed, if any are."""
    if not wanted or held.intersection(wanted):
        return None
    return f"the token has none of the scopes {', '.join(wanted)}; it has: {', '.join(sorted(held)) or 'none'}"


def claims_as_text(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as API Gateway hands them on: always text, lists in brackets."""
    return {name: _text(value) for name, value in claims.items()}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(_text(part) for part in value)}]"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


# -- IAM -------------------------------------------------------------------------------------------------------------


def access_key_of(request: HttpRequest) -> str | None:
    """Whose access key signed a request; None if it is not signed."""
    signed = _CREDENTIAL.match(request.header("authorization") or "")
    if signed:
        return signed[1]
    return dict(request.parameters).get("X-Amz-Credential", "").partition("/")[0] or None


UNSIGNED = "AWS_IAM: the request is not signed (Signature Version 4)"


# -- policies --------------------------------------------------------------------------------------------------------


def effects_on(policy: Any, arn: str) -> set[Any] | None:
    """What the statements of a Lambda authorizer's policy say of invoking an API's route; None if it is no policy."""
    statements = _several(policy.get("Statement")) if isinstance(policy, dict) else []
    if not statements or not all(isinstance(statement, dict) for statement in statements):
        return None
    return {statement.get("Effect") for statement in statements if _covers(statement, arn)}


def _covers(statement: Mapping[str, Any], arn: str) -> bool:
    actions = _several(statement.get("Action"))
    if not any(_is_like(str(action).lower(), "execute-api:invoke") for action in actions):
        return False
    if "NotResource" in statement:
        return not any(_is_like(resource, arn) for resource in _several(statement["NotResource"]))
    return any(_is_like(resource, arn) for resource in _several(statement.get("Resource")))


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_like(pattern: Any, text: str) -> bool:
    """
    Whether a policy's pattern, with `*` and `?`, fits.

    >>> _is_like("arn:*/GET/*", "arn:x/$default/GET/posts"), _is_like("a?", "abc")
    (True, False)
    """
    return re.fullmatch(re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None
