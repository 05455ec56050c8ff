"""aws-semantics §1.5: the lines around what a function writes, as text and as JSON."""

from __future__ import annotations

import json
import re

import pytest

FAILS = "def handler(event, context): raise ValueError('no')"


def events(answer):
    """The log's lines as JSON where they are."""
    return [json.loads(line) if line.startswith("{") else line for line in answer.log.splitlines()]


class TestText:
    """§1.5: text format."""

    @pytest.mark.rule("1.5/init-start")
    @pytest.mark.rule("1.5/start")
    @pytest.mark.rule("1.5/end")
    @pytest.mark.rule("1.5/report")
    @pytest.mark.rule("1.5/init-duration")
    def test_a_cold_and_a_warm_start(self, system):
        """§1.5: INIT_START and Init Duration on the cold one only; billed milliseconds are whole ones."""
        code = "import time\ntime.sleep(0.11010)\nprint('importing')\ndef handler(event, context): time.sleep(0.00301)"
        system.up(Worker=system.function(code))
        cold, warm = (system.stage.invoke("Worker") for _ in range(2))

        request = re.escape(cold.request_id)
        report = rf"REPORT RequestId: {request}\tDuration: 3\.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t"
        expected = [
            r"INIT_START Runtime Version: python:3\.12\.v\d+\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}",
            "importing",
            rf"START RequestId: {request} Version: \$LATEST",
            f"END RequestId: {request}",
            report + r"Init Duration: 110\.10 ms\t",
        ]
        lines = cold.log.split("\n")
        assert len(lines) == len(expected)
        assert all(re.fullmatch(pattern, line) for pattern, line in zip(expected, lines, strict=True))
        assert [line.split(" ")[0] for line in warm.log.split("\n")] == ["START", "END", "REPORT"]
        assert "Init Duration" not in warm.log

    @pytest.mark.rule("1.5/status-timeout")
    def test_a_timeout(self, system):
        """§1.5."""
        system.up(Worker=system.function("import time\ndef handler(event, context): time.sleep(9)", Timeout=1))

        assert system.stage.invoke("Worker").log.endswith("ms\tStatus: timeout")

    @pytest.mark.rule("1.5/status-error")
    def test_an_exit(self, system):
        """§1.5."""
        system.up(Worker=system.function("import sys\ndef handler(event, context): sys.exit()"))

        assert system.stage.invoke("Worker").log.endswith("ms\tStatus: error\tError Type: Runtime.ExitError")

    @pytest.mark.rule("1.5/init-report")
    def test_a_failing_init(self, system):
        """§1.5: the error, INIT_REPORT, and then the invocation's lines."""
        system.up(Worker=system.function("import nothing_like_it"))
        lines = system.stage.invoke("Worker").log.split("\n")

        assert [line.split(" ")[0] for line in lines] == [
            "INIT_START",
            "[ERROR]",
            "INIT_REPORT",
            "START",
            "END",
            "REPORT",
        ]
        assert (
            lines[2]
            == "INIT_REPORT Init Duration: 0.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError"
        )
        assert lines[-1].endswith("Status: error\tError Type: Runtime.ImportModuleError")

    @pytest.mark.rule("1.5/init-report")
    def test_a_good_init_has_no_report(self, system):
        """§1.5."""
        system.up(Worker=system.function())

        assert "INIT_REPORT" not in system.stage.invoke("Worker").log


class TestJson:
    """§1.5: LogFormat JSON."""

    @pytest.fixture
    def answer(self, system):
        """Deploys a function with these settings of its log, and invokes it."""

        def invoke(code, **settings):
            system.up(Worker=system.function(code, Timeout=1, LoggingConfig={"LogFormat": "JSON", **settings}))
            return system.stage.invoke("Worker")

        return invoke

    @pytest.mark.rule("1.5/json-platform")
    def test_platform_events(self, answer, system):
        """§1.5: time, type and record; debug events are hidden by default."""
        given = answer("def handler(event, context): pass")
        start, begin, report = events(given)

        assert [e["type"] for e in (start, begin, report)] == [
            "platform.initStart",
            "platform.start",
            "platform.report",
        ]
        assert start["record"]["initializationType"] == "on-demand"
        assert begin["record"] == {
            "requestId": given.request_id,
            "functionArn": system.stage.arn("Worker"),
            "version": "$LATEST",
        }
        metrics = report["record"].pop("metrics")
        assert report["record"] == {"requestId": given.request_id, "status": "success"}
        assert list(metrics) == ["durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"]
        assert report["time"] == "2026-01-01T00:00:00.000Z"

    @pytest.mark.rule("1.5/json-application")
    def test_application_records(self, answer):
        """§1.5: the runtime client's keys, `extra` after them; a print stays a print."""
        code = """
            import logging
            def handler(event, context):
                print("plain")
                logging.getLogger("app").info("hi %s", "amy", extra={"order": 7})
                try:
                    1 / 0
                except ZeroDivisionError:
                    logging.exception("bad")
        """
        given = answer(code)
        _, _, plain, info, bad, _ = events(given)

        assert plain == "plain"
        assert info == {
            "timestamp": "2026-01-01T00:00:00Z",
            "level": "INFO",
            "message": "hi amy",
            "logger": "app",
            "requestId": given.request_id,
            "order": 7,
        }
        assert (bad["level"], bad["errorType"], bad["errorMessage"]) == (
            "ERROR",
            "ZeroDivisionError",
            "division by zero",
        )
        assert "1 / 0" in bad["stackTrace"][0]
        assert re.search(r":handler:\d+$", bad["location"])

    @pytest.mark.rule("1.5/json-error")
    def test_an_exception(self, answer):
        """§1.5: the error payload with time and level before it."""
        given = answer(FAILS)
        error = next(e for e in events(given) if "errorType" in e)

        assert list(error) == ["timestamp", "level", "errorMessage", "errorType", "requestId", "stackTrace"]
        assert {name: error[name] for name in given.payload} == given.payload

    @pytest.mark.rule("1.5/application-log-level")
    @pytest.mark.parametrize(
        ("level", "seen"),
        [
            ("TRACE", ["debug", "info", "warning", "error"]),
            ("DEBUG", ["debug", "info", "warning", "error"]),
            ("INFO", ["info", "warning", "error"]),
            ("WARN", ["warning", "error"]),
            ("ERROR", ["error"]),
            ("FATAL", []),
        ],
    )
    def test_application_levels(self, answer, level, seen):
        """§1.5: what is below the level is not written."""
        code = """
            import logging
            def handler(event, context):
                for level in ("debug", "info", "warning", "error"):
                    getattr(logging.getLogger("app"), level)(level)
        """
        given = answer(code, ApplicationLogLevel=level)

        assert [e["message"] for e in events(given) if "message" in e] == seen

    @pytest.mark.rule("1.5/system-log-level")
    @pytest.mark.parametrize(
        ("level", "seen"),
        [
            ("DEBUG", ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"]),
            ("INFO", ["initStart", "start", "report"]),
            ("WARN", []),
        ],
    )
    def test_system_levels(self, answer, level, seen):
        """§1.5: of an invocation that succeeds."""
        given = answer("def handler(event, context): pass", SystemLogLevel=level)

        assert [e["type"].removeprefix("platform.") for e in events(given)] == seen

    @pytest.mark.rule("1.5/system-log-level")
    def test_failures_are_warnings(self, answer):
        """§1.5: a timeout is told at level WARN too."""
        given = answer("import time\ndef handler(event, context): time.sleep(9)", SystemLogLevel="WARN")

        assert [(e["type"], e["record"]["status"]) for e in events(given)] == [
            ("platform.runtimeDone", "timeout"),
            ("platform.report", "timeout"),
        ]

    @pytest.mark.parametrize(
        "setting",
        [{"LogFormat": "XML"}, {"ApplicationLogLevel": "LOUD"}, {"SystemLogLevel": "ERROR"}, {"LogGroup": "a b"}],
    )
    def test_settings_that_cannot_be(self, system, setting):
        """§1.5: refused, by name."""
        system.up(Worker=system.function())
        api = system.client("lambda")

        with pytest.raises(api.exceptions.ClientError, match="loggingConfig"):
            api.update_function_configuration(FunctionName=system.stage.ref("Worker"), LoggingConfig=setting)
