from __future__ import annotations

import subprocess
import sys

import pytest

import stagefright.chaos


def test_the_table_of_contents_is_sorted_and_true():
    """Every exported name can be imported, from the home that the table gives it."""
    assert sorted(stagefright.chaos.__all__) == sorted(stagefright.chaos._HOMES)
    assert sorted(stagefright.chaos.__all__) == stagefright.chaos.__all__
    assert all(getattr(stagefright.chaos, name) for name in stagefright.chaos.__all__)


def test_an_unknown_name_is_an_attribute_error():
    """The lazy table does not hide typing errors."""
    with pytest.raises(AttributeError, match=r"'stagefright.chaos' has no attribute 'Latencey'"):
        _ = stagefright.chaos.Latencey


def test_the_package_alone_imports_nothing():
    """A function that needs the runtime pays for the runtime only."""
    code = (
        "import sys, stagefright.chaos; print([name for name in sys.modules if name.startswith('stagefright.chaos.')])"
    )

    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
