"""Functions run inside the test's process, and yet each looks to itself like a process of its own."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

RETURN = "def handler(event, context): return {!r}"


def lines(stage, function="Fn"):
    """What CloudWatch Logs has of a function, in order."""
    logs = stage.client("logs")
    events = []
    for stream in logs.describe_log_streams(logGroupName=f"/aws/lambda/{function}")["logStreams"]:
        events += logs.get_log_events(
            logGroupName=f"/aws/lambda/{function}", logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
    return [event["message"].rstrip("\n") for event in sorted(events, key=lambda event: event["timestamp"])]


def said(stage, function="Fn"):
    """What the function's own code said."""
    return [line for line in lines(stage, function) if not re.match(r"START|END|REPORT|INIT_", line)]


class TestStarts:
    def test_a_warm_start_finds_its_globals_and_a_cold_one_does_not(self, systems):
        """Module globals live as long as their environment."""
        stage, ask = systems.function(
            """
            calls = 0
            def handler(event, context):
                global calls
                calls += 1
                return calls
            """
        )

        assert [1, 2, 3] == [ask() for _ in range(3)]
        assert [True, False, False] == [r.detail["cold"] for r in stage.journal.of_kind("invocation")]
        stage.reset()
        assert 1 == ask()

    def test_new_settings_mean_a_cold_start(self, systems):
        """`UpdateFunctionConfiguration` ends the warm environments."""
        stage, ask = systems.function(
            "import os\nseen = []\ndef handler(e, c): seen.append(os.environ.get('AB')); return seen"
        )
        assert [[None], [None, None]] == [ask(), ask()]

        stage.client("lambda").update_function_configuration(FunctionName="Fn", Environment={"Variables": {"AB": "1"}})

        assert ["1"] == ask()

    def test_two_invocations_at_once_get_two_environments(self, systems):
        """Overlapping invocations never share globals; the first to end is warm for the next."""
        stage, _ = systems.function(
            """
            import time
            running = 0
            def handler(event, context):
                global running
                running += 1
                time.sleep(1)
                running -= 1
                return running
            """
        )
        for _ in range(2):
            stage.client("lambda").invoke(FunctionName="Fn", InvocationType="Event", Payload=b"{}")
        stage.settle()
        stage.invoke("Fn")

        assert [True, True, False] == [r.detail["cold"] for r in stage.journal.of_kind("invocation")]
        assert [0, 0, 0] == [r.detail["payload"] for r in stage.journal.of_kind("outcome")]
        assert 2 == stage.clock.now() - 1767225600

    def test_two_cold_starts_at_once_that_wait_while_they_import(self, systems):
        """A module that sleeps at its top level holds nobody else's import up."""
        stage, _ = systems.function(
            "import time\ntime.sleep(2)\nimport helper\ndef handler(e, c): pass".replace("import helper\n", "")
        )
        for _ in range(3):
            stage.client("lambda").invoke(FunctionName="Fn", InvocationType="Event", Payload=b"{}")
        stage.settle()

        assert 3 == len(stage.journal.of_kind("outcome"))
        assert 2 == stage.clock.now() - 1767225600


class TestModules:
    def test_two_functions_with_the_same_module_name(self, systems):
        """Each has its own `app` and its own `helper`."""
        stage = systems.open(
            {
                name: {
                    "app.py": "import helper\ndef handler(e, c): return [helper.NAME, helper.__file__, __name__]",
                    "helper.py": f"NAME = {name!r}",
                }
                for name in ("A", "B")
            }
        )

        for name in ("A", "B", "A"):
            assert [name, str(systems.directory / name / "helper.py"), "app"] == stage.invoke(name).payload

    def test_packages_relative_and_lazy_imports(self, systems):
        """What works in a package on Lambda works here, at import time and later."""
        _, ask = systems.function(
            {
                "shop/__init__.py": "",
                "shop/web/__init__.py": "",
                "shop/web/app.py": """
                    from .. import prices
                    from ..store import load
                    def handler(event, context):
                        import importlib
                        from shop.web import late
                        found = importlib.import_module("shop.plugins.tax")
                        return [prices.BREAD, load(), late.NAME, found.RATE, importlib.import_module(".late", "shop.web") is late]
                    """,
                "shop/web/late.py": "NAME = __name__",
                "shop/prices.py": "BREAD = 3",
                "shop/store.py": "from shop.prices import BREAD\ndef load(): return BREAD",
                "shop/plugins/tax.py": "RATE = 7",
                "Handler": "shop/web/app.handler",
            }
        )

        assert [3, 3, "shop.web.late", 7, True] == ask()
        assert [3, 3, "shop.web.late", 7, True] == ask()

    def test_own_classes_can_be_pickled(self, systems):
        """pickle finds a class by its module's name, now and in a later invocation."""
        _, ask = systems.function(
            """
            import copy, pickle
            from dataclasses import dataclass
            @dataclass
            class Order:
                id: int
            kept = []
            def handler(event, context):
                kept.append(pickle.dumps(Order(event)))
                return [pickle.loads(order) == Order(n) for n, order in enumerate(kept)]
            """
        )

        assert [[True], [True, True]] == [ask(0), ask(1)]

    def test_relative_files_lie_in_the_task_root(self, systems):
        """The working directory is the function's folder while it runs, and the test's while the test does."""
        before = Path.cwd()
        _, ask = systems.function(
            {
                "app.py": """
                import os, time
                TEXT = open("config.txt").read()
                def handler(event, context):
                    time.sleep(1)
                    seen = [TEXT, open("config.txt").read(), os.getcwd() == os.environ["LAMBDA_TASK_ROOT"]]
                    os.chdir("/tmp")
                    time.sleep(1)
                    return seen + [os.getcwd()]
                """,
                "config.txt": "yes",
            }
        )

        assert ["yes", "yes", True, "/tmp"] == ask()
        assert before == Path.cwd()

    def test_the_tests_own_modules_survive(self, systems, monkeypatch):
        """A module of the test that is named like a function's is hidden from the function, and is back afterwards."""
        mine = types.ModuleType("app")
        mine.value = "the test's"
        monkeypatch.setitem(sys.modules, "app", mine)
        _, ask = systems.function(
            "import sys\nvalue = 'the function’s'\ndef handler(e, c): return sys.modules['app'].value"
        )

        assert "the function’s" == ask()
        assert sys.modules["app"] is mine

    def test_nothing_of_a_function_stays_behind(self, systems):
        """Neither modules nor entries of the path."""
        modules, path = set(sys.modules), list(sys.path)
        _, ask = systems.function(
            {
                "app.py": """
                import sys
                sys.path.insert(0, "vendored")
                sys.path.append("/opt/nowhere")
                import inner
                def handler(event, context):
                    import inner.later
                    return [inner.NAME, "vendored" in sys.path]
                """,
                "vendored/inner/__init__.py": "NAME = 'inner'",
                "vendored/inner/later.py": "",
            }
        )

        assert ["inner", True] == ask()
        assert {"app", "inner", "inner.later"}.isdisjoint(set(sys.modules) - modules)
        assert path == sys.path

    def test_vendored_copies_of_installed_libraries_are_passed_over(self, systems):
        """The world reaches into boto3 and requests; what lies beside the handler is not what runs. The function's own modules are its own."""
        _, ask = systems.function(
            {
                "app.py": "import boto3, requests, utils\ndef handler(e, c): return [boto3.__name__, requests.codes.ok, utils.MINE]",
                "boto3/__init__.py": "raise RuntimeError('the vendored boto3')",
                "requests/__init__.py": "raise RuntimeError('the vendored requests')",
                "requests-2.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: requests\nVersion: 2.0\n",
                "requests-2.0.dist-info/RECORD": "requests/__init__.py,,\n",
                "utils.py": "MINE = True",
            }
        )

        assert ["boto3", 200, True] == ask()

    def test_layers_are_on_the_path(self, systems):
        """Below the function's own code, a later layer before an earlier one."""
        stage = systems.open(
            {"Fn": {"app.py": "import common, other\ndef handler(e, c): return [common.FROM, other.FROM]",
                    "Layers": [{"Ref": "One"}, {"Ref": "Two"}]}},
            layers={
                "One": {"python/common.py": "FROM = 'one'", "python/other.py": "FROM = 'one'"},
                "Two": {"python/common.py": "FROM = 'two'"},
            },
        )  # fmt: skip

        assert ["two", "one"] == stage.invoke("Fn").payload


WAITS = {
    "a sleep": "time.sleep(60)",
    "a lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "a join": "t = threading.Thread(target=time.sleep, args=(60,)); t.start(); t.join()",
    "a queue": "queue.Queue().get()",
    "an invocation": "boto3.client('lambda').invoke(FunctionName='Slow')",
    "a long poll": "while True: boto3.client('sqs').receive_message(QueueUrl=QUEUE, WaitTimeSeconds=20)",
}


class TestTimeouts:
    @pytest.mark.parametrize("what", WAITS)
    @pytest.mark.rule("1.4/timeout")
    def test_nothing_after_the_deadline_happens(self, systems, what):
        """§1.4: Not even `finally`; the environment is reset and /tmp survives."""
        mark = Path(f"/tmp/stagefright-{os.getpid()}")
        stage = systems.open(
            {
                "Fn": f"""
                import boto3, os, queue, threading, time
                QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/work"
                globals_of_old = []
                def handler(event, context):
                    globals_of_old.append(1)
                    if event == "again":
                        return [len(globals_of_old), os.path.exists({str(mark)!r})]
                    open({str(mark)!r}, "w").close()
                    print("before")
                    try:
                        {WAITS[what]}
                    finally:
                        print("after")
                """,
                "Slow": {"app.py": "import time\ndef handler(e, c): time.sleep(20)", "Timeout": 60},
            },
            resources={"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "work"}}},
        )
        answer = stage.invoke("Fn")
        assert 3 == stage.clock.now() - 1767225600
        stage.settle()

        assert "Sandbox.Timedout" == answer.error
        assert f"RequestId: {answer.request_id} Error: Task timed out after 3.00 seconds" == answer.error_message
        assert ["before"] == said(stage)
        assert [1, True] == stage.invoke("Fn", "again").payload
        mark.unlink()

    @pytest.mark.rule("1.6/init-phase")
    def test_an_init_of_more_than_ten_seconds_runs_again_under_the_functions_timeout(self, systems):
        """§1.6: So it fails if the function's timeout is shorter than the init, and succeeds if it is longer."""
        code = "import time\nprint('init')\ntime.sleep(11)\ndef handler(event, context): return 'done'"
        stage = systems.open({"Short": code, "Long": {"app.py": code, "Timeout": 30}})

        assert "Sandbox.Timedout" == stage.invoke("Short").error
        assert 13 == stage.clock.now() - 1767225600
        assert "done" == stage.invoke("Long").payload
        assert 13 + 21 == stage.clock.now() - 1767225600
        assert ["init", "init"] == said(stage, "Long")
        assert "done" == stage.invoke("Long").payload
        assert 13 + 21 == stage.clock.now() - 1767225600


FAULTY = {
    "Runtime.ImportModuleError": "import nowhere_to_be_found\ndef handler(e, c): pass",
    "Runtime.UserCodeSyntaxError": "def handler(e, c) pass",
    "Runtime.HandlerNotFound": "def other(e, c): pass",
    "Runtime.ExitError": "import sys\nsys.exit(1)",
    "ValueError": "raise ValueError('at the top')",
    "KeyError": "import os\nTABLE = os.environ['TABLE']",
}


class TestErrors:
    @pytest.mark.parametrize("error", FAULTY)
    def test_a_failing_init_is_tried_again_with_the_next_invocation(self, systems, error):
        """Every invocation starts cold and answers with the runtime's own error."""
        stage = systems.open({"Fn": FAULTY[error]})

        assert [error, error] == [stage.invoke("Fn").error for _ in range(2)]
        assert [True, True] == [r.detail["cold"] for r in stage.journal.of_kind("invocation")]

    def test_a_failing_init_that_recovers(self, systems):
        """The second attempt finds the world changed, and stays warm."""
        stage = systems.open(
            {"Fn": "import boto3\nboto3.client('sqs').get_queue_url(QueueName='work')\ndef handler(e, c): return 'up'"}
        )
        assert "QueueDoesNotExist" == stage.invoke("Fn").error
        stage.client("sqs").create_queue(QueueName="work")

        assert ["up", "up"] == [stage.invoke("Fn").payload for _ in range(2)]

    @pytest.mark.rule("1.4/handler-error")
    @pytest.mark.rule("1.4/stack-trace")
    def test_the_payload_is_awss_in_its_order(self, systems):
        """§1.4: Message, type, request id, stack trace without frames of the harness."""
        stage, _ = systems.function(
            """
            def deeper():
                raise LookupError("nothing here")
            def handler(event, context):
                deeper()
            """
        )
        answer = stage.invoke("Fn")
        file = systems.directory / "Fn" / "app.py"

        assert ["errorMessage", "errorType", "requestId", "stackTrace"] == list(answer.payload)
        assert ("nothing here", "LookupError", answer.request_id) == tuple(answer.payload.values())[:3]
        assert [
            f'  File "{file}", line 5, in handler\n    deeper()\n',
            f'  File "{file}", line 3, in deeper\n    raise LookupError("nothing here")\n',
        ] == answer.payload["stackTrace"]

    @pytest.mark.rule("1.4/sys-exit")
    def test_sys_exit_ends_the_environment(self, systems):
        """§1.4: The runtime is gone; the next invocation starts cold."""
        stage = systems.open({"Fn": "import sys\ndef handler(event, context): sys.exit(0)"})

        answers = [stage.invoke("Fn") for _ in range(2)]

        assert ["Runtime.ExitError"] * 2 == [answer.error for answer in answers]
        assert (
            f"RequestId: {answers[0].request_id} Error: Runtime exited without providing a reason"
            == answers[0].error_message
        )
        assert [True, True] == [r.detail["cold"] for r in stage.journal.of_kind("invocation")]

    def test_an_answer_that_json_cannot_hold(self, systems):
        """`Runtime.MarshalError`."""
        stage = systems.open({"Fn": "def handler(event, context): return object()"})

        assert "Runtime.MarshalError" == stage.invoke("Fn").error

    def test_pytest_fail_in_a_stub_fails_the_test(self, systems):
        """It speaks to the test, not to Lambda."""
        stage = systems.open({"Fn": "def charge(): pass\ndef handler(event, context): charge()"})
        stage.module("Fn").charge = lambda: pytest.fail("must not be charged")

        with pytest.raises(pytest.fail.Exception, match="must not be charged"):
            stage.invoke("Fn")


class TestLogs:
    @pytest.mark.rule("1.5/start")
    @pytest.mark.rule("1.5/end")
    @pytest.mark.rule("1.5/report")
    def test_the_platforms_lines_are_awss(self, systems):
        """§1.5: START, what was said, END, REPORT; and the init's duration on a cold start only."""
        stage, ask = systems.function("print('hello')\ndef handler(event, context): print('world')")
        ask(), ask()

        log = lines(stage)
        request = stage.journal.of_kind("invocation")[0].detail["request_id"]

        assert f"START RequestId: {request} Version: $LATEST" == next(line for line in log if line.startswith("START"))
        assert ["hello", "world", "world"] == said(stage)
        assert f"END RequestId: {request}" in log
        report = next(line for line in log if line.startswith(f"REPORT RequestId: {request}"))
        assert re.fullmatch(
            r"REPORT RequestId: \S+\tDuration: 0\.00 ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
            r"Max Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t",
            report,
        )
        assert 1 == sum("Init Duration" in line for line in log)

    @pytest.mark.rule("1.5/error-line")
    def test_an_exception_is_logged_with_its_trace(self, systems):
        """§1.5: One event, with no-break spaces as indents, as the runtime client writes it."""
        stage = systems.open({"Fn": "def handler(event, context): raise ValueError('no')"})
        stage.invoke("Fn")

        (event,) = said(stage)
        assert event.startswith("[ERROR] ValueError: no\nTraceback (most recent call last):\n\u00a0\u00a0File")

    def test_what_is_printed_without_a_line_end(self, systems):
        """Parts are joined until the line ends, or the invocation does."""
        stage, ask = systems.function(
            "import sys\ndef handler(e, c):\n print('a', end=''); print('b'); sys.stderr.write('c\\nd'); sys.stdout.write('e')"
        )
        ask()

        assert ["ab", "c", "de"] == said(stage)

    @pytest.mark.rule("1.5/python-logging")
    def test_logging_has_the_runtimes_format_and_level(self, systems):
        """§1.5: WARNING and above, until the function says otherwise; level, time, request id and message between tabs."""
        stage, ask = systems.function(
            """
            import logging
            logger = logging.getLogger(__name__)
            def handler(event, context):
                logger.info("not yet"), logger.warning("careful %d", 1)
                logging.getLogger().setLevel("INFO")
                logger.info("now")
                try: 1 / 0
                except ZeroDivisionError: logger.exception("caught")
            """
        )
        level = logging.getLogger().level
        ask()
        request = stage.journal.of_kind("invocation")[0].detail["request_id"]

        warning, info, error = said(stage)
        assert f"[WARNING]\t2026-01-01T00:00:00.000Z\t{request}\tcareful 1" == warning
        assert f"[INFO]\t2026-01-01T00:00:00.000Z\t{request}\tnow" == info
        assert re.match(r"\[ERROR\]\t\S+\t\S+\tcaught\nTraceback", error)
        assert level == logging.getLogger().level

    def test_each_function_configures_its_own_loggers(self, systems):
        """Same names, other levels and handlers; a second cold start does not double the lines."""
        code = """
            import logging, sys
            logger = logging.getLogger("orders")
            logger.setLevel({level!r})
            logger.propagate = False
            logger.addHandler(logging.StreamHandler(sys.stdout))
            def handler(event, context):
                logger.debug("debug"), logger.error("error")
            """
        stage = systems.open({"Loud": code.format(level="DEBUG"), "Quiet": code.format(level="ERROR")})
        for _ in range(2):
            for name in ("Loud", "Quiet"):
                stage.invoke(name)
            stage.client("lambda").update_function_configuration(FunctionName="Loud", Description="cold again")

        assert ["debug", "error"] * 2 == said(stage, "Loud")
        assert ["error"] * 2 == said(stage, "Quiet")
        assert not logging.getLogger("orders").handlers

    def test_pytest_sees_what_functions_log(self, systems, caplog):
        """`caplog` has a handler's records too."""
        _, ask = systems.function(
            "import logging\ndef handler(e, c): logging.getLogger('orders').error('seen by %s', 'both')"
        )
        ask()

        assert ["seen by both"] == [record.getMessage() for record in caplog.records]

    def test_powertools_loggers_write_to_their_own_functions_log(self, systems):
        """Two functions with the same Powertools service, one shared library."""
        pytest.importorskip("aws_lambda_powertools")
        code = """
            from aws_lambda_powertools import Logger
            logger = Logger(service="shop")
            @logger.inject_lambda_context
            def handler(event, context):
                logger.append_keys(me=context.function_name)
                logger.info({"step": event})
            """
        stage = systems.open({"A": code, "B": code})
        for name in ("A", "B", "A"):
            stage.invoke(name, {"from": name})

        for name, count in (("A", 2), ("B", 1)):
            records = [json.loads(line) for line in said(stage, name)]
            assert count == len(records)
            assert {name} == {record["function_name"] for record in records} == {record["me"] for record in records}


SHOP = {
    "shop/__init__.py": "",
    "shop/prices.py": "def price(): return 3",
    "shop/lazy.py": "RATE = 7",
    "app.py": """
        import time
        from shop import prices
        def handler(event, context):
            import shop.lazy
            time.sleep(1)
            return [prices.price(), shop.lazy.RATE]
        """,
}


class TestPatching:
    def test_through_the_stage(self, systems, monkeypatch):
        """`stage.module` gives the copy that the next invocation runs in, the handler itself included."""
        stage, ask = systems.function("RATE = 1\ndef handler(event, context): return RATE")
        monkeypatch.setattr(stage.module("Fn"), "RATE", 2)
        assert 2 == ask()
        monkeypatch.setattr(stage.module("Fn"), "handler", lambda event, context: "patched")
        assert "patched" == ask()
        monkeypatch.undo()

        assert 1 == ask()

    def test_by_dotted_name(self, systems, monkeypatch):
        """`monkeypatch.setattr("shop.prices.price", ...)`, if one function alone has a module of that name."""
        stage, ask = systems.function(SHOP)
        monkeypatch.setattr("shop.prices.price", lambda: 4)
        monkeypatch.setattr("shop.lazy.RATE", 8)
        monkeypatch.setattr("app.time.sleep", lambda seconds: None)

        assert [4, 8] == ask()
        assert 1767225600 == stage.clock.now()
        monkeypatch.undo()
        assert [3, 7] == ask()

    def test_nothing_of_it_outlives_a_reset(self, systems, monkeypatch):
        """A fresh environment has fresh modules, under the same dotted name too."""
        stage, ask = systems.function(SHOP)
        monkeypatch.setattr("shop.prices.price", lambda: 4)
        stage.reset()
        assert "shop.prices" not in sys.modules
        assert [3, 7] == ask()
        monkeypatch.setattr("shop.prices.price", lambda: 5)

        assert [5, 7] == ask()

    def test_a_name_that_two_functions_have_is_refused_with_the_way_out(self, systems, monkeypatch):
        """Guessing would patch the wrong one."""
        systems.open({"A": RETURN.format(1), "B": RETURN.format(2)})

        with pytest.raises(ImportError, match=r"A, B.*stage\.module\('A', 'app'\)"):
            monkeypatch.setattr("app.handler", None)

    def test_a_module_that_nobody_has(self, systems):
        """An ordinary ModuleNotFoundError."""
        systems.open({"Fn": RETURN.format(1)})

        with pytest.raises(ModuleNotFoundError, match="No module named 'nowhere_to_be_found'"):
            import nowhere_to_be_found  # noqa: F401

    def test_an_unknown_module_of_a_function(self, systems):
        """The message names the function and the module."""
        stage = systems.open({"Fn": RETURN.format(1)})

        with pytest.raises(ImportError, match="Fn has no module 'nope' of its own"):
            stage.module("Fn", "nope")

    def test_a_function_that_cannot_start_says_so(self, systems):
        """Also if its init takes too long."""
        stage = systems.open({"Fn": "raise ValueError('no')", "Slow": "import time\ntime.sleep(60)"})

        with pytest.raises(ImportError, match="Fn cannot be initialised: no"):
            stage.module("Fn")
        with pytest.raises(ImportError, match=r"Slow cannot be initialised: .*timed out"):
            stage.module("Slow")

    def test_shared_libraries_are_patched_for_everybody(self, systems, monkeypatch):
        """boto3 in a handler is the test's boto3."""
        import boto3

        _, ask = systems.function("import boto3\ndef handler(event, context): return boto3.client('anything')")
        monkeypatch.setattr(boto3, "client", lambda service: f"a stub of {service}")

        assert "a stub of anything" == ask()


APP = """
    def handler(event, context):
        total = event["n"] + 1
        if total > 100:
            total = 100
        return total
    """

TEST = """
    import json, pathlib
    from stagefright import open_stage

    def test_it():
        with open_stage("inner", template=pathlib.Path(__file__).with_name("template.json")) as stage:
            assert stage.invoke("Fn", {"n": 1}).payload == 2
    """


@pytest.fixture
def project(pytester):
    """A user's repository with one function and one test, in which pytest or coverage can be run."""

    def make(app=APP, test=TEST):
        template = {
            "Resources": {
                "Fn": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "Runtime": "python3.12", "Handler": "app.handler", "Code": "fn",
                        "Role": "arn:aws:iam::123456789012:role/x",
                    },
                }
            }
        }  # fmt: skip
        pytester.mkdir("fn")
        (pytester.path / "fn" / "app.py").write_text(_dedent(app))
        (pytester.path / "template.json").write_text(json.dumps(template))
        (pytester.path / "test_it.py").write_text(_dedent(test))
        return pytester.path

    return make


def _dedent(text):
    import textwrap

    return textwrap.dedent(text).lstrip("\n")


def run(project, *arguments, stdin=""):
    """Run Python in the project, as a user would in a shell."""
    environment = {**os.environ, "PYTEST_ADDOPTS": "", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=project, env=environment, input=stdin, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


class TestTools:
    def test_coverage_counts_the_lines_of_a_handler(self, project):
        """`coverage run -m pytest`, with branches, in the user's own file."""
        path = project()
        result = run(
            path, "-m", "coverage", "run", "--branch", "--include=fn/*", "-m", "pytest", "-q", "-p", "no:stagefright"
        )
        assert 0 == result.returncode, result.stdout + result.stderr

        report = json.loads(run(path, "-m", "coverage", "json", "-o", "-", "-q").stdout)

        assert [4] == report["files"]["fn/app.py"]["missing_lines"]
        assert [1, 2, 3, 5] == report["files"]["fn/app.py"]["executed_lines"]

    @pytest.mark.parametrize("capture", ["-s", "--capture=fd", "--capture=sys"])
    def test_a_breakpoint_in_a_handler_stops_there(self, project, capture):
        """A real pdb, with commands from standard input: it shows the handler's values and goes on."""
        path = project(app=APP.replace("if total", "breakpoint()\n        if total"))
        commands = "p 'total is', total\np event\nprint('typed at the prompt')\nw\nc\n"

        result = run(path, "-m", "pytest", "-q", "-p", "no:stagefright", capture, stdin=commands)

        assert 0 == result.returncode, result.stdout + result.stderr
        assert "('total is', 2)" in result.stdout
        assert "{'n': 1}" in result.stdout
        assert "typed at the prompt" in result.stdout
        assert re.search(r"fn/app\.py\(\d\)handler\(\)", result.stdout)
        assert "1 passed" in result.stdout

    def test_leaving_the_debugger_leaves_the_run(self, project):
        """`q` ends the session; it is no error of the function."""
        path = project(app=APP.replace("if total", "breakpoint()\n        if total"))

        result = run(path, "-m", "pytest", "-q", "-p", "no:stagefright", "-s", stdin="q\n")

        assert "Exit: Quitting debugger" in result.stdout + result.stderr
        assert "Unhandled" not in result.stdout

    def test_the_debuggers_class_can_be_chosen(self, project):
        """`--pdbcls` and the like: whatever `breakpoint()` calls stands in the handler's frame."""
        path = project(app=APP.replace("if total", "breakpoint()\n        if total"))
        (path / "conftest.py").write_text(
            "import sys\n"
            "class Fake:\n"
            "    def __init__(self, *a, **k): pass\n"
            "    def set_trace(self, frame=None, **k): sys.__stdout__.write(f'stopped in {frame.f_code.co_name}\\n')\n"
            "    def __getattr__(self, name): return lambda *a, **k: None\n"
        )
        result = run(path, "-m", "pytest", "-q", "-p", "no:stagefright", "-s", "--pdbcls=conftest:Fake")

        assert "stopped in handler" in result.stdout, result.stdout + result.stderr

    def test_a_long_stop_at_a_breakpoint_is_not_a_stuck_handler(self, project):
        """A person may think for as long as they like."""
        path = project(
            app=APP.replace("if total", "breakpoint()\n        if total"),
            test=TEST.replace(
                "            assert",
                "            stage.world.kernel.real_time_allowance_s = stage.world.kernel.watch_interval_s = 0.1\n            assert",
            ),
        )
        result = run(
            path, "-m", "pytest", "-q", "-p", "no:stagefright", "-s",
            stdin="import timeit; began = timeit.default_timer()\nwhile timeit.default_timer() < began + 0.5: pass\n\nc\n",
        )  # fmt: skip

        assert "1 passed" in result.stdout, result.stdout + result.stderr
