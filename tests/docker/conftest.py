"""
What the tests of the target `docker` run in: a real Docker engine, and an image that is built from what is here.

Without an engine they are skipped; with `DOCKER_TESTS=required` in the environment, as CI has it, its absence is an error.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stagefright.errors import EmulatorError
from stagefright.settings import Settings
from stagefright.targets.docker.engine import connect
from stagefright.targets.run import Run

SCRIPT = Path(__file__).with_name("engine.py")


def unavailable(reason):
    """Skip, or fail where the tests must run."""
    if os.environ.get("DOCKER_TESTS") == "required":
        pytest.fail(f"DOCKER_TESTS=required, but {reason}", pytrace=False)
    pytest.skip(f'{reason}; see tests/docker/engine.py: eval "$(python tests/docker/engine.py start)"')


@pytest.fixture(scope="session")
def engine():
    """A client of the engine."""
    try:
        found = connect(os.environ)
    except EmulatorError as error:
        unavailable(str(error).partition("\n")[0])
    yield found.client
    found.close()


@pytest.fixture(scope="session")
def image(engine):
    """The name of an image with MiniStack in it; workers that want it at once build it once."""
    with (Path(tempfile.gettempdir()) / "stagefright-tests-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = subprocess.run([sys.executable, SCRIPT, "image"], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        unavailable(f"the image could not be built: {built.stderr.strip()}")
    return built.stdout.strip()


@pytest.fixture
def run():
    """A run of its own for each test, so that none meets another's container."""
    return Run.begin()


@pytest.fixture
def settings(tmp_path, image):
    """Settings of a stage in the image."""

    def make(**given):
        return Settings(**{"target": "docker", "directory": tmp_path, "image": image, **given})

    return make


@pytest.fixture
def containers(engine, run):
    """The names of the containers of this test's run, ended ones too; whatever is left of them at its end is removed."""

    def list_them():
        return [one.name for one in engine.containers.list(all=True, filters={"label": f"stagefright:run={run.id}"})]

    yield list_them
    for name in list_them():
        engine.containers.get(name).remove(force=True)
