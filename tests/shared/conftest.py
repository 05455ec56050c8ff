"""A real PostgreSQL server for the tests of what stages share."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pg8000.native
import pytest

from stagefright.shared.declaration import SharedResource
from stagefright.shared.postgresql import PostgresqlSchema
from stagefright.targets.run import Run

SERVER = Path(__file__).parents[2] / "scenarios" / "shared_database" / "server.py"
REQUIRED = "POSTGRESQL_TESTS"
"""`required`: a machine without PostgreSQL fails these tests instead of skipping them."""


def server_module():
    spec = importlib.util.spec_from_file_location("throwaway_postgresql", SERVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def server_url():
    """The URL of a server's superuser."""
    server = server_module()
    if server.programs() is None:
        assert os.environ.get(REQUIRED) != "required", "PostgreSQL is not installed, and these tests are required"
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    # Below /tmp itself: the server runs as another user, who may not enter pytest's own directories.
    with tempfile.TemporaryDirectory(prefix="stagefright-postgresql-") as folder, server.running(Path(folder)) as url:
        yield url


@pytest.fixture
def ask(server_url):
    """Ask the server as somebody: `ask("SELECT 1")`, `ask("SELECT 1", url=...)`."""

    def ask(sql, url=server_url, **values):
        connection = connect(url)
        try:
            return connection.run(sql, **values)
        finally:
            connection.close()

    return ask


@pytest.fixture
def connect_to():
    """Opens a connection to a URL of ours."""
    return connect


def connect(url):
    """A connection to a URL of ours."""
    parts = urlsplit(url)
    return pg8000.native.Connection(
        unquote(parts.username),
        password=unquote(parts.password or ""),
        host=parts.hostname,
        port=parts.port,
        database=parts.path.strip("/"),
    )


@pytest.fixture
def part(server_url, tmp_path):
    """Makes a stage's schema, and drops it afterwards."""
    made = []

    def part(stage="one", *, run=None, copy="", create=True, **table):
        place = {} if "url_variable" in table else {"url": server_url}
        resource = SharedResource.read("Orders", {"kind": "postgresql", **place, **table})
        found = PostgresqlSchema(resource, service="shop", stage=stage, copy=copy, run=run or Run.begin())
        made.append(found)
        if create:
            found.create(tmp_path)
        return found

    yield part
    for one in made:
        one.close()
