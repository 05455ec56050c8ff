"""A stage on the target `docker`: emulator, account and stack come and go together; SDK clients lead to it and nowhere else."""

from __future__ import annotations

import json
import os

import boto3
import pytest

from stagefright import open_stage
from stagefright.errors import NotInWorld, UsageError
from stagefright.targets.docker.emulator import container_name, remove_emulator
from stagefright.targets.docker.opening import open_in_docker
from stagefright.targets.run import Run

HANDLER = """
import os, boto3

def handler(event, context):
    text = event["text"] if "text" in event else event["queryStringParameters"]["text"]
    boto3.client("sqs").send_message(QueueUrl=os.environ["INBOX"], MessageBody=text)
    return {"account": context.invoked_function_arn.split(":")[4], "said": text}
"""

TEMPLATE = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {
        "Inbox": {"Type": "AWS::SQS::Queue"},
        "Sender": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Runtime": "python3.12",
                "Handler": "app.handler",
                "CodeUri": "src",
                "Timeout": 30,
                "Environment": {"Variables": {"INBOX": {"Ref": "Inbox"}}},
                "Events": {"Get": {"Type": "HttpApi", "Properties": {"Path": "/say", "Method": "get"}}},
            },
        },
    },
}


@pytest.fixture
def project(tmp_path):
    """A system of a function and a queue."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(HANDLER)
    (tmp_path / "template.json").write_text(json.dumps(TEMPLATE))
    return tmp_path


def texts(stage):
    """What arrived in the queue."""
    found = stage.client("sqs").receive_message(QueueUrl=stage.ref("Inbox"), MaxNumberOfMessages=10)
    return [message["Body"] for message in found.get("Messages", ())]


def leftovers(engine, name):
    return [one.name for one in engine.containers.list(all=True, filters={"label": f"stagefright:stage={name}"})]


def test_a_stage_in_a_container_of_its_own(project, image, engine):
    """Deployed with its code, reached by `stage.client` and by a client that says nothing; afterwards nothing of it is left."""
    before = dict(os.environ)
    early = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="real", aws_secret_access_key="real")
    with open_stage(
        "whole", directory=project, template=project / "template.json", target="docker", image=image
    ) as stage:
        assert {"account": "000000000000", "said": "hello"} == stage.invoke("Sender", {"text": "hello"}).payload
        assert ["hello"] == stage.wait_until(lambda: texts(stage))

        bare = boto3.client("sqs")
        assert stage.client("sqs").list_queues()["QueueUrls"] == bare.list_queues()["QueueUrls"]
        with pytest.raises(NotInWorld, match=r"test_stage\.py(.|\n)*Use stage\.client\('sqs'\)"):
            early.list_queues()
        assert 1 == len(leftovers(engine, "whole"))
        bare.close()
    early.close()

    assert [] == leftovers(engine, "whole")
    assert before == dict(os.environ)
    assert [] == list((project / ".stagefright" / "ledger").glob("*.jsonl"))


def test_workers_share_the_container_and_nothing_in_it(project, image, engine, settings):
    """Each deploys a copy of the stack, under the same name, into its own account; the container goes when the run says so."""
    run = Run.begin()
    given = settings(directory=project, template=project / "template.json")
    stages = [open_in_docker("shared-by-two", given, run=run, worker=worker) for worker in ("gw0", "gw1")]
    try:
        for stage in stages:
            stage.reset()
            assert stage.account.id == stage.invoke("Sender", {"text": stage.account.id}).payload["account"]
            stage.step_aside()
        assert [["000000000001"], ["000000000002"]] == [stage.wait_until(lambda s=stage: texts(s)) for stage in stages]
        assert [container_name(run, "shared-by-two")] == leftovers(engine, "shared-by-two")
        assert stages[0].stack.name == stages[1].stack.name
        stages[1].close()
        assert [container_name(run, "shared-by-two")] == leftovers(engine, "shared-by-two")
    finally:
        for stage in stages:
            stage.close()

    assert [] == leftovers(engine, "shared-by-two")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer token"}], ids=["plain", "with a token"])
def test_a_worker_reaches_its_own_api(project, image, settings, headers):
    """An API is looked for in the account of who asks, which an unsigned request does not say."""
    given = settings(directory=project, template=project / "template.json")
    with open_in_docker("api-of-a-worker", given, run=Run.begin(), worker="gw0") as stage:
        answer = stage.http.get("/say", params={"text": "hello"}, headers=headers)
        assert (200, {"account": "000000000001", "said": "hello"}) == (answer.status_code, answer.json())


def test_a_stage_that_cannot_be_deployed_leaves_no_container(project, image, engine):
    """What is wrong with its template shows when the emulator is up; what was started for it is gone."""
    (project / "template.json").write_text('{"Resources":')

    with pytest.raises(UsageError, match=r"template\.json"):
        open_stage("broken", directory=project, template=project / "template.json", target="docker", image=image)

    assert [] == leftovers(engine, "broken")


def test_a_stage_that_is_kept_can_be_attached_to(project, image, engine, settings):
    """The container stays, and is reached by its address; who attaches does not remove it."""
    run, told = Run.begin(), []
    given = settings(directory=project, template=project / "template.json")
    kept = open_in_docker("kept", given, run=run, keep=True, progress=told.append)
    kept.close()
    try:
        assert [container_name(run, "kept")] == leftovers(engine, "kept")
        [line] = [line for line in told if "The emulator stays at" in line]
        url = line.split()[4]
        with open_stage(
            "kept", directory=project, template=project / "template.json", target="docker", endpoint_url=url
        ) as stage:
            assert "hello" == stage.invoke("Sender", {"text": "hello"}).payload["said"]
        assert [container_name(run, "kept")] == leftovers(engine, "kept")
    finally:
        assert remove_emulator(run, "kept")
