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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

TEMPLATES = sorted(ROOT.glob("scenarios/*/template.yaml"))

QUIET = "3s"
"""Everything runs on this machine, so three seconds without a movement are long, even while another function starts."""

LONGEST = "social_feed"
"""It takes as long as half of the others."""

NOTHING_CHOSEN = 5
"""pytest's exit code."""


def on_docker(arguments: list[str]) -> int:
    """
    In three containers of three runs at once, for most of the time is spent waiting to see whether something still moves.

    Without workers: each would have an account of its own, and MiniStack looks for an API in the account of who signs. A function that calls
    an API of its own stack, as those of two scenarios do, does not sign, and is answered 404 there.
    """
    engine = ROOT / "tests" / "docker" / "engine.py"
    host = subprocess.run([sys.executable, engine, "start"], capture_output=True, text=True, check=True).stdout
    variables = dict(part.split("=", 1) for part in host.removeprefix("export ").split())
    image = subprocess.run([sys.executable, engine, "image"], capture_output=True, text=True, check=True).stdout.strip()
    others = sorted(one.parent.name for one in TEMPLATES if one.parent.name != LONGEST)
    return rehearse(
        ["--stage-target=docker", *arguments],
        {**variables, "STAGEFRIGHT_IMAGE": image},
        [LONGEST],
        others[::2],
        others[1::2],
    )


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


def rehearse(arguments: list[str], variables: dict[str, str], *shares: list[str]) -> int:
    """Build the scenarios as a user would before deploying them, run them, each share at the same time, and say what was skipped."""
    from tests.deployed.build import build

    for template in TEMPLATES:
        build(template.parent)
    environ = {**os.environ, "STAGEFRIGHT_QUIET": QUIET, **variables}
    command = [sys.executable, "-m", "pytest", "--stage=my-feature", "-q", *arguments]
    if not shares:
        return subprocess.run([*command, "scenarios"], env=environ, cwd=ROOT, check=False).returncode
    with ThreadPoolExecutor() as pool:
        return max(pool.map(lambda share: run([*command, *(f"scenarios/{one}" for one in share)], environ), shares))


def run(command: list[str], environ: dict[str, str]) -> int:
    """Run a share, and show what it said when it has ended; nothing chosen of it (`-k`) is no failure."""
    done = subprocess.run(command, env=environ, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    print(f"\n{' '.join(command[2:])}\n{done.stdout}", flush=True)
    return 0 if done.returncode == NOTHING_CHOSEN else done.returncode


if __name__ == "__main__":
    ways = {"docker": on_docker, "ministack": on_ministack, "moto": on_moto}
    if len(sys.argv) < 2 or sys.argv[1] not in ways:
        sys.exit(__doc__)
    sys.exit(ways[sys.argv[1]](sys.argv[2:]))
