"""EventBridge keeps events in archives, and replays them (§6.5)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from stagefright.assumptions import Assumptions

DAY_S = 86_400
START = datetime(2026, 1, 1, tzinfo=UTC)
MISSING_ARCHIVE = "arn:aws:events:eu-west-1:123456789012:archive/nothing"


def count(world, name="all"):
    """How many events an archive says it has."""
    return world.archives.describe_archive({"ArchiveName": name})["EventCount"]


def state(world, name="again"):
    """How far a replay is."""
    return world.replays.describe_replay({"ReplayName": name})["State"]


def pass_days(world, days):
    world.clock.move_to(world.clock.now() + days * DAY_S)


class TestArchives:
    """§6.5, what is kept"""

    @pytest.mark.rule("6.5/archive-pattern")
    def test_without_a_pattern_all_events_of_the_bus_are_kept(self, world):
        """§6.5: of its own bus, that is; the count and the bytes are told."""
        world.events.create_event_bus("other")
        world.archive()

        world.put_event({"a": 1})
        world.put_event(EventBusName="other")

        told = world.archives.describe_archive({"ArchiveName": "all"})
        assert (told["EventCount"], told["RetentionDays"], told["State"]) == (1, 0, "ENABLED")
        assert told["SizeBytes"] == len(json.dumps(self.envelope(world), separators=(",", ":")))

    def envelope(self, world):
        (record,) = [record for record in world.records("event") if record.resource == "default"]
        detail = record.detail
        return {
            "version": "0", "id": detail["id"], "detail-type": "order", "source": "shop", "account": "123456789012",
            "time": "2026-01-01T00:00:00Z", "region": "eu-west-1", "resources": [], "detail": {"a": 1},
        }  # fmt: skip

    @pytest.mark.rule("6.5/archive-pattern")
    def test_a_pattern_picks(self, world, refusal):
        """§6.5: also after it was changed, for the events to come; it is judged as a rule's is."""
        world.archive(EventPattern=json.dumps({"detail": {"n": [1]}}))
        world.put_event({"n": 1})
        world.put_event({"n": 2})

        world.archives.update_archive({"ArchiveName": "all", "EventPattern": json.dumps({"detail": {"n": [2, 3]}})})
        for n in (1, 2, 3):
            world.put_event({"n": n})

        archive = world.archives.find("arn:aws:events:eu-west-1:123456789012:archive/all")
        assert [event["detail"]["n"] for event in world.archives.events_of(archive)] == [1, 2, 3]
        bad = {"ArchiveName": "all", "EventPattern": '{"source": "shop"}'}
        assert refusal(world.archives.update_archive, bad)[0] == "InvalidEventPatternException"

    @pytest.mark.rule("6.5/retention")
    @pytest.mark.parametrize(("days", "left"), [(0, 2), (30, 1), (1, 0), (365, 2)])
    def test_events_are_kept_so_long(self, world, days, left):
        """§6.5: 0 is for ever; age counts from the arrival, in the stage's time."""
        world.archive(RetentionDays=days)
        world.put_event()
        pass_days(world, 20)
        world.put_event()
        pass_days(world, 15)

        assert count(world) == left

    @pytest.mark.rule("6.5/retention")
    def test_the_last_second_of_the_retention_counts(self, world):
        """§6.5: until the day is full."""
        arn = world.archive(RetentionDays=1)
        world.put_event()
        world.clock.move_to(world.clock.now() + DAY_S - 1)
        assert count(world) == 1
        world.clock.move_to(world.clock.now() + 1)
        assert count(world) == 0

        world.replay(arn)
        world.kernel.run()
        assert len(world.records("event")) == 1

    @pytest.mark.rule("6.5/managed-rule")
    def test_a_managed_rule_feeds_it(self, world):
        """§6.5: it is listed with its manager, matches nothing that is replayed, and goes with the archive."""
        world.archive(EventPattern=json.dumps({"source": ["shop"]}))

        rule = world.events.describe_rule("Events-Archive-all", None)
        assert rule.managed_by == "prod.vhs.events.aws.internal"
        assert json.loads(rule.event_pattern.dump()) == {"source": ["shop"], "replay-name": [{"exists": False}]}

        world.archives.delete_archive({"ArchiveName": "all"})
        assert "Events-Archive-all" not in world.events.describe_event_bus("default").rules
        assert world.archives.list_archives({})["Archives"] == []

    @pytest.mark.rule("6.5/archive-delay")
    def test_an_event_may_be_on_its_way(self, world):
        """§6.5: if so assumed, a replay that starts too soon misses it."""
        world.assumptions = Assumptions(eventbridge_archive_delay_s=600)
        arn = world.archive()
        world.put_event()

        world.replay(arn, "soon")
        world.kernel.run()
        assert (count(world), len(world.records("event"))) == (0, 1)

        world.clock.move_to(world.clock.now() + 600)
        world.replay(arn, "later")
        world.kernel.run()
        assert (count(world), len(world.records("event"))) == (1, 2)

    @pytest.mark.rule("6.5/names-and-refusals")
    def test_what_create_refuses(self, world, refusal):
        """§6.5: names are used once, and the bus must be there."""
        world.archive()
        source = world.events.describe_event_bus("default").arn

        def create(name, arn=source, **more):
            return refusal(world.archives.create_archive, {"ArchiveName": name, "EventSourceArn": arn, **more})

        assert create("all") == ("ResourceAlreadyExistsException", "Archive all already exists.")
        gone = source.replace("default", "gone")
        assert create("new", gone) == ("ResourceNotFoundException", "Event bus gone does not exist.")
        assert create("new", "gone")[0] == "ResourceNotFoundException"
        assert create("n" * 49)[1].endswith("Member must have length less than or equal to 48")
        assert create("new", EventPattern="{}")[0] == "InvalidEventPatternException"
        for operation in (
            world.archives.describe_archive,
            world.archives.update_archive,
            world.archives.delete_archive,
        ):
            refused = refusal(operation, {"ArchiveName": "nothing"})
            assert refused == ("ResourceNotFoundException", "Archive nothing does not exist.")

    def test_lists_are_filtered_and_paged(self, world, refusal):
        """§6.5: one filter at a time."""
        for name in ("all", "alive", "dead"):
            world.archive(name)

        def names(**params):
            return [one["ArchiveName"] for one in world.archives.list_archives(params)["Archives"]]

        assert names() == ["all", "alive", "dead"]
        assert names(NamePrefix="al") == ["all", "alive"]
        assert names(State="DISABLED") == []
        first = world.archives.list_archives({"Limit": 2})
        assert [one["ArchiveName"] for one in first["Archives"]] == ["all", "alive"]
        assert names(Limit=2, NextToken=first["NextToken"]) == ["dead"]
        code, text = refusal(world.archives.list_archives, {"NamePrefix": "a", "State": "ENABLED"})
        assert (code, text.partition(".")[0]) == (
            "ValidationException",
            "At most one filter is allowed for ListArchives",
        )


class TestReplays:
    """§6.5, what comes again"""

    @pytest.fixture
    def kept(self, world):
        """An archive with three events, a minute and a half from each other, and a queue that has had them."""
        arn, queue = world.queue()
        archive = world.archive()
        world.rule({"Arn": arn})
        for n in range(3):
            world.put_event({"n": n})
            world.clock.move_to(world.clock.now() + 90)
        queue.firsts = [*queue.bodies]
        queue.sent.clear()
        return archive, queue

    @pytest.mark.rule("6.5/replay-name")
    @pytest.mark.rule("6.1/replay-name")
    def test_the_event_says_so(self, world, kept):
        """§6.5, §6.1: one field more; all else, time and id included, is as it was."""
        archive, queue = kept

        world.replay(archive)
        world.kernel.run()

        assert queue.bodies == [{**first, "replay-name": "again"} for first in queue.firsts]

    @pytest.mark.rule("6.5/replay-name")
    def test_ids_may_be_new(self, world, kept):
        """§6.5: if so assumed; the same in every run."""
        archive, queue = kept
        world.assumptions = Assumptions(eventbridge_replay_keeps_ids=False)

        world.replay(archive)
        world.kernel.run()

        ids = [body["id"] for body in queue.bodies]
        assert len(set(ids) | {first["id"] for first in queue.firsts}) == 6
        assert ids[0] == world.chance.uuid("replay", "again", queue.firsts[0]["id"])

    @pytest.mark.rule("6.5/not-archived-again")
    def test_what_is_replayed_is_not_kept_again(self, world, kept):
        """§6.5: not in this archive, nor in another of the bus."""
        archive, _ = kept
        world.archive("second")

        world.replay(archive)
        world.kernel.run()

        assert (count(world), count(world, "second")) == (3, 0)

    @pytest.mark.rule("6.5/source-bus-only")
    def test_the_bus_is_that_of_the_archive(self, world, kept, refusal):
        """§6.5: no other is permitted."""
        other = world.events.create_event_bus("other").arn

        refused = refusal(world.replay, kept[0], Destination={"Arn": other})

        text = "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted."
        assert refused == ("ValidationException", text)

    @pytest.mark.rule("6.5/some-rules")
    def test_only_some_rules_may_get_it(self, world, kept, refusal):
        """§6.5: those that are named, if the event matches them."""
        archive, queue = kept
        second_arn, second = world.queue("second")
        rules = [
            world.rule({"Arn": second_arn}, name="second"),
            world.rule({"Arn": second_arn}, name="third", pattern={"detail": {"n": [9]}}),
        ]

        world.replay(archive, rules=[rule.arn for rule in rules])
        world.kernel.run()

        assert (len(queue.sent), len(second.sent)) == (0, 3)
        assert world.replays.describe_replay({"ReplayName": "again"})["Destination"]["FilterArns"][0] == rules[0].arn
        code, text = refusal(world.replay, archive, "no", rules=["arn:aws:events:eu-west-1:123456789012:rule/gone"])
        assert (code, "rule/gone does not exist" in text) == ("ValidationException", True)

    @pytest.mark.rule("6.5/period")
    def test_the_period_is_that_of_the_events_own_time(self, world, kept):
        """§6.5: both ends included, as `datetime` or as number; an old event put today is old."""
        archive, queue = kept
        world.put_event({"n": "old"}, Time=datetime(2020, 1, 1, tzinfo=UTC))
        queue.sent.clear()
        began = START.timestamp()

        world.replay(archive, EventStartTime=datetime.fromtimestamp(began + 90, UTC), EventEndTime=began + 180)
        world.replay(archive, "old", EventStartTime=0, EventEndTime=began - 1)
        world.kernel.run()

        assert [body["detail"]["n"] for body in queue.bodies] == [1, 2, "old"]

    @pytest.mark.rule("6.5/period-order")
    def test_the_period_runs_forward(self, world, kept, refusal):
        """§6.5: the recorded refusal."""
        text = "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."

        assert refusal(world.replay, kept[0], EventStartTime=5, EventEndTime=4) == ("ValidationException", text)

    def test_a_replay_of_nothing_says_so(self, world, kept):
        """§6.5: it completes as any other, and the journal tells why nothing came."""
        world.replay(kept[0], EventEndTime=START.timestamp() - 1)
        world.kernel.run()

        assert state(world) == "COMPLETED"
        assert world.records("warning")[0].detail["message"] == (
            "Replay again sends nothing: archive archive/all holds 3 events, none of them from 1970-01-01T00:00:00Z "
            "to 2025-12-31T23:59:59Z."
        )

    def put_at(self, world, *seconds):
        for second in seconds:
            world.put_event({"n": second}, Time=START.timestamp() + second)

    @pytest.mark.rule("6.5/minute-slices")
    def test_one_minute_after_the_other(self, world):
        """§6.5: minutes in order, and within one the order of arrival, unless chance may shuffle."""
        arn, queue = world.queue()
        archive = world.archive()
        self.put_at(world, 130, 59, 61, 0, *range(119, 99, -1))
        world.rule({"Arn": arn})
        started = world.clock.now()

        world.replay(archive)
        world.kernel.run()
        plain = [body["detail"]["n"] for body in queue.bodies]
        times = [record.at - started for record in world.records("event")[-24:]]
        queue.sent.clear()
        world.assumptions = Assumptions(eventbridge_replay_shuffles=True)
        world.replay(archive, "shuffled")
        world.kernel.run()
        shuffled = [body["detail"]["n"] for body in queue.bodies]

        assert plain == [59, 0, 61, *range(119, 99, -1), 130]
        assert times == [10] * 2 + [11] * 21 + [12]
        assert [n // 60 for n in shuffled] == [n // 60 for n in plain]
        assert sorted(shuffled) == sorted(plain) != shuffled != plain

    @pytest.mark.rule("6.5/states")
    @pytest.mark.rule("6.5/minute-slices")
    def test_how_long_a_replay_takes_is_assumed(self, world):
        """§6.5: both the start and each minute take as long as is set."""
        archive = world.archive()
        self.put_at(world, 0, 61)
        world.assumptions = Assumptions(eventbridge_replay_start_s=3, eventbridge_replay_slice_s=7)
        started = world.clock.now()

        world.replay(archive)
        world.kernel.run()

        assert [record.at - started for record in world.records("event")[-2:]] == [3, 10]

    @pytest.mark.rule("6.5/concurrent-replays")
    def test_ten_at_once(self, world, kept, refusal):
        """§6.5: the eleventh is over the quota until one of them has ended."""
        archive, _ = kept
        for number in range(10):
            world.replay(archive, f"r{number}")

        assert refusal(world.replay, archive, "r10")[0] == "LimitExceededException"
        world.kernel.run()
        world.replay(archive, "r10")

    @pytest.mark.rule("6.5/names-and-refusals")
    def test_what_start_refuses(self, world, kept, refusal):
        """§6.5: the recorded refusals."""
        archive, _ = kept
        world.replay(archive)

        def start(**params):
            return refusal(world.replay, archive, **params)

        not_valid = "Parameter {} is not valid. Reason: {}"
        gone = archive.replace("archive/all", "event-bus/gone")
        assert start() == ("ResourceAlreadyExistsException", "Replay again already exists.")
        assert start(Destination={"Arn": gone}) == ("ResourceNotFoundException", "Event bus gone does not exist.")
        assert start(Destination={"Arn": "gone"}) == (
            "ValidationException",
            not_valid.format("Destination.Arn", "Must contain an event bus ARN."),
        )
        assert start(EventSourceArn=MISSING_ARCHIVE) == (
            "ValidationException",
            not_valid.format("EventSourceArn", "Archive nothing does not exist."),
        )
        assert start(name="n" * 65)[1].endswith("Member must have length less than or equal to 64")
        for operation in (world.replays.describe_replay, world.replays.cancel_replay):
            refused = refusal(operation, {"ReplayName": "nothing"})
            assert refused == ("ResourceNotFoundException", "Replay nothing does not exist.")

    def test_lists(self, world, kept, refusal):
        """§6.5: by prefix, archive or state, one of them at a time."""
        archive, _ = kept
        for name in ("one", "other"):
            world.replay(archive, name)
        world.kernel.run()
        world.replay(archive, "third")

        def names(**params):
            return [one["ReplayName"] for one in world.replays.list_replays(params)["Replays"]]

        assert names(NamePrefix="o") == ["one", "other"]
        assert names(State="STARTING") == ["third"]
        assert names(EventSourceArn=archive) == ["one", "other", "third"]
        assert names(EventSourceArn=MISSING_ARCHIVE) == []
        assert refusal(world.replays.list_replays, {"NamePrefix": "o", "State": "FAILED"})[0] == "ValidationException"
        assert "enum value set: [CANCELLED" in refusal(world.replays.list_replays, {"State": "DONE"})[1]

    def test_a_snapshot_brings_both_back(self, world, kept):
        """A restored world has the archives and replays of the snapshot, and shares nothing with it."""
        archive, _ = kept
        before = world.archives.snapshot(), world.replays.snapshot()

        world.put_event()
        world.replay(archive)
        world.kernel.run()
        world.archives.restore(before[0])
        world.replays.restore(before[1])
        world.put_event()

        assert count(world) == 4
        assert world.replays.list_replays({})["Replays"] == []
        world.archives.restore(before[0])
        assert count(world) == 3
