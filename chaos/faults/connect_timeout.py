"""ConnectTimeout: the SDK cannot reach AWS."""

from __future__ import annotations

import time
from dataclasses import dataclass

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.sdk_call import SdkCall
from stagefright.chaos.faults.sdk_fault import SdkFault


@dataclass(frozen=True, eq=False, repr=False)
class ConnectTimeout(SdkFault):
    """
    Let the attempts at an operation wait in vain for a connection, for as long as the client's `connect_timeout` says.

    Nothing reaches the service. botocore retries the `ConnectTimeoutError`.

    >>> ConnectTimeout("dynamodb", times=1)
    ConnectTimeout(service='dynamodb', times=1)
    """

    kind = "connect_timeout"
    turn = 76

    def decide(self, point: SdkCall) -> Harm:
        """Ask the client how patient it is."""
        return {"waited_s": waited_s(point.attempt.connect_timeout_s)}

    def strike(self, point: SdkCall, harm: Harm) -> Exception:
        """Wait, then give botocore's error."""
        from botocore.exceptions import ConnectTimeoutError

        time.sleep(harm["waited_s"])
        return ConnectTimeoutError(endpoint_url=point.attempt.request.url, error="injected")


def waited_s(timeout_s: float | None) -> float:
    """How long a caller waits in vain; one that would wait for ever waits until its function times out."""
    return FOREVER_S if timeout_s is None else timeout_s


FOREVER_S = 900.0
"""No function runs longer."""
