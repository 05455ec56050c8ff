"""The process outside of all worlds: what a world displaces while the test is in it."""

from __future__ import annotations

import random

from stagefright.aws_api import moto_state
from stagefright.virtual import entropy, timepieces


class Outside:
    """What was there before, from the moment of its making on; `restore` brings it back."""

    def __init__(self, file_names: entropy.FileNames) -> None:
        self._moto = moto_state.current()
        self._random = random.getstate()
        self._is_mocked = moto_state.pause_mock()
        self._restore_zone = timepieces.be_in_utc()
        self._restore_names = entropy.name_files_by(file_names)

    def restore(self) -> None:
        """Put it all back."""
        moto_state.take_over(self._moto)
        moto_state.resume_mock(was_active=self._is_mocked)
        random.setstate(self._random)
        self._restore_zone()
        self._restore_names()
