"""
What `cdk synth` wrote stands up as it is: several stacks that import from each other, a nested one, assets, custom resources.

The output in the `cdk_...` apps is real; `generate.py` makes it anew.
"""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import pytest

import stagefright
from stagefright.chaos import Failure
from stagefright.errors import SettingsError, StagefrightWarning, TemplateError, UnknownResource

APPS = Path(__file__).parent


@pytest.fixture
def stand():
    """Stand the project in a directory up, from what is found there; it is dropped when the test ends."""
    stages = []

    def stand(directory, **settings):
        stages.append(stagefright.open_stage("dev", directory=directory, **settings))
        return stages[-1]

    yield stand
    for stage in reversed(stages):
        stage.close()


@pytest.fixture
def shop(stand):
    return stand(APPS / "cdk_shop", stack="Shop")


def lines_of(stage, function):
    """What a function printed."""
    printed = [record.detail["line"] for record in stage.journal if (record.kind, record.resource) == ("log", function)]
    return [line for line in printed if not line.startswith(("START", "END", "REPORT", "INIT_START"))]


class TestShop:
    """A stack that another exports to, and one that is nested in it."""

    def test_it_stands_up_without_a_word(self, stand):
        """Nothing of it is a placeholder: CDK's metadata, its version check and its custom resources are answered for."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", StagefrightWarning)
            stand(APPS / "cdk_shop", stack="*", strict_template=True)

    def test_what_one_stack_exports_another_imports(self, shop):
        """The order is written to a table, and published to a topic, of the other stack."""
        answer = shop.http.post("/orders", json={"id": "o-1"})

        flow = shop.settle()
        assert (answer.status_code, answer.json()) == (201, {"id": "o-1"})
        assert shop.client("dynamodb").scan(TableName=shop.ref("Orders"))["Count"] == 1
        assert sorted(lines_of(shop, "Bill")) == ["bill aws:dynamodb", "bill aws:sns"]
        assert flow.path == ["Api", "Place", "Orders", "Bill", "Placed"]

    def test_the_bucket_of_the_nested_stack_notifies(self, shop):
        """CDK's custom resource for notifications does what it does on AWS; the queue is that of the stack around it."""
        bucket = shop.ref("Reports.Archive")
        assert shop.outputs["ArchiveName"] == bucket

        shop.client("s3").put_object(Bucket=bucket, Key="july.txt", Body=b"")
        shop.client("s3").put_object(Bucket=bucket, Key="july.csv", Body=b"")
        flow = shop.settle()

        assert flow.attempts("Reports.Report").outcomes == [None]
        assert flow.path == ["Reports.Archive", "Reports.Report", "Shipments", "Bill"]

    def test_the_log_group_keeps_what_log_retention_says(self, shop):
        """A custom resource too."""
        (group,) = shop.client("logs").describe_log_groups()["logGroups"]

        assert (group["logGroupName"], group["retentionInDays"]) == (f"/aws/lambda/{shop.ref('Bill')}", 7)

    def test_code_runs_as_the_files_of_the_project(self, shop):
        """The asset is a copy of them; breakpoints and coverage look for the originals."""
        shop.client("sns").publish(TopicArn=shop.ref("Placed"), Message="{}")
        shop.settle()

        assert shop.module("Bill").__file__ == str(APPS / "cdk_shop" / "lambda" / "bill" / "index.py")

    def test_code_that_was_edited_since_runs_from_the_asset_and_warns(self, tmp_path, stand):
        """What would be deployed is what runs; the file that was meant is found by its likeness."""
        app = shutil.copytree(APPS / "cdk_shop", tmp_path / "shop")
        edited = app / "lambda" / "bill" / "index.py"
        edited.write_text(edited.read_text().replace("batchItemFailures", "failures"))

        with pytest.warns(StagefrightWarning, match=r"older than your lambda/bill/index\.py.*Run `cdk synth` again"):
            stage = stand(app, stack="Shop")

        assert stage.invoke("Bill", {"Records": []}).payload == {"batchItemFailures": []}
        assert "cdk.out" in stage.module("Bill").__file__

    def test_a_resource_answers_to_all_its_names(self, shop):
        """Without the hash, with it, by its path of constructs, by its place; and of a nested stack alone, if it is the only one."""
        for name in ("Place", "Place7A6A35E8", "Shop/Place/Resource", "Shop/Place", "Shop.Place"):
            assert shop.arn(name) == shop.arn("Place")
        for name in ("Report", "ReportC847FC22", "Reports.ReportC847FC22", "Reports/Report", "Shop.Reports.Report"):
            assert shop.arn(name) == shop.arn("Reports.Report")
        assert shop.resources["Reports"].type == "AWS::CloudFormation::Stack"

    def test_a_name_that_is_wrong_suggests_the_nearest(self, shop):
        """By the name that it has on the stage."""
        with pytest.raises(UnknownResource, match="Did you mean Shipments"):
            shop.ref("Shipment")

    def test_listeners_and_plans_take_every_name(self, shop):
        """The hash is noise, but who copies it from a console is understood."""
        from stagefright.chaos.control import Chaos
        from stagefright.listeners import Listen

        topic = Listen(shop).sns("PlacedD9956B27")
        with Chaos(shop)(BillE7713C54=Failure("closed")):
            shop.client("sns").publish(TopicArn=shop.ref("Placed"), Message='{"id": 1}')
            flow = shop.settle()

        topic.expect(message={"id": 1})
        assert flow.attempts("Bill").outcomes == flow.attempts("BillE7713C54").outcomes == ["Exception"] * 3


class TestSeveralEnvironments:
    """CDK's stages: one system, twice, in one assembly."""

    def test_one_of_them(self, stand):
        """By the name that `cdk list` has for it."""
        stage = stand(APPS / "cdk_stages", stack="Prod/Greetings")

        assert stage.invoke("Greet").payload == "hello from Prod"

    def test_all_of_them(self, stand):
        """The name of the stack tells equal names apart; without it, the candidates are listed."""
        stage = stand(APPS / "cdk_stages", stack="*/Greetings, Beta/Other")

        assert stage.invoke("Beta/Greetings.Greet").payload == "hello from Beta"
        assert stage.invoke("Prod-Greetings.Greet").payload == "hello from Prod"
        assert stage.ref("Jobs") == stage.ref("Beta/Other/Jobs")
        with pytest.raises(
            UnknownResource, match=r"'Greet' may be any of Beta/Greetings\.Greet, Prod/Greetings\.Greet"
        ):
            stage.ref("Greet")

    def test_one_must_be_named(self, stand):
        """The error lists them, and says where."""
        with pytest.raises(SettingsError, match=r"4 stacks: .*Prod/Other.*\[tool\.stagefright\] stack"):
            stand(APPS / "cdk_stages")


class TestSpoiltOutput:
    def test_a_missing_asset_names_the_command(self, tmp_path, stand):
        """`cdk.out` was cleaned in part."""
        app = shutil.copytree(APPS / "cdk_stages", tmp_path / "app")
        (asset,) = (app / "cdk.out").glob("asset.*")
        shutil.rmtree(asset)

        with pytest.raises(TemplateError, match=r"Greet.*: Code is the asset asset\..*which is not there.*`cdk synth`"):
            stand(app, stack="Beta/Greetings")

    def test_a_parameter_that_no_stack_declares(self, stand):
        """With several stacks each gets those that it declares."""
        with pytest.raises(SettingsError, match=r"none of the stacks .* declares Colour"):
            stand(APPS / "cdk_stages", stack="*", parameters={"Colour": "red"})

    def test_an_export_that_nobody_makes(self, tmp_path, stand):
        """It is told when its importer is deployed, with the setting that answers it."""
        app = shutil.copytree(APPS / "cdk_shop", tmp_path / "shop")
        file = app / "cdk.out" / "Foundation.template.json"
        template = json.loads(file.read_text())
        template["Outputs"] = {}
        file.write_text(json.dumps(template))

        with pytest.raises(TemplateError, match=r"no export of that name is known.*tool\.stagefright\.exports"):
            stand(app, stack="Shop")


class TestWhereItIsMeantToBe:
    def test_a_stack_for_one_region_stands_there(self, tmp_path, stand):
        """Its template may name both account and region in plain text; a setting decides otherwise."""
        app = shutil.copytree(APPS / "cdk_shop", tmp_path / "shop")
        manifest = app / "cdk.out" / "manifest.json"
        unknown, home = "aws://unknown-account/unknown-region", "aws://111122223333/eu-north-1"
        manifest.write_text(manifest.read_text().replace(unknown, home))

        at_home, elsewhere = stand(app, stack="Foundation"), stand(app, stack="Foundation", region="eu-west-1")

        assert at_home.arn("Placed").startswith("arn:aws:sns:eu-north-1:111122223333:")
        assert elsewhere.arn("Placed").startswith("arn:aws:sns:eu-west-1:111122223333:")

    def test_weak_references_between_stacks(self, tmp_path, stand):
        """`Fn::GetStackOutput`, which CDK writes instead of exports, finds the other stack by the name that it has there."""
        app = shutil.copytree(APPS / "cdk_shop", tmp_path / "shop")
        foundation, file = (app / "cdk.out" / f"{name}.template.json" for name in ("Foundation", "Shop"))
        outputs = json.loads(foundation.read_text())["Outputs"]
        exports = {one["Export"]["Name"]: name for name, one in outputs.items()}

        def weakened(value):
            if isinstance(value, list):
                return [weakened(item) for item in value]
            if not isinstance(value, dict):
                return value
            if "Fn::ImportValue" in value:
                name = exports[value["Fn::ImportValue"]]
                return {
                    "Fn::GetStackOutput": {
                        "StackName": "Foundation",
                        "Region": {"Ref": "AWS::Region"},
                        "OutputName": name,
                    }
                }
            return {key: weakened(item) for key, item in value.items()}

        template = json.loads(foundation.read_text())
        template["Outputs"] = {name: {"Value": one["Value"]} for name, one in outputs.items()}
        foundation.write_text(json.dumps(template))
        file.write_text(json.dumps(weakened(json.loads(file.read_text()))))

        stage = stand(app, stack="Shop")

        assert stage.http.post("/orders", json={"id": "o-1"}).status_code == 201
        assert stage.settle().reached("Bill")
