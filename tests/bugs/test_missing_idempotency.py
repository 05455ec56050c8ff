"""The receipt cannot be sent once, so the message comes again; the card must not be charged again."""

from __future__ import annotations

from stagefright.chaos import Failure
from stagefright.chaos.checks import idempotent


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
