"""
Orders are booked, whichever way they take.

The failure feared: none yet; a cure that breaks the healthy way is no cure. The fault used: none. The verdict expected:
every order is processed once, and nothing is dead-lettered.
"""

from __future__ import annotations

import uuid

import pytest

from stagefright.chaos.checks import conserved

slow = pytest.mark.nightly  # where time is real they take their orders one or two at a time, for seconds each
sees_all = pytest.mark.only_on("local", reason="nobody can look into a queue that a function works off")
one_poller = pytest.mark.only_on("local", reason="AWS's pollers may take apart what was sent together")

CURED = ("WithDeadLetters", "LongVisibility", "Reporting", "Measured")


@pytest.mark.parametrize(
    "way", ["WithDeadLetters", "Reporting", *(pytest.param(way, marks=slow) for way in ("LongVisibility", "Measured"))]
)
def test_every_order_is_booked_and_none_is_given_up(stage, send, order, booked, listen, way):
    """Whatever comes in by one of the cured ways ends up in the books."""
    dead = listen.sqs("DeadLetters")
    run = uuid.uuid4().hex[:8]  # elsewhere than on a local stage the books know other runs' orders
    orders = [f"o-{run}-{n}" for n in range(5)]

    send(f"{way}Queue", *map(order, orders))
    stage.wait_until(lambda: set(orders) <= set(booked()), within="3m")
    stage.settle()

    assert [one for one in booked() if run in one] == orders
    dead.expect_no_more()


@sees_all
@pytest.mark.parametrize("way", CURED)
def test_every_order_is_booked_once(stage, send, order, booked, journal, way):
    """Five orders, one take each."""
    send(f"{way}Queue", *(order(f"o-{n}") for n in range(5)))
    stage.settle()

    assert len(booked()) == 5
    verdict = conserved(f"{way}Queue", f"{way}Function").require(journal)
    assert (verdict.counts["processed"], verdict.counts["duplicated"], verdict.counts["dead_lettered"]) == (5, 0, 0)


@one_poller
def test_a_batch_is_one_invocation(stage, send, order):
    """Messages that are there together are worked on together, if the mapping takes batches."""
    send("ReportingQueue", *(order(f"o-{n}") for n in range(5)))
    flow = stage.settle()

    assert flow.attempts("ReportingFunction").at == [0]
