"""Which integration of an HTTP API a request goes to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.services.apis.message import HttpRequest

DEFAULT_STAGE = "$default"
_FUNCTION_ARN = re.compile(r"(arn:aws[\w-]*:lambda:[\w-]*:\d+:function:[^/]+?)(?:/invocations)?$")


@dataclass(frozen=True, slots=True)
class Match:
    """What a request was matched with."""

    route_key: str
    stage: str
    path: str
    """As the client asked for it, with the stage."""
    path_parameters: dict[str, str]
    stage_variables: dict[str, str]
    function_arn: str | None
    """None for an integration that is not a function."""
    payload_version: str
    timeout_s: float | None
    authorization: str = "NONE"
    """`NONE`, `JWT`, `CUSTOM` or `AWS_IAM`."""
    authorizer_id: str | None = None
    scopes: tuple[str, ...] = ()
    integration: str = "AWS_PROXY"
    """Its type and URI, for people."""


def find(api: Any, request: HttpRequest) -> Match | None:
    """
    The most specific route that matches: an exact path, then one with variables, then a greedy one, then `$default`.

    A method beats `ANY` on the same path.
    """
    stage, path = _stage_of(api, request.path)
    if stage is None:
        return None
    candidates = sorted(_candidates(api, request.method, path), key=lambda candidate: candidate[0])
    for _, route_key, parameters, route in candidates:
        match = _match(api, route, stage, request.path, route_key, parameters)
        if match is not None:
            return match
    return None


def _stage_of(api: Any, path: str) -> tuple[Any, str]:
    first, _, rest = path.lstrip("/").partition("/")
    if first in api.stages and first != DEFAULT_STAGE:
        return api.stages[first], f"/{rest}"
    return api.stages.get(DEFAULT_STAGE), path


def _candidates(api: Any, method: str, path: str) -> Iterator[tuple[tuple[int, ...], str, dict[str, str], Any]]:
    for route in api.routes.values():
        if route.route_key == "$default":
            yield (9,), "$default", {}, route
            continue
        route_method, _, template = route.route_key.partition(" ")
        if route_method not in (method, "ANY"):
            continue
        parameters = _path_parameters(template, path)
        if parameters is not None:
            variables, greedy = template.count("{"), "+}" in template
            rank = (1 if greedy else 0, variables, -len(template), route_method == "ANY")
            yield rank, route.route_key, parameters, route


def _path_parameters(template: str, path: str) -> dict[str, str] | None:
    """
    The variables of a path, or None if it does not match.

    >>> _path_parameters("/users/{id}", "/users/amy")
    {'id': 'amy'}
    >>> _path_parameters("/{proxy+}", "/a/b")
    {'proxy': 'a/b'}
    """
    pattern = re.sub(r"\\{(\w+)\\\+\\}", r"(?P<\1>.+)", re.escape(template))
    pattern = re.sub(r"\\{([\w\\.-]+)\\}", lambda m: f"(?P<{_group(m[1])}>[^/]+)", pattern)
    found = re.fullmatch(pattern, path if path == "/" else path.rstrip("/")) or re.fullmatch(pattern, path)
    if found is None:
        return None
    names = re.findall(r"\{([^}+]+)\+?\}", template)
    return dict(zip(names, found.groups(), strict=True))


def _group(name: str) -> str:
    return "v_" + re.sub(r"\W", "_", name)


def _match(api: Any, route: Any, stage: Any, path: str, route_key: str, parameters: dict[str, str]) -> Match | None:
    integration = api.integrations.get((route.target or "").partition("/")[2])
    if integration is None:
        return None
    variables = {str(name): str(value) for name, value in (stage.stage_variables or {}).items()}
    uri = integration.integration_uri or ""
    timeout_ms = integration.timeout_in_millis
    return Match(
        route_key=route_key,
        stage=stage.name,
        path=path,
        path_parameters=parameters,
        stage_variables=variables,
        function_arn=function_arn(uri, variables),
        payload_version=integration.payload_format_version or "1.0",
        timeout_s=timeout_ms / 1000 if timeout_ms else None,
        authorization=route.authorization_type or "NONE",
        authorizer_id=route.authorizer_id,
        scopes=tuple(route.authorization_scopes or ()),
        integration=f"{integration.integration_type} ({uri or 'no URI'})",
    )


def function_arn(uri: str, variables: Mapping[str, str]) -> str | None:
    """
    The function that the URI of an integration or an authorizer names, with the stage's variables in it.

    >>> function_arn("arn:aws:lambda:us-east-1:1:function:${stageVariables.fn}", {"fn": "shop:live"})
    'arn:aws:lambda:us-east-1:1:function:shop:live'
    """
    filled = re.sub(r"\$\{stageVariables\.(\w+)\}", lambda m: variables.get(m[1], ""), uri)
    found = _FUNCTION_ARN.search(filled)
    return found[1] if found else None
