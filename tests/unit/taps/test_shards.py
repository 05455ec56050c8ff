"""Reading a stream's shards from outside: positions, expired iterators, throttling, and shards that split, merge or vanish."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from stagefright.targets.taps.shards import (
    LIST_EVERY_S,
    OLDEST,
    OVERLAP_S,
    READ_EVERY_S,
    READS_MAX,
    Answer,
    Shard,
    Shards,
    Start,
)


class Ground:
    """Time that passes only when somebody waits."""

    def __init__(self, *, is_emulator=False):
        self.time = 1000.0
        self.waited = []
        self.account = SimpleNamespace(is_emulator=is_emulator)

    def now(self):
        return self.time

    def wait_on_aws(self, span_s):
        if not self.account.is_emulator:
            self.waited.append(span_s)
            self.time += span_s


class Stream:
    """A stream of shards that lists of records stand for; an iterator is `shard/position`."""

    def __init__(self, ground, *shard_ids):
        self.ground = ground
        self.listed = [Shard(shard_id) for shard_id in shard_ids]
        self.records = {shard_id: [] for shard_id in shard_ids}
        self.page = 100
        self.refusals = []
        self.starts = []
        self.reads = []

    def put(self, shard_id, *names):
        for name in names:
            number = f"{len(self.records[shard_id]):04}"
            self.records[shard_id].append({"number": number, "name": name, "at": self.ground.time})

    def replace(self, parents, *children):
        self.listed = [Shard(s.id, s.parents, s.is_closed or s.id in parents) for s in self.listed]
        self.listed += [Shard(child, tuple(parents)) for child in children]
        self.records |= {child: [] for child in children}

    def shards(self):
        return list(self.listed)

    def iterator(self, shard_id, start):
        self.starts.append((shard_id, start))
        records = self.records[shard_id]
        if start.type == "LATEST":
            position = len(records)
        elif start.type == "AFTER_SEQUENCE_NUMBER":
            position = int(start.sequence_number) + 1
        elif start.type == "AT_TIMESTAMP":
            position = next((n for n, record in enumerate(records) if record["at"] >= start.at), len(records))
        else:
            position = 0
        return f"{shard_id}/{position}"

    def read(self, iterator):
        if self.refusals and (code := self.refusals.pop(0)):
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "GetRecords")
        shard_id, _, position = iterator.partition("/")
        self.reads.append(shard_id)
        records = self.records[shard_id]
        end = min(int(position) + self.page, len(records))
        is_closed = any(shard.id == shard_id and shard.is_closed for shard in self.listed)
        following = None if is_closed and end == len(records) else f"{shard_id}/{end}"
        return Answer(records[int(position) : end], following, end < len(records))

    def sequence_number(self, record):
        return record["number"]

    def since(self, when):
        return Start("AT_TIMESTAMP", at=when)

    def came_at(self, record):
        return record["at"]


class Endless(Stream):
    """An emulator that never ends a shard."""

    def read(self, iterator):
        answer = super().read(iterator)
        shard_id = iterator.partition("/")[0]
        return Answer(answer.records, answer.next or f"{shard_id}/{len(self.records[shard_id])}", answer.is_behind)


@pytest.fixture
def ground():
    return Ground()


def begun(stream):
    shards = Shards(stream, stream.ground)
    shards.begin()
    return shards


def names(found):
    return [record["name"] for _, record in found]


def test_begins_with_what_comes_next(ground):
    """What was there is no news; the position is certain once `begin` returned."""
    stream = Stream(ground, "a")
    stream.put("a", "early")
    shards = begun(stream)

    stream.put("a", "one", "two")

    assert names(shards.poll()) == ["one", "two"]
    assert names(shards.poll()) == []


def test_closed_shards_are_not_read(ground):
    """Shards that were closed before have no news."""
    stream = Stream(ground, "old")
    stream.replace(["old"], "new")
    shards = begun(stream)

    stream.put("new", "one")

    assert names(shards.poll()) == ["one"]
    assert "old" not in stream.reads


def test_reads_on_while_there_is_more(ground):
    """Several pages are one poll's; very many are left for the next."""
    stream = Stream(ground, "a")
    stream.page = 2
    shards = begun(stream)

    stream.put("a", *(str(n) for n in range(2 * READS_MAX + 3)))

    assert len(shards.poll()) == 2 * READS_MAX
    assert shards.is_behind
    assert len(shards.poll()) == 3
    assert not shards.is_behind


def test_keeps_its_distance_on_aws(ground):
    """A shard's five reads a second are shared with the functions that work on it."""
    stream = Stream(ground, "a")
    shards = begun(stream)

    for _ in range(4):
        shards.poll()

    assert ground.waited == pytest.approx([READ_EVERY_S] * 4)


def test_an_expired_iterator_goes_on_behind_what_was_read(ground):
    """Nothing twice, nothing left out."""
    stream = Stream(ground, "a")
    shards = begun(stream)
    stream.put("a", "one")
    shards.poll()
    stream.put("a", "two")

    stream.refusals = ["ExpiredIteratorException"]

    assert names(shards.poll()) + names(shards.poll()) == ["two"]
    assert stream.starts[-1] == ("a", Start("AFTER_SEQUENCE_NUMBER", "0000"))


def test_an_iterator_that_expired_before_anything_came_goes_on_by_time(ground):
    """From the last time when there was nothing; what is older was not to be seen."""
    stream = Stream(ground, "a")
    stream.put("a", "early")
    ground.time += 60
    shards = begun(stream)
    ground.time += 60
    shards.poll()
    looked_at = ground.time
    ground.time += 400
    stream.put("a", "one")

    stream.refusals = ["ExpiredIteratorException"]

    assert names(shards.poll()) + names(shards.poll()) == ["one"]
    assert stream.starts[-1] == ("a", Start("AT_TIMESTAMP", at=looked_at - OVERLAP_S))


def test_older_records_are_left_out_where_a_stream_finds_no_instant(ground):
    """DynamoDB gives everything from the oldest record on."""
    stream = Stream(ground, "a")
    stream.since = lambda when: OLDEST
    stream.put("a", "early")
    ground.time += 60
    shards = begun(stream)
    stream.put("a", "one")

    stream.refusals = ["ExpiredIteratorException"]

    assert names(shards.poll()) + names(shards.poll()) == ["one"]


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "LimitExceededException"])
def test_throttled_is_not_lost(ground, code):
    """Others have the first right to a shard; the records come with a later poll, and until then it is known to be behind."""
    stream = Stream(ground, "a")
    shards = begun(stream)
    stream.put("a", "one")

    stream.refusals = [code]

    assert names(shards.poll()) == []
    assert shards.is_behind
    assert names(shards.poll()) == ["one"]


def test_records_that_were_trimmed_are_passed_over(ground):
    """After a long halt it goes on with the oldest that is left."""
    stream = Stream(ground, "a")
    shards = begun(stream)
    stream.put("a", "one")

    stream.refusals = ["TrimmedDataAccessException"]

    shards.poll()
    assert stream.starts[-1] == ("a", OLDEST)
    assert names(shards.poll()) == ["one"]


def test_any_other_refusal_is_the_callers(ground):
    """No permission, for one."""
    stream = Stream(ground, "a")
    shards = begun(stream)
    stream.refusals = ["AccessDeniedException"]

    with pytest.raises(ClientError, match="AccessDenied"):
        shards.poll()


def test_what_was_read_is_kept_when_another_shard_fails(ground):
    """It comes with the next poll."""
    stream = Stream(ground, "a", "b")
    shards = begun(stream)
    stream.put("a", "one")
    stream.refusals = [None, "InternalFailure"]

    with pytest.raises(ClientError):
        shards.poll()

    assert names(shards.poll()) == ["one"]


@pytest.mark.parametrize("make", [Stream, Endless])
def test_a_split_is_followed(ground, make):
    """The parent to its end, then the children from their beginnings."""
    stream = make(ground, "a")
    shards = begun(stream)
    stream.put("a", "one")
    stream.replace(["a"], "b", "c")
    stream.put("b", "two")
    stream.put("c", "three")

    ground.time += LIST_EVERY_S
    found = names(shards.poll())

    assert found == ["one", "two", "three"]
    stream.put("c", "four")
    assert names(shards.poll()) == ["four"]
    assert not shards.is_behind


@pytest.mark.parametrize("make", [Stream, Endless])
def test_a_merge_waits_for_both_parents(ground, make):
    """The child has what came after both."""
    stream = make(ground, "a", "b")
    stream.page = 1
    shards = begun(stream)
    stream.put("a", "one")
    stream.put("b", *(f"b{n}" for n in range(READS_MAX + 2)))
    stream.replace(["a", "b"], "c")
    stream.put("c", "last")

    found = []
    for _ in range(4):
        ground.time += LIST_EVERY_S
        found += names(shards.poll())

    assert found == ["one", *(f"b{n}" for n in range(READS_MAX + 2)), "last"]


def test_what_came_into_a_shard_just_before_it_was_closed_is_seen(ground):
    """Between the last read and the listing that shows it closed, a record may have come."""
    stream = Endless(ground, "a")
    shards = begun(stream)
    ground.time += LIST_EVERY_S
    listing = stream.shards

    def shards_after_one_more():
        if not stream.records["a"]:
            stream.put("a", "late")
            stream.replace(["a"], "b")
        return listing()

    stream.shards = shards_after_one_more

    assert names(shards.poll()) == ["late"]


def test_a_shard_that_is_gone_has_ended(ground):
    """Some emulators delete the parents of a split."""
    stream = Stream(ground, "a")
    shards = begun(stream)
    stream.replace(["a"], "b")
    stream.listed = [shard for shard in stream.listed if shard.id != "a"]
    stream.put("b", "one")

    stream.refusals = ["ResourceNotFoundException"]

    assert names(shards.poll()) == ["one"]


def test_grandchildren_come_after_their_parents(ground):
    """Two splits between two polls: each generation in its turn."""
    stream = Stream(ground, "a")
    shards = begun(stream)
    stream.put("a", "one")
    stream.replace(["a"], "b")
    stream.put("b", "two")
    stream.replace(["b"], "c")
    stream.put("c", "three")

    found = []
    for _ in range(3):
        ground.time += LIST_EVERY_S
        found += names(shards.poll())

    assert found == ["one", "two", "three"]
