"""
What items of DynamoDB were before their last write, which an eventually consistent read may still answer with.

DynamoDB's reads are eventually consistent unless they say `ConsistentRead` (DG HowItWorks.ReadConsistency).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.table_items import name_of, tables_of

if TYPE_CHECKING:
    from stagefright.world import World

Item = dict[str, Any]
Past = tuple[tuple[str, str], Any]
"""Table and key, and what was there: moto's own item where the write replaces it, a copy where it changes it, None if nothing was."""


class TablePasts:
    """
    Remembers each written item as it was before.

    Every write pays for this, and hardly any test ever asks, so what was is put into words only when somebody does.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._before: dict[tuple[str, str], Any] = {}

    def about_to_write(self, operation: str, params: Mapping[str, Any]) -> list[Past]:
        """The items that a call is about to write, as they are."""
        tables = tables_of(self._world)
        return [
            past
            for table, item, in_place in _writes(operation, params)
            if (past := _now(tables, name_of(table), item, in_place=in_place)) is not None
        ]

    def written(self, pasts: list[Past]) -> None:
        """The call has written them."""
        self._before.update(pasts)

    def before_last_write(self, table: str, key: Item) -> tuple[bool, Item | None]:
        """Whether an item was ever written, and what it was before the last time."""
        name = name_of(table)
        found = tables_of(self._world).get(name)
        identity = "" if found is None else _identity(_key_names(found), key)
        return (name, identity) in self._before, _in_words(self._before.get((name, identity)))

    def earlier_items(self, table: str) -> list[Item]:
        """The items of a table that were something else before their last write, as they were."""
        found = (_in_words(was) for (name, _), was in self._before.items() if name == name_of(table))
        return [item for item in found if item is not None]

    def table(self, name: str) -> Any:
        """moto's table of this name or ARN, or None."""
        return tables_of(self._world).get(name_of(name))

    def clear(self) -> None:
        """Forget everything."""
        self._before.clear()


def _now(tables: Mapping[str, Any], name: str, item: Mapping[str, Any], *, in_place: bool) -> Past | None:
    from moto.dynamodb.models.dynamo_type import DynamoType

    table = tables.get(name)
    if table is None:
        return None
    names = _key_names(table)
    if not all(name in item for name in names):
        return None  # moto refuses the call
    found = table.get_item(*(DynamoType(item[name]) for name in names))
    return (name, _identity(names, item)), _in_words(found) if in_place else found


def _key_names(table: Any) -> list[str]:
    """The hash key, and the range key if there is one."""
    names = [table.hash_key_attr]
    if table.range_key_attr is not None:
        names.append(table.range_key_attr)
    return names


def _identity(names: list[str], item: Mapping[str, Any]) -> str:
    return repr([sorted(item[name].items()) for name in names])


def _in_words(was: Any) -> Item | None:
    if was is None or isinstance(was, dict):
        return was
    attributes: Item = was.to_json()["Attributes"]
    return attributes


def _writes(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Table, item (or its key), and whether moto changes the item in place, for each write that a call asks for."""
    if operation == "PutItem":
        yield params["TableName"], params["Item"], False
    elif operation in ("UpdateItem", "DeleteItem"):
        yield params["TableName"], params["Key"], operation == "UpdateItem"
    elif operation == "BatchWriteItem":
        for table, requests in params["RequestItems"].items():
            for request in requests:
                yield from ((table, part.get("Item") or part["Key"], False) for part in request.values())
    elif operation == "TransactWriteItems":
        for entry in params["TransactItems"]:
            for kind, part in entry.items():
                if kind != "ConditionCheck":
                    yield part["TableName"], part.get("Item") or part["Key"], kind == "Update"
