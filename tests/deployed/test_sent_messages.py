"""Messages that a test sent and nobody consumed: taken out of the queue where that disturbs nobody, told of where it would."""

from __future__ import annotations

import io
import json
import time
import zipfile
from contextlib import suppress
from itertools import count
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from stagefright.data import Data
from stagefright.errors import StagefrightError
from stagefright.ledger.leaks import LeakWatch
from stagefright.ledger.ledger import Ledger
from stagefright.ledger.sweep import Sweep, Wish
from stagefright.ledger.undo import messages
from stagefright.targets.run import Run

NUMBERS = count(1)
DAY_S = 86400


class Stage:
    """As much of a deployed stage as messages need: one queue, which is this test's alone."""

    is_here = True
    name = "my-feature"

    def __init__(self, project, account, attributes):
        self.account, self.client, self.run = account.way, account.way.client, Run.begin("run1", lease="1h")
        self.ledger = Ledger(project, run=self.run, stage=self.name, account=account.way)
        self.left = {}
        self.settings = SimpleNamespace(leak_scan=False)
        suffix = ".fifo" if "FifoQueue" in attributes else ""
        self.queue = f"jobs-{next(NUMBERS)}{suffix}"
        self.url = self.client("sqs").create_queue(QueueName=self.queue, Attributes=attributes)["QueueUrl"]
        self.resources = {"Jobs": SimpleNamespace(type="AWS::SQS::Queue", physical_id=self.url)}

    def name_of(self, spelling):
        return spelling

    def ref(self, logical_id):
        return self.resources[logical_id].physical_id

    def send(self, *bodies, **given):
        """Messages of somebody else."""
        for body in bodies:
            self.client("sqs").send_message(QueueUrl=self.url, MessageBody=body, **given)

    def receive(self, count=10):
        """What anybody gets from the queue now, with how often it was received."""
        answer = self.client("sqs").receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=count, MessageSystemAttributeNames=["All"], VisibilityTimeout=30
        )
        return [(one["Body"], int(one["Attributes"]["ApproximateReceiveCount"])) for one in answer.get("Messages", ())]


@pytest.fixture
def new_stage(tmp_path, emulator):
    made = []

    def new_stage(**attributes):
        made.append(Stage(tmp_path, emulator, attributes))
        return made[-1]

    yield new_stage
    for stage in made:
        stage.ledger.close()
        with suppress(ClientError):
            stage.client("sqs").delete_queue(QueueUrl=stage.url)


@pytest.fixture
def sweep(tmp_path, emulator):
    """Sweep the ledgers, a day later and for real; gives what became of each thing."""

    def sweep(**wish):
        found = Sweep(
            tmp_path, Wish(now=time.time() + DAY_S, is_for_real=True, **wish), lambda head: emulator.way
        ).run()
        return [finding.fate for finding in found]

    return sweep


def worked_off(stage):
    """Let a function have an event source mapping on the queue."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("app.py", "def handler(event, context):\n    raise ValueError\n")
    iam = stage.client("iam")
    name = f"worker-{stage.queue}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    stage.client("lambda").create_function(
        FunctionName=name, Runtime="python3.12", Handler="app.handler", Role=role, Code={"ZipFile": packed.getvalue()}
    )
    arn = stage.client("sqs").get_queue_attributes(QueueUrl=stage.url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    mapping = stage.client("lambda").create_event_source_mapping(FunctionName=name, EventSourceArn=arn)
    return name, mapping["UUID"]


class TestTakenBack:
    def test_and_nothing_else(self, new_stage):
        """The others can be received at once; each has one receive more, and no message has the test's place."""
        stage = new_stage()
        stage.send("other 1", "other 2")
        watch = LeakWatch(stage)
        with Data(stage) as data:
            data.message("Jobs", {"n": 1}, attributes={"kind": "a"})
            data.message("Jobs", "second")
        assert watch.told() == []
        assert stage.ledger.open_entries() == []
        assert sorted(stage.receive()) == [("other 1", 2), ("other 2", 2)]

    def test_what_was_consumed_is_not_looked_for_twice(self, new_stage):
        """It is gone, and that is what it was for."""
        stage = new_stage()
        watch = LeakWatch(stage)
        with Data(stage) as data:
            data.message("Jobs", "x")
            (message,) = stage.client("sqs").receive_message(QueueUrl=stage.url)["Messages"]
            stage.client("sqs").delete_message(QueueUrl=stage.url, ReceiptHandle=message["ReceiptHandle"])
        assert watch.told() == []
        assert stage.ledger.open_entries() == []

    def test_of_a_fifo_queue_the_others_keep_their_order(self, new_stage):
        """Out of the middle of a group."""
        stage = new_stage(FifoQueue="true", ContentBasedDeduplication="true")
        stage.send("1", "2", MessageGroupId="g")
        with Data(stage) as data:
            data.message("Jobs", "ours", group_id="g")
            stage.send("3", MessageGroupId="g")
        assert stage.ledger.open_entries() == []
        assert [body for body, _ in stage.receive()] == ["1", "2", "3"]

    def test_with_a_redrive_policy_that_leaves_room(self, new_stage):
        """A look more does not move a message."""
        stage = new_stage(RedrivePolicy=redrive(new_stage(), 100))
        stage.send("other")
        with Data(stage) as data:
            data.message("Jobs", "ours")
        assert stage.receive() == [("other", 2)]

    def test_of_a_queue_that_is_gone_nothing_is_left(self, new_stage):
        """Its messages went with it."""
        stage = new_stage()
        with Data(stage) as data:
            data.message("Jobs", "ours")
            stage.client("sqs").delete_queue(QueueUrl=stage.url)
        assert stage.ledger.open_entries() == []


def redrive(dead, count):
    attributes = dead.client("sqs").get_queue_attributes(QueueUrl=dead.url, AttributeNames=["QueueArn"])["Attributes"]
    return json.dumps({"deadLetterTargetArn": attributes["QueueArn"], "maxReceiveCount": count})


class TestLeft:
    """It is told by its id and with the reason; no message of the queue was received for it."""

    def told(self, stage, **given):
        watch = LeakWatch(stage)
        with Data(stage) as data:
            message = data.message("Jobs", "ours", **given)
        lines = [line for line in watch.told() if message in line]
        assert len(lines) == 1
        assert lines[0].startswith(f"message {message} of Jobs: not taken back: ")
        return lines[0].removeprefix(f"message {message} of Jobs: not taken back: ")

    def test_where_a_look_would_move_others(self, new_stage):
        """A redrive policy of few receives."""
        stage = new_stage(RedrivePolicy=redrive(new_stage(), 3))
        stage.send("other")
        why = self.told(stage)

        assert why.startswith("looking for it would count towards the 3 receives after which")
        assert stage.ledger.open_entries() == []
        assert sorted(stage.receive()) == [("other", 1), ("ours", 1)]

    def test_where_half_of_the_receives_are_used_up(self, new_stage):
        """Somebody else has received a message as often as that."""
        stage = new_stage(RedrivePolicy=redrive(new_stage(), 100), VisibilityTimeout="0")
        stage.send("other")
        for _ in range(50):
            assert stage.client("sqs").receive_message(QueueUrl=stage.url)["Messages"]
        watch = LeakWatch(stage)
        with Data(stage) as data:
            data.message("Jobs", "ours", delay_s=900)
        assert any("half of the 100 receives are used up" in line for line in watch.told())

    def test_where_a_function_works_the_queue_off(self, new_stage):
        """What it has in hand cannot be told from what lies there."""
        stage = new_stage(DelaySeconds="600")
        name, mapping = worked_off(stage)
        why = self.told(stage)
        stage.client("lambda").delete_event_source_mapping(UUID=mapping)

        assert why == f"{name} takes messages out of the queue, and may have this one in hand"
        assert stage.ledger.open_entries() == []

    def test_where_there_are_too_many(self, new_stage, monkeypatch):
        """Each look would go through all of them."""
        monkeypatch.setattr(messages, "BACKLOG_MAX", 3)
        stage = new_stage()
        stage.send("1", "2", "3")
        assert self.told(stage) == "the queue holds about 4 messages, too many to look through"

    def test_behind_others_of_its_group(self, new_stage):
        """Of a FIFO group SQS hands out ten, and none behind them while they are there."""
        stage = new_stage(FifoQueue="true", ContentBasedDeduplication="true")
        stage.send(*map(str, range(12)), MessageGroupId="g")
        why = self.told(stage, group_id="g")

        assert why == "the group 'g' has more messages than SQS hands out at once"
        assert [body for body, _ in stage.receive()] == [str(n) for n in range(10)]

    def test_while_somebody_has_one_in_flight(self, new_stage):
        """It may be that one."""
        stage = new_stage()
        watch = LeakWatch(stage)
        with Data(stage) as data:
            message = data.message("Jobs", "ours")
            assert stage.receive() == [("ours", 1)]
        assert (
            f"message {message} of Jobs: not taken back: it was not found, and 1 message in flight may be it"
            in watch.told()
        )

    def test_until_its_delay_is_over(self, new_stage, sweep):
        """Nobody can see it; it stands in the ledger, and a sweep takes it out later."""
        stage = new_stage()
        why = self.told(stage, delay_s=3)
        assert why.startswith("it is delayed until 2")
        (entry,) = stage.ledger.open_entries()
        stage.ledger.close()
        (fate,) = sweep()
        assert fate.startswith("failed: It is delayed until") or fate == "deleted"
        if fate != "deleted":
            time.sleep(max(0.0, entry.at + 4 - time.time()))
            assert sweep() == ["deleted"]
        assert stage.receive() == []


class TestSwept:
    def die(self, stage, *, is_answered=True):
        """Send, and end as a run that is killed does: after SQS has answered, or before."""
        data = Data(stage)
        if is_answered:
            data.message("Jobs", {"n": 1}, attributes={"kind": "a"})
        else:
            sqs = stage.client("sqs")

            def lose(http_response, parsed, model, **_):
                raise ConnectionResetError

            sqs.meta.events.register("after-call.sqs.SendMessage", lose, unique_id="lose")
            try:
                with pytest.raises(ConnectionResetError):
                    data.message("Jobs", {"n": 1}, attributes={"kind": "a"})
            finally:
                sqs.meta.events.unregister("after-call.sqs.SendMessage", unique_id="lose")
        assert [entry.kind for entry in stage.ledger.open_entries()] == ["message"]
        stage.ledger.close()

    def test_by_its_id(self, new_stage, sweep):
        """What a killed run sent."""
        stage = new_stage()
        stage.send("other")
        self.die(stage)

        assert sweep() == ["deleted"]
        assert sweep() == []
        assert [body for body, _ in stage.receive()] == ["other"]

    def test_what_was_consumed_is_gone(self, new_stage, sweep):
        """There is nothing to undo."""
        stage = new_stage()
        self.die(stage)
        stage.client("sqs").purge_queue(QueueUrl=stage.url)

        assert sweep() == ["gone already"]

    def test_without_an_id_it_is_told_and_left(self, new_stage, sweep):
        """SQS tells an id and nothing else, and another run may have sent the same text; who is sure says so."""
        stage = new_stage()
        self.die(stage, is_answered=False)
        (fate,) = sweep()
        assert fate.startswith("changed by somebody since (a message with its text is there, and SQS does not tell")

        stage.send("other")
        assert sweep(is_forceful=True) == ["deleted"]
        assert [body for body, _ in stage.receive()] == ["other"]

    def test_where_it_cannot_be_had_it_stays(self, new_stage, sweep):
        """And is told once."""
        stage = new_stage(RedrivePolicy=redrive(new_stage(), 3))
        self.die(stage)

        (fate,) = sweep()
        assert fate.startswith("stays (looking for it would count")
        assert sweep() == []

    def test_one_that_sqs_refused_was_never_sent(self, new_stage):
        """Nothing stands in the ledger of what AWS said no to."""
        stage = new_stage()
        with pytest.raises(ClientError), Data(stage) as data:
            data.message("Jobs", "x" * (2 << 20))
        assert stage.ledger.open_entries() == []


def test_a_queue_that_cannot_be_asked_is_a_piece_that_could_not_be_taken_away(new_stage):
    """The ledger keeps it for a sweep."""
    stage = new_stage()
    asked = stage.client

    def fail(service):
        if service == "sqs" and len(stage.ledger.open_entries()) > 0:
            raise ConnectionResetError("no way")
        return asked(service)

    told = r"1 of 1 piece of test data .*\n  messages of Jobs: ConnectionResetError: no way"
    stage.client = fail
    with pytest.raises(StagefrightError, match=told), Data(stage) as data:
        data.message("Jobs", "x")
    stage.client = asked
    assert [entry.kind for entry in stage.ledger.open_entries()] == ["message"]
