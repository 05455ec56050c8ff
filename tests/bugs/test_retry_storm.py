"""A function that retries by itself, under Lambda's retries: three attempts of ten calls hit a service that is down."""

from __future__ import annotations

from stagefright.chaos import Failure
from stagefright.chaos.checks import no_retry_storm


def story(system):
    """One entry, while the ledger is down all the time."""
    with system.chaos(Ledger=Failure("down")):
        system.publish("Entries", "1")
        system.stage.settle()


def test_a_service_that_is_down_is_left_alone(verdicts):
    """No more than the three calls of Lambda's own attempts."""
    buggy, fixed = verdicts(story, no_retry_storm("Book", calls_max=3, to="lambda.Invoke"))

    assert buggy.broken
    assert buggy.counts["calls"] == 30
    assert fixed.holds
    assert fixed.counts["calls"] == 3
