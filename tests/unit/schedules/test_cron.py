"""The cron dialect of AWS against its documentation, and against a naive reading of it."""

# ruff: noqa: DTZ001 - local times, whose zone is not cron's business

import importlib.util
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stagefright.schedules import Cron, InvalidExpression, parse_rule, parse_schedule

_spec = importlib.util.spec_from_file_location("oracle", Path(__file__).with_name("oracle.py"))
oracle = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracle)


def numbers(low, high, names=(), *, steps=True):
    """A field of plain values: lists of values, ranges, steps."""
    value = st.integers(low, high).map(str)
    if names:
        value |= st.sampled_from(names)
    plain = st.integers(low, high)
    ordered = st.tuples(plain, plain).map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
    step = st.integers(1, high)
    part = value | ordered | st.just("*")
    if steps:
        part |= st.builds("{}/{}".format, st.one_of(value, ordered, st.just("*")), step)
    return st.lists(part, min_size=1, max_size=3).map(",".join)


MONTH_DAYS = numbers(1, 31) | st.sampled_from(["L", "LW"]) | st.integers(1, 31).map("{}W".format)
WEEK_DAY = st.integers(1, 7).map(str) | st.sampled_from(oracle.DAYS)
WEEK_DAYS = (
    numbers(1, 7, oracle.DAYS, steps=False)
    | st.just("L")
    | WEEK_DAY.map("{}L".format)
    | st.builds("{}#{}".format, WEEK_DAY, st.integers(1, 5))
)
DAYS = st.tuples(MONTH_DAYS, st.just("?")) | st.tuples(st.just("?"), WEEK_DAYS)
WHEN = st.datetimes(datetime(2019, 1, 1), datetime(2030, 12, 31))


EVERY_YEAR = st.just("*")


@st.composite
def expressions(draw, years=EVERY_YEAR):
    day, weekday = draw(DAYS)
    parts = [draw(numbers(0, 59)), draw(numbers(0, 23)), day, draw(numbers(1, 12, oracle.MONTHS)), weekday, draw(years)]
    return " ".join(parts)


class TestNextAfter:
    @settings(deadline=None)
    @given(expressions(), WHEN)
    def test_it_is_later_and_fits_the_expression(self, text, after):
        """§6.6: the next firing is after now, at a whole minute that every field admits."""
        found = Cron.parse(text).next_after(after)

        assume(found is not None)
        assert found > after
        assert found.second == found.microsecond == 0
        assert oracle.matches(text, found)

    @pytest.mark.rule("6.6/cron-specials")
    @settings(deadline=None)
    @given(expressions(), WHEN)
    def test_nothing_lies_between(self, text, after):
        """§6.6: within two days, it is the very minute that a look at each minute finds."""
        found = Cron.parse(text).next_after(after)
        naive = oracle.next_after(text, after, minutes=2 * 1440)

        if naive is None:
            assert found is None or found > after + timedelta(days=2) - timedelta(minutes=1)
        else:
            assert naive == found

    @settings(deadline=None)
    @given(expressions(years=numbers(1970, 2199)), WHEN)
    def test_it_always_ends_quickly(self, text, after):
        """§6.6: an expression that never fires again is known to be such, soon."""
        began = time.perf_counter()
        Cron.parse(text).next_after(after)

        assert time.perf_counter() - began < 5

    @pytest.mark.parametrize("text", ["0 0 30 2 ? *", "0 0 31W 2,4,6,9,11 ? *", "0 0 1 1 ? 2020", "0 0 ? 2 MON#5 2021"])
    def test_what_never_fires_is_none(self, text):
        """§6.6: days that no month has, and years that are over."""
        assert Cron.parse(text).next_after(datetime(2026, 1, 1)) is None

    @pytest.mark.rule("6.6/cron-specials")
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("0 0 29 2 ? *", datetime(2028, 2, 29)),
            ("0 0 L 2 ? *", datetime(2026, 2, 28)),
            ("0 0 1W * ? *", datetime(2026, 2, 2)),
            ("0 0 LW 1 ? *", datetime(2026, 1, 30)),
            ("0 0 ? * L *", datetime(2026, 1, 3)),
            ("0 0 ? * 6L *", datetime(2026, 1, 30)),
            ("0 0 ? * 3#2 *", datetime(2026, 1, 13)),
            ("0 0 ? * sun *", datetime(2026, 1, 4)),
            ("0 0 ? * FRI-MON *", datetime(2026, 1, 2)),
            ("5,35 14 * * ? *", datetime(2026, 1, 1, 14, 5)),
            ("1/10 * * * ? *", datetime(2026, 1, 1, 0, 1)),
            ("0-15/5 23 * * ? *", datetime(2026, 1, 1, 23, 0)),
            ("59 23 31 12 ? 2199", datetime(2199, 12, 31, 23, 59)),
        ],
    )
    def test_specials(self, text, found):
        """§6.6: L, W, LW, #, names, leap days, steps and ranges."""
        assert Cron.parse(text).next_after(datetime(2026, 1, 1)) == found


ACCEPTED_ON_AWS = [
    "cron(0 2 ? * SAT *)",
    "cron(0 12 * * ? *)",
    "cron(5,35 14 * * ? *)",
    "cron(15 10 ? * 6L 2002-2005)",
    "cron(0 2 ? * SAT#3 *)",
    "cron(* * ? * SAT#3 *)",
    "cron(0/5 5 ? JAN 1-5 2022)",
    "cron(0 18 ? * MON-FRI *)",
    "cron(0/10 * ? * MON-FRI *)",
    "cron(0/30 20-23 ? * MON-FRI *)",
    "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)",
    "cron(30-30 13-13 ? * 2,4,6 *)",
    "cron(1-31/30 1-1 ? * 1,7 *)",
    "rate(1 minute)",
    "rate(5 minutes)",
    "rate(1 hour)",
    "rate(7 days)",
]
REFUSED_ON_AWS = [
    "cron(0 1 * * * *)",
    "cron(7 20 * * NOT *)",
    "cron(INVALID)",
    "cron(0 dummy ? * MON-FRI *)",
    "cron(71 8 1 * ? *)",
    "cron()",
    "rate(10 seconds)",
    "rate(10 years)",
    "rate()",
    "rate(10)",
    "rate(10 minutess)",
    "rate(foo minutes)",
    "rate(-10 minutes)",
    "rate( 10 minutes )",
    " rate(10 minutes)",
]
REFUSED_OF_RULES = [
    "rate(1 minutes)",
    "rate(1 hours)",
    "rate(1 days)",
    "rate(10 minute)",
    "rate(10 hour)",
    "rate(10 day)",
    "rate(0 minutes)",
    "rate(10 MINUTES)",
    "at(2026-01-01T00:00:00)",
]
REFUSED_BY_THE_GUIDE = [
    "cron(0 0 ? * ? *)",
    "cron(* * * * ?)",
    "cron(0 0 * * ? * *)",
    "cron(0 0 ? * 3#1,6#3 *)",
    "cron(0 0 ? * 3#6 *)",
    "cron(0 0 ? * 0 *)",
    "cron(0 0 ? * MON/2 *)",
    "cron(0 0 32 * ? *)",
    "cron(0 0 0 * ? *)",
    "cron(0 24 * * ? *)",
    "cron(? 0 * * ? *)",
    "cron(*/0 * * * ? *)",
    "cron(0 0 * 13 ? *)",
    "cron(0 0 * * ? 1969)",
    "cron(0 0 * * ? 2200)",
    "cron(0 0 * * ? 2030-2026)",
    "cron(0 0 * * ? *",
    "cron(0,, 0 * * ? *)",
    "0 0 * * ? *",
]


class TestWhatIsAnExpression:
    @pytest.mark.rule("6.6/cron")
    @pytest.mark.parametrize("text", ACCEPTED_ON_AWS)
    def test_both_services_take_it(self, text):
        """§6.6: recorded on AWS, for rules or for schedules."""
        assert parse_rule(text)
        assert parse_schedule(text)

    @pytest.mark.rule("6.6/cron")
    @pytest.mark.rule("6.6/cron-question-mark")
    @pytest.mark.rule("6.6/cron-nth-alone")
    @pytest.mark.parametrize("text", REFUSED_ON_AWS + REFUSED_BY_THE_GUIDE)
    def test_neither_service_takes_it(self, text):
        """§6.6: recorded on AWS, or against the table of the guide."""
        for parse in (parse_rule, parse_schedule):
            with pytest.raises(InvalidExpression):
                parse(text)

    @pytest.mark.rule("6.6/rule-unit-number")
    @pytest.mark.parametrize("text", REFUSED_OF_RULES)
    def test_rules_are_stricter(self, text):
        """§6.6: rules want the number of the unit to fit, and know no `at`."""
        with pytest.raises(InvalidExpression):
            parse_rule(text)

    @pytest.mark.rule("6.6/rule-unit-number")
    @pytest.mark.parametrize(
        "text", ["rate(1 minutes)", "rate(10 hour)", "rate(10 MINUTES)", "at(2022-12-31T23:59:59)"]
    )
    def test_schedules_are_not(self, text):
        """§6.6: Scheduler takes what is not among its recorded refusals, and `at` of any time."""
        assert parse_schedule(text)

    @pytest.mark.parametrize(
        "text", ["at(2021-12-31T23:59:59Z)", "at(2021-12-31)", "at(2021-02-30T00:00:00)", "rate(0 minutes)"]
    )
    def test_schedules_refuse(self, text):
        """§6.6: an `at` has a date and a time of the calendar, and no zone."""
        with pytest.raises(InvalidExpression):
            parse_schedule(text)

    @settings(deadline=None)
    @given(st.text(max_size=30))
    def test_any_text_is_read_or_refused(self, text):
        """§6.6: nothing but the refusal ever comes out."""
        for parse in (parse_rule, parse_schedule):
            for wrapped in (text, f"cron({text})", f"cron(0 0 {text} * ? *)", f"rate({text})", f"at({text})"):
                try:
                    parse(wrapped)
                except InvalidExpression:
                    continue
