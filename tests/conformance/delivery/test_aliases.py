"""aws-semantics §10.1: versions and aliases, from every source that invokes one."""

from __future__ import annotations

import json
import textwrap
from collections import Counter

import pytest

from stagefright import open_stage

NUMBER = "def handler(event, context): return {n}"
SAM = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Worker:
        Type: AWS::Serverless::Function
        Properties:
          Runtime: python3.12
          Handler: index.handler
          InlineCode: |
            import os
            def handler(event, context): return [context.invoked_function_arn, context.function_version]
          AutoPublishAlias: live
          ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}
"""


@pytest.fixture
def two(system):
    """Deploys two versions behind the alias `live`, which routes a half to each; further resources may stand beside."""

    def up(weight=0.5, **resources):
        system.up(Worker=system.function(NUMBER.format(n=1)), **resources)
        api, name = system.client("lambda"), system.stage.ref("Worker")
        api.publish_version(FunctionName=name)
        system.update_code(NUMBER.format(n=2))
        api.publish_version(FunctionName=name)
        routing = {"AdditionalVersionWeights": {"2": weight}} if weight is not None else {}
        api.create_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig=routing)
        return api, name, f"{system.stage.arn('Worker')}:live"

    return up


def versions(system):
    """How often each version ran."""
    return Counter(record.detail["executed_version"] for record in system.invocations())


class TestChoice:
    """§10.1: which version runs."""

    @pytest.mark.rule("10.1/independent-choice")
    @pytest.mark.rule("10.1/executed-version")
    def test_each_invocation_chooses(self, system, two):
        """§10.1: about as the weights say, never in turns; the answer, START and the journal name the one that ran."""
        api, name, _ = two(0.3)
        answers = [api.invoke(FunctionName=name, Qualifier="live", LogType="Tail") for _ in range(100)]
        chosen = [answer["ExecutedVersion"] for answer in answers]

        assert 15 <= chosen.count("2") <= 45
        assert [json.loads(answer["Payload"].read()) for answer in answers] == [int(number) for number in chosen]
        assert [record.detail["executed_version"] for record in system.invocations()] == chosen
        logs = [system.stage.invoke("Worker", qualifier="live").log for _ in range(20)]
        started = [log.partition("Version: ")[2][0] for log in logs if "INIT_START" not in log]
        assert set(started) == {"1", "2"}

    @pytest.mark.rule("10.1/weights")
    @pytest.mark.parametrize(("weight", "expected"), [(0.0, {"1": 20}), (1.0, {"2": 20})])
    def test_the_ends_of_the_range(self, system, two, weight, expected):
        """§10.1: 0 is nobody, 1 is everybody."""
        api, name, _ = two(weight)
        for _ in range(20):
            api.invoke(FunctionName=name, Qualifier="live")

        assert versions(system) == expected

    @pytest.mark.rule("10.1/weighted-role")
    def test_versions_with_different_roles(self, system, two):
        """§10.1: refused."""
        api, name, _ = two(None)
        api.update_function_configuration(FunctionName=name, Role=system.ROLE.replace("worker", "other"))
        api.publish_version(FunctionName=name)

        with pytest.raises(api.exceptions.InvalidParameterValueException, match="execution role"):
            api.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"3": 0.5}})

    @pytest.mark.rule("10.1/weighted-published")
    def test_latest_takes_no_part(self, system, two):
        """§10.1: neither as the main version nor as the other."""
        api, name, _ = two(None)
        for change in (
            {"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}},
            {"RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}},
        ):
            with pytest.raises(api.exceptions.ClientError):
                api.update_alias(FunctionName=name, Name="live", **change)


class TestSources:
    """§10.1: whoever invokes by the alias' ARN gets the alias' choice."""

    @pytest.mark.rule("10.1/every-source")
    def test_asynchronously(self, system, two):
        """§10.1: each attempt chooses anew."""
        _, _, arn = two()
        for _ in range(30):
            system.client("lambda").invoke(FunctionName=arn, InvocationType="Event")
        system.settle()

        assert set(versions(system)) == {"1", "2"}

    @pytest.mark.rule("10.1/every-source")
    def test_an_event_source_mapping(self, system, two):
        """§10.1."""
        api, _, arn = two(Jobs=system.queue())
        api.create_event_source_mapping(FunctionName=arn, EventSourceArn=system.stage.arn("Jobs"), BatchSize=1)
        system.send(*[str(n) for n in range(30)])
        system.settle()

        assert set(versions(system)) == {"1", "2"}
        assert versions(system).total() == 30

    @pytest.mark.rule("10.1/every-source")
    def test_a_topic(self, system, two):
        """§10.1."""
        _, _, arn = two(Feed=system.topic())
        sns, topic = system.client("sns"), system.stage.ref("Feed")
        sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
        for _ in range(30):
            sns.publish(TopicArn=topic, Message="{}")
        system.settle()

        assert set(versions(system)) == {"1", "2"}

    @pytest.mark.rule("10.1/every-source")
    def test_an_http_api(self, system, two):
        """§10.1."""
        _, _, arn = two()
        api = system.client("apigatewayv2").create_api(Name="front", ProtocolType="HTTP", Target=arn)
        import requests

        answers = {requests.get(api["ApiEndpoint"] + "/", timeout=5).text for _ in range(30)}

        assert answers == {"1", "2"}


class TestVersions:
    """§10.1: what is published stays as it is."""

    @pytest.mark.rule("10.1/published-is-frozen")
    def test_new_code_leaves_a_version_warm(self, system):
        """§10.1: a change of $LATEST ends the environments of $LATEST only."""
        system.up(Worker=system.function("seen = []\ndef handler(event, context): seen.append(1); return len(seen)"))
        api, name = system.client("lambda"), system.stage.ref("Worker")
        api.publish_version(FunctionName=name)
        before = [system.stage.invoke("Worker", qualifier=q).payload for q in ("1", "1", "$LATEST")]
        system.update_code("def handler(event, context): return 'new'")
        after = [system.stage.invoke("Worker", qualifier=q).payload for q in ("1", "$LATEST")]

        assert (before, after) == ([1, 2, 1], [3, "new"])

    @pytest.mark.rule("10.1/publish-conditions")
    def test_conditions_of_publishing(self, system):
        """§10.1: another revision is 412, the right hash and revision are taken."""
        system.up(Worker=system.function())
        api, name = system.client("lambda"), system.stage.ref("Worker")
        shown = api.get_function_configuration(FunctionName=name)
        with pytest.raises(api.exceptions.PreconditionFailedException):
            api.publish_version(FunctionName=name, RevisionId="00000000-0000-4000-8000-000000000000")
        made = api.publish_version(FunctionName=name, RevisionId=shown["RevisionId"], CodeSha256=shown["CodeSha256"])

        assert made["Version"] == "1"


class TestDeployed:
    """§10.1: what templates say."""

    @pytest.mark.rule("10.1/template")
    def test_weights_and_provisioned_concurrency(self, system):
        """§10.1: CloudFormation's RoutingConfig is a list; an alias provisions both versions by their shares."""
        code = "import os\ndef handler(event, context): return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']"
        system.up(
            Worker=system.function(code),
            First=system.resource("Lambda::Version", FunctionName=system.ref("Worker")),
            Live=system.resource(
                "Lambda::Alias",
                FunctionName=system.ref("Worker"),
                Name="live",
                FunctionVersion=system.att("First", "Version"),
                ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": "4"},
            ),
        )
        api, name = system.client("lambda"), system.stage.ref("Worker")
        system.update_code(code + "  # changed")
        api.publish_version(FunctionName=name)
        api.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}})
        function = system.stage.world.functions.find(name).function
        system.settle()

        assert [function.provisioned_for(number) for number in ("1", "2")] == [3, 1]
        assert {system.stage.invoke("Worker", qualifier="live").payload for _ in range(20)} == {
            "provisioned-concurrency"
        }

    @pytest.mark.rule("10.1/template")
    def test_routing_in_a_template(self, system):
        """§10.1: weights are per version, as a list."""
        system.up(
            Worker=system.function(),
            First=system.resource("Lambda::Version", FunctionName=system.ref("Worker"), Description="first"),
            Live=system.resource(
                "Lambda::Alias",
                FunctionName=system.ref("Worker"),
                Name="live",
                FunctionVersion=system.att("First", "Version"),
            ),
        )
        api, name = system.client("lambda"), system.stage.ref("Worker")

        assert api.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "1"

    @pytest.mark.rule("10.1/sam")
    def test_auto_publish_alias(self, tmp_path):
        """§10.1: a version, an alias to it, and what is provisioned for it."""
        path = tmp_path / "template.yaml"
        path.write_text(textwrap.dedent(SAM))
        with open_stage("sam", template=path) as stage:
            api, name = stage.client("lambda"), stage.ref("Worker")
            arn, version = stage.invoke("Worker", qualifier="live").payload
            shown = api.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")

        assert (arn.rpartition(":")[2], version) == ("live", "1")
        assert (shown["Status"], shown["RequestedProvisionedConcurrentExecutions"]) == ("READY", 1)
