"""What all faults of HTTP requests have in common: which requests they strike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.http_exchange import HttpRequest
from stagefright.chaos.faults.outgoing import Outgoing, text_problems
from stagefright.chaos.faults.points import FaultPoint


@dataclass(frozen=True, eq=False, repr=False)
class HttpFault(Outgoing[HttpRequest]):
    """
    A fault of the HTTP requests to a `host` and `path`; both are patterns in which `*` stands for anything.

    The query is no part of the path. `times` says how many requests are struck.
    """

    strikes_at: ClassVar[tuple[type[FaultPoint], ...]] = (HttpRequest,)

    _: KW_ONLY
    host: str = "*"
    path: str = "*"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The patterns are text, and the host is not a URL."""
        wrong = [*super().problems(settings), *text_problems(settings, "host", "path")]
        host = settings.get("host")
        if isinstance(host, str) and ("/" in host or ":" in host):
            wrong.append(
                f"host is {host!r}; it should be a host's name alone, such as 'api.example.com' or '*.example.com'"
            )
        return wrong

    def concerns(self, point: FaultPoint) -> bool:
        """Whether host and path fit."""
        if not isinstance(point, HttpRequest):
            return False
        path = point.path.partition("?")[0]
        return fnmatchcase(point.host.lower(), self.host.lower()) and fnmatchcase(path, self.path)

    def prepare(self, point: HttpRequest) -> Harm | None:
        """The harm says which request it befell."""
        harm = super().prepare(point)
        return None if harm is None else {"host": point.host, "method": point.method, "path": point.path, **harm}
