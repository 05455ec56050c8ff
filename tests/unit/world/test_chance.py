"""Each draw depends on the seed and on what it decides, and on nothing else."""

from __future__ import annotations

import uuid

import pytest

from stagefright.chance import Chance


def test_the_same_key_draws_the_same():
    """How many draws came before does not matter."""
    one, other = Chance(7), Chance(7)
    [other.uuid("something else", n) for n in range(10)]

    assert one.uuid("order", 1) == other.uuid("order", 1)
    assert one.uniform(0, 1, "delay") == other.uniform(0, 1, "delay")


def test_seed_and_key_both_matter():
    """Another seed, another key, another draw; parts of a key do not run together."""
    draws = {Chance(seed).hex(16, *key) for seed in (1, 2) for key in [("a", "b"), ("ab",), ("a", "bc"), ("ab", "c")]}

    assert 8 == len(draws)


def test_uuids_are_version_4():
    """As AWS's request and message ids are."""
    assert 4 == uuid.UUID(Chance(0).uuid("x")).version


@pytest.mark.parametrize("length", [0, 1, 7, 32])
def test_hex_has_the_length_that_was_asked_for(length):
    """Odd ones too."""
    assert length == len(Chance(0).hex(length, "x"))


def test_uniform_and_choice_stay_in_bounds_and_reach_everything():
    """A thousand draws cover the options, and no draw leaves the span."""
    chance = Chance(0)

    assert all(2 <= chance.uniform(2, 3, n) < 3 for n in range(1000))
    assert {"a", "b", "c"} == {chance.choice("abc", n) for n in range(100)}
