"""What a failed test on a deployed stage shows."""

from __future__ import annotations

import os
import re

import pytest

PROJECT = """
import json
import boto3

def handler(event, context):
    print(json.dumps(event))
    boto3.client("sns").publish(TopicArn=event["topic"], Message="{}")
    raise ValueError("table is down")
"""

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Feed: {Type: AWS::SNS::Topic}
  Worker: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: src, Timeout: 30}}
"""

TESTS = """
def test_that_does_not_wait(stage):
    assert stage.invoke("Worker", {"topic": stage.ref("Feed")}).error is None

def test_that_waits(stage, listen):
    feed = listen.sns("Feed")
    stage.invoke("Worker", {"topic": stage.ref("Feed")})
    feed.expect(message={"id": 1}, within="1s")
"""


@pytest.fixture
def failed(pytester, ministack, monkeypatch):
    """The output of a run whose tests fail."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "STAGEFRIGHT_"))]:
        monkeypatch.delenv(name)
    (pytester.path / "pyproject.toml").write_text(
        f'[tool.stagefright]\nendpoint_url = "{ministack.endpoint_url}"\nservice = "shop"\n'
    )
    (pytester.path / "template.yaml").write_text(TEMPLATE)
    (pytester.path / "src").mkdir()
    (pytester.path / "src/app.py").write_text(PROJECT)
    pytester.makepyfile(TESTS)
    done = pytester.runpytest_subprocess("-q", "--stage=reports", "--stage-target=aws", "-p", "no:cacheprovider")
    done.assert_outcomes(failed=2)
    return done.stdout.str()


def test_a_failed_test(failed):
    """Logs are shown of a test that never waited, times count from the first thing, and lines of ours stand alone."""
    first, _, second = failed.partition("test_that_waits ___")
    assert re.search(
        r"what happened in the stage -+\n\+0\.\d+s +test called lambda\.Invoke\n\+\d\.\d+s +\? Worker attempt 1: failed",
        first,
    )
    assert re.search(r"function logs -+\n\+\d\.\d+s +Worker: \{\"topic\"", first)
    assert "Feed accepted" in second
    assert not re.search(r"^E? *-\d+\.\d+s ", second, re.MULTILINE)
    assert re.search(r"\[100%\]\nstagefright: removing the stack", failed)
