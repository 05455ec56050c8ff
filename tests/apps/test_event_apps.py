"""Strangers' apps whose parts talk through queues, topics, streams and Lambda's own queue."""

from __future__ import annotations

import json
import time

import pytest

from stagefright.errors import StagefrightWarning


def test_a_queue_a_topic_and_handlers_in_a_package(up, rows):
    """Orders become invoices and mails; the handlers share a package through relative and absolute imports."""
    stage = up("invoicing")
    orders = [
        {"id": "1", "customer": "amy", "quantity": 2, "price": 5},
        {"id": "2", "customer": "amy", "quantity": 1, "price": 7},
        {"id": "3", "customer": "bob", "quantity": 0, "price": 9},
    ]

    for order in orders:
        stage.client("sqs").send_message(QueueUrl=stage.ref("OrdersQueue"), MessageBody=json.dumps(order))
    flow = stage.settle()

    # The topic's filter policy leaves out an invoice over nothing.
    assert rows(stage, "SentTable", "sk") == {
        "INV-1": {"pk": "amy", "amount": 10, "by": "app.handlers.mail"},
        "INV-2": {"pk": "amy", "amount": 7, "by": "app.handlers.mail"},
    }
    assert flow.path == ["OrdersQueue", "OrdersFunction", "InvoiceTopic", "MailFunction"]


def test_an_order_that_cannot_be_invoiced_is_dead_lettered(up, bodies):
    """The queue hands the message out three times, a visibility timeout apart, and moves it then."""
    stage = up("invoicing")
    order = json.dumps({"id": "4", "customer": "amy", "quantity": -1, "price": 5})

    stage.client("sqs").send_message(QueueUrl=stage.ref("OrdersQueue"), MessageBody=order)
    flow = stage.settle()

    assert flow.attempts("OrdersFunction").at == [0, 120, 240]
    assert flow.stopped_at == "OrdersFunction"
    assert "order 4 has a negative quantity" in str(flow)
    assert bodies(stage, "OrdersDLQ") == [order]


def test_a_stream_of_clicks_with_a_poison_record(up, rows, bodies):
    """The batch is bisected until the poison record is alone; it ends in the queue, and all others are counted."""
    stage = up("clicks")
    clicks = [json.dumps({"page": page}).encode() for page in ("home", "about", "home")]
    clicks.insert(2, b"no JSON at all")

    for click in clicks:
        stage.client("kinesis").put_record(StreamName=stage.ref("ClickStream"), PartitionKey="k", Data=click)
    flow = stage.settle()

    assert rows(stage, "Counts", "page") == {"home": {"clicks": 2}, "about": {"clicks": 1}}
    (given_up,) = (json.loads(body) for body in bodies(stage, "Poison"))
    assert given_up["KinesisBatchInfo"]["batchSize"] == 1
    assert given_up["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert [letter.resource for letter in flow.dead_letters] == ["Poison"]


def test_an_alias_with_destinations(up, bodies):
    """A function calls another through its alias; what is invoked asynchronously reports to its destinations."""
    with pytest.warns(StagefrightWarning, match="AWS::CodeDeploy::DeploymentGroup"):
        stage = up("checkout")
    sqs, sns = stage.client("sqs"), stage.client("sns")
    failures = sqs.create_queue(QueueName="failures")["QueueUrl"]
    sns.subscribe(
        TopicArn=stage.outputs["FailureTopic"],
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:us-east-1:{stage.settings.account}:failures",
        Attributes={"RawMessageDelivery": "true"},
    )

    assert stage.invoke("Caller", {"amount": 5}).payload == {"paid": 5, "by": "live", "version": "1"}
    assert stage.invoke("Caller", {"amount": 7, "type": "Event"}).payload == "accepted"
    assert stage.invoke("Caller", {"declined": True, "type": "Event"}).payload == "accepted"
    flow = stage.settle()

    (done,) = (json.loads(body) for body in bodies(stage, "Done"))
    assert done["responsePayload"] == {"paid": 7, "by": "live", "version": "1"}
    assert done["requestContext"]["functionArn"] == stage.outputs["Alias"]
    (failed,) = sqs.receive_message(QueueUrl=failures)["Messages"]
    assert json.loads(failed["Body"])["requestContext"]["condition"] == "RetriesExhausted"
    assert flow.attempts("CheckoutFunction").outcomes.count("PermissionError") == 2


def test_a_tables_stream_in_an_old_template(up, rows):
    """A template with an unquoted date, numbers as text, `template.yml` as its name, and a stream's name cut out of its ARN."""
    stage = up("audit", "template.yml", parameters={"FunctionPrefix": "acme"})
    accounts, dynamodb = stage.ref("Accounts"), stage.client("dynamodb")

    dynamodb.put_item(TableName=accounts, Item={"id": {"S": "a-1"}, "owner": {"S": "amy"}})
    dynamodb.put_item(TableName=accounts, Item={"id": {"S": "a-1"}, "owner": {"S": "bob"}})
    dynamodb.delete_item(TableName=accounts, Key={"id": {"S": "a-1"}})
    stage.settle()

    assert stage.ref("Auditor") == "acme-auditor"
    log = sorted(rows(stage, "AuditLog", "sequence").items())
    assert [entry for _, entry in log] == [
        {"id": "a-1", "what": "INSERT", "fields": ["id", "owner"]},
        {"id": "a-1", "what": "MODIFY", "fields": ["owner"]},
    ]


def test_a_plain_cloudformation_template_in_json(up, rows, bodies):
    """Numbers and booleans as text, `Code` as a directory, a topic that filters into a queue with a dead-letter queue."""
    stage = up("ledger_json", "template.json", parameters={"MaxReceives": 1})
    publish = stage.client("sns").publish

    for kind, body in (("debit", '{"id": "e-1"}'), ("note", '{"id": "e-2"}'), ("credit", "broken")):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        publish(TopicArn=stage.outputs["TopicArn"], Message=body, MessageAttributes=attributes)
    flow = stage.settle()

    assert rows(stage, "Entries").keys() == {"e-1"}
    assert bodies(stage, "Rejected") == ["broken"]
    assert flow.attempts("Booker").outcomes == [None, "JSONDecodeError"]
    tags = stage.client("lambda").get_function(FunctionName=stage.ref("Booker"))["Tags"]
    assert tags["team"] == "finance"


def test_powertools_idempotency(up, rows):
    """The same order is charged once; when the record's lifetime of an hour is over, it is charged again."""
    stage = up("powertools_idempotency")

    first = stage.invoke("PaymentFunction", {"order_id": "o-1", "amount": 10})
    again = stage.invoke("PaymentFunction", {"order_id": "o-1", "amount": 10})
    other = stage.invoke("PaymentFunction", {"order_id": "o-2", "amount": 10})

    assert first.error is None
    assert first.payload["amount"] == 13
    assert again.payload == first.payload
    assert other.payload["payment_id"] != first.payload["payment_id"]
    assert {row["status"] for row in rows(stage, "IdempotencyTable").values()} == {"COMPLETED"}

    time.sleep(3601)
    assert stage.invoke("PaymentFunction", {"order_id": "o-1", "amount": 10}).payload != first.payload


def test_powertools_state_does_not_outlive_a_reset(up):
    """A parameter that Powertools has cached is read again by a cold function, though the library stays loaded."""
    stage = up("powertools_idempotency")

    def charge():
        return stage.invoke("PaymentFunction", {"order_id": "o-1", "amount": 10}).payload["amount"]

    before = charge()
    stage.reset()
    stage.client("ssm").put_parameter(Name=stage.ref("Fee"), Value="4", Overwrite=True)

    assert (before, charge()) == (13, 14)
