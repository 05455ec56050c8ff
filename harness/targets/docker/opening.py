"""Opens a stage on the target `docker`: the emulator first, then the stack in it."""

from __future__ import annotations

from dataclasses import replace

from stagefright.settings import Settings
from stagefright.targets import opening
from stagefright.targets.deployed_stage import DeployedStage
from stagefright.targets.deploying.stack_events import Progress, silent
from stagefright.targets.docker.emulator import Emulator, start_emulator
from stagefright.targets.docker.workers import access_key_of, check_accounts
from stagefright.targets.run import Run


def open_in_docker(
    name: str,
    settings: Settings,
    *,
    run: Run | None = None,
    worker: str | None = None,
    keep: bool = False,
    progress: Progress = silent,
) -> DeployedStage:
    """
    Deploy a stage into an emulator: the one at `endpoint_url`, else the container of the run, which is started if it is not there.

    `worker` is who deploys, if several do (`gw0`): each has a copy of the stack, in an account of its own. Whoever started the
    container removes it when the stage is closed, unless it is to be kept. Raises `TargetError`.
    """
    run = run or Run.begin()
    emulator = start_emulator(settings, run, stage=name, progress=progress)
    try:
        stage = deploy_into(emulator, name, settings, run=run, worker=worker, keep=keep, progress=progress)
    except BaseException:
        emulator.close()
        raise
    if keep and emulator.is_ours:
        emulator.keep()
        progress(
            f"The emulator stays at {emulator.endpoint_url} (set endpoint_url to use it); remove it: docker rm -f {emulator.container}"
        )
    stage.closers.insert(0, emulator.close)  # what is in it has its turn first
    return stage


def deploy_into(
    emulator: Emulator,
    name: str,
    settings: Settings,
    *,
    run: Run,
    worker: str | None,
    keep: bool,
    progress: Progress,
) -> DeployedStage:
    """The stage in an emulator that runs: a worker's own copy, in the worker's account. Raises `TargetError`."""
    key = access_key_of(worker)
    account = opening.account_of(
        settings,
        endpoint_url=emulator.endpoint_url,
        access_key=key,
        inside_url=emulator.inside_url,
        machine_inside=emulator.machine_inside,
    )
    check_accounts(account, worker)
    if emulator.container is not None:
        # Nobody else is in a container of the run's own, in the account of one worker.
        settings = replace(settings, claims=False)
    return opening.open_deployed(
        name, settings, run=run, account=account, copy=worker or "", keep=keep, progress=progress
    )
