"""Warnings about a template: what of it the local stage does not do. They point at the template's file, not at ours."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from stagefright.errors import StagefrightWarning

if TYPE_CHECKING:
    from stagefright.templates import Resource

ADVICE = {
    "AWS::ApiGateway": "REST APIs are served as if they were not there.",
    "AWS::StepFunctions": "No execution starts: call the functions with stage.invoke(...).",
}
"""What to do without a service that many templates have."""


def warn(template: Path, logical_id: str | None, message: str) -> None:
    """Warn about a resource of a template, or about all of it."""
    text = message if logical_id is None else f"{logical_id}: {message}"
    warnings.warn_explicit(StagefrightWarning(text), None, str(template), _line_of(template, logical_id))


def warn_of_placeholders(template: Path, inert: Iterable[Resource]) -> None:
    """Name the resources that do nothing, in one warning for each service."""
    services: dict[str, list[Resource]] = {}
    for resource in inert:
        services.setdefault("::".join(resource.type.split("::")[:2]), []).append(resource)
    for service, resources in services.items():
        warnings.warn_explicit(
            StagefrightWarning(" ".join(filter(None, [_sentence(resources), ADVICE.get(service)]))),
            None,
            str(template),
            _line_of(template, resources[0].logical_id),
        )


def _sentence(resources: list[Resource]) -> str:
    if len(resources) == 1:
        (one,) = resources
        return (
            f"{one.logical_id} is of type {one.type}, which the local stage does not have; "
            "it stands there as a placeholder that does nothing."
        )
    named = ", ".join(f"{resource.logical_id} ({resource.type})" for resource in resources)
    return f"The local stage does not have the types of {named}; they stand there as placeholders that do nothing."


def _line_of(template: Path, logical_id: str | None) -> int:
    """The line on which a resource begins, or the SAM resource that it was derived from; else the first."""
    found = (0, 1)
    lines = template.read_text("utf-8", "replace").splitlines() if logical_id and template.is_file() else ()
    for number, line in enumerate(lines, start=1):
        begins = _KEY.match(line)
        if (
            begins is not None
            and logical_id is not None
            and logical_id.startswith(begins[1])
            and len(begins[1]) > found[0]
        ):
            found = (len(begins[1]), number)
    return found[1]


_KEY = re.compile(r"""\s+["']?([A-Za-z0-9]+)["']?\s*:""")
