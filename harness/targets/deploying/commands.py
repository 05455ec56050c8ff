"""
The user's own commands that deploy or remove a stage: `sls deploy -s {stage}`, `sam deploy ...`.

Our tags come to them in the form that each tool takes: as words `key=value`, as options, and as variables.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections import deque
from collections.abc import Mapping

from stagefright.errors import DeploymentFailed, SettingsError
from stagefright.settings import Settings
from stagefright.stack_names import filled, service_name, stack_name
from stagefright.targets.account import Account
from stagefright.targets.deploying.stack_events import Progress
from stagefright.targets.environment import wanted_variables
from stagefright.targets.region import region_of
from stagefright.targets.run import TAG_PREFIX

LINES_SHOWN = 20
"""How many of a failing command's last lines its error shows."""


TAGS_VARIABLE, TAG_VARIABLE = "STAGEFRIGHT_TAGS", "STAGEFRIGHT_TAG_"
"""The variables that hold our tags: all of them as a JSON object, and each by itself (`STAGEFRIGHT_TAG_RUN`)."""


def command_line(setting: str, text: str, stage: str, settings: Settings, tags: Mapping[str, str]) -> str:
    """A command of the settings with its placeholders replaced, each as one word for the shell."""

    def profile() -> str:
        if settings.profile is None:
            raise SettingsError(
                f"{setting}: {text!r} asks for {{profile}}, but no profile is set ([tool.stagefright] profile)."
            )
        return shlex.quote(settings.profile)

    words = [f"{key}={value}" for key, value in tags.items()]
    values = {
        "stage": lambda: shlex.quote(stage),
        "service": lambda: shlex.quote(service_name(settings)),
        "stack_name": lambda: shlex.quote(stack_name(stage, settings)),
        "region": lambda: shlex.quote(region_of(settings)),
        "profile": profile,
        "tags": lambda: shlex.join(words),
        "tag_options": lambda: shlex.join(part for word in words for part in ("--tags", word)),
    }
    return filled(text, setting, values)


def run_command(
    setting: str,
    command: str,
    settings: Settings,
    account: Account,
    progress: Progress,
    tags: Mapping[str, str] | None = None,
) -> None:
    """
    Run a command in the project's directory and pass on what it says, line by line.

    Raises `DeploymentFailed` with its last lines if it fails.
    """
    progress(f"$ {command}")
    last: deque[str] = deque(maxlen=LINES_SHOWN)
    with subprocess.Popen(  # noqa: S602 (a command line of the user's own settings)
        command,
        shell=True,
        cwd=settings.directory,
        env={**_environment(account), **tag_variables(tags or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.rstrip())
            progress(line.rstrip())
    if process.returncode != 0:
        said = "\n".join(f"  {line}" for line in last) or "  (nothing)"
        raise DeploymentFailed(
            f"The command of the setting `{setting}` ended with exit code {process.returncode}: {command}\n"
            f"It ran in {settings.directory}. The last that it said:\n{said}"
        )


def _environment(account: Account) -> Mapping[str, str]:
    """Ours, but for what would lead the command to another account than the one that was checked."""
    wanted = wanted_variables(account, os.environ)
    kept = {name: value for name, value in os.environ.items() if name not in wanted}
    return kept | {name: value for name, value in wanted.items() if value is not None}


def tag_variables(tags: Mapping[str, str]) -> dict[str, str]:
    """Our tags as variables."""
    if not tags:
        return {}
    each = {f"{TAG_VARIABLE}{key.removeprefix(TAG_PREFIX).upper()}": value for key, value in tags.items()}
    return {TAGS_VARIABLE: json.dumps(tags), **each}
