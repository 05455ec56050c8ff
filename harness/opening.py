"""How a stage is stood up: from settings to a world with a system in it, or to a stack in an account."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagefright.assumptions import Assumptions
from stagefright.delivery.at_least_once import STANDARD_TYPES, check_names
from stagefright.deployment import DeployedStacks, PlannedStacks, at_home
from stagefright.local_stage import LocalStage
from stagefright.services.lambda_limits import ACCOUNT_CONCURRENCY
from stagefright.settings import Settings, load_settings
from stagefright.shared.tenancy import Tenancy, move_in
from stagefright.stack_names import stack_name
from stagefright.templates import find_template, read_project
from stagefright.world import World

if TYPE_CHECKING:
    from stagefright.stage import Stage


def open_stage(
    name: str,
    *,
    settings: Settings | None = None,
    directory: str | Path | None = None,
    copy: str = "",
    **overrides: Any,
) -> Stage:
    """
    Stand a stage up and return it.

    Args:
        settings: where everything is set already; else they are read from `pyproject.toml` at or above `directory`
            (default: the current one), and `overrides` (`template=`, `parameters=`, ...) come on top.
        copy: tells apart the processes of one run that each have a local stage for themselves, such as the workers of pytest-xdist.

    Raises `SettingsError` and `TemplateError`; on the targets `docker` and `aws` also `TargetError`.
    """
    if settings is None:
        settings = load_settings(Path(directory or Path.cwd()), name, _as_text(overrides), os.environ)
    if settings.target != "local":
        from stagefright.targets.opening import open_deployed

        return open_deployed(name, settings)
    project = read_project(settings.template or find_template(settings.directory))
    sources = project.chosen(settings.stack)
    settings = at_home(settings, sources)
    shared = move_in(name, settings, copy=copy)
    try:
        planned = PlannedStacks.of(
            sources, settings, stack_name=stack_name(name, settings), parameters=shared.parameters
        )
        return _deploy(name, settings, planned, shared)
    except BaseException:
        shared.close()
        raise


def _deploy(name: str, settings: Settings, planned: PlannedStacks, shared: Tenancy) -> LocalStage:
    world = World(
        account=settings.account,
        region=settings.region,
        seed=settings.seed,
        assumptions=Assumptions(**settings.assumptions),
        account_concurrency=settings.account_concurrency or ACCOUNT_CONCURRENCY,
        at_least_once=settings.at_least_once,
    )
    world.allow_hosts = (*settings.allow_hosts, *shared.hosts)
    world.open()
    try:
        _furnish(world, settings, planned)
        deployed = planned.deploy(world, strict=settings.strict_template)
        _check_at_least_once(settings, deployed)
        world.mark_deployed()
        stage = LocalStage(name, settings, world, deployed, shared)
        stage.reset()
    except BaseException:
        world.close()
        raise
    return stage


def _check_at_least_once(settings: Settings, deployed: DeployedStacks) -> None:
    standard = [
        logical_id
        for logical_id, resource in deployed.resources.items()
        if resource.type in STANDARD_TYPES and not resource.physical_id.endswith(".fifo")
    ]
    check_names(settings.at_least_once, standard)


def _furnish(world: World, settings: Settings, planned: PlannedStacks) -> None:
    """Put into the account what the template takes for granted."""
    for name, value in planned.ssm_parameters.items():
        world.internal_client("ssm").put_parameter(Name=name, Value=value, Type="String")
    for name, value in settings.secrets.items():
        world.internal_client("secretsmanager").create_secret(Name=name, SecretString=value)


def _as_text(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in overrides.items()}
