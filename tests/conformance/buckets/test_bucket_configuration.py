"""aws-semantics §10.2: notification configurations: what is kept, and what S3 refuses."""

from __future__ import annotations

import pytest

from stagefright.errors import TemplateError, UnsupportedOperation

UNABLE = "Unable to validate the following destination configurations"


class TestConfiguration:
    """§10.2: what is kept, and what is refused."""

    def entry(self, system, **changes):
        return {"QueueArn": system.stage.arn("Inbox"), "Events": ["s3:ObjectCreated:*"], **changes}

    def filtered(self, system, *rules, **changes):
        found = [{"Name": name, "Value": value} for name, value in rules]
        return self.entry(system, Filter={"Key": {"FilterRules": found}}, **changes)

    @pytest.fixture
    def inbox(self, system):
        """A bucket without notifications, and a queue."""
        system.up(Worker=system.function(), Inbox=system.queue(), Uploads=system.bucket())
        return system

    @pytest.mark.rule("10.2/test-event")
    def test_the_test_message(self, inbox):
        """§10.2: a queue is told that it is a destination now; a function is not."""
        inbox.client("lambda").add_permission(
            FunctionName=inbox.stage.ref("Worker"), StatementId="s3", Action="lambda:*", Principal="s3.amazonaws.com"
        )
        removals = {"LambdaFunctionArn": inbox.stage.arn("Worker"), "Events": ["s3:ObjectRemoved:*"]}
        inbox.configure(QueueConfigurations=[self.entry(inbox)], LambdaFunctionConfigurations=[removals])
        inbox.settle()

        (body,) = inbox.bodies("Inbox")
        assert list(body) == ["Service", "Event", "Time", "Bucket", "RequestId", "HostId"]
        assert (body["Service"], body["Event"], body["Bucket"]) == ("Amazon S3", "s3:TestEvent", "uploads")
        assert body["Time"] == "2026-01-01T00:00:00.000Z"
        assert inbox.attempts() == []

    @pytest.mark.rule("10.2/filters")
    @pytest.mark.parametrize(
        ("key", "is_told"),
        [("in/a.jpg", True), ("in/a.png", False), ("out/a.jpg", False), ("in/sub/b.jpg", True)],
    )
    def test_prefix_and_suffix(self, system, key, is_told):
        """§10.2: both must fit."""
        s3 = system.up_with_function(filters=[("prefix", "in/"), ("suffix", ".jpg")])
        s3.put_object(Bucket="uploads", Key=key, Body=b"")
        system.settle()

        assert bool(system.events()) is is_told

    @pytest.mark.rule("10.2/filters")
    def test_filters_are_encoded(self, system):
        """§10.2: a space in a prefix is written as a plus."""
        s3 = system.up_with_function(filters=[("prefix", "my+photos/")])
        for key in ("my photos/a", "my+photos/a"):
            s3.put_object(Bucket="uploads", Key=key, Body=b"")
        system.settle()

        assert [event["Records"][0]["s3"]["object"]["key"] for event in system.events()] == ["my+photos/a"]

    @pytest.mark.rule("10.2/filter-names")
    def test_names_of_filters(self, inbox, refused):
        """§10.2: any case is taken, and given back as `Prefix` and `Suffix`."""
        inbox.configure(QueueConfigurations=[self.filtered(inbox, ("pReFiX", "notif-"), ("suffix", ".txt"))])
        kept = inbox.client("s3").get_bucket_notification_configuration(Bucket="uploads")["QueueConfigurations"]
        error = refused(inbox.configure, QueueConfigurations=[self.filtered(inbox, ("INVALID", "test"))])["Error"]

        assert kept[0]["Filter"]["Key"]["FilterRules"] == [
            {"Name": "Prefix", "Value": "notif-"},
            {"Name": "Suffix", "Value": ".txt"},
        ]
        assert error == {
            "Code": "InvalidArgument",
            "Message": "filter rule name must be either prefix or suffix",
            "ArgumentName": "FilterRule.Name",
            "ArgumentValue": "INVALID",
        }

    @pytest.mark.rule("10.2/replaced-as-a-whole")
    def test_a_new_configuration_replaces_the_old(self, inbox):
        """§10.2: what is not in it is gone; ids are kept, or made."""
        s3 = inbox.client("s3")
        inbox.configure(
            QueueConfigurations=[self.entry(inbox, Id="mine"), self.entry(inbox, Events=["s3:ObjectAcl:Put"])]
        )
        first = s3.get_bucket_notification_configuration(Bucket="uploads")["QueueConfigurations"]
        inbox.configure()
        s3.put_object(Bucket="uploads", Key="a", Body=b"")
        second = s3.get_bucket_notification_configuration(Bucket="uploads")

        assert first[0]["Id"] == "mine"
        assert len(first[1]["Id"]) == 36
        assert set(second) == {"ResponseMetadata"}
        assert all("Records" not in body for body in inbox.bodies("Inbox"))

    def test_a_reset_brings_the_deployed_one_back(self, system):
        """What a test configures is gone after it."""
        s3 = system.up_with_queue()
        system.configure()
        system.stage.reset()
        s3.put_object(Bucket="uploads", Key="a", Body=b"")

        assert system.names() == ["ObjectCreated:Put"]

    def test_a_bucket_that_is_made_again_has_none(self, inbox):
        """A configuration goes with its bucket."""
        s3 = inbox.client("s3")
        inbox.configure(QueueConfigurations=[self.entry(inbox)])
        s3.delete_bucket(Bucket="uploads")
        s3.create_bucket(Bucket="uploads")

        assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket="uploads")

    @pytest.mark.rule("10.2/missing-destination")
    def test_missing_queues_and_topics(self, inbox, refused):
        """§10.2: each is named, with the reason, in the error; skipping the validation lets them pass."""
        queues = [f"arn:aws:sqs:us-east-1:123456789012:{name}" for name in ("q1", "q2")]
        topic = "arn:aws:sns:us-east-1:123456789012:t"
        entries = [
            self.entry(inbox, QueueArn=queues[0]),
            self.entry(inbox, QueueArn=queues[1], Events=["s3:ObjectRemoved:*"], Id="id"),
        ]
        error = refused(inbox.configure, QueueConfigurations=entries)["Error"]
        topics = [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]
        of_topic = refused(inbox.configure, TopicConfigurations=topics)["Error"]
        inbox.configure(QueueConfigurations=entries, skip=True)

        assert error == {
            "Code": "InvalidArgument",
            "Message": UNABLE,
            "ArgumentName1": queues[0],
            "ArgumentValue1": "The destination queue does not exist",
            "ArgumentName2": queues[1],
            "ArgumentValue2": "The destination queue does not exist",
        }
        assert (of_topic["Message"], of_topic["ArgumentName1"]) == (UNABLE, topic)
        kept = inbox.client("s3").get_bucket_notification_configuration(Bucket="uploads")
        assert [entry["QueueArn"] for entry in kept["QueueConfigurations"]] == queues

    @pytest.mark.rule("10.2/malformed-arn")
    @pytest.mark.parametrize(
        ("kind", "member", "argument"),
        [
            ("QueueConfigurations", "QueueArn", "Queue"),
            ("TopicConfigurations", "TopicArn", "Topic"),
            ("LambdaFunctionConfigurations", "LambdaFunctionArn", "CloudFunction"),
        ],
    )
    @pytest.mark.parametrize("skip", [False, True])
    def test_what_is_no_arn(self, inbox, refused, kind, member, argument, skip):
        """§10.2: refused whether validation is skipped or not."""
        entry = {member: "invalid-queue", "Events": ["s3:ObjectCreated:*"]}
        error = refused(inbox.configure, **{kind: [entry]}, skip=skip)["Error"]

        assert error == {
            "Code": "InvalidArgument",
            "Message": "The ARN could not be parsed",
            "ArgumentName": argument,
            "ArgumentValue": "invalid-queue",
        }

    @pytest.mark.rule("10.2/same-region")
    def test_another_region(self, inbox, refused):
        """§10.2: refused, whether validation is skipped or not."""
        entry = self.entry(inbox, QueueArn="arn:aws:sqs:eu-west-1:123456789012:q")
        error = refused(inbox.configure, QueueConfigurations=[entry], skip=True)["Error"]

        assert error["Message"].startswith("The notification destination service region is not valid")

    def test_the_deprecated_operations_say_what_to_use(self, inbox):
        """Nobody is left with a configuration that is kept and never looked at."""
        s3 = inbox.client("s3")
        with pytest.raises(UnsupportedOperation, match="Use get_bucket_notification_configuration"):
            s3.get_bucket_notification(Bucket="uploads")
        with pytest.raises(UnsupportedOperation, match="Use put_bucket_notification_configuration"):
            s3.put_bucket_notification(Bucket="uploads", NotificationConfiguration={})

    @pytest.mark.rule("10.2/permission")
    def test_a_function_without_permission(self, inbox, refused):
        """§10.2: a function must exist and let S3 in, for this bucket; then it is taken."""
        arn = inbox.stage.arn("Worker")
        entries = [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        missing = [{**entries[0], "LambdaFunctionArn": arn + "-not"}]
        add = inbox.client("lambda").add_permission
        given = {"FunctionName": arn, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
        errors = [refused(inbox.configure, LambdaFunctionConfigurations=one)["Error"] for one in (entries, missing)]
        add(**given, StatementId="other", SourceArn="arn:aws:s3:::other")
        errors.append(refused(inbox.configure, LambdaFunctionConfigurations=entries)["Error"])
        add(**given, StatementId="this", SourceArn="arn:aws:s3:::uploads", SourceAccount="123456789012")
        inbox.configure(LambdaFunctionConfigurations=entries)

        assert {(error["Code"], error["Message"]) for error in errors} == {("InvalidArgument", UNABLE)}
        assert errors[0]["ArgumentName1"] == f"{arn}, null"
        assert errors[0]["ArgumentValue1"] == f"Not authorized to invoke function [{arn}]"

    @pytest.mark.rule("10.2/permission")
    def test_a_template_without_permission(self, system):
        """§10.2: as CloudFormation fails when the permission is missing or comes after the bucket."""
        entry = {"Event": "s3:ObjectCreated:*", "Function": system.att("Worker")}
        bucket = {**system.bucket(LambdaConfigurations=[entry]), "DependsOn": []}
        with pytest.raises(TemplateError, match=f"Uploads.*{UNABLE}"):
            system.up(Worker=system.function(), Uploads=bucket, Allowed=system.permission())

    @pytest.mark.rule("10.2/fifo")
    def test_fifo(self, inbox, refused):
        """§10.2: neither a FIFO queue nor a FIFO topic."""
        queue = inbox.client("sqs").create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        topic = inbox.client("sns").create_topic(Name="t.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
        arn = queue.replace("https://sqs.us-east-1.amazonaws.com/", "").replace("/", ":")
        entry = self.entry(inbox, QueueArn=f"arn:aws:sqs:us-east-1:{arn}")
        topics = [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]

        assert refused(inbox.configure, QueueConfigurations=[entry])["Error"]["Message"] == UNABLE
        assert refused(inbox.configure, TopicConfigurations=topics)["Error"]["Message"] == UNABLE

    @pytest.mark.rule("10.2/unknown-event")
    @pytest.mark.parametrize("event", ["s3:ObjectCreated:Patch", "s3:Nothing:*", "ObjectCreated:Put", "s3:*"])
    def test_unknown_events(self, inbox, refused, event):
        """§10.2: the refusal names the type."""
        error = refused(inbox.configure, QueueConfigurations=[self.entry(inbox, Events=[event])])["Error"]

        assert (error["Code"], error["ArgumentValue"]) == ("InvalidArgument", event)

    @pytest.mark.rule("10.2/overlap")
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ([], [("prefix", "images")]),
            ([("suffix", "jpg")], [("suffix", "pg")]),
            ([("prefix", "images"), ("suffix", "jpg")], [("suffix", "jpg")]),
            ([("prefix", "images/")], [("prefix", "images/in/")]),
        ],
    )
    def test_overlapping_filters(self, inbox, refused, one, other):
        """§10.2: AWS's own examples; `*` has an event in common with each of its family."""
        entries = [self.filtered(inbox, *one), self.filtered(inbox, *other, Events=["s3:ObjectCreated:Put"])]
        error = refused(inbox.configure, QueueConfigurations=entries)["Error"]

        assert error["Code"] == "InvalidArgument"
        assert error["Message"].startswith("Configuration is ambiguously defined.")

    @pytest.mark.rule("10.2/overlap")
    def test_the_same_event_twice(self, inbox, refused):
        """§10.2: without filters, one type of event has one destination."""
        error = refused(inbox.configure, QueueConfigurations=[self.entry(inbox), self.entry(inbox)])["Error"]

        assert error["Message"] == (
            "Configurations overlap. Configurations on the same bucket cannot share a common event type."
        )

    @pytest.mark.rule("10.2/overlap")
    @pytest.mark.parametrize(
        ("one", "other", "event"),
        [
            (
                [("prefix", "images"), ("suffix", ".jpg")],
                [("prefix", "images"), ("suffix", ".png")],
                "s3:ObjectCreated:*",
            ),
            ([("prefix", "images/")], [("prefix", "logs/")], "s3:ObjectCreated:*"),
            ([("prefix", "image/")], [("prefix", "image/")], "s3:ObjectRemoved:*"),
        ],
    )
    def test_what_does_not_overlap(self, inbox, one, other, event):
        """§10.2: other suffixes, other prefixes or other events are fine."""
        inbox.configure(QueueConfigurations=[self.filtered(inbox, *one), self.filtered(inbox, *other, Events=[event])])

        kept = inbox.client("s3").get_bucket_notification_configuration(Bucket="uploads")
        assert len(kept["QueueConfigurations"]) == 2

    @pytest.mark.rule("10.2/no-such-bucket")
    def test_no_such_bucket(self, inbox, refused):
        """§10.2: 404, with the bucket's name."""
        s3 = inbox.client("s3")
        put = refused(s3.put_bucket_notification_configuration, Bucket="nowhere", NotificationConfiguration={})
        got = refused(s3.get_bucket_notification_configuration, Bucket="nowhere")

        for answer in (put, got):
            assert answer["Error"]["Code"] == "NoSuchBucket"
            assert answer["Error"]["BucketName"] == "nowhere"
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 404
