from __future__ import annotations

import pytest

from stagefright.chaos import Chaos, Failure, Noop
from stagefright.errors import FaultNeverFired, UsageError

COUNTING = """
    def handler(event, context):
        return "ran"
"""


def outcomes(stage, calls):
    """What came of so many calls: True for each that failed."""
    found = []
    for _ in range(calls):
        try:
            stage.invoke("Worker")
        except Exception:  # noqa: BLE001 (the injected one)
            found.append(True)
        else:
            found.append(False)
    return found


def test_it_strikes_at_these_calls_and_no_others(stage, chaos):
    """The first call is 1."""
    with chaos(Worker=Failure("x").on_call(2, 4)):
        assert [False, True, False, True, False] == outcomes(stage, 5)

    assert [False] == outcomes(stage, 1)


def test_every_block_counts_from_the_start(stage, chaos):
    """Also the same block, entered again."""
    block = chaos(Worker=Failure("x").on_call(2))
    for _ in range(2):
        with block:
            assert [False, True] == outcomes(stage, 2)


def test_a_block_inside_goes_on_counting_outside(stage, chaos):
    """The flag is written anew, and the outer block's count is the same."""
    with chaos(Worker=Failure("x").on_call(3)):
        outcomes(stage, 1)
        with chaos(Worker=Noop()):
            outcomes(stage, 1)
        assert [True, False] == outcomes(stage, 2)


def test_two_of_them_count_apart(stage, chaos):
    """Equal faults of one plan are two faults."""
    with chaos(Worker=[Failure("x").on_call(1), Failure("x").on_call(1)]):
        assert [True, True, False] == outcomes(stage, 3)  # the second was not asked at the first call


def test_functions_count_apart(stage, chaos):
    """The count is the function's."""
    with chaos(Worker=Failure("x").on_call(1), Writer=Noop().on_call(2)):
        stage.invoke("Writer")
        assert [True] == outcomes(stage, 1)
        stage.invoke("Writer")


def test_a_local_stage_counts_for_all_environments_together(deploy):
    """A cold start in between does not start the count again."""
    stage, chaos = deploy(COUNTING)

    with chaos(Worker=Failure("down").on_call(2)):
        first = stage.invoke("Worker", {}).payload
        stage.world.executor.drop_environments()
        second = stage.invoke("Worker", {}).payload

    assert ("ran", "down") == (first, second["errorMessage"])


def test_a_run_of_its_own_counts_from_the_start(stage):
    """Counters live in the state of a run."""
    for run in ("run-1", "run-2"):
        with Chaos(stage, run=run)(Worker=Failure("x").on_call(1)):
            assert [True, False] == outcomes(stage, 2)


def test_a_call_that_never_came_is_reported(stage, chaos):
    """The block proved nothing about the fourth call."""
    with pytest.raises(FaultNeverFired, match=r"on_call\(4\)"), chaos(Worker=Failure("x").on_call(4)):
        outcomes(stage, 3)


@pytest.mark.parametrize("calls", [(), (0,), (1.5,), ("1",), (True,)])
def test_wrong_numbers_are_refused(calls):
    """The numbers are whole, from 1 on, and there is one."""
    with pytest.raises(UsageError):
        Noop().on_call(*calls)


def test_no_other_reader_counts():
    """failure-lambda has a percentage, and chaos-lambda a rate."""
    assert {} == Failure("x").on_call(1).translations()
