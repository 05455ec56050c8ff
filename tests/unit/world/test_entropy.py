"""Randomness in the world is a function of the seed and of what draws it."""

from __future__ import annotations

import os
import random
import uuid

import pytest

DRAWS = {
    "uuid4": "str(uuid.uuid4())",
    "uuid1": "str(uuid.uuid1())",
    "secrets": "secrets.token_hex(8)",
    "urandom": "os.urandom(8).hex()",
    "random": "random.random()",
    "Random()": "random.Random().random()",
    "random.seed()": "[random.seed(), random.random()][1]",
    "SystemRandom": "random.SystemRandom().random()",
}


def draw(systems, expression, *, seed):
    code = f"import os, random, secrets, uuid\ndef handler(event, context): return [{expression}, {expression}]"
    stage, ask = systems.function(code, seed=seed)
    answers = [ask(), ask()]
    stage.close()
    return answers


@pytest.mark.parametrize("expression", DRAWS.values(), ids=DRAWS)
def test_draws_repeat_with_the_seed(systems, expression):
    """The same seed gives the same draws, invocation for invocation; no two draws are alike."""
    first = draw(systems, expression, seed=1)

    assert first == draw(systems, expression, seed=1)
    assert len({str(value) for answer in first for value in answer}) == 4


@pytest.mark.parametrize("expression", [e for e in DRAWS.values() if "uuid1" not in e])
def test_another_seed_gives_other_draws(systems, expression):
    """Seeds matter, except where time alone decides (uuid1)."""
    assert draw(systems, expression, seed=1) != draw(systems, expression, seed=2)


def test_a_reset_starts_the_draws_over(systems):
    """So a test sees the same ids whether it runs first or last."""
    stage = systems.open()
    first = [uuid.uuid4(), random.random(), os.urandom(4)]
    stage.reset()

    assert first == [uuid.uuid4(), random.random(), os.urandom(4)]


def test_the_draws_of_one_function_do_not_depend_on_another(systems):
    """Draws are keyed, not taken in turn from one stream."""
    code = "import uuid\ndef handler(event, context): return str(uuid.uuid4())"
    stage = systems.open({"A": code, "B": code})
    alone = stage.invoke("B").payload
    stage.reset()
    stage.invoke("B", {})

    stage.reset()
    uuid.uuid4()
    assert alone == stage.invoke("B").payload


def test_randomness_is_real_outside_the_world(systems):
    """After the world, `os.urandom` asks the system again."""
    stage = systems.open()
    inside = os.urandom(16)
    stage.close()

    assert os.urandom(16) != inside
    assert random.Random().random() != random.Random().random()
