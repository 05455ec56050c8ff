"""A stage made of dictionaries, so that chaos is tested apart from the world."""

from __future__ import annotations

import io
import json
import os
import textwrap
import time
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from stagefright import open_stage
from stagefright.chaos import Chaos
from stagefright.clock import Clock
from stagefright.delivery.interference import Interference
from stagefright.journal import Journal
from stagefright.settings import Settings


@dataclass
class FakeContext:
    """A Lambda context with a deadline on the fake clock."""

    clock: Clock
    aws_request_id: str = "request-1"
    timeout_s: float = 3.0

    def __post_init__(self):
        self.deadline = self.clock.now() + self.timeout_s

    def get_remaining_time_in_millis(self):
        return round((self.deadline - self.clock.now()) * 1000)


@dataclass
class FakeSsm:
    """Parameters in a dictionary, with SSM's own refusals."""

    parameters: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    versions: dict[str, list[str]] = field(default_factory=dict)

    def put_parameter(self, **request):
        self.calls.append("PutParameter")
        assert set(request) - {"Tags"} == {"Name", "Value", "Type", "Overwrite"}
        assert request["Type"] == "String"
        if request["Name"] in self.parameters and not request["Overwrite"]:
            raise _refusal("ParameterAlreadyExists", "PutParameter")
        versions = self._versions(request["Name"])
        versions.append(request["Value"])
        self.versions[request["Name"]], self.parameters[request["Name"]] = versions, request["Value"]
        return {"Version": len(versions)}

    def get_parameter(self, **request):
        self.calls.append("GetParameter")
        assert set(request) == {"Name"}
        name, _, version = request["Name"].partition(":")
        if name not in self.parameters:
            raise _refusal("ParameterNotFound", "GetParameter")
        return {"Parameter": {"Value": self._versions(name)[int(version or 0) - 1]}}

    def _versions(self, name):
        """What a parameter said, the oldest first; tests put parameters into the dictionary and take them out."""
        if name not in self.parameters:
            return []
        versions = self.versions.get(name, [])
        return versions if versions[-1:] == [self.parameters[name]] else [self.parameters[name]]

    def delete_parameter(self, **request):
        self.calls.append("DeleteParameter")
        assert set(request) == {"Name"}
        if self.parameters.pop(request["Name"], None) is None:
            raise _refusal("ParameterNotFound", "DeleteParameter")


def _refusal(code, operation):
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


class FakeLambda:
    """Answers with the environment of a function."""

    def __init__(self, environments):
        self._environments = environments

    def get_function_configuration(self, **request):
        variables = self._environments.get(request["FunctionName"].removesuffix("-physical"), {})
        return {"Environment": {"Variables": variables}} if variables else {}


class FakeStage:
    """As much of a local stage as chaos needs: two functions, a topic, and a clock that `time.sleep` moves."""

    name = "my-feature"
    target = "local"
    is_deployed = False

    def __init__(self, clock):
        self.clock = clock
        self.journal = Journal(clock)
        self.ssm = FakeSsm()
        self.environments = {}
        self.handlers = {"Worker": lambda event, context: event, "Writer": lambda event, context: event}
        self.resources = {
            "Worker": SimpleNamespace(type="AWS::Lambda::Function", physical_id="Worker-physical"),
            "Writer": SimpleNamespace(type="AWS::Serverless::Function", physical_id="Writer-physical"),
            "Topic": SimpleNamespace(type="AWS::SNS::Topic", physical_id="Topic-physical"),
        }
        self.wrappers = []
        self.settings = Settings()
        self.interference = Interference([])

    def client(self, service):
        return {"ssm": self.ssm, "lambda": FakeLambda(self.environments)}[service]

    def name_of(self, spelling):
        return spelling

    def has_parameter(self, name):
        return name in self.ssm.parameters

    def instrument(self, wrapper):
        self.wrappers.append(wrapper)
        return len(self.wrappers)

    def on_arrival(self, hook):
        self.arrive = hook

    def ephemeral_storage_mb(self, function):
        return 512

    def invoke(self, logical_id, event=None, *, request_id="request-1"):
        """Invoke a function as the local executor does; its output becomes `log` records."""
        handler = self.handlers[logical_id]
        for wrapper in self.wrappers:
            handler = wrapper(handler, self.environments.get(logical_id, {}), logical_id)
        self.journal.write("invocation", logical_id, request_id=request_id)
        output = io.StringIO()
        try:
            with redirect_stdout(output):
                return handler(event, FakeContext(self.clock, request_id))
        finally:
            for line in output.getvalue().splitlines():
                self.journal.write("log", logical_id, line=line)
            self.journal.write("outcome", logical_id, request_id=request_id)

    def log(self, logical_id):
        return [record.detail["line"] for record in self.journal.of_kind("log", resource=logical_id)]

    def strikes(self):
        return [(r.resource, r.detail["fault"], r.detail["settings"]) for r in self.journal.of_kind("fault")]


class FakeDeployedStage:
    """The same, as if it were in an account: only its resources, its journal and its clients are within reach."""

    target = "aws"
    is_deployed = True

    def __init__(self, stage):
        self.name, self.resources, self.journal, self.client = stage.name, stage.resources, stage.journal, stage.client
        self.settings = Settings()
        self.account = SimpleNamespace(id="999999999999", is_emulator=False)
        self.run = SimpleNamespace(id="run-1", owner="tester", tags=lambda stage: {"stagefright:stage": stage})
        self.ledger = SimpleNamespace(note=lambda *_, **__: lambda: None)
        self.watchers, self.behind, self.still_s = [], [], 0.0
        self.name_of = stage.name_of

    def observe(self, resource, verb, pattern=None):
        """The journal has everything anyway."""

    def run_until(self, condition, within_s):
        return condition()


@pytest.fixture
def clock(monkeypatch):
    """Virtual time, which `time.sleep` moves and `time.time` reads."""
    clock = Clock()
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.move_to(clock.now() + seconds))
    monkeypatch.setattr(time, "time", clock.now)
    return clock


@pytest.fixture
def context(clock):
    """The context of an invocation with three seconds to live."""
    return FakeContext(clock)


@pytest.fixture
def make_context(clock):
    """Contexts of chosen requests."""
    return lambda request_id="request-1", timeout_s=3.0: FakeContext(clock, request_id, timeout_s)


@pytest.fixture
def stage(clock):
    """A stage with the functions Worker and Writer, which return their event."""
    return FakeStage(clock)


@pytest.fixture
def deployed_stage(stage):
    """The fake stage, seen from outside."""
    return FakeDeployedStage(stage)


@pytest.fixture
def chaos(stage):
    """Chaos on the fake stage."""
    return Chaos(stage, owner="tester", run="run-1", seed=7)


@pytest.fixture(autouse=True)
def _no_flags_of_the_shell(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("STAGEFRIGHT_", "FAILURE_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def deploy(tmp_path, request):
    """Deploys a world with one function, `Worker`, of the given code; gives the stage and its chaos."""

    def deploy(code, **properties):
        worker = {
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Role": "arn:aws:iam::123456789012:role/worker",
            "Code": {"ZipFile": textwrap.dedent(code)},
            "Timeout": 60,
        }
        resources = {"Worker": {"Type": "AWS::Lambda::Function", "Properties": worker | properties}}
        path = tmp_path / "template.json"
        path.write_text(json.dumps({"Resources": resources}))
        stage = open_stage("my-feature", directory=tmp_path, template=path)
        request.addfinalizer(stage.close)
        return stage, Chaos(stage)

    return deploy


@pytest.fixture
def strikes_of():
    """The strikes that a stage's journal holds: which fault, and what it did."""
    return lambda stage: [(r.detail["fault"], r.detail["harm"]) for r in stage.journal.of_kind("fault")]
