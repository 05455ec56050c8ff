"""What SNS refuses, in the words that were recorded from AWS (§5.1, §5.6)."""

from __future__ import annotations

import json

import pytest

from stagefright.services import topic_rules

TOPIC = "arn:aws:sns:eu-west-1:123456789012:feed"
STRING = {"DataType": "String", "StringValue": "x"}
NO_DEVICE = "TargetArn Reason: No endpoint found for the target arn specified"
NO_DEFAULT = "Message Structure - No default entry in JSON message body"
NOT_JSON = "Message Structure - JSON message body failed to parse"
NO_DEDUPLICATION = (
    "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this "
    "topic type"
)
NEEDS_DEDUPLICATION = (
    "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
)
EMPTY_VALUE = "must contain non-empty message attribute value for message attribute type"
BAD_TYPE = "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
BAD_CHARACTER = (
    "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include alphanumeric "
    "characters, hyphens, underscores, or dots."
)


class TestPublish:
    """§5.1"""

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"TopicArn": "feed"}, "TopicArn Reason: An ARN must have at least 6 elements, not 1"),
            ({"TopicArn": None, "TargetArn": f"{TOPIC[:-4]}endpoint/GCM/app/1"}, NO_DEVICE),
            ({"Message": ""}, "Empty message"),
            ({"Message": "x" * 262_145}, "Message too long"),
            ({"Message": "x" * 262_134, "MessageAttributes": {"name": STRING}}, "Message too long"),
            ({"Subject": ""}, "Subject"),
            ({"Subject": "x" * 100}, "Subject"),
            ({"Subject": "two\nlines"}, "Subject"),
            ({"MessageStructure": "json", "Message": "{"}, NOT_JSON),
            ({"MessageStructure": "json", "Message": '{"sqs": "x"}'}, NO_DEFAULT),
            ({"MessageStructure": "json", "Message": '{"default": {}}'}, NO_DEFAULT),
            ({"MessageDeduplicationId": "d"}, NO_DEDUPLICATION),
        ],
    )
    @pytest.mark.rule("5.1/message-size")
    @pytest.mark.rule("5.1/subject")
    def test_a_faulty_message_is_refused(self, world, refusal, params, message):
        """§5.1: each fault has its recorded text, and nothing is published."""
        world.topic()

        refused = refusal(world.topics.publish, {"TopicArn": TOPIC, "Message": "hi", **params})

        assert refused == ("InvalidParameter", f"Invalid parameter: {message}")
        assert world.records("event") == []

    @pytest.mark.parametrize("arn", [f"{TOPIC}2", TOPIC.replace("eu-west-1", "nowhere")])
    def test_an_unknown_topic_is_not_found(self, world, refusal, arn):
        """§5.1: whatever Region or account its ARN names."""
        world.topic()

        assert refusal(world.topics.publish, {"TopicArn": arn, "Message": "hi"}) == ("NotFound", "Topic does not exist")

    @pytest.mark.rule("5.1/message-size")
    def test_the_largest_message_is_accepted(self, world):
        """§5.1: 256 KiB with its attributes."""
        world.topic()

        message = "x" * (262_144 - len("nameStringx"))

        assert world.topics.publish({"TopicArn": TOPIC, "Message": message, "MessageAttributes": {"name": STRING}})

    @pytest.mark.parametrize(
        ("name", "attribute", "message"),
        [
            ("a", {"DataType": "String", "StringValue": ""}, f"The message attribute 'a' {EMPTY_VALUE} 'String'."),
            ("a", {"DataType": "String"}, f"The message attribute 'a' {EMPTY_VALUE} 'String'."),
            ("a", {"DataType": "Binary", "BinaryValue": b""}, f"The message attribute 'a' {EMPTY_VALUE} 'Binary'."),
            (
                "a",
                {"DataType": "Number", "BinaryValue": b"1"},
                "The message attribute 'a' with type 'Number' must use field 'String'.",
            ),
            (
                "a",
                {"DataType": "Binary", "StringValue": "1"},
                "The message attribute 'a' with type 'Binary' must use field 'Binary'.",
            ),
            ("a", {"DataType": "Text", "StringValue": "1"}, f"The message attribute 'a' {BAD_TYPE}"),
            (
                "a",
                {"DataType": "Number", "StringValue": "one"},
                "Could not cast message attribute 'a' value to number.",
            ),
            ("a" * 257, STRING, "Length of message attribute name must be less than 256 bytes."),
            ("a^", STRING, BAD_CHARACTER),
            (".a", STRING, "Invalid message attribute name starting with character '.' was found."),
            ("a.", STRING, "Invalid message attribute name ending with character '.' was found."),
            ("a..b", STRING, "Message attribute name can not have successive '.' character."),
        ],
    )
    def test_a_faulty_attribute_is_refused(self, world, refusal, name, attribute, message):
        """§5.1: attribute faults are `ParameterValueInvalid`, with the recorded texts."""
        world.topic()

        params = {"TopicArn": TOPIC, "Message": "hi", "MessageAttributes": {name: attribute}}

        assert refusal(world.topics.publish, params) == ("ParameterValueInvalid", message)

    def test_custom_attribute_types_are_accepted(self, world):
        """§5.1: a type may go on after its prefix and a dot."""
        world.topic()

        attributes = {"a": {"DataType": "String.prefixed", "StringValue": "x"}}

        assert world.topics.publish({"TopicArn": TOPIC, "Message": "hi", "MessageAttributes": attributes})["MessageId"]

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({}, "The MessageGroupId parameter is required for FIFO topics"),
            ({"MessageGroupId": "g"}, NEEDS_DEDUPLICATION),
        ],
    )
    @pytest.mark.rule("5.5/fifo-group")
    def test_a_fifo_topic_needs_its_ids(self, world, refusal, params, message):
        """§5.5: group id always, deduplication id unless it is made from the content."""
        topic = world.topic("feed.fifo", FifoTopic="true")

        refused = refusal(world.topics.publish, {"TopicArn": topic, "Message": "hi", **params})

        assert refused == ("InvalidParameter", f"Invalid parameter: {message}")


class TestPublishBatch:
    """§5.1"""

    def entries(self, *messages):
        return [{"Id": str(number), "Message": message} for number, message in enumerate(messages)]

    @pytest.mark.rule("5.1/batch-is-partial")
    def test_a_batch_is_partial(self, world):
        """§5.1: an entry with faulty content fails alone, as the sender's fault."""
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)

        reply = world.topics.publish_batch(
            {"TopicArn": topic, "PublishBatchRequestEntries": self.entries("a", "", "c")}
        )

        assert [entry["Id"] for entry in reply["Successful"]] == ["0", "2"]
        assert reply["Failed"] == [
            {"Id": "1", "Code": "InvalidParameter", "Message": "Invalid parameter: Empty message", "SenderFault": True}
        ]
        assert len(queue.sent) == 2

    @pytest.mark.parametrize(
        ("entries", "code", "message"),
        [
            ([], "EmptyBatchRequest", "The batch request doesn't contain any entries."),
            (
                [{"Id": str(n), "Message": "x"} for n in range(11)],
                "TooManyEntriesInBatchRequest",
                "The batch request contains more entries than permissible.",
            ),
            (
                [{"Id": "1", "Message": "x"}] * 2,
                "BatchEntryIdsNotDistinct",
                "Two or more batch entries in the request have the same Id.",
            ),
            (
                [{"Id": str(n), "Message": "x" * 140_000} for n in range(2)],
                "BatchRequestTooLong",
                "The length of all the messages put together is more than the limit.",
            ),
            (
                [{"Id": "1", "Message": '{"a": "b"}', "MessageStructure": "json"}],
                "InvalidParameter",
                f"Invalid parameter: {NO_DEFAULT}",
            ),
        ],
    )
    @pytest.mark.rule("5.1/batch-entries")
    @pytest.mark.rule("5.1/batch-size")
    def test_a_faulty_batch_is_refused_whole(self, world, refusal, entries, code, message):
        """§5.1: faults of the batch, and of the form of one entry, refuse all of it."""
        world.topic()

        params = {"TopicArn": TOPIC, "PublishBatchRequestEntries": entries}

        assert refusal(world.topics.publish_batch, params) == (code, message)
        assert world.records("event") == []

    def test_a_batch_needs_a_topic(self, world, refusal):
        """§5.1: a batch to a topic that does not exist is refused whole."""
        params = {"TopicArn": TOPIC, "PublishBatchRequestEntries": self.entries("a")}

        assert refusal(world.topics.publish_batch, params) == ("NotFound", "Topic does not exist")


class TestFilterPolicies:
    """§5.6"""

    @pytest.mark.parametrize(
        ("policy", "reason"),
        [
            ({"k": [["value"]]}, "Match value must be String, number, true, false, or null"),
            ({"k": [{"wrong-operator": True}]}, "Unrecognized match type wrong-operator"),
            ({"k": [{"suffix": "value", "prefix": "value2"}]}, "Only one key allowed in match expression"),
            ({"k": [{"suffix": 100}]}, "suffix match pattern must be a string"),
            ({"k": [{"suffix": None}]}, "suffix match pattern must be a string"),
            ({"k": [{"suffix": ["a", "b"]}]}, "suffix match pattern must be a string"),
            ({"k": []}, "Empty arrays are not allowed"),
            ({"k": "value"}, '"k" must be an object or an array'),
            ({"k": [{"anything-but": {"numeric": "x"}}]}, "Unsupported anything-but pattern: numeric"),
            ({"k": [{"numeric": []}]}, "Invalid member in numeric match: ]"),
            ({"k": [{"numeric": ["operator"]}]}, "Unrecognized numeric range operator: operator"),
            ({"k": [{"numeric": [1, "<="]}]}, "Invalid member in numeric match: 1"),
            ({"k": [{"numeric": ["=", "000"]}]}, "Value of equals must be numeric"),
            ({"k": [{"numeric": [">="]}]}, "Value of >= must be numeric"),
            ({"k": [{"numeric": ["<", 100, ">", 10]}]}, "Too many elements in numeric expression"),
            ({"k": [{"numeric": [">=", 1, ">", 2]}]}, "Bad numeric range operator: >"),
            ({"k": [{"numeric": [">", 3, "<", 1]}]}, "Bottom must be less than top"),
            ({"k": [{"numeric": [">", 20, "<="]}]}, "Value of <= must be numeric"),
            ({"k": [{"numeric": [">", 20, 30]}]}, "Bad value in numeric range: 30"),
            ({"k": [{"numeric": [">", 20, "test"]}]}, "Bad numeric range operator: test"),
            ({"k": [{"numeric": [">", "20", "<", "30"]}]}, "Value of > must be numeric"),
            ({"k": [{"numeric": [">", 20, "<", "30"]}]}, "Value of < must be numeric"),
            ({"k": [{"numeric": [">", 20, "<", 30, "<", 50]}]}, "Too many terms in numeric range expression"),
            ({"k": [{"exists": None}]}, "exists match pattern must be either true or false."),
            ({"k": [{"exists": "no"}]}, "exists match pattern must be either true or false."),
            ({"k": list(map(str, range(151)))}, "Filter policy is too complex"),
            ({"a": list(map(str, range(13))), "b": list(map(str, range(12)))}, "Filter policy is too complex"),
            ({letter: ["x"] for letter in "abcdef"}, "Filter policy can not have more than 5 keys"),
            ({"k": [{"wildcard": "a*b*c*d*"}]}, "Filter policy is too complex"),
        ],
    )
    @pytest.mark.rule("5.6/keys")
    @pytest.mark.rule("5.6/complexity")
    @pytest.mark.rule("5.6/wildcard-limits")
    @pytest.mark.rule("5.6/refusals")
    def test_subscribe_refuses_a_bad_policy(self, world, refusal, policy, reason):
        """§5.6: `Subscribe` names the policy as an attribute."""
        params = {"TopicArn": TOPIC, "Attributes": {"FilterPolicy": json.dumps(policy)}}

        assert refusal(world.topics.validate_subscription, params) == (
            "InvalidParameter",
            f"Invalid parameter: Attributes Reason: FilterPolicy: {reason}",
        )

    @pytest.mark.parametrize("policy", [{"k": {"suffix": "value"}}, {"a": {"b": ["x"]}}])
    @pytest.mark.rule("5.6/refusal-of-nesting")
    @pytest.mark.rule("5.6/attributes-are-flat")
    def test_attribute_policies_are_flat(self, world, refusal, policy):
        """§5.6: nesting is for the body; the refusal names the scope."""
        params = {"TopicArn": TOPIC, "Attributes": {"FilterPolicy": json.dumps(policy)}}

        assert refusal(world.topics.validate_subscription, params)[1] == (
            "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"
        )

    @pytest.mark.rule("5.6/refusals")
    def test_a_body_policy_names_the_key_that_has_no_list(self, world, refusal):
        """§5.6: an operator outside of a list is read as a nested key."""
        attributes = {"FilterPolicy": '{"key":{"suffix":"value"}}', "FilterPolicyScope": "MessageBody"}

        assert refusal(world.topics.validate_subscription, {"Attributes": attributes})[1] == (
            'Invalid parameter: Attributes Reason: FilterPolicy: "suffix" must be an object or an array'
        )

    @pytest.mark.rule("5.6/complexity-depth")
    def test_depth_multiplies_the_combinations(self, world, refusal):
        """§5.6: a value list counts as often as its key is deep: 4 x 3 and 3 x 2 make 72, 6 x 3 and 5 x 2 too many."""
        fine = {"a": {"b": {"c": ["1", "2", "3", "4"]}}, "d": {"e": ["1", "2", "3"]}}
        too_much = {"a": {"b": {"c": list("123456")}}, "d": {"e": list("12345")}}

        def params(policy):
            return {"Attributes": {"FilterPolicy": json.dumps(policy), "FilterPolicyScope": "MessageBody"}}

        world.topics.validate_subscription(params(fine))
        assert "too complex" in refusal(world.topics.validate_subscription, params(too_much))[1]

    @pytest.mark.rule("5.6/scope")
    def test_the_scope_is_one_of_two(self, world, refusal):
        """§5.6: the recorded refusal of another scope."""
        params = {
            "SubscriptionArn": f"{TOPIC}:1",
            "AttributeName": "FilterPolicyScope",
            "AttributeValue": "RandomValue",
        }

        assert refusal(world.topics.validate_subscription, params)[1] == (
            "Invalid parameter: FilterPolicyScope: Invalid value [RandomValue]. "
            "Please use either MessageBody or MessageAttributes"
        )

    def test_setting_an_attribute_names_the_policy_shorter(self, world, refusal):
        """§5.6: `SetSubscriptionAttributes` judges by the subscription's scope, and words its refusal its own way."""
        arn, _ = world.queue()
        subscription = world.subscribe(world.topic(), arn, FilterPolicyScope="MessageBody")
        setting = {"SubscriptionArn": subscription, "AttributeName": "FilterPolicy"}

        world.topics.validate_subscription({**setting, "AttributeValue": '{"a": {"b": ["x"]}}'})
        refused = refusal(world.topics.validate_subscription, {**setting, "AttributeValue": '{"key_a":"value_one"}'})

        assert refused[1] == 'Invalid parameter: FilterPolicy: "key_a" must be an object or an array'

    def test_a_policy_that_is_not_json_is_refused(self, world, refusal):
        """§5.6: the refusal says that JSON failed, and where."""
        params = {"Attributes": {"FilterPolicy": "{invalidjson}"}}

        assert refusal(world.topics.validate_subscription, params)[1] == (
            "Invalid parameter: Attributes Reason: FilterPolicy: failed to parse JSON. Unexpected character "
            "('i' (code 105)): was expecting double-quote to start field name"
        )

    def test_the_empty_policy_removes_the_filter(self, world):
        """§5.6: `{}` and no text at all are no filter."""
        for policy in ("{}", "", None):
            world.topics.validate_subscription({"Attributes": {"FilterPolicy": policy}})

    @pytest.mark.rule("5.1/policies-per-topic")
    def test_two_hundred_policies_per_topic(self, world, refusal):
        """§5.1: the 201st subscription with a filter policy is refused; one without is not."""
        topic = world.topic()
        for number in range(200):
            last = world.subscribe(topic, world.queue(f"jobs{number}")[0], FilterPolicy={"k": ["v"]})
        params = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": f"{topic}-jobs"}

        world.topics.validate_subscription(params)
        code, _ = refusal(
            world.topics.validate_subscription, {**params, "Attributes": {"FilterPolicy": '{"k": ["v"]}'}}
        )
        change = {"SubscriptionArn": last, "AttributeName": "FilterPolicy", "AttributeValue": '{"k": ["w"]}'}
        world.topics.validate_subscription(change)

        assert code == "FilterPolicyLimitExceeded"

    @pytest.mark.rule("5.1/policies-per-account")
    def test_ten_thousand_policies_per_account(self, world, refusal, monkeypatch):
        """§5.1: over all topics of the account."""
        assert topic_rules.FILTER_POLICIES_PER_ACCOUNT_MAX == 10_000
        monkeypatch.setattr(topic_rules, "FILTER_POLICIES_PER_ACCOUNT_MAX", 2)
        for name in ("one", "two"):
            world.subscribe(world.topic(name), world.queue(name)[0], FilterPolicy={"k": ["v"]})

        params = {"TopicArn": world.topic("three"), "Attributes": {"FilterPolicy": '{"k": ["v"]}'}}

        assert refusal(world.topics.validate_subscription, params)[0] == "FilterPolicyLimitExceeded"


class TestSubscribing:
    """§5.4, §5.5"""

    @pytest.mark.parametrize(
        ("topic", "target", "reason"),
        [
            ("feed", None, "failed to parse JSON."),
            ("feed", "dead", "deadLetterTargetArn is an invalid arn"),
            ("feed", "arn:aws:sns:eu-west-1:123456789012:dead", "deadLetterTargetArn is an invalid arn"),
            ("feed", "arn:aws:sqs:us-east-1:123456789012:dead", "in the same account and Region"),
            ("feed", "arn:aws:sqs:eu-west-1:210987654321:dead", "in the same account and Region"),
            ("feed", "arn:aws:sqs:eu-west-1:123456789012:dead.fifo", "must use a standard queue"),
            ("feed.fifo", "arn:aws:sqs:eu-west-1:123456789012:dead", "must use a FIFO queue"),
        ],
    )
    @pytest.mark.parametrize("by_setting", [False, True])
    @pytest.mark.rule("5.4/fits-the-topic")
    def test_a_dead_letter_queue_must_fit_the_topic(self, world, refusal, topic, target, reason, by_setting):
        """§5.4: a queue of the topic's type, account and Region, for both operations."""
        arn = TOPIC.replace("feed", topic)
        policy = "{" if target is None else json.dumps({"deadLetterTargetArn": target})
        params = {"TopicArn": arn, "Protocol": "sqs", "Attributes": {"RedrivePolicy": policy}}
        if by_setting:
            params = {"SubscriptionArn": f"{arn}:1", "AttributeName": "RedrivePolicy", "AttributeValue": policy}

        code, message = refusal(world.topics.validate_subscription, params)

        assert (code, reason in message) == ("InvalidParameter", True)

    def test_a_topic_is_named_by_its_arn(self, world, refusal):
        """§5.1: as for `Publish`."""
        refused = refusal(world.topics.validate_subscription, {"TopicArn": "feed", "Protocol": "sqs"})

        assert refused[1] == "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"

    @pytest.mark.rule("5.4/fits-the-topic")
    def test_a_fitting_dead_letter_queue_is_taken(self, world):
        """§5.4: standard with standard, FIFO with FIFO; no policy is no policy."""
        for suffix in ("", ".fifo"):
            policy = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:eu-west-1:123456789012:dead{suffix}"})
            for text in (policy, "", None):
                params = {"TopicArn": f"{TOPIC}{suffix}", "Protocol": "sqs", "Attributes": {"RedrivePolicy": text}}
                world.topics.validate_subscription(params)

    @pytest.mark.parametrize("protocol", ["lambda", "https", "email", "firehose"])
    @pytest.mark.rule("5.5/fifo-subscribers")
    def test_a_fifo_topic_takes_queues_only(self, world, refusal, protocol):
        """§5.5: FIFO topics deliver to SQS queues, FIFO and standard ones."""
        params = {"TopicArn": f"{TOPIC}.fifo", "Protocol": protocol, "Endpoint": "x"}

        assert refusal(world.topics.validate_subscription, params)[0] == "InvalidParameter"
        for queue in ("jobs", "jobs.fifo"):
            world.topics.validate_subscription({**params, "Protocol": "sqs", "Endpoint": f"{TOPIC}-{queue}"})

    def test_a_standard_topic_takes_no_fifo_queue(self, world, refusal):
        """§5.5: in AWS's own, doubled words."""
        params = {"TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:eu-west-1:123456789012:jobs.fifo"}

        assert refusal(world.topics.validate_subscription, params)[1] == (
            "Invalid parameter: Invalid parameter: Endpoint Reason: "
            "FIFO SQS Queues can not be subscribed to standard SNS topics"
        )

    @pytest.mark.parametrize("name", ["MessageGroupId", "MessageDeduplicationId"])
    def test_fifo_ids_have_128_characters(self, world, refusal, name):
        """§5.5: as in SQS."""
        topic = world.topic("feed.fifo", FifoTopic="true")
        params = {"TopicArn": topic, "Message": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d"}

        assert "at most 128" in refusal(world.topics.publish, {**params, name: "x" * 129})[1]
        assert world.topics.publish({**params, name: "x" * 128})["MessageId"]
