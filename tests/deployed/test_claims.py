"""Two runs, or two workers, on one stage at once: each has its own data throughout, and what was there comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from stagefright.data import Data
from stagefright.errors import StagefrightError, StagefrightWarning, UsageError
from stagefright.ledger.sweep import Sweep, Wish
from stagefright.ledger.tagged import sweep_tagged
from stagefright.targets import opening
from stagefright.targets.account import Account as Way
from stagefright.targets.claim import PATH, read_claim
from stagefright.targets.claims import LEASE_S
from stagefright.targets.docker import opening as docker_opening
from stagefright.targets.docker.emulator import Emulator
from stagefright.targets.run import Run

TEMPLATE = """
Resources:
  Orders: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: id, AttributeType: S}], KeySchema: [{AttributeName: id, KeyType: HASH}]}}
  Files: {Type: AWS::S3::Bucket}
  Rate: {Type: AWS::SSM::Parameter, Properties: {Name: /shop/rate, Type: String, Value: "1.00"}}
"""

TESTS = """
import os, time
from pathlib import Path

ME = os.environ.get("PYTEST_XDIST_WORKER") or os.environ["WHO"]
BEGUN, MEETING = Path("begun"), int(os.environ["MEETING"])

def meet():
    "Go on when all are here."
    BEGUN.mkdir(exist_ok=True)
    (BEGUN / ME).touch()
    until = time.monotonic() + 300
    while len(list(BEGUN.iterdir())) < MEETING:
        assert time.monotonic() < until
        time.sleep(0.02)

def test_what_i_put_is_what_i_see(stage, data):
    meet()
    data.items("Orders", [{"id": n, "by": ME} for n in ("old", "new")])
    data.object("Files", "old", ME)
    data.parameter("Rate", ME)
    data.parameter("/shop/key", ME)
    data.secret("shop/password", ME)
    dynamodb, s3, ssm = stage.client("dynamodb"), stage.client("s3"), stage.client("ssm")
    def seen():
        items = [dynamodb.get_item(TableName=stage.ref("Orders"), Key={"id": {"S": n}}, ConsistentRead=True).get("Item") for n in ("old", "new")]
        return [
            *(item and item["by"]["S"] for item in items),
            s3.get_object(Bucket=stage.ref("Files"), Key="old")["Body"].read().decode(),
            *(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] for name in (stage.ref("Rate"), "/shop/key")),
            stage.client("secretsmanager").get_secret_value(SecretId="shop/password")["SecretString"],
        ]
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert seen() == [ME] * 6
        time.sleep(0.05)
"""

KILLED = """
import os, signal

def test_that_is_killed(data):
    data.item("Orders", {"id": "old", "by": "killed"})
    os.kill(os.getpid(), signal.SIGKILL)
"""

PATIENCE = "4m"
"""Longer than whatever a slow machine takes for the test that is waited for."""


@pytest.fixture
def project(system):
    """A stage that is up, with data of its own, and tests on it; gives the way to it."""
    with standing(system):
        yield system


@pytest.fixture
def moto_project(moto_system):
    """The same, on moto alone: what does not depend on how SSM answers."""
    with standing(moto_system):
        yield moto_system


@contextmanager
def standing(system):
    system.write("template.yaml", TEMPLATE)
    lines = [f'endpoint_url = "{system.endpoint_url}"', 'service = "shop"', f'claim_wait = "{PATIENCE}"']
    system.write("pyproject.toml", "[tool.stagefright]\n" + "\n".join(lines) + "\n")
    system.write("test_both.py", TESTS)
    system.stage = system.open(keep=True, claim_wait=PATIENCE)
    # What stands for the stack is the test's to remove, and no leftover of a run.
    system.stage.closers[:] = []
    for entry in system.stage.ledger.open_entries():
        system.stage.ledger.strike(entry)
    fill(system.stage)
    yield
    system.remove()
    system.way.client("ssm").delete_parameter(Name="/shop/key")
    system.way.client("secretsmanager").delete_secret(SecretId="shop/password", ForceDeleteWithoutRecovery=True)


def fill(stage):
    stage.client("dynamodb").put_item(TableName=stage.ref("Orders"), Item={"id": {"S": "old"}, "by": {"S": "nobody"}})
    stage.client("s3").put_object(Bucket=stage.ref("Files"), Key="old", Body=b"nobody")
    stage.client("ssm").put_parameter(Name="/shop/key", Value="nobody", Type="SecureString")
    stage.client("secretsmanager").create_secret(Name="shop/password", SecretString="nobody")


def held(stage):
    """What the stage holds where the tests put things."""
    ssm = stage.client("ssm")
    return {
        "items": sorted(map(repr, stage.client("dynamodb").scan(TableName=stage.ref("Orders"))["Items"])),
        "object": stage.client("s3").get_object(Bucket=stage.ref("Files"), Key="old")["Body"].read(),
        "rate": ssm.get_parameter(Name=stage.ref("Rate"))["Parameter"]["Value"],
        "key": ssm.get_parameter(Name="/shop/key", WithDecryption=True)["Parameter"]["Value"],
        "secret": stage.client("secretsmanager").get_secret_value(SecretId="shop/password")["SecretString"],
        "claims": claims(stage),
    }


def claims(stage):
    pages = stage.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=PATH)
    return {one["Name"]: read_claim(one["Value"]) for page in pages for one in page["Parameters"]}


def pytest_run(project, *arguments, **variables):
    """A run of pytest on the stage, in a process of its own."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STAGEFRIGHT_", "PYTEST_"))
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    command += [f"--stage={project.name}", "--stage-target=aws"]
    return subprocess.Popen(
        command,
        cwd=project.directory,
        env={**environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_runs_at_once(project):
    """Both put the same items, object, parameters and secret: each sees its own alone, and then everything is as it was."""
    before = held(project.stage)
    runs = [pytest_run(project, "test_both.py", WHO=who, MEETING="2") for who in ("amy", "bob")]
    told = [run.communicate(timeout=600)[0] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], "\n".join(told)
    assert held(project.stage) == before
    assert before["claims"] == {}


def test_two_workers_of_one_run(moto_project):
    """They share the stage, and are as strange to each other as two runs."""
    before = held(moto_project.stage)
    run = pytest_run(moto_project, "test_both.py", "-n", "2", "--dist=each", MEETING="2")
    told, _ = run.communicate(timeout=600)

    assert run.returncode == 0, told
    assert "2 passed" in told
    assert held(moto_project.stage) == before


def test_a_killed_run_blocks_nobody_and_is_swept(project):
    """Its lock is gone, so the next run takes its key over; the sweep then brings back what was there at first, and frees the claims."""
    project.write("test_killed.py", KILLED)
    before = held(project.stage)
    run = pytest_run(project, "test_killed.py")
    told, _ = run.communicate(timeout=600)
    assert run.returncode == -signal.SIGKILL, told
    (claim,) = claims(project.stage).values()

    with Data(project.stage) as data:
        data.item("Orders", {"id": "old", "by": "amy"})
        taken = claims(project.stage)
        # What a living run has in hand is not swept away from under it.
        fates = sweep(project, claim.run)
        assert fates["item"].startswith(f"in use by {project.run.owner} (run {project.run.id}")
        assert fates["claim"].startswith("not this run's (it is held by")
        assert claims(project.stage) == taken
        assert [one.run for one in taken.values()] == [project.run.id]

    assert sweep(project, claim.run) == {"item": "restored"}
    assert held(project.stage) == before


def sweep(project, run):
    """Sweep what a run left, by its ledger; gives what became of each kind of thing."""
    wish = Wish(now=time.time(), is_for_real=True, run=run)
    findings = Sweep(project.directory, wish, lambda head: project.way).run()
    return {one.kind: one.fate for one in findings}


class Other:
    """Another run on the stage, in this process."""

    def __init__(self, project, **settings):
        self.run = Run.begin()
        self.stage = opening.attach(project.name, project.settings(**settings), run=self.run, account=project.way)


@pytest.fixture
def new_run():
    """Makes other runs on the stage of a project."""
    made = []

    def new_run(project, **settings):
        made.append(Other(project, **settings))
        return made[-1]

    yield new_run
    for one in made:
        one.stage.close()


def test_the_wait_ends_with_who_holds_it(moto_project, new_run):
    """Whoever waits in vain is told whom to ask; what was there is untouched."""
    with Data(moto_project.stage) as data, Data(new_run(moto_project, claim_wait="300ms").stage) as second:
        data.item("Orders", {"id": "old", "by": "amy"})
        with pytest.raises(UsageError, match=rf"item id=old of Orders .* \(run {moto_project.run.id}, "):
            second.items("Orders", [{"id": "new"}, {"id": "old"}])
        names = claims(moto_project.stage)
        item = moto_project.stage.client("dynamodb").get_item(
            TableName=moto_project.stage.ref("Orders"), Key={"id": {"S": "old"}}
        )
        assert item["Item"]["by"]["S"] == "amy"
        assert len(names) == 1


def test_one_that_ran_out_is_taken_over(project, new_run):
    """A run on another machine that was killed: nobody sees its lock, and its claims run out."""
    dead = new_run(project)
    Data(dead.stage).item("Orders", {"id": "old", "by": "dead"})
    dead.stage.claims.close()
    ((name, claim),) = claims(project.stage).items()
    project.stage.claims._now = lambda: claim.expires

    with Data(project.stage) as data:
        data.item("Orders", {"id": "old", "by": "amy"})
        (taken,) = claims(project.stage).values()
        assert (taken.run, taken.expires) == (project.run.id, claim.expires + LEASE_S)
        listed = project.stage.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
        assert {tag["Key"]: tag["Value"] for tag in listed["TagList"]}["stagefright:run"] == project.run.id
    assert claims(project.stage) == {}


def test_who_stood_still_puts_nothing_back_over_another_s_data(project, new_run):
    """A debugger stopped its threads until its claim had run out; what was there first comes back by a sweep, when all have ended."""
    before, slow = held(project.stage), new_run(project)
    data = Data(slow.stage)
    data.items("Orders", [{"id": "old", "by": "slow"}, {"id": "new", "by": "slow"}])
    slow.stage.claims.close()
    late = max(claim.expires for claim in claims(project.stage).values())
    for stage in (project.stage, slow.stage):
        stage.claims._now = lambda: late

    with Data(project.stage) as amys:
        amys.item("Orders", {"id": "old", "by": "amy"})
        with (
            pytest.warns(StagefrightWarning, match="item id=old of Orders ran out while this process stood still"),
            pytest.raises(StagefrightError, match=r"(?s)1 of 2 pieces .*id.*old.*stagefright sweep"),
        ):
            data.clean_up()
        assert "amy" in held(project.stage)["items"][0]
        assert len(held(project.stage)["items"]) == 1
    assert "slow" in held(project.stage)["items"][0]

    slow.stage.close()
    assert sweep(project, slow.run.id)["item"] == "restored"
    assert held(project.stage) == before


def test_by_tags_one_that_is_good_is_left_alone(moto_project, new_run):
    """The run that had it first may be long dead; what counts is who has it now."""
    old = Run("dead00000001", "amy@elsewhere", 0.0, 1.0)
    stage = new_run(moto_project).stage
    stage.claims._run = old
    wish = Wish(now=time.time(), is_for_real=True, run=old.id)

    with Data(stage) as data:
        data.item("Orders", {"id": "old", "by": "amy"})
        (name,) = claims(stage)
        assert sweep_tagged(moto_project.way, wish, living=(), known=()) == ([], [])
        assert list(claims(stage)) == [name]
        text = read_claim(moto_project.way.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        over = json.loads(text.text())
        over["stagefright-claim"]["expires"] = time.time() - 1
        moto_project.way.client("ssm").put_parameter(Name=name, Value=json.dumps(over), Type="String", Overwrite=True)
        (finding,), _ = sweep_tagged(moto_project.way, wish, living=(), known=())
        assert (finding.kind, finding.name, finding.fate) == ("claim", name, "deleted")
        assert claims(stage) == {}


def test_without_claims_nothing_is_made(moto_project, new_run):
    """`claims = false`, for a stage that one run has for itself."""
    stage = new_run(moto_project, claims=False).stage
    assert stage.claims is None
    with Data(stage) as data:
        data.item("Orders", {"id": "old", "by": "amy"})
        assert claims(stage) == {}


def test_a_container_of_the_run_s_own_needs_none(moto_project, monkeypatch):
    """Nobody else is in it; in an emulator that several use, somebody may be."""
    seen = []
    monkeypatch.setattr(
        docker_opening.opening, "open_deployed", lambda name, settings, **_: seen.append(settings.claims)
    )
    monkeypatch.setattr(docker_opening, "check_accounts", lambda account, worker: None)
    for container in ("stagefright-x", None):
        emulator = Emulator(moto_project.endpoint_url, container=container)
        docker_opening.deploy_into(
            emulator, "x", moto_project.settings(), run=moto_project.run, worker=None, keep=False, progress=print
        )

    assert seen == [False, True]


def test_a_permission_that_is_missing(moto_project, new_run):
    """Said once, with the action; the test goes on without claims, as it did before there were any."""
    from botocore.exceptions import ClientError

    stage = new_run(moto_project).stage
    ssm = Way(region="us-east-1", endpoint_url=moto_project.endpoint_url).client("ssm")

    def deny(**_):
        text = "User: arn:aws:iam::123456789012:user/amy is not authorized to perform: ssm:PutParameter on resource: *"
        answer = {
            "Error": {"Code": "AccessDeniedException", "Message": text},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }
        raise ClientError(answer, "PutParameter")

    ssm.meta.events.register("before-call.ssm.PutParameter", deny)
    stage.claims._ssm = lambda: ssm
    with (
        pytest.warns(StagefrightWarning, match="the permission ssm:PutParameter is missing") as caught,
        Data(stage) as data,
    ):
        data.items("Orders", [{"id": "old", "by": "amy"}, {"id": "new", "by": "amy"}])

    assert len(caught) == 1
    assert [entry.kind for entry in stage.ledger.open_entries()] == []
    assert "nobody" in held(stage)["items"][0]


def test_nothing_is_said_of_claims_in_the_journal(moto_project):
    """They are the harness's own doing, and neither set anything in motion nor wait for it."""
    moto_project.stage.reset()
    with Data(moto_project.stage) as data:
        data.item("Orders", {"id": "old", "by": "amy"})
    operations = [record.detail.get("operation") for record in moto_project.stage.journal]
    assert operations == ["PutItem", "PutItem"]
