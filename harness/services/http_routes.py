"""Which integration of an HTTP API a request goes to, and its CORS rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stagefright.services.http_message import HttpRequest, HttpResponse

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
    function_arn: str
    payload_version: str
    timeout_s: float | None
    authorization: str = "NONE"
    """`NONE`, `JWT`, `CUSTOM` or `AWS_IAM`."""
    authorizer_id: str | None = None
    scopes: tuple[str, ...] = ()


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
    uri = re.sub(r"\$\{stageVariables\.(\w+)\}", lambda m: variables.get(m[1], ""), integration.integration_uri or "")
    function = function_arn(uri)
    if function is None:
        return None
    timeout_ms = integration.timeout_in_millis
    return Match(
        route_key=route_key,
        stage=stage.name,
        path=path,
        path_parameters=parameters,
        stage_variables=variables,
        function_arn=function,
        payload_version=integration.payload_format_version or "1.0",
        timeout_s=timeout_ms / 1000 if timeout_ms else None,
        authorization=route.authorization_type or "NONE",
        authorizer_id=route.authorizer_id,
        scopes=tuple(route.authorization_scopes or ()),
    )


def function_arn(uri: str) -> str | None:
    """The function that the URI of an integration or an authorizer names."""
    found = _FUNCTION_ARN.search(uri)
    return found[1] if found else None


# -- CORS ------------------------------------------------------------------------------------------------------------


def preflight(cors: Mapping[str, Any] | None, request: HttpRequest) -> HttpResponse | None:
    """API Gateway's own answer to a preflight request, if CORS is configured."""
    asked = request.header("access-control-request-method")
    if not cors or request.method != "OPTIONS" or asked is None:
        return None
    return with_cors(cors, request, HttpResponse(204))


def with_cors(cors: Mapping[str, Any] | None, request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """
    A response with the CORS headers of the API.

    An API that has CORS settings ignores the function's own headers (AWS guide, http-api-cors), also for origins that it does not allow.
    """
    if not cors:
        return response
    kept = tuple(pair for pair in response.headers if not pair[0].lower().startswith("access-control-"))
    return replace(response, headers=(*kept, *_cors_headers(cors, request.header("origin"))))


def _cors_headers(cors: Mapping[str, Any], origin: str | None) -> list[tuple[str, str]]:
    allowed = _option(cors, "allowOrigins") or []
    if origin is None or ("*" not in allowed and origin not in allowed):
        return []
    headers = [("access-control-allow-origin", "*" if "*" in allowed else origin)]
    lists = (
        ("access-control-allow-methods", "allowMethods"),
        ("access-control-allow-headers", "allowHeaders"),
        ("access-control-expose-headers", "exposeHeaders"),
    )
    headers += [(header, ",".join(values)) for header, name in lists if (values := _option(cors, name))]
    if _option(cors, "allowCredentials"):
        headers.append(("access-control-allow-credentials", "true"))
    if (age := _option(cors, "maxAge")) is not None:
        headers.append(("access-control-max-age", str(age)))
    return headers


def _option(cors: Mapping[str, Any], name: str) -> Any:
    """CORS settings come in lower camel case from the API, and in upper from CloudFormation."""
    return cors.get(name, cors.get(name[0].upper() + name[1:]))
