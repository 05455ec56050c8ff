"""aws-semantics §7: the loops that Lambda itself stops, and those that it does not."""

from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import ClientError

from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.errors import EndlessLoop
from stagefright.functions.lineage import chain_of, header_behind
from stagefright.journal import Journal

LIMIT = 16

TO_QUEUE = """
    import boto3, os
    sqs = boto3.client("sqs")
    def handler(event, context):
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody="again")
"""
TO_TOPIC = """
    import boto3, os
    sns = boto3.client("sns")
    def handler(event, context):
        sns.publish(TopicArn=os.environ["TOPIC"], Message="again")
"""
AGAIN = """
    import boto3, os
    client = boto3.client("lambda")
    def handler(event, context):
        {first}
        client.invoke(FunctionName=os.environ["AWS_LAMBDA_FUNCTION_NAME"], InvocationType="Event", Payload=b"{{}}")
"""
ASYNC = AGAIN.format(first="pass")
HEADER = re.compile(
    r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01];Lineage=\d{1,3}:[0-9a-f]{8}:\d{1,5}"
)


def variables(**values):
    return {"Environment": {"Variables": values}}


def queue_loop(system, code=TO_QUEUE, queue=None, **properties):
    """A function that sends to the queue that feeds it."""
    system.up(
        Worker=system.function(code, **variables(QUEUE=system.ref("Jobs")), **properties),
        Jobs=queue or system.redriving("Dead", 2),
        Dead=system.queue(),
        Mapping=system.mapping("Jobs"),
    )


class TestCovered:
    """§7: SQS, SNS, S3 and Lambda hand the trace header on."""

    @pytest.mark.rule("7/covers-sqs")
    @pytest.mark.rule("7/about-sixteen")
    @pytest.mark.rule("7/sqs")
    def test_a_loop_through_a_queue(self, system):
        """§7: the 17th invocation is refused; the message comes back after its visibility timeout, then goes to the queue's DLQ."""
        queue_loop(system)
        system.send("go")
        system.settle()

        assert len(system.attempts()) == LIMIT
        retries = system.records("retry", "Worker")
        assert [(r.detail["reason"], r.at - system.began) for r in retries] == [
            ("RecursiveInvocationException", 0),
            ("RecursiveInvocationException", 30),
        ]
        (dead,) = system.messages("Dead")
        assert (dead["Body"], dead["Attributes"]["ApproximateReceiveCount"]) == ("again", "3")
        (warning,) = system.records("warning", "Worker")
        assert "recursive loop (Worker -> Jobs -> Worker)" in warning.detail["message"]

    @pytest.mark.rule("7/covers-sns")
    def test_a_loop_through_a_topic(self, system):
        """§7: SNS invokes asynchronously, so the event is dropped."""
        system.up(
            Worker=system.function(TO_TOPIC, **variables(TOPIC=system.ref("Feed"))),
            Feed=system.topic(),
            Subscription=system.resource(
                "SNS::Subscription", TopicArn=system.ref("Feed"), Protocol="lambda", Endpoint=system.att("Worker")
            ),
        )
        system.client("sns").publish(TopicArn=system.stage.ref("Feed"), Message="go")
        system.settle()

        assert len(system.attempts()) == LIMIT
        assert system.dropped() == ["RecursiveInvocationException"]

    @pytest.mark.rule("7/covers-sns")
    @pytest.mark.rule("7/sqs-system-attribute")
    def test_a_loop_through_a_topic_and_a_queue(self, system):
        """§7: the message that SNS sends carries the header of the call that published."""
        system.up(
            Worker=system.function(TO_TOPIC, **variables(TOPIC=system.ref("Feed"))),
            Feed=system.topic(),
            Jobs=system.redriving("Dead", 1),
            Dead=system.queue(),
            Policy=system.resource(
                "SQS::QueuePolicy",
                Queues=[system.ref("Jobs")],
                PolicyDocument={
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "sns.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": system.att("Jobs"),
                        }
                    ]
                },
            ),
            Subscription=system.resource(
                "SNS::Subscription", TopicArn=system.ref("Feed"), Protocol="sqs", Endpoint=system.att("Jobs")
            ),
            Mapping=system.mapping("Jobs"),
        )
        system.client("sns").publish(TopicArn=system.stage.ref("Feed"), Message="go")
        system.settle()

        assert len(system.attempts()) == LIMIT
        attributes = [event["Records"][0]["attributes"] for event in system.events()]
        assert "AWSTraceHeader" not in attributes[0]
        assert all(HEADER.fullmatch(each["AWSTraceHeader"]) for each in attributes[1:])

    @pytest.mark.rule("7/covers-sqs")
    @pytest.mark.rule("7/covers-sns")
    @pytest.mark.rule("7/covers-lambda")
    @pytest.mark.parametrize(
        ("service", "call"),
        [
            ("sqs", 'send_message_batch(QueueUrl=there, Entries=[{"Id": "a", "MessageBody": "again"}])'),
            ("sns", 'publish_batch(TopicArn=there, PublishBatchRequestEntries=[{"Id": "a", "Message": "again"}])'),
            ("lambda", 'invoke_async(FunctionName=os.environ["AWS_LAMBDA_FUNCTION_NAME"], InvokeArgs=b"{}")'),
        ],
    )
    def test_the_other_calls_that_send(self, system, service, call):
        """§7: what goes out in a batch, or by the deprecated InvokeAsync, carries the header as well."""
        there = {"sqs": system.ref("Jobs"), "sns": system.ref("Feed"), "lambda": "itself"}[service]
        code = f"""
            import boto3, os
            client, there = boto3.client("{service}"), os.environ["THERE"]
            def handler(event, context):
                client.{call}
        """
        system.up(
            Worker=system.function(code, **variables(THERE=there)),
            Jobs=system.redriving("Dead", 1),
            Dead=system.queue(),
            Mapping=system.mapping("Jobs"),
            Feed=system.topic(),
            Subscription=system.resource(
                "SNS::Subscription", TopicArn=system.ref("Feed"), Protocol="lambda", Endpoint=system.att("Worker")
            ),
        )
        system.invoke_later()
        system.settle()

        assert len(system.attempts()) == LIMIT

    @pytest.mark.rule("7/covers-s3")
    def test_a_loop_through_a_bucket(self, system):
        """§7: a notification has the header of the call that wrote the object behind it."""
        code = """
            import boto3
            def handler(event, context):
                boto3.client("s3").put_object(Bucket="uploads", Key="again", Body=b"")
        """
        entry = {"Event": "s3:ObjectCreated:*", "Function": system.att("Worker")}
        allowed = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
        uploads = system.resource(
            "S3::Bucket", BucketName="uploads", NotificationConfiguration={"LambdaConfigurations": [entry]}
        )
        system.up(
            Worker=system.function(code),
            Allowed=system.resource("Lambda::Permission", FunctionName=system.ref("Worker"), **allowed),
            Uploads={**uploads, "DependsOn": ["Allowed"]},
        )
        system.client("s3").put_object(Bucket="uploads", Key="go", Body=b"")
        system.settle()

        assert len(system.attempts()) == LIMIT
        assert [event["Records"][0]["s3"]["object"]["key"] for event in system.events()] == ["go"] + ["again"] * 15
        assert system.dropped() == ["RecursiveInvocationException"]

    @pytest.mark.rule("7/covers-lambda")
    @pytest.mark.rule("7/async-dropped")
    def test_a_function_that_invokes_itself(self, system):
        """§7: asynchronously: the event is dropped, at once and without a retry."""
        system.up(Worker=system.function(ASYNC))
        system.invoke_later()
        system.settle()

        assert len(system.attempts()) == LIMIT
        assert system.dropped() == ["RecursiveInvocationException"]
        assert system.records("retry") == []

    @pytest.mark.rule("7/covers-lambda")
    @pytest.mark.rule("7/sync")
    def test_functions_that_call_each_other(self, system):
        """§7: synchronously: the caller gets RecursiveInvocationException, 400. Each function counts for itself."""
        code = """
            import boto3, os
            client = boto3.client("lambda")
            def handler(event, context):
                try:
                    answer = client.invoke(FunctionName=os.environ["OTHER"], Payload=b"{}")
                except client.exceptions.RecursiveInvocationException as error:
                    return [error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]]
                return __import__("json").loads(answer["Payload"].read())
        """
        system.up(
            Ping=system.function(code, FunctionName="ping", Timeout=60, **variables(OTHER="pong")),
            Pong=system.function(code, FunctionName="pong", Timeout=60, **variables(OTHER="ping")),
        )
        answer = system.stage.invoke("Ping").payload

        assert answer[0] == 400
        assert answer[1]["Code"] == "RecursiveInvocationException"
        assert answer[1]["Message"].startswith("Lambda has detected your function being invoked in a recursive loop")
        assert len(system.attempts("Ping")) == len(system.attempts("Pong")) == LIMIT

    def test_the_journal_shows_the_chain(self, system):
        """§7: from the second invocation on, a record says how often each function ran in this chain."""
        queue_loop(system)
        system.send("go")
        system.settle()
        chains = [record.detail.get("lineage", {}) for record in system.invocations()]

        assert chains[0] == {}
        assert [chain["counts"] for chain in chains[1:]] == [{"Worker": n} for n in range(2, LIMIT + 1)]
        assert len({chain["root"] for chain in chains[1:]}) == 1

    @pytest.mark.parametrize(
        "way",
        ["threading.Thread(target=send).start()", "asyncio.run(asyncio.to_thread(send))", "pool.submit(send).result()"],
    )
    def test_threads_and_async_code_of_a_handler(self, system, way):
        """§7: what a handler sends from another thread carries the header too."""
        code = f"""
            import asyncio, boto3, os, threading
            from concurrent.futures import ThreadPoolExecutor
            sqs, pool = boto3.client("sqs"), ThreadPoolExecutor(1)
            def send():
                sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody="again")
            def handler(event, context):
                {way}
                [thread.join() for thread in threading.enumerate() if thread.name.startswith("Thread-")]
        """
        queue_loop(system, code)
        system.send("go")
        system.settle()

        assert len(system.attempts()) == LIMIT


class TestNotCovered:
    """§7: DynamoDB, EventBridge, Kinesis and Step Functions begin a new chain; the world's own budget stops those loops."""

    @pytest.mark.rule("7/not-dynamodb")
    def test_a_tables_stream(self, system):
        """§7."""
        code = """
            import boto3, os
            table = boto3.client("dynamodb")
            def handler(event, context):
                n = int(event["Records"][-1]["dynamodb"]["Keys"]["id"]["N"])
                table.put_item(TableName=os.environ["TABLE"], Item={"id": {"N": str(n + 1)}})
        """
        table = system.resource(
            "DynamoDB::Table",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
            StreamSpecification={"StreamViewType": "NEW_IMAGE"},
        )
        system.up(
            Worker=system.function(code, **variables(TABLE=system.ref("Table"))),
            Table=table,
            Mapping=system.mapping(system.att("Table", "StreamArn"), StartingPosition="TRIM_HORIZON"),
        )
        system.client("dynamodb").put_item(TableName=system.stage.ref("Table"), Item={"id": {"N": "0"}})

        with pytest.raises(EndlessLoop):
            system.settle()

    @pytest.mark.rule("7/not-kinesis")
    def test_a_stream(self, system):
        """§7."""
        code = """
            import boto3, os
            kinesis = boto3.client("kinesis")
            def handler(event, context):
                kinesis.put_record(StreamName=os.environ["STREAM"], PartitionKey="k", Data=b"again")
        """
        system.up(
            Worker=system.function(code, **variables(STREAM=system.ref("Feed"))),
            Feed=system.resource("Kinesis::Stream", ShardCount=1),
            Mapping=system.mapping("Feed", StartingPosition="TRIM_HORIZON"),
        )
        system.put("go")

        with pytest.raises(EndlessLoop):
            system.settle()

    @pytest.mark.rule("7/not-eventbridge")
    def test_a_bus_and_the_queue_behind_it(self, system):
        """§7: a message that EventBridge sends carries no header, so the count never grows."""
        code = """
            import boto3
            events = boto3.client("events")
            def handler(event, context):
                events.put_events(Entries=[{"Source": "me", "DetailType": "t", "Detail": "{}"}])
        """
        system.up(
            Worker=system.function(code),
            Jobs=system.queue(),
            Rule=system.resource(
                "Events::Rule", EventPattern={"source": ["me"]}, Targets=[{"Arn": system.att("Jobs"), "Id": "jobs"}]
            ),
            Mapping=system.mapping("Jobs"),
        )
        system.client("events").put_events(Entries=[{"Source": "me", "DetailType": "t", "Detail": "{}"}])

        with pytest.raises(EndlessLoop, match="Worker -> default -> Jobs -> Worker"):
            system.settle()
        assert "lineage" not in system.invocations()[-1].detail

    @pytest.mark.rule("7/not-step-functions")
    @pytest.mark.parametrize(
        ("service", "operation"),
        [("states", "StartExecution"), ("dynamodb", "PutItem"), ("kinesis", "PutRecord"), ("events", "PutEvents")],
    )
    def test_calls_that_hand_nothing_on(self, service, operation):
        """§7: the header that such a request carries ends there."""
        journal, chance = Journal(Clock()), Chance(1)
        ran = journal.write("invocation", "Worker", cause=None, request_id="r")
        sent = journal.write("call", "Worker", cause=ran.n, service="sqs", operation="SendMessage")
        other = journal.write("call", "Worker", cause=ran.n, service=service, operation=operation)

        assert chain_of(journal, chance, header_behind(journal, chance, sent.n)).counts == {"Worker": 1}
        assert header_behind(journal, chance, other.n) is None


class TestWhatHappens:
    """§7: asynchronous events are kept where failed ones are."""

    @pytest.mark.rule("7/async-destination")
    @pytest.mark.rule("7/async-dead-letter-queue")
    def test_destination_and_dead_letter_queue(self, system):
        """§7: both get the event; the function never ran, so there is no response."""
        system.up(
            Worker=system.function(ASYNC, DeadLetterConfig={"TargetArn": system.att("Dead")}),
            Config=system.invoke_config(failure=system.att("Failed")),
            Dead=system.queue(),
            Failed=system.queue(),
        )
        system.invoke_later({"n": 1})
        system.settle()

        (record,) = system.bodies("Failed")
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 0
        assert not {"responseContext", "responsePayload"} & set(record)
        (dead,) = system.messages("Dead")
        attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
        assert (dead["Body"], attributes["ErrorCode"]) == ("{}", "400")
        assert attributes["ErrorMessage"].startswith(
            "Lambda has detected your function being invoked in a recursive loop"
        )
        kept = system.records("dead_letter")
        assert [r.detail["condition"] for r in kept] == ["RecursiveInvocationException"] * 2

    @pytest.mark.rule("7/sqs-without-dead-letter-queue")
    def test_a_queue_without_a_dead_letter_queue(self, system):
        """§7: the message comes back again and again; the world stops, and says what it was refused with."""
        queue_loop(system, queue=system.queue())
        system.send("go")

        with pytest.raises(EndlessLoop, match="the last time refused with RecursiveInvocationException"):
            system.settle()
        assert len(system.attempts()) == LIMIT

    @pytest.mark.rule("7/recursive-loop-setting")
    def test_a_loop_that_is_meant(self, system):
        """§7: with RecursiveLoop Allow, from the template or by API, Lambda stops nothing."""
        code = TO_QUEUE.replace(
            "def handler(event, context):",
            "count = 0\n    def handler(event, context):\n        global count; count += 1\n        if count >= 40: return",
        )
        queue_loop(system, code, RecursiveLoop="Allow")
        api, name = system.client("lambda"), system.stage.ref("Worker")
        system.send("go")
        system.settle()
        allowed = len(system.attempts())
        shown = api.get_function_recursion_config(FunctionName=name)["RecursiveLoop"]
        api.put_function_recursion_config(FunctionName=name, RecursiveLoop="Terminate")
        api.update_function_configuration(FunctionName=name, Description="a cold start, so that it counts from 0")
        system.send("go")
        system.settle()

        assert (allowed, shown) == (40, "Allow")
        assert len(system.attempts()) == 40 + LIMIT

    @pytest.mark.rule("7/per-chain")
    def test_a_crowd_is_no_loop(self, system):
        """§7: forty messages of one invocation are forty chains of two."""
        code = """
            import boto3, os
            sqs = boto3.client("sqs")
            def handler(event, context):
                for n in range(40):
                    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=str(n))
        """
        system.up(
            Split=system.function(code, **variables(QUEUE=system.ref("Jobs"))),
            Worker=system.function(),
            Jobs=system.queue(),
            Mapping=system.mapping("Jobs", BatchSize=1),
        )
        system.invoke_later(function="Split")
        system.settle()

        assert len(system.attempts()) == 40
        assert {r.detail["lineage"]["counts"]["Worker"] for r in system.invocations()} == {1}

    @pytest.mark.rule("7/async-destination")
    def test_the_condition_is_an_assumption(self, system):
        """§7: none of the documented ones is said to be it."""
        system.up(
            Worker=system.function(ASYNC),
            Config=system.invoke_config(failure=system.att("Failed")),
            Failed=system.queue(),
        )
        object.__setattr__(system.stage.world.assumptions, "recursion_condition", "RecursionDetected")
        system.invoke_later()
        system.settle()

        (record,) = system.bodies("Failed")
        assert record["requestContext"]["condition"] == "RecursionDetected"

    @pytest.mark.rule("7/about-sixteen")
    def test_the_number_is_an_assumption(self, system):
        """§7: "about 16"."""
        system.up(Worker=system.function(ASYNC))
        object.__setattr__(system.stage.world.assumptions, "recursion_invocations_max", 3)
        system.invoke_later()
        system.settle()

        assert len(system.attempts()) == 3


class TestHeader:
    """§7: the trace header, and the ways to lose it."""

    @pytest.mark.rule("7/environment-variable")
    @pytest.mark.rule("7/header-format")
    def test_the_variable(self, system):
        """§7: a new root for each event from outside; a parent of its own for each invocation; the counters of a first one."""
        system.up(
            Worker=system.function("import os\ndef handler(event, context): return os.environ['_X_AMZN_TRACE_ID']")
        )
        first, second = (system.stage.invoke("Worker").payload for _ in range(2))

        assert HEADER.fullmatch(first)
        assert HEADER.fullmatch(second)
        assert first.split(";")[:2] != second.split(";")[:2]
        assert re.search(r"Lineage=1:[0-9a-f]{8}:0$", first)

    @pytest.mark.rule("7/header-format")
    def test_the_counters(self, system):
        """§7: the first counts the requests of the chain, the second the rounds of the function."""
        queue_loop(system)
        system.send("go")
        system.settle()
        headers = [event["Records"][0]["attributes"].get("AWSTraceHeader") for event in system.events()]

        assert [re.search(r"Lineage=(\d+):\w+:(\d+)$", header).groups() for header in headers[1:]] == [
            (str(n), str(n - 1)) for n in range(1, LIMIT)
        ]
        assert len({re.search("Root=([^;]+)", header)[1] for header in headers[1:]}) == 1
        assert len({re.search("Parent=([^;]+)", header)[1] for header in headers[1:]}) == LIMIT - 1

    @pytest.mark.rule("7/sdk-header")
    def test_the_request_carries_it(self, system):
        """§7: botocore's own handler puts it there; one that the code has put there stays."""
        code = """
            import boto3, os
            client, seen = boto3.client("sqs"), []
            def own(params, **_):
                params["headers"]["X-Amzn-Trace-Id"] = "Root=1-00000000-000000000000000000000000"
            def keep(params, **_):
                seen.append(params["headers"].get("X-Amzn-Trace-Id"))
            client.meta.events.register_last("before-call", keep)
            def handler(event, context):
                seen.clear()
                client.send_message(QueueUrl=os.environ["QUEUE"], MessageBody="plain")
                client.meta.events.register_first("before-call.sqs", own)
                client.send_message(QueueUrl=os.environ["QUEUE"], MessageBody="own")
                return [os.environ["_X_AMZN_TRACE_ID"], *seen]
        """
        system.up(Worker=system.function(code, **variables(QUEUE=system.ref("Jobs"))), Jobs=system.queue())
        variable, plain, own = system.stage.invoke("Worker").payload

        assert plain == variable
        assert own == "Root=1-00000000-000000000000000000000000"
        assert [message["Attributes"]["AWSTraceHeader"] for message in system.messages("Jobs")] == [variable, own]

    @pytest.mark.rule("7/sqs-system-attribute")
    def test_the_senders_own_attribute_wins(self, system):
        """§7: a header that the sender sets as a system attribute is the one that the message carries."""
        code = """
            import boto3, os
            def handler(event, context):
                own = {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"}
                boto3.client("sqs").send_message(
                    QueueUrl=os.environ["QUEUE"], MessageBody="own", MessageSystemAttributes={"AWSTraceHeader": own}
                )
        """
        system.up(
            Sender=system.function(code, **variables(QUEUE=system.ref("Jobs"))),
            Worker=system.function("import os\ndef handler(event, context): return os.environ['_X_AMZN_TRACE_ID']"),
            Jobs=system.queue(),
            Mapping=system.mapping("Jobs"),
        )
        system.invoke_later(function="Sender")
        system.settle()
        (outcome,) = system.records("outcome", "Worker")

        assert outcome.detail["payload"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=")
        assert ";Sampled=1;" in outcome.detail["payload"]

    @pytest.mark.rule("7/old-sdk")
    @pytest.mark.parametrize(
        "first",
        [
            'del os.environ["_X_AMZN_TRACE_ID"]',
            'client.meta.events.unregister("before-call", __import__("botocore.handlers").handlers.add_recursion_detection_header)',
        ],
    )
    def test_without_the_header(self, system, first):
        """§7: an old SDK, or code that takes the variable away: Lambda sees no loop, and the world's own budget ends it."""
        system.up(Worker=system.function(AGAIN.format(first=first)))
        system.invoke_later()

        with pytest.raises(EndlessLoop, match="Worker -> Worker"):
            system.settle()
        assert len(system.attempts()) > 10 * LIMIT
        assert all("lineage" not in record.detail for record in system.invocations())

    @pytest.mark.rule("7/dropping-lineage")
    def test_without_its_lineage(self, system):
        """§7: the root goes on, the count does not."""
        first = 'os.environ["_X_AMZN_TRACE_ID"] = os.environ["_X_AMZN_TRACE_ID"].partition(";Lineage")[0]'
        system.up(Worker=system.function(AGAIN.format(first=first)))
        system.invoke_later()

        with pytest.raises(EndlessLoop):
            system.settle()
        assert {record.detail["lineage"]["counts"]["Worker"] for record in system.invocations()[1:]} == {1}
        assert len({record.detail["lineage"]["root"] for record in system.invocations()[1:]}) == 1

    @pytest.mark.parametrize(
        "header", ["", "nonsense", "Root=", "Parent=0000000000000000", "Root=1;Parent=zz;Lineage=x"]
    )
    def test_a_header_that_is_none(self, header):
        """A text that nobody can read stands for no chain, or for one without a count."""
        chain = chain_of(Journal(Clock()), Chance(1), header)

        assert chain is None or chain.counts == {}

    def test_a_header_of_another_world(self, system):
        """What an earlier test kept counts for nothing."""
        system.up(
            Worker=system.function("import os\ndef handler(event, context): return os.environ['_X_AMZN_TRACE_ID']")
        )
        kept = system.stage.invoke("Worker").payload
        system.stage.world.reset(seed=2)
        system.stage.invoke("Worker")
        chain = chain_of(system.stage.journal, system.stage.world.chance, kept)

        assert chain.counts == {}

    def test_the_tests_own_calls_begin_a_chain(self, system):
        """A call of the test carries no header."""
        system.up(Worker=system.function())
        with pytest.raises(ClientError):
            system.client("lambda").invoke(FunctionName="nobody", Payload=json.dumps({}))
        system.stage.invoke("Worker")

        assert all("trace" not in record.detail for record in system.records("call"))
        assert "lineage" not in system.invocations()[0].detail
