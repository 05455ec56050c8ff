"""Checks on the evidence of a deployed stage: what it does not show is unknown, and never holds."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from stagefright.chaos.checks import (
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
from stagefright.targets.evidence.correlation import Unwired, arrange
from stagefright.targets.evidence.log_reader import LogReader
from stagefright.targets.evidence.observed_journal import ObservedJournal
from stagefright.targets.wall_clock import WallClock

T0 = 1_795_200_000.0
ERROR = "[ERROR] ValueError: down\nTraceback (most recent call last):\n"
STRIKE = json.dumps(
    {
        "source": "stagefright",
        "level": "warn",
        "action": "inject",
        "mode": "failure",
        "fault": "failure",
        "settings": {},
    }
)


class Wired(Unwired):
    """Orders leads to Worker, whose mapping reads batch item failures if asked."""

    def __init__(self, reports):
        self._reports = reports

    def sources(self, function):
        return frozenset(["Orders"]) if function == "Worker" else frozenset()

    def reports_failures(self, function, source):
        return self._reports


class Scene:
    """A queue `Orders`, a function `Worker`, and what was seen and logged of them."""

    def __init__(self):
        self.journal = ObservedJournal(WallClock())
        self.reader = LogReader(self.journal)
        self.reports = False
        self.requests = 0

    def event(self, name, *, at=0.0, resource="Orders", **detail):
        self.journal.write_past(T0 + at, "event", resource, {"id": name, "body": "{}", **detail})
        return self

    def run(self, *ids, at=1.0, lines=(), took_ms=100.0, request=None, ends=True):
        self.requests += 1
        request = request or f"8f5b0a3e-0000-4000-8000-{self.requests:012}"
        records = [{"eventSource": "aws:sqs", "messageId": name} for name in ids]
        told = [json.dumps({"Records": records})] if ids else []
        say = lambda after, text: self.reader.take(T0 + at + after, "Worker", "s", text)  # noqa: E731
        say(0, f"START RequestId: {request} Version: $LATEST")
        for line in (*told, *lines):
            say(0.01, line)
        if ends:
            say(took_ms / 1000, f"REPORT RequestId: {request}\tDuration: {took_ms} ms\tBilled Duration: 1 ms\t")
        return request

    def judge(self, check):
        return check(SimpleNamespace(records=arrange(list(self.journal), wiring=Wired(self.reports)).records))


@pytest.fixture
def scene():
    return Scene()


def rank(verdict):
    return verdict.rank.name.lower()


A, B = "11111111-2222-4333-8444-00000000000a", "11111111-2222-4333-8444-00000000000b"


class TestConserved:
    def test_holds_if_each_event_was_seen_to_be_worked_on(self, scene):
        """Each event has a run that is proved to be its own, and ended well."""
        scene.event(A).event(B)
        scene.run(A, B)
        assert rank(scene.judge(conserved("Orders", "Worker"))) == "holds"

    def test_an_event_without_an_end_is_unknown(self, scene):
        """On a local stage it is on its way; here nobody knows."""
        scene.event(A).event(B)
        scene.run(A)
        verdict = scene.judge(conserved("Orders", "Worker"))
        assert rank(verdict) == "unknown"
        assert "1 event was not seen to come to any end" in verdict.reason

    @pytest.mark.parametrize("reports", [True, None])
    def test_an_answer_that_may_report_failures_is_unknown(self, scene, reports):
        """A run that ended well may have said that its items failed."""
        scene.reports = reports
        scene.event(A)
        scene.run(A)
        assert rank(scene.judge(conserved("Orders", "Worker"))) == "unknown"

    def test_a_likely_edge_proves_nothing(self, scene):
        """The run may have been for another event."""
        scene.event(A)
        scene.run()
        assert rank(scene.judge(conserved("Orders", "Worker"))) == "unknown"

    def test_what_was_not_seen_to_be_accepted_is_no_breach(self, scene):
        """The tap may have been armed late."""
        scene.event(A)
        scene.event(B, resource="Others")
        scene.run(A)
        assert rank(scene.judge(conserved("Others"))) == "unknown"


class TestRetried:
    def attempts(self, scene, *offsets, fails=True, request="8f5b0a3e-0000-4000-8000-00000000aaaa"):
        for at in offsets:
            scene.run(at=at, lines=[ERROR] if fails else [], request=request)
        return request

    def test_holds_when_the_ladder_was_seen_to_its_end(self, scene):
        """AWS's minutes are about minutes."""
        request = self.attempts(scene, 0, 61.5, 189)
        attributes = {"RequestID": {"StringValue": request}, "ErrorCode": {"StringValue": "200"}}
        scene.event(A, at=190, resource="Dead", attributes=attributes)
        assert rank(scene.judge(retried("Worker", at=[0, 60, 180]))) == "holds"
        assert rank(scene.judge(retried("Worker", times=2))) == "holds"

    def test_a_ladder_that_was_seen_in_part_is_unknown(self, scene):
        """The third attempt may come."""
        self.attempts(scene, 0, 60)
        assert rank(scene.judge(retried("Worker", at=[0, 60, 180]))) == "unknown"
        assert rank(scene.judge(retried("Worker", times=2))) == "unknown"

    def test_one_attempt_is_unknown(self, scene):
        """The second may come."""
        self.attempts(scene, 0)
        assert rank(scene.judge(retried("Worker"))) == "unknown"

    def test_an_attempt_at_another_time_breaks_it(self, scene):
        """That is positive evidence."""
        self.attempts(scene, 0, 5)
        assert rank(scene.judge(retried("Worker", at=[0, 60, 180]))) == "broken"

    def test_more_attempts_than_that_break_it(self, scene):
        """What was seen too often stays too often, whatever else was not seen."""
        self.attempts(scene, 0, 1, 2, 3)
        assert rank(scene.judge(retried("Worker", times=2))) == "broken"

    def test_all_attempts_seen_but_no_end(self, scene):
        """A fourth may come."""
        self.attempts(scene, 0, 60, 180)
        assert rank(scene.judge(retried("Worker", times=2))) == "unknown"


class TestDeadLettered:
    def test_holds_if_all_that_failed_is_kept(self, scene):
        """The event that failed was seen in the dead-letter queue."""
        scene.event(A)
        scene.run(A, lines=[ERROR])
        scene.event(A, at=60, resource="Dead")
        assert rank(scene.judge(dead_lettered("Worker", "Dead"))) == "holds"

    def test_another_failure_without_an_end_is_unknown(self, scene):
        """It may be tried again, or be kept where nobody looks."""
        scene.event(A).event(B)
        scene.run(A, lines=[ERROR])
        scene.run(B, lines=[ERROR], at=2)
        scene.event(A, at=60, resource="Dead")
        assert rank(scene.judge(dead_lettered("Worker"))) == "unknown"

    def test_kept_elsewhere_breaks_it(self, scene):
        """The event was seen in another queue than the one that was promised."""
        scene.event(A)
        scene.run(A, lines=[ERROR])
        scene.event(A, at=60, resource="Dead")
        assert rank(scene.judge(dead_lettered("Worker", "Other"))) == "broken"


class TestEffects:
    def test_a_logged_effect_can_be_counted(self, scene):
        """A run's own lines are all there when its REPORT is."""

        def stored(record):
            return record.kind == "log" and record.detail["line"] == "stored"

        scene.event(A)
        scene.run(A, lines=["stored", ERROR])
        scene.run(A, at=40)
        assert rank(scene.judge(idempotent("Worker", stored))) == "holds"
        assert rank(scene.judge(has_effect("Worker", stored))) == "holds"

    def test_a_second_effect_breaks_it(self, scene):
        """Two effects of one event were seen; that is positive evidence."""
        scene.event(A)
        for at in (1, 40):
            scene.run(A, at=at, lines=["stored"])
        verdict = scene.judge(idempotent("Worker", lambda r: r.kind == "log" and r.detail["line"] == "stored"))
        assert rank(verdict) == "broken"

    def test_an_sdk_call_cannot_be_seen(self, scene):
        """Logs do not tell of calls, so neither their presence nor their absence is known."""
        scene.event(A)
        scene.run(A)
        scene.run(A, at=40)
        assert rank(scene.judge(idempotent("Worker", "dynamodb.PutItem"))) == "unknown"
        assert rank(scene.judge(has_effect("Worker", "dynamodb.PutItem"))) == "unknown"
        assert rank(scene.judge(no_retry_storm("Worker", calls_max=3))) == "unknown"


class TestOrder:
    def test_holds_if_all_were_seen_to_be_finished(self, scene):
        """Both ended, in the order in which they had come."""
        scene.event(A, at=0).event(B, at=0.1)
        scene.run(A, at=1)
        scene.run(B, at=2)
        assert rank(scene.judge(in_order("Worker"))) == "holds"

    def test_the_other_way_round_breaks_it(self, scene):
        """The later event was seen to be finished first."""
        scene.event(A, at=0).event(B, at=0.1)
        scene.run(B, at=1)
        scene.run(A, at=2)
        assert rank(scene.judge(in_order("Worker"))) == "broken"

    def test_one_that_was_not_seen_to_end_is_unknown(self, scene):
        """It may have ended after the other."""
        scene.event(A, at=0).event(B, at=0.1)
        scene.run(A, at=1, ends=False)
        scene.run(B, at=2)
        assert rank(scene.judge(in_order("Worker"))) == "unknown"


class TestFaults:
    def test_a_run_that_answered_all_the_same(self, scene):
        """It was struck and ended well, within its time."""
        scene.run(lines=[STRIKE])
        assert rank(scene.judge(fallback_used("Worker"))) == "holds"
        assert rank(scene.judge(timed_out_within("Worker", "1s"))) == "holds"

    def test_what_it_answered_is_not_in_its_log(self, scene):
        """So whether it was the fallback is not known."""
        scene.run(lines=[STRIKE])
        assert rank(scene.judge(fallback_used("Worker", answers="fallback"))) == "unknown"

    def test_a_run_that_failed(self, scene):
        """It was struck, had no fallback, and took too long."""
        scene.run(lines=[STRIKE, ERROR], took_ms=5_000)
        assert rank(scene.judge(fallback_used("Worker"))) == "broken"
        assert rank(scene.judge(timed_out_within("Worker", "1s"))) == "broken"

    def test_a_run_that_was_not_seen_to_end(self, scene):
        """Neither its answer nor its duration is known."""
        scene.run(lines=[STRIKE], ends=False)
        assert rank(scene.judge(fallback_used("Worker"))) == "unknown"
        assert rank(scene.judge(timed_out_within("Worker", "1s"))) == "unknown"

    def test_recovery(self, scene):
        """The last run decides: it ended well, was not seen to end, or failed."""
        scene.run(lines=[STRIKE, ERROR], at=0)
        scene.run(at=5)
        assert rank(scene.judge(recovered_after_heal("Worker"))) == "holds"
        scene.run(at=9, ends=False)
        assert rank(scene.judge(recovered_after_heal("Worker"))) == "unknown"
        scene.run(at=12, lines=[ERROR])
        assert rank(scene.judge(recovered_after_heal("Worker"))) == "broken"

    def test_the_end_of_a_chain_cannot_be_seen(self, scene):
        """That it stopped is unknown; that it went on too long is not."""
        first = "8f5b0a3e-0000-4000-8000-00000000aaaa"
        second = "8f5b0a3e-0000-4000-8000-00000000bbbb"
        scene.run(request=first, lines=[f"invoked {second}"], at=0)
        scene.run(request=second, at=1)
        assert rank(scene.judge(recursion_stopped("Worker"))) == "unknown"
        assert rank(scene.judge(recursion_stopped("Worker", invocations_max=1))) == "broken"

    def test_a_runtime_whose_log_does_not_tell(self, scene):
        """An end without an error is not known to be a good one."""
        scene.reader = LogReader(scene.journal, lambda function: "java21")
        scene.event(A)
        scene.run(A, lines=[STRIKE])
        assert rank(scene.judge(fallback_used("Worker"))) == "unknown"
        assert rank(scene.judge(conserved("Orders"))) == "unknown"


def test_checks_that_are_put_together(scene):
    """Each part has its own doubt."""
    scene.run(lines=[STRIKE])
    assert rank(scene.judge(fallback_used("Worker") & no_retry_storm("Worker", calls_max=1))) == "unknown"
    assert rank(scene.judge(fallback_used("Worker") | no_retry_storm("Worker", calls_max=1))) == "holds"


def test_the_journal_itself_will_do(scene):
    """It is put in order first."""
    scene.run(lines=[STRIKE])
    assert rank(fallback_used("Worker")(scene.journal)) == "holds"
