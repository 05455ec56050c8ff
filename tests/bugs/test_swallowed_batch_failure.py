"""The function reports its failures, and nobody listens: without ReportBatchItemFailures Lambda deletes the whole batch."""

from __future__ import annotations

from stagefright.chaos.checks import conserved


def story(system):
    """A batch of three, one of them bad for ever."""
    system.send("Jobs", "good", "bad", "good")
    system.stage.settle()


def test_a_reported_failure_is_not_lost(verdicts):
    """The fixed version has the bad message in its dead-letter queue."""
    buggy, fixed = verdicts(story, conserved("Jobs", "Worker"))

    assert buggy.broken
    assert (buggy.counts["processed"], buggy.counts["lost"]) == (2, 1)
    assert fixed.holds
    assert (fixed.counts["processed"], fixed.counts["dead_lettered"]) == (2, 1)
