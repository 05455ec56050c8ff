"""Parameters: types, defaults, constraints, and all problems in one error."""

from __future__ import annotations

import pytest

from stagefright.errors import TemplateError


def parameter(declaration):
    return f"Parameters:\n  P: {declaration}"


@pytest.mark.parametrize(
    ("declaration", "given", "value"),
    [
        ("{Type: String, Default: x}", {}, "x"),
        ("{Type: String, Default: x}", {"P": "y"}, "y"),
        ("{Type: String, Default: ''}", {}, ""),
        ("{Type: String, Default: true}", {}, "true"),
        ("{Type: Number, Default: 3}", {}, "3"),
        ("{Type: Number}", {"P": 7}, "7"),
        ("{Type: List<Number>}", {"P": "1, 2"}, ["1", "2"]),
        ("{Type: CommaDelimitedList, Default: 'a, b,c'}", {}, ["a", "b", "c"]),
        ("{Type: 'AWS::EC2::VPC::Id', Default: vpc-1}", {}, "vpc-1"),
        ("{Type: 'List<AWS::EC2::Subnet::Id>', Default: 'a,b'}", {}, ["a", "b"]),
        ("{Type: 'AWS::SSM::Parameter::Name', Default: /a/b}", {}, "/a/b"),
        ("{Type: 'AWS::SSM::Parameter::Value<String>', Default: /a/b}", {}, "</a/b None>"),
        ("{Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /a}", {}, ["</a None>"]),
    ],
)
def test_a_parameter_stands_for_its_value(value_of, declaration, given, value):
    """A given value wins over the default; Ref yields text, or a list for list types; SSM is asked at deployment."""
    assert value_of("!Ref P", parameter(declaration), **given) == value


def test_ssm_values_can_be_answered_while_reading(value_of):
    """With `ssm`, a condition may depend on a parameter that lives in SSM; without it, the error says why not."""
    head = (
        "Parameters:\n  P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /stage}\n"
        "Conditions: {IsProd: !Equals [!Ref P, prod]}"
    )
    assert value_of("!If [IsProd, yes please, no]", head, ssm={"/stage": "prod"}.get) == "yes please"
    with pytest.raises(TemplateError, match="IsProd depends on the SSM parameter /stage"):
        value_of("!If [IsProd, a, b]", head)


@pytest.mark.parametrize(
    ("declaration", "given", "message"),
    [
        ("{Type: String}", None, r"P \(String\) has no value and no default. .*\[tool\.stagefright\.parameters\]"),
        ("{Type: Number}", "x", "P: 'x' is not a number"),
        ("{Type: List<Number>}", "1,x", "P: 'x' is not a number"),
        ("{Type: String, AllowedValues: [dev, prod]}", "prd", "'prd' is not one of .* Did you mean prod"),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,c", "'c' is not one of"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "a1", "does not match the AllowedPattern"),
        ("{Type: String, AllowedPattern: '['}", "a", "is not a regular expression"),
        ("{Type: String, MinLength: 2}", "a", "shorter than MinLength 2"),
        ("{Type: String, MaxLength: 2}", "abc", "longer than MaxLength 2"),
        ("{Type: Number, MinValue: 2}", "1", "less than MinValue 2"),
        ("{Type: Number, MaxValue: 2}", "3", "more than MaxValue 2"),
        ("{Type: String, MaxLength: 2, ConstraintDescription: keep it short}", "abc", "keep it short"),
        ("{Type: Text}", "a", "unknown Type Text. Known: .*String"),
        ("{Type: String, Defualt: x}", "a", "unknown attribute Defualt. Did you mean Default"),
        ("{Type: String, AllowedValues: a}", "a", "AllowedValues 'a', which is not a list"),
        ("{Type: String, MinLength: a}", "a", "MinLength 'a', which is not a number"),
        ("{Default: x}", "a", "must be a mapping with a Type"),
        ("text", "a", "must be a mapping with a Type"),
    ],
)
def test_a_value_that_aws_would_refuse_is_refused(value_of, declaration, given, message):
    """Each constraint has an error with the value, the rule and what would be right."""
    with pytest.raises(TemplateError, match=message):
        value_of("x", parameter(declaration), **({} if given is None else {"P": given}))


def test_the_value_of_a_noecho_parameter_stays_off_the_screen(value_of):
    """A secret that breaks a constraint is not printed."""
    with pytest.raises(TemplateError, match="P: its value") as raised:
        value_of("x", parameter("{Type: String, NoEcho: true, MaxLength: 2}"), P="hunter2")
    assert "hunter2" not in str(raised.value)


def test_all_problems_come_in_one_error(value_of):
    """Missing, wrong and unknown parameters are reported together, the unknown one with its nearest name."""
    head = "Parameters:\n  Stage: {Type: String}\n  Size: {Type: Number, Default: x}"
    with pytest.raises(TemplateError) as raised:
        value_of("x", head, Stagee="dev")
    text = str(raised.value)
    assert "3 problems" in text
    assert "Stagee was given, but the template does not declare it. Did you mean Stage?" in text
    assert "Stage (String) has no value" in text
    assert "Size: 'x' is not a number" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AccountId", "111122223333"),
        ("Region", "eu-west-1"),
        ("Partition", "aws"),
        ("StackName", "dev"),
        ("URLSuffix", "amazonaws.com"),
        ("NotificationARNs", []),
        ("NoValue", None),
    ],
)
def test_pseudo_parameters_describe_the_stack(value_of, name, value):
    """Each pseudo parameter is what the stage was loaded with; AWS::NoValue takes the property away."""
    assert value_of(f"!Ref AWS::{name}") == value


def test_the_stack_id_is_an_arn_that_does_not_change(value_of):
    """The same stack has the same id in every run."""
    first, second = (value_of("!Ref AWS::StackId") for _ in range(2))
    assert first == second
    assert first.startswith("arn:aws:cloudformation:eu-west-1:111122223333:stack/dev/")
