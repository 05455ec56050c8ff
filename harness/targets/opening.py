"""
Opens a stage on the target `docker` or `aws`, and the steps of that one by one: attach, deploy, remove.

A run of one process needs `open_deployed` alone. Where several share a stage, one deploys it, each attaches, and one removes it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from stagefright.errors import StagefrightWarning, TargetError, UsageError
from stagefright.ledger.findings import lease_of
from stagefright.ledger.ledger import Ledger
from stagefright.settings import Settings
from stagefright.shared.tenancy import Tenancy, move_in, move_out, parameters_of
from stagefright.targets.account import EMULATOR_KEY, Account
from stagefright.targets.deployed_stage import DeployedStage
from stagefright.targets.deploying.by_command import remove_by_command, runs_by_ledger
from stagefright.targets.deploying.change_sets import run_behind
from stagefright.targets.deploying.deployer import CREATED, Deployer, StageDeployer, refuse_protected
from stagefright.targets.deploying.parts import Part, parts_of
from stagefright.targets.deploying.stack_events import Progress, silent
from stagefright.targets.pulse import Pulse, forget_kept
from stagefright.targets.region import region_of
from stagefright.targets.run import RUN_TAG, STAGE_TAG, TAG_PREFIX, Run
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
        stage = attach(name, settings, run=run, account=account, copy=copy)
        if progress is not silent:  # to compare them, all code is packed
            _tell_difference(stage, settings, copy, progress)
        return stage
    _refuse_to_overwrite(name, settings, account)
    stage, outcome, deployer = _stand_up(
        name, settings, run=run, account=account, copy=copy, keep=keep, progress=progress
    )
    # Of two that set out to make it the slower one has only brought it up to date, or found it.
    stage.is_kept = keep or outcome != CREATED
    # The last comes first: the stack goes before what its functions used.
    stage.closers.append(lambda: stage.shared.keep() if stage.is_kept else stage.shared.close())
    stage.closers.append(lambda: deployer.keep() if stage.is_kept else deployer.remove())
    return stage


def bring_up(
    name: str, settings: Settings, *, run: Run, account: Account, progress: Progress = silent
) -> tuple[DeployedStage, str]:
    """
    Deploy a stage that stays, or bring the one that is there up to date; and which of it was done: `created`, `updated`, `unchanged`.

    One that Stagefright did not deploy is refused with a `TargetError`. Then nothing was touched.
    """
    if not is_there(name, settings, account):
        stage = open_deployed(name, settings, run=run, account=account, keep=True, progress=progress)
        return stage, CREATED
    for part in parts_of(name, settings):
        _refuse_stranger(name, part, settings, account)
    stage, outcome, deployer = _stand_up(
        name, settings, run=run, account=account, keep=True, progress=progress, is_updated=True
    )
    stage.closers += [stage.shared.keep, deployer.keep]
    return stage, outcome


def _stand_up(
    name: str,
    settings: Settings,
    *,
    run: Run,
    account: Account,
    keep: bool,
    progress: Progress,
    copy: str = "",
    is_updated: bool = False,
) -> tuple[DeployedStage, str, StageDeployer]:
    """Deploy a stage with what it has on shared servers, or bring it up to date; what was made is taken back if that fails."""
    with ExitStack() as undoing:
        ledger = ledger_of(name, settings, run=run, account=account)
        undoing.callback(ledger.close)
        shared = move_in(name, settings, copy=copy, run=run, note=ledger.note, stays=True, is_updated=is_updated)
        undoing.callback(shared.give_up)
        settings = replace(
            settings, parameters={**settings.parameters, **shared.parameters_from(account.machine_inside)}
        )
        deployer = deployer_of(name, settings, run=run, account=account, progress=progress, ledger=ledger)
        outcome = deployer.deploy()
        if outcome == CREATED and not keep:
            undoing.callback(deployer.remove)
        stage = attach(name, settings, run=run, account=account, ledger=ledger, shared=shared)
        undoing.pop_all()  # it is up; from here on its own end does all this
    return stage, outcome, deployer


def _refuse_stranger(name: str, part: Part, settings: Settings, account: Account) -> None:
    """Raise `TargetError` for a stack that is there and not the stage's, or that nobody can bring up to date."""
    description = described(account, part.stack)
    if description is None:
        return
    if description["StackStatus"] == REVIEWED:
        check_state(account, description, "brought up to date")
    if tags_of(description).get(STAGE_TAG) == name or runs_by_ledger(Path(settings.directory), description):
        return
    raise TargetError(
        f"The stack {part.stack} ({account.region}) is there, and was not deployed by Stagefright: it has no tag {STAGE_TAG}={name}. It was "
        f"left as it is. Tests can run on it (pytest --stage={name} --stage-target={settings.target}); to bring it up to date, use what made "
        "it, or choose another stage (--stage=NAME)."
    )


def differs(name: str, settings: Settings, account: Account, *, copy: str = "") -> bool:
    """
    Whether what is deployed (to that worker, as in `open_deployed`) is not what the project has now, if that can be told.

    It cannot if a command deployed it, or something else than Stagefright, or if the project cannot be read as it is.
    """
    found = [described(account, part.stack) for part in parts_of(name, settings)]
    if settings.deploy is not None or any(tags_of(one).get(STAGE_TAG) != name for one in found if one is not None):
        return False
    shared = parameters_of(name, settings, copy=copy, machine=account.machine_inside)
    settings = replace(settings, parameters={**settings.parameters, **shared})
    deployer = deployer_of(name, settings, run=Run.begin(), account=account)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagefrightWarning)  # they are about what would be deployed
        try:
            return deployer.differs()
        except (UsageError, OSError):
            return False


def _tell_difference(stage: DeployedStage, settings: Settings, copy: str, progress: Progress) -> None:
    if stage.stack.tags.get(RUN_TAG) != stage.run.id and differs(stage.name, settings, stage.account, copy=copy):
        progress(
            f"the stage {stage.name} was deployed with another template, other code or other parameters than this project has now; tests run "
            f"on it as it is (`stagefright up --stage {stage.name}` brings it up to date)"
        )


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
    pulse = Pulse(account, run=run, stage=name, ledger=ledger, uses=_leases(stacks))
    # It lasts longer than what it stands for.
    stage.closers += [pulse.stop, shared.leave]
    pulse.start()
    stage.presence.begin()
    return stage


def _leases(stacks: Sequence[Stack]) -> dict[str, float]:
    """The runs that deployed a stage's stacks, and when their leases end, as far as tags tell."""
    leases = (lease_of(stack.tags, TAG_PREFIX) for stack in stacks)
    return {lease.run: lease.expires for lease in leases if lease is not None}


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
    found = [part for part in parts_of(name, settings) if _is_to_go(name, part, settings, account, run)]
    if not found:
        return False
    own, runs = run or Run.begin(), runs_behind(name, settings, account)
    ledger = ledger_of(name, settings, run=own, account=account)
    if settings.remove is not None:
        refuse_protected("remove", name, settings, account)
        remove_by_command(name, [part.stack for part in found], settings, account, own, progress)
    for part in reversed(found) if settings.remove is None else ():
        Deployer(name, part, settings, account, own, ledger, progress).remove()
    ledger.close()
    with suppress(TargetError):  # a sweep finds it by its tags
        for one in runs:
            forget_kept(account, stage=name, run=one)
    move_out(name, settings)
    return True


def _is_to_go(name: str, part: Part, settings: Settings, account: Account, run: Run | None) -> bool:
    description = described(account, part.stack)
    if description is None:
        return False
    tags, by_ledger = tags_of(description), runs_by_ledger(Path(settings.directory), description)
    if run is not None:
        # What a command deployed may have no tags; that this run did it, its ledger knows.
        return bool(tags.get(RUN_TAG) == run.id or (RUN_TAG not in tags and run.id in by_ledger))
    if settings.remove is None and not by_ledger and tags.get(STAGE_TAG) != name:
        raise TargetError(
            f"The stack {part.stack} ({account.region}) was not deployed by Stagefright: it has no tag {STAGE_TAG}={name}. It was left "
            f"alone. Remove it with what made it, or: aws cloudformation delete-stack --stack-name {part.stack} --region {account.region}"
        )
    return True


def ledger_of(name: str, settings: Settings, *, run: Run, account: Account) -> Ledger:
    """Where a run writes down what it makes for a stage."""
    return Ledger(Path(settings.directory), run=run, stage=name, account=account)
