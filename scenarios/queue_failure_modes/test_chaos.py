"""
A queue is as safe as its settings.

| the failure feared                                 | the fault used                           | the verdict expected                           |
|----------------------------------------------------|------------------------------------------|------------------------------------------------|
| what cannot be processed is gone when it is too old | the function fails for hours             | kept in the dead-letter queue, and sent back   |
| work is done again while it is being done           | latency, and one environment for all     | each order is worked on once                   |
| one bad order spoils the batch, or vanishes         | an order of a kind that nobody knows     | the bad one is kept, the good ones booked once |
| a queue runs down what stands behind the function   | more orders than the ledger has room for | no call too many, nothing dead-lettered        |

Each is shown on the settings that fail and on those that do not.
"""

from __future__ import annotations

import time

import pytest

from stagefright.chaos import Failure, Latency
from stagefright.chaos.checks import conserved, dead_lettered, idempotent, no_retry_storm, recovered_after_heal, retried

pytestmark = pytest.mark.only_on(
    "local",
    reason="visibility timeouts and retention take minutes to days, and nobody can look into the queues meanwhile",
)


class TestDeadLetters:
    """The function fails for longer than the queue keeps a message."""

    def test_without_them_the_order_is_gone(self, stage, chaos, send, order, journal):
        """It is tried every three minutes for an hour; then the queue forgets it, and nobody is told."""
        with chaos(WithoutDeadLettersFunction=Failure("the table is down")):
            send("WithoutDeadLettersQueue", order("o-1"))
            stage.settle()

        verdict = conserved("WithoutDeadLettersQueue", "WithoutDeadLettersFunction")(journal)
        assert verdict.broken
        assert verdict.counts["lost"] == 1
        assert dead_lettered("WithoutDeadLettersFunction")(journal).broken

    def test_with_them_it_is_kept(self, stage, chaos, send, order, journal, listen):
        """Five attempts, then the dead-letter queue has it, body and all."""
        dead = listen.sqs("DeadLetters")
        with chaos(WithDeadLettersFunction=Failure("the table is down")):
            send("WithDeadLettersQueue", order("o-1"))
            stage.settle()

        retried("WithDeadLettersFunction", at=[0, 180, 360, 540, 720]).require(journal)
        (conserved("WithDeadLettersQueue") & dead_lettered("WithDeadLettersFunction", "DeadLetters")).require(journal)
        dead.expect(body={"detail": {"orderId": "o-1"}})

    def test_after_the_outage_it_is_sent_back(self, stage, chaos, send, order, journal, booked):
        """An operator moves the dead letters back to their queue, and the order is booked after all."""
        with chaos(WithDeadLettersFunction=Failure("the table is down")):
            send("WithDeadLettersQueue", order("o-1"))
            stage.settle()

        stage.client("sqs").start_message_move_task(SourceArn=stage.arn("DeadLetters"))
        stage.settle()

        recovered_after_heal("WithDeadLettersFunction").require(journal)
        assert booked() == ["o-1"]


class TestVisibility:
    """One environment for all, and work that takes long: a message's time runs out while it waits for its turn."""

    @pytest.fixture
    def long_work(self, stage, chaos, send, order):
        """Two orders at once; the second waits for the first, and then takes twenty seconds."""

        def long_work(way):
            function = f"{way}Function"
            with chaos(**{function: Latency(delay_ms=10_000)}):
                send(f"{way}Queue", order("o-1"), order("o-2"))
                time.sleep(12)
            with chaos(**{function: Latency(delay_ms=20_000)}):
                stage.settle()

        return long_work

    def test_as_long_as_the_timeout_is_too_short(self, long_work, journal):
        """The order that waited is visible again before it is done, and is booked a second time."""
        long_work("ShortVisibility")

        verdict = idempotent("ShortVisibilityFunction", "dynamodb.PutItem")(journal)
        assert verdict.broken
        assert len(verdict.evidence) == 2
        assert conserved("ShortVisibilityQueue")(journal).counts["duplicated"] == 1

    def test_six_times_the_timeout_is_enough(self, long_work, journal, booked):
        """The same two orders, one after the other, once each."""
        long_work("LongVisibility")

        verdict = conserved("LongVisibilityQueue", within="1m").require(journal)
        assert (verdict.counts["processed"], verdict.counts["duplicated"]) == (2, 0)
        assert booked() == ["o-1", "o-2"]

    def test_too_short_an_order_that_never_had_its_turn_is_called_dead(
        self, stage, chaos, send, order, journal, booked
    ):
        """Every receive counts, also one that ends with a throttled invocation: good orders become dead letters unseen."""
        with chaos(ShortVisibilityFunction=Latency(delay_ms=20_000)):
            send("ShortVisibilityQueue", *(order(f"o-{n}") for n in range(8)))
            stage.settle()

        verdict = conserved("ShortVisibilityQueue", "ShortVisibilityFunction")(journal)
        assert verdict.counts["dead_lettered"] > 0
        assert len(booked()) == verdict.counts["processed"] == 8 - verdict.counts["dead_lettered"]
        outcomes = journal.of_kind("outcome", resource="ShortVisibilityFunction")
        assert not [outcome for outcome in outcomes if "error_type" in outcome.detail]

    def test_with_time_to_wait_every_order_has_its_turn(self, stage, chaos, send, order, journal):
        """The same eight orders wait for each other, and all are booked."""
        with chaos(LongVisibilityFunction=Latency(delay_ms=20_000)):
            send("LongVisibilityQueue", *(order(f"o-{n}") for n in range(8)))
            stage.settle()

        verdict = conserved("LongVisibilityQueue").require(journal)
        assert (verdict.counts["processed"], verdict.counts["dead_lettered"]) == (8, 0)


class TestPartialFailures:
    """A batch of three, and the last cannot be booked, today or ever."""

    @pytest.fixture
    def batch(self, order, poison):
        return order("o-1"), order("o-2"), poison

    def test_an_exception_fails_the_good_ones_too(self, stage, send, batch, journal):
        """The good orders are booked three times, and all three messages end up as dead letters."""
        send("RaisingQueue", *batch)
        stage.settle()

        assert conserved("RaisingQueue")(journal).counts["dead_lettered"] == 3
        assert idempotent("RaisingFunction", "dynamodb.PutItem")(journal).broken

    def test_a_report_that_nobody_hears_loses_the_bad_one(self, stage, send, batch, journal):
        """The function says which one failed, but the mapping was not told to listen: for Lambda the batch is done."""
        send("UnheardQueue", *batch)
        stage.settle()

        verdict = conserved("UnheardQueue", "UnheardFunction")(journal)
        assert verdict.broken
        assert (verdict.counts["processed"], verdict.counts["lost"]) == (2, 1)

    def test_a_report_keeps_the_bad_one_alone(self, stage, send, batch, journal, listen, booked):
        """The good ones are booked once; the bad one comes twice more, and is kept."""
        dead = listen.sqs("DeadLetters")
        send("ReportingQueue", *batch)
        stage.settle()

        check = conserved("ReportingQueue", "ReportingFunction") & dead_lettered("ReportingFunction", "DeadLetters")
        (check & retried("ReportingFunction", at=[0, 180, 360])).require(journal)
        assert conserved("ReportingQueue")(journal).counts["duplicated"] == 0
        assert booked() == ["o-1", "o-2"]
        dead.expect(body={"source": "com.example.old-shop"})
        dead.expect_no_more()

    def test_an_outage_in_the_middle_of_a_batch(self, stage, chaos, send, order, journal, booked):
        """A crash of the whole function is no partial failure: everything comes again, and everything is booked."""
        with chaos(ReportingFunction=Failure("out of memory", error_type="MemoryError")):
            send("ReportingQueue", order("o-1"), order("o-2"))
            time.sleep(60)
        stage.settle()

        assert conserved("ReportingQueue").require(journal).counts["recovered"] == 2
        assert booked() == ["o-1", "o-2"]


class TestOverScaling:
    """Twenty orders at once, and a ledger that takes two at a time."""

    @pytest.fixture
    def rush(self, order):
        return [order(f"o-{n:02}") for n in range(20)]

    def test_five_at_once_are_too_many(self, stage, send, rush, journal, booked):
        """The ledger refuses three of five; orders are tried again and again, and some are given up for no fault of theirs."""
        send("EagerQueue", *rush)
        stage.settle()

        assert no_retry_storm("EagerFunction", calls_max=1, to="lambda.Invoke")(journal).broken
        verdict = conserved("EagerQueue", "EagerFunction")(journal)
        assert verdict.holds
        assert verdict.counts["dead_lettered"] > 0
        assert len(booked()) == 20 - verdict.counts["dead_lettered"]

    def test_maximum_concurrency_keeps_to_what_the_ledger_can_take(self, stage, send, rush, journal, booked):
        """Two at a time, twenty calls for twenty orders, and all are booked."""
        send("MeasuredQueue", *rush)
        stage.settle()

        no_retry_storm("MeasuredFunction", calls_max=1, to="lambda.Invoke").require(journal)
        verdict = conserved("MeasuredQueue").require(journal)
        assert (verdict.counts["processed"], verdict.counts["dead_lettered"]) == (20, 0)
        assert len(booked()) == 20

    def test_a_slow_ledger_slows_the_queue_and_no_more(self, stage, chaos, send, rush, journal):
        """The backlog waits in the queue, where it is safe; the calls stay one for each order."""
        with chaos(LedgerFunction=Latency(delay_ms=6_000)):
            send("MeasuredQueue", *rush)
            stage.settle()

        no_retry_storm("MeasuredFunction", calls_max=1, to="lambda.Invoke").require(journal)
        assert conserved("MeasuredQueue").require(journal).counts["processed"] == 20
