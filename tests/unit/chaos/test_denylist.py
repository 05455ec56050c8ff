from __future__ import annotations

import http.client
import socket
import threading

import pytest

from stagefright.chaos import Denylist
from stagefright.chaos.faults.connection import Connection
from stagefright.chaos.faults.fault import Reader
from stagefright.errors import FaultNeverFired, UsageError

CALLER = """
    import http.client, socket, threading, urllib.request
    import boto3, requests
    from botocore.config import Config

    def sqs():
        return boto3.client("sqs", config=Config(retries={"mode": "standard"})).list_queues()

    def ssm():
        return boto3.client("ssm", config=Config(retries={"mode": "standard"})).describe_parameters()

    def by_requests():
        return requests.get("https://api.example.com/x", timeout=1)

    def by_urllib():
        return urllib.request.urlopen("https://api.example.com/x", timeout=1)

    def by_socket():
        return socket.create_connection(("api.example.com", 443), timeout=1)

    def by_name():
        return socket.gethostbyname("api.example.com")

    def by_httpx():
        import httpx
        return httpx.get("https://api.example.com/x", timeout=1, trust_env=False)

    def by_async_httpx():
        import asyncio, httpx
        async def get():
            async with httpx.AsyncClient(trust_env=False) as client:
                return await client.get("https://api.example.com/x", timeout=1)
        return asyncio.run(get())

    def by_aiohttp():
        import asyncio, aiohttp
        async def get():
            async with aiohttp.ClientSession() as session:
                return await session.get("https://api.example.com/x")
        return asyncio.run(get())

    def sqs_in_a_thread():
        found = []
        def work():
            try:
                sqs()
            except Exception as error:
                found.append(error)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if found:
            raise found[0]

    def handler(event, context):
        try:
            globals()[event]()
        except Exception as error:
            return [type(error).__name__, [c.__name__ for c in type(error).__mro__], str(error)]
        return "answered"
"""


@pytest.fixture
def caller(deploy):
    """A function that connects as its event says."""
    stage, chaos = deploy(CALLER)
    return stage, chaos, lambda how: stage.invoke("Worker", how).payload


class TestAnSdkCall:
    @pytest.mark.parametrize(("how", "host"), [("sqs", "sqs"), ("ssm", "ssm"), ("sqs_in_a_thread", "sqs")])
    def test_cannot_find_its_endpoint_until_the_block_ends(self, caller, strikes_of, how, host):
        """botocore's own error after its own retries, for services of ours and moto's alike."""
        stage, chaos, call = caller

        with chaos(Worker=Denylist(hosts=[rf"^{host}[.]"])):
            name, _, text = call(how)

        assert "EndpointConnectionError" == name
        assert f"https://{host}." in text
        assert "answered" == call(how)
        struck = strikes_of(stage)
        assert [("denylist", {"host": struck[0][1]["host"]})] * 3 == struck

    def test_to_another_host_is_answered(self, caller):
        """Only what the list finds is lost; a fault that met nothing is reported."""
        _, chaos, call = caller

        with pytest.raises(FaultNeverFired), chaos(Worker=Denylist(["dynamodb"])):
            assert "answered" == call("sqs")

    def test_is_retried_and_then_answered(self, caller):
        """Two attempts in vain, and the third gets through."""
        _, chaos, call = caller

        with chaos(Worker=Denylist(["sqs"]).at_most(2)):
            assert "answered" == call("sqs")


class TestAConnection:
    @pytest.mark.parametrize(
        ("how", "error"),
        [
            ("by_requests", "ConnectionError"),
            ("by_urllib", "URLError"),
            ("by_socket", "gaierror"),
            ("by_name", "gaierror"),
            ("by_httpx", "ConnectError"),
            ("by_async_httpx", "ConnectError"),
            ("by_aiohttp", "ClientConnectorDNSError"),
        ],
    )
    def test_fails_as_if_the_name_were_unknown(self, caller, strikes_of, how, error):
        """Each client words the resolver's error in its own way; each connection is one strike."""
        stage, chaos, call = caller

        with chaos(Worker=Denylist([r"example[.]com$"])):
            name, _, text = call(how)

        assert error == name
        assert "Name or service not known" in text
        assert [("denylist", {"host": "api.example.com"})] == strikes_of(stage)

    @pytest.mark.parametrize("how", ["by_httpx", "by_async_httpx", "by_aiohttp"])
    def test_that_an_event_loop_makes_is_asked_about_once(self, caller, strikes_of, how):
        """Its look-up, in a thread of its own, is no second one: the first is let through, and meets the refusal of the stage."""
        stage, chaos, call = caller

        with chaos(Worker=Denylist([r"example[.]com$"]).on_call(2)):
            assert "not part of the stage" in call(how)[2]
            assert "Name or service not known" in call(how)[2]

        assert 1 == len(strikes_of(stage))

    def test_of_other_code_in_the_process_is_none_of_its_business(self):
        """The watch hears of each connection; whose it is is for the runtime to know."""
        heard = []
        with Connection.watch(lambda **point: heard.append(point)):
            socket.getaddrinfo("localhost", 80)
            with pytest.raises(ConnectionRefusedError, match="refused"):
                http.client.HTTPConnection("localhost", 1, timeout=0.1).connect()

        assert [{"host": "localhost"}] * 2 == heard

    def test_is_free_when_nothing_watches(self):
        """The functions of `socket` are Python's own again, and overlapping watches end in any order."""
        before = socket.getaddrinfo, http.client.HTTPConnection.connect
        first, second = Connection.watch(lambda **_: None), Connection.watch(lambda **_: None)
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert before != (socket.getaddrinfo, http.client.HTTPConnection.connect)
        second.__exit__(None, None, None)

        assert before == (socket.getaddrinfo, http.client.HTTPConnection.connect)

    def test_in_another_thread_is_heard_of_too(self):
        """A handler's threads are the function's."""
        heard = []
        with Connection.watch(lambda **point: heard.append(point["host"])):
            thread = threading.Thread(target=socket.gethostbyname, args=("localhost",))
            thread.start()
            thread.join()

        assert ["localhost"] == heard


@pytest.mark.parametrize(
    ("hosts", "problem"),
    [
        ([], "hosts is \\[\\]|hosts is \\(\\)"),
        ("dynamodb", "hosts is 'dynamodb'; it should be a list"),
        (["("], "is no regular expression"),
        ([1], "a host is 1; it should be a regular expression"),
        (["x" * 513], "has 513 characters; 512 are the most"),
        (["(a+)+"], "can take for ever"),
        (["((ab)*c)*"], "can take for ever"),
        ([r"(a{2,}|b)*"], "can take for ever"),
    ],
)
def test_wrong_hosts_are_refused(hosts, problem):
    """What failure-lambda 1.x would drop silently is said where it is written."""
    with pytest.raises(UsageError, match=problem):
        Denylist(hosts)


@pytest.mark.parametrize(
    "host", [r"s3.*[.]amazonaws[.]com", r"(s3|sqs)[.]", r"\(a+\)+", r"[(+]a)+".replace(")", ""), r"(ab)+c+"]
)
def test_ordinary_expressions_are_taken(host):
    """A repetition is no danger by itself."""
    assert (host,) == Denylist([host]).hosts


def test_it_is_said_to_failure_lambda():
    """Both formats have a denylist."""
    assert {
        Reader.FAILURE_LAMBDA_0X: {"failureMode": "denylist", "denylist": ["a", "b"]},
        Reader.FAILURE_LAMBDA_1X: {"denylist": {"deny_list": ["a", "b"]}},
    } == Denylist(["a", "b"]).translations()
