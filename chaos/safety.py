"""Safety: what chaos must not touch, and how much it may hurt at once. What ends it early is in `stop.py`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stagefright.chaos.faults.fault import FUNCTIONS
from stagefright.chaos.plan import Plan
from stagefright.errors import ChaosRefused
from stagefright.protection import protecting
from stagefright.stage import Resource, Stage, is_deployed


@dataclass(frozen=True, kw_only=True)
class Safety:
    """
    The limits of chaos on one stage.

    `protected` are patterns of stage names and account ids; `allowed_accounts` are the only accounts it may live in, if there are
    any; `blast_radius` is the share of its functions that may be hurt at once.
    """

    protected: Sequence[str] = ()
    allowed_accounts: Sequence[str] = ()
    account: str = ""
    blast_radius: float = 1.0

    @classmethod
    def of(cls, stage: Stage) -> Safety:
        """The limits that a stage's settings draw."""
        settings = stage.settings
        account, is_made_up = settings.account, stage.target == "local"
        if is_deployed(stage):
            account, is_made_up = stage.account.id, stage.account.is_emulator
        return cls(
            protected=settings.protected,
            # The account of a local stage or an emulator is made up, so there is no harm in one that is not on the list.
            allowed_accounts=() if is_made_up else settings.accounts,
            account=account,
            blast_radius=settings.blast_radius,
        )

    def check(self, plan: Plan, active: Iterable[Plan], stage: Stage) -> None:
        """Raise `ChaosRefused` if a plan must not begin on a stage that suffers the active ones already."""
        for what, name in (("stage", stage.name), ("account", self.account)):
            pattern = protecting(name, self.protected)
            if pattern is not None:
                raise ChaosRefused(_protected(plan, what, name, pattern, self.protected))
        if self.allowed_accounts and self.account not in self.allowed_accounts:
            raise ChaosRefused(
                f"{plan} is refused: stage {stage.name} lives in the account {self.account}, and the setting `accounts` allows "
                f"{', '.join(self.allowed_accounts)} only. Use a stage in one of them, or add the account."
            )
        self._check_blast_radius(plan, active, stage)

    def _check_blast_radius(self, plan: Plan, active: Iterable[Plan], stage: Stage) -> None:
        functions = _functions(stage.resources)
        hurt = {name for one in (*active, plan) for name in one.faults if name in functions}
        allowed = math.floor(self.blast_radius * len(functions) + 1e-9)
        if len(hurt) > allowed:
            raise ChaosRefused(_too_wide(plan, sorted(hurt), len(functions), allowed, self.blast_radius))


def _functions(resources: Mapping[str, Resource]) -> set[str]:
    return {name for name, resource in resources.items() if resource.type in FUNCTIONS}


def _protected(plan: Plan, what: str, name: str, pattern: str, protected: Sequence[str]) -> str:
    by = "" if pattern == name else f" by the pattern {pattern!r}"
    return (
        f"{plan} is refused: the {what} {name!r} is protected{by}. The setting `protected` is {list(protected)}.\n"
        "Choose another stage (--stage=NAME); a protected one is never hurt."
    )


def _too_wide(plan: Plan, hurt: Sequence[str], count: int, allowed: int, blast_radius: float) -> str:
    share = len(hurt) / count
    least = f"; {1 / count:.2g} would allow one" if allowed == 0 else ""
    return (
        f"{plan} is refused: with it {len(hurt)} of {count} functions ({share:.0%}) would be hurt at once: {', '.join(hurt)}.\n"
        f"The setting `blast_radius` is {blast_radius:g}, which allows {allowed}{least}. Hurt fewer functions at once, one block after the "
        "other, or widen it."
    )
