"""The real AWS CLI, unchanged, against a stage."""

from __future__ import annotations

import json
import random

AWS_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/idle"


def items(stage):
    """The ids of the items in the table, as the test sees them."""
    found = stage.client("dynamodb").scan(TableName="items")["Items"]
    return sorted(item["id"]["S"] for item in found)


def bodies(stage):
    """The messages in the idle queue, as the test sees them."""
    answer = stage.client("sqs").receive_message(QueueUrl=stage.ref("Idle"), MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


def test_a_message_that_it_sends_is_worked_off_here(stage, aws):
    """One world: what the CLI sends triggers the function, whose item the CLI then reads."""
    sent = aws("sqs", "send-message", "--queue-url", stage.ref("Jobs"), "--message-body", "a")

    item = aws("dynamodb", "get-item", "--table-name", "items", "--key", '{"id": {"S": "a"}}')

    assert {"Item": {"id": {"S": "a"}}} == item
    assert sent["MessageId"] in stage.journal.of_kind("delivery")[0].detail["ids"]
    assert ["a"] == items(stage)


def test_a_queue_has_the_url_that_aws_gives_it(stage, aws):
    """Answers keep AWS's names, and those work as arguments beside `--endpoint-url`."""
    assert {"QueueUrl": AWS_QUEUE_URL} == aws("sqs", "get-queue-url", "--queue-name", "idle")

    aws("sqs", "send-message", "--queue-url", AWS_QUEUE_URL, "--message-body", "b",
        "--message-attributes", '{"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": "raw"}}')  # fmt: skip
    (message,) = aws("sqs", "receive-message", "--queue-url", AWS_QUEUE_URL, "--message-attribute-names", "All")[
        "Messages"
    ]

    assert "b" == message["Body"]
    assert "cmF3" == message["MessageAttributes"]["b"]["BinaryValue"]
    assert "1" == message["MessageAttributes"]["n"]["StringValue"]
    aws("sqs", "delete-message", "--queue-url", AWS_QUEUE_URL, "--receipt-handle", message["ReceiptHandle"])
    assert "0" == stage.client("sqs").get_queue_attributes(QueueUrl=AWS_QUEUE_URL, AttributeNames=["All"])["Attributes"][
        "ApproximateNumberOfMessagesNotVisible"
    ]  # fmt: skip


def test_a_missing_queue_is_named_as_aws_names_it(aws):
    """The CLI prints AWS's code and message."""
    error = aws("sqs", "get-queue-url", "--queue-name", "nowhere", ok=False)

    assert "(AWS.SimpleQueueService.NonExistentQueue) when calling the GetQueueUrl operation" in error


def test_a_topic_fans_out(stage, aws):
    """SNS speaks the query protocol; its subscription delivers in the same world."""
    topic = stage.ref("Feed")
    (subscription,) = aws("sns", "list-subscriptions-by-topic", "--topic-arn", topic)["Subscriptions"]

    aws("sns", "publish", "--topic-arn", topic, "--message", "news & more <now>",
        "--message-attributes", '{"kind": {"DataType": "String", "StringValue": "post"}}')  # fmt: skip

    assert stage.arn("Idle") == subscription["Endpoint"]
    assert ["news & more <now>"] == bodies(stage)


def test_a_function_answers(stage, aws, tmp_path):
    """The payload is a stream, the rest of the answer stands in headers."""
    answer = aws(
        "lambda", "invoke", "--function-name", "worker", "--payload", '{"n": 1}', "--log-type", "Tail", "out.json"
    )

    assert {"echo": {"n": 1}} == json.loads((tmp_path / "out.json").read_text())
    assert (200, "$LATEST") == (answer["StatusCode"], answer["ExecutedVersion"])
    assert "LogResult" in answer


def test_a_failing_function_is_told_apart(aws, tmp_path):
    """`X-Amz-Function-Error` says that the payload is an error."""
    answer = aws("lambda", "invoke", "--function-name", "worker", "--payload", '{"fail": "no"}', "out.json")

    assert "Unhandled" == answer["FunctionError"]
    assert ("ValueError", "no") == tuple(
        json.loads((tmp_path / "out.json").read_text())[k] for k in ("errorType", "errorMessage")
    )


def test_functions_are_listed_and_changed(stage, aws):
    """The control plane of Lambda is here too."""
    names = [function["FunctionName"] for function in aws("lambda", "list-functions")["Functions"]]
    aws("lambda", "update-function-configuration", "--function-name", "worker", "--timeout", "7")
    mappings = aws("lambda", "list-event-source-mappings", "--function-name", "worker")["EventSourceMappings"]

    assert {"worker", "blocked"} == set(names)
    assert 7 == stage.client("lambda").get_function_configuration(FunctionName="worker")["Timeout"]
    assert 2 == len(mappings)


def test_files_go_up_and_down(stage, aws, tmp_path):
    """`s3 cp` and `s3 ls`, with a name that must be quoted."""
    (tmp_path / "a.txt").write_text("text")

    aws("s3", "cp", "a.txt", "s3://files/in/a b+c.txt")
    aws("s3", "cp", "s3://files/in/a b+c.txt", "back.txt")

    assert "text" == (tmp_path / "back.txt").read_text()
    assert b"text" == stage.client("s3").get_object(Bucket="files", Key="in/a b+c.txt")["Body"].read()
    assert "a b+c.txt" in aws("s3", "ls", "s3://files/in/")


def test_a_large_file_goes_in_parts(stage, aws, tmp_path):
    """Several connections at once upload the parts, and fetch ranges back."""
    content = random.Random(1).randbytes(20 * 1024 * 1024)
    (tmp_path / "large.bin").write_bytes(content)

    aws("s3", "cp", "large.bin", "s3://files/large.bin")
    aws("s3", "cp", "s3://files/large.bin", "back.bin")

    assert content == (tmp_path / "back.bin").read_bytes()
    operations = {record.detail["operation"] for record in stage.journal.of_kind("call", resource="visitor")}
    assert {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"} <= operations
    assert aws("s3api", "head-object", "--bucket", "files", "--key", "large.bin")["ContentLength"] == len(content)


def test_events_reach_their_rule(stage, aws):
    """`events put-events`, with a rule that lets one of the two through."""
    entries = [
        {"EventBusName": "orders", "Source": source, "DetailType": "t", "Detail": "{}"} for source in ("shop", "spam")
    ]

    answer = aws("events", "put-events", "--entries", json.dumps(entries))

    assert 0 == answer["FailedEntryCount"]
    assert ["shop"] == [json.loads(body)["source"] for body in bodies(stage)]


def test_parameters_are_put_and_read(stage, aws):
    """SSM, in both directions."""
    aws("ssm", "put-parameter", "--name", "/shop/rate", "--value", "0.93", "--type", "SecureString")

    assert "0.93" == stage.client("ssm").get_parameter(Name="/shop/rate", WithDecryption=True)["Parameter"]["Value"]
    assert "0.93" == aws("ssm", "get-parameter", "--name", "/shop/rate", "--with-decryption")["Parameter"]["Value"]


def test_a_stream_triggers_its_reader(stage, aws):
    """A record that the CLI puts reaches the function by the stream's mapping."""
    put = aws("kinesis", "put-record", "--stream-name", "clicks", "--partition-key", "p", "--data", "a click")
    stage.settle()

    (delivery,) = stage.journal.of_kind("delivery", resource="Worker")
    assert [f"{put['ShardId']}:{put['SequenceNumber']}"] == delivery.detail["ids"]


def test_logs_are_read(stage, aws):
    """What the function printed is in its log group, and `filter-log-events` finds it."""
    aws("sqs", "send-message", "--queue-url", stage.ref("Jobs"), "--message-body", "logged")

    found = aws("logs", "filter-log-events", "--log-group-name", "/aws/lambda/worker", "--filter-pattern", "storing")
    groups = aws("logs", "describe-log-groups")["logGroups"]

    assert ["storing logged"] == [event["message"] for event in found["events"]]
    assert "/aws/lambda/worker" in [group["logGroupName"] for group in groups]
