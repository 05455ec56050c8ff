from __future__ import annotations

import pytest

from stagefright.chaos import Noop


def test_a_noop_strikes_and_hurts_nothing(stage, chaos):
    """The handler runs as ever, no time passes, and the journal holds the evidence of a strike."""
    start = stage.clock.now()

    with chaos(Worker=Noop()):
        answer = stage.invoke("Worker", {"n": 1})

    assert {"n": 1} == answer
    assert start == stage.clock.now()
    assert [("Worker", "noop", {})] == stage.strikes()


def test_a_noop_without_an_invocation_is_a_fault_that_never_fired(chaos):
    """Even the fault that does nothing must strike, or the block proved nothing."""
    with pytest.raises(AssertionError, match=r"Worker=Noop\(\) was planned and never struck"), chaos(Worker=Noop()):
        pass


def test_a_setting_that_a_fault_does_not_have_is_named():
    """Problems name the setting and what there is instead."""
    assert ["'delay_ms' is not a setting of Noop; it has none"] == Noop.problems({"delay_ms": 1})


def test_a_noop_is_off_for_every_other_reader():
    """Readers of other formats are told nothing at all, and none of them is refused."""
    assert [{}, {}, {}] == list(Noop().translations().values())


def test_noops_are_equal_and_print_as_they_are_written():
    """Faults are values: the printed form can be pasted into a replay line."""
    assert Noop() == Noop()
    assert "Noop()" == repr(Noop())
    with pytest.raises(TypeError):
        Noop(delay_ms=1)
