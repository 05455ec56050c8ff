"""Options, settings and marks, and what is said of wrong ones: a message and exit code 4, never a traceback of ours."""

from __future__ import annotations

import pytest

USES_STAGE = "def test_it(stage): pass"


def assert_refused(result, *parts):
    """The run ended with the message alone."""
    output = "\n".join([*result.outlines, *result.errlines])
    assert result.ret == pytest.ExitCode.USAGE_ERROR, output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    for part in parts:
        assert part in output


def test_the_header_names_stage_target_seed_template_and_origins(project):
    """Everything that a run depends on is on its first lines."""
    project.makepyprojecttoml('[tool.stagefright]\nregion = "eu-west-1"\ntemplate = "template.yaml"')
    result = project.runpytest("--stage=my-feature", "--chaos-seed=7")

    result.stdout.fnmatch_lines(
        [
            "stagefright: stage my-feature, target local, seed 7, template template.yaml",
            "stagefright: settings *: region (pyproject.toml), template (pyproject.toml), seed (--chaos-seed)",
        ]
    )


def test_a_project_that_does_not_use_us_sees_nothing_of_us(pytester, monkeypatch):
    """Installed beside other plugins, we print nothing and change nothing."""
    monkeypatch.delenv("STAGEFRIGHT_STAGE", raising=False)
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest()

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("stagefright: *")


@pytest.mark.parametrize(
    ("arguments", "environ", "name"),
    [([], {}, "local"), ([], {"STAGEFRIGHT_STAGE": "pr-7"}, "pr-7"), (["--stage=x"], {"STAGEFRIGHT_STAGE": "y"}, "x")],
)
def test_the_stage_is_named_by_option_environment_or_default(project, monkeypatch, arguments, environ, name):
    """`--stage` wins over STAGEFRIGHT_STAGE; without both the stage is called `local`."""
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    project.makepyfile(f"def test_it(stage): assert stage.name == {name!r}")

    project.runpytest_subprocess(*arguments).assert_outcomes(passed=1)


def test_keeping_a_local_stage_is_said_to_be_pointless(project):
    """An option that cannot do anything here says so instead of staying silent."""
    result = project.runpytest("--stage=x", "--keep-stage")

    result.stdout.fnmatch_lines(["*--keep-stage has nothing to keep*"])


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--stage=My_Feature"], ["A stage cannot be called 'My_Feature'", "Try 'my-feature'."]),
        (["--stage-target=moon"], ["--stage-target: target is one of local, docker, aws; received 'moon'"]),
        (["--stage-target=aws"], ["there are no AWS credentials", "--stage-target=local"]),
        (["--chaos-seed=many"], ["--chaos-seed", "'many'"]),
    ],
)
def test_a_wrong_option_ends_the_run_with_its_message(project, arguments, parts):
    """Nobody reads a traceback to find a misspelt option."""
    project.makepyfile(USES_STAGE)

    assert_refused(project.runpytest(*arguments), *parts)


def test_a_wrong_setting_ends_the_run_with_its_message(project):
    """The file, the key and the nearest key are named."""
    project.makepyprojecttoml('[tool.stagefright]\nregoin = "eu-west-1"')

    assert_refused(project.runpytest(), "pyproject.toml: there is no setting 'regoin'. Did you mean region?")


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        (None, ["no template found", "looked for template.yaml"]),
        ("Resources: {A: [}", ["template.yaml", "1"]),
        ("Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Nobody}}}", ["Topic", "Nobody"]),
    ],
)
def test_a_wrong_template_ends_the_run_with_its_message(project, template, parts):
    """A template is the user's, so what is wrong with it is said once, and not per test."""
    file = project.path / "template.yaml"
    file.unlink() if template is None else file.write_text(template)
    project.makepyfile(USES_STAGE)

    assert_refused(project.runpytest_subprocess(), *parts)


def test_a_wrong_template_ends_a_distributed_run_with_its_message(project):
    """Under pytest-xdist the workers find out; the controller says it, once."""
    (project.path / "template.yaml").unlink()
    project.makepyfile(USES_STAGE)

    assert_refused(project.runpytest_subprocess("-n2"), "no template found")


def test_a_wrong_template_of_one_project_ends_a_distributed_run_with_its_message(project):
    """Of several projects a worker stands a stage up when a test asks for it, and the run ends then as it would have at the start."""
    make_projects(project, one="Resources: {Topic: {Type: AWS::SNS::Topic}}", two="Resources: {A: [}")

    assert_refused(project.runpytest_subprocess("-n2"), "template.yaml")


def test_a_worker_stands_up_the_stages_of_its_own_tests(project):
    """Of several projects, those whose tests it never runs cost it nothing."""
    stack = "Resources: {Topic: {Type: AWS::SNS::Topic}}"
    make_projects(project, one=stack, two=stack)
    project.makeconftest(
        """
        import stagefright.opening

        opened = []
        open_stage = stagefright.opening.open_stage

        def counting(*args, **kwargs):
            opened.append(kwargs["settings"].directory.name)
            return open_stage(*args, **kwargs)

        stagefright.opening.open_stage = counting

        def pytest_runtest_teardown(item):
            assert opened == [item.path.parent.name]
        """
    )

    project.runpytest_subprocess("-n2", "--dist=loadfile").assert_outcomes(passed=2)


def make_projects(project, **templates):
    """A folder for each, with its own settings, template and test."""
    for name, template in templates.items():
        folder = project.mkdir(name)
        (folder / "pyproject.toml").write_text("[tool.stagefright]\n")
        (folder / "template.yaml").write_text(template)
        (folder / f"test_{name}.py").write_text(USES_STAGE)


def test_a_wrong_template_does_not_matter_to_tests_that_use_no_stage(project):
    """Unit tests run while the template is broken, and collecting needs no stage at all."""
    (project.path / "template.yaml").unlink()
    project.makepyfile(USES_STAGE, test_unit="def test_unit(): pass")

    project.runpytest("test_unit.py").assert_outcomes(passed=1)
    assert project.runpytest("--collect-only").ret == 0


def test_a_test_may_have_a_stage_of_its_own(project):
    """A fixture of the user's that is called `stage` is none of our business."""
    (project.path / "template.yaml").unlink()
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def stage():
            return "theatre"

        def test_it(stage):
            assert stage == "cinema"
        """
    )
    result = project.runpytest()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*Stagefright:*")


class TestMarks:
    """`only_on`, `nightly` and their registration."""

    def test_the_marks_are_registered(self, project):
        """Strict markers accept them, and `--markers` explains them."""
        project.makepyfile(
            "import pytest\npytestmark = [pytest.mark.nightly, pytest.mark.chaos()]\ndef test_it(): pass"
        )

        assert project.runpytest("--strict-markers", "--collect-only").ret == 0
        project.runpytest("--markers").stdout.fnmatch_lines(["@pytest.mark.chaos(*", "@pytest.mark.only_on(*"])

    def test_what_another_target_needs_is_skipped_with_the_reason(self, project):
        """And no stage is stood up for it."""
        (project.path / "template.yaml").unlink()
        project.makepyfile(
            "import pytest\n@pytest.mark.only_on('docker', 'aws')\ndef test_it(stage): raise AssertionError"
        )
        result = project.runpytest("-rs")

        result.assert_outcomes(skipped=1)
        result.stdout.fnmatch_lines(["SKIPPED * only on docker or aws; this stage's target is local"])

    def test_the_reason_of_the_mark_is_told(self, project):
        """A reader of the skipped tests learns why the others cannot run there."""
        project.makepyfile(
            "import pytest\n@pytest.mark.only_on('aws', reason='IAM is enforced there')\ndef test_it(stage): pass"
        )

        lines = project.runpytest("-rs").stdout
        lines.fnmatch_lines(["SKIPPED * only on aws; this stage's target is local: IAM is enforced there"])

    def test_an_emulator_in_the_place_of_aws_is_not_aws(self, project, monkeypatch):
        """A test of what AWS alone does is skipped there, and one for the target `docker` is not."""
        project.makepyfile(
            "import pytest\n@pytest.mark.only_on('aws')\ndef test_it(stage): pass\n"
            "@pytest.mark.only_on('docker')\ndef test_other(): pass"
        )
        monkeypatch.setenv("STAGEFRIGHT_ENDPOINT_URL", "http://127.0.0.1:9")
        result = project.runpytest("-rs", "--stage-target=aws")

        result.assert_outcomes(skipped=1, passed=1)
        result.stdout.fnmatch_lines(
            ["SKIPPED * only on aws; this stage's target is aws, with an emulator in its place"]
        )

    def test_what_this_target_can_do_runs(self, project):
        """`only_on('local')` is no reason to skip here."""
        project.makepyfile("import pytest\n@pytest.mark.only_on('local')\ndef test_it(stage): pass")

        project.runpytest_subprocess().assert_outcomes(passed=1)

    def test_a_misspelt_target_is_refused(self, project):
        """Otherwise the test would be skipped everywhere, for ever."""
        project.makepyfile("import pytest\n@pytest.mark.only_on('asw')\ndef test_it(stage): pass")

        assert_refused(project.runpytest(), "@pytest.mark.only_on('asw') names no target. Known: local, docker, aws.")


def test_the_fixtures_explain_themselves(project):
    """`pytest --fixtures` is the first manual that people read."""
    result = project.runpytest("--fixtures")

    result.stdout.fnmatch_lines_random(
        [
            "*The system under test, freshly deployed: *",
            "*Arms listeners: *",
            "*Puts data into tables, *",
            "*Hurts the stage on purpose: *",
            "*The stage's virtual time: *",
            "*The record of everything that happened in the stage *",
        ]
    )
