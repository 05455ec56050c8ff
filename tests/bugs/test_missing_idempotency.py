"""The receipt cannot be sent once, so the message comes again; the card must not be charged again."""

from __future__ import annotations

from stagefright.chaos import Duplicate, Failure
from stagefright.chaos.checks import conserved, idempotent


def story(system):
    """One order, while the mailer is down for a moment."""
    with system.chaos(Mailer=Failure("down")):
        system.send("Orders", '{"id": "order-1"}')
        system.stage.clock.advance("1s")
    system.stage.settle()


def test_an_order_is_charged_once(verdicts):
    """The buggy version writes a payment for each attempt; the evidence is both writes."""
    buggy, fixed = verdicts(story, idempotent("Charge", "dynamodb.PutItem"))

    assert buggy.broken
    assert [record.detail["operation"] for record in buggy.evidence] == ["PutItem", "PutItem"]
    assert fixed.holds


def same_order_twice(system):
    """One order; nothing fails, and SQS hands it over twice all the same, as a standard queue may."""
    with system.chaos(Orders=Duplicate()):
        system.send("Orders", '{"id": "order-1"}')
        system.stage.settle()


def test_an_order_that_comes_twice_is_charged_once(verdicts):
    """No failure is needed to charge twice: the buggy version does whatever comes, as often as it comes."""
    buggy, fixed = verdicts(same_order_twice, idempotent("Charge", "dynamodb.PutItem"))

    assert buggy.broken
    assert [record.detail["operation"] for record in buggy.evidence] == ["PutItem", "PutItem"]
    assert buggy.evidence[1].at - buggy.evidence[0].at >= 30
    assert fixed.holds


def test_the_copy_is_no_new_order(verdicts):
    """Neither version loses the order or takes the copy for another one."""
    for verdict in verdicts(same_order_twice, conserved("Orders", "Charge")):
        assert verdict.holds
        assert (verdict.counts["accepted"], verdict.counts["duplicated"]) == (1, 1)
