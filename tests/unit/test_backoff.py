"""The waits between attempts (§2.1, §4.3, §5.2, §6.4)."""

from __future__ import annotations

from itertools import accumulate, islice

import pytest

from stagefright.assumptions import Assumptions
from stagefright.chance import Chance
from stagefright.delivery import backoff

LADDERS = backoff.Backoff(Assumptions(), Chance(0))


class TestLadders:
    """Ends and totals are AWS's"""

    def test_async_throttles(self):
        """§2.1: from 1 s to at most 5 min, however often."""
        delays = [LADDERS.async_throttle(attempt) for attempt in (1, 2, 3, 9, 10, 10_000)]

        assert delays == [1, 2, 4, 256, 300, 300]

    def test_streams(self):
        """§4.3: about eight attempts within a minute, then one a minute."""
        starts = accumulate((LADDERS.stream_retry(attempt) for attempt in range(1, 20)), initial=0.0)

        assert sum(start <= 30 for start in starts) == 9
        assert LADDERS.stream_retry(10_000) == 60

    def test_eventbridge(self):
        """§6.4: 185 retries fill 24 hours."""
        delays = list(islice(LADDERS.eventbridge(), backoff.EVENTBRIDGE_ATTEMPTS_MAX))

        assert delays[:4] == [1, 2, 4, 8]
        assert delays == sorted(delays)
        assert 86_000 < sum(delays) <= backoff.EVENTBRIDGE_AGE_MAX_S

    @pytest.mark.rule("5.2/immediate")
    @pytest.mark.rule("5.2/pre-backoff")
    @pytest.mark.rule("5.2/backoff")
    @pytest.mark.rule("5.2/post-backoff")
    @pytest.mark.rule("5.2/total")
    def test_sns(self):
        """§5.2: 100,015 retries over 23 days, in four phases."""
        delays = list(LADDERS.sns_managed())

        assert len(delays) == 100_015
        assert delays[:5] == [0, 0, 0, 1, 1]
        assert (delays[5], round(delays[14], 9), delays[15], delays[-1]) == (1, 20, 20, 20)
        assert 23 < sum(delays) / 86_400 < 24


class TestAssumedCurves:
    """What AWS does not say of a curve is a setting, and the setting is in force."""

    @staticmethod
    def assuming(**values):
        return backoff.Backoff(Assumptions(**values), Chance(0))

    def test_async_throttles(self):
        """§2.1: how the wait grows between its two ends."""
        ladders = self.assuming(async_throttle_factor=3.0)

        assert [ladders.async_throttle(attempt) for attempt in (1, 2, 3, 50)] == [1, 3, 9, 300]

    def test_streams(self):
        """§4.3: first wait, growth and end."""
        ladders = self.assuming(stream_retry_first_s=1.0, stream_retry_factor=2.0, stream_retry_cap_s=5.0)

        assert [ladders.stream_retry(attempt) for attempt in (1, 2, 3, 4, 50)] == [1, 2, 4, 5, 5]

    @pytest.mark.rule("6.4/backoff")
    def test_eventbridge(self):
        """§6.4: first wait, growth and end."""
        ladders = self.assuming(
            eventbridge_retry_first_s=2.0, eventbridge_retry_factor=4.0, eventbridge_retry_cap_s=30.0
        )

        assert list(islice(ladders.eventbridge(), 5)) == [2, 8, 30, 30, 30]


class TestJitter:
    """What AWS adds to its ladders, in an amount that it does not say."""

    @pytest.mark.rule("5.2/jitter")
    def test_it_shortens_by_no_more_than_its_share_and_depends_on_the_key_alone(self):
        """§5.2, §6.4: seeded and keyed, so a run is the same every time."""
        jittered = backoff.Backoff(Assumptions(retry_jitter=0.5), Chance(0))

        first, again, other = (list(islice(jittered.eventbridge(key), 50)) for key in ("a", "a", "b"))

        assert first == again != other
        assert all(plain / 2 <= wait <= plain for plain, wait in zip(LADDERS.eventbridge(), first, strict=False))

        sns = list(islice(jittered.sns_managed("a"), 50))

        assert sns == list(islice(jittered.sns_managed("a"), 50)) != list(islice(jittered.sns_managed("b"), 50))
        assert all(plain / 2 <= wait <= plain for plain, wait in zip(LADDERS.sns_managed(), sns, strict=False))
