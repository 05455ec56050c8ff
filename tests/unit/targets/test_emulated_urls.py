"""Functions in an emulator are told a way to the template's own APIs that leads there."""

from __future__ import annotations

import pytest

from stagefright.targets.deploying.emulated_urls import with_own_urls

INSIDE = "http://127.0.0.1:4566"
SUFFIX = "execute-api.${AWS::Region}.${AWS::URLSuffix}"
AT = f"{INSIDE}/_aws/execute-api"


def told(url, **more):
    """What a function is told for a URL in its variables."""
    resources = {
        "Http": {"Type": "AWS::ApiGatewayV2::Api"},
        "Rest": {"Type": "AWS::ApiGateway::RestApi"},
        "HttpStage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {"StageName": "v1"}},
        "Function": {"Properties": {"Environment": {"Variables": {"URL": url}}}},
    }
    document = with_own_urls({"Resources": resources, **more}, INSIDE)
    return document["Resources"]["Function"]["Properties"]["Environment"]["Variables"]["URL"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"https://${{Http}}.{SUFFIX}", f"{AT}/${{Http}}/$default"),
        (f"https://${{Http}}.{SUFFIX}/users/7", f"{AT}/${{Http}}/$default/users/7"),
        (f"https://${{Http}}.{SUFFIX}/v1/users", f"{AT}/${{Http}}/v1/users"),
        (f"https://${{Rest}}.{SUFFIX}/Prod/", f"{AT}/${{Rest}}/Prod/"),
        ("https://${Rest}.execute-api.eu-west-1.amazonaws.com/Prod", f"{AT}/${{Rest}}/Prod"),
        (f"https://${{Foreign}}.{SUFFIX}/x", f"https://${{Foreign}}.{SUFFIX}/x"),
        ("https://example.com/${Http}", "https://example.com/${Http}"),
    ],
)
def test_a_url_in_a_sub(text, expected):
    """The stage is part of the path, except the default one's."""
    assert told({"Fn::Sub": text}) == {"Fn::Sub": expected}
    assert told({"Fn::Sub": [text, {"A": "b"}]}) == {"Fn::Sub": [expected, {"A": "b"}]}


def test_a_url_that_is_joined():
    """As CDK and the Serverless Framework write it."""
    parts = [
        "https://",
        {"Ref": "Rest"},
        ".execute-api.",
        {"Ref": "AWS::Region"},
        ".",
        {"Ref": "AWS::URLSuffix"},
        "/dev/",
    ]

    assert told({"Fn::Join": ["", parts]}) == {"Fn::Sub": f"{AT}/${{Rest}}/dev/"}


def test_the_endpoint_of_an_api():
    """`Fn::GetAtt` of an HTTP API's endpoint."""
    assert told({"Fn::GetAtt": ["Http", "ApiEndpoint"]}) == {"Fn::Sub": f"{AT}/${{Http}}/$default"}
    assert told({"Fn::GetAtt": ["Http", "ApiId"]}) == {"Fn::GetAtt": ["Http", "ApiId"]}


def test_what_is_not_a_url_stays():
    """Other joins, references and outputs."""
    join = {"Fn::Join": [",", ["a", {"Ref": "Http"}]]}
    output = {"Outputs": {"Url": {"Value": {"Fn::Sub": f"https://${{Http}}.{SUFFIX}"}}}}

    assert told(join) == join
    assert with_own_urls({"Resources": {}, **output}, INSIDE)["Outputs"] == output["Outputs"]
