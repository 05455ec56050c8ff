"""
Opens a stage on the target `docker` or `aws`, and the steps of that one by one: attach, deploy, remove.

A run of one process needs `open_deployed` alone. Where several share a stage, one deploys it, each attaches, and one removes it.
"""

from __future__ import annotations

from pathlib import Path

from stagefright.errors import TargetError
from stagefright.ledger.ledger import Ledger
from stagefright.settings import Settings
from stagefright.stack_names import checked, stack_name
from stagefright.targets.account import EMULATOR_KEY, Account
from stagefright.targets.deployed_stage import DeployedStage
from stagefright.targets.deploying.deployer import CREATED, Deployer
from stagefright.targets.deploying.stack_events import Progress, silent
from stagefright.targets.run import TAG_PREFIX, Run
from stagefright.targets.stack import described, read_stack, tags_of
from stagefright.targets.stack_states import check_state


def account_of(settings: Settings, *, endpoint_url: str | None = None, access_key: str = EMULATOR_KEY) -> Account:
    """The account that the settings lead to, and that lets us in; with an `endpoint_url`, the emulator that answers there."""
    url = endpoint_url or settings.endpoint_url
    account = Account(region=settings.region, profile=settings.profile, endpoint_url=url, access_key=access_key)
    account.check(settings.accounts)
    return account


def open_deployed(
    name: str,
    settings: Settings,
    *,
    run: Run | None = None,
    account: Account | None = None,
    keep: bool = False,
    progress: Progress = silent,
) -> DeployedStage:
    """
    Attach to the stack of a stage if it is there, else deploy it.

    What was deployed is removed when the stage is closed, unless it is to be kept. Raises `TargetError`.
    """
    run, account = run or Run.begin(), account or account_of(settings)
    if is_there(name, settings, account):
        return attach(name, settings, run=run, account=account)
    deployer = deployer_of(name, settings, run=run, account=account, progress=progress)
    outcome = deployer.deploy()
    try:
        stage = attach(name, settings, run=run, account=account, ledger=deployer.ledger)
    except TargetError:
        if outcome == CREATED and not keep:
            deployer.remove()
        raise
    stage.is_kept = keep or outcome != CREATED
    stage.closers.append(lambda: None if stage.is_kept else deployer.remove())
    return stage


def is_there(name: str, settings: Settings, account: Account) -> bool:
    """Whether a stage has a stack, in whatever state."""
    return described(account, _stack(name, settings)) is not None


def attach(name: str, settings: Settings, *, run: Run, account: Account, ledger: Ledger | None = None) -> DeployedStage:
    """The stage of a stack that is there; closing it leaves the stack alone. Raises `TargetError` if it cannot be tested."""
    stack = _stack(name, settings)
    description = described(account, stack)
    if description is None:
        raise TargetError(
            f"There is no stack {stack} in {account.region} (account {account.id}), so the stage {name!r} is not there. Deploy it, or set "
            "another name: [tool.stagefright] stack_name or service."
        )
    check_state(account, description)
    ledger = ledger or ledger_of(name, settings, run=run, account=account)
    return DeployedStage(name, settings, account, read_stack(account, stack, description), run=run, ledger=ledger)


def deployer_of(name: str, settings: Settings, *, run: Run, account: Account, progress: Progress = silent) -> Deployer:
    """
    What deploys a stage whether or not it is there: `deploy()` says whether it was created, updated or unchanged.

    `remove()` takes back what was created.
    """
    ledger = ledger_of(name, settings, run=run, account=account)
    return Deployer(name, settings, account, run, ledger, progress)


def remove(
    name: str, settings: Settings, *, account: Account, run: Run | None = None, progress: Progress = silent
) -> bool:
    """
    Remove a stage that Stagefright deployed, or only if that run did; whether there was one.

    A stack without our tags is refused with a `TargetError`, unless the settings say how to remove it.
    """
    stack = _stack(name, settings)
    description = described(account, stack)
    if description is None:
        return False
    tags = tags_of(description)
    if run is not None and settings.deploy is None and tags.get(f"{TAG_PREFIX}run") != run.id:
        return False
    if settings.remove is None and tags.get(f"{TAG_PREFIX}stage") != name:
        raise TargetError(
            f"The stack {stack} ({account.region}) was not deployed by Stagefright: it has no tag {TAG_PREFIX}stage={name}. It was left "
            f"alone. Remove it with what made it, or: aws cloudformation delete-stack --stack-name {stack} --region {account.region}"
        )
    deployer_of(name, settings, run=run or Run.begin(), account=account, progress=progress).remove()
    return True


def ledger_of(name: str, settings: Settings, *, run: Run, account: Account) -> Ledger:
    """Where a run writes down what it makes for a stage."""
    return Ledger(Path(settings.directory), run=run, stage=name, account=account)


def _stack(name: str, settings: Settings) -> str:
    return checked(stack_name(name, settings), f"the stage {name!r}")
