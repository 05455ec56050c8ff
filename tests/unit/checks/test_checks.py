"""Each check on a real system: where it holds, where it is broken with the right evidence, and where it is unknown."""

from __future__ import annotations

import pytest

from stagefright.chaos import Failure, Latency, ReadTimeout, Throttle
from stagefright.chaos.checks import (
    Rank,
    conserved,
    dead_lettered,
    fallback_used,
    has_effect,
    idempotent,
    in_order,
    no_retry_storm,
    recovered_after_heal,
    recursion_stopped,
    retried,
    timed_out_within,
)
from stagefright.errors import BrokenPromise, UsageError
from stagefright.journal import Record

FIFO = {"FifoQueue": True, "ContentBasedDeduplication": True}


class TestRetried:
    """What failed was tried again."""

    def test_holds_at_awss_ladder(self, system):
        """An asynchronous event that always fails is tried at 0, 60 and 180 s."""
        system.up().publish({"fails": 9}).settle()

        verdict = retried("Worker", times=2, at=[0, 60, 180])(system.journal)

        assert verdict.holds
        assert verdict.counts == {"events": 1, "retries": 2}

    def test_an_event_that_succeeds_early_needs_no_more_attempts(self, system):
        """The ladder is a limit, not a duty."""
        system.up().publish({"fails": 1}).settle()

        assert retried("Worker", at=[0, 60, 180])(system.journal)

    def test_is_broken_by_an_event_that_was_tried_once(self, system):
        """The evidence is how its only attempt ended."""
        config = {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {"FunctionName": {"Ref": "Worker"}, "Qualifier": "$LATEST", "MaximumRetryAttempts": 0},
        }
        system.up(Config=config).publish({"fails": 9}).settle()

        verdict = retried("Worker")(system.journal)

        assert verdict.broken
        assert "tried once and never again" in verdict.reason
        assert [record.kind for record in verdict.evidence] == ["outcome"]

    def test_is_broken_by_another_ladder(self, system):
        """It says which attempts there were."""
        system.up().publish({"fails": 9}).settle()

        assert "at [0, 60, 180] s, not at [0, 1, 2] s" in retried("Worker", at=[0, 1, 2])(system.journal).reason

    def test_is_unknown_if_nothing_failed(self, system):
        """A system that was never hurt has proved nothing."""
        system.up().publish({}).settle()

        verdict = retried("Worker")(system.journal)

        assert verdict.unknown
        assert verdict.reason == "Worker never failed; it ran 1 time."


class TestTimedOutWithin:
    """A slow dependency does not hold a function longer than it may."""

    def test_holds_when_a_slow_run_ends_in_time(self, system):
        """Latency of a second, within a limit of three."""
        system.up()
        with system.chaos(Worker=Latency(delay_ms=1_000)):
            system.stage.invoke("Worker")

        verdict = timed_out_within("Worker", "3s")(system.journal)

        assert verdict.holds
        assert "the slowest 1000 ms" in verdict.reason

    def test_is_broken_by_a_slower_run(self, system):
        """The evidence is its outcome."""
        system.up(worker={"Timeout": 10})
        with system.chaos(Worker=Latency(delay_ms=5_000)):
            system.stage.invoke("Worker")

        verdict = timed_out_within("Worker", "3s")(system.journal)

        assert verdict.broken
        assert verdict.reason == "Worker took 5000 ms."
        assert verdict.evidence[0].detail["duration_ms"] == 5_000

    def test_a_timeout_of_lambda_counts_as_one(self, system):
        """Without any fault: the handler itself was slow."""
        system.up(worker={"Timeout": 2})
        system.stage.invoke("Worker", {"sleep": 9})

        assert timed_out_within("Worker", "2s")(system.journal)

    def test_is_unknown_if_no_run_was_slow(self, system):
        """A limit that nothing came near was not tested."""
        system.up()
        system.stage.invoke("Worker")

        assert timed_out_within("Worker", "3s")(system.journal).unknown


class TestDeadLettered:
    """What is given up is kept."""

    def test_holds_for_a_queue_with_one(self, system):
        """The message is in `Dead`."""
        system.up(mapping={"BatchSize": 1}).send({"fails": 9}, {}).settle()

        verdict = dead_lettered("Worker", "Dead")(system.journal)

        assert verdict.holds
        assert verdict.counts == {"dead_lettered": 1}

    def test_is_broken_by_an_event_that_is_kept_nowhere(self, system):
        """The evidence is the record of the loss, with its reason."""
        system.up().publish({"fails": 9}).settle()

        verdict = dead_lettered("Worker")(system.journal)

        assert verdict.broken
        assert "RetriesExhausted" in verdict.reason
        assert [record.kind for record in verdict.evidence] == ["dropped"]

    def test_is_broken_if_it_is_kept_elsewhere(self, system):
        """The queue is part of the promise."""
        system.up().send({"fails": 9}).settle()

        assert dead_lettered("Worker", "Jobs")(system.journal).reason == "kept in Dead, not in Jobs."

    @pytest.mark.parametrize("keeps", [True, False])
    def test_a_turn_of_a_loop_that_lambda_refuses_is_given_up(self, system, keeps):
        """It was never tried, and is kept or lost all the same (§7)."""
        target = {"DeadLetterConfig": {"TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}}}
        system.up(worker=target if keeps else {})
        system.stage.invoke("Worker", {"next": 40})
        system.settle()

        verdict = dead_lettered("Worker")(system.journal)

        assert (verdict.holds, verdict.broken) == (keeps, not keeps)
        assert "RecursiveInvocationException" in str(verdict)

    def test_is_unknown_if_nothing_was_given_up(self, system):
        """One failure that a retry mends is no reason to keep anything."""
        system.up().send({"fails": 1}).settle()

        assert dead_lettered("Worker")(system.journal).unknown


class TestConserved:
    """Every accepted event comes to a good end."""

    def test_holds_and_counts(self, system):
        """One at once, one after a failure, one dead-lettered, each on its own."""
        system.up(mapping={"BatchSize": 1}).send({}, {"fails": 1}, {"fails": 9}).settle()

        verdict = conserved("Jobs", "Worker")(system.journal)

        assert verdict.holds
        assert {name: count for name, count in verdict.counts.items() if count} == {
            "accepted": 3,
            "processed": 2,
            "dead_lettered": 1,
            "recovered": 1,
        }

    def test_what_waits_is_not_lost(self, system):
        """A message that will come back in 30 s is still on its way."""
        system.up().send({"fails": 9})
        system.stage.clock.advance("1s")

        verdict = conserved("Jobs")(system.journal)

        assert verdict.holds
        assert verdict.counts["retrying"] == 1

    def test_a_duplicate_is_counted_and_allowed(self, system):
        """A visibility timeout shorter than the work: the message comes again while the first run goes on."""
        system.up(worker={"Timeout": 30})
        attributes = {"VisibilityTimeout": "2"}
        system.stage.client("sqs").set_queue_attributes(QueueUrl=system.stage.ref("Jobs"), Attributes=attributes)
        system.send({"sleep": 3}).settle()

        verdict = conserved("Jobs")(system.journal)

        assert verdict.holds
        assert verdict.counts["duplicated"] == 1

    def test_is_broken_by_a_loss(self, system):
        """The evidence tells the event's whole way."""
        system.up().publish({"fails": 9}, {}).settle()

        verdict = conserved("News", "Worker")(system.journal)

        assert verdict.broken
        assert (verdict.counts["accepted"], verdict.counts["processed"], verdict.counts["lost"]) == (2, 1, 1)
        assert [record.kind for record in verdict.evidence][:2] == ["event", "delivery"]
        assert verdict.evidence[-1].kind == "dropped"

    def test_is_unknown_if_nothing_came_in(self, system):
        """An idle source conserves nothing."""
        system.up()

        assert conserved("Jobs")(system.journal).reason == "Jobs accepted no event."
        system.stage.client("sqs").send_message(QueueUrl=system.stage.ref("Jobs"), MessageBody="a")
        system.settle()
        assert conserved("Jbs")(list(system.journal)).reason == "Jbs accepted no event. Those that did: Jobs."


class TestIdempotent:
    """However often an event comes, its effect is there once."""

    def test_holds_for_a_conditional_write(self, system):
        """The second write is refused, so it is no effect."""
        system.up().send({"writes": 1, "conditional": True, "fails": 1}).settle()

        assert idempotent("Worker", "dynamodb.PutItem")(system.journal)

    def test_is_broken_by_a_write_per_attempt(self, system):
        """The evidence are the two writes."""
        system.up().send({"writes": 1, "fails": 1}).settle()

        verdict = idempotent("Worker", "dynamodb.PutItem")(system.journal)

        assert verdict.broken
        assert [record.detail["operation"] for record in verdict.evidence] == ["PutItem", "PutItem"]

    @pytest.mark.parametrize(("conditional", "effects"), [(False, 2), (True, 1)])
    def test_botocores_own_repeat_within_a_run_is_a_repeat(self, system, conditional, effects):
        """The answer to a write is lost when it took effect, and botocore writes again; a condition would have stopped it."""
        system.up(worker={"Timeout": 300}, queue={"VisibilityTimeout": 900})
        with system.chaos(Worker=ReadTimeout("dynamodb", "PutItem", times=1)):
            system.publish({"writes": 1, "conditional": conditional}).settle()

        verdict = idempotent("Worker", "dynamodb.PutItem")(system.journal)

        assert (effects > 1, effects == 1) == (verdict.broken, verdict.holds)
        if verdict.broken:
            assert "1 event in 1 run had 2 effects" in verdict.reason
            assert [(record.detail["attempts"], record.detail["took_effect"]) for record in verdict.evidence] == [
                (2, 2)
            ]

    def test_a_repeat_of_what_was_refused_is_no_second_effect(self, system):
        """A throttled attempt did nothing."""
        system.up()
        with system.chaos(Worker=Throttle("dynamodb", "PutItem", times=2)):
            system.publish({"writes": 1}).settle()

        assert idempotent("Worker", "dynamodb.PutItem")(system.journal).unknown

    def test_a_call_that_gave_up_on_its_answer_took_effect(self, system):
        """Every attempt was answered too late: an error for the function, and four writes."""
        system.up(worker={"Timeout": 900}, queue={"VisibilityTimeout": 900})
        with system.chaos(Worker=ReadTimeout("dynamodb", "PutItem")):
            system.publish({"writes": 1}).settle()

        call, *_ = [r for r in system.journal.of_kind("call", resource="Worker") if r.detail["operation"] == "PutItem"]
        assert (call.detail["error"], call.detail["attempts"], call.detail["took_effect"]) == ("ReadTimeoutError", 4, 4)
        assert idempotent("Worker", "dynamodb.PutItem")(system.journal).broken

    def test_a_batch_whose_parts_come_again_is_matched(self, system):
        """Nothing in the first run, and two in the second, which had one event: the other cannot have had either."""
        system.up(reports=True)
        system.send({"fails": 1, "writes": 0}, {"n": 1})
        system.settle()
        records = list(system.journal)
        runs = [record for record in records if record.kind == "invocation"]
        (again,) = [run for run in runs if len(run.detail["event"]["Records"]) == 1]
        writes = [
            Record(
                len(records) + n, again.at, "call", "Worker", again.n, {"service": "dynamodb", "operation": "PutItem"}
            )
            for n in range(2)
        ]

        assert idempotent("Worker", "dynamodb.PutItem")([*records, *writes]).broken
        assert not idempotent("Worker", "dynamodb.PutItem")([*records, writes[0]]).broken

    def test_of_a_batch_with_an_event_that_never_succeeds_little_is_known(self, system):
        """Two runs of two events had two effects: one each, or one twice. A key tells."""
        redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2}
        system.up(queue={"RedrivePolicy": redrive}, dead_letters=False)
        system.send({"writes": 1}, {"fails": 9}).settle()

        verdict = idempotent("Worker", "dynamodb.PutItem")(system.journal)

        assert verdict.unknown
        assert "2 events in 2 runs had 2 effects" in verdict.reason
        assert "never succeeded, so the journal does not show whose the effects are" in verdict.reason
        assert idempotent("Worker", "dynamodb.PutItem", by=lambda call: call.n)(system.journal).holds
        broken = idempotent("Worker", "dynamodb.PutItem", by="operation")(system.journal)
        assert broken.broken
        assert broken.reason == "more than 1 effect for 'PutItem'."
        assert broken.counts == {"effects": 2}

    def test_an_effect_may_be_any_record(self, system):
        """A predicate says what counts."""
        system.up().send({"writes": 1, "fails": 1}).settle()

        assert idempotent("Worker", lambda record: False)(system.journal)

    def test_is_unknown_if_nothing_came_twice(self, system):
        """The happy path does not show it."""
        system.up().send({"writes": 1}).settle()

        assert idempotent("Worker", "dynamodb.PutItem")(system.journal).unknown


class TestHasEffect:
    """What succeeded has had its effect."""

    def test_holds_when_each_event_had_it(self, system):
        """Each of two, the second in its second attempt."""
        system.up(mapping={"BatchSize": 1}).send({"writes": 1}, {"writes": 1, "fails": 1}).settle()

        assert has_effect("Worker", "dynamodb.PutItem")(system.journal).holds

    def test_is_broken_by_an_event_without_it(self, system):
        """The evidence is the run that succeeded all the same."""
        system.up(mapping={"BatchSize": 1}).send({"writes": 1}, {"writes": 0}).settle()

        verdict = has_effect("Worker", "dynamodb.PutItem")(system.journal)

        assert verdict.broken
        assert "1 event done, with 0 effects" in verdict.reason
        assert [(record.kind, record.resource) for record in verdict.evidence] == [("outcome", "Worker")]

    def test_two_effects_of_one_event_do_not_stand_for_another(self, system):
        """Two runs of one event each: one wrote twice, the other not at all."""
        system.up(mapping={"BatchSize": 1}).send({"writes": 2}, {"writes": 0}).settle()

        assert has_effect("Worker", "dynamodb.PutItem")(system.journal).broken

    def test_is_unknown_if_it_never_succeeded(self, system):
        """Nothing was done, so nothing is missing."""
        system.up().publish({"fails": 9}).settle()

        assert has_effect("Worker", "dynamodb.PutItem")(system.journal).unknown


class TestInOrder:
    """Events of one key are finished in the order in which they came."""

    def test_holds_for_a_fifo_group(self, system):
        """The failing first message holds up the second."""
        system.up(queue=FIFO, mapping={"BatchSize": 1})
        system.send({"fails": 1, "n": 1}, {"n": 2}, MessageGroupId="g").settle()

        assert in_order("Worker")(system.journal)

    def test_is_broken_by_a_retry_on_a_standard_queue(self, system):
        """The second message overtakes the first, which failed once."""
        system.up(mapping={"BatchSize": 1}).send({"fails": 1, "n": 1}, {"n": 2}).settle()

        verdict = in_order("Worker")(system.journal)

        assert verdict.broken
        assert [record.kind for record in verdict.evidence] == ["event", "event", "outcome", "outcome"]

    def test_is_unknown_without_two_events_of_a_key(self, system):
        """Two groups with one message each have no order."""
        system.up(queue=FIFO)
        system.send({"n": 1}, MessageGroupId="a").send({"n": 2}, MessageGroupId="b").settle()

        assert in_order("Worker")(system.journal).unknown


class TestFallbackUsed:
    """Something goes wrong, and the function answers all the same."""

    def test_holds_when_a_refused_call_is_caught(self, system):
        """The table does not exist; the worker answers "fallback"."""
        system.up()
        system.stage.invoke("Worker", {"reads": 1, "table": "missing"})

        assert fallback_used("Worker", answers="fallback")(system.journal)

    def test_is_broken_by_a_failure(self, system):
        """The evidence are the fault and the outcome."""
        system.up()
        with system.chaos(Worker=Failure("down")):
            system.stage.invoke("Worker")

        verdict = fallback_used("Worker")(system.journal)

        assert verdict.broken
        assert [record.kind for record in verdict.evidence] == ["fault", "outcome"]

    def test_is_broken_by_another_answer(self, system):
        """It says what the answer was."""
        system.up()
        system.stage.invoke("Worker", {"reads": 1, "table": "missing"})

        assert "answered 'fallback'" in fallback_used("Worker", answers="cached")(system.journal).reason

    def test_is_unknown_if_nothing_went_wrong(self, system):
        """A fallback that nobody needed was not tested."""
        system.up()
        system.stage.invoke("Worker")

        assert fallback_used("Worker")(system.journal).unknown


class TestRecoveredAfterHeal:
    """After the harm, all is well."""

    def test_holds_when_later_runs_succeed(self, system):
        """One run under the fault, one after it."""
        system.up()
        with system.chaos(Worker=Failure("down")):
            system.stage.invoke("Worker")
        system.stage.invoke("Worker")

        assert recovered_after_heal("Worker")(system.journal)

    def test_is_broken_by_a_later_failure(self, system):
        """The evidence is how that run ended."""
        system.up()
        with system.chaos(Worker=Latency(delay_ms=1)):
            system.stage.invoke("Worker")
        system.publish({"fails": 9})
        system.stage.clock.advance("1s")

        assert recovered_after_heal("Worker")(system.journal).broken

    def test_is_unknown_without_a_fault_and_without_a_later_run(self, system):
        """Both are needed."""
        system.up()
        assert "No fault struck" in recovered_after_heal("Worker")(system.journal).reason
        with system.chaos(Worker=Failure("down")):
            system.stage.invoke("Worker")

        assert "did not run again" in recovered_after_heal("Worker")(system.journal).reason


class TestNoRetryStorm:
    """A failure does not multiply the calls to what is behind it."""

    def test_holds_below_the_limit(self, system):
        """Two attempts with one write each."""
        system.up().publish({"writes": 1, "fails": 1}).settle()

        assert no_retry_storm("Worker", calls_max=2, to="dynamodb")(system.journal).counts == {"calls": 2, "events": 1}

    def test_is_broken_above_it(self, system):
        """Three attempts with five writes each."""
        system.up().publish({"writes": 5, "fails": 9}).settle()

        verdict = no_retry_storm("Worker", calls_max=5, to="dynamodb.PutItem")(system.journal)

        assert verdict.broken
        assert "15 calls out for 1 event in: 15 each, more than 5" in verdict.reason

    def test_is_unknown_if_nothing_came_in(self, system):
        """No event, no storm."""
        system.up()

        assert no_retry_storm("Worker", calls_max=1)(system.journal).unknown


class TestRecursionStopped:
    """A chain that causes itself ends."""

    def test_holds_for_a_chain_that_ends_itself(self, system):
        """Five invocations, and then no more."""
        system.up()
        system.stage.invoke("Worker", {"next": 4})
        system.settle()

        assert recursion_stopped("Worker")(system.journal).counts == {"invocations": 5}

    def test_is_broken_by_a_longer_chain(self, system):
        """More than it may be; the evidence is the chain."""
        system.up()
        system.stage.invoke("Worker", {"next": 7})
        system.settle()

        verdict = recursion_stopped("Worker", invocations_max=6)(system.journal)

        assert verdict.broken
        assert len(verdict.evidence) == 8

    def test_is_unknown_without_a_chain(self, system):
        """One invocation is no recursion."""
        system.up()
        system.stage.invoke("Worker")

        assert recursion_stopped("Worker")(system.journal).unknown


class TestNames:
    """A name that the stage does not have is a slip, and not a function that happened to be idle."""

    @pytest.mark.parametrize(
        "check",
        [
            conserved("Jobs", "Wroker"),
            conserved("Wroker"),
            dead_lettered("Wroker"),
            dead_lettered("Worker", "Wroker"),
            fallback_used("Wroker"),
            has_effect("Wroker", "dynamodb.PutItem"),
            idempotent("Wroker", "dynamodb.PutItem"),
            idempotent("Worker", "Wroker"),
            in_order("Wroker"),
            no_retry_storm("Wroker", calls_max=1),
            recovered_after_heal("Wroker"),
            recovered_after_heal("Worker", fault_on="Wroker"),
            recursion_stopped("Wroker"),
            retried("Wroker"),
            timed_out_within("Wroker", "3s"),
            retried("Worker") & (retried("Worker") | retried("Wroker")),
        ],
        ids=repr,
    )
    def test_is_an_error_with_the_nearest(self, system, check):
        """On a journal and on a flow; a list of records does not know."""
        system.up()
        with pytest.raises(UsageError, match=r"names Wroker\. Did you mean Worker\?"):
            check(system.journal)
        with pytest.raises(UsageError, match=r"names Wroker\. Did you mean Worker\?"):
            check(system.stage.settle())
        assert not check(list(system.journal)).holds

    def test_an_idle_one_is_unknown(self, system):
        """Those of the template, and a function or queue that the test made."""
        system.up()
        system.stage.client("sqs").create_queue(QueueName="besides")
        assert retried("Worker")(system.journal).unknown
        assert conserved("besides")(system.journal).unknown

    @pytest.mark.parametrize(
        "make",
        [
            lambda: idempotent("Worker", "dynamodb.PutItm"),
            lambda: has_effect("Worker", "dynamodbb.PutItem"),
            lambda: no_retry_storm("Worker", calls_max=1, to="dynamodb.PutItm"),
            lambda: no_retry_storm("Worker", calls_max=1, to="dynamodbb"),
        ],
    )
    def test_of_a_call_that_aws_does_not_have(self, make):
        """No effect at all would look like idempotency."""
        with pytest.raises(UsageError, match=r"nobody can ever call .* Did you mean (PutItem|dynamodb)\?"):
            make()


class TestVerdicts:
    """They compose, and read well."""

    def test_both_must_hold(self, system):
        """The worse of two decides, and its evidence is shown."""
        system.up().publish({"fails": 9}).settle()

        verdict = (retried("Worker", times=2) & dead_lettered("Worker"))(system.journal)

        assert verdict.rank is Rank.BROKEN
        assert [part.rank for part in verdict.parts] == [Rank.HOLDS, Rank.BROKEN]
        assert [record.kind for record in verdict.evidence] == ["dropped"]

    def test_one_may_do(self, system):
        """The better of two decides."""
        system.up().publish({"fails": 9}).settle()

        assert (retried("Worker") | dead_lettered("Worker"))(system.journal).holds

    def test_a_broken_promise_is_an_assertion_that_shows_its_evidence(self, system):
        """`require` raises; the message has the check as it was written, the reason, and the records."""
        system.up().publish({"fails": 9}).settle()

        with pytest.raises(BrokenPromise) as raised:
            dead_lettered("Worker", "Dead").require(system.journal)

        lines = str(raised.value).splitlines()
        assert lines[0].startswith("dead_lettered(consumer='Worker', queue='Dead'): broken. 1 event given up")
        assert "dropped Worker" in lines[1]

    def test_unknown_is_not_good_enough(self, system):
        """A check that judged nothing proves nothing."""
        system.up()

        with pytest.raises(BrokenPromise, match="unknown"):
            conserved("Jobs").require(system.journal)

    def test_a_flow_is_evidence_too(self, system):
        """What `settle()` returns can be judged."""
        system.up().publish({"fails": 9})

        assert retried("Worker")(system.stage.settle())

    def test_anything_else_is_refused(self):
        """With what to give instead."""
        with pytest.raises(UsageError, match=r"Try check\(journal\)"):
            conserved("Jobs")("journal")
