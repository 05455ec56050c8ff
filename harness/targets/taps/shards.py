"""
Reading the shards of a stream from now on: positions, expired iterators, and shards that split or merge meanwhile.

The logic of Kinesis and of DynamoDB streams is the same; what their APIs call things is in `stream.py` and `table.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stagefright.targets.taps.ground import Ground

READ_EVERY_S = 0.5
"""How often one shard is read on AWS at most: a shard gives five reads a second to all who read it, the stage's functions among them."""

LIST_EVERY_S = 10.0
"""How often shards are listed even when none ended: some emulators never end one."""

READS_MAX = 10
"""How often a shard is read in one poll at most; the rest waits for the next."""

OVERLAP_S = 2.0
"""How far before the last look a position is taken again by time: the clocks may differ so much."""

EXPIRED = ("ExpiredIteratorException",)
THROTTLED = ("ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException")
TRIMMED = ("TrimmedDataAccessException",)
GONE = ("ResourceNotFoundException",)


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard, as it is listed."""

    id: str
    parents: tuple[str, ...] = ()
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Where in a shard to begin, in the words of both APIs."""

    type: str
    sequence_number: str | None = None
    at: float | None = None
    """For AT_TIMESTAMP, which DynamoDB does not know: epoch seconds."""


LATEST = Start("LATEST")
OLDEST = Start("TRIM_HORIZON")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one read gave."""

    records: Sequence[Mapping[str, Any]]
    next: str | None
    """The next iterator; None: the shard is closed, and was read to its end."""
    is_behind: bool


class Source(Protocol):
    """A stream whose shards can be read. Refusals come as botocore's `ClientError`."""

    def shards(self) -> list[Shard]:
        """All shards, closed ones too."""
        ...

    def iterator(self, shard_id: str, start: Start) -> str:
        """An iterator at some point of a shard."""
        ...

    def read(self, iterator: str) -> Answer:
        """One read."""
        ...

    def sequence_number(self, record: Mapping[str, Any]) -> str:
        """The sequence number of a record."""
        ...

    def since(self, when: float) -> Start:
        """Where to begin to have all that came since an instant; perhaps with some that came before."""
        ...

    def came_at(self, record: Mapping[str, Any]) -> float:
        """When a record came, in epoch seconds."""
        ...


@dataclass(slots=True)
class _Position:
    shard: Shard
    start: Start
    iterator: str | None
    last: str | None = None
    """The sequence number that was read last."""
    caught_up_at: float = 0.0
    """When there was last nothing to read."""
    not_before: float = 0.0
    """Of what was fetched again by time, what is older than that was not to be seen."""
    is_behind: bool = False
    has_ended: bool = False
    is_closing: bool = False
    """Whether it was listed as closed; what came until then may not have been read."""
    read_at: float | None = None


@dataclass(slots=True)
class Shards:
    """The records that come into a stream from `begin` on."""

    source: Source
    ground: Ground
    _known: set[str] = field(default_factory=set)
    _followed: dict[str, _Position] = field(default_factory=dict)
    _unread: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    _listed_at: float = 0.0

    def begin(self) -> None:
        """Take the position in every open shard; the first read makes it certain."""
        armed_at = self._listed_at = self.ground.now()
        for shard in self.source.shards():
            self._known.add(shard.id)
            if not shard.is_closed:
                position = _Position(shard, LATEST, self.source.iterator(shard.id, LATEST), caught_up_at=armed_at)
                position.not_before = armed_at - OVERLAP_S
                self._followed[shard.id] = position
        self._read_all(list(self._followed.values()))

    @property
    def is_behind(self) -> bool:
        """Whether a shard has more to read."""
        return any(position.is_behind for position in self._followed.values())

    def poll(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The records since the last poll, with their shards' ids; each shard's in order, parents' before their children's."""
        fresh = list(self._followed.values())
        while fresh:
            self._read_all(fresh)
            fresh = self._adopt() if self._should_list() else []
        found, self._unread = self._unread, []
        return found

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read_all(self, positions: list[_Position]) -> None:
        """Read into `_unread`, so that what was read is kept should another read fail."""
        for position in positions:
            self._read(position)

    def _read(self, position: _Position) -> None:
        for _ in range(READS_MAX):
            answer = self._read_once(position)
            if answer is None:
                return
            wanted = (record for record in answer.records if self._is_wanted(position, record))
            self._unread += [(position.shard.id, record) for record in wanted]
            self._move(position, answer)
            if position.has_ended or not position.is_behind:
                return

    def _is_wanted(self, position: _Position, record: Mapping[str, Any]) -> bool:
        is_sure = position.last is not None or position.start != LATEST
        return is_sure or self.source.came_at(record) >= position.not_before

    def _move(self, position: _Position, answer: Answer) -> None:
        if answer.records:
            position.last = self.source.sequence_number(answer.records[-1])
        elif not answer.is_behind:
            position.caught_up_at = position.read_at or position.caught_up_at
        position.iterator = answer.next
        position.has_ended = answer.next is None
        position.is_behind = answer.is_behind and not position.has_ended

    def _read_once(self, position: _Position) -> Answer | None:
        """One read; None if the shard gives none now."""
        from botocore.exceptions import ClientError

        try:
            return self._ask(position)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in EXPIRED:
                position.iterator, position.is_behind = None, True
            elif code in THROTTLED:
                # Others read this shard as well, and have the first right to it.
                position.is_behind = True
            elif code in TRIMMED:
                position.iterator = self.source.iterator(position.shard.id, OLDEST)
                position.is_behind = True
            elif code in GONE:
                position.has_ended, position.is_behind = True, False
            else:
                raise
            return None

    def _ask(self, position: _Position) -> Answer:
        self._keep_distance(position)
        if position.iterator is None:
            position.iterator = self.source.iterator(position.shard.id, self._again(position))
        position.read_at = self.ground.now()
        return self.source.read(position.iterator)

    def _keep_distance(self, position: _Position) -> None:
        if position.read_at is not None:
            left_s = position.read_at + READ_EVERY_S - self.ground.now()
            if left_s > 0:
                self.ground.wait_on_aws(left_s)

    def _again(self, position: _Position) -> Start:
        """Where to go on when an iterator has expired: behind what was read, else where there was last nothing."""
        if position.last is not None:
            return Start("AFTER_SEQUENCE_NUMBER", position.last)
        if position.start != LATEST:
            return position.start
        position.not_before = max(position.not_before, position.caught_up_at - OVERLAP_S)
        return self.source.since(position.not_before)

    # -- shards that come and go -------------------------------------------------------------------------------------

    def _should_list(self) -> bool:
        is_due = any(one.has_ended or (one.is_closing and not one.is_behind) for one in self._followed.values())
        return is_due or self.ground.now() >= self._listed_at + LIST_EVERY_S

    def _adopt(self) -> list[_Position]:
        """Follow the new shards whose parents were read to their ends, from their beginnings; gives what is to be read now."""
        listed = self.source.shards()
        self._listed_at = self.ground.now()
        closing = self._let_go({shard.id for shard in listed if not shard.is_closed})
        ready = [shard for shard in listed if shard.id not in self._known and not self._awaits(shard)]
        adopted = [_Position(shard, OLDEST, self.source.iterator(shard.id, OLDEST)) for shard in ready]
        self._known |= {shard.id for shard in ready}
        self._followed |= {position.shard.id: position for position in adopted}
        return closing + adopted

    def _let_go(self, open_ids: set[str]) -> list[_Position]:
        """
        A shard has ended when its reads say so; not all emulators' do.

        So one that is listed as closed, or no more, is read once again, and has ended if that left nothing.
        """
        closing = []
        for shard_id, position in list(self._followed.items()):
            if position.has_ended or (position.is_closing and not position.is_behind):
                del self._followed[shard_id]
            elif shard_id not in open_ids and not position.is_closing:
                position.is_closing = True
                closing.append(position)
        return closing

    def _awaits(self, shard: Shard) -> bool:
        return any(parent in self._followed for parent in shard.parents)
