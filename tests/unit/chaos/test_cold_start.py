from __future__ import annotations

import pytest

from stagefright.chaos import Chaos, ColdStart, Failure
from stagefright.errors import UsageError

COUNTING = """
    starts = []

    def handler(event, context):
        starts.append(event)
        return len(starts)
"""


def test_every_invocation_is_cold_until_the_block_ends(deploy, strikes_of):
    """Module globals are gone each time; afterwards the environment stays warm again."""
    stage, chaos = deploy(COUNTING)
    before = [stage.invoke("Worker", {}).payload for _ in range(2)]

    with chaos(Worker=ColdStart()):
        inside = [stage.invoke("Worker", {}).payload for _ in range(2)]
    after = [stage.invoke("Worker", {}).payload for _ in range(2)]

    assert ([1, 2], [1, 1], [2, 3]) == (before, inside, after)
    assert [("cold_start", {})] * 2 == strikes_of(stage)
    assert [True, False, True, True, False, False] == [r.detail["cold"] for r in stage.journal.of_kind("invocation")]


def test_one_cold_start_is_one(deploy):
    """`at_most` counts strikes at arrivals as anywhere."""
    stage, chaos = deploy(COUNTING)
    stage.invoke("Worker", {})

    with chaos(Worker=ColdStart().at_most(1)):
        assert [1, 2, 3] == [stage.invoke("Worker", {}).payload for _ in range(3)]


def test_it_can_depend_on_the_event(deploy):
    """The event is known before there is an environment."""
    stage, chaos = deploy(COUNTING)

    with chaos(Worker=ColdStart().when("kind", "cold")):
        payloads = [stage.invoke("Worker", {"kind": kind}).payload for kind in ("warm", "warm", "cold", "warm")]

    assert [1, 2, 1, 2] == payloads


def test_it_goes_with_other_faults(deploy):
    """A cold start before a failure: both strike."""
    stage, chaos = deploy(COUNTING)

    with chaos(Worker=[ColdStart(), Failure("down")]):
        assert "down" == stage.invoke("Worker", {}).payload["errorMessage"]


def test_a_stage_with_two_chaos_objects_is_struck_once(deploy, strikes_of):
    """A mark and the fixture may both hold the stage."""
    stage, _ = deploy(COUNTING)

    with Chaos(stage)(Worker=ColdStart()):
        stage.invoke("Worker", {})

    assert [("cold_start", {})] == strikes_of(stage)


def test_only_a_local_stage_can_do_it(deployed_stage):
    """On a deployed stage the plan is refused, and not first found out to have never struck."""
    with pytest.raises(UsageError, match=r"ColdStart\(\) cannot strike Worker: only a local stage"):
        Chaos(deployed_stage, owner="tester")(Worker=ColdStart()).__enter__()


def test_no_other_reader_knows_it():
    """Nobody can end an environment from inside."""
    assert {} == ColdStart().translations()
