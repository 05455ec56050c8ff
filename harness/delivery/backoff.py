"""
How long AWS waits between attempts: pure functions, all in seconds, none with jitter.

AWS documents the ends of most ladders and not their curve. A curve that had to be chosen says UNSOURCED; it is
exponential and fits the sourced ends. AWS adds jitter to some of them; we do not, so that a run is the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, repeat

ASYNC_FUNCTION_ERROR_DELAYS_S = (60.0, 120.0)
"""Between the attempts of an asynchronous invocation whose function failed (semantics §2.1)."""

ASYNC_THROTTLE_FIRST_S = 1.0
ASYNC_THROTTLE_CAP_S = 300.0
"""Both ends of the throttle ladder are sourced (§2.1); that it doubles is UNSOURCED."""

EVENTBRIDGE_ATTEMPTS_MAX = 185
EVENTBRIDGE_AGE_MAX_S = 86_400.0
"""A rule's target: 185 retries within 24 hours by default (§6.4)."""

EVENTBRIDGE_FIRST_S = 1.0
EVENTBRIDGE_CAP_S = 488.0
"""UNSOURCED: doubling from a second to this cap puts the 185th retry at 86,399 s, the end of the 24 hours."""

SNS_IMMEDIATE = 3
SNS_PRE_BACKOFF = 2
SNS_PRE_BACKOFF_S = 1.0
SNS_BACKOFF = 10
SNS_BACKOFF_FIRST_S = 1.0
SNS_BACKOFF_LAST_S = 20.0
SNS_POST_BACKOFF = 100_000
SNS_POST_BACKOFF_S = 20.0
"""SNS to AWS-managed endpoints: the four phases and their numbers are sourced, 100,015 retries in all (§5.2)."""

STREAM_FIRST_S = 0.5
STREAM_FACTOR = 1.5
STREAM_CAP_S = 60.0
"""UNSOURCED for streams (§4.3): on AWS about 8 attempts were seen in a minute, which this ladder gives."""


def doubling(first_s: float, cap_s: float, *, factor: float = 2.0) -> Iterator[float]:
    """
    An endless exponential ladder that stays at its cap.

    >>> from itertools import islice
    >>> list(islice(doubling(1, 5), 5))
    [1, 2.0, 4.0, 5, 5]
    """
    delay = first_s
    while delay < cap_s:
        yield delay
        delay *= factor
    yield from repeat(cap_s)


def async_throttle_delay(attempt: int) -> float:
    """
    The wait after the `attempt`-th throttle (from 1) of an asynchronous invocation.

    >>> [async_throttle_delay(n) for n in (1, 2, 9, 10, 1000)]
    [1.0, 2.0, 256.0, 300.0, 300.0]
    """
    return _exponential(ASYNC_THROTTLE_FIRST_S, 2.0, ASYNC_THROTTLE_CAP_S, attempt)


def stream_retry_delay(attempt: int) -> float:
    """
    The wait after the `attempt`-th failure (from 1) of a stream batch.

    >>> [stream_retry_delay(n) for n in (1, 2, 100)]
    [0.5, 0.75, 60.0]
    """
    return _exponential(STREAM_FIRST_S, STREAM_FACTOR, STREAM_CAP_S, attempt)


def _exponential(first_s: float, factor: float, cap_s: float, attempt: int) -> float:
    # The exponent is bounded because a float overflows where a ladder of 100,000 attempts would not.
    return min(cap_s, first_s * math.pow(factor, min(attempt - 1, 64)))


def eventbridge_delays() -> Iterator[float]:
    """The waits before each retry of a rule's target; count and age are limited by the target's retry policy."""
    return doubling(EVENTBRIDGE_FIRST_S, EVENTBRIDGE_CAP_S)


def sns_managed_delays() -> Iterator[float]:
    """The waits before each retry of SNS to a function or a queue; when they are used up, the message is given up."""
    return chain(
        repeat(0.0, SNS_IMMEDIATE),
        repeat(SNS_PRE_BACKOFF_S, SNS_PRE_BACKOFF),
        (_sns_backoff(step) for step in range(SNS_BACKOFF)),
        repeat(SNS_POST_BACKOFF_S, SNS_POST_BACKOFF),
    )


def _sns_backoff(step: int) -> float:
    """The exponential phase, from 1 s to 20 s in ten steps; its curve between the ends is UNSOURCED."""
    growth = math.pow(SNS_BACKOFF_LAST_S / SNS_BACKOFF_FIRST_S, step / (SNS_BACKOFF - 1))
    return SNS_BACKOFF_FIRST_S * growth
