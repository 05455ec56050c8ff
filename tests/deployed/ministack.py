"""MiniStack as a stand-in for AWS: an emulator that runs Python functions, in a process of its own, asked over HTTP."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "build/ministack/bin/ministack"
START_WITHIN_S = 120


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A fresh emulator on a free port; gives its URL."""
    _install()
    with tempfile.TemporaryDirectory(prefix="ministack-") as home:
        url = f"http://127.0.0.1:{_free_port()}"
        with Path(home, "server.log").open("wb") as log:
            server = subprocess.Popen(
                [PROGRAM.with_name("python"), "-m", "ministack"],
                env=_settings(home, url.rpartition(":")[2]),
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=home,
            )
        try:
            _wait_for(server, url)
            yield url
        finally:
            _end(server)


def _install() -> None:
    """It lives in an environment of its own, which `make` makes; of several processes that want it, one does."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build/ministack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PROGRAM.exists():
            target = str(PROGRAM.relative_to(ROOT))
            subprocess.run(["make", "--silent", target], cwd=ROOT, check=True, capture_output=True)


def _settings(home: str, port: str) -> dict[str, str]:
    return {
        "GATEWAY_PORT": port,
        "BIND_HOST": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
        "TMPDIR": home,
        "DOCKER_HOST": f"unix://{home}/no-docker.sock",
        "HOME": home,
        "PATH": os.environ["PATH"],
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until:
        assert server.poll() is None, "MiniStack would not start"
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{url}/_ministack/health", timeout=5).ok:
                return
        time.sleep(0.05)
    raise AssertionError("MiniStack did not come up")


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and the workers that it started: they are one process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
