"""What a batch response says, byte by byte (§3.8, §4.4)."""

from __future__ import annotations

import pytest

from stagefright.delivery.batch_response import WHOLE_BATCH, failed_items


@pytest.mark.parametrize(
    ("payload", "failed"),
    [
        (b"null", set()),
        (b"{}", set()),
        (b'""', set()),
        (b"[]", set()),
        (b'{"batchItemFailures":[]}', set()),
        (b'{"batchItemFailures":null}', set()),
        (b'{"batchItemFailures":[{"itemIdentifier":"a"}]}', {"a"}),
        (b"not json", WHOLE_BATCH),
        (b"", WHOLE_BATCH),
        (b'"text"', WHOLE_BATCH),
        (b'{"batchItemFailures":[{"itemIdentifier":""}]}', WHOLE_BATCH),
        (b'{"batchItemFailures":[{"itemIdentifier":null}]}', WHOLE_BATCH),
        (b'{"batchItemFailures":[{"foo":"a"}]}', WHOLE_BATCH),
        (b'{"batchItemFailures":[{"itemIdentifier":"c"}]}', WHOLE_BATCH),
    ],
)
@pytest.mark.rule("3.8/success")
@pytest.mark.rule("3.8/empty-text-or-list")
@pytest.mark.rule("3.8/listed")
@pytest.mark.rule("3.8/not-json")
@pytest.mark.rule("3.8/bad-identifier")
@pytest.mark.rule("3.8/unknown-identifier")
def test_each_answer(payload, failed):
    """§3.8: success, a part, or the whole batch."""
    assert failed_items(payload, ["a", "b"]) == failed
