"""The plugin is imported in every run of pytest in its environment, so it must weigh nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"boto3", "botocore", "moto", "requests", "responses", "samtranslator", "time_machine", "yaml"}


@pytest.fixture(scope="module")
def loaded():
    """The modules that importing the plugin adds to a pytest that is already there."""
    program = (
        "import pytest, _pytest.pytester, json, sys; before = set(sys.modules); import stagefright.fixtures.plugin; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def test_no_heavy_module_is_imported(loaded):
    """boto3 and moto together cost most of a second; nobody pays that for a plugin that he does not use."""
    assert not {name.partition(".")[0] for name in loaded} & HEAVY


def test_few_modules_of_ours_are_imported(loaded):
    """No world, no service, no template reader: the plugin's own files, the settings, the errors and what a stage is."""
    ours = {name for name in loaded if name.startswith("stagefright.") and not name.startswith("stagefright.fixtures")}

    assert ours <= {f"stagefright.{name}" for name in ("assumptions", "errors", "settings", "stage", "wording")}
