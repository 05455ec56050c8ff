"""What the plugin adds to a pytest run that does not use it: two kinds of runs, taken in turns."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.contest import Cannot

TURNS = 15
EMPTY_TEST = "def test_nothing(): pass\n"


def plugin_unused() -> list[float]:
    """
    Milliseconds that each run with the plugin took longer than the run without it beside it.

    Both are CPU time: start-up is nothing else, and the difference of two wall times drowns in what else the machine does.
    """
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_nothing.py"
        test.write_text(EMPTY_TEST)
        _run(folder), _run(folder, "-p", "no:stagefright")  # fills the caches of compiled files
        return [_run(folder) - _run(folder, "-p", "no:stagefright") for _ in range(TURNS)]


def _run(folder: str, *options: str) -> float:
    """Run pytest; the milliseconds of CPU time that it took."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_nothing.py"]
    before = os.times()
    done = subprocess.run(command, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    after = os.times()
    if done.returncode:
        raise Cannot("pytest does not start with the plugin")
    spent = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return spent * 1000
