"""What a claim is about, and what its parameter says: who holds which thing, for which test, since when, until when."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from stagefright.ledger.values import fingerprint
from stagefright.targets.run import iso

PATH = "/stagefright/claims/"
"""
Under which claims lie. Two stages may meet in a thing (a parameter that no stack owns; two names for one stack), so it is the thing's
own name that counts, and not the stage's.
"""

NAME_DIGITS = 32

_NAME = re.compile(rf"{PATH}[0-9a-f]{{{NAME_DIGITS}}}")

_MARK = "stagefright-claim"
"""The key by which a claim is told from everything else that a parameter may hold."""

_SECRET_ARN = re.compile(r"arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:(.+)-[A-Za-z0-9]{6}")


@dataclass(frozen=True, slots=True)
class Thing:
    """What is claimed: an item, an object, a parameter, a secret, a user."""

    kind: str
    name: str
    """The physical name of a table, a bucket, a parameter, ..."""
    key: Any = None
    """Which of those in it; for an item its key as DynamoDB types it."""
    words: str = ""
    """What messages call it."""

    @property
    def parameter(self) -> str:
        """The name of the parameter that says who holds it; the same for whoever names the thing, however it is spelt."""
        digest = hashlib.sha256(json.dumps([self.kind, _plain_name(self.name), fingerprint(self.key)]).encode())
        return PATH + digest.hexdigest()[:NAME_DIGITS]

    def __str__(self) -> str:
        return self.words or f"{self.kind} {self.name}"


def _plain_name(name: str) -> str:
    """
    A secret is known by its name and by an ARN, which has six characters more.

    >>> _plain_name("arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/password-AbCdEf")
    'shop/password'
    """
    found = _SECRET_ARN.fullmatch(name)
    return found[1] if found else name


@dataclass(frozen=True, slots=True)
class Claim:
    """What the parameter of a claim says."""

    holder: str
    """One process that has a stage; no other has the same."""
    nonce: str
    """Tells this claim from the holder's others."""
    owner: str
    run: str
    worker: str
    """The worker of pytest-xdist; "" for a run without."""
    test: str
    what: str
    since: float
    """By the account's clock, in epoch seconds."""
    expires: float
    """The same; from then on anybody may take it over."""
    ledger: str = ""
    """The file name of the holder's ledger, by whose lock others on its machine see whether it lives."""

    def text(self) -> str:
        """What the parameter says. SSM refuses values with two braces, which a key or a test's name may have."""
        said = {slot: getattr(self, slot) for slot in self.__slots__}
        text = json.dumps({_MARK: said | {"since": iso(self.since), "until": iso(self.expires)}})
        return text.replace("{{", "{\\u007b")

    def __str__(self) -> str:
        who = ", ".join(
            part for part in (f"run {self.run}", self.worker and f"worker {self.worker}", self.test) if part
        )
        return f"{self.owner} ({who})"


def read_claim(text: str) -> Claim:
    """
    Read what a claim's parameter says; what nobody of ours wrote is somebody's for good.

    >>> read_claim("{}").expires
    inf
    """
    try:
        said = json.loads(text)[_MARK]
        return Claim(
            **{slot: str(said[slot]) for slot in Claim.__slots__ if slot not in ("since", "expires")},
            since=_instant(said["since"]),
            expires=float(said["expires"]),
        )
    except (ValueError, TypeError, LookupError):
        return Claim("", "", "somebody", "unknown", "", "", "", 0.0, math.inf)


def _instant(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def is_claim_name(name: str) -> bool:
    """
    Whether a parameter's name is that of a claim.

    >>> is_claim_name("/stagefright/claims/Worker")
    False
    """
    return _NAME.fullmatch(name) is not None
