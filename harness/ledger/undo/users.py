"""
Users of Cognito's user pools.

A password cannot be read, so it is never overwritten; of a user that was there, attributes are put back one by one, and groups left that
were joined. `detail` has what was written: `attributes`, `groups`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import SKEW_MAX_S, found

GONE = ("UserNotFoundException", "ResourceNotFoundException")


class Users:
    """The kind `user`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """A new user is ours if it was made after the line; of another, what was written must still be there."""
        cognito, where = _asked(entry, account)
        now = found(lambda: cognito.admin_get_user(**where), *GONE)
        if now is None:
            return State(Fate.AS_BEFORE if entry.before is None else Fate.CHANGED, "it is not there")
        if entry.before is None:
            is_ours = now["UserCreateDate"].timestamp() >= entry.at - SKEW_MAX_S
            return State(Fate.DELETE) if is_ours else State(Fate.FOREIGN, "it was there before the run")
        return _compared(attributes_of(now), groups_of(cognito, where), entry)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete the user, or put back its attributes and groups."""
        cognito, where = _asked(entry, account)
        if entry.before is None:
            found(lambda: cognito.admin_delete_user(**where), *GONE)
            return
        old = {name: entry.before["attributes"].get(name) for name in entry.detail["attributes"]}
        for group in _joined(entry):
            found(lambda group=group: cognito.admin_remove_user_from_group(**where, GroupName=group), *GONE)  # type: ignore[misc]
        values = [{"Name": name, "Value": value} for name, value in old.items() if value is not None]
        if values:
            cognito.admin_update_user_attributes(**where, UserAttributes=values)
        added = [name for name, value in old.items() if value is None]
        if added:
            cognito.admin_delete_user_attributes(**where, UserAttributeNames=added)


def _asked(entry: Entry, account: Clients) -> tuple[Any, dict[str, str]]:
    return account.client("cognito-idp"), {"UserPoolId": entry.detail["pool"], "Username": entry.name}


def _joined(entry: Entry) -> list[str]:
    return [group for group in entry.detail["groups"] if group not in entry.before["groups"]]


def _compared(attributes: Mapping[str, str], groups: list[str], entry: Entry) -> State:
    written, old = entry.detail["attributes"], entry.before["attributes"]
    differing = [name for name in written if attributes.get(name) != old.get(name)]
    strange = [name for name in differing if attributes.get(name) != written[name]]
    if strange:
        return State(Fate.CHANGED, f"{', '.join(strange)} is neither what it was nor what was written")
    if differing or set(_joined(entry)) & set(groups):
        return State(Fate.RESTORE)
    return State(Fate.AS_BEFORE)


def attributes_of(user: Mapping[str, Any]) -> dict[str, str]:
    """The attributes of a user that AdminGetUser gave."""
    return {attribute["Name"]: attribute["Value"] for attribute in user["UserAttributes"]}


def groups_of(cognito: Any, where: Mapping[str, str]) -> list[str]:
    """The groups that a user is in."""
    pages = cognito.get_paginator("admin_list_groups_for_user").paginate(**where)
    return [group["GroupName"] for page in pages for group in page["Groups"]]
