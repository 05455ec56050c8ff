"""
What one test left in the account, told when it is over.

The ledger tells for certain: what the test announced and nobody took away. What the system under test wrote in the test's course stands
in no ledger; of that, queues are looked at always, since a message that is left meets the next test, and tables and buckets if the setting
`leak_scan` asks for it. Those are counts, so somebody else who uses the stage at the same time shows in them as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from stagefright.wording import plural

if TYPE_CHECKING:
    from stagefright.targets.deployed_stage import DeployedStage

PAGES_MAX = 10
"""How many pages of a table or a bucket are counted; one that is larger is not looked at."""

QUEUE, TABLE, BUCKET = "AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::S3::Bucket"

DEPTHS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


class LeakWatch:
    """Made when a test begins; `told()` when it has ended."""

    def __init__(self, stage: DeployedStage) -> None:
        self._stage = stage
        self._since = stage.ledger.count
        self._before = dict(self._counts())

    def told(self) -> list[str]:
        """What the test left, a line each."""
        left = self._stage.left
        entries = self._stage.ledger.open_entries(self._since)
        lines = [f"{entry}: still there" for entry in entries if str(entry) not in left]
        lines += left.values()
        for (name, noun), count in self._counts():
            more = count - self._before.get((name, noun), count)
            if more > 0:
                lines.append(f"{name}: {plural(more, noun)} more than before")
        return lines

    def _counts(self) -> Iterator[tuple[tuple[str, str], int]]:
        looks: dict[str, tuple[str, Callable[[str], int | None]]] = {QUEUE: ("message", self._messages)}
        if self._stage.settings.leak_scan:
            looks |= {TABLE: ("item", self._items), BUCKET: ("object", self._objects)}
        for name, resource in sorted(self._stage.resources.items()):
            if resource.type in looks:
                noun, look = looks[resource.type]
                count = _asked(lambda look=look, resource=resource: look(resource.physical_id))  # type: ignore[misc]
                if count is not None:
                    yield (name, noun), count

    def _messages(self, url: str) -> int:
        asked = self._stage.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(DEPTHS))
        return sum(int(asked["Attributes"].get(depth, 0)) for depth in DEPTHS)

    def _items(self, table: str) -> int | None:
        pages = self._stage.client("dynamodb").get_paginator("scan").paginate(TableName=table, Select="COUNT")
        return _sum(page["Count"] for page in pages)

    def _objects(self, bucket: str) -> int | None:
        pages = self._stage.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return _sum(page.get("KeyCount", len(page.get("Contents", ()))) for page in pages)


def _sum(counts: Iterator[int]) -> int | None:
    """The sum; None if there are more pages than are worth counting."""
    total = 0
    for page, count in enumerate(counts):
        if page == PAGES_MAX:
            return None
        total += count
    return total


def _asked(look: Callable[[], int | None]) -> Any:
    """What a look gives; None if the account does not let us look, which is no reason for a test to fail."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return look()
    except (BotoCoreError, ClientError):
        return None
