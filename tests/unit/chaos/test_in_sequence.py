from __future__ import annotations

import pytest

from stagefright.chaos import Corruption, Failure, InSequence, Latency, Noop, StatusCode, Throttle
from stagefright.errors import UsageError


def test_each_call_meets_the_next_fault_and_after_the_last_none(stage, chaos, clock):
    """A failure, a call that passes, a status code; then the handler runs as ever."""
    found = []
    with chaos(Worker=InSequence(Failure("x"), Noop(), StatusCode(503))):
        for _ in range(4):
            try:
                found.append(stage.invoke("Worker", "event"))
            except Exception as error:  # noqa: BLE001 (the injected one)
                found.append(str(error))

    assert ["x", "event", StatusCode(503).answer(), "event"] == found
    assert "event" == stage.invoke("Worker", "event")


def test_the_faults_inside_may_be_wrapped(stage, chaos, clock):
    """Each in its turn decides for itself."""
    start = clock.now()
    with chaos(Worker=InSequence(Latency(delay_ms=1000), Latency(delay_ms=5000).when("kind", "slow"))):
        stage.invoke("Worker", {"kind": "slow"})
        stage.invoke("Worker", {"kind": "quick"})
        stage.invoke("Worker", {"kind": "slow"})

    assert start + 1 == clock.now()


def test_a_list_is_taken_too():
    """As a plan takes one."""
    assert InSequence(Noop(), Failure("x")) == InSequence([Noop(), Failure("x")])
    assert "InSequence(Noop(), Failure(message='x'))" == repr(InSequence([Noop(), Failure("x")]))


def test_a_call_that_passes_can_be_of_any_kind():
    """A Noop waits among SDK calls as well as among invocations."""
    InSequence(Throttle("dynamodb"), Noop(), Throttle("dynamodb"))


@pytest.mark.parametrize(
    ("faults", "problem"),
    [
        ((), "takes two faults or more"),
        ((Noop(),), "takes two faults or more"),
        ((Noop(), Failure), "Failure is the class"),
        ((Noop(), "failure"), "'failure' is not a fault"),
        ((Failure("x"), Corruption()), "they strike at different points (Invocation and Response)"),
    ],
)
def test_what_cannot_take_turns_is_refused(faults, problem):
    """A sequence needs calls of one kind."""
    with pytest.raises(UsageError) as refused:
        InSequence(*faults)

    assert problem in str(refused.value)


def test_no_other_reader_knows_sequences():
    """They hold one state."""
    assert {} == InSequence(Failure("x"), Noop()).translations()
