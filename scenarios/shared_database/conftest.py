"""What the tests of the shared database share: the server, if there is none yet, and ways to act on the orders."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import tempfile
from pathlib import Path

import pg8000.native
import pytest

HERE = Path(__file__).parent
VARIABLE = "ORDERS_DATABASE_URL"
_running = contextlib.ExitStack()


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
        _start_server()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """A worker of pytest-xdist starts one when it comes to these tests, which it may never do."""
    if VARIABLE not in os.environ and _server().programs() is not None:
        _start_server()


def _start_server():
    folder = _running.enter_context(tempfile.TemporaryDirectory(prefix="stagefright-postgresql-"))
    os.environ[VARIABLE] = _running.enter_context(_server().running(Path(folder)))
    _running.callback(os.environ.pop, VARIABLE)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    """The server goes when the stages are gone."""
    _running.close()


@pytest.fixture
def order(stage):
    """Put orders into the queue: `order("o-1", customer="amy", cents=500)`; gives the message ids."""

    def order(*order_ids, customer="amy", cents=500, currency="EUR"):
        entries = [
            {
                "Id": str(number),
                "MessageBody": json.dumps(
                    {"orderId": order_id, "customer": customer, "cents": cents, "currency": currency}
                ),
            }
            for number, order_id in enumerate(order_ids)
        ]
        reply = stage.client("sqs").send_message_batch(QueueUrl=stage.ref("OrdersQueue"), Entries=entries)
        return [sent["MessageId"] for sent in reply["Successful"]]

    return order


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
