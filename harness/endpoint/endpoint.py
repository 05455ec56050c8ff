"""
A stage's endpoint: AWS for other processes, over HTTP, on the loopback.

A request is read on the thread of its connection, waits at the gate until the world lets it in, and is played there as a task. A
world is open to others from when the test asks for the URL until it ends; at other times a request is told so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from stagefright.aws_api.errors import ApiError
from stagefright.endpoint import inside, naming, writing
from stagefright.endpoint.gate import Gate
from stagefright.endpoint.message import Answer, Request
from stagefright.endpoint.server import Server, start
from stagefright.tasks import outside_the_world
from stagefright.virtual.timepieces import real_timer as _real_time

if TYPE_CHECKING:
    from stagefright.world import World

T = TypeVar("T")

VISITOR = "visitor"
"""The caller's name in `call` records when another process calls."""

PATIENCE_S = 10.0
"""How long, in real time, a request waits while nobody does the world's work."""

WATCH_S = 0.25
"""How often a waiting request looks whether anybody does."""

SERVE_STEP_S = 0.05
"""The steps of real time in which `serve` lets time pass."""


class _Visit:
    """One request of another process, on its way through the world."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.over = threading.Event()
        self.answer: Answer | None = None

    def settle(self, answer: Answer) -> None:
        """The first answer counts."""
        if not self.over.is_set():
            self.answer = answer
            self.over.set()


class Endpoint:
    """Lets other processes into a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.gate = Gate(world.kernel)
        with outside_the_world():
            self._lock = threading.Lock()
        self._visits: set[_Visit] = set()
        self.is_open = False
        self._server: Server = start(self._answer, f"stagefright {world.region}")
        self.url = self._server.url
        self.patience_s = PATIENCE_S
        world.kernel.endpoint_port = self._server.server_port

    # -- life --------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Let requests in from now on."""
        self.is_open = True

    def shut(self) -> None:
        """The test is over: whatever is under way is told so, and connections end."""
        with self._lock:
            self.is_open = False
            visits, self._visits = self._visits, set()
        for visit in visits:
            visit.settle(self._turned_away(visit.request, _OVER))
        self.gate.reset()
        self._server.drop_connections()

    def close(self) -> None:
        """Stop listening."""
        self.shut()
        with outside_the_world():
            self._server.close()

    # -- on the threads of connections -------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer:
        visit = _Visit(request)
        if not self._announce(visit):
            return self._turned_away(request, _CLOSED)
        self._await(visit)
        with self._lock:
            self._visits.discard(visit)
        assert visit.answer is not None
        return visit.answer

    def _announce(self, visit: _Visit) -> bool:
        with self._lock:
            if self.is_open:
                self._visits.add(visit)
                self.gate.post(partial(self._let_in, visit))
            return self.is_open

    def _await(self, visit: _Visit) -> None:
        """Wait for the answer; the time in which the world works does not count."""
        last_busy = _real_time()
        while not visit.over.wait(WATCH_S):
            if not self.gate.is_left_alone():
                last_busy = _real_time()
            elif _real_time() - max(last_busy, self.gate.looked_at) > self.patience_s:
                visit.settle(self._turned_away(visit.request, _LEFT_ALONE.format(seconds=self.patience_s)))

    def _turned_away(self, request: Request, why: str) -> Answer:
        refused = ApiError("ServiceUnavailable", f"{self.url} did not answer. {why}", status=503)
        if naming.data_plane(request, self._world.region) is not None:
            return Answer(503, (("Content-Type", "text/plain; charset=utf-8"),), refused.message.encode())
        asked = naming.identify(request, self._world.region)
        return writing.refusal(request, asked, refused, "not-in-a-world")

    # -- in the world ------------------------------------------------------------------------------------------------

    def _let_in(self, visit: _Visit) -> None:
        if not visit.over.is_set():
            name = f"{visit.request.method} {visit.request.raw_path} of another process"
            self._world.kernel.spawn(self._play(visit), name=name)

    async def _play(self, visit: _Visit) -> None:
        number = self.gate.begin_call()
        try:
            visit.settle(await inside.whatever_happens(self._world, visit.request, VISITOR))
        finally:
            self.gate.end_call(number)

    # -- serving -----------------------------------------------------------------------------------------------------

    def serve_until(self, condition: Callable[[], T], within_s: float, pace: float) -> T:
        """Let others in until the condition is true or the span of real time is over; virtual time keeps pace."""
        kernel = self._world.kernel
        deadline = _real_time() + within_s
        kernel.advance(0)
        while not (value := condition()) and (left_s := deadline - _real_time()) > 0:
            began = _real_time()
            self.gate.pause(min(SERVE_STEP_S, left_s))
            kernel.advance((_real_time() - began) * pace)
        return value


_CLOSED = (
    "No test that uses this stage is running, or the one that runs has not asked for stage.endpoint_url: a stage is open to other "
    "processes from when its test asks for the URL until the test ends."
)
_OVER = "The test that this call belonged to has ended."
_LEFT_ALONE = (
    "The test has run code of its own for {seconds:g} s, and a stage works on the calls of other processes only while its test waits: in "
    "subprocess.run() and Popen.wait() or .communicate(), time.sleep(), stage.settle(), or in stage.serve(), which is made for it."
)
