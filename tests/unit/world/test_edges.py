"""What a handler may do to the process it runs in, and what the world does about it."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref

import pytest

HERE = ["os.getcwd()", "sys.stdout", "sys.stderr", "sys.path[:]", "'app' in sys.modules", "sys.argv", "sys.excepthook"]


def here():
    """What the process looks like."""
    return [eval(what) for what in HERE]


class TestDirectory:
    def test_a_handler_that_deletes_its_working_directory(self, systems):
        """It is back in the task root at its next wait; neither the stage nor the test suffers."""
        before = here()
        stage, ask = systems.function(
            """
            import os, tempfile, time
            def handler(event, context):
                if event == "delete":
                    folder = tempfile.mkdtemp()
                    os.chdir(folder)
                    os.rmdir(folder)
                    time.sleep(1)
                return os.getcwd() == os.path.dirname(__file__)
            """
        )

        assert [True, True] == [ask("delete"), ask()]
        assert before == here()
        stage.reset()
        assert ask()

    def test_a_test_that_deletes_its_working_directory(self, systems, tmp_path, monkeypatch):
        """A function has a directory of its own."""
        _, ask = systems.function("import os\ndef handler(e, c): return os.path.basename(os.getcwd())")
        monkeypatch.chdir(tmp_path / "..")
        gone = tmp_path / "gone"
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()

        assert ask() == ask()

    def test_one_failing_restoration_does_not_skip_the_others(self, systems, monkeypatch):
        """The error reaches the test, whose process is its own again."""
        stage, ask = systems.function("def handler(event, context): return 'fine'")
        before = here()
        assert "fine" == ask()
        from stagefright.functions import environment

        def fail(streams):
            raise ValueError("no streams")

        monkeypatch.setattr(environment.output, "restore_streams", fail)
        with pytest.raises(ValueError, match="no streams"):
            ask()
        monkeypatch.undo()
        sys.stdout, sys.stderr = before[1], before[2]

        assert before == here()
        stage.reset()
        assert "fine" == ask()


class TestInterrupts:
    @pytest.mark.parametrize("what", ["pass", "time.sleep(9)"])
    def test_ctrl_c_while_a_handler_runs(self, systems, what):
        """The process is the test's again, and the stage can be used after a reset."""
        before = here()
        stage, ask = systems.function(
            f"""
            import os, signal, sys, threading, time
            def handler(event, context):
                if event == "burn":
                    os.chdir("/")
                    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                    {what}
                    while True:
                        pass
                return "fine"
            """,
            timeout=60,
        )

        with pytest.raises(KeyboardInterrupt):
            stage.invoke("Fn", "burn")

        assert before == here()
        stage.reset()
        assert ["fine", "fine"] == [ask(), ask()]
        assert before == here()

    def test_ctrl_c_while_a_waiting_handler_runs_the_world(self, systems):
        """A handler that sleeps does the world's work meanwhile, on its own thread."""
        before = here()
        stage, ask = systems.function(
            "import time\ndef handler(event, context):\n    if event == 'wait': time.sleep(30)\n    return 'fine'",
            timeout=60,
        )
        main = threading.main_thread().ident

        async def spin():
            import signal
            from timeit import default_timer

            await stage.world.kernel.sleep(5)
            signal.pthread_kill(main, signal.SIGINT)
            started = default_timer()
            while default_timer() < started + 3:
                pass

        stage.world.kernel.spawn(spin(), name="spin")
        with pytest.raises(KeyboardInterrupt):
            stage.invoke("Fn", "wait")

        assert before == here()
        stage.reset()
        assert ["fine", "fine"] == [ask(), ask()]
        assert before == here()


def alive(weak):
    """Whether what a weak reference points to is still held."""
    gc.collect()
    return weak() is not None


class TestAbandonedThreads:
    """A thread whose invocation timed out is unwound at the next reset."""

    QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "work"}}
    URL = "https://sqs.us-east-1.amazonaws.com/123456789012/work"

    def test_threads_and_their_memory_are_given_back(self, systems):
        """After a reset there are as many threads as before, and what their stacks held is gone."""
        stage = systems.open(
            {
                "Fn": """
                import time
                class Big(bytearray): pass
                def keep(big): "a test takes its word"
                def handler(event, context):
                    big = Big(1_000_000)
                    keep(big)
                    time.sleep(10)
                """
            }
        )
        kept, before = [], threading.active_count()
        for _ in range(50):
            stage.module("Fn").keep = lambda big: kept.append(weakref.ref(big))
            assert "Sandbox.Timedout" == stage.invoke("Fn").error
        assert before + 50 <= threading.active_count()
        assert alive(kept[0])

        stage.reset()

        assert before == threading.active_count()
        assert [False] * 50 == [alive(big) for big in kept]

    @pytest.mark.parametrize("wait", ["time.sleep(10)", "asyncio.run(asyncio.sleep(10))", "threading.Event().wait()",
                                      "list(ThreadPoolExecutor().map(time.sleep, [10, 10]))"])  # fmt: skip
    def test_finally_has_no_effects(self, systems, caplog, capfd, wait):
        """What a handler would do after its deadline neither reaches AWS, nor the journal, nor a log, nor the test."""
        before = here()
        stage, ask = systems.function(
            f"""
            import asyncio, boto3, logging, os, subprocess, threading, time, urllib.request, warnings
            from concurrent.futures import ThreadPoolExecutor
            trail = []
            def attempt(action):
                trail.append("tried")
                try:
                    action()
                except BaseException as error:
                    trail.append(type(error).__name__)
            def handler(event, context):
                try:
                    {wait}
                finally:
                    sqs = boto3.client("sqs")
                    print("printed")
                    context.log("told")
                    logging.error("logged")
                    os.environ["LEAKED"] = "yes"
                    attempt(lambda: sqs.send_message(QueueUrl={self.URL!r}, MessageBody="late"))
                    attempt(lambda: time.sleep(1))
                    attempt(lambda: threading.Thread(target=print).start())
                    attempt(lambda: urllib.request.urlopen("http://example.com"))
                    attempt(lambda: subprocess.run(["echo", "spawned"]))
                    attempt(lambda: asyncio.run(asyncio.sleep(1)))
                    raise ValueError("late")
            """,
            resources={"Queue": self.QUEUE},
        )
        trail = stage.module("Fn").trail
        threads = threading.active_count()
        assert "Sandbox.Timedout" == stage.invoke("Fn").error
        stage.settle()
        assert [] == trail

        stage.reset()

        assert ["tried", "ThreadEnds"] * 6 == trail
        assert [] == list(stage.journal)
        assert stage.clock.now() == 1767225600
        assert "Messages" not in stage.client("sqs").receive_message(QueueUrl=self.URL)
        assert "LEAKED" not in os.environ
        assert before == here()
        assert ("", "") == capfd.readouterr()
        assert [] == caplog.records
        assert threads - 1 == threading.active_count()
        del trail
        gc.collect()
        assert [] == caplog.records

    @pytest.mark.parametrize("what", ["while True:\n        try: time.sleep(1)\n        except BaseException: pass",
                                      "try: time.sleep(9)\n    finally:\n        while True: pass"])  # fmt: skip
    def test_a_thread_that_does_not_let_itself_be_ended_is_parked(self, systems, what):
        """The reset takes a moment longer, and that is all."""
        stage = systems.open(
            {"Fn": f"import time\ndef handler(event, context):\n    if event == 'again': return 1\n    {what}"}
        )
        assert "Sandbox.Timedout" == stage.invoke("Fn").error
        before = here()

        stage.reset()

        assert before == here()
        assert 1 == stage.invoke("Fn", "again").payload
        stage.reset()
        assert 1 == stage.invoke("Fn", "again").payload

    def test_threads_of_the_test(self, systems):
        """A thread that the test started and that still waits ends with the reset, too."""
        import time

        stage = systems.open()
        before = threading.active_count()
        threading.Thread(target=time.sleep, args=[60]).start()

        time.sleep(1)
        assert before + 1 == threading.active_count()

        stage.reset()

        assert before == threading.active_count()
