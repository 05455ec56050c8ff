"""
Replays of EventBridge: a part of what an archive holds goes once more to the bus where it came from (semantics §6.5).

A replay sorts events into slices of one minute, by the time that each event carries. AWS keeps the order of the slices and not the order
inside of one; here events of a slice keep the order of their arrival, unless the assumptions say that chance shuffles them. It runs as a
task of the world, so a test settles, or waits, for what it delivers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services import bus_rules as rules
from stagefright.services.archives import Archive, is_listed, one_filter, page
from stagefright.services.bus_state import bus_of
from stagefright.services.event_time import instant, moment, timestamp
from stagefright.services.peers import World
from stagefright.wording import plural

REPLAYS_MAX = 10
"""How many replays an account may have under way (§6.5)."""

NAME_CHARS_MAX = 64
SLICE_S = 60

UNDER_WAY = ("STARTING", "RUNNING", "CANCELLING")
STATES = ("CANCELLED", "CANCELLING", "COMPLETED", "FAILED", "RUNNING", "STARTING")

_BUS_ARN = re.compile(r"arn:[a-z-]+:events:[a-z0-9-]+:\d{12}:event-bus/.+")


@dataclass(slots=True)
class Replay:
    """A replay; instants are epoch seconds."""

    name: str
    arn: str
    archive_arn: str
    bus_arn: str
    rule_arns: Sequence[str]
    begin: float
    end: float
    started_at: float
    description: str | None = None
    state: str = "STARTING"
    ended_at: float | None = None
    last_replayed: float | None = None

    @property
    def destination(self) -> dict[str, Any]:
        """As the API writes it."""
        return {"Arn": self.bus_arn} | ({"FilterArns": list(self.rule_arns)} if self.rule_arns else {})


class ReplayService:
    """`StartReplay`, `DescribeReplay`, `ListReplays`, `CancelReplay`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._replays: dict[str, Replay] = {}

    # Operations

    def start_replay(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`StartReplay`: the rest happens in the stage's time."""
        archive = self._archive_for(params)
        begin, end = instant(params["EventStartTime"]), instant(params["EventEndTime"])
        if begin > end:
            raise rules.validation_error(
                "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."
            )
        replay = self._made(params, archive, begin, end)
        self._replays[replay.name] = replay
        kernel = self._world.kernel
        kernel.spawn(self._run(replay, archive), name=f"EventBridge replay {replay.name}", cause=kernel.cause())
        return {"ReplayArn": replay.arn, "State": replay.state, "ReplayStartTime": moment(replay.started_at)}

    def describe_replay(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`DescribeReplay`."""
        replay = self._existing(params["ReplayName"])
        told = {"ReplayArn": replay.arn, "Destination": replay.destination, **_summary(replay)}
        return told | ({"Description": replay.description} if replay.description else {})

    def list_replays(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`ListReplays`."""
        one_filter(params, "ListReplays")
        if params.get("State", "RUNNING") not in STATES:
            raise rules.not_in_set("state", params["State"], STATES)
        replays = [_summary(replay) for replay in self._replays.values()]
        return page("Replays", [one for one in replays if is_listed(one, "ReplayName", params)], params)

    def cancel_replay(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`CancelReplay`: what was not sent yet is not sent any more."""
        replay = self._existing(params["ReplayName"])
        if replay.state not in ("STARTING", "RUNNING"):
            raise ApiError(
                "IllegalStatusException", f"Replay {replay.name} is not in a valid state for this operation."
            )
        replay.state = "CANCELLING"
        return {"ReplayArn": replay.arn, "State": replay.state}

    def snapshot(self) -> Any:
        """A copy of all replays."""
        return deepcopy(self._replays)

    def restore(self, state: Any) -> None:
        """Go back to a snapshot; what was under way ended with the kernel's tasks."""
        self._replays = deepcopy(state)

    # Judging

    def _archive_for(self, params: Mapping[str, Any]) -> Archive:
        """The archive, if everything about this replay is in order but its times."""
        bus_arn, archive_arn = params["Destination"]["Arn"], params["EventSourceArn"]
        if not _BUS_ARN.fullmatch(bus_arn):
            raise rules.not_valid("Destination.Arn", "Must contain an event bus ARN.")
        if bus_of(bus_arn) is None:
            raise rules.no_such_bus(bus_arn)
        archive = self._world.archives.find(archive_arn)
        if archive is None:
            raise rules.not_valid("EventSourceArn", f"Archive {archive_arn.split('/')[-1]} does not exist.")
        if bus_arn != archive.source_arn:
            raise rules.not_valid("Destination.Arn", "Cross event bus replay is not permitted.")
        self._check_rules(params["Destination"].get("FilterArns") or [], bus_arn)
        return archive

    def _check_rules(self, rule_arns: Sequence[str], bus_arn: str) -> None:
        there = {rule.arn for rule in bus_of(bus_arn).rules.values()}
        for arn in rule_arns:
            if arn not in there:
                reason = f"Rule {arn} does not exist on the event bus."
                raise rules.not_valid("Destination.FilterArns", reason)

    def _made(self, params: Mapping[str, Any], archive: Archive, begin: float, end: float) -> Replay:
        name = params["ReplayName"]
        if len(name) > NAME_CHARS_MAX:
            raise rules.too_long("replayName", name, NAME_CHARS_MAX)
        if name in self._replays:
            raise ApiError("ResourceAlreadyExistsException", f"Replay {name} already exists.")
        if sum(one.state in UNDER_WAY for one in self._replays.values()) >= REPLAYS_MAX:
            raise rules.limit_exceeded()
        arn = f"arn:aws:events:{self._world.region}:{self._world.account}:replay/{name}"
        only = tuple(params["Destination"].get("FilterArns") or ())
        now = self._world.clock.now()
        return Replay(
            name, arn, archive.arn, archive.source_arn, only, begin, end, now, description=params.get("Description")
        )

    def _existing(self, name: str) -> Replay:
        if name not in self._replays:
            raise ApiError("ResourceNotFoundException", f"Replay {name} does not exist.")
        return self._replays[name]

    # Running

    async def _run(self, replay: Replay, archive: Archive) -> None:
        assumed = self._world.assumptions
        await self._world.kernel.sleep(assumed.eventbridge_replay_start_s)
        kept = self._world.archives.events_of(archive)
        slices = self._slices(replay, kept)
        if not slices:
            self._say_nothing_came(replay, archive, len(kept))
        for events in slices:
            if replay.state == "CANCELLING":
                break
            replay.state = "RUNNING"
            for event in events:
                self._send(replay, event)
            await self._world.kernel.sleep(assumed.eventbridge_replay_slice_s)
        replay.state = "CANCELLED" if replay.state == "CANCELLING" else "COMPLETED"
        replay.ended_at = self._world.clock.now()

    def _say_nothing_came(self, replay: Replay, archive: Archive, count: int) -> None:
        """AWS completes such a replay without a word, and a test would look for its events in vain."""
        period = f"from {timestamp(replay.begin)} to {timestamp(replay.end)}"
        name = self._world.name_of(archive.arn)
        text = (
            f"Replay {replay.name} sends nothing: archive {name} holds {plural(count, 'event')}, none of them {period}."
        )
        self._world.journal.write("warning", self._world.name_of(replay.bus_arn), message=text)

    def _send(self, replay: Replay, event: Mapping[str, Any]) -> None:
        kept = self._world.assumptions.eventbridge_replay_keeps_ids
        event_id = event["id"] if kept else self._world.chance.uuid("replay", replay.name, event["id"])
        replay.last_replayed = instant(event["time"])
        again = {**event, "id": event_id, "replay-name": replay.name}
        self._world.buses.replay(replay.bus_arn, again, replay.rule_arns)

    def _slices(self, replay: Replay, events: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
        """The events of the replay's period, by minute."""
        slices: dict[int, list[Mapping[str, Any]]] = {}
        for event in events:
            time = instant(event["time"])
            if replay.begin <= time <= replay.end:
                slices.setdefault(int(time // SLICE_S), []).append(event)
        return [self._ordered(replay, slices[minute]) for minute in sorted(slices)]

    def _ordered(self, replay: Replay, events: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        if not self._world.assumptions.eventbridge_replay_shuffles:
            return events
        return sorted(events, key=lambda event: self._world.chance.hex(16, "replay order", replay.name, event["id"]))


def _summary(replay: Replay) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ReplayName": replay.name,
        "EventSourceArn": replay.archive_arn,
        "State": replay.state,
        "EventStartTime": moment(replay.begin),
        "EventEndTime": moment(replay.end),
        "ReplayStartTime": moment(replay.started_at),
    }
    optional = {"EventLastReplayedTime": replay.last_replayed, "ReplayEndTime": replay.ended_at}
    return told | {name: moment(when) for name, when in optional.items() if when is not None}
