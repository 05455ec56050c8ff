"""
What CDK's templates ask of `cdk bootstrap`, and what is not needed here.

Each has a parameter that reads the version of the bootstrap stack, and a rule about it. Both are there for the command line of CDK, which puts
assets into the bootstrap stack's bucket. Assets go into ours, so a stage stands up in an account that was never bootstrapped, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERSION = "/cdk-bootstrap/"
"""How the name of the SSM parameter begins that has the version."""

RULE = "CheckBootstrapVersion"


def without_bootstrap(document: Mapping[str, Any]) -> dict[str, Any]:
    """The template without that parameter and that rule; others stay."""
    parameters = {name: one for name, one in document.get("Parameters", {}).items() if not _is_version(one)}
    rules = {name: one for name, one in document.get("Rules", {}).items() if name != RULE}
    left = {name: section for name, section in document.items() if name not in ("Parameters", "Rules")}
    return {**left, **({"Parameters": parameters} if parameters else {}), **({"Rules": rules} if rules else {})}


def _is_version(parameter: Any) -> bool:
    return isinstance(parameter, Mapping) and str(parameter.get("Default", "")).startswith(VERSION)
