"""What happens at the edges of a delivery: unusable answers, functions and queues that vanish, errors without words."""

from __future__ import annotations

import json

import pytest

import stagefright

TEMPLATE = """
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: a, ProtocolType: HTTP, Target: !GetAtt Answer.Arn}}
  Dead: {Type: AWS::SQS::Queue}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: again}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Answer}
  OnSuccess:
    Type: AWS::Lambda::EventInvokeConfig
    Properties:
      FunctionName: !Ref Answer
      Qualifier: $LATEST
      DestinationConfig: {OnSuccess: {Destination: !GetAtt Dead.Arn}}
  Answer:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/r
      DeadLetterConfig: {TargetArn: !GetAtt Dead.Arn}
      Code:
        ZipFile: |
          import base64, json
          def handler(event, context):
              if event.get("fail"):
                  raise ValueError()
              if event.get("raw"):
                  return base64.b64decode(event["raw"])
              return json.loads(event["body"]) if "body" in event else None
"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    file = tmp_path_factory.mktemp("edges") / "template.yaml"
    file.write_text(TEMPLATE)
    with stagefright.open_stage("edges", template=file, directory=file.parent) as stage:
        yield stage


@pytest.fixture
def stage(deployed):
    deployed.reset()
    return deployed


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": 200, "cookies": 5},
        {"statusCode": 200, "cookies": "a=b"},
        {"statusCode": 200, "headers": [1]},
        {"statusCode": 200, "headers": {"a": {"b": 1}}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "x", "isBase64Encoded": True},
        {"statusCode": "often"},
        {"statusCode": 99},
    ],
)
def test_a_malformed_answer_is_the_apis_500(stage, answer):
    """§8.4: an answer that API Gateway cannot use is its Internal Server Error, never an error of the client's or ours."""
    response = stage.http.post("/", json=answer)

    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


@pytest.mark.parametrize("raw", [b"x", b"\xff\xfe"])
def test_an_answer_that_is_no_json_is_passed_on_as_it_is(stage, raw):
    """§1.1: the runtime sends bytes unchanged; they are no reason to fail for whoever reads them."""
    import base64

    event = {"raw": base64.b64encode(raw).decode()}
    answer = stage.invoke("Answer", event)
    stage.client("lambda").invoke(
        FunctionName=stage.ref("Answer"), InvocationType="Event", Payload=json.dumps(event).encode()
    )
    stage.settle()

    assert answer.payload == raw.decode("utf-8", "replace")
    assert json.loads(_only_message(stage)["Body"])["responsePayload"] == raw.decode("utf-8", "replace")


def test_an_error_without_words_is_dead_lettered_without_words(stage):
    """§2.4: ErrorMessage is what the function said, be it nothing; `Rate Exceeded.` is for throttles."""
    stage.client("lambda").invoke(FunctionName=stage.ref("Answer"), InvocationType="Event", Payload=b'{"fail": 1}')
    stage.settle()

    attributes = _only_message(stage)["MessageAttributes"]
    assert attributes["ErrorCode"]["StringValue"] == "200"
    assert attributes.get("ErrorMessage", {}).get("StringValue", "") == ""


def test_a_mapping_outlives_its_queue(stage):
    """§3.5: a queue that is deleted and made again under the same name is polled again."""
    sqs = stage.client("sqs")
    sqs.delete_queue(QueueUrl=stage.ref("Queue"))
    stage.world.kernel.advance(61)
    url = sqs.create_queue(QueueName="again")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")

    assert stage.settle().attempts("Answer").count == 1


def test_a_batch_is_told_of_each_of_its_messages(stage):
    """A flow says of every message of a batch that it was delivered, and of none that it was not."""
    for body in ("one", "two", "three"):
        stage.client("sqs").send_message(QueueUrl=stage.ref("Queue"), MessageBody=body)

    told = str(stage.settle())

    assert "not delivered" not in told
    assert told.count("(delivered to Answer in a batch)") == 2


def test_a_function_that_is_gone_is_no_throttle(stage):
    """§3.7: a batch whose function was deleted comes back for that reason, and the journal says so."""
    stage.client("lambda").delete_function(FunctionName=stage.ref("Answer"))
    stage.client("sqs").send_message(QueueUrl=stage.ref("Queue"), MessageBody="hello")
    stage.world.kernel.advance(60)

    reasons = {record.detail["reason"] for record in stage.journal.of_kind("retry")}
    assert reasons == {"ResourceNotFoundException"}


def _only_message(stage):
    answer = stage.client("sqs").receive_message(QueueUrl=stage.ref("Dead"), MessageAttributeNames=["All"])
    [message] = answer["Messages"]
    return message


class TestErrandsAfterATimeout:
    """The world works on the thread of whoever waits, also of a handler whose time is over."""

    def test_a_timed_out_event_goes_to_a_bucket(self, system):
        """§2.3: Lambda writes the record although the only thread there is belongs to the handler that was abandoned."""
        system.up(
            Records=system.resource("S3::Bucket", BucketName="records"),
            Worker=system.function("import time\ndef handler(event, context): time.sleep(9)", Timeout=1),
            Config=system.invoke_config(failure="arn:aws:s3:::records", MaximumRetryAttempts=0),
        )
        system.invoke_later()
        system.settle()

        assert len(system.client("s3").list_objects_v2(Bucket="records")["Contents"]) == 1
