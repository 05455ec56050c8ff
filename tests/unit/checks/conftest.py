"""A small system whose worker does what its events tell it, and the checks' view of what happened."""

from __future__ import annotations

import json
import textwrap

import pytest

from stagefright import open_stage
from stagefright.chaos import Chaos

WORKER = textwrap.dedent("""
    import json, os, time
    import boto3
    from botocore.exceptions import ClientError

    seen = {}

    def write(key, conditional):
        condition = {"ConditionExpression": "attribute_not_exists(id)"} if conditional else {}
        try:
            boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={"id": {"S": key}}, **condition)
        except ClientError:
            pass

    def work(job, key):
        seen[key] = seen.get(key, 0) + 1
        if "sleep" in job:
            time.sleep(job["sleep"])
        for _ in range(job.get("writes", 0)):
            write(key, job.get("conditional", False))
        for _ in range(job.get("reads", 0)):
            boto3.client("dynamodb").get_item(TableName=job.get("table", os.environ["TABLE"]), Key={"id": {"S": key}})
        if job.get("next"):
            boto3.client("lambda").invoke(FunctionName=os.environ["AWS_LAMBDA_FUNCTION_NAME"], InvocationType="Event",
                                          Payload=json.dumps({"next": job["next"] - 1}))
        if seen[key] <= job.get("fails", 0):
            raise ValueError(f"no {key}")

    def handler(event, context):
        if "Records" not in event:
            try:
                work(event, context.aws_request_id)
                return "done"
            except ClientError:
                return "fallback"
        failures = []
        for record in event["Records"]:
            text = record["body"] if "body" in record else record["Sns"]["Message"] if "Sns" in record else None
            if text is None:
                import base64
                text = base64.b64decode(record["kinesis"]["data"])
            key = record.get("messageId") or record.get("eventID") or record["Sns"]["MessageId"]
            try:
                work(json.loads(text), key)
            except ValueError:
                if not os.environ.get("REPORTS"):
                    raise
                failures.append({"itemIdentifier": key})
        return {"batchItemFailures": failures}
""")


def resource(kind, **properties):
    return {"Type": f"AWS::{kind}", "Properties": properties}


class System:
    """`Jobs` (a queue) and `News` (a topic) lead to `Worker`."""

    def __init__(self, directory):
        self._directory = directory
        self.stage = None

    def up(self, *, queue=None, worker=None, mapping=None, reports=False, dead_letters=True, **more):
        arn = {"Fn::GetAtt": ["Dead", "Arn"]}
        redrive = {"RedrivePolicy": {"deadLetterTargetArn": arn, "maxReceiveCount": 3}} if dead_letters else {}
        variables = {"TABLE": {"Ref": "Table"}} | ({"REPORTS": "1"} if reports else {})
        fifo = bool(queue and queue.get("FifoQueue"))
        resources = {
            "Table": resource(
                "DynamoDB::Table",
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            ),
            "Dead": resource("SQS::Queue", **({"FifoQueue": True} if fifo else {})),
            "Jobs": resource("SQS::Queue", **redrive, **(queue or {})),
            "News": resource("SNS::Topic"),
            "Worker": resource(
                "Lambda::Function",
                Runtime="python3.12",
                Handler="index.handler",
                Role="arn:aws:iam::123456789012:role/worker",
                Code={"ZipFile": WORKER},
                Environment={"Variables": variables},
                **(worker or {}),
            ),
            "Mapping": resource(
                "Lambda::EventSourceMapping",
                EventSourceArn={"Fn::GetAtt": ["Jobs", "Arn"]},
                FunctionName={"Ref": "Worker"},
                **({"FunctionResponseTypes": ["ReportBatchItemFailures"]} if reports else {}),
                **(mapping or {}),
            ),
            "Subscription": resource(
                "SNS::Subscription",
                TopicArn={"Ref": "News"},
                Protocol="lambda",
                Endpoint={"Fn::GetAtt": ["Worker", "Arn"]},
            ),
            **more,
        }
        path = self._directory / "template.json"
        path.write_text(json.dumps({"Resources": resources}))
        self.stage = open_stage("checks", directory=self._directory, template=path)
        self.chaos = Chaos(self.stage)
        return self

    @property
    def journal(self):
        return self.stage.journal

    def send(self, *jobs, **more):
        for job in jobs:
            self.stage.client("sqs").send_message(QueueUrl=self.stage.ref("Jobs"), MessageBody=json.dumps(job), **more)
        return self

    def publish(self, *jobs):
        for job in jobs:
            self.stage.client("sns").publish(TopicArn=self.stage.ref("News"), Message=json.dumps(job))
        return self

    def settle(self):
        self.stage.settle()
        return self

    def close(self):
        if self.stage is not None:
            self.stage.close()


@pytest.fixture
def system(tmp_path):
    """A system to set up; it is taken down at the end."""
    made = System(tmp_path)
    yield made
    made.close()
