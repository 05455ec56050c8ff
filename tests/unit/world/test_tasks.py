"""The kernel: one thing runs at a time, in order of (time, sequence), and time moves only when nothing can run."""

from __future__ import annotations

import sys
import threading

import pytest

from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.errors import Deadlock, EndlessLoop, HandlerStuck, HarnessError
from stagefright.tasks import Actor, Future, Kernel, Signal, is_debugged
from stagefright.tasks.timers import CANCELLED_TIMERS_MAX


@pytest.fixture
def kernel():
    """A kernel without a world; the test's thread takes part in it."""
    kernel = Kernel(Clock(0), Chance(0))
    actor = Actor(kernel, "the test")
    kernel.hold(actor)
    yield kernel
    kernel.reset()
    actor.release_current_thread()


class TestOrder:
    def test_due_work_runs_in_order_of_time_and_then_of_planning(self, kernel):
        """Two things due at one instant run in the order in which they were planned."""
        done = []
        for when, name in [(2, "c"), (1, "a"), (2, "d"), (1, "b")]:
            kernel.at(when, lambda name=name, when=when: done.append((name, kernel.now(), when)))

        kernel.settle()

        assert [("a", 1, 1), ("b", 1, 1), ("c", 2, 2), ("d", 2, 2)] == done

    def test_coroutines_take_turns_where_they_wait(self, kernel):
        """Each runs to its next wait without interruption."""
        said = []

        async def speak(name, pause):
            for n in range(2):
                said.append(f"{name}{n}@{kernel.now():g}")
                await kernel.sleep(pause)

        kernel.spawn(speak("a", 2), name="a")
        kernel.spawn(speak("b", 3), name="b")
        kernel.settle()

        assert ["a0@0", "b0@0", "a1@2", "b1@3"] == said
        assert 6 == kernel.now()

    def test_what_is_past_is_due_now(self, kernel):
        """Time never goes back."""
        kernel.advance(10)
        seen = []
        kernel.at(3, lambda: seen.append(kernel.now()))
        kernel.settle()

        assert [10] == seen

    def test_a_sleep_ends_at_its_instant_though_much_happens_before(self, kernel):
        """`advance` returns when its span is over, and not earlier or later."""
        ticks = []

        async def tick():
            while True:
                await kernel.sleep(1, background=True)
                ticks.append(kernel.now())

        kernel.spawn(tick(), name="tick")
        kernel.advance(3.5)

        assert ([1, 2, 3], 3.5) == (ticks, kernel.now())


class TestWaiting:
    def test_a_future_settles_once(self):
        """The first to settle wins; callbacks are called once, and at once if it is too late to wait."""
        future, calls = Future("x"), []
        future.when_done(lambda: calls.append("before"))
        future.set_result(1)
        future.set_result(2)
        future.set_exception(ValueError())
        future.when_done(lambda: calls.append("after"))

        assert (1, ["before", "after"]) == (future.result(), calls)

    def test_a_signal_wakes_everybody_who_waits_and_nobody_later(self, kernel):
        """A notification without waiters is lost."""
        signal, woken = Signal("news"), []

        async def wait(name):
            await signal.wait()
            woken.append(name)

        signal.notify()
        tasks = [kernel.spawn(wait(name), name=name) for name in "ab"]
        kernel.settle()
        assert [] == woken
        signal.notify()
        kernel.settle()

        assert ["a", "b"] == woken
        assert all(task.done() for task in tasks)

    def test_first_says_whether_it_came_in_time(self, kernel):
        """`first` ends with the future or at the deadline, whichever is earlier."""
        assert kernel.wait(kernel.first(kernel.sleep(2), deadline=3)) is True
        assert 2 == kernel.now()
        assert kernel.wait(kernel.first(Future("never"), deadline=5)) is False
        assert 5 == kernel.now()

    def test_a_wait_that_came_in_time_leaves_nothing_behind(self, kernel):
        """No timer stays due, no callback stays on the future, no waiter on the signal: long runs cost no memory."""
        never, signal = Future("never"), Signal("rare")
        for n in range(1000):
            kernel.wait(kernel.first(never, deadline=n))
            kernel.wait(kernel.first(signal.wait(), deadline=n))
            kernel.wait(kernel.first(kernel.sleep(0), deadline=10**6))

        assert kernel.next_due() is None
        assert [] == never._callbacks
        assert {} == signal.waiters
        assert len(kernel._timers) <= 2 * CANCELLED_TIMERS_MAX

    def test_a_cancelled_task_takes_its_timers_along(self, kernel):
        """What nobody waits for any more is not due."""

        async def patient():
            await kernel.first(Future("never"), deadline=1000)

        for coroutine in (patient(), _sleeping(kernel)):
            task = kernel.spawn(coroutine, name="patient")
            kernel.advance(1)
            task.cancel()

        assert kernel.next_due() is None

    def test_cancelled_before_its_first_step_a_task_never_runs(self, kernel):
        """Not a single line of it."""
        task = kernel.spawn(_sleeping(kernel), name="early")
        task.cancel()
        kernel.settle()

        assert 0 == kernel.now()

    def test_cancelled_timers_do_not_pile_up(self, kernel):
        """A hundred thousand cancelled timeouts fit into a small heap."""
        for n in range(100_000):
            kernel.cancel(kernel.at(n + 10, lambda: None))

        assert len(kernel._timers) <= 2 * CANCELLED_TIMERS_MAX

    def test_settle_does_not_wait_for_what_recurs_for_ever(self, kernel):
        """Background work runs while time passes, but is not waited for."""
        runs = []

        async def schedule():
            while True:
                await kernel.sleep(60, background=True)
                runs.append(kernel.now())

        kernel.spawn(schedule(), name="schedule")
        kernel.settle()
        assert [] == runs

        kernel.at(150, lambda: None)
        kernel.settle()
        assert [60, 120] == runs
        assert kernel.next_due() is None

    def test_run_until_stops_at_the_first_instant_that_satisfies(self, kernel):
        """Instant by instant, up to the deadline, and at once if nothing is due."""
        seen = []
        for when in (1, 2, 3):
            kernel.at(when, lambda when=when: seen.append(when))

        assert kernel.run_until(lambda: 2 in seen, deadline=10)
        assert 2 == kernel.now()
        assert not kernel.run_until(lambda: False, deadline=2.5)
        assert 2.5 == kernel.now()
        assert not kernel.run_until(lambda: False, deadline=10)
        assert 3 == kernel.now()


async def _sleeping(kernel):
    await kernel.sleep(10_000)


class TestErrors:
    def test_an_error_in_a_coroutine_reaches_the_test(self, kernel):
        """Even if nobody awaits the task."""

        async def broken():
            await kernel.sleep(1)
            raise LookupError("the world is broken")

        kernel.spawn(broken(), name="broken")

        with pytest.raises(LookupError, match="the world is broken"):
            kernel.settle()
        kernel.settle()

    def test_an_error_in_a_timers_action_reaches_the_test(self, kernel):
        """Whichever thread happened to run it."""
        kernel.at(1, lambda: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            kernel.advance(5)

    def test_a_deadlock_says_who_waits_for_what(self, kernel):
        """The test hears of it instead of hanging."""

        async def consume():
            await Future("a message that nobody sends")

        kernel.spawn(consume(), name="the consumer")

        with pytest.raises(Deadlock) as caught:
            kernel.wait(Future("godot"))

        assert "the test waits for godot" in str(caught.value)
        assert "the consumer waits for a message that nobody sends" in str(caught.value)

    def test_a_task_of_the_world_must_not_block(self, kernel):
        """It would run the world inside the world; the mistake is named."""

        async def blocks():
            kernel.advance(1)

        kernel.spawn(blocks(), name="the clumsy one")

        with pytest.raises(HarnessError, match="the clumsy one would block the world"):
            kernel.settle()

    def test_a_thread_that_is_not_in_the_world_cannot_wait_in_it(self, kernel):
        """It has no turn to wait for."""
        errors = []

        def stranger():
            try:
                kernel.advance(1)
            except HarnessError as error:
                errors.append(str(error))

        thread = threading.Thread(target=stranger)
        thread.start()
        thread.join()

        assert "is not part of" in errors[0]


class TestLoops:
    """Work that causes itself for ever is stopped, and the error draws the cycle."""

    SEND = """
        import boto3, os
        sqs = boto3.client("sqs")
        def handler(event, context):
            sqs.send_message(QueueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/{queue}", MessageBody="go")
        """

    def test_through_queues(self, systems):
        """Two functions that feed each other through queues: `Ping -> PongQueue -> Pong -> PingQueue -> Ping`."""
        resources = {}
        for name in ("Ping", "Pong"):
            resources[f"{name}Queue"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"to-{name}"}}
            resources[f"{name}Mapping"] = {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "FunctionName": {"Ref": name},
                    "EventSourceArn": {"Fn::GetAtt": [f"{name}Queue", "Arn"]},
                },
            }
        stage = systems.open(
            {"Ping": self.SEND.format(queue="to-Pong"), "Pong": self.SEND.format(queue="to-Ping")}, resources=resources
        )
        stage.client("sqs").send_message(QueueUrl=stage.ref("PingQueue"), MessageBody="go")

        began = _real()
        with pytest.raises(EndlessLoop) as caught:
            stage.settle()

        assert "Ping -> PongQueue -> Pong -> PingQueue -> Ping" in str(caught.value)
        assert _real() - began < 10

    def test_through_a_bus(self, systems):
        """A rule that matches what its own target puts."""
        stage = systems.open(
            {
                "Echo": """
                import boto3, json
                events = boto3.client("events")
                def handler(event, context):
                    events.put_events(Entries=[{"Source": "me", "DetailType": "t", "Detail": "{}"}])
                """
            },
            resources={
                "Rule": {
                    "Type": "AWS::Events::Rule",
                    "Properties": {
                        "EventPattern": {"source": ["me"]},
                        "Targets": [{"Arn": {"Fn::GetAtt": ["Echo", "Arn"]}, "Id": "echo"}],
                    },
                },
                "May": {
                    "Type": "AWS::Lambda::Permission",
                    "Properties": {
                        "FunctionName": {"Ref": "Echo"}, "Action": "lambda:InvokeFunction",
                        "Principal": "events.amazonaws.com", "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
                    },
                },
            },
        )  # fmt: skip
        stage.client("events").put_events(Entries=[{"Source": "me", "DetailType": "t", "Detail": "{}"}])

        with pytest.raises(EndlessLoop, match=r"Echo -> \S+ -> Echo"):
            stage.settle()

    def test_through_a_tables_stream(self, systems):
        """A stream's consumer that writes into the same table."""
        stage = systems.open(
            {
                "Touch": """
                import boto3, itertools
                table = boto3.client("dynamodb")
                def handler(event, context):
                    n = int(event["Records"][0]["dynamodb"]["Keys"]["id"]["N"])
                    table.put_item(TableName="things", Item={"id": {"N": str(n + 1)}})
                """
            },
            resources={
                "Things": {
                    "Type": "AWS::DynamoDB::Table",
                    "Properties": {
                        "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
                        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
                        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
                    },
                },
                "Mapping": {
                    "Type": "AWS::Lambda::EventSourceMapping",
                    "Properties": {
                        "FunctionName": {"Ref": "Touch"}, "StartingPosition": "TRIM_HORIZON",
                        "EventSourceArn": {"Fn::GetAtt": ["Things", "StreamArn"]},
                    },
                },
            },
        )  # fmt: skip
        stage.client("dynamodb").put_item(TableName="things", Item={"id": {"N": "0"}})

        with pytest.raises(EndlessLoop, match="Touch -> Things -> Touch"):
            stage.settle()

    def test_a_function_that_invokes_itself(self, systems):
        """Asynchronously, so that no timeout ends it."""
        stage = systems.open(
            {
                "Again": """
                import boto3
                client = boto3.client("lambda")
                def handler(event, context):
                    client.invoke(FunctionName="Again", InvocationType="Event", Payload=b"{}")
                """
            }
        )
        stage.client("lambda").invoke(FunctionName="Again", InvocationType="Event", Payload=b"{}")

        with pytest.raises(EndlessLoop, match="Again -> Again"):
            stage.settle()

    def test_many_events_are_not_a_loop(self, systems):
        """Hundreds of invocations with one cause each are a crowd."""
        stage = systems.open({"Fn": "def handler(event, context): pass"})
        for _ in range(400):
            stage.invoke("Fn")
        stage.settle()

        assert 400 == len(stage.journal.of_kind("invocation"))


class TestStuck:
    """A handler that burns processor time is stopped in real time, for virtual time cannot pass meanwhile."""

    BURN = """
        import os
        before = dict(os.environ)
        def handler(event, context):
            while event == "burn":
                pass
            return "fine"
        """

    def test_it_is_reported_with_where_it_was(self, systems):
        """The test goes on; stdout, modules and directory are its own again, and the function works again."""
        stage, ask = systems.function(self.BURN)
        stage.world.kernel.real_time_allowance_s, stage.world.kernel.watch_interval_s = 0.2, 0.05
        out, modules = sys.stdout, set(sys.modules)

        with pytest.raises(HandlerStuck, match=r"(?s)Fn#1 ran for 0.2 s.*while event == \"burn\""):
            stage.invoke("Fn", "burn")

        assert out is sys.stdout
        assert "app" not in set(sys.modules) - modules
        assert "fine" == ask("again")

    def test_a_trace_function_alone_is_not_a_debugger(self):
        """coverage sets one too."""
        frames = _frames_of_traced_thread(lambda frame, event, arg: None)

        assert not is_debugged(frames)

    def test_a_thread_that_a_debugger_steps_through_has_all_the_time_it_wants(self):
        """The frame that a `Bdb` traces tells."""
        import bdb

        assert is_debugged(_frames_of_traced_thread(bdb.Bdb().trace_dispatch, step=True))


def _frames_of_traced_thread(trace, step=False):
    def probe():
        frame = sys._getframe()
        if step:
            frame.f_trace = trace
        before = sys.gettrace()
        sys.settrace(trace if not step else None)
        try:
            return frame
        finally:
            sys.settrace(before)

    return probe()


class TestReset:
    def test_nothing_planned_survives(self, kernel):
        """Coroutines are closed, timers gone, settle is immediate."""
        closed = []

        async def patient():
            try:
                await kernel.sleep(10)
            finally:
                closed.append(True)

        kernel.spawn(patient(), name="patient")
        kernel.advance(1)
        kernel.reset()
        kernel.settle()

        assert ([True], 1, None) == (closed, kernel.now(), kernel.next_due())


def _real():
    import timeit

    return timeit.default_timer()
