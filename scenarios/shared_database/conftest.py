"""What the tests of the shared database share: the server, if there is none yet, and ways to act on the orders."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import tempfile
import uuid
from pathlib import Path

import pg8000.native
import pytest

HERE = Path(__file__).parent
VARIABLE = "ORDERS_DATABASE_URL"
_running = contextlib.ExitStack()


def _bridge():
    """Where containers find this machine; None if no engine says so, about which the stage has more to say."""
    try:
        import docker
    except ImportError:
        return None
    try:
        with contextlib.closing(docker.from_env()) as client:
            return client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    except (docker.errors.DockerException, LookupError):
        return None


def _server():
    spec = importlib.util.spec_from_file_location("shared_database_server", HERE / "server.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Start a server for these tests unless the variable names one; without PostgreSQL they are skipped."""
    ours = [item for item in items if HERE in item.path.parents]
    if not ours or VARIABLE in os.environ:
        return
    if _server().programs() is None:
        reason = f"needs PostgreSQL: apt-get install postgresql, or set {VARIABLE}"
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))
    elif "PYTEST_XDIST_WORKER" not in os.environ:
        _start_server(ours[0].config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A worker of pytest-xdist starts one when it comes to these tests, which it may never do."""
    if VARIABLE not in os.environ and _server().programs() is not None:
        _start_server(item.config)


def _start_server(config):
    folder = _running.enter_context(tempfile.TemporaryDirectory(prefix="stagefright-postgresql-"))
    also_at = _bridge() if config.getoption("--stage-target") == "docker" else None
    os.environ[VARIABLE] = _running.enter_context(_server().running(Path(folder), also_at=also_at))
    _running.callback(os.environ.pop, VARIABLE)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    """The server goes when the stages are gone."""
    _running.close()


@pytest.fixture
def own(stage):
    """
    Names of this test alone: `own("amy")`.

    A local stage begins each test with empty tables. A schema in use keeps what earlier tests and other runs have stored.
    """
    suffix = f"-{uuid.uuid4().hex[:12]}" if stage.is_deployed else ""
    return lambda name: name + suffix


@pytest.fixture
def body(own):
    """An order as the shop writes it; its customer is this test's own."""

    def body(order_id, customer="amy", cents=500, currency="EUR"):
        order = {"orderId": own(order_id), "customer": own(customer), "cents": cents, "currency": currency}
        return json.dumps(order)

    return body


@pytest.fixture
def order(stage, body):
    """Put orders into the queue: `order("o-1", customer="amy", cents=500)`; gives the message ids."""

    def order(*order_ids, **given):
        entries = [{"Id": str(n), "MessageBody": body(order_id, **given)} for n, order_id in enumerate(order_ids)]
        reply = stage.client("sqs").send_message_batch(QueueUrl=stage.ref("OrdersQueue"), Entries=entries)
        return [sent["MessageId"] for sent in reply["Successful"]]

    return order


@pytest.fixture
def order_event(body):
    """Orders as Lambda hands them over: `order_event("o-1", "o-2")`."""

    def order_event(*order_ids, **given):
        return {"Records": [{"messageId": f"m-{one}", "body": body(one, **given)} for one in order_ids]}

    return order_event


@pytest.fixture
def stored(query, own):
    """The orders of a customer in the table, and what they cost."""

    def stored(customer):
        sql = "SELECT order_id, cents FROM orders WHERE customer = :customer ORDER BY order_id"
        return query(sql, customer=own(customer))

    return stored


@pytest.fixture
def query(stage):
    """Ask the stage's own schema, as its functions would: `query("SELECT ...")` gives rows."""

    def query(sql, **values):
        place = stage.shared["Orders"].parts
        connection = pg8000.native.Connection(
            place["user"],
            password=place["password"],
            host=place["host"],
            port=int(place["port"]),
            database=place["database"],
        )
        try:
            return connection.run(sql, **values)
        finally:
            connection.close()

    return query
