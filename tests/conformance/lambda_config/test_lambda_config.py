"""aws-semantics §1.3, §1.6, §1.8, §2.1, §10.1: what Lambda's control plane takes, answers and refuses."""

from __future__ import annotations

import json

import pytest

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
ROLE = "arn:aws:iam::123456789012:role/orders"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:jobs"
INVALID = "InvalidParameterValueException"


class TestCreate:
    """§1.6: CreateFunction."""

    @pytest.mark.rule("1.6/timeout")
    @pytest.mark.rule("1.6/memory")
    def test_a_new_function_is_active_with_awss_defaults(self, create):
        """A function that says nothing gets 3 seconds, 128 MB, 512 MB of /tmp and its own log group."""
        function = create()

        expected = {
            "FunctionArn": ARN,
            "Version": "$LATEST",
            "Timeout": 3,
            "MemorySize": 128,
            "EphemeralStorage": {"Size": 512},
            "Architectures": ["x86_64"],
            "PackageType": "Zip",
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "LastModified": "2026-01-01T00:00:00.000+0000",
            "TracingConfig": {"Mode": "PassThrough"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/orders"},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "Description": "",
        }
        assert {name: function[name] for name in expected} == expected

    def test_what_is_given_is_echoed(self, create, api):
        """Every setting of a function comes back as it was given."""
        given = {
            "Timeout": 900,
            "MemorySize": 10240,
            "EphemeralStorage": {"Size": 10240},
            "Environment": {"Variables": {"TABLE": "orders"}},
            "DeadLetterConfig": {"TargetArn": QUEUE},
            "TracingConfig": {"Mode": "Active"},
            "Architectures": ["arm64"],
            "Description": "Takes orders",
            "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/orders"},
            "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        }
        create(**given)

        shown = api.get_function_configuration(FunctionName="orders")

        assert shown["VpcConfig"] == {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "VpcId": ""}
        levels = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
        assert shown["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": "/orders", **levels}
        for name in given.keys() - {"VpcConfig", "LoggingConfig"}:
            assert given[name] == shown[name]

    @pytest.mark.parametrize("missing", ["Runtime", "Handler"])
    def test_a_zip_needs_runtime_and_handler(self, create, refusal, missing):
        """A zip function without runtime or handler is refused."""
        message = "Runtime and Handler are mandatory parameters for functions created with deployment packages."

        assert refusal(create, **{missing: None}) == (INVALID, message, 400)

    @pytest.mark.parametrize(
        ("setting", "text"),
        [
            ({"Timeout": 901}, "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less"),
            ({"Timeout": 0}, "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater"),
            ({"MemorySize": 127}, "Value '127' at 'memorySize'"),
            ({"MemorySize": 10241}, "Value '10241' at 'memorySize'"),
            ({"EphemeralStorage": {"Size": 511}}, "Value '511' at 'ephemeralStorage.size'"),
            ({"Architectures": ["x86_64", "arm64"]}, "Value '[x86_64, arm64]' at 'architectures'"),
            ({"Architectures": ["mips"]}, "Member must satisfy enum value set: [x86_64, arm64]"),
            ({"Role": "orders"}, "Value 'orders' at 'role'"),
            ({"Role": None}, "Value null at 'role' failed to satisfy constraint: Member must not be null"),
            ({"Handler": "app handler"}, r"at 'handler' failed to satisfy constraint: Member must satisfy regular"),
            ({"Handler": "a" * 129}, "at 'handler' failed to satisfy constraint: Member must have length less"),
            ({"Description": "d" * 257}, "at 'description' failed to satisfy constraint: Member must have length less"),
            ({"TracingConfig": {"Mode": "On"}}, "Member must satisfy enum value set: [Active, PassThrough]"),
            ({"Layers": ["shared"]}, "Value '[shared]' at 'layers'"),
            ({"Environment": {"Variables": {"1ST": "x"}}}, "Value at 'environment.variables'"),
            ({"Environment": {"Variables": {"A": "x"}}}, "Value at 'environment.variables'"),
            ({"name": "a" * 65}, "at 'functionName' failed to satisfy constraint: Member must have length less"),
            ({"name": "no spaces"}, "at 'functionName' failed to satisfy constraint: Member must satisfy regular"),
        ],
    )
    @pytest.mark.rule("1.6/timeout")
    @pytest.mark.rule("1.6/memory")
    @pytest.mark.rule("1.6/tmp")
    @pytest.mark.rule("1.6/environment-names")
    def test_a_value_out_of_range_is_refused(self, create, refusal, setting, text):
        """What breaks the API's model is a ValidationException that names the member."""
        code, message, status = refusal(create, **setting)

        assert (code, status) == ("ValidationException", 400)
        assert text in message

    def test_reserved_environment_names_are_refused(self, create, refusal):
        """Names that Lambda sets itself cannot be set, and the refusal lists them."""
        code, message, _ = refusal(create, Environment={"Variables": {"AWS_REGION": "x", "_HANDLER": "y", "OWN": "z"}})

        assert code == INVALID
        assert message.endswith("Reserved keys used in this request: AWS_REGION, _HANDLER")

    @pytest.mark.rule("1.6/environment-size")
    def test_the_environment_may_hold_4_kb(self, create, refusal):
        """4,096 bytes of JSON are taken; one more is refused with the text that was measured."""
        overhead = len('{"TEXT":""}')
        create(Environment={"Variables": {"TEXT": "x" * (4096 - overhead)}})

        code, message, _ = refusal(create, "more", Environment={"Variables": {"TEXT": "x" * (4097 - overhead)}})

        assert code == INVALID
        assert "exceeded the 4KB limit. String measured: {" + '"TEXT":"xxx' in message

    @pytest.mark.rule("1.3/conflict")
    def test_a_name_is_taken_once(self, create, refusal):
        """§1.3: A second function of the same name is a conflict."""
        create()

        assert refusal(create) == ("ResourceConflictException", "Function already exist: orders", 409)

    def test_an_unknown_runtime_is_refused(self, create, refusal):
        """A runtime that Lambda does not have is refused with the list of those it has."""
        code, message, _ = refusal(create, Runtime="cobol85")

        assert code == INVALID
        assert message.startswith("Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum")

    def test_an_image_is_refused_with_a_way_out(self, create, refusal):
        """A container image is not run locally, and the refusal says where it can be."""
        code, message, _ = refusal(create, PackageType="Image", Code={"ImageUri": "123.dkr.ecr/orders"})

        assert code == "UnsupportedOperation"
        assert "--stage-target=aws" in message

    @pytest.mark.parametrize("target", ["jobs", "arn:aws:lambda:eu-west-1:123456789012:function:other"])
    def test_a_dead_letter_target_is_a_queue_or_topic(self, create, refusal, target):
        """§2.4: only SQS and SNS take dead letters."""
        code, message, _ = refusal(create, DeadLetterConfig={"TargetArn": target})

        assert code == INVALID
        assert f"dead-letter target {target} is not the ARN of an SQS queue or SNS topic" in message

    def test_too_many_tags_are_refused(self, create, refusal):
        """Fifty tags are the most."""
        assert "Number of tags exceeds resource tag limit." == refusal(create, Tags={str(n): "" for n in range(51)})[1]

    def test_durable_functions_are_refused(self, create, refusal):
        """A setting that changes how a function runs, and is not imitated, is refused instead of dropped."""
        assert refusal(create, DurableConfig={"ExecutionTimeout": 60})[0] == "UnsupportedOperation"

    def test_publish_makes_version_one(self, create, api):
        """`Publish` freezes the new function as version 1."""
        assert create(Publish=True)["Version"] == "1"
        assert [version["Version"] for version in api.list_versions_by_function(FunctionName="orders")["Versions"]] == [
            "$LATEST",
            "1",
        ]


class TestCode:
    """Where code comes from."""

    def test_code_in_s3_is_read(self, create, world, zip_of, service):
        """A zip in a bucket is unpacked where the executor can import it."""
        world.objects["builds", "orders.zip"] = zip_of({"app.py": "x = 1"})
        create(Code={"S3Bucket": "builds", "S3Key": "orders.zip"})

        assert (service.find("orders").version.code.root / "app.py").read_text() == "x = 1"

    def test_a_missing_object_is_reported_with_s3s_error(self, create, refusal):
        """A missing object is Lambda's refusal, with S3's code and text inside."""
        message = (
            "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
            "S3 Error Message: The specified key does not exist."
        )

        assert refusal(create, Code={"S3Bucket": "builds", "S3Key": "none.zip"}) == (INVALID, message, 400)

    def test_a_bad_zip_is_refused(self, create, refusal):
        """Bytes that are no zip are refused in AWS's words."""
        message = "Could not unzip uploaded file. Please check your file, then try to upload again."

        assert refusal(create, Code={"ZipFile": b"no zip"}) == (INVALID, message, 400)

    def test_no_code_at_all_is_refused(self, create, refusal):
        """An empty `Code` is refused."""
        assert refusal(create, Code={}) == (INVALID, "Please provide a source for function code.", 400)

    def test_new_code_changes_hash_and_revision_and_drops_environments(self, create, api, service, zip_of):
        """UpdateFunctionCode shows a new CodeSha256 and RevisionId, and tells who keeps warm environments."""
        before, told = create(), []
        service.on_code_changed.append(lambda function: told.append(function.name))

        after = api.update_function_code(FunctionName="orders", ZipFile=zip_of({"app.py": "x = 2"}))

        assert before["CodeSha256"] != after["CodeSha256"]
        assert before["RevisionId"] != after["RevisionId"]
        assert told == ["orders"]

    def test_a_dry_run_changes_nothing(self, create, api, zip_of):
        """`DryRun` answers with the new hash and keeps the old code."""
        before = create()
        api.update_function_code(FunctionName="orders", ZipFile=zip_of({"app.py": "x = 2"}), DryRun=True)

        assert before == api.get_function_configuration(FunctionName="orders")

    def test_another_revision_is_refused(self, create, api, refusal):
        """A call made for a revision that is gone fails with 412."""
        create()
        code, _, status = refusal(api.update_function_configuration, FunctionName="orders", RevisionId="old")

        assert (code, status) == ("PreconditionFailedException", 412)


class TestConfiguration:
    """UpdateFunctionConfiguration."""

    def test_what_is_not_mentioned_stays(self, create, api):
        """A partial update leaves the rest alone."""
        create(Timeout=10, Environment={"Variables": {"TABLE": "orders"}})
        api.update_function_configuration(FunctionName="orders", MemorySize=256)

        shown = api.get_function_configuration(FunctionName="orders")
        assert (
            shown["Timeout"],
            shown["MemorySize"],
            shown["Environment"],
        ) == (10, 256, {"Variables": {"TABLE": "orders"}})

    def test_an_empty_target_removes_the_dead_letter_queue(self, create, api):
        """DeadLetterConfig with an empty target takes the queue away."""
        create(DeadLetterConfig={"TargetArn": QUEUE})
        shown = api.update_function_configuration(FunctionName="orders", DeadLetterConfig={"TargetArn": ""})

        assert "DeadLetterConfig" not in shown


class TestNames:
    """§1.3: every form of a name."""

    @pytest.mark.parametrize(
        "name", ["orders", "function:orders", "123456789012:function:orders", ARN, f"{ARN}:$LATEST", "orders:$LATEST"]
    )
    def test_every_form_finds_the_function(self, create, api, name):
        """Name, partial ARN and ARN, with or without qualifier, are the same function."""
        create()

        assert api.get_function(FunctionName=name)["Configuration"]["FunctionName"] == "orders"

    def test_a_qualified_call_answers_with_a_qualified_arn(self, create, api):
        """Asked with a qualifier, the configuration shows the qualified ARN."""
        create()

        shown = api.get_function(FunctionName="orders", Qualifier="$LATEST")
        assert shown["Configuration"]["FunctionArn"] == f"{ARN}:$LATEST"

    def test_a_missing_function_is_named_by_its_arn(self, api, refusal):
        """The control plane's 404 names the unqualified ARN."""
        expected = ("ResourceNotFoundException", f"Function not found: {ARN}", 404)

        assert refusal(api.get_function, FunctionName="orders") == expected

    @pytest.mark.rule("1.3/not-found")
    def test_a_missing_function_is_named_with_latest_by_invoke(self, service, refusal):
        """Invoke's 404 names $LATEST even when the caller did not."""
        expected = ("ResourceNotFoundException", f"Function not found: {ARN}:$LATEST", 404)

        assert refusal(service.find, "orders") == expected

    @pytest.mark.rule("1.3/invalid-parameter")
    def test_two_qualifiers_must_agree(self, create, api, refusal):
        """A qualifier in the name and another beside it are refused."""
        create()
        message = "The derived qualifier from the function name does not match the specified qualifier."

        assert refusal(api.get_function, FunctionName=f"{ARN}:1", Qualifier="2") == (INVALID, message, 400)

    def test_another_region_is_not_reachable(self, api, refusal):
        """An ARN of another Region is not found."""
        message = "Functions from 'us-east-1' are not reachable in this region ('eu-west-1')"

        assert refusal(api.get_function, FunctionName=ARN.replace("eu-west-1", "us-east-1")) == (
            "ResourceNotFoundException",
            message,
            404,
        )

    def test_another_account_is_denied(self, api, refusal):
        """An ARN of another account is denied, not missing."""
        code, _, status = refusal(api.get_function, FunctionName=ARN.replace("123456789012", "999999999999"))

        assert (code, status) == ("AccessDeniedException", 403)


class TestDelete:
    """DeleteFunction."""

    def test_a_deleted_function_is_gone(self, create, api, refusal):
        """After deletion the name is free and unknown."""
        create()
        api.delete_function(FunctionName="orders")

        assert refusal(api.get_function, FunctionName="orders")[2] == 404
        create()

    def test_latest_cannot_be_deleted_alone(self, create, api, refusal):
        """$LATEST lives as long as its function."""
        create()
        message = "$LATEST version cannot be deleted without deleting the function."

        assert refusal(api.delete_function, FunctionName="orders", Qualifier="$LATEST") == (INVALID, message, 400)

    def test_a_version_that_an_alias_names_is_kept(self, create, api, refusal):
        """A version cannot go while an alias points to it."""
        create(Publish=True)
        api.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")

        assert refusal(api.delete_function, FunctionName="orders", Qualifier="1")[2] == 409
        api.delete_alias(FunctionName="orders", Name="live")
        api.delete_function(FunctionName="orders:1")
        assert refusal(api.get_function, FunctionName="orders:1")[2] == 404


class TestVersions:
    """§10.1: versions."""

    @pytest.mark.rule("10.1/publish-unchanged")
    def test_publishing_twice_without_a_change_gives_the_same_version(self, create, api):
        """An unchanged $LATEST is not published again."""
        create()

        versions = [api.publish_version(FunctionName="orders")["Version"] for _ in range(2)]
        assert versions == ["1", "1"]

    @pytest.mark.rule("10.1/published-is-frozen")
    def test_a_change_gives_the_next_number(self, create, api, service):
        """A changed $LATEST gets a new number, and the old version keeps its settings."""
        create(Timeout=5)
        api.publish_version(FunctionName="orders", Description="first")
        api.update_function_configuration(FunctionName="orders", Timeout=6)

        second = api.publish_version(FunctionName="orders")
        assert (second["Version"], second["FunctionArn"]) == ("2", f"{ARN}:2")
        assert [service.find("orders", number).version.timeout_s for number in ("1", "2")] == [5, 6]

    def test_a_deleted_number_is_not_used_again(self, create, api):
        """Numbers only grow."""
        create(Publish=True)
        api.delete_function(FunctionName="orders:1")

        assert api.publish_version(FunctionName="orders")["Version"] == "2"

    @pytest.mark.rule("10.1/publish-conditions")
    def test_the_wrong_hash_is_refused(self, create, api, refusal):
        """PublishVersion for other code than $LATEST has is refused."""
        create()
        code, message, _ = refusal(api.publish_version, FunctionName="orders", CodeSha256="abc")

        assert code == INVALID
        assert message.startswith("CodeSHA256 (abc) is different from current CodeSHA256 in $LATEST (")


class TestAliases:
    """§10.1: aliases and weights."""

    @pytest.fixture(autouse=True)
    def _two_versions(self, create, api):
        create(Publish=True)
        api.update_function_configuration(FunctionName="orders", Description="second")
        api.publish_version(FunctionName="orders")

    @pytest.mark.rule("10.1/context")
    def test_an_alias_runs_its_version_under_its_own_arn(self, api, service):
        """invoked_function_arn carries the alias, the executed version is the number."""
        api.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")

        resolved = service.find(f"{ARN}:live")
        assert (resolved.executed_version, resolved.invoked_arn) == ("1", f"{ARN}:live")

    @pytest.mark.rule("10.1/moving")
    def test_a_moved_alias_keeps_its_arn(self, api, service):
        """Updating only the version keeps the name."""
        created = api.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")
        moved = api.update_alias(FunctionName="orders", Name="live", FunctionVersion="2")

        assert created["AliasArn"] == moved["AliasArn"]
        assert created["RevisionId"] != moved["RevisionId"]
        assert service.find("orders:live").executed_version == "2"

    @pytest.mark.rule("10.1/any-version")
    def test_a_plain_alias_may_point_to_latest(self, api, service):
        """Only weighted aliases need published versions."""
        api.create_alias(FunctionName="orders", Name="dev", FunctionVersion="$LATEST")

        assert service.find("orders", "dev").executed_version == "$LATEST"

    @pytest.mark.rule("10.1/independent-choice")
    def test_weights_share_the_invocations(self, api, service):
        """A tenth of 1,000 invocations, give or take, runs the additional version; a repetition runs the same."""
        routing = {"AdditionalVersionWeights": {"2": 0.1}}
        api.create_alias(FunctionName="orders", Name="live", FunctionVersion="1", RoutingConfig=routing)
        start = service.snapshot()

        first = [service.find("orders:live").executed_version for _ in range(1000)]
        service.restore(start)

        assert 60 < first.count("2") < 140
        assert first == [service.find("orders:live").executed_version for _ in range(1000)]

    @pytest.mark.parametrize(
        ("version", "weights", "text"),
        [
            ("1", {"2": 0.1, "3": 0.1}, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
            ("$LATEST", {"2": 0.1}, "$LATEST is not supported for an alias pointing to more than 1 version"),
            ("1", {"1": 0.1}, "Function version 1 is already included in routing configuration."),
            ("1", {"$LATEST": 0.1}, "Map keys must satisfy constraint"),
            ("1", {"2": 1.5}, "Member must have value less than or equal to 1.0"),
            ("1", {"7": 0.5}, f"Function not found: {ARN}:7"),
            ("9", {}, f"Function not found: {ARN}:9"),
        ],
    )
    @pytest.mark.rule("10.1/weighted-published")
    @pytest.mark.rule("10.1/one-more-version")
    @pytest.mark.rule("10.1/weights")
    def test_routing_that_cannot_be_is_refused(self, api, refusal, version, weights, text):
        """A weighted alias takes one more published version, with a share from 0 to 1."""
        routing = {"AdditionalVersionWeights": weights}
        _, message, _ = refusal(
            api.create_alias, FunctionName="orders", Name="live", FunctionVersion=version, RoutingConfig=routing
        )

        assert text in message

    @pytest.mark.rule("10.1/weighted-dead-letter-queue")
    def test_routed_versions_share_role_and_dead_letter_queue(self, api, refusal):
        """Versions that differ in role or dead-letter queue cannot share an alias."""
        api.update_function_configuration(FunctionName="orders", DeadLetterConfig={"TargetArn": QUEUE})
        api.publish_version(FunctionName="orders")
        routing = {"AdditionalVersionWeights": {"3": 0.5}}

        code, message, _ = refusal(
            api.create_alias, FunctionName="orders", Name="live", FunctionVersion="1", RoutingConfig=routing
        )
        assert code == INVALID
        assert "differ in execution role or dead-letter queue" in message

    @pytest.mark.rule("10.1/unknown-alias")
    def test_unknown_aliases_have_their_own_texts(self, api, service, refusal):
        """GetAlias and Invoke name an unknown alias differently."""
        alias_text = f"Cannot find alias arn: {ARN}:live"
        invoke_text = f"Function not found: {ARN}:live"

        assert refusal(api.get_alias, FunctionName="orders", Name="live")[1] == alias_text
        assert refusal(service.find, "orders", "live") == ("ResourceNotFoundException", invoke_text, 404)

    def test_an_alias_exists_once(self, api, refusal):
        """The second alias of a name is a conflict."""
        api.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")
        again = refusal(api.create_alias, FunctionName="orders", Name="live", FunctionVersion="2")

        assert again == ("ResourceConflictException", f"Alias already exists: {ARN}:live", 409)

    def test_a_number_is_no_alias(self, api, refusal):
        """An alias must not look like a version."""
        code, message, _ = refusal(api.create_alias, FunctionName="orders", Name="1", FunctionVersion="1")

        assert code == "ValidationException"
        assert "Value '1' at 'name'" in message


class TestConcurrency:
    """§1.8: reserved concurrency."""

    @pytest.mark.rule("1.8/hundred-unreserved")
    def test_a_hundred_stay_unreserved(self, create, api, refusal):
        """900 of 1,000 can be reserved in all, not one more."""
        create("orders")
        create("stock")
        api.put_function_concurrency(FunctionName="orders", ReservedConcurrentExecutions=800)
        api.put_function_concurrency(FunctionName="stock", ReservedConcurrentExecutions=100)

        message = (
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            "below its minimum value of [100]."
        )
        assert refusal(api.put_function_concurrency, FunctionName="stock", ReservedConcurrentExecutions=101) == (
            INVALID,
            message,
            400,
        )
        assert api.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100

    @pytest.mark.rule("1.8/zero")
    def test_zero_is_a_reservation(self, create, api, service):
        """0 is kept and told apart from none."""
        create()
        api.put_function_concurrency(FunctionName="orders", ReservedConcurrentExecutions=0)

        assert service.find("orders").function.reserved_concurrency == 0
        assert api.get_function(FunctionName="orders")["Concurrency"] == {"ReservedConcurrentExecutions": 0}
        api.delete_function_concurrency(FunctionName="orders")
        assert api.get_function_concurrency(FunctionName="orders") == {}


class TestEventInvokeConfig:
    """§2.1: asynchronous invocation."""

    def test_the_defaults_are_two_retries_in_six_hours(self, create, service):
        """Without a configuration, deliveries see AWS's defaults."""
        create()
        config = service.event_invoke_config(service.find("orders"))

        assert (config.retry_attempts_max, config.event_age_max_s, config.on_failure) == (2, 21_600, None)

    def test_put_replaces_and_update_merges(self, create, api):
        """Put forgets what it does not mention; update keeps it."""
        create()
        api.put_function_event_invoke_config(FunctionName="orders", MaximumRetryAttempts=0)
        api.update_function_event_invoke_config(FunctionName="orders", MaximumEventAgeInSeconds=60)
        merged = api.get_function_event_invoke_config(FunctionName="orders")
        replaced = api.put_function_event_invoke_config(FunctionName="orders", MaximumEventAgeInSeconds=90)

        assert (merged["MaximumRetryAttempts"], merged["MaximumEventAgeInSeconds"]) == (0, 60)
        assert "MaximumRetryAttempts" not in replaced
        assert replaced["FunctionArn"] == f"{ARN}:$LATEST"
        assert replaced["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}

    def test_each_qualifier_has_its_own(self, create, api, service):
        """An alias does not inherit the function's settings."""
        create(Publish=True)
        api.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")
        destination = {"OnFailure": {"Destination": QUEUE}}
        api.put_function_event_invoke_config(FunctionName="orders:live", DestinationConfig=destination)

        found = [service.event_invoke_config(service.find(name)).on_failure for name in ("orders", "orders:live")]
        assert found == [None, QUEUE]

    @pytest.mark.parametrize(
        ("settings", "code", "text"),
        [
            ({}, INVALID, "You must specify at least one of error handling or destination setting."),
            ({"MaximumRetryAttempts": 3}, "ValidationException", "Value '3' at 'maximumRetryAttempts'"),
            ({"MaximumEventAgeInSeconds": 59}, "ValidationException", "Value '59' at 'maximumEventAgeInSeconds'"),
            ({"MaximumEventAgeInSeconds": 21601}, "ValidationException", "less than or equal to 21600"),
            (
                {"DestinationConfig": {"OnSuccess": {"Destination": "jobs"}}},
                "ValidationException",
                "Value 'jobs' at 'destinationConfig.onSuccess.destination'",
            ),
            ({"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:s3:::kept"}}}, INVALID, "is invalid."),
            (
                {"DestinationConfig": {"OnFailure": {"Destination": ARN}}},
                INVALID,
                "You can't specify the function as a destination for itself.",
            ),
        ],
    )
    def test_what_is_out_of_range_is_refused(self, create, api, refusal, settings, code, text):
        """0 to 2 retries, 60 to 21,600 seconds, destinations that exist for the outcome."""
        create()
        answer = refusal(api.put_function_event_invoke_config, FunctionName="orders", **settings)

        assert code == answer[0]
        assert text in answer[1]

    def test_nothing_configured_is_404(self, create, api, refusal):
        """Without a configuration, get, update and delete do not find one."""
        create()
        expected = ("ResourceNotFoundException", f"The function {ARN}:$LATEST doesn't have an EventInvokeConfig", 404)

        assert refusal(api.get_function_event_invoke_config, FunctionName="orders") == expected
        assert refusal(api.delete_function_event_invoke_config, FunctionName="orders") == expected
        missing = refusal(api.get_function_event_invoke_config, FunctionName="nobody")
        assert missing == ("ResourceNotFoundException", "The function doesn't exist.", 404)


class TestPolicies:
    """Resource policies."""

    def test_a_permission_becomes_a_statement(self, create, api):
        """AddPermission shows up in GetPolicy as IAM writes it."""
        create()
        api.add_permission(
            FunctionName="orders",
            StatementId="topic",
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn="arn:aws:sns:eu-west-1:123456789012:orders",
        )
        policy = json.loads(api.get_policy(FunctionName="orders")["Policy"])

        assert policy["Statement"][0] == {
            "Sid": "topic",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": ARN,
            "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:sns:eu-west-1:123456789012:orders"}},
        }

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"StatementId": "no spaces"}, "Value 'no spaces' at 'statementId'"),
            ({"Action": "s3:GetObject"}, "Value 's3:GetObject' at 'action'"),
            ({"RevisionId": "old"}, "Call the GetPolicy API to retrieve the latest RevisionId"),
            ({"FunctionName": "orders:live"}, f"Function not found: {ARN}:live"),
        ],
    )
    def test_what_a_statement_cannot_be_is_refused(self, create, api, refusal, changes, text):
        """Id, action, revision and qualifier are checked."""
        create()
        params = {"FunctionName": "orders", "StatementId": "s", "Action": "*", "Principal": "*"} | changes

        assert text in refusal(api.add_permission, **params)[1]

    def test_an_unknown_statement_is_404(self, create, api, refusal):
        """RemovePermission names the statement that is not there."""
        create()
        api.add_permission(FunctionName="orders", StatementId="s", Action="*", Principal="arn:aws:iam::1:role/x")

        gone = refusal(api.remove_permission, FunctionName="orders", StatementId="t")
        assert gone == ("ResourceNotFoundException", "Statement t is not found in resource policy.", 404)


class TestUrls:
    """§1.9: function URLs."""

    def test_a_url_is_made_once_and_outlives_its_updates(self, create, api, refusal):
        """A second creation is a conflict; an update keeps the URL."""
        create()
        url = api.create_function_url_config(FunctionName="orders", AuthType="NONE")["FunctionUrl"]
        again = refusal(api.create_function_url_config, FunctionName="orders", AuthType="NONE")
        updated = api.update_function_url_config(FunctionName="orders", InvokeMode="RESPONSE_STREAM")

        assert url.endswith(".lambda-url.eu-west-1.on.aws/")
        assert again[0] == "ResourceConflictException"
        assert updated["FunctionUrl"] == url

    def test_only_functions_and_aliases_have_urls(self, create, api, refusal):
        """A version number is no qualifier for a URL."""
        create(Publish=True)

        code, message, _ = refusal(
            api.create_function_url_config, FunctionName="orders", Qualifier="1", AuthType="NONE"
        )
        assert (code, "Value '1' at 'qualifier'" in message) == ("ValidationException", True)
        assert refusal(api.get_function_url_config, FunctionName="orders")[2] == 404


class TestRecursion:
    """§7: what happens to recursive loops."""

    def test_loops_are_stopped_unless_allowed(self, create, api, refusal):
        """Terminate is the default, Allow the other choice, and there is no third."""
        create()
        before = api.get_function_recursion_config(FunctionName="orders")
        api.put_function_recursion_config(FunctionName="orders", RecursiveLoop="Allow")

        assert before == {"RecursiveLoop": "Terminate"}
        assert api.get_function_recursion_config(FunctionName="orders") == {"RecursiveLoop": "Allow"}
        bad = refusal(api.put_function_recursion_config, FunctionName="orders", RecursiveLoop="Maybe")
        assert "enum value set: [Allow, Terminate]" in bad[1]


class TestPolicyLife:
    """How a policy ends."""

    def test_the_last_statement_takes_the_policy_with_it(self, create, api, refusal):
        """After the last RemovePermission there is no policy."""
        create()
        statement = {"FunctionName": "orders", "StatementId": "all"}
        api.add_permission(**statement, Action="*", Principal="*")

        assert refusal(api.add_permission, **statement, Action="*", Principal="*")[2] == 409
        api.remove_permission(**statement)
        assert refusal(api.remove_permission, **statement)[1] == "No policy is associated with the given resource."
        gone = refusal(api.get_policy, FunctionName="orders")
        assert gone == ("ResourceNotFoundException", "The resource you requested does not exist.", 404)


class TestLayers:
    """Layers."""

    def test_a_layer_is_numbered_and_used(self, create, api, service, zip_of):
        """A function's layers show in its configuration and bring their content along."""
        content = {"ZipFile": zip_of({"python/shared.py": "x = 1"})}
        numbers = [api.publish_layer_version(LayerName="shared", Content=content)["Version"] for _ in range(2)]
        layer_arn = "arn:aws:lambda:eu-west-1:123456789012:layer:shared:2"
        function = create(Layers=[layer_arn])

        assert numbers == [1, 2]
        assert function["Layers"][0]["Arn"] == layer_arn
        assert (service.find("orders").version.layers[0].code.root / "python" / "shared.py").exists()

    def test_a_missing_version_is_refused(self, create, refusal):
        """A layer version that does not exist cannot be used."""
        arn = "arn:aws:lambda:eu-west-1:123456789012:layer:none:1"

        assert refusal(create, Layers=[arn]) == (INVALID, f"Layer version {arn} does not exist.", 400)

    def test_two_versions_of_one_layer_are_refused(self, create, api, refusal, zip_of):
        """A function uses a layer once."""
        content = {"ZipFile": zip_of({"python/shared.py": "x = 1"})}
        arns = [api.publish_layer_version(LayerName="shared", Content=content)["LayerVersionArn"] for _ in range(2)]

        assert "Two different versions of the same layer" in refusal(create, Layers=arns)[1]

    def test_six_layers_are_refused(self, create, refusal):
        """Five layers are the most."""
        arns = [f"arn:aws:lambda:eu-west-1:123456789012:layer:l{n}:1" for n in range(6)]

        assert refusal(create, Layers=arns)[1] == "Cannot reference more than 5 layers."

    def test_a_public_layer_is_taken_with_a_warning(self, create, world, service):
        """A layer of another account has no content here; the function is made, and the journal says so."""
        arn = "arn:aws:lambda:eu-west-1:017000801446:layer:AWSLambdaPowertoolsPythonV3:1"
        create(Layers=[arn])

        assert service.find("orders").version.layers[0].code is None
        resource, detail = world.warnings[0]
        assert resource == "orders"
        assert arn in detail["message"]

    @pytest.mark.parametrize(
        ("operation", "params", "text"),
        [
            ("get_layer_version", {"LayerName": "shared", "VersionNumber": 0}, "Layer Version Cannot be less than 1."),
            ("get_layer_version", {"LayerName": "no spaces", "VersionNumber": 1}, "Value 'no spaces' at 'layerName'"),
            ("get_layer_version_by_arn", {"Arn": "shared:1"}, "Value 'shared:1' at 'arn'"),
            (
                "get_layer_version_by_arn",
                {"Arn": "arn:aws:lambda:eu-west-1:017000801446:layer:public:1"},
                "is not authorized to perform: lambda:GetLayerVersion",
            ),
            (
                "publish_layer_version",
                {"LayerName": "shared", "Content": {}, "CompatibleRuntimes": ["python3.12"] * 16},
                "at 'compatibleRuntimes'",
            ),
        ],
    )
    def test_what_no_layer_can_be_is_refused(self, api, refusal, operation, params, text):
        """Names, numbers, owners and runtimes of layers are checked."""
        assert text in refusal(getattr(api, operation), **params)[1]

    def test_a_deleted_version_stays_with_its_functions(self, create, api, service, refusal, zip_of):
        """Deleting a layer version takes it from the list, not from the functions that use it."""
        content = {"ZipFile": zip_of({"python/shared.py": "x = 1"})}
        arn = api.publish_layer_version(LayerName="shared", Content=content)["LayerVersionArn"]
        create(Layers=[arn])
        api.delete_layer_version(LayerName="shared", VersionNumber=1)

        assert refusal(api.get_layer_version_by_arn, Arn=arn)[2] == 404
        assert service.find("orders").version.layers[0].code is not None
        assert api.publish_layer_version(LayerName="shared", Content=content)["Version"] == 2


class TestTags:
    """Tags."""

    def test_tags_come_and_go(self, create, api):
        """TagResource adds and replaces, UntagResource removes."""
        create(Tags={"team": "a"})
        api.tag_resource(Resource=ARN, Tags={"team": "b", "cost": "1"})
        api.untag_resource(Resource=ARN, TagKeys=["cost"])

        assert api.list_tags(Resource=ARN)["Tags"] == {"team": "b"}

    def test_a_qualified_arn_has_no_tags(self, create, api, refusal):
        """Only functions are tagged, not their versions."""
        create(Publish=True)

        message = "Tags on function aliases and versions are not supported. Please specify a function ARN."
        assert refusal(api.list_tags, Resource=f"{ARN}:1")[1] == message


class TestSnapshot:
    """Reset between tests."""

    def test_restore_drops_what_a_test_made(self, create, api, service):
        """After a restore the world's functions are those of the snapshot, and ids repeat themselves."""
        create()
        start = service.snapshot()
        first = create("extra")["RevisionId"]
        api.update_function_configuration(FunctionName="orders", Timeout=60)
        service.restore(start)

        assert [(function.name, function.latest.timeout_s) for function in service.all()] == [("orders", 3)]
        assert first == create("extra")["RevisionId"]


class TestEveryOperation:
    """The whole API once, each answer checked against the model's output shape."""

    def test_every_operation_answers_in_its_shape(self, api, zip_of):
        """No response has a key that boto3's would not have, or a value of another kind."""
        called = set()
        for operation, params in every_call(zip_of({"app.py": "x = 1"}), zip_of({"app.py": "x = 2"})):
            if params.get("UUID") == "the mapping's":
                params["UUID"] = api.list_event_source_mappings()["EventSourceMappings"][0]["UUID"]
            getattr(api, operation)(**params)
            called.add(operation)

        assert api.operations == called

    def test_mappings_are_tagged_by_their_arn(self, create, api):
        """A mapping's tags are kept like a function's."""
        create()
        arn = api.create_event_source_mapping(FunctionName="orders", EventSourceArn=QUEUE, Tags={"a": "b"})[
            "EventSourceMappingArn"
        ]
        api.tag_resource(Resource=arn, Tags={"c": "d"})
        api.untag_resource(Resource=arn, TagKeys=["a"])

        assert api.list_tags(Resource=arn)["Tags"] == {"c": "d"}

    def test_every_code_of_ours_is_one_that_the_api_models(self, api):
        """boto3 has an exception class for each error code that Lambda models."""
        ours = {"InvalidParameterValueException", "ResourceConflictException", "ResourceNotFoundException"}

        assert ours | {"PreconditionFailedException", "InvalidRequestContentException"} <= api.errors


def every_call(content, changed):
    """Each operation of the service with parameters that reach most of its answer, in an order that works."""
    name, alias, layer = {"FunctionName": "orders"}, {"FunctionName": "orders", "Name": "live"}, {"LayerName": "shared"}
    layer_arn = "arn:aws:lambda:eu-west-1:123456789012:layer:shared:1"
    mapping = {"UUID": "the mapping's"}
    permission = {**name, "StatementId": "s"}
    code = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": content}}
    environment = {"Environment": {"Variables": {"TABLE": "t"}}, "DeadLetterConfig": {"TargetArn": QUEUE}}
    weights = {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}}
    alias_of = {**name, "Qualifier": "live"}
    return [
        ("publish_layer_version", {**layer, "Content": {"ZipFile": content}, "CompatibleRuntimes": ["python3.12"]}),
        ("publish_layer_version", {**layer, "Content": {"ZipFile": content}, "LicenseInfo": "MIT"}),
        ("get_layer_version", {**layer, "VersionNumber": 1}),
        ("get_layer_version_by_arn", {"Arn": layer_arn}),
        ("list_layers", {"CompatibleRuntime": "python3.12"}),
        ("list_layer_versions", layer),
        (
            "create_function",
            {**name, **code, **environment, "Layers": [layer_arn], "Tags": {"a": "b"}, "Publish": True},
        ),
        ("get_function", name),
        ("get_function_configuration", name),
        ("list_versions_by_function", {**name, "MaxItems": 1}),
        ("list_functions", {"FunctionVersion": "ALL"}),
        ("update_function_code", {**name, "ZipFile": changed, "Publish": True}),
        ("update_function_configuration", {**name, "SnapStart": {"ApplyOn": "PublishedVersions"}}),
        ("publish_version", name),
        ("create_alias", {**alias, "FunctionVersion": "1", **weights}),
        ("update_alias", {**alias, "Description": "d"}),
        ("get_alias", alias),
        ("list_aliases", {**name, "FunctionVersion": "2"}),
        ("put_function_concurrency", {**name, "ReservedConcurrentExecutions": 1}),
        ("get_function_concurrency", name),
        ("get_function", name),
        ("get_account_settings", {}),
        ("delete_function_concurrency", name),
        ("put_function_event_invoke_config", {**name, "MaximumRetryAttempts": 1}),
        ("update_function_event_invoke_config", {**name, "MaximumEventAgeInSeconds": 60}),
        ("get_function_event_invoke_config", name),
        ("list_function_event_invoke_configs", name),
        ("delete_function_event_invoke_config", name),
        ("add_permission", {**permission, "Action": "*", "Principal": "123456789012", "InvokedViaFunctionUrl": True}),
        ("get_policy", name),
        ("remove_permission", permission),
        ("create_function_url_config", {**name, "AuthType": "NONE", "Cors": {"AllowOrigins": ["*"]}}),
        ("update_function_url_config", {**name, "AuthType": "AWS_IAM"}),
        ("get_function_url_config", name),
        ("list_function_url_configs", name),
        ("delete_function_url_config", name),
        ("create_event_source_mapping", {**name, "EventSourceArn": QUEUE}),
        ("update_event_source_mapping", {**mapping, "ScalingConfig": {"MaximumConcurrency": 2}}),
        ("get_event_source_mapping", mapping),
        ("list_event_source_mappings", name),
        ("delete_event_source_mapping", mapping),
        ("tag_resource", {"Resource": ARN, "Tags": {"c": "d"}}),
        ("list_tags", {"Resource": ARN}),
        ("untag_resource", {"Resource": ARN, "TagKeys": ["a"]}),
        ("put_provisioned_concurrency_config", {**alias_of, "ProvisionedConcurrentExecutions": 1}),
        ("get_provisioned_concurrency_config", alias_of),
        ("list_provisioned_concurrency_configs", name),
        ("delete_provisioned_concurrency_config", alias_of),
        ("put_function_recursion_config", {**name, "RecursiveLoop": "Allow"}),
        ("get_function_recursion_config", name),
        ("put_runtime_management_config", {**name, "UpdateRuntimeOn": "FunctionUpdate"}),
        ("get_runtime_management_config", name),
        ("delete_alias", alias),
        ("delete_layer_version", {**layer, "VersionNumber": 1}),
        ("delete_function", name),
    ]
