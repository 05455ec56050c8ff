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
    @pytest.mark.parametrize("what", ["while True: pass", "for _ in range(9): time.sleep(1)\n        while True: pass"])
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
