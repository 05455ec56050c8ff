"""The verbs `up`, `status`, `down` and what `sweep` says of a stage that was left up, each in a process of its own."""

from __future__ import annotations

import os
import re
import sys

import pytest

from stagefright.targets.deploying.code_bucket import bucket_name
from stagefright.targets.run import Run

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Worker: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: src}}
"""


@pytest.fixture
def verb(ministack_system, nursery):
    """Runs a verb for the system's stage; what it printed."""
    system = ministack_system
    system.write("template.yaml", TEMPLATE)
    system.write("src/app.py", "def handler(event, context): return 1\n")
    system.write("pyproject.toml", '[tool.stagefright]\nservice = "shop"\n')
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STAGEFRIGHT_"))}

    def run(*arguments, code=0):
        command = [sys.executable, "-m", "stagefright.fixtures.cli", *arguments, "--endpoint-url", system.endpoint_url]
        done = nursery.run(command, cwd=system.directory, env=variables)
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_a_stage_is_put_up_told_of_and_taken_down(verb, ministack_system):
    """Each says how to go on, with the options that were given; a sweep knows that the stage is meant to be there."""
    name, url = ministack_system.name, ministack_system.endpoint_url
    asked = ("--stage", name)
    told = verb("up", *asked)
    assert f"Stage {name} is up: stack shop-{name}, 2 resources." in told
    assert f"Next: STAGEFRIGHT_ENDPOINT_URL={url} pytest --stage={name} --stage-target=aws" in told
    assert f"And at last: stagefright down --stage {name} --endpoint-url {url}" in told

    told = verb("status", *asked)
    assert f"  stack shop-{name} is CREATE_COMPLETE\n    owner " in told
    assert "The project has another template" not in told
    told = verb("sweep", "--yes", *asked)
    assert f"Stage {name} is kept until " in told
    assert "is dead" not in told

    assert f"Stage {name} is gone." in verb("down", *asked)
    assert "is kept until" not in verb("sweep", *asked)
    assert list((ministack_system.directory / ".stagefright" / "ledger").glob("*.jsonl")) == []


def until(told):
    return re.search(r"kept until (20[^;. ]+Z)", told)[1]


def test_a_stage_is_brought_up_to_date(verb, ministack_system):
    """After a change of code: what changed is shown, what did not is said; the code that was replaced goes from the bucket."""
    system, asked = ministack_system, ("--stage", ministack_system.name)
    first = verb("up", *asked)
    told = verb("up", *asked, "--lease", "2d")
    assert f"Stage {system.name} is up to date, nothing was changed: stack {system.stack}, 2 resources." in told
    assert "updating the stack" not in told
    assert until(told) > until(first)
    assert until(verb("up", *asked, "--lease", "1h")) == until(told)
    assert until(verb("status", *asked)) == until(told)
    assert f"Stage {system.name} is kept until {until(told)}" in verb("sweep", *asked)
    bucket = system.way.client("s3")
    [before] = [one["Key"] for one in bucket.list_objects_v2(Bucket=bucket_name(system.way))["Contents"]]

    system.write("src/app.py", "def handler(event, context): return 2\n")
    assert "The project has another template, other code or other parameters now: stagefright up" in verb(
        "status", *asked
    )
    told = verb("up", *asked)
    assert f"updating the stack {system.stack}\n" in told
    assert "UPDATE_COMPLETE" in told
    assert f"Stage {system.name} was brought up to date: stack" in told
    [after] = [one["Key"] for one in bucket.list_objects_v2(Bucket=bucket_name(system.way))["Contents"]]
    assert after != before
    assert "The project has another" not in verb("status", *asked)

    verb("down", *asked)
    assert "Contents" not in bucket.list_objects_v2(Bucket=bucket_name(system.way))
    ssm = system.way.client("ssm")
    assert ssm.get_parameters_by_path(Path="/stagefright-runs/", Recursive=True)["Parameters"] == []
    assert list((system.directory / ".stagefright" / "ledger").glob("*.jsonl")) == []


def test_an_update_that_fails_is_rolled_back_and_its_cause_shown(verb, ministack_system):
    """The stage is as it was, with the code that it had, and says so."""
    system, asked = ministack_system, ("--stage", ministack_system.name)
    verb("up", *asked)
    bucket, events = system.way.client("s3"), system.way.client("events")
    before = bucket.list_objects_v2(Bucket=bucket_name(system.way))["Contents"]
    events.create_event_bus(Name="taken-already")
    system.write("src/app.py", "def handler(event, context): return 2\n")
    system.write(
        "template.yaml", TEMPLATE + "  Taken: {Type: AWS::Events::EventBus, Properties: {Name: taken-already}}\n"
    )
    told = verb("up", *asked, code=2)
    events.delete_event_bus(Name="taken-already")
    assert (
        f"stagefright: The stack {system.stack} could not be updated: it is UPDATE_ROLLBACK_COMPLETE.\n  Taken ("
        in told
    )
    assert "EventBus already exists: taken-already" in told
    assert told.rstrip().endswith("It is as it was before.")
    assert [one["Key"] for one in before] == [
        one["Key"] for one in bucket.list_objects_v2(Bucket=bucket_name(system.way))["Contents"]
    ]
    assert f"stack {system.stack} is UPDATE_ROLLBACK_COMPLETE\n    owner" in verb("status", *asked)
    verb("down", *asked)


def test_a_run_of_tests_says_that_the_stage_is_not_what_the_project_has(ministack_system):
    """It attaches all the same, and changes nothing; a run that deployed the stage itself says nothing."""
    system = ministack_system
    system.write(
        "template.yaml", "Parameters: {Depth: {Type: String, Default: low}}\nResources: {Jobs: {Type: AWS::SQS::Queue}}"
    )
    system.open(keep=True).close()
    word = "was deployed with another template, other code or other parameters"
    system.lines.clear()
    system.open().close()
    system.run = Run.begin()
    system.open().close()
    assert word not in system.progress
    system.open(parameters={"Depth": "high"}).close()
    assert f"the stage {system.name} {word}" in system.progress
    system.lines.clear()
    system.write("template.yaml", "Resources: {Jobs: {Type: AWS::SQS::Queue}, More: {Type: AWS::SQS::Queue}}")
    stage = system.open()
    assert f"the stage {system.name} {word}" in system.progress
    assert [*stage.resources] == ["Jobs"]
    system.lines.clear()
    system.write("template.yaml", "no template")
    system.open().close()
    assert system.lines == []
    system.remove()


def test_a_run_that_nobody_knows(verb):
    """A misspelt id is not taken for a run that left nothing."""
    assert "Nothing is known of a run 'nosuch'" in verb("sweep", "--run", "nosuch", code=2)
