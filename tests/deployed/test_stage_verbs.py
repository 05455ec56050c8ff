"""The verbs `up`, `status`, `down` and what `sweep` says of a stage that was left up, each in a process of its own."""

from __future__ import annotations

import os
import sys

import pytest

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
    assert f"Next: STAGEFRIGHT_ENDPOINT_URL={url} pytest --stage={name} --stage-target=aws" in told
    assert f"And at last: stagefright down --stage {name} --endpoint-url {url}" in told
    assert "It was there" not in told

    assert "It was there, and was left as it is. To deploy it anew: stagefright down " in verb("up", *asked)
    assert f"Stage {name}: stack shop-{name} is CREATE_COMPLETE" in verb("status", *asked)
    told = verb("sweep", "--yes", *asked)
    assert f"Stage {name} is kept until " in told
    assert "is dead" not in told

    assert f"Stage {name} is gone." in verb("down", *asked)
    assert "is kept until" not in verb("sweep", *asked)
    assert list((ministack_system.directory / ".stagefright" / "ledger").glob("*.jsonl")) == []


def test_a_run_that_nobody_knows(verb):
    """A misspelt id is not taken for a run that left nothing."""
    assert "Nothing is known of a run 'nosuch'" in verb("sweep", "--run", "nosuch", code=2)
