"""
The length of the chain travels with every kind of event.

The failure feared: a carrier that drops the count, so that its chain begins anew at every hop. The fault used: none. The
verdict expected: an event that ten calls have led to is refused, and with one call less it is sent on with ten.
"""

from __future__ import annotations

import base64

import pytest

ORIGINS = {"invoke": "InvokeFunction", "sns": "TopicFunction", "eventbridge": "BusFunction"}
BATCHES = {"sqs": "QueueByRecordFunction", "kinesis": "StreamByRecordFunction", "dynamodb": "TableByRecordFunction"}


@pytest.mark.parametrize(("name", "function"), ORIGINS.items(), ids=ORIGINS)
def test_an_event_that_has_come_too_far_is_refused(stage, event, function, name):
    """The eleventh call of a chain fails, and says why."""
    assert stage.invoke(function, event(name)).error

    # Emulators answer another error type; the log has the function's own.
    (failure,) = stage.settle().errors
    assert (failure.function, failure.type) == (function, "CallChainTooLong")
    assert failure.message == "call 11 of a chain that may have 10"


@pytest.mark.parametrize(("name", "function"), BATCHES.items(), ids=BATCHES)
def test_a_record_that_has_come_too_far_is_refused(stage, event, function, name):
    """Of three records the second has come too far: it and the one behind it are not done, the first is."""
    batch = event(name)
    result = stage.invoke(function, batch)

    failed = [failure["itemIdentifier"] for failure in result.payload["batchItemFailures"]]
    assert failed == [identifier(record) for record in batch["Records"][1:]]


@pytest.mark.only_on("local", reason="it starts loops that nothing would end")
@pytest.mark.parametrize(("name", "function"), BATCHES.items(), ids=BATCHES)
def test_counted_by_event_nothing_is_refused(stage, event, function, name):
    """The hole: the same batch goes through, whatever its records have behind them."""
    result = stage.invoke(function.replace("ByRecord", "ByEvent"), event(name))

    assert result.error is None
    assert result.payload is None


@pytest.mark.only_on("local", reason="elsewhere nobody can look into a queue that a function works off")
def test_a_message_carries_its_count(stage, event, listen):
    """On a queue it is a message attribute."""
    sent = listen.sqs("QueueByRecord")
    stage.invoke("QueueByRecordFunction", {"Records": event("sqs")["Records"][:1]})

    sent.expect(body={"text": "hello"}, attributes={"call-chain-length": "4"})


def test_a_notification_carries_its_count(stage, event, listen):
    """On a topic too."""
    sent = listen.sns("RevisedTopic")
    notification = event("sns")
    notification["Records"][0]["Sns"]["MessageAttributes"]["call-chain-length"]["Value"] = "9"
    stage.invoke("TopicFunction", notification)

    sent.expect(message={"text": "hello"}, attributes={"call-chain-length": "10"})


def test_an_event_carries_its_count(stage, event, listen):
    """On a bus it is in the detail."""
    sent = listen.eventbridge("DocumentBus")
    given = event("eventbridge")
    given["detail"]["__context__"] = {"call-chain-length": 9}
    stage.invoke("BusFunction", given)

    sent.expect(detail={"text": "hello", "__context__": {"call-chain-length": 10}})


def test_a_stream_record_carries_its_count(stage, event, listen):
    """On a stream it is in the data."""
    sent = listen.kinesis("StreamByRecord")
    [record, *_] = event("kinesis")["Records"]
    assert b'"call-chain-length": 3' in base64.b64decode(record["kinesis"]["data"])
    stage.invoke("StreamByRecordFunction", {"Records": [record]})

    sent.expect(data={"text": "hello", "__context__": {"call-chain-length": 4}})


def identifier(record):
    if "kinesis" in record:
        return record["kinesis"]["sequenceNumber"]
    return record["dynamodb"]["SequenceNumber"] if "dynamodb" in record else record["messageId"]
