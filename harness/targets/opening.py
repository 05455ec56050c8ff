"""
Opens a stage on the target `docker` or `aws`, and the steps of that one by one: attach, deploy, remove.

A run of one process needs `open_deployed` alone. Where several share a stage, one deploys it, each attaches, and one removes it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from stagefright.errors import TargetError
from stagefright.ledger.ledger import Ledger
from stagefright.settings import Settings
from stagefright.shared.tenancy import Tenancy, move_in, move_out
from stagefright.targets.account import EMULATOR_KEY, Account
from stagefright.targets.deployed_stage import DeployedStage
from stagefright.targets.deploying.change_sets import run_behind
from stagefright.targets.deploying.deployer import CREATED, Deployer, StageDeployer
from stagefright.targets.deploying.parts import Part, parts_of
from stagefright.targets.deploying.stack_events import Progress, silent
from stagefright.targets.region import region_of
from stagefright.targets.run import RUN_TAG, STAGE_TAG, Run
from stagefright.targets.stack import REVIEWED, Stack, as_one, described, read_stack, tags_of
from stagefright.targets.stack_states import check_state


def account_of(
    settings: Settings,
    *,
    endpoint_url: str | None = None,
    access_key: str = EMULATOR_KEY,
    inside_url: str | None = None,
    machine_inside: str | None = None,
) -> Account:
    """
    The account that the settings lead to, and that lets us in; with an `endpoint_url`, the emulator that answers there.

    `inside_url` is where it answers its own functions, if that is elsewhere, and `machine_inside` what they call this machine.
    """
    account = Account(
        region=region_of(settings),
        profile=settings.profile,
        endpoint_url=endpoint_url or settings.endpoint_url,
        access_key=access_key,
        inside_url=inside_url,
        machine_inside=machine_inside,
    )
    account.check(settings.accounts)
    return account


def open_deployed(
    name: str,
    settings: Settings,
    *,
    run: Run | None = None,
    account: Account | None = None,
    copy: str = "",
    keep: bool = False,
    progress: Progress = silent,
) -> DeployedStage:
    """
    Attach to the stack of a stage if it is there, else deploy it.

    What was deployed is removed when the stage is closed, unless it is to be kept. `copy` tells apart workers that each have the
    stage for themselves. Raises `TargetError`.
    """
    if account is None and settings.target == "docker":
        from stagefright.targets.docker.opening import open_in_docker

        return open_in_docker(name, settings, run=run, keep=keep, progress=progress)
    run, account = run or Run.begin(), account or account_of(settings)
    if is_there(name, settings, account):
        return attach(name, settings, run=run, account=account, copy=copy)
    _refuse_to_overwrite(name, settings, account)
    with ExitStack() as undoing:
        ledger = ledger_of(name, settings, run=run, account=account)
        undoing.callback(ledger.close)
        shared = move_in(name, settings, copy=copy, run=run, note=ledger.note, stays=True)
        undoing.callback(shared.give_up)
        settings = replace(
            settings, parameters={**settings.parameters, **shared.parameters_from(account.machine_inside)}
        )
        deployer = deployer_of(name, settings, run=run, account=account, progress=progress, ledger=ledger)
        if deployer.deploy() == CREATED and not keep:
            undoing.callback(deployer.remove)
        stage = attach(name, settings, run=run, account=account, ledger=ledger, shared=shared)
        undoing.pop_all()  # it is up; from here on its own end does all this
    stage.is_kept = keep
    # The last comes first: the stack goes before what its functions used.
    stage.closers.append(lambda: None if stage.is_kept else shared.close())
    stage.closers.append(lambda: deployer.keep() if stage.is_kept else deployer.remove())
    return stage


def is_there(name: str, settings: Settings, account: Account) -> bool:
    """Whether a stage has its stacks, in whatever state."""
    return all(described(account, part.stack) is not None for part in parts_of(name, settings))


def runs_behind(name: str, settings: Settings, account: Account) -> list[str]:
    """The runs that deployed the stage's stacks, as far as their tags say so."""
    found = (described(account, part.stack) for part in parts_of(name, settings))
    runs = (run_behind(account, one) for one in found if one is not None)
    return sorted({run for run in runs if run is not None})


def _refuse_to_overwrite(name: str, settings: Settings, account: Account) -> None:
    """Of several stacks some may be there: raise `TargetError` for one that is not the stage's, rather than bring it up to date."""
    for part in parts_of(name, settings):
        description = described(account, part.stack)
        if description is None or description["StackStatus"] == REVIEWED:
            continue
        if tags_of(description).get(STAGE_TAG) != name:
            raise TargetError(
                f"Other stacks of the stage {name!r} are missing, and the stack {part.stack} ({account.region}) is there and was not "
                f"deployed by Stagefright (it has no tag {STAGE_TAG}={name}), so it would have been overwritten. Deploy the others with "
                "what made it, or choose another stage (--stage=NAME)."
            )


def attach(
    name: str,
    settings: Settings,
    *,
    run: Run,
    account: Account,
    ledger: Ledger | None = None,
    shared: Tenancy | None = None,
    copy: str = "",
) -> DeployedStage:
    """The stage of a stack that is there; closing it leaves the stack alone. Raises `TargetError` if it cannot be tested."""
    stacks = [_read(name, part, account) for part in parts_of(name, settings)]
    ledger = ledger or ledger_of(name, settings, run=run, account=account)
    if shared is None:
        shared = move_in(name, settings, copy=copy, run=run, note=ledger.note, stays=True)
    stage = DeployedStage(name, settings, account, as_one(stacks), run=run, ledger=ledger, shared=shared)
    stage.closers.append(shared.leave)
    stage.presence.begin()
    return stage


def _read(name: str, part: Part, account: Account) -> Stack:
    description = described(account, part.stack)
    if description is None:
        raise TargetError(
            f"There is no stack {part.stack} in {account.region} (account {account.id}), so the stage {name!r} is not there. Deploy it, or set "
            "another name: [tool.stagefright] stack_name or service."
        )
    check_state(account, description)
    return read_stack(account, part.stack, description, names=part.names)


def deployer_of(
    name: str,
    settings: Settings,
    *,
    run: Run,
    account: Account,
    progress: Progress = silent,
    ledger: Ledger | None = None,
) -> StageDeployer:
    """
    What deploys a stage whether or not it is there: `deploy()` says whether it was created, updated or unchanged.

    `remove()` takes back what was created.
    """
    ledger = ledger or ledger_of(name, settings, run=run, account=account)
    parts = parts_of(name, settings)
    return StageDeployer([Deployer(name, part, settings, account, run, ledger, progress) for part in parts], ledger)


def remove(
    name: str, settings: Settings, *, account: Account, run: Run | None = None, progress: Progress = silent
) -> bool:
    """
    Remove a stage that Stagefright deployed, or only if that run did; whether there was one.

    A stack without our tags is refused with a `TargetError`, unless the settings say how to remove it.
    """
    run_of_this, ledger = run or Run.begin(), None
    found = [part for part in parts_of(name, settings) if _is_to_go(name, part, settings, account, run)]
    for part in reversed(found):
        ledger = ledger or ledger_of(name, settings, run=run_of_this, account=account)
        Deployer(name, part, settings, account, run_of_this, ledger, progress).remove()
    if ledger is not None:
        ledger.close()
        move_out(name, settings)
    return bool(found)


def _is_to_go(name: str, part: Part, settings: Settings, account: Account, run: Run | None) -> bool:
    description = described(account, part.stack)
    if description is None:
        return False
    tags = tags_of(description)
    # What a command deployed has no tags; that this run did it, the caller knows.
    is_by_command = run is not None and settings.deploy is not None
    if run is not None and not is_by_command and tags.get(RUN_TAG) != run.id:
        return False
    if settings.remove is None and not is_by_command and tags.get(STAGE_TAG) != name:
        raise TargetError(
            f"The stack {part.stack} ({account.region}) was not deployed by Stagefright: it has no tag {STAGE_TAG}={name}. It was left "
            f"alone. Remove it with what made it, or: aws cloudformation delete-stack --stack-name {part.stack} --region {account.region}"
        )
    return True


def ledger_of(name: str, settings: Settings, *, run: Run, account: Account) -> Ledger:
    """Where a run writes down what it makes for a stage."""
    return Ledger(Path(settings.directory), run=run, stage=name, account=account)
