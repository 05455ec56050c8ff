"""The HTTP client of a stage: a `requests` session whose relative URLs go to the stage's own API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter

from stagefright.errors import UsageError

IMPLICIT_APIS = ("ServerlessHttpApi", "ServerlessRestApi")
"""The APIs that SAM makes of events which name none; they come first among several."""


class _StageAdapter(HTTPAdapter):
    """
    An adapter that mocking libraries do not reach.

    `responses` and its like replace `HTTPAdapter.send` to answer for other hosts; a test's own call to its stage is not meant.
    """

    send = HTTPAdapter.send


class StageSession(requests.Session):
    """
    A `requests.Session`; `stage.http.get("/posts")` asks the stage's API.

    With several APIs, `stage.http.to("RelationshipApi").get("/followers/amy")` says which.
    """

    def __init__(
        self,
        endpoints: Callable[[], dict[str, str]],
        api: str | None = None,
        *,
        on_answer: Callable[[requests.Response], None] = lambda _: None,
        reroute: Callable[[str], str] = str,
        prepare: Callable[[requests.PreparedRequest], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._on_answer = on_answer
        self._prepare = prepare
        # Proxies and credentials of the machine have no business in a stage.
        self.trust_env = False
        self.mount("https://", _StageAdapter())
        self._endpoints = endpoints
        self._api = api
        self._reroute = reroute

    def to(self, api: str) -> StageSession:
        """A session for one of several APIs, by logical id."""
        self._endpoint(api)
        return StageSession(
            self._endpoints, api, on_answer=self._on_answer, reroute=self._reroute, prepare=self._prepare
        )

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; see `requests.Session.request`."""
        text = url.decode() if isinstance(url, bytes) else url
        if "://" not in text:
            text = urljoin(self._endpoint(self._api) + "/", text.lstrip("/"))
        answer = super().request(method, self._reroute(text), *args, **kwargs)
        self._on_answer(answer)
        return answer

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request; see `requests.Session.send`."""
        self._prepare(request)
        return super().send(request, **kwargs)

    def _endpoint(self, api: str | None) -> str:
        endpoints = self._endpoints()
        if api is not None and api in endpoints:
            return endpoints[api]
        if api is None and len(endpoints) == 1:
            return next(iter(endpoints.values()))
        for implicit in IMPLICIT_APIS if api is None else ():
            if implicit in endpoints:
                return endpoints[implicit]
        asked = f"no API {api!r}" if api else "no single API to which a relative URL could go"
        known = ", ".join(f"{name} ({endpoint})" for name, endpoint in endpoints.items()) or "none"
        raise UsageError(
            f'The stage has {asked}. Its APIs: {known}. Use stage.http.to("LogicalId"), or an absolute URL.'
        )
