"""
The scenarios on stages outside the process: the same tests, and a table of what was skipped and why.

    python tests/deployed/scenarios.py docker       MiniStack in a container, on a real engine (tests/docker/engine.py)
    python tests/deployed/scenarios.py ministack    the target `aws`, on a MiniStack process
    python tests/deployed/scenarios.py moto         the target `aws`, on a moto server, which runs no functions

What comes after the word goes to pytest.
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

WORKERS = ["-n", "2"]
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


def on_moto(arguments: list[str]) -> int:
    """As on AWS, where a moto server answers for it: what needs a function to run is skipped."""
    from tests.deployed import moto_server

    with moto_server.running() as url:
        return rehearse(["--stage-target=aws", *arguments], {"STAGEFRIGHT_ENDPOINT_URL": url})


def rehearse(arguments: list[str], variables: dict[str, str]) -> int:
    """Build the scenarios as a user would before deploying them, run them, and say what was skipped."""
    from tests.deployed.build import build

    for template in sorted(ROOT.glob("scenarios/*/template.yaml")):
        build(template.parent)
    command = [sys.executable, "-m", "pytest", "scenarios", "--stage=my-feature", "-q", *arguments]
    environ = {**os.environ, "STAGEFRIGHT_QUIET": QUIET, **variables}
    return subprocess.run(command, env=environ, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    ways = {"docker": on_docker, "ministack": on_ministack, "moto": on_moto}
    if len(sys.argv) < 2 or sys.argv[1] not in ways:
        sys.exit(__doc__)
    sys.exit(ways[sys.argv[1]](sys.argv[2:]))
