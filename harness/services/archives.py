"""
The archives of EventBridge: each keeps what its managed rule picks from one bus, for as long as it is told (semantics §6.5).

An archive is ours. Its managed rule is one of moto's, beside all other rules of the bus, since `ListRules` shows it on AWS too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services import bus_rules as rules
from stagefright.services.bus_state import backend_of, bus_of
from stagefright.services.event_time import moment
from stagefright.services.input_transform import to_json
from stagefright.services.peers import World

NAME_CHARS_MAX = 48
DAY_S = 86_400
PAGE_MAX = 100

MANAGED_RULE = "Events-Archive-{}"
MANAGED_BY = "prod.vhs.events.aws.internal"
"""How AWS names the rule that feeds an archive, and who owns it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An event in an archive, and when it came onto its bus."""

    at: float
    event: Mapping[str, Any]

    def __deepcopy__(self, _memo: object) -> Kept:
        """Nobody changes an event, so copies of an archive may share it."""
        return self


@dataclass(slots=True)
class Archive:
    """An archive; `retention_days` 0 keeps events for ever."""

    name: str
    arn: str
    source_arn: str
    created_at: float
    pattern: str | None = None
    description: str | None = None
    retention_days: int = 0
    kept: list[Kept] = field(default_factory=list)

    def forget(self, now: float) -> None:
        """Drop what is older than the archive keeps."""
        if self.retention_days:
            oldest = now - self.retention_days * DAY_S
            self.kept = [one for one in self.kept if one.at > oldest]


class ArchiveService:
    """`CreateArchive`, `DescribeArchive`, `ListArchives`, `UpdateArchive`, `DeleteArchive`, and the keeping."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._archives: dict[str, Archive] = {}

    # Operations

    def create_archive(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`CreateArchive`."""
        name, source_arn = params["ArchiveName"], params["EventSourceArn"]
        _check_name(name)
        _check_pattern(params)
        if bus_of(source_arn) is None:
            raise rules.no_such_bus(source_arn)
        if name in self._archives:
            raise ApiError("ResourceAlreadyExistsException", f"Archive {name} already exists.")
        arn = f"arn:aws:events:{self._world.region}:{self._world.account}:archive/{name}"
        archive = Archive(name, arn, source_arn, self._world.clock.now())
        self._archives[name] = archive
        self._change(archive, params)
        return {"ArchiveArn": arn, "State": "ENABLED", "CreationTime": moment(archive.created_at)}

    def update_archive(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`UpdateArchive`: what is given changes, for the events to come."""
        archive = self._existing(params["ArchiveName"])
        _check_pattern(params)
        self._change(archive, params)
        return {"ArchiveArn": archive.arn, "State": "ENABLED", "CreationTime": moment(archive.created_at)}

    def delete_archive(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`DeleteArchive`: its events go with it, and its rule."""
        archive = self._existing(params["ArchiveName"])
        del self._archives[archive.name]
        bus = bus_of(archive.source_arn)
        if bus is not None:
            bus.rules.pop(MANAGED_RULE.format(archive.name), None)
        return {}

    def describe_archive(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`DescribeArchive`."""
        archive = self._existing(params["ArchiveName"])
        told = {"ArchiveArn": archive.arn, "Description": archive.description, "EventPattern": archive.pattern}
        return {**{name: value for name, value in told.items() if value}, **self._summary(archive)}

    def list_archives(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`ListArchives`."""
        one_filter(params, "ListArchives")
        archives = [self._summary(archive) for archive in self._archives.values()]
        return page("Archives", [one for one in archives if is_listed(one, "ArchiveName", params)], params)

    # For buses and replays

    def keep(self, managed_rule: str, event: Mapping[str, Any]) -> None:
        """Keep an event that the managed rule of an archive has picked."""
        archive = self._archives.get(managed_rule.removeprefix(MANAGED_RULE.format("")))
        if archive is not None:
            archive.kept.append(Kept(self._world.clock.now(), event))

    def find(self, arn: str) -> Archive | None:
        """The archive of an ARN."""
        return next((one for one in self._archives.values() if one.arn == arn), None)

    def events_of(self, archive: Archive) -> list[Mapping[str, Any]]:
        """What the archive holds now, in the order of arrival."""
        return [one.event for one in self._present(archive)]

    def snapshot(self) -> Any:
        """A copy of all archives."""
        return deepcopy(self._archives)

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        self._archives = deepcopy(state)

    # The rest

    def _present(self, archive: Archive) -> list[Kept]:
        """An event is in the archive only a while after it came, if so assumed."""
        now = self._world.clock.now()
        archive.forget(now)
        latest = now - self._world.assumptions.eventbridge_archive_delay_s
        return [one for one in archive.kept if one.at <= latest]

    def _existing(self, name: str) -> Archive:
        if name not in self._archives:
            raise ApiError("ResourceNotFoundException", f"Archive {name} does not exist.")
        return self._archives[name]

    def _change(self, archive: Archive, params: Mapping[str, Any]) -> None:
        archive.description = params.get("Description", archive.description)
        archive.pattern = params.get("EventPattern", archive.pattern)
        archive.retention_days = params.get("RetentionDays", archive.retention_days)
        _, _, _, region, account, resource = archive.source_arn.split(":", 5)
        backend, rule, bus = backend_of(account, region), MANAGED_RULE.format(archive.name), resource.split("/")[-1]
        backend.put_rule(rule, event_pattern=_managed_pattern(archive), event_bus_arn=bus, managed_by=MANAGED_BY)
        backend.put_targets(rule, bus, [{"Id": rule, "Arn": f"arn:aws:events:{region}:::"}])

    def _summary(self, archive: Archive) -> dict[str, Any]:
        present = self._present(archive)
        return {
            "ArchiveName": archive.name,
            "EventSourceArn": archive.source_arn,
            "State": "ENABLED",
            "RetentionDays": archive.retention_days,
            "SizeBytes": sum(len(to_json(one.event).encode("utf-8", "surrogatepass")) for one in present),
            "EventCount": len(present),
            "CreationTime": moment(archive.created_at),
        }


def _managed_pattern(archive: Archive) -> str:
    """That of the archive, without replayed events: what a replay sends is not archived again."""
    return json.dumps({**json.loads(archive.pattern or "{}"), "replay-name": [{"exists": False}]})


def _check_name(name: str) -> None:
    if len(name) > NAME_CHARS_MAX:
        raise rules.too_long("archiveName", name, NAME_CHARS_MAX)


def _check_pattern(params: Mapping[str, Any]) -> None:
    if params.get("EventPattern"):
        rules.checked_pattern(params["EventPattern"])


# What the lists of archives and of replays have in common


def one_filter(params: Mapping[str, Any], operation: str) -> None:
    """Refuse a list with more than one filter."""
    if sum(name in params for name in ("NamePrefix", "EventSourceArn", "State")) > 1:
        raise rules.validation_error(
            f"At most one filter is allowed for {operation}. Use either : State, EventSourceArn, or NamePrefix."
        )


def is_listed(summary: Mapping[str, Any], name: str, params: Mapping[str, Any]) -> bool:
    """Whether a filter lets an archive or a replay through."""
    equal = all(summary[key] == params[key] for key in ("EventSourceArn", "State") if key in params)
    return equal and summary[name].startswith(params.get("NamePrefix", ""))


def page(name: str, found: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """As many as were asked for, and where the next ones begin."""
    start = int(params.get("NextToken") or 0)
    end = start + int(params.get("Limit") or PAGE_MAX)
    return {name: list(found[start:end])} | ({"NextToken": str(end)} if end < len(found) else {})
