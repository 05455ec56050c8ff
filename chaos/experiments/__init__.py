"""Experiments: a steady state, a method that hurts, and the verdicts that are expected afterwards; in Python or in YAML."""

from stagefright.chaos.experiments.expected import Expected
from stagefright.chaos.experiments.experiment import Experiment
from stagefright.chaos.experiments.reading import read_experiment
from stagefright.chaos.experiments.report import Report
from stagefright.chaos.experiments.step import Step
from stagefright.chaos.experiments.steps import (
    Call,
    GetItem,
    Inject,
    Invoke,
    Publish,
    PutEvent,
    PutItem,
    PutObject,
    PutParameter,
    PutRecord,
    Request,
    SendMessage,
    Settle,
    Wait,
)

__all__ = [
    "Call",
    "Expected",
    "Experiment",
    "GetItem",
    "Inject",
    "Invoke",
    "Publish",
    "PutEvent",
    "PutItem",
    "PutObject",
    "PutParameter",
    "PutRecord",
    "Report",
    "Request",
    "SendMessage",
    "Settle",
    "Step",
    "Wait",
    "read_experiment",
]
