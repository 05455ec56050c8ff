from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.stub import Stubber

import stagefright.chaos
from stagefright.chaos import Failure, Latency, Noop, Timeout, inject_faults, merge, runtime
from stagefright.chaos.faults.fault import Fault
from stagefright.chaos.faults.points import FunctionPoint, Invocation
from stagefright.chaos.runtime import parameter_name, read_parameter, wrap

NAMED = {"FAILURE_INJECTION_PARAM": "/flag"}


class Parameters(dict):
    """A reader of parameters that counts what it is asked."""

    reads = 0

    def __call__(self, name):
        self.reads += 1
        return self.get(name)


@pytest.fixture
def put(clock):
    """Write a flag for `/flag`, good for a minute, into a dictionary that can be read."""
    parameters = Parameters()

    def put(*faults, seed=0):
        parameters["/flag"] = merge(faults, owner="tester", run="run-1", expires=clock.now() + 60, seed=seed)
        return parameters

    return put


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


class TestTheNameOfTheParameter:
    def test_is_the_functions_own_before_ours(self):
        """A function that failure-lambda already drives keeps its parameter."""
        environment = {
            "FAILURE_INJECTION_PARAM": "/theirs",
            "STAGEFRIGHT_FLAG_PARAM": "/ours",
            "STAGEFRIGHT_STAGE": "s",
            "STAGEFRIGHT_FUNCTION": "F",
        }

        assert "/theirs" == parameter_name(environment)
        del environment["FAILURE_INJECTION_PARAM"]
        assert "/ours" == parameter_name(environment)
        del environment["STAGEFRIGHT_FLAG_PARAM"]
        assert "/stagefright/s/F" == parameter_name(environment)

    @pytest.mark.parametrize("environment", [{}, {"STAGEFRIGHT_STAGE": "s"}, {"FAILURE_INJECTION_PARAM": ""}])
    def test_may_be_missing_and_then_nothing_is_read(self, environment, context):
        """A function that names no flag runs as if it were not wrapped."""
        parameters = Parameters()

        assert 1 == wrap(lambda event, _: event, environment=environment, read=parameters)(1, context)
        assert 0 == parameters.reads

    def test_comes_from_the_process_if_no_environment_is_given(self, put, context, monkeypatch):
        """In a deployed function the environment is looked at when the handler runs, not when it is decorated."""
        handler = wrap(lambda event, _: event, read=put(Failure("x")))
        assert 1 == handler(1, context)

        monkeypatch.setenv("STAGEFRIGHT_FLAG_PARAM", "/flag")

        with pytest.raises(Exception, match="x"):
            handler(1, context)


class TestAStrike:
    def test_is_one_line_in_failure_lambdas_shape(self, put, context, capsys):
        """What a log query for failure-lambda looks for is there, plus what our own evidence needs."""
        wrap(lambda event, _: event, environment=NAMED, read=put(Latency(delay_ms=400)))({}, context)

        assert [
            {
                "source": "stagefright",
                "level": "warn",
                "action": "inject",
                "mode": "latency",
                "latency_ms": 400.0,
                "fault": "latency",
                "settings": {"delay_ms": 400},
                "request_id": "request-1",
            }
        ] == lines(capsys)

    def test_is_told_to_the_listener_before_it_lands(self, put, context):
        """A failure leaves no time after, so the listener hears of it first."""
        heard = []
        parameters = put(Latency(delay_ms=5), Failure("x"))
        handler = wrap(
            lambda event, _: event,
            environment=NAMED,
            read=parameters,
            strike_listener=lambda fault, harm: heard.append((fault, harm)),
        )

        with pytest.raises(Exception, match="x"):
            handler({}, context)

        assert [
            (Latency(delay_ms=5), {"latency_ms": 5.0}),
            (Failure("x"), {"error_type": "Exception", "error_message": "x"}),
        ] == heard

    def test_comes_in_the_order_of_failure_lambda(self, put, context, clock):
        """Delays come before the failure, however the plan lists them; two readers of one flag agree."""
        start = clock.now()

        with pytest.raises(Exception, match="x"):
            wrap(lambda event, _: event, environment=NAMED, read=put(Failure("x"), Timeout(buffer_ms=1000)))(
                {}, context
            )

        assert start + 2 == clock.now()

    def test_happens_once_under_two_wraps(self, put, context, clock):
        """A decorated handler inside a layer or a local stage is struck by the outer wrap alone."""
        start = clock.now()
        wrapped = functools.partial(wrap, environment=NAMED, read=put(Latency(delay_ms=1000)))

        wrapped(wrapped(lambda event, _: event))({}, context)

        assert start + 1 == clock.now()

    def test_of_an_inner_function_is_its_own(self, put, context, make_context, clock):
        """A handler that runs another function in its own thread hides no strike of it."""
        start = clock.now()
        wrapped = functools.partial(wrap, environment=NAMED, read=put(Latency(delay_ms=1000)))
        inner = wrapped(lambda event, _: event)

        wrapped(lambda event, _: inner(event, make_context("request-2")))({}, context)

        assert start + 2 == clock.now()


@dataclass(frozen=True, repr=False)
class Odd(Fault[Invocation]):
    """A fault that breaks the contract: its strike gives what is neither an error nor an answer."""

    kind = "odd"
    turn = 0

    def prepare(self, point):
        return {}

    def strike(self, point, harm):
        return "an answer?"

    def heal(self, point, harm):
        pass


@dataclass(frozen=True, kw_only=True)
class Unwatchable(FunctionPoint):
    """A kind of point that cannot be watched here."""

    @classmethod
    def watch(cls, reach):
        raise ImportError("no module named socket")


@dataclass(frozen=True, repr=False)
class Elsewhere(Noop):
    """A fault at such points."""

    kind = "elsewhere"
    strikes_at = (Unwatchable,)


class TestNothingOfOursBreaksTheFunction:
    @pytest.mark.parametrize(
        ("fault", "complaint"),
        [
            (Odd(), "a strike gives an Answer, an error or None, not 'an answer?'"),
            (Elsewhere(), "Unwatchable cannot be watched: ImportError('no module named socket')"),
        ],
    )
    def test_a_fault_that_breaks_the_contract_is_logged(self, put, context, capsys, monkeypatch, fault, complaint):
        """The handler runs, and the log says what is wrong with the fault."""
        monkeypatch.setattr("stagefright.chaos.faults.catalogue._ALL", {fault.kind})
        monkeypatch.setattr("stagefright.chaos.faults.catalogue.class_of", lambda _: type(fault))

        assert 1 == wrap(lambda event, _: event, environment=NAMED, read=put(fault))(1, context)

        (message,) = [line["message"] for line in lines(capsys) if line["level"] == "error"]
        assert complaint in message

    @pytest.mark.parametrize("text", ["not JSON", "{}", '{"isEnabled": true, "failureMode": "latency", "rate": 1}'])
    def test_a_malformed_flag_is_off_and_said_once(self, text, context, capsys):
        """The handler runs; the function's log says which parameter is off and why."""
        handler = wrap(lambda event, _: event, environment=NAMED, read=lambda _: text)

        assert [1, 2] == [handler(1, context), handler(2, context)]

        (line,) = lines(capsys)
        assert ("error", "config") == (line["level"], line["action"])
        assert line["message"].startswith("/flag is off: it ")

    def test_a_flag_that_cannot_be_read_is_off_and_said_once(self, context, capsys, clock):
        """A failing SSM slows the function down once a minute, not at every invocation."""
        asked = []

        def fail(name):
            asked.append(name)
            raise PermissionError("no ssm:GetParameter")

        handler = wrap(lambda event, _: event, environment=NAMED, read=fail)
        assert [1, 2] == [handler(1, context), handler(2, context)]
        assert ["/flag"] == asked
        clock.move_to(clock.now() + 61)
        handler(3, context)

        assert ["/flag", "/flag"] == asked
        (line,) = lines(capsys)
        assert "/flag could not be read, so no fault strikes: PermissionError: no ssm:GetParameter" == line["message"]

    def test_no_flag_is_not_worth_a_line(self, context, capsys):
        """Having no flag is the ordinary state of a function."""
        assert 1 == wrap(lambda event, _: event, environment=NAMED, read=lambda _: None)(1, context)
        assert [] == lines(capsys)

    def test_a_fault_that_cannot_strike_is_skipped_and_the_others_strike(self, put, capsys, clock):
        """A context without a deadline cannot time out: the trouble is logged, the latency lands, the handler runs."""
        start = clock.now()
        handler = wrap(lambda event, _: event, environment=NAMED, read=put(Timeout(), Latency(delay_ms=1000)))

        assert 1 == handler(1, None)

        assert start + 1 == clock.now()
        assert [("inject", "latency"), ("error", "timeout")] == [
            (line["action"], line["mode"]) for line in lines(capsys)
        ]

    def test_a_listener_that_fails_is_logged(self, put, context, capsys):
        """Evidence is the harness's business; the handler runs without it."""
        handler = wrap(lambda event, _: event, environment=NAMED, read=put(Noop()), strike_listener=lambda *_: 1 / 0)

        assert 1 == handler(1, context)
        assert "ZeroDivisionError" in lines(capsys)[-1]["message"]

    def test_a_closed_log_is_no_reason_to_fail(self, put, context, monkeypatch):
        """A function may close its standard output; a strike then goes unlogged."""
        monkeypatch.setattr(sys, "stdout", None)

        assert 1 == wrap(lambda event, _: event, environment=NAMED, read=put(Noop()))(1, context)

    def test_the_handlers_own_error_passes_through(self, put, context):
        """The wrap changes neither the error nor its type."""
        handler = wrap(lambda event, _: 1 / 0, environment=NAMED, read=put(Noop()))

        with pytest.raises(ZeroDivisionError):
            handler(1, context)

    def test_the_handler_keeps_its_name(self, put):
        """Tools that look at a handler's name and docstring find the handler's."""

        @inject_faults
        def handler(event, context):
            """Mine."""

        assert ("handler", "Mine.") == (handler.__name__, handler.__doc__)


class TestTheTimeToLive:
    def test_is_zero_unless_set(self, put, context):
        """A flag set by a test is felt by the very next invocation."""
        parameters = put()
        handler = wrap(lambda event, _: event, environment=NAMED, read=parameters)
        handler(1, context)
        put(Failure("x"))

        with pytest.raises(Exception, match="x"):
            handler(1, context)

    def test_keeps_a_reading_for_its_span(self, put, context, clock):
        """With a TTL of 30 s a flag is read twice a minute."""
        parameters = put(Noop())
        handler = wrap(lambda event, _: event, environment={**NAMED, "STAGEFRIGHT_FLAG_TTL": "30"}, read=parameters)

        for _ in range(4):
            handler(1, context)
            clock.move_to(clock.now() + 15)

        assert 2 == parameters.reads

    def test_never_keeps_a_flag_past_its_lease(self, put, context, clock):
        """A lease of a minute ends after a minute, though the reading could be kept for an hour."""
        handler = wrap(
            lambda event, _: event, environment={**NAMED, "STAGEFRIGHT_FLAG_TTL": "3600"}, read=put(Failure("x"))
        )
        with pytest.raises(Exception, match="x"):
            handler(1, context)

        clock.move_to(clock.now() + 60)

        assert 1 == handler(1, context)

    def test_that_is_no_number_is_zero(self, put, context):
        """A typing error in a variable must not break a function."""
        parameters = put(Noop())
        handler = wrap(lambda event, _: event, environment={**NAMED, "STAGEFRIGHT_FLAG_TTL": "soon"}, read=parameters)

        handler(1, context)
        handler(1, context)

        assert 2 == parameters.reads


@dataclass(frozen=True, repr=False)
class Sticky(Fault[Invocation]):
    """A fault that lasts until it is healed."""

    kind = "sticky"
    turn = 30

    def prepare(self, point):
        return {"index": point.slot[1]}

    def strike(self, point, harm):
        point.event.append(("strike", harm["index"]))

    def heal(self, point, harm):
        point.event.append(("heal", harm["index"]))
        if harm["index"] == 2:
            raise OSError("stuck")


@pytest.fixture
def _sticky(monkeypatch):
    monkeypatch.setattr("stagefright.chaos.faults.catalogue._ALL", {"sticky", "failure"})
    monkeypatch.setattr("stagefright.chaos.faults.catalogue.class_of", {"sticky": Sticky, "failure": Failure}.get)


@pytest.mark.usefixtures("_sticky")
class TestHealing:
    def test_is_in_reverse_order_after_the_handler(self, put, context):
        """What was struck first is healed last."""
        seen = []
        wrap(lambda event, _: event.append("handler"), environment=NAMED, read=put(Sticky(), Sticky()))(seen, context)

        assert [("strike", 0), ("strike", 1), "handler", ("heal", 1), ("heal", 0)] == seen

    def test_happens_when_a_later_fault_raises(self, put, context):
        """A failure of the invocation does not leave an earlier fault in place."""
        seen = []
        handler = wrap(lambda event, _: event, environment=NAMED, read=put(Sticky(), Failure("x")))

        with pytest.raises(Exception, match="x"):
            handler(seen, context)

        assert [("strike", 0), ("heal", 0)] == seen

    def test_that_fails_does_not_keep_the_others_from_it(self, put, context, capsys):
        """Each fault is healed for itself; the trouble is logged."""
        seen = []
        wrap(lambda event, _: None, environment=NAMED, read=put(Sticky(), Sticky(), Sticky()))(seen, context)

        assert [("heal", 2), ("heal", 1), ("heal", 0)] == seen[3:]
        assert "Sticky() could not be healed: OSError: stuck" == lines(capsys)[-1]["message"]


class TestReadingFromSsm:
    @pytest.fixture
    def ssm(self, monkeypatch):
        """The client that the runtime makes, with its answers stubbed."""
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        runtime._ssm.cache_clear()
        with Stubber(runtime._ssm()) as stubber:
            yield stubber
        runtime._ssm.cache_clear()

    def test_gives_the_value(self, ssm):
        """Encrypted parameters are decrypted."""
        asked = {"Name": "/flag", "WithDecryption": True}
        ssm.add_response("get_parameter", {"Parameter": {"Value": "{}"}}, asked)

        assert "{}" == read_parameter("/flag")

    def test_gives_none_if_there_is_no_parameter(self, ssm):
        """No parameter means no fault, which is not an error."""
        ssm.add_client_error("get_parameter", "ParameterNotFound")

        assert read_parameter("/flag") is None

    def test_refuses_to_wait_long(self, ssm):
        """An endpoint that cannot be reached costs seconds, not botocore's minutes."""
        config = ssm.client.meta.config

        assert (1, 1) == (config.connect_timeout, config.read_timeout)
        assert 2 == config.retries["total_max_attempts"]


def test_the_runtime_needs_nothing_but_its_own_files(tmp_path):
    """Copied as a layer carries it, it imports and strikes: no harness, no pytest, no moto, no boto3 until a read."""
    home = Path(stagefright.chaos.__file__).parent
    layer = tmp_path / "stagefright"
    shutil.copytree(home / "faults", layer / "chaos" / "faults", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "flags.py", "runtime.py", "strikes.py"):
        shutil.copy(home / name, layer / "chaos" / name)
    (layer / "__init__.py").touch()
    text = merge([Failure("boom")], owner="o", run="r", expires=4e9)
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from stagefright.chaos.runtime import wrap
assert not [name for name in sys.modules if name.startswith("stagefright.chaos.faults")]
malformed = '{{"stagefright": {{"version": 1, "faults": [{{}}]}}}}'
assert wrap(lambda event, context: 1, name="/flag", read=lambda name: malformed)({{}}, None) == 1
try:
    wrap(lambda event, context: 1, name="/flag", read=lambda name: {text!r})({{}}, None)
except Exception as error:
    assert str(error) == "boom", error
else:
    raise SystemExit("it did not strike")
ours = sorted(name for name in sys.modules if name.startswith("stagefright"))
plain = {{"catalogue", "failure", "fault", "points"}}
assert {{name.rpartition(".")[2] for name in ours if ".faults." in name}} == plain, "a flag pays for its own faults only"
assert all(sys.modules[name].__file__.startswith({str(tmp_path)!r}) for name in ours), ours
assert not {{"boto3", "botocore", "pytest", "moto"}} & set(sys.modules)
"""

    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False, env={**os.environ}
    )

    assert (0, "") == (done.returncode, done.stderr)
