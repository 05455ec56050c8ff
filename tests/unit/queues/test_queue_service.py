"""The operations of the SQS API that are not about delivery: finding queues, tags, permissions, error shapes."""

from __future__ import annotations

import json

import botocore.session
import pytest

from stagefright.aws_api.errors import ApiError
from stagefright.services.queue_errors import ERROR_SHAPES
from stagefright.services.queues import QueueService


@pytest.fixture(scope="module")
def model():
    """botocore's own description of SQS."""
    return botocore.session.Session().get_service_model("sqs")


def test_every_operation_of_the_model_has_a_method(model):
    """What boto3 offers for SQS, the service answers."""
    from botocore import xform_name

    missing = [name for name in model.operation_names if not hasattr(QueueService, xform_name(name))]

    assert missing == []


def test_error_shapes_are_those_of_the_model(model):
    """The door can raise the right exception class for every code that is modelled."""
    modelled = {shape.name for shape in model.error_shapes}

    assert set(ERROR_SHAPES.values()) - modelled == {
        "InvalidParameterValueException",
        "MissingRequiredParameterException",
    }


def test_queues_are_found_by_name(sqs):
    """GetQueueUrl knows the queues of this account only."""
    queue = sqs.queue()

    assert sqs.service.get_queue_url({"QueueName": "orders"}) == {"QueueUrl": queue.url}
    for params in ({"QueueName": "nobody"}, {"QueueName": "orders", "QueueOwnerAWSAccountId": "000000000000"}):
        with pytest.raises(ApiError, match="The specified queue does not exist"):
            sqs.service.get_queue_url(params)


def test_queues_are_listed_page_by_page(sqs):
    """ListQueues with a prefix, and tokens that lead to the end."""
    urls = [sqs.queue(f"a-{number}").url for number in range(5)]
    sqs.queue("other")

    found, token = [], {}
    while token is not None:
        page = sqs.service.list_queues({"QueueNamePrefix": "a-", "MaxResults": 2, **token})
        found += page["QueueUrls"]
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else None

    assert found == urls
    assert len(sqs.service.list_queues({})["QueueUrls"]) == 6
    assert sqs.service.list_queues({"QueueNamePrefix": "none"}) == {}


@pytest.mark.parametrize("params", [{"MaxResults": 0}, {"MaxResults": 1001}, {"NextToken": "é"}])
def test_bad_pages_are_refused(sqs, params):
    """ListQueues: 1 to 1,000 results, and a token that was given out."""
    with pytest.raises(ApiError) as refused:
        sqs.service.list_queues(params)

    assert refused.value.code == "InvalidParameterValue"


def test_tags_come_and_go(sqs):
    """TagQueue, UntagQueue, ListQueueTags, and tags given at creation."""
    url = sqs.service.create_queue({"QueueName": "tagged", "tags": {"a": "1"}})["QueueUrl"]
    queue = sqs.service.by_url(url)

    sqs.call("tag_queue", queue, Tags={"a": "2", "b": ""})
    assert sqs.call("list_queue_tags", queue) == {"Tags": {"a": "2", "b": ""}}
    sqs.call("untag_queue", queue, TagKeys=["a", "b", "unknown"])
    assert sqs.call("list_queue_tags", queue) == {}


def test_permissions_are_statements_of_the_policy(sqs):
    """AddPermission and RemovePermission, as AWS words them (LS test_sqs_permission_lifecycle)."""
    queue = sqs.queue()
    params = {"Label": "cross", "AWSAccountIds": ["111111111111"], "Actions": ["ReceiveMessage"]}

    sqs.call("add_permission", queue, **params)
    policy = json.loads(sqs.call("get_queue_attributes", queue, AttributeNames=["Policy"])["Attributes"]["Policy"])
    with pytest.raises(ApiError, match=r"Value cross for parameter Label is invalid\. Reason: Already exists\."):
        sqs.call("add_permission", queue, **params)
    sqs.call("remove_permission", queue, Label="cross")
    with pytest.raises(ApiError, match=r"Reason: can't find label\."):
        sqs.call("remove_permission", queue, Label="cross")

    assert policy["Statement"] == [
        {
            "Sid": "cross",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Action": "SQS:ReceiveMessage",
            "Resource": queue.arn,
        }
    ]
    assert sqs.call("get_queue_attributes", queue, AttributeNames=["Policy"]) == {}


def test_too_many_actions(sqs):
    """AddPermission takes seven actions at most."""
    with pytest.raises(ApiError, match="8 Actions were found, maximum allowed is 7"):
        sqs.call("add_permission", sqs.queue(), Label="l", AWSAccountIds=["1"], Actions=["SendMessage"] * 8)


def test_an_unknown_attribute_cannot_be_asked_for(sqs):
    """GetQueueAttributes refuses names that do not exist; known ones that are not set are left out."""
    queue = sqs.queue()

    assert sqs.call("get_queue_attributes", queue, AttributeNames=["RedrivePolicy"]) == {}
    assert sqs.call("get_queue_attributes", queue) == {}
    with pytest.raises(ApiError, match="Unknown Attribute Colour"):
        sqs.call("get_queue_attributes", queue, AttributeNames=["Colour"])


def test_documents_are_compared_as_documents(sqs):
    """CreateQueue does not mind how a policy is spelt."""
    policy = {"Version": "2008-10-17", "Statement": []}
    queue = sqs.queue(Policy=json.dumps(policy))

    assert sqs.queue(Policy=json.dumps(policy, indent=2)) is queue


@pytest.mark.parametrize(
    "attributes",
    [
        {"Policy": "no json"},
        {"RedrivePolicy": "[]"},
        {"RedrivePolicy": "{}"},
        {"RedriveAllowPolicy": '{"redrivePermission": "byQueue"}'},
        {"RedriveAllowPolicy": '{"redrivePermission": "maybe"}'},
        {"RedriveAllowPolicy": json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": ["a"] * 11})},
        {"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId"},
    ],
)
def test_bad_documents_and_combinations_are_refused(sqs, attributes):
    """What AWS would not store, is not stored."""
    name = "bad.fifo" if "FifoQueue" in attributes else "bad"
    with pytest.raises(ApiError):
        sqs.service.create_queue({"QueueName": name, "Attributes": attributes})

    assert sqs.service.all() == []


def test_an_empty_policy_takes_the_policy_away(sqs):
    """SetQueueAttributes with an empty value removes a document."""
    queue = sqs.queue(Policy="{}")

    sqs.call("set_queue_attributes", queue, Attributes={"Policy": ""})

    assert "Policy" not in queue.attributes


def test_batches_of_handles_fail_entry_by_entry(sqs):
    """DeleteMessageBatch and ChangeMessageVisibilityBatch tell good from bad."""
    queue = sqs.queue()
    queue.send("a")
    (message,) = sqs.receive(queue)
    entries = [{"Id": "good", "ReceiptHandle": message["ReceiptHandle"]}, {"Id": "bad", "ReceiptHandle": "x"}]

    changed = sqs.call(
        "change_message_visibility_batch", queue, Entries=[{**entry, "VisibilityTimeout": 60} for entry in entries]
    )
    incomplete = sqs.call("change_message_visibility_batch", queue, Entries=entries[:1])
    deleted = sqs.call("delete_message_batch", queue, Entries=entries)

    assert incomplete["Failed"][0]["Code"] == "MissingParameter"
    for found in (changed, deleted):
        assert found["Successful"] == [{"Id": "good"}]
        assert [(entry["Id"], entry["Code"]) for entry in found["Failed"]] == [("bad", "ReceiptHandleIsInvalid")]


def test_a_wait_ends_when_the_queue_is_deleted(sqs):
    """Who polls a queue that goes away gets nothing, and leaves nothing behind."""
    queue = sqs.queue()
    sqs.world.kernel.at(sqs.world.start + 5, lambda: sqs.call("delete_queue", queue))

    assert sqs.receive(queue, WaitTimeSeconds=20) == []
    assert sqs.world.clock.now() == sqs.world.start + 5
    assert queue.on_available == []


def test_a_wait_goes_on_when_another_was_faster(sqs):
    """A notification is not a promise: a poller that finds nothing waits for the rest of its time."""
    queue = sqs.queue()
    queue.on_available.append(lambda: queue.receive(visibility_timeout_s=600))
    sqs.world.kernel.at(sqs.world.start + 5, lambda: queue.send("a"))

    assert sqs.receive(queue, WaitTimeSeconds=20) == []
    assert sqs.world.clock.now() == sqs.world.start + 20


def test_a_trace_header_is_fingerprinted_and_handed_on(sqs):
    """MessageSystemAttributes: the sender sees its MD5, the receiver the header."""
    queue = sqs.queue()
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}}

    sent = sqs.call("send_message", queue, MessageBody="x", MessageSystemAttributes=trace)
    (message,) = sqs.receive(queue, MessageSystemAttributeNames=["AWSTraceHeader"])

    assert len(sent["MD5OfMessageSystemAttributes"]) == 32
    assert message["Attributes"] == {"AWSTraceHeader": "Root=1"}
