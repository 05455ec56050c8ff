"""
Promises of a system, judged by what its journal shows: each holds, is broken with evidence, or is unknown with a reason.

    from stagefright.chaos.checks import conserved, dead_lettered

    conserved("Orders", "Worker").require(journal)
"""

from stagefright.chaos.checks.conservation import conserved, dead_lettered
from stagefright.chaos.checks.effects import has_effect, idempotent, in_order
from stagefright.chaos.checks.resilience import fallback_used, no_retry_storm, recovered_after_heal, recursion_stopped
from stagefright.chaos.checks.retries import retried, timed_out_within
from stagefright.chaos.checks.verdict import Check, Rank, Verdict

__all__ = [
    "Check",
    "Rank",
    "Verdict",
    "conserved",
    "dead_lettered",
    "fallback_used",
    "has_effect",
    "idempotent",
    "in_order",
    "no_retry_storm",
    "recovered_after_heal",
    "recursion_stopped",
    "retried",
    "timed_out_within",
]
