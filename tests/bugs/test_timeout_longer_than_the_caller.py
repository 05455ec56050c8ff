"""The API gives up after 30 seconds; a function that may work for 60 goes on for nobody."""

from __future__ import annotations

from stagefright.chaos import Latency
from stagefright.chaos.checks import timed_out_within


def story(system):
    """A checkout while the stock is slow."""
    with system.chaos(Stock=Latency(delay_ms=45_000)):
        system.status = system.stage.http.post("/checkout").status_code
        system.stage.settle()
    statuses.append(system.status)


statuses: list[int] = []


def test_a_function_ends_before_its_caller_gives_up(verdicts):
    """The fixed version answers by itself, from the time that remains."""
    statuses.clear()
    check = timed_out_within("Stock", "1m") & timed_out_within("Checkout", "29s")
    buggy, fixed = verdicts(story, check)

    assert buggy.broken
    assert fixed.holds
    assert statuses == [503, 202]
