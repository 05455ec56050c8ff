"""What the plugin adds to a pytest run that does not use it: two kinds of runs, taken in turns."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.contest import Cannot

BATCHES, TURNS = 5, 5
EMPTY_TEST = "def test_nothing(): pass\n"


def plugin_unused() -> list[float]:
    """
    Milliseconds that the best of five runs with the plugin took longer than the best of the five without it beside them.

    Both are CPU time: start-up is nothing else. A difference of wall times, or of single runs, drowns in what else the
    machine does.
    """
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_nothing.py"
        test.write_text(EMPTY_TEST)
        _run(folder), _run(folder, "-p", "no:stagefright")  # fills the caches of compiled files
        return [_difference(folder) for _ in range(BATCHES)]


def _difference(folder: str) -> float:
    pairs = [(_run(folder), _run(folder, "-p", "no:stagefright")) for _ in range(TURNS)]
    return min(used for used, _ in pairs) - min(unused for _, unused in pairs)


def _run(folder: str, *options: str) -> float:
    """Run pytest; the milliseconds of CPU time that it took."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_nothing.py"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise Cannot("pytest does not start with the plugin")
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000
