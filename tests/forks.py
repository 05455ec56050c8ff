"""
`python -m pytest` in a process of its own, without the seconds of imports: it is forked from one that has imported what runs of a stage
need, and has done nothing with it.

Arguments, environment, directory, streams, `__main__` and the end of the interpreter are those of a process that was started anew. Whoever
must see the imports themselves (what they cost, whether they warn, what PYTHONHASHSEED does) starts Python as usual.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Self

SERVICES = (
    "cloudwatch", "dynamodb", "events", "iam", "kinesis", "logs", "s3", "scheduler", "secretsmanager", "sns", "sqs",
    "ssm", "sts",
)  # fmt: skip
IMPORTED = (
    "pytest", "boto3.s3.inject", "boto3.session", "botocore.handlers", "cryptography.x509", "hypothesis", "moto", "pdb",
    "pygments.formatters.terminal", "pygments.lexers.python", "requests", "s3transfer.subscribers", "stagefright.chaos.local",
    "stagefright.stage", "stagefright.world", "time_machine", "unittest.mock", "urllib3", "xml.dom.minidom", "yaml",
    "moto.s3bucket_path.utils", *(f"moto.{service}.{part}" for service in SERVICES for part in ("responses", "urls")),
)  # fmt: skip
"""What runs of a stage import, but for pytest's plugins: pytest rewrites their assertions when it loads them."""


class Nursery:
    """The process that has imported everything, and the way to ask it for children."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        # Each child has a PYTHONPATH of its own.
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=env, stdin=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        self._process.wait()

    def popen(self, command: Sequence[Any], *, cwd: Any, env: Mapping[str, str], stdout: Any, stderr: Any) -> Child:
        """Start `[sys.executable, "-m", module, ...]`, with nothing on its standard input."""
        asked = {**module_of(command), "cwd": os.fspath(cwd), "env": dict(env)}
        ours, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open("rb") as nothing:
            fds = [stream.fileno() for stream in (nothing, stdout, stderr, theirs)]
            socket.send_fds(self._control, [b"!"], fds)
        ours.sendall(json.dumps(asked).encode() + b"\n")
        return Child(ours)

    def run(
        self, command: Sequence[Any], *, cwd: Any, env: Mapping[str, str], timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """The same to its end, like `subprocess.run` with text captured."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = self.popen(command, cwd=cwd, env=env, stdout=out, stderr=err)
            try:
                child.wait(timeout)
            finally:
                child.kill()
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, child.wait(), out.read().decode(), err.read().decode())


def module_of(command: Sequence[Any]) -> dict[str, Any]:
    """Which module a command runs, with which arguments."""
    python, option, *arguments = map(os.fspath, command)
    module = option.removeprefix("-m") or arguments.pop(0)
    assert python == sys.executable, command
    assert option.startswith("-m"), command
    return {"module": module, "arguments": arguments}


class Child:
    """A forked process, to be waited for like `subprocess.Popen`."""

    stdin = None

    def __init__(self, channel: socket.socket) -> None:
        self.returncode: int | None = None
        self._channel = channel
        self._said = channel.makefile("rb")
        self.pid = int(self._hear())

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or minus the signal that ended it."""
        if self.returncode is None:
            if not select.select([self._channel], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked process", timeout or 0)
            self.returncode = int(self._hear())
            self._said.close()
            self._channel.close()
        return self.returncode

    def kill(self) -> None:
        """End it at once."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _hear(self) -> bytes:
        line = self._said.readline()
        assert line, "the process that forks others has died"
        return line


# -- in the process that forks ----------------------------------------------------------------------------------------


def serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork whenever asked; gives a child what it shall be, and the parent None when nobody will ask any more."""
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    ended, wakeup = socket.socketpair()
    for end in (ended, wakeup):
        end.setblocking(False)
    signal.set_wakeup_fd(wakeup.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    channels: dict[int, socket.socket] = {}
    while True:
        ready = select.select([control, ended], [], [])[0]
        if ended in ready:
            ended.recv(4096)
            report(channels)
        if control in ready:
            word, fds, _, _ = socket.recv_fds(control, 1, 4)
            if not word:
                return None
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, interrupted)
                for one in (control, ended, wakeup, *channels.values()):
                    one.close()
                return be_born(fds)
            channels[pid] = socket.socket(fileno=fds.pop())
            channels[pid].sendall(b"%d\n" % pid)
            for fd in fds:
                os.close(fd)


def report(channels: dict[int, socket.socket]) -> None:
    """Tell whoever asked for it how a child ended."""
    while channels:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with channels.pop(pid) as channel, contextlib.suppress(OSError):
            channel.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def be_born(fds: list[int]) -> dict[str, Any]:
    """Take on the streams, and read what to be."""
    *streams, channel = fds
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    with socket.socket(fileno=channel) as asker, asker.makefile("rb") as lines:
        return json.loads(lines.readline())


def become(asked: dict[str, Any]) -> None:
    """Be `python -m module`."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    tempfile.tempdir = None
    sys.path[:1] = [asked["cwd"], *filter(None, asked["env"].get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["-m", *asked["arguments"]]
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)


def import_everything() -> None:
    from stagefright.aws_api import light_imports

    for service in SERVICES:
        light_imports.load(service)
    for name in IMPORTED:
        importlib.import_module(name)
    spare_from_rewriting()
    gc.collect()
    gc.freeze()


def spare_from_rewriting() -> None:
    """pytest would warn that it came too late to rewrite the assertions of packages that bring plugins; this is how they decline."""
    for name, distributions in metadata.packages_distributions().items():
        if name in sys.modules and any(
            point.group == "pytest11" for one in distributions for point in metadata.distribution(one).entry_points
        ):
            module = sys.modules[name]
            module.__doc__ = f"{module.__doc__ or ''} PYTEST_DONT_REWRITE"


if __name__ == "__main__":
    import_everything()
    asked_for = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked_for is not None:
        become(asked_for)
