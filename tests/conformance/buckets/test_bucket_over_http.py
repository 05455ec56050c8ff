"""aws-semantics §10.2: what reaches a bucket by plain HTTP from inside the stage: presigned URLs and forms."""

from __future__ import annotations

import pytest
import requests


def events(system):
    """The names of the events that the queue was told of, with their keys."""
    return [(record["eventName"], record["s3"]["object"]["key"]) for record in system.told()]


@pytest.mark.parametrize("style", ["virtual", "path"])
def test_presigned_urls_work_in_a_test(system, style):
    """§10.2: a URL for an upload and one for a download, in both forms of address; the upload is an ObjectCreated:Put."""
    import boto3
    from botocore.config import Config

    system.up_with_queue()
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": style}, signature_version="s3v4"))
    where = {"Bucket": system.NAME, "Key": "a b.txt"}
    put = s3.generate_presigned_url("put_object", Params=where)
    get = s3.generate_presigned_url("get_object", Params=where)

    assert requests.put(put, data=b"hello \xff").status_code == 200
    assert requests.get(get).content == b"hello \xff"

    assert events(system) == [("ObjectCreated:Put", "a+b.txt")]


def test_a_handler_may_use_one_as_well(system):
    """§10.2: with the standard library, and the journal says who called."""
    system.up_with_queue(
        Fetch=system.function(
            """
            import urllib.request

            def handler(event, context):
                return urllib.request.urlopen(event).read().decode()
            """
        )
    )
    s3 = system.client("s3")
    s3.put_object(Bucket=system.NAME, Key="k", Body=b"text")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": system.NAME, "Key": "k"})

    assert system.stage.invoke("Fetch", url).payload == "text"
    calls = [(record.resource, record.detail["operation"]) for record in system.stage.journal.of_kind("call")]
    assert ("Fetch", "GetObject") in calls


@pytest.mark.rule("10.2/created-post")
def test_an_upload_with_a_form(system):
    """§10.2: `generate_presigned_post`, as browsers use it, is an ObjectCreated:Post; the key takes the file's name."""
    s3 = system.up_with_queue()
    form = s3.generate_presigned_post(system.NAME, "in/${filename}")

    answer = requests.post(form["url"], data=form["fields"], files={"file": ("cat.png", b"\x89PNG")})

    assert answer.status_code == 204
    assert s3.get_object(Bucket=system.NAME, Key="in/cat.png")["Body"].read() == b"\x89PNG"
    assert events(system) == [("ObjectCreated:Post", "in/cat.png")]


def test_a_bucket_that_does_not_exist(system):
    """§10.2: S3's own error, in XML."""
    system.up_with_queue()

    answer = requests.get("https://nowhere.s3.amazonaws.com/k")

    assert answer.status_code == 404
    assert "NoSuchBucket" in answer.text
