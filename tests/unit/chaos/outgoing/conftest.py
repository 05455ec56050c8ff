"""A small system whose functions make the calls that their events tell them, and say how each went."""

from __future__ import annotations

import json
import textwrap

import pytest

from stagefright import open_stage
from stagefright.chaos import Chaos

CALLER = textwrap.dedent("""
    import asyncio, json, os, threading, time, urllib.request
    import boto3, requests
    from botocore.config import Config

    sent = []

    def note(**kwargs):
        sent.append(kwargs["request"].url)

    def call(client, method, params):
        began = time.time()
        said = {}
        try:
            answer = getattr(client, method)(**params)
            said["retries"] = answer["ResponseMetadata"]["RetryAttempts"]
            said["item"] = answer.get("Item")
            if client.meta.service_model.service_name == "dynamodb":
                said["answer"] = answer
        except Exception as error:
            said["error"] = type(error).__name__
            said["text"] = str(error)
            response = getattr(error, "response", None) or {}
            said["code"] = response.get("Error", {}).get("Code")
            said["status"] = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            said["retries"] = response.get("ResponseMetadata", {}).get("RetryAttempts")
            said["classes"] = [kind.__name__ for kind in type(error).__mro__]
        said["took"] = round(time.time() - began, 6)
        return said

    async def fetch_with_httpx(url, timeout):
        import httpx
        async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            answer = await client.get(url)
        return {"status": answer.status_code, "body": answer.text}

    async def fetch_with_aiohttp(url, timeout):
        import aiohttp
        limits = aiohttp.ClientTimeout(total=None, sock_read=timeout)
        async with aiohttp.ClientSession(timeout=limits) as session, session.get(url) as answer:
            return {"status": answer.status, "body": await answer.text()}

    def fetch(how, url, timeout):
        began = time.time()
        said = {}
        try:
            if how == "httpx":
                import httpx
                with httpx.Client(timeout=timeout, trust_env=False) as client:
                    answer = client.get(url)
                said.update(status=answer.status_code, body=answer.text)
            elif how == "httpx_async":
                said.update(asyncio.run(fetch_with_httpx(url, timeout)))
            elif how == "aiohttp":
                said.update(asyncio.run(fetch_with_aiohttp(url, timeout)))
            elif how == "requests":
                answer = requests.get(url, timeout=timeout)
                said.update(status=answer.status_code, body=answer.text)
            else:
                with urllib.request.urlopen(url, timeout=timeout) as answer:
                    said.update(status=answer.status, body=answer.read().decode())
        except Exception as error:
            said["classes"] = [kind.__name__ for kind in type(error).__mro__]
            said["error"] = type(error).__name__
            said["text"] = str(error)
        said["took"] = round(time.time() - began, 6)
        return said

    def handler(event, context):
        if "fetch" in event:
            return [fetch(event.get("how", "requests"), url, event.get("timeout")) for url in event["fetch"]]
        del sent[:]
        said = []
        def work():
            for service, method, params in event["calls"]:
                client = boto3.client(service, config=Config(**event.get("config", {})))
                client.meta.events.register("before-send", note)
                said.append(call(client, method, params) | {"sent": len(sent)})
        if event.get("thread"):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        else:
            work()
        return said
""")


def resource(kind, **properties):
    return {"Type": f"AWS::{kind}", "Properties": properties}


def function(code=CALLER):
    return resource(
        "Lambda::Function",
        Runtime="python3.12",
        Handler="index.handler",
        Role="arn:aws:iam::123456789012:role/worker",
        Code={"ZipFile": code},
        Timeout=900,
    )


class System:
    """`Worker` and `Other`, a table, a queue and a bucket."""

    def __init__(self, directory):
        table = resource(
            "DynamoDB::Table",
            TableName="table",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        resources = {
            "Table": table,
            "Jobs": resource("SQS::Queue"),
            "Bucket": resource("S3::Bucket", BucketName="bucket"),
            "Worker": function(),
            "Other": function(),
            "Api": resource(
                "ApiGatewayV2::Api", Name="api", ProtocolType="HTTP", Target={"Fn::GetAtt": ["Shop", "Arn"]}
            ),
            "Shop": function(code="def handler(event, context):\n    return 'x' * 3000\n"),
        }
        path = directory / "template.json"
        path.write_text(json.dumps({"Resources": resources}))
        self.stage = open_stage("outgoing", directory=directory, template=path)
        self.chaos = Chaos(self.stage)

    def say(self, name="Worker", **event):
        """Let a function make its calls; gives what it says of each."""
        invoked = self.stage.invoke(name, event)
        assert invoked.error is None, invoked
        return invoked.payload

    def put(self, name="Worker", **more):
        """Let a function write an item; gives what it says of it."""
        item = {"id": {"S": "1"}}
        return self.say(name, calls=[["dynamodb", "put_item", {"TableName": "table", "Item": item}]], **more)[0]

    def send(self, name="Worker", **more):
        """Let a function send a message; gives what it says of it."""
        params = {"QueueUrl": self.stage.ref("Jobs"), "MessageBody": "hello"}
        return self.say(name, calls=[["sqs", "send_message", params]], **more)[0]

    def calls(self, operation):
        return [r for r in self.stage.journal.of_kind("call") if r.detail["operation"] == operation]

    def strikes(self):
        return [(r.resource, r.detail["fault"], r.detail["harm"]) for r in self.stage.journal.of_kind("fault")]

    def lines(self, name="Worker"):
        """What our runtime has logged in a function."""
        found = (r.detail["line"] for r in self.stage.journal.of_kind("log", resource=name))
        return [json.loads(line) for line in found if line.startswith("{")]

    def messages(self):
        queue = self.stage.ref("Jobs")
        answer = self.stage.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@pytest.fixture
def system(tmp_path):
    """A system that is up; it is taken down at the end."""
    made = System(tmp_path)
    yield made
    made.stage.close()
