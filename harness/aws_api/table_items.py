"""moto's tables, and items that a fault puts into one of them, beside one that somebody has changed."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stagefright.world import World

NUMBER_BASE = 10**30
"""Where the numbers of such keys begin: no table of a test has one as big, and DynamoDB keeps 38 digits."""


def tables_of(world: World) -> Mapping[str, Any]:
    """The tables of a world by name; none if nobody has asked DynamoDB for anything yet."""
    models = sys.modules.get("moto.dynamodb.models")
    if models is None:
        return {}
    # `get` and not `[]`: moto makes an account and a region that are not there, behind a lock, and every write asks for them.
    backend = models.dynamodb_backends.get(world.account, {}).get(world.region)
    tables: Mapping[str, Any] = {} if backend is None else backend.tables
    return tables


def name_of(table: str) -> str:
    """A table's name, which may be given as its ARN."""
    return table.rpartition("/")[2]


def put_beside(table: Any, changed: Any, attributes: Mapping[str, Any], number: int) -> None:
    """
    Put an item with a new key and these attributes, plain Python values, into moto's `table`.

    Where the table has a sort key the item joins the changed one's collection, so whoever keeps order by partition key meets it next.
    """
    from boto3.dynamodb.types import TypeSerializer

    serialize = TypeSerializer().serialize
    keys = {table.hash_key_attr: _new_key(table.hash_key_type, number)}
    if table.range_key_attr is not None:
        keys = {
            table.hash_key_attr: dict(changed.attrs[table.hash_key_attr].to_json()),
            table.range_key_attr: _new_key(table.range_key_type, number),
        }
    table.put_item({**{name: serialize(value) for name, value in attributes.items()}, **keys})


def _new_key(kind: str, number: int) -> dict[str, str]:
    name = f"poison-{number}"
    values = {"S": name, "N": str(NUMBER_BASE + number), "B": base64.b64encode(name.encode()).decode()}
    return {kind: values[kind]}
