"""One request to a REST API: what it was matched with, and what is known of it (aws-semantics §8.1)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stagefright.services.apis import events
from stagefright.services.apis.message import HOP_BY_HOP, HttpRequest
from stagefright.services.apis.rest_model import RestSnapshot
from stagefright.services.apis.rest_routes import RestMatch
from stagefright.services.apis.throttling import Limit


@dataclass(slots=True)
class Exchange:
    """A request on its way through an API."""

    api: RestSnapshot
    stage: Any
    """moto's stage: its settings are in force at once, without a deployment."""
    request: HttpRequest
    match: RestMatch
    path: str
    """Without the stage."""
    request_id: str
    context: dict[str, Any]
    """`requestContext`."""
    arn: str
    """What policies say `execute-api:Invoke` of."""

    @property
    def route(self) -> str:
        return f"{self.match.method.name} {self.match.resource.path}"

    @property
    def variables(self) -> dict[str, str]:
        """The stage's variables."""
        return {str(name): str(value) for name, value in (self.stage.variables or {}).items()}

    def event(self) -> dict[str, Any]:
        """The proxy event."""
        body, is_base64 = self._body()
        return events.proxy_event(
            self.request,
            resource=self.match.resource.path,
            path=self.path,
            path_parameters=self.match.path_parameters,
            stage_variables=self.variables,
            context=self.context,
            body=body,
            is_base64=is_base64,
        )

    def _body(self) -> tuple[str | None, bool]:
        """Base64 for a binary media type of the API, else text, whatever becomes of the bytes (§8.2)."""
        if not self.request.body:
            return None, False
        if is_binary(self.request.header("content-type"), self.api.binary_media_types):
            return base64.b64encode(self.request.body).decode(), True
        return self.request.body.decode("utf-8", "replace"), False

    @property
    def limits(self) -> list[tuple[tuple[str, ...], Limit]]:
        """The throttle that the stage's settings give the method: its own, or else that of all methods (`*/*`)."""
        path, method = self.match.resource.path, self.match.method.name
        for name in (f"{path.replace('/', '~1')}/{method}", "*/*"):
            settings = self.stage.method_settings.get(name)
            if settings is not None and float(settings["throttlingRateLimit"]) >= 0:
                limit = Limit(float(settings["throttlingRateLimit"]), float(settings["throttlingBurstLimit"]))
                return [(("rest", self.api.api_id, self.stage.name, path, method), limit)]
        return []

    @property
    def wants_binary(self) -> bool:
        """Whether the first of the media types that the client accepts is a binary one (§8.2)."""
        first = (self.request.header("accept") or "").partition(",")[0]
        return is_binary(first, self.api.binary_media_types)


def new_context(
    request: HttpRequest,
    match: RestMatch,
    *,
    account: str,
    api_id: str,
    stage: Any,
    host: str,
    path: str,
    request_id: str,
    now: float,
) -> dict[str, Any]:
    """`requestContext` before anybody was asked who calls."""
    return {
        **events.request_context(request, request_id, now),
        "accountId": account,
        "apiId": api_id,
        "deploymentId": stage.deployment_id,
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "path": path,
        "resourceId": match.resource.id,
        "resourcePath": match.resource.path,
        "stage": stage.name,
    }


def without_hop_headers(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    """The headers that reach a function: those of the connection do not."""
    return tuple(pair for pair in request.headers if pair[0].lower() not in HOP_BY_HOP)


def is_binary(media_type: str | None, binary_media_types: Iterable[str]) -> bool:
    """
    Whether a media type, perhaps with parameters, is one of an API's binary ones, of which `*/*` means every one.

    >>> is_binary("image/png; q=1", ["image/png"]), is_binary("text/plain", ["image/*"]), is_binary(None, ["*/*"])
    (True, False, True)
    """
    given = (media_type or "").partition(";")[0].strip().lower()
    for kind in binary_media_types:
        if kind == "*/*" or kind.lower() == given or (kind.endswith("/*") and given.startswith(kind[:-1].lower())):
            return True
    return False
