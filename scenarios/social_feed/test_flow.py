"""
The feed works.

The failure feared: a follower who never sees a post, who sees it twice, or a post that nobody can trace. The fault
used: none. The verdict expected: every follower's feed holds every post once, and one id leads from the request to
the feeds.
"""

from __future__ import annotations

import time

import pytest

slow = pytest.mark.nightly  # more of the same: where time is real each takes seconds
NOT_A_NAME = "'author' must be a user name: up to 64 letters, digits, '_', '-' and '.'"


def test_a_post_reaches_every_follower(stage, follow, publish, feed, who):
    """A post that was accepted is in the feed of each follower of its author, and of nobody else."""
    follow(who.amy, who.bob, who.carl)
    follow(who.zoe, who.dora)

    response = publish(who.amy, "hello")
    stage.settle()

    assert response.status_code == 202
    assert feed(who.bob) == feed(who.carl) == ["hello"]
    assert feed(who.amy) == feed(who.dora) == []


def test_a_batch_takes_the_designed_way(stage, follow, put_records, post, listen, who):
    """A record on the stream goes through the distribute function, the topic and the add-to-feed function, and ends."""
    follow(who.amy, who.bob)
    batches = listen.sns("FeedTopic")

    put_records(post)

    batch = batches.expect(message={"author": who.amy}, within="30s")
    stage.settle()
    batches.expect_no_more()
    assert stage.flow(batch).path == ["PostStream", "DistributeFunction", "FeedTopic", "AddToFeedFunction"]


def test_a_request_is_one_flow_up_to_the_feeds(stage, follow, publish, listen, who):
    """What a request caused can be followed through every hop, and nothing of it was given up."""
    follow(who.amy, who.bob)
    listen.kinesis("PostStream")

    publish(who.amy, "hello")
    flow = stage.settle()

    for hop in ("PublishPostFunction", "PostStream", "DistributeFunction", "RelationshipFunction", "AddToFeedFunction"):
        assert flow.reached(hop), f"{hop} was not reached:\n{flow}"
    assert not flow.dead_letters


def test_the_correlation_id_is_seen_at_every_hop(stage, follow, publish, listen, logs, who):
    """The caller's id travels in the HTTP header, the record's context, the message's attributes and every log."""
    follow(who.amy, who.bob)
    posts, batches = listen.kinesis("PostStream"), listen.sns("FeedTopic")
    mine = who("trace-me")

    response = publish(who.amy, "hello", **{"x-correlation-id": mine})
    stage.settle()

    assert response.headers["x-correlation-id"] == mine
    posts.expect(data={"__context": {"x-correlation-id": mine}})
    batches.expect(attributes={"x-correlation-id": mine})
    for function in ("PublishPostFunction", "DistributeFunction", "RelationshipFunction", "AddToFeedFunction"):
        assert mine in {line["x-correlation-id"] for line in logs(function)}, function


def test_a_correlation_id_is_made_for_a_caller_without_one(stage, follow, publish, listen, who):
    """A request without an id gets one, and the caller is told it."""
    follow(who.amy, who.bob)
    batches = listen.sns("FeedTopic")

    correlation_id = publish(who.amy, "hello").headers["x-correlation-id"]
    stage.settle()

    assert correlation_id
    batches.expect(attributes={"x-correlation-id": correlation_id})


def test_posts_in_one_batch_keep_their_own_correlation_ids(stage, follow, put_records, post, listen, who):
    """Records that Lambda hands over together do not mix up their ids."""
    follow(who.amy, who.bob)
    batches = listen.sns("FeedTopic")

    put_records(*({**post, "text": name, "__context": {"x-correlation-id": name}} for name in ("one", "two")))
    stage.settle()

    for name in ("one", "two"):
        batches.expect(message={"text": name}, attributes={"x-correlation-id": name})


def test_followers_are_split_into_full_batches(stage, follow, publish, listen, feed, who):
    """60 followers make batches of 25, 25 and 10, and each follower is in exactly one."""
    followers = [who(f"follower-{n:02}") for n in range(60)]
    follow(who.amy, *followers)
    batches = listen.sns("FeedTopic")

    publish(who.amy, "hello")
    stage.settle()

    groups = [batches.expect(message={"author": who.amy}).json["followers"] for _ in range(3)]
    batches.expect_no_more()
    assert sorted(len(group) for group in groups) == [10, 25, 25]
    assert sorted(name for group in groups for name in group) == followers
    assert all(feed(name) == ["hello"] for name in followers)


def test_a_post_without_followers_ends_quietly(stage, publish, listen, who):
    """With nobody to tell, nothing is sent to the topic."""
    batches = listen.sns("FeedTopic")

    response = publish(who("hermit"), "anybody there?")
    stage.settle()

    assert response.status_code == 202
    batches.expect_no_more()


def test_posts_of_one_author_stay_in_order(stage, follow, publish, feed, listen, who):
    """The author is the partition key, so followers see posts in the order in which they were written."""
    follow(who.amy, who.bob)
    posts = listen.kinesis("PostStream")
    texts = ["one", "two", "three", "four"]

    for text in texts:
        publish(who.amy, text)
        time.sleep(1)  # virtual on a local stage; a post's id begins with its millisecond
    stage.settle()

    for text in texts:
        posts.expect(key=who.amy, data={"text": text})
    assert feed(who.bob) == texts


@pytest.mark.parametrize("name", ["zoë", *(pytest.param(one, marks=slow) for one in ("李雷", "amy.b-c_d", "7of9"))])
def test_a_name_in_any_script_can_be_an_author(stage, follow, publish, feed, name, who):
    """Names are escaped on their way through the relationship API's path."""
    author = who(name)
    follow(author, who.bob)

    publish(author, "hello")
    stage.settle()

    assert feed(who.bob) == ["hello"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("{not json", "the body must be JSON"),
        ('{"author": "amy/../zoe", "text": "hello"}', NOT_A_NAME),
        pytest.param("", "the body must be JSON", marks=slow),
        pytest.param("[1, 2]", "the body must be a JSON object", marks=slow),
        pytest.param("{}", NOT_A_NAME, marks=slow),
        pytest.param('{"author": "amy"}', "'text' must be a text that is not empty", marks=slow),
        pytest.param('{"author": "amy", "text": "  "}', "'text' must be a text that is not empty", marks=slow),
        pytest.param('{"author": 7, "text": "hello"}', NOT_A_NAME, marks=slow),
        pytest.param('{"author": "..", "text": "hello"}', NOT_A_NAME, marks=slow),
        pytest.param(
            '{"author": "amy", "text": "%s"}' % ("x" * 2001), "'text' is longer than 2000 characters", marks=slow
        ),
    ],
)
def test_a_body_that_is_not_a_post_is_refused(stage, listen, body, complaint):
    """The caller learns what is wrong, and nothing is written to the stream."""
    posts = listen.kinesis("PostStream")

    response = stage.http.post(stage.outputs["PostsUrl"], data=body, headers={"content-type": "application/json"})
    stage.settle()

    assert (response.status_code, response.json()) == (400, {"error": complaint})
    posts.expect_no_more()


def test_a_route_that_the_api_does_not_have_is_not_found(stage):
    """API Gateway itself answers, in its own words."""
    response = stage.http.get(stage.outputs["PostsUrl"].replace("/posts", "/nowhere"))

    assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


def test_the_relationship_api_answers_on_its_own(stage, follow, who):
    """Other services can ask who follows a user."""
    follow(who.amy, who.bob, who.carl)

    response = stage.http.get(stage.outputs["FollowersUrl"] + f"/{who.amy}")

    assert response.json() == {"user": who.amy, "followers": [who.bob, who.carl]}


def test_an_event_of_another_type_is_passed_over(stage, follow, put_records, post, listen, logs, who):
    """The stream may carry events that are not for us; they neither fail nor reach a feed."""
    follow(who.amy, who.bob)
    batches = listen.sns("FeedTopic")

    mine = who("like")
    put_records({**post, "type": "yubl-liked", "__context": {"x-correlation-id": mine}})
    stage.settle()

    batches.expect_no_more()
    ignored = [line for line in logs("DistributeFunction", "event_ignored") if line["x-correlation-id"] == mine]
    assert [line["type"] for line in ignored] == ["yubl-liked"]
