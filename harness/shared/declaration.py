"""The tables `[tool.stagefright.shared.NAME]`: which servers stages share, and how functions learn of their part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from stagefright.errors import nearest

KINDS = ("postgresql",)

RESETS = ("truncate", "keep")
"""What happens to the data before each test on a local stage."""

PLACES = ("url", "schema", "user", "password", "host", "port", "database")
"""What the value of a template parameter may name in braces."""


class Malformed(Exception):
    """A declaration cannot be used; the text says why."""


@dataclass(frozen=True, kw_only=True)
class SharedResource:
    """
    One server that stages share.

    Exactly one of `url` and `url_variable` says where it is; the latter names a variable of the environment, so that no password
    needs to be written down.
    """

    name: str
    kind: str
    url: str | None = None
    """Where the server is, with a user who may create schemas: `postgresql://admin:secret@db.example.test:5432/orders`."""
    url_variable: str | None = None
    """The variable of the environment that holds it."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the template and what they get; `{url}`, `{schema}`, `{host}` and so on are replaced."""
    schema: str = "{service}_{stage}"
    """What a stage's schema is called; hyphens become underscores."""
    sql: tuple[str, ...] = ()
    """Files that are run in the new schema, in this order."""
    migrate: str | None = None
    """A command that fills the new schema, after `sql`; it finds the stage's own URL in DATABASE_URL."""
    role: bool = True
    """Whether the stage gets a user of its own, who sees nothing else; without, it uses the server's user and a search path."""
    reset: str = RESETS[0]
    """Whether the tables are emptied before each test on a local stage; those that hold rows once the schema is filled are kept."""

    @classmethod
    def read(cls, name: str, table: object) -> SharedResource:
        """
        A declaration from what the settings hold. Raises `Malformed`.

        >>> SharedResource.read("Orders", {"kind": "postgresql", "url_variable": "ORDERS_URL"}).schema
        '{service}_{stage}'
        """
        if not isinstance(table, Mapping):
            raise Malformed(f"{name} is a table with a kind and a url; received {table!r}.")
        known = [one.name for one in fields(cls) if one.name != "name"]
        for key in table:
            if key not in known:
                raise Malformed(f"{name} has no key {key!r}. {nearest(key, known)}")
        found = cls(name=name, **{"kind": "", **_texts(name, table)})
        found._check()
        return found

    def _check(self) -> None:
        if self.kind not in KINDS:
            raise Malformed(f"{self.name} needs a kind, one of {', '.join(KINDS)}; received {self.kind!r}.")
        if self.reset not in RESETS:
            raise Malformed(f"{self.name}: reset is one of {', '.join(RESETS)}; received {self.reset!r}.")
        if (self.url is None) == (self.url_variable is None):
            raise Malformed(
                f"{self.name} needs either url or url_variable, the variable of the environment that holds it."
            )
        for parameter, text in self.parameters.items():
            self._fill(f"the parameter {parameter}", text, dict.fromkeys(PLACES, ""))
        self._fill("schema", self.schema, {"service": "", "stage": ""})

    def filled(self, values: Mapping[str, str]) -> dict[str, str]:
        """The template's parameters for a stage, by name."""
        return {name: self._fill(f"the parameter {name}", text, values) for name, text in self.parameters.items()}

    def _fill(self, what: str, text: str, values: Mapping[str, str]) -> str:
        try:
            return text.format_map(values)
        except (KeyError, IndexError, ValueError, AttributeError):
            known = ", ".join(f"{{{place}}}" for place in values)
            raise Malformed(
                f"{self.name}: {what} is {text!r}, and may name {known}; a brace itself is doubled."
            ) from None


def _texts(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """The values, each of the type that its key has."""
    found = dict(table)
    if "sql" in found:
        files = [found["sql"]] if isinstance(found["sql"], str) else found["sql"]
        _refuse_unless(
            isinstance(files, list) and all(isinstance(one, str) for one in files), name, "sql", "file names"
        )
        found["sql"] = tuple(files)
    if "parameters" in found:
        parameters = found["parameters"]
        is_table = isinstance(parameters, Mapping) and all(isinstance(value, str) for value in parameters.values())
        _refuse_unless(is_table, name, "parameters", "a table of texts")
    if "role" in found:
        _refuse_unless(isinstance(found["role"], bool), name, "role", "true or false")
    for key in ("kind", "url", "url_variable", "schema", "migrate", "reset"):
        if key in found:
            _refuse_unless(isinstance(found[key], str) and bool(found[key]), name, key, "text")
    return found


def _refuse_unless(fits: bool, name: str, key: str, expected: str) -> None:
    if not fits:
        raise Malformed(f"{name}: {key} is {expected}.")
