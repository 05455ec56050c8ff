"""Fn::ForEach: loops are written out wherever AWS allows them."""

from __future__ import annotations

import pytest

from stagefright.errors import TemplateError

HEAD = "Transform: AWS::LanguageExtensions\n"


def test_a_loop_makes_one_resource_per_item(load, lookup):
    """`${Name}` in keys and texts, and `Ref: Name`, become the item; references between the made resources hold."""
    template = load(
        HEAD
        + """
Parameters: {Names: {Type: CommaDelimitedList, Default: "Feed,Post"}}
Resources:
  Fn::ForEach::Topics:
    - Name
    - !Ref Names
    - Topic${Name}:
        Type: AWS::SNS::Topic
        Properties: {TopicName: !Ref Name, DisplayName: !Sub "${Name}-${AWS::Region}"}
      Dead${Name}:
        Type: AWS::SQS::Queue
        Properties: {Source: !Ref 'Topic${Name}', Arn: !GetAtt "Topic${Name}.TopicArn"}
"""
    )
    assert template.order == ["TopicFeed", "DeadFeed", "TopicPost", "DeadPost"]
    resolved = template.resolve(template.resources["TopicPost"].properties, lookup)
    assert resolved == {"TopicName": "Post", "DisplayName": "Post-eu-west-1"}
    resolved = template.resolve(template.resources["DeadFeed"].properties, lookup)
    assert resolved == {"Source": "TopicFeed-id", "Arn": "TopicFeed.TopicArn"}


def test_loops_nest_and_reach_outputs_and_conditions(load, lookup):
    """A loop in a loop sees both items, in Conditions, Resources and Outputs alike."""
    template = load(
        HEAD
        + """
Parameters: {Stage: {Type: String, Default: prod}}
Conditions:
  Fn::ForEach::Stages:
    - Name
    - [dev, prod]
    - Is${Name}: !Equals [!Ref Stage, !Ref Name]
Resources:
  Fn::ForEach::Buckets:
    - Identifier
    - [A, B]
    - Bucket${Identifier}: {Type: AWS::S3::Bucket, Condition: Isprod}
      Old${Identifier}: {Type: AWS::S3::Bucket, Condition: Isdev}
Outputs:
  Fn::ForEach::BucketOutputs:
    - Identifier
    - [A, B]
    - Fn::ForEach::GetAttLoop:
        - Property
        - [Arn, DomainName]
        - Bucket${Identifier}${Property}:
            Value: !GetAtt [!Sub "Bucket${Identifier}", !Ref Property]
"""
    )
    assert list(template.resources) == ["BucketA", "BucketB"]
    outputs = {name: template.resolve(output.value, lookup) for name, output in template.outputs.items()}
    assert outputs == {
        "BucketAArn": "BucketA.Arn",
        "BucketADomainName": "BucketA.DomainName",
        "BucketBArn": "BucketB.Arn",
        "BucketBDomainName": "BucketB.DomainName",
    }


def test_loops_in_properties_stand_beside_other_keys(load, lookup):
    """A loop may write entries of a property, and its collection may come from a map."""
    template = load(
        HEAD
        + """
Mappings: {Ports: {dev: {List: [web, api]}}}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      Tags:
        Fixed: yes
        Fn::ForEach::Ports: [Port, !FindInMap [Ports, dev, List], {"Port${Port}": !Sub "is ${Port}"}]
"""
    )
    properties = template.resolve(template.resources["Queue"].properties, lookup)
    assert properties == {"Tags": {"Fixed": True, "Portweb": "is web", "Portapi": "is api"}}


def test_an_item_with_signs_can_name_a_resource(load):
    """`&{Item}` keeps letters and digits only, as a logical id needs them."""
    template = load(
        HEAD + "Resources: {Fn::ForEach::L: [Ip, [10.0.0.1], {'Host&{Ip}': {Type: t, Properties: {V: '${Ip}'}}}]}"
    )
    assert template.resources["Host10001"].properties == {"V": "10.0.0.1"}


def test_conditions_may_choose_the_collection(load):
    """A collection may depend on a condition, which is known before deployment."""
    template = load(
        HEAD
        + """
Conditions: {Always: !Equals [a, a]}
Resources: {Fn::ForEach::L: [N, !If [Always, [A], [B]], {"Q${N}": {Type: t}}]}
"""
    )
    assert template.order == ["QA"]


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        ("[N, [a, b], {Same: {Type: t}}]", "Fn::ForEach::L writes Same twice. Put the loop's identifier into the key"),
        ("[N, [a], {Queue: {Type: t}}]", "writes Queue twice"),
        ("[N, [a]]", "takes a list of an identifier, a collection and a mapping"),
        ("[[N], [a], {'Q${N}': {Type: t}}]", "takes a list of an identifier"),
        ("[N, text, {'Q${N}': {Type: t}}]", "its collection must be a list of texts"),
        ("[N, [[a]], {'Q${N}': {Type: t}}]", "its collection must be a list of texts"),
        (
            "[N, !GetAtt Queue.List, {'Q${N}': {Type: t}}]",
            "collection of Fn::ForEach::L must be known before deployment, but depends on Queue.List",
        ),
        ("[P, [a], {'Q${P}': {Type: t}}]", "the identifier P is already the name of a parameter"),
        ("[N, [a], {Fn::ForEach::M: [N, [b], {'Q${N}': {Type: t}}]}]", "N is already the name of an enclosing loop"),
    ],
)
def test_a_wrong_loop_says_what_is_wrong(load, loop, message):
    """Each mistake in a loop names the loop and what it should look like."""
    text = f"Parameters: {{P: {{Type: String, Default: x}}}}\nResources: {{Queue: {{Type: q}}, Fn::ForEach::L: {loop}}}"
    with pytest.raises(TemplateError, match=message):
        load(HEAD + text)


def test_a_loop_needs_the_transform(load):
    """Without the line AWS::LanguageExtensions a loop is refused, as on AWS."""
    with pytest.raises(TemplateError, match="Fn::ForEach::L needs the line `Transform: AWS::LanguageExtensions`"):
        load("Resources: {Fn::ForEach::L: [N, [a], {'Q${N}': {Type: t}}]}")
