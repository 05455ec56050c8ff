"""Deployment: a template's resources become resources of a world, made through the same API calls that a test could make."""

from stagefright.deployment.deployer import Deployed, deploy

__all__ = ["Deployed", "deploy"]
