"""boto3 in another process: the same world on both sides, and the errors that it has in its models."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import urllib.request

import pytest

import stagefright


def test_both_processes_see_one_world(stage, python):
    """A message sent there triggers a function here, whose record that process then reads; what the test wrote is there too."""
    stage.client("dynamodb").put_item(TableName="items", Item={"id": {"S": "mine"}})

    ids = python(
        """
        import boto3, json, sys
        boto3.client("sqs").send_message(QueueUrl=sys.argv[1], MessageBody="theirs")
        table = boto3.resource("dynamodb").Table("items")
        print(json.dumps(sorted(item["id"] for item in table.scan()["Items"])))
        """,
        stage.ref("Jobs"),
    )

    assert ["mine", "theirs"] == ids
    assert [("visitor", "SendMessage"), ("visitor", "Scan")] == [
        (record.resource, record.detail["operation"]) for record in stage.journal.of_kind("call", resource="visitor")
    ]
    (outcome,) = stage.journal.of_kind("outcome")
    assert "SendMessage" == _root(stage, outcome).detail["operation"]


def _root(stage, record):
    while record.cause is not None:
        record = stage.journal[record.cause]
    return record


def test_refusals_are_the_sdks_own_exceptions(python):
    """Code, message and status are AWS's in every protocol, so `client.exceptions` work."""
    found = python(
        """
        import boto3, json
        from botocore.exceptions import ClientError
        found = {}
        def ask(service, operation, **params):
            client = boto3.client(service)
            try:
                getattr(client, operation)(**params)
            except ClientError as error:
                kind = type(error).__name__
                assert kind == "ClientError" or isinstance(error, getattr(client.exceptions, kind))
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                found[service] = [kind, error.response["Error"]["Code"], status]
                assert error.response["Error"]["Message"], service
        ask("sqs", "get_queue_url", QueueName="nowhere")
        ask("sns", "publish", TopicArn="arn:aws:sns:us-east-1:123456789012:nowhere", Message="m")
        ask("lambda", "get_function", FunctionName="nowhere")
        ask("dynamodb", "get_item", TableName="nowhere", Key={"id": {"S": "a"}})
        ask("s3", "get_object", Bucket="files", Key="nowhere")
        ask("events", "describe_rule", Name="nowhere")
        ask("kinesis", "describe_stream", StreamName="nowhere")
        ask("ssm", "get_parameter", Name="nowhere")
        print(json.dumps(found))
        """
    )

    assert found == {
        "sqs": ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400],
        "sns": ["NotFoundException", "NotFound", 404],
        "lambda": ["ResourceNotFoundException", "ResourceNotFoundException", 404],
        "dynamodb": ["ResourceNotFoundException", "ResourceNotFoundException", 400],
        "s3": ["NoSuchKey", "NoSuchKey", 404],
        "events": ["ResourceNotFoundException", "ResourceNotFoundException", 400],
        "kinesis": ["ResourceNotFoundException", "ResourceNotFoundException", 400],
        "ssm": ["ParameterNotFound", "ParameterNotFound", 400],
    }


def test_a_throttle_is_retried_by_the_other_process(stage, python):
    """A 429 goes through the SDK's own retries, in its own time; each is a call."""
    answer = python(
        """
        import boto3, json
        from botocore.config import Config
        client = boto3.client("lambda", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
        try:
            client.invoke(FunctionName="blocked")
        except client.exceptions.TooManyRequestsException as error:
            print(json.dumps([error.response["ResponseMetadata"], error.response["Reason"]]))
        """
    )

    assert (429, 2) == (answer[0]["HTTPStatusCode"], answer[0]["RetryAttempts"])
    assert "ReservedFunctionConcurrentInvocationLimitExceeded" == answer[1]
    assert ["TooManyRequestsException"] * 3 == [record.detail["error"] for record in stage.journal.of_kind("call")]


def test_a_call_that_the_stage_does_not_have_is_named(python):
    """It is refused at once, without retries, in the form of the protocol."""
    errors = python(
        """
        import boto3, json
        from botocore.exceptions import ClientError
        errors = []
        for service, operation, params in (
            ("sqs", "list_message_move_tasks", {"SourceArn": "arn:aws:sqs:us-east-1:123456789012:idle"}),
            ("gamelift", "list_builds", {}),
            ("lambda", "get_runtime_management_config", {"FunctionName": "worker"}),
        ):
            try:
                getattr(boto3.client(service), operation)(**params)
            except ClientError as error:
                errors.append([error.response["Error"]["Code"], error.response["Error"]["Message"], error.response["ResponseMetadata"]["RetryAttempts"]])
            else:
                errors.append(None)
        print(json.dumps(errors))
        """
    )

    refused = [error for error in errors if error]
    assert refused
    assert ["NotImplemented", 0] == [refused[0][0], refused[0][2]]
    assert all("The local stage did not answer" in error[1] for error in refused)
    assert any("gamelift.ListBuilds" in error[1] for error in refused)


def test_a_long_poll_takes_no_real_time(stage, python):
    """An empty queue is polled for 20 s of the stage's time, during which all that is due happens."""
    stage.client("sqs").send_message(QueueUrl=stage.ref("Jobs"), MessageBody="late", DelaySeconds=15)
    began = stage.clock.now()

    took_s, ids = python(
        """
        import boto3, json, sys, time
        sqs, began = boto3.client("sqs"), time.monotonic()
        assert "Messages" not in sqs.receive_message(QueueUrl=sys.argv[1], WaitTimeSeconds=20)
        took_s = time.monotonic() - began
        print(json.dumps([took_s, [item["id"]["S"] for item in boto3.client("dynamodb").scan(TableName="items")["Items"]]]))
        """,
        stage.ref("Idle"),
    )

    assert took_s < 5
    assert ["late"] == ids
    assert pytest.approx(20, abs=0.01) == stage.clock.now() - began


def test_a_long_poll_ends_with_the_message_that_it_waits_for(stage, python):
    """It returns when the message comes, not later."""
    stage.client("sqs").send_message(QueueUrl=stage.ref("Idle"), MessageBody="soon", DelaySeconds=5)
    began = stage.clock.now()

    bodies = python(
        """
        import boto3, json, sys
        answer = boto3.client("sqs").receive_message(QueueUrl=sys.argv[1], WaitTimeSeconds=20)
        print(json.dumps([message["Body"] for message in answer["Messages"]]))
        """,
        stage.ref("Idle"),
    )

    assert ["soon"] == bodies
    assert pytest.approx(5, abs=0.01) == stage.clock.now() - began


def test_time_stands_still_while_nothing_waits(stage, python):
    """A child that only sends and sleeps for real moves no clock; what is due now happens, what is due later does not."""
    began = stage.clock.now()

    python(
        """
        import boto3, sys, time
        sqs = boto3.client("sqs")
        sqs.send_message(QueueUrl=sys.argv[1], MessageBody="now")
        sqs.send_message(QueueUrl=sys.argv[1], MessageBody="later", DelaySeconds=1)
        time.sleep(0.3)
        print("null")
        """,
        stage.ref("Jobs"),
    )

    assert began == stage.clock.now()
    assert ["now"] == [item["id"]["S"] for item in stage.client("dynamodb").scan(TableName="items")["Items"]]
    stage.settle()
    assert 2 == stage.client("dynamodb").scan(TableName="items")["Count"]


def test_a_function_that_sleeps_is_waited_for(stage, python):
    """A synchronous invocation from elsewhere takes its time in the stage, and none for real."""
    began = stage.clock.now()

    took_s = python(
        """
        import boto3, json, time
        began = time.monotonic()
        boto3.client("lambda").invoke(FunctionName="worker", Payload=b'{"sleep": 50}')
        print(json.dumps(time.monotonic() - began))
        """
    )

    assert took_s < 10
    assert pytest.approx(50, abs=0.1) == stage.clock.now() - began


def test_two_processes_at_once(stage, start):
    """One waits for what the other sends; the test waits for both."""
    receive = """
        import boto3, sys
        sqs, bodies = boto3.client("sqs"), []
        while len(bodies) < 20:
            answer = sqs.receive_message(QueueUrl=sys.argv[1], WaitTimeSeconds=20, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=sys.argv[1], ReceiptHandle=message["ReceiptHandle"])
        print(",".join(sorted(bodies)))
    """
    send = """
        import boto3, sys
        for n in range(20):
            boto3.client("sns").publish(TopicArn=sys.argv[1], Message=f"{n:02}")
    """
    receiver, sender = start(receive, stage.ref("Idle")), start(send, stage.ref("Feed"))

    assert 0 == sender.wait(timeout=60)
    out, err = receiver.communicate(timeout=60)

    assert ",".join(f"{n:02}" for n in range(20)) == out.strip(), err


def test_a_presigned_url_is_fetched_elsewhere(stage, python):
    """A client with the stage's endpoint signs a URL; another process reads and writes by it without an SDK."""
    import boto3

    s3 = boto3.client("s3", endpoint_url=stage.endpoint_url)
    s3.put_object(Bucket="files", Key="in/a b.txt", Body=b"content")
    where = {"Bucket": "files", "Key": "in/a b.txt"}
    urls = [s3.generate_presigned_url(operation, where) for operation in ("get_object", "put_object")]

    got = python(
        """
        import json, sys, urllib.request
        got = urllib.request.urlopen(sys.argv[1]).read().decode()
        urllib.request.urlopen(urllib.request.Request(sys.argv[2], b"changed", method="PUT"))
        print(json.dumps(got))
        """,
        *urls,
    )

    assert "content" == got
    assert b"changed" == stage.client("s3").get_object(**where)["Body"].read()


@pytest.mark.parametrize("style", ["virtual", "path"])
def test_buckets_are_named_by_host_or_by_path(stage, python, style):
    """`bucket.localhost` and `localhost/bucket` are the same bucket."""
    python(
        """
        import boto3, os, socket, sys
        from botocore.config import Config
        real = socket.getaddrinfo
        socket.getaddrinfo = lambda host, *rest, **more: real("127.0.0.1", *rest, **more)
        url = os.environ["AWS_ENDPOINT_URL"].replace("127.0.0.1", "localhost")
        s3 = boto3.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": sys.argv[1]}))
        s3.put_object(Bucket="files", Key="/odd//key?", Body=b"1")
        assert [one["Key"] for one in s3.list_objects_v2(Bucket="files")["Contents"]] == ["/odd//key?"]
        s3.copy_object(Bucket="files", Key="copy", CopySource={"Bucket": "files", "Key": "/odd//key?"})
        print("null")
        """,
        style,
    )

    keys = [one["Key"] for one in stage.client("s3").list_objects_v2(Bucket="files")["Contents"]]
    assert ["/odd//key?", "copy"] == keys
    assert {"PutObject", "ListObjectsV2", "CopyObject"} == {
        record.detail["operation"] for record in stage.journal.of_kind("call", resource="visitor")
    }


def test_an_api_is_called_by_its_host_and_by_a_path(stage, python):
    """`{api}.execute-api...` in the `Host` header, or LocalStack's `/_aws/execute-api/{api}/{stage}/...`."""
    api = stage.ref("Api")

    answers = python(
        """
        import json, os, sys, urllib.request
        url, answers = os.environ["AWS_ENDPOINT_URL"], []
        for path, headers in (
            ("/pets/a%20b?x=1", {"Host": f"{sys.argv[1]}.execute-api.us-east-1.amazonaws.com"}),
            ("/pets", {"Host": f"{sys.argv[1]}.execute-api.localhost.localstack.cloud:4566"}),
            (f"/_aws/execute-api/{sys.argv[1]}/$default/pets?x=1", {}),
        ):
            request = urllib.request.Request(url + path, b"hello", headers)
            with urllib.request.urlopen(request) as answer:
                answers.append([answer.status, answer.headers["x-path"], json.loads(answer.read())])
        print(json.dumps(answers))
        """,
        api,
    )

    assert [[201, "/pets/a b", "hello"], [201, "/pets", "hello"], [201, "/pets", "hello"]] == answers
    events = [record.detail["event"] for record in stage.journal.of_kind("invocation")]
    assert {f"{api}.execute-api.us-east-1.amazonaws.com"} == {event["requestContext"]["domainName"] for event in events}


def test_another_region_is_answered_as_inside(stage, python):
    """A world has one region for the services that are ours; the signature's region does not matter there."""
    url = python(
        """
        import boto3, json
        print(json.dumps(boto3.client("sqs", region_name="eu-west-1").get_queue_url(QueueName="idle")["QueueUrl"]))
        """
    )

    import boto3

    assert url == boto3.client("sqs", region_name="eu-west-1").get_queue_url(QueueName="idle")["QueueUrl"]


WHOSE = """
    import boto3, json
    print(json.dumps([
        boto3.client("sts").get_caller_identity()["Account"],
        boto3.client("dynamodb").describe_table(TableName="items")["Table"]["TableArn"].split(":")[4],
        boto3.client("sqs").get_queue_url(QueueName="idle")["QueueUrl"].split("/")[3],
    ]))
"""


def test_the_account_is_the_stages(python):
    """Any credentials will do."""
    assert ["123456789012"] * 3 == python(WHOSE)


def test_another_account_is_the_stages_too(stage, environment_of):
    """What moto keeps and what we keep is in the account that the settings name, for both processes."""
    template = stage.template.path
    with stagefright.open_stage("other", template=template, account="111122223333") as other:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(WHOSE)],
            env=environment_of(other),
            capture_output=True,
            text=True,
            check=True,
        )
        assert other.client("dynamodb").describe_table(TableName="items")["Table"]["TableArn"] == other.arn("Items")

    assert ["111122223333"] * 3 == json.loads(done.stdout)


class TestInsideTheProcess:
    """Clients of the test and of handlers that use the URL go straight into the world."""

    def test_a_client_with_the_endpoint(self, stage):
        """boto3 in the test, for services of ours and of moto's; the caller is the test."""
        import boto3

        for service in ("sqs", "dynamodb", "s3", "sns"):
            client = boto3.client(service, endpoint_url=stage.endpoint_url)
            ask = {"sqs": "list_queues", "dynamodb": "list_tables", "s3": "list_buckets", "sns": "list_topics"}[service]
            assert getattr(client, ask)(), service

        assert {"test"} == {record.resource for record in stage.journal.of_kind("call")}

    @pytest.mark.parametrize("style", ["virtual", "path"])
    def test_a_bucket_with_the_endpoint(self, stage, style):
        """Named by host or by path."""
        import boto3
        from botocore.config import Config

        url = stage.endpoint_url.replace("127.0.0.1", "localhost")
        s3 = boto3.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": style}))
        s3.put_object(Bucket="files", Key="a", Body=b"A")

        assert b"A" == stage.client("s3").get_object(Bucket="files", Key="a")["Body"].read()

    def test_plain_http(self, stage):
        """urllib and requests reach API and buckets in virtual time, without a connection."""
        import requests

        stage.client("s3").put_object(Bucket="files", Key="a", Body=b"A", ACL="public-read")
        api = f"{stage.endpoint_url}/_aws/execute-api/{stage.ref('Api')}/$default/pets"

        with urllib.request.urlopen(f"{stage.endpoint_url}/files/a") as answer:
            assert b"A" == answer.read()
        assert (201, "/pets") == (
            requests.get(api, timeout=5).status_code,
            requests.get(api, timeout=5).headers["x-path"],
        )
        assert {"test"} == {record.resource for record in stage.journal.of_kind("call")}

    def test_the_environment_names_the_endpoint(self, stage, monkeypatch):
        """A test that sets AWS_ENDPOINT_URL for its children does not harm its own clients, or the world's."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", stage.endpoint_url)

        assert ["items"] == stage.client("dynamodb").list_tables()["TableNames"]
        assert stage.invoke("Worker", {"n": 1}).error is None

    def test_another_emulators_endpoint_in_the_environment(self, tmp_path, monkeypatch):
        """Somebody's AWS_ENDPOINT_URL is not for the world's own clients."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
        (tmp_path / "template.json").write_text('{"Resources": {"Files": {"Type": "AWS::S3::Bucket"}}}')

        with stagefright.open_stage("other", template=tmp_path / "template.json") as stage:
            assert 1 == len(stage.client("s3").list_buckets()["Buckets"])

    def test_a_handlers_child_process(self, stage, environment_of):
        """A handler that waits for a child lets the child's calls in."""
        stage.module("Worker").handler = _run_child(environment_of(stage))

        answer = stage.invoke("Worker")

        assert answer.error is None, answer
        assert {"code": 0, "err": ""} == answer.payload
        assert [{"id": {"S": "child"}}] == stage.client("dynamodb").scan(TableName="items")["Items"]


def _run_child(variables):
    def handler(event, context):
        code = "import boto3; boto3.client('dynamodb').put_item(TableName='items', Item={'id': {'S': 'child'}})"
        done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
        return {"code": done.returncode, "err": done.stderr}

    return handler
