"""What all scenarios share: what is run where, the table of what was skipped, and a look at what a template has become."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

MARKS = (
    "wiring: about what the template says; no function needs to run for it, so it holds on an emulator that only keeps them, too.",
    "needs(*logical_ids): with `wiring`, what the stack must have made; an emulator that only keeps things does not know all types.",
)
NO_WORK = "needs a function's work, and this account runs no functions"


def pytest_configure(config):
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Experiments hurt functions, and those of the scenarios are deployed without what reads the flags (docs/faults.md)."""
    for item in items:
        if item.path.suffix == ".yaml":
            item.add_marker(
                pytest.mark.only_on("local", reason="these functions are deployed without a reader of flags")
            )


@pytest.fixture(autouse=True)
def _work(request):
    """Skip what an account without work cannot show; before any other fixture sets something in motion."""
    stage = request.getfixturevalue("stage") if "stage" in request.fixturenames else None
    if stage is None or stage.runs_functions:
        return
    if request.node.get_closest_marker("wiring") is None:
        pytest.skip(NO_WORK)
    needed = {name for mark in request.node.iter_markers("needs") for name in mark.args}
    if lacking := needed - set(stage.resources):
        pytest.skip(f"this account did not make {', '.join(sorted(lacking))}, which the template has")


def pytest_terminal_summary(terminalreporter):
    """Say what was skipped and why: a reason, how many tests, and where they are."""
    skipped = defaultdict(lambda: defaultdict(int))
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2]
        where = report.nodeid.partition("::")[0].removeprefix("scenarios/")
        skipped[reason.removeprefix("Skipped: ")][where] += 1
    if not skipped:
        return
    counted = sorted(skipped.items(), key=lambda entry: (-sum(entry[1].values()), entry[0]))
    total = sum(sum(places.values()) for places in skipped.values())
    terminalreporter.section(f"{total} skipped, and why", sep="-")
    for reason, places in counted:
        terminalreporter.write_line(f"{sum(places.values()):4}  {reason}")
        terminalreporter.write_line(f"      {', '.join(sorted(places))}", light=True)


# -- what a template has become ----------------------------------------------------------------------------------------


@pytest.fixture
def configuration(stage):
    """The settings of a function, as Lambda has them: `configuration("StoreFunction")["Timeout"]`."""
    return lambda function: stage.client("lambda").get_function_configuration(FunctionName=stage.ref(function))


@pytest.fixture
def mapping(stage):
    """The one event source mapping of a function, as Lambda has it: `mapping("StoreFunction")["BatchSize"]`."""

    def mapping(function):
        answer = stage.client("lambda").list_event_source_mappings(FunctionName=stage.ref(function))
        [only] = answer["EventSourceMappings"]
        return only

    return mapping


@pytest.fixture
def queue(stage):
    """The attributes of a queue; numbers are numbers, and the redrive policy is a mapping."""

    def queue(name):
        answer = stage.client("sqs").get_queue_attributes(QueueUrl=stage.ref(name), AttributeNames=["All"])
        attributes = {key: int(value) if value.isdigit() else value for key, value in answer["Attributes"].items()}
        return {**attributes, "RedrivePolicy": json.loads(attributes.get("RedrivePolicy", "null"))}

    return queue
