"""Which method of a REST API a request goes to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from stagefright.services.apis.rest_model import RestMethod, RestResource, RestSnapshot

STATIC, VARIABLE, GREEDY = range(3)


class RestMatch(NamedTuple):
    """A resource's method, and what the path's variables stand for."""

    resource: RestResource
    method: RestMethod
    path_parameters: dict[str, str]


def find(api: RestSnapshot, method: str, path: str) -> RestMatch | None:
    """
    The method of the most specific resource that has it: a literal part beats a variable, which beats a greedy one.

    A method of its own beats `ANY` of the same resource. `path` is without its stage and as the client wrote it.
    """
    found = min(_candidates(api, method, path), key=lambda candidate: candidate[0], default=None)
    return None if found is None else found[1]


def _candidates(api: RestSnapshot, method: str, path: str) -> Iterator[tuple[tuple[tuple[int, ...], bool], RestMatch]]:
    for resource in api.resources:
        parameters = path_parameters(resource.path, path)
        own = resource.methods.get(method) or resource.methods.get("ANY")
        if parameters is not None and own is not None:
            rank = tuple(_rank(part) for part in _parts(resource.path))
            yield (rank, own.name == "ANY"), RestMatch(resource, own, parameters)


def path_parameters(template: str, path: str) -> dict[str, str] | None:
    """
    The variables of a path, decoded, or None if it does not match.

    >>> path_parameters("/users/{id}", "/users/a%2Fb/")
    {'id': 'a/b'}
    >>> path_parameters("/files/{proxy+}", "/files/a/b")
    {'proxy': 'a/b'}
    """
    wanted, given = _parts(template), _parts(path)
    found: dict[str, str] = {}
    for place, part in enumerate(wanted):
        if place >= len(given):
            return None
        if _rank(part) == GREEDY:
            return found | {part[1:-2]: unquote("/".join(given[place:]))}
        if _rank(part) == VARIABLE:
            found[part[1:-1]] = unquote(given[place])
        elif part != unquote(given[place]):
            return None
    return found if len(wanted) == len(given) else None


def _parts(path: str) -> list[str]:
    stripped = path.strip("/")
    return stripped.split("/") if stripped else []


def _rank(part: str) -> int:
    if not (part.startswith("{") and part.endswith("}")):
        return STATIC
    return GREEDY if part.endswith("+}") else VARIABLE
