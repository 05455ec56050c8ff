"""HTTP faults: requests, urllib3 and urllib, to hosts of the stage and to others; virtual time."""

from __future__ import annotations

import http.server
import threading

import pytest

from stagefright.chaos import HttpLatency, HttpRefused, HttpReset, HttpSlowBody, HttpStatus
from stagefright.errors import FaultNeverFired, UsageError

CLIENTS = ["requests", "urllib"]


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
        with pytest.raises(FaultNeverFired), system.chaos(Worker=HttpStatus(500)):
            assert 0 == system.put()["retries"]
            assert 0 == system.send()["retries"]


class TestHttpRefused:
    def test_is_the_error_of_the_clients_library_and_heals(self, system, fetch, url):
        """requests gives its ConnectionError, urllib its URLError."""
        with system.chaos(Worker=HttpRefused(times=1)):
            refused, answered = fetch(url, url)

        assert {"ConnectionError", "URLError"} & set(refused["classes"])
        assert "refused" in refused["text"]
        assert 200 == answered["status"]
        assert 1 == served(system)


class TestHttpReset:
    @pytest.mark.parametrize(("after_commit", "reached"), [(False, 0), (True, 1)])
    def test_breaks_the_connection(self, system, fetch, url, after_commit, reached):
        """Before the host got the request, or after it has answered."""
        with system.chaos(Worker=HttpReset(after_commit=after_commit)):
            (said,) = fetch(url)

        assert {"ConnectionError", "ConnectionResetError", "URLError"} & set(said["classes"])
        assert "reset" in said["text"]
        assert reached == served(system)
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

        assert "timed out" in said["text"].lower()
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

        assert "timed out" in said["text"].lower()


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
        (lambda: HttpLatency(), "no delay is given"),
        (lambda: HttpSlowBody(delay_ms=-1), "delay_ms is -1"),
        (lambda: HttpSlowBody(delay_ms=1, chunk_bytes=0), "chunk_bytes is 0"),
    ],
)
def test_wrong_settings_are_refused(make, problem):
    """At construction, with the value."""
    with pytest.raises(UsageError) as refused:
        make()

    assert problem in str(refused.value)


class Real(http.server.BaseHTTPRequestHandler):
    """A server outside of every world, which keeps connections alive."""

    protocol_version = "HTTP/1.1"
    seen: list = []

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


def test_without_a_stage_as_in_a_deployed_function(server):
    """The decorator alone: real sockets, kept alive; each fault at its time, and nothing after the handler."""
    import http.client
    import time

    import requests

    from stagefright.chaos import InSequence, merge
    from stagefright.chaos.runtime import wrap

    faults = InSequence(
        HttpStatus(503), HttpLatency(delay_ms=20), HttpReset(), HttpRefused(), HttpSlowBody(delay_ms=10)
    )
    text = merge([faults], owner="o", run="r", expires=time.time() + 60)
    original = http.client.HTTPConnection.putrequest
    session = requests.Session()
    session.trust_env = False

    def handler(event, context):
        said = []
        for n in range(6):
            try:
                said.append(session.get(f"{server}/{n}", timeout=5).status_code)
            except requests.ConnectionError as error:
                said.append("refused" if "refused" in str(error) else "reset")
        return said

    obedient = wrap(handler, name="/flag", read=lambda name: text)

    assert [503, 200, "reset", "refused", 200, 200] == obedient({}, None)
    assert ["/1", "/4", "/5"] == Real.seen
    assert original is http.client.HTTPConnection.putrequest
