"""
Hosts outside a stage, and which of them user code may reach: the setting `allow_hosts`.

An entry is a host, or a pattern for hosts (`*.example.com`), and may end in a port (`db.internal:5432`, `[::1]:8080`).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

_ENTRY = re.compile(r"(?P<host>\[[0-9a-f:.%*]+\]|[^\s/\[\]@:]+)(:(?P<port>\d{1,5}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """
    One entry of the setting.

    >>> entry = AllowedHost.read("*.Example.com:443")
    >>> entry.covers("api.example.com", 443), entry.covers("api.example.com", 80), entry.covers("example.com", 443)
    (True, False, False)
    """

    host: str
    """A pattern; lower case."""
    port: int | None
    """None: any."""

    @classmethod
    def read(cls, text: str) -> AllowedHost:
        """Of what stands in the settings; raises `ValueError` if it is no host."""
        if is_address(text):  # an IPv6 address without brackets has colons of its own
            return cls(normal_host(text), None)
        found = _ENTRY.fullmatch(text)
        port = int(found["port"]) if found is not None and found["port"] else None
        if found is None or (port is not None and not 0 < port < 65536):
            raise ValueError(text)
        return cls(normal_host(found["host"]), port)

    def covers(self, host: str, port: int | None) -> bool:
        """Whether a host may be reached at a port; without one, whether at any."""
        return fnmatchcase(normal_host(host), self.host) and (self.port is None or port is None or self.port == port)


def may_reach(allowed: tuple[str, ...], host: str, port: int | None = None) -> bool:
    """
    Whether one of the entries covers a host.

    >>> may_reach(("api.example.com", "db.internal:5432"), "db.internal", 5432)
    True
    >>> may_reach(("api.example.com", "db.internal:5432"), "db.internal", 80)
    False
    """
    return any(AllowedHost.read(entry).covers(host, port) for entry in allowed)


def is_local(host: str) -> bool:
    """Whether it is this machine: loopback, by its address or its usual names."""
    if host.lower() in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def is_address(host: str) -> bool:
    """Whether it is a number and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def normal_host(host: str) -> str:
    """As it is compared: lower case, without brackets and without the dot of a full name."""
    return host.lower().strip("[]").removesuffix(".")


_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "0.0.0.0", "::"})  # noqa: S104 - refused or not, never bound
