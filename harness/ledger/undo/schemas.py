"""The schema, and the user, that a stage has on a PostgreSQL server which stages share."""

from __future__ import annotations

from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.shared.declaration import SharedResource
from stagefright.shared.leftover import Leftover
from stagefright.targets.run import RUN_TAG


class Schemas:
    """The kind `schema`. It is not the account's, so the account is not asked."""

    def look(self, entry: Entry, account: Clients) -> State:  # noqa: ARG002
        """Whether there is a schema of that name, or its user, and whether its comment names the run."""
        with _leftover(entry) as leftover:
            if not leftover.is_there:
                return State(Fate.AS_BEFORE)
            run = leftover.tags.get(RUN_TAG)
        if run == entry.run:
            return State(Fate.DELETE)
        return State(Fate.FOREIGN, f"it is of run {run}" if run else "its comment names no run")

    def undo(self, entry: Entry, account: Clients) -> None:  # noqa: ARG002
        """Drop it with all that is in it, and its user."""
        with _leftover(entry) as leftover:
            leftover.drop()


def _leftover(entry: Entry) -> Leftover:
    resource = SharedResource(
        name=entry.name,
        kind="postgresql",
        url=entry.detail.get("url"),
        url_variable=entry.detail.get("url_variable"),
        # Without a user of its own a stage is the server's user, who stays.
        role=entry.detail.get("role") == entry.name,
    )
    return Leftover(resource, entry.name)
