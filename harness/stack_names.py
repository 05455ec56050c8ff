"""What a stage's CloudFormation stack is called, on every target."""

from __future__ import annotations

from stagefright.settings import Settings
from stagefright.templates import find_template


def stack_name(stage: str, settings: Settings) -> str:
    """`<service>-<stage>`."""
    return f"{service_name(settings)}-{stage}".replace("_", "-")


def service_name(settings: Settings) -> str:
    """The setting, else the name of the template's directory."""
    if settings.service:
        return settings.service
    template = settings.template or find_template(settings.directory)
    return template.resolve().parent.name
