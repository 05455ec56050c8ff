"""The waits between attempts (§2.1, §4.3, §5.2, §6.4)."""

from __future__ import annotations

from itertools import accumulate, islice

from stagefright.delivery import backoff


class TestLadders:
    """Ends and totals are AWS's"""

    def test_async_throttles(self):
        """§2.1: from 1 s to at most 5 min, however often."""
        delays = [backoff.async_throttle_delay(attempt) for attempt in (1, 2, 3, 9, 10, 10_000)]

        assert delays == [1, 2, 4, 256, 300, 300]

    def test_streams(self):
        """§4.3: about eight attempts within a minute, then one a minute."""
        starts = accumulate((backoff.stream_retry_delay(attempt) for attempt in range(1, 20)), initial=0.0)

        assert sum(start <= 30 for start in starts) == 9
        assert backoff.stream_retry_delay(10_000) == 60

    def test_eventbridge(self):
        """§6.4: 185 retries fill 24 hours."""
        delays = list(islice(backoff.eventbridge_delays(), backoff.EVENTBRIDGE_ATTEMPTS_MAX))

        assert delays[:4] == [1, 2, 4, 8]
        assert delays == sorted(delays)
        assert 86_000 < sum(delays) <= backoff.EVENTBRIDGE_AGE_MAX_S

    def test_sns(self):
        """§5.2: 100,015 retries over 23 days, in four phases."""
        delays = list(backoff.sns_managed_delays())

        assert len(delays) == 100_015
        assert delays[:5] == [0, 0, 0, 1, 1]
        assert (delays[5], round(delays[14], 9), delays[15], delays[-1]) == (1, 20, 20, 20)
        assert 23 < sum(delays) / 86_400 < 24
