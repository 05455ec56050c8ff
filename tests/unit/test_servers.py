"""The helper that starts servers for tests: a port that somebody takes meanwhile must not fail a run."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest
import requests

from tests import servers


def web_server(port):
    return [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]


def test_a_server_is_up_in_the_block_and_gone_after_it():
    """It answers at its URL, and nothing is left of it."""
    with servers.running(web_server) as url:
        assert requests.get(url, timeout=60).ok

    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=60)


def test_a_port_that_somebody_took_meanwhile():
    """The server ends, and is started again at another port."""
    taken = []

    def command(port):
        if not taken:
            taken.append(socket.create_server(("127.0.0.1", port)))
        return web_server(port)

    with servers.running(command) as url:
        assert taken[0].getsockname()[1] != int(url.rpartition(":")[2])
        assert requests.get(url, timeout=60).ok
    taken[0].close()


def test_a_server_that_cannot_start(monkeypatch):
    """Its last words are the error; it is not tried for ever."""
    monkeypatch.setattr(servers, "STARTS_MAX", 2)

    with (
        pytest.raises(servers.NotUp, match="no such option"),
        servers.running(lambda _: [sys.executable, "-c", "raise SystemExit('no such option')"]),
    ):
        pass


def test_what_a_server_starts_ends_with_it(tmp_path):
    """They are one process group."""
    code = (
        "import subprocess, sys, pathlib, runpy;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid));"
        "runpy.run_module('http.server', run_name='__main__')"
    )

    with servers.running(lambda port: [sys.executable, "-c", code, str(port), "--bind", "127.0.0.1"]):
        child = int((tmp_path / "pid").read_text())
        os.kill(child, 0)

    ends_within(child, 60)


def ends_within(pid, seconds):
    """A killed process is there for a moment longer, and afterwards until its parent has looked."""
    until = time.monotonic() + seconds
    while (state := state_of(pid)) not in (None, "Z"):
        assert time.monotonic() < until, f"the process {pid} is still there: {state}"
        time.sleep(0.05)


def state_of(pid):
    """The state of a process, as the system writes it; None if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None
