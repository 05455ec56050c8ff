from __future__ import annotations

from types import SimpleNamespace

import pytest

from stagefright.chaos import Failure, Latency, Noop, Plan
from stagefright.errors import UsageError


def test_a_plan_prints_as_it_is_written():
    """The printed plan can be pasted into a test."""
    plan = Plan.of(Worker=Failure("x"), Writer=[Latency(delay_ms=1), Noop()])

    assert "chaos(Worker=Failure(message='x'), Writer=[Latency(delay_ms=1), Noop()])" == repr(plan)


def test_a_mark_is_a_plan():
    """`@pytest.mark.chaos` has the grammar of `chaos(...)`."""
    assert Plan.of(Worker=Noop()) == Plan.from_mark(SimpleNamespace(args=(), kwargs={"Worker": Noop()}))


def test_a_mark_with_a_fault_for_nothing_is_refused():
    """A fault by position says not what it should strike."""
    with pytest.raises(UsageError, match=r"not \(Noop\(\),\) by position"):
        Plan.from_mark(SimpleNamespace(args=(Noop(),), kwargs={}))


def test_all_that_is_no_fault_is_refused_at_once():
    """Each line names the resource and what to write instead."""
    with pytest.raises(UsageError) as refused:
        Plan.of(A=Latency, B="latency", C=[], D=[Noop(), None], E=Noop())

    assert [
        "This is not a plan:",
        "  - A: Latency is the class; call it with its settings: Latency(...)",
        "  - B: 'latency' is not a fault",
        "  - C: the list of faults is empty",
        "  - D: None is not a fault",
        "Write chaos(LogicalId=fault) or chaos(LogicalId=[fault, ...]).",
    ] == str(refused.value).splitlines()


def test_an_empty_plan_is_refused():
    """A block without a fault is a mistake."""
    with pytest.raises(UsageError, match="no fault is planned"):
        Plan.of()
