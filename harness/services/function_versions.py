"""Published versions, and the aliases that name them (aws-semantics §10.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from stagefright.services.function import LATEST, Alias, Function, FunctionVersion
from stagefright.services.function_names import conflict, invalid, not_found, refused
from stagefright.services.function_settings import describe
from stagefright.services.function_store import FunctionStore, Parameters, Response, T, check_revision, page

ALIAS_PATTERN = r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)"


class FunctionVersions(FunctionStore):
    """Operations on versions and aliases."""

    def publish_version(self, params: Parameters) -> Response:
        """Freeze `$LATEST` under the next number; unchanged since the last one, the last one is returned."""
        function = self._function(params)
        check_revision(params.get("RevisionId"), function.latest.revision_id)
        _check_code(params.get("CodeSha256"), function.latest)
        version = self._publish(function, params.get("Description"))
        return describe(version, version.version)

    def _publish(self, function: Function, description: str | None = None) -> FunctionVersion:
        newest = function.published.get(str(function.last_number))
        if newest is not None and _is_unchanged(function):
            return newest
        number = str(function.last_number + 1)
        version = replace(
            function.latest,
            version=number,
            revision_id=self._revision(f"{function.arn}:{number}"),
            description=function.latest.description if description is None else description,
        )
        self._keep(
            replace(
                function,
                published={**function.published, number: version},
                last_number=function.last_number + 1,
                last_published=function.latest,
            )
        )
        return version

    def list_versions_by_function(self, params: Parameters) -> Response:
        """`$LATEST` and every published version."""
        function = self._function(params)
        versions = [function.latest, *function.published.values()]
        return page([describe(version, version.version) for version in versions], params, "Versions")

    def create_alias(self, params: Parameters) -> Response:
        """Name a version, or two of them by weight."""
        function, name = self._function(params), params["Name"]
        if not re.fullmatch(ALIAS_PATTERN, name):
            raise invalid(name, "name", f"Member must satisfy regular expression pattern: {ALIAS_PATTERN}")
        arn = f"{function.arn}:{name}"
        if name in function.aliases:
            raise conflict(f"Alias already exists: {arn}")
        alias = Alias(
            name=name,
            arn=arn,
            version=params["FunctionVersion"],
            revision_id=self._revision(arn),
            description=params.get("Description") or "",
            weights=_weights(params),
        )
        return self._keep_alias(function, alias)

    def update_alias(self, params: Parameters) -> Response:
        """Point an alias elsewhere; the name's ARN stays, and what is not mentioned stays."""
        function, alias = self._alias(params)
        check_revision(params.get("RevisionId"), alias.revision_id)
        changed = replace(
            alias,
            version=params.get("FunctionVersion") or alias.version,
            description=alias.description if params.get("Description") is None else params["Description"],
            weights=alias.weights if params.get("RoutingConfig") is None else _weights(params),
            revision_id=self._revision(alias.arn),
        )
        return self._keep_alias(function, changed)

    def get_alias(self, params: Parameters) -> Response:
        """One alias."""
        return _describe_alias(self._alias(params)[1])

    def delete_alias(self, params: Parameters) -> Response:
        """Remove an alias and what is configured for it; one that is not there is no error, as on AWS."""
        function, name = self._function(params), params["Name"]
        function = self._keep(
            replace(
                function,
                aliases=_without(function.aliases, name),
                provisioned=_without(function.provisioned, name),
                invoke_configs=_without(function.invoke_configs, name),
                statements=_without(function.statements, name),
                urls=_without(function.urls, name),
            )
        )
        self._provisioned_changed(function)
        return {}

    def list_aliases(self, params: Parameters) -> Response:
        """The aliases of a function, or those of one version."""
        version = params.get("FunctionVersion")
        aliases = [
            _describe_alias(alias)
            for _, alias in sorted(self._function(params).aliases.items())
            if version is None or version == alias.version or version in alias.weights
        ]
        return page(aliases, params, "Aliases")

    def _alias(self, params: Parameters) -> tuple[Function, Alias]:
        function = self._function(params)
        alias = function.aliases.get(params["Name"])
        if alias is None:
            raise not_found(f"Cannot find alias arn: {function.arn}:{params['Name']}")
        return function, alias

    def _keep_alias(self, function: Function, alias: Alias) -> Response:
        _check_routing(function, alias)
        function = self._keep(replace(function, aliases={**function.aliases, alias.name: alias}))
        if alias.name in function.provisioned:
            self._provisioned_changed(function)
        return _describe_alias(alias)

    def _choose(self, function: Function, qualifier: str | None) -> FunctionVersion | None:
        """The version that one invocation runs; a weighted alias chooses afresh each time."""
        alias = function.aliases.get(qualifier or LATEST)
        if alias is None:
            return function.version(qualifier or LATEST)
        return function.version(self._weighted_choice(alias) if alias.weights else alias.version)

    def _weighted_choice(self, alias: Alias) -> str:
        draw = self._world.chance.uniform(0, 1, "alias", alias.arn, self._draw("alias", alias.arn))
        for version, share in alias.weights.items():
            if draw < share:
                return version
        return alias.version


def _check_code(expected: str | None, latest: FunctionVersion) -> None:
    if expected is not None and expected != latest.code.sha256:
        raise refused(
            f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({latest.code.sha256}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )


def _is_unchanged(function: Function) -> bool:
    before, now = function.last_published, function.latest
    return before is not None and now == replace(before, revision_id=now.revision_id, last_modified=now.last_modified)


def _weights(params: Parameters) -> Mapping[str, float]:
    return dict((params.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})


def _check_routing(function: Function, alias: Alias) -> None:
    main = _routed(function, alias.version)
    if len(alias.weights) > 1:
        raise refused("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for number, share in alias.weights.items():
        _check_weight(number, share)
        if main.version == LATEST:
            raise refused("$LATEST is not supported for an alias pointing to more than 1 version")
        if number == main.version:
            raise refused(
                f"Invalid function version {number}. "
                f"Function version {number} is already included in routing configuration."
            )
        _check_alike(main, _routed(function, number))


def _check_weight(number: str, share: float) -> None:
    member, shown = "routingConfig.additionalVersionWeights", f"{{{number}={share}}}"
    if not re.fullmatch(r"[0-9]+", number):
        bounds = (
            "Member must have length less than or equal to 1024, Member must have length greater than or equal to 1"
        )
        constraint = f"[{bounds}, Member must satisfy regular expression pattern: [0-9]+, Member must not be null]"
        raise invalid(shown, member, f"Map keys must satisfy constraint: {constraint}")
    if not 0.0 <= share <= 1.0:
        bounds = "Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0"
        raise invalid(shown, member, f"Map value must satisfy constraint: [{bounds}, Member must not be null]")


def _routed(function: Function, number: str) -> FunctionVersion:
    version = function.version(number)
    if version is None:
        raise not_found(f"Function not found: {function.arn}:{number}")
    return version


def _check_alike(main: FunctionVersion, other: FunctionVersion) -> None:
    # AWS's text is not recorded; the rule is §10.1's.
    if (main.role, main.dead_letter_arn) != (other.role, other.dead_letter_arn):
        raise refused(
            f"Versions {main.version} and {other.version} differ in execution role or dead-letter queue; "
            "an alias can only route between versions that have both in common."
        )


def _describe_alias(alias: Alias) -> Response:
    shown: Response = {
        "AliasArn": alias.arn,
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    return {**shown, "RoutingConfig": {"AdditionalVersionWeights": dict(alias.weights)}} if alias.weights else shown


def _without(mapping: Mapping[str, T], key: str) -> dict[str, T]:
    return {name: value for name, value in mapping.items() if name != key}
