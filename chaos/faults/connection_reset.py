"""ConnectionReset: the connection to AWS breaks in the middle of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.read_timeout import commit_problems
from stagefright.chaos.faults.sdk_call import SdkCall
from stagefright.chaos.faults.sdk_fault import SdkFault


@dataclass(frozen=True, eq=False, repr=False)
class ConnectionReset(SdkFault):
    """
    Break the connection of the attempts at an operation, before AWS got them; with `after_commit`, after they took effect.

    botocore retries the `ConnectionClosedError`.

    >>> ConnectionReset("s3", "PutObject")
    ConnectionReset(service='s3', operation='PutObject')
    """

    kind = "connection_reset"
    turn = 78

    _: KW_ONLY
    after_commit: bool = False

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """It took effect or not."""
        return [*super().problems(settings), *commit_problems(settings)]

    def decide(self, point: SdkCall) -> Harm:  # noqa: ARG002 (the contract)
        """Say whether the call takes effect."""
        return {"after_commit": self.after_commit}

    def strike(self, point: SdkCall, harm: Harm) -> Exception:  # noqa: ARG002 (the contract)
        """Let the call through if it is to take effect, then give botocore's error."""
        from botocore.exceptions import ConnectionClosedError

        if self.after_commit:
            point.attempt.proceed()
        error = ConnectionResetError(104, "Connection reset by peer")
        return ConnectionClosedError(error=error, request=point.attempt.request, endpoint_url=point.attempt.request.url)
