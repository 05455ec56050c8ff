"""aws-semantics §1.3, §1.6, §1.8: who may run, and what is initialised ahead."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config

from stagefright import open_stage
from stagefright.aws_api.errors import ApiError
from stagefright.errors import SettingsError

SLOW = "import time\ndef handler(event, context): time.sleep(5)"
SHOWS_INIT = """
    import os, time
    began = time.time()
    def handler(event, context):
        if event and event.get("sleep"):
            time.sleep(event["sleep"])
        return [os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], began]
"""


def impatient():
    """A client that does not retry."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("lambda", region_name="us-east-1", config=config)


def reason(system, function="Worker", **params):
    """The Reason with which an invocation is throttled; None if it is not."""
    client = impatient()
    try:
        client.invoke(FunctionName=system.stage.ref(function), **params)
    except client.exceptions.TooManyRequestsException as error:
        return error.response["Reason"]
    return None


def refusal(operation, **params):
    """Code and message of what is refused."""
    with pytest.raises(impatient().exceptions.ClientError) as caught:
        operation(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def under_way(system, count, function="Worker", **params):
    """Let so many invocations be under way."""
    for _ in range(count):
        system.invoke_later(function=function, **params)
    system.advance(0)


class TestLimits:
    """§1.8: the account's concurrency, and how fast it may be used."""

    @pytest.mark.rule("1.8/account-limit")
    @pytest.mark.rule("1.3/reason-concurrent")
    def test_the_account(self, system):
        """§1.3, §1.8: one more than the account has is throttled."""
        system.up(Worker=system.function(SLOW, Timeout=10), Other=system.function())
        world = system.stage.world
        default, world.account_concurrency = world.account_concurrency, 3
        under_way(system, 3)

        assert default == 1000
        assert reason(system, "Other") == "ConcurrentInvocationLimitExceeded"
        system.settle()
        assert reason(system, "Other") is None

    @pytest.mark.rule("1.8/account-settings")
    def test_the_settings_of_the_account(self, system):
        """§1.8: what is reserved, or provisioned by functions that reserve nothing, is not unreserved any more."""
        system.up(
            Reserving=system.function(ReservedConcurrentExecutions=100),
            Providing=system.function(),
            Version=system.resource(
                "Lambda::Version",
                FunctionName=system.ref("Providing"),
                ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 7},
            ),
        )
        limits = system.client("lambda").get_account_settings()["AccountLimit"]

        assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (1000, 893)

    @pytest.mark.rule("1.8/floor-and-ceiling")
    def test_floor_and_ceiling(self, system):
        """§1.8: others cannot use what is reserved, and the function cannot exceed it."""
        system.up(
            Worker=system.function(SLOW, ReservedConcurrentExecutions=2, Timeout=10),
            Other=system.function(SLOW, Timeout=10),
        )
        system.stage.world.account_concurrency = 5
        under_way(system, 3, "Other")

        assert reason(system, "Other") == "ConcurrentInvocationLimitExceeded"
        under_way(system, 2)
        assert len(system.invocations("Worker")) == 2
        assert reason(system) == "ReservedFunctionConcurrentInvocationLimitExceeded"

    @pytest.mark.rule("1.8/reserved-covers-all")
    @pytest.mark.rule("1.3/reason-reserved")
    def test_versions_share_what_is_reserved(self, system):
        """§1.3, §1.8: $LATEST, versions and aliases count together."""
        system.up(Worker=system.function(SLOW, ReservedConcurrentExecutions=2, Timeout=10))
        api, name = system.client("lambda"), system.stage.ref("Worker")
        api.publish_version(FunctionName=name)
        api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        under_way(system, 1, Qualifier="1")
        under_way(system, 1)

        assert reason(system, Qualifier="live") == "ReservedFunctionConcurrentInvocationLimitExceeded"

    @pytest.mark.rule("1.8/growth")
    def test_how_fast_a_function_grows(self, system):
        """§1.8: 1,000 environments at once, and a hundred more each second."""
        system.up(Worker=system.function())
        world = system.stage.world
        world.account_concurrency = 100_000
        concurrency, function = world.executor._concurrency, world.functions.find(system.stage.ref("Worker")).function

        reasons = set()

        def grow(count):
            made = 0
            for _ in range(count):
                try:
                    with concurrency.admitted(function, provisioned=False, grows=True):
                        made += 1
                except ApiError as error:
                    reasons.add(error.fields["Reason"])
            return made

        assert grow(1500) == 1000
        system.advance(1)
        assert grow(1500) == 100
        system.advance(10)
        assert grow(1500) == 1000
        assert reasons == {"ConcurrentInvocationLimitExceeded"}

    @pytest.mark.rule("1.8/request-rate")
    @pytest.mark.rule("1.3/reason-reserved-rate")
    def test_the_request_rate_of_a_reserved_function(self, system):
        """§1.3, §1.8: ten a second for each unit, even of invocations that take no time."""
        system.up(Worker=system.function(ReservedConcurrentExecutions=1))
        reasons = [reason(system) for _ in range(11)]

        assert reasons == [None] * 10 + ["ReservedFunctionInvocationRateLimitExceeded"]
        system.advance(0.1)
        assert reason(system) is None

    @pytest.mark.rule("1.8/request-rate")
    @pytest.mark.rule("1.3/reason-rate")
    def test_the_request_rate_of_the_account(self, system):
        """§1.3, §1.8: all functions that reserve nothing share one."""
        system.up(Worker=system.function(), Other=system.function())
        system.stage.world.account_concurrency = 1
        reasons = [reason(system, name) for name in ("Worker", "Other") * 5]

        assert reasons == [None] * 10
        assert reason(system) == "FunctionInvocationRateLimitExceeded"


class TestProvisioned:
    """§1.8: provisioned concurrency."""

    @pytest.fixture
    def provisioned(self, system):
        """Deploys a function with a version whose environments are provisioned; further settings are the function's."""

        def up(amount=2, code=SHOWS_INIT, **settings):
            system.up(
                Worker=system.function(code, **settings),
                Version=system.resource(
                    "Lambda::Version",
                    FunctionName=system.ref("Worker"),
                    ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": amount},
                ),
            )
            return system.stage.ref("Worker")

        return up

    @pytest.mark.rule("1.8/provisioned-ahead")
    @pytest.mark.rule("1.6/initialization-type")
    @pytest.mark.rule("1.5/init-report")
    def test_environments_are_initialised_ahead(self, system, provisioned):
        """§1.5, §1.6, §1.8: no cold start, no Init Duration; INIT_REPORT tells of the init phase."""
        provisioned()
        system.advance(60)
        answer = system.stage.invoke("Worker", qualifier="1")

        assert answer.payload == ["provisioned-concurrency", system.began]
        assert system.invocations()[0].detail["cold"] is False
        assert [line.split(" ")[0] for line in answer.log.split("\n")] == ["START", "END", "REPORT"]
        assert "Init Duration" not in answer.log
        group = f"/aws/lambda/{system.stage.ref('Worker')}"
        lines = [e["message"] for e in system.client("logs").filter_log_events(logGroupName=group)["events"]]
        reports = [line for line in lines if line.startswith("INIT_REPORT")]
        assert reports == ["INIT_REPORT Init Duration: 0.00 ms\tPhase: init"] * 2

    @pytest.mark.rule("1.8/provisioned-spill")
    def test_more_run_on_demand(self, system, provisioned):
        """§1.8: the third of three at once is a cold start on demand; afterwards provisioned ones are taken first."""
        provisioned()
        under_way(system, 3, Qualifier="1", event={"sleep": 1})
        system.settle()
        kinds = [record.detail["payload"][0] for record in system.records("outcome")]

        assert sorted(kinds) == ["on-demand", "provisioned-concurrency", "provisioned-concurrency"]
        assert system.stage.invoke("Worker", qualifier="1").payload[0] == "provisioned-concurrency"
        assert system.stage.invoke("Worker").payload[0] == "on-demand"

    def test_one_that_ends_is_made_anew(self, system, provisioned):
        """§1.8: after a timeout there are as many as before."""
        provisioned(1, Timeout=2)
        timeout = system.stage.invoke("Worker", {"sleep": 9}, qualifier="1")
        system.settle()
        answer = system.stage.invoke("Worker", qualifier="1")

        assert timeout.error == "Sandbox.Timedout"
        assert answer.payload == ["provisioned-concurrency", system.began + 2]
        assert system.invocations()[1].detail["cold"] is False

    def test_each_test_finds_them_again(self, system, provisioned):
        """§1.8: a reset initialises them anew."""
        provisioned()
        system.stage.invoke("Worker", qualifier="1")
        system.stage.reset()

        assert system.stage.invoke("Worker", qualifier="1").payload[0] == "provisioned-concurrency"
        assert system.invocations()[0].detail["cold"] is False

    def test_a_large_number_costs_nothing(self, system, provisioned):
        """§1.8: what is beyond the first few is initialised when it is needed, as if it had been before."""
        provisioned(500)
        under_way(system, 30, Qualifier="1", event={"sleep": 1})
        system.settle()

        assert {record.detail["payload"][0] for record in system.records("outcome")} == {"provisioned-concurrency"}
        assert {record.detail["cold"] for record in system.invocations()} == {False}

    @pytest.mark.rule("1.8/reserved-is-provisioned")
    def test_all_that_is_reserved_is_provisioned(self, system, provisioned):
        """§1.8: $LATEST has no place; the version runs."""
        provisioned(2, ReservedConcurrentExecutions=2)
        system.settle()

        assert reason(system) == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert reason(system, Qualifier="1") is None

    @pytest.mark.rule("1.8/provisioned-status")
    @pytest.mark.rule("1.6/init-provisioned")
    def test_from_in_progress_to_ready(self, system):
        """§1.6, §1.8: the init phase runs in the background, for up to 130 seconds; the API tells how far it is."""
        system.up(Worker=system.function("import time\ntime.sleep(120)\ndef handler(event, context): return 'done'"))
        api, name = system.client("lambda"), system.stage.ref("Worker")
        api.publish_version(FunctionName=name)
        put = api.put_provisioned_concurrency_config(
            FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2
        )
        system.advance(119)
        before = api.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
        system.advance(2)
        after = api.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
        (listed,) = api.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]

        def shown(answer):
            kinds = ("Requested", "Allocated", "Available")
            return answer["Status"], *(answer[f"{kind}ProvisionedConcurrentExecutions"] for kind in kinds)

        assert shown(put) == shown(before) == ("IN_PROGRESS", 2, 0, 0)
        assert shown(after) == shown(listed) == ("READY", 2, 2, 2)
        assert listed["FunctionArn"] == f"{system.stage.arn('Worker')}:1"
        assert system.stage.invoke("Worker", qualifier="1").payload == "done"
        api.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
        assert refusal(api.get_provisioned_concurrency_config, FunctionName=name, Qualifier="1") == (
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
        )

    @pytest.mark.rule("1.8/provisioned-status")
    @pytest.mark.rule("1.6/init-provisioned")
    @pytest.mark.parametrize("code", ["import nothing_like_it", "import time\ntime.sleep(131)"])
    def test_an_init_that_fails(self, system, provisioned, code):
        """§1.6, §1.8: FAILED, and invocations run on demand."""
        name = provisioned(1, code)
        system.advance(140)
        shown = system.client("lambda").get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")

        assert (shown["Status"], shown["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
        assert system.stage.invoke("Worker", qualifier="1").error is not None

    @pytest.mark.rule("1.8/reserved-below-provisioned")
    @pytest.mark.rule("1.8/provisioned-room")
    def test_what_does_not_fit(self, system, provisioned):
        """§1.8: AWS's texts, odd blanks included."""
        name = provisioned(5)
        api = system.client("lambda")

        def reserve(amount):
            return refusal(api.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=amount)[1]

        def provide(amount):
            return refusal(
                api.put_provisioned_concurrency_config,
                FunctionName=name,
                Qualifier="1",
                ProvisionedConcurrentExecutions=amount,
            )[1]

        assert reserve(4) == (
            " ReservedConcurrentExecutions  4 should not be lower than function's total provisioned concurrency [5]."
        )
        assert provide(901) == (
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum "
            "value of [100]."
        )
        assert provide(1001) == (
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000]."
        )
        api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
        assert provide(6) == (
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
        )

    @pytest.mark.rule("1.8/provisioned-where")
    def test_where_it_is_not_taken(self, system):
        """§1.8: not for $LATEST, nor for an alias of it, nor twice for one version."""
        system.up(Worker=system.function())
        api, name, arn = system.client("lambda"), system.stage.ref("Worker"), system.stage.arn("Worker")
        for alias, version in (("dev", "$LATEST"), ("live", "1"), ("other", "1")):
            if version == "1":
                api.publish_version(FunctionName=name)
            api.create_alias(FunctionName=name, Name=alias, FunctionVersion=version)

        def provide(qualifier):
            return refusal(
                api.put_provisioned_concurrency_config,
                FunctionName=name,
                Qualifier=qualifier,
                ProvisionedConcurrentExecutions=1,
            )

        unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        assert provide("$LATEST")[1] == provide("dev")[1] == unpublished
        assert provide("7")[1] == f"Function not found: {arn}:7"
        assert provide("nobody")[1] == f"Cannot find alias arn: {arn}:nobody"
        api.put_provisioned_concurrency_config(FunctionName=name, Qualifier="live", ProvisionedConcurrentExecutions=1)
        assert provide("1") == ("ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias")
        api.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
        api.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1)
        assert provide("other") == (
            "ResourceConflictException",
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        )


@pytest.mark.rule("1.8/account-limit")
def test_the_account_is_a_setting(tmp_path):
    """§1.8: a new account may have ten; the settings of a project say so."""
    template = tmp_path / "template.json"
    template.write_text('{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}')
    with open_stage("small", template=template, account_concurrency=10) as stage:
        limits = stage.client("lambda").get_account_settings()["AccountLimit"]

    assert limits["ConcurrentExecutions"] == 10
    with pytest.raises(SettingsError, match="a whole number above zero"):
        open_stage("none", template=template, account_concurrency=0)
