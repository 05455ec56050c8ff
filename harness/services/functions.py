"""
AWS Lambda's control plane: functions, and through its bases versions, aliases, layers, mappings, policies and options.

moto's Lambda is not used at all. Running code is not done here either: deliveries ask `find` what to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.functions.code import Code
from stagefright.services import lambda_limits as limits
from stagefright.services.event_source_mapping import EventSourceMapping
from stagefright.services.event_source_mappings import EventSourceMappings
from stagefright.services.function import LATEST, EventInvokeConfig, Function, FunctionVersion, Resolved
from stagefright.services.function_concurrency import FunctionConcurrency
from stagefright.services.function_names import conflict, not_found, refused
from stagefright.services.function_options import FunctionOptions
from stagefright.services.function_policies import FunctionPolicies
from stagefright.services.function_settings import (
    Fields,
    check_zip_settings,
    default_logging,
    describe,
    read_settings,
    read_stored,
)
from stagefright.services.function_store import Parameters, Response, State, check_revision, page, version_of
from stagefright.services.function_versions import FunctionVersions
from stagefright.services.layers import Layers


class FunctionService(
    FunctionVersions, FunctionOptions, FunctionConcurrency, FunctionPolicies, EventSourceMappings, Layers
):
    """
    The Lambda API of a world, and what its deliveries ask of it.

    State is immutable and replaced on each write, so `snapshot` and `restore` cost nothing. `restore` calls no hook:
    a world that restores stops all pollers and environments first, and starts those of `mappings()` afterwards.
    """

    # Asked by deliveries

    def find(self, name_or_arn: str, qualifier: str | None = None) -> Resolved:
        """
        What an invocation runs; a weighted alias chooses anew on each call.

        The refusal names the version even when the caller did not, as Invoke does since 2025 (§1.3).
        """
        name = self._name({"FunctionName": name_or_arn, "Qualifier": qualifier})
        function = self._state.functions.get(name.name)
        version = self._choose(function, name.qualifier) if function else None
        if function is None or version is None:
            raise not_found(f"Function not found: {self._arn(name.name)}:{name.qualifier or LATEST}")
        return Resolved(function, version, name.qualifier)

    def event_invoke_config(self, resolved: Resolved) -> EventInvokeConfig:
        """The asynchronous settings of what was invoked; AWS's defaults if its qualifier has none."""
        config = resolved.function.invoke_configs.get(resolved.qualifier or LATEST)
        return config or EventInvokeConfig(arn=resolved.qualified_arn)

    def mappings(self) -> Iterable[EventSourceMapping]:
        """Every event source mapping, enabled or not, oldest first."""
        return self._state.mappings.values()

    def all(self) -> Iterable[Function]:
        """Every function, oldest first."""
        return self._state.functions.values()

    def snapshot(self) -> State:
        """The whole state; immutable, so no copy is made."""
        return self._state

    def restore(self, state: State) -> None:
        """Go back to a snapshot. No hook is called (see the class)."""
        self._state = state

    # Functions

    def create_function(self, params: Parameters) -> Response:
        """Create a function; it is Active at once."""
        name = self._name({"FunctionName": params["FunctionName"]}).name
        check_zip_settings(params)
        settings = read_settings(params, name) | self._read_layers(name, params)
        tags = _checked_tags(params.get("Tags") or {})
        if name in self._state.functions:
            raise conflict(f"Function already exist: {name}")
        code = self._code.resolve(params["Code"], runtime=params["Runtime"])
        latest = self._first_version(name, code, params, settings)
        function = self._keep(Function(name, latest.function_arn, latest, tags=tags))
        return describe(self._publish(function) if params.get("Publish") else latest)

    def _first_version(self, name: str, code: Code, params: Parameters, settings: Fields) -> FunctionVersion:
        arn = self._arn(name)
        defaults: dict[str, Any] = {"logging": default_logging(name)}
        return FunctionVersion(
            function_name=name,
            function_arn=arn,
            version=LATEST,
            code=code,
            revision_id=self._revision(arn),
            last_modified=self._modified(),
            stored=read_stored(params),
            **(defaults | settings),
        )

    def get_function(self, params: Parameters) -> Response:
        """Configuration, where the code lies, tags and reserved concurrency."""
        function, version, qualifier = self._locate_version(params)
        response: Response = {
            "Configuration": describe(version, qualifier),
            "Code": {"RepositoryType": "S3", "Location": version.code.root.as_uri()},
        }
        if function.tags:
            response["Tags"] = dict(function.tags)
        if function.reserved_concurrency is not None:
            response["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return response

    def get_function_configuration(self, params: Parameters) -> Response:
        """The configuration of a version."""
        _, version, qualifier = self._locate_version(params)
        return describe(version, qualifier)

    def list_functions(self, params: Parameters) -> Response:
        """Every function; with `FunctionVersion: ALL` every version."""
        everything = params.get("FunctionVersion") == "ALL"
        shown: list[Response] = []
        for _, function in sorted(self._state.functions.items()):
            if everything:
                versions = [function.latest, *function.published.values()]
                shown += [describe(version, version.version) for version in versions]
            else:
                shown.append(describe(function.latest))
        return page(shown, params, "Functions")

    def update_function_code(self, params: Parameters) -> Response:
        """Replace the code of `$LATEST`; queued events run on the new code (§2.1)."""
        function = self._function(params)
        latest = function.latest
        check_revision(params.get("RevisionId"), latest.revision_id)
        if "ImageUri" in params:
            raise refused("Please don't provide ImageUri when updating a function with packageType Zip.")
        changes = read_settings({"Architectures": params.get("Architectures")}, function.name)
        code = self._code.resolve(params, runtime=latest.runtime)
        updated = replace(latest, code=code, **changes)
        if params.get("DryRun"):
            return describe(updated)
        function = self._keep_latest(function, updated)
        if not params.get("Publish"):
            return describe(function.latest)
        version = self._publish(function)
        return describe(version, version.version)

    def update_function_configuration(self, params: Parameters) -> Response:
        """Change settings of `$LATEST`; what is not mentioned stays."""
        function = self._function(params)
        latest = function.latest
        check_revision(params.get("RevisionId"), latest.revision_id)
        changes = read_settings(params, function.name) | self._read_layers(function.name, params)
        updated = replace(latest, stored={**latest.stored, **read_stored(params)}, **changes)
        return describe(self._keep_latest(function, updated).latest)

    def delete_function(self, params: Parameters) -> Response:
        """Remove a function, or one published version. Its mappings stay, as on AWS."""
        function, qualifier = self._locate(params)
        if qualifier is not None:
            self._delete_version(function, qualifier)
            return {}
        remaining = {name: other for name, other in self._state.functions.items() if name != function.name}
        self._state = replace(self._state, functions=remaining)
        self._code_changed(function)
        return {}

    def _delete_version(self, function: Function, qualifier: str) -> None:
        if qualifier == LATEST:
            raise refused("$LATEST version cannot be deleted without deleting the function.")
        if qualifier in function.aliases:
            raise refused("Deletion of aliases is not currently supported.")
        version_of(function, qualifier)
        users = [alias.name for alias in function.aliases.values() if qualifier in (alias.version, *alias.weights)]
        if users:
            # AWS's text is not recorded; the refusal (409) is.
            raise conflict(f"Version {qualifier} is referenced by the aliases: {', '.join(sorted(users))}")
        published = {number: version for number, version in function.published.items() if number != qualifier}
        self._keep(replace(function, published=published))
        self._code_changed(function)

    def _keep_latest(self, function: Function, latest: FunctionVersion) -> Function:
        updated = replace(latest, revision_id=self._revision(function.arn), last_modified=self._modified())
        function = self._keep(replace(function, latest=updated))
        self._code_changed(function)
        return function

    def _read_layers(self, name: str, params: Parameters) -> Fields:
        arns = params.get("Layers")
        return {} if arns is None else {"layers": self._resolve_layers(name, arns)}

    # Tags and the account

    def tag_resource(self, params: Parameters) -> Response:
        """Add tags to a function or mapping."""
        return self._retag(params["Resource"], lambda tags: _checked_tags({**tags, **params["Tags"]}))

    def untag_resource(self, params: Parameters) -> Response:
        """Remove tags from a function or mapping."""
        gone = set(params["TagKeys"])
        return self._retag(params["Resource"], lambda tags: {k: v for k, v in tags.items() if k not in gone})

    def list_tags(self, params: Parameters) -> Response:
        """The tags of a function or mapping."""
        return {"Tags": dict(self._tagged(params["Resource"]).tags)}

    def _retag(self, arn: str, change: Any) -> Response:
        tagged = self._tagged(arn)
        tags = change(tagged.tags)
        if isinstance(tagged, Function):
            self._keep(replace(tagged, tags=tags))
        else:
            self._keep_mapping(replace(tagged, tags=tags))
        return {}

    def _tagged(self, arn: str) -> Function | EventSourceMapping:
        if ":event-source-mapping:" in arn:
            return self._mapping({"UUID": arn.rsplit(":", 1)[1]})
        function, qualifier = self._locate({"FunctionName": arn})
        if qualifier is not None:
            raise refused("Tags on function aliases and versions are not supported. Please specify a function ARN.")
        return function

    def get_account_settings(self, _params: Parameters) -> Response:
        """The account's quotas and what is used of them."""
        versions = [version for function in self.all() for version in (function.latest, *function.published.values())]
        used = sum(version.code.size for version in versions)
        return {
            "AccountLimit": {
                "TotalCodeSize": limits.CODE_STORAGE_BYTES,
                "CodeSizeUnzipped": limits.UNZIPPED_BYTES_MAX,
                "CodeSizeZipped": 50 * limits.MEBIBYTE,
                "ConcurrentExecutions": self._world.account_concurrency,
                "UnreservedConcurrentExecutions": self.unreserved_concurrency(),
            },
            "AccountUsage": {"TotalCodeSize": used, "FunctionCount": len(self._state.functions)},
        }


def _checked_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    if len(tags) > limits.TAGS_MAX:
        raise ApiError("InvalidParameterValueException", "Number of tags exceeds resource tag limit.", Type="User")
    return dict(tags)
