"""
Where the APIs of a deployed stage answer: HTTP APIs, REST APIs and function URLs.

An emulator gives its APIs host names that nobody but itself may know. Its own address with the path `/_aws/execute-api/...` leads there too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from stagefright.targets.account import Account
from stagefright.targets.stack import StackResource

DEFAULT_STAGE = "$default"
"""The stage of an HTTP API that is not part of the path."""

_API_URL = re.compile(
    r"https?://(?P<api>[A-Za-z0-9]+)\.execute-api\.[a-z0-9.-]+(?::\d+)?(?P<path>/[^?#]*)?(?P<rest>.*)"
)

_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".on.aws")

Resources = Mapping[str, StackResource]


class Apis:
    """The APIs of a stage's stack."""

    def __init__(self, account: Account, resources: Resources) -> None:
        self._account = account
        self._resources = resources
        self._endpoints: dict[str, str] | None = None
        self._known: dict[str, str] | None = None
        """The endpoints, or none where the account did not say which there are."""

    def endpoints(self) -> dict[str, str]:
        """The URL of each API, by logical id; one that has no stage has none. The account is asked once."""
        if self._endpoints is None:
            with self._account.explained("find the stage's APIs"):
                self._endpoints = self._ask()
        return self._endpoints

    def _ask(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for logical_id, resource in self._resources.items():
            ask = _ENDPOINTS.get(resource.type)
            url = ask(self._account, resource, self._resources) if ask else None
            if url is not None:
                found[logical_id] = url
        return found

    def asked_by(self, url: str) -> tuple[str, str] | None:
        """The API that a URL leads to, and the path there; where the account does not say which APIs there are, none."""
        if self._known is None:
            try:
                self._known = self.endpoints()
            except Exception:  # noqa: BLE001 - the request was answered, and that matters to the test
                self._known = {}
        found = [(len(base), name) for name, base in self._known.items() if url.startswith(base)]
        if not found:
            return None
        length, name = max(found)
        return name, urlsplit(url[length:]).path or "/"

    def reroute(self, url: str) -> str:
        """The way to one of the APIs in an emulator, for a URL that AWS would answer: templates put such into their outputs."""
        asked = _API_URL.fullmatch(url) if self._account.is_emulator else None
        if asked is None:
            return url
        types = {one.physical_id: one.type for one in self._resources.values()}
        if asked["api"] not in types:
            return url
        # The path of a REST API begins with its stage; that of an HTTP API does if the stage is not the default one, which is never spelt out.
        path = (asked["path"] or "/").lstrip("/")
        first = path.partition("/")[0]
        stages = {one.physical_id for one in self._resources.values() if one.type == "AWS::ApiGatewayV2::Stage"}
        is_spelt = types[asked["api"]] != "AWS::ApiGatewayV2::Api" or first in stages
        stage = "" if is_spelt else f"{DEFAULT_STAGE}/"
        return f"{self._account.endpoint_url}/_aws/execute-api/{asked['api']}/{stage}{path}{asked['rest']}"


def _http_api(account: Account, api: StackResource, _resources: Resources) -> str | None:
    said = account.client("apigatewayv2").get_api(ApiId=api.physical_id)
    if said.get("ProtocolType") == "WEBSOCKET":
        return None
    stages = [one["StageName"] for one in account.client("apigatewayv2").get_stages(ApiId=api.physical_id)["Items"]]
    stage = DEFAULT_STAGE if DEFAULT_STAGE in stages else next(iter(stages), None)
    if stage is None:
        return None
    if account.is_emulator:
        return _at_emulator(account, api, stage)
    return str(said["ApiEndpoint"]) + ("" if stage == DEFAULT_STAGE else f"/{stage}")


def _rest_api(account: Account, api: StackResource, resources: Resources) -> str | None:
    stages = [one["stageName"] for one in account.client("apigateway").get_stages(restApiId=api.physical_id)["item"]]
    # Those that the template names come first: a deployment's stage is often a by-product, as SAM's `Stage` is.
    named = [one.physical_id for one in resources.values() if one.type == "AWS::ApiGateway::Stage"]
    stage = next((one for one in named if one in stages), next(iter(stages), None))
    if stage is None:
        return None
    if account.is_emulator:
        return _at_emulator(account, api, stage)
    suffix = "amazonaws.com.cn" if account.region.startswith("cn-") else "amazonaws.com"
    return f"https://{api.physical_id}.execute-api.{account.region}.{suffix}/{stage}"


def _at_emulator(account: Account, api: StackResource, stage: str) -> str:
    return f"{account.endpoint_url}/_aws/execute-api/{api.physical_id}/{stage}"


def _function_url(account: Account, url: StackResource, _resources: Resources) -> str | None:
    said = account.client("lambda").get_function_url_config(FunctionName=url.physical_id)["FunctionUrl"]
    host = urlsplit(said).hostname or ""
    if account.is_emulator and host.endswith(_AWS_HOSTS):
        return f"{account.endpoint_url}/_aws/lambda-url/{host.partition('.')[0]}"
    return str(said).rstrip("/")


_ENDPOINTS: Mapping[str, Callable[[Account, StackResource, Resources], str | None]] = {
    "AWS::ApiGateway::RestApi": _rest_api,
    "AWS::ApiGatewayV2::Api": _http_api,
    "AWS::Lambda::Url": _function_url,
}
