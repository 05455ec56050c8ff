"""Deployment: a template's resources become resources of a world, made through the same API calls that a test could make."""

from stagefright.deployment.deployer import Deployed, DeployedResource
from stagefright.deployment.stacks import DeployedStacks, PlannedStacks, at_home

__all__ = ["Deployed", "DeployedResource", "DeployedStacks", "PlannedStacks", "at_home"]
