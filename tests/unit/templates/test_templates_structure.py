"""Resources, outputs, order, conditions on resources, includes, local paths, and what a malformed template hears."""

from __future__ import annotations

import contextlib
import json

import pytest

from stagefright.errors import TemplateError
from stagefright.templates.yaml_loader import read_document


def test_a_resource_keeps_what_the_template_says(load):
    """Type, unresolved properties, DependsOn and the other attributes are all there."""
    template = load(
        """
Resources:
  A: {Type: AWS::SQS::Queue}
  B:
    Type: AWS::SQS::Queue
    DependsOn: A
    DeletionPolicy: Retain
    UpdateReplacePolicy: Delete
    Metadata: {note: x}
    Properties: {QueueName: !Ref AWS::StackName}
"""
    )
    b = template.resources["B"]
    assert (b.logical_id, b.type, b.depends_on) == ("B", "AWS::SQS::Queue", ("A",))
    assert b.properties == {"QueueName": {"Ref": "AWS::StackName"}}
    assert b.attributes == {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Delete", "Metadata": {"note": "x"}}


def test_resources_come_after_what_they_refer_to(load):
    """Ref, GetAtt, Sub and DependsOn count, also deep inside; what is equal keeps the template's order."""
    template = load(
        """
Resources:
  Mapping: {Type: m, Properties: {F: !Ref Function, Q: !GetAtt Queue.Arn}}
  Function: {Type: f, Properties: {Env: [{Role: !Sub "x${Role.Arn}"}]}}
  Zebra: {Type: z}
  Queue: {Type: q, DependsOn: [Zebra]}
  Role: {Type: r, Properties: {N: !Join ['', [!Ref Zebra]]}}
  Ant: {Type: a}
"""
    )
    assert template.order == ["Zebra", "Queue", "Role", "Function", "Mapping", "Ant"]


@pytest.mark.parametrize(
    ("resources", "circle"),
    [
        ("{A: {Type: t, Properties: {x: !Ref B}}, B: {Type: t, DependsOn: A}}", "A -> B -> A"),
        ("{A: {Type: t, Properties: {x: !Ref A}}}", "A -> A"),
        (
            "{Z: {Type: t, DependsOn: A}, A: {Type: t, DependsOn: [B]}, B: {Type: t, DependsOn: A}}",
            "A -> B -> A",
        ),
    ],
)
def test_a_circle_is_named(load, resources, circle):
    """Resources that need each other are refused, and the error shows the way round."""
    with pytest.raises(TemplateError, match=f"need each other: {circle}\\."):
        load(f"Resources: {resources}")


CONDITIONAL = """
Parameters: {Env: {Type: String, Default: dev}}
Conditions: {IsProd: !Equals [!Ref Env, prod]}
Resources:
  Always: {Type: t, DependsOn: Alarm, Properties: {A: !If [IsProd, !Ref Alarm, none]}}
  Alarm: {Type: t, Condition: IsProd}
Outputs:
  Plain: {Value: !Ref Always, Description: what, Export: {Name: !Sub "${AWS::StackName}-plain"}}
  Alarm: {Value: !Ref Alarm, Condition: IsProd}
"""


def test_conditions_choose_resources_and_outputs(load, lookup):
    """Without its condition a resource is not there, and a DependsOn on it or a guarded reference is no error."""
    dev, prod = load(CONDITIONAL), load(CONDITIONAL, Env="prod")
    assert (dev.order, list(dev.outputs)) == (["Always"], ["Plain"])
    assert (prod.order, list(prod.outputs)) == (["Alarm", "Always"], ["Plain", "Alarm"])
    assert dev.resources["Always"].depends_on == ()
    assert prod.resolve(prod.resources["Always"].properties, lookup) == {"A": "Alarm-id"}


def test_outputs_carry_value_export_and_description(load, lookup):
    """An output's value and export name resolve like properties."""
    template = load(CONDITIONAL)
    output = template.outputs["Plain"]
    assert template.resolve([output.value, output.export_name], lookup) == ["Always-id", "dev-plain"]
    assert (output.name, output.description) == ("Plain", "what")


def test_an_unguarded_reference_to_an_absent_resource_is_refused(load):
    """The error names the condition and how to guard the reference."""
    with pytest.raises(
        TemplateError, match=r"\[B\]: Ref A: A is not created, because its condition IsProd .*Fn::If IsProd"
    ):
        load(
            "Conditions: {IsProd: !Equals [a, b]}\n"
            "Resources: {A: {Type: t, Condition: IsProd}, B: {Type: t, Properties: {x: !Ref A}}}"
        )


def test_rules_and_metadata_are_ignored(load):
    """Sections without effect on what is deployed do not get in the way."""
    template = load(
        "AWSTemplateFormatVersion: 2010-09-09\nDescription: d\nMetadata: {x: !Ref Nowhere}\n"
        "Rules: {R: {Assertions: [{Assert: !Contains [[a], !Ref Nowhere]}]}}\nResources: {A: {Type: t}}"
    )
    assert template.order == ["A"]
    assert template.warnings == []


def test_a_foreign_macro_is_warned_about(load):
    """A transform that only an AWS account can run is not silently skipped."""
    template = load("Transform: [AWS::LanguageExtensions, MyMacro]\nResources: {A: {Type: t}}")
    assert template.warnings == ["the transform MyMacro runs in an AWS account only; it was not applied."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Parameters: {}", "needs a section Resources; this one has Parameters"),
        ("Resources: {}", "needs a section Resources"),
        ("Globals: {Function: x}\nResources: {A: {Type: t}}", "Globals.Function must be a mapping"),
        ("Resources: {A: {Type: t, DependsOn: {a: b}}}", "DependsOn must be a logical id or a list"),
        ("Resources: {A: {Type: t}}\nOutputs: {O: {Value: x, Export: y}}", "Export is a mapping with a Name"),
        ("Resources: {A: {Type: t}}\nOutputs: {O: {Value: x, Condition: [y]}}", "Condition must be the name"),
        ("Resources: [a]", "the section Resources must be a mapping"),
        ("Resource: {A: {Type: t}}", "Resource is not a section of a template. Did you mean Resources"),
        ("Resources: {A: {Typ: t}}", r"\[A\]: a resource needs a Type.*this one has Typ"),
        ("Resources: {A: {Properties: {}}}", r"\[A\]: a resource needs a Type"),
        ("Resources: {A: text}", r"\[A\]: a resource is a mapping with a Type"),
        ("Resources: {A: {Type: t, Properties: [x]}}", "Properties must be a mapping"),
        (
            "Resources: {A: {Type: t, Handler: x}}",
            "Handler is not an attribute of a resource. Does it belong",
        ),
        ("Resources: {A: {Type: AWS::Serverless::Function}}", "needs the line `Transform: AWS::Serverless-2016-10-31`"),
        ("Resources: {A: {Type: t, DependsOn: Bee}, Be: {Type: t}}", "DependsOn Bee: .*Did you mean Be"),
        ("Resources: {A: {Type: t, Condition: IsProd}}", r"\[A\]: the condition IsProd is not defined"),
        ("Resources: {A: {Type: t, Condition: No}}", "Condition must be the name of a condition; quote it"),
        ("Resources: {A: {Type: t}}\nOutputs: {O: {Description: x}}", r"\[O\]: an output is a mapping with a Value"),
        ("Resources: {A: {Type: t}}\nOutputs: {O: {Value: x, Exports: x}}", "Exports .*Did you mean Export"),
        ("Resources: {A: {Type: t}}\nOutputs: {O: {Value: !Ref B}}", r"\[O\]: Ref B"),
    ],
)
def test_a_malformed_template_is_told_what_to_change(load, text, message):
    """Each mistake of structure names the place, what was expected and what is available."""
    with pytest.raises(TemplateError, match=message):
        load(text)


def test_all_unknown_references_come_in_one_error(load):
    """One run is enough to see every reference that leads nowhere."""
    with pytest.raises(TemplateError) as raised:
        load("Resources: {A: {Type: t, Properties: {x: !Ref Nope}}, B: {Type: t, Properties: {y: !GetAtt No.Arn}}}")
    text = str(raised.value)
    assert "2 problems:" in text
    assert "[A]: Ref Nope" in text
    assert "[B]: Fn::GetAtt No" in text


@pytest.mark.parametrize(
    ("type_name", "name"),
    [
        ("AWS::Lambda::Function", "Code"),
        ("AWS::Lambda::LayerVersion", "Content"),
        ("AWS::StepFunctions::StateMachine", "DefinitionS3Location"),
        ("AWS::ApiGateway::RestApi", "BodyS3Location"),
        ("AWS::CloudFormation::Stack", "TemplateURL"),
    ],
)
def test_a_plain_path_becomes_local_content(load, tmp_path, type_name, name):
    """What `aws cloudformation package` would upload stays where it is, as an absolute path."""
    template = load(f"Resources: {{A: {{Type: {type_name}, Properties: {{{name}: ./src}}}}}}", files=["src/app.py"])
    assert template.resources["A"].properties[name] == {"LocalPath": str(tmp_path / "src")}


@pytest.mark.parametrize(
    "code", ["{S3Bucket: b, S3Key: k}", "{ZipFile: 'pass'}", "s3://b/k", "!If [Always, {ZipFile: x}, src]"]
)
def test_code_that_is_not_a_path_stays(load, code):
    """Addresses in S3 and inline code are not touched."""
    head = "Conditions: {Always: !Equals [a, a]}\n"
    before = load(f"{head}Resources: {{A: {{Type: t, Properties: {{Code: {code}}}}}}}")
    after = load(f"{head}Resources: {{A: {{Type: AWS::Lambda::Function, Properties: {{Code: {code}}}}}}}")
    assert after.resources["A"].properties == before.resources["A"].properties


def test_a_path_that_does_not_exist_is_named(load):
    """The error has the resource, the path and what lies there instead."""
    with pytest.raises(TemplateError, match=r"\[A\]: Code names scr, which does not exist .*holds: .*src"):
        load("Resources: {A: {Type: AWS::Lambda::Function, Properties: {Code: scr}}}", files=["src/app.py"])


def test_included_files_are_written_in(load, tmp_path, lookup):
    """AWS::Include of a local file works in a property and for whole sections; what stands beside it wins."""
    (tmp_path / "more.yaml").write_text("QueueName: !Ref AWS::StackName\nDelaySeconds: 1\n")
    (tmp_path / "mappings.yaml").write_text("Mappings: {M: {a: {b: c}}}\n")
    template = load(
        """
Transform: {Name: AWS::Include, Parameters: {Location: mappings.yaml}}
Resources:
  A:
    Type: AWS::SQS::Queue
    Properties:
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: more.yaml}}
      DelaySeconds: !FindInMap [M, a, b]
"""
    )
    assert template.resolve(template.resources["A"].properties, lookup) == {"QueueName": "dev", "DelaySeconds": "c"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("{Location: s3://bucket/key}", "cannot fetch s3://bucket/key. Name a local file"),
        ("{}", "needs Parameters with a Location"),
        ("{Location: absent.yaml}", "absent.yaml: the template cannot be read"),
    ],
)
def test_an_include_that_cannot_be_read_is_refused(load, parameters, message):
    """Nothing is fetched from the network, and a missing file is named."""
    with pytest.raises(TemplateError, match=message):
        load(
            "Resources: {A: {Type: t, Properties: "
            f"{{Fn::Transform: {{Name: AWS::Include, Parameters: {parameters}}}}}}}}}"
        )


WHOLE = """
Transform: AWS::LanguageExtensions
Parameters: {Env: {Type: String, Default: dev, AllowedValues: [dev, prod], MinLength: 1}}
Mappings: {M: {dev: {a: b}}}
Conditions: {IsProd: !Equals [!Ref Env, prod], Any: !Or [!Condition IsProd, !Not [!Condition IsProd]]}
Resources:
  Topic: {Type: AWS::SNS::Topic, DependsOn: Queue}
  Queue: {Type: AWS::SQS::Queue, Condition: Any, Properties: {Delay: !FindInMap [M, !Ref Env, a]}}
  Fn::ForEach::Loop:
    - N
    - [a, b]
    - Q${N}: {Type: t, Properties: {V: !Join ["-", [!Ref N, !Select [0, [!Ref Topic]]]]}}
Outputs:
  O: {Value: !If [IsProd, !Ref Topic, !GetAtt Queue.Arn], Export: {Name: !Sub "${Env}-x"}}
"""
JUNK = ["x", 7, True, [], {}, [1], ["a", "b"], {"a": "b"}, {"Ref": "Nope"}, {"Ref": "AWS::NoValue"}, {"Fn::If": ["a"]}]


def test_no_mistake_ends_in_a_traceback(load, tmp_path):
    """Whatever stands in the wrong place of a template, loading it works or raises a TemplateError."""
    (tmp_path / "whole.yaml").write_text(WHOLE)
    document = read_document(tmp_path / "whole.yaml")
    places = list(_places(document))
    assert len(places) > 70
    for holder, key in places:
        right = holder[key]
        for wrong in JUNK:
            holder[key] = wrong
            with contextlib.suppress(TemplateError):
                load(json.dumps(document), name="template.json")
        holder[key] = right


def _places(value):
    """Every container of a document with every key of it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def test_loading_twice_gives_the_same(load):
    """A template is a function of its file and its parameters."""
    assert load(CONDITIONAL) == load(CONDITIONAL)
