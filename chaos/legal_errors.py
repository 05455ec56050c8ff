"""
Which errors an operation of AWS can answer with, by botocore's models; for planning, not for deployed functions.
"""

from __future__ import annotations

import functools
from typing import Any

from stagefright.chaos.faults.sdk_errors import COMMON, OF_SERVICE
from stagefright.chaos.faults.sdk_fault import ANY
from stagefright.errors import nearest


@functools.lru_cache(maxsize=256)
def problems(service: str, operation: str, code: str | None) -> tuple[str, ...]:
    """What is wrong with a fault of this operation that answers with `code`."""
    model = _model(service)
    if model is None:
        return (f"boto3 has no service {service!r}. {nearest(service, _services())}",)
    if operation != ANY and operation not in model.operation_names:
        return (f"{service} has no operation {operation!r}. {_nearest_operation(operation, model)}",)
    legal = _legal(service, operation)
    if code is None or code in legal:
        return ()
    where = f"no operation of {service}" if operation == ANY else f"{service} {operation}"
    cannot = "can answer" if operation == ANY else "cannot answer"
    hint = "Say even_if_undocumented=True if you have seen it."
    return (f"{where} {cannot} {code!r}, as far as AWS documents. {nearest(code, legal)} {hint}",)


def _nearest_operation(operation: str, model: Any) -> str:
    from botocore import xform_name

    for name in model.operation_names:
        if operation == xform_name(name):
            return f"Say {name!r}, as AWS does."
    return nearest(operation, model.operation_names)


@functools.lru_cache(maxsize=256)
def _legal(service: str, operation: str) -> frozenset[str]:
    """The codes that an operation, or any of a service, can answer."""
    model = _model(service)
    assert model is not None
    names = model.operation_names if operation == ANY else [operation]
    shapes = [shape for name in names for shape in model.operation_model(name).error_shapes]
    modelled = {shape.metadata.get("error", {}).get("code") or shape.name for shape in shapes}
    return frozenset(modelled | {shape.name for shape in shapes} | set(COMMON) | set(OF_SERVICE.get(service, {})))


@functools.cache
def _model(service: str) -> Any:
    return _session().get_service_model(service) if service in _services() else None


@functools.cache
def _services() -> frozenset[str]:
    return frozenset(_session().get_available_services())


@functools.cache
def _session() -> Any:
    import botocore.session

    return botocore.session.get_session()
