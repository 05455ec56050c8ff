"""
A Lambda function as data: its versions, aliases and settings.

Every record is frozen and a change makes a new record, so a snapshot of all functions is one reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stagefright.functions.code import Code
from stagefright.services import lambda_limits as limits

LATEST = "$LATEST"
"""The version that can be changed; the one an unqualified invocation runs."""


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """One published version of a layer, or a layer of another account, whose content is not here (`code` is None)."""

    arn: str
    layer_arn: str
    number: int
    code: Code | None
    created: str = ""
    description: str = ""
    license_info: str | None = None
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: its versions by number. Deleting a version never frees its number."""

    name: str
    arn: str
    versions: Mapping[int, LayerVersion] = field(default_factory=dict)
    last_number: int = 0


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """The configuration and code of one version; a published one never changes."""

    function_name: str
    function_arn: str
    """Unqualified."""
    version: str
    """`$LATEST` or a number."""
    runtime: str
    handler: str
    role: str
    code: Code
    revision_id: str
    last_modified: str
    description: str = ""
    timeout_s: int = limits.TIMEOUT_DEFAULT_S
    memory_mb: int = limits.MEMORY_DEFAULT_MB
    ephemeral_storage_mb: int = limits.EPHEMERAL_STORAGE_DEFAULT_MB
    environment: Mapping[str, str] | None = None
    layers: tuple[LayerVersion, ...] = ()
    dead_letter_arn: str | None = None
    tracing_mode: str = "PassThrough"
    architectures: tuple[str, ...] = ("x86_64",)
    logging: Mapping[str, Any] = field(default_factory=dict)
    """`LogFormat`, `LogGroup` and levels, as `LoggingConfig` has them."""
    stored: Mapping[str, Any] = field(default_factory=dict)
    """Settings that are echoed and change nothing here: VpcConfig, FileSystemConfigs, KMSKeyArn, SnapStart, ..."""

    @property
    def arn(self) -> str:
        """The ARN with the version as its qualifier."""
        return f"{self.function_arn}:{self.version}"

    @property
    def log_group(self) -> str:
        """The log group that the version writes to."""
        return str(self.logging["LogGroup"])


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a version, or for two of them by weight."""

    name: str
    arn: str
    version: str
    revision_id: str
    description: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    """The additional version (one at most) and its share of invocations."""


@dataclass(frozen=True, slots=True)
class EventInvokeConfig:
    """How asynchronous invocations of a function, version or alias are retried, and where their results go."""

    arn: str
    """Qualified."""
    last_modified: float = 0.0
    retry_attempts: int | None = None
    """None: not set; see `retry_attempts_max`."""
    event_age_s: int | None = None
    """None: not set; see `event_age_max_s`."""
    on_success: str | None = None
    on_failure: str | None = None

    @property
    def retry_attempts_max(self) -> int:
        """Retries after the first attempt, with AWS's default."""
        return limits.ASYNC_RETRY_ATTEMPTS_DEFAULT if self.retry_attempts is None else self.retry_attempts

    @property
    def event_age_max_s(self) -> int:
        """Seconds that Lambda keeps trying, with AWS's default."""
        return limits.ASYNC_EVENT_AGE_DEFAULT_S if self.event_age_s is None else self.event_age_s


@dataclass(frozen=True, slots=True)
class ProvisionedConcurrency:
    """How many environments of a version or alias are kept initialised."""

    requested: int
    last_modified: str


@dataclass(frozen=True, slots=True)
class FunctionUrl:
    """The HTTPS endpoint of a function or alias, as it is configured."""

    url: str
    arn: str
    auth_type: str
    created: str
    modified: str
    invoke_mode: str = "BUFFERED"
    cors: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function: `$LATEST`, what was published from it, and what is configured per function or qualifier."""

    name: str
    arn: str
    latest: FunctionVersion
    published: Mapping[str, FunctionVersion] = field(default_factory=dict)
    last_number: int = 0
    last_published: FunctionVersion | None = None
    """`$LATEST` as it was when it was published last."""
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    reserved_concurrency: int | None = None
    provisioned: Mapping[str, ProvisionedConcurrency] = field(default_factory=dict)
    """Provisioned concurrency, by version or alias."""
    invoke_configs: Mapping[str, EventInvokeConfig] = field(default_factory=dict)
    """By qualifier; `$LATEST` is the function's own."""
    statements: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    """The statements of each resource policy, by qualifier; "" is the function's own."""
    urls: Mapping[str, FunctionUrl] = field(default_factory=dict)
    """By alias; "" is the function's own."""
    tags: Mapping[str, str] = field(default_factory=dict)
    recursive_loop: str = "Terminate"
    runtime_management: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def version(self, number: str) -> FunctionVersion | None:
        """The version of this number, or `$LATEST`."""
        return self.latest if number == LATEST else self.published.get(number)

    @property
    def provisioned_concurrency(self) -> int:
        """Of all its versions and aliases."""
        return sum(config.requested for config in self.provisioned.values())

    def provisioned_for(self, number: str) -> int:
        """
        How many environments of one version are kept initialised.

        An alias that routes to two versions provisions both, each by its share (that AWS rounds so is UNSOURCED).
        """
        own = self.provisioned.get(number)
        through_aliases = (_share(self.aliases[name], config.requested, number) for name, config in self._of_aliases())
        return (own.requested if own else 0) + sum(through_aliases)

    def _of_aliases(self) -> list[tuple[str, ProvisionedConcurrency]]:
        return [(name, config) for name, config in self.provisioned.items() if name in self.aliases]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an invocation runs: the function, the version chosen, and the name it was asked for by."""

    function: Function
    version: FunctionVersion
    qualifier: str | None
    """As the caller gave it: a version, an alias, `$LATEST`, or None."""

    @property
    def executed_version(self) -> str:
        """What Invoke reports as `ExecutedVersion`."""
        return self.version.version

    @property
    def invoked_arn(self) -> str:
        """The ARN in the caller's form: unqualified when the call was (§1.7)."""
        return self.function.arn if self.qualifier is None else f"{self.function.arn}:{self.qualifier}"

    @property
    def qualified_arn(self) -> str:
        """The ARN with its qualifier spelled out, as destination records have it (§2.3)."""
        return f"{self.function.arn}:{self.qualifier or LATEST}"


def _share(alias: Alias, requested: int, number: str) -> int:
    """What a version gets of an alias' provisioned concurrency."""
    others = {version: round(requested * weight) for version, weight in alias.weights.items()}
    return others.get(number, 0) if number != alias.version else requested - sum(others.values())
