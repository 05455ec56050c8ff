"""A deployment that failed is told of in each test that wanted the stage, and not tried again."""

from __future__ import annotations

import traceback
from types import SimpleNamespace

import pytest

from stagefright.fixtures.stage import Deployment


def test_its_error_is_as_short_for_the_last_test_as_for_the_first(tmp_path):
    """An error that is raised again has a longer traceback each time, so a thousand tests would print half a million lines."""
    tried, lengths = [], []

    def fail(settings):
        tried.append(settings)
        raise RuntimeError("no such host")

    deployment = Deployment(SimpleNamespace(id="run1"), print)
    deployment._deployed = SimpleNamespace(open=fail)
    for _ in range(5):
        with pytest.raises(RuntimeError, match="no such host") as raised:
            deployment._open_deployed(SimpleNamespace(directory=tmp_path))
        lengths.append(len(traceback.extract_tb(raised.tb)))

    assert len(tried) == 1
    assert len(set(lengths[1:])) == 1
