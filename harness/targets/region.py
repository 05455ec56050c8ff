"""The region of a deployed stage."""

from __future__ import annotations

import os
from contextlib import suppress

from stagefright.errors import UsageError
from stagefright.settings import Settings
from stagefright.templates import cloud_assembly, find_template, read_project, serverless_output

VARIABLES = ("AWS_DEFAULT_REGION", "AWS_REGION")
"""Where a shell says the region; boto3 reads the first alone, the other SDKs the second."""


def region_of(settings: Settings) -> str:
    """
    What somebody set; else what the project's output is meant for; on AWS itself, else what the environment or the profile says.

    An emulator has no part in what is set for AWS.
    """
    if "region" in settings.origins:
        return settings.region
    is_aws = settings.target == "aws" and not settings.endpoint_url
    return _of_the_project(settings) or (is_aws and _of_the_sdk(settings.profile)) or settings.region


def _of_the_project(settings: Settings) -> str | None:
    """What the Serverless Framework or CDK wrote down; a template of CloudFormation or SAM does not say."""
    with suppress(UsageError):  # what is wrong with the project is told when it is deployed
        path = settings.template or find_template(settings.directory)
        if serverless_output.is_one(path) or cloud_assembly.is_one(path):
            regions = [one.region for one in read_project(path).chosen(settings.stack)]
            return next(filter(None, reversed(regions)), None)
    return None


def _of_the_sdk(profile: str | None) -> str | None:
    import boto3
    from botocore.exceptions import BotoCoreError

    said = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), None)
    if said is not None:
        return said
    with suppress(BotoCoreError):  # a profile that is not there is told when the account is asked
        return boto3.Session(profile_name=profile).region_name
    return None
