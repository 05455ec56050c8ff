"""All taps of a stage together: order, duplicates, failures, and names that nobody else has."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from stagefright.targets.account import Account
from stagefright.targets.run import Run
from stagefright.targets.taps.bucket import event_name
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.motion import QUIET_ON_AWS_S, QUIET_ON_EMULATOR_S, quiet_s
from stagefright.targets.taps.tap import Sighting
from stagefright.targets.taps.taps import Taps


class Tap:
    """A tap that sees what it is told to."""

    is_behind = False

    def __init__(self, *sightings, fails=None):
        self.sightings = list(sightings)
        self.fails = fails
        self.is_armed = self.is_closed = False

    def arm(self):
        self.is_armed = True
        if self.fails == "arm":
            raise KeyboardInterrupt

    def poll(self):
        if self.fails == "poll":
            raise ConnectionError("gone")
        found, self.sightings = self.sightings, []
        return found

    def close(self):
        self.is_closed = True
        if self.fails == "close":
            raise ConnectionError("gone")


def seen(at, name="", resource="Feed"):
    return Sighting(at, "event", resource, {}, name)


def armed(*found):
    taps = Taps()
    for n, tap in enumerate(found):
        taps.arm(n, f"tap {n}", lambda tap=tap: tap)
    return taps


def test_sightings_come_in_the_order_in_which_they_happened():
    """Whichever tap saw them."""
    taps = armed(Tap(seen(3, "c"), seen(5, "e")), Tap(seen(4, "d"), seen(1, "a")))

    assert [sighting.id for sighting in taps.poll()] == ["a", "c", "d", "e"]


def test_an_event_counts_once():
    """Two rules on one bus, or a queue that delivers twice; but an id means something on its resource only."""
    taps = armed(Tap(seen(1, "a")), Tap(seen(2, "a"), seen(3, "a", "Other"), seen(4), seen(5)))

    assert [(sighting.at, sighting.resource) for sighting in taps.poll()] == [
        (1, "Feed"), (3, "Other"), (4, "Feed"), (5, "Feed"),
    ]  # fmt: skip


def test_a_tap_is_armed_once():
    """Two listeners on one resource share it."""
    taps = Taps()
    made = []
    for _ in range(2):
        taps.arm("key", "feed", lambda: made.append(Tap()) or made[-1])

    assert len(made) == 1
    assert made[0].is_armed


def test_arming_that_is_interrupted_leaves_nothing():
    """Whatever was made so far is taken away."""
    tap = Tap(fails="arm")
    taps = Taps()

    with pytest.raises(KeyboardInterrupt):
        taps.arm("key", "feed", lambda: tap)

    assert tap.is_closed
    assert len(taps) == 0


def test_what_one_saw_is_kept_when_another_fails():
    """It comes with the next poll."""
    broken = Tap(fails="poll")
    taps = armed(Tap(seen(1, "a")), broken)

    with pytest.raises(ConnectionError):
        taps.poll()

    broken.fails = None
    assert [sighting.id for sighting in taps.poll()] == ["a"]


def test_all_are_closed_whatever_becomes_of_one():
    """The error is raised when all had their turn, and no thread stays."""
    before = set(threading.enumerate())
    found = [Tap(), Tap(fails="close"), Tap()]
    taps = armed(*found)
    taps.poll()

    with pytest.raises(ConnectionError):
        taps.close()

    assert all(tap.is_closed for tap in found)
    assert len(taps) == 0
    assert set(threading.enumerate()) <= before
    taps.close()


def ground(stage="pr-7", run=None):
    return Ground(SimpleNamespace(is_emulator=True), None, run or Run.begin(), stage)


def test_names_are_unique_in_the_account():
    """Two listeners of one process, two processes of one run, two runs on one stage: never the same name."""
    run = Run.begin()
    names = [ground(run=run).new_name(), ground(run=run).new_name(), ground().new_name()]
    one = ground()
    names += [one.new_name(), one.new_name()]

    assert len(set(names)) == 5


def test_names_fit_a_rule():
    """A rule has 64 characters, a queue 80 with its suffix."""
    name = ground("a-stage-with-a-very-long-name-indeed").new_name()

    assert len(name) <= 60
    assert "--" not in name


@pytest.mark.parametrize(("ahead_s", "skew_s"), [(0, 0), (1, 0), (-1, 0), (90, 90), (-90, -90)])
def test_the_accounts_clock_is_gone_by(monkeypatch, ahead_s, skew_s):
    """A laptop's clock may be wrong; what is too little to be measured is taken for none."""
    from stagefright.targets import account as of_accounts
    from stagefright.targets.taps import ground as of_ground

    for module in (of_accounts, of_ground):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: 1_000_000.5, sleep=None))
    date = {0: "46:40", 1: "46:41", -1: "46:39", 90: "48:10", -90: "45:10"}[ahead_s]
    answer = {"ResponseMetadata": {"HTTPHeaders": {"date": f"Mon, 12 Jan 1970 13:{date} GMT"}}}
    client = SimpleNamespace(get_caller_identity=lambda: answer)
    account = Account(region="us-east-1")
    monkeypatch.setattr(account, "client", lambda _service: client)

    assert Ground(account, None, Run.begin(), "pr-7").now() == 1_000_000.5 + skew_s


def test_how_long_nothing_may_move():
    """The setting, else what suits the target."""
    assert quiet_s("3s", is_emulator=False) == 3
    assert quiet_s(None, is_emulator=True) == QUIET_ON_EMULATOR_S
    assert quiet_s(None, is_emulator=False) == QUIET_ON_AWS_S


@pytest.mark.parametrize(
    ("detail_type", "detail", "name"),
    [
        ("Object Created", {"reason": "PutObject"}, "ObjectCreated:Put"),
        ("Object Created", {"reason": "CompleteMultipartUpload"}, "ObjectCreated:CompleteMultipartUpload"),
        ("Object Deleted", {"reason": "DeleteObject", "deletion-type": "Permanently Deleted"}, "ObjectRemoved:Delete"),
        (
            "Object Deleted",
            {"reason": "DeleteObject", "deletion-type": "Delete Marker Created"},
            "ObjectRemoved:DeleteMarkerCreated",
        ),
        ("Object Tags Added", {}, "ObjectTagging:Put"),
        ("Object Storage Class Changed", {}, "Object Storage Class Changed"),
    ],
)
def test_what_a_bucket_tells_the_bus(detail_type, detail, name):
    """The words of EventBridge are put back into S3's event types; a type that has none keeps EventBridge's."""
    assert event_name(detail_type, detail) == name
