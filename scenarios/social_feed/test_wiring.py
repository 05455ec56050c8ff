"""
The feed is wired as its promises need it.

The failure feared: a setting that somebody lost on the way (a retry too few, a destination that nobody reads), which shows on the day of
the first outage only. The fault used: none. The verdict expected: what AWS says about the stack is what the README says.
"""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.wiring


class TestStream:
    """From the stream to the distribute function."""

    def test_a_bad_record_is_cut_out_and_given_up(self, mapping):
        """It is looked for by halving its batch, and tried five times more."""
        found = mapping("DistributeFunction")

        assert found["BisectBatchOnFunctionError"] is True
        assert found["MaximumRetryAttempts"] == 5

    def test_what_is_given_up_is_kept(self, stage, mapping, queue):
        """Its place in the stream goes to a queue, and stays there for two weeks."""
        destination = mapping("DistributeFunction")["DestinationConfig"]["OnFailure"]["Destination"]

        assert destination == stage.arn("PostsNotDistributed")
        assert queue("PostsNotDistributed")["MessageRetentionPeriod"] == 14 * 24 * 3600

    def test_no_post_is_skipped_at_the_start(self, stage, mapping):
        """A new stack reads its stream from the beginning: what came while it was being deployed counts."""
        found = mapping("DistributeFunction")

        assert found["EventSourceArn"] == stage.arn("PostStream")
        assert found["StartingPosition"] == "TRIM_HORIZON"
        assert found["BatchSize"] == 10

    def test_posts_of_one_author_stay_in_order(self, stage):
        """One shard, and one batch of it at a time."""
        [shard] = stage.client("kinesis").list_shards(StreamName=stage.ref("PostStream"))["Shards"]

        assert shard["ShardId"] == "shardId-000000000000"


class TestFunctions:
    """What the functions are told."""

    def test_a_message_is_for_as_many_followers_as_dynamodb_takes(self, configuration):
        """The parameter's default reaches the function that makes the batches."""
        assert int(configuration("DistributeFunction")["Environment"]["Variables"]["BATCH_SIZE"]) == 25

    def test_each_finds_its_neighbours(self, stage, configuration):
        """By names that CloudFormation chose."""
        told = {
            name: value
            for function in ("PublishPostFunction", "DistributeFunction", "RelationshipFunction", "AddToFeedFunction")
            for name, value in configuration(function)["Environment"]["Variables"].items()
        }

        assert told["POST_STREAM"] == stage.ref("PostStream")
        assert told["FEED_TOPIC"] == stage.ref("FeedTopic")
        for table in ("FollowersTable", "KnownFollowersTable", "FeedTable"):
            name = "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in table).strip("_")
            assert told[name] == stage.ref(table), name

    def test_nobody_waits_longer_than_who_waits_for_him(self, configuration):
        """The relationship function may run for longer than the distribute function does: patience is the caller's own business."""
        assert (
            configuration("DistributeFunction")["Timeout"]
            < configuration("RelationshipFunction")["Timeout"]
            < 30  # what an HTTP API waits for
        )


class TestWithoutWork:
    """What can be seen where no function runs."""

    def test_the_tables_are_keyed_such_that_a_post_shows_once(self, stage):
        """A feed's key is user and post: what is delivered twice overwrites itself."""
        keys = {}
        for table in ("FollowersTable", "FeedTable"):
            described = stage.client("dynamodb").describe_table(TableName=stage.ref(table))["Table"]
            keys[table] = [part["AttributeName"] for part in described["KeySchema"]]

        assert keys == {"FollowersTable": ["user", "follower"], "FeedTable": ["user", "postId"]}

    @pytest.mark.parametrize("turn", ["first", "second"])
    def test_a_follower_that_a_test_made_up_goes_with_it(self, stage, follow, turn):
        """So the second turn finds the table as the first did."""
        key = {"user": {"S": "wiring"}, "follower": {"S": "bob"}}
        dynamodb, table = stage.client("dynamodb"), stage.ref("FollowersTable")
        assert "Item" not in dynamodb.get_item(TableName=table, Key=key)

        follow("wiring", "bob")

        assert dynamodb.get_item(TableName=table, Key=key)["Item"] == key

    def test_records_on_the_stream_keep_their_order(self, stage, put_records, post, listen, who):
        """Whatever becomes of them behind it, the stream has them one after the other."""
        posts = listen.kinesis("PostStream")

        put_records(*({**post, "author": who.nobody, "postId": text, "text": text} for text in ("one", "two")))

        one, two = (posts.expect(data={"author": who.nobody, "text": text}, key="amy") for text in ("one", "two"))
        assert posts.events.index(one) < posts.events.index(two)
        stage.settle()

    def test_a_message_on_the_topic_is_seen_with_its_attributes(self, stage, post, listen, who):
        """Without a filter of anybody's: the listener sees what the topic takes."""
        batches = listen.sns("FeedTopic")
        attributes = {"fallback": {"DataType": "String", "StringValue": "false"}}

        stage.client("sns").publish(
            TopicArn=stage.ref("FeedTopic"),
            Message=json.dumps({**post, "author": who.nobody, "followers": []}),
            MessageAttributes=attributes,
        )

        batches.expect(message={"author": who.nobody}, attributes={"fallback": "false"})
        stage.settle()
