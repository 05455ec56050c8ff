"""An order is written, and then announced; between the two the function fails. The next attempt finds the order and says nothing."""

from __future__ import annotations

from stagefright.chaos import Failure
from stagefright.chaos.checks import has_effect


def story(system):
    """One order, while nothing can be announced for a moment."""
    with system.chaos(Gate=Failure("closed")):
        system.send("Requests", "order-1")
        system.stage.clock.advance("1s")
    system.stage.settle()


def test_every_order_is_announced(verdicts):
    """The buggy version succeeds at its second attempt, without the announcement."""
    buggy, fixed = verdicts(story, has_effect("Place", "Placed"))

    assert buggy.broken
    assert "1 event done, with 0 effects" in buggy.reason
    assert fixed.holds
