from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import ClientError

from stagefright.chaos import Failure
from stagefright.errors import UsageError


def raised(stage, chaos, fault):
    with chaos(Worker=fault), pytest.raises(Exception, match=re.escape(fault.message)) as caught:
        stage.invoke("Worker")
    return caught.value


def test_a_failure_is_raised_before_the_handler_and_heals(stage, chaos):
    """The handler never starts inside the block, and does after it."""
    ran = []
    stage.handlers["Worker"] = lambda event, context: ran.append(event)

    error = raised(stage, chaos, Failure("table is down"))
    stage.invoke("Worker", "after")

    assert ("Exception", "table is down") == (type(error).__name__, str(error))
    assert ["after"] == ran
    assert [("Worker", "failure", {"message": "table is down"})] == stage.strikes()


@pytest.mark.parametrize(
    ("error_type", "name", "base"),
    [
        ("ValueError", "ValueError", ValueError),
        ("KeyError", "KeyError", KeyError),  # str(KeyError("x")) is "'x'"
        ("ConnectionResetError", "ConnectionResetError", OSError),
        ("UnicodeDecodeError", "UnicodeDecodeError", ValueError),  # takes five arguments
        ("json.JSONDecodeError", "JSONDecodeError", json.JSONDecodeError),  # takes three
        ("botocore.exceptions.ClientError", "ClientError", ClientError),  # takes a response
    ],
)
def test_the_error_has_the_type_and_exactly_the_message(stage, chaos, error_type, name, base):
    """AWS reports the class name as errorType and `str` as errorMessage, whatever the class's constructor wants."""
    error = raised(stage, chaos, Failure("boom", error_type=error_type))

    assert (name, "boom") == (type(error).__name__, str(error))
    assert isinstance(error, base)


@pytest.mark.parametrize(
    ("error_type", "hint"),
    [
        ("ValueEror", "did you mean ValueError?"),
        ("SystemExit", "is not a builtin exception"),
        ("ExceptionGroup", "cannot be raised with a message"),
        ("print", "is not a builtin exception"),
        ("a..b", "dotted path"),
        ("", "dotted path"),
        (404, "dotted path"),
    ],
)
def test_a_type_that_cannot_be_raised_is_refused(error_type, hint):
    """What can be known at construction is said at construction."""
    with pytest.raises(UsageError) as refused:
        Failure("boom", error_type=error_type)

    assert hint.replace("cannot be", "that can be") in str(refused.value)


def test_all_problems_are_reported_at_once():
    """A wrong message and a wrong type are two lines of one error."""
    with pytest.raises(UsageError) as refused:
        Failure(404, error_type="Nothing")

    assert 3 == len(str(refused.value).splitlines())


def test_a_class_that_the_function_does_not_have_leaves_the_function_alone(stage, chaos):
    """Only the function can import its classes: a missing one is logged, the handler runs, and the block fails."""
    with (
        pytest.raises(AssertionError, match="No module named 'nowhere'"),
        chaos(Worker=Failure("boom", error_type="nowhere.Missing")),
    ):
        assert "event" == stage.invoke("Worker", "event")


def test_a_chosen_type_is_not_said_to_readers_that_would_raise_another():
    """A plain failure is said to all; a typed one to none, as they cannot raise it."""
    assert 3 == len(Failure("boom").translations())
    assert {} == Failure("boom", error_type="ValueError").translations()
