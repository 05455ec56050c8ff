"""
The stage's part of the server is its own, and the queue in front of it is patient.

The failure feared: functions that share tables with another stage, and orders that are given up during a failover. The fault used: none.
The verdict expected: the schema is the stage's, and holds what `schema.sql` says; the queue keeps what could not be stored.
"""

from __future__ import annotations

import pg8000.native
import pytest

pytestmark = pytest.mark.wiring


def test_a_stage_sees_its_own_schema_only(stage, query):
    """The stage's user finds its tables without a prefix, in the schema that is named after service and stage."""
    schema = stage.shared["Orders"].schema

    assert schema.startswith("shared_database_")
    assert query("SELECT current_user, current_schema") == [[schema, schema]]
    assert query("SELECT has_schema_privilege('public', 'CREATE')") == [[False]]


def test_the_tables_are_there(query):
    """Those of `schema.sql`, with the reference data that it brings."""
    tables = query("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema ORDER BY 1")

    assert tables == [["currencies"], ["orders"], ["totals"]]
    assert query("SELECT code FROM currencies ORDER BY code") == [["CHF"], ["EUR"]]


@pytest.mark.parametrize(
    ("values", "rule"),
    [("'o-free', 'amy', 0, 'EUR'", "orders_cents_check"), ("'o-strange', 'amy', 500, 'XXX'", "orders_currency_fkey")],
    ids=["nothing to pay", "unknown currency"],
)
def test_the_database_refuses_what_is_no_order(query, values, rule):
    """Whatever a function has overlooked."""
    with pytest.raises(pg8000.native.DatabaseError, match=rule):
        query(f"INSERT INTO orders (order_id, customer, cents, currency) VALUES ({values})")


def test_the_functions_are_told_where_their_schema_is(stage, configuration):
    """As the stage's own user, not as the server's; to which host depends on where they run."""
    for function in ("StoreFunction", "TotalFunction"):
        url = configuration(function)["Environment"]["Variables"]["DATABASE_URL"]
        place = stage.shared["Orders"].parts
        assert url.startswith(f"postgresql://{place['user']}:{place['password']}@")
        assert url.endswith(f":{place['port']}/{place['database']}")


def test_an_order_is_given_up_after_three_receives(stage, queue, configuration):
    """Each of them long enough for the function, and a failover in between; then it is kept for two weeks."""
    orders = queue("OrdersQueue")

    assert orders["VisibilityTimeout"] >= 6 * configuration("StoreFunction")["Timeout"]
    assert orders["RedrivePolicy"]["deadLetterTargetArn"] == stage.arn("DeadLetters")
    assert int(orders["RedrivePolicy"]["maxReceiveCount"]) == 3
    assert queue("DeadLetters")["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_an_order_that_cannot_be_stored_fails_alone(stage, mapping):
    """The mapping hears which messages of a batch have failed."""
    found = mapping("StoreFunction")

    assert found["EventSourceArn"] == stage.arn("OrdersQueue")
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert found["BatchSize"] == 10


def test_the_stack_says_where_orders_go(stage):
    """The shop that sends them knows the stack, and not the queue."""
    assert stage.outputs == {"OrdersQueue": stage.ref("OrdersQueue")}
