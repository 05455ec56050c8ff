"""One engine for the filters of EventBridge rules, SNS subscriptions and event source mappings."""

from stagefright.patterns.dialects import (
    MappingFilter,
    SnsFilter,
    compile_mapping_filter,
    compile_pattern,
    compile_pipe_filter,
    compile_sns_filter,
    matches,
)
from stagefright.patterns.engine import Pattern
from stagefright.patterns.language import InvalidPattern

__all__ = [
    "InvalidPattern",
    "MappingFilter",
    "Pattern",
    "SnsFilter",
    "compile_mapping_filter",
    "compile_pattern",
    "compile_pipe_filter",
    "compile_sns_filter",
    "matches",
]
