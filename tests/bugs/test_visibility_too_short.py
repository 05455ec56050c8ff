"""Somebody lowers the queue's visibility timeout below the time that the work takes: each message is worked on again and again."""

from __future__ import annotations

from stagefright.chaos.checks import conserved, idempotent


def lowered(system):
    """As an operator does it, after the mapping was made; Lambda checks only then."""
    url = system.stage.ref("Jobs")
    system.stage.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "30"})
    kept(system)


def kept(system):
    """One message, 40 s of work."""
    system.send("Jobs", "a letter")
    system.stage.settle()


def test_a_message_is_worked_on_once(verdicts):
    """It is not lost, but worked on again and again, and in the end it is called dead although all of its work was done."""
    check = conserved("Jobs", "Worker") & idempotent("Worker", "dynamodb.PutItem")

    buggy, _ = verdicts(lowered, check)
    _, fixed = verdicts(kept, conserved("Jobs", "Worker"))

    assert buggy.broken
    assert [part.holds for part in buggy.parts] == [True, False]
    assert len(buggy.evidence) == 5
    assert fixed.holds
    assert fixed.counts["duplicated"] == 0
