"""The test's own calls: what is journaled of what they ask for, and of what AWS answers."""

from __future__ import annotations

import base64
from datetime import timedelta
from types import SimpleNamespace

import botocore.session
import pytest
from botocore.stub import Stubber

from stagefright.targets.evidence.acts import note_acts, note_request
from stagefright.targets.evidence.answers import ACCEPTED, ACTS, WRITTEN

ONE = "8f5b0a3e-0000-4000-8000-000000000001"
TEXT = {"kind": {"DataType": "String", "StringValue": "a"}}

CASES = {
    ("sns", "Publish"): (
        {"TopicArn": "t", "Message": "hi", "MessageAttributes": TEXT}, {"MessageId": "m"},
        [{"resource": "t", "id": "m", "message": "hi", "subject": None, "attributes": {"kind": "a"}}],
    ),
    ("sns", "PublishBatch"): (
        {"TopicArn": "t", "PublishBatchRequestEntries": [{"Id": "1", "Message": "x"}, {"Id": "2", "Message": "y", "MessageGroupId": "g"}]},
        {"Successful": [{"Id": "2", "MessageId": "m2"}], "Failed": [{"Id": "1"}]},
        [{"resource": "t", "id": "m2", "message": "y", "subject": None, "attributes": {}, "group_id": "g"}],
    ),
    ("sqs", "SendMessage"): (
        {"QueueUrl": "q", "MessageBody": "b"}, {"MessageId": "m"}, [{"resource": "q", "id": "m", "body": "b", "attributes": {}}],
    ),
    ("sqs", "SendMessageBatch"): (
        {"QueueUrl": "q", "Entries": [{"Id": "1", "MessageBody": "b"}]}, {"Successful": [{"Id": "1", "MessageId": "m"}]},
        [{"resource": "q", "id": "m", "body": "b", "attributes": {}}],
    ),
    ("kinesis", "PutRecord"): (
        {"StreamName": "s", "PartitionKey": "k", "Data": b"\xff"}, {"ShardId": "shardId-0", "SequenceNumber": "7"},
        [{"resource": "s", "id": "shardId-0:7", "key": "k", "data": "/w==", "shard": "shardId-0"}],
    ),
    ("kinesis", "PutRecords"): (
        {"StreamARN": "s", "Records": [{"PartitionKey": "k", "Data": "text"}, {"PartitionKey": "k", "Data": b"no"}]},
        {"Records": [{"ShardId": "shardId-0", "SequenceNumber": "7"}, {"ErrorCode": "x"}]},
        [{"resource": "s", "id": "shardId-0:7", "key": "k", "data": "text", "shard": "shardId-0"}],
    ),
    ("events", "PutEvents"): (
        {"Entries": [{"Source": "shop", "DetailType": "Placed", "Detail": "{}"}, {"Source": "x"}]},
        {"Entries": [{"EventId": "e"}, {"ErrorCode": "x"}]},
        [{"resource": "default", "id": "e", "source": "shop", "detail_type": "Placed", "detail": "{}", "resources": []}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "answer", "events"), CASES.values(), ids=map(":".join, CASES))
def test_the_events_that_aws_has_accepted(request, asked, answer, events):
    """Each with the resource that the call named, and the id that AWS answered; what was refused is none."""
    act = tuple(request.node.callspec.id.split(":"))

    assert list(ACCEPTED[act](asked, answer)) == events


def test_every_operation_that_accepts_events_has_a_case():
    """None is left out."""
    assert set(CASES) == set(ACCEPTED)
    assert set(ACCEPTED) | set(WRITTEN) <= set(ACTS)


@pytest.mark.parametrize(
    ("operation", "asked", "written"),
    [
        ("PutItem", {"TableName": "t", "Item": {"id": {"S": "1"}}}, [("t", {"id": {"S": "1"}})]),
        ("DeleteItem", {"TableName": "t", "Key": {"id": {"S": "1"}}}, [("t", {"id": {"S": "1"}})]),
        ("BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": {"a": {"S": "1"}}}}, {"DeleteRequest": {"Key": {"b": {"S": "2"}}}}]}},
         [("t", {"a": {"S": "1"}}), ("t", {"b": {"S": "2"}})]),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t", "Item": {"a": {"S": "1"}}}}, {"Update": {"TableName": "u", "Key": {"b": {"S": "2"}}}}]},
         [("t", {"a": {"S": "1"}}), ("u", {"b": {"S": "2"}})]),
    ],
)  # fmt: skip
def test_what_was_written(operation, asked, written):
    """Items, or their keys, by table."""
    assert list(WRITTEN["dynamodb", operation](asked)) == written


def test_the_log_of_an_invocation_has_its_id_too():
    """In an emulator the request of the call may have another one than the invocation."""
    tail = base64.b64encode(f"START RequestId: {ONE} Version: $LATEST\n".encode()).decode()
    answer = {"LogResult": tail, "ResponseMetadata": {"RequestId": "r"}}

    assert list(ACTS["lambda", "Invoke"](answer)) == ["r", ONE]
    assert list(ACTS["lambda", "Invoke"]({**answer, "LogResult": "%"})) == ["r"]


def test_a_call_through_a_client(journal):
    """It is journaled as of when it began, by what the stage calls the queue; a refused one has its error, and a look is none."""
    client = botocore.session.get_session().create_client(
        "sqs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    note_acts(client, journal, name_of=lambda url: url.rpartition("/")[2].title(), now=lambda: 7.0)
    with Stubber(client) as stub:
        stub.add_response("send_message", {"MessageId": "m", "MD5OfMessageBody": "x"})
        stub.add_client_error("send_message", "AccessDenied")
        stub.add_response("get_queue_attributes", {})
        client.send_message(QueueUrl="https://q/orders", MessageBody="b")
        with pytest.raises(client.exceptions.ClientError):
            client.send_message(QueueUrl="https://q/orders", MessageBody="b")
        client.get_queue_attributes(QueueUrl="https://q/orders")
    sent, refused = journal

    assert (sent.at, sent.resource, sent.detail["ids"]) == (7.0, "test", ["m"])
    assert sent.detail["accepted"] == [{"resource": "Orders", "id": "m", "body": "b", "attributes": {}}]
    assert refused.detail["error"] == "AccessDenied"
    assert "accepted" not in refused.detail


def test_a_request_to_an_api(journal):
    """It is journaled as of when it was sent, and as a request to the API whose URL it is."""
    asked = SimpleNamespace(method="GET", url="https://a1/prod/orders?x=1", headers={"X-Correlation-Id": "c-1"})
    answer = SimpleNamespace(
        request=asked, headers={"apigw-requestid": "r1="}, status_code=200, elapsed=timedelta(seconds=2)
    )
    note_request(journal, api_of=lambda url: ("Api", "/orders"), now=lambda: 10.0)(answer)
    (call,) = journal

    assert (call.at, call.detail["operation"], call.detail["threads"]) == (8.0, "GET /orders", ["c-1"])
    assert call.detail["accepted"] == [{"resource": "Api", "id": "r1", "method": "GET", "path": "/orders"}]
