"""
Orders are booked, whichever way they take.

The failure feared: none yet; a cure that breaks the healthy way is no cure. The fault used: none. The verdict expected:
every order is processed once, and nothing is dead-lettered.
"""

from __future__ import annotations

import pytest

from stagefright.chaos.checks import conserved

pytestmark = pytest.mark.only_on("local", reason="the checks need a journal without gaps")

CURED = ("WithDeadLetters", "LongVisibility", "Reporting", "Measured")


@pytest.mark.parametrize("way", CURED)
def test_every_order_is_booked_once(stage, send, order, booked, journal, way):
    """Five orders, one take each."""
    send(f"{way}Queue", *(order(f"o-{n}") for n in range(5)))
    stage.settle()

    assert booked() == [f"o-{n}" for n in range(5)]
    verdict = conserved(f"{way}Queue", f"{way}Function").require(journal)
    assert (verdict.counts["processed"], verdict.counts["duplicated"], verdict.counts["dead_lettered"]) == (5, 0, 0)


def test_a_batch_is_one_invocation(stage, send, order):
    """Messages that are there together are worked on together, if the mapping takes batches."""
    send("ReportingQueue", *(order(f"o-{n}") for n in range(5)))
    flow = stage.settle()

    assert flow.attempts("ReportingFunction").at == [0]
