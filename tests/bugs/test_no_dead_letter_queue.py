"""An event that cannot be read is tried three times and then gone, unless somebody keeps it."""

from __future__ import annotations

from stagefright.chaos.checks import dead_lettered, retried


def story(system):
    """A message that is not JSON."""
    system.publish("Uploads", "{broken")
    system.stage.settle()


def test_what_is_given_up_is_kept(verdicts):
    """Both versions are retried alike; only the fixed one keeps the event."""
    buggy, fixed = verdicts(story, retried("Importer", at=[0, 60, 180]) & dead_lettered("Importer", "Dead"))

    assert buggy.broken
    assert [part.holds for part in buggy.parts] == [True, False]
    assert buggy.evidence[0].detail["reason"] == "RetriesExhausted"
    assert fixed.holds
