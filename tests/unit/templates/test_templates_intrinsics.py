"""Intrinsic functions, conditions and dynamic references."""

from __future__ import annotations

import pytest

from stagefright.errors import TemplateError, UnknownExport

HEAD = """
Transform: AWS::LanguageExtensions
Parameters:
  Env: {Type: String, Default: dev}
  Names: {Type: CommaDelimitedList, Default: "a,b,c"}
Mappings:
  Size:
    dev: {Memory: 128, Zones: [x, y]}
    prod: {Memory: 512}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  IsDev: !Not [!Condition IsProd]
  Both: !And [!Condition IsProd, !Condition IsDev]
  Either: !Or [{Condition: IsProd}, {Condition: IsDev}]
  Mapped: !Equals [!FindInMap [Size, !Ref Env, Memory], "128"]
"""


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("!Ref Table", "Table-id"),
        ("!Ref Env", "dev"),
        ("!Ref Names", ["a", "b", "c"]),
        ("!GetAtt Table.Arn", "Table.Arn"),
        ("!GetAtt [Table, !Ref Env]", "Table.dev"),
        ("!GetAtt [Queue, Outputs.Url]", "Queue.Outputs.Url"),
        ("!Sub '${Env}/${Table}/${Table.Arn}/${AWS::Region}'", "dev/Table-id/Table.Arn/eu-west-1"),
        ("!Sub '${!Literal} $${Env} $x'", "${Literal} $dev $x"),
        ("!Sub ['${A}-${Env}-${B}', {A: !Ref Queue, B: 3}]", "Queue-id-dev-3"),
        ("!Sub ['${Env}', {Env: hidden}]", "hidden"),
        ("!Sub ['${Env}']", "dev"),
        ("!Join ['-', [a, 1, true, !Ref Env]]", "a-1-true-dev"),
        ("!Join [',', !Ref Names]", "a,b,c"),
        ("!Join ['', [a, !Ref AWS::NoValue, b]]", "ab"),
        ("!Select [1, !Ref Names]", "b"),
        ("!Select ['2', [x, y, !Ref Table]]", "Table-id"),
        ("!Split ['.', !GetAtt Table.Arn]", ["Table", "Arn"]),
        ("!Select [1, !Split ['.', !GetAtt Table.Arn]]", "Arn"),
        ("!Base64 text", "dGV4dA=="),
        ("{Fn::Base64: !Sub 'x${Env}'}", "eGRldg=="),
        ("!Cidr [10.0.0.0/16, 3, 8]", ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]),
        ("!Cidr [10.0.0.0/24, '2', '5']", ["10.0.0.0/27", "10.0.0.32/27"]),
        ("!Cidr ['2001:db8::/56', 2]", ["2001:db8::/64", "2001:db8:0:1::/64"]),
        ("!GetAZs ''", ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ("!GetAZs us-east-1", ["us-east-1a", "us-east-1b", "us-east-1c"]),
        ("{Fn::GetAZs: !Ref AWS::Region}", ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ("!FindInMap [Size, !Ref Env, Memory]", 128),
        ("!FindInMap [Size, dev, Zones]", ["x", "y"]),
        ("!FindInMap [Size, test, Memory, {DefaultValue: !Ref Env}]", "dev"),
        ("!FindInMap [Size, dev, Memory, {DefaultValue: 1}]", 128),
        ("!Length [a, !Ref Table]", 2),
        ("{Fn::Length: !Ref Names}", 3),
        ("!ToJsonString {a: !Ref Env, b: [1, true]}", '{"a":"dev","b":[1,true]}'),
        ("!If [IsDev, 1, 2]", 1),
        ("!If [IsProd, 1, !Ref AWS::NoValue]", None),
        ("!If [Both, 1, !If [Either, 2, 3]]", 2),
        ("!If [Mapped, small, large]", "small"),
        ("{a: !Ref AWS::NoValue, b: [!Ref AWS::NoValue, {c: !Ref AWS::NoValue}]}", {"b": [{}]}),
        ("{Ref: Env, Other: 1}", {"Ref": "Env", "Other": 1}),
        ("{Condition: {StringEquals: x}}", {"Condition": {"StringEquals": "x"}}),
    ],
)
def test_an_intrinsic_resolves_as_the_reference_says(value_of, value, resolved):
    """Every intrinsic function, in its forms and nestings, gives what CloudFormation gives."""
    assert value_of(value, HEAD) == resolved


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("'{{resolve:ssm:/a/b}}'", "</a/b None>"),
        ("'{{resolve:ssm:name:3}}'", "<name 3>"),
        ("'{{resolve:ssm-secure:name:1}}'", "<secure name 1>"),
        ("'{{resolve:secretsmanager:db}}'", "<db None None None>"),
        ("'{{resolve:secretsmanager:db:SecretString:password}}'", "<db password None None>"),
        ("'{{resolve:secretsmanager:db:SecretString:key:AWSPREVIOUS}}'", "<db key AWSPREVIOUS None>"),
        ("'{{resolve:secretsmanager:db:SecretString:::v1}}'", "<db None None v1>"),
        (
            "'{{resolve:secretsmanager:arn:aws:secretsmanager:r:1:secret:db-x:SecretString:key}}'",
            "<arn:aws:secretsmanager:r:1:secret:db-x key None None>",
        ),
        (
            "!Sub 'u:{{resolve:secretsmanager:${Table}:SecretString:p}}@{{resolve:ssm:h}}'",
            "u:<Table-id p None None>@<h None>",
        ),
        ("{a: ['{{resolve:ssm:x}}', 1]}", {"a": ["<x None>", 1]}),
        ("!Join ['', ['{{resolve:ssm', ':x}}']]", "<x None>"),
    ],
)
def test_a_dynamic_reference_is_asked_of_the_stage(value_of, value, resolved):
    """SSM and Secrets Manager references are found anywhere in a text, also in one that an intrinsic wrote."""
    assert value_of(value, HEAD) == resolved


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("!Ref Tabel", r"\[Subject\]: Ref Tabel: .* Did you mean Table\?"),
        ("!Ref [a]", "Ref takes a name"),
        ("!GetAtt Tabel.Arn", "Fn::GetAtt Tabel.*Did you mean Table"),
        ("!GetAtt Table", "takes a resource and an attribute"),
        ("!GetAtt [Table, Arn, x]", "takes a resource and an attribute"),
        ("!Sub '${Tabel}'", "Ref Tabel.*Did you mean Table"),
        ("!Sub '${Queu.Arn}'", "Fn::GetAtt Queu.*Did you mean Queue"),
        ("!Sub '${a b}'", "not a name .* write"),
        ("!Sub [a, b]", "takes a text, or a list"),
        ("!Sub ['${Table}', 7]", "takes a text, or a list"),
        ("!Sub ['${L}', {L: [1]}]", r"\$\{L\} must be text"),
        ("!Sub '${Names}'", r"\$\{Names\} must be text"),
        ("!Join [a]", "takes a delimiter and a list"),
        ("!Join [a, b]", "takes a delimiter and a list"),
        ("!Join ['', [[a]]]", "joins texts"),
        ("!Select [5, [a, b]]", "index 5 of 2 values"),
        ("!Select [x, [a, b]]", "takes the place in a list"),
        ("!Split [a]", "takes a delimiter and a text"),
        ("!Split ['', abc]", "takes a delimiter and a text"),
        ("!Base64 [a]", "takes a text"),
        ("!Cidr [10.0.0.0/30, 9, 2]", "cannot divide .* holds only 1 blocks"),
        ("!Cidr [10.0.0.0/16, 0, 2]", "between 1 and 256"),
        ("!Cidr [nonsense, 1, 2]", "cannot divide"),
        ("!Cidr x", "takes a block"),
        ("!GetAZs [a]", "takes a region"),
        ("!FindInMap [Sizes, dev, Memory]", "Mappings has no Sizes. Did you mean Size"),
        ("!FindInMap [Size, test, Memory]", "the map Size has no test. Known: dev, prod"),
        ("!FindInMap [Size, dev, Memry]", "Size.dev has no Memry. Did you mean Memory"),
        ("!FindInMap [Size, dev]", "takes a map"),
        ("!FindInMap [Size, dev, Memory, x]", "DefaultValue"),
        ("!ImportValue [a]", "takes the name of an export"),
        ("!Length text", "takes a list"),
        ("!ToJsonString text", "takes a mapping or a list"),
        ("!If [IsPrd, 1, 2]", "Fn::If IsPrd: .*Did you mean IsProd"),
        ("!If [IsProd, 1]", "takes a condition, a value and another"),
        ("!If [[x], 1, 2]", "takes the name of a condition"),
        ("!Equals [a, b]", "can stand in the section Conditions only"),
        ("{Fn::Joined: [a]}", "Fn::Joined is not an intrinsic.*Did you mean Fn::Join"),
        ("{Fn::Join: ['', []], b: 1}", "must be the only key"),
        ("!Transform {Name: MyMacro}", 'the macro "MyMacro" runs in an AWS account'),
        ("'{{resolve:smm:x}}'", "service smm. Did you mean ssm"),
        ("'{{resolve:ssm:a:b:c}}'", "is not of the form"),
        ("'{{resolve:secretsmanager:a:Nope}}'", "is not of the form"),
        ("!If [IsProd, !Ref Tabel, x]", "Ref Tabel"),
    ],
)
def test_a_wrong_intrinsic_is_found_before_deployment(value_of, value, message):
    """Unknown names, wrong arity and impossible values fail while loading, name the resource and what is available."""
    with pytest.raises(TemplateError, match=message) as raised:
        value_of(value, HEAD)
    assert raised.value.logical_id == "Subject"


@pytest.mark.parametrize(
    "value",
    [
        "!Length [a]",
        "!ToJsonString {a: 1}",
        "!FindInMap [a, b, c, {DefaultValue: 1}]",
        "{Fn::ForEach::X: [A, [b], {c: d}]}",
    ],
)
def test_language_extensions_need_their_transform(value_of, value):
    """What AWS refuses without the transform is refused here too, with the line to add."""
    with pytest.raises(TemplateError, match="Transform: AWS::LanguageExtensions"):
        value_of(value)


def test_an_import_is_answered_from_the_settings(value_of):
    """Fn::ImportValue yields the export of another stack, also when its name is put together."""
    assert value_of("!ImportValue {Fn::Sub: '${Env}-vpc'}", HEAD, exports={"dev-vpc": "vpc-1"}) == "vpc-1"


def test_an_unknown_export_says_how_to_answer_it(value_of):
    """The error lists the known exports and shows the setting."""
    with pytest.raises(
        UnknownExport, match=r'Did you mean vpc-id\? Known: vpc-id\. .*\[tool\.stagefright\.exports\] "vpc-ids" ='
    ):
        value_of("!ImportValue vpc-ids", exports={"vpc-id": "x"})


def test_several_unknown_exports_are_one_error_of_that_kind(value_of):
    """All missing exports are listed at once, and the error is still an UnknownExport."""
    with pytest.raises(UnknownExport, match=r"(?s)2 problems.*ImportValue a.*ImportValue b"):
        value_of("!ImportValue a", "Outputs: {O: {Value: !ImportValue b}}")


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("{A: !Condition B, B: !Not [!Condition A]}", "go round in a circle: A -> B -> A"),
        ("{A: !Condition Missing}", "condition Missing is not defined. Known: A"),
        ("{A: !Equals [!Ref Table, x]}", "the condition A depends on the resource Table"),
        ("{A: !And [!Equals [a, a]]}", "Fn::And takes a list of 2 to 10"),
        ("{A: !Not [!Equals [a, a], !Equals [a, b]]}", "one condition in a list"),
        ("{A: !Equals [a]}", "takes two values"),
        ("{A: true}", "a condition is one of Condition, Fn::And"),
        ("{A: !Condition [x]}", "takes the name of a condition"),
        ("{A: !Equals [!Ref Nope, x]}", "Ref Nope"),
    ],
)
def test_a_wrong_condition_is_found_even_if_nothing_uses_it(value_of, conditions, message):
    """Circles, unknown names and anything only a deployment knows are refused in Conditions."""
    with pytest.raises(TemplateError, match=message):
        value_of("x", f"Conditions: {conditions}")


def test_equality_compares_texts(value_of):
    """1 equals "1" and true equals "true", as in CloudFormation."""
    head = "Conditions: {A: !Equals [1, '1'], B: !Equals [true, 'true'], C: !Equals [[a], [a]], D: !Equals [A, a]}"
    value = "[!If [A, 1, 0], !If [B, 1, 0], !If [C, 1, 0], !If [D, 1, 0]]"
    assert value_of(value, head) == [1, 1, 1, 0]


def test_a_mistake_at_deployment_names_its_resource(load, lookup):
    """What only shows with real values is a TemplateError too."""
    template = load("Resources: {A: {Type: t}, B: {Type: t, Properties: {V: !Select [9, !Split ['.', !Ref A]]}}}")
    with pytest.raises(TemplateError, match=r"\[B\]: Fn::Select asks for index 9 of 1 values"):
        template.resolve(template.resources["B"].properties, lookup, logical_id="B")
