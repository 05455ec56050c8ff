"""
A PostgreSQL server that stages share: the way there, and what is said to it.

A schema of ours tells in its comment whose it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from stagefright.errors import SettingsError, SharedResourceError
from stagefright.shared.declaration import SharedResource

MARK = "stagefright "
"""How the comment of a schema of ours begins; JSON with the run's tags follows."""


class Server:
    """Where the server is, and who we are there."""

    def __init__(self, resource: SharedResource) -> None:
        self._resource = resource
        text = resource.url
        if resource.url_variable is not None:
            text = os.environ.get(resource.url_variable)
            if not text:
                raise SettingsError(
                    f"shared.{resource.name}: the variable {resource.url_variable} is not set. It holds the server's URL: "
                    "postgresql://user:password@host:5432/database."
                )
        parts = urlsplit(str(text))
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not parts.path.strip("/"):
            raise SettingsError(
                f"shared.{resource.name}: the URL is not one of a PostgreSQL database. "
                "Expected postgresql://user:password@host:5432/database."
            )
        self.host = parts.hostname
        self.port = parts.port or 5432
        self.user = unquote(parts.username or "postgres")
        self.password = unquote(parts.password or "")
        self.database = unquote(parts.path.strip("/"))

    def connect(self) -> Any:
        """A connection as the server's user."""
        try:
            from pg8000.exceptions import DatabaseError, InterfaceError
            from pg8000.native import Connection
        except ImportError:
            raise SharedResourceError(
                f"{self._resource.name} needs the driver pg8000: pip install 'stagefright[postgresql]'."
            ) from None
        try:
            return Connection(
                self.user, host=self.host, port=self.port, database=self.database, password=self.password or None
            )
        except (DatabaseError, InterfaceError, OSError) as error:
            raise SharedResourceError(
                f"{self._resource.name}: PostgreSQL at {self.host}:{self.port}, database {self.database}, user {self.user}, could "
                f"not be reached: {_said(error)}. Is the server up, and is the URL right?"
            ) from None

    def comment_of(self, schema: str, connection: Any = None) -> str | None:
        """The comment of a schema, or None."""
        asked = connection or self.connect()
        try:
            rows = run_sql(
                self._resource,
                asked,
                "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name",
                "",
                {"name": schema},
            )
        finally:
            if connection is None:
                asked.close()
        return None if not rows or rows[0][0] is None else str(rows[0][0])


def run_sql(resource: SharedResource, connection: Any, sql: str, hint: str, values: Mapping[str, str]) -> Any:
    """Run a statement; what the server refuses is a `SharedResourceError` with its words."""
    from pg8000.exceptions import DatabaseError, InterfaceError

    try:
        return connection.run(sql, **values)
    except (DatabaseError, InterfaceError, OSError) as error:
        head = re.sub(r"PASSWORD '[^']*'", "PASSWORD '...'", " ".join(sql.split()))[:120]
        raise SharedResourceError(
            f"{resource.name}: PostgreSQL refused `{head}`: {_said(error)}. {hint}".strip()
        ) from None


def drop_schema(resource: SharedResource, connection: Any, schema: str) -> None:
    """
    Drop a schema with all that is in it, and the user who was made for it and has its name.

    Both go or neither does: a user whom a killed process left behind would keep the stage from being made again.
    """

    def run(sql: str, **values: str) -> Any:
        return run_sql(resource, connection, sql, "", values)

    has_user = resource.role and run("SELECT 1 FROM pg_roles WHERE rolname = :name", name=schema)
    if has_user:
        # A transaction that one of its connections left open would hold the schema.
        run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :name", name=schema)
    run("BEGIN")
    try:
        run(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")
        if has_user:
            run(f"DROP OWNED BY {quoted(schema)}")
            run(f"DROP ROLE {quoted(schema)}")
    except SharedResourceError:
        run("ROLLBACK")
        raise
    run("COMMIT")


def _said(error: Exception) -> str:
    """What the server says of an error, in its own words."""
    details = error.args[0] if error.args else ""
    return str(details.get("M", details)) if isinstance(details, dict) else str(error)


def tags_in(comment: str | None) -> dict[str, str] | None:
    """The tags in the comment of a schema of ours; None if it is none of ours."""
    if comment is None or not comment.startswith(MARK):
        return None
    try:
        return dict(json.loads(comment.removeprefix(MARK)))
    except ValueError:
        return None


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"
