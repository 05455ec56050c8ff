"""
A stage's part of a PostgreSQL server: a schema, and a user who sees nothing else.

The schema's comment says whose it is. Whoever uses that of a local stage holds an advisory lock on a connection of its own for as long as it
lives, so one whose lock is free belongs to nobody who is still there, and is made anew. That of a deployed stage outlives all processes, and
goes with its stage alone.
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
from urllib.parse import quote

from stagefright.errors import SettingsError, SharedResourceError
from stagefright.shared.declaration import SharedResource
from stagefright.shared.postgresql_server import MARK, Server, drop_schema, literal, quoted, run_sql, tags_in
from stagefright.targets.run import RUN_TAG, STAGE_TAG, TAG_PREFIX, Run
from stagefright.tasks import outside_the_world

IDENTIFIER_BYTES_MAX = 63
"""How long PostgreSQL lets a name be; it cuts longer ones without a word."""

STAYS = f"{TAG_PREFIX}stays"
"""A tag in it, if it outlives processes, as that of a deployed stage does."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""A server there is on this machine, which functions in a container call otherwise."""

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
        self._is_made = False
        self._is_found = False

    # -- what functions and tests need -------------------------------------------------------------------------------

    @property
    def user(self) -> str:
        """Who the stage is, to the server."""
        return self.schema if self.resource.role else self._server.user

    @property
    def url(self) -> str:
        """Where this machine finds the stage's schema."""
        return self._url(self._server.host)

    def _url(self, host: str) -> str:
        server = self._server
        password = self._password if self.resource.role else server.password
        path = "" if self.resource.role else f"?options=-csearch_path%3D{self.schema}"
        place = f"[{host}]" if ":" in host else host
        return f"postgresql://{quote(self.user)}:{quote(password)}@{place}:{server.port}/{quote(server.database)}{path}"

    @property
    def parts(self) -> dict[str, str]:
        """The same piece by piece, for drivers that take no URL: `url, schema, user, password, host, port, database`."""
        return self._parts(self._server.host)

    def _parts(self, host: str) -> dict[str, str]:
        server = self._server
        return {
            "url": self._url(host),
            "schema": self.schema,
            "user": self.user,
            "password": self._password if self.resource.role else server.password,
            "host": host,
            "port": str(server.port),
            "database": server.database,
        }

    def parameters_from(self, machine: str | None) -> Mapping[str, str]:
        """What the template's parameters get, for functions that call this machine by that name (None: as we do)."""
        host = machine if machine and self._server.host in LOOPBACK else self._server.host
        return self.resource.filled(self._parts(host))

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

        One that a dead run left is made anew. Raises `SharedResourceError` for one that somebody uses, that a deployed stage has, or that
        is none of ours.
        """
        with outside_the_world():
            self._connection = self._server.connect()
            self._lock()
            if self._is_of_the_deployed_stage():
                raise SharedResourceError(
                    f"{self.resource.name}: the schema {self.schema} is that of the deployed stage {self._stage!r}{self._told()}. Take that "
                    "stage away (`stagefright down`; `stagefright sweep` if its run is dead), or choose another stage (--stage=NAME)."
                )
            self._drop_leftover()
            self._write(directory, note)
            self._kept = self._tables_with_rows()

    def join(self, directory: Path, note: Note | None = None, *, is_updated: bool = False) -> None:
        """
        Make the schema of a stage that outlives this process, or use the one that it has.

        One that is brought up to date (`is_updated`) is migrated again; the files of `sql` are for a new one. Nobody holds its lock but
        while it is made: any run of the stage may come and go.
        """
        with outside_the_world():
            self._connection = self._server.connect()
            self._is_found = self._is_of_the_deployed_stage()
            if not self._is_found:
                self._lock()
                self._drop_leftover()
                self._write(directory, note, stays=True)
                self._run_sql(f"SELECT pg_advisory_unlock({self._lock_key})")
            elif is_updated and self.resource.migrate:
                self._migrate(self.resource.migrate, directory)

    def drop_with_its_stage(self) -> None:
        """Drop the schema of a stage that is taken away, if there is one and it is ours."""
        with outside_the_world():
            self._connection = self._server.connect()
            self._is_found = self._is_of_the_deployed_stage()
        self.close()

    def keep(self) -> None:
        """It stays on purpose: its line in the ledger, if this process made it, says so."""
        keep: Strike = getattr(self._strike, "keep", _nothing)
        keep()

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
                names = ", ".join(f"{quoted(self.schema)}.{quoted(table)}" for table in tables)
                self._run_sql(f"TRUNCATE {names} RESTART IDENTITY")

    def close(self) -> None:
        """Drop the schema with all that is in it, and its user; one that could not be had is not the stage's to drop."""
        if self._connection is None:
            return
        with outside_the_world():
            try:
                if self._is_made or self._is_found:
                    self._drop()
                    self._strike()
            finally:
                self._connection.close()
                self._connection = None

    def give_up(self) -> None:
        """Drop the schema if it was made here; one that was found stays as it was."""
        if self._is_found:
            self.leave()
        else:
            self.close()

    def _write(self, directory: Path, note: Note | None, *, stays: bool = False) -> None:
        if note is not None:
            self._strike = note(
                "schema",
                self.schema,
                role=self.user,
                url=self.resource.url,
                url_variable=self.resource.url_variable,
            )
        self._make(stays=stays)
        self._is_made = True
        self._fill(directory)

    # -- its parts ---------------------------------------------------------------------------------------------------

    @property
    def _lock_key(self) -> int:
        return int.from_bytes(hashlib.sha256(self.schema.encode()).digest()[:8], "big", signed=True)

    def _lock(self) -> None:
        if not self._run_sql(f"SELECT pg_try_advisory_lock({self._lock_key})")[0][0]:
            raise SharedResourceError(
                f"{self.resource.name}: the schema {self.schema} of stage {self._stage!r} is in use{self._told()}. Wait for that run, or "
                "choose another stage (--stage=NAME)."
            )

    def _tags(self) -> dict[str, str]:
        """The tags of the schema that is there; none if there is none, or if it is not ours."""
        return tags_in(self._server.comment_of(self.schema, self._connection)) or {}

    def _is_of_the_deployed_stage(self) -> bool:
        tags = self._tags()
        return tags.get(STAGE_TAG) == self._stage and STAYS in tags

    def _told(self) -> str:
        tags = self._tags()
        return f" by {tags.get(f'{TAG_PREFIX}owner')} (run {tags.get(RUN_TAG)})" if tags else ""

    def _drop_leftover(self) -> None:
        found = self._run_sql("SELECT oid FROM pg_namespace WHERE nspname = :name", name=self.schema)
        if not found:
            return
        stage = self._tags().get(STAGE_TAG)
        if stage != self._stage:
            whose = "Stagefright did not make it" if stage is None else f"it is that of the stage {stage!r}"
            raise SharedResourceError(
                f"{self.resource.name}: there is a schema {self.schema} on {self.host}, and {whose}, so it is left "
                'alone. Choose another stage (--stage=NAME), or another name: schema = "..." in the settings.'
            )
        self._drop()

    def _make(self, *, stays: bool) -> None:
        """All at once or not at all, so that what a killed run leaves says whose it is."""
        self._run_sql("BEGIN")
        try:
            self._make_parts(self._run.tags(self._stage) | ({STAYS: "true"} if stays else {}))
        except SharedResourceError:
            self._run_sql("ROLLBACK")
            self._strike()
            raise
        self._run_sql("COMMIT")

    def _make_parts(self, tags: Mapping[str, str]) -> None:
        schema, user = quoted(self.schema), quoted(self.user)
        if self.resource.role:
            self._make_role(user)
        self._run_sql(f"CREATE SCHEMA {schema}" + (f" AUTHORIZATION {user}" if self.resource.role else ""))
        comment = MARK + json.dumps(tags)
        self._run_sql(f"COMMENT ON SCHEMA {schema} IS {literal(comment)}")

    def _make_role(self, user: str) -> None:
        self._run_sql(
            f"CREATE ROLE {user} LOGIN PASSWORD {literal(self._password)}",
            hint="Give the user of the url the right CREATEROLE, or set role = false.",
        )
        self._run_sql(f"GRANT {user} TO CURRENT_USER")
        self._run_sql(f"ALTER ROLE {user} SET search_path = {quoted(self.schema)}")
        self._run_sql(f"ALTER ROLE {user} SET lock_timeout = '{LOCK_TIMEOUT_S}s'")

    def _drop(self) -> None:
        drop_schema(self.resource, self._connection, self.schema)

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
        user, schema = quoted(self.user), quoted(self.schema)
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
        schema = quoted(self.schema)
        return {
            table
            for table in self._tables()
            if self._run_sql(f"SELECT EXISTS (SELECT 1 FROM {schema}.{quoted(table)})")[0][0]  # noqa: S608 - quoted
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


def _identifier(name: str) -> str:
    """A name that PostgreSQL takes whole, and that needs no quotes; one that is too long ends in a hash of itself."""
    plain = re.sub(r"[^a-z0-9_]+", "_", name.lower())
    if len(plain) <= IDENTIFIER_BYTES_MAX:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()[:8]
    return f"{plain[: IDENTIFIER_BYTES_MAX - 9]}_{digest}"


def _nothing() -> None:
    """Nothing was written into a ledger, so nothing is struck out."""
