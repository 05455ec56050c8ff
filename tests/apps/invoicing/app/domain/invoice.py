from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Invoice:
    number: str
    customer: str
    amount: int

    @classmethod
    def for_order(cls, order: dict) -> Invoice:
        if order["quantity"] < 0:
            raise ValueError(f"order {order['id']} has a negative quantity")
        return cls(f"INV-{order['id']}", order["customer"], order["quantity"] * order["price"])

    def to_json(self) -> str:
        return json.dumps(asdict(self))
