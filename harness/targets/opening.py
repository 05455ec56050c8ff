"""Opens a stage on the target `docker` or `aws`."""

from __future__ import annotations

from stagefright.settings import Settings
from stagefright.stack_names import stack_name
from stagefright.targets.account import Account
from stagefright.targets.deployed_stage import DeployedStage
from stagefright.targets.run import Run
from stagefright.targets.stack import read_stack


def open_deployed(name: str, settings: Settings, *, run: Run | None = None) -> DeployedStage:
    """Attach to the stack of a stage."""
    account = Account(region=settings.region, profile=settings.profile, endpoint_url=settings.endpoint_url)
    stack = read_stack(account, stack_name(name, settings))
    return DeployedStage(name, settings, account, stack, run=run or Run.begin())
