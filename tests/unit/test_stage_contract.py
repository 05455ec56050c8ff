"""A stage is the same object for every target: what `Stage` promises, both kinds have, by the same names and parameters."""

from __future__ import annotations

import ast
import inspect
import textwrap

import pytest

from stagefright.clock import StageClock
from stagefright.local_stage import LocalStage
from stagefright.stage import Stage, Timepiece, is_deployed, is_local
from stagefright.targets.deployed_stage import LOCAL_ONLY, DeployedStage
from stagefright.targets.wall_clock import WallClock

DEPLOYED_ONLY = {
    "account",
    "began_at",
    "behind",
    "claims",
    "closers",
    "ground",
    "is_kept",
    "ledger",
    "left",
    "logs",
    "look",
    "presence",
    "run",
    "stack",
    "still_s",
    "tail",
    "taps",
    "watchers",
}
"""What is there because a stage is in an account: the way there, whose it is, and how it is observed."""


def own_names(kind):
    """The public names of a class, those that `__init__` gives to each instance among them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind.__init__)))
    given = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    return {name for name in {*dir(kind), *given} if not name.startswith("_")}


def promised(contract):
    """The public names of a contract."""
    return {name for name in {*vars(contract), *vars(contract).get("__annotations__", ())} if not name.startswith("_")}


def parameters_of(kind, name):
    """The parameters of a method, by name, kind and default."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(getattr(kind, name)).parameters.values()]


def test_what_a_local_stage_has_besides_is_what_a_deployed_one_refuses():
    """Nothing is public on one kind only, unless the other tells what to do instead."""
    assert own_names(LocalStage) == promised(Stage) | set(LOCAL_ONLY)


def test_what_a_deployed_stage_has_besides_is_its_account():
    """A name that both kinds have belongs into the contract."""
    assert own_names(DeployedStage) == promised(Stage) | DEPLOYED_ONLY


@pytest.mark.parametrize("kind", [LocalStage, DeployedStage])
@pytest.mark.parametrize("name", [n for n in sorted(promised(Stage)) if inspect.isfunction(vars(Stage).get(n))])
def test_methods_take_what_the_contract_says(kind, name):
    """The same names in the same order with the same defaults: a test that runs on one target runs on all."""
    assert parameters_of(Stage, name) == parameters_of(kind, name)


@pytest.mark.parametrize("kind", [StageClock, WallClock])
def test_both_clocks_can_be_read_and_asked_to_advance(kind):
    """A stage's time has one face, too."""
    assert promised(Timepiece) <= own_names(kind)


def test_the_kinds_are_told_apart_by_their_time():
    """`is_local` and `is_deployed` ask the stage, and load neither class."""
    assert not LocalStage.is_deployed
    assert is_local(LocalStage)
    assert not is_local(DeployedStage)
    assert is_deployed(DeployedStage)
    assert not is_deployed(LocalStage)
