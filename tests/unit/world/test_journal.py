"""The journal keeps everything, in order, in bounded memory."""

from __future__ import annotations

import io
import json

import pytest

from stagefright import journal as journal_module
from stagefright.clock import Clock
from stagefright.journal import Journal, Record, first_difference


@pytest.fixture
def small(monkeypatch):
    """A journal that spills to disk after eight records."""
    monkeypatch.setattr(journal_module, "IN_MEMORY_MAX", 8)
    return Journal(Clock(0))


DETAILS = [
    {"body": "plain"},
    {"data": b"\x00\xff", "tags": ("a", "b")},
    {"nested": {"list": [1, 2.5, None, True, {"deep": "ü \U0001f600 \ud800"}]}},
    {"numbers": {1: "one"}, "set": {"x", "y"}},
]


def test_records_are_the_same_after_they_went_to_disk(small):
    """Bytes, tuples, odd text: what was written is what is read, from memory or from disk."""
    written = [small.write("event", f"R{n}", cause=None, n=n, **DETAILS[n % 4]) for n in range(100)]

    assert written == list(small)
    assert written[3] == small[3]
    assert 100 == len(small)


def test_the_text_does_not_depend_on_where_a_record_lies(small, monkeypatch):
    """A long run and a short one say the same about the same records."""
    large = Journal(Clock(0))
    for journal, in_memory in ((small, 8), (large, 1000)):
        monkeypatch.setattr(journal_module, "IN_MEMORY_MAX", in_memory)
        for n in range(50):
            journal.write("event", "R", cause=None, **DETAILS[n % 4])

    assert large.text() == small.text()
    assert first_difference(small, large) is None


def test_memory_is_bounded(small):
    """However long the run, only the newest records are in memory."""
    for n in range(10_000):
        small.write("event", "R", cause=None, n=n)

    assert len(small._recent) <= 8
    assert 9_999 == small[9_999].detail["n"]


def test_what_is_added_to_a_record_later_is_kept(small):
    """A call's error is known only when the call is over; by then its record may have gone to disk."""
    record = small.write("call", "Fn", cause=None, service="sqs")
    for _ in range(20):
        small.write("event", "R", cause=None)

    small.amend(record, error="AccessDenied")

    assert {"service": "sqs", "error": "AccessDenied"} == small[0].detail
    assert '"error": "AccessDenied"' in small.text()


def test_reading_while_it_grows(small):
    """`since` also gives what is written while you read."""
    small.write("event", "R", cause=None)
    seen = []
    for record in small.since(0):
        seen.append(record.n)
        if len(seen) < 20:
            small.write("event", "R", cause=None)

    assert list(range(20)) == seen


def test_the_cause_is_what_runs_unless_given():
    """Whoever writes need not know on whose behalf."""
    journal = Journal(Clock(0), lambda: 7)

    assert (7, None, 3) == tuple(
        journal.write("event", "R", **given).cause for given in ({}, {"cause": None}, {"cause": 3})
    )


def test_clear_starts_over(small):
    """Numbers begin at 0 again, and the old file is gone."""
    for _ in range(20):
        small.write("event", "R", cause=None)
    small.clear()

    assert (0, "", 0) == (len(small), small.text(), small.write("event", "R", cause=None).n)
    with pytest.raises(IndexError, match="0 to 0"):
        small[1]


def test_json_lines_come_back():
    """`dump` writes each record's fields by name, so any reader of JSON can make the record again."""
    journal, file = Journal(Clock(0)), io.StringIO()
    first = journal.write("event", "Orders", cause=None, body={"a": [1, "ü"]})
    journal.dump(file)

    assert first == Record(**json.loads(file.getvalue()))
    assert journal.text() == file.getvalue()


def test_sets_have_one_text():
    """Their order depends on the hash seed of the process; the journal's text must not."""
    journal = Journal(Clock(0))
    journal.write("event", "R", cause=None, tags={"c", "a", "b"})

    assert '["a", "b", "c"]' in journal.text()


def test_first_difference_names_the_pair():
    """The first record that differs, or the one that only one side has."""
    one, other = Journal(Clock(0)), Journal(Clock(0))
    for journal in (one, other):
        journal.write("event", "R", cause=None, n=1)
    assert first_difference(one, other) is None

    extra = one.write("event", "R", cause=None, n=2)
    assert (extra, None) == first_difference(one, other)

    changed = other.write("event", "R", cause=None, n=3)
    assert (extra, changed) == first_difference(one, other)
