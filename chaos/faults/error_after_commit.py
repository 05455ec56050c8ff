"""ErrorAfterCommit: the handler does its work, and then the invocation fails."""

from __future__ import annotations

from dataclasses import dataclass

from stagefright.chaos.faults.failure import Raising
from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.points import Response


@dataclass(frozen=True, eq=False, repr=False)
class ErrorAfterCommit(Raising[Response]):
    """
    Raise an error after the handler has answered: all its effects are there, and its caller takes it for failed.

    What retries, retries work that is done, so this is the fault that idempotency is for.

    >>> ErrorAfterCommit("lost on the way")
    ErrorAfterCommit(message='lost on the way')
    """

    kind = "error_after_commit"
    turn = 80
    strikes_at = (Response,)

    def strike(self, point: Response, harm: Harm) -> Exception:  # noqa: ARG002 (the contract)
        """Return the error that the runtime raises."""
        return self.error()
