"""aws-semantics §5.2, §5.5: HTTP/S endpoints of the stage itself as subscribers of a topic."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

CONFIRMS = """
    import json, os, urllib.request, boto3
    def handler(event, context):
        body = json.loads(event["body"]) if event["body"].startswith("{") else {}
        if body.get("Type") == "SubscriptionConfirmation":
            urllib.request.urlopen(body["SubscribeURL"]).read()
        return {"statusCode": int(os.environ.get("STATUS", "200"))}
"""
BY_SDK = """
    import json, boto3
    def handler(event, context):
        body = json.loads(event["body"])
        if body.get("Type") == "SubscriptionConfirmation":
            boto3.client("sns").confirm_subscription(TopicArn=body["TopicArn"], Token=body["Token"])
        return {"statusCode": 200}
"""
ONLY_CONFIRMS = """
    import json, os, urllib.request
    def handler(event, context):
        body = json.loads(event["body"])
        if body.get("Type") != "SubscriptionConfirmation":
            return {"statusCode": STATUS}
        urllib.request.urlopen(body["SubscribeURL"]).read()
        return {"statusCode": 200}
"""


@pytest.fixture
def hook(system):
    """A function with a URL that subscribes to `Feed`; `code` is what it does."""

    def up(code=CONFIRMS, *, topic=None, **subscription):
        url = system.resource("Lambda::Url", TargetFunctionArn=system.att("Worker"), AuthType="NONE")
        given = {"Protocol": "https", "Endpoint": system.att("Url", "FunctionUrl"), **subscription}
        system.up(
            Worker=system.function(code),
            Url=url,
            Feed=system.topic(**(topic or {})),
            Dead=system.queue(),
            Hook=system.resource("SNS::Subscription", TopicArn=system.ref("Feed"), **given),
        )
        return system

    return up


def publish(system, message="hi", **more):
    return system.client("sns").publish(TopicArn=system.stage.ref("Feed"), Message=message, **more)["MessageId"]


def pending(system):
    arn = system.stage.ref("Hook")
    return system.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"]


class TestConfirmation:
    """§5.5: an endpoint is asked first."""

    @pytest.mark.rule("5.2/http-confirmation")
    @pytest.mark.parametrize("code", [CONFIRMS, BY_SDK])
    def test_it_confirms_by_url_or_by_sdk(self, hook, code):
        """§5.5: in the deployment, so that a test finds the subscription in force."""
        system = hook(code)
        publish(system)
        system.settle()

        assert pending(system) == "false"
        assert [json.loads(event["body"])["Type"] for event in system.events()] == ["Notification"]

    @pytest.mark.rule("5.2/http-confirmation")
    def test_before_that_it_gets_nothing_else(self, hook):
        """§5.5: what is published meanwhile is lost."""
        system = hook("def handler(event, context): return {'statusCode': 200}")
        publish(system)
        system.settle()

        assert pending(system) == "true"
        assert system.events() == []
        (reason,) = system.dropped()
        assert reason.startswith("the subscription is not confirmed")

    @pytest.mark.rule("5.2/http-confirmation")
    def test_what_is_asked(self, hook):
        """§5.5: the confirmation and its headers; a wrong token confirms nothing, and Subscribe answers without an ARN."""
        system = hook("def handler(event, context): return {'statusCode': 200}")
        sns, topic = system.client("sns"), system.stage.ref("Feed")
        url = system.stage.world.functions.find(system.stage.arn("Worker"))
        endpoint = sns.get_subscription_attributes(SubscriptionArn=system.stage.ref("Hook"))["Attributes"]["Endpoint"]
        assert url is not None

        again = sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=endpoint)
        system.settle()

        (event,) = system.events()
        body = json.loads(event["body"])
        assert again["SubscriptionArn"] == "pending confirmation"
        assert list(body) == [
            "Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL", "Timestamp", "SignatureVersion", "Signature",
            "SigningCertURL",
        ]  # fmt: skip
        assert event["headers"]["x-amz-sns-message-type"] == "SubscriptionConfirmation"
        assert event["headers"]["x-amz-sns-topic-arn"] == topic
        with pytest.raises(ClientError, match="Invalid parameter: Token"):
            sns.confirm_subscription(TopicArn=topic, Token="0" * 20)
        sns.confirm_subscription(TopicArn=topic, Token=body["Token"])
        assert pending(system) == "false"


class TestNotifications:
    """§5.5: what is posted."""

    @pytest.mark.rule("5.5/notification")
    @pytest.mark.rule("5.2/http-headers")
    def test_the_envelope(self, hook):
        """§5.5: the notification as SQS has it, and headers that say what it is."""
        system = hook()
        attributes = {"k": {"DataType": "String", "StringValue": "v"}}
        message_id = publish(system, Subject="s", MessageAttributes=attributes)
        system.settle()

        (event,) = system.events()
        body = json.loads(event["body"])
        assert (body["Type"], body["MessageId"], body["Subject"], body["Message"]) == (
            "Notification", message_id, "s", "hi",
        )  # fmt: skip
        assert body["MessageAttributes"] == {"k": {"Type": "String", "Value": "v"}}
        assert event["headers"]["content-type"] == "text/plain; charset=UTF-8"
        shown = {name: value for name, value in event["headers"].items() if name.startswith("x-amz-sns-")}
        assert shown == {
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": message_id,
            "x-amz-sns-topic-arn": system.stage.ref("Feed"),
            "x-amz-sns-subscription-arn": system.stage.ref("Hook"),
        }

    @pytest.mark.rule("5.5/raw-elsewhere")
    def test_raw(self, hook):
        """§5.5: the message alone."""
        system = hook(RawMessageDelivery=True)
        publish(system, '{"a": 1}')
        system.settle()

        (event,) = system.events()
        assert event["body"] == '{"a": 1}'
        assert event["headers"]["x-amz-sns-rawdelivery"] == "true"

    def test_a_filter_policy_holds(self, hook):
        """§5.6: for endpoints too."""
        system = hook(FilterPolicy={"k": ["v"]})
        publish(system)
        publish(system, MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
        system.settle()

        assert len(system.events()) == 1


class TestRetries:
    """§5.2: by the delivery policy."""

    @pytest.mark.rule("5.2/http-default")
    @pytest.mark.rule("5.2/http-statuses")
    @pytest.mark.parametrize(
        ("status", "expected"),
        [(500, [0, 20, 40, 60]), (503, [0, 20, 40, 60]), (429, [0, 20, 40, 60]), (404, [0]), (301, [0])],
    )
    def test_by_default_three_retries(self, hook, status, expected):
        """§5.2: 20 s apart, for 5xx and 429 only; then the subscription's dead-letter queue."""
        policy = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}}
        system = hook(ONLY_CONFIRMS.replace("STATUS", str(status)), RedrivePolicy=policy)
        publish(system)
        system.settle()

        assert system.attempts() == expected
        assert [body["Message"] for body in system.bodies("Dead")] == ["hi"]

    @pytest.mark.rule("5.2/http-policy-phases")
    @pytest.mark.parametrize(
        ("function", "waits"),
        [
            ("linear", [10, 20, 30, 40]),
            ("arithmetic", [10, 15, 25, 40]),
            ("geometric", [10, 13.333, 23.333, 40]),
            ("exponential", [10, 12.701, 20.043, 40]),
        ],
    )
    def test_the_phases_of_a_policy(self, hook, function, waits):
        """§5.2: at once, least wait, growing, longest wait; the growing phase gets what the others leave."""
        policy = {
            "minDelayTarget": 10, "maxDelayTarget": 40, "numRetries": 8, "numNoDelayRetries": 2, "numMinDelayRetries": 1,
            "numMaxDelayRetries": 1, "backoffFunction": function,
        }  # fmt: skip
        system = hook(ONLY_CONFIRMS.replace("STATUS", "500"), DeliveryPolicy={"healthyRetryPolicy": policy})
        publish(system)
        system.settle()

        at = system.attempts()
        found = [later - earlier for earlier, later in pairwise(at)]
        assert found == pytest.approx([0, 0, 10, *waits, 40], abs=0.01)

    @pytest.mark.rule("5.2/http-policy-phases")
    def test_a_topics_policy(self, hook):
        """§5.2: it is its endpoints' default."""
        system = hook(ONLY_CONFIRMS.replace("STATUS", "500"))
        policy = {"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 5, "maxDelayTarget": 5, "numRetries": 1}}}
        system.client("sns").set_topic_attributes(
            TopicArn=system.stage.ref("Feed"), AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy)
        )
        publish(system)
        system.settle()

        assert system.attempts() == [0, 5]

    @pytest.mark.rule("5.2/http-policy-limits")
    @pytest.mark.parametrize(
        "policy",
        [
            {"minDelayTarget": 0},
            {"minDelayTarget": 21},
            {"maxDelayTarget": 3601},
            {"numRetries": -1},
            {"numRetries": 101, "minDelayTarget": 1, "maxDelayTarget": 1},
            {"numRetries": 2, "numNoDelayRetries": 3},
            {"backoffFunction": "cubic"},
            {"numRetries": 4, "minDelayTarget": 1000, "maxDelayTarget": 1000},
        ],
    )
    def test_what_a_policy_may_say(self, system, policy):
        """§5.2: 1 s to an hour, 100 retries, an hour in all."""
        system.up(Feed=system.topic())
        text = json.dumps({"healthyRetryPolicy": policy})
        with pytest.raises(ClientError, match="DeliveryPolicy"):
            system.client("sns").subscribe(
                TopicArn=system.stage.ref("Feed"),
                Protocol="https",
                Endpoint="https://example.com/hook",
                Attributes={"DeliveryPolicy": text},
            )

    @pytest.mark.rule("5.2/http-policy-limits")
    def test_at_its_limits(self, system):
        """§5.2: the extremes are taken."""
        system.up(Feed=system.topic())
        for policy in (
            {"numRetries": 100, "minDelayTarget": 1, "maxDelayTarget": 36},
            {"numRetries": 1, "minDelayTarget": 3600, "maxDelayTarget": 3600},
            {"numRetries": 0},
        ):
            system.client("sns").set_topic_attributes(
                TopicArn=system.stage.ref("Feed"),
                AttributeName="DeliveryPolicy",
                AttributeValue=json.dumps({"http": {"defaultHealthyRetryPolicy": policy}}),
            )
