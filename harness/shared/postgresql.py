"""
A stage's part of a PostgreSQL server: a schema, and a user who sees nothing else.

The schema's comment says whose it is. Whoever uses it holds an advisory lock on a connection of its own for as long as it lives, so a
schema whose lock is free belongs to nobody who is still there, and is made anew.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from stagefright.errors import SettingsError, SharedResourceError
from stagefright.shared.declaration import SharedResource
from stagefright.targets.run import Run
from stagefright.tasks import outside_the_world

IDENTIFIER_BYTES_MAX = 63
"""How long PostgreSQL lets a name be; it cuts longer ones without a word."""

MARK = "stagefright "
"""How the comment of a schema of ours begins; JSON with the run's tags follows."""

LOCK_TIMEOUT_S = 10
"""How long a statement of a stage waits for a lock: one function runs at a time here, so who holds it may be waiting for this very one."""

Strike = Callable[[], None]
"""Strikes a line of the ledger out."""

Note = Callable[..., Strike]
"""Writes something into the ledger before it is made."""


class PostgresqlSchema:
    """One stage's schema, from its making to its end."""

    def __init__(self, resource: SharedResource, *, service: str, stage: str, copy: str, run: Run) -> None:
        self.resource = resource
        self._server = Server(resource)
        self._run = run
        self._stage = stage
        name = resource.schema.format(service=service, stage=stage) + (f"_{copy}" if copy else "")
        self.schema = _identifier(name)
        self._connection: Any = None
        # Whoever may open the server's door can work it out again, so that a later run gets on with a stage that stayed.
        self._password = hmac.digest(self._server.password.encode(), self.schema.encode(), "sha256").hex()[:32]
        self._kept: set[str] = set()
        self._strike: Strike = _nothing

    # -- what functions and tests need -------------------------------------------------------------------------------

    @property
    def user(self) -> str:
        """Who the stage is, to the server."""
        return self.schema if self.resource.role else self._server.user

    @property
    def url(self) -> str:
        """Where the stage's functions find their schema."""
        server = self._server
        password = self._password if self.resource.role else server.password
        path = "" if self.resource.role else f"?options=-csearch_path%3D{self.schema}"
        return f"postgresql://{quote(self.user)}:{quote(password)}@{server.host}:{server.port}/{quote(server.database)}{path}"

    @property
    def parts(self) -> dict[str, str]:
        """The same piece by piece, for drivers that take no URL: `url, schema, user, password, host, port, database`."""
        server = self._server
        return {
            "url": self.url,
            "schema": self.schema,
            "user": self.user,
            "password": self._password if self.resource.role else server.password,
            "host": server.host,
            "port": str(server.port),
            "database": server.database,
        }

    @property
    def parameters(self) -> Mapping[str, str]:
        """What the template's parameters get."""
        return self.resource.filled(self.parts)

    @property
    def host(self) -> str:
        """The server's host, which functions may reach."""
        return self._server.host

    def cut_connections(self) -> None:
        """End every connection of the stage's user, as a failover or an administrator does; only where it has a user of its own."""
        self._refuse_without_role()
        with outside_the_world():
            self._run_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :name", name=self.user
            )

    def _refuse_without_role(self) -> None:
        if not self.resource.role:
            raise SharedResourceError(
                f"{self.resource.name}: with role = false the stage's connections cannot be told from those of others."
            )

    # -- life --------------------------------------------------------------------------------------------------------

    def create(self, directory: Path, note: Note | None = None) -> None:
        """
        Make the schema, and fill it as the settings say.

        One that a dead run left is made anew. Raises `SharedResourceError` for one that somebody uses, or that is none of ours.
        """
        with outside_the_world():
            self._connection = self._server.connect()
            self._lock()
            self._drop_leftover()
            self._write(directory, note)
            self._kept = self._tables_with_rows()

    def join(self, directory: Path, note: Note | None = None) -> None:
        """
        Make the schema of a stage that outlives this process, or use the one that it has.

        Nobody holds its lock: any run of the stage may come and go.
        """
        with outside_the_world():
            self._connection = self._server.connect()
            tags = tags_in(self._server.comment_of(self.schema, self._connection))
            if tags is not None and tags.get("stagefright:stage") == self._stage:
                return
            self._drop_leftover()
            self._write(directory, note)

    def leave(self) -> None:
        """Let go of the schema, which stays with its stage."""
        if self._connection is not None:
            with outside_the_world():
                self._connection.close()
            self._connection = None

    def reset(self) -> None:
        """Empty every table that was empty when the schema was made; sequences begin again."""
        if self.resource.reset == "keep":
            return
        with outside_the_world():
            self._end_transactions()
            tables = [name for name in self._tables() if name not in self._kept]
            if tables:
                names = ", ".join(f"{_quoted(self.schema)}.{_quoted(table)}" for table in tables)
                self._run_sql(f"TRUNCATE {names} RESTART IDENTITY")

    def close(self) -> None:
        """Drop the schema with all that is in it, and its user."""
        if self._connection is None:
            return
        with outside_the_world():
            try:
                self._end_transactions()
                self._drop()
                self._strike()
            finally:
                self._connection.close()
                self._connection = None

    def _write(self, directory: Path, note: Note | None) -> None:
        if note is not None:
            self._strike = note(
                "schema",
                self.schema,
                role=self.user,
                url=self.resource.url,
                url_variable=self.resource.url_variable,
            )
        self._make()
        self._fill(directory)

    # -- its parts ---------------------------------------------------------------------------------------------------

    def _lock(self) -> None:
        key = int.from_bytes(hashlib.sha256(self.schema.encode()).digest()[:8], "big", signed=True)
        if not self._run_sql(f"SELECT pg_try_advisory_lock({key})")[0][0]:
            self._connection.close()
            self._connection = None
            raise SharedResourceError(
                f"{self.resource.name}: the schema {self.schema} of stage {self._stage!r} is in use"
                f"{self._told(self._server.comment_of(self.schema))}. Wait for that run, or choose another stage (--stage=NAME)."
            )

    @staticmethod
    def _told(comment: str | None) -> str:
        tags = tags_in(comment)
        return f" by {tags.get('stagefright:owner')} (run {tags.get('stagefright:run')})" if tags else ""

    def _drop_leftover(self) -> None:
        found = self._run_sql("SELECT oid FROM pg_namespace WHERE nspname = :name", name=self.schema)
        if not found:
            return
        if tags_in(self._server.comment_of(self.schema, self._connection)) is None:
            raise SharedResourceError(
                f"{self.resource.name}: there is a schema {self.schema} on {self.host}, and Stagefright did not make it, so it is left "
                'alone. Choose another stage (--stage=NAME), or another name: schema = "..." in the settings.'
            )
        self._drop()

    def _make(self) -> None:
        """All at once or not at all, so that what a killed run leaves says whose it is."""
        self._run_sql("BEGIN")
        try:
            self._make_parts()
        except SharedResourceError:
            self._run_sql("ROLLBACK")
            raise
        self._run_sql("COMMIT")

    def _make_parts(self) -> None:
        schema, user = _quoted(self.schema), _quoted(self.user)
        if self.resource.role:
            self._make_role(user)
        self._run_sql(f"CREATE SCHEMA {schema}" + (f" AUTHORIZATION {user}" if self.resource.role else ""))
        comment = MARK + json.dumps(self._run.tags(self._stage))
        self._run_sql(f"COMMENT ON SCHEMA {schema} IS {_literal(comment)}")

    def _make_role(self, user: str) -> None:
        self._run_sql(
            f"CREATE ROLE {user} LOGIN PASSWORD {_literal(self._password)}",
            hint="Give the user of the url the right CREATEROLE, or set role = false.",
        )
        self._run_sql(f"GRANT {user} TO CURRENT_USER")
        self._run_sql(f"ALTER ROLE {user} SET search_path = {_quoted(self.schema)}")
        self._run_sql(f"ALTER ROLE {user} SET lock_timeout = '{LOCK_TIMEOUT_S}s'")

    def _drop(self) -> None:
        self._run_sql(f"DROP SCHEMA IF EXISTS {_quoted(self.schema)} CASCADE")
        if self.resource.role and self._run_sql("SELECT 1 FROM pg_roles WHERE rolname = :name", name=self.user):
            user = _quoted(self.user)
            self._run_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :name", name=self.user
            )
            self._run_sql(f"DROP OWNED BY {user}")
            self._run_sql(f"DROP ROLE {user}")

    def _fill(self, directory: Path) -> None:
        for name in self.resource.sql:
            self._run_file(directory / name)
        if self.resource.migrate:
            self._migrate(self.resource.migrate, directory)

    def _run_file(self, file: Path) -> None:
        try:
            text = file.read_text("utf-8")
        except OSError as error:
            raise SettingsError(f"shared.{self.resource.name}: sql names {file}: {error.strerror}.") from None
        user, schema = _quoted(self.user), _quoted(self.schema)
        reset = "RESET ROLE; RESET search_path"
        if self.resource.role:
            self._run_sql(f"SET ROLE {user}")
        self._run_sql(f"SET search_path = {schema}")
        try:
            self._run_sql(text, hint=f"It stands in {file}.")
        finally:
            self._run_sql(reset)

    def _migrate(self, command: str, directory: Path) -> None:
        done = subprocess.run(  # noqa: S602 - the user's own command, from the user's own settings
            command,
            shell=True,
            check=False,
            cwd=directory,
            env={**os.environ, "DATABASE_URL": self.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            tail = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-15:])
            raise SharedResourceError(
                f"{self.resource.name}: {command!r} ended with code {done.returncode} in the schema {self.schema}:\n{tail}"
            )

    def _tables(self) -> list[str]:
        rows = self._run_sql("SELECT tablename FROM pg_tables WHERE schemaname = :name ORDER BY 1", name=self.schema)
        return [str(row[0]) for row in rows]

    def _tables_with_rows(self) -> set[str]:
        schema = _quoted(self.schema)
        return {
            table
            for table in self._tables()
            if self._run_sql(f"SELECT EXISTS (SELECT 1 FROM {schema}.{_quoted(table)})")[0][0]  # noqa: S608 - quoted
        }

    def _end_transactions(self) -> None:
        """A handler that was dropped in the middle of a transaction may still hold locks; its environment is gone, and so is this."""
        if self.resource.role:
            self._run_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE usename = :name AND state LIKE 'idle in transaction%'",
                name=self.user,
            )

    def _run_sql(self, sql: str, *, hint: str = "", **values: str) -> Any:
        return run_sql(self.resource, self._connection, sql, hint, values)


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


def _identifier(name: str) -> str:
    """A name that PostgreSQL takes whole, and that needs no quotes; one that is too long ends in a hash of itself."""
    plain = re.sub(r"[^a-z0-9_]+", "_", name.lower())
    if len(plain) <= IDENTIFIER_BYTES_MAX:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()[:8]
    return f"{plain[: IDENTIFIER_BYTES_MAX - 9]}_{digest}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _nothing() -> None:
    """Nothing was written into a ledger, so nothing is struck out."""
