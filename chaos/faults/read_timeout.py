"""ReadTimeout: AWS got the call, and its answer is lost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.connect_timeout import waited_s
from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.sdk_call import SdkCall
from stagefright.chaos.faults.sdk_fault import SdkFault


@dataclass(frozen=True, eq=False, repr=False)
class ReadTimeout(SdkFault):
    """
    Let the attempts at an operation wait in vain for an answer, for as long as the client's `read_timeout` says.

    What was asked for takes effect all the same, so botocore's retry does it twice: an error after commit. With
    `after_commit=False` the call is lost on its way instead.

    >>> ReadTimeout("sqs", "SendMessage", times=1)
    ReadTimeout(service='sqs', operation='SendMessage', times=1)
    """

    kind = "read_timeout"
    turn = 77

    _: KW_ONLY
    after_commit: bool = True

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """It took effect or not."""
        return [*super().problems(settings), *commit_problems(settings)]

    def decide(self, point: SdkCall) -> Harm:
        """Ask the client how patient it is."""
        return {"waited_s": waited_s(point.attempt.read_timeout_s), "after_commit": self.after_commit}

    def strike(self, point: SdkCall, harm: Harm) -> Exception:
        """Let the call through if it is to take effect, wait, then give botocore's error."""
        from botocore.exceptions import ReadTimeoutError

        if self.after_commit:
            point.attempt.proceed()
        time.sleep(harm["waited_s"])
        return ReadTimeoutError(endpoint_url=point.attempt.request.url, error="injected")


def commit_problems(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the setting `after_commit`, if it is given."""
    if isinstance(settings.get("after_commit", True), bool):
        return []
    return [f"after_commit is {settings['after_commit']!r}; it should be True or False"]
