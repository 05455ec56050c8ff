"""Items of DynamoDB's tables."""

from __future__ import annotations

from typing import Any

from stagefright.ledger.kinds import Clients, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import compared, found
from stagefright.ledger.values import fingerprint

GONE = "ResourceNotFoundException"
"""The table went, and its items with it."""


class Items:
    """The kind `item`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Compare the item that is there with what was there before, and with what was written."""
        return compared(_print(self._now(entry, account)), _print(entry.before), entry)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete the item, or put back what was there."""
        dynamodb = account.client("dynamodb")
        if entry.before is None:
            found(lambda: dynamodb.delete_item(TableName=entry.name, Key=entry.detail["key"]), GONE)
        else:
            dynamodb.put_item(TableName=entry.name, Item=entry.before)

    def _now(self, entry: Entry, account: Clients) -> Any:
        key = {"TableName": entry.name, "Key": entry.detail["key"], "ConsistentRead": True}
        answer = found(lambda: account.client("dynamodb").get_item(**key), GONE)
        # Where the whole table went nothing can be put back either, and nothing is left.
        return entry.before if answer is None else answer.get("Item")


def _print(item: Any) -> str | None:
    return None if item is None else fingerprint(item)
