"""What a stage's CloudFormation stack is called, on every target."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from stagefright.errors import SettingsError, nearest
from stagefright.settings import Settings
from stagefright.templates import find_template

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,127}")
_WRITTEN_BY_TOOLS = (".serverless", "cdk.out")
_PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Za-z_]+)\}")


def stack_name(stage: str, settings: Settings) -> str:
    """The setting `stack_name`, else `<service>-<stage>`; the service is the setting, else the name of the project's directory."""
    if settings.stack_name is None:
        return re.sub(r"[^A-Za-z0-9-]", "-", f"{service_name(settings)}-{stage}")
    name = filled(
        settings.stack_name, "stack_name", {"stage": lambda: stage, "service": lambda: service_name(settings)}
    )
    return checked(name, "stack_name")


def service_name(settings: Settings) -> str:
    """The setting, else the name of the project's directory."""
    if settings.service:
        return settings.service
    return _directory(settings.template or find_template(settings.directory)).name


def _directory(template: Path) -> Path:
    """Where the project lies that a template, or a tool's output, belongs to."""
    path = template.resolve()
    directory = path if path.is_dir() else path.parent
    inner = next((one for one in (directory, *directory.parents) if one.name in _WRITTEN_BY_TOOLS), None)
    return directory if inner is None else inner.parent


def checked(name: str, origin: str) -> str:
    """The name, if CloudFormation takes it for a stack's."""
    if _NAME.fullmatch(name):
        return name
    suggestion = re.sub(r"[^a-zA-Z0-9]+", "-", name).strip("-").lstrip("0123456789-")[:128] or "my-stack"
    raise SettingsError(
        f"{origin}: CloudFormation takes no stack name {name!r}: it has letters, digits and hyphens (128 at most), and begins with a "
        f"letter. Try {suggestion!r}; the settings `service` and `stack_name` decide."
    )


def filled(text: str, setting: str, values: Mapping[str, Callable[[], str]]) -> str:
    """
    A setting's text with its `{placeholders}` replaced; `${...}` is the shell's.

    >>> filled("{service}-{stage}", "stack_name", {"service": lambda: "shop", "stage": lambda: "pr-7"})
    'shop-pr-7'
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values:
            raise SettingsError(f"{setting}: {text!r} has the unknown placeholder {{{name}}}. {nearest(name, values)}")
        return values[name]()

    return _PLACEHOLDER.sub(value, text)
