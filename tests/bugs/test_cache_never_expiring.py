"""An error page is fetched once and cached for ever: the service is long well, and the function still fails."""

from __future__ import annotations

from stagefright.chaos import Failure
from stagefright.chaos.checks import recovered_after_heal


def story(system):
    """One call while the rates are down, one an hour later."""
    with system.chaos(Rates=Failure("down")):
        system.stage.invoke("Price", {"amount": 1})
    system.stage.clock.advance("1h")
    system.stage.invoke("Price", {"amount": 1})


def test_it_recovers_when_the_service_does(verdicts):
    """The environment is warm all the time, so is its cache."""
    buggy, fixed = verdicts(story, recovered_after_heal("Price", fault_on="Rates"))

    assert buggy.broken
    assert buggy.evidence[0].detail["error_type"] == "KeyError"
    assert fixed.holds
