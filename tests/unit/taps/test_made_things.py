"""What a tap makes in an account stands in the ledger before, and goes again, wherever it is interrupted."""

from __future__ import annotations

import json
from contextlib import suppress
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError

from stagefright.targets.run import Run
from stagefright.targets.taps.bus import EVERYTHING, RULE_S, BusTap
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.own_queue import FRESH_QUEUE_S, WAIT_S
from stagefright.targets.taps.topic import SUBSCRIPTION_S, TopicTap

TOPIC = "arn:aws:sns:eu-west-1:123456789012:feed"
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "eu-west-1"}


class Killed(BaseException):
    """The run was interrupted."""


class Account:
    """An account that has queues, rules and subscriptions, on AWS itself; `fails_at` counts calls that change it."""

    id = "123456789012"
    region = "eu-west-1"
    is_emulator = False

    def __init__(self):
        self.acts = []
        self.there = set()
        self.calls = {}
        self.fails_at = None
        self.answer_is_lost = False
        self.real = {name: boto3.client(name, **KEYS) for name in ("sns", "sqs", "events")}

    def client(self, service):
        if service == "sts":
            meta = SimpleNamespace(partition="aws")
            return SimpleNamespace(get_caller_identity=lambda: {"ResponseMetadata": {}}, meta=meta)
        return Client(self, service, self.real[service].exceptions)

    def act(self, name, given):
        """Make or remove something, unless this is the call that is interrupted: before it took effect, or after."""
        self.acts.append(name)
        self.calls.setdefault(name, []).append(given)
        is_hit = self.fails_at == len(self.acts)
        if is_hit and not self.answer_is_lost:
            raise Killed
        answer = getattr(self, name)(**given)
        if is_hit:
            raise Killed
        return answer

    def note(self, kind, name, **detail):
        self.acts.append(f"note {kind}")
        entry = (kind, name)
        self.standing = [*getattr(self, "standing", []), entry]
        return lambda: self.standing.remove(entry)

    def create_queue(self, QueueName, **_):
        self.there.add(("queue", QueueName))
        return {"QueueUrl": f"https://queue/{QueueName}"}

    def get_queue_url(self, QueueName):
        self.need("queue", QueueName, self.real["sqs"].exceptions.QueueDoesNotExist)
        return {"QueueUrl": f"https://queue/{QueueName}"}

    def delete_queue(self, QueueUrl):
        self.there.discard(("queue", QueueUrl.rpartition("/")[2]))

    def subscribe(self, Endpoint, **_):
        self.there.add(("subscription", Endpoint))
        return {"SubscriptionArn": f"{TOPIC}:{Endpoint}"}

    def get_subscription_attributes(self, **_):
        return {"Attributes": {"PendingConfirmation": "false"}}

    def list_subscriptions_by_topic(self, **_):
        found = [name for kind, name in self.there if kind == "subscription"]
        return [{"Subscriptions": [{"Endpoint": name, "SubscriptionArn": f"{TOPIC}:{name}"} for name in found]}]

    def unsubscribe(self, SubscriptionArn):
        self.there.discard(("subscription", SubscriptionArn.removeprefix(f"{TOPIC}:")))

    def put_rule(self, Name, **_):
        self.there.add(("rule", Name))

    def put_targets(self, **_):
        return {"FailedEntryCount": 0}

    def remove_targets(self, Rule, **_):
        self.need("rule", Rule, self.real["events"].exceptions.ResourceNotFoundException)

    def delete_rule(self, Name, **_):
        self.there.discard(("rule", Name))

    def need(self, kind, name, error):
        if (kind, name) not in self.there:
            raise error({"Error": {"Code": "NotThere", "Message": ""}}, "Any")


class Client:
    """A client of that account."""

    def __init__(self, account, service, exceptions):
        self.account = account
        self.exceptions = exceptions

    def __getattr__(self, operation):
        return lambda **given: self.account.act(operation, given)

    def get_paginator(self, operation):
        return SimpleNamespace(paginate=lambda **given: self.account.act(operation, given))


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def make(account, waits):
    """Make a tap of one kind or the other."""
    ground = Ground(account, SimpleNamespace(note=account.note), Run.begin("run123"), "pr-7", pause=waits.append)
    return {
        "topic": lambda: TopicTap(ground, "Feed", TOPIC),
        "bus": lambda: BusTap(ground, "Orders", "orders", {"source": ["shop"]}),
        "default bus": lambda: BusTap(ground, "default", "default"),
    }


@pytest.mark.parametrize("kind", ["topic", "bus"])
def test_the_ledger_comes_first(make, account, kind):
    """Each thing is noted before the call that makes it."""
    make[kind]().arm()

    acts = account.acts
    assert acts.index("note queue") < acts.index("create_queue")
    made, noted = ("subscribe", "note subscription") if kind == "topic" else ("put_rule", "note rule")
    assert acts.index(noted) < acts.index(made)


@pytest.mark.parametrize("answer_is_lost", [False, True])
@pytest.mark.parametrize("kind", ["topic", "bus"])
def test_interrupted_anywhere_it_leaves_nothing(make, account, kind, answer_is_lost):
    """At each call in turn, before it took effect and after: what was made goes, and the ledger has nothing."""
    tap = make[kind]()
    tap.arm()
    tap.close()
    steps = account.acts.index("delete_queue")
    account.answer_is_lost = answer_is_lost
    for step in range(1, steps):
        account.acts, account.fails_at = [], step
        tap = make[kind]()
        with suppress(Killed):
            tap.arm()
        account.fails_at = None

        tap.close()
        tap.close()

        assert account.there == set()
        assert account.standing == []


@pytest.mark.parametrize("kind", ["topic", "bus"])
def test_what_is_gone_already_is_no_error(make, account, kind):
    """Somebody deleted it, or a sweep did."""
    tap = make[kind]()
    tap.arm()
    account.there.clear()

    tap.close()

    assert account.standing == []


def test_what_cannot_be_removed_stays_in_the_ledger(make, account):
    """A sweep will take it."""
    tap = make["topic"]()
    tap.arm()

    def refuse(**_):
        raise ClientError({"Error": {"Code": "Throttled", "Message": ""}}, "DeleteQueue")

    account.delete_queue = refuse
    with pytest.raises(ClientError):
        tap.close()

    assert [kind for kind, _ in account.standing] == ["queue"]


def test_the_policy_of_a_buss_queue_names_the_rule(make, account):
    """On the default bus, whose rules' ARNs do not name it, too."""
    for kind, path in (("bus", "rule/orders/"), ("default bus", "rule/")):
        tap = make[kind]()
        tap.arm()

        policy = json.loads(account.calls["create_queue"][-1]["Attributes"]["Policy"])
        (statement,) = policy["Statement"]
        arn = f"arn:aws:events:eu-west-1:123456789012:{path}{tap.rule_name}"
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": arn}}
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}


def test_without_a_pattern_the_rule_matches_everything(make, account):
    """A rule must have a pattern."""
    make["default bus"]().arm()

    assert json.loads(account.calls["put_rule"][-1]["EventPattern"]) == EVERYTHING


@pytest.mark.parametrize(("kind", "last_wait_s"), [("topic", SUBSCRIPTION_S), ("bus", RULE_S)])
def test_aws_is_given_time(make, waits, kind, last_wait_s):
    """Armed means: what happens next will be seen; AWS says it has done something before it has."""
    make[kind]().arm()

    assert waits == [FRESH_QUEUE_S, last_wait_s]


def test_on_aws_all_of_sqss_servers_are_asked(make, account):
    """A receive that does not wait asks a few of them only."""
    tap = make["topic"]()
    tap.arm()
    account.receive_message = lambda **_: {}

    assert tap.poll() == []

    assert account.calls["receive_message"][-1]["WaitTimeSeconds"] == WAIT_S


def test_a_message_as_aws_sends_it(make, account):
    """The envelope of SNS, as the reference has it (§5.5), becomes what a local stage journals."""
    tap = make["topic"]()
    tap.arm()
    envelope = {
        "Type": "Notification", "MessageId": "6f1b", "TopicArn": TOPIC, "Subject": "post", "Message": "hello",
        "Timestamp": "2026-01-31T12:00:00.250Z", "SignatureVersion": "1",
        "MessageAttributes": {"kind": {"Type": "String", "Value": "post"}},
    }  # fmt: skip
    message = {"Body": json.dumps(envelope), "ReceiptHandle": "r", "Attributes": {"SentTimestamp": "1769860800300"}}
    answers = [{"Messages": [message]}, {}]
    account.receive_message = lambda **_: answers.pop(0)
    account.delete_message_batch = lambda **_: {}

    (sighting,) = tap.poll()

    assert (sighting.at, sighting.resource, sighting.id) == (1769860800.25, "Feed", "6f1b")
    assert sighting.detail == {"id": "6f1b", "message": "hello", "subject": "post", "attributes": {"kind": "post"}}
    assert account.calls["delete_message_batch"][-1]["Entries"] == [{"Id": "0", "ReceiptHandle": "r"}]


def test_what_was_taken_out_is_seen_though_the_next_receive_fails(make, account):
    """It is nowhere else any more."""
    tap = make["bus"]()
    tap.arm()
    event = {"id": "e1", "source": "shop", "detail-type": "Placed", "detail": {}, "resources": [], "time": "t"}
    message = {"Body": json.dumps(event), "ReceiptHandle": "r", "Attributes": {"SentTimestamp": "1000"}}
    answers = [{"Messages": [message]}, ConnectionError(), ConnectionError()]

    def receive(**_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    account.receive_message = receive
    account.delete_message_batch = lambda **_: {}

    assert [sighting.id for sighting in tap.poll()] == ["e1"]
    with pytest.raises(ConnectionError):
        tap.poll()
