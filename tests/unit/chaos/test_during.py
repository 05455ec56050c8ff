from __future__ import annotations

import pytest

from stagefright.chaos import Failure, Noop
from stagefright.errors import UsageError
from tests.unit.chaos.test_on_call import outcomes


def test_it_strikes_for_a_span_that_begins_with_the_first_call(stage, chaos, clock):
    """However long the block has held before."""
    with chaos(Worker=Failure("x").during("5m")):
        clock.move_to(clock.now() + 3600)
        found = outcomes(stage, 1)
        for seconds in (299, 2):
            clock.move_to(clock.now() + seconds)
            found += outcomes(stage, 1)

    assert [True, True, False] == found


def test_it_can_begin_later(stage, chaos, clock):
    """The first call starts the watch and passes."""
    with chaos(Worker=Failure("x").during("10s", after="1m")):
        found = outcomes(stage, 1)
        for seconds in (59, 1, 9, 1):
            clock.move_to(clock.now() + seconds)
            found += outcomes(stage, 1)

    assert [False, False, True, True, False] == found


def test_a_function_recovers_within_its_retries(deploy):
    """§2.1: attempts at 0, 60 and 180 s; an outage of two minutes is over before the third."""
    stage, chaos = deploy("def handler(event, context):\n    return 'ran'\n")

    with chaos(Worker=Failure("down").during("2m")):
        stage.client("lambda").invoke(FunctionName=stage.ref("Worker"), InvocationType="Event", Payload=b"{}")
        stage.settle()

    assert ["down", "down", None] == [r.detail.get("error_message") for r in stage.journal.of_kind("outcome")]


@pytest.mark.parametrize("span", ["", "soon", 0, -1, True, float("inf")])
def test_a_wrong_span_is_refused(span):
    """A span is text such as "5m", or seconds."""
    with pytest.raises(UsageError):
        Noop().during(span)


def test_no_other_reader_knows_spans():
    """Their flags have no end."""
    assert {} == Failure("x").during("1m").translations()
