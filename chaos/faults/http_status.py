"""HttpStatus: a host answers with a status of your choice."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.http_exchange import Canned, HttpRequest
from stagefright.chaos.faults.http_fault import HttpFault
from stagefright.chaos.faults.points import Answer


@dataclass(frozen=True, eq=False, repr=False)
class HttpStatus(HttpFault):
    """
    Answer HTTP requests with `status` and `body`; nothing reaches the host.

    `retry_after_s` becomes the header `Retry-After`.

    >>> HttpStatus(503, host="api.example.com", times=2)
    HttpStatus(status=503, host='api.example.com', times=2)
    """

    kind = "http_status"
    turn = 83

    status: int
    _: KW_ONLY
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    retry_after_s: int | None = None

    def __repr__(self) -> str:
        text = super().__repr__()
        said = f"status={self.status}"
        others = [part for part in text[len("HttpStatus(") : -1].split(", ") if part != said]
        return f"HttpStatus({', '.join([said, *others])})"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The status is one that ends an exchange; the rest is text."""
        wrong = [*super().problems(settings), *text_problems_of(settings)]
        status = settings.get("status")
        if type(status) is not int or not 200 <= status <= 599:
            wrong.append(f"status is {status!r}; it should be an HTTP status from 200 to 599")
        after = settings.get("retry_after_s")
        if after is not None and (type(after) is not int or after < 0):
            wrong.append(f"retry_after_s is {after!r}; it should be a whole number of seconds")
        return wrong

    def decide(self, point: HttpRequest) -> Harm:  # noqa: ARG002 (the contract)
        """Say which status."""
        return {"status": self.status}

    def strike(self, point: HttpRequest, harm: Harm) -> Answer:  # noqa: ARG002 (the contract)
        """Answer in the host's stead."""
        body = b"" if point.method == "HEAD" else self.body.encode()
        lines = [
            f"HTTP/1.1 {self.status} {http.client.responses.get(self.status, 'Unknown')}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *([] if self.retry_after_s is None else [f"Retry-After: {self.retry_after_s}"]),
        ]
        return Answer(Canned("\r\n".join([*lines, "", ""]).encode("latin-1") + body))


def text_problems_of(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with body and content type; both go onto the wire."""
    wrong = []
    if not isinstance(settings.get("body", ""), str):
        wrong.append(f"body is {settings['body']!r}; it should be text")
    kind = settings.get("content_type", "text/plain")
    if not isinstance(kind, str) or not kind.isprintable() or not kind.isascii():
        wrong.append(f"content_type is {kind!r}; it should be a media type, such as 'application/json'")
    return wrong
