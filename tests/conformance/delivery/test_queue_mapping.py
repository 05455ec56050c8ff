"""aws-semantics §3.5 to §3.10: a queue feeds a function."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from stagefright.assumptions import Assumptions
from stagefright.errors import EndlessLoop

FAILS_ALWAYS = "def handler(event, context): raise ValueError"
REPORTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
SLOW = "import time\ndef handler(event, context): time.sleep(10)"


def reporting(expression):
    """A function that returns `expression`, in which `ids` are the message ids and `bodies` maps body to id."""
    return f"""
        def handler(event, context):
            ids = [record["messageId"] for record in event["Records"]]
            bodies = {{record["body"]: record["messageId"] for record in event["Records"]}}
            return {expression}
    """


class TestBatching:
    """§3.5: what one invocation gets, and when."""

    @pytest.mark.rule("3.7/success")
    def test_messages_that_were_there_before_the_mapping_are_delivered(self, system):
        """§3.5, §3.7: a mapping polls what the queue holds."""
        system.up(Worker=system.function(), Jobs=system.queue())
        system.send("early")
        system.client("lambda").create_event_source_mapping(
            EventSourceArn=system.stage.arn("Jobs"), FunctionName=system.stage.ref("Worker")
        )
        system.settle()

        assert system.batches() == [["early"]]
        assert system.depth("Jobs") == (0, 0, 0)

    @pytest.mark.rule("3.5/window-range")
    def test_without_a_window_a_message_is_delivered_at_once(self, system):
        """§3.5: the default window is 0, so a message does not wait for others."""
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs"))
        for n in range(3):
            system.send(f"m{n}")
            system.settle()

        assert system.batches() == [["m0"], ["m1"], ["m2"]]
        assert system.elapsed() == 0

    @pytest.mark.rule("3.5/invoke-when-full")
    def test_batch_size(self, system):
        """§3.5: a batch has BatchSize messages at most."""
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs", BatchSize=4, Enabled=False))
        system.send(*[f"m{n}" for n in range(10)])
        enable(system)
        system.settle()

        assert [len(batch) for batch in system.batches()] == [4, 4, 2]

    @pytest.mark.rule("3.5/batch-size-default")
    def test_the_default_batch_size_is_ten(self, system):
        """§3.5."""
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs", Enabled=False))
        system.send(*[f"m{n}" for n in range(12)])
        enable(system)
        system.settle()

        assert [len(batch) for batch in system.batches()] == [10, 2]

    @pytest.mark.rule("3.5/invoke-when-the-window-is-over")
    def test_a_window_gathers(self, system):
        """§3.5: the batch goes when the window, counted from its first message, is over."""
        system.up(
            Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs", MaximumBatchingWindowInSeconds=20)
        )
        system.advance(5)
        system.send("a")
        system.advance(10)
        system.send("b")
        system.settle()

        assert (system.batches(), system.attempts()) == ([["a", "b"]], [25])

    @pytest.mark.rule("3.5/invoke-when-full")
    def test_a_full_batch_ends_its_window(self, system):
        """§3.5: whichever comes first, window or size."""
        system.up(
            Worker=system.function(),
            Jobs=system.queue(),
            Map=system.mapping("Jobs", BatchSize=2, MaximumBatchingWindowInSeconds=20),
        )
        system.send("a", "b", "c")
        system.settle()

        assert (system.batches(), system.attempts()) == ([["a", "b"], ["c"]], [0, 20])

    @pytest.mark.rule("3.5/invoke-at-6-mb")
    def test_six_megabytes_end_the_window(self, system):
        """§3.5: ... or a payload of 6 MB; the message that was too much opens the next batch."""
        system.up(
            Worker=system.function(),
            Jobs=system.queue(),
            Map=system.mapping("Jobs", BatchSize=100, MaximumBatchingWindowInSeconds=20),
        )
        system.send(*["x" * 1_000_000 for _ in range(8)])
        system.settle()

        assert [len(batch) for batch in system.batches()] == [6, 2]
        assert system.attempts() == [0, 20]

    @pytest.mark.rule("3.5/light-traffic")
    def test_light_traffic_may_keep_a_window_open(self, system):
        """§3.5: with a window and few messages a batch may wait up to 20 s on AWS; here as long as is assumed."""
        system.up(
            Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs", MaximumBatchingWindowInSeconds=1)
        )
        system.stage.world.assumptions = Assumptions(queue_light_traffic_wait_s=20)
        system.send("a")
        system.settle()

        assert system.attempts() == [20]

    @pytest.mark.rule("3.5/large-batch-needs-a-window")
    def test_a_large_batch_needs_a_window(self, system):
        """§3.5: more than ten messages only with a window, then up to 10,000."""
        system.up(
            Worker=system.function(),
            Jobs=system.queue(),
            Map=system.mapping("Jobs", BatchSize=50, MaximumBatchingWindowInSeconds=1),
        )
        system.send(*[f"m{n}" for n in range(50)])
        system.settle()

        assert [len(batch) for batch in system.batches()] == [50]

    def test_delayed_messages_come_when_their_delay_is_over(self, system):
        """§3.1: a delayed message is not received before."""
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs"))
        system.send("late", DelaySeconds=90)
        system.send("now")
        system.settle()

        assert (system.batches(), system.attempts()) == ([["now"], ["late"]], [0, 90])

    @pytest.mark.rule("3.9/shape")
    @pytest.mark.rule("3.9/case")
    def test_records_have_awss_shape(self, system):
        """§3.9: attributes are strings, message attributes in lower camel case, md5OfMessageAttributes with attributes only."""
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs"))
        system.send("text", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
        system.settle()

        record = system.events()[0]["Records"][0]
        assert set(record) == {
            "messageId",
            "receiptHandle",
            "body",
            "attributes",
            "messageAttributes",
            "md5OfMessageAttributes",
            "md5OfBody",
            "eventSource",
            "eventSourceARN",
            "awsRegion",
        }
        assert record["attributes"]["ApproximateReceiveCount"] == "1"
        assert record["attributes"]["SentTimestamp"] == "1767225600000"
        assert record["messageAttributes"]["k"] == {
            "stringValue": "v",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "String",
        }
        assert record["eventSourceARN"] == system.stage.arn("Jobs")

    def test_a_batch_names_the_causes_of_all_its_messages(self, system):
        """The journal: a delivery's cause is its first message, the others are in `causes`."""
        system.up(
            Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs", MaximumBatchingWindowInSeconds=1)
        )
        system.send("a", "b", "c")
        system.settle()

        events = [record.n for record in system.records("event", "Jobs")]
        delivery = system.records("delivery", "Worker")[0]
        assert [delivery.cause, *delivery.detail["causes"]] == events
        assert system.invocations()[0].cause == delivery.n


def enable(system, enabled=True, **changes):
    """Enable, disable or change the mapping `Map`, as a test would."""
    system.client("lambda").update_event_source_mapping(UUID=system.stage.ref("Map"), Enabled=enabled, **changes)


class TestFailures:
    """§3.7: what happens to a batch that was not processed."""

    @pytest.mark.rule("3.7/failed-messages-come-back")
    def test_messages_come_back_when_their_visibility_ends(self, system):
        """§3.7: Lambda does not change the visibility; the receive count grows with the next receive."""
        code = """
            def handler(event, context):
                if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1": raise ValueError
        """
        system.up(Worker=system.function(code), Jobs=system.queue(VisibilityTimeout=45), Map=system.mapping("Jobs"))
        system.send("m")
        system.settle()

        assert system.attempts() == [0, 45]
        counts = [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in system.events()]
        assert counts == ["1", "2"]
        assert system.depth("Jobs") == (0, 0, 0)

    @pytest.mark.parametrize(
        "code",
        [
            "import time\ndef handler(event, context): time.sleep(100)",
            "import sys\ndef handler(event, context): sys.exit(1)",
            "def handler(event, context): raise ValueError",
        ],
    )
    @pytest.mark.rule("3.7/failure")
    def test_every_kind_of_failure_leaves_the_batch(self, system, code):
        """§3.7: exception, timeout and exit are alike."""
        system.up(
            Worker=system.function(code, Timeout=5),
            Jobs=system.redriving("Dead", 2, VisibilityTimeout=30),
            Map=system.mapping("Jobs"),
            Dead=system.queue(),
        )
        system.send("m")
        system.settle()

        assert system.attempts() == [0, 30]
        assert len(system.messages()) == 1

    @pytest.mark.rule("3.7/failure")
    def test_the_whole_batch_fails(self, system):
        """§3.7: one exception, and all messages of the batch come back."""
        code = """
            def handler(event, context):
                if any(r["body"] == "bad" and r["attributes"]["ApproximateReceiveCount"] == "1" for r in event["Records"]):
                    raise ValueError
        """
        system.up(
            Worker=system.function(code),
            Jobs=system.queue(),
            Map=system.mapping("Jobs", MaximumBatchingWindowInSeconds=1, BatchSize=2),
        )
        system.send("good", "bad")
        system.settle()

        assert [sorted(batch) for batch in system.batches()] == [["bad", "good"], ["bad", "good"]]

    @pytest.mark.rule("3.4/seen-max-times")
    def test_redrive_after_the_last_receive(self, system):
        """§3.4: the function sees a message maxReceiveCount times; the next receive moves it, and its count goes on."""
        system.up(
            Worker=system.function(FAILS_ALWAYS),
            Jobs=system.redriving("Dead", 3, VisibilityTimeout=30),
            Map=system.mapping("Jobs"),
            Dead=system.queue(),
        )
        sent = system.send("m")
        system.settle()

        assert system.attempts() == [0, 30, 60]
        assert system.records("dead_letter")[0].at - system.began == 90
        message = system.messages()[0]
        assert message["MessageId"] == sent[0]
        assert message["Attributes"]["ApproximateReceiveCount"] == "4"

    @pytest.mark.rule("3.4/receive-count-continues")
    def test_max_receive_count_of_one(self, system):
        """§13, §3.4: with maxReceiveCount 1 the first receive from the dead-letter queue says "2"."""
        system.up(
            Worker=system.function(FAILS_ALWAYS),
            Jobs=system.redriving("Dead", 1, VisibilityTimeout=30),
            Map=system.mapping("Jobs"),
            Dead=system.queue(),
        )
        system.send("m")
        system.settle()

        assert system.attempts() == [0]
        assert system.messages()[0]["Attributes"]["ApproximateReceiveCount"] == "2"

    @pytest.mark.rule("3.5/window-lengthens-visibility")
    def test_a_window_can_lengthen_the_visibility(self, system):
        """§3.5: window + timeout over the queue's visibility -> window + timeout + 30 s."""
        system.up(
            Worker=system.function(FAILS_ALWAYS, Timeout=30),
            Jobs=system.redriving("Dead", 1, VisibilityTimeout=30),
            Map=system.mapping("Jobs", MaximumBatchingWindowInSeconds=10),
            Dead=system.queue(),
        )
        system.send("m")
        system.settle()

        assert system.attempts() == [10]
        assert system.records("dead_letter")[0].at - system.began == 70

    @pytest.mark.parametrize("visibility_s", ["0", "5"])
    def test_work_that_takes_longer_than_it_is_hidden_never_ends(self, system, visibility_s):
        """§3.2, §3.7: each success deletes with a handle that is out of date by then; the world stops, and says so."""
        system.up(Worker=system.function(SLOW, Timeout=20), Jobs=system.queue(), Map=system.mapping("Jobs"))
        system.client("sqs").set_queue_attributes(
            QueueUrl=system.stage.ref("Jobs"), Attributes={"VisibilityTimeout": visibility_s}
        )
        system.send("a")

        with pytest.raises(EndlessLoop, match=r"200 times .* its visibility timeout is shorter than the work"):
            system.settle()
        assert all(batch == ["a"] for batch in system.batches())
        assert not any("error_type" in record.detail for record in system.invocations())

    @pytest.mark.rule("3.7/throttles-reach-the-dead-letter-queue")
    def test_throttled_messages_reach_the_dead_letter_queue_unprocessed(self, system):
        """§3.7: the receive count grows without the function having run."""
        system.up(
            Worker=system.function(system.ECHO, ReservedConcurrentExecutions=0),
            Jobs=system.redriving("Dead", 2, VisibilityTimeout=30),
            Map=system.mapping("Jobs"),
            Dead=system.queue(),
        )
        system.send("m")
        system.settle()

        assert system.attempts() == []
        assert system.records("dead_letter")[0].at - system.began == 60
        assert {record.detail["reason"] for record in system.records("retry")} == {"Throttled"}
        assert len(system.messages()) == 1

    @pytest.mark.rule("3.7/throttle-is-retried")
    def test_a_throttle_that_ends_in_time_costs_nothing(self, system):
        """§3.7: Lambda retries the invocation while the messages are invisible: after 1, 3, 7, 15 and 31 s, for 63 s is too late."""
        system.up(
            Worker=system.function(system.ECHO, ReservedConcurrentExecutions=0),
            Jobs=system.queue(VisibilityTimeout=60),
            Map=system.mapping("Jobs"),
        )
        system.send("m")
        system.advance(20)
        system.client("lambda").delete_function_concurrency(FunctionName=system.stage.ref("Worker"))
        system.settle()

        assert system.attempts() == [31]
        assert system.invocations()[0].detail["attempt"] == 1

    @pytest.mark.parametrize(("mapping", "expected"), [({}, [0, 40]), (REPORTS, [0, 30])])
    @pytest.mark.rule("3.7/back-off")
    @pytest.mark.rule("3.8/no-slow-down")
    def test_a_poller_may_rest_after_a_failure(self, system, mapping, expected):
        """§3.7, §3.8: pollers back off after errors, by as much as is assumed; not where the function reports failures."""
        code = """
            def handler(event, context):
                if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
                    raise ValueError
        """
        system.up(
            Worker=system.function(code), Jobs=system.queue(VisibilityTimeout=30), Map=system.mapping("Jobs", **mapping)
        )
        system.stage.world.assumptions = Assumptions(queue_poller_pause_after_error_s=40)
        system.send("m")
        system.settle()

        assert system.attempts() == expected

    def test_a_deleted_function_leaves_the_messages(self, system):
        """§3.7: every invocation is refused; the messages end in the dead-letter queue."""
        system.up(
            Worker=system.function(),
            Jobs=system.redriving("Dead", 1, VisibilityTimeout=30),
            Map=system.mapping("Jobs", MaximumBatchingWindowInSeconds=1),
            Dead=system.queue(),
        )
        system.client("lambda").delete_function(FunctionName=system.stage.ref("Worker"))
        system.send("m")
        system.settle()

        assert system.attempts() == []
        assert len(system.messages()) == 1

    def test_an_update_of_the_code_spares_what_runs(self, system):
        """§2.1: the invocation under way ends as it began; the next one runs the new code."""
        system.up(
            Worker=system.function("import time\ndef handler(e, c): time.sleep(2); print('old')"),
            Jobs=system.queue(),
            Map=system.mapping("Jobs"),
        )
        system.send("a")
        system.advance(1)
        system.update_code("def handler(e, c): print('new')")
        system.send("b")
        system.settle()

        assert [record.detail["line"].strip() for record in system.records("log")] == ["new", "old"]
        assert all("error_type" not in record.detail for record in system.records("outcome"))


class TestPartialFailures:
    """§3.8: ReportBatchItemFailures."""

    @pytest.mark.parametrize(
        "answer",
        ["{'batchItemFailures': []}", "{'batchItemFailures': None}", "{}", "None", "''", "[]"],
    )
    @pytest.mark.rule("3.8/success")
    @pytest.mark.rule("3.8/empty-text-or-list")
    def test_answers_that_mean_success(self, system, answer):
        """§3.8: nothing reported is success."""
        self._deliver(system, answer)

        assert len(system.attempts()) == 1
        assert system.messages() == []

    @pytest.mark.parametrize(
        "answer",
        [
            "{'batchItemFailures': [{'itemIdentifier': ''}]}",
            "{'batchItemFailures': [{'itemIdentifier': None}]}",
            "{'batchItemFailures': [{'foo': ids[0]}]}",
            "{'batchItemFailures': [{'itemIdentifier': 'no such id'}]}",
            "{'batchItemFailures': [{'itemIdentifier': ids[0]}, {'itemIdentifier': 'no such id'}]}",
            "{'batchItemFailures': 'all'}",
            "1 / 0",
        ],
    )
    @pytest.mark.rule("3.8/exception")
    @pytest.mark.rule("3.8/bad-identifier")
    @pytest.mark.rule("3.8/unknown-identifier")
    def test_answers_that_fail_the_whole_batch(self, system, answer):
        """§3.8: an answer that makes no sense fails everything."""
        self._deliver(system, answer)

        assert len(system.messages()) == 2

    @pytest.mark.rule("3.7/partial")
    @pytest.mark.rule("3.8/listed")
    def test_only_what_is_listed_comes_back(self, system):
        """§3.8, §3.7: the others are deleted; the listed ones return when their visibility ends."""
        self._deliver(system, "{'batchItemFailures': [{'itemIdentifier': bodies['b']}] if 'b' in bodies else []}")

        assert [message["Body"] for message in system.messages()] == ["b"]
        assert system.records("dead_letter")[0].at - system.began == 30

    @pytest.mark.rule("3.8/needs-the-setting")
    def test_without_the_setting_the_answer_is_ignored(self, system):
        """§3.8: the return value counts only with FunctionResponseTypes."""
        self._deliver(system, "{'batchItemFailures': [{'itemIdentifier': ids[0]}]}", FunctionResponseTypes=[])

        assert system.messages() == []

    @staticmethod
    def _deliver(system, answer, **changes):
        system.up(
            Worker=system.function(reporting(answer)),
            Jobs=system.redriving("Dead", 1, VisibilityTimeout=30),
            Map=system.mapping("Jobs", MaximumBatchingWindowInSeconds=1, **(REPORTS | changes)),
            Dead=system.queue(),
        )
        system.send("a", "b")
        system.settle()


BIG = "x" * 1_000_000
"""Lambda takes six of them in one invocation."""


class TestFifoAndSixMegabytes:
    """§3.6: batches that are cut at 6 MB keep the order of a group: no two batches of one group are under way at once."""

    def up(self, system, code):
        queue = system.redriving("Dead", 3, FifoQueue=True, ContentBasedDeduplication=True, VisibilityTimeout=60)
        dead = system.queue(FifoQueue=True)
        worker = system.function(code, Timeout=30)
        system.up(Worker=worker, Jobs=queue, Dead=dead, Map=system.mapping("Jobs", Enabled=False))

    def send(self, system, *groups):
        for n, group in enumerate(groups):
            system.client("sqs").send_message(
                QueueUrl=system.stage.ref("Jobs"), MessageBody=f"{n}{BIG}", MessageGroupId=group
            )
        enable(system)
        system.settle()

    def runs(self, system):
        """When each batch began, and the numbers of its messages."""
        return [(run.at - system.invocations()[0].at, numbers(run)) for run in system.invocations()]

    @pytest.mark.rule("3.6/fifo-concurrency")
    def test_the_rest_of_a_group_waits_for_the_batch_before(self, system):
        """Eight of one group: six, and when they are done the other two."""
        self.up(system, SLOW)
        self.send(system, *["a"] * 8)

        assert self.runs(system) == [(0, [0, 1, 2, 3, 4, 5]), (10, [6, 7])]

    @pytest.mark.rule("3.6/fifo-concurrency")
    def test_another_group_does_not_wait(self, system):
        """Seven of one and two of another: the seventh waits, the others do not."""
        self.up(system, SLOW)
        self.send(system, *["a"] * 7, *["b"] * 2)

        assert self.runs(system) == [(0, [0, 1, 2, 3, 4, 5]), (0, [7, 8]), (10, [6])]

    @pytest.mark.rule("3.6/fifo-concurrency")
    def test_the_rest_does_not_overtake_what_failed(self, system):
        """The first batch fails once; its messages and those behind come again together, and in order."""
        self.up(
            system,
            """
            failed = []
            def handler(event, context):
                if not failed:
                    failed.append(1)
                    raise ValueError
            """,
        )
        self.send(system, *["a"] * 7)

        assert self.runs(system) == [(0, [0, 1, 2, 3, 4, 5]), (60, [0, 1, 2, 3, 4, 5]), (60, [6])]


def numbers(run):
    """The numbers of the messages that an invocation got; the journal may cut what is long."""
    return [int(record["body"][0]) for record in run.detail["event"]["Records"]]


class TestRetryRecords:
    """What the journal says of a message that comes back."""

    CHANGES = """
        import boto3, os
        def handler(event, context):
            if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
                {call}(QueueUrl=os.environ["QUEUE"], ReceiptHandle=event["Records"][0]["receiptHandle"]{more})
                raise ValueError
    """

    def up(self, system, call, more=""):
        code = self.CHANGES.format(call=f'boto3.client("sqs").{call}', more=more)
        variables = {"Environment": {"Variables": {"QUEUE": {"Ref": "Jobs"}}}}
        system.up(Worker=system.function(code, **variables), Jobs=system.queue(), Map=system.mapping("Jobs"))
        system.send("a")
        system.settle()

    @pytest.mark.parametrize("seconds", [0, 7, 600])
    def test_a_visibility_timeout_that_the_function_changed_is_the_one(self, system, seconds):
        """It says when the message comes again."""
        self.up(system, "change_message_visibility", f", VisibilityTimeout={seconds}")

        (retry,) = system.records("retry")
        first, second = system.invocations()
        assert retry.detail["due"] - first.at == seconds
        assert second.at == retry.detail["due"]

    def test_a_message_that_the_function_deleted_does_not_come_again(self, system):
        """So nothing says that it would."""
        self.up(system, "delete_message")

        assert system.records("retry") == []
        assert len(system.invocations()) == 1


class TestFifo:
    """§3.3, §3.6, §3.8: order within groups."""

    @pytest.mark.rule("3.3/group-in-flight")
    def test_a_failing_group_waits_and_the_others_go_on(self, system):
        """§3.3: a group is blocked while its messages are invisible; each group keeps its order."""
        code = """
            failed = []
            def handler(event, context):
                if event["Records"][0]["body"] == "a1" and not failed:
                    failed.append(1)
                    raise ValueError
        """
        self._up(system, code, BatchSize=1)
        for body in ("a1", "a2", "b1", "b2"):
            system.send(body, MessageGroupId=body[0], MessageDeduplicationId=body)
        system.settle()

        seen = [batch[0] for batch in system.batches()]
        assert [body for body in seen if body[0] == "a"] == ["a1", "a1", "a2"]
        assert [body for body in seen if body[0] == "b"] == ["b1", "b2"]
        assert seen.index("b2") < seen.index("a2")

    @pytest.mark.rule("3.6/fifo-mixed-batch")
    def test_a_batch_may_mix_groups(self, system):
        """§3.6: order is kept inside each group."""
        self._up(system, system.ECHO, Enabled=False)
        for body in ("a1", "b1", "a2", "b2"):
            system.send(body, MessageGroupId=body[0], MessageDeduplicationId=body)
        enable(system)
        system.settle()

        assert system.batches() == [["a1", "a2", "b1", "b2"]]

    @pytest.mark.rule("3.8/fifo-unlisted-are-deleted")
    def test_unlisted_messages_behind_a_failed_one_are_deleted(self, system):
        """§3.8: Lambda deletes whatever is not listed, even after a failed one."""
        code = """
            def handler(event, context):
                return {"batchItemFailures": [
                    {"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] == "m2"]}
        """
        self._up(system, code, Enabled=False, **REPORTS)
        for body in ("m1", "m2", "m3"):
            system.send(body, MessageGroupId="g", MessageDeduplicationId=body)
        enable(system)
        system.settle()

        assert system.batches() == [["m1", "m2", "m3"], ["m2"]]
        assert [message["Body"] for message in system.messages()] == ["m2"]

    @pytest.mark.rule("3.8/fifo-report")
    def test_reporting_2_3_4_of_four(self, system):
        """§13: they come back with count "2"; what never succeeds lands in the FIFO dead-letter queue."""
        code = """
            def handler(event, context):
                again = event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"
                bad = ("m4",) if again else ("m2", "m3", "m4")
                return {"batchItemFailures": [
                    {"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] in bad]}
        """
        self._up(system, code, Enabled=False, **REPORTS)
        for body in ("m1", "m2", "m3", "m4"):
            system.send(body, MessageGroupId="g", MessageDeduplicationId=body)
        enable(system)
        system.settle()

        assert system.batches() == [["m1", "m2", "m3", "m4"], ["m2", "m3", "m4"]]
        counts = {r["attributes"]["ApproximateReceiveCount"] for r in system.events()[1]["Records"]}
        assert counts == {"2"}
        assert [message["Body"] for message in system.messages()] == ["m4"]

    @pytest.mark.rule("3.6/fifo-concurrency")
    def test_groups_share_the_maximum_concurrency(self, system):
        """§3.6: the smaller of the number of active groups and MaximumConcurrency."""
        self._up(system, SLOW, BatchSize=1, timeout=20, ScalingConfig={"MaximumConcurrency": 2})
        for group in "abcd":
            system.send(f"{group}1", MessageGroupId=group, MessageDeduplicationId=f"{group}1")
        system.settle()

        assert system.attempts() == [0, 0, 10, 10]

    @pytest.mark.rule("3.6/fifo-concurrency")
    def test_groups_run_at_the_same_time(self, system):
        """§3.6: concurrency is the number of active groups."""
        self._up(system, SLOW, BatchSize=1, timeout=20)
        for group in "abcdefgh":
            for n in (1, 2):
                system.send(f"{group}{n}", MessageGroupId=group, MessageDeduplicationId=f"{group}{n}")
        system.settle()

        assert system.attempts() == [0] * 8 + [10] * 8

    @staticmethod
    def _up(system, code, *, timeout=3, **mapping):
        system.up(
            Worker=system.function(code, Timeout=timeout),
            Jobs=system.redriving("Dead", 2, FifoQueue=True, VisibilityTimeout=30),
            Map=system.mapping("Jobs", **mapping),
            Dead=system.queue(FifoQueue=True),
        )


class TestFilters:
    """§3.10: what does not match is deleted."""

    @pytest.mark.rule("3.7/filtered")
    @pytest.mark.rule("3.10/plain-body")
    @pytest.mark.rule("3.10/dropped-is-deleted")
    def test_filtered_messages_are_deleted(self, system):
        """§3.10, §3.7: they never reach the function, nor the dead-letter queue."""
        system.up(
            Worker=system.function(),
            Jobs=system.queue(),
            Map=system.mapping("Jobs", FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"n": [1]}})}]}),
        )
        system.send({"n": 1}, {"n": 2}, "not json")
        system.settle()

        assert system.batches() == [['{"n": 1}']]
        assert system.depth("Jobs") == (0, 0, 0)
        assert system.dropped() == ["filtered out", "filtered out"]

    @pytest.mark.rule("3.10/json-json")
    def test_filtered_messages_do_not_fill_a_batch(self, system):
        """§3.10: a batch counts what passes."""
        system.up(
            Worker=system.function(),
            Jobs=system.queue(),
            Map=system.mapping(
                "Jobs",
                BatchSize=3,
                Enabled=False,
                FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"n": [{"numeric": [">", 5]}]}})}]},
            ),
        )
        system.send(*[{"n": n} for n in range(9)])
        enable(system)
        system.settle()

        assert system.batches() == [['{"n": 6}', '{"n": 7}', '{"n": 8}']]

    def test_a_backlog_of_nothing_but_filtered_messages(self, system):
        """§3.10: the poller reads on, however many it drops before one passes."""
        pattern = json.dumps({"body": {"n": [1]}})
        given = {"BatchSize": 1, "Enabled": False, "FilterCriteria": {"Filters": [{"Pattern": pattern}]}}
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs", **given))
        queue = system.stage.world.queues.by_arn(system.stage.arn("Jobs"))
        for _ in range(1200):
            queue.send('{"n":0}')
        queue.send('{"n":1}')
        enable(system)
        system.settle()

        assert system.batches() == [['{"n":1}']]
        assert system.dropped() == ["filtered out"] * 1200


class TestConcurrency:
    """§3.6: how many batches at once."""

    @pytest.mark.rule("3.6/starts-with-five")
    def test_it_starts_with_five(self, system):
        """§3.6: five concurrent batches at first; a slow function makes the rest wait."""
        system.up(
            Worker=system.function(SLOW, Timeout=20), Jobs=system.queue(), Map=system.mapping("Jobs", BatchSize=1)
        )
        system.send(*[f"m{n}" for n in range(12)])
        system.settle()

        assert system.attempts() == [0] * 5 + [10] * 5 + [20] * 2
        assert {event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in system.events()} == {"1"}

    @pytest.mark.rule("3.6/grows-by-300")
    def test_it_grows_by_300_a_minute(self, system):
        """§3.6: while the backlog lasts."""
        code = "import time\ndef handler(event, context): time.sleep(300)"
        system.up(
            Worker=system.function(code, Timeout=400),
            Jobs=system.queue(VisibilityTimeout=400),
            Map=system.mapping("Jobs", BatchSize=1),
        )
        system.send(*[f"m{n}" for n in range(40)])
        system.settle()

        assert system.attempts() == [0] * 5 + [60] * 35

    @pytest.mark.rule("3.6/limit")
    def test_it_grows_to_1250(self, system):
        """§3.6: and no further."""
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs"))
        (poller,) = system.stage.world.mappings._pollers.values()
        now = system.stage.clock.now()

        def after(minutes):
            poller._busy_since = now - 60 * minutes
            return poller._concurrency_max()

        assert [after(minutes) for minutes in range(6)] == [5, 305, 605, 905, 1205, 1250]

    @pytest.mark.parametrize(("pause", "expected"), [(299, [0] * 5 + [10]), (300, [0] * 2 + [10] * 2 + [20] * 2)])
    @pytest.mark.rule("3.6/idles-down")
    def test_it_idles_down_to_two(self, system, pause, expected):
        """§3.6: a mapping that had nothing to do for a while begins with two batches; for how long, is assumed."""
        system.up(
            Worker=system.function(SLOW, Timeout=20), Jobs=system.queue(), Map=system.mapping("Jobs", BatchSize=1)
        )
        system.send("first")
        system.advance(10)
        system.advance(pause)
        start = system.stage.clock.now() - system.began
        system.send(*[f"m{n}" for n in range(6)])
        system.settle()

        assert [at - start for at in system.attempts()[1:]] == expected

    @pytest.mark.rule("3.6/idles-down")
    def test_when_it_idles_down_is_assumed(self, system):
        """§3.6: after as long as is set."""
        system.up(
            Worker=system.function(SLOW, Timeout=20), Jobs=system.queue(), Map=system.mapping("Jobs", BatchSize=1)
        )
        system.stage.world.assumptions = Assumptions(queue_idles_down_after_s=30)
        system.send("first")
        system.advance(40)
        start = system.elapsed()
        system.send("a", "b", "c")
        system.settle()

        assert [at - start for at in system.attempts()[1:]] == [0, 0, 10]

    @pytest.mark.rule("3.6/provisioned-concurrency")
    def test_provisioned_pollers(self, system):
        """§3.6: ten batches at once for each poller, from the minimum to the maximum."""
        system.up(
            Worker=system.function(SLOW, Timeout=20),
            Jobs=system.queue(),
            Map=system.mapping("Jobs", BatchSize=1, ProvisionedPollerConfig={"MinimumPollers": 2, "MaximumPollers": 2}),
        )
        system.send(*[f"m{n}" for n in range(25)])
        system.settle()

        assert system.attempts() == [0] * 20 + [10] * 5

    @pytest.mark.rule("3.6/provisioned-growth")
    def test_provisioned_pollers_grow_faster(self, system):
        """§3.6: by 1,000 batches at once every minute, up to the maximum of pollers."""
        system.up(
            Worker=system.function(),
            Jobs=system.queue(),
            Map=system.mapping("Jobs", ProvisionedPollerConfig={"MinimumPollers": 2, "MaximumPollers": 150}),
        )
        (poller,) = system.stage.world.mappings._pollers.values()
        now = system.stage.clock.now()

        def after(minutes):
            poller._busy_since = now - 60 * minutes
            return poller._concurrency_max()

        assert [after(minutes) for minutes in range(3)] == [20, 1020, 1500]

    @pytest.mark.rule("3.5/maximum-concurrency")
    def test_maximum_concurrency(self, system):
        """§3.5: the mapping's own limit; what waits stays in the queue, unreceived."""
        system.up(
            Worker=system.function(SLOW, Timeout=20),
            Jobs=system.redriving("Dead", 1),
            Map=system.mapping("Jobs", BatchSize=1, ScalingConfig={"MaximumConcurrency": 2}),
            Dead=system.queue(),
        )
        system.send(*[f"m{n}" for n in range(10)])
        system.settle()

        assert system.attempts() == [0, 0, 10, 10, 20, 20, 30, 30, 40, 40]
        assert system.messages() == []


class TestMappings:
    """§3.5: mappings that come, change and go."""

    def test_a_disabled_mapping_delivers_nothing(self, system):
        """A template's `Enabled: false`; enabling it delivers what has gathered."""
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs", Enabled=False))
        system.send("a")
        system.settle()
        assert system.batches() == []

        enable(system)
        system.settle()
        assert system.batches() == [["a"]]

    def test_disabling_sees_the_batch_under_way_through(self, system):
        """A function that runs is not stopped, its success counts, and nothing new begins."""
        system.up(Worker=system.function(SLOW, Timeout=20), Jobs=system.queue(), Map=system.mapping("Jobs"))
        system.send("a")
        system.advance(1)
        enable(system, enabled=False)
        system.send("b")
        system.settle()

        assert system.batches() == [["a"]]
        assert system.depth("Jobs") == (1, 0, 0)

    def test_an_update_applies_to_the_next_batch(self, system):
        """A new batch size and another function."""
        system.up(
            Worker=system.function(),
            Other=system.function(),
            Jobs=system.queue(),
            Map=system.mapping("Jobs", BatchSize=1),
        )
        system.send("a")
        system.settle()
        enable(system, enabled=False, FunctionName=system.stage.ref("Other"), BatchSize=2)
        system.send("b", "c")
        enable(system)
        system.settle()

        assert (system.batches(), system.batches("Other")) == ([["a"]], [["b", "c"]])

    def test_a_deleted_mapping_delivers_nothing(self, system):
        """Messages stay in the queue."""
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs"))
        system.client("lambda").delete_event_source_mapping(UUID=system.stage.ref("Map"))
        system.send("a")
        system.settle()

        assert system.batches() == []
        assert system.depth("Jobs") == (1, 0, 0)

    def test_two_mappings_compete_for_a_queue(self, system):
        """Each message goes to one of the functions."""
        system.up(
            One=system.function(),
            Two=system.function(),
            Jobs=system.queue(),
            First=system.mapping("Jobs", "One", BatchSize=1),
            Second=system.mapping("Jobs", "Two", BatchSize=1),
        )
        system.send(*[f"m{n}" for n in range(20)])
        system.settle()

        one, two = system.batches("One"), system.batches("Two")
        assert sorted(one + two) == sorted([f"m{n}"] for n in range(20))

    @pytest.mark.rule("3.5/timeout-fits-visibility")
    def test_a_timeout_over_the_visibility_is_refused(self, system):
        """§3.5: checked when the mapping is made."""
        system.up(Worker=system.function(Timeout=31), Jobs=system.queue(VisibilityTimeout=30))
        with pytest.raises(ClientError, match="Queue visibility timeout: 30 seconds is less than Function timeout: 31"):
            system.client("lambda").create_event_source_mapping(
                EventSourceArn=system.stage.arn("Jobs"), FunctionName=system.stage.ref("Worker")
            )

    def test_a_reset_restores_the_pollers(self, system):
        """A mapping that a test disables delivers again after the reset, and one that it made is gone."""
        system.up(Worker=system.function(), Jobs=system.queue(), Map=system.mapping("Jobs"), More=system.queue())
        enable(system, enabled=False)
        system.client("lambda").create_event_source_mapping(
            EventSourceArn=system.stage.arn("More"), FunctionName=system.stage.ref("Worker")
        )
        system.stage.reset()
        system.send("a")
        system.send("b", queue="More")
        system.settle()

        assert system.batches() == [["a"]]
