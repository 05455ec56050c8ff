"""One record that cannot be read blocks its shard: without a limit on retries nothing behind it is read until it expires."""

from __future__ import annotations

from stagefright.chaos import PoisonRecord
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


def one_of_the_producers_is_broken(system):
    """Ten good records, and behind the third one that nobody can read; an hour goes by."""
    with system.chaos(Clicks=PoisonRecord(payload="{broken").on_call(3)):
        system.put("Clicks", *[b"1"] * 10)
    system.stage.clock.advance("1h")


def test_a_record_that_a_fault_put_in_holds_nothing_up(verdicts):
    """The producers are left as they are: a fault puts the bad record among theirs, and it is accepted like any other."""
    buggy, fixed = verdicts(one_of_the_producers_is_broken, conserved("Clicks", "Count", within="5m"))

    assert buggy.broken
    assert "11 events not done with after 5m" in buggy.reason
    assert fixed.holds
    assert (fixed.counts["accepted"], fixed.counts["processed"], fixed.counts["dead_lettered"]) == (11, 10, 1)
