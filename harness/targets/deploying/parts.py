"""
The stacks that a stage consists of: one, or those of a cloud assembly of CDK that were chosen.

Of several, each is called after the stage's stack and itself (`shop-pr-7-Foundation`). What they export to each other gets the names of the stage's
stacks too, since an account has each export once, and several stages of the same app must not meet in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stagefright.errors import SettingsError, TemplateError, nearest
from stagefright.settings import Settings
from stagefright.stack_names import checked, stack_name
from stagefright.templates import StackSource, cloud_assembly, find_template, read_project
from stagefright.templates.project import resource_names


@dataclass(frozen=True)
class Part:
    """One stack of a stage."""

    stack: str
    """What it is called in the account."""
    source: StackSource | None = None
    """Where it comes from, if it is one of several."""
    names: Mapping[str, str] | None = None
    """What the stage calls its resources, by logical id, if it is one of several."""
    stacks: Mapping[str, str] = field(default_factory=dict)
    """What the project calls the stage's stacks, with what they are called in the account."""

    def parameters(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Those that are for this stack: of several, each gets what it declares."""
        if self.source is None:
            return given
        declared = self.source.template.get("Parameters", {})
        return {name: value for name, value in given.items() if name in declared}

    def own(self, source: StackSource) -> StackSource:
        """The source with the names of this stage's stacks in place of the project's."""
        return replace(source, template=_renamed(source.template, self.stacks)) if self.stacks else source


def parts_of(stage: str, settings: Settings) -> tuple[Part, ...]:
    """The stacks of a stage, each after those that it depends on."""
    base = checked(stack_name(stage, settings), f"the stage {stage!r}")
    sources = _of_an_assembly(settings)
    if len(sources) < 2:
        return (Part(base),)
    _refuse_undeclared(sources, settings)
    stacks = {one.stack_name or one.name: f"{base}-{_plain(one.name)}" for one in sources}
    names = resource_names(sources)
    return tuple(Part(stacks[one.stack_name or one.name], one, names[one.name], stacks) for one in sources)


def _of_an_assembly(settings: Settings) -> tuple[StackSource, ...]:
    """The chosen stacks of a cloud assembly; none if it is none, if there is nothing to read, or a command that knows for itself."""
    try:
        path = settings.template or find_template(settings.directory)
    except TemplateError:
        return ()
    if settings.deploy is not None or not cloud_assembly.is_one(path):
        return ()
    return read_project(path).chosen(settings.stack)


def _refuse_undeclared(sources: tuple[StackSource, ...], settings: Settings) -> None:
    known = {name for source in sources for name in source.template.get("Parameters", {})}
    for name in settings.parameters:
        if name not in known:
            stacks = ", ".join(source.name for source in sources)
            raise SettingsError(f"parameters: none of the stacks {stacks} declares {name}. {nearest(name, known)}")


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _renamed(value: Any, stacks: Mapping[str, str]) -> Any:
    """A template in which exports, imports and references to outputs name the stage's stacks."""
    if isinstance(value, list):
        return [_renamed(item, stacks) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {key: _named(key, one, stacks) for key, one in value.items()}


def _named(key: str, value: Any, stacks: Mapping[str, str]) -> Any:
    if key == "Fn::ImportValue" and isinstance(value, str):
        return _export(value, stacks)
    if key == "Export" and isinstance(value, Mapping) and isinstance(value.get("Name"), str):
        return {**value, "Name": _export(value["Name"], stacks)}
    if key == "Fn::GetStackOutput" and isinstance(value, Mapping):
        return {**value, "StackName": stacks.get(str(value.get("StackName")), value.get("StackName"))}
    return _renamed(value, stacks)


def _export(name: str, stacks: Mapping[str, str]) -> str:
    """CDK's exports begin with the stack that makes them; others have a name that somebody chose."""
    stack, colon, rest = name.partition(":")
    return f"{stacks[stack]}:{rest}" if colon and stack in stacks else name
