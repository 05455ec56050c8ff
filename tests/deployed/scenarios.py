"""
The scenarios on stages outside the process: the same tests, and a table of what was skipped and why.

    python tests/deployed/scenarios.py docker       MiniStack in a container, on a real engine (tests/docker/engine.py)
    python tests/deployed/scenarios.py ministack    the target `aws`, on a MiniStack process

A moto server stands in for AWS in the other tests here; it runs no functions, so there is nothing of the scenarios to be seen on it. What comes after the word goes to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

QUIET = "3s"
"""Everything runs on this machine, so three seconds without a movement are long, even while another function starts."""

WORKERS = ["-n", "2", "--dist=worksteal"]
"""In a container each worker has an account of its own; one works while the other waits until it is quiet."""


def on_docker(arguments: list[str]) -> int:
    """In a container of the run's own."""
    engine = ROOT / "tests" / "docker" / "engine.py"
    host = subprocess.run([sys.executable, engine, "start"], capture_output=True, text=True, check=True).stdout
    variables = dict(part.split("=", 1) for part in host.removeprefix("export ").split())
    image = subprocess.run([sys.executable, engine, "image"], capture_output=True, text=True, check=True).stdout.strip()
    return rehearse(["--stage-target=docker", *WORKERS, *arguments], {**variables, "STAGEFRIGHT_IMAGE": image})


def on_ministack(arguments: list[str]) -> int:
    """As on AWS, where MiniStack answers for it."""
    from tests.deployed import ministack

    with ministack.running() as url:
        return rehearse(["--stage-target=aws", *arguments], {"STAGEFRIGHT_ENDPOINT_URL": url})


def rehearse(arguments: list[str], variables: dict[str, str]) -> int:
    """Run the scenarios, and say what was skipped."""
    command = [sys.executable, "-m", "pytest", "scenarios", "--stage=my-feature", "-q", "-rs", *arguments]
    environ = {**os.environ, "STAGEFRIGHT_QUIET": QUIET, **variables}
    return subprocess.run(command, env=environ, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    ways = {"docker": on_docker, "ministack": on_ministack}
    if len(sys.argv) < 2 or sys.argv[1] not in ways:
        sys.exit(__doc__)
    sys.exit(ways[sys.argv[1]](sys.argv[2:]))
