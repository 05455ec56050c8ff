"""aws-semantics §10.2: what happens in a bucket, and the record that tells of it."""

from __future__ import annotations

import pytest


class TestRecord:
    """§10.2: the shape of a notification."""

    @pytest.mark.rule("10.2/record-shape")
    @pytest.mark.rule("10.2/event-time")
    @pytest.mark.rule("10.2/event-name")
    @pytest.mark.rule("10.2/one-record")
    def test_keys_in_order(self, system):
        """§10.2: every key of AWS's record, as AWS orders them."""
        s3 = system.up_with_function()
        system.advance(1.5)
        s3.put_object(Bucket="uploads", Key="cat.jpg", Body=b"something")
        system.settle()

        (event,) = system.events()
        (record,) = event["Records"]
        assert list(event) == ["Records"]
        assert list(record) == [
            "eventVersion", "eventSource", "awsRegion", "eventTime", "eventName", "userIdentity", "requestParameters",
            "responseElements", "s3",
        ]  # fmt: skip
        assert record["eventVersion"] == "2.1"
        assert record["eventSource"] == "aws:s3"
        assert record["awsRegion"] == "us-east-1"
        assert record["eventTime"] == "2026-01-01T00:00:01.500Z"
        assert record["eventName"] == "ObjectCreated:Put"
        assert record["userIdentity"]["principalId"].startswith("AWS:AIDA")
        assert list(record["requestParameters"]) == ["sourceIPAddress"]
        assert list(record["s3"]) == ["s3SchemaVersion", "configurationId", "bucket", "object"]
        assert record["s3"]["s3SchemaVersion"] == "1.0"
        assert list(record["s3"]["bucket"]) == ["name", "ownerIdentity", "arn"]
        assert (record["s3"]["bucket"]["name"], record["s3"]["bucket"]["arn"]) == ("uploads", "arn:aws:s3:::uploads")
        assert list(record["s3"]["object"]) == ["key", "size", "eTag", "sequencer"]
        assert record["s3"]["object"]["size"] == 9
        assert record["s3"]["object"]["eTag"] == "437b930db84b8079c2dd804a71936b5f"

    @pytest.mark.rule("10.2/response-elements")
    def test_the_ids_of_the_request(self, system):
        """§10.2: what S3 answered to the request is what the notification names."""
        s3 = system.up_with_function()
        metadata = s3.put_object(Bucket="uploads", Key="k", Body=b"")["ResponseMetadata"]
        system.settle()

        told = system.events()[0]["Records"][0]["responseElements"]
        assert told == {"x-amz-request-id": metadata["RequestId"], "x-amz-id-2": metadata["HostId"]}
        assert metadata["HTTPHeaders"]["x-amz-request-id"] == metadata["RequestId"]

    @pytest.mark.rule("10.2/key-encoding")
    @pytest.mark.parametrize(
        ("key", "told"), [("red flower.jpg", "red+flower.jpg"), ("in/a@b", "in/a%40b"), ("1+1=2/ä", "1%2B1%3D2/%C3%A4")]
    )
    def test_keys_are_encoded(self, system, key, told):
        """§10.2: as in a form: space to plus, the rest percent-encoded, slashes as they are."""
        s3 = system.up_with_function()
        s3.put_object(Bucket="uploads", Key=key, Body=b"")
        system.settle()

        assert system.events()[0]["Records"][0]["s3"]["object"]["key"] == told

    @pytest.mark.rule("10.2/sequencer")
    def test_sequencers_grow(self, system):
        """§10.2: hexadecimal, greater with each change of a key, whichever side a reader pads."""
        s3 = system.up_with_queue()
        for body in (b"1", b"2", b"3"):
            s3.put_object(Bucket="uploads", Key="k", Body=body)
            system.advance(0.001 if body == b"2" else 0)
        s3.delete_object(Bucket="uploads", Key="k")

        sequencers = [record["s3"]["object"]["sequencer"] for record in system.told()]
        assert sequencers == sorted(set(sequencers))
        assert len({len(text) for text in sequencers}) == 1
        assert all(int(text, 16) for text in sequencers)

    @pytest.mark.rule("10.2/version-id")
    @pytest.mark.parametrize("versioned", [False, True])
    def test_version_ids(self, system, versioned):
        """§10.2: only a bucket with versions has a versionId, and it is the one that the caller was given."""
        s3 = system.up_with_queue(versioned)
        answer = s3.put_object(Bucket="uploads", Key="k", Body=b"")

        assert system.told()[0]["s3"]["object"].get("versionId") == answer.get("VersionId")
        assert ("VersionId" in answer) is versioned

    def test_a_function_is_another_principal(self, system):
        """§10.2: the principal is whoever caused the event; a function acts in its role's session."""
        code = """
            import boto3
            def handler(event, context): boto3.client("s3").put_object(Bucket="uploads", Key="out", Body=b"")
        """
        system.up_with_queue(Writer=system.function(code))
        system.stage.invoke("Writer", {})

        principal = system.told()[0]["userIdentity"]["principalId"]
        assert principal.startswith("AWS:AROA")
        assert principal.endswith(":Writer")


class TestEvents:
    """§10.2: which events there are."""

    @pytest.mark.rule("10.2/created")
    def test_creations(self, system):
        """§10.2: put, copy and multipart upload, with size and tag of the new object."""
        s3 = system.up_with_queue()
        s3.put_object(Bucket="uploads", Key="a", Body=b"something")
        s3.copy_object(Bucket="uploads", Key="b", CopySource={"Bucket": "uploads", "Key": "a"})
        upload = s3.create_multipart_upload(Bucket="uploads", Key="c")["UploadId"]
        part = s3.upload_part(Bucket="uploads", Key="c", UploadId=upload, PartNumber=1, Body=b"x" * 6144)["ETag"]
        s3.complete_multipart_upload(
            Bucket="uploads", Key="c", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}
        )

        told = system.told()
        assert [(record["eventName"], record["s3"]["object"]["key"]) for record in told] == [
            ("ObjectCreated:Put", "a"),
            ("ObjectCreated:Copy", "b"),
            ("ObjectCreated:CompleteMultipartUpload", "c"),
        ]
        assert [record["s3"]["object"]["size"] for record in told] == [9, 9, 6144]
        assert told[1]["s3"]["object"]["eTag"] == "437b930db84b8079c2dd804a71936b5f"
        assert told[2]["s3"]["object"]["eTag"].endswith("-1")
        assert {record["eventVersion"] for record in told} == {"2.1"}

    def test_tags_that_come_with_an_object_are_no_event(self, system):
        """§10.2: an object that is put with tags is one event."""
        s3 = system.up_with_queue()
        s3.put_object(Bucket="uploads", Key="a", Body=b"", Tagging="kind=cat", ACL="public-read")

        assert system.names() == ["ObjectCreated:Put"]

    @pytest.mark.rule("10.2/removed")
    def test_a_deletion(self, system):
        """§10.2: key and sequencer, nothing else; what was not there is not removed."""
        s3 = system.up_with_queue()
        s3.put_object(Bucket="uploads", Key="a", Body=b"x")
        s3.delete_object(Bucket="uploads", Key="a")
        s3.delete_object(Bucket="uploads", Key="a")

        told = system.told()
        assert [record["eventName"] for record in told] == ["ObjectCreated:Put", "ObjectRemoved:Delete"]
        assert list(told[1]["s3"]["object"]) == ["key", "sequencer"]

    @pytest.mark.rule("10.2/removed-batch")
    @pytest.mark.parametrize("quiet", [False, True])
    def test_a_batch(self, system, quiet):
        """§10.2: one notification for each object that was there, under one request."""
        s3 = system.up_with_queue()
        for key in "abc":
            s3.put_object(Bucket="uploads", Key=key, Body=b"x")
        objects = [{"Key": key} for key in ("a", "b", "c", "missing")]
        s3.delete_objects(Bucket="uploads", Delete={"Objects": objects, "Quiet": quiet})

        removed = system.told()[3:]
        assert [record["s3"]["object"]["key"] for record in removed] == ["a", "b", "c"]
        assert {record["eventName"] for record in removed} == {"ObjectRemoved:Delete"}
        assert len({record["responseElements"]["x-amz-request-id"] for record in removed}) == 1

    @pytest.mark.rule("10.2/delete-marker")
    def test_a_bucket_with_versions(self, system):
        """§10.2: a delete marker has a version and the tag of nothing; a version goes for good."""
        s3 = system.up_with_queue(versioned=True)
        version = s3.put_object(Bucket="uploads", Key="a", Body=b"x")["VersionId"]
        marker = s3.delete_object(Bucket="uploads", Key="a")["VersionId"]
        s3.delete_object(Bucket="uploads", Key="a", VersionId=version)
        s3.delete_objects(Bucket="uploads", Delete={"Objects": [{"Key": "a", "VersionId": marker}]})
        s3.delete_object(Bucket="uploads", Key="a", VersionId=version)

        _, marked, *removed = system.told()
        assert marked["eventName"] == "ObjectRemoved:DeleteMarkerCreated"
        assert marked["s3"]["object"]["versionId"] == marker
        assert marked["s3"]["object"]["eTag"] == "d41d8cd98f00b204e9800998ecf8427e"
        assert [record["eventName"] for record in removed] == ["ObjectRemoved:Delete"] * 2
        assert [record["s3"]["object"]["versionId"] for record in removed] == [version, marker]
        assert list(removed[0]["s3"]["object"]) == ["key", "versionId", "sequencer"]

    @pytest.mark.rule("10.2/tagging")
    @pytest.mark.rule("10.2/version-2.3")
    def test_tagging(self, system):
        """§10.2: version 2.3, with the object's tag and neither size nor sequencer."""
        s3 = system.up_with_queue()
        s3.put_object(Bucket="uploads", Key="a", Body=b"something")
        s3.put_object_tagging(Bucket="uploads", Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
        s3.delete_object_tagging(Bucket="uploads", Key="a")

        tagged = system.told()[1:]
        assert [record["eventName"] for record in tagged] == ["ObjectTagging:Put", "ObjectTagging:Delete"]
        assert {record["eventVersion"] for record in tagged} == {"2.3"}
        assert tagged[0]["s3"]["object"] == {"key": "a", "eTag": "437b930db84b8079c2dd804a71936b5f"}

    @pytest.mark.rule("10.2/acl")
    @pytest.mark.rule("10.2/version-2.3")
    def test_acls(self, system):
        """§10.2: an ACL that changes is an event; the same again is none."""
        s3 = system.up_with_queue()
        s3.put_object(Bucket="uploads", Key="a", Body=b"something")
        for acl in ("private", "public-read", "public-read", "private"):
            s3.put_object_acl(Bucket="uploads", Key="a", ACL=acl)

        changed = system.told()[1:]
        assert [record["eventName"] for record in changed] == ["ObjectAcl:Put"] * 2
        assert changed[0]["eventVersion"] == "2.3"
        assert list(changed[0]["s3"]["object"]) == ["key", "eTag"]

    @pytest.mark.rule("10.2/restore")
    def test_a_restore(self, system):
        """§10.2: begun by whoever asked, completed by S3 in the owner's name, with the end of the copy."""
        s3 = system.up_with_queue()
        s3.put_object(Bucket="uploads", Key="a", Body=b"something", StorageClass="GLACIER")
        s3.restore_object(Bucket="uploads", Key="a", RestoreRequest={"Days": 2})
        s3.restore_object(Bucket="uploads", Key="a", RestoreRequest={"Days": 3})

        _, begun, completed = system.told()
        owner = begun["s3"]["bucket"]["ownerIdentity"]["principalId"]
        assert [begun["eventName"], completed["eventName"]] == ["ObjectRestore:Post", "ObjectRestore:Completed"]
        assert {begun["eventVersion"], completed["eventVersion"]} == {"2.1"}
        assert list(completed["s3"]["object"]) == ["key", "size", "eTag", "sequencer"]
        assert completed["userIdentity"]["principalId"] == f"AmazonCustomer:{owner}"
        assert completed["glacierEventData"] == {
            "restoreEventData": {
                "lifecycleRestorationExpiryTime": "2026-01-03T00:00:00.000Z",
                "lifecycleRestoreStorageClass": "GLACIER",
            }
        }
        assert "glacierEventData" not in begun

    def test_refused_calls_are_no_events(self, system, refused):
        """§10.2: a call that fails changes nothing."""
        s3 = system.up_with_queue()
        refused(s3.copy_object, Bucket="uploads", Key="b", CopySource={"Bucket": "uploads", "Key": "missing"})
        refused(s3.put_object_tagging, Bucket="uploads", Key="missing", Tagging={"TagSet": []})

        assert system.told() == []

    def test_the_same_seed_gives_the_same_notifications(self, system):
        """Ids, sequencers and order of a world depend on its seed and on nothing else."""
        s3 = system.up_with_function()
        texts = []
        for _ in range(2):
            system.stage.reset()
            for key in ("a", "b"):
                s3.put_object(Bucket="uploads", Key=key, Body=b"x")
            s3.delete_objects(Bucket="uploads", Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
            system.settle()
            texts.append(system.stage.journal.text())

        assert texts[0] == texts[1]
