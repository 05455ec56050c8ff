"""ServiceError: AWS's own refusals, in the bytes of each protocol."""

from __future__ import annotations

import botocore.session
import pytest

from stagefright.chaos import ServiceError
from stagefright.chaos.faults.sdk_errors import status_of, throttling_code
from stagefright.chaos.faults.sdk_reply import WIRE_CODES, refusal
from stagefright.chaos.legal_errors import problems
from stagefright.errors import UsageError
from stagefright.services.queue_errors import ERROR_SHAPES

SESSION = botocore.session.get_session()

CALLS = {
    "dynamodb": ("DescribeTable", {"TableName": "table"}),
    "ec2": ("DescribeInstances", {}),
    "kinesis": ("DescribeStream", {"StreamName": "stream"}),
    "lambda": ("GetFunction", {"FunctionName": "function"}),
    "s3": ("ListObjectsV2", {"Bucket": "bucket"}),
    "sns": ("ListTopics", {}),
    "sqs": ("ListQueues", {}),
    "ssm": ("GetParameter", {"Name": "parameter"}),
}


def parsed(service, operation, code, status=None):
    """What botocore makes of a refusal."""
    from botocore.parsers import create_parser

    model = SESSION.get_service_model(service)
    reply = refusal(model.operation_model(operation), code, "said <so>", status or status_of(code, service), "id-1")
    response = {"status_code": reply.status, "headers": reply.headers, "body": reply.body, "context": {}}
    return create_parser(model.resolved_protocol).parse(response, model.operation_model(operation).output_shape)


@pytest.mark.parametrize("service", CALLS)
def test_each_protocol_is_spoken(service):
    """JSON, query, EC2's query, REST with JSON and REST with XML: botocore reads code, message and request id."""
    said = parsed(service, CALLS[service][0], throttling_code(service))

    assert throttling_code(service) == said["Error"]["Code"]
    assert "said <so>" == said["Error"]["Message"]
    assert "id-1" == said["ResponseMetadata"].get(
        "RequestId", said["ResponseMetadata"]["HTTPHeaders"].get("x-amzn-requestid")
    )


def test_cbor_is_spoken():
    """A service whose only protocol is CBOR gets its error in CBOR."""
    from botocore.parsers import create_parser

    from stagefright.chaos.faults.sdk_reply import _cbor

    reply = _cbor("Throttling", "said so", 400, "id-1")
    model = SESSION.get_service_model("cloudwatch").operation_model("ListMetrics")
    response = {"status_code": 400, "headers": reply.headers, "body": reply.body, "context": {}}

    error = create_parser("smithy-rpc-v2-cbor").parse(response, model.output_shape)["Error"]

    assert ("Throttling", "said so") == (error["Code"], error["Message"])


def test_sqs_keeps_its_old_codes():
    """As since SQS speaks JSON: the code of the query protocol, and the name of the shape beside it."""
    error = parsed("sqs", "SendMessage", "QueueDoesNotExist")["Error"]

    assert ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist") == (error["Code"], error["QueryErrorCode"])


def test_sqs_old_codes_are_those_that_a_local_queue_refuses_with():
    """The table is written twice, since a deployed function has the standard library only: each error has one code in both."""
    assert {shape: shape for shape in WIRE_CODES} == {shape: ERROR_SHAPES[code] for shape, code in WIRE_CODES.items()}


@pytest.mark.parametrize("service", sorted({"sqs", "sns", "kinesis", "events", "dynamodb", "s3", "lambda", "ssm"}))
def test_every_service_can_throttle_all_its_operations_but_dynamodbs_and_kinesis_control_planes(service):
    """The service's word for throttling is legal for some operation at least, and so is the common one for all."""
    assert () == problems(service, "*", throttling_code(service))
    for operation in SESSION.get_service_model(service).operation_names:
        assert () == problems(service, operation, "ThrottlingException")


@pytest.mark.parametrize(
    ("code", "attempts", "status"),
    [
        ("InternalServerError", 3, 500),
        ("503", 3, 503),
        ("ResourceNotFoundException", 1, 400),
        ("ThrottlingException", 3, 400),
    ],
)
def test_botocore_decides_what_is_retried(system, code, attempts, status):
    """Server errors and throttling are; a page of a load balancer is by its status; a client's error is not."""
    fault = ServiceError("dynamodb", "PutItem", code=code, message="out of order")
    with system.chaos(Worker=fault):
        said = system.put(config={"retries": {"mode": "standard", "total_max_attempts": 3}})

    assert attempts == len(system.strikes())
    assert (code, status) == (said["code"], said["status"])
    assert attempts == system.calls("PutItem")[0].detail["attempts"]


def test_the_clients_own_exception_class_is_raised(system):
    """What `except client.exceptions.X` catches."""
    with system.chaos(Worker=ServiceError("dynamodb", "PutItem", code="ConditionalCheckFailedException")):
        said = system.put()

    assert "ConditionalCheckFailedException" == said["error"]
    assert "ClientError" in said["classes"]
    assert 0 == system.put()["retries"]


def test_it_strikes_until_the_block_ends(system):
    """And says what it did."""
    with system.chaos(Worker=ServiceError("dynamodb", "PutItem", code="ResourceNotFoundException")):
        assert "ResourceNotFoundException" == system.put()["code"]
    assert (0, None) == (system.put()["retries"], system.put().get("code"))

    ((who, fault, harm),) = system.strikes()
    assert ("Worker", "service_error", "ResourceNotFoundException") == (who, fault, harm["code"])


def test_s3_slows_down(system):
    """`SlowDown` is in no model of S3, and legal; its status makes botocore retry it in each mode."""
    put = ["s3", "put_object", {"Bucket": "bucket", "Key": "k", "Body": "b"}]
    for mode in ("standard", "legacy"):
        with system.chaos(Worker=ServiceError("s3", "PutObject", code="SlowDown", times=2)):
            assert 2 == system.say(calls=[put], config={"retries": {"mode": mode}})[0]["retries"]
    assert b"b" == system.stage.client("s3").get_object(Bucket="bucket", Key="k")["Body"].read()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"service": "dynamo"}, "boto3 has no service 'dynamo'. Did you mean dynamodb?"),
        ({"operation": "put_item"}, "dynamodb has no operation 'put_item'. Say 'PutItem', as AWS does."),
        ({"operation": "PutItems"}, "Did you mean PutItem?"),
        ({"operation": "PutItem", "code": "NoSuchKey"}, "dynamodb PutItem cannot answer 'NoSuchKey'"),
        ({"code": "NoSuchKey"}, "no operation of dynamodb can answer 'NoSuchKey'"),
        ({"code": "a b"}, "code is 'a b'"),
        ({"code": None}, "code is None"),
        ({"status": 200}, "status is 200"),
        ({"message": 1}, "message is 1"),
        ({"times": 0}, "times is 0"),
        ({"times": True}, "times is True"),
        ({"operation": 7}, "operation is 7"),
        ({"even_if_undocumented": "yes"}, "even_if_undocumented is 'yes'"),
    ],
)
def test_wrong_settings_are_refused(settings, problem):
    """At construction, with the value, and with what there is."""
    with pytest.raises(UsageError) as refused:
        ServiceError(**{"service": "dynamodb", "code": "InternalServerError"} | settings)

    assert problem in str(refused.value)


def test_even_if_undocumented():
    """Who has seen an error that AWS does not document may ask for it."""
    assert ServiceError("dynamodb", "PutItem", code="NoSuchKey", even_if_undocumented=True)
