"""
The settings of a stage: read once, from pyproject.toml, the environment and the options, into one frozen object.

Precedence: option (or keyword argument) > environment (`STAGEFRIGHT_REGION=...`) > the table of a stage pattern
(`[tool.stagefright.stages."pr-*"]`) > `[tool.stagefright]` > default. Settings that are tables (`parameters`, `exports`,
`executor`, ...) are merged key by key along the same order, so a stage can change one parameter and keep the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagefright.errors import SettingsError, UsageError, nearest

if TYPE_CHECKING:
    from stagefright.spans import Span

ENVIRONMENT_PREFIX = "STAGEFRIGHT_"

TARGETS = ("local", "docker", "aws")
"""Where a stage may live: in this process, in an emulator, in an account."""

CHAOS_RUNTIMES = ("inject", "none")
"""What the functions of a stage that we deploy are given to obey their flags: our runtime, or nothing."""

PROBABILITIES = ("duplicate_probability", "reorder_probability")
"""What `at_least_once` sets: a number for all resources, or a table of logical id (or pattern) = number."""

DEFAULT_STAGE = "local"
"""The stage of a run that names none."""

NOT_SETTINGS = frozenset(
    {"STAGE", "FUNCTION", "HANDLER", "FLAG_PARAM", "FLAG_TTL"}
    | {"TAGS", "TAG_STAGE", "TAG_RUN", "TAG_OWNER", "TAG_CREATED", "TAG_EXPIRES"}
)
"""Variables with our prefix that are no settings: the stage's name, what the in-function runtime reads, and tags for `deploy` commands."""

_STAGE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class _Refused(Exception):
    """A value is not of the kind that a setting takes; the text, if there is one, says what is wrong inside it."""


@dataclass(frozen=True)
class Kind:
    """What a setting accepts: in words, from TOML or Python, and from the text of an environment variable."""

    expected: str
    read: Callable[[object], Any]
    from_text: Callable[[str], object] = str


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _Refused
    return value


def _account(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{12}", value):
        raise _Refused
    return value


def _target(value: object) -> str:
    if value not in TARGETS:
        raise _Refused
    return str(value)


def _chaos_runtime(value: object) -> str:
    if value not in CHAOS_RUNTIMES:
        raise _Refused
    return str(value)


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Refused
    return value


def _seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Refused
    return value


def _amount(value: object) -> int:
    amount = _seed(value)
    if amount < 1:
        raise _Refused
    return amount


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise _Refused
    return float(value)


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    return Path(_text(value))


def _span(value: object) -> Span:
    # Imported here because a run that sets none should not pay for it.
    from stagefright.spans import parse_span

    if not isinstance(value, str | int | float):
        raise _Refused
    try:
        parse_span(value)
    except UsageError:
        raise _Refused from None
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _Refused
    return tuple(_text(item) for item in value)


def _hosts(value: object) -> tuple[str, ...]:
    # Imported here because most runs allow none.
    from stagefright.hosts import AllowedHost

    entries = _texts(value)
    for entry in entries:
        try:
            AllowedHost.read(entry)
        except ValueError:
            raise _Refused(
                f"allow_hosts has {entry!r}, which is no host. Write a name or a pattern, with or without a port: api.example.com, "
                "*.example.com, db.internal:5432, [::1]:8080."
            ) from None
    return entries


def _table(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _Refused
    return {_text(key): _plain(item) for key, item in value.items()}


def _plain(value: object) -> str:
    """CloudFormation parameters and exports are text; numbers and booleans are written as people mean them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_plain(item) for item in value)
    if not isinstance(value, str | int | float):
        raise _Refused
    return str(value)


def _assumptions(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Refused
    return {name: _assumption(name, item) for name, item in value.items()}


def _assumption(name: str, value: object) -> Any:
    # Imported here because a run that sets none should not pay for the list of them.
    from stagefright import assumptions

    wanted = assumptions.KNOWN.get(name)
    if wanted is None:
        raise _Refused(f"there is no assumption {name!r}. {nearest(name, assumptions.KNOWN)}")
    try:
        return assumptions.fitting(name, _from_word(value, wanted))
    except (TypeError, ValueError):
        expected = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[wanted]
        floor = "" if wanted in (bool, str) else ", not below zero"
        raise _Refused(f"{name} is {expected}{floor}; received {value!r}.") from None


def _at_least_once(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Refused
    return {name: _probabilities(name, item) for name, item in value.items()}


def _probabilities(name: str, value: object) -> Any:
    if name not in PROBABILITIES:
        raise _Refused(f"there is no setting at_least_once.{name}. {nearest(name, PROBABILITIES)}")
    if isinstance(value, Mapping):
        return {pattern: _probability(f"{name}.{pattern}", item) for pattern, item in value.items()}
    return _probability(name, value)


def _probability(name: str, value: object) -> float:
    try:
        found = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else -1.0
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise _Refused(
            f"at_least_once.{name} is a number from 0 to 1, or a table of logical id (or pattern) = number; received {value!r}."
        )
    return found


def _from_word(value: object, wanted: type) -> object:
    """What an environment variable or an option says as text."""
    if not isinstance(value, str) or wanted is str:
        return value
    return _switch_from_text(value) if wanted is bool else wanted(value)


def _shared(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Refused
    # Imported here because a run that shares nothing should not pay for it.
    from stagefright.shared.declaration import Malformed, SharedResource

    try:
        return {_text(name): SharedResource.read(name, table) for name, table in value.items()}
    except Malformed as problem:
        raise _Refused(f"shared.{problem}") from None


def _executors(value: object) -> dict[str, str]:
    return _table({"*": value} if isinstance(value, str) else value)


def _switch_from_text(text: str) -> object:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words.get(text.lower(), text)


def _seed_from_text(text: str) -> object:
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def _share_from_text(text: str) -> object:
    return float(text) if re.fullmatch(r"\d*\.?\d+", text) else text


def _texts_from_text(text: str) -> object:
    return [part.strip() for part in text.split(",") if part.strip()]


def _table_from_text(text: str) -> object:
    """`{"Key": "value"}` as JSON, or `Key=value,Other=value`."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(equals for _, equals, _ in pairs):
        return text
    return {key.strip(): value for key, _, value in pairs}


def _executors_from_text(text: str) -> object:
    return _table_from_text(text) if "=" in text or text.lstrip().startswith("{") else text


TEXT = Kind("text", _text)
PATH = Kind("a path", _path)
SPAN = Kind('a span of time such as "30s" or "5m"', _span)
ACCOUNT = Kind("an account id: text of 12 digits", _account)
TARGET = Kind(f"one of {', '.join(TARGETS)}", _target)
CHAOS_RUNTIME = Kind(f"one of {', '.join(CHAOS_RUNTIMES)}", _chaos_runtime)
SWITCH = Kind("true or false", _switch, _switch_from_text)
SEED = Kind("a whole number", _seed, _seed_from_text)
AMOUNT = Kind("a whole number above zero", _amount, _seed_from_text)
SHARE = Kind("a number above 0, and 1 at most", _share, _share_from_text)
TEXTS = Kind("a list of texts", _texts, _texts_from_text)
HOSTS = Kind("a list of texts", _hosts, _texts_from_text)
TABLE = Kind("a table of texts, numbers and booleans", _table, _table_from_text)
ASSUMPTIONS = Kind("a table of assumption = value", _assumptions, _table_from_text)
AT_LEAST_ONCE = Kind(f"a table of {' and '.join(PROBABILITIES)}", _at_least_once, _table_from_text)
SHARED = Kind("a table of name = { kind, url, ... } per shared server", _shared, _table_from_text)
EXECUTORS = Kind("an executor's name, or a table of function = executor", _executors, _executors_from_text)


def _key(kind: Kind, default: Any = None) -> Any:
    return field(default=default, metadata={"kind": kind})


def _table_key(kind: Kind) -> Any:
    return field(default_factory=dict, metadata={"kind": kind})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """
    Everything that can be set for a stage; each has a default that needs no account.

    >>> load_settings(Path("/"), "local", {"region": "eu-west-1"}, {}).region
    'eu-west-1'
    """

    template: Path | None = _key(PATH)  # noqa: RUF009 (it only makes a field)
    """The template, or the directory that a tool wrote (`.serverless`, `cdk.out`); None: the one found in `directory`."""
    stack: str | None = _key(TEXT)
    """Which stack of a cloud assembly; several with commas, `*` for all. What they depend on comes along."""
    parameters: Mapping[str, str] = _table_key(TABLE)
    """Values of the template's parameters."""
    target: str = _key(TARGET, TARGETS[0])
    """Where the stage lives."""
    service: str | None = _key(TEXT)
    """The system's name, part of a deployed stack's name."""
    stack_name: str | None = _key(TEXT)
    """The name of a stage's stack; `{service}` and `{stage}` are replaced. None: `{service}-{stage}`."""
    region: str = _key(TEXT, "us-east-1")
    account: str = _key(ACCOUNT, "123456789012")
    """The account id of a local stage."""
    profile: str | None = _key(TEXT)
    """The AWS profile of a deployed stage."""
    deploy: str | None = _key(TEXT)
    """The command that deploys, instead of our own deployment; `{stage}`, `{service}`, `{region}` and `{profile}` are replaced."""
    remove: str | None = _key(TEXT)
    """The command that removes."""
    image: str | None = _key(TEXT)
    """The emulator's container image."""
    endpoint_url: str | None = _key(TEXT)
    """An emulator that already runs."""
    allow_hosts: tuple[str, ...] = _key(HOSTS, ())
    """Hosts outside the stage that handlers and tests may reach: names or patterns, with or without a port."""
    protected: tuple[str, ...] = _key(TEXTS, ("prod", "prod-*", "production", "live"))
    """Patterns of stage names, and of account ids, that are never hurt or deleted."""
    blast_radius: float = _key(SHARE, 1.0)
    """The share of a stage's functions that chaos may hurt at once."""
    correlation_keys: tuple[str, ...] = _key(TEXTS, ())
    """More names, besides the usual ones, under which the functions of a deployed stage log and hand on a correlation id."""
    chaos_lease: Span = _key(SPAN, "15m")  # noqa: RUF009 (it only makes a field)
    """How long a flag on a deployed stage is good for, if nobody heals it."""
    chaos_runtime: str | None = _key(CHAOS_RUNTIME)
    """Whether a stage that we deploy gets the in-function runtime into its functions; None: in an emulator, and not on AWS."""
    accounts: tuple[str, ...] = _key(TEXTS, ())
    """The accounts that a deployed stage may live in; none named: any."""
    strict_template: bool = _key(SWITCH, False)
    """Whether a resource that the stage cannot stand up is an error instead of a warning."""
    shared: Mapping[str, Any] = _table_key(SHARED)
    """Servers that stages share, such as a database; each stage gets a part of its own (docs/shared.md)."""
    leak_scan: bool = _key(SWITCH, False)
    """Whether the items and objects of a deployed stage are counted before and after each test, to tell what the test left."""
    claims: bool = _key(SWITCH, True)
    """Whether a run holds, on a stage that others can reach, what its tests put there, until it is taken away again."""
    claim_wait: Span = _key(SPAN, "6m")  # noqa: RUF009 (it only makes a field)
    """How long a test waits for what another run, or another worker, holds."""
    quiet: Span | None = _key(SPAN)  # noqa: RUF009 (it only makes a field)
    """How long nothing may move before a deployed stage counts as settled; None: 5 seconds on an emulator, 30 on AWS."""
    settle_within: Span = _key(SPAN, "10m")  # noqa: RUF009 (it only makes a field)
    """How long a deployed stage may take to settle."""
    seed: int = _key(SEED, 0)
    """What all chance depends on."""
    account_concurrency: int | None = _key(AMOUNT)
    """How many functions may run at once in the account of a local stage; None: AWS's default, though a new account may have fewer."""
    executor: Mapping[str, str] = _table_key(EXECUTORS)
    """How functions run, by logical id or pattern."""
    assumptions: Mapping[str, Any] = _table_key(ASSUMPTIONS)
    """What a local stage takes for AWS's where AWS does not say, by the names of `stagefright.assumptions.Assumptions`."""
    at_least_once: Mapping[str, Any] = _table_key(AT_LEAST_ONCE)
    """How often a local stage duplicates and reorders what AWS delivers at least once; never by default."""
    exports: Mapping[str, str] = _table_key(TABLE)
    """Answers for `Fn::ImportValue`."""
    ssm_parameters: Mapping[str, str] = _table_key(TABLE)
    """SSM parameters that the account of a local stage holds before anything is deployed, by name."""
    secrets: Mapping[str, str] = _table_key(TABLE)
    """Secrets that it holds then, by name; JSON text for one with several keys."""

    directory: Path = field(default_factory=Path)
    """The project: where the settings were found, else where they were looked for."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each setting that is not a default came from."""


KINDS: Mapping[str, Kind] = {f.name: f.metadata["kind"] for f in fields(Settings) if "kind" in f.metadata}
"""Each key of the settings, with what it accepts."""


@dataclass(frozen=True)
class _Layer:
    """Raw values from one origin; paths in them start at `base`."""

    origin: Callable[[str], str]
    values: Mapping[str, object]
    base: Path


def load_settings(
    directory: Path,
    stage_name: str,
    overrides: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    override_origin: Callable[[str], str] = lambda key: f"{key}=",
) -> Settings:
    """
    The settings of a stage, for a project at or above `directory`.

    Overrides that are None were not given. `override_origin` names one as the user wrote it, such as `--stage-target`.
    """
    check_stage_name(stage_name)
    file, table = _find_table(directory)
    project = directory if file is None else file.parent
    layers = [
        *_file_layers(file, table, stage_name),
        _Layer(lambda key: ENVIRONMENT_PREFIX + key.upper(), _from_environment(environ), directory),
        _Layer(override_origin, {k: v for k, v in overrides.items() if v is not None}, directory),
    ]
    return _merge(layers, project)


def option_of(key: str) -> str:
    """
    How a verb of the command line spells the option for a setting.

    >>> option_of("endpoint_url")
    '--endpoint-url'
    """
    return f"--{key.replace('_', '-')}"


def check_stage_name(name: str) -> str:
    """
    The name, if a stage may have it.

    >>> check_stage_name("my-feature")
    'my-feature'
    """
    if _STAGE_NAME.fullmatch(name):
        return name
    suggestion = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or DEFAULT_STAGE
    raise SettingsError(
        f"A stage cannot be called {name!r}: its name has lower-case letters, digits and hyphens, and does not begin with "
        f"a hyphen. Try {suggestion!r}."
    )


def find_project(directory: Path) -> Path | None:
    """The directory, at or above another, whose `pyproject.toml` has a `[tool.stagefright]` table."""
    file, _ = _find_table(directory)
    return None if file is None else file.parent


# -- layers ------------------------------------------------------------------------------------------------------------


def _find_table(directory: Path) -> tuple[Path | None, Mapping[str, object]]:
    directory = directory.resolve()
    for candidate in (directory, *directory.parents):
        file = candidate / "pyproject.toml"
        table = _read_table(file) if file.is_file() else None
        if table is not None:
            return file, table
    return None, {}


def _read_table(file: Path) -> Mapping[str, object] | None:
    from tomllib import TOMLDecodeError

    try:
        tool = _parsed(file.read_text("utf-8")).get("tool", {})
    except (TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None
    table = tool.get("stagefright") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise SettingsError(f"{file}: tool.stagefright is a table, not {table!r}. Write [tool.stagefright].")
    return table


@lru_cache(maxsize=16)
def _parsed(text: str) -> Mapping[str, Any]:
    """A TOML document; every stage asks for the project's."""
    import tomllib

    return tomllib.loads(text)


def _file_layers(file: Path | None, table: Mapping[str, object], stage_name: str) -> Iterator[_Layer]:
    if file is None:
        return
    yield _Layer(_always(file.name), {key: table[key] for key in table if key != "stages"}, file.parent)
    stages = table.get("stages", {})
    if not isinstance(stages, dict) or not all(isinstance(entry, dict) for entry in stages.values()):
        raise SettingsError(
            f'{file.name}: tool.stagefright.stages holds a table per stage pattern, such as [tool.stagefright.stages."pr-*"]; '
            f"found {stages!r}."
        )
    for pattern, entry in stages.items():
        where = f'{file.name} stages."{pattern}"'
        # A table for another stage is checked all the same: a typo in it should not wait until that stage is used.
        layer = _Layer(_always(where), entry, file.parent)
        if fnmatchcase(stage_name, pattern):
            yield layer
        else:
            _merge([layer], file.parent)


def _always(where: str) -> Callable[[str], str]:
    return lambda _key: where


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, text in environ.items():
        rest = name.removeprefix(ENVIRONMENT_PREFIX)
        if rest == name or rest in NOT_SETTINGS:
            continue
        kind = KINDS.get(rest.lower())
        found[rest.lower()] = text if kind is None else kind.from_text(text)
    return found


def _merge(layers: list[_Layer], project: Path) -> Settings:
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    for layer in layers:
        for key, raw in layer.values.items():
            try:
                value = _accepted(key, raw, layer)
            except SettingsError as problem:
                problems.append(str(problem))
                continue
            if isinstance(value, dict):
                value = {**values.get(key, {}), **value}
            values[key], origins[key] = value, layer.origin(key)
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values, directory=project.resolve(), origins=origins)


def _accepted(key: str, raw: object, layer: _Layer) -> Any:
    where = layer.origin(key)
    kind = KINDS.get(key)
    if kind is None:
        raise SettingsError(f"{where}: there is no setting {key!r}. {nearest(key, KINDS)}")
    try:
        value = kind.read(raw)
    except _Refused as refused:
        if refused.args:
            raise SettingsError(f"{where}: {refused}") from None
        raise SettingsError(f"{where}: {key} is {kind.expected}; received {raw!r} ({type(raw).__name__}).") from None
    return layer.base.resolve() / value if isinstance(value, Path) else value
