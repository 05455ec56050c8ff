"""
What stands in for AWS where a deployed stage is meant: a moto server and MiniStack, each in a process of its own, asked over HTTP.

One of each serves all tests of a session, so tests name their stages differently.
"""

from __future__ import annotations

import functools
import itertools
import os
import textwrap

import boto3
import botocore.loaders
import pytest

from stagefright.settings import load_settings
from stagefright.targets import opening
from stagefright.targets.account import Account as Way
from stagefright.targets.run import Run
from tests.deployed import ministack as ministack_server
from tests.deployed import moto_server

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(autouse=True, scope="session")
def _models_are_read_once():
    """Most of what a client costs is to read what botocore knows of its service; sessions share it here, as they do on a local stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", functools.cache(botocore.loaders.create_loader))
        yield


class Account:
    """An AWS account behind an endpoint."""

    def __init__(self, endpoint_url):
        self.endpoint_url = endpoint_url
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STAGEFRIGHT_"))},
            **KEYS,
            "AWS_ENDPOINT_URL": endpoint_url,
        }

    @functools.cached_property
    def way(self):
        """What a stage takes to get there; shared, since clients take long to make."""
        return Way(region="us-east-1", endpoint_url=self.endpoint_url)

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
        moto_server.reset(self.endpoint_url)


@pytest.fixture(scope="session")
def server():
    """One moto server for all tests here."""
    with moto_server.running() as url:
        yield Account(url)


@pytest.fixture
def account(server):
    """An empty account."""
    server.reset()
    return server


@pytest.fixture(scope="session")
def ministack():
    """One MiniStack for all tests here."""
    with ministack_server.running() as url:
        yield Account(url)


@pytest.fixture(params=["moto", "ministack"])
def emulator(request):
    """Each of the two stand-ins for AWS."""
    return request.getfixturevalue("server" if request.param == "moto" else "ministack")


NUMBERS = itertools.count(1)


class System:
    """A project of a user's, whose stage lives behind an endpoint; its name is its own, so that nobody else's stage has it."""

    def __init__(self, directory, account):
        self.directory = directory
        self.way = account.way
        self.name = f"t{next(NUMBERS)}"
        self.stack = f"shop-{self.name}"
        self.endpoint_url = account.endpoint_url
        self.run = Run.begin()
        self.lines = []
        self._opened = []
        self._deployers = []

    def write(self, name, text):
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    def settings(self, **overrides):
        given = {"target": "aws", "service": "shop", "endpoint_url": self.endpoint_url, **overrides}
        return load_settings(self.directory, self.name, given, {})

    def open(self, *, keep=False, **overrides):
        stage = opening.open_deployed(
            self.name,
            self.settings(**overrides),
            run=self.run,
            account=self.way,
            keep=keep,
            progress=self.lines.append,
        )
        self._opened.append(stage)
        return stage

    def deploy(self, **overrides):
        return self.deployer(**overrides).deploy()

    def deployer(self, **overrides):
        deployer = opening.deployer_of(
            self.name, self.settings(**overrides), run=self.run, account=self.way, progress=self.lines.append
        )
        self._deployers.append(deployer)
        return deployer

    def remove(self, **given):
        return opening.remove(self.name, self.settings(), account=self.way, **given)

    @property
    def progress(self):
        return "\n".join(self.lines)

    def close(self):
        for stage in self._opened:
            if stage.is_here:
                stage.close()
        for deployer in self._deployers:
            deployer.close()


@pytest.fixture
def system(emulator, tmp_path):
    """A project without a template yet, whose stage lives in the emulator."""
    made = System(tmp_path, emulator)
    yield made
    made.close()


@pytest.fixture
def ministack_system(ministack, tmp_path):
    """The same, in MiniStack."""
    made = System(tmp_path, ministack)
    yield made
    made.close()


@pytest.fixture
def moto_system(server, tmp_path):
    """The same, in moto."""
    made = System(tmp_path, server)
    yield made
    made.close()
