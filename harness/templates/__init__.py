"""Templates: a SAM or CloudFormation file becomes typed, ordered resources whose properties resolve at deploy time."""

from stagefright.templates.loading import find_template, load_template
from stagefright.templates.lookup import Lookup
from stagefright.templates.template import Output, Resource, Template

__all__ = ["Lookup", "Output", "Resource", "Template", "find_template", "load_template"]
