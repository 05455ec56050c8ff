"""
Hand one event to one target, again and again: what EventBridge's rules and schedules have in common.

What cannot be handed over for good (the target is gone, or must not be used) goes to the target's dead-letter queue at
once, or is lost. What fails on the other side is tried again, by default up to 185 times within 24 hours (semantics §6.4, §6.6).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import backoff, dead_letters, targets

if TYPE_CHECKING:
    from stagefright.services.peers import World


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and for how long a failed hand-over is repeated."""

    retries_max: int = backoff.EVENTBRIDGE_ATTEMPTS_MAX
    age_max_s: float = backoff.EVENTBRIDGE_AGE_MAX_S

    @classmethod
    def from_settings(cls, target: Mapping[str, Any]) -> RetryPolicy:
        """The `RetryPolicy` of a target, of which each part may be missing."""
        given = target.get("RetryPolicy") or {}
        retries, age = given.get("MaximumRetryAttempts"), given.get("MaximumEventAgeInSeconds")
        return cls(
            backoff.EVENTBRIDGE_ATTEMPTS_MAX if retries is None else int(retries),
            backoff.EVENTBRIDGE_AGE_MAX_S if age is None else float(age),
        )

    def exhausted(self, retries: int, age_s: float) -> str | None:
        """Which limit forbids another attempt at that age, as AWS calls it; None if none does."""
        if retries >= self.retries_max:
            return "MaximumRetryAttempts"
        return "MaximumEventAgeInSeconds" if age_s > self.age_max_s else None


class TargetDelivery(ABC):
    """One event on its way to one target; who sends it says how, and what its dead letters look like."""

    def __init__(self, world: World, target_arn: str, settings: Mapping[str, Any], *, source: str, cause: int) -> None:
        self._world = world
        self._target_arn = target_arn
        self._policy = RetryPolicy.from_settings(settings)
        self._dead_letter_arn: str | None = (settings.get("DeadLetterConfig") or {}).get("Arn")
        self._source = source
        self._cause = cause
        self._consumer = world.name_of(target_arn)

    # What a kind of sender says

    @property
    @abstractmethod
    def _ids(self) -> list[str]:
        """What is on its way, in the journal's terms; retries are keyed by it."""

    @property
    @abstractmethod
    def _detail(self) -> dict[str, str]:
        """What else the journal says of this sender's deliveries."""

    @abstractmethod
    def _hand_over(self, attempt: int, cause: int) -> Awaitable[None] | None:
        """Hand over, or refuse with an `ApiError`; what takes its time comes back as something to wait for."""

    @abstractmethod
    def _dead_letter(self) -> str:
        """The body of a dead letter."""

    @abstractmethod
    def _why(self, error: ApiError, condition: str | None, retries: int) -> dict[str, str]:
        """The attributes of a dead letter; a `condition` is given where a retryable fault exhausted its attempts."""

    def _finished(self) -> None:  # noqa: B027 - not every sender has something to do then
        """The event was handed over, kept or dropped."""

    # The ladder

    def start(self) -> None:
        """Hand over now; what must be waited for or repeated goes on as a task of its own."""
        outcome = self._attempt(1)
        if outcome is None:
            self._finished()
        elif isinstance(outcome, ApiError) and not targets.is_retriable(outcome):
            self._give_up(outcome)
        else:
            name = f"deliveries of {self._source} to {self._consumer}"
            self._world.kernel.spawn(self._go_on(outcome), name=name, cause=self._cause)

    def fail(self, error: ApiError) -> None:
        """The one attempt that is made is refused for good."""
        self._note_attempt(1)
        self._give_up(error)

    async def _go_on(self, outcome: ApiError | Awaitable[None]) -> None:
        """Repeat until it works, the attempts are used up, or the next one would come too late."""
        first_at = self._world.clock.now()
        error = await _settled(outcome)
        for retries, delay in enumerate(self._world.backoff.eventbridge(*self._ids, self._target_arn)):
            if error is None:
                self._finished()
                return
            due = self._world.clock.now() + delay
            condition = self._policy.exhausted(retries, due - first_at)
            if condition is not None or not targets.is_retriable(error):
                self._give_up(error, condition=condition if targets.is_retriable(error) else None, retries=retries)
                return
            self._write("retry", self._consumer, source=self._source, due=due, reason=str(error), ids=self._ids)
            await self._world.kernel.sleep(delay)
            error = await _settled(self._attempt(retries + 2))

    def _attempt(self, attempt: int) -> ApiError | Awaitable[None] | None:
        record = self._note_attempt(attempt)
        try:
            return self._hand_over(attempt, record)
        except ApiError as error:
            return error

    def _note_attempt(self, attempt: int) -> int:
        return self._write(
            "delivery", self._consumer, source=self._source, ids=self._ids, attempt=attempt, **self._detail
        )

    def _give_up(self, error: ApiError, *, condition: str | None = None, retries: int = 0) -> None:
        dead_letters.keep(
            self._world,
            self._dead_letter_arn,
            lambda queue, cause: queue.send(
                self._dead_letter(),
                attributes=dead_letters.text_attributes(self._why(error, condition, retries)),
                cause=cause,
            ),
            error,
            owner="the target",
            condition=condition or self._code(error),
            attempts=1 + retries,
            cause=self._cause,
            drop=self._drop,
            source=self._source,
            ids=self._ids,
            consumer=self._consumer,
        )
        self._finished()

    def _code(self, error: ApiError) -> str:
        """The name of a refusal in dead letters."""
        return error.code

    def _drop(self, reason: str) -> None:
        self._write("dropped", self._consumer, source=self._source, reason=reason, ids=self._ids, **self._detail)

    def _write(self, kind: str, resource: str, **detail: Any) -> int:
        return self._world.journal.write(kind, resource, cause=self._cause, **detail).n


async def _settled(outcome: ApiError | Awaitable[None] | None) -> ApiError | None:
    if outcome is None or isinstance(outcome, ApiError):
        return outcome
    try:
        await outcome
    except ApiError as error:
        return error
    return None
