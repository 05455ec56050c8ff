"""asyncio in handlers and in tests: a loop's waits are virtual, and its threads take part."""

from __future__ import annotations

import asyncio
import time

import pytest

QUEUE = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "work"}}}


def test_sleeps_that_are_gathered_take_the_longest(systems):
    """`asyncio.run` in a handler; ten sleeps at once take as long as one."""
    _, ask = systems.function(
        """
        import asyncio, time
        async def main():
            began = time.monotonic()
            answers = await asyncio.gather(*(asyncio.sleep(n / 10, result=n) for n in range(10, 0, -1)))
            return [answers, round(time.monotonic() - began, 3)]
        def handler(event, context):
            return asyncio.run(main())
        """
    )

    assert [list(range(10, 0, -1)), 1.0] == ask()


def test_wait_for_times_out_at_the_virtual_instant(systems):
    """`asyncio.wait_for` and `asyncio.timeout` cancel what they guard."""
    _, ask = systems.function(
        """
        import asyncio, time
        async def main():
            began, cancelled = time.monotonic(), []
            async def slow():
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    cancelled.append(True)
                    raise
            for _ in range(2):
                try:
                    await asyncio.wait_for(slow(), 0.5)
                except asyncio.TimeoutError:
                    pass
            return [len(cancelled), round(time.monotonic() - began, 3)]
        def handler(event, context):
            return asyncio.run(main())
        """
    )

    assert [2, 1.0] == ask()


@pytest.mark.parametrize(
    "hand_over", ["asyncio.to_thread(send, n)", "asyncio.get_running_loop().run_in_executor(None, send, n)"]
)
def test_blocking_calls_go_to_threads(systems, hand_over):
    """boto3 calls and sleeps handed to threads run at once in virtual time."""
    _, ask = systems.function(
        f"""
        import asyncio, time, boto3
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
        def send(n):
            time.sleep(1)
            return len(sqs.send_message(QueueUrl=url, MessageBody=str(n))["MessageId"])
        async def main():
            began = time.monotonic()
            lengths = await asyncio.gather(*({hand_over} for n in range(3)))
            return [lengths, round(time.monotonic() - began, 3)]
        def handler(event, context):
            return asyncio.run(main())
        """,
        resources=QUEUE,
    )

    assert [[36, 36, 36], 1.0] == ask()
    assert [[36, 36, 36], 1.0] == ask()


def test_a_loop_at_module_level_lives_as_long_as_its_environment(systems):
    """`run_until_complete` on a loop that the module made, invocation after invocation, and afresh after a cold start."""
    stage, ask = systems.function(
        """
        import asyncio
        loop = asyncio.new_event_loop()
        calls = 0
        async def main(seconds):
            global calls
            calls += 1
            await asyncio.sleep(seconds)
            return calls
        def handler(event, context):
            return loop.run_until_complete(main(event))
        """
    )

    assert [1, 2, 3] == [ask(n) for n in range(3)]
    stage.reset()
    assert 1 == ask(1)


def test_a_handler_that_times_out_inside_its_loop_is_cut(systems):
    """Nothing of the loop runs on, and the next invocation has a new one."""
    stage = systems.open(
        {
            "Fn": """
            import asyncio
            async def main(seconds):
                try:
                    await asyncio.sleep(seconds)
                finally:
                    print("never said by the late one")
                return "fine"
            def handler(event, context):
                return asyncio.run(main(event))
            """
        }
    )

    assert "Sandbox.Timedout" == stage.invoke("Fn", 100).error
    stage.settle()
    assert [] == stage.journal.of_kind("log")
    assert "fine" == stage.invoke("Fn", 1).payload


def test_a_loop_that_polls_without_sleeping_sees_time_pass(systems):
    """`asyncio.sleep(0)` until a deadline gets there."""
    _, ask = systems.function(
        """
        import asyncio, time
        async def main():
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                await asyncio.sleep(0)
            return "there"
        def handler(event, context):
            return asyncio.run(main())
        """
    )

    assert "there" == ask()


def test_a_test_may_use_asyncio_itself(systems):
    """The test's loop is in the world: its sleeps let deliveries happen."""
    stage = systems.open({"Fn": "def handler(event, context): return 'hello'"})

    async def story():
        answer = await asyncio.to_thread(stage.invoke, "Fn")
        await asyncio.sleep(3600)
        return answer.payload

    assert "hello" == asyncio.run(story())
    assert 3600 == time.time() - 1767225600
