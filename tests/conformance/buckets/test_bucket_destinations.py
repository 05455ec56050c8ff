"""aws-semantics §10.2: where notifications go."""

from __future__ import annotations

import json

import pytest

from stagefright.chaos.checks import conserved
from stagefright.delivery.at_least_once import AtLeastOnce


def loosen(system, **settings):
    """Let the world deliver at least once."""
    world = system.stage.world
    world.at_least_once = AtLeastOnce(world.chance, world.journal, world.kernel, settings)


class TestDestinations:
    """§10.2: functions, queues, topics and the default bus."""

    @pytest.mark.rule("10.2/asynchronous")
    @pytest.mark.rule("2.2/s3")
    def test_a_function(self, system):
        """§10.2, §2.2: invoked asynchronously; its errors are Lambda's business, and S3 notifies once."""
        s3 = system.up_with_function(system.FAILS)
        s3.put_object(Bucket="uploads", Key="a", Body=b"")
        flow = system.stage.settle()

        assert system.attempts() == [0, 60, 180]
        assert len({record.detail["request_id"] for record in system.invocations()}) == 1
        assert len(system.records("delivery", "Worker")) == 1
        assert flow.path == ["Uploads", "Worker"]

    @pytest.mark.rule("10.2/at-least-once")
    @pytest.mark.parametrize("setting", [{}, {"Uploads": 1.0}, {"Inbox": 1.0}])
    def test_on_request_of_chance_it_comes_twice(self, system, setting):
        """§10.2: by default once; a second time within a second if the bucket is asked, the same notification."""
        s3 = system.up_with_function(system.ECHO)
        loosen(system, duplicate_probability=setting)
        s3.put_object(Bucket="uploads", Key="a", Body=b"")
        system.settle()

        first, *more = system.events()
        assert more == ([first] if "Uploads" in setting else [])
        assert len({record.detail["request_id"] for record in system.invocations()}) == 1 + len(more)
        assert [record.detail["fault"] for record in system.records("fault")] == ["duplicate"] * len(more)
        assert all(0 < at <= 1 for at in system.attempts()[1:])

    @pytest.mark.rule("10.2/at-least-once")
    def test_on_request_of_chance_a_later_one_comes_first(self, system):
        """§10.2: nothing is lost, and sequencers tell the order of the changes."""
        s3 = system.up_with_function(system.ECHO)
        loosen(system, reorder_probability=1.0)
        keys = [str(number) for number in range(8)]
        for key in keys:
            s3.put_object(Bucket="uploads", Key=key, Body=b"")
        system.settle()

        told = [event["Records"][0]["s3"]["object"] for event in system.events()]
        assert [each["key"] for each in told] != keys
        assert [each["key"] for each in sorted(told, key=lambda each: each["sequencer"])] == keys

    @pytest.mark.rule("10.2/to-queue")
    def test_a_queue_and_on_to_a_function(self, system):
        """§10.2: the body is the notification, and the flow leads from the bucket to the function behind the queue."""
        s3 = system.up_with_queue(Reader=system.function(), Mapping=system.mapping("Inbox", "Reader"))
        s3.put_object(Bucket="uploads", Key="a", Body=b"")
        flow = system.stage.settle()

        body = json.loads(system.events("Reader")[0]["Records"][0]["body"])
        assert body["Records"][0]["s3"]["object"]["key"] == "a"
        assert flow.path == ["Uploads", "Inbox", "Reader"]

    @pytest.mark.rule("10.2/to-topic")
    def test_a_topic(self, system):
        """§10.2: the message is the notification, and S3 gives it a subject."""
        entry = {"Event": "s3:ObjectCreated:Put", "Topic": system.ref("Feed")}
        system.up(
            Worker=system.function(),
            Allowed=system.permission(),
            Feed=system.topic(),
            Subscription=system.resource(
                "SNS::Subscription", TopicArn=system.ref("Feed"), Protocol="lambda", Endpoint=system.att("Worker")
            ),
            Uploads=system.bucket(TopicConfigurations=[entry]),
        )
        system.client("s3").put_object(Bucket="uploads", Key="a", Body=b"")
        flow = system.stage.settle()

        told = system.events()[0]["Records"][0]["Sns"]
        assert told["Subject"] == "Amazon S3 Notification"
        assert json.loads(told["Message"])["Records"][0]["eventName"] == "ObjectCreated:Put"
        assert flow.path == ["Uploads", "Feed", "Worker"]

    @pytest.mark.rule("10.2/to-event-bus")
    @pytest.mark.rule("10.2/event-bus-detail")
    def test_the_default_bus(self, system):
        """§10.2: source aws.s3, the bucket as the resource, and a detail per kind of event."""
        system.up(
            Worker=system.function(),
            Allowed=system.permission(),
            Uploads=system.bucket(EventBridgeConfiguration={"EventBridgeEnabled": True}),
            Rule=system.resource(
                "Events::Rule", EventPattern={"source": ["aws.s3"]}, Targets=[{"Id": "w", "Arn": system.att("Worker")}]
            ),
        )
        s3 = system.client("s3")
        ids = s3.put_object(Bucket="uploads", Key="a b", Body=b"data")["ResponseMetadata"]
        s3.put_object_acl(Bucket="uploads", Key="a b", ACL="public-read")
        s3.put_object_tagging(Bucket="uploads", Key="a b", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
        s3.delete_object_tagging(Bucket="uploads", Key="a b")
        s3.delete_object(Bucket="uploads", Key="a b")
        flow = system.stage.settle()

        events = system.events()
        assert [event["detail-type"] for event in events] == [
            "Object Created",
            "Object ACL Updated",
            "Object Tags Added",
            "Object Tags Deleted",
            "Object Deleted",
        ]
        created, acl, *_, deleted = [event["detail"] for event in events]
        assert (events[0]["source"], events[0]["resources"]) == ("aws.s3", ["arn:aws:s3:::uploads"])
        sequencer = created["object"].pop("sequencer")
        assert created == {
            "version": "0",
            "bucket": {"name": "uploads"},
            "object": {"key": "a b", "size": 4, "etag": "8d777f385d3dfec8815d20f7496026dc"},
            "request-id": ids["RequestId"],
            "requester": "123456789012",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        }
        assert list(acl) == ["version", "bucket", "object", "request-id", "requester", "source-ip-address"]
        assert list(acl["object"]) == ["key", "etag"]
        assert list(deleted["object"]) == ["key", "sequencer"]
        assert deleted["object"]["sequencer"] > sequencer
        assert (deleted["reason"], deleted["deletion-type"]) == ("DeleteObject", "Permanently Deleted")
        assert flow.path == ["Uploads", "default", "Worker"]

    @pytest.mark.rule("10.2/to-event-bus")
    def test_versions_and_restores_on_the_bus(self, system):
        """§10.2: a delete marker's event has its version; a restore tells of the storage class and the copy's end."""
        system.up(
            Worker=system.function(),
            Allowed=system.permission(),
            Uploads=system.bucket(versioned=True, EventBridgeConfiguration={"EventBridgeEnabled": "true"}),
            Rule=system.resource(
                "Events::Rule", EventPattern={"source": ["aws.s3"]}, Targets=[{"Id": "w", "Arn": system.att("Worker")}]
            ),
        )
        s3 = system.client("s3")
        s3.put_object(Bucket="uploads", Key="a", Body=b"data", StorageClass="GLACIER")
        s3.restore_object(Bucket="uploads", Key="a", RestoreRequest={"Days": 1})
        marker = s3.delete_object(Bucket="uploads", Key="a")["VersionId"]
        system.settle()

        _, begun, completed, deleted = [event["detail"] for event in system.events()]
        assert (begun["source-storage-class"], "restore-expiry-time" in begun) == ("GLACIER", False)
        assert (completed["requester"], completed["restore-expiry-time"]) == (
            "s3.amazonaws.com",
            "2026-01-02T00:00:00Z",
        )
        assert "sequencer" not in begun["object"]
        assert deleted["deletion-type"] == "Delete Marker Created"
        assert deleted["object"]["version-id"] == marker

    def test_a_destination_that_went(self, system):
        """§10.2: what cannot be handed over any more is lost, and the journal says why."""
        s3 = system.up_with_queue()
        system.client("sqs").delete_queue(QueueUrl=system.stage.ref("Inbox"))
        s3.put_object(Bucket="uploads", Key="a", Body=b"")
        system.settle()

        assert "does not exist" in system.dropped()[0]

    def test_what_lambda_writes_is_told_too(self, system):
        """§2.3, §10.2: an object that Lambda puts there as a destination is an object like any other."""
        s3 = system.up_with_queue(
            Failing=system.function(system.FAILS),
            Config=system.invoke_config("Failing", failure=system.att("Uploads"), MaximumRetryAttempts=0),
        )
        system.invoke_later({"n": 1}, "Failing")
        flow = system.stage.settle()

        (record,) = system.told()
        key = s3.list_objects_v2(Bucket="uploads")["Contents"][0]["Key"]
        assert record["s3"]["object"]["key"].replace("%3A", ":") == key
        assert flow.reached("Inbox")

    @pytest.mark.parametrize("is_kept", [True, False])
    def test_what_nobody_kept_is_not_conserved(self, system, is_kept):
        """§2.4, §10.2: a check sees whether a notification was lost with the dead-letter queue that should have kept it."""
        entry = {"Event": "s3:ObjectCreated:*", "Function": system.att("Worker")}
        system.up(
            Worker=system.function(system.FAILS, DeadLetterConfig={"TargetArn": system.att("Dead")}),
            Dead=system.queue(),
            Allowed=system.permission(),
            Uploads=system.bucket(LambdaConfigurations=[entry]),
        )
        if not is_kept:
            system.client("sqs").delete_queue(QueueUrl=system.stage.ref("Dead"))
        system.client("s3").put_object(Bucket="uploads", Key="a", Body=b"")
        system.settle()
        verdict = conserved("Uploads", "Worker")(system.stage.journal)

        assert verdict.holds is is_kept
        assert ("1 dead-lettered" if is_kept else "1 lost") in verdict.reason

    def test_a_function_that_writes_to_its_own_bucket(self, system):
        """§7: a loop that AWS is told to allow has no end; the error draws it."""
        from stagefright.errors import EndlessLoop

        code = """
            import boto3
            def handler(event, context):
                key = event["Records"][0]["s3"]["object"]["key"]
                boto3.client("s3").put_object(Bucket="uploads", Key=key + "x", Body=b"")
        """
        s3 = system.up_with_function(code)
        name = system.stage.ref("Worker")
        system.client("lambda").put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
        s3.put_object(Bucket="uploads", Key="a", Body=b"")
        with pytest.raises(EndlessLoop, match="Worker -> Uploads -> Worker"):
            system.settle()


class TestTemplates:
    """§10.2: how templates ask for notifications."""

    @pytest.mark.parametrize("managed", [True, False])
    def test_cdk(self, system, managed):
        """CDK puts the configuration by a custom resource of its own, in the API's words."""
        configuration = {
            "LambdaFunctionConfigurations": [
                {"LambdaFunctionArn": system.att("Worker"), "Events": ["s3:ObjectCreated:*"]}
            ]
        }
        custom = {
            "Type": "Custom::S3BucketNotifications",
            "Properties": {
                "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:cdk",
                "BucketName": system.ref("Uploads"),
                "NotificationConfiguration": configuration,
                "Managed": managed,
            },
            "DependsOn": ["Allowed"],
        }
        system.up(
            Worker=system.function(),
            Uploads=system.bucket(),
            Allowed=system.permission(SourceArn=system.att("Uploads")),
            Notifications=custom,
        )
        system.client("s3").put_object(Bucket="uploads", Key="a", Body=b"")

        assert system.stage.settle().path == ["Uploads", "Worker"]

    def test_a_serverless_existing_bucket(self, system):
        """The Serverless Framework's `existing: true` adds to the configuration by a custom resource of its own."""
        custom = {
            "Type": "Custom::S3",
            "Properties": {
                "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:sls",
                "FunctionName": "resize",
                "BucketName": system.ref("Uploads"),
                "BucketConfigs": [{"Event": "s3:ObjectCreated:*", "Rules": [{"Prefix": "in/"}]}],
            },
        }
        system.up(Worker=system.function(FunctionName="resize"), Uploads=system.bucket(), Existing=custom)
        for key in ("in/a", "out/a"):
            system.client("s3").put_object(Bucket="uploads", Key=key, Body=b"")
        system.settle()

        assert len(system.events()) == 1


def test_a_listener_sees_a_bucket(system):
    """`listen.s3` sees every change in a bucket, with or without notifications."""
    from stagefright.listeners import Listen

    system.up(Worker=system.function(), Uploads=system.bucket())
    uploads = Listen(system.stage).s3("Uploads")
    s3 = system.client("s3")
    s3.put_object(Bucket="uploads", Key="a b", Body=b"xy")
    s3.delete_object(Bucket="uploads", Key="a b")

    assert uploads.expect(key="a b", event_name="ObjectCreated:Put").size == 2
    assert uploads.expect(event_name=lambda name: name.startswith("ObjectRemoved")).key == "a b"
    uploads.expect_no_more()
    assert "Uploads ObjectCreated:Put a b" in str(system.stage.settle())
