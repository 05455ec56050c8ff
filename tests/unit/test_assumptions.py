"""Every assumption is in force somewhere, and some test sets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stagefright.assumptions import KNOWN

ROOT = Path(__file__).parents[2]


def texts(folder: str) -> list[str]:
    """The Python files of a folder, but not the list of assumptions itself nor this test."""
    return [
        path.read_text()
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name not in ("assumptions.py", "test_assumptions.py")
    ]


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_it_is_read_and_set(name):
    """A field that nothing reads is a promise not kept; one that no test sets may be."""
    assert any(f"assumptions.{name}" in text or f".{name}" in text for text in texts("harness"))
    assert any(f"{name}=" in text or f'"{name}"' in text for text in texts("tests"))
