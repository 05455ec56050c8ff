"""Tools that would take the stage's AWS, its clock or its chance away from it."""

from __future__ import annotations

import pytest

IMPORTS = "import boto3, moto, pytest, time\nfrom stagefright.errors import UsageError\n"

READ = 'stage.client("dynamodb").scan(TableName=stage.ref("Table"))["Items"] == []'

ADVICE = "*UsageError: The stage already answers for AWS in this test*mock_aws*"


class TestMoto:
    """`mock_aws`, which would wipe the stage."""

    def test_it_is_refused_inside_a_stage_test(self, project):
        """As a block, as a decorator, and in a fixture on top of the stage; the stage stays whole."""
        project.makepyfile(
            IMPORTS
            + f"""
def test_block(stage):
    with pytest.raises(UsageError, match="already answers for AWS"):
        with moto.mock_aws():
            raise AssertionError("never reached")
    assert {READ}

@moto.mock_aws
def test_decorated(stage): pass

@pytest.fixture
def mocked(stage):
    with moto.mock_aws():
        yield

def test_fixture(mocked): pass

def test_outside_it_works_as_ever():
    with moto.mock_aws():
        assert boto3.client("dynamodb", region_name="us-east-1").list_tables()["TableNames"] == []

def test_the_next_stage_is_whole(stage):
    assert {READ}
"""
        )
        result = project.runpytest_subprocess("--stage=mine")

        result.assert_outcomes(passed=3, failed=1, errors=1)
        result.stdout.fnmatch_lines([ADVICE])
        result.stdout.fnmatch_lines(["FAILED *test_decorated*"])
        result.stdout.fnmatch_lines(["ERROR *test_fixture*"])

    def test_one_that_was_active_before_is_out_of_the_way_while_the_stage_is_there(self, project):
        """An autouse fixture of a whole suite: its account is empty before and after, and never the stage's."""
        project.makepyfile(
            IMPORTS
            + """
def names(client): return client.list_tables()["TableNames"]

@pytest.fixture(autouse=True)
def suite():
    with moto.mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        key = {"AttributeName": "id"}
        client.create_table(
            TableName="theirs", BillingMode="PAY_PER_REQUEST",
            KeySchema=[key | {"KeyType": "HASH"}], AttributeDefinitions=[key | {"AttributeType": "S"}],
        )
        yield
        assert names(client) == ["theirs"]

@pytest.mark.parametrize("n", [1, 2])
def test_it(stage, listen, data, n):
    assert names(stage.client("dynamodb")) == [stage.ref("Table")]
    assert names(boto3.client("dynamodb")) == [stage.ref("Table")]
    data.item("Table", {"id": "1"})
    dead = listen.sqs("Dead")
    stage.client("sns").publish(TopicArn=stage.ref("Feed"), Message="x")
    assert stage.settle().attempts("Worker").at == [0, 60, 180]
    dead.expect()

def test_that_uses_none():
    assert names(boto3.client("dynamodb", region_name="us-east-1")) == ["theirs"]
"""
        )

        project.runpytest_subprocess("--stage=mine").assert_outcomes(passed=3)


TRAVELLERS = {
    "time_machine": "time_machine.travel('2030-01-01')",
    "freezegun": "freezegun.freeze_time('2030-01-01')",
}


@pytest.mark.parametrize("tool", TRAVELLERS)
class TestClocks:
    """A second time traveller, under which handlers would see a clock that stands still."""

    def test_one_on_top_of_the_stage_is_refused_where_time_would_pass(self, project, tool):
        """With the advice to use the stage's own time; once it is gone, the stage goes on."""
        pytest.importorskip(tool)
        project.makepyfile(
            IMPORTS
            + f"""
import {tool}
def test_it(stage, listen):
    dead = listen.sqs("Dead")
    with {TRAVELLERS[tool]}:
        for act in (stage.settle, dead.expect, lambda: stage.wait_until(bool), lambda: stage.invoke("Worker")):
            with pytest.raises(UsageError, match="{tool}.*time.sleep"):
                act()
    began, counted = time.time(), time.monotonic()
    time.sleep(5)
    stage.settle()
    assert (time.time() - began, time.monotonic() - counted) == (5, 5)
"""
        )

        project.runpytest_subprocess("--stage=mine").assert_outcomes(passed=1)

    def test_one_around_the_whole_test_is_refused_at_once(self, project, tool):
        """A fixture that runs before the stage is there."""
        pytest.importorskip(tool)
        project.makepyfile(
            IMPORTS
            + f"""
import {tool}

@pytest.fixture(autouse=True)
def frozen():
    with {TRAVELLERS[tool]}:
        yield

def test_it(stage): pass

def test_without(): assert time.time() > 1_890_000_000
"""
        )
        result = project.runpytest_subprocess("--stage=mine")

        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines([f"E*UsageError: {tool} *"])

    def test_tests_without_a_stage_may_travel(self, project, tool):
        """It is their own clock."""
        pytest.importorskip(tool)
        project.makepyfile(
            IMPORTS
            + f"""
import {tool}

def test_first(stage): pass

def test_without():
    with {TRAVELLERS[tool]}:
        assert 1_890_000_000 < time.time() < 1_900_000_000

def test_last(stage):
    began, counted = time.time(), time.monotonic()
    time.sleep(5)
    stage.settle()
    assert (time.time() - began, time.monotonic() - counted) == (5, 5)
"""
        )

        project.runpytest_subprocess("--stage=mine").assert_outcomes(passed=3)


def test_a_plugin_that_seeds_chance_does_not_take_it_from_the_stage(project):
    """pytest-randomly seeds `random` for every phase of a test; what a stage test draws depends on our seed alone."""
    project.makepyfile(
        """
        import pathlib, random

        def test_it(stage):
            with pathlib.Path("draws.txt").open("a") as file:
                file.write(f"{random.random()}\\n")
        """
    )
    project.makepyfile(
        randomly="""
        import random

        def pytest_runtest_setup(item): random.seed(1)
        def pytest_runtest_call(item): random.seed(1)
        """
    )
    for arguments in ([], ["-p", "randomly"], ["--chaos-seed=1"]):
        assert project.runpytest_subprocess(*arguments).ret == 0
    alone, beside, other = (project.path / "draws.txt").read_text().split()

    assert alone == beside
    assert alone != other
