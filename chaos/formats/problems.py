"""What the formats share: every problem is found before the first is told, and faults are named as the catalogue has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stagefright.chaos.experiments.document import read_text
from stagefright.chaos.experiments.fault_reading import BY_NAME
from stagefright.chaos.experiments.kinds import is_json
from stagefright.chaos.faults.fault import AnyFault
from stagefright.chaos.plan import Plan
from stagefright.errors import ExperimentError, UsageError
from stagefright.wording import shorten


class Refusals:
    """Why something cannot be expressed, collected by name."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def add(self, where: str, problem: str) -> None:
        """Note a problem."""
        self.problems.append(f"{where}: {problem}" if where else problem)

    def attempt(self, where: str, make: Callable[[], Any]) -> Any:
        """What `make` makes; None, and a noted problem, if it refuses."""
        try:
            return make()
        except UsageError as error:
            self.add(where, str(error))
            return None

    def end(self, what: str) -> None:
        """Raise `ExperimentError` with all of it, if there is anything."""
        if self.problems:
            raise ExperimentError("\n  - ".join([what, *dict.fromkeys(self.problems)]))


def fault(name: str, **settings: Any) -> AnyFault:
    """A fault by its name; one that this version does not have, or that cannot be made like this, is a `UsageError`."""
    kind = BY_NAME.get(name)
    if kind is None:
        raise ExperimentError(f"it takes the fault {name}, which this version does not have.")
    problems = kind.problems(settings)
    if problems:
        raise ExperimentError("; ".join(problems))
    made: AnyFault = kind(**settings)
    return made


def plan_of(faults: Mapping[str, list[AnyFault]]) -> Plan:
    """The plan of some faults by logical id."""
    return Plan.of(**faults)


def read_json(source: object, what: str) -> Any:
    """The plain values of a document: given as such, as JSON text, or as the path of a file."""
    file = str(source)
    if isinstance(source, Path):
        source = read_text(source, what)
    if isinstance(source, str | bytes):
        file = file if file.endswith(".json") else "the text"
        source = _parsed(source, file, what)
    if not is_json(source):
        raise ExperimentError(f"{what} is JSON of a reasonable depth; received {shorten(source)}.")
    return source


def _parsed(text: str | bytes, file: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExperimentError(f"{file} is not {what}: malformed JSON: {error}.") from None
