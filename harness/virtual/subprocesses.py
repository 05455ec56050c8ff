"""
Child processes of user code.

A child lives in real time, so waiting for it is a real wait, during which no virtual time passes, except for calls that other processes, such
as that child, make to the stage's endpoint. It inherits the variables of the function that
starts it. `multiprocessing` is refused: its child would be a copy of the whole world, in the middle of a step.
"""

from __future__ import annotations

import functools
import multiprocessing.process
import os
import subprocess
from collections.abc import Callable
from typing import Any

from stagefright.errors import UnsupportedOperation
from stagefright.tasks import current_actor, outside_the_world, refuse_the_abandoned
from stagefright.virtual.patching import Patches

_PATIENT = ("wait", "communicate")
"""Methods of `Popen` that wait for the child."""


def _with_own_variables(original: Callable[..., None]) -> Callable[..., None]:
    """`Popen.__init__` that hands the function's variables on, where the process's own would be inherited."""

    @functools.wraps(original)
    def start(process: Any, *args: Any, **kwargs: Any) -> None:
        actor = current_actor()
        if actor is None:
            original(process, *args, **kwargs)
            return
        refuse_the_abandoned(actor)
        if actor.owner is not None and kwargs.get("env") is None and len(args) <= _ENV_POSITION:
            kwargs["env"] = dict(os.environ)
        with outside_the_world():
            original(process, *args, **kwargs)

    return start


_ENV_POSITION = 10
"""Where `env` stands among the positional arguments of `Popen`."""


def _in_real_time(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def wait(process: Any, *args: Any, **kwargs: Any) -> Any:
        actor = current_actor()
        if actor is None:
            return original(process, *args, **kwargs)
        refuse_the_abandoned(actor)
        if actor.kernel.gate is not None and process.returncode is None:
            return actor.kernel.gate.wait_for(
                lambda: original(process, *args, **kwargs), f"child process {process.pid}"
            )
        with outside_the_world():
            return original(process, *args, **kwargs)

    return wait


def _system(original: Callable[[Any], int]) -> Callable[[Any], int]:
    """`os.system` with the function's variables, and with calls of other processes let in meanwhile."""

    @functools.wraps(original)
    def system(command: Any) -> int:
        actor = current_actor()
        if actor is None or (actor.owner is None and actor.kernel.gate is None):
            return original(command)
        code = subprocess.call(command, shell=True)  # noqa: S602 - it is what os.system does
        return code << 8 if code >= 0 else -code

    return system


def _refused(original: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(original)
    def start(process: Any) -> None:
        actor = current_actor()
        if actor is not None:
            raise UnsupportedOperation(
                f"{actor.name} starts a process with multiprocessing ({process.name}). A local stage runs functions inside the "
                "test's process, and a copy of that cannot take part in the world. Use threads "
                "(concurrent.futures.ThreadPoolExecutor), or replace the call in the test."
            )
        original(process)

    return start


def install() -> Callable[[], None]:
    """Let child processes be what they are on Lambda; returns what undoes it."""
    patches = Patches()
    patches.set(subprocess.Popen, "__init__", _with_own_variables(subprocess.Popen.__init__))
    for name in _PATIENT:
        patches.set(subprocess.Popen, name, _in_real_time(getattr(subprocess.Popen, name)))
    patches.set(os, "system", _system(os.system))
    patches.set(multiprocessing.process.BaseProcess, "start", _refused(multiprocessing.process.BaseProcess.start))
    return patches.restorer()
