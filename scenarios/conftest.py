"""What all scenarios share: what is run where, the table of what was skipped, and a look at what a template has become."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter, defaultdict

import pytest

MARKS = (
    "wiring: about what the template says; no function needs to run for it, so it holds on an emulator that only keeps them, too.",
    "needs(*logical_ids): with `wiring`, what the stack must have made; an emulator that only keeps things does not know all types.",
)
NO_WORK = "needs a function's work, and this account runs no functions"


def pytest_configure(config):
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


@pytest.fixture(autouse=True)
def _work(request):
    """Skip what an account without work cannot show; before any other fixture sets something in motion."""
    is_wiring = request.node.get_closest_marker("wiring") is not None
    if request.path.parents[0] in _without_work and not is_wiring:
        pytest.skip(NO_WORK)
    stage = request.getfixturevalue("stage") if "stage" in request.fixturenames else None
    if stage is None or stage.runs_functions:
        return
    _without_work.add(request.path.parents[0])
    if not is_wiring:
        pytest.skip(NO_WORK)
    needed = {name for mark in request.node.iter_markers("needs") for name in mark.args}
    if lacking := needed - set(stage.resources):
        pytest.skip(f"this account did not make {', '.join(sorted(lacking))}, which the template has")


_without_work = set()
"""Projects of which that is known; a test that is skipped need not wait for the stage."""


# -- the table ---------------------------------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter):
    """Say what was skipped and why: each reason, the most frequent first, with how many tests of which files."""
    skipped = defaultdict(Counter)
    for report in terminalreporter.stats.get("skipped", ()):
        reason = _ELSEWHERE.sub(r"\1:", report.longrepr[2].removeprefix("Skipped: "))
        skipped[reason][report.nodeid.partition("::")[0].removeprefix("scenarios/")] += 1
    if skipped:
        total = sum(map(Counter.total, skipped.values()))
        terminalreporter.section(f"{total} skipped, and why", sep="-")
    for reason, files in sorted(skipped.items(), key=lambda entry: (-entry[1].total(), entry[0])):
        told = ", ".join(f"{file} ({count})" if len(files) > 1 else file for file, count in sorted(files.items()))
        width = terminalreporter._tw.fullwidth
        for line in textwrap.wrap(reason, width, initial_indent=f"{files.total():4}  ", subsequent_indent=" " * 6):
            terminalreporter.write_line(line)
        for line in textwrap.wrap(told, width, initial_indent=" " * 6, subsequent_indent=" " * 6):
            terminalreporter.write_line(line, light=True)


_ELSEWHERE = re.compile(r"^(only on [^;]*); this stage's target is [^:]*:")
"""How a skip by `only_on` begins; which target the stage has is known to who chose it."""


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
