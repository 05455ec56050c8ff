"""Reading: YAML and JSON as CloudFormation reads them, and errors that say where."""

from __future__ import annotations

import json

import pytest

from stagefright.errors import TemplateError
from stagefright.templates import find_template

QUEUE = "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n"


def properties(load, text):
    return load(f"{QUEUE}    Properties:\n{text}").resources["Queue"].properties


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2012-10-17", "2012-10-17"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("yes", True),
        ("on", True),
        ("off", False),
        ("No", False),
        ("'yes'", "yes"),
        ("30", 30),
        ("0.5", 0.5),
        ("012345678901", "012345678901"),
        ('"123"', "123"),
    ],
)
def test_scalars_are_what_cloudformation_takes_them_for(load, text, value):
    """Timestamps stay text, YAML 1.1 booleans are booleans, and quotes make text."""
    assert properties(load, f"      Value: {text}\n") == {"Value": value}


def test_keys_are_text_whatever_they_look_like(load):
    """`200:` and `on:` are the keys "200" and "on", as in JSON."""
    assert properties(load, "      {200: a, on: b, 2012-10-17: c}\n") == {"200": "a", "on": "b", "2012-10-17": "c"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!Ref Queue", {"Ref": "Queue"}),
        ("!GetAtt Queue.Arn", {"Fn::GetAtt": ["Queue", "Arn"]}),
        ("!GetAtt [Queue, Arn]", {"Fn::GetAtt": ["Queue", "Arn"]}),
        ("!GetAtt Queue.Outputs.Url", {"Fn::GetAtt": ["Queue", "Outputs.Url"]}),
        ("{Fn::GetAtt: Queue.Arn}", {"Fn::GetAtt": ["Queue", "Arn"]}),
        ("!Sub '${Queue}-x'", {"Fn::Sub": "${Queue}-x"}),
        ("!Join ['-', [a, !Ref Queue]]", {"Fn::Join": ["-", ["a", {"Ref": "Queue"}]]}),
    ],
)
def test_short_tags_are_their_long_forms(load, text, value):
    """Each short tag, on a text, a list or nested, means the function of the long name."""
    template = load(f"{QUEUE}  Other: {{Type: AWS::SQS::Queue, Properties: {{Value: {text}}}}}\n")
    assert template.resources["Other"].properties["Value"] == value


def test_aliases_and_merges_are_copies(load):
    """Anchors work, a key beside a merge wins over it, and two uses of an anchor share nothing."""
    template = load(
        "Mappings: {M: {one: &a {x: 1, y: 2}}}\n"
        "Resources:\n"
        "  A: {Type: AWS::SQS::Queue, Properties: {<<: *a, y: 3, z: *a}}\n"
        "  B: {Type: AWS::SQS::Queue, Properties: {<<: [*a, {x: 9, w: 8}]}}\n"
    )
    a, b = (template.resources[name].properties for name in "AB")
    assert a == {"x": 1, "y": 3, "z": {"x": 1, "y": 2}}
    assert b == {"x": 1, "y": 2, "w": 8}


def test_json_templates_are_read(load):
    """A .json file is JSON, and so is any other file that begins like it."""
    text = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    assert list(load(text, name="template.json").resources) == ["Queue"]
    assert list(load(text, name="stack.template").resources) == ["Queue"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources:\n  A: {Type: x\n", r"malformed YAML at line \d+, column \d+"),
        ("Resources:\n\tA: 1\n", "line 2, column 1: .*contains a tab; YAML is indented with spaces"),
        ("Resources:\n  A: {Type: t}\n  A: {Type: t}\n", "line 3, column 3: the key A occurs twice"),
        (f"{QUEUE}    Properties: {{Value: !Reff X}}\n", "line 4, column 25: the tag !Reff .* Did you mean !Ref"),
        (f"{QUEUE}    Properties:\n", "line 4, column 16: this value is null, which CloudFormation refuses"),
        (f"{QUEUE}    Properties: &a {{x: *a}}\n", "an alias refers to itself"),
        (f"{QUEUE}    Properties: {{? [a] : b}}\n", "a key must be text"),
        (f"{QUEUE}    Properties: {{<<: text}}\n", "only a mapping can be merged"),
        (f"{QUEUE}    Properties: {{x: !!int y}}\n", "'y' cannot be read"),
        ("- a\n", "a template is a mapping with a section Resources; this one is a list"),
        ("", "this one is empty"),
        ("Resources: {A: {Type: t}}\n---\nb: 1\n", "malformed YAML"),
    ],
)
def test_text_that_cannot_be_read_is_pointed_at(load, text, message):
    """A file that is no template ends in an error with the file, the line and the column, never in a traceback."""
    with pytest.raises(TemplateError, match=message) as raised:
        load(text)
    assert raised.value.file.endswith("template.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"Resources": }', "malformed JSON at line 1, column 15"),
        ('{"a": 1, "a": 2}', "the key a occurs twice"),
        ('{"a": null}', "a is null"),
    ],
)
def test_json_that_cannot_be_read_is_pointed_at(load, text, message):
    """JSON is held to the same rules as YAML."""
    with pytest.raises(TemplateError, match=message):
        load(text, name="template.json")


def test_a_file_that_is_not_there_is_an_error_of_its_own(load, tmp_path):
    """A wrong path, or a file that is no text, says so."""
    (tmp_path / "image.yaml").write_bytes(b"\xff\xfe\x00")
    from stagefright.templates.yaml_loader import read_document

    for name in ("absent.yaml", "image.yaml"):
        with pytest.raises(TemplateError, match="cannot be read"):
            read_document(tmp_path / name)


def test_the_template_of_a_directory_is_found_by_its_name(tmp_path):
    """template.yaml comes before .yml and .json; a build directory beside it changes nothing."""
    for name in ("template.json", "template.yml", "template.yaml"):
        (tmp_path / name).write_text("")
        assert find_template(tmp_path) == tmp_path / name
    (tmp_path / ".aws-sam/build").mkdir(parents=True)
    (tmp_path / ".aws-sam/build/template.yaml").write_text("")
    assert find_template(tmp_path) == tmp_path / "template.yaml"


def test_no_template_lists_what_is_there_instead(tmp_path):
    """The error says what was looked for, what the directory holds, and which setting names another file."""
    (tmp_path / "stack.yaml").write_text("")
    with pytest.raises(TemplateError, match=r"template\.yaml, template\.yml, .* holds: stack\.yaml\. .*\[tool\.stagef"):
        find_template(tmp_path)
