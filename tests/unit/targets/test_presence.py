"""While a deployed stage is here, SDK clients that say nothing else reach its account; in an emulator, nothing reaches the real AWS."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import json
import os
import socket
import threading
import urllib.request
from pathlib import Path
from typing import ClassVar

import aiohttp
import boto3
import botocore.session
import httpx
import pytest
import requests
import urllib3

from stagefright.clock import Clock
from stagefright.errors import NotInWorld
from stagefright.journal import Journal
from stagefright.targets.account import Account
from stagefright.targets.escape_guard import AWS_SUFFIXES, EscapeGuard, is_aws
from stagefright.targets.presence import Presence


class _Emulator(http.server.BaseHTTPRequestHandler):
    """Answers every call of SQS, and keeps with what credentials it was asked."""

    asked: ClassVar[list[str]] = []

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append(self.headers["Authorization"])
        body = json.dumps({"QueueUrls": ["from the emulator"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def emulator():
    """The address of an emulator, and what it was asked with."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Emulator)
    _Emulator.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def stage(emulator):
    """Makes presences of stages, which end with the test."""
    made = []

    def make(*, allowed=(), **given):
        account = Account(**{"region": "eu-west-1", "endpoint_url": emulator, "access_key": "000000000007", **given})
        presence = Presence(account, EscapeGuard("pr-7", allowed, Journal(Clock())))
        made.append(presence)
        presence.begin()
        return presence

    yield make
    for presence in reversed(made):
        presence.end()


@pytest.fixture
def sqs():
    """Makes clients of SQS, which are closed at the end."""
    made = []

    def make(session=boto3, **given):
        made.append(session.client("sqs", **given))
        return made[-1]

    yield make
    for client in made:
        client.close()


class TestEnvironment:
    def test_a_client_that_says_nothing_reaches_the_stage(self, stage, sqs):
        """In the stage's region, with the key of the worker."""
        stage()
        client = sqs()

        assert ["from the emulator"] == client.list_queues()["QueueUrls"]
        assert "eu-west-1" == client.meta.region_name
        assert ["000000000007/"] == [asked.partition("Credential=")[2][:13] for asked in _Emulator.asked]

    def test_real_credentials_are_neither_read_nor_sent(self, stage, sqs, monkeypatch, tmp_path):
        """Keys, a profile, files, roles and tokens of the developer: the emulator never hears of them, and they are there afterwards."""
        (tmp_path / "credentials").write_text(
            "[prod]\naws_access_key_id = REALFILE\naws_secret_access_key = REALFILE\n"
        )
        (tmp_path / "config").write_text("[profile prod]\nregion = us-gov-west-1\nendpoint_url = http://127.0.0.1:1\n")
        theirs = {
            "AWS_ACCESS_KEY_ID": "REALKEY",
            "AWS_SECRET_ACCESS_KEY": "REALKEY",
            "AWS_SESSION_TOKEN": "REALTOKEN",
            "AWS_PROFILE": "prod",
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/real",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/credentials",
            "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        }
        for name, value in theirs.items():
            monkeypatch.setenv(name, value)
        before = dict(os.environ)
        presence = stage()

        assert ["from the emulator"] == sqs().list_queues()["QueueUrls"]
        assert ["from the emulator"] == sqs(boto3.Session()).list_queues()["QueueUrls"]
        assert all("Credential=000000000007/" in asked for asked in _Emulator.asked)
        presence.end()
        assert before == dict(os.environ)

    def test_a_default_session_that_was_there_before_comes_back(self, stage, sqs, monkeypatch):
        """It has read another environment, so it is not used while the stage is here."""
        mine = boto3.Session(aws_access_key_id="mine", aws_secret_access_key="mine", region_name="us-east-2")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", mine)
        presence = stage()

        assert "eu-west-1" == sqs().meta.region_name
        presence.end()
        assert mine is boto3.DEFAULT_SESSION

    def test_of_two_stages_the_last_one_holds(self, stage):
        """As they come and go in any order, the environment is that of the one that came last, and at the end what it was."""
        before = dict(os.environ)
        first = stage(region="eu-west-1")
        second = stage(region="eu-west-2")
        assert "eu-west-2" == os.environ["AWS_REGION"]
        first.begin()
        assert "eu-west-1" == os.environ["AWS_REGION"]
        second.end()
        second.end()
        assert "eu-west-1" == os.environ["AWS_REGION"]
        first.end()

        assert before == dict(os.environ)

    def test_on_aws_the_profile_of_the_settings_leads_to_the_account(self, stage, monkeypatch, tmp_path):
        """Keys in the environment, which SDKs would prefer, step back; without a profile they stay."""
        (tmp_path / "credentials").write_text("[staging]\naws_access_key_id = STAGING\naws_secret_access_key = x\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OTHER")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "OTHER")
        of_profile = stage(endpoint_url=None, profile="staging", region="eu-north-1")
        session = boto3.Session()
        assert ("STAGING", "eu-north-1") == (session.get_credentials().access_key, session.region_name)
        of_profile.end()

        stage(endpoint_url=None, region="eu-north-1")
        session = boto3.Session()
        assert ("OTHER", "eu-north-1") == (session.get_credentials().access_key, session.region_name)


class TestGuard:
    def test_a_client_that_was_made_before_is_refused(self, stage, sqs):
        """What it was, where it would have gone, the line that called, and what to do; user code that swallows it leaves evidence."""
        early = sqs(region_name="us-east-1", aws_access_key_id="real", aws_secret_access_key="real")
        presence = stage()

        with pytest.raises(NotInWorld) as refusal:
            early.list_queues()  # the line that escapes

        message = str(refusal.value)
        assert "The SDK call sqs ListQueues would have gone to sqs.us-east-1.amazonaws.com, the real AWS" in message
        assert "# the line that escapes" in message
        assert Path(__file__).name in message
        assert "Use stage.client('sqs')" in message
        assert 'allow_hosts = ["sqs.us-east-1.amazonaws.com"]' in message
        assert [message] == [record.detail["message"] for record in presence._guard._journal.of_kind("warning")]

    def test_it_is_refused_in_threads_and_before_retries(self, stage, sqs):
        """Once, with no attempt to connect and no wait."""
        early = sqs(region_name="us-east-1", aws_access_key_id="real", aws_secret_access_key="real")
        stage()
        found = []

        def work():
            try:
                early.list_queues()
            except Exception as error:
                found.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

        assert [NotInWorld] == [type(error) for error in found]

    @pytest.mark.parametrize(
        "host", ["sts.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn", "sqs.us-east-1.api.aws", "169.254.169.254"]
    )
    @pytest.mark.parametrize(
        "way", ["requests", "urllib3", "urllib", "http.client", "httpx", "aiohttp", "asyncio", "socket"]
    )
    def test_other_clients_are_refused_when_they_look_the_host_up(self, stage, way, host):
        """With the call site, unless the client asks on a thread of its own."""
        stage()
        with pytest.raises(NotInWorld, match=rf"A connection would have been made to {host}, the real AWS"):
            WAYS[way](f"http://{host}/", host)

    def test_allowed_hosts_are_let_through(self, stage, sqs, monkeypatch):
        """By pattern and port."""
        early = sqs(region_name="us-east-1", aws_access_key_id="real", aws_secret_access_key="real")
        stage(allowed=("*.us-east-1.amazonaws.com:443",))
        looked_up = []
        monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))

        def nothing(host, *_, **__):
            looked_up.append(host)
            raise socket.gaierror(-2, "unknown")

        monkeypatch.setattr(socket, "getaddrinfo", nothing)
        with pytest.raises(botocore.exceptions.EndpointConnectionError):
            early.list_queues()

        assert {"sqs.us-east-1.amazonaws.com"} == set(looked_up)
        with pytest.raises(NotInWorld):
            sqs(
                region_name="us-east-2",
                aws_access_key_id="a",
                aws_secret_access_key="b",
                endpoint_url="https://sqs.us-east-2.amazonaws.com",
            ).list_queues()

    def test_other_hosts_are_nobodys_business(self, stage, emulator):
        """The test's own servers, and the world at large."""
        stage()
        assert 501 == requests.get(emulator, timeout=5).status_code
        assert not is_aws("example.com")
        assert not is_aws("amazonaws.com.example.com")

    def test_it_is_up_only_while_the_stage_is_here(self, stage):
        """Afterwards botocore and the sockets are as they were."""
        before = (botocore.endpoint.Endpoint.make_request, socket.getaddrinfo)
        presence = stage()
        assert before != (botocore.endpoint.Endpoint.make_request, socket.getaddrinfo)
        presence.end()

        assert before == (botocore.endpoint.Endpoint.make_request, socket.getaddrinfo)

    def test_on_aws_there_is_none(self, stage):
        """The stage is there."""
        before = botocore.endpoint.Endpoint.make_request
        stage(endpoint_url=None)

        assert before is botocore.endpoint.Endpoint.make_request

    def test_the_hosts_of_all_partitions_are_known(self):
        """Every suffix that botocore has."""
        loader = botocore.session.Session().get_component("data_loader")
        outputs = [one["outputs"] for one in loader.load_data("partitions")["partitions"]]
        suffixes = {output[key] for output in outputs for key in ("dnsSuffix", "dualStackDnsSuffix")}

        assert suffixes <= set(AWS_SUFFIXES)


def with_urllib3(url, _host):
    with urllib3.PoolManager() as pool:
        pool.request("GET", url, retries=False)


def with_aiohttp(url, _host):
    async def ask():
        async with aiohttp.ClientSession() as session:
            await session.get(url)

    asyncio.run(ask())


def with_asyncio(_url, host):
    asyncio.run(asyncio.open_connection(host, 80))


WAYS = {
    "requests": lambda url, host: requests.get(url, timeout=5),
    "urllib3": with_urllib3,
    "urllib": lambda url, host: urllib.request.urlopen(url, timeout=5),
    "http.client": lambda url, host: http.client.HTTPConnection(host, timeout=5).request("GET", "/"),
    "httpx": lambda url, host: httpx.get(url, timeout=5),
    "aiohttp": with_aiohttp,
    "asyncio": with_asyncio,
    "socket": lambda url, host: socket.create_connection((host, 80), timeout=5),
}
