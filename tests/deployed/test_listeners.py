"""Listeners on a deployed stage: what is observed, that nobody notices, and that nothing stays."""

from __future__ import annotations

import io
import json
import math
import time
import zipfile
from functools import cache
from itertools import count
from types import SimpleNamespace

import pytest

from stagefright.errors import ExpectationFailed, StillMoving, UnsupportedOperation, UsageError
from stagefright.ledger.files import directory_of
from stagefright.ledger.kinds import Fate, kind_named
from stagefright.listeners import Listen
from stagefright.settings import Settings
from stagefright.targets.account import Account
from stagefright.targets.deployed_stage import DeployedStage
from stagefright.targets.run import Run
from stagefright.targets.stack import Stack, StackResource

NUMBERS = count(1)

SOON = "30s"
"""Long enough on a machine that is busy."""


@cache
def way_to(endpoint_url):
    """Making clients anew for each test would take longer than the tests."""
    return Account(region="us-east-1", endpoint_url=endpoint_url)


class System:
    """Resources made by hand in an account, and stages that are attached to them."""

    def __init__(self, account, directory):
        self.account = account
        self.directory = directory
        self.name = f"system{next(NUMBERS)}"
        self.resources = {}
        self.stages = []

    def client(self, service):
        return way_to(self.account.endpoint_url).client(service)

    def add(self, logical_id, resource_type, physical_id, arn=None):
        self.resources[logical_id] = StackResource(logical_id, resource_type, physical_id, arn)
        return physical_id

    def topic(self, logical_id, **attributes):
        suffix = ".fifo" if attributes.get("FifoTopic") else ""
        arn = self.client("sns").create_topic(Name=f"{self.name}-{logical_id}{suffix}", Attributes=attributes)[
            "TopicArn"
        ]
        return self.add(logical_id, "AWS::SNS::Topic", arn, arn)

    def queue(self, logical_id, **attributes):
        suffix = ".fifo" if attributes.get("FifoQueue") else ""
        made = self.client("sqs").create_queue(QueueName=f"{self.name}-{logical_id}{suffix}", Attributes=attributes)
        return self.add(logical_id, "AWS::SQS::Queue", made["QueueUrl"])

    def queue_arn(self, logical_id):
        url = self.resources[logical_id].physical_id
        answer = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def bus(self, logical_id):
        name = f"{self.name}-{logical_id}"
        arn = self.client("events").create_event_bus(Name=name)["EventBusArn"]
        return self.add(logical_id, "AWS::Events::EventBus", name, arn)

    def stream(self, logical_id, shards=1):
        name = f"{self.name}-{logical_id}"
        self.client("kinesis").create_stream(StreamName=name, ShardCount=shards)
        self.client("kinesis").get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
        return self.add(logical_id, "AWS::Kinesis::Stream", name)

    def table(self, logical_id, stream=True):
        name = f"{self.name}-{logical_id}"
        view = (
            {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}} if stream else {}
        )
        self.client("dynamodb").create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], **view,
        )  # fmt: skip
        return self.add(logical_id, "AWS::DynamoDB::Table", name)

    def bucket(self, logical_id, *, versioned=False, events=False):
        name = f"{self.name}-{logical_id.lower()}"
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name)
        if versioned:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        if events:
            configuration = {"EventBridgeConfiguration": {}}
            s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
        return self.add(logical_id, "AWS::S3::Bucket", name)

    def function(self, logical_id, code, **settings):
        name = f"{self.name}-{logical_id}"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", code)
        role = f"arn:aws:iam::000000000000:role/{name}"
        self.client("lambda").create_function(
            FunctionName=name, Runtime="python3.11", Role=role, Handler="app.handler", Timeout=30,
            Code={"ZipFile": packed.getvalue()}, **settings,
        )  # fmt: skip
        return self.add(logical_id, "AWS::Lambda::Function", name)

    def mapping(self, queue, function):
        self.client("lambda").create_event_source_mapping(
            EventSourceArn=self.queue_arn(queue), FunctionName=self.resources[function].physical_id
        )

    def open(self, **settings):
        """A stage, as one run has it."""
        account = way_to(self.account.endpoint_url)
        stack = Stack(self.name, f"arn:{self.name}", "CREATE_COMPLETE", self.resources, {})
        made = Settings(target="aws", directory=self.directory, **{"quiet": "500ms", **settings})
        stage = DeployedStage("pr-7", made, account, stack, run=Run.begin())
        stage.reset()
        self.stages.append(stage)
        return SimpleNamespace(stage=stage, listen=Listen(stage))

    def ours(self):
        """What listeners have made and not taken away, by name."""
        queues = self.client("sqs").list_queues(QueueNamePrefix="stagefright-").get("QueueUrls", [])
        events = self.client("events")
        buses = ["default", *(one.physical_id for one in self.resources.values() if one.type.endswith("EventBus"))]
        rules = [
            r["Name"] for b in buses for r in events.list_rules(EventBusName=b, NamePrefix="stagefright-")["Rules"]
        ]
        subscriptions = self.client("sns").list_subscriptions()["Subscriptions"]
        endpoints = [one["Endpoint"] for one in subscriptions if ":stagefright-" in one["Endpoint"]]
        return [*queues, *rules, *endpoints]

    def ledger(self):
        """The lines of all ledgers: what stands, by kind."""
        standing = []
        for file in sorted(directory_of(self.directory).glob("*.jsonl")):
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            struck = {line["struck"] for line in lines if "struck" in line}
            standing += [line for line in lines if "kind" in line and line["number"] not in struck]
        return standing


@pytest.fixture
def system(ministack, tmp_path):
    """An empty system in MiniStack; at its end nothing of a listener may be left, in the account or in the ledger."""
    system = System(ministack, tmp_path)
    yield system
    for stage in system.stages:
        stage.close()
    assert system.ours() == []
    assert system.ledger() == []


@pytest.fixture
def moto_system(account, tmp_path):
    """The same in a moto server."""
    system = System(account, tmp_path)
    yield system
    for stage in system.stages:
        stage.close()
    assert system.ours() == []


class TestTopics:
    def test_sees_what_is_published(self, system):
        """The message, its subject and its attributes, as a local listener has them."""
        topic = system.topic("Feed")
        feed = system.open().listen.sns("Feed")

        system.client("sns").publish(
            TopicArn=topic, Message='{"author": "amy"}', Subject="post",
            MessageAttributes={"kind": {"DataType": "String", "StringValue": "post"}},
        )  # fmt: skip

        event = feed.expect(message={"author": "amy"}, subject="post", attributes={"kind": "post"}, within=SOON)
        assert event.json == {"author": "amy"}
        assert abs(event.at - time.time()) < 60

    def test_the_id_is_the_one_that_publish_returned(self, system):
        """So that evidence from logs finds the same message."""
        topic = system.topic("Feed")
        feed = system.open().listen.sns("Feed")

        published = system.client("sns").publish(TopicArn=topic, Message="hello")

        assert feed.expect(message="hello", within=SOON).id == published["MessageId"]

    def test_other_subscribers_get_their_messages(self, system):
        """A listener takes nothing away."""
        topic, queue = system.topic("Feed"), system.queue("Inbox")
        system.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=system.queue_arn("Inbox"))
        feed = system.open().listen.sns("Feed")

        system.client("sns").publish(TopicArn=topic, Message="hello")

        feed.expect(message="hello", within=SOON)
        assert len(receive(system, queue)) == 1

    def test_a_fifo_topic_keeps_its_groups_and_their_order(self, system):
        """A FIFO topic is observed by a FIFO queue."""
        topic = system.topic("Feed", FifoTopic="true", ContentBasedDeduplication="true")
        feed = system.open().listen.sns("Feed")

        for text in ("one", "two", "three"):
            system.client("sns").publish(TopicArn=topic, Message=text, MessageGroupId="amy")

        assert [feed.expect(group_id="amy", within=SOON).message for _ in range(3)] == ["one", "two", "three"]

    def test_what_was_published_before_is_not_seen(self, system):
        """A listener sees what happens after it was armed, and the failure says so."""
        topic = system.topic("Feed")
        opened = system.open()
        opened.listen.sns("Feed")
        system.client("sns").publish(TopicArn=topic, Message="early")
        opened.stage.run_until(lambda: len(opened.stage.journal), 30)
        late = opened.listen.sns("Feed")

        with pytest.raises(ExpectationFailed) as failed:
            late.expect(message="early", within="1s")

        assert "within 1s" in str(failed.value)
        assert "a matching event came before the listener was armed" in str(failed.value)
        assert "nothing is due" not in str(failed.value)

    def test_everything_is_tagged_and_in_the_ledger(self, system):
        """The queue carries the run's tags; queue and subscription stand in the ledger until they are gone."""
        topic = system.topic("Feed")
        opened = system.open()
        opened.listen.sns("Feed")

        made = {line["kind"]: line for line in system.ledger()}
        assert set(made) == {"queue", "subscription"}
        assert made["subscription"]["name"] == topic
        assert made["subscription"]["detail"]["endpoint"].endswith(made["queue"]["name"])
        url = system.client("sqs").get_queue_url(QueueName=made["queue"]["name"])["QueueUrl"]
        tags = system.client("sqs").list_queue_tags(QueueUrl=url)["Tags"]
        assert tags == opened.stage.run.tags("pr-7")
        opened.stage.step_aside()
        assert system.ledger() == []

    def test_only_the_topic_may_send_to_the_queue(self, system):
        """The queue's policy names the service and the topic."""
        topic = system.topic("Feed")
        system.open().listen.sns("Feed")

        name = next(line["name"] for line in system.ledger() if line["kind"] == "queue")
        url = system.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        answer = system.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        (statement,) = json.loads(answer["Attributes"]["Policy"])["Statement"]
        assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": topic}}


class TestTwoRuns:
    def test_each_sees_everything_and_neither_the_others_end(self, system):
        """Two runs listen to the same resources of one stage; then one ends, and the other goes on."""
        act = self.actor(system)
        runs = [system.open(), system.open()]
        armed = [self.arm(opened) for opened in runs]

        act("1")
        for listeners in armed:
            for listener in listeners:
                self.expect(listener, "1")
        runs[0].stage.close()
        act("2")

        for listener in armed[1]:
            self.expect(listener, "2")
            assert len(listener.events) == 2

    def actor(self, system):
        topic, bus, stream, table = (getattr(system, kind)(kind) for kind in ("topic", "bus", "stream", "table"))
        queue = system.queue("queue")

        def act(name):
            system.client("sns").publish(TopicArn=topic, Message=json.dumps({"id": name}))
            put(system, bus, {"id": name})
            system.client("kinesis").put_record(StreamName=stream, PartitionKey="k", Data=json.dumps({"id": name}))
            system.client("dynamodb").put_item(TableName=table, Item={"id": {"S": name}})
            system.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps({"id": name}))

        return act

    def arm(self, opened):
        listen = opened.listen
        return [
            listen.sns("topic"), listen.eventbridge("bus"), listen.kinesis("stream"), listen.dynamodb("table"),
            listen.sqs("queue"),
        ]  # fmt: skip

    def expect(self, listener, name):
        part = {"topic": "message", "bus": "detail", "stream": "data", "table": "new", "queue": "body"}[
            listener.resource
        ]
        listener.expect(**{part: {"id": name}}, within=SOON)


class TestSweeping:
    def test_what_the_ledger_says_is_enough_to_undo_it(self, system):
        """Of a run that was killed while its listeners were armed, a sweep takes everything away."""
        system.topic("Feed"), system.bus("Orders"), system.bucket("Uploads", events=True)
        opened = system.open()
        opened.listen.sns("Feed"), opened.listen.eventbridge("Orders"), opened.listen.s3("Uploads")
        entries = opened.stage.ledger.open_entries()
        assert sorted(entry.kind for entry in entries) == ["queue"] * 3 + ["rule"] * 2 + ["subscription"]

        for entry in reversed(entries):
            kind = kind_named(entry.kind)
            assert kind.look(entry, opened.stage.account).fate is Fate.DELETE
            kind.undo(entry, opened.stage.account)

        assert system.ours() == []


class TestBuses:
    def test_sees_what_is_put(self, system):
        """The parts of an event as a local listener has them."""
        bus = system.bus("Orders")
        orders = system.open().listen.eventbridge("Orders")

        put(system, bus, {"id": "o1"})

        event = orders.expect(detail={"id": "o1"}, detail_type="OrderPlaced", source="shop", within=SOON)
        assert event.resources == []

    def test_a_pattern_is_applied_by_the_bus(self, system):
        """Only what meets it is seen; the failure says that the rest is out of sight."""
        bus = system.bus("Orders")
        orders = system.open().listen.eventbridge("Orders", pattern={"detail": {"total": [{"numeric": [">", 100]}]}})

        put(system, bus, {"total": 5})
        put(system, bus, {"total": 500})

        orders.expect(detail={"total": 500}, within=SOON)
        assert len(orders.events) == 1
        with pytest.raises(ExpectationFailed, match="what that kept out was not seen"):
            orders.expect(detail={"total": 5}, within="1s")

    def test_the_default_bus(self, system):
        """It is in no stack, and can be observed all the same."""
        bus = system.open().listen.eventbridge(pattern={"source": ["shop"]})

        put(system, "default", {"id": "o1"})

        bus.expect(detail={"id": "o1"}, within=SOON)

    def test_an_event_that_two_listeners_see_is_journaled_once(self, system):
        """With and without a pattern: two rules, one event."""
        bus = system.bus("Orders")
        opened = system.open()
        everything = opened.listen.eventbridge("Orders")
        some = opened.listen.eventbridge("Orders", pattern={"source": ["shop"]})

        put(system, bus, {"id": "o1"})

        everything.expect(detail={"id": "o1"}, within=SOON)
        some.expect(detail={"id": "o1"}, within=SOON)
        opened.stage.run_until(lambda: False, 1)
        assert len(opened.stage.journal) == 1

    def test_rule_and_queue_are_tagged(self, system):
        """A sweep finds them by their tags."""
        bus = system.bus("Orders")
        opened = system.open()
        opened.listen.eventbridge("Orders")

        (rule,) = system.client("events").list_rules(EventBusName=bus, NamePrefix="stagefright-")["Rules"]
        tags = system.client("events").list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == opened.stage.run.tags("pr-7")
        assert len(rule["Name"]) <= 64
        assert {line["kind"] for line in system.ledger()} == {"queue", "rule"}


class TestStreams:
    def test_sees_what_is_put_from_now_on(self, system):
        """Data and partition key; what was there before is not seen."""
        stream = system.stream("Posts", shards=2)
        kinesis = system.client("kinesis")
        kinesis.put_record(StreamName=stream, PartitionKey="amy", Data=b"early")
        posts = system.open().listen.kinesis("Posts")

        sent = kinesis.put_record(StreamName=stream, PartitionKey="amy", Data=b'{"text": "hello"}')
        kinesis.put_record(StreamName=stream, PartitionKey="bob", Data=b"\xff")

        event = posts.expect(key="amy", data={"text": "hello"}, within=SOON)
        assert event.id == f"{sent['ShardId']}:{sent['SequenceNumber']}"
        assert posts.expect(key="bob", within=SOON).data == "/w=="
        assert len(posts.events) == 2

    def test_follows_shards_that_split(self, system):
        """What comes into the children is seen."""
        stream = system.stream("Posts")
        kinesis = system.client("kinesis")
        opened = system.open()
        posts = opened.listen.kinesis("Posts")
        (shard,) = kinesis.list_shards(StreamName=stream)["Shards"]
        kinesis.put_record(StreamName=stream, PartitionKey="amy", Data=b"before")
        posts.expect(data="before", within=SOON)

        kinesis.split_shard(StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(2**127))
        kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        kinesis.put_record(StreamName=stream, PartitionKey="amy", Data=b"after")

        posts.expect(data="after", within=SOON)

    def test_in_a_moto_server(self, moto_system):
        """Another emulator, the same."""
        stream = moto_system.stream("Posts")
        posts = moto_system.open().listen.kinesis("Posts")

        moto_system.client("kinesis").put_record(StreamName=stream, PartitionKey="amy", Data=b"hello")

        posts.expect(key="amy", data="hello", within=SOON)


class TestTables:
    @pytest.mark.parametrize("which", ["system", "moto_system"])
    def test_sees_changes_with_their_images(self, which, request):
        """As plain values, like a local listener's."""
        system = request.getfixturevalue(which)
        table = system.table("Orders")
        dynamodb = system.client("dynamodb")
        dynamodb.put_item(TableName=table, Item={"id": {"S": "early"}})
        orders = system.open().listen.dynamodb("Orders")

        dynamodb.put_item(TableName=table, Item={"id": {"S": "o1"}, "total": {"N": "5"}})
        dynamodb.put_item(TableName=table, Item={"id": {"S": "o1"}, "total": {"N": "6"}})
        dynamodb.delete_item(TableName=table, Key={"id": {"S": "o1"}})

        assert orders.expect(event_name="INSERT", within=SOON).new == {"id": "o1", "total": 5}
        changed = orders.expect(event_name="MODIFY", key={"id": "o1"}, within=SOON)
        assert (changed.old["total"], changed.new["total"]) == (5, 6)
        assert orders.expect(event_name="REMOVE", within=SOON).old["total"] == 6
        assert len(orders.events) == 3

    def test_a_table_without_a_stream_is_refused(self, system):
        """As on a local stage."""
        system.table("Plain", stream=False)

        with pytest.raises(UsageError, match="no StreamSpecification"):
            system.open().listen.dynamodb("Plain")


class TestQueues:
    def test_sees_messages_that_stay(self, system):
        """Body and attributes; what was there before is not seen, and nothing is taken."""
        queue = system.queue("Mails")
        sqs = system.client("sqs")
        sqs.send_message(QueueUrl=queue, MessageBody="early")
        mails = system.open().listen.sqs("Mails")

        kind = {"kind": {"DataType": "String", "StringValue": "welcome"}}
        sent = sqs.send_message(QueueUrl=queue, MessageBody='{"to": "amy"}', MessageAttributes=kind)

        event = mails.expect(body={"to": "amy"}, attributes={"kind": "welcome"}, within=SOON)
        assert event.id == sent["MessageId"]
        assert len(mails.events) == 1
        assert len(receive(system, queue)) == 2

    def test_sees_more_than_one_receive_can_give(self, system):
        """A look goes through the whole queue, and shows all messages again."""
        queue = system.queue("Mails")
        opened = system.open()
        mails = opened.listen.sqs("Mails")

        for n in range(25):
            system.client("sqs").send_message(QueueUrl=queue, MessageBody=str(n))

        assert {mails.expect(within=SOON).body for _ in range(25)} == {str(n) for n in range(25)}
        assert len(receive(system, queue)) == 25

    def test_a_dead_letter_is_known_as_one(self, system):
        """A redrive is in the flow, as on a local stage."""
        dead = system.queue("Dead")
        redrive = {"deadLetterTargetArn": system.queue_arn("Dead"), "maxReceiveCount": 1}
        jobs = system.queue("Jobs", RedrivePolicy=json.dumps(redrive), VisibilityTimeout="0")
        opened = system.open()
        letters = opened.listen.sqs("Dead")
        sent = system.client("sqs").send_message(QueueUrl=jobs, MessageBody="poison")

        for _ in range(3):
            system.client("sqs").receive_message(QueueUrl=jobs)

        assert letters.expect(body="poison", within=SOON).id == sent["MessageId"]
        (letter,) = opened.stage.settle().dead_letters
        assert (letter.resource, letter.source) == ("Dead", "Jobs")
        assert len(receive(system, dead)) == 1

    def test_a_fifo_queue(self, system):
        """Its groups are seen in order, up to ten messages deep, and a warning says where looking ends."""
        queue = system.queue("Mails", FifoQueue="true", ContentBasedDeduplication="true")
        opened = system.open()
        mails = opened.listen.sqs("Mails")

        for n in range(12):
            system.client("sqs").send_message(QueueUrl=queue, MessageBody=str(n), MessageGroupId="amy")
        system.client("sqs").send_message(QueueUrl=queue, MessageBody="other", MessageGroupId="bob")

        mails.expect(group_id="bob", within=SOON)
        assert [mails.expect(group_id="amy", within=SOON).body for _ in range(10)] == [str(n) for n in range(10)]
        mails.expect_none(within="1s")
        (warning,) = opened.stage.journal.of_kind("warning")
        assert "Of group 'amy' the listener sees the first 10 messages only" in warning.detail["message"]

    def test_a_queue_with_a_consumer_is_refused(self, system):
        """It would be a race; the refusal says what to listen to instead."""
        topic = system.topic("Feed")
        system.queue("Dead")
        redrive = json.dumps({"deadLetterTargetArn": system.queue_arn("Dead"), "maxReceiveCount": 5})
        system.queue("Jobs", RedrivePolicy=redrive, VisibilityTimeout="60")
        system.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=system.queue_arn("Jobs"))
        system.function("Worker", "def handler(event, context): pass")
        system.mapping("Jobs", "Worker")

        with pytest.raises(UnsupportedOperation) as refused:
            system.open().listen.sqs("Jobs")

        text = str(refused.value)
        assert "Worker takes the messages of Jobs" in text
        assert "listen.sns('Feed'), listen.sqs('Dead'), listen.logs('Worker')" in text

    def test_a_queue_that_would_redrive_is_refused(self, system):
        """Each look counts as a receive."""
        system.queue("Dead")
        redrive = {"deadLetterTargetArn": system.queue_arn("Dead"), "maxReceiveCount": 3}
        system.queue("Jobs", RedrivePolicy=json.dumps(redrive))

        with pytest.raises(UnsupportedOperation, match="after 3 receives"):
            system.open().listen.sqs("Jobs")

    def test_looking_stops_before_it_would_move_a_message(self, system):
        """With room in the redrive policy it looks, as often as half of it; then a warning says that it sees no more."""
        system.queue("Dead")
        redrive = {"deadLetterTargetArn": system.queue_arn("Dead"), "maxReceiveCount": 100}
        queue = system.queue("Jobs", RedrivePolicy=json.dumps(redrive))
        opened = system.open()
        jobs = opened.listen.sqs("Jobs")
        system.client("sqs").send_message(QueueUrl=queue, MessageBody="hello")

        for _ in range(60):
            opened.stage.look()

        assert [event.body for event in jobs.events] == ["hello"]
        opened.stage.look()
        (warning,) = opened.stage.journal.of_kind("warning")
        assert "half of the 100 receives" in warning.detail["message"]
        (message,) = receive(system, queue)
        assert int(message["Attributes"]["ApproximateReceiveCount"]) == 51


class TestBuckets:
    @pytest.mark.parametrize("which", ["system", "moto_system"])
    def test_sees_objects_come_and_go(self, which, request):
        """By listing the bucket; what was there before is not seen."""
        system = request.getfixturevalue(which)
        bucket, s3 = system.bucket("Uploads"), system.client("s3")
        s3.put_object(Bucket=bucket, Key="early", Body=b"1")
        uploads = system.open().listen.s3("Uploads")

        s3.put_object(Bucket=bucket, Key="in/cat.jpg", Body=b"miaow")

        event = uploads.expect(key="in/cat.jpg", event_name="ObjectCreated:Put", within=SOON)
        assert (event.size, event.etag) == (5, s3.head_object(Bucket=bucket, Key="in/cat.jpg")["ETag"].strip('"'))
        s3.put_object(Bucket=bucket, Key="in/cat.jpg", Body=b"purr")
        assert uploads.expect(key="in/cat.jpg", event_name="ObjectCreated:Put", within=SOON).size == 4
        s3.delete_object(Bucket=bucket, Key="in/cat.jpg")
        uploads.expect(key="in/cat.jpg", event_name="ObjectRemoved:Delete", within=SOON)
        uploads.expect_no_more()
        assert len(uploads.events) == 3

    def test_sees_every_version(self, system):
        """Two puts between two looks are two events, and a deletion leaves a marker."""
        bucket, s3 = system.bucket("Uploads", versioned=True), system.client("s3")
        uploads = system.open().listen.s3("Uploads")

        made = [s3.put_object(Bucket=bucket, Key="cat", Body=body)["VersionId"] for body in (b"1", b"22")]
        marker = s3.delete_object(Bucket=bucket, Key="cat")["VersionId"]
        s3.delete_object(Bucket=bucket, Key="cat", VersionId=made[0])

        uploads.expect(event_name="ObjectRemoved:DeleteMarkerCreated", version_id=marker, within=SOON)
        uploads.expect(event_name="ObjectCreated:Put", version_id=made[1], size=2, within=SOON)

    def test_a_bucket_that_tells_the_bus_is_heard_there(self, system):
        """Then nothing is missed, and its notifications are as they were."""
        bucket, s3 = system.bucket("Uploads", events=True), system.client("s3")
        uploads = system.open().listen.s3("Uploads")

        s3.put_object(Bucket=bucket, Key="cat", Body=b"miaow")
        s3.delete_object(Bucket=bucket, Key="cat")

        assert uploads.expect(event_name="ObjectCreated:Put", key="cat", within=SOON).size == 5
        uploads.expect(event_name="ObjectRemoved:Delete", key="cat", within=SOON)
        configured = s3.get_bucket_notification_configuration(Bucket=bucket)
        assert set(configured) - {"ResponseMetadata"} == {"EventBridgeConfiguration"}


class TestLogs:
    CODE = "def handler(event, context):\n    print('greeting', event['name'])\n"

    def test_sees_the_lines_of_a_function(self, system):
        """What the code wrote, without the platform's lines; a function that never logged has no group yet."""
        system.function("Greeter", self.CODE)
        opened = system.open()
        lines = opened.listen.logs("Greeter")

        opened.stage.invoke("Greeter", {"name": "amy"})

        assert lines.expect(line=lambda line: "greeting amy" in line, within=SOON)
        assert not [event for event in lines.events if event.line.startswith(("START", "END", "REPORT"))]

    def test_what_was_logged_before_is_no_news(self, system):
        """A second listener begins when it is armed."""
        system.function("Greeter", self.CODE)
        opened = system.open()
        opened.stage.invoke("Greeter", {"name": "amy"})
        opened.listen.logs("Greeter").expect_none(line=lambda line: "amy" in line, within="1s")

        opened.stage.invoke("Greeter", {"name": "bob"})

        late = opened.listen.logs("Greeter")
        late.expect_none(line=lambda line: "bob" in line, within="1s")

    def test_a_group_of_the_functions_choice(self, system):
        """`LoggingConfig` says where the lines go."""
        group = f"/{system.name}/all"
        system.function("Greeter", self.CODE, LoggingConfig={"LogGroup": group})
        opened = system.open()
        lines = opened.listen.logs("Greeter")

        opened.stage.invoke("Greeter", {"name": "amy"})

        lines.expect(line=lambda line: "greeting amy" in line, within=SOON)


class TestSettling:
    def test_waits_for_work_in_queues(self, system):
        """As long as a queue that is worked off holds messages, the stage is not settled; the flow says what that proves."""
        queue = system.queue("Jobs")
        system.function("Worker", "import time\ndef handler(event, context):\n    time.sleep(1)\n    print('worked')\n")
        system.mapping("Jobs", "Worker")
        opened = system.open(quiet="2s")
        lines = opened.listen.logs("Worker")
        system.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")

        flow = opened.stage.settle()

        assert [event.line for event in lines.events if "worked" in event.line]
        assert "This is weaker than what settle() says of a local stage: nothing was seen to move for 2s." in str(flow)

    def test_says_what_still_moves(self, system):
        """A stage that never comes to rest is an error that names the cause."""
        queue = system.queue("Jobs", DelaySeconds="900")
        system.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")

        with pytest.raises(StillMoving, match=r"pr-7 did not settle within 2s \(settle_within\): Jobs holds 1 delayed"):
            system.open(settle_within="2s").stage.settle()

    def test_a_dead_letter_that_lies_there_does_not_move(self, system):
        """Nobody works a dead-letter queue off."""
        queue = system.queue("Dead")
        system.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")

        assert len(system.open().stage.settle()) == 0

    def test_waiting_for_any_time_ends_when_it_is_quiet(self, system):
        """And the failure says what that proves."""
        system.topic("Feed")
        feed = system.open().listen.sns("Feed")

        with pytest.raises(ExpectationFailed, match=r"until nothing was seen to move any more .which is no proof"):
            feed.expect(message="never", within=math.inf)

    def test_expect_no_more_waits_until_it_is_quiet(self, system):
        """What comes late is found all the same."""
        queue = system.queue("Mails", DelaySeconds="2")
        mails = system.open().listen.sqs("Mails")
        system.client("sqs").send_message(QueueUrl=queue, MessageBody="late")

        with pytest.raises(ExpectationFailed, match="1 event that no expectation took"):
            mails.expect_no_more()


def receive(system, queue):
    """All messages of a queue, hidden from now on."""
    found = {}
    while (
        messages := system.client("sqs")
        .receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=600, MessageSystemAttributeNames=["All"]
        )
        .get("Messages")
    ):
        found |= {message["MessageId"]: message for message in messages}
    return list(found.values())


def put(system, bus, detail):
    entry = {"EventBusName": bus, "Source": "shop", "DetailType": "OrderPlaced", "Detail": json.dumps(detail)}
    assert system.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
