"""
Where what is real enters a world: calls of other processes, and the end of something real that code of the world waits for.

The threads that serve HTTP are not part of the world. They post what arrived, and whoever does the kernel's work takes it in,
between two steps: when nothing can run at the present instant, and before time moves.

While an actor waits for something real (a child process, `stage.serve`) time stands still, so that what a test sees does not depend on
how long a child takes. It moves only for a call that came in meanwhile and that waits itself, such as a long poll.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TypeVar

from stagefright.tasks import Actor, Future, Kernel, current_actor, outside_the_world
from stagefright.virtual.timepieces import real_timer as _real_time

T = TypeVar("T")

GRACE_S = 0.03
"""How long, in real time, a call that waits lets others come first before the clock jumps for it: another process may be about to call."""

SLICE_S = 0.05
"""How long one look outside takes at most; a thread whose baton was taken notices after that."""


class Gate:
    """The way into one world. Its counts and its queue of arrivals are all that threads outside the world touch."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._arrivals: deque[Callable[[], None]] = deque()
        with outside_the_world():
            self._bell = threading.Event()
        self._numbers = count(1)
        self._waits: dict[Actor, int] = {}
        """The actors that wait for something real, each with a number that says since when."""
        self._calls: dict[int, float] = {}
        """The calls that the world works on: their numbers, and since when in real time."""
        self._pause: tuple[Future[None], float] | None = None
        self.looked_at = 0.0
        """When, in real time, the world last looked for arrivals."""
        kernel.gate = self
        kernel.pollers.append(self.poll)

    # -- from outside ------------------------------------------------------------------------------------------------

    def post(self, action: Callable[[], None]) -> None:
        """Let the world do this when it next looks; called on any thread."""
        self._arrivals.append(action)
        self._bell.set()

    def is_left_alone(self) -> bool:
        """Whether the test runs code of its own just now, so that nobody does the world's work."""
        return self._kernel.is_with_test

    # -- inside ------------------------------------------------------------------------------------------------------

    def poll(self) -> bool:
        """Take in what has arrived; true if there was something."""
        self.looked_at = _real_time()
        found = bool(self._arrivals)
        while self._arrivals:
            self._kernel.soon(self._arrivals.popleft())
        return found

    def begin_call(self) -> int:
        """A call has come in; time may have to pass for it."""
        number = next(self._numbers)
        self._calls[number] = _real_time()
        return number

    def end_call(self, number: int) -> None:
        """A call is over; whoever serves may look whether that was all."""
        self._calls.pop(number, None)
        if self._pause is not None:
            self._pause[0].set_result(None)

    def rest(self) -> bool:
        """
        Nothing can run at this instant: may time move, as it usually does?

        If somebody waits for something real it may not; then a moment of real time has passed, and the answer is true.
        """
        waits = {actor: since for actor, since in self._waits.items() if not (actor.abandoned or actor.frozen)}
        if not waits:
            return False
        due = self._kernel.next_due()
        if due is not None and due <= self._kernel.now():
            return False
        handlers = max((since for actor, since in waits.items() if actor.owner is not None), default=0)
        patience_s = self._patience(handlers) if due is not None else None
        if patience_s is not None and patience_s <= 0:
            return False
        self._look_outside(SLICE_S if patience_s is None else min(SLICE_S, patience_s))
        return True

    def _patience(self, since: int) -> float | None:
        """
        How long to wait still before time moves for a call that came after the wait `since`; None if there is none.

        Only waits of handlers hold back the calls before them: such a call may be what runs the handler. The test's own waits
        hold back none, for it may wait for the very process that called, also when that call came in during an earlier wait.
        """
        arrived = [at for number, at in self._calls.items() if number > since]
        return min(arrived) + GRACE_S - _real_time() if arrived else None

    def _look_outside(self, seconds: float) -> None:
        if self._pause is not None:
            seconds = min(seconds, self._pause[1] - _real_time())
        if seconds > 0:
            with outside_the_world():
                self._bell.wait(seconds)
        self._bell.clear()
        if self._pause is not None and _real_time() >= self._pause[1]:
            self._pause[0].set_result(None)

    # -- waiting for something real ----------------------------------------------------------------------------------

    def wait_for(self, work: Callable[[], T], name: str) -> T:
        """Do blocking work on a thread outside the world, and let others in until it is done."""
        ended: Future[T] = Future(name)

        def run() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is the waiting actor's, whatever it is
                self.post(partial(ended.set_exception, error))
            else:
                self.post(partial(ended.set_result, result))

        with outside_the_world():
            threading.Thread(target=run, name=f"stagefright: {name}", daemon=True).start()
        return self._wait(ended)

    def pause(self, seconds: float) -> None:
        """Let others in for so long of real time, or until one call is over."""
        over: Future[None] = Future("other processes")
        self._pause = (over, _real_time() + seconds)
        try:
            self._wait(over)
        finally:
            self._pause = None

    def _wait(self, future: Future[T]) -> T:
        actor = current_actor()
        assert actor is not None
        self._waits[actor] = next(self._numbers)
        try:
            return self._kernel.wait(future)
        finally:
            self._waits.pop(actor, None)

    def reset(self) -> None:
        """Forget everybody: the world starts again."""
        self._arrivals.clear()
        self._waits.clear()
        self._calls.clear()
