"""Same seed, same journal, byte for byte: told of a whole scenario, in one process and in two."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from stagefright import open_stage
from stagefright.chaos import Chaos, Failure
from stagefright.journal import first_difference

SCENARIO = Path(__file__).parents[2] / "scenarios" / "social_feed"

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_determinism import open_scenario, story
with open_scenario() as stage:
    story(stage, seed=7)
    sys.stdout.write(stage.journal.text())
"""


def open_scenario():
    """The social feed, as a script opens it."""
    return open_stage("twice", directory=SCENARIO)


def story(stage, seed):
    """A post that reaches one follower's feed only at the third attempt, from a fresh start."""
    stage.reset(seed=seed)
    followers = stage.client("dynamodb")
    followers.put_item(TableName=stage.ref("FollowersTable"), Item={"user": {"S": "amy"}, "follower": {"S": "bob"}})
    with Chaos(stage, seed=seed)(AddToFeedFunction=Failure("table is down")):
        stage.http.post(stage.outputs["PostsUrl"], json={"author": "amy", "text": "hello"})
        flow = stage.settle()
    assert flow.attempts("AddToFeedFunction").at == [0, 60, 180]


def test_the_same_seed_gives_the_same_journal():
    """A scenario that runs twice leaves the same records; if not, the first pair that differs is named."""
    with open_scenario() as stage:
        story(stage, seed=7)
        first = list(stage.journal)
        story(stage, seed=7)
        second = list(stage.journal)

    difference = first_difference(first, second)
    assert difference is None, f"The runs part at:\n{difference[0]}\n{difference[1]}"
    assert len(first) > 20


def test_another_seed_gives_other_ids_and_the_same_story():
    """The seed decides ids, not what happens."""
    with open_scenario() as stage:
        story(stage, seed=7)
        first = list(stage.journal)
        story(stage, seed=8)
        second = list(stage.journal)

    assert first_difference(first, second) is not None
    assert [(r.kind, r.resource, r.at) for r in first] == [(r.kind, r.resource, r.at) for r in second]


def test_processes_agree_whatever_their_hash_seed():
    """Nothing in a world depends on the order of sets or dictionaries."""

    def journal(hash_seed):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    one, two = journal("1"), journal("2")

    assert one == two
    assert one.count("\n") > 20
