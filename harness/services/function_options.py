"""What is configured beside a function's versions: asynchronous invocation, URLs, recursive loops."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from stagefright.services import lambda_limits as limits
from stagefright.services.function import LATEST, EventInvokeConfig, Function, FunctionUrl
from stagefright.services.function_names import check_range, conflict, invalid, not_found, refused
from stagefright.services.function_store import FunctionStore, Parameters, Response, page, version_of

ARN_PATTERN = (
    r"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:"
    r"((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)"
)
DESTINATION_SERVICES = {
    "onSuccess": ("sqs", "sns", "lambda", "events"),
    "onFailure": ("sqs", "sns", "lambda", "events", "s3"),
}
"""Where the record of an asynchronous invocation may go (§2.3)."""
URL_QUALIFIER_PATTERN = r"((?!^\d+$)^[0-9a-zA-Z-_]+$)"


class FunctionOptions(FunctionStore):
    """Operations on the options of a function."""

    # Asynchronous invocation (§2.1)

    def put_function_event_invoke_config(self, params: Parameters) -> Response:
        """Set retries and destinations of asynchronous invocations; what is not mentioned gets its default back."""
        function, qualifier = self._invocable(params)
        blank = EventInvokeConfig(arn=f"{function.arn}:{qualifier}")
        return self._keep_invoke_config(function, qualifier, blank, params)

    def update_function_event_invoke_config(self, params: Parameters) -> Response:
        """Change what is mentioned, and leave the rest."""
        function, qualifier = self._invocable(params)
        return self._keep_invoke_config(function, qualifier, _invoke_config(function, qualifier), params)

    def get_function_event_invoke_config(self, params: Parameters) -> Response:
        """The settings for asynchronous invocation of a function, version or alias."""
        function, qualifier = self._invocable(params)
        return _describe_invoke_config(_invoke_config(function, qualifier))

    def delete_function_event_invoke_config(self, params: Parameters) -> Response:
        """Back to AWS's defaults."""
        function, qualifier = self._invocable(params)
        gone = _invoke_config(function, qualifier)
        remaining = {name: config for name, config in function.invoke_configs.items() if config is not gone}
        self._keep(replace(function, invoke_configs=remaining))
        return {}

    def list_function_event_invoke_configs(self, params: Parameters) -> Response:
        """The settings of every qualifier that has some."""
        function, _ = self._invocable(params)
        configs = [_describe_invoke_config(config) for config in function.invoke_configs.values()]
        return page(configs, params, "FunctionEventInvokeConfigs")

    def _invocable(self, params: Parameters) -> tuple[Function, str]:
        """The function and the qualifier its settings are kept under; these operations have a 404 text of their own."""
        name = self._name(params)
        function, qualifier = self._state.functions.get(name.name), name.qualifier or LATEST
        if function is None or (qualifier not in function.aliases and function.version(qualifier) is None):
            raise not_found("The function doesn't exist.")
        return function, qualifier

    def _keep_invoke_config(
        self, function: Function, qualifier: str, base: EventInvokeConfig, params: Parameters
    ) -> Response:
        changes = _invoke_changes(function, params)
        config = replace(base, last_modified=self._world.clock.now(), **changes)
        self._keep(replace(function, invoke_configs={**function.invoke_configs, qualifier: config}))
        return _describe_invoke_config(config)

    # Function URLs (§1.9): stored

    def create_function_url_config(self, params: Parameters) -> Response:
        """Give a function or alias an HTTPS endpoint."""
        function, qualifier = self._url_owner(params)
        arn = f"{function.arn}:{qualifier}" if qualifier else function.arn
        if qualifier in function.urls:
            raise conflict(
                f"Failed to create function url config for [functionArn = {arn}]. "
                "Error message:  FunctionUrlConfig exists for this Lambda function"
            )
        host = self._world.chance.hex(32, "lambda", "url", arn, self._draw("url", arn))
        now = self._world.clock.iso()
        url = FunctionUrl(
            url=f"https://{host}.lambda-url.{self._world.region}.on.aws/",
            arn=arn,
            auth_type=params["AuthType"],
            created=now,
            modified=now,
            invoke_mode=params.get("InvokeMode") or "BUFFERED",
            cors=params.get("Cors"),
        )
        shown = self._keep_url(function, qualifier, url)
        del shown["LastModifiedTime"]  # the one thing that the answer to a creation leaves out
        return shown

    def get_function_url_config(self, params: Parameters) -> Response:
        """The endpoint of a function or alias."""
        return _describe_url(self._url(params)[2])

    def update_function_url_config(self, params: Parameters) -> Response:
        """Change what is mentioned; the URL stays."""
        function, qualifier, url = self._url(params)
        changed = replace(
            url,
            auth_type=params.get("AuthType") or url.auth_type,
            invoke_mode=params.get("InvokeMode") or url.invoke_mode,
            cors=url.cors if params.get("Cors") is None else params["Cors"],
            modified=self._world.clock.iso(),
        )
        return self._keep_url(function, qualifier, changed)

    def delete_function_url_config(self, params: Parameters) -> Response:
        """Take the endpoint away."""
        function, qualifier, _ = self._url(params)
        self._keep(replace(function, urls={name: url for name, url in function.urls.items() if name != qualifier}))
        return {}

    def list_function_url_configs(self, params: Parameters) -> Response:
        """The endpoints of a function and its aliases."""
        urls = [_describe_url(url) for url in self._function(params).urls.values()]
        return page(urls, params, "FunctionUrlConfigs")

    def _url_owner(self, params: Parameters) -> tuple[Function, str]:
        qualifier = self._name(params).qualifier
        if qualifier is not None and not re.fullmatch(URL_QUALIFIER_PATTERN, qualifier):
            constraint = f"Member must satisfy regular expression pattern: {URL_QUALIFIER_PATTERN}"
            raise invalid(qualifier, "qualifier", constraint)
        function = self._function(params)
        version_of(function, qualifier)
        return function, qualifier or ""

    def _url(self, params: Parameters) -> tuple[Function, str, FunctionUrl]:
        function, qualifier = self._url_owner(params)
        url = function.urls.get(qualifier)
        if url is None:
            raise not_found("The resource you requested does not exist.")
        return function, qualifier, url

    def _keep_url(self, function: Function, qualifier: str, url: FunctionUrl) -> Response:
        self._keep(replace(function, urls={**function.urls, qualifier: url}))
        return _describe_url(url)

    # Recursive loops (§7) and runtime updates

    def put_function_recursion_config(self, params: Parameters) -> Response:
        """Allow or stop recursive loops through this function."""
        function, choice = self._function(params), params["RecursiveLoop"]
        if choice not in ("Allow", "Terminate"):
            raise invalid(choice, "recursiveLoop", "Member must satisfy enum value set: [Allow, Terminate]")
        self._keep(replace(function, recursive_loop=choice))
        return {"RecursiveLoop": choice}

    def get_function_recursion_config(self, params: Parameters) -> Response:
        """What happens to recursive loops through this function."""
        return {"RecursiveLoop": self._function(params).recursive_loop}

    def put_runtime_management_config(self, params: Parameters) -> Response:
        """Say when the runtime is updated; stored only, a local runtime never updates itself."""
        function, version, _ = self._locate_version(params)
        config = {"UpdateRuntimeOn": params["UpdateRuntimeOn"]}
        if params.get("RuntimeVersionArn"):
            config["RuntimeVersionArn"] = params["RuntimeVersionArn"]
        self._keep(replace(function, runtime_management={**function.runtime_management, version.version: config}))
        return {**config, "FunctionArn": version.arn}

    def get_runtime_management_config(self, params: Parameters) -> Response:
        """When the runtime is updated; `Auto` unless set."""
        function, version, _ = self._locate_version(params)
        config = function.runtime_management.get(version.version, {"UpdateRuntimeOn": "Auto"})
        return {**config, "FunctionArn": version.arn}


def _invoke_config(function: Function, qualifier: str) -> EventInvokeConfig:
    config = function.invoke_configs.get(qualifier)
    if config is None:
        raise not_found(f"The function {function.arn}:{qualifier} doesn't have an EventInvokeConfig")
    return config


def _invoke_changes(function: Function, params: Parameters) -> dict[str, Any]:
    attempts, age = params.get("MaximumRetryAttempts"), params.get("MaximumEventAgeInSeconds")
    destinations = params.get("DestinationConfig")
    if attempts is None and age is None and destinations is None:
        raise refused("You must specify at least one of error handling or destination setting.")
    check_range(attempts, "maximumRetryAttempts", limits.ASYNC_RETRY_ATTEMPTS)
    check_range(age, "maximumEventAgeInSeconds", limits.ASYNC_EVENT_AGE_S)
    given = {"retry_attempts": attempts, "event_age_s": age}
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if destinations is not None:
        changes["on_success"] = _destination(function, destinations, "onSuccess")
        changes["on_failure"] = _destination(function, destinations, "onFailure")
    return changes


def _destination(function: Function, destinations: Mapping[str, Any], outcome: str) -> str | None:
    parameter = outcome[0].upper() + outcome[1:]
    arn: str = (destinations.get(parameter) or {}).get("Destination") or ""
    if not re.fullmatch(ARN_PATTERN, arn):
        constraint = f"Member must satisfy regular expression pattern: {ARN_PATTERN}"
        raise invalid(arn, f"destinationConfig.{outcome}.destination", constraint)
    if arn and arn.split(":")[2] not in DESTINATION_SERVICES[outcome]:
        shown = f"DestinationConfig({outcome}={parameter}(destination={arn}))"
        raise refused(f"The provided destination config {shown} is invalid.")
    if arn == function.arn or arn.startswith(f"{function.arn}:"):
        raise refused("You can't specify the function as a destination for itself.")
    return arn or None


def _describe_invoke_config(config: EventInvokeConfig) -> Response:
    shown: Response = {
        "LastModified": datetime.fromtimestamp(config.last_modified, UTC),
        "FunctionArn": config.arn,
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
            "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
        },
    }
    if config.retry_attempts is not None:
        shown["MaximumRetryAttempts"] = config.retry_attempts
    if config.event_age_s is not None:
        shown["MaximumEventAgeInSeconds"] = config.event_age_s
    return shown


def _describe_url(url: FunctionUrl) -> Response:
    shown: Response = {
        "FunctionUrl": url.url,
        "FunctionArn": url.arn,
        "AuthType": url.auth_type,
        "CreationTime": url.created,
        "LastModifiedTime": url.modified,
        "InvokeMode": url.invoke_mode,
    }
    return shown if url.cors is None else {**shown, "Cors": dict(url.cors)}
