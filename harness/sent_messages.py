"""The messages that one test has sent to queues of a stage: written down, and taken back where nobody has consumed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagefright.ledger.ledger import Line
from stagefright.ledger.undo.answers import is_refusal
from stagefright.ledger.undo.messages import Left, fingerprint_of, take_back

if TYPE_CHECKING:
    from stagefright.stage import Stage

Trouble = tuple[str, Exception]
"""What could not be taken away, and why."""


class SentMessages:
    """The messages of one test."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._sent: list[tuple[str, Line]] = []
        """Each with the queue as the test calls it."""

    def __len__(self) -> int:
        return len(self._sent)

    def forget(self) -> None:
        """Leave all of them."""
        self._sent.clear()

    def send(self, queue: str, message: Mapping[str, Any]) -> str:
        """
        Send a message, given as SendMessage takes it; gives its id.

        It stands in the ledger before, and there with its id afterwards: SQS gives the id, and nothing else tells messages apart.
        """
        sqs, url, ledger = self._stage.client("sqs"), self._stage.ref(queue), getattr(self._stage, "ledger", None)
        if ledger is None:  # a local stage begins each test anew
            return str(sqs.send_message(QueueUrl=url, **message)["MessageId"])
        detail = {"wrote": fingerprint_of(message), "delay_s": message.get("DelaySeconds")}
        announced = ledger.note("message", url, key=None, **detail)
        try:
            message_id = str(sqs.send_message(QueueUrl=url, **message)["MessageId"])
        except Exception as error:
            if is_refusal(error):
                announced()
            raise
        self._sent.append((queue, ledger.note("message", url, key=message_id, **detail)))
        announced()
        return message_id

    def take_back(self) -> list[Trouble]:
        """Take out of the queues what is still there; what has to stay is told by the leak report. Gives what went wrong."""
        queues: dict[tuple[str, str], list[Line]] = {}
        for queue, line in self._sent:
            queues.setdefault((queue, line.entry.name), []).append(line)
        self._sent.clear()
        tried = (self._take_back(queue, url, lines) for (queue, url), lines in queues.items())
        return [trouble for trouble in tried if trouble is not None]

    def _take_back(self, queue: str, url: str, lines: list[Line]) -> Trouble | None:
        try:
            left = take_back(self._stage, url, [line.entry for line in lines])
        except Exception as trouble:  # noqa: BLE001 (the others must be taken away all the same)
            return f"messages of {queue}", trouble
        for line in lines:
            self._settle(queue, line, left.get(str(line.entry.detail["key"])))
        return None

    def _settle(self, queue: str, line: Line, why: Left | None) -> None:
        """Strike out what is gone, or will never be had; say why of what is left."""
        if why is not None:
            told: dict[str, str] = getattr(self._stage, "left", {})
            told[str(line.entry)] = f"message {line.entry.detail['key']} of {queue}: not taken back: {why.reason}"
        if why is None or why.is_for_good:
            line()
