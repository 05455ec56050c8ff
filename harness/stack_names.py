"""What a stage's CloudFormation stack is called, on every target."""

from __future__ import annotations

from stagefright.settings import Settings
from stagefright.templates import find_template


def stack_name(stage: str, settings: Settings) -> str:
    """`<service>-<stage>`; the service is the setting, else the name of the template's directory."""
    if settings.service:
        service = settings.service
    else:
        template = settings.template or find_template(settings.directory)
        service = template.resolve().parent.name
    return f"{service}-{stage}".replace("_", "-")
