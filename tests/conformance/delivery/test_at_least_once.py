"""A stage that is asked to be as loose as AWS may be (§3.2, §5.5), and one that is asked in vain."""

from __future__ import annotations

import json

import pytest

from stagefright import open_stage
from stagefright.errors import SettingsError


@pytest.fixture
def opened(system, tmp_path):
    """Opens a stage with a queue, a FIFO queue, a topic and their consumer, and these settings."""
    stages = []

    def up(**settings):
        resources = {
            "Worker": system.function(),
            "Jobs": system.queue(),
            "Steps": system.queue(FifoQueue=True, ContentBasedDeduplication=True),
            "Map": system.mapping("Jobs", BatchSize=1),
            "StepMap": system.mapping("Steps", BatchSize=1),
            "Feed": system.topic(),
            "Sub": system.resource(
                "SNS::Subscription", TopicArn=system.ref("Feed"), Protocol="lambda", Endpoint=system.att("Worker")
            ),
        }
        path = tmp_path / "template.json"
        path.write_text(json.dumps({"Resources": resources}))
        system.stage = open_stage("loose", directory=tmp_path, template=path, **settings)
        system.began = system.stage.clock.now()
        stages.append(system.stage)
        return system.stage

    yield up
    for stage in stages:
        stage.close()


def play(system):
    """Send something everywhere; the names of the resources whose events ran, and the journal."""
    system.send("job")
    for number in range(3):
        system.send(f"step{number}", queue="Steps", MessageGroupId="g")
    system.client("sns").publish(TopicArn=system.stage.ref("Feed"), Message="news")
    system.settle()
    ran = [record.get("body") or record["Sns"]["Message"] for event in system.events() for record in event["Records"]]
    return ran, system.stage.journal.text()


@pytest.mark.rule("3.2/at-least-once")
@pytest.mark.rule("5.5/standard-at-least-once")
def test_everything_that_may_come_twice_does(opened, system):
    """§3.2, §5.5: standard queues and topics with probability 1; a FIFO queue is exact."""
    opened(at_least_once={"duplicate_probability": 1})

    ran, _ = play(system)

    assert sorted(ran) == ["job", "job", "news", "news", "step0", "step1", "step2"]
    assert [body for body in ran if body.startswith("step")] == ["step0", "step1", "step2"]
    again = [
        record for record in system.records("invocation") if record.detail["event"]["Records"][0].get("body") == "job"
    ]
    assert [record.at - system.began for record in again] == [0, 30]
    assert [record.resource for record in system.records("fault")] == ["Worker", "Jobs"]


@pytest.mark.rule("3.2/at-least-once")
def test_by_default_everything_comes_once(opened, system):
    """§3.2: and no draw is made."""
    opened()

    ran, _ = play(system)

    assert sorted(ran) == ["job", "news", "step0", "step1", "step2"]
    assert system.records("fault") == []


def test_the_same_seed_is_the_same_story(opened, system):
    """§3.2: two stages, and one stage after its reset, draw alike; another seed draws differently."""
    half = {"duplicate_probability": 0.5, "reorder_probability": 0.5}
    stage = opened(at_least_once=half)
    _, first = play(system)
    stage.reset()
    _, after_reset = play(system)
    opened(at_least_once=half)
    _, other_stage = play(system)
    stories = set()
    for seed in range(8):
        system.stage.reset(seed)
        stories.add(len(play(system)[0]))

    assert first == after_reset == other_stage
    assert len(stories) > 1


@pytest.mark.parametrize("name", ["Jobz", "Steps", "Worker"])
def test_a_name_that_fits_nothing_is_refused(opened, name):
    """A typing error would mean that nothing is ever duplicated, and nobody would notice."""
    with pytest.raises(SettingsError, match=f"names '{name}', and the stage has no standard queue") as caught:
        opened(at_least_once={"reorder_probability": {"default": 0.5, "Job?": 1, "None*": 1, name: 1}})

    assert "Known: Feed, Jobs, default." in str(caught.value)
