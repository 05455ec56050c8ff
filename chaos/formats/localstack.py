"""
The rules of LocalStack's Chaos API, read as plans.

    from_localstack([{"service": "dynamodb", "operation": "PutItem", "probability": 0.5}], stage, functions=["Worker"])

A rule makes API calls fail, whoever makes them. A plan says whose: the `functions`, by default all that the stage has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagefright.chaos.experiments.kinds import is_number
from stagefright.chaos.faults.fault import FUNCTIONS, AnyFault
from stagefright.chaos.formats.problems import Refusals, fault, plan_of, read_json
from stagefright.chaos.plan import Plan
from stagefright.errors import ExperimentError, nearest
from stagefright.wording import shorten

if TYPE_CHECKING:
    from stagefright.stage import Stage

RULE_KEYS = ("region", "service", "operation", "probability", "error", "description")
ERROR_KEYS = ("statusCode", "code")
DEFAULT_CODE, DEFAULT_STATUS = "ServiceUnavailable", 503
"""What a rule without an `error` answers with."""


def from_localstack(
    rules: Sequence[Mapping[str, Any]] | str | Path, stage: Stage, *, functions: Iterable[str] | None = None
) -> Plan:
    """
    The plan of LocalStack's rules, given as JSON or as the file that holds it, for functions of a stage.

    Raises `ExperimentError`, which names every rule that cannot be expressed.
    """
    found = read_json(list(rules) if isinstance(rules, tuple) else rules, "a list of chaos rules")
    if not isinstance(found, list):
        raise ExperimentError(f"LocalStack's rules are a list; received {shorten(found)}.")
    refusals, victims = Refusals(), _victims(stage, functions)
    faults = [_fault(rule, f"rule {index}", stage, refusals) for index, rule in enumerate(found)]
    _refuse_overlaps(found, refusals)
    if not found:
        refusals.add("", "there are no rules, which is LocalStack's way to switch chaos off; leave the block instead.")
    refusals.end("These rules cannot be expressed as a plan:")
    made = [one for one in faults if one is not None]
    return plan_of({victim: list(made) for victim in victims})


def _victims(stage: Stage, functions: Iterable[str] | None) -> list[str]:
    known = [name for name, resource in stage.resources.items() if resource.type in FUNCTIONS]
    asked = known if functions is None else list(functions)
    unknown = [name for name in asked if name not in known]
    if unknown or not asked:
        raise ExperimentError(f"There is no function {', '.join(unknown)}. {nearest(''.join(unknown[:1]), known)}")
    return asked


def _fault(rule: Any, where: str, stage: Stage, refusals: Refusals) -> AnyFault | None:
    if not isinstance(rule, dict):
        refusals.add(where, f"it is a mapping; received {shorten(rule)}.")
        return None
    count = len(refusals.problems)
    for key in rule:
        if key not in RULE_KEYS:
            refusals.add(where, f"it has no {key!r}. {nearest(key, RULE_KEYS)}")
    region = rule.get("region", stage.settings.region)
    if region != stage.settings.region:
        refusals.add(where, f"it is for {region!r}, and the stage is in {stage.settings.region}: it would never match.")
    if not isinstance(rule.get("service"), str):
        refusals.add(
            where, "it has no service, so it is for all of AWS, which cannot be expressed; write a rule for each."
        )
    error, probability = _error(rule, where, refusals), _probability(rule, where, refusals)
    if len(refusals.problems) > count:
        return None
    given = {"operation": rule["operation"]} if rule.get("operation") else {}
    plain: AnyFault | None = refusals.attempt(
        where, lambda: fault("ServiceError", service=rule["service"], **given, **error)
    )
    if plain is None or probability == 1:
        return plain
    rated: AnyFault | None = refusals.attempt(
        where, lambda: fault("WithProbability", fault=plain, probability=probability)
    )
    return rated


def _error(rule: Mapping[str, Any], where: str, refusals: Refusals) -> dict[str, Any]:
    error = rule.get("error", {})
    if not isinstance(error, dict) or any(key not in ERROR_KEYS for key in error):
        refusals.add(where, f"error has {' and '.join(ERROR_KEYS)}; received {shorten(error)}.")
        return {}
    return {"code": error.get("code", DEFAULT_CODE), "status": error.get("statusCode", DEFAULT_STATUS)}


def _probability(rule: Mapping[str, Any], where: str, refusals: Refusals) -> float:
    probability = rule.get("probability", 1)
    if not is_number(probability) or not 0 < probability <= 1:
        refusals.add(where, f"probability is a number above 0, up to 1; received {shorten(probability)}.")
        return 1
    return float(probability)


def _refuse_overlaps(rules: Sequence[Any], refusals: Refusals) -> None:
    """In LocalStack the first rule that matches a call wins; two of our faults would both strike."""
    seen: list[tuple[int, Any, Any]] = []
    for index, rule in enumerate(rules):
        if not isinstance(rule, dict):
            continue
        service, operation = rule.get("service"), rule.get("operation")
        for other, other_service, other_operation in seen:
            if service == other_service and (operation == other_operation or None in (operation, other_operation)):
                refusals.add(
                    f"rules {other} and {index}", "both match the same calls, and only the first would be obeyed."
                )
        seen.append((index, service, operation))
