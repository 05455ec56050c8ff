from __future__ import annotations

import pytest

from stagefright.chaos import Corruption, ErrorAfterCommit

COUNTING = """
    done = []

    def handler(event, context):
        done.append(event["id"])
        return len(done)
"""


def test_the_handler_works_and_then_the_invocation_fails(stage, chaos):
    """Its effects are there; after the block its answer is too."""
    ran = []

    def handler(event, context):
        ran.append(event)
        return "answer"

    stage.handlers["Worker"] = handler
    with chaos(Worker=ErrorAfterCommit("lost", error_type="TimeoutError")), pytest.raises(TimeoutError, match="lost"):
        stage.invoke("Worker", "inside")

    assert "answer" == stage.invoke("Worker", "after")
    assert ["inside", "after"] == ran
    assert [("Worker", "error_after_commit", {"message": "lost", "error_type": "TimeoutError"})] == stage.strikes()


def test_what_retries_repeats_work_that_is_done(deploy):
    """§2.1: an asynchronous event is tried three times, and its work is done three times."""
    stage, chaos = deploy(COUNTING)

    with chaos(Worker=ErrorAfterCommit("lost")):
        stage.client("lambda").invoke(
            FunctionName=stage.ref("Worker"), InvocationType="Event", Payload=b'{"id": "order-1"}'
        )
        stage.settle()

    assert ["order-1"] * 3 == stage.module("Worker").done
    assert ["lost"] * 3 == [r.detail["error_message"] for r in stage.journal.of_kind("outcome")]


def test_it_comes_after_a_corruption(stage, chaos):
    """Both strike; the error is what the caller sees."""
    with chaos(Worker=[ErrorAfterCommit("lost"), Corruption()]), pytest.raises(Exception, match="lost"):
        stage.invoke("Worker", "event")

    assert ["corruption", "error_after_commit"] == [fault for _, fault, _ in stage.strikes()]


def test_no_other_reader_knows_it():
    """They fail before the handler, which is another fault."""
    assert {} == ErrorAfterCommit().translations()
