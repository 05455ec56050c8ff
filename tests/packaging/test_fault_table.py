"""The tables of docs/faults.md and docs/checks.md are complete, and every test that they name is there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from stagefright.chaos import checks
from stagefright.chaos.faults.catalogue import FAULTS, WRAPPERS
from stagefright.chaos.faults.deliveries import DELIVERY_FAULTS

DOCS = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"\[(\w+)(?:\.py)?\]\(([^)]+)\)")
"""A test, or the file of several, and where it is."""

LOCAL = ("local", "local only; a deployed stage refuses the plan")
EVERYWHERE = "everywhere"


def tables(document: str) -> list[dict[str, str]]:
    """The rows of all tables of a document, by the words in their heads."""
    rows, head = [], None
    for line in (DOCS / document).read_text().splitlines():
        if not line.startswith("| "):
            head = head if line.startswith("|-") else None
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if head is None:
            head = cells
        else:
            rows.append(dict(zip(head, cells, strict=True)))
    return rows


ROWS = [row for row in tables("faults.md") if "proof" in "".join(row)]


def row_of(kind: type) -> dict[str, str]:
    """The row of a fault or wrapper: by its name, or by the method that makes it."""
    found = [row for row in ROWS if _is_of(kind, row)]
    assert len(found) == 1, f"docs/faults.md has {len(found)} rows of {kind.__name__}"
    return found[0]


def _is_of(kind: type, row: dict[str, str]) -> bool:
    name = next(iter(row.values())).strip("`")
    if kind not in WRAPPERS:
        return name == kind.__name__
    return name.startswith(f"{kind.__name__}(") or f".{kind.kind}(" in name


def proofs(row: dict[str, str]) -> list[tuple[str, str]]:
    """What the row names as proof: names of tests, and their files."""
    (cell,) = [text for head, text in row.items() if head.startswith("proof")]
    return LINK.findall(cell)


@pytest.mark.parametrize("kind", [*FAULTS, *WRAPPERS, *DELIVERY_FAULTS], ids=lambda kind: kind.__name__)
def test_every_fault_has_a_row_with_a_test_that_is_there(kind):
    """The test stands in the file that it is said to be in."""
    found = proofs(row_of(kind))

    assert found
    for name, file in found:
        source = (DOCS / file).read_text()
        assert Path(file).stem == name or re.search(rf"^ *def {name}\(", source, re.MULTILINE), f"{file} has no {name}"
        assert kind.__name__ in source or f".{kind.kind}(" in source


@pytest.mark.parametrize("kind", [*FAULTS, *DELIVERY_FAULTS], ids=lambda kind: kind.__name__)
def test_every_fault_says_where_it_works(kind):
    """What only a local stage has is `local`, all else works everywhere."""
    where = row_of(kind)["where it works"]

    assert where in (LOCAL if kind.is_local else (EVERYWHERE,))


def test_no_row_is_of_a_fault_that_is_gone():
    """As many rows as faults."""
    assert len(ROWS) == len([*FAULTS, *WRAPPERS, *DELIVERY_FAULTS])


CHECKS = [name for name in checks.__all__ if inspect.isfunction(getattr(checks, name))]


def test_every_check_has_a_row():
    """With its promise, and with when it is unknown."""
    rows = [next(iter(row.values())).strip("`").partition("(")[0] for row in tables("checks.md") if "promise" in row]

    assert sorted(rows) == sorted(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_is_tested_for_each_verdict(check):
    """Where it holds, where it is broken, and where it is unknown."""
    source = (DOCS.parent / "tests/unit/checks/test_checks.py").read_text()
    name = check.title().replace("_", "")
    tests = re.search(rf"^class Test{name}:\n(.*?)(?=^class |\Z)", source, re.MULTILINE | re.DOTALL)

    assert tests, f"there is no Test{name}"
    for verdict in ("holds", "broken", "unknown"):
        assert re.search(rf"def test_\w*(?:is_)?{verdict}", tests[1]), f"Test{name} has no test where it {verdict}"
