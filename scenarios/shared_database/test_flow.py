"""
Orders are stored once.

The failure feared: an order that is lost, or counted twice; an order of one stage that another one sees. The fault used: none. The
verdict expected: the table holds each order once, and the totals add up.
"""

from __future__ import annotations

import json

import pytest

only_where_tables_are_emptied = pytest.mark.only_on(
    "local", reason="elsewhere the schema keeps its data for as long as the stage"
)


def test_orders_are_stored_and_added_up(stage, order, own, stored):
    """Each order becomes a row, and the API answers their sum."""
    order("o-1", "o-2", cents=500)
    order("o-3", customer="bob", cents=70)
    stage.settle()

    assert stored("amy") == [[own("o-1"), 500], [own("o-2"), 500]]
    assert stored("bob") == [[own("o-3"), 70]]
    assert stage.http.get(f"/customers/{own('amy')}/total").json() == {"customer": own("amy"), "cents": 1000}


def test_a_customer_without_orders_has_no_total(stage, own):
    """Which is no error of the function's."""
    assert stage.http.get(f"/customers/{own('nobody')}/total").status_code == 404


def test_a_neighbour_of_a_bad_order_is_stored(stage, order_event, own, stored):
    """The function reports the one that the database refuses, and no other."""
    event = order_event("o-1", "o-strange", "o-2")
    bad = event["Records"][1]
    bad["body"] = json.dumps({**json.loads(bad["body"]), "currency": "XXX"})

    result = stage.invoke("StoreFunction", event)

    assert result.payload == {"batchItemFailures": [{"itemIdentifier": bad["messageId"]}]}
    assert stored("amy") == [[own("o-1"), 500], [own("o-2"), 500]]


@only_where_tables_are_emptied
def test_each_test_begins_with_empty_tables(query):
    """What another test stored is gone; reference data is there."""
    assert query("SELECT count(*) FROM orders") == [[0]]
    assert query("SELECT code FROM currencies ORDER BY code") == [["CHF"], ["EUR"]]


@only_where_tables_are_emptied
def test_numbers_begin_at_one_in_each_test(stage, order, query):
    """A sequence that went on would make tests depend on each other."""
    order("o-1")
    stage.settle()

    assert query("SELECT number FROM orders") == [[1]]


@pytest.mark.only_on("local", reason="three receives are a minute apart")
def test_an_order_that_cannot_be_stored_is_given_up_alone(stage, order, query, listen):
    """It goes to the dead-letter queue after three receives; its neighbours are stored at once."""
    dead = listen.sqs("DeadLetters")

    order("o-1", "o-2")
    order("o-3", currency="XXX")
    flow = stage.settle()

    assert "XXX" in dead.expect(body={"orderId": "o-3"}).body
    dead.expect_no_more()
    assert query("SELECT order_id FROM orders ORDER BY order_id") == [["o-1"], ["o-2"]]
    assert [letter.resource for letter in flow.dead_letters] == ["DeadLetters"]
