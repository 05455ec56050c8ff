"""Parameters of SSM."""

from __future__ import annotations

from typing import Any

from stagefright.ledger.kinds import Clients, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import compared, found
from stagefright.ledger.values import fingerprint

GONE = "ParameterNotFound"

DESCRIBED = ("Description", "KeyId", "AllowedPattern", "Tier", "DataType")
"""What DescribeParameters gives and PutParameter takes."""


class Parameters:
    """The kind `parameter`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Compare the value that is there with the one before, and with the one that was written."""
        ssm = account.client("ssm")
        now = found(lambda: ssm.get_parameter(Name=entry.name, WithDecryption=True)["Parameter"], GONE)
        return compared(now and fingerprint(now["Value"]), entry.before and fingerprint(entry.before["Value"]), entry)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete the parameter, or put its old value back."""
        ssm = account.client("ssm")
        if entry.before is None:
            found(lambda: ssm.delete_parameter(Name=entry.name), GONE)
        else:
            ssm.put_parameter(Name=entry.name, **entry.before, Overwrite=True)


def kept_of(ssm: Any, name: str) -> dict[str, Any] | None:
    """What must be kept of a parameter, for PutParameter to make it again; None if there is none."""
    found_now = found(lambda: ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"], GONE)
    if found_now is None:
        return None
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    described = ssm.describe_parameters(ParameterFilters=filters)["Parameters"] or [{}]
    kept = {key: described[0][key] for key in DESCRIBED if described[0].get(key)}
    if found_now["Type"] != "SecureString":
        kept.pop("KeyId", None)
    return {**kept, "Value": found_now["Value"], "Type": found_now["Type"]}
