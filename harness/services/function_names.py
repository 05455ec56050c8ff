"""Every form in which Lambda's API takes a function's name, read in one place, with AWS's refusals."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stagefright.aws_api.errors import ApiError
from stagefright.services.lambda_limits import FUNCTION_NAME_LENGTH_MAX, QUALIFIER_LENGTH_MAX

NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)
"""AWS's own pattern, which its refusal quotes."""

QUALIFIER_PATTERN = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"

_FORM = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):function:"
    r"|(?:(?P<partial_account>\d{12}):)?(?:function:)?)"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function's name, taken apart."""

    name: str
    qualifier: str | None
    account: str | None = None
    region: str | None = None


def parse(text: str, qualifier: str | None = None) -> FunctionName:
    """
    A name, partial ARN or ARN, with or without a qualifier.

    >>> parse("123456789012:function:orders:live")
    FunctionName(name='orders', qualifier='live', account='123456789012', region=None)
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise invalid(text, "functionName", f"Member must satisfy regular expression pattern: {NAME_PATTERN}")
    name, own_qualifier = form["name"], form["qualifier"]
    if len(name) > FUNCTION_NAME_LENGTH_MAX:
        raise invalid(text, "functionName", f"Member must have length less than or equal to {FUNCTION_NAME_LENGTH_MAX}")
    for given in (qualifier, own_qualifier):
        if given is not None and not re.fullmatch(QUALIFIER_PATTERN, given):
            raise invalid(given, "qualifier", f"Member must satisfy regular expression pattern: {QUALIFIER_PATTERN}")
        if given is not None and len(given) > QUALIFIER_LENGTH_MAX:
            constraint = f"Member must have length less than or equal to {QUALIFIER_LENGTH_MAX}"
            raise invalid(given, "qualifier", constraint)
    if own_qualifier and qualifier and own_qualifier != qualifier:
        message = "The derived qualifier from the function name does not match the specified qualifier."
        raise ApiError("InvalidParameterValueException", message, Type="User")
    return FunctionName(name, qualifier or own_qualifier, form["account"] or form["partial_account"], form["region"])


def invalid(value: object, member: str, constraint: str) -> ApiError:
    """The refusal of a parameter that breaks the API's model: `ValidationException`, in AWS's words."""
    shown = "null" if value is None else f"'{value}'"
    message = f"1 validation error detected: Value {shown} at '{member}' failed to satisfy constraint: {constraint}"
    return ApiError("ValidationException", message)


def refused(message: str) -> ApiError:
    """The refusal of a value that the model allows and Lambda does not."""
    return ApiError("InvalidParameterValueException", message, Type="User")


def not_found(message: str) -> ApiError:
    """404: the function, version, alias, layer, mapping or configuration does not exist."""
    return ApiError("ResourceNotFoundException", message, status=404, Type="User")


def conflict(message: str) -> ApiError:
    """409: it exists already, or is in use."""
    return ApiError("ResourceConflictException", message, status=409, Type="User")


def check_range(value: int | None, member: str, bounds: tuple[int, int]) -> None:
    """Refuse a number outside `bounds`; None means not given."""
    low, high = bounds
    if value is not None and value < low:
        raise invalid(value, member, f"Member must have value greater than or equal to {low}")
    if value is not None and value > high:
        raise invalid(value, member, f"Member must have value less than or equal to {high}")
