"""A stranger's SAM application: pictures that are uploaded become smaller ones, and its log raises alarms."""

from __future__ import annotations

import pytest

from stagefright.data import Data
from stagefright.listeners import Listen


@pytest.fixture
def stage(up):
    return up("thumbnails")


def test_a_picture_becomes_a_smaller_one(stage):
    """SAM's S3 event and its filter, a second bucket on the event bus, and a key that is not plain."""
    made = Listen(stage).s3("Thumbnails")
    data = Data(stage)
    data.object("Uploads", "my cat.jpg", b"JPG.............")
    data.object("Uploads", "notes.txt", b"x")
    flow = stage.settle()

    assert made.expect(key="small/my cat.jpg", size=10).event_name == "ObjectCreated:Put"
    assert flow.attempts("ThumbnailFunction").count == 1
    assert flow.path == ["Uploads", "ThumbnailFunction", "Thumbnails", "default", "CountFunction"]
    made.expect_no_more()


def test_an_error_in_the_log_raises_an_alarm(stage):
    """SAM's CloudWatchLogs event: each attempt's error lines reach the alarm; the picture ends where failures are kept."""
    alarms, failures = Listen(stage).sns("Alarms"), Listen(stage).sqs("Failures")
    Data(stage).object("Uploads", "broken.jpg", b"GIF")
    flow = stage.settle()

    assert flow.attempts("ThumbnailFunction").at == [0, 60]
    assert sum("broken.jpg is no picture" in event.message for event in alarms.events) == 2
    assert failures.expect().json["requestContext"]["condition"] == "RetriesExhausted"
    assert flow.path[:4] == ["Uploads", "ThumbnailFunction", "ThumbnailLogs", "AlarmFunction"]
