"""
The AWS SDK for JavaScript, version 3, against a stage.

It is fetched from npm once, into `build/`. Without npm, Node.js or a registry the tests are skipped with the reason.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("@aws-sdk/client-sqs@3", "@aws-sdk/client-s3@3", "@aws-sdk/client-lambda@3", "@aws-sdk/client-dynamodb@3")

DRIVER = """
    const { SQSClient, SendMessageCommand, ReceiveMessageCommand, GetQueueUrlCommand, QueueDoesNotExist } = require("@aws-sdk/client-sqs");
    const { S3Client, PutObjectCommand, GetObjectCommand } = require("@aws-sdk/client-s3");
    const { LambdaClient, InvokeCommand, TooManyRequestsException } = require("@aws-sdk/client-lambda");
    const { DynamoDBClient, GetItemCommand } = require("@aws-sdk/client-dynamodb");
    const [jobs, idle] = process.argv.slice(2);
    async function main() {
      // Without an endpoint of its own, this client goes where the queue's URL points: to AWS.
      const sqs = new SQSClient({ endpoint: process.env.AWS_ENDPOINT_URL }), found = {};
      await sqs.send(new SendMessageCommand({ QueueUrl: jobs, MessageBody: "from node" }));
      const item = await new DynamoDBClient({}).send(new GetItemCommand({ TableName: "items", Key: { id: { S: "from node" } } }));
      found.item = item.Item;
      await sqs.send(new SendMessageCommand({ QueueUrl: idle, MessageBody: "later", DelaySeconds: 10 }));
      found.polled = (await sqs.send(new ReceiveMessageCommand({ QueueUrl: idle, WaitTimeSeconds: 20 }))).Messages[0].Body;
      found.missing = await sqs.send(new GetQueueUrlCommand({ QueueName: "nowhere" })).catch(
        (error) => [error instanceof QueueDoesNotExist, error.name, error.message]);
      const s3 = new S3Client({ forcePathStyle: true });
      await s3.send(new PutObjectCommand({ Bucket: "files", Key: "a b", Body: "content" }));
      found.object = await (await s3.send(new GetObjectCommand({ Bucket: "files", Key: "a b" }))).Body.transformToString();
      const lambda = new LambdaClient({ maxAttempts: 2 });
      const invoked = await lambda.send(new InvokeCommand({ FunctionName: "worker", Payload: JSON.stringify({ fail: "no" }) }));
      found.failed = [invoked.FunctionError, JSON.parse(Buffer.from(invoked.Payload).toString()).errorMessage];
      found.throttled = await lambda.send(new InvokeCommand({ FunctionName: "blocked" })).catch(
        (error) => [error instanceof TooManyRequestsException, error.$metadata.attempts]);
      process.stdout.write(JSON.stringify(found));
    }
    main().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def modules():
    """Where the SDK's packages lie."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm and Node.js are needed to run the SDK for JavaScript")
    home = ROOT / "build/aws-sdk-js"
    home.mkdir(parents=True, exist_ok=True)
    with (ROOT / "build/aws-sdk-js.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "installed").exists():
            _install(npm, home)
    return home / "node_modules"


def _install(npm, home):
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), *PACKAGES]
    try:
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not fetch the SDK for JavaScript within three minutes")
    if done.returncode != 0:
        pytest.skip(f"npm could not fetch the SDK for JavaScript: {done.stderr.strip()[-200:]}")
    (home / "installed").touch()


def test_the_sdk_for_javascript(stage, modules, environment_of, tmp_path):
    """One world, the SDK's own error classes and retries, a long poll in virtual time, a chunked upload."""
    (tmp_path / "driver.js").write_text(DRIVER)
    began = stage.clock.now()

    done = subprocess.run(
        ["node", "driver.js", stage.ref("Jobs"), stage.ref("Idle")],
        cwd=tmp_path, env=environment_of(stage) | {"NODE_PATH": str(modules), "AWS_REGION": "us-east-1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    assert json.loads(done.stdout) == {
        "item": {"id": {"S": "from node"}},
        "polled": "later",
        "missing": [True, "QueueDoesNotExist", "The specified queue does not exist."],
        "object": "content",
        "failed": ["Unhandled", "no"],
        "throttled": [True, 2],
    }
    assert pytest.approx(10, abs=0.1) == stage.clock.now() - began
    assert b"content" == stage.client("s3").get_object(Bucket="files", Key="a b")["Body"].read()
