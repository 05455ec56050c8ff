"""
Loads moto's services without what they import and a world hardly ever needs.

A stand-in is in `sys.modules` while a service is loaded, and no longer; it loads what it stands for when somebody asks for it after all.
A moto that imports something else is loaded as it is, with all its weight.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def load(service: str) -> None:
    """Load a service's models, if it is one of those that are too heavy."""
    if service == "ssm":
        _load_without("moto.ssm.models", {"moto.ec2": {"ec2_backends": _LateEc2()}})
    elif service in ("apigateway", "apigatewayv2"):
        _load_without("moto.apigateway.models", _OPENAPI)


class _LateEc2:
    """moto's SSM needs EC2's backends only to run commands on instances, and EC2 takes a third of a second to load."""

    def __getitem__(self, account: str) -> Any:
        from moto.ec2 import ec2_backends

        return ec2_backends[account]


class _LateInvalidDocument(Exception):
    """In place of the validator's error, until there is a validator that can raise it."""


def _validate(document: dict[str, Any]) -> None:
    """moto validates OpenAPI documents if asked to fail on warnings, outside worlds only; its validator takes a third of a second to load."""
    import moto.apigateway.models
    from openapi_spec_validator import validate
    from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

    moto.apigateway.models.validate = validate
    moto.apigateway.models.OpenAPIValidationError = OpenAPIValidationError
    validate(document)


_OPENAPI: dict[str, dict[str, Any]] = {
    "openapi_spec_validator": {"validate": _validate},
    "openapi_spec_validator.validation": {},
    "openapi_spec_validator.validation.exceptions": {"OpenAPIValidationError": _LateInvalidDocument},
}


def _load_without(module: str, stand_ins: dict[str, dict[str, Any]]) -> None:
    if module in sys.modules or any(name in sys.modules for name in stand_ins):
        return
    for name, contents in stand_ins.items():
        stand_in = sys.modules[name] = ModuleType(name)
        vars(stand_in).update(contents)
    try:
        importlib.import_module(module)
    except ImportError:
        return  # it needs more than the stand-in has, and is loaded with all of it at its first call
    finally:
        for name in stand_ins:
            del sys.modules[name]
