"""A function stamps the items of a table, and the stamp is a change of the table. AWS does not stop loops through DynamoDB."""

from __future__ import annotations

from contextlib import suppress

from stagefright.chaos.checks import recursion_stopped
from stagefright.errors import EndlessLoop


def story(system):
    """One new order."""
    system.stage.client("dynamodb").put_item(TableName=system.stage.ref("Orders"), Item={"id": {"S": "1"}})
    with suppress(EndlessLoop):
        system.stage.settle()


def test_a_stamp_is_not_stamped(verdicts):
    """The buggy version runs until the world stops it."""
    buggy, fixed = verdicts(story, recursion_stopped("Stamp", invocations_max=2))

    assert buggy.broken
    assert buggy.counts["invocations"] > 100
    assert fixed.holds
    assert fixed.counts["invocations"] == 2
