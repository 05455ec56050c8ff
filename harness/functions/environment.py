"""
One execution environment: what on Lambda is a micro-VM with the runtime in it.

It has its own variables, its own copy of the function's modules, and a thread that lives as long as it does, so a warm
start finds module globals and thread-locals as the last invocation left them.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stagefright.functions.appearance import Appearance
from stagefright.functions.modules import ModuleSpace
from stagefright.functions.printed_lines import PrintedLines
from stagefright.tasks import Actor, Future, Kernel, ThreadEnds
from stagefright.virtual.event_loops import end_loops, quieten_loops

if TYPE_CHECKING:
    from stagefright.functions.log import FunctionLog

Job = Callable[[], None]


class Environment:
    """
    An execution environment of one version of a function.

    `run(job)` runs a piece of user code on the environment's thread; one at a time.
    """

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        *,
        roots: tuple[Path, ...],
        sources: Mapping[str, str] = MappingProxyType({}),
        shown_as: Mapping[str, str],
        environ: Mapping[str, str],
        log: FunctionLog,
        provisioned: bool = False,
        runtime_id: str = "",
    ) -> None:
        self.name = name
        self.environ = dict(environ)
        self.modules = ModuleSpace(roots, sources)
        self.shown_as = shown_as
        """What error payloads call the folders that the code lies in."""
        self.task_root = str(roots[0])
        self.log = log
        self.provisioned = provisioned
        """Whether it is one that provisioned concurrency keeps initialised."""
        self.runtime_id = runtime_id
        """Names the runtime's build, as in its ARN."""
        self.init_s: float | None = None
        """How long its init phase took."""
        self.ends: Callable[[str | None], None] = lambda reason: None
        """Told when the code ends its process by itself, and how."""
        self.request_id = ""
        self.trace: tuple[int, str] | None = None
        """The record of the latest invocation whose handler ran, and its trace header."""
        self.handler: Callable[..., Any] | None = None
        self.invocations = 0
        self.session: Any = None
        """boto3's default session of this environment, made when first used."""
        self.threads: list[tuple[Actor, threading.Thread]] = []
        """Threads that the handler started; frozen between invocations."""
        self.loops: list[asyncio.BaseEventLoop] = []
        """Event loops that its code made."""
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        """Real connections that its code opened: to allowed hosts, and to this machine."""
        self._printed = PrintedLines(self._write)
        self._kernel = kernel
        self._appearance = Appearance(
            self.modules, self.task_root, log_level=log.settings.get("ApplicationLogLevel"), fail=kernel.fail
        )
        self._job: Job | None = None
        self._next: Future[None] = Future()
        self.actor = Actor(kernel, name, owner=self)
        self.actor.when_abandoned = lambda: quieten_loops(self.loops)
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread._stagefright_native = True  # type: ignore[attr-defined]

    # -- the thread --------------------------------------------------------------------------------------------------

    def run(self, job: Job, *, cause: int | None) -> None:
        """Let the environment's thread do a job when its turn comes."""
        self.actor.cause = cause
        self.actor.draws.clear()
        self._job = job
        for actor, _ in self.threads:
            actor.thaw()
        if self._thread.ident is None:
            self._kernel.join(self.actor)
            self._thread.start()
            self.actor.make_ready()
        else:
            waiting, self._next = self._next, Future()
            waiting.set_result(None)

    def freeze(self) -> None:
        """The invocation is over: what the handler left running stops until the next one."""
        self.threads = [(actor, thread) for actor, thread in self.threads if thread.is_alive()]
        for actor, _ in self.threads:
            actor.freeze()

    def drop(self) -> None:
        """End the environment: nothing of its code ever runs again."""
        for actor, _ in self.threads:
            self._kernel.abandon(actor)
        if self._thread.ident is not None:
            self._kernel.abandon(self.actor)
        end_loops(self.loops)
        # Its process would end, and with it the connections: a database gives back the locks that they held.
        for connection in list(self.sockets):
            connection.close()

    def _live(self) -> None:
        self.actor.adopt_current_thread()
        try:
            self.actor.await_turn()
            self.resumed()
            while True:
                self._do_job()
                self.actor.idle = True
                self._kernel.wait(self._next)
                self.actor.idle = False
        except ThreadEnds:
            return

    def _do_job(self) -> None:
        job, self._job = self._job, None
        if job is None:
            return
        try:
            job()
        except ThreadEnds:
            raise
        except BaseException as error:  # noqa: BLE001 - `pytest.fail()` raises one
            if self.actor.abandoned:
                return
            # Not the handler's failure (that is an answer) but a word to the test, such as `pytest.fail()` in a stub.
            self._kernel.fail(error)

    def now(self) -> float:
        """The world's time."""
        return self._kernel.now()

    def iso(self) -> str:
        """The world's time, as AWS writes it in JSON."""
        return self._kernel.clock.iso()

    # -- what the process looks like to its code ---------------------------------------------------------------------

    def resumed(self) -> None:
        """Code of this environment goes on: show it its own modules, directory and output."""
        self._appearance.show()

    def suspended(self) -> None:
        """Code of this environment waits or has ended: show the test's world again."""
        self._appearance.hide()

    # -- output ------------------------------------------------------------------------------------------------------

    def print(self, text: str) -> None:
        """Take what the code prints; whole lines go to the function's log."""
        if not self.actor.abandoned:
            self._printed.print(text)

    def print_bytes(self, data: bytes) -> None:
        """Take bytes that the code writes."""
        self.print(self._printed.text_of(data))

    def log_record(self, text: str) -> None:
        """Take what `logging` emits: one event of the function's log, of as many lines as it has."""
        if not self.actor.abandoned:
            self._write(text)

    def flush(self) -> None:
        """Write a line that was not ended."""
        self._printed.flush()

    def _write(self, event: str) -> None:
        self.log.write(event, cause=self.actor.cause)

    def split_handler(self, handler: str) -> tuple[str, str] | None:
        """Module and function of a handler setting such as `app/orders.handler`, or None if it has no dot."""
        module, dot, function = handler.rpartition(".")
        return (module.replace("/", "."), function) if dot else None
