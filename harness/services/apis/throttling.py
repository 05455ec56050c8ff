"""How many requests API Gateway lets through: token buckets in virtual time (aws-semantics §8.4)."""

from __future__ import annotations

from dataclasses import dataclass

ACCOUNT_RATE_PER_S = 10_000.0
"""What all APIs of an account may take in a region, in requests per second."""
ACCOUNT_BURST = 5_000
"""How many of them may come at one instant."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket's size and the rate at which it fills."""

    rate_per_s: float
    burst: float


class Buckets:
    """The buckets of everything that is throttled, by key; each starts full."""

    def __init__(self) -> None:
        self._levels: dict[tuple[str, ...], tuple[float, float]] = {}

    def snapshot(self) -> dict[tuple[str, ...], tuple[float, float]]:
        return dict(self._levels)

    def restore(self, state: dict[tuple[str, ...], tuple[float, float]]) -> None:
        self._levels = dict(state)

    def admit(self, now: float, *limits: tuple[tuple[str, ...], Limit]) -> bool:
        """Whether one request may pass all of these buckets; only then does it take a token from each."""
        levels = {key: self._level(key, limit, now) for key, limit in limits}
        if any(level < 1 for level in levels.values()):
            return False
        self._levels |= {key: (level - 1, now) for key, level in levels.items()}
        return True

    def _level(self, key: tuple[str, ...], limit: Limit, now: float) -> float:
        level, at = self._levels.get(key, (limit.burst, now))
        # Whole microseconds, as the clock has them: the difference of two epochs is not exact.
        elapsed_us = round((now - at) * 1_000_000)
        return min(limit.burst, round(level + elapsed_us * limit.rate_per_s / 1_000_000, 6))
