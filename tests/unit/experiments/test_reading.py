"""Experiments in YAML: the same objects as in Python, or every problem with its line."""

from __future__ import annotations

import copy
import inspect
import random
import re
import time
from pathlib import Path

import pytest
import yaml

from stagefright.chaos import Experiment, Failure, Latency, Timeout
from stagefright.chaos.checks import conserved, dead_lettered, retried
from stagefright.chaos.experiments import Expected, Inject, Publish, PutRecord, Request, Settle, Wait, read_experiment
from stagefright.chaos.experiments.reading import CHECK_SETTINGS, CHECKS, parse_experiment
from stagefright.errors import ExperimentError

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "scenarios").glob("*/experiments/*.yaml"))

GOOD = """\
title: A dead feed table loses no post
description: words
nightly: true
only_on: {targets: [local, aws], reason: it takes hours}
setup:
  - put_item: {table: Table, item: {id: a, when: 2026-01-01}}
steady_state:
  - request: {path: /x, answers: {status: 200}}
  - conserved: Feed
method:
  - chaos:
      Worker: {Failure: table is down}
      Other: [Timeout, {Latency: {delay_ms: 400}}]
    steps:
      - publish: {topic: Feed, message: {author: amy}}
      - settle
  - wait: 30s
  - put_record: {stream: Posts, data: !!binary /w==, key: !Ref Feed}
rollbacks:
  - wait: 1
expect:
  - retried: {function: Worker, at: [0, 60, 180]}
  - dead_lettered: Worker
    verdict: unknown
  - any:
      - retried: Worker
      - dead_lettered: {consumer: Worker, queue: Dead}
"""


def said(experiment):
    """What an experiment consists of, comparably."""
    return repr(experiment)


def refusal(text):
    with pytest.raises(ExperimentError) as error:
        parse_experiment(text, "feed.yaml")
    return str(error.value)


def test_yaml_says_what_python_says():
    """Every part of the grammar once."""
    wanted = Experiment(
        title="A dead feed table loses no post",
        description="words",
        nightly=True,
        only_on=("local", "aws"),
        only_on_reason="it takes hours",
        setup=[parse_experiment(GOOD).setup[0]],
        steady_state=[Request("/x", answers={"status": 200}), conserved("Feed")],
        method=[
            Inject(
                {"Worker": Failure("table is down"), "Other": [Timeout(), Latency(delay_ms=400)]},
                [Publish("Feed", {"author": "amy"}), Settle()],
            ),
            Wait("30s"),
            PutRecord("Posts", b"\xff", key={"Ref": "Feed"}),
        ],
        rollbacks=[Wait(1)],
        expect=[
            retried("Worker", at=[0, 60, 180]),
            Expected(dead_lettered("Worker"), "unknown"),
            retried("Worker") | dead_lettered("Worker", "Dead"),
        ],
    )

    assert said(parse_experiment(GOOD)) == said(wanted)
    assert parse_experiment(GOOD).method[0] == wanted.method[0]
    assert parse_experiment(GOOD).setup[0].item == {"id": "a", "when": "2026-01-01"}


def test_what_python_says_with_a_method_stands_beside_the_fault():
    """In the order of the file."""
    text = GOOD.replace(
        "{Failure: table is down}",
        "{Failure: table is down, on_call: [1, 3], during: {span: 5m, after: 1m}, with_probability: 0.5, at_most: 2}",
    )
    wanted = Failure("table is down").on_call(1, 3).during("5m", after="1m").with_probability(0.5).at_most(2)

    assert parse_experiment(text).method[0].plan.faults["Worker"] == (wanted,)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title: A dead", "titel: A dead", "line 1, titel: an experiment has no 'titel'. Did you mean title?"),
        ("steady_state:", "steady-state-hypothesis:", "Here it is steady_state"),
        (
            "- publish:",
            "- publsh:",
            "line 15, method[0].steps[0].publsh: there is no step 'publsh'. Did you mean publish?",
        ),
        (
            "topic: Feed",
            "topc: Feed",
            "method[0].steps[0].publish.topc: publish has no setting 'topc'. Did you mean topic?",
        ),
        ("topic: Feed,", "", "publish needs topic: a logical id."),
        ("Failure:", "Falure:", "line 12, method[0].chaos.Worker: there is no fault 'Falure'. Did you mean Failure?"),
        ("delay_ms: 400", "delay: 400", "'delay' is not a setting of Latency"),
        ("delay_ms: 400", "delay_ms: -1", "delay_ms is -1; it should be a number from 0 to 900000"),
        ("- retried: {function: Worker, at", "- retired: {function: Worker, at", "Did you mean retried?"),
        ("at: [0, 60, 180]", "at: [0, x]", 'expect[0].retried.at: at is a list of numbers; received [0, "x"].'),
        ("at: [0, 60, 180]", "times: true", "times is a whole number, 0 or more; received true."),
        (
            "verdict: unknown",
            "verdict: unknwon",
            'expect[1].verdict: there is no verdict "unknwon". Did you mean unknown?',
        ),
        ("Failure: table", "with_probability: 2, Failure: table", "with_probability takes probability; received 2"),
        ("Failure: table", "at_mots: 2, Failure: table", "a fault is its name with its settings"),
        ("wait: 30s", "wait: 30 parsecs", "wait.span: span is a span of time"),
        ("[local, aws]", "[local, asw]", 'line 4, only_on: there is no target "asw". Did you mean aws?'),
        ("[local, aws]", "local", "only_on: it is a list of targets (local, docker, aws)"),
        ("{targets: [local, aws], reason: it takes hours}", "[]", "only_on: it is a list of targets"),
        ("reason: it", "raeson: it", "only_on has no 'raeson'. Did you mean reason?"),
        ("nightly: true", "nightly: perhaps", "line 3, nightly: it is true or false"),
        ("rollbacks:\n  - wait: 1", "rollbacks:\n  wait: 1", "rollbacks: it is a list"),
        ("      - settle\n", "      - settle\n      - settle: {now: 1}\n", "settle has no setting 'now'"),
        ("    steps:\n", "    stesp:\n", "Did you mean steps?"),
        ("- wait: 30s", "- wait: 30s\n    settle:", "one entry holds one step; found wait, settle."),
        ("description: words", "title: again", "the key title occurs twice (again in line 2)"),
        ("!Ref Feed", "!Sub Feed", "the tag !Sub is unknown"),
        ("delay_ms: 400", "delay_ms: .nan", "is not a number that can be used"),
        ("any:", "any: x\n  - any:", "any needs a list of checks"),
    ],
)
def test_a_problem_is_told_with_its_line_and_what_is_allowed(old, new, told):
    """File, line, path, what is wrong, and the nearest name."""
    assert old in GOOD
    text = refusal(GOOD.replace(old, new, 1))

    assert text.startswith("feed.yaml")
    assert told in text


def test_all_problems_are_told_at_once():
    """Nobody likes to mend a file problem by problem."""
    text = refusal(GOOD.replace("publish", "publsh").replace("retried", "retired").replace("Failure", "Failing"))

    assert text.count("\n  - ") == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found nothing"),
        ("- a\n- b", "is a mapping with a title and a method"),
        ("just text", 'found "just text"'),
        ("title: x\n\tmethod: []", "malformed YAML at line 2"),
        ("title: x\n---\ntitle: y", "malformed YAML"),
        ('title: "\\UFFFFFFFF"', "malformed YAML"),
        ("a: &a [*a]", "nested too deeply"),
        ("[" * 5000, "nested too deeply"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)),
            "aliases",
        ),
        ("? [a]\n: b", "a key is text"),
        ("title: !!python/object:os.system x", "cannot be read as os.system"),
        ("title: !!int x", "cannot be read as int"),
    ],
)
def test_what_is_hardly_yaml(text, told):
    """A hostile file is refused in a moment."""
    began = time.perf_counter()

    assert told in refusal(text)
    assert time.perf_counter() - began < 10


def test_a_file_that_cannot_be_read(tmp_path):
    """Missing, huge and binary files."""
    (tmp_path / "huge.yaml").write_text("x" * 300_000)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00title")

    for name, told in {"none.yaml": "cannot be read", "huge.yaml": "300000 bytes", "binary.yaml": "not UTF-8"}.items():
        with pytest.raises(ExperimentError, match=told):
            read_experiment(tmp_path / name)


def test_every_setting_of_every_check_has_a_kind():
    """A new check can be used from YAML, or this test says what is missing."""
    missing = {
        f"{name}.{setting}"
        for name, check in CHECKS.items()
        for setting in inspect.signature(check).parameters
        if setting not in CHECK_SETTINGS
    }

    assert missing == set()


# -- malformed files ---------------------------------------------------------------------------------------------------

JUNK = (
    "",
    "~",
    "[]",
    "{}",
    "-1",
    "1e999",
    "'",
    '"',
    "&a",
    "*a",
    "!x",
    "? ",
    "\x00",
    "\ud7ff",
    "0x" + "f" * 400,
    "9" * 5000,
    "- - -",
    ": :",
)
VALUES = (
    None,
    True,
    -1,
    1e308,
    "",
    "x" * 3000,
    [],
    {},
    [[]],
    {"a": None},
    {"Ref": 1},
    {"Failure": {"Failure": {}}},
    "settle",
    {"chaos": 1},
)


def mutate_text(text, chance):
    """Cut, swap, double or spoil a piece of the text."""
    begin, end = sorted(chance.randrange(len(text)) for _ in range(2))
    piece = text[begin : begin + min(end - begin, 40)]
    return text[:begin] + chance.choice(("", piece * 2, piece[::-1], chance.choice(JUNK))) + text[begin + len(piece) :]


def mutate_value(value, chance):
    """Replace, drop, rename or move one place in the values."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        changed = {**value, key: mutate_value(value[key], chance)}
        if chance.random() < 0.2:
            changed[chance.choice((key[:-1], key.upper(), "verdict", "chaos", "any"))] = changed.pop(key)
        return changed
    if isinstance(value, list) and value and chance.random() < 0.85:
        index = chance.randrange(len(value))
        return [*value[:index], mutate_value(value[index], chance), *value[index + 1 :]]
    return chance.choice(VALUES)


GOOD_VALUE = yaml.safe_load(GOOD.replace("!Ref ", ""))


def malformed(seed):
    """One file that was spoilt."""
    chance = random.Random(seed)
    if seed % 2:
        text = GOOD
        for _ in range(chance.randint(1, 4)):
            text = mutate_text(text, chance)
        return text
    value = copy.deepcopy(GOOD_VALUE)
    for _ in range(chance.randint(1, 3)):
        value = mutate_value(value, chance)
    return yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), allow_unicode=True)


def test_a_thousand_malformed_files():
    """Each is an experiment still, or refused with a message that names the file; never another error, and in bounded time."""
    messages, slowest = [], 0.0
    for seed in range(1000):
        text = malformed(seed)
        began = time.perf_counter()
        try:
            parse_experiment(text, "feed.yaml")
        except ExperimentError as error:
            messages.append(str(error))
        slowest = max(slowest, time.perf_counter() - began)

    assert len(messages) > 500
    assert [message for message in messages if not message.startswith("feed.yaml") or len(message) > 20_000] == []
    assert slowest < 5


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parts[-3]}-{file.stem}")
def test_the_examples_are_experiments(file):
    """What the scenarios show is what the reader takes."""
    assert read_experiment(file).title


def test_there_are_examples():
    """The glob above has found some."""
    assert len(FILES) >= 5


class TestStopConditions:
    METHOD = "method: [{settle: }, {request: {path: /, answers: {status: 200}}}]\n"

    def test_alarms_and_checks(self):
        """An alarm by any of its names, and any check."""
        found = parse_experiment(
            "title: t\n"
            + self.METHOD
            + "stop_when:\n  - alarm: HighErrors\n  - retried: {function: Worker, times: 2}\n"
        )

        assert found.stop_when[0] == "HighErrors"
        assert repr(found.stop_when[1]) == "retried(function='Worker', times=2)"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("stop_when: [{alarm: 7}]", "the ARN of an alarm"),
            ("stop_when: [{alram: x}]", "Did you mean alarm?"),
            ("stop_when: [{alarm: x, retried: Worker}]", "one entry holds one check"),
            ("stop_when: HighErrors", "it is a list"),
            ("stop_condition: HighErrors", "Here it is stop_when"),
            ("stopConditions: []", "Here it is stop_when"),
        ],
    )
    def test_what_is_none_is_refused(self, text, told):
        """With its line, and what was probably meant."""
        with pytest.raises(ExperimentError, match=re.escape(told)):
            parse_experiment("title: t\n" + self.METHOD + text + "\n")
