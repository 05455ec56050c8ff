"""Which functions of a template get the runtime, what becomes of them, and why others are left alone."""

from __future__ import annotations

import io
import json
import textwrap
import zipfile

import pytest

from stagefright.chaos.carried import for_functions
from stagefright.targets.deploying.expansion import StaticScope
from stagefright.targets.deploying.injection import Injection, code_of, lines_of
from stagefright.templates import read_project

SCOPE = StaticScope("123456789012", "eu-west-1", "shop-t", {})
OURS = "stagefright_handler.handler"
SAM = "Transform: AWS::Serverless-2016-10-31\n"


class Project:
    """A project on disk, and what injection makes of it."""

    def __init__(self, directory):
        self.directory = directory
        self.sent = {}
        self.injection = None

    def write(self, name, text):
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))

    def source(self):
        return read_project(self.directory / "template.yaml").stacks[0]

    def inject(self, template, *, is_emulator=True, scope=SCOPE):
        """The resources of the template afterwards."""
        self.write("template.yaml", template)
        (self.directory / "src").mkdir(exist_ok=True)
        source = self.source()
        self.injection = Injection(for_functions(), "t", "shop-t", scope, is_emulator=is_emulator)
        return self.injection.of(source).into(dict(source.template), self.put)["Resources"]

    def put(self, digest, content):
        self.sent[digest] = content()
        return {"Bucket": "bucket", "Key": f"code/{digest}.zip"}

    def package(self):
        """The package of the function Worker, by the names in it."""
        source = self.source()
        injected = self.injection.of(source)
        digest, content = injected.package(code_of(source, "Worker"))
        with zipfile.ZipFile(io.BytesIO(content())) as archive:
            return digest, {name: archive.read(name).decode() for name in archive.namelist()}

    def reason(self, template, **given):
        """Why the function Worker was left as it is."""
        resources = self.inject(template, **given)
        assert OURS not in json.dumps(resources)
        return self.injection.left_alone["Worker"]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def worker(properties, kind="AWS::Lambda::Function", head=""):
    """A template with one function of these properties, written as JSON is."""
    given = {"Runtime": "python3.12", "Handler": "app.handler", **properties}
    given = {name: value for name, value in given.items() if value is not None}
    return head + json.dumps({"Resources": {"Worker": {"Type": kind, "Properties": given}}})[1:-1].replace(
        '"Resources": ', "Resources: ", 1
    )


def sam(properties, more=""):
    return SAM + more + worker({"CodeUri": "src/", **properties}, "AWS::Serverless::Function")


def plain(properties):
    return worker({"Code": "src/", "Role": {"Fn::GetAtt": ["Role", "Arn"]}, **properties})


class TestWhatIsWritten:
    """The configuration of a function that gets the runtime."""

    def test_a_function_of_sam(self, project):
        """Its handler, its variables, and the right to read one parameter."""
        properties = project.inject(sam({"Environment": {"Variables": {"TABLE": "orders"}}}))["Worker"]["Properties"]

        assert properties["Handler"] == OURS
        assert properties["Environment"]["Variables"] == {
            "TABLE": "orders",
            "STAGEFRIGHT_HANDLER": "app.handler",
            "STAGEFRIGHT_STAGE": "t",
            "STAGEFRIGHT_FUNCTION": "shop-t/Worker",
        }
        [policy] = properties["Policies"]
        [statement] = policy["Statement"]
        assert statement["Action"] == "ssm:GetParameter"
        [parameter] = statement["Resource"]
        assert parameter["Fn::Sub"].endswith(":parameter/stagefright/t/shop-t/Worker")
        assert project.injection.summary() == "the chaos runtime is put into 1 function"

    @pytest.mark.parametrize(
        ("policies", "kept"),
        [
            ("AWSLambdaExecute", ["AWSLambdaExecute"]),
            (["A", {"SQSPollerPolicy": {"QueueName": "q"}}], ["A", {"SQSPollerPolicy": {"QueueName": "q"}}]),
            ({"Statement": []}, [{"Statement": []}]),
        ],
    )
    def test_what_its_policies_say_stays(self, project, policies, kept):
        """SAM takes one, or a list."""
        properties = project.inject(sam({"Policies": policies}))["Worker"]["Properties"]

        assert properties["Policies"][:-1] == kept

    def test_what_globals_say_counts_as_its_own(self, project):
        """Handler and runtime may stand there; what is injected stands with the function."""
        globals_ = (
            'Globals: {Function: {Runtime: python3.13, Handler: pkg.app.run, Environment: {Variables: {A: "1"}}}}\n'
        )
        found = project.inject(sam({"Runtime": None, "Handler": None}, globals_))["Worker"]["Properties"]

        assert found["Handler"] == OURS
        assert found["Environment"]["Variables"]["STAGEFRIGHT_HANDLER"] == "pkg.app.run"
        assert "A" not in found["Environment"]["Variables"], "SAM adds it"

    def test_globals_that_it_ignores_do_not_count(self, project):
        """Without a runtime of its own it is none of Python's."""
        globals_ = "Globals: {Function: {Runtime: python3.13}}\n"
        template = sam({"Runtime": None}, globals_).replace(
            '"Type": "AWS::Serverless::Function"', '"Type": "AWS::Serverless::Function", "IgnoreGlobals": ["Runtime"]'
        )
        assert "Runtime" in project.reason(template)

    def test_a_function_of_cloudformation(self, project):
        """The role that the template makes gets one policy for all of its functions, and under its own condition."""
        template = """
            Conditions: {Wanted: {"Fn::Equals": ["a", "a"]}}
            Resources:
              Role: {Type: AWS::IAM::Role, Condition: Wanted, Properties: {AssumeRolePolicyDocument: {}}}
              Worker:
                Type: AWS::Lambda::Function
                Condition: Wanted
                Properties: {Runtime: python3.12, Handler: app.handler, Code: src/, Role: !GetAtt Role.Arn}
              Other:
                Type: AWS::Serverless::Function
                Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: src/, Role: !GetAtt Role.Arn}
        """
        resources = project.inject("Transform: AWS::Serverless-2016-10-31\n" + textwrap.dedent(template))
        policy = resources["RoleChaosFlags"]
        [statement] = policy["Properties"]["PolicyDocument"]["Statement"]

        assert resources["Worker"]["Properties"]["Handler"] == OURS
        assert (policy["Type"], policy["Condition"]) == ("AWS::IAM::Policy", "Wanted")
        assert policy["Properties"]["Roles"] == [{"Ref": "Role"}]
        assert [one["Fn::Sub"].rpartition("/")[2] for one in statement["Resource"]] == ["Worker", "Other"]
        assert "Policies" not in resources["Worker"]["Properties"] | resources["Other"]["Properties"]

    @pytest.mark.parametrize("is_emulator", [True, False])
    def test_a_role_of_somebody_else(self, project, is_emulator):
        """It is not changed; on AWS that is said, since no fault strikes a function that may not read."""
        resources = project.inject(plain({"Role": "arn:aws:iam::123456789012:role/shared"}), is_emulator=is_emulator)

        assert set(resources) == {"Worker"}
        assert ("role" in " ".join(list(lines_of(project.injection))[1:])) != is_emulator

    def test_a_shared_environment_is_not_written_into(self, project):
        """Two functions with one YAML anchor have variables of their own afterwards."""
        template = """
            Transform: AWS::Serverless-2016-10-31
            Resources:
              Worker:
                Type: AWS::Serverless::Function
                Properties: &both
                  {Runtime: python3.12, Handler: app.handler, CodeUri: src/, Environment: {Variables: {A: b}}}
              Other: {Type: AWS::Serverless::Function, Properties: *both}
        """
        resources = project.inject(template)
        names = [resources[one]["Properties"]["Environment"]["Variables"]["STAGEFRIGHT_FUNCTION"] for one in resources]

        assert names == ["shop-t/Worker", "shop-t/Other"]
        assert project.source().template["Resources"]["Worker"]["Properties"]["Handler"] == "app.handler"

    def test_a_handler_that_is_known_later(self, project):
        """It travels in the variable as it stands."""
        found = project.inject(sam({"Handler": {"Fn::Sub": "app.${AWS::Region}"}}))["Worker"]["Properties"]

        assert found["Environment"]["Variables"]["STAGEFRIGHT_HANDLER"] == {"Fn::Sub": "app.${AWS::Region}"}

    def test_a_runtime_that_a_parameter_names(self, project):
        """What is given is known."""
        parameters = "Parameters: {Version: {Type: String}}\n"
        scope = StaticScope("123456789012", "eu-west-1", "shop-t", {"Version": "3.12"})
        template = sam({"Runtime": {"Fn::Sub": "python${Version}"}}, parameters)

        assert project.inject(template, scope=scope)["Worker"]["Properties"]["Handler"] == OURS
        assert project.reason(template) == "its Runtime is not known before it is deployed"

    def test_what_is_no_function_stays(self, project):
        """Also what is malformed, which is CloudFormation's to refuse."""
        template = """
            Resources:
              Queue: {Type: AWS::SQS::Queue}
              Odd: {Type: AWS::Lambda::Function, Properties: [1]}
              "Fn::ForEach::Many": [Name, [A], {"Q${Name}": {Type: AWS::SQS::Queue}}]
        """
        project.write("template.yaml", template)
        assert project.inject(template) == project.source().template["Resources"]


LAYERED = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/stagefright-wrapper", "STAGEFRIGHT_FLAG_PARAM": "/mine/flag"}


class TestLayered:
    """A function that has the layer."""

    def test_on_aws_it_is_left_alone(self, project):
        """The layer does what is to be done."""
        template = sam({"Environment": {"Variables": LAYERED}})
        assert "it has the layer" in project.reason(template, is_emulator=False)

    def test_in_an_emulator_it_needs_what_the_layer_cannot_do(self, project):
        """Its own variables name its flag, there as here."""
        found = project.inject(sam({"Environment": {"Variables": LAYERED}}))["Worker"]["Properties"]

        assert found["Environment"]["Variables"] == {**LAYERED, "STAGEFRIGHT_HANDLER": "app.handler"}
        assert "Policies" not in found


class TestLeftAlone:
    """What cannot be done soundly is not done, and there is a reason."""

    @pytest.mark.parametrize(
        ("properties", "reason"),
        [
            ({"Runtime": "nodejs22.x"}, "its runtime is nodejs22.x, and not Python"),
            ({"Runtime": "provided.al2023"}, "its runtime is provided.al2023, and not Python"),
            ({"Runtime": "python3.10"}, "its runtime is python3.10; Python 3.11 is the oldest that will do"),
            ({"Runtime": None}, "its Runtime is not known before it is deployed"),
            ({"PackageType": "Image", "Runtime": None}, "it is a container image"),
            ({"Handler": "handler"}, "its Handler is not of the form module.function"),
            ({"Handler": None}, "its Handler is not of the form module.function"),
            ({"Environment": {"Fn::If": ["A", {}, {}]}}, "its variables are not written out in the template"),
            ({"Environment": {"Variables": {"Ref": "All"}}}, "its variables are not written out in the template"),
            ({"Environment": {"Variables": {"FAILURE_INJECTION_PARAM": "/x"}}}, "reads by itself"),
            ({"Environment": {"Variables": {"STAGEFRIGHT_FLAG_PARAM": {"Ref": "Flag"}}}}, "reads by itself"),
            ({"Environment": {"Variables": {"STAGEFRIGHT_STAGE": "t", "STAGEFRIGHT_FUNCTION": "W"}}}, "by itself"),
            ({"Environment": {"Variables": {"FAILURE_APPCONFIG_CONFIGURATION": "x"}}}, "failure-lambda reads its flag"),
        ],
    )
    @pytest.mark.parametrize("template", [sam, plain])
    def test_by_its_configuration(self, project, template, properties, reason):
        """SAM and CloudFormation alike."""
        assert reason in project.reason(template(properties))

    @pytest.mark.parametrize("code", [{"S3Bucket": "theirs", "S3Key": "x.zip"}, {"ZipFile": {"Fn::Sub": "x"}}])
    def test_by_its_code(self, project, code):
        """What is not here cannot be packed."""
        assert project.reason(plain({"Code": code})) == "its code is not on this machine"

    def test_code_that_needs_lambdas_helper(self, project):
        """`cfnresponse` is given to inline code only, so it has to stay inline."""
        assert "cfnresponse" in project.reason(plain({"Code": {"ZipFile": "import cfnresponse\n"}}))

    def test_an_image_by_its_uri(self, project):
        """A template need not say `PackageType` as well."""
        assert project.reason(plain({"Code": {"ImageUri": "x"}})) == "it is a container image"

    @pytest.mark.parametrize("name", ["src/stagefright/__init__.py", "src/stagefright.py"])
    def test_a_package_with_a_stagefright_of_its_own(self, project, name):
        """The decorator's copy, or a stranger's module of that name."""
        project.write(name, "")
        assert "a stagefright of its own" in project.reason(sam({}))

    def test_it_is_told_with_the_reason(self, project):
        """One line when the stage is deployed."""
        project.inject(sam({"Runtime": "nodejs22.x"}))
        [line] = lines_of(project.injection)

        assert line == (
            "the chaos runtime is put into 0 functions, and not into Worker: its runtime is nodejs22.x, and not Python"
        )

    def test_a_template_without_functions_is_not_worth_a_line(self, project):
        """There is nothing that somebody could miss."""
        project.inject("Resources: {Queue: {Type: AWS::SQS::Queue}}")
        assert list(lines_of(project.injection)) == []


class TestPackages:
    """The zip file of a function that gets the runtime."""

    def test_a_directory(self, project):
        """The code is what it was, and the runtime lies beside it."""
        project.write("src/app.py", "def handler(event, context): ...\n")
        project.inject(sam({}))
        _, names = project.package()

        assert names["app.py"] == "def handler(event, context): ...\n"
        assert {"stagefright_handler.py", "stagefright/__init__.py", "stagefright/chaos/runtime.py"} <= set(names)

    def test_a_zip_file(self, project):
        """What another tool has packed is packed again, with its rights."""
        (project.directory / "code.zip").parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(project.directory / "code.zip", "w") as archive:
            program = zipfile.ZipInfo("bin/tool", (2026, 1, 2, 3, 4, 6))
            program.external_attr = 0o100755 << 16
            archive.writestr(program, "#!")
            archive.writestr("app.py", "x = 1\n")
        project.inject(sam({"CodeUri": "code.zip"}))
        digest, names = project.package()
        _, content = project.injection.of(project.source()).package(project.directory / "code.zip")
        with zipfile.ZipFile(io.BytesIO(content())) as archive:
            rights = archive.getinfo("bin/tool").external_attr >> 16

        assert names["app.py"] == "x = 1\n"
        assert "stagefright_handler.py" in names
        assert rights == 0o100755
        assert len(digest) == 64

    def test_a_zip_file_with_a_stagefright_of_its_own(self, project):
        """It is looked into as a directory is."""
        with zipfile.ZipFile(project.directory / "code.zip", "w") as archive:
            archive.writestr("stagefright/chaos/runtime.py", "")
        assert "a stagefright of its own" in project.reason(sam({"CodeUri": "code.zip"}))

    def test_the_same_code_gives_the_same_bytes(self, project, tmp_path_factory):
        """The key in the bucket tells whether anything has changed."""
        found = []
        for _ in range(2):
            one = Project(tmp_path_factory.mktemp("project"))
            one.write("src/app.py", "x = 1\n")
            one.inject(sam({}))
            digest, content = one.injection.of(one.source()).package(one.directory / "src")
            found.append((digest, content()))
        project.write("src/app.py", "x = 2\n")
        project.inject(sam({}))

        assert found[0] == found[1]
        assert project.package()[0] != found[0][0]

    @pytest.mark.parametrize("kind", ["AWS::Lambda::Function", "AWS::Serverless::Function"])
    def test_inline_code_becomes_a_package(self, project, kind):
        """Lambda calls it index.py."""
        code = "def handler(event, context): return 1\n"
        is_sam = kind.startswith("AWS::Serverless")
        given = {"InlineCode": code} if is_sam else {"Code": {"ZipFile": code}}
        head = SAM if is_sam else ""
        properties = project.inject(worker({"Handler": "index.handler", **given}, kind, head))["Worker"]["Properties"]
        [(digest, sent)] = project.sent.items()
        with zipfile.ZipFile(io.BytesIO(sent)) as archive:
            assert archive.read("index.py").decode() == code
            assert "stagefright_handler.py" in archive.namelist()

        place = {"Bucket": "bucket", "Key": f"code/{digest}.zip"}
        wanted = {"CodeUri": place} if is_sam else {"Code": {"S3Bucket": "bucket", "S3Key": place["Key"]}}
        assert {
            name: properties.get(name) for name in ("CodeUri", "InlineCode", "Code") if properties.get(name)
        } == wanted


def test_nested_stacks_have_names_of_their_own(project):
    """Two copies of one template are two functions, with a flag each."""
    project.write("inner.yaml", sam({}))
    (project.directory / "src").mkdir()
    template = """
        Resources:
          Left: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: inner.yaml}}
          Right: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: inner.yaml}}
    """
    project.inject(template)
    source = project.source()
    flags = [
        project.injection.of(inner, f"{name}.").into(dict(inner.template), project.put)["Resources"]["Worker"][
            "Properties"
        ]["Environment"]["Variables"]["STAGEFRIGHT_FUNCTION"]
        for name, inner in source.nested.items()
    ]

    assert flags == ["shop-t/Left.Worker", "shop-t/Right.Worker"]
