"""
Settings from SSM Parameter Store: cached, refreshed, and still there when SSM is not.

    config = Config(["/shop/currency", "/shop/api-key"], ttl_s=60)
    config["/shop/currency"]           # "EUR"
    config["/shop/api-key"]            # Secret(***)
    config["/shop/api-key"].reveal()   # the value, where it is needed and nowhere else

Values older than `ttl_s` are asked for again when one of them is read. If that fails, the old values stay in use: a
setting of a minute ago is better than no service. Each failed refresh writes a `config_stale` line with their age.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

NAMES_PER_CALL_MAX = 10
"""What GetParameters takes."""

RETRY_AFTER_S = 5.0
"""How long stale values are used without asking again, so that an outage does not slow down every read."""

# SSM answers within milliseconds. Whoever waits for more than a second has a fallback to go to.
IMPATIENT = ClientConfig(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 2})


class ConfigUnavailable(Exception):
    """The settings were never loaded, and cannot be loaded now."""


class Secret:
    """A value that shows itself only when asked: not in a log, a traceback, an f-string or JSON."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(***)"

    def reveal(self) -> str:
        """The value itself."""
        return self._value


class Config:
    """The values of some parameters, none of them much older than `ttl_s` as long as SSM answers."""

    def __init__(self, names: Iterable[str], *, ttl_s: float, client: Any = None) -> None:
        self._names = tuple(names)
        self._ttl_s = ttl_s
        self._client = client or boto3.client("ssm", config=IMPATIENT)
        self._values: dict[str, str | Secret] = {}
        # Of the wall clock: a monotonic one may stand still while Lambda keeps the environment frozen.
        self._loaded_at = self._refresh_at = 0.0

    def __repr__(self) -> str:
        return f"Config({', '.join(self._names)}; ttl_s={self._ttl_s})"

    def __getitem__(self, name: str) -> str | Secret:
        if name not in self._names:
            raise KeyError(f"{name} is not one of the parameters of this configuration: {', '.join(self._names)}")
        if time.time() >= self._refresh_at:
            self._refresh()
        return self._values[name]

    def _refresh(self) -> None:
        try:
            self._values = self._fetch()
        except (BotoCoreError, ClientError, ConfigUnavailable) as problem:
            self._carry_on_without(problem)
        else:
            self._loaded_at = time.time()
            self._refresh_at = self._loaded_at + self._ttl_s

    def _carry_on_without(self, problem: Exception) -> None:
        reason = f"{type(problem).__name__}: {problem}"
        if not self._values:
            raise ConfigUnavailable(f"no value of {', '.join(self._names)} could be loaded ({reason})") from problem
        now = time.time()
        self._refresh_at = now + min(RETRY_AFTER_S, self._ttl_s)
        log("config_stale", age_s=round(now - self._loaded_at, 3), reason=reason)

    def _fetch(self) -> dict[str, str | Secret]:
        """Ask for all parameters, and take all or none: settings that belong together change together."""
        values: dict[str, str | Secret] = {}
        for start in range(0, len(self._names), NAMES_PER_CALL_MAX):
            names = self._names[start : start + NAMES_PER_CALL_MAX]
            reply = self._client.get_parameters(Names=list(names), WithDecryption=True)
            if reply["InvalidParameters"]:
                raise ConfigUnavailable(f"SSM has no parameter {', '.join(reply['InvalidParameters'])}")
            for parameter in reply["Parameters"]:
                is_secret = parameter["Type"] == "SecureString"
                values[parameter["Name"]] = Secret(parameter["Value"]) if is_secret else parameter["Value"]
        return values


def log(message: str, **fields: Any) -> None:
    """Write one line of JSON. A secret among the fields shows as `Secret(***)`."""
    print(json.dumps({"message": message, **fields}, default=repr), flush=True)
