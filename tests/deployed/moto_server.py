"""A moto server as a stand-in for AWS: state without work. Without Docker, which it is not shown here, it runs no functions."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import requests

from tests import servers


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A fresh server; gives its URL."""
    with servers.running(
        lambda port: [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        health="/moto-api/",
        environment=lambda _: {**os.environ, "DOCKER_HOST": "unix:///no-docker.sock"},
    ) as url:
        yield url


def reset(url: str) -> None:
    """Forget everything that was made."""
    requests.post(f"{url}/moto-api/reset", timeout=60)
