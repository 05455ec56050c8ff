"""
How long AWS waits between attempts: every ladder of the world, all in seconds.

AWS documents the ends of most ladders and not their curve. The ends are constants here; what had to be chosen is an assumption
(`stagefright.assumptions`). AWS adds jitter to some ladders; we do not unless asked, so that a run is the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, count, repeat
from typing import TYPE_CHECKING

from stagefright.assumptions import Assumptions
from stagefright.chance import Chance

if TYPE_CHECKING:
    from stagefright.services.topic_retries import HttpRetryPolicy

ASYNC_FUNCTION_ERROR_DELAYS_S = (60.0, 120.0)
"""Between the attempts of an asynchronous invocation whose function failed (semantics §2.1)."""

ASYNC_THROTTLE_FIRST_S = 1.0
ASYNC_THROTTLE_CAP_S = 300.0
"""The ends of the throttle ladder (§2.1)."""

EVENTBRIDGE_ATTEMPTS_MAX = 185
EVENTBRIDGE_AGE_MAX_S = 86_400.0
"""A rule's target: 185 retries within 24 hours by default (§6.4)."""

SNS_IMMEDIATE = 3
SNS_PRE_BACKOFF = 2
SNS_PRE_BACKOFF_S = 1.0
SNS_BACKOFF = 10
SNS_BACKOFF_FIRST_S = 1.0
SNS_BACKOFF_LAST_S = 20.0
SNS_POST_BACKOFF = 100_000
SNS_POST_BACKOFF_S = 20.0
"""SNS to AWS-managed endpoints: the four phases and their numbers are sourced, 100,015 retries in all (§5.2)."""


class Backoff:
    """
    The ladders of one world. `key` names what waits, such as a message's id: jitter, if there is any, depends on it.

    >>> ladders = Backoff(Assumptions(), Chance(0))
    >>> [ladders.async_throttle(attempt, "an event") for attempt in (1, 2, 9, 10, 1000)]
    [1.0, 2.0, 256.0, 300.0, 300.0]
    >>> [ladders.stream_retry(attempt, "a batch") for attempt in (1, 2, 100)]
    [0.5, 0.75, 60.0]
    """

    def __init__(self, assumptions: Assumptions, chance: Chance) -> None:
        self._assumptions = assumptions
        self._chance = chance

    def async_throttle(self, attempt: int, *key: object) -> float:
        """The wait after the `attempt`-th throttle (from 1) of an invocation that Lambda repeats by itself (§2.1, §3.7)."""
        factor = self._assumptions.async_throttle_factor
        return self._jittered(_exponential(ASYNC_THROTTLE_FIRST_S, factor, ASYNC_THROTTLE_CAP_S, attempt), attempt, key)

    def stream_retry(self, attempt: int, *key: object) -> float:
        """The wait after the `attempt`-th failure (from 1) of a stream's batch (§4.3)."""
        known = self._assumptions
        wait_s = _exponential(known.stream_retry_first_s, known.stream_retry_factor, known.stream_retry_cap_s, attempt)
        return self._jittered(wait_s, attempt, key)

    def eventbridge(self, *key: object) -> Iterator[float]:
        """The waits before each retry of a rule's or a schedule's target; its retry policy limits count and age (§6.4, §6.6)."""
        known = self._assumptions
        for retry in count(1):
            wait_s = _exponential(
                known.eventbridge_retry_first_s, known.eventbridge_retry_factor, known.eventbridge_retry_cap_s, retry
            )
            yield self._jittered(wait_s, retry, key)

    def sns_managed(self, *key: object) -> Iterator[float]:
        """The waits before each retry of SNS to a function or a queue; when they are used up, the message is given up (§5.2)."""
        phases = chain(
            repeat(0.0, SNS_IMMEDIATE),
            repeat(SNS_PRE_BACKOFF_S, SNS_PRE_BACKOFF),
            (_sns_backoff(step) for step in range(SNS_BACKOFF)),
            repeat(SNS_POST_BACKOFF_S, SNS_POST_BACKOFF),
        )
        for retry, wait_s in enumerate(phases, 1):
            yield self._jittered(wait_s, retry, key)

    def sns_http(self, policy: HttpRetryPolicy, *key: object) -> Iterator[float]:
        """The waits before each retry of SNS to an HTTP/S endpoint, by its delivery policy (§5.2)."""
        for retry, wait_s in enumerate(sns_http_waits(policy), 1):
            yield self._jittered(wait_s, retry, key)

    def _jittered(self, wait_s: float, attempt: int, key: tuple[object, ...]) -> float:
        share = self._assumptions.retry_jitter
        return wait_s * (1 - self._chance.uniform(0, share, "jitter", *key, attempt)) if share else wait_s


def _exponential(first_s: float, factor: float, cap_s: float, attempt: int) -> float:
    # The exponent is bounded because a float overflows where a ladder of 100,000 attempts would not.
    return min(cap_s, first_s * math.pow(factor, min(attempt - 1, 64)))


def sns_http_waits(policy: HttpRetryPolicy) -> Iterator[float]:
    """The four phases of a delivery policy, without jitter."""
    return chain(
        repeat(0.0, policy.no_delay),
        repeat(float(policy.min_delay_s), policy.min_delay),
        (_sns_http_backoff(policy, step) for step in range(policy.backoffs)),
        repeat(float(policy.max_delay_s), policy.max_delay),
    )


def _sns_http_backoff(policy: HttpRetryPolicy, step: int) -> float:
    """From the least to the longest wait. AWS shows the functions as curves without formulas: those here are UNSOURCED."""
    least, most, last = policy.min_delay_s, policy.max_delay_s, policy.backoffs - 1
    if last == 0:
        return float(least)
    share = {
        "linear": step / last,
        "arithmetic": step * (step + 1) / (last * (last + 1)),
        "geometric": (step / last) ** 2,
        "exponential": math.expm1(step) / math.expm1(last),
    }[policy.function]
    return least + (most - least) * share


def _sns_backoff(step: int) -> float:
    """The exponential phase, from 1 s to 20 s in ten steps."""
    growth = math.pow(SNS_BACKOFF_LAST_S / SNS_BACKOFF_FIRST_S, step / (SNS_BACKOFF - 1))
    return SNS_BACKOFF_FIRST_S * growth
