"""The HTTP server of a stage's endpoint: the standard library's, on the loopback, with a thread for each connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from stagefright.endpoint.message import Answer, Request, origin_form, read_chunks, unwrapped
from stagefright.tasks import outside_the_world

ADDRESS = "127.0.0.1"

ACCEPT_POLL_S = 0.1
"""How long a server that is told to close may take to notice."""

GOODBYE_S = 1.0
"""How long closing waits for the threads of connections."""


class Server(ThreadingHTTPServer):
    """Listens on a free port; hands each request to `answer`, on the thread of its connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Request], Answer], name: str) -> None:
        self.answer = answer
        self._name = name
        self._lock = threading.Lock()
        self._connections: dict[_Connection, threading.Thread] = {}
        super().__init__((ADDRESS, 0), _Connection)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": ACCEPT_POLL_S}, name=f"{name}: endpoint", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}"

    def entered(self, connection: _Connection) -> None:
        thread = threading.current_thread()
        thread.name = f"{self._name}: connection {connection.client_address[1]}"
        with self._lock:
            self._connections[connection] = thread

    def left(self, connection: _Connection) -> None:
        with self._lock:
            self._connections.pop(connection, None)

    def drop_connections(self) -> None:
        """Close those that are idle at once, and the others after the answer that they wait for."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.end()

    def close(self) -> None:
        """Stop listening, and end every connection."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        self.drop_connections()
        with self._lock:
            threads = list(self._connections.values())
        for thread in threads:
            thread.join(GOODBYE_S)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is its own affair."""


def start(answer: Callable[[Request], Answer], name: str) -> Server:
    """A server whose threads belong to no world."""
    with outside_the_world():
        return Server(answer, name)


class _Connection(BaseHTTPRequestHandler):
    """One connection, kept alive from request to request."""

    protocol_version = "HTTP/1.1"
    server_version = "Stagefright"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def setup(self) -> None:
        super().setup()
        self._busy = False
        self._is_ending = False
        self.server.entered(self)

    def finish(self) -> None:
        self.server.left(self)
        try:
            super().finish()
        except OSError:
            self.rfile.close()

    def end(self) -> None:
        """Called on another thread: no further request on this connection."""
        self._is_ending = True
        if not self._busy:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already

    def handle_expect_100(self) -> bool:
        """Answered at once: a client that has to wait for it waits for a second."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _serve(self) -> None:
        self._busy = True
        try:
            request = self._request()
        except ValueError:
            self.close_connection = True
            self.send_error(400)
            return
        self._write(self.server.answer(request), head_only=self.command == "HEAD")
        self._busy = False

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve  # noqa: N815 - the names that the base class asks for

    def _request(self) -> Request:
        # The base class joins slashes at the beginning of a path; in a key of S3 they count.
        target = self.requestline.split(" ")[1]
        return unwrapped(Request(self.command, origin_form(target), tuple(self.headers.items()), self._body()))

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        raw = bytearray()
        while size_line := self.rfile.readline():
            raw += size_line
            size = int(size_line.partition(b";")[0], 16)
            raw += self.rfile.read(size) + self.rfile.readline()
            if size == 0:
                break
        return read_chunks(BytesIO(bytes(raw)))[0]

    def _write(self, answer: Answer, *, head_only: bool) -> None:
        self.send_response_only(answer.status)
        given = {name.lower() for name, _ in answer.headers}
        if "date" not in given:
            self.send_header("Date", self.date_time_string())
        for name, value in answer.framed(head_only):
            self.send_header(name, value)
        if self._is_ending or self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if not head_only and answer.status not in (204, 304):
            self.wfile.write(answer.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """The journal is the log."""
