"""The ways to spell a resource's name: `Inner` for `Nested.Inner`, a logical id with CDK's hash, a path of constructs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stagefright.errors import UnknownResource, nearest
from stagefright.templates.short_ids import construct_path, shortened

if TYPE_CHECKING:
    from stagefright.deployment.deployer import Deployed


@dataclass
class Spellings:
    """Every spelling, with the names of the resources that it may stand for."""

    names: list[str] = field(default_factory=list)
    """Those that people wrote, for messages."""
    meanings: dict[str, dict[str, None]] = field(default_factory=dict)

    @classmethod
    def of(cls, stacks: list[Deployed]) -> Spellings:
        """All spellings of the resources of these stacks, and of those nested in them."""
        spellings = cls()
        for stack in stacks:
            project_names = [stack.source.name, stack.source.stack_name] if stack.source else []
            spellings._add(stack, ["", *(f"{name}." for name in project_names if name)])
        return spellings

    def meant(self, asked: str) -> str:
        """The one resource that a spelling stands for; else an `UnknownResource` that lists what was meant."""
        meanings = list(self.meanings.get(asked, {}))
        if len(meanings) == 1:
            return meanings[0]
        if meanings:
            raise UnknownResource(f"{asked!r} may be any of {', '.join(meanings)}. Write one of these names.")
        of_serverless = _of_serverless(asked)
        hint = f"In serverless.yml's words you mean {of_serverless}. " if of_serverless in self.names else ""
        raise UnknownResource(f"The stage has no resource {asked!r}. {hint}{nearest(asked, self.names)}")

    def _add(self, stack: Deployed, prefixes: list[str]) -> None:
        written = set(stack.template.written(stack.resources))
        for logical_id in stack.resources:
            name = stack.name_of(logical_id)
            if {logical_id, stack.template.shown(logical_id)} & written:
                self.names.append(name)
            own = [*self._own(stack, logical_id)]
            for spelling in (prefix + one for prefix in prefixes for one in own):
                self.meanings.setdefault(spelling, {})[name] = None
            for path in _paths(stack, logical_id):
                self.meanings.setdefault(path, {})[name] = None
            if logical_id in stack.nested:
                self._add(stack.nested[logical_id], ["", *(f"{prefix}{one}." for prefix in prefixes for one in own)])

    def _own(self, stack: Deployed, logical_id: str) -> Iterator[str]:
        """A resource's id as it is, as it is shown, and without its hash, even if others are the same without theirs."""
        short = shortened(logical_id, stack.template.resources[logical_id].attributes)
        yield from dict.fromkeys(
            one for one in (logical_id, stack.template.shown(logical_id), short) if one is not None
        )


def _of_serverless(function: str) -> str:
    """
    The logical id that the Serverless Framework makes of a function's name.

    >>> _of_serverless("audit-log")
    'AuditDashlogLambdaFunction'
    """
    plain = function.replace("-", "Dash").replace("_", "Underscore")
    return f"{plain[:1].upper()}{plain[1:]}LambdaFunction"


def _paths(stack: Deployed, logical_id: str) -> Iterator[str]:
    """`Shop/Feed/Topic/Resource` is known as `Shop/Feed/Topic` too, and as `Feed/Topic`."""
    path = construct_path(stack.template.resources[logical_id].attributes)
    if path is not None:
        construct = re.sub(r"/(Resource|Default)$", "", path)
        inside = construct
        if stack.source is not None:
            for name in (stack.source.name, *stack.source.also_named):
                inside = inside.removeprefix(f"{name}/")
        yield from dict.fromkeys((path, construct, inside))
