"""
What stands in for AWS where a deployed stage is meant, each in a process of its own, asked over HTTP: a moto server, and MiniStack, which
delivers events by itself.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
import requests

MINISTACK = Path(__file__).parents[2] / "build" / "ministack" / "bin" / "python"
"""In an environment of its own, which the Makefile makes."""

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


class Account:
    """An AWS account behind an endpoint."""

    def __init__(self, endpoint_url):
        self.endpoint_url = endpoint_url
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STAGEFRIGHT_"))},
            **KEYS,
            "AWS_ENDPOINT_URL": endpoint_url,
        }

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def put(self, name, text):
        self.client("ssm").put_parameter(Name=name, Value=text, Type="String", Overwrite=True)

    @property
    def parameters(self):
        pages = self.client("ssm").get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True)
        return {parameter["Name"]: parameter["Value"] for page in pages for parameter in page["Parameters"]}

    def reset(self):
        requests.post(f"{self.endpoint_url}/moto-api/reset", timeout=5)


@pytest.fixture(scope="session")
def server():
    """One moto server for all tests here."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    account = Account(f"http://127.0.0.1:{port}")
    try:
        wait_for(account)
        yield account
    finally:
        process.kill()
        process.wait()


def wait_for(account):
    for _ in range(300):
        try:
            return account.reset()
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the moto server did not come up")


@pytest.fixture
def account(server):
    """An empty account."""
    server.reset()
    return server


@pytest.fixture(scope="session")
def ministack(tmp_path_factory):
    """One MiniStack for all tests here, which share its account; so each names what it makes by itself."""
    if not MINISTACK.exists():
        pytest.skip("MiniStack is not installed (make build/ministack)")
    home, port = tmp_path_factory.mktemp("ministack"), free_port()
    settings = {
        "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "ERROR", "TMPDIR": str(home), "HOME": str(home),
        "DOCKER_HOST": f"unix://{home}/no-docker.sock", "PATH": os.environ["PATH"],
    }  # fmt: skip
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [MINISTACK, "-m", "ministack"], env=settings, stdout=log, stderr=log, start_new_session=True, cwd=home
        )
    account = MiniStack(f"http://127.0.0.1:{port}")
    try:
        wait_for_ministack(account, process, home / "server.log")
        yield account
    finally:
        end(process)


class MiniStack(Account):
    """The account of MiniStack, which is the same for all tests of a session."""

    def reset(self):
        requests.post(f"{self.endpoint_url}/_ministack/reset", timeout=30)


def wait_for_ministack(account, process, log):
    for _ in range(600):
        try:
            if requests.get(f"{account.endpoint_url}/_ministack/health", timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError("MiniStack did not come up: " + log.read_text())


def end(process):
    """The workers that it started share its process group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
