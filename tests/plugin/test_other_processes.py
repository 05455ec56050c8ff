"""Other processes under the `stage` fixture: a program of the whole run, and workers of pytest-xdist."""

from __future__ import annotations

import pytest

PROGRAM = """
import sys
import urllib.error
import urllib.request

HEADERS = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}
for url in sys.stdin:
    try:
        print(urllib.request.urlopen(urllib.request.Request(url.strip(), b"{}", HEADERS)).status, flush=True)
    except urllib.error.HTTPError as refused:
        print(refused.status, flush=True)
"""

TESTS = """
import subprocess, sys
import pytest

@pytest.fixture(scope="session")
def program():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "program.py"], text=True, **pipes)
    yield process
    process.communicate()

def ask(program, url):
    print(url, file=program.stdin, flush=True)

def was_called(stage):
    return stage.journal.of_kind("call", resource="visitor")

urls = []

def test_first(stage, program):
    urls.append(stage.endpoint_url)
    ask(program, urls[0])
    stage.serve(until=lambda: was_called(stage), within="20s")
    assert int(program.stdout.readline()) == 200

def test_second_did_not_ask(stage, program):
    for url in urls:
        ask(program, url)
        assert int(program.stdout.readline()) == 503

def test_outside_of_any_stage(program):
    for url in urls:
        ask(program, url)
        assert int(program.stdout.readline()) == 503

def test_third_asks_again(stage, program):
    assert not urls or stage.endpoint_url == urls[0]
    ask(program, stage.endpoint_url)
    stage.serve(until=lambda: was_called(stage), within="20s")
    assert int(program.stdout.readline()) == 200
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_a_program_outlives_tests(project, options):
    """One URL for the run; in a test that did not ask nobody is let in, and nothing is left open at the end."""
    project.makepyfile(TESTS, program=PROGRAM)

    result = project.runpytest_subprocess("--stage=mine", "-W", "error", *options)

    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*ResourceWarning*")
    assert "Exception" not in result.stderr.str()
