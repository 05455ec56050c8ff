"""What a handler may do to the process it runs in, and what the world does about it."""

from __future__ import annotations

import gc
import os
import signal
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
        from stagefright.functions import appearance

        def fail(streams):
            raise ValueError("no streams")

        monkeypatch.setattr(appearance.output, "restore_streams", fail)
        with pytest.raises(ValueError, match="no streams"):
            ask()
        monkeypatch.undo()
        sys.stdout, sys.stderr = before[1], before[2]

        assert before == here()
        stage.reset()
        assert "fine" == ask()


class TestInterrupts:
    @pytest.fixture(autouse=True)
    def ctrl_c_interrupts(self):
        """A process that was started in the background, as CI may be, ignores SIGINT."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

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


class TestAbandonedThreads:
    """A thread whose invocation timed out is unwound at the next reset."""

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
        assert kept[0]() is not None

        stage.reset()

        assert before == threading.active_count()
        gc.collect()
        assert [None] * 50 == [big() for big in kept]

    @pytest.mark.parametrize("wait", ["time.sleep(10)", "asyncio.run(asyncio.sleep(10))", "threading.Event().wait()",
                                      "list(ThreadPoolExecutor().map(time.sleep, [10, 10]))"])  # fmt: skip
    def test_finally_has_no_effects(self, systems, caplog, capfd, wait):
        """What a handler would do after its deadline neither reaches AWS, nor the journal, nor a log, nor the test."""
        before = here()
        stage, _ = systems.function(
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
            resources={"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "work"}}},
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

    def test_event_loops_end_quietly(self, systems, caplog):
        """Tasks that refuse to be cancelled are nobody's business any more."""
        stage = systems.open(
            {
                "Fn": """
                import asyncio
                async def stay():
                    while True:
                        try:
                            await asyncio.sleep(1)
                        except asyncio.CancelledError:
                            pass
                async def main():
                    tasks = [asyncio.ensure_future(stay()) for _ in range(3)]
                    await asyncio.sleep(50)
                def handler(event, context):
                    asyncio.run(main())
                """
            }
        )
        before = threading.active_count()
        assert "Sandbox.Timedout" == stage.invoke("Fn").error

        stage.reset()
        gc.collect()

        assert before == threading.active_count()
        assert [] == caplog.records

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


class TestOutput:
    def log(self, stage):
        return [record.detail["line"] for record in stage.journal.of_kind("log")]

    def test_printing_in_small_pieces_makes_one_line(self, systems):
        """Two hundred thousand pieces; were each to look at all before it, this test would not end."""
        stage, ask = systems.function("def handler(e, c):\n for _ in range(200_000): print('12345', end='')")
        ask()

        assert ["12345" * 200_000] == self.log(stage)

    def test_a_line_longer_than_an_event_becomes_several(self, systems):
        """CloudWatch's limit is 1 MiB; where a line is cut does not depend on the pieces it was printed in."""
        stage, ask = systems.function(
            "def handler(e, c):\n print('é' * 1_000_000)\n for _ in range(10): print('é' * 100_000, end='')\n print()"
        )
        ask()
        events = self.log(stage)

        assert [524_288, 475_712] * 2 == [len(event) for event in events]
        assert max(len(event.encode()) for event in events) == 1_048_576

    def test_bytes_and_settings_of_standard_output(self, systems):
        """`sys.stdout.buffer` and `reconfigure` are there, as in every process."""
        stage, ask = systems.function(
            """
            import sys
            def handler(event, context):
                sys.stdout.reconfigure(line_buffering=True, encoding="utf-8")
                sys.stdout.buffer.write("caf\\u00e9\\n".encode())
                for byte in "\\u00fc".encode():
                    sys.stderr.buffer.write(bytes([byte]))
                sys.stdout.buffer.flush()
                print()
                return sys.stdout.errors
            """
        )

        assert ask()
        assert ["café", "ü"] == self.log(stage)


class TestZone:
    def test_only_the_world_is_in_utc(self, systems, monkeypatch):
        """A test that is in no world sees the zone of its process."""
        import time

        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        stage = systems.open()
        assert "UTC" == time.tzname[0]
        stage.world.step_aside()
        assert ("JST", "Asia/Tokyo") == (time.tzname[0], os.environ["TZ"])
        stage.world.step_in()
        assert "UTC" == time.tzname[0]
        stage.close()
        systems.open_stages.clear()
        assert ("JST", "Asia/Tokyo") == (time.tzname[0], os.environ["TZ"])
        monkeypatch.undo()
        time.tzset()


class TestTemporaryFiles:
    def test_their_names_depend_on_the_seed(self, systems):
        """The same run names them the same, a world with another seed differently."""
        _, ask = systems.function(
            """
            import os, tempfile
            def handler(event, context):
                with tempfile.NamedTemporaryFile(dir=event) as a, tempfile.NamedTemporaryFile(dir=event) as b:
                    return [os.path.basename(file.name) for file in (a, b)]
            """
        )
        stage = systems.open_stages[0]
        folder = str(systems.directory)
        stage.reset()
        first = ask(folder)
        stage.reset()
        again = ask(folder)
        stage.reset(seed=1)

        assert first == again
        assert not {*first} & {*ask(folder)}

    def test_files_left_from_other_runs(self, systems):
        """A thousand runs may each leave a file behind."""
        import tempfile

        stage = systems.open()
        for _ in range(20):
            stage.reset()
            os.close(tempfile.mkstemp(dir=systems.directory, prefix="left-")[0])

        assert 20 == len(list(systems.directory.glob("left-*")))

    def test_outside_the_world_they_are_random(self, systems):
        """The process gets its own names back."""
        import tempfile

        before = tempfile._name_sequence
        stage = systems.open()
        stage.close()

        assert before is tempfile._name_sequence


class TestProcess:
    LEAKS = """
        import logging, socket, sys
        def see():
            return [sys.getrecursionlimit(), socket.getdefaulttimeout(), sys.argv[-1], sys.excepthook.__name__,
                    logging.getLevelName(5), logging.getLogger("botocore").level,
                    len(logging.getLogger("botocore").handlers)]
        def handler(event, context):
            if event == "leak":
                sys.setrecursionlimit(4321)
                socket.setdefaulttimeout(7)
                sys.argv.append("leaked")
                sys.excepthook = lambda *_: None
                logging.addLevelName(5, "TRACE")
                logging.getLogger("botocore").setLevel(logging.ERROR)
                logging.getLogger("botocore").addHandler(logging.NullHandler())
            return see()
        """

    def test_what_a_function_sets_is_its_own(self, systems):
        """It finds it again when it is warm; no other function, no cold start and no test ever sees it."""
        import logging
        import socket

        def see():
            botocore = logging.getLogger("botocore")
            return [sys.getrecursionlimit(), socket.getdefaulttimeout(), sys.argv[:], sys.excepthook,
                    logging.getLevelName(5), botocore.level, botocore.handlers[:]]  # fmt: skip

        before = see()
        stage = systems.open({"Fn": self.LEAKS, "Other": self.LEAKS})
        clean = stage.invoke("Other").payload
        leaked = stage.invoke("Fn", "leak").payload

        assert [4321, 7.0, "leaked", "<lambda>", "TRACE", 40] == leaked[:-1]
        assert before == see()
        assert clean == stage.invoke("Other").payload
        assert leaked == stage.invoke("Fn").payload
        assert before == see()
        stage.reset()
        assert clean == stage.invoke("Fn").payload
        stage.close()
        systems.open_stages.clear()
        assert before == see()

    def test_a_distribution_without_metadata(self, systems):
        """An empty `.dist-info` beside the code is passed over."""
        systems.write("Fn", {"odd-1.0.dist-info/INSTALLER": "", "app.py": ""})
        _, ask = systems.function("def handler(event, context): return 'fine'")

        assert "fine" == ask()


class TestSockets:
    def test_the_default_timeout_is_obeyed(self):
        """A connection that was given no timeout has the process's."""
        import http.client
        import socket

        from stagefright.virtual.network import WorldSocket

        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(4)
        try:
            connection = http.client.HTTPConnection("api")
            assert 4 == WorldSocket(None, "api", connection.timeout, None).gettimeout()
            assert WorldSocket(None, "api", None, None).gettimeout() is None
        finally:
            socket.setdefaulttimeout(before)
