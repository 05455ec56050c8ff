from __future__ import annotations

from types import SimpleNamespace

import pytest

from stagefright import chaos
from stagefright.chaos import Failure, Latency, Noop, Plan
from stagefright.chaos.faults.catalogue import KINDS, WRAPPER_KINDS
from stagefright.chaos.faults.deliveries import DELIVERY_FAULTS
from stagefright.errors import UsageError

PLANS = [
    Plan.of(Worker=Failure("x"), Writer=[Latency(delay_ms=1), Noop()]),
    Plan.of(
        Jobs=[chaos.Duplicate(copies=2), chaos.Delay(delay_ms=1.5).on_call(1, 3)], Worker=chaos.ThrottledConcurrency()
    ),
    Plan.of(Feed=chaos.PoisonRecord(payload=b"\xff").at_most(2), Bus=chaos.PoisonRecord(payload={"a": [1, None]})),
    Plan.of(Jobs=[chaos.Reorder().with_probability(0.5), chaos.PartialBatch(), chaos.Drop()]),
    Plan.of(Worker=chaos.InSequence(Failure("x"), Noop()), Other=chaos.Both(Latency(delay_ms=1), chaos.Corruption())),
    Plan.of(
        Worker=[chaos.Throttle("dynamodb", "PutItem", times=2), chaos.StaleRead("dynamodb"), chaos.HttpStatus(503)]
    ),
    Plan.of(
        Worker=[Failure("x").when("a.b", "c"), chaos.DiskFull(), chaos.Denylist(["a", "b"]).during("5m", after="1m")]
    ),
]


@pytest.mark.parametrize("plan", PLANS, ids=repr)
def test_a_plan_comes_back_from_what_is_printed(plan):
    """From the line of Python, and from the line of JSON; faults of deliveries too."""
    names = {name: getattr(chaos, name) for name in chaos.__all__}

    assert plan == eval(repr(plan), names | {"chaos": Plan.of})
    assert plan == Plan.from_text(plan.text())
    assert "\n" not in plan.text()


def test_the_plans_above_have_every_delivery_fault_and_wrapper():
    """A new kind belongs into them."""
    kinds = {kind for plan in PLANS for name, fault in plan for kind in _kinds(fault)}

    assert (
        {fault.kind for fault in DELIVERY_FAULTS} | set(WRAPPER_KINDS)
        <= kinds
        <= {*KINDS, *WRAPPER_KINDS} | {fault.kind for fault in DELIVERY_FAULTS}
    )


def _kinds(fault):
    yield fault.kind
    for part in (*getattr(fault, "faults", ()), *([fault.fault] if hasattr(fault, "fault") else [])):
        yield from _kinds(part)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "This is not the text of a plan: "),
        ("[" * 100_000, "This is not the text of a plan: "),
        ("[]", "it should be an object with a list of faults by logical id, not []"),
        ("{}", "it should be an object"),
        ('{"A": [{"kind": "duplicat"}], "B": 1}', "  - A: 'duplicat' is not a kind of fault; known: at_most, both"),
        ('{"A": [{"kind": "duplicat"}], "B": 1}', "  - B: a fault should be an object with a kind, not 1"),
        ('{"A": [{"kind": "duplicate", "copies": 0}]}', "  - A: duplicate: copies is 0"),
        ('{"A": [{"kind": "poison_record", "payload": {"$bytes": "?"}}]}', "This is not the text of a plan: "),
        ('{"A": []}', "This is not a plan:"),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_text_of_a_plan_is_refused(text, problem):
    """With all that is wrong."""
    with pytest.raises(UsageError) as refused:
        Plan.from_text(text)

    assert problem in str(refused.value)


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
