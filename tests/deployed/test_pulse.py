"""A run that outlasts its lease says in the account that it lives; sweeps on other machines ask before they believe a tag."""

from __future__ import annotations

import json
import threading
import time
import warnings
from dataclasses import replace

import pytest

from stagefright.errors import StagefrightWarning
from stagefright.ledger.ledger import Ledger
from stagefright.ledger.reading import read
from stagefright.ledger.sweep import Sweep, Wish
from stagefright.ledger.tagged import sweep_tagged
from stagefright.targets import opening, pulse
from stagefright.targets.pulse import ROOT, Pulse, living, prolong
from stagefright.targets.run import Run, tag_list

HOUR_S = 3600.0
TEMPLATE = "Resources: {Orders: {Type: AWS::SQS::Queue}}"


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def run():
    return Run.begin("run1", lease="4h")


@pytest.fixture
def clock(run):
    return Clock(run.created)


@pytest.fixture
def ledger(emulator, tmp_path, run):
    made = Ledger(tmp_path, run=run, stage="dev", account=emulator.way)
    yield made
    made.close()


@pytest.fixture
def beating(emulator, run, ledger, clock):
    """Makes the pulse of a process of the run."""
    made = []

    def beating(**uses):
        made.append(Pulse(emulator.way, run=run, stage="dev", ledger=ledger, uses=uses, now=clock))
        return made[-1]

    yield beating
    for one in made:
        one.stop()


def names(emulator):
    pages = emulator.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=ROOT, Recursive=True)
    return [one["Name"] for page in pages for one in page["Parameters"]]


class TestPulse:
    """What one process of a run says of itself."""

    def test_a_run_that_is_shorter_than_half_of_its_lease_says_nothing(self, emulator, beating, clock, ledger):
        """Most runs are, so most have no parameter."""
        one = beating()
        one.beat()
        clock.now += 2 * HOUR_S - 1
        one.beat()
        assert names(emulator) == []
        assert ledger.open_entries() == []

    def test_it_is_renewed_half_a_lease_before_the_end(self, emulator, beating, clock, run, ledger):
        """In the account, in the file, and in the tags of what is made from then on; at the end nothing is left of it."""
        began, one = run.created, beating()
        ledger.note("queue", "q")
        clock.now += 2 * HOUR_S
        one.beat()
        assert names(emulator) == [one.name]
        assert living(emulator.way, clock.now) == {"run1": began + 6 * HOUR_S}
        assert run.tags("dev")["stagefright:expires"] == run.tags("dev")["stagefright:created"].replace(
            time.strftime("%Y-%m-%dT%H", time.gmtime(began)),
            time.strftime("%Y-%m-%dT%H", time.gmtime(began + 6 * HOUR_S)),
        )
        [file] = ledger._project.glob(".stagefright/ledger/run1-*.jsonl")
        assert read(file).head.expires == began + 6 * HOUR_S
        clock.now += 2 * HOUR_S
        one.beat()
        assert names(emulator) == [one.name]
        assert living(emulator.way, clock.now) == {"run1": began + 8 * HOUR_S}
        assert living(emulator.way, began + 8 * HOUR_S) == {}
        one.stop()
        assert names(emulator) == []
        assert [entry.kind for entry in ledger.open_entries()] == ["queue"]

    def test_it_has_the_tags_of_its_run(self, emulator, beating, clock, run):
        """So a sweep takes it, if nothing else does."""
        one = beating()
        clock.now += 2 * HOUR_S
        one.beat()
        found = emulator.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=one.name)["TagList"]
        assert {tag["Key"]: tag["Value"] for tag in found} == run.tags("dev")

    def test_two_processes_of_a_run_do_not_meet(self, emulator, beating, clock):
        """The one that ends first takes away its own."""
        first, second = beating(), beating()
        clock.now += 3 * HOUR_S
        first.beat()
        second.beat()
        first.stop()
        assert names(emulator) == [second.name]
        assert set(living(emulator.way, clock.now)) == {"run1"}

    def test_a_stage_that_another_run_left_up_is_held_as_soon_as_half_of_its_lease_is_over(
        self, emulator, beating, clock
    ):
        """A sweep would take it from under the tests."""
        one = beating(other=clock.now + HOUR_S)
        one.beat()
        assert living(emulator.way, clock.now) == dict.fromkeys(("run1", "other"), clock.now + 4 * HOUR_S)

    def test_a_refusal_is_a_warning_once_and_it_is_tried_again(self, emulator, beating, clock, monkeypatch):
        """The run goes on; the message names the permissions."""
        one = beating()
        clock.now += 2 * HOUR_S
        native, refused = pulse.create, []

        def refuse(*given):
            refused.append(given)
            raise emulator.client("ssm").exceptions.ClientError(
                {"Error": {"Code": "AccessDeniedException", "Message": "not authorized to perform: ssm:PutParameter"}},
                "PutParameter",
            )

        monkeypatch.setattr(pulse, "create", refuse)
        with pytest.warns(
            StagefrightWarning,
            match=r"permission ssm:PutParameter(.|\n)*ssm:DeleteParameter on parameter/stagefright-runs",
        ):
            one.beat()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            one.beat()
        assert len(refused) == 2
        monkeypatch.setattr(pulse, "create", native)
        one.beat()
        assert names(emulator) == [one.name]

    def test_it_beats_by_itself(self, emulator, beating, clock, monkeypatch):
        """While a test sleeps or stands in a debugger, too; and no more once it is stopped."""
        monkeypatch.setattr(pulse, "PAUSE_S", 0.01)
        beaten, one = threading.Event(), beating()
        native = one._write
        monkeypatch.setattr(one, "_write", lambda expires: (native(expires), beaten.set()))
        one.start()
        clock.now += 2 * HOUR_S
        assert beaten.wait(60)
        one.stop()
        clock.now += 4 * HOUR_S
        one.beat()
        assert names(emulator) == []

    @pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"run": 1}', '{"run": "x", "expires": "soon"}'])
    def test_what_is_no_pulse_says_nothing(self, emulator, text):
        """Somebody else's parameter has no say in what lives."""
        ssm = emulator.client("ssm")
        ssm.put_parameter(Name=f"{ROOT}x/y", Value=text or " ", Type="String")
        assert living(emulator.way, 0.0) == {}
        ssm.delete_parameter(Name=f"{ROOT}x/y")


class TestSweep:
    """What a sweep makes of it."""

    @pytest.fixture
    def old(self, emulator):
        """A queue whose tags have run out."""
        tags = Run("far-away", "amy@laptop", 1e9, 1e9 + HOUR_S).tags("dev")
        sqs = emulator.client("sqs")
        url = sqs.create_queue(QueueName="stagefright-pulsing", tags=tags)["QueueUrl"]
        yield tags
        sqs.delete_queue(QueueUrl=url)

    def swept(self, emulator, *, now, is_for_real=False):
        held = {}
        wish = Wish(now=now, is_for_real=is_for_real)
        findings, troubles = sweep_tagged(emulator.way, wish, living=(), known=(), pulses=held)
        return [one.what for one in findings if "puls" in one.what or ROOT in one.what], troubles, held

    @pytest.mark.usefixtures("old")
    def test_what_lives_by_its_pulse_is_left_alone(self, emulator, clock, beating):
        """Its own, and what is in use by it; until the pulse ends."""
        assert self.swept(emulator, now=clock.now) == (["queue stagefright-pulsing"], [], {})
        beating(**{"far-away": 0.0}).beat()
        until = clock.now + 4 * HOUR_S
        assert self.swept(emulator, now=clock.now) == ([], [], {"far-away": until})
        found, _, held = self.swept(emulator, now=until)
        assert (found[0], held) == ("queue stagefright-pulsing", {})

    @pytest.mark.usefixtures("old")
    def test_a_pulse_that_ended_is_a_leftover_itself(self, emulator, clock, beating):
        """Of a run that was killed on another machine."""
        one = beating()
        clock.now += 3 * HOUR_S
        one.beat()
        found, _, _ = self.swept(emulator, now=clock.now + 5 * HOUR_S)
        assert f"parameter {one.name}" in found

    @pytest.mark.usefixtures("old")
    def test_if_nobody_can_say_what_lives_nothing_is_touched(self, emulator, clock, monkeypatch):
        """The reason is told."""
        ssm = emulator.way.client("ssm")
        native = ssm.get_paginator

        def get_paginator(name):
            if name == "get_parameters_by_path":
                denial = "User: amy is not authorized to perform: ssm:GetParametersByPath on resource: *"
                raise ssm.exceptions.ClientError({"Error": {"Code": "AccessDeniedException", "Message": denial}}, name)
            return native(name)

        monkeypatch.setattr(ssm, "get_paginator", get_paginator)
        found, [trouble], _ = self.swept(emulator, now=clock.now, is_for_real=True)
        assert found == []
        assert "Could not ask which runs live" in trouble
        assert "the permission ssm:GetParametersByPath" in trouble
        assert "What only tags tell of was left alone" in trouble

    def test_a_stage_that_is_kept_longer_than_its_ledger_says(self, emulator, tmp_path, clock):
        """`up` wrote the ledger, another `up` prolonged it; and somebody may use it."""
        run = Run("up1", "amy@laptop", clock.now - 5 * HOUR_S, clock.now - HOUR_S)
        ledger = Ledger(tmp_path, run=run, stage="dev", account=emulator.way)
        ledger.note("stack", "shop-none").keep()
        ledger.close()
        until = clock.now + HOUR_S
        for by in (Run("up2", "bob@desk", clock.now, clock.now + 1), Run("up3", "bob@desk", clock.now, until)):
            assert prolong(emulator.way, stage="dev", run=run, by=by) == by.expires
        assert prolong(emulator.way, stage="dev", run=run, by=replace(by, expires=clock.now)) == until
        assert living(emulator.way, clock.now) == dict.fromkeys(("up1", "up2", "up3"), until)

        sweep = Sweep(tmp_path, Wish(now=clock.now), lambda _: emulator.way)
        assert list(sweep.run()) == []
        assert sweep.kept == {"dev": until}
        found = Sweep(tmp_path, Wish(now=until), lambda _: emulator.way).run()
        assert [one.what for one in found] == ["stack shop-none"]
        pulse.forget_kept(emulator.way, stage="dev", run="up1")
        pulse.forget_kept(emulator.way, stage="dev", run="up1")
        assert names(emulator) == []

    def test_a_stack_that_a_dead_run_left_and_that_another_run_uses(self, emulator, tmp_path, clock, beating):
        """It was not left up on purpose, but who found it there tests on it; whoever names the run is not asked."""
        run = Run("dead1", "amy@laptop", clock.now - 5 * HOUR_S, clock.now - HOUR_S)
        ledger = Ledger(tmp_path, run=run, stage="dev", account=emulator.way)
        ledger.note("stack", "shop-none")
        ledger.close()
        beating(dead1=run.expires).beat()

        sweep = Sweep(tmp_path, Wish(now=clock.now), lambda _: emulator.way)
        assert list(sweep.run()) == []
        assert sweep.held_back == {"dead1": clock.now + 4 * HOUR_S}
        found = Sweep(tmp_path, Wish(now=clock.now, run="dead1"), lambda _: emulator.way).run()
        assert [one.what for one in found] == ["stack shop-none"]

    def test_a_killed_run_s_pulse_stands_in_its_ledger(self, emulator, tmp_path, clock, run):
        """A sweep of this machine takes it away with the rest."""
        ledger = Ledger(tmp_path, run=run, stage="dev", account=emulator.way)
        one = Pulse(emulator.way, run=run, stage="dev", ledger=ledger, now=clock)
        clock.now += 2 * HOUR_S
        one.beat()
        ledger.close()
        wish = Wish(now=clock.now, is_for_real=True, run="run1")
        assert [(found.what, found.fate) for found in Sweep(tmp_path, wish, lambda _: emulator.way).run()] == [
            (f"pulse {one.name}", "deleted")
        ]
        assert names(emulator) == []


def test_a_stage_has_a_pulse_until_all_else_is_gone(system, monkeypatch):
    """One that is attached to a stage whose tags have nearly run out says so at once, and takes it back when it is closed."""
    system.write("template.yaml", TEMPLATE)
    old = Run("old", "amy@laptop", 1e9, 1e9 + HOUR_S)
    system.way.client("cloudformation").create_stack(
        StackName=system.stack,
        TemplateBody=json.dumps({"Resources": {"Orders": {"Type": "AWS::SQS::Queue"}}}),
        Tags=tag_list(old.tags(system.name)),
    )
    monkeypatch.setattr(pulse, "PAUSE_S", 0.01)
    stage = system.open()
    alive = living(system.way, time.time())
    assert alive.keys() >= {"old", system.run.id}
    stage.close()
    assert living(system.way, time.time()).keys().isdisjoint({"old", system.run.id})
    opening.remove(system.name, system.settings(), account=system.way)
