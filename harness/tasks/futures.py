"""What can be waited for: a future, a signal's next notification, a sleep, and a coroutine on its way."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from stagefright.tasks.kernel import Kernel
    from stagefright.tasks.timers import Timer

T = TypeVar("T")


class Future(Generic[T]):
    """A result that is not there yet; await it in a coroutine, or `kernel.wait` for it in an actor."""

    __slots__ = ("_callbacks", "_done", "_error", "_result", "name")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._done = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[], None]] = []

    def done(self) -> bool:
        return self._done

    def result(self) -> T:
        """The result; raises the error if that is what came."""
        if self._error is not None:
            raise self._error
        return cast(T, self._result)

    def set_result(self, value: T) -> None:
        """Settle with a value; the first to settle wins, later ones are ignored."""
        if not self._done:
            self._result = value
            self._settle()

    def set_exception(self, error: BaseException) -> None:
        """Settle with an error; the first to settle wins."""
        if not self._done:
            self._error = error
            self._settle()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back when settled, at once if it is already."""
        if self._done:
            callback()
        else:
            self._callbacks.append(callback)

    def forget(self, callback: Callable[[], None]) -> None:
        """Take a callback back; the future may be waited for again."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def give_up(self, callback: Callable[[], None]) -> None:
        """Take a callback back for good; if nobody else waits, what was to settle the future stops."""
        self.forget(callback)
        if not self._callbacks and not self._done:
            self._stop()

    def _stop(self) -> None:
        """Nobody will ever ask for the result."""

    def _settle(self) -> None:
        self._done = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def __await__(self) -> Generator[Future[Any], None, T]:
        if not self._done:
            yield self
        return self.result()


class Sleep(Future[None]):
    """Settles when its timer fires; the timer goes when the sleeper does, so nobody waits for a dead sleeper's alarm."""

    __slots__ = ("kernel", "timer")

    def __init__(self, name: str, kernel: Kernel) -> None:
        super().__init__(name)
        self.kernel = kernel
        self.timer: Timer | None = None

    def ring(self) -> None:
        self.set_result(None)

    def _stop(self) -> None:
        if self.timer is not None:
            self.kernel.cancel(self.timer)


class Notification(Future[None]):
    """One waiter of a signal; it is on the signal's list only while somebody waits for it."""

    __slots__ = ("_signal",)

    def __init__(self, signal: Signal) -> None:
        super().__init__(signal.name)
        self._signal = signal

    def when_done(self, callback: Callable[[], None]) -> None:
        super().when_done(callback)
        if not self._done:
            self._signal.waiters[self] = None

    def forget(self, callback: Callable[[], None]) -> None:
        super().forget(callback)
        if not self._callbacks:
            self._signal.waiters.pop(self, None)


class Signal:
    """
    Tells waiters that something may have changed.

    A notification without waiters is lost: check the condition first, then wait, without awaiting in between.
    """

    __slots__ = ("name", "waiters")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.waiters: dict[Future[None], None] = {}

    def wait(self) -> Future[None]:
        """A future that settles at the next notification."""
        future = Notification(self)
        self.waiters[future] = None
        return future

    def notify(self) -> None:
        """Wake every waiter."""
        waiters, self.waiters = self.waiters, {}
        for future in waiters:
            future.set_result(None)


class Task(Future[T]):
    """A coroutine on its way; await it for its result."""

    __slots__ = ("_cancelled", "_kernel", "_step", "_wake", "cause", "coroutine", "is_private", "waiting_for")

    def __init__(self, kernel: Kernel, coroutine: Coroutine[Any, Any, T], name: str, cause: int | None) -> None:
        super().__init__(name)
        self._kernel = kernel
        self.coroutine = coroutine
        self.cause = cause
        self._cancelled = False
        self.is_private = False
        """Part of one waiter's wait, and of no use to anybody else."""
        self.waiting_for: Future[Any] | None = None
        self._step = self._run
        self._wake = self._make_ready

    def cancel(self) -> None:
        """Stop it where it waits; its future never settles."""
        if self.waiting_for is not None:
            self.waiting_for.give_up(self._wake)
            self.waiting_for = None
        self._cancelled = True
        self.coroutine.close()
        self._kernel.forget(self)

    def _stop(self) -> None:
        if self.is_private:
            self.cancel()

    def _make_ready(self) -> None:
        self._kernel.soon(self._step)

    def _run(self) -> None:
        if self._cancelled:
            return
        kernel = self._kernel
        outer, kernel.running = kernel.running, self
        self.waiting_for = None
        try:
            future = self.coroutine.send(None)
        except StopIteration as stop:
            kernel.forget(self)
            self.set_result(stop.value)
        except Exception as error:  # noqa: BLE001 - whoever awaits the task gets it, and the test if it is unexpected
            kernel.forget(self)
            self.set_exception(error)
            if not isinstance(error, _expected_errors):
                kernel.fail(error)
        else:
            self.waiting_for = future
            future.when_done(self._wake)
        finally:
            kernel.running = outer


_expected_errors: tuple[type[BaseException], ...] = ()


def expect_errors(*types: type[BaseException]) -> None:
    """Errors of these types belong to whoever awaits the task; any other error in a task stops the world."""
    global _expected_errors
    _expected_errors += types


def what_for(future: Future[Any]) -> str:
    """What a wait is for, seen through the tasks in between."""
    while isinstance(future, Task) and future.is_private and future.waiting_for is not None:
        future = future.waiting_for
    return future.name or "something"
