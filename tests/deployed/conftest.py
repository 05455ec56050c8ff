"""What stands in for AWS where a deployed stage is meant: a moto server in a process of its own, asked over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import boto3
import pytest
import requests

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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
