"""HTTP faults: requests, urllib3, urllib, httpx (blocking and not) and aiohttp, to hosts of the stage and to others; virtual time."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import sys
import threading
import time
from typing import ClassVar

import pytest
import responses

from stagefright.chaos import HttpLatency, HttpRefused, HttpReset, HttpSlowBody, HttpStatus, InSequence, merge
from stagefright.chaos.runtime import wrap
from stagefright.errors import FaultNeverFired, UsageError

CLIENTS = ["requests", "urllib", "httpx", "httpx_async", "aiohttp"]


@pytest.fixture
def url(system):
    """An address of the stage's own API."""
    return f"https://{system.stage.ref('Api')}.execute-api.us-east-1.amazonaws.com/items"


@pytest.fixture(params=CLIENTS)
def fetch(system, request):
    """Let the Worker fetch addresses with one of the clients."""
    return lambda *urls, **more: system.say(fetch=urls, how=request.param, **more)


def served(system):
    """How many requests reached the shop behind the API."""
    return len(system.stage.journal.of_kind("invocation", resource="Shop"))


class TestHttpStatus:
    def test_answers_in_the_hosts_stead_and_heals(self, system, fetch, url):
        """Nothing reaches the host; after so many times, and after the block, it answers itself."""
        with system.chaos(Worker=HttpStatus(503, body="busy", times=2)):
            said = fetch(url, url, url)
        after = fetch(url)

        assert ["busy", "busy"] == [answer.get("body", "busy") for answer in said[:2]]
        assert all(answer.get("status") == 503 or "503" in answer["text"] for answer in said[:2])
        assert [200, 200] == [said[2]["status"], after[0]["status"]]
        assert 2 == served(system)
        assert [("Worker", "http_status", 503)] * 2 == [
            (who, kind, harm["status"]) for who, kind, harm in system.strikes()
        ]

    def test_of_a_host_that_is_not_there(self, system, fetch):
        """The answer is there before anything connects, so the host need not exist."""
        with system.chaos(Worker=HttpStatus(204, host="*.example.com")):
            said = fetch("https://api.example.com/a?b=c", "http://api.example.com/")

        assert [204, 204] == [answer["status"] for answer in said]

    def test_strikes_host_and_path_alone(self, system, fetch, url):
        """Patterns for both; other requests go through, the query is no part of the path."""
        with system.chaos(Worker=HttpStatus(500, path="/ite*s")):
            said = fetch(url.replace("items", "others"), url + "?q=1")

        assert 200 == said[0]["status"]
        assert said[1].get("status") == 500 or "500" in said[1]["text"]

    def test_does_not_strike_the_test_or_another_function(self, system, url):
        """While the Worker's requests fail, those of others do not."""
        with system.chaos(Worker=HttpStatus(500)):
            assert 200 == system.say("Other", fetch=[url])[0]["status"]
            assert 200 == system.stage.http.get("/items").status_code
            assert 500 == system.say(fetch=[url])[0]["status"]

    def test_leaves_sdk_calls_alone(self, system):
        """They have faults of their own."""
        faults = system.chaos(Worker=HttpStatus(500))
        faults.__enter__()
        assert [0, 0] == [system.put()["retries"], system.send()["retries"]]

        with pytest.raises(FaultNeverFired):
            faults.__exit__(None, None, None)


class TestHttpRefused:
    def test_is_the_error_of_the_clients_library_and_heals(self, system, fetch, url):
        """requests gives its ConnectionError, urllib its URLError, httpx its ConnectError, aiohttp its ClientConnectorError."""
        with system.chaos(Worker=HttpRefused(times=1)):
            refused, answered = fetch(url, url)

        assert {"ConnectionError", "URLError", "ConnectError", "ClientConnectorError"} & set(refused["classes"])
        assert "refused" in refused["text"].lower() or "Connect call failed" in refused["text"]
        assert 200 == answered["status"]
        assert 1 == served(system)


class TestHttpReset:
    @pytest.mark.parametrize(("after_commit", "reached"), [(False, 0), (True, 1)])
    def test_breaks_the_connection(self, system, fetch, url, after_commit, reached):
        """Before the host got the request, or after it has answered."""
        with system.chaos(Worker=HttpReset(after_commit=after_commit)):
            (said,) = fetch(url)

        errors = {"ConnectionError", "ConnectionResetError", "URLError", "ReadError", "ClientOSError"}
        assert errors & set(said["classes"])
        assert "reset" in said["text"]
        # aiohttp repeats an idempotent request by itself, once, when its connection breaks.
        assert reached * (2 if "ClientOSError" in said["classes"] else 1) == served(system)
        assert 200 == fetch(url)[0]["status"]


class TestHttpLatency:
    def test_makes_the_answer_late_and_heals(self, system, fetch, url):
        """By exactly so much."""
        (before,) = fetch(url)
        with system.chaos(Worker=HttpLatency(delay_ms=400)):
            (late,) = fetch(url)

        assert pytest.approx(0.4) == late["took"] - before["took"]
        assert before["took"] == fetch(url)[0]["took"]

    def test_ends_in_the_clients_own_timeout(self, system, fetch, url):
        """After as long as the client would wait, and the request was received all the same."""
        with system.chaos(Worker=HttpLatency(delay_ms=60_000)):
            (said,) = fetch(url, timeout=3)

        assert "timed out" in said["text"].lower() or "SocketTimeoutError" in said["classes"]
        assert {"ReadTimeout", "TimeoutError"} & set(said["classes"])
        assert pytest.approx(3) == said["took"]
        assert 1 == served(system)


class TestHttpSlowBody:
    def test_drips(self, system, fetch, url):
        """3,000 bytes in pieces of 1,000, each after half a second."""
        (before,) = fetch(url)
        with system.chaos(Worker=HttpSlowBody(delay_ms=500, chunk_bytes=1000)):
            (slow,) = fetch(url, timeout=2)

        assert before["body"] == slow["body"]
        assert 3000 == len(slow["body"])
        assert pytest.approx(1.5) == slow["took"] - before["took"]
        assert before["took"] == fetch(url)[0]["took"]

    def test_meets_the_timeout_of_one_read(self, system, fetch, url):
        """A client that waits a second for each piece gives up on the first that takes two."""
        with system.chaos(Worker=HttpSlowBody(delay_ms=2_000)):
            (said,) = fetch(url, timeout=1)

        assert "timed out" in said["text"].lower() or "SocketTimeoutError" in said["classes"]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: HttpStatus(99), "status is 99"),
        (lambda: HttpStatus("503"), "status is '503'"),
        (lambda: HttpStatus(503, host="https://api.example.com/"), "it should be a host's name alone"),
        (lambda: HttpStatus(503, retry_after_s=-1), "retry_after_s is -1"),
        (lambda: HttpStatus(503, content_type="a\r\nb: c"), "content_type is"),
        (lambda: HttpStatus(503, body=b""), "body is b''"),
        (lambda: HttpRefused(times=0), "times is 0"),
        (lambda: HttpReset(after_commit=1), "after_commit is 1"),
        (lambda: HttpLatency(host=""), "host is ''"),
        (HttpLatency, "no delay is given"),
        (lambda: HttpSlowBody(delay_ms=-1), "delay_ms is -1"),
        (lambda: HttpSlowBody(delay_ms=1, chunk_bytes=0), "chunk_bytes is 0"),
    ],
)
def test_wrong_settings_are_refused(make, problem):
    """At construction, with the value."""
    with pytest.raises(UsageError) as refused:
        make()

    assert problem in str(refused.value)


class TestStubbedHosts:
    """What `responses` answers for is struck as if it were there."""

    @pytest.fixture
    def partner(self):
        """A stubbed host."""
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            mock.get("https://partner.example/x", body="y" * 3000)
            yield mock

    @pytest.mark.parametrize(
        ("fault", "status", "text", "took", "asked"),
        [
            (HttpStatus(503, body="busy"), 503, "busy", 0, 0),
            (HttpRefused(), None, "refused", 0, 0),
            (HttpReset(), None, "reset", 0, 0),
            (HttpReset(after_commit=True), None, "reset", 0, 1),
            (HttpLatency(delay_ms=400), 200, "y", 0.4, 1),
            (HttpLatency(delay_ms=9_000), None, "timed out", 5, 1),
            (HttpSlowBody(delay_ms=500, chunk_bytes=1000), 200, "y", 1.5, 1),
            (HttpSlowBody(delay_ms=6_000), None, "timed out", 5, 1),
        ],
        ids=str,
    )
    def test_are_struck_and_healed(self, system, partner, fault, status, text, took, asked):
        """The client meets what it would meet; the stub is asked only if the host would be."""
        with system.chaos(Worker=fault):
            (said,) = system.say(fetch=["https://partner.example/x?q=1"], timeout=5)

        assert status == said.get("status")
        assert text in said.get("body", said.get("text"))
        assert took == said["took"]
        assert asked == len(partner.calls)
        assert 200 == system.say(fetch=["https://partner.example/x"])[0]["status"]

    def test_that_let_requests_pass_are_asked_about_once(self, system, partner, url):
        """A request that goes through the stub to the stage is one request."""
        partner.add_passthru(url)
        with system.chaos(Worker=HttpLatency(delay_ms=400)):
            (said,) = system.say(fetch=[url])

        assert 200 == said["status"]
        assert 1 == len(system.strikes())


class Real(http.server.BaseHTTPRequestHandler):
    """A server outside of every world, which keeps connections alive."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list] = []

    def do_GET(self):
        self.seen.append(self.path)
        body = b"real"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def server():
    """A real server on this machine."""
    Real.seen = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Real) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


FAULTS = InSequence(HttpStatus(503), HttpLatency(delay_ms=20), HttpReset(), HttpRefused(), HttpSlowBody(delay_ms=10))


def obedient(handler):
    """The handler as a deployed function has it: its flag has each fault once, in order."""
    text = merge([FAULTS], owner="o", run="r", expires=time.time() + 60)
    return wrap(handler, name="/flag", read=lambda name: text)


def said_of(error):
    """Which of the two errors it is."""
    return "refused" if "refused" in str(error).lower() or "Connect call failed" in str(error) else "reset"


def test_without_a_stage_httpx_is_struck_too(server):
    """One client, its connections kept alive, imported when the faults are on already; afterwards it is its own again."""
    saved = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "httpx"}

    def handler(event, context):
        import httpx

        said = []
        with httpx.Client(trust_env=False, timeout=5) as client:
            for n in range(6):
                try:
                    said.append(client.get(f"{server}/{n}").status_code)
                except httpx.TransportError as error:
                    said.append(said_of(error))
        return said, httpx.HTTPTransport.handle_request

    try:
        said, _ = obedient(handler)({}, None)
        assert [503, 200, "reset", "refused", 200, 200] == said
        assert ["/1", "/4", "/5"] == Real.seen
        assert not hasattr(sys.modules["httpx"].HTTPTransport.handle_request, "stagefright_hooks")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "httpx"]:
            del sys.modules[name]
        sys.modules.update(saved)


def test_without_a_stage_httpx_is_struck_in_an_event_loop(server):
    """The same with the asynchronous client."""
    import httpx

    async def ask():
        said = []
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            for n in range(6):
                try:
                    said.append((await client.get(f"{server}/{n}")).status_code)
                except httpx.TransportError as error:
                    said.append(said_of(error))
        return said

    assert [503, 200, "reset", "refused", 200, 200] == obedient(lambda event, context: asyncio.run(ask()))({}, None)
    assert ["/1", "/4", "/5"] == Real.seen


def test_without_a_stage_aiohttp_is_struck_too(server):
    """aiohttp repeats a GET whose connection broke by itself, so the reset is never seen, and the repeat meets the next fault."""
    import aiohttp

    async def ask():
        said = []
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            for n in range(6):
                try:
                    async with session.get(f"{server}/{n}") as answer:
                        said.append((answer.status, await answer.text()))
                except aiohttp.ClientError as error:
                    said.append(said_of(error))
        return said

    said = obedient(lambda event, context: asyncio.run(ask()))({}, None)

    assert [(503, ""), (200, "real"), "refused", (200, "real"), (200, "real"), (200, "real")] == said
    assert ["/1", "/3", "/4", "/5"] == Real.seen


def test_an_aiohttp_session_that_outlives_its_faults_is_its_own_again(server):
    """What stood between a kept connection and the session is gone with the response."""
    import aiohttp

    async def ask():
        async with aiohttp.ClientSession() as session:
            async with session.get(server) as answer:
                await answer.read()
                between = answer.connection
            kept = [protocol for found in session.connector._conns.values() for protocol, _ in found]
            return between, [protocol.transport.get_protocol() is protocol for protocol in kept]

    text = merge([HttpSlowBody(delay_ms=5, chunk_bytes=1)], owner="o", run="r", expires=time.time() + 60)
    assert (None, [True]) == wrap(lambda *_: asyncio.run(ask()), name="/flag", read=lambda _: text)({}, None)


def test_httpx_stubs_are_struck():
    """What a test puts in the transport's place is struck before it is asked, blocking or not."""
    import httpx

    asked = []

    def answer(request):
        asked.append(request.url.path)
        return httpx.Response(200, text="stub")

    def blocking(event, context):
        with httpx.Client(transport=httpx.MockTransport(answer)) as client:
            return [client.get(f"https://partner.example/{n}").text for n in range(2)]

    async def in_loop():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return [(await client.get(f"https://partner.example/{n}")).text for n in range(2)]

    text = merge([HttpStatus(503, body="busy", times=1)], owner="o", run="r", expires=time.time() + 60)
    for handler in (blocking, lambda event, context: asyncio.run(in_loop())):
        assert ["busy", "stub"] == wrap(handler, name="/flag", read=lambda _: text)({}, None)
    assert ["/1", "/1"] == asked


def test_without_a_stage_as_in_a_deployed_function(server):
    """The decorator alone: real sockets, kept alive; each fault at its time, and nothing after the handler."""
    import requests

    original = http.client.HTTPConnection.putrequest
    session = requests.Session()
    session.trust_env = False

    def handler(event, context):
        said = []
        for n in range(6):
            try:
                said.append(session.get(f"{server}/{n}", timeout=5).status_code)
            except requests.ConnectionError as error:
                said.append(said_of(error))
        return said

    assert [503, 200, "reset", "refused", 200, 200] == obedient(handler)({}, None)
    assert ["/1", "/4", "/5"] == Real.seen
    assert original is http.client.HTTPConnection.putrequest
