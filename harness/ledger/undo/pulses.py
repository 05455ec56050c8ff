"""The parameter by which a run says in the account that it lives."""

from __future__ import annotations

from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.targets.leased_parameter import delete, value_of


class Pulses:
    """The kind `pulse`. The run's id is in its name, so it is nobody else's."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether it is there."""
        return State(Fate.AS_BEFORE if value_of(account.client("ssm"), entry.name) is None else Fate.DELETE)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete it."""
        delete(account.client("ssm"), [entry.name])
