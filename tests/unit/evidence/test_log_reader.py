"""Lines of logs, put together to invocations: over streams, out of order, late, and by halves."""

from __future__ import annotations

import itertools
import json
import random

import pytest

T0 = 1_795_200_000.0
"""When the evidence begins."""

ONE = "8f5b0a3e-0000-4000-8000-000000000001"
TWO = "8f5b0a3e-0000-4000-8000-000000000002"
"""Request ids."""

ERROR = "[ERROR] ValueError: down\nTraceback (most recent call last):\n\u00a0\u00a0File"


def runs(journal):
    return journal.of_kind("invocation")


def outcome_of(journal, run):
    found = [record for record in journal.of_kind("outcome") if record.cause == run.n]
    return found[0] if found else None


class TestOneInvocation:
    """What a local stage writes of an invocation, from the lines of one."""

    def test_that_succeeds(self, journal, log):
        """Its START is when it began, its REPORT how it ended; what code wrote belongs to it."""
        log.line(-0.2, "INIT_START Runtime Version: python:3.12.v38\tRuntime Version ARN: x")
        log.invocation(ONE, "hello", took_ms=250, report="Init Duration: 110.10 ms\t")

        (run,) = runs(journal)
        outcome = outcome_of(journal, run)
        (line,) = journal.of_kind("log")

        assert (run.resource, run.at) == ("Worker", T0)
        assert {k: run.detail[k] for k in ("request_id", "attempt", "cold", "executed_version")} == {
            "request_id": ONE,
            "attempt": 1,
            "cold": True,
            "executed_version": "$LATEST",
        }
        assert (outcome.at, outcome.detail["duration_ms"]) == (T0 + 0.25, 250.0)
        assert "error_type" not in outcome.detail
        assert (line.detail["line"], line.cause) == ("hello", run.n)
        assert all(record.detail["observed"] for record in journal)

    def test_that_fails(self, journal, log):
        """The exception that the runtime logs is the outcome's error."""
        log.invocation(ONE, ERROR)

        outcome = outcome_of(journal, runs(journal)[0])
        assert (outcome.detail["error_type"], outcome.detail["error_message"]) == ("ValueError", "down")

    @pytest.mark.parametrize("report", ["Status: timeout", ""])
    def test_that_times_out(self, journal, log, report):
        """AWS says so in the REPORT now, and in a line before it until 2024."""
        lines = [] if report else [f"2026-11-21T03:00:03.004Z {ONE} Task timed out after 3.00 seconds"]
        log.invocation(ONE, *lines, took_ms=3_000, report=report)

        outcome = outcome_of(journal, runs(journal)[0])
        assert outcome.detail["error_type"] == "Sandbox.Timedout"
        assert outcome.detail["error_message"] == f"RequestId: {ONE} Error: Task timed out after 3.00 seconds"

    def test_whose_process_ends(self, journal, log):
        """The platform names the type."""
        log.invocation(ONE, report="Status: error\tError Type: Runtime.ExitError")

        assert outcome_of(journal, runs(journal)[0]).detail["error_type"] == "Runtime.ExitError"

    def test_whose_init_phase_fails(self, journal, log):
        """The error comes before there is a request id."""
        log.line(
            -1,
            "INIT_REPORT Init Duration: 900.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError",
        )
        log.invocation(ONE, report="Status: error\t")

        assert outcome_of(journal, runs(journal)[0]).detail["error_type"] == "Runtime.ImportModuleError"

    def test_that_has_not_ended(self, journal, log):
        """No REPORT yet: it runs still."""
        log.line(0, f"START RequestId: {ONE} Version: 1")
        log.line(0.1, "working")

        (run,) = runs(journal)
        assert outcome_of(journal, run) is None
        assert journal.of_kind("log")[0].cause == run.n

    def test_in_the_json_format(self, journal, log):
        """The platform's events say the same."""

        def say(at, kind, **record):
            log.line(at, json.dumps({"time": "x", "type": f"platform.{kind}", "record": record}))

        say(0, "start", requestId=ONE, version="7")
        log.line(0.1, json.dumps({"level": "INFO", "message": "hello", "requestId": ONE}))
        metrics = {"durationMs": 250.5, "billedDurationMs": 251, "memorySizeMB": 128, "maxMemoryUsedMB": 36}
        say(0.25, "report", requestId=ONE, metrics=metrics, status="timeout")

        (run,) = runs(journal)
        outcome = outcome_of(journal, run)
        assert run.detail["executed_version"] == "7"
        assert (outcome.detail["duration_ms"], outcome.detail["error_type"]) == (250.5, "Sandbox.Timedout")

    def test_that_a_fault_struck(self, journal, log):
        """Our runtime's line is the `fault` record that a local stage writes."""
        line = {"source": "stagefright", "level": "warn", "action": "inject", "mode": "failure"}
        log.invocation(
            ONE, json.dumps({**line, "fault": "failure", "settings": {"message": "down"}, "request_id": ONE}), ERROR
        )

        (fault,) = journal.of_kind("fault")
        assert (fault.resource, fault.cause) == ("Worker", runs(journal)[0].n)
        assert (fault.detail["fault"], fault.detail["settings"]) == ("failure", {"message": "down"})

    @pytest.mark.parametrize("took_ms", [600, 47])
    def test_of_an_emulator_that_stamps_all_lines_alike(self, journal, log, took_ms):
        """It began so long before its end as it took, however short that was."""
        log.line(1, f"START RequestId: {ONE} Version: 1")
        log.line(1, log.reported(ONE, took_ms))

        assert runs(journal)[0].at - T0 == pytest.approx(1 - took_ms / 1000, abs=0.001)


class TestMany:
    """Streams are environments; each works on one invocation at a time."""

    def test_two_environments_at_once(self, journal, log):
        """Lines without a request id belong to what their stream is in."""
        log.line(0, f"START RequestId: {ONE} Version: 1", stream="s1")
        log.line(0.1, f"START RequestId: {TWO} Version: 1", stream="s2")
        log.line(0.2, "of one", stream="s1")
        log.line(0.3, "of two", stream="s2")
        log.line(0.4, log.reported(TWO, 300), stream="s2")
        log.line(0.5, log.reported(ONE, 500), stream="s1")

        by_id = {run.detail["request_id"]: run for run in runs(journal)}
        told = {record.detail["line"]: record.cause for record in journal.of_kind("log")}
        assert told == {"of one": by_id[ONE].n, "of two": by_id[TWO].n}

    def test_attempts_of_one_asynchronous_invocation(self, journal, log):
        """They share their request id, and may run in one environment or in several."""
        log.invocation(ONE, ERROR, at=0)
        log.invocation(ONE, ERROR, at=60)
        log.invocation(ONE, at=180, stream="s2")

        assert [run.detail["attempt"] for run in runs(journal)] == [1, 2, 3]
        assert ["error_type" in outcome_of(journal, run).detail for run in runs(journal)] == [True, True, False]

    def test_two_functions_with_one_request_id(self, journal, log):
        """A destination's function may be told the id that failed; it is no attempt of the first."""
        log.invocation(ONE, function="Worker")
        log.invocation(ONE, function="Other")

        assert [run.detail["attempt"] for run in runs(journal)] == [1, 1]


class TestLate:
    """CloudWatch hands lines over when it has them."""

    def test_a_start_that_comes_after_its_report(self, journal, log):
        """It is the same invocation, and not another attempt."""
        log.line(0.25, log.reported(ONE, 250))
        assert runs(journal)[0].at == T0

        log.line(0.001, f"START RequestId: {ONE} Version: 9")

        (run,) = runs(journal)
        assert (run.detail["executed_version"], run.at) == ("9", pytest.approx(T0 + 0.001, rel=0, abs=1e-4))

    def test_an_exception_that_comes_after_the_report(self, journal, log):
        """The outcome is corrected."""
        log.line(0, f"START RequestId: {ONE} Version: 9")
        log.line(0.2, log.reported(ONE, 200))
        log.line(0.1, ERROR)

        assert outcome_of(journal, runs(journal)[0]).detail["error_type"] == "ValueError"

    def test_a_line_of_the_invocation_before(self, journal, log):
        """By its time stamp it belongs to the first."""
        log.invocation(ONE, at=0)
        log.invocation(TWO, at=5)
        log.line(0.05, "late")

        (line,) = journal.of_kind("log")
        assert journal[line.cause].detail["request_id"] == ONE

    def test_a_line_of_nobody(self, journal, log):
        """What is written before the first invocation belongs to none."""
        log.line(-3, "module loaded")
        log.invocation(ONE)

        assert journal.of_kind("log")[0].cause is None

    def test_a_report_that_is_told_twice(self, journal, log):
        """It is one outcome."""
        log.invocation(ONE)
        log.line(0.1, log.reported(ONE))

        assert len(journal.of_kind("outcome")) == 1

    def test_a_second_report_without_its_start(self, journal, log):
        """Another attempt ended, whose START has not come yet."""
        log.invocation(ONE, ERROR, at=0)
        log.line(60.1, log.reported(ONE))

        assert [run.detail["attempt"] for run in runs(journal)] == [1, 2]
        assert runs(journal)[1].at == pytest.approx(T0 + 60, rel=0, abs=1e-3)

    @pytest.mark.parametrize("seed", range(12))
    def test_any_order_of_the_lines_of_two_streams_says_the_same(self, journal, log, seed):
        """However the lines of different streams are mixed, each invocation has its own."""
        first = [(0, f"START RequestId: {ONE} Version: 1"), (0.01, "a"), (0.02, ERROR), (0.1, log.reported(ONE))]
        second = [(0.05, f"START RequestId: {TWO} Version: 1"), (0.06, "b"), (0.15, log.reported(TWO))]
        lines = [("s1", line) for line in first] + [("s2", line) for line in second]
        random.Random(seed).shuffle(lines)
        order = {stream: iter([line for one, line in lines if one == stream]) for stream in ("s1", "s2")}
        for stream, _ in lines:
            at, text = next(order[stream])
            log.line(at, text, stream=stream)

        by_id = {run.detail["request_id"]: run for run in runs(journal)}
        assert {name: run.at for name, run in by_id.items()} == {
            ONE: pytest.approx(T0, rel=0, abs=1e-3),
            TWO: pytest.approx(T0 + 0.05, rel=0, abs=1e-3),
        }
        failed = {name: "error_type" in outcome_of(journal, run).detail for name, run in by_id.items()}
        assert failed[TWO] is False
        assert len(list(itertools.chain(journal.of_kind("log")))) == 3
