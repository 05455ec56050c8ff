"""
The feed survives what production does to it.

| the failure feared                                  | the fault used                       | the verdict expected                        |
|-----------------------------------------------------|--------------------------------------|---------------------------------------------|
| a slow service makes its caller time out            | latency on the relationship function | the last known followers get the post       |
| a service that is down stops all posts              | failure of the relationship function | the same, or the stream waits for it        |
| a post is lost because a feed could not be written  | failure, timeout of add-to-feed      | retried at 0, 60, 180 s, then a dead letter |
| one bad record stops all posts behind it for ever   | a poison record on the stream        | cut out, kept as metadata, order kept       |
| a message delivered twice shows a post twice        | the same message again               | the feeds stay as they were                 |
"""

from __future__ import annotations

import json
import time

import pytest

from stagefright.chaos import Failure, Latency, Throttle, Timeout

DISTRIBUTE_TIMEOUT_S = 12
RESERVE_S = 2

slow = pytest.mark.nightly  # where time is real it takes a quarter of a minute
ladder = pytest.mark.only_on("local", reason="the ladder of retries takes minutes, and an emulator has another")
dead_letters = pytest.mark.only_on(
    "local", "aws", reason="MiniStack puts a destination's record into a dead-letter queue, where AWS puts the event"
)
gives_up = pytest.mark.only_on(
    "local", "aws", reason="MiniStack tries a record for ever: it neither bisects nor gives up"
)


@pytest.fixture
def known_followers(data, who):
    """The distribute function remembers that bob followed amy when it last asked."""
    data.item("KnownFollowersTable", {"author": who.amy, "followers": [who.bob]})


@pytest.fixture
def fallbacks(logs, who):
    """What the distribute function said whenever it used the last known followers of amy."""

    def fallbacks():
        return [line for line in logs("DistributeFunction", "fallback_used") if line["author"] == who.amy]

    return fallbacks


def share_s(stage, posts=1):
    """What each of several posts in a batch may wait, and should: where time is real, what the code itself needs is taken from it."""
    most, slack = (DISTRIBUTE_TIMEOUT_S - RESERVE_S) / posts, (0.05 if stage.target == "local" else 2.5) / posts
    return pytest.approx(most - slack, abs=slack + 1e-6)


class TestRelationshipApi:
    """The relationship API is slow or down."""

    @slow
    @pytest.mark.usefixtures("known_followers")
    def test_slow(self, stage, chaos, follow, put_post, listen, feed, fallbacks, who):
        """The caller waits for as long as its own remaining time allows, then uses the last known followers."""
        follow(who.amy, who.bob, who("newcomer"))
        batches = listen.sns("FeedTopic")

        with chaos(RelationshipFunction=Latency(delay_ms=15_000)):
            put_post()
            batches.expect(
                message={"text": "hello", "followers": [who.bob]}, attributes={"fallback": "true"}, within="30s"
            )
            flow = stage.settle()

        assert feed(who.bob) == ["hello"]
        assert feed(who("newcomer")) == []
        [line] = fallbacks()
        assert line["timeout_s"] == share_s(stage)
        assert "Timeout" in line["reason"]
        assert flow.attempts("DistributeFunction").at == [0]

    @slow
    @pytest.mark.usefixtures("known_followers")
    def test_slow_for_a_whole_batch(self, stage, chaos, put_records, post, feed, fallbacks, who):
        """Records of one batch share the remaining time, so that the last one gets its turn before the timeout."""
        posts = [{**post, "postId": f"post-{n}", "text": f"post {n}"} for n in range(5)]

        with chaos(RelationshipFunction=Latency(delay_ms=15_000)):
            put_records(*posts)
            stage.wait_until(lambda: len(feed(who.bob)) == len(posts), within="60s")
            flow = stage.settle()

        assert feed(who.bob) == [post["text"] for post in posts]
        assert [line["timeout_s"] for line in fallbacks()] == [share_s(stage, len(posts))] * len(posts)
        assert flow.attempts("DistributeFunction").at == [0]

    @pytest.mark.usefixtures("known_followers")
    def test_a_little_slow(self, stage, chaos, follow, put_post, listen, feed, who):
        """An answer within the caller's time is waited for: no fallback."""
        follow(who.amy, who.bob, who("newcomer"))
        batches = listen.sns("FeedTopic")

        with chaos(RelationshipFunction=Latency(delay_ms=3_000)):
            put_post()
            batches.expect(
                message={"followers": [who.bob, who("newcomer")]}, attributes={"fallback": "false"}, within="30s"
            )
            stage.settle()

        assert feed(who("newcomer")) == ["hello"]

    def test_down(self, stage, chaos, follow, put_post, listen, feed, fallbacks, who):
        """The followers that the API gave for the last post get the next one too."""
        follow(who.amy, who.bob)
        put_post(postId="before", text="before")
        stage.wait_until(lambda: feed(who.bob), within="30s")
        stage.settle()
        batches = listen.sns("FeedTopic")

        with chaos(RelationshipFunction=Failure("relationships are down")):
            put_post()
            batches.expect(
                message={"text": "hello", "followers": [who.bob]}, attributes={"fallback": "true"}, within="30s"
            )
            status = stage.http.get(stage.outputs["FollowersUrl"] + f"/{who.amy}").status_code
            stage.settle()

        assert status >= 500
        assert [line["reason"] for line in fallbacks()] == [f"status {status}"]

    @slow
    def test_down_for_a_moment_and_nothing_known(self, stage, chaos, follow, put_post, listen, feed, logs, who):
        """For an author who was never seen, the stream keeps the post until the API is back: late, but not lost."""
        follow(who.amy, who.bob)
        batches, given_up = listen.sns("FeedTopic"), listen.sqs("PostsNotDistributed")

        with chaos(RelationshipFunction=Failure("relationships are down")):
            put_post()
            stage.wait_until(lambda: logs("DistributeFunction", "relationship_api_unavailable"), within="30s")
        batches.expect(message={"followers": [who.bob]}, attributes={"fallback": "false"}, within="60s")
        stage.settle()

        given_up.expect_no_more()
        assert feed(who.bob) == ["hello"]

    @gives_up
    def test_down_for_good_and_nothing_known(self, stage, chaos, follow, put_post, listen, who):
        """When the retries are used up, the on-failure destination says which record of the stream was given up."""
        follow(who.amy, who.bob)
        batches, given_up = listen.sns("FeedTopic"), listen.sqs("PostsNotDistributed")

        with chaos(RelationshipFunction=Failure("relationships are down")):
            number = put_post()
            given_up.expect(body={"KinesisBatchInfo": {"startSequenceNumber": number, "batchSize": 1}}, within="10m")
            stage.settle()

        batches.expect_no_more()
        given_up.expect_no_more()


class TestAddToFeed:
    """Feeds cannot be written."""

    @ladder
    def test_failing(self, stage, chaos, follow, publish, listen, feed, who):
        """Lambda tries after 0, 60 and 180 s, then the dead-letter queue holds the event as it came, and the error."""
        follow(who.amy, who.bob)
        dead = listen.sqs("FeedDeadLetters")

        with chaos(AddToFeedFunction=Failure("table is down")):
            publish(who.amy, "hello")
            flow = stage.settle()

        assert flow.attempts("AddToFeedFunction").at == [0, 60, 180]
        letter = dead.expect(within="1m")
        dead.expect_no_more()
        assert "table is down" in letter.attributes["ErrorMessage"]
        [record] = letter.json["Records"]
        assert json.loads(record["Sns"]["Message"])["followers"] == [who.bob]
        assert feed(who.bob) == []

    @ladder
    def test_failing_for_less_than_a_minute(self, stage, chaos, follow, publish, listen, feed, who):
        """An outage that ends before the second attempt costs a minute and no post."""
        follow(who.amy, who.bob)
        dead = listen.sqs("FeedDeadLetters")

        with chaos(AddToFeedFunction=Failure("table is down")):
            publish(who.amy, "hello")
            time.sleep(30)
        flow = stage.settle()

        assert flow.attempts("AddToFeedFunction").at == [0, 60]
        dead.expect_no_more()
        assert feed(who.bob) == ["hello"]

    def test_throttled_by_its_table(self, stage, chaos, follow, publish, feed, who):
        """The SDK tries again within the same invocation, so nothing is late that anybody would notice."""
        follow(who.amy, who.bob)

        with chaos(AddToFeedFunction=Throttle("dynamodb", "BatchWriteItem", times=2)):
            publish(who.amy, "hello")
            stage.wait_until(lambda: feed(who.bob), within="30s")
            flow = stage.settle()

        assert feed(who.bob) == ["hello"]
        assert flow.attempts("AddToFeedFunction").at == [0]

    @ladder
    def test_timing_out(self, stage, chaos, follow, publish, listen, who):
        """A timeout is a failure like any other; the ladder's waits begin when an attempt has ended."""
        follow(who.amy, who.bob)
        dead = listen.sqs("FeedDeadLetters")

        with chaos(AddToFeedFunction=Timeout()):
            publish(who.amy, "hello")
            flow = stage.settle()

        assert flow.attempts("AddToFeedFunction").at == [0, 70, 200]
        assert "Task timed out after 10.00 seconds" in dead.expect().attributes["ErrorMessage"]

    @dead_letters
    def test_a_dead_letter_can_be_sent_again(self, stage, chaos, follow, publish, listen, feed, who):
        """A dead letter is the whole event: invoking the function with it repairs the feeds."""
        follow(who.amy, who.bob, who.carl)
        dead = listen.sqs("FeedDeadLetters")
        with chaos(AddToFeedFunction=Failure("table is down")):
            publish(who.amy, "hello")
            letter = dead.expect(within="10m")

        stage.invoke("AddToFeedFunction", letter.json)

        assert feed(who.bob) == feed(who.carl) == ["hello"]


@gives_up
class TestPoisonRecord:
    """A record that cannot be read is on the stream."""

    def test_blocks_its_shard(self, stage, follow, put_records, post, listen, feed, who):
        """Later records of the shard wait while it is retried; then it is given up and they go through in order."""
        follow(who.amy, who.bob)
        batches, given_up = listen.sns("FeedTopic"), listen.sqs("PostsNotDistributed")

        [poison] = put_records(b"\xff not json")
        for text in ("one", "two"):
            put_records({**post, "postId": text, "text": text})
        stage.settle()

        record = given_up.expect(body={"requestContext": {"condition": "RetryAttemptsExhausted"}})
        one, two = (batches.expect(message={"text": text}) for text in ("one", "two"))
        assert record.json["KinesisBatchInfo"]["startSequenceNumber"] == poison
        assert record.json["KinesisBatchInfo"]["batchSize"] == 1
        assert record.at <= one.at <= two.at
        assert feed(who.bob) == ["one", "two"]

    def test_is_cut_out_of_its_batch(self, stage, follow, put_records, post, listen, feed, logs, who):
        """Its neighbours in the batch are not given up with it, and those done twice show up once."""
        follow(who.amy, who.bob)
        given_up = listen.sqs("PostsNotDistributed")
        first, last = ({**post, "postId": text, "text": text} for text in ("a first", "b last"))

        _, poison, _ = put_records(first, b"{", last)
        stage.settle()

        record = given_up.expect(body={"KinesisBatchInfo": {"batchSize": 1}})
        given_up.expect_no_more()
        assert record.json["KinesisBatchInfo"]["startSequenceNumber"] == poison
        assert {line["sequenceNumber"] for line in logs("DistributeFunction", "record_unreadable")} == {poison}
        assert feed(who.bob) == ["a first", "b last"]

    def test_is_tried_as_often_as_the_template_says(self, stage, put_records, logs):
        """Five retries, so six attempts in all."""
        put_records(b"not json")
        stage.settle()

        assert len(logs("DistributeFunction", "record_unreadable")) == 6


class TestDuplicates:
    """AWS delivers at least once."""

    def test_of_a_message(self, stage, put_records, follow, post, listen, feed, who):
        """A batch that SNS delivers twice leaves the feeds as they were."""
        follow(who.amy, who.bob, who.carl)
        batches = listen.sns("FeedTopic")
        put_records(post)
        batch = batches.expect(within="30s")
        stage.settle()

        stage.client("sns").publish(TopicArn=stage.ref("FeedTopic"), Message=batch.message)
        flow = stage.settle()

        assert flow.reached("AddToFeedFunction")
        assert feed(who.bob) == feed(who.carl) == ["hello"]

    def test_of_a_record(self, stage, follow, put_records, post, feed, who):
        """A post that is on the stream twice, as after a producer's retry, is in a feed once."""
        follow(who.amy, who.bob)

        put_records(post, post)
        stage.wait_until(lambda: feed(who.bob), within="30s")
        stage.settle()

        assert feed(who.bob) == ["hello"]
