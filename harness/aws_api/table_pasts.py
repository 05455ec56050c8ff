"""
What items of DynamoDB were before their last write, which an eventually consistent read may still answer with.

DynamoDB's reads are eventually consistent unless they say `ConsistentRead` (DG HowItWorks.ReadConsistency).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stagefright.world import World

Item = dict[str, Any]
Past = tuple[tuple[str, str], Item | None]
"""Table and key, and the item that was there; None if there was none."""


class TablePasts:
    """Remembers each written item as it was before."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before: dict[tuple[str, str], Item | None] = {}

    def about_to_write(self, operation: str, params: Mapping[str, Any]) -> list[Past]:
        """The items that a call is about to write, as they are."""
        return [past for table, item in _writes(operation, params) for past in self._now(_name(table), item)]

    def written(self, pasts: list[Past]) -> None:
        """The call has written them."""
        self._before.update(pasts)

    def before_last_write(self, table: str, key: Item) -> tuple[bool, Item | None]:
        """Whether an item was ever written, and what it was before the last time."""
        name = _name(table)
        found = self._table(name)
        identity = "" if found is None else self._identity(found, key)
        return (name, identity) in self._before, self._before.get((name, identity))

    def earlier_items(self, table: str) -> list[Item]:
        """The items of a table that were something else before their last write, as they were."""
        return [item for (name, _), item in self._before.items() if name == _name(table) and item is not None]

    def table(self, name: str) -> Any:
        """moto's table of this name or ARN, or None."""
        return self._table(_name(name))

    def clear(self) -> None:
        """Forget everything."""
        self._before.clear()

    def _now(self, name: str, item: Mapping[str, Any]) -> Iterator[Past]:
        table = self._table(name)
        if table is None or not all(part["AttributeName"] in item for part in table.schema):
            return  # moto refuses the call
        found = self._found(table, item)
        yield (name, self._identity(table, item)), None if found is None else found.to_json()["Attributes"]

    def _table(self, name: str) -> Any:
        from moto.dynamodb.models import dynamodb_backends

        return dynamodb_backends[self._world.account][self._world.region].tables.get(name)

    def _identity(self, table: Any, item: Mapping[str, Any]) -> str:
        return repr([sorted(item[part["AttributeName"]].items()) for part in table.schema])

    def _found(self, table: Any, item: Mapping[str, Any]) -> Any:
        from moto.dynamodb.models.dynamo_type import DynamoType

        return table.get_item(*(DynamoType(item[part["AttributeName"]]) for part in _hash_first(table.schema)))


def _hash_first(schema: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(schema, key=lambda part: part["KeyType"] != "HASH")


def _writes(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Table and item (or its key) of each write that a call asks for."""
    if operation in ("PutItem", "UpdateItem", "DeleteItem"):
        yield params["TableName"], params["Item"] if operation == "PutItem" else params["Key"]
    elif operation == "BatchWriteItem":
        for table, requests in params["RequestItems"].items():
            for request in requests:
                yield from ((table, part.get("Item") or part["Key"]) for part in request.values())
    elif operation == "TransactWriteItems":
        for entry in params["TransactItems"]:
            for kind, part in entry.items():
                if kind != "ConditionCheck":
                    yield part["TableName"], part.get("Item") or part["Key"]


def _name(table: str) -> str:
    """A table's name, which may be given as its ARN."""
    return table.rpartition("/")[2]
