"""
URLs of a template's own APIs, as its functions are told them, in an emulator.

On AWS the host `{api}.execute-api.{region}.amazonaws.com` leads there. In an emulator that name leads nowhere; its own address does, with the
path `/_aws/execute-api/{api}/{stage}/`, which MiniStack and LocalStack both know. Outputs stay as they are: the stage's own session finds
its way (`api_endpoints.Apis.reroute`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HTTP_API, REST_API = "AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi"
STAGES = ("AWS::ApiGatewayV2::Stage",)

_SUB = re.compile(
    r"https?://\$\{(?P<api>\w+)\}\.execute-api\.(?:\$\{AWS::Region\}|[a-z0-9-]+)\.(?:\$\{AWS::URLSuffix\}|amazonaws\.com(?:\.cn)?)"
    r"(?P<path>/[^\s\"']*)?"
)
"""A URL of an API in the text of `Fn::Sub`."""


def with_own_urls(document: Mapping[str, Any], inside_url: str) -> dict[str, Any]:
    """
    The template with the URLs of its APIs as functions inside the emulator reach them.

    `inside_url` is where the emulator answers its own functions.
    """
    resources = document.get("Resources", {})
    rewriting = _Rewriting(
        {name: one.get("Type", "") for name, one in resources.items()}, _stage_names(resources), inside_url
    )
    return {**document, "Resources": rewriting.of(resources)}


def _stage_names(resources: Mapping[str, Any]) -> set[str]:
    """The names of the stages of HTTP APIs that are spelt out, and so part of a URL's path."""
    named = (one.get("Properties", {}).get("StageName") for one in resources.values() if one.get("Type") in STAGES)
    return {name for name in named if isinstance(name, str)}


class _Rewriting:
    def __init__(self, types: Mapping[str, str], stages: set[str], inside_url: str) -> None:
        self._types = types
        self._stages = stages
        self._inside_url = inside_url.rstrip("/")

    def of(self, value: Any) -> Any:
        """A value of the template, rewritten at every depth."""
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        joined = _as_sub(value.get("Fn::Join")) if len(value) == 1 else None
        if joined is not None and _SUB.search(joined):
            return {"Fn::Sub": self._text(joined)}
        if len(value) == 1 and "Fn::GetAtt" in value:
            return self._attribute(value)
        if len(value) == 1 and "Fn::Sub" in value:
            return {"Fn::Sub": self._sub(value["Fn::Sub"])}
        return {key: self.of(item) for key, item in value.items()}

    def _sub(self, argument: Any) -> Any:
        if isinstance(argument, list) and argument and isinstance(argument[0], str):
            return [self._text(argument[0]), *(self.of(item) for item in argument[1:])]
        return self._text(argument) if isinstance(argument, str) else argument

    def _text(self, text: str) -> str:
        return _SUB.sub(self._url, text)

    def _url(self, found: re.Match[str]) -> str:
        api, path = found["api"], found["path"] or ""
        kind = self._types.get(api)
        if kind not in (HTTP_API, REST_API):
            return found[0]
        is_spelt = kind == REST_API or path.strip("/").partition("/")[0] in self._stages
        return self._at(api) + ("" if is_spelt else "/$default") + path

    def _at(self, api: str) -> str:
        return f"{self._inside_url}/_aws/execute-api/${{{api}}}"

    def _attribute(self, value: Mapping[str, Any]) -> Any:
        argument = value["Fn::GetAtt"]
        api, attribute = argument.split(".", 1) if isinstance(argument, str) else (argument[0], argument[1])
        if attribute == "ApiEndpoint" and self._types.get(str(api)) == HTTP_API:
            return {"Fn::Sub": f"{self._at(str(api))}/$default"}
        return value


def _as_sub(argument: Any) -> str | None:
    """A `Fn::Join` of texts and references without a separator, as the text of `Fn::Sub`; None for any other."""
    if not isinstance(argument, list) or len(argument) != 2 or argument[0] or not isinstance(argument[1], list):
        return None
    parts = [_part(one) for one in argument[1]]
    return None if None in parts else "".join(str(part) for part in parts)


def _part(value: Any) -> str | None:
    if isinstance(value, str):
        return value.replace("${", "${!")
    if isinstance(value, Mapping) and len(value) == 1 and isinstance(value.get("Ref"), str):
        return f"${{{value['Ref']}}}"
    return None
