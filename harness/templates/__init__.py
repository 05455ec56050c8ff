"""Templates: a SAM or CloudFormation file becomes typed, ordered resources whose properties resolve at deploy time."""

from stagefright.templates.artifacts import Artifact
from stagefright.templates.loading import load_template
from stagefright.templates.lookup import Lookup
from stagefright.templates.project import Project, StackSource, find_template, read_project
from stagefright.templates.template import Output, Resource, Template

__all__ = [
    "Artifact",
    "Lookup",
    "Output",
    "Project",
    "Resource",
    "StackSource",
    "Template",
    "find_template",
    "load_template",
    "read_project",
]
