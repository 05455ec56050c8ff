"""The faults of deliveries; a new one adds its line here. They stay out of `catalogue.py`, since no function ever carries them."""

from __future__ import annotations

from stagefright.chaos.faults.delay import Delay
from stagefright.chaos.faults.delivery import DeliveryFault
from stagefright.chaos.faults.drop import Drop
from stagefright.chaos.faults.duplicate import Duplicate
from stagefright.chaos.faults.fault import AnyFault
from stagefright.chaos.faults.partial_batch import PartialBatch
from stagefright.chaos.faults.poison_record import PoisonRecord
from stagefright.chaos.faults.reorder import Reorder
from stagefright.chaos.faults.throttled_concurrency import ThrottledConcurrency

DELIVERY_FAULTS: tuple[type[AnyFault], ...] = (
    Delay,
    Drop,
    Duplicate,
    PartialBatch,
    PoisonRecord,
    Reorder,
    ThrottledConcurrency,
)
"""All kinds of faults of deliveries."""

__all__ = [
    "DELIVERY_FAULTS",
    "Delay",
    "DeliveryFault",
    "Drop",
    "Duplicate",
    "PartialBatch",
    "PoisonRecord",
    "Reorder",
    "ThrottledConcurrency",
]
