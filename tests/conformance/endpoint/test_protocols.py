"""Every protocol of AWS on the wire, as SDKs that are not installed here speak it."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
import zlib
from xml.etree import ElementTree as ET

import pytest

SQS = "{http://queue.amazonaws.com/doc/2012-11-05/}"
SCOPE = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=00"


@pytest.fixture
def send(stage):
    """Sends a request as it stands, and gives status, headers and body of the answer, whatever the status."""

    def request(method, path, body=b"", /, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = urllib.request.Request(stage.endpoint_url + path, body or None, named, method=method)
        try:
            answer = urllib.request.urlopen(asked)
        except urllib.error.HTTPError as refused:
            answer = refused
        return answer.status, answer.headers, answer.read()

    return request


@pytest.fixture
def query(send):
    """Sends a form to a service of the query protocol; the answer is XML."""

    def ask(path="/", **fields):
        form = urllib.parse.urlencode({name.replace("__", "."): value for name, value in fields.items()}).encode()
        status, _, body = send("POST", path, form, Content_Type="application/x-www-form-urlencoded; charset=utf-8")
        return status, ET.fromstring(body)

    return ask


class TestQuery:
    """SQS as SDKs of before 2023 speak it, and SNS."""

    def test_a_message_comes_and_goes(self, stage, query):
        """Attributes and bodies go through forms and XML unharmed; the queue may be named by the path alone."""
        status, sent = query(
            "/123456789012/idle",
            Action="SendMessage",
            Version="2012-11-05",
            MessageBody="a < b & c",
            MessageAttribute__1__Name="kind",
            MessageAttribute__1__Value__DataType="String",
            MessageAttribute__1__Value__StringValue="post",
        )
        _, received = query(
            "/123456789012/idle",
            Action="ReceiveMessage",
            Version="2012-11-05",
            MaxNumberOfMessages="10",
            AttributeName__1="All",
            MessageAttributeName__1="All",
        )

        message = received.find(f"{SQS}ReceiveMessageResult/{SQS}Message")
        attribute = message.find(f"{SQS}MessageAttribute")
        system = {one.find(f"{SQS}Name").text: one.find(f"{SQS}Value").text for one in message.iter(f"{SQS}Attribute")}
        assert 200 == status
        assert sent.find(f"{SQS}SendMessageResult/{SQS}MessageId").text == message.find(f"{SQS}MessageId").text
        assert "a < b & c" == message.find(f"{SQS}Body").text
        assert ("kind", "post") == (
            attribute.find(f"{SQS}Name").text,
            attribute.find(f"{SQS}Value/{SQS}StringValue").text,
        )
        assert "1" == system["ApproximateReceiveCount"]
        assert sent.find(f"{SQS}ResponseMetadata/{SQS}RequestId").text

    def test_a_batch(self, stage, query):
        """Entries have names of their own, on the way in and on the way out."""
        url = stage.ref("Idle")
        _, answer = query(
            Action="SendMessageBatch",
            Version="2012-11-05",
            QueueUrl=url,
            SendMessageBatchRequestEntry__1__Id="a",
            SendMessageBatchRequestEntry__1__MessageBody="A",
            SendMessageBatchRequestEntry__2__Id="b",
            SendMessageBatchRequestEntry__2__MessageBody="",
        )

        result = answer.find(f"{SQS}SendMessageBatchResult")
        assert ["a"] == [one.find(f"{SQS}Id").text for one in result.iter(f"{SQS}SendMessageBatchResultEntry")]
        assert ["b"] == [one.find(f"{SQS}Id").text for one in result.iter(f"{SQS}BatchResultErrorEntry")]

    def test_a_queue_with_attributes_and_tags(self, stage, query):
        """Maps are entries of name and value, tags of key and value."""
        status, made = query(
            Action="CreateQueue",
            Version="2012-11-05",
            QueueName="made",
            Attribute__1__Name="VisibilityTimeout",
            Attribute__1__Value="7",
            Tag__1__Key="team",
            Tag__1__Value="red",
        )
        url = made.find(f"{SQS}CreateQueueResult/{SQS}QueueUrl").text
        _, tags = query(Action="ListQueueTags", Version="2012-11-05", QueueUrl=url)
        _, queues = query(Action="ListQueues", Version="2012-11-05")

        sqs = stage.client("sqs")
        assert (200, "https://sqs.us-east-1.amazonaws.com/123456789012/made") == (status, url)
        assert "7" == sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["VisibilityTimeout"]
        assert ("team", "red") == tuple(part.text for part in tags.find(f"{SQS}ListQueueTagsResult/{SQS}Tag"))
        assert url in [one.text for one in queues.iter(f"{SQS}QueueUrl")]

    def test_a_refusal(self, query):
        """Its code is the old one, as it always was."""
        status, refused = query(Action="GetQueueUrl", Version="2012-11-05", QueueName="nowhere")

        error = refused.find(f"{SQS}Error")
        assert 400 == status
        assert ["Sender", "AWS.SimpleQueueService.NonExistentQueue"] == [error[0].text, error[1].text]

    def test_an_unknown_action(self, query):
        """The refusal names it."""
        status, refused = query(Action="Explode", Version="2012-11-05")

        assert 501 == status
        assert "sqs.Explode" in "".join(refused.itertext())

    def test_sns(self, stage, query):
        """A publication by form reaches the queue."""
        _, answer = query(Action="Publish", Version="2010-03-31", TopicArn=stage.ref("Feed"), Message="news")

        assert "PublishResponse" in answer.tag
        (message,) = stage.client("sqs").receive_message(QueueUrl=stage.ref("Idle"))["Messages"]
        assert "news" == message["Body"]


class TestJson:
    """The JSON protocols."""

    def test_an_unsigned_call_is_known_by_its_target(self, stage, send):
        """`X-Amz-Target` names service and operation."""
        body = json.dumps({"QueueUrl": stage.ref("Idle"), "MessageBody": "m"}).encode()

        status, headers, answer = send(
            "POST", "/", body, X_Amz_Target="AmazonSQS.SendMessage", Content_Type="application/x-amz-json-1.0"
        )

        assert 200 == status
        assert "6f8f57715090da2632453988d9a1501b" == json.loads(answer)["MD5OfMessageBody"]
        assert headers["x-amzn-RequestId"]
        assert "application/x-amz-json-1.0" == headers["Content-Type"]

    def test_a_refusal_names_both_codes(self, send):
        """SQS gives the shape in the body and the code of the query protocol in a header."""
        status, headers, answer = send("POST", "/", b'{"QueueName": "x"}', X_Amz_Target="AmazonSQS.GetQueueUrl")

        assert 400 == status
        assert "com.amazonaws.sqs#QueueDoesNotExist" == json.loads(answer)["__type"]
        assert "AWS.SimpleQueueService.NonExistentQueue;Sender" == headers["x-amzn-query-error"]

    def test_a_body_that_is_no_json(self, send):
        """It is refused, and nothing breaks."""
        status, _, answer = send("POST", "/", b"{", X_Amz_Target="AmazonSQS.GetQueueUrl")

        assert (400, "SerializationException") == (status, json.loads(answer)["__type"].rpartition("#")[2])

    def test_an_unknown_operation(self, send):
        """The refusal names it."""
        status, _, answer = send("POST", "/", b"{}", X_Amz_Target="AmazonSQS.Explode")

        assert 501 == status
        assert "sqs.Explode" in json.loads(answer)["message"]

    def test_a_compressed_body(self, stage, send):
        """SDKs compress what is large."""
        packer = zlib.compressobj(wbits=31)
        body = json.dumps({"QueueUrl": stage.ref("Idle"), "MessageBody": "m" * 20_000}).encode()
        packed = packer.compress(body) + packer.flush()

        status, _, _ = send(
            "POST", "/", packed,
            X_Amz_Target="AmazonSQS.SendMessage", Content_Encoding="gzip", Content_Type="application/x-amz-json-1.0",
        )  # fmt: skip

        assert 200 == status

    def test_a_body_in_cbor(self, send):
        """It is refused with the setting that avoids it."""
        status, _, answer = send(
            "POST", "/", b"\xa0", X_Amz_Target="Kinesis_20131202.ListStreams", Content_Type="application/x-amz-cbor-1.1"
        )

        assert 501 == status
        assert "aws.cborEnabled=false" in json.loads(answer)["message"]

    def test_table_streams_share_the_name_of_tables(self, send):
        """They are told apart by the target."""
        status, _, answer = send(
            "POST", "/", b"{}",
            X_Amz_Target="DynamoDBStreams_20120810.ListStreams", Authorization=SCOPE.format("dynamodb"), Content_Type="application/x-amz-json-1.0",
        )  # fmt: skip

        assert (200, {"Streams": []}) == (status, json.loads(answer))

    def test_a_table_that_is_read_by_its_stream_changes_once(self, stage):
        """Whoever looks at a stream beside its table does not double what is in it."""
        key = {"AttributeName": "id"}
        table = stage.client("dynamodb").create_table(
            TableName="streamed", BillingMode="PAY_PER_REQUEST", KeySchema=[key | {"KeyType": "HASH"}],
            AttributeDefinitions=[key | {"AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )["TableDescription"]  # fmt: skip
        stage.client("dynamodbstreams").describe_stream(StreamArn=table["LatestStreamArn"])

        stage.client("dynamodb").put_item(TableName=table["TableArn"], Item={"id": {"S": "a"}})

        assert 1 == len(stage.journal.of_kind("event", resource="streamed"))


class TestRest:
    """Lambda and S3: methods and paths."""

    def test_an_asynchronous_invocation(self, stage, send):
        """Parameters stand in path and headers, the payload is the body, and the status says what was accepted."""
        status, _, body = send(
            "POST", "/2015-03-31/functions/worker/invocations", b'{"n": 1}', X_Amz_Invocation_Type="Event"
        )
        stage.settle()

        assert (202, b"") == (status, body)
        assert [{"n": 1}] == [record.detail["event"] for record in stage.journal.of_kind("invocation")]

    @pytest.mark.rule("1.1/response-headers")
    def test_a_function_error_stands_in_a_header(self, send):
        """§1.1: so does what version ran, and the end of the log."""
        status, headers, body = send(
            "POST", "/2015-03-31/functions/worker/invocations", b'{"fail": "no"}', X_Amz_Log_Type="Tail"
        )

        assert (200, "Unhandled", "$LATEST") == (
            status,
            headers["X-Amz-Function-Error"],
            headers["X-Amz-Executed-Version"],
        )
        assert b"ValueError" in base64.b64decode(headers["X-Amz-Log-Result"])
        assert "no" == json.loads(body)["errorMessage"]

    def test_a_refusal(self, send):
        """The error's type stands in a header, its members in the body."""
        status, headers, body = send("GET", "/2015-03-31/functions/nowhere")

        assert (404, "ResourceNotFoundException") == (status, headers["x-amzn-ErrorType"])
        assert "Function not found" in json.loads(body)["Message"]
        assert "User" == json.loads(body)["Type"]

    def test_a_function_is_named_by_its_arn(self, stage, send):
        """Colons may come quoted."""
        arn = urllib.parse.quote(stage.arn("Worker"), safe="")

        assert 200 == send("GET", f"/2015-03-31/functions/{arn}/configuration")[0]

    def test_an_answer_without_a_body(self, send):
        """A dry run gives status 204 and nothing else."""
        path = "/2015-03-31/functions/worker/invocations"

        assert (204, b"") == send("POST", path, b"{}", X_Amz_Invocation_Type="DryRun")[::2]

    def test_a_function_is_deleted(self, send):
        """It is gone for the next call."""
        assert send("DELETE", "/2015-03-31/functions/blocked")[0] < 300
        assert 404 == send("GET", "/2015-03-31/functions/blocked")[0]

    def test_an_unsigned_path_is_a_bucket_and_a_key(self, stage, send):
        """What nothing else claims is S3's; `HEAD` tells the length and sends nothing."""
        stage.client("s3").put_object(Bucket="files", Key="a/b", Body=b"content", ACL="public-read")

        status, headers, body = send("HEAD", "/files/a/b")

        assert (200, b"content") == send("GET", "/files/a/b")[::2]
        assert (200, "7", b"") == (status, headers["Content-Length"], body)
        assert (206, b"ont") == send("GET", "/files/a/b", Range="bytes=1-3")[::2]

    def test_a_chunked_body_with_its_checksum_behind(self, stage, send):
        """`aws-chunked`, as the SDKs for Java and JavaScript upload: joined, and its trailer kept."""
        checksum = base64.b64encode(zlib.crc32(b"hello world").to_bytes(4, "big")).decode()
        chunks = (
            b"5\r\nhello\r\n6;chunk-signature=ab\r\n world\r\n0\r\nx-amz-checksum-crc32:"
            + checksum.encode()
            + b"\r\n\r\n"
        )

        status, _, _ = send(
            "PUT", "/files/chunked", chunks,
            Authorization=SCOPE.format("s3"), Content_Encoding="aws-chunked,gzip", X_Amz_Trailer="x-amz-checksum-crc32", X_Amz_Sdk_Checksum_Algorithm="CRC32",
            X_Amz_Decoded_Content_Length="11", X_Amz_Content_Sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            Content_Type="text/plain",
        )  # fmt: skip

        found = stage.client("s3").get_object(Bucket="files", Key="chunked", ChecksumMode="ENABLED")
        assert 200 == status
        assert b"hello world" == found["Body"].read()
        assert (checksum, "gzip") == (found["ChecksumCRC32"], found["ContentEncoding"])

    def test_objects_are_what_was_sent(self, stage, send):
        """Bodies of every byte, called a form by a client that knows no better."""
        content = bytes(range(256))

        send("PUT", "/files/bytes", content, Content_Type="application/x-www-form-urlencoded")

        assert content == stage.client("s3").get_object(Bucket="files", Key="bytes")["Body"].read()

    def test_a_browser_posts_a_form(self, stage, send):
        """What is no operation of an SDK is S3's all the same."""
        parts = (("key", "posted"), ('file"; filename="a.txt', "content"))
        body = "".join(
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in parts
        )

        status, _, _ = send(
            "POST", "/files", (body + "--x--\r\n").encode(), Content_Type="multipart/form-data; boundary=x"
        )

        assert status < 300
        assert b"content" == stage.client("s3").get_object(Bucket="files", Key="posted")["Body"].read()

    def test_a_functions_url(self, stage, send):
        """It is known by its host."""
        from urllib import parse

        url = stage.client("lambda").create_function_url_config(FunctionName="worker", AuthType="NONE")["FunctionUrl"]

        status, headers, _ = send("GET", "/some/path", Host=parse.urlsplit(url).hostname)

        assert (201, "/some/path") == (status, headers["x-path"])

    def test_a_missing_object_is_refused_in_xml(self, send):
        """S3's errors have no wrapper."""
        status, _, body = send("GET", "/files/nowhere", Authorization=SCOPE.format("s3"))

        assert (404, "Error", "NoSuchKey") == (status, ET.fromstring(body).tag, ET.fromstring(body).find("Code").text)
