"""What the in-function runtime adds to a cold start, on top of boto3: a process with nothing of ours but the layer."""

from __future__ import annotations

import compileall
import io
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from benchmarks.contest import Cannot

RUNS = 9

PROGRAM = """
import sys, time
sys.path += sys.argv[1:3]
import boto3, botocore.client, dataclasses, json
began = time.thread_time()
from stagefright.chaos.runtime import wrap
wrap(lambda event, context: event, name="/flag", read=lambda name: sys.argv[3] or None)({}, None)
print((time.thread_time() - began) * 1000)
"""
"""One cold start and its first invocation; reading the parameter is boto3's part, so it is left out."""


def cold_starts() -> dict[str, list[float]]:
    """Milliseconds of CPU time, without a flag and with a latency of nothing, by the key of the row."""
    from stagefright.chaos import Latency, layer, merge

    flag = merge([Latency(delay_ms=0)], owner="benchmark", run="1", expires=4e9)
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(layer.build())).extractall(folder)
        site = Path(folder) / layer.SITE
        compileall.compile_dir(site, quiet=2)
        return {
            "runtime_unused": [_cold_start(site, "") for _ in range(RUNS)],
            "runtime_striking": [_cold_start(site, flag) for _ in range(RUNS)],
        }


def _cold_start(site: Path, flag: str) -> float:
    # Without `site`, or an editable installation of ours would come before the layer.
    command = [sys.executable, "-S", "-c", PROGRAM, str(site), sysconfig.get_path("purelib"), flag]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Cannot(f"the runtime does not start from the layer: {done.stderr.strip()[-200:]}")
    return float(done.stdout.split()[-1])
