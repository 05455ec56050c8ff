"""
Orders are stored once, whatever happens on the way.

The failure feared: a total that counts an order twice because its message came twice, and an environment that never recovers from a
connection that was cut. The faults used: duplicates, an error after the commit, a cut connection. The verdict expected: each order
counts once, and nothing is given up.
"""

from __future__ import annotations

import pytest

from stagefright.chaos import Duplicate, ErrorAfterCommit


@pytest.fixture
def total(query, own):
    """What the totals hold for a customer."""
    return lambda customer: query("SELECT cents FROM totals WHERE customer = :customer", customer=own(customer))


@pytest.mark.only_on("local", reason="only there a queue delivers twice on demand")
def test_a_message_that_comes_twice_counts_once(stage, chaos, order, total):
    """Standard queues deliver at least once."""
    with chaos(OrdersQueue=Duplicate()):
        order("o-1", cents=500)
        stage.settle()

    assert total("amy") == [[500]]


def test_an_order_that_is_sent_twice_counts_once(stage, order, total):
    """A shop that did not hear the queue's answer sends its order again."""
    order("o-1", cents=500)
    order("o-1", cents=500)
    stage.settle()

    assert total("amy") == [[500]]


@pytest.mark.only_on("local", reason="the second attempt comes when the queue's minute of invisibility is over")
def test_an_error_after_the_commit_counts_once(stage, chaos, order, total):
    """The function stores and then fails: its messages come again, and change nothing more."""
    with chaos(StoreFunction=ErrorAfterCommit().at_most(1)):
        order("o-1", "o-2", cents=500)
        flow = stage.settle()

    assert flow.attempts("StoreFunction").count == 2
    assert total("amy") == [[1000]]
    assert not flow.dead_letters


def test_a_batch_that_is_done_twice_counts_once(stage, chaos, order_event, total):
    """The same, seen from the function: it fails when all is stored, and gets the batch again."""
    event = order_event("o-1", "o-2")
    with chaos(StoreFunction=ErrorAfterCommit()):
        assert stage.invoke("StoreFunction", event).error is not None

    assert stage.invoke("StoreFunction", event).payload == {"batchItemFailures": []}
    assert total("amy") == [[1000]]


def test_a_connection_that_was_cut_is_opened_anew(stage, order, total):
    """A warm environment outlives its connection: a failover, an idle timeout, an administrator."""
    order("o-1", cents=500)
    stage.settle()

    stage.shared["Orders"].cut_connections()
    order("o-2", cents=500)
    flow = stage.settle()

    assert total("amy") == [[1000]]
    assert flow.attempts("StoreFunction").outcomes == [None]
