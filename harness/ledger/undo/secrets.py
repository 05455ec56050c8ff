"""Secrets of Secrets Manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import compared, found
from stagefright.ledger.values import fingerprint

GONE = "ResourceNotFoundException"


class Secrets:
    """The kind `secret`; `before` is empty for a secret that had no value."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Compare the value that is there with the one before, and with the one that was written."""
        state = compared(_print(kept_of(account.client("secretsmanager"), entry.name)), _print(entry.before), entry)
        if state.fate is Fate.RESTORE and not entry.before:
            return State(Fate.KEEP, "it had no value, and AWS lets none be taken away again")
        return state

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete the secret for good, or put its old value back as a new version."""
        secrets = account.client("secretsmanager")
        if entry.before is None:
            found(lambda: secrets.delete_secret(SecretId=entry.name, ForceDeleteWithoutRecovery=True), GONE)
        elif entry.before:
            secrets.put_secret_value(SecretId=entry.name, **entry.before)


def kept_of(secrets: Any, name: str) -> dict[str, Any] | None:
    """The value of a secret as PutSecretValue takes it; empty if it has none, None if there is no such secret."""
    described = found(lambda: secrets.describe_secret(SecretId=name), GONE)
    if described is None or described.get("DeletedDate"):
        return None
    value = found(lambda: secrets.get_secret_value(SecretId=name), GONE) or {}
    return {part: value[part] for part in ("SecretString", "SecretBinary") if part in value}


def _print(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else fingerprint(value)
