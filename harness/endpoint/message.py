"""What crosses the endpoint: a request as it stood on the wire, and the answer to it."""

from __future__ import annotations

import base64
import http.client
import zlib
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from urllib.parse import parse_qsl, unquote, urlsplit

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """An HTTP request; its target is kept as it was sent, for the keys of S3 may have anything in them."""

    method: str
    target: str
    headers: Headers
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header, whatever its case; empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def raw_path(self) -> str:
        return self.target.partition("?")[0] or "/"

    @property
    def path(self) -> str:
        return unquote(self.raw_path)

    @property
    def raw_query(self) -> str:
        return self.target.partition("?")[2]

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The parameters of the URL."""
        return _fields(self.raw_query)

    @cached_property
    def form(self) -> dict[str, str]:
        """The parameters of the URL and of a form in the body: what the query protocol speaks in."""
        text = self.body.decode("utf-8", "replace") if "form-urlencoded" in self.header("content-type") else ""
        return {name: values[0] for name, values in (self.query | _fields(text)).items()}

    @property
    def host(self) -> str:
        """The name in the `Host` header, in lower case and without the port."""
        host = self.header("host").lower()
        return host if host.endswith("]") else host.rpartition(":")[0] or host

    def to_bytes(self, *, target: str, host: str) -> bytes:
        """The request on the wire, for another host and target; its body is whole."""
        kept = [(name, value) for name, value in self.headers if name.lower() not in _RENEWED]
        lines = [f"{self.method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in kept)]
        lines += [f"Content-Length: {len(self.body)}"] if self.body else []
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + self.body


_RENEWED = frozenset({"host", "content-length", "transfer-encoding", "expect", "connection"})


def _fields(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


@dataclass(frozen=True)
class Answer:
    """An HTTP response; what belongs to the connection is added by the server."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def to_bytes(self, *, head_only: bool = False) -> bytes:
        """The response on the wire; the connection ends with it."""
        reason = http.client.responses.get(self.status, "Unknown")
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {value}" for name, value in self.framed(head_only))]
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace") + (
            b"" if head_only else self.body
        )

    def framed(self, head_only: bool = False) -> Headers:
        """The headers, with the length of the body; the answer to HEAD says what the body of GET would be."""
        kept = tuple((name, value) for name, value in self.headers if name.lower() not in _FRAMING)
        length = (head_only and self.header("content-length")) or str(len(self.body))
        return kept if self.status in (204, 304) else (*kept, ("Content-Length", length))


_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "status"})


def parse_request(raw: bytes) -> Request:
    """A request that a client inside the process wrote to its socket."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    request_line, _, lines = head.partition(b"\r\n")
    method, target, _ = request_line.decode("latin-1").split(" ", 2)
    headers = tuple(http.client.parse_headers(BytesIO(lines + b"\r\n\r\n")).items())
    chunked = any(name.lower() == "transfer-encoding" and "chunked" in value.lower() for name, value in headers)
    return unwrapped(Request(method, origin_form(target), headers, read_chunks(BytesIO(rest))[0] if chunked else rest))


def parse_answer(raw: bytes) -> Answer:
    """An answer that the world's own HTTP service wrote."""
    head, _, body = raw.partition(b"\r\n\r\n")
    status_line, _, lines = head.partition(b"\r\n")
    headers = tuple(http.client.parse_headers(BytesIO(lines + b"\r\n\r\n")).items())
    return Answer(int(status_line.split(b" ")[1]), headers, body)


def origin_form(target: str) -> str:
    """A request's target without scheme and host, which a client that believes in a proxy puts there."""
    if not target.startswith(("http://", "https://")):
        return target
    parts = urlsplit(target)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def read_chunks(stream: BytesIO) -> tuple[bytes, list[tuple[str, str]]]:
    """A body in chunks, HTTP's or S3's own, and the headers that trail it."""
    chunks = []
    while size_line := stream.readline():
        size = int(size_line.partition(b";")[0].strip() or b"0", 16)
        if size == 0:
            break
        chunks.append(stream.read(size))
        stream.readline()
    trailing = [line.decode("latin-1").partition(":") for line in stream.read().splitlines() if b":" in line]
    return b"".join(chunks), [(name.strip(), value.strip()) for name, _, value in trailing]


def unwrapped(request: Request) -> Request:
    """
    The request with the body that was meant.

    S3's `aws-chunked` bodies are joined, and their trailing checksum becomes the header that it would be in a body of one piece.
    """
    encodings = [part.strip() for part in request.header("content-encoding").split(",") if part.strip()]
    is_chunked = "aws-chunked" in encodings or request.header("x-amz-content-sha256").startswith("STREAMING-")
    if not is_chunked:
        return _unzipped(request, encodings)
    body, trailing = read_chunks(BytesIO(request.body))
    left = [part for part in encodings if part != "aws-chunked"]
    headers = [(name, value) for name, value in request.headers if name.lower() not in _OF_CHUNKS]
    headers += [(name, value) for name, value in trailing if name.lower() != "x-amz-trailer-signature"]
    headers += [("Content-Encoding", ",".join(left))] if left else []
    headers += [("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("Content-Length", str(len(body)))]
    return replace(request, headers=tuple(headers), body=body)


_OF_CHUNKS = frozenset(
    {
        "content-encoding",
        "content-length",
        "transfer-encoding",
        "x-amz-trailer",
        "x-amz-decoded-content-length",
        "x-amz-content-sha256",
    }
)


def _unzipped(request: Request, encodings: list[str]) -> Request:
    """SDKs compress large requests to some services; S3's objects are not touched, for those are stored as they come."""
    if encodings != ["gzip"] or "x-amz-json" not in request.header("content-type"):
        return request
    headers = tuple(
        (name, value) for name, value in request.headers if name.lower() not in ("content-encoding", "content-length")
    )
    return replace(request, headers=headers, body=zlib.decompress(request.body, wbits=31))


def as_base64(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
