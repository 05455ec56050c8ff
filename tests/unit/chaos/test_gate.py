"""How long the gate of a deployed stage waits for the log lines of strikes, and when it need not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from stagefright.chaos import gate as gate_module
from stagefright.chaos.faults.failure import Failure
from stagefright.chaos.gate import PROOF_WITHIN_S, Gate
from stagefright.chaos.plan import Plan
from stagefright.errors import FaultNeverFired
from stagefright.journal import Journal
from stagefright.targets.wall_clock import WallClock

T0 = 1_795_200_000.0
ONE, TWO = "8f5b0a3e-0000-4000-8000-000000000001", "8f5b0a3e-0000-4000-8000-000000000002"
LOOK_S = 0.5
"""How much time passes between two looks."""


class Deployed:
    """A deployed stage whose time is made up; `at(second, ...)` lets it see a record at that second of the gate's waiting."""

    name = "my-feature"
    is_deployed = True
    still_s = 5.0

    def __init__(self, *, is_emulator):
        self.journal = Journal(WallClock())
        self.resources = {
            name: SimpleNamespace(type="AWS::Lambda::Function", physical_id=name) for name in ("Worker", "Writer")
        }
        self.account = SimpleNamespace(id="1", is_emulator=is_emulator)
        self.run = self.ledger = self.settings = None
        self.watchers, self.behind = [], []
        self.waited_s = 0.0
        self._script = []

    def client(self, service):
        raise AssertionError(service)

    def observe(self, resource, verb, pattern=None):
        """Nothing to be done."""

    def at(self, second, kind, resource="Worker", **detail):
        self._script.append((second, kind, resource, detail))

    def invocation(self, request_id, *, begins, ends=None, resource="Worker"):
        self.at(begins, "invocation", resource, request_id=request_id)
        if ends is not None:
            self.at(ends, "outcome", resource, request_id=request_id, duration_ms=1)

    def asked(self, operation, *ids):
        self.journal.write_past(T0, "call", "test", {"service": "x", "operation": operation, "ids": list(ids)})

    def run_until(self, condition, within_s):
        while True:
            while self._script and self._script[0][0] <= self.waited_s:
                _, kind, resource, detail = self._script.pop(0)
                begun = [
                    r.n
                    for r in self.journal
                    if kind == "outcome" and r.detail.get("request_id") == detail["request_id"]
                ]
                self.journal.write_past(T0, kind, resource, detail, cause=next(iter(begun), None))
            if condition() or self.waited_s >= within_s:
                return
            self.waited_s += LOOK_S


@pytest.fixture(params=[True, False], ids=["emulator", "aws"])
def stage(request, monkeypatch):
    found = Deployed(is_emulator=request.param)
    monkeypatch.setattr(gate_module, "time", SimpleNamespace(time=lambda: T0, monotonic=lambda: found.waited_s))
    return found


def waited(stage, *acts, plan=None):
    """How long the gate waits for a strike that never comes."""
    gate = Gate(stage, plan or Plan.of(Worker=Failure("down")))
    gate.arm()
    for act in acts:
        stage.asked(*act)
    with pytest.raises(FaultNeverFired):
        gate.prove()
    return stage.waited_s


def test_a_strike_ends_it(stage):
    """It is in the log; nothing more is needed."""
    gate = Gate(stage, Plan.of(Worker=Failure("down")))
    gate.arm()
    stage.at(2, "fault", fault="failure", settings=Failure("down").settings())
    gate.prove()

    assert stage.waited_s == 2


def test_the_test_has_invoked_it_and_the_log_has_the_end(stage):
    """In an emulator nothing can come any more; on AWS the log of something else may, as long as `settle()` would wait."""
    stage.invocation(ONE, begins=1, ends=2)

    assert waited(stage, ("Invoke", ONE)) == (2 if stage.account.is_emulator else 7)


def test_one_of_two_has_not_ended(stage):
    """It may be struck yet, whatever time it takes."""
    stage.invocation(ONE, begins=1, ends=2)
    stage.invocation(TWO, begins=2)

    assert waited(stage, ("Invoke", ONE)) == PROOF_WITHIN_S


def test_one_of_two_was_not_seen(stage):
    """The test has invoked it twice; the log of the other may be late."""
    stage.invocation(ONE, begins=1, ends=2)

    assert waited(stage, ("Invoke", ONE), ("Invoke", TWO)) == 7


def test_what_is_set_in_motion_may_come_late(stage):
    """No invocation was seen of what the test has sent: it may still be on its way."""
    assert waited(stage, ("Publish", "m")) == PROOF_WITHIN_S


def test_when_all_that_was_seen_has_ended_and_nothing_moves(stage):
    """A message led to an invocation, that ended, and nothing followed."""
    stage.invocation(ONE, begins=8, ends=9)

    assert waited(stage, ("Publish", "m")) == 14


def test_every_movement_begins_the_wait_anew(stage):
    """Another function's log counts, too: it may lead on."""
    stage.invocation(ONE, begins=1, ends=2)
    stage.at(6, "log", "Writer", line="hello")

    assert waited(stage, ("Publish", "m")) == 11


def test_a_test_that_did_nothing(stage):
    """Nothing is on its way, as far as the test is concerned."""
    assert waited(stage) == 5


def test_what_is_not_read_to_its_end_is_waited_for(stage):
    """CloudWatch would not answer: it was asked too often."""
    stage.invocation(ONE, begins=1, ends=2)
    stage.behind = ["listen.logs('Worker')"]

    assert waited(stage, ("Invoke", ONE)) == PROOF_WITHIN_S


def test_of_two_functions_each_must_be_accounted_for(stage):
    """One was invoked, the other may be, by what the first has sent."""
    stage.invocation(ONE, begins=1, ends=2)

    assert (
        waited(stage, ("Invoke", ONE), plan=Plan.of(Worker=Failure("down"), Writer=Failure("full"))) == PROOF_WITHIN_S
    )
