"""Spans of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagefright.errors import UsageError
from stagefright.spans import format_span, parse_span


@pytest.mark.parametrize(
    ("span", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("2d", 172_800),
        ("45", 45),
        (2, 2),
        (0.5, 0.5),
        (0, 0),
    ],
)
def test_a_span_is_read_as_people_write_it(span, seconds):
    """Every documented way to write a span gives its seconds; a bare number means seconds."""
    assert parse_span(span) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("span", "complaint"),
    [
        ("", "An empty text"),
        ("soon", "'soon' is not a number with a unit"),
        ("5 fortnights", "the unit 'fortnights' is unknown"),
        ("1h30", "30 has no unit"),
        ("-5s", "'-5s' is not a number with a unit"),
        (-1, "cannot be -1"),
        (float("nan"), "cannot be nan"),
        (True, "not True (bool)"),
        (None, "not None (NoneType)"),
    ],
)
def test_a_wrong_span_says_what_is_wrong_and_how_to_write_one(span, complaint):
    """The error names the offending piece and shows spans that work."""
    with pytest.raises(UsageError) as caught:
        parse_span(span)

    assert complaint in str(caught.value)
    assert '"1h30m"' in str(caught.value)


@given(st.integers(min_value=0, max_value=10**10))
def test_a_span_that_is_written_can_be_read_back(milliseconds):
    """`format_span` and `parse_span` are inverse, to the millisecond."""
    assert round(parse_span(format_span(milliseconds / 1000)) * 1000) == milliseconds
