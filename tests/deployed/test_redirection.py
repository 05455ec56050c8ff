"""
The handler that is injected, under AWS's own runtime client: it obeys flags, and changes nothing else.

What a function's package holds is what a stage deploys (`carried.for_functions`). The flags lie in a moto server.
"""

from __future__ import annotations

import sys

import pytest

from stagefright.chaos import Failure, Latency
from stagefright.chaos.carried import for_functions
from tests.deployed.lambda_service import Function, LambdaService, flag, strikes, without_details

pytest.importorskip("awslambdaric", reason="AWS's runtime client is built for Linux only")

RUNTIME = for_functions()
FLAG = "/stagefright/my-feature/shop/Worker"
HANDLER = """
import os, sys

def handler(event, context):
    return {"echo": event, "handler": os.environ["_HANDLER"], "stagefright": sys.modules["stagefright"].__file__}
"""


@pytest.fixture
def service():
    found = LambdaService()
    yield found
    found.close()


class Redirected(Function):
    """A function as it was deployed, and the same without us."""

    def deployed(self, handler, *events, files=None, **variables):
        for name, content in {**RUNTIME.files, **(files or {})}.items():
            file = self.task_root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        more = RUNTIME.variables(handler, {}, "my-feature", "shop/Worker")
        return self.run(RUNTIME.handler, *events, **{**more, **variables})


@pytest.fixture
def function(tmp_path, account, service):
    (tmp_path / "task").mkdir()
    found = Redirected(tmp_path / "task", account.variables, service)
    found.write("app", HANDLER)
    return found


def test_it_obeys_its_flag(function, account):
    """The flag is the one that its variables name, and its log proves the strike."""
    account.put(FLAG, flag(Failure("table is down", error_type="ValueError")))

    [(kind, body)] = function.deployed("app.handler", {"n": 1})

    assert (kind, body["errorType"], body["errorMessage"]) == ("error", "ValueError", "table is down")
    assert strikes(function.log) == ["failure"]


def test_without_a_flag_it_is_as_it_was(function):
    """The event, the answer, and the name under which libraries look for its module."""
    [(kind, body)] = function.deployed("app.handler", {"n": 1})

    assert (kind, body["echo"], body["handler"]) == ("response", {"n": 1}, "app.handler")
    assert body["stagefright"].startswith(str(function.task_root)), (
        "the package's own copy, and not the one beside this test"
    )
    assert strikes(function.log) == []


@pytest.mark.parametrize("handler", ["lib/tasks.handler", "lib.tasks.handler"])
def test_a_handler_in_a_package(function, account, handler):
    """Slashes and dots alike; what it imports relatively is found."""
    function.write("lib/tasks", "from .words import ANSWER\ndef handler(event, context): return ANSWER")
    function.write("lib/words", "ANSWER = 42")
    account.put(FLAG, flag(Latency(delay_ms=1)))

    assert function.deployed(handler, {}) == [("response", 42)]
    assert strikes(function.log) == ["latency"]


def test_a_decorated_handler_is_struck_once(function, account):
    """One that carries the decorator as well is not hurt twice."""
    code = "from stagefright.chaos.runtime import inject_faults\n@inject_faults\ndef handler(event, context): return 1"
    function.write("app", code)
    account.put(FLAG, flag(Latency(delay_ms=1)))

    assert function.deployed("app.handler", {}) == [("response", 1)]
    assert strikes(function.log) == ["latency"]


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        ("app.handler", "import nowhere_to_be_found"),
        ("app.handler", "def handler(event, context) return 1"),
        ("app.handler", "raise RuntimeError('no table')"),
        ("app.handler", "import json; json.nothing_of_the_kind"),
        ("app.missing", "def handler(event, context): return 1"),
        ("app.handler", "handler = 1"),
        ("nowhere.handler", ""),
        ("sys.exit", ""),
    ],
    ids=["import", "syntax", "init", "attribute", "missing", "no-function", "no-module", "builtin"],
)
def test_a_function_that_cannot_start_fails_as_it_always_did(function, handler, code):
    """The same words, from Lambda's own runtime client; only a stack trace may be longer."""
    function.write("app", code)

    without, deployed = function.run(handler, {}), function.deployed(handler, {})

    assert [kind for kind, _ in without] == ["error"]
    assert without_details(deployed) == without_details(without)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("stagefright/__init__.py", "raise RuntimeError('half of it')"),
        ("stagefright/__init__.py", "__path__ = []"),
        ("stagefright/chaos/handler_hook.py", ""),
    ],
    ids=["broken", "without modules", "with others"],
)
def test_a_runtime_that_is_not_what_it_should_be(function, file, content):
    """A layer may hide ours with another. Whatever is found under our name, the function runs, and its log says why it is not hurt."""
    function.write("app", "def handler(event, context): return 1")

    assert function.deployed("app.handler", {}, files={file: content.encode()}) == [("response", 1)]
    assert "no fault strikes" in function.log


def test_an_ssm_that_cannot_be_reached(function):
    """The handler runs, and the log says why no fault strikes."""
    [(kind, _)] = function.deployed("app.handler", {}, AWS_ENDPOINT_URL="http://127.0.0.1:9")

    assert kind == "response"
    assert f"{FLAG} could not be read" in function.log


def test_without_the_variable_nothing_is_imported():
    """The module is in the test's own process too, where it is no handler."""
    from stagefright.chaos import redirection

    assert not hasattr(redirection, "handler")
    assert "stagefright_handler" not in sys.modules
