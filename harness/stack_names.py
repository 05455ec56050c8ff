"""What a stage's CloudFormation stack is called, on every target."""

from __future__ import annotations

import re
from pathlib import Path

from stagefright.settings import Settings
from stagefright.templates import find_template

_WRITTEN_BY_TOOLS = (".serverless", "cdk.out")


def stack_name(stage: str, settings: Settings) -> str:
    """`<service>-<stage>`; the service is the setting, else the name of the project's directory."""
    service = settings.service or _directory(settings.template or find_template(settings.directory)).name
    return re.sub(r"[^A-Za-z0-9-]", "-", f"{service}-{stage}")


def _directory(template: Path) -> Path:
    """Where the project lies that a template, or a tool's output, belongs to."""
    path = template.resolve()
    directory = path if path.is_dir() else path.parent
    inner = next((one for one in (directory, *directory.parents) if one.name in _WRITTEN_BY_TOOLS), None)
    return directory if inner is None else inner.parent
