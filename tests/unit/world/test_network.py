"""HTTP to a stage's API stays in the world; every other host is refused, unless it is this machine or allowed."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import inspect
import io
import json
import socket
import threading
import time
import timeit
import urllib.error
import urllib.request
import warnings

import aiohttp
import httpx
import pytest
import requests
import urllib3

from stagefright.errors import NotInWorld

ECHO = """
    import time
    def handler(event, context):
        time.sleep(float((event.get("queryStringParameters") or {}).get("sleep", 0)))
        body = event.get("body") or ""
        return {"statusCode": 200, "body": f"{event['requestContext']['http']['method']} {len(body)} {body[:40]}"}
    """


def api(target):
    """An HTTP API whose every request goes to one function."""
    return {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "api", "ProtocolType": "HTTP"}},
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"}, "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0",
                "IntegrationUri": {"Fn::GetAtt": [target, "Arn"]},
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"}, "RouteKey": "$default",
                "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]},
            },
        },
        "Deployed": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
        },
        "May": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": target}, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
            },
        },
    }  # fmt: skip


@pytest.fixture
def stage(systems):
    """A stage with an API in front of a function that says what it got."""
    return systems.open({"Echo": ECHO}, resources=api("Echo"), timeout=20)


@pytest.fixture
def url(stage):
    """The API's own address."""
    return f"https://{stage.ref('Api')}.execute-api.us-east-1.amazonaws.com"


def with_requests(url, body=None, timeout=None):
    return requests.request("POST" if body else "GET", url, data=body, timeout=timeout).text


def with_urllib3(url, body=None, timeout=None):
    with urllib3.PoolManager() as pool:
        return pool.request("POST" if body else "GET", url, body=body, timeout=timeout, retries=False).data.decode()


def with_urllib(url, body=None, timeout=None):
    given = {} if timeout is None else {"timeout": timeout}
    with urllib.request.urlopen(urllib.request.Request(url, data=body), **given) as answer:
        return answer.read().decode()


def with_http_client(url, body=None, timeout=None):
    host, _, path = url.removeprefix("https://").partition("/")
    connection = http.client.HTTPSConnection(host, **({} if timeout is None else {"timeout": timeout}))
    connection.request("POST" if body else "GET", f"/{path}", body=body)
    return connection.getresponse().read().decode()


def with_httpx(url, body=None, timeout=None):
    with httpx.Client(trust_env=False) as client:
        return client.request("POST" if body else "GET", url, content=body, timeout=timeout).text


def with_async_httpx(url, body=None, timeout=None):
    async def ask():
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.request("POST" if body else "GET", url, content=body, timeout=timeout)).text

    return asyncio.run(ask())


def with_aiohttp(url, body=None, timeout=None):
    async def ask():
        limits = aiohttp.ClientTimeout(total=None, sock_read=timeout)
        async with aiohttp.ClientSession(timeout=limits) as session:
            # Bytes beyond a megabyte are a file's business for aiohttp, which warns of them.
            content = None if body is None else io.BytesIO(body)
            async with session.request("POST" if body else "GET", url, data=content, headers=TEXT) as answer:
                return await answer.text()

    return asyncio.run(ask())


TEXT = {"Content-Type": "text/plain"}
"""aiohttp says that bodies are bytes, unless told otherwise, and the API would hand them on in base64."""

CLIENTS = [with_requests, with_urllib3, with_urllib, with_http_client, with_httpx, with_async_httpx, with_aiohttp]
TIMEOUTS = {
    with_httpx: httpx.ReadTimeout,
    with_async_httpx: httpx.ReadTimeout,
    with_aiohttp: aiohttp.SocketTimeoutError,
    with_requests: requests.exceptions.ReadTimeout,
    with_urllib3: urllib3.exceptions.ReadTimeoutError,
    with_urllib: TimeoutError,
    with_http_client: TimeoutError,
}


@pytest.mark.parametrize("client", CLIENTS)
class TestClients:
    def test_a_request_is_answered_by_the_function(self, url, client):
        """Without a certificate warning, without a socket."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "GET 0 " == client(f"{url}/")

    def test_a_large_body_arrives_whole(self, url, client):
        """Five megabytes."""
        assert f"POST {5 * 2**20} {'x' * 40}" == client(f"{url}/", body=b"x" * 5 * 2**20)

    def test_a_read_timeout_fires_at_the_virtual_instant(self, stage, url, client):
        """As the client's own exception, after exactly its timeout, and in no real time."""
        before, began = time.time(), timeit.default_timer()

        with pytest.raises(TIMEOUTS[client]):
            client(f"{url}/?sleep=10", timeout=2.5)

        assert 2.5 == round(time.time() - before, 6)
        assert timeit.default_timer() - began < 1

    def test_an_answer_in_time_is_no_timeout(self, url, client):
        """The timeout is of the world's time."""
        assert "GET 0 " == client(f"{url}/?sleep=2", timeout=2.5)

    def test_handlers_may_call_it_too(self, systems, client):
        """From another function, in virtual time."""
        stage = systems.open(
            {"Echo": ECHO, "Caller": "def handler(event, context): return call(event)"}, resources=api("Echo")
        )
        stage.module("Caller").call = client

        answer = stage.invoke("Caller", f"https://{stage.ref('Api')}.execute-api.us-east-1.amazonaws.com/?sleep=1")

        assert ("GET 0 ", 1.0) == (answer.payload, round(stage.clock.now() - 1767225600, 6))


def test_a_handler_that_times_out_while_it_waits_for_an_answer(systems):
    """Nothing after the request happens, and the answer is nobody's."""
    waits = """
        import os, urllib.request
        def handler(event, context):
            urllib.request.urlopen(os.environ["URL"] + "/?sleep=10")
            print("after")
        """
    url = {"Fn::Sub": "https://${Api}.execute-api.us-east-1.amazonaws.com"}
    stage = systems.open(
        {
            "Echo": {"app.py": ECHO, "Timeout": 20},
            "Waits": {"app.py": waits, "Environment": {"Variables": {"URL": url}}},
        },
        resources=api("Echo"),
    )
    answer = stage.invoke("Waits")
    assert ("Sandbox.Timedout", 3) == (answer.error, stage.clock.now() - 1767225600)
    stage.settle()

    assert [] == stage.journal.of_kind("log", resource="Waits")
    assert 10 == stage.clock.now() - 1767225600


def test_a_session_is_reused(url):
    """Ten requests on one `requests.Session`, one after the other."""
    with requests.Session() as session:
        assert ["GET 0 "] * 10 == [session.get(f"{url}/").text for _ in range(10)]


def test_a_kept_connection_of_http_client_is_reused(url):
    """The same `HTTPSConnection` object for two requests."""
    connection = http.client.HTTPSConnection(url.removeprefix("https://"))
    texts = []
    for _ in range(2):
        connection.request("GET", "/")
        texts.append(connection.getresponse().read().decode())

    assert ["GET 0 ", "GET 0 "] == texts


def test_a_chunked_upload_arrives_whole(url):
    """A generator as a body goes out in chunks."""
    assert "POST 30 " + "abc" * 10 == requests.post(url, data=(b"abc" for _ in range(10)), timeout=5).text


def test_the_stage_answers_while_others_run(systems):
    """Two threads that ask at once are served at once."""
    stage = systems.open({"Echo": ECHO}, resources=api("Echo"))
    url = f"https://{stage.ref('Api')}.execute-api.us-east-1.amazonaws.com/?sleep=2"
    threads = [threading.Thread(target=with_requests, args=(url,)) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert 2.0 == round(stage.clock.now() - 1767225600, 6)


def gather_with_httpx(urls):
    async def ask():
        async with httpx.AsyncClient(trust_env=False, timeout=None) as client:
            return [answer.text for answer in await asyncio.gather(*map(client.get, urls))]

    return asyncio.run(ask())


def gather_with_aiohttp(urls):
    async def ask():
        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(*(text(session, url) for url in urls))

    async def text(session, url):
        async with session.get(url) as answer:
            return await answer.text()

    return asyncio.run(ask())


@pytest.mark.parametrize("gather", [gather_with_httpx, gather_with_aiohttp])
class TestEventLoops:
    def test_requests_at_the_same_time_take_the_time_of_one(self, systems, gather):
        """Three requests of two seconds each, from one loop, and the answers are each one's own."""
        stage = systems.open({"Echo": ECHO}, resources=api("Echo"))
        url = f"https://{stage.ref('Api')}.execute-api.us-east-1.amazonaws.com"

        assert ["GET 0 "] * 3 == gather([f"{url}/?sleep={seconds}" for seconds in (2, 1, 2)])
        assert 2.0 == round(stage.clock.now() - 1767225600, 6)

    def test_a_handler_imports_the_client_by_itself(self, systems, gather):
        """The same from a function whose code imports it; the flow knows who called whom."""
        code = f"import asyncio, aiohttp, httpx\n{inspect.getsource(gather)}\nhandler = lambda urls, _: {gather.__name__}(urls)\n"
        stage = systems.open({"Echo": ECHO, "Caller": code}, resources=api("Echo"))

        answer = stage.invoke(
            "Caller", [f"https://{stage.ref('Api')}.execute-api.us-east-1.amazonaws.com/?sleep=1"] * 2
        )

        assert ["GET 0 "] * 2 == answer.payload
        callers = [stage.journal.of_kind("invocation", resource="Caller")[0].n] * 2
        assert callers == [record.cause for record in stage.journal.of_kind("event", resource="Api")]


class TestBodiesInChunks:
    def test_of_httpx(self, url):
        """A generator as content goes out in chunks, blocking or not."""

        async def pieces():
            for _ in range(10):
                yield b"0\r\n"

        async def ask():
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.post(url, content=pieces())).text

        assert "POST 30 " + "0\r\n" * 10 == asyncio.run(ask())
        assert "POST 30 " + "abc" * 10 == httpx.post(url, content=(b"abc" for _ in range(10)), trust_env=False).text

    def test_of_aiohttp(self, url):
        """What looks like the end within a chunk is not; and a body may wait to be asked for."""

        async def pieces():
            for _ in range(10):
                yield b"0\r\n"
                await asyncio.sleep(0.1)

        async def ask(**more):
            async with aiohttp.ClientSession() as session, session.post(url, headers=TEXT, **more) as answer:
                return await answer.text()

        assert "POST 30 " + "0\r\n" * 10 == asyncio.run(ask(data=pieces()))
        assert "POST 3 abc" == asyncio.run(ask(data=b"abc", expect100=True))


class TestGuard:
    @pytest.mark.parametrize("client", CLIENTS)
    def test_another_host_is_refused(self, stage, client):
        """Nothing leaves the world by accident; httpx and aiohttp word every error of a connection as their own."""
        with pytest.raises((NotInWorld, httpx.ConnectError, aiohttp.ClientConnectorError)) as refused:
            client("https://example.com/")

        assert "tried to reach 'example.com', which is not part of the stage" in str(refused.value)

    def test_the_refusal_names_the_call_site(self, systems):
        """The function, its line, and the setting that would allow it."""
        stage, _ = systems.function(
            """
            import urllib.request
            def handler(event, context):
                return urllib.request.urlopen("https://example.com").read()
            """
        )
        answer = stage.invoke("Fn")

        assert "NotInWorld" == answer.error
        assert 'urlopen("https://example.com")' in answer.error_message
        assert "app.py" in answer.error_message
        assert 'allow_hosts = ["example.com"]' in answer.error_message

    def test_a_refusal_that_is_swallowed_is_in_the_journal(self, systems):
        """User code may catch everything; the evidence stays."""
        stage, ask = systems.function(
            """
            import socket
            def handler(event, context):
                try:
                    socket.create_connection(("93.184.216.34", 80), timeout=1)
                except Exception:
                    return "swallowed"
            """
        )

        assert "swallowed" == ask()
        assert "93.184.216.34" in stage.journal.of_kind("warning", resource="Fn")[0].detail["message"]

    @pytest.mark.parametrize("host", ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "169.254.169.254"])
    def test_what_only_looks_local_is_refused(self, stage, host):
        """Names that begin like loopback, private networks, the metadata service."""
        with pytest.raises(NotInWorld):
            socket.create_connection((host, 80), timeout=1)

    def test_this_machine_is_reachable(self, systems):
        """A database in a container next door is nobody's accident."""
        server = http.server.HTTPServer(("127.0.0.1", 0), _Hello)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        stage, ask = systems.function(
            """
            import urllib.request
            def handler(port, context):
                return [urllib.request.urlopen(f"http://{host}:{port}/").read().decode() for host in ("127.0.0.1", "localhost")]
            """
        )

        assert ["hello", "hello"] == ask(server.server_port)
        stage.close()
        server.shutdown()
        thread.join()
        server.server_close()

    def test_allowed_hosts_are_let_through(self, monkeypatch, systems):
        """By name, and by the addresses that the name stands for."""
        reached = []
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 80))]
        )
        monkeypatch.setattr(socket.socket, "connect", lambda _, address: reached.append(address))
        systems.open(allow_hosts=["allowed.example.com"])

        socket.create_connection(("allowed.example.com", 80)).close()

        assert [("192.0.2.7", 80)] == reached
        with pytest.raises(NotInWorld):
            socket.create_connection(("other.example.com", 80))

    def test_a_client_that_goes_its_own_way_is_told(self, url):
        """A raw socket to the stage's own host: the message does not say that the host is foreign."""
        with pytest.raises(NotInWorld, match="is part of the stage, with a client that the stage does not know"):
            socket.create_connection((url.removeprefix("https://"), 443))

    def test_other_threads_are_free(self, systems):
        """The guard is for the world's threads only: xdist and debuggers have sockets of their own."""
        listener = socket.create_server(("127.0.0.1", 0))
        systems.open()
        assert listener.getsockname()[1]
        listener.close()


def test_an_outside_host_can_be_mocked_in_a_handler_with_responses(systems):
    """`responses` answers before the guard is asked, in the test's thread and in the handler's."""
    responses = pytest.importorskip("responses")
    _, ask = systems.function(
        """
        import requests
        def handler(event, context):
            return requests.get("https://api.example.com/rates", timeout=3).json()
        """
    )

    with responses.RequestsMock() as mock:
        mock.get("https://api.example.com/rates", json={"EUR": 1})
        assert {"EUR": 1} == ask()
        assert 1 == len(mock.calls)


class _Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


def test_the_event_has_what_was_sent(stage, url):
    """Method, path, headers, JSON."""
    assert requests.put(f"{url}/a/b?c=1", json={"d": 2}, timeout=5).text == f"PUT 8 {json.dumps({'d': 2})}"
