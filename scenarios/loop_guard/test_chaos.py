"""
A loop ends.

| the failure feared                                 | the fault used                               | the verdict expected                               |
|----------------------------------------------------|----------------------------------------------|----------------------------------------------------|
| a function feeds itself until somebody sees a bill | its output is its input, by each carrier     | stopped by the guard after ten calls               |
| the guard cannot see into batches                  | the same, through SQS, Kinesis, DynamoDB     | by event it runs on; by record it is stopped       |
| retries are taken for calls, or calls for retries  | a failing function inside the loop           | the count is the chain's, however often it retried |

Lambda's own stop, after sixteen, is behind the guard for invocations, SNS, SQS and S3; for the rest there is nobody behind it.
"""

from __future__ import annotations

import time

import pytest

from stagefright.chaos import Failure, Latency
from stagefright.chaos.checks import conserved, dead_lettered, recursion_stopped

pytestmark = pytest.mark.only_on(
    "local",
    reason="in an account a loop that nothing ends would run on, and that one has ended cannot be seen from outside",
)

GUARD_MAX = 10
AWS_MAX = 16
REFUSED_ONE = GUARD_MAX + 1
"""The guard sits in the function, so the invocation that it refuses has begun."""

NEVER_ENDS = "nothing will ever end that"


class TestEventsWithOneOrigin:
    """Invocations, notifications, events of a bus: the guard knows how far each has come."""

    @pytest.mark.parametrize(
        ("kind", "target", "function"),
        [
            ("Invoke", "InvokeFunction", "InvokeFunction"),
            ("Topic", "RevisedTopic", "TopicFunction"),
            ("Bus", "DocumentBus", "BusFunction"),
        ],
    )
    def test_guarded_it_ends_after_ten(self, stage, start, journal, listen, kind, target, function):
        """Ten calls, the refusal of the eleventh, and the event is kept with the reason."""
        refused = listen.sqs("Refused")
        start(kind, target)
        stage.settle()

        assert recursion_stopped(function, invocations_max=REFUSED_ONE).require(journal).counts == {
            "invocations": REFUSED_ONE
        }
        dead_lettered(function, "Refused").require(journal)
        refused.expect(body={"responsePayload": {"errorType": "CallChainTooLong"}})
        refused.expect_no_more()

    def test_unguarded_lambda_stops_an_invocation_after_sixteen(self, stage, start, journal, listen):
        """Six more than the guard allows; then Lambda refuses, and the on-failure destination keeps the event."""
        refused = listen.sqs("Refused")
        start("Invoke", "UnguardedInvokeFunction")
        stage.settle()

        assert recursion_stopped("UnguardedInvokeFunction").require(journal).counts == {"invocations": AWS_MAX}
        assert recursion_stopped("UnguardedInvokeFunction", invocations_max=REFUSED_ONE)(journal).broken
        refused.expect(body={"requestPayload": {"text": "hello"}})

    def test_unguarded_nobody_stops_a_bus(self, stage, start, journal):
        """EventBridge is not among the services that Lambda watches."""
        start("Bus", "UnguardedDocumentBus")
        with pytest.raises(Exception, match=NEVER_ENDS):
            stage.settle()

        verdict = recursion_stopped("UnguardedBusFunction")(journal)
        assert verdict.broken
        assert verdict.counts["invocations"] > 10 * AWS_MAX


class TestBatches:
    """SQS, Kinesis, DynamoDB: what counts by event begins to count anew with each batch."""

    def test_by_event_a_queue_runs_on_until_lambda_stops_it(self, stage, start, journal):
        """The hole, and what is behind it: Lambda's own stop, six calls later."""
        start("Queue", "QueueByEvent")
        stage.settle()

        assert recursion_stopped("QueueByEventFunction", invocations_max=REFUSED_ONE)(journal).broken
        assert recursion_stopped("QueueByEventFunction").require(journal).counts == {"invocations": AWS_MAX}

    @pytest.mark.parametrize("kind", ["Stream", "Table"])
    def test_by_event_a_stream_runs_on_for_ever(self, stage, start, journal, kind):
        """The hole, with nothing behind it."""
        start(kind, f"{kind}ByEvent")
        with pytest.raises(Exception, match=NEVER_ENDS):
            stage.settle()

        assert recursion_stopped(f"{kind}ByEventFunction")(journal).broken

    @pytest.mark.parametrize("kind", ["Queue", "Stream", "Table"])
    def test_by_record_it_ends_after_ten(self, stage, start, journal, kind):
        """The record that has come too far is refused, tried again as its source does, and kept."""
        start(kind, f"{kind}ByRecord")
        stage.settle()

        recursion_stopped(f"{kind}ByRecordFunction", invocations_max=REFUSED_ONE).require(journal)
        (conserved(f"{kind}ByRecord") & dead_lettered(f"{kind}ByRecordFunction", "Refused")).require(journal)


class TestRetries:
    """Attempts are not calls: the length of a chain is that of its events."""

    def test_a_retried_message_is_as_far_as_it_was(self, stage, chaos, start, journal):
        """The function fails for a minute and a half; the chain still has its ten calls, and one refusal."""
        with chaos(QueueByRecordFunction=Failure("the reviser is down")):
            start("Queue", "QueueByRecord")
            time.sleep(90)
        stage.settle()

        verdict = conserved("QueueByRecord").require(journal)
        assert verdict.counts["accepted"] == REFUSED_ONE
        assert (verdict.counts["processed"], verdict.counts["dead_lettered"]) == (GUARD_MAX, 1)

    def test_slow_hops_are_counted_all_the_same(self, stage, chaos, start, journal):
        """A loop that turns slowly is a loop: the guard has no window of time that it could fall out of."""
        with chaos(StreamByRecordFunction=Latency(delay_ms=8_000)):
            start("Stream", "StreamByRecord")
            stage.settle()

        recursion_stopped("StreamByRecordFunction", invocations_max=REFUSED_ONE).require(journal)
