"""moto's state, found wherever it lies."""

from __future__ import annotations

import sys
from types import ModuleType

from stagefright.aws_api import moto_state


def test_a_service_that_is_loaded_while_other_modules_go_is_found(monkeypatch):
    """Handlers' modules come and go, so the number of modules that are loaded may stay the same."""
    from moto.core.base_backend import BackendDict, BaseBackend

    for name in ("a_handlers_module", "its_helper"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    moto_state.current()
    late = ModuleType("moto.late.models")
    late.late_backends = BackendDict(BaseBackend, "late")
    monkeypatch.setitem(sys.modules, late.__name__, late)
    monkeypatch.delitem(sys.modules, "its_helper")

    assert any(backend is late.late_backends for backend, _, _ in moto_state.current())
