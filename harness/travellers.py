"""Other tools that stop or move the clock: on top of the stage's time, they would give handlers a clock that stands still."""

from __future__ import annotations

import sys

from stagefright.errors import UsageError

OURS = "stagefright.virtual.timepieces"
"""The module of the traveller that answers with the stage's time."""


def refuse_travellers() -> None:
    """Raise `UsageError` if another tool holds the clock."""
    tool = _traveller()
    if tool is not None:
        raise UsageError(
            f"{tool} holds the clock, so time cannot pass in the stage: its functions would see a clock that stands still. "
            "The stage has its own time. Take the other tool away from this test; time.sleep(3600) brings the stage an hour "
            "further, and clock.now() says how late it is."
        )


def _traveller() -> str | None:
    # Neither is imported for the question: who has not imported it does not travel with it.
    time_machine = sys.modules.get("time_machine")
    stack = getattr(time_machine, "traveller_stack", None)
    if stack and type(stack[-1]).__module__ != OURS:
        return "time_machine"
    freezegun = sys.modules.get("freezegun.api")
    return "freezegun" if getattr(freezegun, "freeze_factories", None) else None
