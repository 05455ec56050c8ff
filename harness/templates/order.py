"""The order of deployment: what is referred to comes first, and otherwise the order of the template."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping

Dependencies = Mapping[str, Collection[str]]
"""For each logical id, those that must be there before it."""


def deployment_order(dependencies: Dependencies) -> list[str]:
    """
    All ids, each after those it needs; fewer than all if there is a cycle.

    >>> deployment_order({"Mapping": ["Function"], "Queue": [], "Function": ["Role"], "Role": []})
    ['Queue', 'Role', 'Function', 'Mapping']
    """
    rank = {name: place for place, name in enumerate(dependencies)}
    missing = {name: len(set(needed)) for name, needed in dependencies.items()}
    waiting = _dependents(dependencies)
    ready = [(rank[name], name) for name, count in missing.items() if not count]
    order = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for dependent in waiting[name]:
            missing[dependent] -= 1
            if not missing[dependent]:
                heapq.heappush(ready, (rank[dependent], dependent))
    return order


def _dependents(dependencies: Dependencies) -> dict[str, list[str]]:
    waiting: dict[str, list[str]] = {name: [] for name in dependencies}
    for name, needed in dependencies.items():
        for other in set(needed):
            waiting[other].append(name)
    return waiting


def find_cycle(dependencies: Dependencies) -> list[str]:
    """
    Ids that need each other, the first one repeated at the end; empty if there are none.

    >>> find_cycle({"A": ["B"], "B": ["C"], "C": ["B"]})
    ['B', 'C', 'B']
    """
    stuck = [name for name in dependencies if name not in set(deployment_order(dependencies))]
    if not stuck:
        return []
    path = [stuck[0]]
    while path[-1] not in path[:-1]:
        path.append(next(other for other in dependencies[path[-1]] if other in stuck))
    return path[path.index(path[-1]) :]
