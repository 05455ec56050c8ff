"""Threads and locks of handlers, and of tests, wait in virtual time; nothing that is abandoned ever runs again."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from stagefright.errors import Deadlock
from stagefright.tasks import outside_the_world

QUEUE = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "work"}}}


def test_threads_that_sleep_take_the_longest_and_not_the_sum(systems):
    """Three threads that sleep 1, 2 and 3 seconds take 3 seconds together."""
    _, ask = systems.function(
        """
        import threading, time
        def handler(event, context):
            began, done = time.monotonic(), []
            def work(seconds):
                time.sleep(seconds)
                done.append((seconds, time.monotonic() - began))
            threads = [threading.Thread(target=work, args=(n,)) for n in (3, 1, 2)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            assert not any(thread.is_alive() for thread in threads)
            return [[n, round(at, 6)] for n, at in done]
        """,
        timeout=10,
    )

    assert [[1, 1.0], [2, 2.0], [3, 3.0]] == ask()


def test_a_pool_calls_aws_and_sleeps_in_parallel(systems):
    """`ThreadPoolExecutor.map` with SDK calls: results in order, and virtual time as if they ran at once."""
    stage, ask = systems.function(
        """
        import time, boto3
        from concurrent.futures import ThreadPoolExecutor
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
        def send(n):
            time.sleep(1)
            sqs.send_message(QueueUrl=url, MessageBody=str(n))
            return n * n
        def handler(event, context):
            began = time.monotonic()
            with ThreadPoolExecutor(max_workers=8) as pool:
                squares = list(pool.map(send, range(8)))
            return [squares, round(time.monotonic() - began, 6)]
        """,
        resources=QUEUE,
    )

    assert [[0, 1, 4, 9, 16, 25, 36, 49], 1.0] == ask()
    assert 8 == len([r for r in stage.journal.of_kind("call") if r.detail["operation"] == "SendMessage"])


def test_a_pool_of_two_takes_turns(systems):
    """Four sleeps of a second on two threads take two seconds."""
    _, ask = systems.function(
        """
        import time
        from concurrent.futures import ThreadPoolExecutor, wait, as_completed
        def handler(event, context):
            began = time.monotonic()
            with ThreadPoolExecutor(2) as pool:
                futures = [pool.submit(time.sleep, 1) for _ in range(4)]
                wait(futures[:2])
                halfway = time.monotonic() - began
                list(as_completed(futures, timeout=5))
            return [halfway, time.monotonic() - began]
        """
    )

    assert [1.0, 2.0] == [round(span, 6) for span in ask()]


def test_a_timer_fires_when_it_is_due(systems):
    """`threading.Timer` keeps virtual time, and can be cancelled."""
    _, ask = systems.function(
        """
        import threading, time
        def handler(event, context):
            began, fired = time.monotonic(), []
            timer = threading.Timer(1.5, lambda: fired.append(time.monotonic() - began))
            never = threading.Timer(1, lambda: fired.append("never"))
            timer.start(), never.start()
            never.cancel()
            timer.join()
            return [round(at, 6) for at in fired]
        """
    )

    assert [1.5] == ask()


WAITS = {
    "Lock": "lock = threading.Lock(); lock.acquire(); got = lock.acquire(timeout=1.5)",
    "RLock": """
lock = threading.RLock(); held = threading.Event()
def hold():
    with lock:
        held.set(); time.sleep(9)
threading.Thread(target=hold, daemon=True).start(); held.wait(); got = lock.acquire(timeout=1.5)""",
    "Event": "got = threading.Event().wait(1.5)",
    "Semaphore": "got = threading.Semaphore(0).acquire(timeout=1.5)",
    "BoundedSemaphore": "got = threading.BoundedSemaphore(1); got.acquire(); got = got.acquire(timeout=1.5)",
    "Condition": """
condition = threading.Condition()
with condition: got = condition.wait(1.5)""",
    "Barrier": """
try: got = bool(threading.Barrier(2).wait(1.5))
except threading.BrokenBarrierError: got = False""",
    "Queue": """
try: got = queue.Queue().get(timeout=1.5)
except queue.Empty: got = False""",
    "SimpleQueue": """
try: got = queue.SimpleQueue().get(timeout=1.5)
except queue.Empty: got = False""",
    "LifoQueue.put": """
full = queue.LifoQueue(1); full.put(1)
try: full.put(2, timeout=1.5); got = True
except queue.Full: got = False""",
    "Future.result": """
from concurrent.futures import Future, TimeoutError
try: got = Future().result(timeout=1.5)
except TimeoutError: got = False""",
    "Thread.join": """
thread = threading.Thread(target=time.sleep, args=(9,), daemon=True)
thread.start(); thread.join(1.5); got = not thread.is_alive()""",
}


@pytest.mark.parametrize("what", WAITS)
def test_waits_with_a_timeout_end_at_the_virtual_instant(systems, what):
    """Each of the standard waits gives up after exactly its timeout."""
    body = textwrap.indent(WAITS[what].strip(), "    ")
    code = (
        "import threading, queue, time\n"
        f"def handler(event, context):\n    began = time.monotonic()\n{body}\n    return [got, time.monotonic() - began]\n"
    )
    _, ask = systems.function(code)

    got, took = ask()

    assert [False, 1.5] == [got, round(took, 6)]


def test_producers_and_consumers_meet(systems):
    """A queue between two threads hands everything over in order, a condition wakes, a barrier opens."""
    _, ask = systems.function(
        """
        import threading, queue, time
        def handler(event, context):
            work, got, barrier = queue.Queue(maxsize=2), [], threading.Barrier(2)
            def consume():
                barrier.wait()
                while (item := work.get()) is not None:
                    time.sleep(0.1)
                    got.append(item)
                    work.task_done()
            consumer = threading.Thread(target=consume)
            consumer.start()
            barrier.wait()
            for n in range(5):
                work.put(n)
            work.join()
            work.put(None)
            consumer.join()
            return got
        """
    )

    assert [0, 1, 2, 3, 4] == ask()


def test_a_thread_pool_of_multiprocessing_works(systems):
    """`multiprocessing.pool.ThreadPool`, which people use on Lambda because process pools do not work there."""
    _, ask = systems.function(
        """
        import time
        from multiprocessing.pool import ThreadPool
        def square(n):
            time.sleep(1)
            return n * n
        def handler(event, context):
            began = time.monotonic()
            with ThreadPool(4) as pool:
                squares = pool.map(square, range(4), chunksize=1)
            return [squares, time.monotonic() - began < 2]
        """
    )

    assert [[0, 1, 4, 9], True] == ask()


def test_multiprocessing_is_refused_and_says_what_to_do(systems):
    """A copy of the test's process cannot take part in the world, so none is made."""
    stage, _ = systems.function(
        """
        import multiprocessing
        def handler(event, context):
            multiprocessing.Process(target=print).start()
        """
    )

    answer = stage.invoke("Fn")

    assert "UnsupportedOperation" == answer.error
    assert "Use threads" in answer.error_message


def test_what_is_left_running_freezes_until_the_next_invocation(systems):
    """A background thread stands still between invocations and goes on with the next, as on Lambda."""
    stage, ask = systems.function(
        """
        import threading, time
        ticks = []
        def tick():
            while True:
                time.sleep(1)
                ticks.append(time.time())
        def handler(event, context):
            if not ticks and event.get("start"):
                threading.Thread(target=tick, daemon=True).start()
            time.sleep(event.get("sleep", 0.5))
            return len(ticks)
        """,
        timeout=20,
    )

    assert 0 == ask({"start": True})
    time.sleep(100)
    stage.settle()
    # The sleep that was under way is over when it thaws; a hundred of them would have passed meanwhile.
    assert 1 == ask({"sleep": 0})
    assert 4 == ask({"sleep": 3.5})
    assert 6 == ask({"sleep": 2})


def test_nothing_of_a_timed_out_pool_runs_on(systems):
    """A handler that times out inside `with ThreadPoolExecutor` is cut there, and so are the pool's threads."""
    stage = systems.open(
        {
            "Fn": """
            import time, boto3
            from concurrent.futures import ThreadPoolExecutor
            sqs = boto3.client("sqs")
            def work(n):
                time.sleep(10)
                sqs.send_message(QueueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/work", MessageBody="late")
            def handler(event, context):
                if event == "again":
                    return "fine"
                with ThreadPoolExecutor(2) as pool:
                    list(pool.map(work, range(4)))
            """
        },
        resources=QUEUE,
    )

    assert "Sandbox.Timedout" == stage.invoke("Fn").error
    stage.settle()
    time.sleep(100)

    assert [] == [r for r in stage.journal.of_kind("call") if r.detail["operation"] == "SendMessage"]
    assert "fine" == stage.invoke("Fn", "again").payload


def test_a_dead_sleeper_does_not_hold_the_world(systems):
    """After a timeout inside a long sleep, the world settles at once: the alarm went with the sleeper."""
    stage, _ = systems.function("import time\ndef handler(event, context): time.sleep(100000)")

    stage.invoke("Fn")
    stage.settle()

    assert 3 == stage.clock.now() - 1767225600


def test_a_deadlock_names_who_waits_for_what(systems):
    """Two handlers' locks, a queue nobody fills: the test hears of it at once, and does not hang."""
    systems.open()
    work = queue.Queue()

    with pytest.raises(Deadlock, match="the test waits for a lock"):
        work.get()


def test_a_waiter_that_died_does_not_take_the_lock_along(systems):
    """A lock that functions share (a library's) goes to the next waiter who lives."""
    stage = systems.open(
        {
            "Dies": {"app.py": "def handler(event, context): lock.acquire()", "Timeout": 2},
            "Lives": {"app.py": "def handler(event, context): return lock.acquire()", "Timeout": 9},
        }
    )
    lock = threading.Lock()
    lock.acquire()
    for name in ("Dies", "Lives"):
        stage.module(name).lock = lock
        stage.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    time.sleep(5)
    lock.release()
    time.sleep(1)

    assert [True] == [r.detail["payload"] for r in stage.journal.of_kind("outcome", resource="Lives")]


def test_a_thread_that_fails_ends_like_any_other(systems):
    """Its trace is in the function's log, whoever joins it goes on, and so does the world."""
    stage, ask = systems.function(
        """
        import sys, threading, time
        def handler(event, context):
            def fail():
                time.sleep(1)
                raise LookupError("in a thread")
            threads = [threading.Thread(target=fail, name="worker"), threading.Thread(target=sys.exit)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            return "joined"
        """
    )

    assert "joined" == ask()
    (line,) = [record.detail["line"] for record in stage.journal.of_kind("log")]
    assert line.startswith("Exception in thread worker:\nTraceback")
    assert line.endswith("LookupError: in a thread")


def test_a_failing_thread_of_the_test_is_told_to_the_hook(systems, monkeypatch):
    """So pytest warns of it as it always does."""
    systems.open()
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

    assert [ZeroDivisionError] == [args.exc_type for args in told]


def test_threads_of_the_test_take_part(systems):
    """A thread that a test starts sleeps in virtual time and may call the stage."""
    stage = systems.open(resources=QUEUE)

    def send(n):
        time.sleep(n)
        stage.client("sqs").send_message(QueueUrl=stage.ref("Queue"), MessageBody=str(n))
        return time.time()

    with ThreadPoolExecutor(4) as pool:
        times = list(pool.map(send, [60, 120, 180]))

    assert [60, 120, 180] == [at - 1767225600 for at in times]


def test_reset_leaves_no_idle_thread(systems):
    """Environments' own threads and the idle threads of pools end with a reset; a suite of thousands leaves nothing behind."""
    stage, ask = systems.function(
        """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(5)
        def handler(event, context):
            return list(pool.map(str, range(20)))
        """
    )
    before = threading.active_count()

    for _ in range(5):
        ask()
        stage.reset()

    with outside_the_world():
        # An ended thread needs a moment of real time to leave.
        deadline = time.monotonic() + 10
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.01)
    assert threading.active_count() <= before


def test_the_interpreter_exits_promptly_with_parked_threads(systems):
    """Handlers parked inside sleeps and pools do not keep the process from ending, even if the stage was never closed."""
    systems.write(
        "Fn",
        {
            "app.py": """
            import time
            from concurrent.futures import ThreadPoolExecutor
            pool = ThreadPoolExecutor(4)
            def handler(event, context):
                with ThreadPoolExecutor(4) as inner:
                    pool.map(time.sleep, [100] * 4)
                    list(inner.map(time.sleep, [100] * 4))
            """
        },
    )
    template = {"Resources": {"Fn": systems._function("Fn", {}, 3)}}
    (systems.directory / "template.json").write_text(json.dumps(template))
    script = f"""
from concurrent.futures import ThreadPoolExecutor
from stagefright import open_stage
stage = open_stage("exit", template={str(systems.directory / "template.json")!r})
print(stage.invoke("Fn").error)
ThreadPoolExecutor(2).submit(print, "of the test")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)

    assert ["Sandbox.Timedout", "of the test"] == result.stdout.split("\n")[:2], result.stderr
    assert 0 == result.returncode, result.stderr
