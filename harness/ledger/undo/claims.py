"""
Claims on what tests put into a stage: parameters that say who holds a thing.

What tells whose a claim is, is its text: one that was taken over has another's text, and perhaps the tags of the run that had it first.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Any

from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.targets.claim import Claim, read_claim
from stagefright.targets.leased_parameter import delete, take_over, value_of
from stagefright.targets.run import iso

SWEPT_WITHIN_S = 60.0
"""How long a sweep may take from taking a claim over to deleting it."""


class Claims:
    """The kind `claim`; one without the detail `holder`, found by tags, is left over if it ran out."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether it is there, and whose."""
        claim = _now(account.client("ssm"), entry.name)
        if claim is None:
            return State(Fate.AS_BEFORE)
        if _is_of(entry, claim):
            return State(Fate.DELETE)
        return State(Fate.FOREIGN, f"it is held by {claim}")

    def undo(self, entry: Entry, account: Clients) -> None:
        """
        Delete it, if it is still that one's.

        A living run may be about to take it over, so it is taken over first: who comes second knows that it does.
        """
        ssm = account.client("ssm")
        claim = _now(ssm, entry.name)
        if claim is None or not _is_of(entry, claim):
            return
        mine = replace(claim, nonce=secrets.token_hex(8), expires=time.time() + SWEPT_WITHIN_S)
        if take_over(ssm, entry.name, mine.text(), {}, is_over=lambda text: _is_of(entry, read_claim(text))):
            delete(ssm, [entry.name])


def _now(ssm: Any, name: str) -> Claim | None:
    text = value_of(ssm, name)
    return None if text is None else read_claim(text)


def _is_of(entry: Entry, claim: Claim) -> bool:
    if "holder" in entry.detail:
        return bool(claim.holder == entry.detail["holder"])
    return claim.expires <= time.time()


def is_good(account: Clients, name: str) -> bool:
    """Whether somebody holds a claim now, whatever its tags say."""
    claim = _now(account.client("ssm"), name)
    return claim is not None and claim.expires > time.time()


def held_by_another(entry: Entry, account: Clients) -> str | None:
    """Who holds, now, what an entry of another run is about; None if nobody does, or if it was put without a claim."""
    name = entry.detail.get("claim")
    claim = None if name is None else _now(account.client("ssm"), name)
    if claim is None or claim.run == entry.run or claim.expires <= time.time():
        return None
    return f"{claim} until {iso(claim.expires)}"
