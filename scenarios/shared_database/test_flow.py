"""
Orders are stored once.

The failure feared: an order that is lost, or counted twice; an order of one stage that another one sees. The fault used: none. The
verdict expected: the table holds each order once, and the totals add up.
"""

from __future__ import annotations


def test_orders_are_stored_and_added_up(stage, order, query):
    """Each order becomes a row, and the API answers their sum."""
    order("o-1", "o-2", cents=500)
    order("o-3", customer="bob", cents=70)
    stage.settle()

    assert query("SELECT order_id, cents FROM orders ORDER BY order_id") == [["o-1", 500], ["o-2", 500], ["o-3", 70]]
    assert stage.http.get("/customers/amy/total").json() == {"customer": "amy", "cents": 1000}


def test_each_test_begins_with_empty_tables(query):
    """What another test stored is gone, and numbers begin at one again; reference data is there."""
    assert query("SELECT count(*) FROM orders") == [[0]]
    assert query("SELECT code FROM currencies ORDER BY code") == [["CHF"], ["EUR"]]


def test_numbers_begin_at_one_in_each_test(stage, order, query):
    """A sequence that went on would make tests depend on each other."""
    order("o-1")
    stage.settle()

    assert query("SELECT number FROM orders") == [[1]]


def test_a_stage_sees_its_own_schema_only(stage, query):
    """The stage's user finds its tables without a prefix, in the schema that is named after service and stage."""
    schema = stage.shared["Orders"].schema

    assert schema.startswith("shared_database_")
    assert query("SELECT current_user, current_schema") == [[schema, schema]]
    assert query("SELECT has_schema_privilege('public', 'CREATE')") == [[False]]


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
