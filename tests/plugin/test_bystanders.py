"""Tests in the same run that have nothing to do with a stage."""

from __future__ import annotations

ENVIRONMENT = """
import time, boto3, moto, os, random, threading

def test_in_the_stage(stage):
    assert time.time() < 1_780_000_000
    assert stage.client("sqs").list_queues()["QueueUrls"]
"""


def test_a_test_without_a_stage_runs_in_real_time(project):
    """Neither the clock nor the sleeps of a test that does not use the stage are virtual, before or after one that does."""
    project.makepyfile(
        ENVIRONMENT
        + """
def test_outside():
    assert time.time() > 1_780_000_000
    began = time.monotonic()
    time.sleep(0.01)
    assert time.monotonic() - began < 5
    assert time.monotonic() - began >= 0.01

def test_in_the_stage_again(stage):
    began = time.time()
    time.sleep(3600)
    assert time.time() - began == 3600
"""
    )

    result = project.runpytest_subprocess("--stage=mine")

    result.assert_outcomes(passed=3)


def test_tests_with_moto_of_their_own_go_on_working(project):
    """A test that mocks AWS with moto sees an empty account, and leaves no trace in the stage."""
    project.makepyfile(
        ENVIRONMENT
        + """
@moto.mock_aws
def test_with_moto():
    table = {"AttributeName": "id"}
    client = boto3.client("dynamodb", region_name="us-east-1")
    assert client.list_tables()["TableNames"] == []
    client.create_table(
        TableName="theirs", BillingMode="PAY_PER_REQUEST",
        KeySchema=[table | {"KeyType": "HASH"}], AttributeDefinitions=[table | {"AttributeType": "S"}],
    )
    assert client.list_tables()["TableNames"] == ["theirs"]

def test_in_the_stage_again(stage):
    assert "theirs" not in stage.client("dynamodb").list_tables()["TableNames"]
    assert stage.ref("Table") in stage.client("dynamodb").list_tables()["TableNames"]
"""
    )

    result = project.runpytest_subprocess("--stage=mine")

    result.assert_outcomes(passed=3)
