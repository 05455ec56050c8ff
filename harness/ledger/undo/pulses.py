"""The parameter by which a run says in the account that it lives."""

from __future__ import annotations

from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import found
from stagefright.ledger.undo.parameters import GONE


class Pulses:
    """The kind `pulse`. The run's id is in its name, so it is nobody else's."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether it is there."""
        now = found(lambda: account.client("ssm").get_parameter(Name=entry.name), GONE)
        return State(Fate.AS_BEFORE if now is None else Fate.DELETE)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete it."""
        found(lambda: account.client("ssm").delete_parameter(Name=entry.name), GONE)
