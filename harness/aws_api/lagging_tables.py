"""
Reads of DynamoDB from a replica that has not heard yet of the last write of each item.

moto answers the very request twice, once from its tables and once from tables as they were, so keys, filters, indexes,
projections and pages of a stale answer are as right as those of a fresh one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stagefright.world import World


def tables_that_may_lag(operation: str, params: Mapping[str, Any]) -> list[str]:
    """The tables of a read that AWS may answer from a replica that lags: all whose part does not say `ConsistentRead`."""
    if operation == "BatchGetItem":
        return [table for table, part in params["RequestItems"].items() if not part.get("ConsistentRead")]
    return [] if params.get("ConsistentRead") else [params["TableName"]]


def stale_answer(world: World, endpoint: Any, request: Any, tables: Iterable[str]) -> bytes | None:
    """What a lagging replica answers to a request that botocore has prepared; None if that is no other than what the table answers."""
    fresh = _answer(endpoint, request)
    with ExitStack() as stack:
        for table in tables:
            stack.enter_context(_lagging(world, table))
        stale = _answer(endpoint, request)
    return stale if stale is not None and fresh is not None and stale != fresh else None


def _answer(endpoint: Any, request: Any) -> bytes | None:
    from stagefright.aws_api.moto_requests import ask_moto

    copied = copy.copy(request)
    copied.headers = copy.copy(request.headers)
    status, _, body = ask_moto(endpoint, copied)
    return body if status == HTTPStatus.OK else None


@contextmanager
def _lagging(world: World, name: str) -> Iterator[None]:
    """While this holds, moto's table has each item as it was before its last write."""
    table = world.table_pasts.table(name)
    if table is None:
        yield
        return
    now = table.items
    table.items = _before(world, name, table)
    try:
        yield
    finally:
        table.items = now


def _before(world: World, name: str, table: Any) -> Any:
    items = copy.copy(table.items)
    for place, entry in items.items():
        items[place] = copy.copy(entry) if table.has_range_key else entry
    for item in table.all_items():
        was_written, _ = world.table_pasts.before_last_write(name, item.to_json()["Attributes"])
        if was_written:
            _remove(items, item)
    for attributes in world.table_pasts.earlier_items(name):
        _put(items, table, attributes)
    return items


def _remove(items: Any, item: Any) -> None:
    if item.range_key is None:
        del items[item.hash_key]
    else:
        del items[item.hash_key][item.range_key]


def _put(items: Any, table: Any, attributes: Mapping[str, Any]) -> None:
    from moto.dynamodb.models.dynamo_type import DynamoType, Item

    hash_key = DynamoType(attributes[table.hash_key_attr])
    if table.has_range_key:
        range_key = DynamoType(attributes[table.range_key_attr])
        items[hash_key][range_key] = Item(hash_key, range_key, attributes)
    else:
        items[hash_key] = Item(hash_key, None, attributes)
