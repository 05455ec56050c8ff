"""What one stack takes from another: `Fn::ImportValue`, and `Fn::GetStackOutput`."""

from __future__ import annotations

from typing import Any

from stagefright.errors import UnknownExport, nearest
from stagefright.templates.lookup import UNKNOWN, Rehearsal
from stagefright.templates.resolver import Resolver
from stagefright.templates.text import show


def import_value(resolver: Resolver, argument: Any) -> Any:
    exports = resolver.scope.exports
    if not isinstance(argument, str):
        raise resolver.wrong(f"Fn::ImportValue takes the name of an export; it got {show(argument)}.")
    if argument in exports:
        return exports[argument]
    if resolver.scope.more_exports and isinstance(resolver.lookup, Rehearsal):
        return UNKNOWN
    raise UnknownExport(
        f"Fn::ImportValue {argument}: no export of that name is known. {nearest(argument, exports)} "
        f'Another stack makes it; say what it is in the settings: [tool.stagefright.exports] "{argument}" = "...".',
        file=resolver.scope.file,
        logical_id=resolver.logical_id,
    )


def output_of(stack_name: str, output: str) -> str:
    """How another stack's output is called among the exports; no export can have such a name, for want of dots."""
    return f"{stack_name}.{output}"


def get_stack_output(resolver: Resolver, argument: Any) -> Any:
    """What CDK writes for references between stacks that are not to bind them (`crossStackReferences: weak`)."""
    if not isinstance(argument, dict) or not all(
        isinstance(argument.get(name), str) for name in ("StackName", "OutputName")
    ):
        raise resolver.wrong(f"Fn::GetStackOutput takes a StackName and an OutputName; it got {show(argument)}.")
    wanted = output_of(argument["StackName"], argument["OutputName"])
    if wanted in resolver.scope.exports:
        return resolver.scope.exports[wanted]
    if resolver.scope.more_exports and isinstance(resolver.lookup, Rehearsal):
        return UNKNOWN
    raise UnknownExport(
        f"Fn::GetStackOutput: no output {argument['OutputName']} of a stack {argument['StackName']} is known. Say what it is in the "
        f'settings: [tool.stagefright.exports] "{wanted}" = "...".',
        file=resolver.scope.file,
        logical_id=resolver.logical_id,
    )
