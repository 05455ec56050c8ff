"""What every test of this repository shares; users get theirs from the plugin."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# `pytester` runs pytest inside a test; the plugin's own tests need it, and pytest takes it only from the root.
pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True, scope="session")
def _no_account() -> Iterator[None]:
    """
    Hide every AWS credential, profile and region of whoever runs the tests.

    A local stage needs none of them. A call that escapes its world has nothing to sign with, and fails.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield
