"""How an account says that its resources are wired, and what follows from that."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from stagefright.targets.arns import Place, arn_of
from stagefright.targets.evidence.account_wiring import AccountWiring
from stagefright.targets.evidence.wiring import Unwired, routes, upstream
from stagefright.targets.stack import StackResource
from tests.unit.evidence.conftest import Wired

PLACE = Place("aws", "us-east-1", "123456789012")
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "X")


def arn(service, resource):
    return PLACE.arn(service, resource)


class Client:
    """Answers as told, paginated or not."""

    def __init__(self, answers):
        self._answers = answers

    def __getattr__(self, operation):
        def call(**asked):
            found = self._answers.get(operation, {})
            found = found(asked) if callable(found) else found
            if isinstance(found, Exception):
                raise found
            return found

        return call

    def get_paginator(self, operation):
        return type("Pages", (), {"paginate": staticmethod(lambda **asked: [getattr(self, operation)(**asked)])})


class Account:
    """A stack, and what the account says of it."""

    TYPES = {  # noqa: RUF012 - nobody changes it
        "Worker": ("AWS::Lambda::Function", "shop-worker"), "Front": ("AWS::Lambda::Function", "shop-front"),
        "Orders": ("AWS::SQS::Queue", "https://sqs.us-east-1.amazonaws.com/123456789012/orders"),
        "Feed": ("AWS::SNS::Topic", arn("sns", "orders")), "Table": ("AWS::DynamoDB::Table", "orders"),
        "Bus": ("AWS::Events::EventBus", "shop-bus"), "Rule": ("AWS::Events::Rule", "shop-bus|placed"), "Bare": ("AWS::Events::Rule", "bare"),
        "Api": ("AWS::ApiGatewayV2::Api", "a1b2c3"), "Bucket": ("AWS::S3::Bucket", "uploads"), "Pipe": ("AWS::Pipes::Pipe", "shop-pipe"),
    }  # fmt: skip

    def __init__(self, **services):
        self.resources = {
            name: StackResource(name, kind, physical, arn_of(kind, physical, PLACE))
            for name, (kind, physical) in self.TYPES.items()
        }
        mapped = {"shop-worker": [{"EventSourceArn": arn("sqs", "orders")}]}
        variables = {
            "Variables": {
                "TABLE": "orders",
                "URL": "https://a1b2c3.execute-api.us-east-1.amazonaws.com/x",
                "NOTE": f"see {arn('sns', 'orders')}",
            }
        }
        self._services = {
            "lambda": {
                "list_event_source_mappings": lambda asked: {"EventSourceMappings": mapped.get(asked["FunctionName"], [])},
                "get_function_configuration": {"Environment": variables},
            },
            "sns": {"list_subscriptions_by_topic": {"Subscriptions": [
                {"Protocol": "sqs", "Endpoint": arn("sqs", "orders")}, {"Protocol": "email", "Endpoint": "amy@example.com"},
            ]}},
            "events": {
                "list_targets_by_rule": lambda asked: {"Targets": [{"Arn": arn("sqs", "orders") if asked["Rule"] == "placed" else arn("lambda", "function:shop-front:live")}]},
                "list_rules": lambda asked: {"Rules": [{"Name": "bare"}] if asked["EventBusName"] == "default" else []},
            },
            "apigatewayv2": {"get_integrations": {"Items": [{"IntegrationUri": arn("lambda", "function:shop-front")}]}},
            "s3": {"get_bucket_notification_configuration": {"QueueConfigurations": [{"QueueArn": arn("sqs", "orders")}], "EventBridgeConfiguration": {}}},
            "pipes": {"describe_pipe": {"Source": arn("dynamodb", "table/orders/stream/2026"), "Target": arn("lambda", "function:shop-worker")}},
            **services,
        }  # fmt: skip

    def client(self, service):
        return Client(self._services.get(service, {}))


def test_what_hands_events_to_whom():
    """Mappings, subscriptions, rules with a bus and without, integrations, notifications, pipes."""
    wiring = AccountWiring(Account())

    assert wiring.sources("Worker") == {"Orders", "Pipe"}
    assert wiring.sources("Orders") == {"Feed", "Bus", "Bucket"}
    assert wiring.sources("Front") == {"default", "Api"}
    assert wiring.sources("Pipe") == {"Table"}
    assert wiring.sources("default") == {"Bucket"}


def test_what_functions_are_told_of():
    """Names, ARNs and URLs in their variables, within a text too; a name that several have is that of the one that is called so."""
    assert AccountWiring(Account()).told_of("Worker") >= {"Table", "Api", "Feed"}
    assert AccountWiring(Account()).told_of("Bucket") is None


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("https://sqs.us-east-1.amazonaws.com/123456789012/orders-dlq", set()),
        (f"{arn('sqs', 'orders.fifo')} and {arn('sns', 'orders_old')}", set()),
        (f"[{arn('sqs', 'orders')},{arn('sns', 'orders')}].", {"Orders", "Feed"}),
        (f"See {arn('dynamodb', 'table/orders')}/index/by-day. Or {arn('sqs', 'orders')}.", {"Table", "Orders"}),
    ],
)
def test_a_name_that_begins_like_another_is_another(setting, told):
    """A queue and its dead-letter queue are often called so; of an edge that nothing proves, that would make one that something does."""
    functions = {"get_function_configuration": {"Environment": {"Variables": {"X": setting}}}}

    assert AccountWiring(Account(**{"lambda": functions})).told_of("Worker") == told


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("orders", "Table"),
        (arn("sns", "orders"), "Feed"),
        (arn("sqs", "orders"), "Orders"),
        (arn("dynamodb", "table/orders/stream/2026-11-21T03:00:00.000"), "Table"),
        (arn("lambda", "function:shop-worker:live"), "Worker"),
        ("https://sqs.us-east-1.amazonaws.com/123456789012/orders", "Orders"),
        (arn("sqs", "strange"), "strange"),
    ],
)
def test_names(spelling, name):
    """A table, a topic and a queue may all be called the same."""
    assert AccountWiring(Account()).name_of(spelling) == name


@pytest.mark.parametrize("service", ["apigatewayv2", "s3", "pipes"])
def test_what_an_emulator_lacks_is_not_known(service):
    """The rest is."""
    refusing = dict.fromkeys(("get_integrations", "get_bucket_notification_configuration", "describe_pipe"), DENIED)

    assert "Orders" in AccountWiring(Account(**{service: refusing})).sources("Worker")


def test_without_the_right_to_look_nothing_is_known():
    """Half of the mappings would be worse than none."""
    wiring = AccountWiring(Account(sns={"list_subscriptions_by_topic": DENIED}))

    assert wiring.sources("Worker") is None
    assert wiring.reports_failures("Worker", "Orders") is None


def test_the_ways_between_two_resources():
    """Through what hands on, and not through functions."""
    wiring = Wired(
        Inbox=["Feed"], Worker=["Inbox", "Feed"], After=["Worker"], Loop=["Ring"], Ring=["Loop"], functions=["Worker"]
    )

    assert sorted(routes(wiring, "Feed", "Worker")) == [[], ["Inbox"]]
    assert routes(wiring, "Inbox", "Worker") == [[]]
    assert routes(wiring, "Feed", "After") == []
    assert routes(wiring, "Elsewhere", "Loop") == []
    assert routes(Unwired(), "Feed", "Worker") is None
    assert upstream(wiring, "Worker") == {"Inbox", "Feed"}
