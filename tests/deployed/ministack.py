"""MiniStack as a stand-in for AWS: an emulator that runs Python functions, in a process of its own, asked over HTTP."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests import servers

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "build/ministack/bin/ministack"


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A fresh emulator; gives its URL."""
    _install()
    with (
        tempfile.TemporaryDirectory(prefix="ministack-", ignore_cleanup_errors=True) as home,
        servers.running(
            lambda _: [PROGRAM.with_name("python"), "-m", "ministack"],
            health="/_ministack/health",
            environment=lambda port: _settings(home, port),
            folder=Path(home),
        ) as url,
    ):
        yield url


def _install() -> None:
    """It lives in an environment of its own, which `make` makes; of several processes that want it, one does."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build/ministack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PROGRAM.exists():
            target = str(PROGRAM.relative_to(ROOT))
            subprocess.run(["make", "--silent", target], cwd=ROOT, check=True, capture_output=True)


def _settings(home: str, port: int) -> dict[str, str]:
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
        "TMPDIR": home,
        "DOCKER_HOST": f"unix://{home}/no-docker.sock",
        "HOME": home,
        "PATH": os.environ["PATH"],
    }
