"""CDK's logical ids without their hashes, and what a stage calls the resources of several stacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from stagefright.templates import StackSource, read_project
from stagefright.templates.project import nested_names, resource_names
from stagefright.templates.short_ids import short_ids

APPS = Path(__file__).parents[2] / "apps"


def cdk(path):
    return {"Type": "AWS::SQS::Queue", "Metadata": {"aws:cdk:path": path}}


@pytest.mark.parametrize(
    ("logical_id", "path", "short"),
    [
        ("JobsE1B2C3D4", "App/Jobs/Resource", "Jobs"),
        ("FeedTopic12345678", "App/Feed/Topic/Resource", "FeedTopic"),
        (
            "WorkerCurrentVersion8AEC97ECe2f8f5410b541c9f9171d1b9258334d0",
            "App/Worker/CurrentVersion/Resource",
            "WorkerCurrentVersion",
        ),
        (
            "ReportsNestedStackReportsNestedStackResource6385503C",
            "Shop/Reports.NestedStack/Reports.NestedStackResource",
            "Reports",
        ),
        (
            "myreportsNestedStackmyreportsNestedStackResource6385503C",
            "S/my-reports.NestedStack/my-reports.NestedStackResource",
            "myreports",
        ),
    ],
)
def test_a_hash_is_dropped(logical_id, path, short):
    """Eight digits after the id, and those of what a version stands for."""
    assert short_ids({logical_id: cdk(path)}) == {short: logical_id}


@pytest.mark.parametrize(
    "resources",
    [
        {"JobsE1B2C3D4": {"Type": "AWS::SQS::Queue"}},  # not written by CDK
        {"QueueDEADBEEF": cdk("App/QueueDEADBEEF")},  # stands directly in its stack: its own name
        {"JobsE1B2C3D4": cdk("App/Jobs/A"), "Jobs11111111": cdk("App/Jobs/B")},  # which of them?
        {"JobsE1B2C3D4": cdk("App/Jobs/Resource"), "Jobs": cdk("App/Jobs")},  # another's id
    ],
)
def test_an_id_that_must_stay_as_it_is(resources):
    """The short one would be wrong, or would not tell which."""
    assert short_ids(resources) == {}


def test_equal_names_in_several_stacks_are_told_apart():
    """By the stack's name; those that only one has stay short."""
    both, one = {"JobsE1B2C3D4": cdk("A/Jobs/Resource")}, {"OnlyE1B2C3D4": cdk("A/Only/Resource")}
    sources = [
        StackSource(name, Path(name), {"Resources": resources}, ())
        for name, resources in (("A", both | one), ("B", both))
    ]

    assert resource_names(sources) == {
        "A": {"JobsE1B2C3D4": "A.Jobs", "OnlyE1B2C3D4": "Only"},
        "B": {"JobsE1B2C3D4": "B.Jobs"},
    }


def test_the_names_of_an_undeployed_project_are_those_of_its_stage():
    """Whoever deploys elsewhere calls the resources the same."""
    import stagefright

    sources = read_project(APPS / "cdk_shop").chosen("*")
    expected = {name for names in resource_names(sources).values() for name in names.values()}
    for source in sources:
        for logical_id, nested in source.nested.items():
            expected |= set(nested_names(nested, resource_names(sources)[source.name][logical_id]).values())

    with stagefright.open_stage("names", directory=APPS / "cdk_shop", stack="*") as stage:
        assert set(stage.resources) == {name for name in expected if not name.endswith("CDKMetadata")}
