"""
The merged flag, read by the published failure-lambda 0.4.4 under Node.js.

The package is fetched from npm once per run; its dependencies are stubbed, so SSM is a variable and no call leaves the
process. Without npm, Node.js or a registry the tests are skipped with the reason.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile

import pytest

from stagefright.chaos import Failure, Latency, Noop, Timeout, merge

PACKAGE = "failure-lambda@0.4.4"

STUBS = {
    "aws-sdk": """
        exports.SSM = class {
          getParameter({ Name }) {
            return { promise: async () => ({ Parameter: { Value: process.env["VALUE_OF_" + Name] } }) };
          }
        };
    """,
    "node-fetch": "module.exports = () => { throw new Error('no network in this test'); };",
    "mitm": "module.exports = () => { throw new Error('no network in this test'); };",
}

DRIVER = """
    const failureLambda = require("./failure-lambda/lib/failure.js");
    console.log = () => {};
    const slept = [];
    global.setTimeout = (callback, ms) => { slept.push(ms); setImmediate(callback); };
    const handler = failureLambda(async (event) => ({ echoed: event.n }));
    handler({ n: 1 }).then(
      (answer) => ({ answer }),
      (error) => ({ error: error.message, type: error.name }),
    ).then((outcome) => process.stdout.write(JSON.stringify({ ...outcome, slept })));
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the package, its stubbed dependencies and a driver."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm and Node.js are needed to run failure-lambda")
    home = tmp_path_factory.mktemp("failure-lambda")
    try:
        packed = subprocess.run(
            [npm, "pack", PACKAGE], cwd=home, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm could not fetch {PACKAGE} within a minute")
    if packed.returncode != 0:
        pytest.skip(f"npm could not fetch {PACKAGE}: {packed.stderr.strip()[-200:]}")
    with tarfile.open(home / "failure-lambda-0.4.4.tgz") as archive:
        archive.extractall(home, filter="data")
    (home / "package").rename(home / "failure-lambda")
    for name, source in STUBS.items():
        (home / "node_modules" / name).mkdir(parents=True)
        (home / "node_modules" / name / "index.js").write_text(source)
    (home / "driver.js").write_text(DRIVER)
    return home


def outcome(home, *faults):
    """What a handler under failure-lambda does, given our flag for `faults`."""
    text = merge(faults, owner="tester", run="run-1", expires=4e9)
    node = shutil.which("node")
    environment = {"FAILURE_INJECTION_PARAM": "flag", "VALUE_OF_flag": text}
    done = subprocess.run([node, "driver.js"], cwd=home, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_latency_is_slept(home):
    """A fixed delay is slept exactly, and the handler runs."""
    assert {"answer": {"echoed": 1}, "slept": [400]} == outcome(home, Latency(delay_ms=400))


def test_a_range_of_latency_is_slept_within_its_bounds(home):
    """failure-lambda draws for itself, within our bounds."""
    (slept,) = outcome(home, Latency(min_delay_ms=100, max_delay_ms=400))["slept"]

    assert 100 <= slept < 400


def test_a_failure_is_thrown_with_its_message(home):
    """JavaScript's plain error carries our message."""
    assert {"error": "table is down", "type": "Error", "slept": []} == outcome(home, Failure("table is down"))


@pytest.mark.parametrize(
    "faults",
    [(), (Noop(),), (Timeout(),), (Latency(delay_ms=1), Failure("x")), (Failure("x", error_type="KeyError"),)],
    ids=repr,
)
def test_what_it_cannot_do_exactly_it_does_not_do_at_all(home, faults):
    """Off, unknown faults, two at once and a Python error type: the handler runs undisturbed."""
    assert {"answer": {"echoed": 1}, "slept": []} == outcome(home, *faults)
