"""All that one stage has on the servers it shares with others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from stagefright.settings import Settings
from stagefright.shared.declaration import SharedResource
from stagefright.shared.postgresql import Note, PostgresqlSchema
from stagefright.stack_names import service_name
from stagefright.targets.run import Run


class Tenancy(Mapping[str, PostgresqlSchema]):
    """The stage's parts of shared servers, by the names that the settings give them."""

    def __init__(self, parts: Mapping[str, PostgresqlSchema]) -> None:
        self._parts = dict(parts)

    def __getitem__(self, name: str) -> PostgresqlSchema:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def parameters(self) -> dict[str, str]:
        """What the template's parameters get from all of them."""
        return self.parameters_from(None)

    def parameters_from(self, machine: str | None) -> dict[str, str]:
        """The same for functions that call this machine by that name."""
        return {name: value for part in self._parts.values() for name, value in part.parameters_from(machine).items()}

    @property
    def hosts(self) -> tuple[str, ...]:
        """The servers' hosts, which functions may reach."""
        return tuple(dict.fromkeys(part.host for part in self._parts.values()))

    def reset(self) -> None:
        """Bring the data of all of them back to what it was when the stage was stood up."""
        for part in self._parts.values():
            part.reset()

    def keep(self) -> None:
        """They stay with a stage that is left up."""
        for part in self._parts.values():
            part.keep()

    def leave(self) -> None:
        """Let go of all of them; they stay with their stage."""
        for part in self._parts.values():
            part.leave()

    def close(self) -> None:
        """Drop them all, the last first; one that cannot be dropped does not keep the others."""
        self._end(PostgresqlSchema.close)

    def give_up(self) -> None:
        """Drop those that were made here, and leave those that were there before."""
        self._end(PostgresqlSchema.give_up)

    def _end(self, end: Callable[[PostgresqlSchema], None]) -> None:
        troubles: list[Exception] = []
        while self._parts:
            _, part = self._parts.popitem()
            try:
                end(part)
            except Exception as trouble:  # noqa: BLE001 - all are tried, then the first is raised
                troubles.append(trouble)
        if troubles:
            raise troubles[0]


def move_in(
    stage: str,
    settings: Settings,
    *,
    copy: str = "",
    run: Run | None = None,
    note: Note | None = None,
    stays: bool = False,
    is_updated: bool = False,
) -> Tenancy:
    """
    Make a stage's part of everything that the settings share.

    `copy` tells apart the processes of a run that each have the stage for themselves. With `stays` the stage outlives the process: what
    it has already is used as it is, or brought up to date if it `is_updated`.
    """
    if not settings.shared:
        return Tenancy({})
    run = run or Run.begin()
    parts: dict[str, PostgresqlSchema] = {}
    try:
        for name, resource in settings.shared.items():
            parts[name] = _part(resource, stage, settings, copy, run)
            if stays:
                parts[name].join(settings.directory, note, is_updated=is_updated)
            else:
                parts[name].create(settings.directory, note)
    except BaseException:
        Tenancy(parts).give_up()
        raise
    return Tenancy(parts)


def parameters_of(stage: str, settings: Settings, *, copy: str = "", machine: str | None = None) -> dict[str, str]:
    """What the template's parameters get for a stage that is there, as from `parameters_from`; no server is asked."""
    parts = {name: _part(one, stage, settings, copy, Run.begin()) for name, one in settings.shared.items()}
    return Tenancy(parts).parameters_from(machine)


def _part(resource: SharedResource, stage: str, settings: Settings, copy: str, run: Run) -> PostgresqlSchema:
    service = service_name(settings) if "{service}" in resource.schema else ""
    return PostgresqlSchema(resource, service=service, stage=stage, copy=copy, run=run)


def move_out(stage: str, settings: Settings, *, copy: str = "") -> None:
    """Drop what a stage that is taken away has on the servers that it shares."""
    for resource in settings.shared.values():
        _part(resource, stage, settings, copy, Run.begin()).drop_with_its_stage()
