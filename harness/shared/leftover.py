"""The schema of a stage whose run is dead, on a PostgreSQL server: whose it is, and its end."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from stagefright.shared.declaration import SharedResource
from stagefright.shared.postgresql_server import Server, drop_schema, run_sql, tags_in
from stagefright.tasks import outside_the_world


class Leftover:
    """A schema by its name; as a context manager it holds a connection."""

    def __init__(self, resource: SharedResource, schema: str) -> None:
        self._resource = resource
        self._schema = schema
        self._server = Server(resource)
        self._connection: Any = None

    def __enter__(self) -> Self:
        with outside_the_world():
            self._connection = self._server.connect()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @property
    def is_there(self) -> bool:
        """Whether there is a schema of that name."""
        return bool(self._run("SELECT 1 FROM pg_namespace WHERE nspname = :name", name=self._schema))

    @property
    def tags(self) -> dict[str, str]:
        """The run's tags, which stand in the schema's comment; none if it is not ours."""
        return tags_in(self._server.comment_of(self._schema, self._connection)) or {}

    def drop(self) -> None:
        """Drop the schema with all that is in it, and the user that was made for it."""
        with outside_the_world():
            drop_schema(self._resource, self._connection, self._schema)

    def _run(self, sql: str, **values: str) -> Any:
        with outside_the_world():
            return run_sql(self._resource, self._connection, sql, "", values)
