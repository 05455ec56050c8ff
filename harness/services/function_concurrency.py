"""Reserved and provisioned concurrency: what is set, what it takes from the account, and what is refused (aws-semantics §1.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from stagefright.aws_api.errors import ApiError
from stagefright.services import lambda_limits as limits
from stagefright.services.function import LATEST, Function, ProvisionedConcurrency
from stagefright.services.function_names import conflict, invalid, not_found, refused
from stagefright.services.function_store import FunctionStore, LambdaWorld, Parameters, Response, page


class Provisioned(NamedTuple):
    """How far the environments of a configuration are."""

    allocated: int
    failure: str | None = None


class FunctionConcurrency(FunctionStore):
    """Operations on the concurrency of a function."""

    def __init__(self, world: LambdaWorld) -> None:
        super().__init__(world)
        self.provisioned_so_far: Callable[[Function, str], Provisioned] = _all_of_it
        """Asked how far a qualifier's environments are."""

    # Reserved

    def put_function_concurrency(self, params: Parameters) -> Response:
        """Reserve concurrency: floor and ceiling at once; 0 stops all invocations."""
        function, reserved = self._function(params), params["ReservedConcurrentExecutions"]
        if reserved < 0:
            constraint = "Member must have value greater than or equal to 0"
            raise invalid(reserved, "reservedConcurrentExecutions", constraint)
        if reserved < function.provisioned_concurrency:
            # The odd blanks are AWS's.
            raise refused(
                f" ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned concurrency "
                f"[{function.provisioned_concurrency}]."
            )
        # Reserving nothing takes nothing away, whatever the others hold.
        if reserved and self._unreserved(without=function) - reserved < limits.UNRESERVED_CONCURRENCY_MIN:
            raise refused(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{limits.UNRESERVED_CONCURRENCY_MIN}]."
            )
        self._keep(replace(function, reserved_concurrency=reserved))
        return {"ReservedConcurrentExecutions": reserved}

    def get_function_concurrency(self, params: Parameters) -> Response:
        """The reserved concurrency; empty if none is reserved."""
        reserved = self._function(params).reserved_concurrency
        return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}

    def delete_function_concurrency(self, params: Parameters) -> Response:
        """Give the reserved concurrency back."""
        self._keep(replace(self._function(params), reserved_concurrency=None))
        return {}

    def unreserved_concurrency(self) -> int:
        """What is left of the account's concurrency for functions that have none of their own."""
        return self._unreserved()

    def _unreserved(self, without: Function | None = None) -> int:
        others = [
            function for function in self._state.functions.values() if function.name != (without and without.name)
        ]
        return self._world.account_concurrency - sum(_taken(function) for function in others)

    # Provisioned

    def put_provisioned_concurrency_config(self, params: Parameters) -> Response:
        """Keep environments of a version or alias initialised; they are made in the background."""
        requested = params["ProvisionedConcurrentExecutions"]
        if requested < 1:
            constraint = "Member must have value greater than or equal to 1"
            raise invalid(requested, "provisionedConcurrentExecutions", constraint)
        function, qualifier = self._provisionable(params)
        self._check_room(function, qualifier, requested)
        config = ProvisionedConcurrency(requested, self._modified())
        function = self._keep(replace(function, provisioned={**function.provisioned, qualifier: config}))
        self._provisioned_changed(function)
        return _describe(config, Provisioned(0))

    def get_provisioned_concurrency_config(self, params: Parameters) -> Response:
        """How many environments were asked for, and how many there are."""
        function, qualifier = self._provisionable(params)
        config = function.provisioned.get(qualifier)
        if config is None:
            raise _no_config()
        return _describe(config, self.provisioned_so_far(function, qualifier))

    def list_provisioned_concurrency_configs(self, params: Parameters) -> Response:
        """Those of every version and alias."""
        function = self._function(params)
        shown = [
            {
                "FunctionArn": f"{function.arn}:{qualifier}",
                **_describe(config, self.provisioned_so_far(function, qualifier)),
            }
            for qualifier, config in function.provisioned.items()
        ]
        return page(shown, params, "ProvisionedConcurrencyConfigs")

    def delete_provisioned_concurrency_config(self, params: Parameters) -> Response:
        """Let the environments go; one that is not there is no error, as on AWS."""
        function, qualifier = self._provisionable(params)
        remaining = {name: config for name, config in function.provisioned.items() if name != qualifier}
        function = self._keep(replace(function, provisioned=remaining))
        self._provisioned_changed(function)
        return {}

    def _provisionable(self, params: Parameters) -> tuple[Function, str]:
        """The function and the qualifier, which is a published version, or an alias of one."""
        function, qualifier = self._locate(params)
        alias = function.aliases.get(qualifier or "")
        number = alias.version if alias else qualifier
        if number in (None, LATEST):
            raise refused("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        if function.version(str(number)) is None:
            is_number = str(qualifier).isdigit()
            arn = f"{function.arn}:{qualifier}"
            raise not_found(f"Function not found: {arn}" if is_number else f"Cannot find alias arn: {arn}")
        return function, str(qualifier)

    def _check_room(self, function: Function, qualifier: str, requested: int) -> None:
        _check_overlap(function, qualifier)
        others = sum(config.requested for name, config in function.provisioned.items() if name != qualifier)
        if function.reserved_concurrency is not None:
            if requested + others > function.reserved_concurrency:
                raise refused(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
                )
            return
        left = self._unreserved(without=function) - others
        if requested > left:
            raise refused(
                f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{left}]."
            )
        if left - requested < limits.UNRESERVED_CONCURRENCY_MIN:
            raise refused(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{limits.UNRESERVED_CONCURRENCY_MIN}]."
            )


def _taken(function: Function) -> int:
    """What a function takes from the account's unreserved concurrency; what it provisions is part of what it reserves."""
    reserved = function.reserved_concurrency
    return function.provisioned_concurrency if reserved is None else reserved


def _check_overlap(function: Function, qualifier: str) -> None:
    """A version is provisioned by itself or through an alias, never both."""
    alias = function.aliases.get(qualifier)
    if alias is not None and any(number in function.provisioned for number in (alias.version, *alias.weights)):
        raise conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )
    others = [function.aliases[name] for name in function.provisioned if name in function.aliases]
    if alias is None and any(qualifier in (other.version, *other.weights) for other in others):
        raise conflict("Version is pointed by a Provisioned Concurrency alias")


def _all_of_it(function: Function, qualifier: str) -> Provisioned:
    return Provisioned(function.provisioned[qualifier].requested)


def _no_config() -> ApiError:
    return ApiError(
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
        status=404,
        Type="User",
    )


def _describe(config: ProvisionedConcurrency, so_far: Provisioned) -> Response:
    shown: Response = {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": so_far.allocated,
        "AllocatedProvisionedConcurrentExecutions": so_far.allocated,
        "Status": "READY" if so_far.allocated >= config.requested else "IN_PROGRESS",
        "LastModified": config.last_modified,
    }
    return {**shown, "Status": "FAILED", "StatusReason": so_far.failure} if so_far.failure else shown
