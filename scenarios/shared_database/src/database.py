"""The connection of an execution environment, kept from one invocation to the next."""

import os
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from pg8000.dbapi import DatabaseError, InterfaceError, connect

_connection = None


@contextmanager
def transaction():
    """A cursor; what is done with it holds together, or not at all. A connection that was cut meanwhile is opened anew."""
    connection = _alive()
    cursor = connection.cursor()
    try:
        yield cursor
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _alive():
    global _connection
    if _connection is not None:
        try:
            _connection.cursor().execute("SELECT 1")
        except (DatabaseError, InterfaceError, OSError):
            _connection = None
    if _connection is None:
        url = urlsplit(os.environ["DATABASE_URL"])
        _connection = connect(
            unquote(url.username),
            host=url.hostname,
            port=url.port,
            database=url.path.strip("/"),
            password=unquote(url.password or ""),
            timeout=5,
        )
    return _connection
