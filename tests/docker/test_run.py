"""A run of pytest on the target `docker`, with workers: one container for all, an account for each, and nothing left."""

from __future__ import annotations

import json

import pytest

TEMPLATE = {"Resources": {"Inbox": {"Type": "AWS::SQS::Queue"}}}

TESTS = """
import os
import boto3, pytest

@pytest.mark.parametrize("n", range(4))
def test_only_this_workers_messages_are_there(stage, n):
    worker = os.environ["PYTEST_XDIST_WORKER"]
    assert stage.account.id == f"{int(worker[2:]) + 1:012d}"
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=stage.ref("Inbox"), MessageBody=worker)
    found = sqs.receive_message(QueueUrl=stage.ref("Inbox"), MaxNumberOfMessages=10, WaitTimeSeconds=2)["Messages"]
    sqs.close()
    assert {worker} == {message["Body"] for message in found}

def test_without_the_stage_the_environment_is_the_developers():
    assert "AWS_ENDPOINT_URL" not in os.environ
"""


@pytest.fixture
def project(pytester):
    """A queue, and tests that use it."""
    pytester.makefile(".json", template=json.dumps(TEMPLATE))
    pytester.makepyprojecttoml("[tool.stagefright]\ntemplate = 'template.json'\n")
    pytester.makepyfile(TESTS)
    return pytester


def test_workers_share_one_container_which_goes_with_the_run(project, image, engine, monkeypatch):
    """Two workers, four tests of the stage: all pass in accounts of their own, and the controller removes the container."""
    monkeypatch.setenv("STAGEFRIGHT_IMAGE", image)
    result = project.runpytest_subprocess(
        "--stage=two-workers", "--stage-target=docker", "-n", "2", "-p", "no:cacheprovider"
    )

    result.assert_outcomes(passed=5)
    assert [] == engine.containers.list(all=True, filters={"label": "stagefright:stage=two-workers"})


def test_a_run_without_an_engine_says_what_to_do(project, monkeypatch):
    """In the place of each test's traceback."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    result = project.runpytest_subprocess("--stage=no-engine", "--stage-target=docker", "-p", "no:cacheprovider")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stdout.str() + result.stderr.str()
    assert "No Docker engine runs at DOCKER_HOST=unix:///nowhere/docker.sock: there is no such socket." in said
    assert "Traceback" not in said
