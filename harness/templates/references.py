"""
References by their spelling alone.

The rehearsal follows only the branches that are taken; CloudFormation also refuses a template that names something
unknown in a branch that is not. This walk sees all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stagefright.errors import TemplateError, nearest
from stagefright.templates.resolver import Resolver, Scope

_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_.:]+)\}")


def unknown_references(value: Any, scope: Scope, logical_id: str) -> list[TemplateError]:
    """An error for each parameter, resource or condition that a value names and the template does not have."""
    resolver = Resolver(scope, logical_id=logical_id)
    return [resolver.wrong(problem) for problem in dict.fromkeys(_problems(value, scope))]


def _problems(value: Any, scope: Scope) -> Iterator[str]:
    parameters = {*scope.parameters, "AWS::NoValue"}
    for what, name in references(value):
        if what == "Fn::If":
            if name not in scope.conditions:
                yield f"Fn::If {name}: there is no condition of that name. {nearest(name, scope.conditions)}"
        elif name not in scope.resources and (what == "Fn::GetAtt" or name not in parameters):
            known = scope.resources if what == "Fn::GetAtt" else {*parameters, *scope.resources}
            yield f"{what} {name}: the template has nothing of that name. {nearest(name, known)}"


def references(value: Any) -> Iterator[tuple[str, str]]:
    """Each name that a value refers to, with the way in which it does."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        if len(value) == 1:
            function, argument = next(iter(value.items()))
            yield from _named_by(function, argument)
        for item in value.values():
            yield from references(item)


def _named_by(function: str, argument: Any) -> Iterator[tuple[str, str]]:
    if function == "Ref" and isinstance(argument, str):
        yield "Ref", argument
    elif function == "Fn::GetAtt":
        first = argument[0] if isinstance(argument, list) and argument else argument
        if isinstance(first, str):
            yield "Fn::GetAtt", first.split(".")[0]
    elif function == "Fn::If" and isinstance(argument, list) and argument and isinstance(argument[0], str):
        yield "Fn::If", argument[0]
    elif function == "Fn::Sub":
        yield from _named_by_sub(argument)


def _named_by_sub(argument: Any) -> Iterator[tuple[str, str]]:
    text, variables, *_ = [*argument, {}] if isinstance(argument, list) and argument else [argument, {}]
    for name in _VARIABLE.findall(text) if isinstance(text, str) else ():
        if not isinstance(variables, dict) or name not in variables:
            yield ("Fn::GetAtt" if "." in name else "Ref"), name.split(".")[0]
