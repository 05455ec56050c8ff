"""Experiments as pytest items, and the options and settings that keep chaos safe."""

from __future__ import annotations

import pytest

EXPERIMENT = """
title: A message is kept
method:
  - chaos: {{Worker: {{Failure: no power}}}}
    steps:
      - publish: {{topic: Feed, message: hello}}
      - settle
expect:
  - retried: {{function: Worker, at: {at}}}
  - dead_lettered: {{consumer: Worker, queue: Dead}}
"""


@pytest.fixture
def experiments(project):
    """A project with a good experiment."""
    project.makepyprojecttoml("[tool.stagefright]\n")
    project.mkdir("experiments")
    write(project, "kept", EXPERIMENT.format(at="[0, 60, 180]"))
    return project


def write(project, name, text):
    (project.path / "experiments" / f"{name}.yaml").write_text(text)


def test_an_experiment_is_a_test(experiments):
    """It is collected by its file, selected by its mark, and passes."""
    experiments.makepyfile("def test_other(): pass")

    result = experiments.runpytest_subprocess("-m", "chaos", "-v")

    result.stdout.fnmatch_lines(["experiments/kept.yaml::kept PASSED*", "*1 passed, 1 deselected*"])


def test_a_failure_shows_the_step_the_verdict_the_flow_and_the_replay_line(experiments):
    """All that a test would show, and no traceback."""
    write(experiments, "kept", EXPERIMENT.format(at="[0, 1]"))

    result = experiments.runpytest_subprocess("--stage=my-feature")

    result.stdout.fnmatch_lines(
        [
            "*kept: A message is kept*",
            "The experiment 'A message is kept' did not go as expected.",
            "*expected holds, and found",
            "*its attempts came at ?0, 60, 180? s, not at ?0, 1? s*",
            "*1.1. publish*",
            "*what happened in the stage*",
            '*Feed accepted "hello"*',
            "*run this test again*",
            "pytest experiments/kept.yaml::kept --stage=my-feature --chaos-seed=0",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*control.py*")


def test_malformed_files_are_errors_of_collection_with_their_lines(experiments):
    """Each file by itself; the others would run."""
    write(experiments, "bad", EXPERIMENT.format(at="[0]").replace("publish", "publsh"))

    result = experiments.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*experiments/bad.yaml is not an experiment:", "*line 6*publsh*Did you mean publish?*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_names_that_the_stage_does_not_have(experiments):
    """The message alone."""
    write(experiments, "kept", EXPERIMENT.format(at="[0]").replace("Feed", "Fed"))

    result = experiments.runpytest_subprocess()

    result.stdout.fnmatch_lines(["*does not fit the stage local:", "*names Fed. Did you mean Feed?*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_stranger_with_a_directory_of_that_name(project):
    """Without [tool.stagefright] its YAML files are none of our business."""
    project.mkdir("experiments")
    write(project, "lr", "learning_rate: 0.1")
    project.makepyfile("def test_it(): pass")

    project.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=1)


def test_nightly(experiments):
    """An experiment can be for the nightly run."""
    write(experiments, "kept", "nightly: true\n" + EXPERIMENT.format(at="[0, 60, 180]"))

    experiments.runpytest_subprocess("-m", "not nightly").assert_outcomes(deselected=1)
    experiments.runpytest_subprocess("-m", "nightly").assert_outcomes(passed=1)


def test_only_on(experiments):
    """An experiment can be for some targets; elsewhere it is skipped with its reason."""
    write(
        experiments,
        "kept",
        "only_on: {targets: [aws], reason: IAM is enforced there}\n" + EXPERIMENT.format(at="[0, 60, 180]"),
    )
    write(experiments, "here", "only_on: [local]\n" + EXPERIMENT.format(at="[0, 60, 180]"))

    result = experiments.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * only on aws; this stage's target is local: IAM is enforced there"])


def test_fixtures_of_the_project_hold_for_experiments(experiments):
    """An autouse fixture of the user's conftest is around them as around any test."""
    experiments.makeconftest(
        "import pytest\n@pytest.fixture(autouse=True)\ndef around(stage):\n    print('around')\n    yield"
    )

    experiments.runpytest_subprocess("-rP").stdout.fnmatch_lines(["*around*"])


class TestDryRun:
    def test_nothing_is_hurt_and_the_plans_are_shown(self, experiments):
        """Experiments, blocks and marks are skipped with their plans; the rest runs."""
        experiments.makepyfile(
            """
            import pytest
            from stagefright.chaos import Latency, Noop

            def test_block(stage, chaos):
                with chaos(Worker=Latency(delay_ms=400)):
                    raise AssertionError("it was hurt")

            @pytest.mark.chaos(Worker=Noop())
            def test_mark(stage):
                raise AssertionError("it was hurt")

            def test_calm(stage):
                assert stage.journal.of_kind("fault") == []
            """
        )

        result = experiments.runpytest_subprocess("--chaos-dry-run", "-rs")

        result.assert_outcomes(passed=1, skipped=3)
        result.stdout.fnmatch_lines(["stagefright: --chaos-dry-run*", "*chaos that would have been done*"])
        for line in (
            "*kept.yaml::kept: chaos(Worker=Failure(message='no power'))",
            "*::test_block: chaos(Worker=Latency(delay_ms=400))",
            "*::test_mark: chaos(Worker=Noop())",
            "SKIPPED*chaos dry run, so nothing was hurt: chaos(Worker=Noop())",
        ):
            result.stdout.fnmatch_lines([line])

    def test_a_wrong_plan_is_wrong_in_a_dry_run_too(self, experiments):
        """That is what it is for."""
        write(experiments, "kept", EXPERIMENT.format(at="[0]").replace("{Worker", "{Wroker"))

        experiments.runpytest_subprocess("--chaos-dry-run").assert_outcomes(failed=1)


class TestLimits:
    def test_a_protected_stage(self, experiments):
        """The default patterns protect production's names."""
        result = experiments.runpytest_subprocess("--stage=prod")

        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*is refused: the stage 'prod' is protected.*"])

    def test_the_blast_radius(self, experiments):
        """A setting of the project."""
        experiments.makepyprojecttoml("[tool.stagefright]\nblast_radius = 0.5\n")

        experiments.runpytest_subprocess().stdout.fnmatch_lines(
            ["*1 of 1 functions (100%) would be hurt at once: Worker*"]
        )

    @pytest.mark.parametrize("value", ["0", "1.5", "true", '"all"'])
    def test_a_blast_radius_that_is_no_share(self, experiments, value):
        """Refused when settings are read."""
        experiments.makepyprojecttoml(f"[tool.stagefright]\nblast_radius = {value}\n")

        experiments.runpytest_subprocess().stderr.fnmatch_lines(["*blast_radius is a number above 0, and 1 at most*"])
