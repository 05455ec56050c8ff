"""One record that cannot be read blocks its shard: without a limit on retries nothing behind it is read until it expires."""

from __future__ import annotations

from stagefright.chaos.checks import conserved


def story(system):
    """Ten records, the third of them broken; an hour goes by."""
    system.put("Clicks", b"1", b"2", b"{broken", *[b"4"] * 7)
    system.stage.clock.advance("1h")


def test_a_bad_record_holds_nothing_up(verdicts):
    """The fixed version splits the batch, keeps the bad record, and does the rest."""
    buggy, fixed = verdicts(story, conserved("Clicks", "Count", within="5m"))

    assert buggy.broken
    assert "10 events not done with after 5m" in buggy.reason
    assert fixed.holds
    assert (fixed.counts["processed"], fixed.counts["dead_lettered"]) == (9, 1)
