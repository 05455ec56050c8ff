"""
The layer, under AWS's own runtime client (awslambdaric), started as Lambda starts it.

The test plays the Lambda service: it unzips the layer, starts the runtime through AWS_LAMBDA_EXEC_WRAPPER, hands out invocations over the Runtime
API, and takes the answers. The flags lie in a moto server.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile

import pytest

from stagefright.chaos import Failure, Latency
from stagefright.chaos.carried import WRAPPER_NAME
from stagefright.chaos.layer import SITE, build, contents
from tests.deployed.lambda_service import Function, LambdaService, flag, strikes, without_details

pytest.importorskip("awslambdaric", reason="AWS's runtime client is built for Linux only")

FLAG = "/stagefright/my-feature/Worker"
HANDLER = """
import sys
import sitecustomize


def handler(event, context):
    print("the handler runs")
    return {"echo": event, "stagefright": sys.modules["stagefright"].__file__ if "stagefright" in sys.modules else None}


class Greeter:
    def __call__(self, event, context):
        return "hello"


greeter = Greeter()
"""


@pytest.fixture
def service():
    found = LambdaService()
    yield found
    found.close()


@pytest.fixture(scope="session")
def opt(tmp_path_factory):
    """/opt with the layer in it, unpacked as Lambda does: with the rights that the zip file gives."""
    home = tmp_path_factory.mktemp("opt")
    with zipfile.ZipFile(io.BytesIO(build())) as layer:
        layer.extractall(home)
        for entry in layer.infolist():
            (home / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    return home


@pytest.fixture
def function(tmp_path, account, service, opt):
    """A Python function with the layer; its flag, if any, is in the account."""
    (tmp_path / "task").mkdir()
    variables = {**account.variables, "STAGEFRIGHT_STAGE": "my-feature", "STAGEFRIGHT_FUNCTION": "Worker"}
    found = Function(tmp_path / "task", variables, service, [str(opt / WRAPPER_NAME)])
    found.write("app", HANDLER)
    return found


class TestStrikes:
    """A function with the layer obeys its flag, and its code knows nothing of it."""

    def test_a_failure(self, function, account):
        """The error is raised in the handler's stead, and reported as the handler's own."""
        account.put(FLAG, flag(Failure("table is down", error_type="ValueError")))

        [(kind, body)] = function.run("app.handler", {"n": 1})

        assert kind == "error"
        assert (body["errorType"], body["errorMessage"]) == ("ValueError", "table is down")
        assert strikes(function.log) == ["failure"]
        assert "the handler runs" not in function.log

    def test_latency(self, function, account):
        """The handler runs, late."""
        account.put(FLAG, flag(Latency(delay_ms=700)))

        [(kind, body)] = function.run("app.handler", {"n": 1})

        assert (kind, body["echo"]) == ("response", {"n": 1})
        assert function.took_s[0] > 0.7
        assert strikes(function.log) == ["latency"]

    def test_begin_and_end_between_two_invocations(self, function, account):
        """The running environment feels a flag that comes, and one that goes."""
        changes = iter(
            [
                lambda: account.put(FLAG, flag(Failure("down"))),
                lambda: account.client("ssm").delete_parameter(Name=FLAG),
                lambda: None,
            ]
        )

        def change():
            next(changes)()

        answers = function.run("app.handler", 1, 2, 3, between=change)

        assert [kind for kind, _ in answers] == ["response", "error", "response"]

    def test_an_expired_flag_is_off(self, function, account):
        """Nobody healed it, and it strikes nothing; the log says whose it was."""
        account.put(FLAG, flag(Failure("down"), lease_s=-1))

        [(kind, _)] = function.run("app.handler", {})

        assert kind == "response"
        assert "its lease (owner amy, run run-1) ended" in function.log

    @pytest.mark.parametrize("handler", ["lib/tasks.handler", "lib.tasks.handler"])
    def test_a_handler_in_a_package(self, function, account, handler):
        """Lambda takes slashes and dots alike."""
        function.write("lib/tasks", HANDLER)
        account.put(FLAG, flag(Failure("down")))

        [(kind, body)] = function.run(handler, {})

        assert (kind, body["errorMessage"]) == ("error", "down")

    def test_a_handler_that_is_an_object(self, function, account):
        """Whatever can be called is a handler."""
        account.put(FLAG, flag(Failure("down")))
        answers = function.run(
            "app.greeter", 1, 2, between=lambda: account.put(FLAG, flag(Failure("down"), lease_s=-1))
        )

        assert [kind for kind, _ in answers] == ["error", "response"]
        assert answers[1] == ("response", "hello")

    def test_a_decorated_handler_is_struck_once(self, function, account):
        """A function that carries the decorator as well is not hurt twice."""
        function.write(
            "app",
            "from stagefright.chaos.runtime import inject_faults\n@inject_faults\ndef handler(event, context): return 1",
        )
        account.put(FLAG, flag(Latency(delay_ms=1)))

        assert function.run("app.handler", {}) == [("response", 1)]
        assert strikes(function.log) == ["latency"]


class TestInnocence:
    """The layer never breaks a function, and changes nothing about one that has no flag."""

    def both(self, function, handler, *events, **variables):
        """The answers and the log with the layer, and without."""
        found = []
        for wrapper in (function.wrapper, []):
            function.wrapper = wrapper
            answers = function.run(handler, *events, **variables)
            log = [line for line in function.log.splitlines() if '"source": "stagefright"' not in line]
            found.append((answers, log))
        return found

    def test_the_runtime_comes_from_the_layer(self, function, opt):
        """What is tested here is the layer, and not the package beside it."""
        [(_, body)] = function.run("app.handler", {})

        assert body["stagefright"].startswith(str(opt / SITE))

    @pytest.mark.parametrize(
        ("handler", "code"),
        [
            ("app.handler", "import nowhere_to_be_found"),
            ("app.handler", "def handler(event, context) return 1"),
            ("app.handler", "raise RuntimeError('no table')"),
            ("app.missing", "def handler(event, context): return 1"),
            ("app.handler", "handler = 1"),
            ("nowhere.handler", ""),
            ("handler", ""),
        ],
        ids=["import", "syntax", "init", "missing", "no-function", "no-module", "no-dot"],
    )
    def test_a_function_that_cannot_start_fails_as_it_always_did(self, function, handler, code):
        """The same answer with the layer as without; only a stack trace may have a line more."""
        function.write("app", code)

        (with_layer, _), (without, _) = self.both(function, handler, {})

        assert [kind for kind, _ in without] == ["error"]
        assert without_details(with_layer) == without_details(without)

    def test_without_a_name_no_flag_is_asked_for(self, function):
        """A function with the layer and no variable of ours does not even import boto3."""
        function.write("app", "import sys\ndef handler(event, context): return 'boto3' in sys.modules")

        assert function.run("app.handler", {}, STAGEFRIGHT_STAGE="", STAGEFRIGHT_FUNCTION="") == [("response", False)]

    def test_an_ssm_that_cannot_be_reached(self, function):
        """The handler runs, and the log says why no fault strikes."""
        [(kind, _)] = function.run("app.handler", {}, AWS_ENDPOINT_URL="http://127.0.0.1:9")

        assert kind == "response"
        assert f"{FLAG} could not be read" in function.log

    def test_a_malformed_flag(self, function, account):
        """It is off, and said to be."""
        account.put(FLAG, '{"stagefright": 1}')

        [(kind, _)] = function.run("app.handler", {})

        assert kind == "response"
        assert f"{FLAG} is off" in function.log

    def test_a_broken_layer(self, function, opt, tmp_path):
        """A layer that was unpacked by half is a line in the log, and the function runs."""
        half = tmp_path / "half"
        (half / SITE).mkdir(parents=True)
        (half / WRAPPER_NAME).write_text((opt / WRAPPER_NAME).read_text())
        (half / WRAPPER_NAME).chmod(0o755)
        (half / SITE / "sitecustomize.py").write_text((opt / SITE / "sitecustomize.py").read_text())
        (half / SITE / "stagefright" / "chaos").mkdir(parents=True)
        (half / SITE / "stagefright" / "__init__.py").write_text("")
        (half / SITE / "stagefright" / "chaos" / "__init__.py").write_text("import what_was_left_out")
        function.wrapper = [str(half / WRAPPER_NAME)]

        [(kind, _)] = function.run("app.handler", {})

        assert kind == "response"
        assert "layer cannot be used" in function.log

    def test_another_sitecustomize_still_runs(self, function, tmp_path):
        """Another layer's start-up code is hidden by ours, so ours runs it."""
        other = tmp_path / "other"
        other.mkdir()
        (other / "sitecustomize.py").write_text("MARK = 'another layer'")
        function.write("app", "import sitecustomize\ndef handler(event, context): return sitecustomize.MARK")

        assert function.run("app.handler", {}, PYTHONPATH=str(other)) == [("response", "another layer")]


class TestTheZip:
    """The file itself."""

    def test_same_bytes_every_time(self):
        """Built twice, and in another process with another seed for hashes, it is the same."""
        script = "import sys; from stagefright.chaos.layer import build; sys.stdout.buffer.write(build())"
        other = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": "7"}, capture_output=True, check=True
        ).stdout

        assert build() == build() == other

    def test_no_more_than_the_runtime_needs(self):
        """The harness, the plugin and the checks stay at home, and so does what writes flags."""
        names = {name.rpartition("/")[2] for name in contents()}

        assert {"runtime.py", "flags.py", "latency.py", "handler_hook.py", "sitecustomize.py"} <= names
        assert not {"control.py", "leases.py", "layer.py", "sweep.py", "world.py", "plugin.py"} & names

    def test_every_module_in_it_can_be_imported_with_nothing_else(self, opt):
        """With no package beside it, all of ours in the layer imports: nothing that it needs was left out."""
        modules = [
            name.removeprefix(f"{SITE}/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for name in contents()
            if name.startswith(f"{SITE}/stagefright/")
        ]
        script = f"import sys; sys.path.insert(0, {str(opt / SITE)!r})\n" + "\n".join(f"import {m}" for m in modules)
        done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)

        assert done.stderr == ""

    def test_the_wrapper_may_be_executed(self):
        """Lambda refuses a wrapper that has not the right."""
        with zipfile.ZipFile(io.BytesIO(build())) as layer:
            assert layer.getinfo(WRAPPER_NAME).external_attr >> 16 == 0o100755
