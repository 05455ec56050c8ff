"""Chaos on deployed stages: real functions feel real flags, their logs prove it, and everything heals however a run ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from stagefright.chaos import Chaos, ColdStart, Experiment, Failure, Latency, Noop, merge, parse, termination
from stagefright.chaos import stop as stop_conditions
from stagefright.chaos.checks import conserved, fallback_used, recovered_after_heal, retried
from stagefright.chaos.experiments import Expected, Inject, Invoke, Publish, Settle, Wait
from stagefright.chaos.flags import AT_REST
from stagefright.chaos.layer import SITE, contents
from stagefright.errors import (
    ChaosRefused,
    ChaosStopped,
    ExperimentFailed,
    FaultNeverFired,
    UnknownResource,
    UsageError,
)
from stagefright.ledger.files import directory_of
from stagefright.listeners import Listen
from stagefright.settings import Settings
from stagefright.targets.account import Account
from stagefright.targets.deployed_stage import DeployedStage
from stagefright.targets.run import Run
from stagefright.targets.stack import Stack, StackResource

WORKER = """
import json
from stagefright.chaos.runtime import inject_faults

@inject_faults
def handler(event, context):
    print(json.dumps(event))
    return {"echo": event}
"""


def packed(code):
    """A function's code with our runtime in it, as `pip install` or the layer would put it there."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
        for name, text in contents().items():
            if name.startswith(f"{SITE}/stagefright/"):
                archive.writestr(name.removeprefix(f"{SITE}/"), text)
    return buffer.getvalue()


NUMBERS = count(1)

SOON = "60s"
"""Long enough on a machine that is busy."""


class Deployed:
    """A system made by hand in an account, whose functions obey their flags, and stages that are attached to it."""

    def __init__(self, account, directory):
        self.account = account
        self.directory = directory
        self.name = f"chaotic{next(NUMBERS)}"
        self.resources = {}
        self.stages = []

    def client(self, service):
        return self.account.client(service)

    def add(self, logical_id, resource_type, physical_id):
        self.resources[logical_id] = StackResource(logical_id, resource_type, physical_id, None)

    def queue(self, logical_id):
        url = self.client("sqs").create_queue(QueueName=f"{self.name}-{logical_id}")["QueueUrl"]
        self.add(logical_id, "AWS::SQS::Queue", url)

    def topic(self, logical_id):
        arn = self.client("sns").create_topic(Name=f"{self.name}-{logical_id}")["TopicArn"]
        self.add(logical_id, "AWS::SNS::Topic", arn)

    def subscribe(self, topic, queue):
        arn = self.resources[topic].physical_id
        self.client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=self.arn_of(queue))

    def mapping(self, queue, function):
        name = self.resources[function].physical_id
        self.client("lambda").create_event_source_mapping(EventSourceArn=self.arn_of(queue), FunctionName=name)

    def arn_of(self, queue):
        url = self.resources[queue].physical_id
        answer = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def open(self, **settings):
        """A stage, as one run has it."""
        account = Account(region="us-east-1", endpoint_url=self.account.endpoint_url)
        stack = Stack(self.name, f"arn:{self.name}", "CREATE_COMPLETE", self.resources, {})
        made = Settings(target="aws", directory=self.directory, **{"quiet": "1s", **settings})
        stage = DeployedStage(self.name, made, account, stack, run=Run.begin())
        stage.reset()
        self.stages.append(stage)
        return SimpleNamespace(stage=stage, listen=Listen(stage))

    def ledger(self):
        """The lines of all ledgers that stand."""
        standing = []
        for file in sorted(directory_of(self.directory).glob("*.jsonl")):
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            struck = {line["struck"] for line in lines if "struck" in line}
            standing += [line for line in lines if "kind" in line and line["number"] not in struck]
        return standing

    def obedient(self, logical_id, code=WORKER, **variables):
        name = f"{self.name}-{logical_id}"
        flag = {"STAGEFRIGHT_STAGE": self.name, "STAGEFRIGHT_FUNCTION": logical_id}
        self.client("lambda").create_function(
            FunctionName=name, Runtime="python3.11", Role="arn:aws:iam::000000000000:role/worker", Handler="app.handler",
            Timeout=30, Code={"ZipFile": packed(code)}, Environment={"Variables": variables or flag},
        )  # fmt: skip
        return self.add(logical_id, "AWS::Lambda::Function", name)

    @property
    def flags(self):
        pages = self.client("ssm").get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True)
        found = {one["Name"]: one["Value"] for page in pages for one in page["Parameters"]}
        return {name: text for name, text in found.items() if self.name in name or name.startswith("/mine/")}

    def alarm(self, name, state="OK", reason="set by a test"):
        cloudwatch = self.client("cloudwatch")
        cloudwatch.put_metric_alarm(
            AlarmName=name, MetricName="Errors", Namespace="AWS/Lambda", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason=reason)
        return name


@pytest.fixture
def system(ministack, tmp_path):
    """A system in MiniStack, which runs its functions; at its end no flag is left, in the account or in the ledger."""
    yield from ending_clean(Deployed(ministack, tmp_path))


@pytest.fixture
def quiet_system(account, tmp_path):
    """The same in a moto server, which runs nothing, and has CloudWatch alarms."""
    yield from ending_clean(Deployed(account, tmp_path))


def ending_clean(system):
    yield system
    for stage in system.stages:
        stage.close()
    assert system.flags == {}
    assert [line for line in system.ledger() if line["kind"] == "flag"] == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


class TestStrikes:
    """On MiniStack: the function runs in a process of its own, and its log is all that is seen of it."""

    def test_a_function_is_struck_proved_and_healed(self, system):
        """The flag is a lease of the run, the strike is a line in the log, and afterwards the function is well."""
        system.obedient("Worker")
        stage = system.open().stage
        name = f"/stagefright/{system.name}/Worker"

        with Chaos(stage)(Worker=Failure("table is down")):
            flag = parse(system.flags[name])
            answer = stage.invoke("Worker", {"n": 1})

        assert (flag.owner, flag.run) == (stage.run.owner, stage.run.id)
        assert 14 * 60 < flag.expires - time.time() <= 15 * 60
        assert answer.error_message == "table is down"
        (fault,) = stage.journal.of_kind("fault")
        assert (fault.resource, fault.detail["fault"]) == ("Worker", "failure")
        assert stage.invoke("Worker", {"n": 2}).payload == {"echo": {"n": 2}}
        assert name not in system.flags

    def test_one_that_is_not_invoked_proves_nothing(self, system, monkeypatch):
        """The gate waits for the log, and says what it saw."""
        monkeypatch.setattr("stagefright.chaos.gate.PROOF_WITHIN_S", 1.0)
        system.obedient("Worker")
        chaos = Chaos(system.open().stage)

        with pytest.raises(FaultNeverFired, match="Worker was invoked 0 times"), chaos(Worker=Failure("down")):
            pass

    def test_the_strike_of_another_fault_proves_nothing(self, system, monkeypatch):
        """The line says which fault with which settings it was; as the log has the end of what was invoked, nobody waits for more."""
        monkeypatch.setattr("stagefright.chaos.gate.PROOF_WITHIN_S", 600.0)
        system.obedient("Worker")
        stage = system.open().stage
        chaos = Chaos(stage)

        with (
            pytest.raises(FaultNeverFired, match=r"(?s)Latency\(delay_ms=1\).*struck by failure"),
            chaos(Worker=[Latency(delay_ms=1).on_call(7), Failure("down")]),
        ):
            stage.invoke("Worker")

    def test_a_flow_from_a_topic_through_a_queue_to_a_struck_function(self, system):
        """The test's message, the function that logged it, and the checks that judge them: all edges are proved."""
        system.topic("Feed")
        system.queue("Orders")
        system.obedient("Worker")
        system.subscribe("Feed", "Orders")
        system.mapping("Orders", "Worker")
        opened = system.open()
        stage, feed = opened.stage, opened.listen.sns("Feed")

        with Chaos(stage)(Worker=Latency(delay_ms=50)):
            stage.client("sns").publish(TopicArn=stage.ref("Feed"), Message='{"author": "amy"}')
            stage.wait_until(lambda: stage.journal.of_kind("outcome"), within=SOON)
        flow = stage.flow(feed.expect(message={"author": "amy"}, within=SOON))

        assert flow.path == ["Feed", "Orders", "Worker"]
        assert flow.unproved == [], str(flow)
        assert flow.attempts("Worker").outcomes == [None]
        assert "test called sns.Publish" in str(flow)
        assert "fault latency struck Worker" in str(flow)
        assert fallback_used("Worker")(flow).holds
        assert conserved("Feed")(flow).holds

    def test_a_function_that_fails_by_itself(self, system):
        """Its log says how."""
        system.obedient("Worker", "def handler(event, context):\n    raise KeyError('id')\n")
        stage = system.open().stage
        stage.invoke("Worker", {})
        stage.tail()
        stage.wait_until(lambda: stage.journal.of_kind("outcome"), within=SOON)

        (outcome,) = stage.journal.of_kind("outcome")
        assert (outcome.detail["error_type"], outcome.detail["error_message"]) == ("KeyError", "'id'")


class TestRefusals:
    """What cannot be is refused before anything is written."""

    def test_a_function_that_reads_no_flag(self, quiet_system):
        """Nothing would strike, so nothing is planned."""
        quiet_system.client("iam").create_role(RoleName="worker", AssumeRolePolicyDocument="{}")
        deploy(quiet_system, OTHER="1")
        with pytest.raises(UsageError, match=r"(?s)Worker reads no flag.*It has: OTHER"), held(quiet_system):
            pass

    def test_one_whose_flag_lies_in_appconfig(self, quiet_system):
        """failure-lambda prefers it to a parameter."""
        deploy(quiet_system, FAILURE_APPCONFIG_CONFIGURATION="x", FAILURE_INJECTION_PARAM="/mine/flag")
        with pytest.raises(UsageError, match="AppConfig"), held(quiet_system):
            pass

    def test_a_fault_that_only_a_local_stage_has(self, quiet_system):
        """It is refused before anything is written."""
        deploy(quiet_system)
        with pytest.raises(UsageError, match="only a local stage"):
            Chaos(quiet_system.open().stage)(Worker=ColdStart()).__enter__()

    def test_a_flag_of_another_run(self, quiet_system):
        """It is named, and stays."""
        deploy(quiet_system)
        name = f"/stagefright/{quiet_system.name}/Worker"
        theirs = merge([Failure("theirs")], owner="bob@laptop", run="run-9", expires=time.time() + 600)
        quiet_system.account.put(name, theirs)

        with pytest.raises(UsageError, match=r"bob@laptop \(run run-9"), held(quiet_system):
            pass

        assert quiet_system.flags == {name: theirs}
        quiet_system.client("ssm").delete_parameter(Name=name)

    def test_a_stage_that_is_protected(self, quiet_system):
        """Its name is enough: no flag is written on it."""
        deploy(quiet_system)
        stage = quiet_system.open(protected=("chaotic*",)).stage
        with pytest.raises(ChaosRefused, match="protected"):
            Chaos(stage)(Worker=Failure("down")).__enter__()


class TestLeases:
    """A flag is written down, leased, renewed, and put back as it was."""

    def test_it_stands_in_the_ledger_before_it_is_written(self, quiet_system):
        """So that whatever kills the run, the sweep knows of it."""
        deploy(quiet_system)
        stage = quiet_system.open().stage
        seen = []
        stage.client("ssm").meta.events.register(
            "before-call.ssm.PutParameter", lambda **_: seen.append([line["kind"] for line in quiet_system.ledger()])
        )
        with held(quiet_system, stage):
            (line,) = [line for line in quiet_system.ledger() if line["kind"] == "flag"]

        assert seen[0] == ["flag"]
        assert line["name"] == f"/stagefright/{quiet_system.name}/Worker"
        assert line["detail"]["flag_run"] == stage.run.id

    def test_it_has_the_tags_of_the_run(self, quiet_system):
        """The sweep on another machine finds whose it is."""
        deploy(quiet_system)
        stage = quiet_system.open().stage
        with held(quiet_system, stage):
            name = f"/stagefright/{quiet_system.name}/Worker"
            found = stage.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]

        assert {tag["Key"]: tag["Value"] for tag in found} == stage.run.tags(stage.name)

    def test_a_foreign_flag_at_rest_is_put_back(self, quiet_system):
        """It belongs to somebody's stack."""
        deploy(quiet_system, FAILURE_INJECTION_PARAM="/mine/flag")
        quiet_system.account.put("/mine/flag", AT_REST)
        with held(quiet_system):
            assert parse(quiet_system.flags["/mine/flag"]).is_on

        assert quiet_system.flags == {"/mine/flag": AT_REST}
        quiet_system.client("ssm").delete_parameter(Name="/mine/flag")

    def test_it_is_renewed_while_the_stage_is_looked_at(self, quiet_system):
        """A long block outlives its lease; one that hangs does not."""
        deploy(quiet_system)
        stage = quiet_system.open(chaos_lease="4s").stage
        name = f"/stagefright/{quiet_system.name}/Worker"
        with held(quiet_system, stage):
            first = parse(quiet_system.flags[name]).expires
            stage.run_until(lambda: parse(quiet_system.flags[name]).expires > first, 30)
            assert parse(quiet_system.flags[name]).expires > first

    def test_our_own_flag_that_ran_out_is_taken_over(self, quiet_system):
        """A killed run left it."""
        deploy(quiet_system)
        name = f"/stagefright/{quiet_system.name}/Worker"
        quiet_system.account.put(name, merge([Noop()], owner="bob", run="dead", expires=time.time() - 1))
        stage = quiet_system.open().stage
        with held(quiet_system, stage):
            assert parse(quiet_system.flags[name]).run == stage.run.id


class TestStopConditions:
    """An alarm, a check or a callable ends the chaos at once."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        monkeypatch.setattr(stop_conditions, "ALARM_PAUSE_S", 0.05)

    def test_an_alarm_heals_without_waiting_for_the_test(self, quiet_system):
        """The thread that watches heals; the test is told as soon as it looks."""
        deploy(quiet_system)
        quiet_system.alarm("high-errors")
        quiet_system.add("HighErrors", "AWS::CloudWatch::Alarm", "high-errors")
        stage = quiet_system.open().stage

        with (  # noqa: PT012
            pytest.raises(ChaosStopped, match=r"high-errors is in ALARM.*too many") as stopped,
            held(quiet_system, stage, stop_when="HighErrors"),
        ):
            quiet_system.alarm("high-errors", "ALARM", "too many")
            soon(lambda: not quiet_system.flags)
            stage.run_until(lambda: False, 30)

        assert "everything was healed" in str(stopped.value)

    def test_it_fails_the_block_even_if_nobody_looks(self, quiet_system):
        """At the latest, its end does."""
        deploy(quiet_system)
        quiet_system.alarm("high-errors")
        with pytest.raises(ChaosStopped, match="too many"), held(quiet_system, stop_when=["high-errors"]):  # noqa: PT012
            quiet_system.alarm("high-errors", "ALARM", "too many")
            soon(lambda: not quiet_system.flags)

    def test_by_arn(self, quiet_system):
        """An alarm can be named by its ARN, colons in its name and all."""
        deploy(quiet_system)
        quiet_system.alarm("a:b", "ALARM")
        arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a:b"
        with pytest.raises(ChaosRefused, match="a:b is in ALARM"), held(quiet_system, stop_when=arn):
            pass

    def test_an_alarm_that_is_off_already_refuses_the_chaos(self, quiet_system):
        """As AWS FIS does; nothing is hurt."""
        deploy(quiet_system)
        quiet_system.alarm("high-errors", "ALARM", "since yesterday")
        with pytest.raises(ChaosRefused, match="since yesterday"), held(quiet_system, stop_when="high-errors"):
            raise AssertionError("the block must not begin")

    def test_an_alarm_that_is_not_there(self, quiet_system):
        """It is named, and the block does not begin."""
        deploy(quiet_system)
        with pytest.raises(UnknownResource, match="no-such-alarm"), held(quiet_system, stop_when="no-such-alarm"):
            raise AssertionError("the block must not begin")

    def test_a_check_that_breaks(self, quiet_system):
        """It is asked at each look."""
        deploy(quiet_system)
        stage = quiet_system.open().stage
        request = "8f5b0a3e-0000-4000-8000-000000000001"

        with (  # noqa: PT012
            pytest.raises(ChaosStopped, match="tried again 2 times, not 1"),
            held(quiet_system, stage, stop_when=retried("Worker", times=1)),
        ):
            for n in range(3):
                log(stage, n, f"START RequestId: {request} Version: 1", "[ERROR] ValueError: down", report(request))
            stage.run_until(lambda: False, 30)

    def test_a_callable(self, quiet_system):
        """Anything true is a reason."""
        deploy(quiet_system)
        stage = quiet_system.open().stage
        answers = iter([None, False, "the queue is full"])
        with (
            pytest.raises(ChaosStopped, match="the queue is full"),
            held(quiet_system, stage, stop_when=lambda: next(answers)),
        ):
            stage.run_until(lambda: False, 30)

    def test_what_is_none(self, quiet_system):
        """What can be no condition is refused, with what can be one."""
        deploy(quiet_system)
        with pytest.raises(UsageError, match="stop_when takes"), held(quiet_system, stop_when=[7]):
            pass

    def test_an_experiment(self, quiet_system):
        """Its method breaks off, and its rollbacks are taken."""
        deploy(quiet_system)
        stage = quiet_system.open().stage
        quiet_system.alarm("high-errors")
        seen = []

        def trip():
            seen.append(1)
            quiet_system.alarm("high-errors", "ALARM", "too many")

        experiment = Experiment(
            title="It stops",
            stop_when=["high-errors", lambda: trip() if quiet_system.flags and not seen else None],
            method=[Inject({"Worker": Failure("down")}, [Wait("5m")])],
            rollbacks=[Settle()],
            expect=[retried("Worker")],
        )
        began = time.monotonic()
        with pytest.raises(ExperimentFailed, match="too many") as failed:
            experiment.run(stage)

        assert time.monotonic() - began < 290
        assert "rollbacks" in str(failed.value)


class TestExperiments:
    def test_on_a_deployed_stage(self, system):
        """The same experiment as on a local one; what cannot be seen is unknown."""
        system.obedient("Worker")
        stage = system.open().stage
        report_ = Experiment(
            title="It recovers",
            method=[
                Inject({"Worker": Failure("down")}, [Invoke("Worker", event={}, answers={"error_message": "down"})]),
                Invoke("Worker", event={}, answers={"error": None}),
            ],
            expect=[recovered_after_heal("Worker")],
        ).run(stage)

        assert report_
        assert conserved("Worker")(stage.journal).unknown

    def test_what_its_checks_name_is_observed(self, system):
        """Nobody listens in an experiment of YAML, so it listens itself: the topic that a check speaks of."""
        system.topic("Feed")
        system.queue("Orders")
        system.obedient("Worker")
        system.subscribe("Feed", "Orders")
        system.mapping("Orders", "Worker")
        report_ = Experiment(
            title="Nothing is lost while it is slow",
            method=[
                Inject({"Worker": Latency(delay_ms=50)}, [Publish("Feed", {"author": "amy"}), Wait("4s"), Settle()])
            ],
            expect=[conserved("Feed"), Expected(conserved("Orders"), "unknown")],
        ).run(system.open(quiet="2s").stage)

        assert report_, str(report_)


VICTIM = """
import sys, time
from pathlib import Path
from stagefright.chaos import Chaos, Failure
from stagefright.settings import Settings
from stagefright.targets.account import Account
from stagefright.targets.deployed_stage import DeployedStage
from stagefright.targets.run import Run
from stagefright.targets.stack import Stack, StackResource

url, name, directory = sys.argv[1:]
resources = {"Worker": StackResource("Worker", "AWS::Lambda::Function", f"{name}-Worker", None)}
account = Account(region="us-east-1", endpoint_url=url)
stage = DeployedStage(
    name, Settings(target="aws", directory=Path(directory)), account, Stack(name, "arn", "CREATE_COMPLETE", resources, {}), run=Run.begin()
)
stage.reset()
with Chaos(stage)(Worker=Failure("down")):
    print("hurt", flush=True)
    time.sleep(120)
"""


class TestEndings:
    """However a run ends, the function is well afterwards."""

    @pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
    def test_a_signal_in_the_middle_of_a_block(self, quiet_system, sent):
        """`finally` runs, so the parameter is gone when the process is."""
        deploy(quiet_system)
        process = start(quiet_system)
        assert quiet_system.flags != {}

        process.send_signal(sent)
        output, errors = process.communicate(timeout=60)

        assert process.returncode != 0
        assert ("Terminated" in errors) == (sent == signal.SIGTERM), output + errors

    def test_sigkill_leaves_a_line_in_the_ledger(self, quiet_system):
        """Nothing can heal then; the sweep knows what to do, and the lease ends."""
        deploy(quiet_system)
        process = start(quiet_system)
        process.kill()
        process.communicate(timeout=60)

        (line,) = [line for line in quiet_system.ledger() if line["kind"] == "flag"]
        assert line["name"] in quiet_system.flags
        quiet_system.client("ssm").delete_parameter(Name=line["name"])
        for file in directory_of(quiet_system.directory).glob("*.jsonl"):
            file.unlink()

    def test_sigterm_is_heard_only_while_flags_are_held(self, quiet_system):
        """Before and after, the process has its own answer to it."""
        deploy(quiet_system)
        stage = quiet_system.open().stage
        chaos = Chaos(stage)
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(termination.Terminated), held(quiet_system, stage, chaos):  # noqa: PT012
            with held(quiet_system, stage, chaos):
                assert signal.getsignal(signal.SIGTERM) is not before
            assert signal.getsignal(signal.SIGTERM) is not before
            os.kill(os.getpid(), signal.SIGTERM)

        assert signal.getsignal(signal.SIGTERM) is before

    def test_a_handler_of_the_program_is_left_in_its_place(self, quiet_system):
        """It ends the program in its own way."""
        deploy(quiet_system)
        heard = []
        before = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
        try:
            with held(quiet_system):
                os.kill(os.getpid(), signal.SIGTERM)
            assert heard == [1]
        finally:
            signal.signal(signal.SIGTERM, before)


def deploy(system, **variables):
    """A function that nobody runs: what counts is its configuration."""
    name = f"{system.name}-Worker"
    system.add("Worker", "AWS::Lambda::Function", name)
    iam = system.client("iam")
    if not [role for role in iam.list_roles()["Roles"] if role["RoleName"] == "runs"]:
        iam.create_role(RoleName="runs", AssumeRolePolicyDocument="{}")
    role = iam.get_role(RoleName="runs")["Role"]["Arn"]
    flag = {"STAGEFRIGHT_STAGE": system.name, "STAGEFRIGHT_FUNCTION": "Worker"}
    system.client("lambda").create_function(
        FunctionName=name, Runtime="python3.11", Role=role, Handler="app.handler", Code={"ZipFile": packed(WORKER)},
        Environment={"Variables": variables or flag},
    )  # fmt: skip


def held(system, stage=None, chaos=None, **given):
    """A block on the worker that nothing proves: what strikes is not the matter here."""
    stage = stage or system.open().stage
    block = (chaos or Chaos(stage))(Worker=Failure("down"), **given)
    request = "8f5b0a3e-0000-4000-8000-00000000ffff"

    class Held:
        def __enter__(self):
            block.__enter__()
            struck = {"source": "stagefright", "action": "inject", "fault": "failure", "settings": {"message": "down"}}
            log(stage, 0, f"START RequestId: {request} Version: 1", json.dumps(struck))

        def __exit__(self, *error):
            return block.__exit__(*error)

    return Held()


def log(stage, n, *lines):
    """What the function's log would have said."""
    for line in lines:
        stage.logs.take(time.time() + n, "Worker", "stream", line)


def report(request):
    return f"REPORT RequestId: {request}\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB"


def start(system):
    script = system.directory / "victim.py"
    script.write_text(
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n" + textwrap.dedent(VICTIM)
    )
    command = [sys.executable, str(script), system.account.endpoint_url, system.name, str(system.directory)]
    process = subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout.readline() == "hurt\n", process.communicate(timeout=60)
    return process


def soon(condition, within_s=60):
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, f"it did not come true by {datetime.now(UTC)}"
        time.sleep(0.05)
