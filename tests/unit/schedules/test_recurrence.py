"""From expressions to instants: anchors, spans, and clocks that are put forward and back."""

from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagefright.schedules import Recurrence, parse_schedule, zone_named


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def following(recurrence, after, count):
    """The next occurrences, as text."""
    found = []
    for _ in range(count):
        after = recurrence.next_after(after)
        if after is None:
            break
        found.append(datetime.fromtimestamp(after, UTC).strftime("%m-%dT%H:%M"))
    return found


def berlin(text, **more):
    return Recurrence(parse_schedule(text), zone_named("Europe/Berlin"), **more)


class TestSummerTime:
    @pytest.mark.rule("6.6/dst-gap")
    def test_a_time_that_the_clocks_jump_over_is_skipped(self):
        """§6.6: 02:30 does not exist on March 29; the next is that of March 30."""
        found = following(berlin("cron(30 2 * * ? *)"), at("2026-03-27T12:00"), 3)

        assert ["03-28T01:30", "03-30T00:30", "03-31T00:30"] == found

    @pytest.mark.rule("6.6/dst-overlap")
    def test_a_time_that_comes_twice_fires_once(self):
        """§6.6: 02:30 comes twice on October 25; the first counts."""
        found = following(berlin("cron(30 2 * * ? *)"), at("2026-10-24T12:00"), 2)

        assert ["10-25T00:30", "10-26T01:30"] == found

    @pytest.mark.rule("6.6/dst-overlap")
    def test_a_quarter_of_an_hour_does_not_fire_again_in_the_second_hour(self):
        """§6.6: the minutes of the hour that comes twice are not repeated."""
        found = following(berlin("cron(0/30 * * * ? *)"), at("2026-10-24T23:45"), 5)

        assert ["10-25T00:00", "10-25T00:30", "10-25T02:00", "10-25T02:30", "10-25T03:00"] == found

    @pytest.mark.rule("6.6/rate")
    def test_a_day_of_a_rate_has_24_hours(self):
        """§6.6: rates do not look at clocks."""
        recurrence = berlin("rate(1 day)", anchor=at("2026-03-28T12:00"))

        assert ["03-29T12:00", "03-30T12:00"] == following(recurrence, at("2026-03-28T12:00"), 2)

    @pytest.mark.parametrize(
        ("text", "when"),
        [
            ("at(2026-07-01T09:00:00)", "2026-07-01T07:00"),
            ("at(2026-03-29T02:30:00)", "2026-03-29T01:30"),
            ("at(2026-10-25T02:30:00)", "2026-10-25T00:30"),
        ],
    )
    def test_a_one_time_schedule_is_local_too(self, text, when):
        """§6.6: `at` is a time on the clocks of its zone."""
        assert at(when) == berlin(text).next_after(0.0)

    @settings(deadline=None)
    @given(st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]), st.integers(0, 60 * 24 * 730))
    def test_occurrences_rise_and_are_those_of_the_clocks(self, zone_name, minute):
        """§6.6: whatever the clocks do, an occurrence is later than the one before, and shows the wanted minute."""
        zone = zone_named(zone_name)
        after = at("2026-01-01") + minute * 60
        found = Recurrence(parse_schedule("cron(10/20 1-3 * * ? *)"), zone).next_after(after)

        assert found > after
        local = datetime.fromtimestamp(found, zone)
        assert local.hour in (1, 2, 3)
        assert local.minute in (10, 30, 50)
        assert local.fold == 0


class TestSpans:
    def test_a_rate_counts_from_its_anchor(self):
        """§6.6: not from midnight, and not from where one asks."""
        recurrence = Recurrence(parse_schedule("rate(5 minutes)"), anchor=7.0)

        assert [307.0, 607.0] == [recurrence.next_after(7.0), recurrence.next_after(307.5)]

    def test_a_start_is_the_first_occurrence_of_a_rate(self):
        """§6.6: StartDate sets the first occurrence."""
        recurrence = Recurrence(parse_schedule("rate(1 hour)"), anchor=9000.0, at_once=True, start=9000.0)

        assert [9000.0, 12600.0] == [recurrence.next_after(0.0), recurrence.next_after(9000.0)]

    def test_cron_stays_within_its_span(self):
        """§6.6: on or after the start, on or before the end."""
        start, end = at("2026-02-01T09:00"), at("2026-02-03T09:00")
        recurrence = Recurrence(parse_schedule("cron(0 9 * * ? *)"), start=start, end=end)

        assert ["02-01T09:00", "02-02T09:00", "02-03T09:00"] == following(recurrence, 0.0, 9)

    @pytest.mark.rule("6.6/at-ignores-span")
    def test_one_time_schedules_have_no_span(self):
        """§6.6: StartDate and EndDate are ignored by `at`."""
        recurrence = Recurrence(parse_schedule("at(2026-02-01T00:00:00)"), start=inf, end=0.0)

        assert at("2026-02-01") == recurrence.next_after(0.0)

    @pytest.mark.parametrize("after", [at("2199-12-31T23:59"), at("2200-06-01"), 1e15])
    def test_no_cron_reaches_beyond_its_last_year(self, after):
        """§6.6: years end with 2199, however far the clock is."""
        assert Recurrence(parse_schedule("cron(* * * * ? *)")).next_after(after) is None

    def test_a_rate_of_any_length_is_a_number(self):
        """§6.6: no date needs to hold it."""
        assert Recurrence(parse_schedule("rate(999999999999 days)")).next_after(0.0) > 1e15

    @pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Europe", "CEST?"])
    def test_a_zone_must_be_one(self, name):
        """§6.6: IANA names only."""
        with pytest.raises(ValueError, match=r".+"):
            zone_named(name)
