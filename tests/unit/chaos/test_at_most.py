from __future__ import annotations

import pytest

from stagefright.chaos import Failure, Noop
from stagefright.errors import UsageError
from tests.unit.chaos.test_on_call import outcomes


def test_it_strikes_so_often_and_then_never_again(stage, chaos):
    """Fail the first two calls, then succeed."""
    with chaos(Worker=Failure("x").at_most(2)):
        assert [True, True, False, False] == outcomes(stage, 4)


def test_it_counts_strikes_and_not_calls(stage, chaos):
    """Calls that the fault inside lets pass are not counted; those that an outer one keeps from it neither."""
    with chaos(Worker=Failure("x").on_call(2, 4, 6).at_most(2)):
        assert [False, True, False, True, False, False] == outcomes(stage, 6)
    with chaos(Worker=Failure("x").at_most(1).on_call(2, 3)):
        assert [False, True, False] == outcomes(stage, 3)


def test_a_retried_event_succeeds_at_last(deploy):
    """§2.1: attempts at 0, 60 and 180 s; the third one comes through."""
    stage, chaos = deploy("def handler(event, context):\n    return 'ran'\n")

    with chaos(Worker=Failure("down").at_most(2)):
        stage.client("lambda").invoke(FunctionName=stage.ref("Worker"), InvocationType="Event", Payload=b"{}")
        flow = stage.settle()

    assert [0, 60, 180] == flow.attempts("Worker").at
    assert ["down", "down", None] == [r.detail.get("error_message") for r in stage.journal.of_kind("outcome")]


@pytest.mark.parametrize("times", [0, -1, 1.0, "2", True, None])
def test_a_wrong_number_is_refused(times):
    """It is whole, from 1 on."""
    with pytest.raises(UsageError, match="times is"):
        Noop().at_most(times)


def test_no_other_reader_counts():
    """A fault that does not end is another fault."""
    assert {} == Failure("x").at_most(1).translations()
