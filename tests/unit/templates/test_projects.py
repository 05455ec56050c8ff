"""Which stacks a project has, and what of this machine they name: for people's templates, the Serverless Framework and CDK."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stagefright.errors import SettingsError, TemplateError
from stagefright.templates import find_template, read_project
from stagefright.templates.artifacts import UPLOADABLE, replaced

APPS = Path(__file__).parents[2] / "apps"


def stacks(project):
    return {stack.name: stack for stack in project.stacks}


def content(stack):
    return {(one.logical_id, one.property): one.path for one in stack.artifacts}


@pytest.fixture
def copy_of(tmp_path):
    """A copy of an app, to be spoilt."""

    def copy_of(app):
        return shutil.copytree(APPS / app, tmp_path / app)

    return copy_of


@pytest.fixture
def template(tmp_path):
    """A template of these resources, with these files beside it."""

    def template(resources, *files, **sections):
        for name in files:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("{}")
        (tmp_path / "template.json").write_text(json.dumps({"Resources": resources, **sections}))
        return tmp_path / "template.json"

    return template


class TestPlainTemplates:
    def test_every_property_that_package_uploads_is_an_artifact(self, template, tmp_path):
        """What `aws cloudformation package` uploads, this finds: each property of its table, nested ones too."""
        resources, expected = {}, {}
        for number, (kind, properties) in enumerate(UPLOADABLE.items()):
            for wanted in properties:
                name = f"R{number}{wanted.property.replace('.', '')}"
                value = "nested.json" if wanted.packaging == "template" else "content.json"
                expected[name, wanted.property] = tmp_path / value
                for step in reversed(wanted.property.split(".")):
                    value = {step: value}
                resources[name] = {"Type": kind, "Properties": value}
        file = template(resources, "content.json")
        (tmp_path / "nested.json").write_text('{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}')

        (stack,) = read_project(file).stacks

        assert content(stack) == expected
        assert {"R7TemplateURL"} <= stack.nested.keys()

    def test_what_an_intrinsic_gives_and_what_lies_in_s3_is_no_artifact(self, template):
        """Only text can be a path, and an address is not one."""
        resources = {
            "A": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://bucket/key"}},
            "B": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": {"Ref": "Where"}}},
            "C": {"Type": "AWS::Serverless::Function", "Properties": {"InlineCode": "pass"}},
            "D": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": "b", "S3Key": "k"}}},
            "E": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://s3/x.yaml"}},
            "F": {"Type": "AWS::Serverless::Function", "Properties": {"PackageType": "Image", "ImageUri": "i"}},
        }

        assert content(read_project(template(resources)).stacks[0]) == {}

    def test_globals_and_the_directory_itself_are_code(self, template, tmp_path):
        """SAM takes `Globals`, and without those the template's own directory."""
        function = {"Type": "AWS::Serverless::Function"}

        bare = read_project(template({"F": function})).stacks[0]
        shared = read_project(template({"F": function}, "src/f", Globals={"Function": {"CodeUri": "src"}})).stacks[0]

        assert content(bare) == {("F", "CodeUri"): tmp_path}
        assert content(shared) == {("F", "CodeUri"): tmp_path / "src"}

    def test_uploaded_content_takes_the_form_that_its_property_has(self, template):
        """Each property has its own way to name an object; `replaced` leaves the rest, and the original, as it was."""
        resources = {
            "F": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "src", "Timeout": 3}},
            "G": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "src"}},
            "J": {"Type": "AWS::Glue::Job", "Properties": {"Command": {"Name": "j", "ScriptLocation": "job.py"}}},
            "M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionS3Location": "m.json"}},
        }
        (stack,) = read_project(template(resources, "src/f", "job.py", "m.json")).stacks

        written = replaced(stack.template, {one: one.located("b", "k", "eu-west-1") for one in stack.artifacts})

        assert {name: entry["Properties"] for name, entry in written["Resources"].items()} == {
            "F": {"CodeUri": "s3://b/k", "Timeout": 3},
            "G": {"Code": {"S3Bucket": "b", "S3Key": "k"}},
            "J": {"Command": {"Name": "j", "ScriptLocation": "s3://b/k"}},
            "M": {"DefinitionS3Location": {"Bucket": "b", "Key": "k"}},
        }
        assert stack.template["Resources"]["F"]["Properties"]["CodeUri"] == "src"

    def test_all_that_is_missing_is_told_at_once(self, template):
        """Reading does not mind (a condition may exclude it); whoever uploads asks first."""
        function = {"Type": "AWS::Serverless::Function"}
        resources = {name: {**function, "Properties": {"CodeUri": f"{name}/src"}} for name in "AB"}
        (stack,) = read_project(template(resources)).stacks

        with pytest.raises(TemplateError, match=r"(?s)A: CodeUri names .*A.src, which does not exist.*B: CodeUri"):
            stack.require_artifacts()

    def test_included_files_are_written_in(self, template, tmp_path):
        """`AWS::Include` is an upload too; here its content takes its place."""
        include = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "more.json"}}}
        file = template({"Q": {"Type": "AWS::SQS::Queue", "Properties": include}})
        (tmp_path / "more.json").write_text('{"DelaySeconds": 3}')

        assert read_project(file).stacks[0].template["Resources"]["Q"]["Properties"] == {"DelaySeconds": 3}

    def test_nested_templates_that_nest_each_other(self, template, tmp_path):
        """The circle is drawn."""
        nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "other.json"}}
        file = template({"N": nested})
        back = {"Resources": {"M": {**nested, "Properties": {"TemplateURL": "template.json"}}}}
        (tmp_path / "other.json").write_text(json.dumps(back))

        with pytest.raises(TemplateError, match=r"circle: template\.json -> other\.json -> template\.json"):
            read_project(file)


class TestServerlessFramework:
    def test_the_code_of_each_function_is_the_zip_beside_the_template(self):
        """The template names it by the key that it would have in the deployment bucket."""
        project = read_project(APPS / "sls_gallery" / ".serverless")

        (stack,) = project.stacks
        assert (project.kind, stack.name) == ("serverless", "gallery")
        assert {key[0]: path.name for key, path in content(stack).items()} == {
            "CustomDashresourceDashexistingDashs3LambdaFunction": "custom-resources.zip",
            "ListLambdaFunction": "list.zip",
            "NightlyLambdaFunction": "nightly.zip",
            "ViewedLambdaFunction": "viewed.zip",
        }
        stack.require_artifacts()

    def test_a_package_that_was_made_by_hand_lies_where_the_state_says(self, copy_of):
        """`package.artifact` leaves the zip where the user put it."""
        app = copy_of("sls_orders")
        (app / "dist").mkdir()
        shutil.move(app / ".serverless" / "orders.zip", app / "dist" / "orders.zip")
        state = json.loads((app / ".serverless" / "serverless-state.json").read_text())
        state["service"]["package"] = {"artifact": "dist/orders.zip"}
        (app / ".serverless" / "serverless-state.json").write_text(json.dumps(state))

        (stack,) = read_project(app).stacks

        assert set(content(stack).values()) == {app / "dist" / "orders.zip"}

    def test_zips_that_version_4_left_in_build(self, copy_of):
        """It names them as if they lay beside the template."""
        app = copy_of("sls_orders")
        (app / ".serverless" / "build").mkdir()
        shutil.move(app / ".serverless" / "orders.zip", app / ".serverless" / "build" / "orders.zip")

        (stack,) = read_project(app).stacks

        assert set(content(stack).values()) == {app / ".serverless" / "build" / "orders.zip"}

    def test_a_state_of_another_machine(self, copy_of):
        """The framework writes absolute paths into it, which do not survive a pipeline."""
        app = copy_of("sls_orders")
        state = json.loads((app / ".serverless" / "serverless-state.json").read_text())
        state["service"]["package"] = {"artifact": "/codebuild/output/src1/.serverless/orders.zip"}
        (app / ".serverless" / "serverless-state.json").write_text(json.dumps(state))

        (stack,) = read_project(app).stacks

        assert set(content(stack).values()) == {app / ".serverless" / "orders.zip"}

    def test_a_stale_output_names_the_command(self, copy_of):
        """Without the zips, or without the template, there is something to run."""
        app = copy_of("sls_orders")
        (app / ".serverless" / "orders.zip").unlink()
        with pytest.raises(TemplateError, match=r"(?s)PlaceLambdaFunction: Code .*orders\.zip.*`sls package`"):
            read_project(app).stacks[0].require_artifacts()

        (app / ".serverless" / "cloudformation-template-update-stack.json").unlink()
        with pytest.raises(TemplateError, match=r"holds no cloudformation-template-update-stack.*`sls package`"):
            read_project(app)

    def test_a_spoilt_state_file_is_named(self, copy_of):
        """Half-written files happen when a command was interrupted."""
        app = copy_of("sls_orders")
        (app / ".serverless" / "serverless-state.json").write_text("{")

        with pytest.raises(TemplateError, match=r"serverless-state\.json.*no JSON.*`sls package`"):
            read_project(app)


class TestCloudAssemblies:
    def test_stacks_come_after_those_they_depend_on(self):
        """And their content is found through the asset files, nested templates included."""
        project = read_project(APPS / "cdk_shop" / "cdk.out")

        assert [stack.name for stack in project.stacks] == ["Foundation", "Shop"]
        shop = stacks(project)["Shop"]
        assert shop.depends_on == ("Foundation",)
        assert (content(shop)["Place7A6A35E8", "Code"] / "index.py").is_file()
        (reports,) = shop.nested.values()
        assert {"ReportC847FC22"} <= {one.logical_id for one in reports.artifacts}
        shop.require_artifacts()

    def test_the_assemblies_of_cdk_stages_are_read_too(self):
        """A stack in a stage has the stage's name before its own; its assets lie in the app's directory."""
        project = read_project(APPS / "cdk_stages")

        assert {*stacks(project)} == {"Beta/Greetings", "Beta/Other", "Prod/Greetings", "Prod/Other"}
        prod = stacks(project)["Prod/Greetings"]
        assert prod.stack_name == "Prod-Greetings"
        assert [(path / "greet.py").is_file() for path in content(prod).values()] == [True]

    def test_what_a_stack_depends_on_comes_along(self):
        """As with `cdk deploy Shop`."""
        project = read_project(APPS / "cdk_shop")

        assert [stack.name for stack in project.chosen("Shop")] == ["Foundation", "Shop"]
        assert [stack.name for stack in project.chosen("Foundation")] == ["Foundation"]
        assert [stack.name for stack in project.chosen("*")] == ["Foundation", "Shop"]
        assert [stack.name for stack in project.named("Shop")] == ["Shop"]

    def test_the_template_of_one_stack_asks_for_that_one(self):
        """As if it was named; a stack that is named counts more."""
        project = read_project(APPS / "cdk_shop" / "cdk.out" / "Shop.template.json")

        assert [stack.name for stack in project.chosen(None)] == ["Foundation", "Shop"]
        assert [stack.name for stack in project.named(None)] == ["Shop"]
        assert [stack.name for stack in project.chosen("Foundation")] == ["Foundation"]

    @pytest.mark.parametrize("name", ["Prod/Greetings", "Prod-Greetings", "ProdGreetings29F82CC2"])
    def test_a_stack_answers_to_all_its_names(self, name):
        """Its path, its name on AWS, and the id of its artifact."""
        assert [stack.name for stack in read_project(APPS / "cdk_stages").chosen(name)] == ["Prod/Greetings"]

    def test_patterns_and_lists(self):
        """As CDK's own command line has them."""
        project = read_project(APPS / "cdk_stages")

        assert [stack.name for stack in project.chosen("Prod/*")] == ["Prod/Greetings", "Prod/Other"]
        assert len(project.chosen("Prod/Other, Beta/Other")) == 2

    def test_one_of_several_must_be_named(self):
        """The errors list them."""
        project = read_project(APPS / "cdk_shop")

        with pytest.raises(SettingsError, match=r'2 stacks: Foundation, Shop\. .*stack = "\.\.\."'):
            project.chosen(None)
        with pytest.raises(SettingsError, match=r"no stack 'Shpo'\. Did you mean Shop"):
            project.chosen("Shpo")

    def test_an_output_that_is_not_whole_names_the_command(self, copy_of):
        """A missing asset, a missing template, a missing manifest."""
        out = copy_of("cdk_shop") / "cdk.out"
        place = content(stacks(read_project(out))["Shop"])["Place7A6A35E8", "Code"]
        shutil.rmtree(place)
        with pytest.raises(TemplateError, match=r"Place7A6A35E8: Code is the asset asset\..*`cdk synth`"):
            stacks(read_project(out))["Shop"].require_artifacts()

        (out / "Shop.template.json").unlink()
        with pytest.raises(TemplateError, match=r"template of Shop is not there.*`cdk synth`"):
            read_project(out)

        (out / "manifest.json").unlink()
        with pytest.raises(TemplateError, match=r"no cloud assembly: it has no manifest\.json.*`cdk synth`"):
            read_project(out)

    def test_a_manifest_of_another_shape_is_refused_with_its_version(self, copy_of):
        """The version alone says nothing: it rises with nearly every release of CDK."""
        out = copy_of("cdk_shop") / "cdk.out"
        manifest = json.loads((out / "manifest.json").read_text())
        manifest["version"] = "99.0.0"
        (out / "manifest.json").write_text(json.dumps(manifest))
        assert len(read_project(out).stacks) == 2

        del manifest["artifacts"]["Shop"]["properties"]["templateFile"]
        (out / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(TemplateError, match=r"Shop has no templateFile \(schema version 99\.0\.0\)"):
            read_project(out)


class TestFinding:
    @pytest.mark.parametrize(("app", "found"), [("sls_orders", ".serverless"), ("cdk_shop", "cdk.out")])
    def test_the_outputs_of_tools_are_found(self, app, found):
        """Where there is no template.yaml."""
        assert find_template(APPS / app) == APPS / app / found

    @pytest.mark.parametrize(("file", "command"), [("serverless.yml", "sls package"), ("cdk.json", "cdk synth")])
    def test_a_project_without_output_is_told_what_writes_it(self, tmp_path, file, command):
        """The sources are there; the tool was not run."""
        (tmp_path / file).touch()

        with pytest.raises(TemplateError, match=f"no template found.*`{command}`"):
            find_template(tmp_path)
