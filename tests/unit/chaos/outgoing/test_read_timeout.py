from __future__ import annotations

import textwrap

import pytest

from stagefright import open_stage
from stagefright.chaos import Chaos, ReadTimeout
from stagefright.chaos.checks import idempotent
from stagefright.errors import UsageError

ONCE_MORE = {"retries": {"mode": "standard", "total_max_attempts": 2}}


def test_what_was_asked_for_happens_twice(system):
    """The answer to a message that was taken is lost, botocore sends it again: two messages."""
    with system.chaos(Worker=ReadTimeout("sqs", "SendMessage", times=1)):
        said = system.send(config={**ONCE_MORE, "read_timeout": 7})

    assert 1 == said["retries"]
    assert 7 <= said["took"] < 9
    assert 2 == system.messages()
    assert 2 == system.calls("SendMessage")[0].detail["attempts"]


def test_it_may_be_lost_on_its_way(system):
    """Then it happens once."""
    with system.chaos(Worker=ReadTimeout("sqs", "SendMessage", times=1, after_commit=False)):
        system.send(config={**ONCE_MORE, "read_timeout": 5})

    assert 1 == system.messages()


def test_an_error_after_commit_that_reaches_the_handler(system):
    """The item is there although the handler was told that it failed."""
    with system.chaos(Worker=ReadTimeout("dynamodb", "PutItem")):
        said = system.put(config={"retries": {"total_max_attempts": 1}, "read_timeout": 3})

    assert ("ReadTimeoutError", 3) == (said["error"], said["took"])
    assert "Item" in system.stage.client("dynamodb").get_item(TableName="table", Key={"id": {"S": "1"}})
    assert "ReadTimeoutError" == system.calls("PutItem")[0].detail["error"]


def test_it_heals(system):
    """After the block nothing waits."""
    with system.chaos(Worker=ReadTimeout("dynamodb", times=1)):
        system.put(config={**ONCE_MORE, "read_timeout": 7})

    assert 0 == system.put()["took"]


def test_wrong_settings_are_refused():
    """It took effect or not."""
    with pytest.raises(UsageError, match="after_commit is 'no'; it should be True or False"):
        ReadTimeout("sqs", after_commit="no")


MAILING = textwrap.dedent("""
    Resources:
      Orders:
        Type: AWS::SQS::Queue
        Properties: {VisibilityTimeout: 60}
      Mails:
        Type: AWS::SQS::Queue
        Properties: {FifoQueue: true}
      Mailer:
        Type: AWS::Lambda::Function
        Properties:
          Runtime: python3.12
          Handler: index.handler
          Timeout: 30
          Role: arn:aws:iam::123456789012:role/mailer
          Environment: {Variables: {MAILS: !Ref Mails}}
          Code:
            ZipFile: |
              import os, uuid
              import boto3
              from botocore.config import Config

              sqs = boto3.client("sqs", config=Config(read_timeout=5, retries={"total_max_attempts": 1}))

              def handler(event, context):
                  for record in event["Records"]:
                      sqs.send_message(QueueUrl=os.environ["MAILS"], MessageBody="mail", MessageGroupId="all",
                                       MessageDeduplicationId=KEY)
      Mapping:
        Type: AWS::Lambda::EventSourceMapping
        Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !Ref Mailer}
""")


@pytest.mark.parametrize(("key", "mails"), [("str(uuid.uuid4())", 2), ('record["messageId"]', 1)])
def test_the_duplicate_of_an_error_after_commit_is_caught(tmp_path, key, mails):
    """
    The mail is out, the handler is told that it failed, and the order comes again.

    A new key each time sends a second mail, which `idempotent` catches; the order's own key does not.
    """
    (tmp_path / "template.yaml").write_text(MAILING.replace("KEY", key))
    with open_stage("mailing", directory=tmp_path, template=tmp_path / "template.yaml") as stage:
        with Chaos(stage)(Mailer=ReadTimeout("sqs", "SendMessage", times=1)):
            stage.client("sqs").send_message(QueueUrl=stage.ref("Orders"), MessageBody="{}")
            stage.settle()
        verdict = idempotent("Mailer", "Mails")(stage.journal)
        sent = stage.journal.of_kind("event", resource="Mails")

    assert mails == len(sent)
    assert (verdict.broken, verdict.holds) == (mails == 2, mails == 1)
