"""What a tap stands on: the account, the ledger, whose things are made, and what they are called."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from stagefright.ledger.ledger import Ledger
from stagefright.targets.account import Account
from stagefright.targets.run import Run, tag_list

PREFIX = "stagefright"

STAGE_CHARACTERS_MAX = 20
"""How much of the stage's name stands in the names of what a tap makes: a rule has 64 characters, a queue 80."""

CONNECTIONS_MAX = 8
"""How many calls of taps are under way at once; boto3 keeps 10 connections."""


@dataclass(frozen=True)
class Ground:
    """The account as taps use it; `stage` is the stage's name."""

    account: Account
    ledger: Ledger
    run: Run
    stage: str
    pause: Callable[[float], None] = time.sleep
    """How it waits, in seconds."""
    _token: str = field(default_factory=lambda: secrets.token_hex(3))
    _numbers: Any = field(default_factory=lambda: count(1))

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return self.account.client(service)

    def new_name(self) -> str:
        """
        A name for something temporary.

        No other listener, process or run has it: the run's id is in it, a token of this process, and a number.
        """
        stage = self.stage[:STAGE_CHARACTERS_MAX].rstrip("-")
        return f"{PREFIX}-{stage}-{self.run.id[:12]}-{self._token}-{next(self._numbers)}"

    @property
    def tags(self) -> Mapping[str, str]:
        """What everything is tagged with."""
        return self.run.tags(self.stage)

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """The same, as most services take it."""
        return tag_list(self.tags)

    @property
    def partition(self) -> str:
        """The first part of ARNs: `aws`, `aws-cn`, ..."""
        return str(self.client("sts").meta.partition)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.account.region}:{self.account.id}:{resource}"

    def now(self) -> float:
        """The account's time, in epoch seconds: by it, AWS says when something happened."""
        return self.there(time.time())

    def there(self, here: float) -> float:
        """An instant of this machine's clock, by the account's."""
        return here + self.account.skew_s

    def wait_on_aws(self, span_s: float) -> None:
        """Wait for what AWS does some time after it said that it had done so; an emulator does it at once."""
        if not self.account.is_emulator:
            self.pause(span_s)
