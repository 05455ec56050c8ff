"""
What holds whatever the plan: nothing is lost but by `Drop`, FIFO stays in order and exactly once, and a seed is a story.

Hypothesis makes the plans; each is played to the same system, freshly reset.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagefright.chaos import (
    Chaos,
    Delay,
    Drop,
    Duplicate,
    PartialBatch,
    PoisonRecord,
    Reorder,
    ThrottledConcurrency,
)
from stagefright.chaos.checks import conserved, in_order
from stagefright.chaos.plan import Plan

EVENTS = 5
SOURCES = {"Jobs": "Work", "News": "Hear", "Bus": "React", "Steps": "Step", "Feed": "Read"}
"""Each source with its one consumer; a wish to be heard twice would only hide a loss."""

PLAYS = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

delays = st.integers(1, 40_000).map(lambda delay_ms: Delay(delay_ms=delay_ms))
duplicates = st.integers(1, 2).map(lambda copies: Duplicate(copies=copies))
cuts = st.integers(1, 3).map(lambda records: PartialBatch(records=records))
throttles = st.integers(0, 2).map(lambda concurrency: ThrottledConcurrency(concurrency=concurrency))
poison = st.just(PoisonRecord())

faults = {
    "Jobs": duplicates | delays | st.just(Reorder()) | poison | cuts,
    "News": duplicates | delays | st.just(Reorder()) | poison,
    "Bus": duplicates | delays | st.just(Reorder()) | poison,
    "Steps": delays | poison | cuts,
    "Feed": delays | poison | cuts,
    "Hear": duplicates | delays | st.just(Reorder()) | throttles.filter(lambda fault: fault.concurrency > 0),
    "Work": throttles,
    "Step": throttles,
    "Read": throttles,
}


def wrapped(some):
    """Faults as they are, or wrapped."""
    return st.one_of(
        some,
        st.builds(lambda fault, p: fault.with_probability(p), some, st.floats(0.1, 0.9)),
        st.builds(lambda fault, n: fault.at_most(n), some, st.integers(1, 3)),
        st.builds(lambda fault, n: fault.on_call(n), some, st.integers(1, 4)),
    )


plans = st.fixed_dictionaries(
    {}, optional={name: st.lists(wrapped(some), min_size=1, max_size=2) for name, some in faults.items()}
).filter(bool)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """One system of every kind of source, and a way to play a plan to it."""
    from tests.conformance.delivery_faults.conftest import HurtSystem

    system = HurtSystem(tmp_path_factory.mktemp("promises"))
    system.up(
        **{name: system.function() for name in SOURCES.values()},
        Jobs=system.queue(VisibilityTimeout=10),
        JobsMap=system.mapping("Jobs", "Work", BatchSize=3),
        News=system.topic(),
        Sub=system.subscription("Hear"),
        Bus=system.bus(),
        Rule=system.rule("React"),
        Steps=system.fifo(VisibilityTimeout=10),
        StepsMap=system.mapping("Steps", "Step", BatchSize=3),
        Feed=system.stream(),
        FeedMap=system.mapping("Feed", "Read", BatchSize=3, StartingPosition="TRIM_HORIZON"),
    )
    yield lambda plan, seed=0: play(system, plan, seed)
    system.close()


def play(system, faults_by_name, seed):
    """Everything is sent under the plan, which then holds for half a minute; returns the journal when all is quiet."""
    system.stage.reset(seed)
    chaos, plan = Chaos(system.stage, seed=seed), Plan.of(**faults_by_name)
    chaos.begin(plan)
    for number in range(EVENTS):
        system.send(str(number))
        system.publish(str(number))
        system.emit({"n": number})
        system.send(str(number), queue="Steps", MessageGroupId="ab"[number % 2])
        system.put(number)
    system.advance(30)
    chaos.end(plan)
    system.settle()
    return system.stage.journal


@given(plan=plans, seed=st.integers(0, 3))
@PLAYS
def test_nothing_is_lost_and_order_is_kept(played, plan, seed):
    """
    §2 to §6: every accepted event was processed, whatever delayed, doubled, cut or throttled it; poison is an event, too.

    §3.3, §4.2: FIFO queues and streams came in the order of their groups and shards, and none of their events twice.
    """
    journal = played(plan, seed)

    for source, consumer in SOURCES.items():
        verdict = conserved(source, consumer)(journal)
        assert verdict.holds, verdict
        assert verdict.counts["accepted"] == verdict.counts["processed"] >= EVENTS
        assert verdict.counts["unexpected"] == 0
    for source, consumer in (("Steps", "Step"), ("Feed", "Read")):
        order = in_order(consumer)(journal)
        assert order.holds, order
        assert conserved(source, consumer)(journal).counts["duplicated"] == 0


@given(plan=plans, seed=st.integers(0, 3))
@settings(PLAYS, max_examples=6)
def test_the_same_seed_is_the_same_story(played, plan, seed):
    """§8 of the design: byte for byte."""
    assert played(plan, seed).text() == played(plan, seed).text()


@given(name=st.sampled_from(["News", "Bus", "Hear"]), probability=st.floats(0.2, 1), seed=st.integers(0, 3))
@settings(PLAYS, max_examples=8)
def test_what_drop_struck_is_lost_and_nothing_else(played, name, probability, seed):
    """§2.1, §5.2, §6.4: the check counts as many losses as there are records of the fault."""
    journal = played({name: Drop().with_probability(probability)}, seed)

    source = {"Hear": "News"}.get(name, name)
    struck = len(journal.of_kind("fault", resource=name))
    verdict = conserved(source, SOURCES[source])(journal)
    assert verdict.counts["lost"] == struck
    assert verdict.counts["processed"] == EVENTS - struck
    assert all(conserved(other)(journal).holds for other in SOURCES if other != source)


def test_another_seed_is_another_story(played):
    """Draws are keyed by the seed."""
    plan = {"News": Duplicate().with_probability(0.5), "Jobs": Reorder()}

    stories = {json.dumps([r.detail["harm"] for r in played(plan, seed).of_kind("fault")]) for seed in range(4)}

    assert len(stories) > 1
