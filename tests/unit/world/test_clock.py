"""The clock stands still until it is moved, and never goes back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stagefright.clock import EPOCH, Clock, iso


def test_every_world_begins_at_the_same_instant():
    """So that runs are repeatable."""
    assert datetime(2026, 1, 1, tzinfo=UTC).timestamp() == EPOCH == Clock().now()


def test_it_stands_still_until_moved():
    """Reading does not move it."""
    clock = Clock()

    assert clock.now() == clock.now()
    assert clock.now_ns() == clock.now_ns() == 1767225600 * 10**9


def test_it_moves_forward_only():
    """A move into the past is no move; only a reset goes back."""
    clock = Clock(100)
    clock.move_to(90)
    assert 100 == clock.now()
    clock.move_to(160.5)
    assert (160.5, 160_500) == (clock.now(), clock.now_ms())
    clock.reset(100)
    assert 100 == clock.now()


@pytest.mark.parametrize("span", [0.001, 0.1, 1 / 3, 1e-6, 59.999999])
def test_spans_survive_the_size_of_epoch_seconds(span):
    """A sleep is exact to the microsecond, though a float near 1.8 billion is not exact to the nanosecond."""
    clock = Clock()
    clock.move_to(clock.now() + span)

    assert abs((clock.now_ns() - 1767225600 * 10**9) / 10**9 - span) < 1e-6


def test_iso_is_as_aws_writes_it():
    """UTC, milliseconds, a Z."""
    assert "2026-01-01T00:00:00.000Z" == Clock().iso()
    assert "1970-01-01T00:00:01.234Z" == iso(1.234)
