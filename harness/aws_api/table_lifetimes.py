"""
Times to live: DynamoDB deletes an item some time after the instant that one of its attributes names (aws-semantics §4.6).

Until then reads still see it. The deletion is background work: it happens when time passes, and nobody waits for it, for it may be years away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.table_items import name_of, tables_of

if TYPE_CHECKING:
    from stagefright.world import World

TOO_OLD_S = 5 * 365 * 86_400
"""A time that lies further in the past is taken for a mistake; DynamoDB leaves such items alone (DG dynamodb/TTL)."""

Item = Mapping[str, Mapping[str, Any]]


class TableLifetimes:
    """Sees writes to tables, and deletes what has expired."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._watched: set[tuple[str, str, float]] = set()
        """Table, key and instant of each deletion that is planned."""

    def written(self, operation: str, params: Mapping[str, Any]) -> None:
        """A call has changed a table; what it wrote may have a time to live."""
        if operation in ("UpdateTimeToLive", "ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"):
            self._watch_all()
            return
        for table, item in _writes(operation, params):
            attribute = self._attribute(table)
            if attribute is not None:
                key = self._key(table, item)
                self._watch(table, attribute, key, item if attribute in item else self._item(table, key))

    def restart(self) -> None:
        """Begin anew with what the tables hold now; everything that was planned is gone."""
        self._watched.clear()
        self._watch_all()

    def _watch_all(self) -> None:
        for name, table in tables_of(self._world).items():
            attribute = self._attribute(name)
            if attribute is None:
                continue
            for found in list(table.all_items()):
                item = found.to_json()["Attributes"]
                self._watch(name, attribute, self._key(name, item), item)

    def _attribute(self, table: str) -> str | None:
        """The attribute that says when items of a table expire; None if they do not."""
        found = tables_of(self._world).get(table)
        if found is None or found.ttl.get("TimeToLiveStatus") != "ENABLED":
            return None
        return str(found.ttl["AttributeName"])

    def _key(self, table: str, item: Item) -> dict[str, Any]:
        return {part["AttributeName"]: item[part["AttributeName"]] for part in tables_of(self._world)[table].schema}

    def _item(self, table: str, key: Item) -> Item:
        found: Item = self._client.get_item(TableName=table, Key=key).get("Item", {})
        return found

    @property
    def _client(self) -> Any:
        return self._world.internal_client("dynamodb")

    def _watch(self, table: str, attribute: str, key: Item, item: Item) -> None:
        expires_at = _number(item.get(attribute))
        if expires_at is None or expires_at <= self._world.clock.now() - TOO_OLD_S:
            return
        due = expires_at + self._world.assumptions.dynamodb_ttl_delay_s
        plan = (table, repr(sorted(key.items())), due)
        if plan not in self._watched:
            self._watched.add(plan)
            self._world.kernel.at(due, partial(self._expire, plan, attribute, key), background=True)

    def _expire(self, plan: tuple[str, str, float], attribute: str, key: Item) -> None:
        """Delete the item, unless it is gone, or a later write has prolonged its life and is watched itself."""
        from botocore.exceptions import ClientError

        self._watched.discard(plan)
        latest = self._world.clock.now() - self._world.assumptions.dynamodb_ttl_delay_s
        try:
            with self._world.streams.removal_by_service(), self._world.kernel.blame(None):
                self._client.delete_item(
                    TableName=plan[0],
                    Key=key,
                    ConditionExpression="attribute_type(#ttl, :number) AND #ttl <= :now",
                    ExpressionAttributeNames={"#ttl": attribute},
                    ExpressionAttributeValues={":number": {"S": "N"}, ":now": {"N": f"{latest:f}"}},
                )
        except ClientError:
            return


def _writes(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
    """Table and item (or its key) of each write that a call asked for."""
    if operation == "PutItem":
        yield name_of(params["TableName"]), params["Item"]
    elif operation == "UpdateItem":
        yield name_of(params["TableName"]), params["Key"]
    elif operation == "BatchWriteItem":
        for table, requests in params["RequestItems"].items():
            yield from ((name_of(table), item) for item in _put(requests))
    elif operation == "TransactWriteItems":
        for entry in params["TransactItems"]:
            for kind, part in (("Put", "Item"), ("Update", "Key")):
                if kind in entry:
                    yield name_of(entry[kind]["TableName"]), entry[kind][part]


def _put(requests: Iterable[Mapping[str, Any]]) -> Iterator[Item]:
    return (request["PutRequest"]["Item"] for request in requests if "PutRequest" in request)


def _number(value: Mapping[str, Any] | None) -> float | None:
    """An attribute of type number; any other type is no time to live."""
    try:
        return float((value or {})["N"])
    except (KeyError, TypeError, ValueError):
        return None
