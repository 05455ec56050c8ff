"""
Nothing of a local stage reaches the world outside by accident: whoever tries, with whatever client, is refused and told where it was.

What it cannot guard: child processes, and C code that opens sockets of its own.
"""

from __future__ import annotations

import asyncio
import http.client
import http.server
import ipaddress
import os
import socket
import threading
import urllib.request
from typing import ClassVar

import aiohttp
import boto3
import botocore.config
import httpx
import pytest
import requests
import urllib3

from stagefright.errors import NotInWorld

HOST = "api.example.com"


def with_urllib3(port):
    with urllib3.PoolManager() as pool:
        pool.request("GET", f"http://{HOST}:{port}/", retries=False)


def with_aiohttp(port):
    async def ask():
        async with aiohttp.ClientSession() as session:
            await session.get(f"http://{HOST}:{port}/")

    asyncio.run(ask())


def with_httpx_async(port):
    async def ask():
        async with httpx.AsyncClient() as client:
            await client.get(f"http://{HOST}:{port}/")

    asyncio.run(ask())


def with_asyncio(port):
    asyncio.run(asyncio.open_connection(HOST, port))


def with_asyncio_number(port):
    asyncio.run(asyncio.open_connection("192.0.2.7", port))


def with_asyncio_datagram(port):
    async def send():
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("192.0.2.7", port))

    asyncio.run(send())


def with_socket(kind, act):
    def ask(port):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.settimeout(1)
            act(sock, ("192.0.2.7", port))

    return ask


def with_ipv6(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.connect(("2001:db8::1", port))


def with_botocore(port):
    client = boto3.client(
        "sqs", endpoint_url=f"http://{HOST}:{port}", config=botocore.config.Config(retries={"max_attempts": 0})
    )
    try:
        client.list_queues()
    finally:
        client.close()


WAYS = {
    "requests": lambda port: requests.get(f"http://{HOST}:{port}/", timeout=5),
    "urllib3": with_urllib3,
    "urllib": lambda port: urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=5),
    "http.client": lambda port: http.client.HTTPConnection(HOST, port, timeout=5).request("GET", "/"),
    "httpx": lambda port: httpx.get(f"http://{HOST}:{port}/"),
    "httpx async": with_httpx_async,
    "aiohttp": with_aiohttp,
    "asyncio": with_asyncio,
    "asyncio by number": with_asyncio_number,
    "asyncio UDP": with_asyncio_datagram,
    "TCP": with_socket(socket.SOCK_STREAM, lambda sock, address: sock.connect(address)),
    "TCP, told by number": with_socket(socket.SOCK_STREAM, lambda sock, address: sock.connect_ex(address)),
    "UDP": with_socket(socket.SOCK_DGRAM, lambda sock, address: sock.sendto(b"x", address)),
    "UDP with flags": with_socket(socket.SOCK_DGRAM, lambda sock, address: sock.sendto(b"x", 0, address)),
    "UDP in parts": with_socket(socket.SOCK_DGRAM, lambda sock, address: sock.sendmsg([b"x"], [], 0, address)),
    "UDP, connected": with_socket(socket.SOCK_DGRAM, lambda sock, address: sock.connect(address)),
    "IPv6": with_ipv6,
    "getaddrinfo": lambda port: socket.getaddrinfo(HOST, port),
    "gethostbyname": lambda port: socket.gethostbyname(HOST),
    "gethostbyname_ex": lambda port: socket.gethostbyname_ex(HOST),
    "gethostbyaddr": lambda port: socket.gethostbyaddr("192.0.2.7"),
}


def in_the_test(act):
    act()


def in_a_thread(act):
    found = []

    def work():
        try:
            act()
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if found:
        raise found[0]


class TestWaysOut:
    """Every way, from the test itself, from a thread of it, from its event loop, and from a handler."""

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("where", [in_the_test, in_a_thread])
    def test_it_is_refused_and_the_call_site_named(self, systems, way, where):
        """Whatever the client makes of the refusal, the journal has it, with the line."""
        stage = systems.open()
        with pytest.raises(Exception, match=r"api\.example\.com|192\.0\.2\.7|2001:db8::1"):
            where(lambda: WAYS[way](8443))

        [warning] = {record.detail["message"] for record in stage.journal.of_kind("warning")}
        assert "which is not part of the stage" in warning
        assert "test_escapes.py" in warning

    def test_from_a_handler(self, systems):
        """Its function is named, and its line."""
        stage, ask = systems.function(
            """
            import socket, threading, asyncio
            def udp():
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.sendto(b"x", ("192.0.2.7", 53))
            def swallowed(act):
                try:
                    act()
                except Exception as error:
                    return type(error).__name__
            async def connect():
                await asyncio.open_connection("api.example.com", 443)
            def handler(event, context):
                thread = threading.Thread(target=swallowed, args=(udp,))
                thread.start()
                thread.join()
                return [swallowed(udp), swallowed(lambda: asyncio.run(connect()))]
            """
        )
        assert ["NotInWorld", "NotInWorld"] == ask()
        warnings = [record.detail["message"] for record in stage.journal.of_kind("warning")]
        assert 3 == len(warnings)
        assert all("app.py" in warning for warning in warnings)

    def test_it_is_refused_as_what_it_is(self, systems):
        """Clients that do not wrap what they do not know raise our error itself."""
        systems.open()
        for way in ("requests", "urllib", "asyncio", "UDP", "getaddrinfo"):
            with pytest.raises(NotInWorld):
                WAYS[way](80)


class TestAllowed:
    @pytest.fixture
    def sent(self, monkeypatch):
        """Where packets would have gone."""
        sent = []
        names = {"db.internal": "192.0.2.5", "a.example.com": "192.0.2.6"}

        def look_up(host, port=None, *_, **__):
            kind = socket.AF_INET6 if ":" in host else socket.AF_INET
            return [(kind, socket.SOCK_DGRAM, 17, "", (names.get(host, host), port))]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(socket.socket, "sendto", lambda _, data, address: sent.append(address))
        return sent

    @pytest.mark.parametrize(
        ("allowed", "host", "port", "is_let_through"),
        [
            ("db.internal:5432", "db.internal", 5432, True),
            ("db.internal:5432", "db.internal", 80, False),
            ("db.internal", "db.internal", 80, True),
            ("*.example.com", "a.example.com", 443, True),
            ("*.example.com", "db.internal", 443, False),
            ("DB.Internal.", "db.internal", 1, True),
            ("192.0.2.*", "192.0.2.9", 53, True),
            ("192.0.2.9:53", "192.0.2.9", 54, False),
            ("2001:db8::1", "2001:db8::1", 53, True),
            ("[2001:db8::1]:53", "2001:db8::1", 54, False),
        ],
    )
    def test_hosts_patterns_and_ports(self, sent, systems, allowed, host, port, is_let_through):
        """An address stands for the names under which it was looked up, and for their ports."""
        systems.open(allow_hosts=[allowed])

        def send():
            family, *_, address = socket.getaddrinfo(host, port)[0]
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"x", address)

        if is_let_through:
            send()
            assert [port] == [address[1] for address in sent]
        else:
            with pytest.raises(NotInWorld, match=host.replace(".", r"\.")):
                send()
            assert [] == sent

    def test_the_refusal_of_a_port_suggests_the_port(self, sent, systems):
        """When another port of the host is allowed."""
        systems.open(allow_hosts=["db.internal:5432"])
        with pytest.raises(NotInWorld, match=r'allow_hosts = \["db\.internal:80"\]'):
            socket.getaddrinfo("db.internal", 80)

    @pytest.mark.parametrize("family", ["IPv4", "IPv6", "name"])
    def test_servers_of_the_test_are_reachable(self, systems, family):
        """A PostgreSQL, or a server that a plugin starts: loopback, by any of its names, over TCP and UDP."""
        systems.open()
        host = {"IPv4": "127.0.0.1", "IPv6": "::1", "name": "localhost"}[family]
        kind = socket.AF_INET6 if family == "IPv6" else socket.AF_INET
        try:
            server = socket.create_server((host, 0), family=kind)
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = server.getsockname()[1]
        client = socket.create_connection((host, port), timeout=5)
        accepted, _ = server.accept()
        client.sendall(b"hello")
        assert b"hello" == accepted.recv(5)
        for one in (client, accepted, server):
            one.close()
        with socket.socket(kind, socket.SOCK_DGRAM) as receiver, socket.socket(kind, socket.SOCK_DGRAM) as sender:
            receiver.bind((host, 0))
            sender.sendto(b"hello", receiver.getsockname()[:2])
            assert b"hello" == receiver.recv(5)


class _Trap(http.server.BaseHTTPRequestHandler):
    """Stands where credentials would be given, or taken."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(f"{self.command} {self.path} {dict(self.headers)}")
        self.send_error(500)

    def do_PUT(self):
        self.do_GET()

    def do_POST(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def trap():
    """The address of a server that nobody should ask, though everybody could."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Trap)
    _Trap.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class TestCredentials:
    """What the developer's shell, files and machine have of credentials is neither read nor sent."""

    KEYS: ClassVar = {
        "AWS_ACCESS_KEY_ID": "REALKEY",
        "AWS_SECRET_ACCESS_KEY": "REALSECRET",
        "AWS_SESSION_TOKEN": "REALTOKEN",
    }

    @pytest.fixture
    def shell(self, monkeypatch, trap, tmp_path):
        """A shell with every way to credentials that there is, each of them a trap."""
        home = tmp_path / "aws"
        home.mkdir()
        script = f"import urllib.request; urllib.request.urlopen('{trap}/process')"
        (home / "credentials").write_text("[default]\naws_access_key_id = REALFILE\naws_secret_access_key = REALFILE\n")
        (home / "config").write_text(
            f"[default]\nregion = us-gov-west-1\nendpoint_url = {trap}/config\nretry_mode = adaptive\n"
            f'[profile prod]\ncredential_process = python -c "{script}"\nendpoint_url = {trap}/config\n'
        )
        (home / "token").write_text("a-token")
        for name, value in {
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
            "AWS_CONFIG_FILE": str(home / "config"),
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/real",
            "AWS_ENDPOINT_URL_STS": trap,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{trap}/container",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{trap}/imds",
            "AWS_EC2_METADATA_DISABLED": "false",
        }.items():
            monkeypatch.setenv(name, value)
        return monkeypatch

    @pytest.fixture
    def signed_with(self, monkeypatch):
        """The access keys and tokens of all calls that are signed or sent while the test runs."""
        from botocore.auth import SigV4Auth

        seen = set()
        native = SigV4Auth.add_auth

        def add_auth(self, request):
            seen.update((self.credentials.access_key, self.credentials.token))
            return native(self, request)

        monkeypatch.setattr(SigV4Auth, "add_auth", add_auth)
        return seen

    @pytest.mark.parametrize(
        "way", ["keys", "default profile", "AWS_PROFILE", "a profile that is not there", "none of both"]
    )
    def test_a_client_of_the_test_uses_none_of_them(self, shell, systems, signed_with, way):
        """Neither to services that are ours nor to those that moto keeps, and whether or not they could be used."""
        if way == "keys":
            for name, value in self.KEYS.items():
                shell.setenv(name, value)
        if way == "AWS_PROFILE":
            shell.setenv("AWS_PROFILE", "prod")
        if way == "a profile that is not there":
            shell.setenv("AWS_PROFILE", "nobodys")
        if way == "none of both":
            shell.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        stage = systems.open()

        for make in (boto3.client, stage.client):
            make("sqs").list_queues()
            make("dynamodb").list_tables()
            make("s3").list_buckets()
        assert "123456789012" == boto3.client("sts").get_caller_identity()["Account"]
        assert [] == _Trap.asked
        assert signed_with
        assert not {one for one in signed_with if one and one.startswith("REAL")}, signed_with

    @pytest.mark.parametrize("given", [{}, {"profile_name": "prod"}, {"region_name": "us-east-1"}])
    def test_a_session_of_the_tests_own_reaches_the_stage_too(self, shell, systems, signed_with, given):
        """`boto3.Session()`, as libraries make it, even one that names a profile: in the stage's region, with nothing of the shell's."""
        for name, value in self.KEYS.items():
            shell.setenv(name, value)
        shell.setenv("AWS_DEFAULT_REGION", "us-gov-west-1")
        shell.setenv("AWS_PROFILE", "prod")
        stage = systems.open()
        session = boto3.Session(**given)

        assert session.client("sqs").list_queues()["QueueUrls"] == stage.client("sqs").list_queues()["QueueUrls"]
        session.client("dynamodb").list_tables()
        assert "us-east-1" == session.region_name
        assert not session.get_credentials().access_key.startswith("REAL")
        assert not {one for one in signed_with if one and one.startswith("REAL")}
        assert [] == _Trap.asked

    def test_a_session_that_is_given_keys_and_a_region_has_them(self, systems):
        """As tests of several regions, or of roles, want it."""
        systems.open()
        session = boto3.Session(aws_access_key_id="mine", aws_secret_access_key="x", region_name="eu-west-1")

        assert ("mine", "eu-west-1") == (session.get_credentials().access_key, session.region_name)

    def test_a_handler_sees_its_roles_credentials_only(self, shell, systems):
        """Its environment is Lambda's, not the shell's."""
        for name, value in self.KEYS.items():
            shell.setenv(name, value)
        shell.setenv("AWS_PROFILE", "prod")
        _, ask = systems.function(
            """
            import os, boto3
            def handler(event, context):
                os.environ["AWS_CONFIG_FILE"] = event
                assert boto3.client("dynamodb").meta.config.retries["mode"] != "adaptive"
                found = boto3.Session().get_credentials()
                return [found.access_key, os.environ.get("AWS_PROFILE"), sorted(k for k, v in os.environ.items() if "REAL" in v)]
            """
        )
        key, profile, real = ask(os.environ["AWS_CONFIG_FILE"])

        assert (None, []) == (profile, real)
        assert not key.startswith("REAL")
        assert [] == _Trap.asked


def test_documentation_addresses_are_nobodys():
    """The numbers that these tests use lead nowhere, should a guard fail."""
    assert not ipaddress.ip_address("192.0.2.7").is_global
    assert not ipaddress.ip_address("2001:db8::1").is_global
