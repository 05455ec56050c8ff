"""Where the APIs of a stage are."""

from __future__ import annotations

from collections.abc import Mapping

from stagefright.deployment.resource import Made

_MAKERS_OF_STAGES = ("AWS::ApiGateway::Stage", "AWS::ApiGateway::Deployment")
"""Those that are stages come first: a deployment's stage is often a by-product, as SAM's `Stage` is."""


def api_endpoints(made: Mapping[str, Made], types: Mapping[str, str], region: str) -> dict[str, str]:
    """
    The URL of each API, by logical id: that of an HTTP API, and that of a REST API's first stage.

    A REST API without a stage has none.
    """
    stages = _first_stages(made, types)
    found = {}
    for logical_id, resource in made.items():
        if "ApiEndpoint" in resource.attributes:
            found[logical_id] = str(resource.attributes["ApiEndpoint"])
        elif types[logical_id] == "AWS::ApiGateway::RestApi" and resource.physical_id in stages:
            host = f"{resource.physical_id}.execute-api.{region}.amazonaws.com"
            found[logical_id] = f"https://{host}/{stages[resource.physical_id]}"
    return found


def _first_stages(made: Mapping[str, Made], types: Mapping[str, str]) -> dict[str, str]:
    """The stage of each REST API, by the API's id."""
    found: dict[str, str] = {}
    for kind in _MAKERS_OF_STAGES:
        for logical_id, resource in made.items():
            if types[logical_id] == kind and resource.known_as:
                api_id, _, stage = resource.known_as[0].partition("/")
                found.setdefault(api_id, stage)
    return found
