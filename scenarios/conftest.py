"""What all scenarios share."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Experiments hurt functions, and those of the scenarios are deployed without what reads the flags (docs/faults.md)."""
    for item in items:
        if item.path.suffix == ".yaml":
            item.add_marker(
                pytest.mark.only_on("local", reason="these functions are deployed without a reader of flags")
            )
