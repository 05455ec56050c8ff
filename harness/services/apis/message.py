"""HTTP requests and responses as values, and their bytes on the wire."""

from __future__ import annotations

import base64
import http.client
import io
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding"})
"""Headers that say how a message travels; whoever sends it writes them anew."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; header names are as the client wrote them, repeated ones are in order."""

    method: str
    raw_path: str
    """As the client wrote it, without decoding."""
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(self.raw_path)

    def header(self, name: str) -> str | None:
        """The values of a header, joined by commas, or None; names differ in case as they like."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ",".join(values) if values else None

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded, in order."""
        return parse_qsl(self.query, keep_blank_values=True)

    @property
    def headers_size(self) -> int:
        return sum(len(name) + len(value) for name, value in self.headers)

    @property
    def text(self) -> str:
        """The body for people: text, or base64 where it is not."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            return base64.b64encode(self.body).decode()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response; `Content-Length` and `Connection` are added on the wire."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def message(cls, status: int, text: str) -> HttpResponse:
        """API Gateway's own answers: a JSON object with one member."""
        body = json.dumps({"message": text}, separators=(",", ":")).encode()
        return cls(status, (("Content-Type", "application/json"),), body)

    def to_bytes(self, *, head_only: bool = False) -> bytes:
        """The response on the wire; the connection ends with it."""
        reason = http.client.responses.get(self.status, "Unknown")
        lines = [f"HTTP/1.1 {self.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in self.headers if name.lower() not in HOP_BY_HOP]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace") + (b"" if head_only else self.body)


def parse_request(raw: bytes) -> HttpRequest:
    """
    A request as a client of `http.client`'s kind writes it.

    >>> parse_request(b"GET /a%20b?c=1 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n").path
    '/a b'
    """
    head, _, rest = raw.partition(b"\r\n\r\n")
    request_line, _, header_lines = head.partition(b"\r\n")
    method, target, _ = request_line.decode("latin-1").split(" ", 2)
    headers = tuple(http.client.parse_headers(io.BytesIO(header_lines + b"\r\n\r\n")).items())
    chunked = any(name.lower() == "transfer-encoding" and "chunked" in value.lower() for name, value in headers)
    parts = urlsplit(target)
    return HttpRequest(method, parts.path or "/", parts.query, headers, _unchunked(rest) if chunked else rest)


def _unchunked(raw: bytes) -> bytes:
    chunks = []
    stream = io.BytesIO(raw)
    while size_line := stream.readline():
        size = int(size_line.split(b";")[0], 16)
        if size == 0:
            break
        chunks.append(stream.read(size))
        stream.readline()
    return b"".join(chunks)
