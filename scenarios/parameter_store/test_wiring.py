"""
The function is told names, and never a value.

The failure feared: a value that found its way into the function's variables, where it is old after the first change, and where a secret
can be read by everybody who may look at the function. The fault used: none. The verdict expected: the variables hold names of parameters.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.wiring


def test_the_function_knows_names_only(stage, configuration, secret):
    """The text and the key are behind them."""
    variables = configuration("GreetingFunction")["Environment"]["Variables"]

    assert variables["GREETING_TEXT"] == stage.outputs["GreetingTextName"]
    assert variables["SIGNING_KEY"] == stage.outputs["SigningKeyName"]
    assert secret not in str(variables)


def test_how_long_a_value_is_used_is_a_parameter_of_the_stack(stage, configuration):
    """What the settings say reaches the function."""
    told = configuration("GreetingFunction")["Environment"]["Variables"]["CONFIG_TTL_S"]

    assert int(told) == int(stage.settings.parameters["ConfigTtlSeconds"])


def test_the_stack_brings_a_text(stage):
    """A new stage greets before anybody has set anything."""
    found = stage.client("ssm").get_parameter(Name=stage.outputs["GreetingTextName"])["Parameter"]

    assert (found["Type"], found["Value"]) == ("String", "Hello")


def test_the_key_is_kept_encrypted(stage, secret):
    """Who reads it without decrypting it gets something else."""
    ssm, name = stage.client("ssm"), stage.outputs["SigningKeyName"]

    assert ssm.get_parameter(Name=name)["Parameter"]["Type"] == "SecureString"
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] != secret
    assert ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] == secret


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_text_that_a_test_set_is_taken_back(stage, set_text, turn):
    """So the second turn finds the text of the template, as the first did."""
    ssm, name = stage.client("ssm"), stage.outputs["GreetingTextName"]
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "Hello"

    set_text("Good morning")

    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "Good morning"


def test_nothing_moves_by_itself(stage):
    """A stage that nobody acts on is at rest: nothing runs, and nothing is given up."""
    flow = stage.settle()

    assert not flow.reached("GreetingFunction")
    assert not flow.dead_letters
