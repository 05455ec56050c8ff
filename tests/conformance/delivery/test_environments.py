"""aws-semantics §1.4, §1.6: execution environments: what they are given, how they end, and what is left of them."""

from __future__ import annotations

import json

import pytest

RESERVED = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
]
EXIT = "Runtime.ExitError"


def variables(**values):
    return {"Environment": {"Variables": values}}


class TestEnds:
    """§1.4: a runtime that ends takes its environment along, and nobody else."""

    @pytest.mark.parametrize(
        ("how", "text"),
        [
            pytest.param(
                "sys.exit()", "Runtime exited without providing a reason", marks=pytest.mark.rule("1.4/sys-exit")
            ),
            pytest.param(
                "sys.exit(3)", "Runtime exited with error: exit status 3", marks=pytest.mark.rule("1.4/exit-status")
            ),
            ("sys.exit(256)", "Runtime exited without providing a reason"),
            ("os._exit(0)", "Runtime exited without providing a reason"),
            pytest.param(
                "os._exit(127)",
                "Runtime exited with error: exit status 127",
                marks=pytest.mark.rule("1.4/exit-status"),
            ),
            ("os.abort()", "Runtime exited with error: signal: aborted"),
            ("os.kill(os.getpid(), signal.SIGKILL)", "Runtime exited with error: signal: killed"),
        ],
    )
    @pytest.mark.parametrize("place", ["handler", "init"])
    def test_a_process_that_ends(self, system, how, text, place):
        """§1.4: the payload names how; no `finally` of the code has an effect; the next invocation starts cold."""
        body = f"""
            import os, signal, sys
            print("starting")
            def end():
                try:
                    {how}
                finally:
                    print("finally") if {how.startswith("os.")} else None
            {"end()" if place == "init" else ""}
            def handler(event, context):
                end()
        """
        system.up(Worker=system.function(body))
        answers = [system.stage.invoke("Worker") for _ in range(2)]

        assert [answer.error for answer in answers] == [EXIT] * 2
        assert answers[0].error_message == f"RequestId: {answers[0].request_id} Error: {text}"
        assert [record.detail["cold"] for record in system.invocations()] == [True, True]
        assert [record.detail["line"] for record in system.records("log")] == ["starting"] * 2

    @pytest.mark.rule("1.4/uncaught")
    @pytest.mark.parametrize(
        ("how", "line", "ending"),
        [
            ("raise Stop('now')", "Stop: now", "exit status 1"),
            ("raise GeneratorExit", "GeneratorExit", "exit status 1"),
            ("raise asyncio.CancelledError('enough')", "asyncio.exceptions.CancelledError: enough", "exit status 1"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt", "signal: interrupt"),
            ("sys.exit('no table')", "no table", "exit status 1"),
        ],
    )
    @pytest.mark.parametrize("place", ["handler", "init"])
    def test_what_the_runtime_client_does_not_catch(self, system, how, line, ending, place):
        """§1.4: it catches `Exception` alone; any other ends the process, and Python writes it to standard error."""
        body = f"""
            import asyncio, sys
            class Stop(BaseException): pass
            Stop.__module__ = "__main__"
            def end():
                {how}
            {"end()" if place == "init" else ""}
            def handler(event, context):
                end()
        """
        system.up(Worker=system.function(body))
        answers = [system.stage.invoke("Worker") for _ in range(2)]

        text = f"RequestId: {answers[0].request_id} Error: Runtime exited with error: {ending}"
        assert (answers[0].error, answers[0].error_message) == (EXIT, text)
        assert [record.detail["cold"] for record in system.invocations()] == [True, True]
        written = "\n".join(record.detail["line"] for record in system.records("log"))
        assert written.splitlines().count(line) == 2
        assert ("in end" in written) == ("Traceback" in written) == (not how.startswith("sys"))
        assert "stagefright" not in written.replace("Stagefright", "")

    @pytest.mark.rule("1.4/segfault")
    def test_a_segmentation_fault(self, system):
        """§1.4: an ordinary timeout."""
        code = "import os, signal\ndef handler(event, context): os.kill(os.getpid(), signal.SIGSEGV)"
        system.up(Worker=system.function(code, Timeout=2))

        assert system.stage.invoke("Worker").error == "Sandbox.Timedout"
        assert system.elapsed() == 2

    @pytest.mark.rule("1.4/out-of-memory")
    @pytest.mark.parametrize("code", ["def handler(event, context): 'x' * 10**18", "x = 'x' * 10**18"])
    def test_out_of_memory(self, system, code):
        """§1.4: killed; the environment is gone. Which error type AWS gives it is an assumption."""
        system.up(Worker=system.function(code))
        first = system.stage.invoke("Worker")
        object.__setattr__(system.stage.world.assumptions, "out_of_memory_error", "Runtime.OutOfMemory")
        second = system.stage.invoke("Worker")

        assert (first.error, second.error) == (EXIT, "Runtime.OutOfMemory")
        assert first.error_message.endswith("Runtime exited with error: signal: killed")
        assert [record.detail["cold"] for record in system.invocations()] == [True, True]

    @pytest.mark.rule("1.4/init-request-id")
    @pytest.mark.parametrize("code", ["raise KeyError('x')", "import nothing_like_it", "def handler(:"])
    def test_a_failing_init_has_no_request_id(self, system, code):
        """§1.4: requestId is empty."""
        system.up(Worker=system.function(code))

        assert system.stage.invoke("Worker").payload["requestId"] == ""

    @pytest.mark.rule("1.4/timeout-resets")
    @pytest.mark.rule("1.4/tmp-survives")
    def test_after_a_timeout(self, system, tmp_path):
        """§1.4: globals are gone, files are not."""
        code = """
            import os, pathlib, time
            seen = []
            def handler(event, context):
                seen.append(event)
                file = pathlib.Path(os.environ["FILE"])
                before = file.exists()
                file.write_text("here")
                if event == "slow":
                    time.sleep(9)
                return [seen, before]
        """
        system.up(Worker=system.function(code, Timeout=1, **variables(FILE=str(tmp_path / "kept"))))
        warm = [system.stage.invoke("Worker", "a").payload, system.stage.invoke("Worker", "slow").error]

        assert warm == [[["a"], False], "Sandbox.Timedout"]
        assert system.stage.invoke("Worker", "b").payload == [["b"], True]


class TestInit:
    """§1.6: the init phase."""

    @pytest.mark.rule("1.6/init-phase")
    @pytest.mark.rule("1.5/init-report")
    def test_an_overrun(self, system):
        """§1.5, §1.6: 10 s, then again inside the invocation; the deadline is the function's."""
        system.up(Worker=system.function("import time\ntime.sleep(12)\ndef handler(e, c): return 'done'", Timeout=15))
        answer = system.stage.invoke("Worker")
        lines = answer.log.splitlines()

        assert answer.payload == "done"
        assert system.elapsed() == 22
        assert [line.split(" ")[0] for line in lines] == ["INIT_START", "INIT_REPORT", "START", "END", "REPORT"]
        assert lines[1] == "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout"

    @pytest.mark.rule("1.6/init-phase")
    def test_an_overrun_twice(self, system):
        """§1.6: the second run is under the function's timeout."""
        system.up(Worker=system.function("import time\ntime.sleep(12)\ndef handler(e, c): pass", Timeout=3))
        answer = system.stage.invoke("Worker")

        assert answer.error == "Sandbox.Timedout"
        assert system.elapsed() == 13
        assert "INIT_REPORT Init Duration: 3000.00 ms\tPhase: invoke\tStatus: timeout" in answer.log


class TestVariables:
    """§1.6: environment variables."""

    @pytest.mark.rule("1.6/reserved-names")
    @pytest.mark.parametrize("name", RESERVED)
    def test_reserved_names(self, system, name):
        """§1.6: refused, by name."""
        system.up(Worker=system.function())
        api, function = system.client("lambda"), system.stage.ref("Worker")

        with pytest.raises(
            api.exceptions.InvalidParameterValueException, match=f"Reserved keys used in this request: {name}"
        ):
            api.update_function_configuration(FunctionName=function, Environment={"Variables": {name: "x"}})

    @pytest.mark.rule("1.6/overridable")
    @pytest.mark.rule("1.6/initialization-type")
    def test_what_is_set(self, system):
        """§1.6: Lambda's values, and the function's own where it has some."""
        code = "import os\ndef handler(event, context): return dict(os.environ)"
        own = {"LANG": "C", "TZ": "Europe/Berlin", "PATH": "/own"}
        system.up(Plain=system.function(code), Own=system.function(code, **variables(**own)))
        plain, other = (system.stage.invoke(name).payload for name in ("Plain", "Own"))

        assert (plain["LANG"], plain["TZ"]) == ("en_US.UTF-8", ":UTC")
        assert plain["AWS_XRAY_CONTEXT_MISSING"] == "LOG_ERROR"
        assert {"PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "AWS_XRAY_DAEMON_ADDRESS"} <= set(plain)
        assert plain["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
        assert {name: other[name] for name in own} == own


class TestParameters:
    """§1.1: what is for synchronous invocations only, and what is no parameter at all."""

    @pytest.mark.rule("1.1/log-sync-only")
    @pytest.mark.rule("1.1/client-context-sync-only")
    def test_an_event_has_neither_log_nor_client_context(self, system):
        """§1.1."""
        system.up(Worker=system.function("def handler(event, context): return context.client_context is None"))
        answer = system.invoke_later(LogType="Tail", ClientContext="eyJjdXN0b20iOiB7fX0=")
        system.settle()

        assert "LogResult" not in answer
        assert system.records("outcome")[0].detail["payload"] is True

    @pytest.mark.rule("1.1/unknown-type")
    @pytest.mark.rule("1.1/log-types")
    @pytest.mark.parametrize("given", [{"InvocationType": "Later"}, {"LogType": "Head"}])
    def test_an_unknown_type(self, system, given):
        """§1.1: refused before anything runs."""
        system.up(Worker=system.function())
        api = system.client("lambda")

        with pytest.raises(api.exceptions.ClientError, match="enum value set"):
            api.invoke(FunctionName=system.stage.ref("Worker"), **given)
        assert system.attempts() == []

    @pytest.mark.rule("1.1/qualifier-length")
    def test_a_long_qualifier(self, system):
        """§1.1: 128 characters at most; such an alias just does not exist, a longer one cannot."""
        system.up(Worker=system.function())
        api, name = system.client("lambda"), system.stage.ref("Worker")

        with pytest.raises(api.exceptions.ResourceNotFoundException):
            api.invoke(FunctionName=name, Qualifier="q" * 128)
        with pytest.raises(api.exceptions.ClientError, match="length less than or equal to 128"):
            api.invoke(FunctionName=name, Qualifier="q" * 129)

    @pytest.mark.rule("1.2/response-bytes")
    @pytest.mark.parametrize(("size", "error"), [(6_291_556, None), (6_291_557, "Function.ResponseSizeTooLarge")])
    def test_the_size_of_an_answer(self, system, size, error):
        """§1.2: to the byte; two of them are the quotes."""
        system.up(Worker=system.function(f"def handler(event, context): return 'x' * {size - 2}"))

        assert system.stage.invoke("Worker").error == error

    @pytest.mark.rule("1.3/recursive")
    def test_a_recursive_loop(self, system):
        """§1.3, §7: 400."""
        code = """
            import boto3, os
            client = boto3.client("lambda")
            def handler(event, context):
                try:
                    answer = client.invoke(FunctionName=os.environ["AWS_LAMBDA_FUNCTION_NAME"])
                    return __import__("json").loads(answer["Payload"].read())
                except client.exceptions.RecursiveInvocationException as error:
                    return error.response["ResponseMetadata"]["HTTPStatusCode"]
        """
        system.up(Worker=system.function(code))
        answer = system.client("lambda").invoke(FunctionName=system.stage.ref("Worker"))

        assert json.loads(answer["Payload"].read()) == 400
        assert answer["ResponseMetadata"]["RequestId"] == system.invocations()[0].detail["request_id"]
