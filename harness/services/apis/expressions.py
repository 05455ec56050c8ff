"""
The small part of API Gateway's mapping language that is served here: parameter mappings, and templates without logic.

A template may name `$context` and `$stageVariables`. What else the Velocity language has (`$input`, `$util`, `#set`, `#if`, ...)
is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stagefright.services.apis.message import HttpRequest

_VARIABLE = re.compile(r"\$(?:\{(context|stageVariables)\.([\w.-]+)\}|(context|stageVariables)\.(\w+(?:\.\w+)*))")
_LOGIC = re.compile(r"\$!?\{?(?:input|util)\b|#(?:set|if|else|elseif|end|foreach|define|macro)\b|\$!?\{?method\b")


class NotServed(Exception):
    """A template that needs more of the Velocity language than is served here."""


def logic_in(template: str) -> str | None:
    """The first thing in a template that is not served here, or None."""
    found = _LOGIC.search(template)
    return None if found is None else found[0]


def fill(template: str, context: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """
    A template with what it names; raises `NotServed` if it has logic.

    >>> fill('{"id": "$context.requestId"}', {"requestId": "r1"}, {})
    '{"id": "r1"}'
    """
    logic = logic_in(template)
    if logic is not None:
        raise NotServed(logic)

    def value(found: re.Match[str]) -> str:
        return _named(found[1] or found[3], found[2] or found[4], context, variables) or ""

    return _VARIABLE.sub(value, template)


def value_of(
    expression: str,
    request: HttpRequest,
    context: Mapping[str, Any],
    variables: Mapping[str, str],
    path_parameters: Mapping[str, str],
) -> str | None:
    """
    What a parameter mapping stands for: a static value in quotes, or a part of the request, its context or its stage.

    None if it is not there.
    """
    if len(expression) > 1 and expression.startswith("'") and expression.endswith("'"):
        return expression[1:-1]
    place, _, name = expression.partition(".")
    if place in ("context", "stageVariables"):
        return _named(place, name, context, variables)
    where, _, name = expression.removeprefix("method.request.").partition(".")
    if where == "header":
        return request.header(name)
    if where == "querystring":
        return dict(request.parameters).get(name)
    return path_parameters.get(name) if where == "path" else None


def _named(place: str, name: str, context: Mapping[str, Any], variables: Mapping[str, str]) -> str | None:
    if place == "stageVariables":
        return variables.get(name)
    value: Any = context
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return None if value is None else str(value)
