"""The faults, one file each, behind the contract in `fault.py`."""

from stagefright.chaos.faults.failure import Failure
from stagefright.chaos.faults.fault import Fault
from stagefright.chaos.faults.latency import Latency
from stagefright.chaos.faults.noop import Noop
from stagefright.chaos.faults.timeout import Timeout

__all__ = ["Failure", "Fault", "Latency", "Noop", "Timeout"]
