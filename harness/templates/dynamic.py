"""
Dynamic references: `{{resolve:ssm:name:1}}` and its kind, alone or inside a longer text.

They are resolved after the intrinsics, as CloudFormation does it, because an intrinsic often writes one:
`!Sub "{{resolve:secretsmanager:${Secret}:SecretString:password}}"`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from stagefright.errors import nearest
from stagefright.templates.lookup import NO_VALUE, UNKNOWN
from stagefright.templates.resolver import Resolver

_REFERENCE = re.compile(r"\{\{resolve:([^{}]*)\}\}")


def resolve_fully(resolver: Resolver, value: Any) -> Any:
    """The value without intrinsics and without dynamic references; None if it is `AWS::NoValue`."""
    resolved = resolve_dynamic(resolver, resolver.resolve(value))
    return None if resolved is NO_VALUE else resolved


def resolve_dynamic(resolver: Resolver, value: Any) -> Any:
    """The value with every dynamic reference in it replaced by what it refers to."""
    if isinstance(value, str):
        return _text(resolver, value) if "{{resolve:" in value else value
    if isinstance(value, dict):
        return {key: resolve_dynamic(resolver, item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_dynamic(resolver, item) for item in value]
    return value


def _text(resolver: Resolver, text: str) -> Any:
    pieces: list[Any] = _REFERENCE.split(text)
    pieces[1::2] = [_referred(resolver, reference) for reference in pieces[1::2]]
    return UNKNOWN if any(piece is UNKNOWN for piece in pieces) else "".join(pieces)


def _referred(resolver: Resolver, reference: str) -> Any:
    service, _, rest = reference.partition(":")
    ask = _SERVICES.get(service)
    if ask is None:
        raise resolver.wrong(
            f"{{{{resolve:{reference}}}}} asks for the service {service}. {nearest(service, _SERVICES)}"
        )
    return ask(resolver, rest)


def _ssm(resolver: Resolver, rest: str) -> Any:
    return resolver.lookup.ssm(*_name_and_version(resolver, rest, "ssm"), False)


def _ssm_secure(resolver: Resolver, rest: str) -> Any:
    return resolver.lookup.ssm(*_name_and_version(resolver, rest, "ssm-secure"), True)


def _name_and_version(resolver: Resolver, rest: str, service: str) -> tuple[str, str | None]:
    matched = re.fullmatch(r"([A-Za-z0-9_.\-/]+)(?::(\d+))?", rest)
    if matched is None:
        raise resolver.wrong(
            f"{{{{resolve:{service}:{rest}}}}} is not of the form {{{{resolve:{service}:name}}}} "
            f"or {{{{resolve:{service}:name:version}}}}."
        )
    return matched[1], matched[2]


def _secret(resolver: Resolver, rest: str) -> Any:
    secret_id, parts = _secret_parts(rest)
    if not secret_id or len(parts) > 4 or (parts and parts[0] not in {"SecretString", ""}):
        raise resolver.wrong(
            f"{{{{resolve:secretsmanager:{rest}}}}} is not of the form "
            "{{resolve:secretsmanager:secret-id:SecretString:json-key:version-stage:version-id}}."
        )
    key, stage, version = (part or None for part in (*parts[1:], "", "", "")[:3])
    return resolver.lookup.secret(secret_id, key, stage, version)


def _secret_parts(rest: str) -> tuple[str, list[str]]:
    # A secret's ARN has seven parts of its own.
    parts = rest.split(":")
    length = 7 if rest.startswith("arn:") else 1
    return ":".join(parts[:length]), parts[length:]


_SERVICES: dict[str, Callable[[Resolver, str], Any]] = {
    "secretsmanager": _secret,
    "ssm": _ssm,
    "ssm-secure": _ssm_secure,
}
