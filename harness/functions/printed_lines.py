"""What the code of an environment prints, as events of its log: a line each, whole ones only, and no event longer than CloudWatch takes."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from stagefright.functions.log import EVENT_BYTES_MAX, split_line


class PrintedLines:
    """The printed text of one environment; `write` takes each event."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._partial: list[str] = []
        self._partial_length = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def text_of(self, data: bytes) -> str:
        """Bytes as text; a character may come in pieces."""
        return self._decoder.decode(data)

    def print(self, text: str) -> None:
        """Take text as it comes; a line that is not ended waits for its rest."""
        *lines, rest = text.split("\n")
        for line in lines:
            self._end_line(line)
        if rest:
            self._partial.append(rest)
            self._partial_length += len(rest)
            if self._partial_length > EVENT_BYTES_MAX:
                self._write_full_events()

    def flush(self) -> None:
        """Write a line that was not ended."""
        if self._partial:
            self._end_line("")

    def _end_line(self, end: str) -> None:
        line = "".join(self._partial) + end
        self._partial, self._partial_length = [], 0
        self._write(line)

    def _write_full_events(self) -> None:
        *full, rest = split_line("".join(self._partial))
        for event in full:
            self._write(event)
        self._partial, self._partial_length = [rest], len(rest)
