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

from stagefright.chaos import Denylist, DiskFull, Failure, Latency, Noop, StatusCode, Timeout, merge
from stagefright.chaos.faults.fault import Reader

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
    # The part of mitm's face that the package uses; `connect` is what it calls for each socket.
    "mitm": """
        const EventEmitter = require("events");
        module.exports = () => Object.assign(new EventEmitter(), { enable() { this.on_ = true; }, disable() { this.on_ = false; } });
        const made = module.exports;
        module.exports = () => (global.interceptor = made());
    """,
}

DRIVER = """
    const failureLambda = require("./failure-lambda/lib/failure.js");
    console.log = () => {};
    const slept = [], spawned = [];
    if (process.env.DRAW) Math.random = () => Number(process.env.DRAW);
    require("child_process").spawnSync = (...command) => { spawned.push(command.flat()); };
    const connect = (host) => {
      let said = "open";
      const socket = { end: () => { said = "ended"; }, bypass: () => { said = "bypassed"; } };
      if (global.interceptor && global.interceptor.on_) global.interceptor.emit("connect", socket, { host });
      return said;
    };
    global.setTimeout = (callback, ms) => { slept.push(ms); setImmediate(callback); };
    const hosts = ["dynamodb.us-east-1.amazonaws.com", "sqs.us-east-1.amazonaws.com"];
    const handler = failureLambda(async (event) => ({ echoed: event.n, met: hosts.map(connect) }));
    handler({ n: 1 }).then(
      (answer) => ({ answer }),
      (error) => ({ error: error.message, type: error.name }),
    ).then((outcome) => process.stdout.write(JSON.stringify({ ...outcome, slept, spawned })));
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


UNDISTURBED = {"echoed": 1, "met": ["open", "open"]}
"""What the handler answers when nothing keeps it from its work: its event, and what its connections met."""


def outcome(home, *faults, draw=None, must_drive=()):
    """What a handler under failure-lambda does, given our flag for `faults`; `draw` is what its `Math.random` gives."""
    text = merge(faults, owner="tester", run="run-1", expires=4e9, must_drive=must_drive)
    node = shutil.which("node")
    environment = {
        "FAILURE_INJECTION_PARAM": "flag",
        "VALUE_OF_flag": text,
        **({} if draw is None else {"DRAW": str(draw)}),
    }
    done = subprocess.run([node, "driver.js"], cwd=home, env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    return {name: value for name, value in said.items() if value != []}


def test_latency_is_slept(home):
    """A fixed delay is slept exactly, and the handler runs."""
    assert {"answer": UNDISTURBED, "slept": [400]} == outcome(home, Latency(delay_ms=400))


def test_a_range_of_latency_is_slept_within_its_bounds(home):
    """failure-lambda draws for itself, within our bounds."""
    (slept,) = outcome(home, Latency(min_delay_ms=100, max_delay_ms=400))["slept"]

    assert 100 <= slept < 400


def test_a_failure_is_thrown_with_its_message(home):
    """JavaScript's plain error carries our message."""
    assert {"error": "table is down", "type": "Error"} == outcome(home, Failure("table is down"))


def test_a_status_code_is_answered_in_the_handlers_stead(home):
    """0.x answers no body."""
    assert {"answer": {"statusCode": 503}} == outcome(home, StatusCode(503))


def test_a_disk_is_filled(home):
    """0.x writes a thousand blocks with `dd`, and the handler runs."""
    said = outcome(home, DiskFull(megabytes=100))

    assert UNDISTURBED == said["answer"]
    assert [["dd", "count=1000", "bs=100000"]] == [
        [part for part in command if "/" not in part] for command in said["spawned"]
    ]


def test_connections_to_a_host_on_the_list_are_ended(home):
    """0.x ends them, and lets the others pass; unless it is meant, 1.x gets the key that both read, and 0.x is left in peace."""
    fault = Denylist(["^dynamodb[.]"])
    driven = outcome(home, fault, must_drive=[Reader.FAILURE_LAMBDA_0X])

    assert {"answer": {"echoed": 1, "met": ["ended", "bypassed"]}} == driven
    assert {"answer": UNDISTURBED} == outcome(home, fault)


@pytest.mark.parametrize(("draw", "strikes"), [(0.29, True), (0.3, False)])
def test_a_probability_is_its_rate(home, draw, strikes):
    """It strikes if its own draw is below ours."""
    said = outcome(home, Failure("down").with_probability(0.3), draw=draw)

    assert ({"error": "down", "type": "Error"} if strikes else {"answer": UNDISTURBED}) == said


def test_the_node_is_a_runtime_of_lambda(home):
    """The promise is for Node.js 20; any later one will do."""
    version = subprocess.run([shutil.which("node"), "--version"], capture_output=True, text=True, check=True).stdout
    assert 20 <= int(version.lstrip("v").partition(".")[0])


@pytest.mark.parametrize(
    "faults",
    [(), (Noop(),), (Timeout(),), (Latency(delay_ms=1), Failure("x")), (Failure("x", error_type="KeyError"),)],
    ids=repr,
)
def test_what_it_cannot_do_exactly_it_does_not_do_at_all(home, faults):
    """Off, unknown faults, two at once and a Python error type: the handler runs undisturbed."""
    assert {"answer": UNDISTURBED} == outcome(home, *faults)
