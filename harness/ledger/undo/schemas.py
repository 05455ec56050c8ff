"""Schemas of a PostgreSQL database that stages share."""

from __future__ import annotations

from typing import Any

from stagefright.errors import UsageError
from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import RUN_TAG

_COMMENT = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s"


def comment_of(run: str) -> str:
    """What the comment of a schema says of its run; to be set in the transaction that creates it."""
    return f"{RUN_TAG}={run}"


class Schemas:
    """The kind `schema`. It is not the account's, so the account is not asked."""

    def look(self, entry: Entry, account: Clients) -> State:  # noqa: ARG002
        """Whether there is a schema of that name, and whether its comment names the run."""
        with _connection(entry) as connection:
            row = connection.execute(_COMMENT, (entry.name,)).fetchone()
        if row is None:
            return State(Fate.AS_BEFORE)
        if comment_of(entry.run) in (row[0] or ""):
            return State(Fate.DELETE)
        return State(Fate.FOREIGN, "its comment does not name the run")

    def undo(self, entry: Entry, account: Clients) -> None:  # noqa: ARG002
        """Drop it, with all that is in it."""
        from psycopg import sql

        with _connection(entry) as connection:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(entry.name)))


def _connection(entry: Entry) -> Any:
    """A connection whose work is done when its block ends."""
    try:
        import psycopg
    except ImportError:
        raise UsageError(
            f"The schema {entry.name} lies in PostgreSQL, and psycopg is not installed: pip install 'psycopg[binary]'"
        ) from None
    try:
        return psycopg.connect(entry.detail["url"], connect_timeout=10)
    except psycopg.OperationalError as error:
        raise UsageError(f"The database of the schema {entry.name} could not be reached: {error}") from None
