"""A moto server as a stand-in for AWS: state without work. Without Docker, which it is not shown here, it runs no functions."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import requests

START_WITHIN_S = 120


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A fresh server on a free port; gives its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    environ = {**os.environ, "DOCKER_HOST": "unix:///no-docker.sock"}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(process, url)
        yield url
    finally:
        process.kill()
        process.wait()


def reset(url: str) -> None:
    """Forget everything that was made."""
    requests.post(f"{url}/moto-api/reset", timeout=60)


def _wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until:
        assert process.poll() is None, "the moto server would not start"
        try:
            return reset(url)
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError("the moto server did not come up")
